package smtp

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/foxcpp/go-mockdns"
	"github.com/google/go-cmp/cmp"

	"listd/mail"
	"listd/smtp/sink"
)

// keeper is a sink's Keep.
type keeper struct {
	mu  sync.Mutex
	got []sink.Mail
}

func (k *keeper) keep(m sink.Mail) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.got = append(k.got, m)
}

func TestRelayTLS(t *testing.T) {
	t.Parallel()
	server, trust := certificate(t, "127.0.0.1")
	other, otherTrust := certificate(t, "relay.example")
	plain := &sink.Sink{}
	clear := startSink(t, plain)
	offers := func(cfg *tls.Config) string { return startSink(t, &sink.Sink{TLS: cfg, Keep: func(sink.Mail) {}}) }
	broken := script(t, func(_ int, c net.Conn, r *bufio.Reader) {
		breakTLS(c, r, "220 go\r\nnot TLS at all, but long enough for a record\r\n", false)
	})
	hangsUp := script(t, func(_ int, c net.Conn, r *bufio.Reader) { breakTLS(c, r, "220 go\r\n", true) })
	refuses := script(t, func(_ int, c net.Conn, r *bufio.Reader) { breakTLS(c, r, "454 4.7.0 TLS not available\r\n", false) })
	implicit := implicitTLS(t, server)
	for _, tt := range []struct {
		name, addr string
		sec        Security
		cfg        *tls.Config
		want       string
	}{
		{"opportunistic, not offered", clear, Opportunistic, nil, "250 2.0.0"},
		{"opportunistic, any certificate", offers(other), Opportunistic, nil, "250 2.0.0"},
		{"opportunistic, refused", refuses, Opportunistic, nil, "250 2.0.0"},
		{"opportunistic, hung up", hangsUp, Opportunistic, nil, "250 2.0.0"},
		{"opportunistic, injected bytes", broken, Opportunistic, nil, "451 4.5.0"},
		{"required, not offered", clear, Required, nil, "451 4.7.4"},
		{"required, refused", refuses, Required, nil, "454 4.7.0"},
		{"required, hung up", hangsUp, Required, nil, "451 4.7.5"},
		{"required, certificate unknown", offers(server), Required, nil, "451 4.7.5"},
		{"required, certificate for another", offers(other), Required, &tls.Config{RootCAs: otherTrust}, "451 4.7.5"},
		{"required, good", offers(server), Required, &tls.Config{RootCAs: trust}, "250 2.0.0"},
		{"none, offered", offers(server), Clear, nil, "250 2.0.0"},
		{"implicit, good", implicit, Implicit, &tls.Config{RootCAs: trust}, "250 2.0.0"},
		{"implicit, certificate unknown", implicit, Implicit, nil, "451 4.7.5"},
		{"implicit, none there", clear, Implicit, nil, "451 4.7.5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &Relay{Addr: tt.addr, Hostname: "h.example", Security: tt.sec, TLS: tt.cfg}
			defer r.Close()
			if got := r.Send(t.Context(), "x", envelope("a@x"), small); said(got[0]) != tt.want {
				t.Errorf("the reply is %v, want %s", got[0].Error(), tt.want)
			}
		})
	}
}

// breakTLS offers STARTTLS, says answer to it, and hangs up or goes on in the clear.
func breakTLS(c net.Conn, r *bufio.Reader, answer string, hangUp bool) {
	_, _ = io.WriteString(c, "220 x\r\n")
	_, _ = r.ReadString('\n')
	_, _ = io.WriteString(c, "250-x\r\n250 STARTTLS\r\n")
	line, _ := r.ReadString('\n')
	switch {
	case strings.HasPrefix(line, "STARTTLS"):
		_, _ = io.WriteString(c, answer)
		if hangUp {
			return
		}
	default:
		_, _ = io.WriteString(c, "250 ok\r\n") // MAIL, already
	}
	afterHello(c, r)
}

