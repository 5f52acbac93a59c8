package smtp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foxcpp/go-mockdns"
	"github.com/google/go-cmp/cmp"

	"listd/mail"
	"listd/smtp/sink"
)

// internet maps addresses of the public Internet to sinks of this machine, and writes down who was dialed.
type internet struct {
	to map[string]string // "192.0.2.1:25" to where it really is

	mu     sync.Mutex
	dialed []string
}

func (n *internet) dial(ctx context.Context, addr string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, addr)
	n.mu.Unlock()
	real, ok := n.to[addr]
	if !ok {
		return nil, errors.New("connection refused")
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", real)
}

// lookups counts what is asked of DNS.
type lookups struct {
	mockdns.Resolver
	mu    sync.Mutex
	asked map[string]int
}

func (l *lookups) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	l.mu.Lock()
	l.asked["MX "+name]++
	l.mu.Unlock()
	return l.Resolver.LookupMX(ctx, name)
}

func (l *lookups) LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error) {
	l.mu.Lock()
	l.asked["A "+host]++
	l.mu.Unlock()
	return l.Resolver.LookupIPAddr(ctx, host)
}

func startSink(t *testing.T, s *sink.Sink) string {
	t.Helper()
	addr, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return addr
}

func envelope(to ...string) mail.Envelope {
	env := mail.Envelope{From: mail.Address{Local: "dev-bounces", Domain: "lists.example.org"}}
	for _, s := range to {
		local, domain, _ := strings.Cut(s, "@")
		env.To = append(env.To, mail.Rcpt{Address: mail.Address{Local: local, Domain: domain}})
	}
	return env
}

var small = mail.Message{Head: []byte("Subject: small\r\n"), Body: []byte("Hello\r\n")}

func mx(pref uint16, host string) net.MX { return net.MX{Host: host, Pref: pref} }

// said is a reply in short.
func said(r mail.Reply) string {
	return fmt.Sprintf("%d %d.%d.%d", r.Code, r.Enhanced[0], r.Enhanced[1], r.Enhanced[2])
}