// afterHello takes all of one transaction.
func afterHello(c net.Conn, r *bufio.Reader) {
	for {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return
		case strings.HasPrefix(line, "DATA"):
			_, _ = io.WriteString(c, "354 go\r\n")
			for line != ".\r\n" && err == nil {
				line, err = r.ReadString('\n')
			}
			_, _ = io.WriteString(c, "250 2.0.0 taken\r\n")
			return
		}
		_, _ = io.WriteString(c, "250 ok\r\n")
	}
}

func implicitTLS(t *testing.T, cfg *tls.Config) string {
	t.Helper()
	return script(t, func(_ int, c net.Conn, _ *bufio.Reader) {
		over := tls.Server(c, cfg)
		r := bufio.NewReader(over)
		_, _ = io.WriteString(over, "220 x\r\n")
		afterHello(over, r)
	})
}

// TestSTARTTLSInjection: what comes in the clear behind the reply to STARTTLS must not be read as if it came by TLS
// (CVE-2011-0411), and ends the delivery even where TLS is not wanted much.
func TestSTARTTLSInjection(t *testing.T) {
	t.Parallel()
	conns := make(chan int, 10)
	addr := script(t, func(n int, c net.Conn, r *bufio.Reader) {
		conns <- n
		breakTLS(c, r, "220 go\r\n250-evil.example\r\n250 AUTH PLAIN\r\n", false)
	})
	r := &Relay{Addr: addr, Hostname: "h.example", User: "u", Password: "p"}
	defer r.Close()
	if got := r.Send(t.Context(), "x", envelope("a@x"), small); said(got[0]) != "451 4.5.0" || len(conns) != 1 {
		t.Errorf("the reply is %v after %d connections", got[0].Error(), len(conns))
	}
}

func TestDirectTLS(t *testing.T) {
	t.Parallel()
	server, _ := certificate(t, "another.example")
	k := &keeper{}
	good := startSink(t, &sink.Sink{TLS: server, Keep: k.keep})
	broken := startSink(t, &sink.Sink{TLS: &tls.Config{}, Keep: k.keep}) // without a certificate every handshake fails
	n := &internet{to: map[string]string{"192.0.2.1:25": good, "192.0.2.2:25": broken}}
	d := &Direct{Hostname: "lists.example.org", dialTCP: n.dial, Resolver: &mockdns.Resolver{Zones: map[string]mockdns.Zone{
		"good.example.": {A: []string{"192.0.2.1"}}, "broken.example.": {A: []string{"192.0.2.2"}}}}}
	defer d.Close()
	for _, domain := range []string{"good.example", "broken.example"} {
		if got := d.Send(t.Context(), domain, envelope("a@"+domain), small); !got[0].OK() {
			t.Errorf("%s: the reply is %v", domain, got[0].Error())
		}
	}
	if len(k.got) != 2 || !k.got[0].TLS || k.got[1].TLS {
		t.Errorf("the sinks have %+v, want one by TLS and one without", k.got)
	}
	if want := []string{"192.0.2.1:25", "192.0.2.2:25", "192.0.2.2:25"}; !cmp.Equal(n.dialed, want) {
		t.Errorf("dialed were %v, want %v: a fresh connection for the clear", n.dialed, want)
	}
}

func TestRelayAuth(t *testing.T) {
	t.Parallel()
	server, trust := certificate(t, "127.0.0.1")
	for _, tt := range []struct {
		name       string
		extensions []string
		password   string
		want, used string
	}{
		{"PLAIN", nil, "sesame", "250 2.0.0", "PLAIN"},
		{"wrong password", nil, "simsim", "454 4.7.8", "PLAIN"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var used string
			s := &sink.Sink{TLS: server, Auth: func(mechanism, user, password string) bool {
				used = mechanism
				return user == "listd" && password == "sesame"
			}}
			r := &Relay{Addr: startSink(t, s), Hostname: "h.example", Security: Required, TLS: &tls.Config{RootCAs: trust}, User: "listd", Password: tt.password}
			defer r.Close()
			if got := r.Send(t.Context(), "x", envelope("a@x"), small); said(got[0]) != tt.want || used != tt.used {
				t.Errorf("the reply is %v by %q", got[0].Error(), used)
			}
		})
	}
	for name, tt := range map[string]struct{ offer, want, heard string }{
		"LOGIN":             {"AUTH CRAM-MD5 LOGIN", "250 2.0.0", "AUTH LOGIN|bGlzdGQ=|c2VzYW1l"},
		"lower case":        {"auth plain", "250 2.0.0", "AUTH PLAIN AGxpc3RkAHNlc2FtZQ=="},
		"nothing that fits": {"AUTH CRAM-MD5", "454 4.7.0", ""},
		"no AUTH at all":    {"HELP", "454 4.7.0", ""},
		"PLAIN like a word": {"AUTH XPLAIN PLAINX", "454 4.7.0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var heard []string
			addr := script(t, func(_ int, c net.Conn, r *bufio.Reader) {
				_, _ = io.WriteString(c, "220 x\r\n")
				_, _ = r.ReadString('\n')
				_, _ = io.WriteString(c, "250-x\r\n250 "+tt.offer+"\r\n")
				for range strings.Count(tt.heard, "|") {
					line, _ := r.ReadString('\n')
					heard = append(heard, strings.TrimSpace(line))
					_, _ = io.WriteString(c, "334 go on\r\n")
				}
				if tt.heard != "" {
					line, _ := r.ReadString('\n')
					heard = append(heard, strings.TrimSpace(line))
					_, _ = io.WriteString(c, "235 welcome\r\n")
				}
				afterHello(c, r)
			})
			r := &Relay{Addr: addr, Hostname: "h.example", User: "listd", Password: "sesame"}
			got := r.Send(t.Context(), "x", envelope("a@x"), small)
			r.Close()
			if said(got[0]) != tt.want || strings.Join(heard, "|") != tt.heard {
				t.Errorf("the reply is %v, the server heard %q", got[0].Error(), heard)
			}
		})
	}
}

// TestPasswordInTheClear: it is sent within this machine, and nowhere else.
func TestPasswordInTheClear(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer func() { _, _ = near.Close(), far.Close() }()
	go func() {
		r := bufio.NewReader(far)
		_, _ = io.WriteString(far, "220 x\r\n")
		_, _ = r.ReadString('\n')
		_, _ = io.WriteString(far, "250-x\r\n250 AUTH PLAIN LOGIN\r\n")
	}()
	c, err := newClient(t.Context(), near, "h.example", Timeouts{}) // of a pipe, nobody knows where it ends
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{Addr: "relay.example:25", User: "u", Password: "p"}
	if err := r.signIn(t.Context(), c); err == nil || !strings.Contains(err.Error(), "not sent without TLS") {
		t.Errorf("the error is %v", err)
	}
	s := &sink.Sink{Auth: func(_, _, password string) bool { return password == "p" }}
	local := &Relay{Addr: startSink(t, s), Hostname: "h.example", User: "u", Password: "p"}
	defer local.Close()
	if got := local.Send(t.Context(), "x", envelope("a@x"), small); !got[0].OK() {
		t.Errorf("to loopback the reply is %v", got[0].Error())
	}
}