// TestDirectRoutes holds the way of a message against the DNS. Two servers take mail, at .1 and .2; at .3 one refuses
// everybody with a greeting of 5yz, at .4 one never takes mail; elsewhere nobody is.
func TestDirectRoutes(t *testing.T) {
	t.Parallel()
	ok1, ok2 := startSink(t, &sink.Sink{}), startSink(t, &sink.Sink{})
	greeting := func(reply string) string {
		return startSink(t, &sink.Sink{Fault: func(stage, _ string) sink.Fault {
			if stage == "connect" {
				return sink.Fault{Reply: reply}
			}
			return sink.Fault{Drop: true}
		}})
	}
	ehlo := startSink(t, &sink.Sink{Fault: func(stage, _ string) sink.Fault {
		if stage == "helo" {
			return sink.Fault{Reply: "550 5.7.1 not you"}
		}
		return sink.Fault{}
	}})
	busy := startSink(t, &sink.Sink{Fault: func(stage, _ string) sink.Fault {
		if stage == "mail" {
			return sink.Fault{Reply: "421 4.3.2 shutting down"}
		}
		return sink.Fault{}
	}})
	at := map[string]string{
		"192.0.2.1:25": ok1, "192.0.2.2:25": ok2, "[2001:db8::1]:25": ok1,
		"192.0.2.3:25": greeting("554 5.7.1 your address is listed"), "192.0.2.4:25": greeting("521 5.3.2 no mail here"),
		"192.0.2.5:25": ehlo, "192.0.2.6:25": busy,
	}
	host := func(ips ...string) mockdns.Zone { return mockdns.Zone{A: ips} }
	many := mockdns.Zone{}
	zones := map[string]mockdns.Zone{
		"one.example.": host("192.0.2.1"), "two.example.": host("192.0.2.2"), "dead.example.": host("198.51.100.1"),
		"rude.example.": host("192.0.2.3"), "never.example.": host("192.0.2.4"), "six.example.": {AAAA: []string{"2001:db8::1"}},
		"ehlo.example.": host("192.0.2.5"), "busy.example.": host("192.0.2.6"), "inside.example.": host("10.0.0.1"),
		"broken.example.": {Err: &net.DNSError{Err: "SERVFAIL", IsTemporary: true}},
		"multi.example.":  host("198.51.100.1", "127.0.0.1", "192.0.2.2"),
	}
	for i := range 20 {
		name := fmt.Sprintf("many%d.example.", i)
		many.MX = append(many.MX, mx(uint16(i), name))
		zones[name] = host(fmt.Sprintf("198.51.100.%d", 100+3*i), fmt.Sprintf("198.51.100.%d", 101+3*i), fmt.Sprintf("198.51.100.%d", 102+3*i))
	}
	for name, tt := range map[string]struct {
		zone   mockdns.Zone
		want   string
		dialed []string
	}{
		"the best MX first":              {mockdns.Zone{MX: []net.MX{mx(20, "two.example."), mx(10, "one.example.")}}, "250 2.0.0", []string{"192.0.2.1:25"}},
		"equal ones as chance has it":    {mockdns.Zone{MX: []net.MX{mx(10, "one.example."), mx(10, "two.example.")}}, "250 2.0.0", []string{"192.0.2.2:25"}},
		"the next when one is dead":      {mockdns.Zone{MX: []net.MX{mx(10, "dead.example."), mx(20, "two.example.")}}, "250 2.0.0", []string{"198.51.100.1:25", "192.0.2.2:25"}},
		"the next address of a host":     {mockdns.Zone{MX: []net.MX{mx(10, "multi.example.")}}, "250 2.0.0", []string{"198.51.100.1:25", "192.0.2.2:25"}},
		"the next after a 5yz greeting":  {mockdns.Zone{MX: []net.MX{mx(10, "rude.example."), mx(20, "two.example.")}}, "250 2.0.0", []string{"192.0.2.3:25", "192.0.2.2:25"}},
		"the next after a 5yz EHLO":      {mockdns.Zone{MX: []net.MX{mx(10, "ehlo.example."), mx(20, "two.example.")}}, "250 2.0.0", []string{"192.0.2.5:25", "192.0.2.2:25"}},
		"the next after 421 to MAIL":     {mockdns.Zone{MX: []net.MX{mx(10, "busy.example."), mx(20, "two.example.")}}, "250 2.0.0", []string{"192.0.2.6:25", "192.0.2.2:25"}},
		"the next when DNS fails for it": {mockdns.Zone{MX: []net.MX{mx(10, "broken.example."), mx(20, "two.example.")}}, "250 2.0.0", []string{"192.0.2.2:25"}},
		"IPv6":                           {mockdns.Zone{MX: []net.MX{mx(10, "six.example.")}}, "250 2.0.0", []string{"[2001:db8::1]:25"}},
		"no MX: the domain itself":       {host("192.0.2.1"), "250 2.0.0", []string{"192.0.2.1:25"}},
		"null MX":                        {mockdns.Zone{MX: []net.MX{mx(0, ".")}, A: []string{"192.0.2.1"}}, "556 5.1.10", nil},
		"neither MX nor address":         {mockdns.Zone{TXT: []string{"x"}}, "550 5.1.2", nil},
		"an MX without an address":       {mockdns.Zone{MX: []net.MX{mx(10, "nowhere.example.")}}, "550 5.4.4", nil},
		"DNS fails":                      {mockdns.Zone{Err: &net.DNSError{Err: "SERVFAIL", IsTemporary: true}}, "451 4.4.3", nil},
		"DNS fails for the only host":    {mockdns.Zone{MX: []net.MX{mx(10, "broken.example."), mx(20, "nowhere.example.")}}, "451 4.4.3", nil},
		"only a private address":         {mockdns.Zone{MX: []net.MX{mx(10, "inside.example.")}}, "550 5.4.4", nil},
		"private or dead":                {mockdns.Zone{MX: []net.MX{mx(10, "inside.example."), mx(20, "dead.example.")}}, "451 4.4.1", []string{"198.51.100.1:25"}},
		"we are the best":                {mockdns.Zone{MX: []net.MX{mx(10, "LISTS.example.org."), mx(20, "one.example.")}}, "554 5.4.6", nil},
		"we are as good as another":      {mockdns.Zone{MX: []net.MX{mx(10, "one.example."), mx(10, "lists.example.org.")}}, "554 5.4.6", nil},
		"better ones than we":            {mockdns.Zone{MX: []net.MX{mx(5, "dead.example."), mx(10, "lists.example.org."), mx(20, "one.example.")}}, "451 4.4.1", []string{"198.51.100.1:25"}},
		"nobody talks to us":             {mockdns.Zone{MX: []net.MX{mx(10, "rude.example.")}}, "451 4.7.1", []string{"192.0.2.3:25"}},
		"a host that never takes mail":   {mockdns.Zone{MX: []net.MX{mx(10, "never.example.")}}, "521 5.3.2", []string{"192.0.2.4:25"}},
		"bounds of patience": {many, "451 4.4.1", []string{"198.51.100.100:25", "198.51.100.101:25", "198.51.100.102:25", "198.51.100.103:25",
			"198.51.100.104:25", "198.51.100.105:25", "198.51.100.106:25", "198.51.100.107:25", "198.51.100.108:25", "198.51.100.109:25"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := &internet{to: at}
			own := map[string]mockdns.Zone{"dest.example.": tt.zone}
			for k, v := range zones {
				own[k] = v
			}
			d := &Direct{Hostname: "lists.example.org", Resolver: &mockdns.Resolver{Zones: own}, dialTCP: n.dial,
				shuffle: func(n int, swap func(i, j int)) { swap(0, n-1) }}
			defer d.Close()
			got := d.Send(t.Context(), "dest.example", envelope("a@dest.example", "b@dest.example"), small)
			if len(got) != 2 || said(got[0]) != tt.want || said(got[1]) != tt.want {
				t.Errorf("the replies are %v, want %s twice", got, tt.want)
			}
			if diff := cmp.Diff(tt.dialed, n.dialed); diff != "" {
				t.Errorf("who was dialed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDirectNoSuchDomain(t *testing.T) {
	t.Parallel()
	d := &Direct{Hostname: "lists.example.org", Resolver: &mockdns.Resolver{}}
	defer d.Close()
	if got := d.Send(t.Context(), "gone.example", envelope("a@gone.example"), small); said(got[0]) != "550 5.1.2" {
		t.Errorf("the reply is %v", got[0].Error())
	}
	d = &Direct{Hostname: "lists.example.org", Resolver: &mockdns.Resolver{Zones: map[string]mockdns.Zone{"lists.example.org.": {A: []string{"192.0.2.1"}}}}}
	defer d.Close()
	if got := d.Send(t.Context(), "lists.example.org", envelope("a@lists.example.org"), small); said(got[0]) != "554 5.4.6" {
		t.Errorf("to ourselves without MX the reply is %v", got[0].Error())
	}
}

// TestDirectAnswers holds that what a host says about the transaction is the answer, and no other host is asked.
func TestDirectAnswers(t *testing.T) {
	t.Parallel()
	for stage, reply := range map[string]string{"mail": "450 4.7.1 later", "rcpt": "550 5.1.1 nobody", "data": "451 4.3.0 no disk", "dot": "554 5.7.0 spam"} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			n := &internet{to: map[string]string{"192.0.2.1:25": startSink(t, &sink.Sink{Fault: func(at, _ string) sink.Fault {
				if at == stage {
					return sink.Fault{Reply: reply}
				}
				return sink.Fault{}
			}})}}
			d := &Direct{Hostname: "lists.example.org", dialTCP: n.dial, Resolver: &mockdns.Resolver{Zones: map[string]mockdns.Zone{
				"dest.example.": {MX: []net.MX{mx(1, "one.example."), mx(2, "two.example.")}},
				"one.example.":  {A: []string{"192.0.2.1"}}, "two.example.": {A: []string{"192.0.2.2"}}}}}
			defer d.Close()
			got := d.Send(t.Context(), "dest.example", envelope("a@dest.example"), small)
			if !strings.HasPrefix(reply, said(got[0])) || len(n.dialed) != 1 {
				t.Errorf("the reply is %v after dialing %v", got[0].Error(), n.dialed)
			}
		})
	}
}

func TestDirectLiterals(t *testing.T) {
	t.Parallel()
	addr := startSink(t, &sink.Sink{})
	n := &internet{to: map[string]string{"192.0.2.1:2525": addr, "[2001:db8::1]:2525": addr}}
	d := &Direct{Hostname: "lists.example.org", dialTCP: n.dial, Port: 2525, Resolver: &mockdns.Resolver{}}
	defer d.Close()
	for domain, want := range map[string]string{
		"[192.0.2.1]": "250 2.0.0", "[IPv6:2001:db8::1]": "250 2.0.0", "[127.0.0.1]": "550 5.4.4", "[IPv6:::1]": "550 5.4.4",
		"[IPv6:::ffff:10.0.0.1]": "550 5.4.4", "[IPv6:64:ff9b::a00:1]": "550 5.4.4", "[192.0.2.9]": "451 4.4.1",
	} {
		if got := d.Send(t.Context(), domain, envelope("a@x"), small); said(got[0]) != want {
			t.Errorf("%s: the reply is %v, want %s", domain, got[0].Error(), want)
		}
	}
}

func TestPrivate(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "0.1.2.3", "::", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
		"169.254.169.254", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "100.64.0.1", "100.127.255.255", "224.0.0.1", "ff02::1", "255.255.255.255",
		"240.0.0.1", "192.0.0.8", "198.18.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "64:ff9b::a00:1",
		"64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "2002:7f00:1::", "2002:c0a8:101::1", "::127.0.0.1", "::10.0.0.1", "fec0::1"} {
		if !private(netip.MustParseAddr(s)) {
			t.Errorf("%s counts as public", s)
		}
	}
	for _, s := range []string{"8.8.8.8", "172.32.0.1", "100.128.0.1", "192.169.0.1", "1.1.1.1", "2606:4700::1", "64:ff9b::808:808", "::ffff:8.8.8.8", "2002:808:808::1"} {
		if private(netip.MustParseAddr(s)) {
			t.Errorf("%s counts as private", s)
		}
	}
	if !private(netip.Addr{}) {
		t.Error("no address at all counts as public")
	}
}

// TestDirectAllowPrivate is the real way: a DNS server, a dial, a port of this machine.
func TestDirectAllowPrivate(t *testing.T) {
	t.Parallel()
	var got []sink.Mail
	s := &sink.Sink{Keep: func(m sink.Mail) { got = append(got, m) }}
	_, port, _ := net.SplitHostPort(startSink(t, s))
	dns, err := mockdns.NewServerWithLogger(map[string]mockdns.Zone{
		"dest.example.": {MX: []net.MX{mx(10, "mx.dest.example.")}}, "mx.dest.example.": {A: []string{"127.0.0.1"}},
		"null.example.":  {MX: []net.MX{mx(0, ".")}},
		"fails.example.": {Err: errors.New("out of order")},
	}, quiet{}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dns.Close() }()
	resolver := NewResolver(dns.LocalAddr().String())
	d := &Direct{Hostname: "lists.example.org", Resolver: resolver, AllowPrivate: true, LocalAddr: netip.MustParseAddr("127.0.0.1")}
	if _, err := fmt.Sscan(port, &d.Port); err != nil {
		t.Fatal(err)
	}
	for domain, want := range map[string]string{"dest.example": "250 2.0.0", "null.example": "556 5.1.10", "gone.example": "550 5.1.2", "fails.example": "451 4.4.3"} {
		if r := d.Send(t.Context(), domain, envelope("a@"+domain), small); said(r[0]) != want {
			t.Errorf("%s: the reply is %v, want %s", domain, r[0].Error(), want)
		}
	}
	d.Close()
	s.Close()
	if len(got) != 1 || got[0].To[0] != "a@dest.example" || got[0].Helo != "lists.example.org" || string(got[0].Data) != "Subject: small\r\n\r\nHello\r\n" {
		t.Errorf("the sink has %+v", got)
	}
	closed := &Direct{Hostname: "lists.example.org", Resolver: resolver, Port: d.Port}
	if r := closed.Send(t.Context(), "dest.example", envelope("a@dest.example"), small); said(r[0]) != "550 5.4.4" {
		t.Errorf("without AllowPrivate the reply is %v", r[0].Error())
	}
	closed.AllowPrivate, closed.LocalAddr, closed.ips = true, netip.MustParseAddr("::1"), memo[addresses]{}
	if r := closed.Send(t.Context(), "dest.example", envelope("a@dest.example"), small); said(r[0]) != "451 4.4.4" {
		t.Errorf("from an address of the other family the reply is %v", r[0].Error())
	}
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}

// TestDirectCache sends much to one domain and counts lookups, connections, and dials of its dead first MX.
func TestDirectCache(t *testing.T) {
	t.Parallel()
	s := &sink.Sink{}
	n := &internet{to: map[string]string{"192.0.2.2:25": startSink(t, s)}}
	l := &lookups{asked: map[string]int{}, Resolver: mockdns.Resolver{Zones: map[string]mockdns.Zone{
		"dest.example.": {MX: []net.MX{mx(1, "dead.example."), mx(2, "two.example.")}},
		"dead.example.": {A: []string{"192.0.2.1"}}, "two.example.": {A: []string{"192.0.2.2"}}}}}
	d := &Direct{Hostname: "lists.example.org", dialTCP: n.dial, Resolver: l}
	defer d.Close()
	for range 100 {
		if got := d.Send(t.Context(), "dest.example", envelope("a@dest.example"), small); !got[0].OK() {
			t.Fatal(got[0].Error())
		}
	}
	if want := map[string]int{"MX dest.example.": 1, "A dead.example.": 1, "A two.example.": 1}; !cmp.Equal(l.asked, want) {
		t.Errorf("DNS was asked %v, want %v", l.asked, want)
	}
	if want := []string{"192.0.2.1:25", "192.0.2.2:25"}; !slices.Equal(n.dialed, want) || s.Connections() != 1 {
		t.Errorf("dialed were %v, want %v", n.dialed, want)
	}
}

func TestMemo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var m memo[int]
		m.put("a", 1)
		if v, ok := m.get("a"); !ok || v != 1 {
			t.Errorf("get = %d, %v", v, ok)
		}
		<-time.After(remember)
		if _, ok := m.get("a"); ok {
			t.Error("it is remembered too long")
		}
		for i := range 3 * rememberMost {
			m.put(fmt.Sprint(i), i)
		}
		if len(m.m) > rememberMost {
			t.Errorf("it remembers %d, at most %d are allowed", len(m.m), rememberMost)
		}
		m.put("b", 2)
		m.forget("b")
		if _, ok := m.get("b"); ok {
			t.Error("it does not forget")
		}
	})
}

// TestDirectCancelled ends the context while a server thinks: Send returns, and asks nobody else.
func TestDirectCancelled(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{"connect", "helo", "mail", "dot"} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			returned := make(chan struct{})
			n := &internet{to: map[string]string{"192.0.2.1:25": startSink(t, &sink.Sink{Fault: func(at, _ string) sink.Fault {
				if at == stage {
					cancel()
					<-returned
				}
				return sink.Fault{}
			}})}}
			d := &Direct{Hostname: "lists.example.org", dialTCP: n.dial, Resolver: &mockdns.Resolver{Zones: map[string]mockdns.Zone{
				"dest.example.": {A: []string{"192.0.2.1", "192.0.2.2"}}}}}
			defer d.Close()
			got := d.Send(ctx, "dest.example", envelope("a@dest.example"), small)
			close(returned)
			if !got[0].Temporary() || !strings.Contains(got[0].Text, "on our side") || len(n.dialed) != 1 {
				t.Errorf("the reply is %v after dialing %v", got[0].Error(), n.dialed)
			}
		})
	}
}