// TestOldServers sends to servers that lack extensions.
func TestOldServers(t *testing.T) {
	t.Parallel()
	heloOnly := func(stage, arg string) sink.Fault {
		if stage == "helo" && strings.HasPrefix(arg, "EHLO") {
			return sink.Fault{Reply: "502 what"}
		}
		return sink.Fault{}
	}
	wide := mail.Message{Head: []byte("Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"), Body: []byte("Grüße\r\n")}
	utf8Head := mail.Message{Head: []byte("Subject: Grüße\r\n"), Body: []byte("x\r\n")}
	latin1 := mail.Message{Head: []byte("Subject: Gr\xfc\xdfe\r\n"), Body: []byte("x\r\n")}
	sized := func(n int) mail.Message {
		return mail.Message{Head: []byte("A: b\r\n"), Body: bytes.Repeat([]byte{'x'}, n-8)}
	}
	wideRcpt := envelope("ümit@x", "b@x")
	for name, tt := range map[string]struct {
		extensions []string
		fault      func(string, string) sink.Fault
		env        mail.Envelope
		m          mail.Message
		want       []string
		args, data string
	}{
		"8-bit taken":            {[]string{"8BITMIME"}, nil, envelope("a@x"), wide, []string{"250 2.0.0"}, "BODY=8BITMIME", "Grüße\r\n"},
		"8-bit in lower case":    {[]string{"8bitmime"}, nil, envelope("a@x"), wide, []string{"250 2.0.0"}, "BODY=8BITMIME", "Grüße\r\n"},
		"8-bit not taken":        {[]string{}, nil, envelope("a@x", "b@x"), wide, []string{"554 5.6.3", "554 5.6.3"}, "", ""},
		"HELO only":              {nil, heloOnly, envelope("a@x"), small, []string{"250 2.0.0"}, "", "Hello\r\n"},
		"8-bit, HELO only":       {nil, heloOnly, envelope("a@x"), wide, []string{"554 5.6.3"}, "", ""},
		"UTF-8 recipient taken":  {[]string{"8BITMIME", "SMTPUTF8"}, nil, wideRcpt, small, []string{"250 2.0.0", "250 2.0.0"}, "SMTPUTF8", "Hello\r\n"},
		"UTF-8 recipient not":    {[]string{"8BITMIME"}, nil, wideRcpt, small, []string{"553 5.6.7", "250 2.0.0"}, "", "Hello\r\n"},
		"only UTF-8 recipients":  {[]string{"8BITMIME"}, nil, envelope("ümit@x"), small, []string{"553 5.6.7"}, "", ""},
		"UTF-8 head, SMTPUTF8":   {[]string{"8BITMIME", "SMTPUTF8"}, nil, envelope("a@x"), utf8Head, []string{"250 2.0.0"}, "BODY=8BITMIME SMTPUTF8", "Subject: Grüße\r\n"},
		"UTF-8 head, plain":      {[]string{}, nil, envelope("a@x"), utf8Head, []string{"250 2.0.0"}, "", "Subject: Grüße\r\n"},
		"Latin-1 head, SMTPUTF8": {[]string{"8BITMIME", "SMTPUTF8"}, nil, envelope("a@x"), latin1, []string{"250 2.0.0"}, "BODY=8BITMIME", "Subject: Gr\xfc\xdfe\r\n"},
		"SIZE that fits":         {[]string{"SIZE 1000"}, nil, envelope("a@x"), sized(1000), []string{"250 2.0.0"}, "SIZE=1000", "xxx"},
		"SIZE that does not":     {[]string{"SIZE 1000"}, nil, envelope("a@x", "b@x"), sized(1001), []string{"552 5.3.4", "552 5.3.4"}, "", ""},
		"SIZE without a number":  {[]string{"SIZE"}, nil, envelope("a@x"), sized(1001), []string{"250 2.0.0"}, "SIZE=1001", "xxx"},
		"SIZE 0 is no limit":     {[]string{"SIZE 0"}, nil, envelope("a@x"), sized(1001), []string{"250 2.0.0"}, "SIZE=1001", "xxx"},
		"SIZE that is no number": {[]string{"SIZE a lot"}, nil, envelope("a@x"), sized(1001), []string{"250 2.0.0"}, "SIZE=1001", "xxx"},
	} {
		for _, noPipeline := range []bool{false, true} {
			t.Run(fmt.Sprint(name, noPipeline), func(t *testing.T) {
				t.Parallel()
				k := &keeper{}
				s := &sink.Sink{Extensions: tt.extensions, Fault: tt.fault, NoPipeline: noPipeline, Keep: k.keep}
				r := &Relay{Addr: startSink(t, s), Hostname: "h.example"}
				got := r.Send(t.Context(), "x", tt.env, tt.m)
				r.Close()
				s.Close()
				if diff := cmp.Diff(tt.want, saidAll(got)); diff != "" {
					t.Errorf("the replies (-want +got):\n%s", diff)
				}
				if tt.data == "" {
					if len(k.got) != 0 {
						t.Errorf("the server has %+v", k.got)
					}
					return
				}
				if len(k.got) != 1 || k.got[0].Args != tt.args || !bytes.Contains(k.got[0].Data, []byte(tt.data)) {
					t.Errorf("the server has %+v, want %q and %q", k.got, tt.args, tt.data)
				}
			})
		}
	}
}

// TestDotStuffing sends bodies of many sizes with dots at every border and compares them byte for byte.
func TestDotStuffing(t *testing.T) {
	t.Parallel()
	const line = ".\r\n..\r\n.x\r\nx.\r\n\r\n.\r\n"
	long := strings.Repeat("x", 997) + "\r\n"
	sizes := []int{1, 2, 3, 4, 5, 100, 1000, 5000, 200 << 10}
	for _, border := range []int{4 << 10, blockSize / 2, blockSize} {
		for d := -16; d <= 2; d++ { // a head of 10 or 11 bytes and an empty line go before
			sizes = append(sizes, border+d)
		}
	}
	for name, unit := range map[string]string{"dots": line, "lines": long, "lines and dots": long + ".\r\n", "one line": "x"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &keeper{}
			s := &sink.Sink{Keep: k.keep}
			r := &Relay{Addr: startSink(t, s), Hostname: "h.example"}
			var want []string
			whole := strings.Repeat(unit, (200<<10)/len(unit)+1)
			for _, n := range sizes {
				body := strings.TrimSuffix(whole[:n], "\r") // a bare CR is nobody's message
				head := []string{"A: bcdef\r\n", ".Odd: xyz\r\n"}[n/2%2]
				if got := r.Send(t.Context(), "x", envelope("a@x"), mail.Message{Head: []byte(head), Body: []byte(body)}); !got[0].OK() {
					t.Fatal(got[0].Error())
				}
				if !strings.HasSuffix(body, "\r\n") && body != "" {
					body += "\r\n"
				}
				want = append(want, head+"\r\n"+body)
			}
			r.Close()
			s.Close()
			if len(k.got) != len(want) {
				t.Fatalf("the server has %d mails, want %d", len(k.got), len(want))
			}
			for i, w := range want {
				if string(k.got[i].Data) != w {
					t.Errorf("mail %d of %d bytes came as one of %d bytes", i, len(w), len(k.got[i].Data))
				}
			}
		})
	}
}

// TestOrder sends to many recipients and expects each one's own reply in its place.
func TestOrder(t *testing.T) {
	t.Parallel()
	for _, noPipeline := range []bool{false, true} {
		s := &sink.Sink{NoPipeline: noPipeline, Fault: func(stage, arg string) sink.Fault {
			if stage == "rcpt" && strings.HasPrefix(arg, "no") {
				return sink.Fault{Reply: "550 5.1.1 " + arg}
			}
			return sink.Fault{}
		}}
		r := &Relay{Addr: startSink(t, s), Hostname: "h.example"}
		var to []string
		for i := range 150 {
			to = append(to, fmt.Sprintf("%s%d@x", []string{"yes", "no", "yes"}[i%3], i))
		}
		got := r.Send(t.Context(), "x", envelope(to...), small)
		for i, reply := range got {
			if bad := strings.HasPrefix(to[i], "no"); reply.OK() == bad || bad && reply.Text != to[i] {
				t.Errorf("the reply for %s is %v", to[i], reply.Error())
			}
		}
		if s.Transactions() != 1 || s.Recipients() != 100 {
			t.Errorf("the sink counted %v", s)
		}
		r.Close()
	}
}
