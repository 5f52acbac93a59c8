package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"

	"listd/mail"
)

// How far a transaction looks for a server that talks to it.
const (
	maxHosts = 5
	maxDials = 10
)

// Direct sends to the MX hosts of each domain. Its fields are set before the first Send; the zero value but for Hostname
// is the usual one. It is safe for concurrent use.
type Direct struct {
	Hostname     string      // for EHLO, and to know ourselves among the MX hosts
	Resolver     Lookup      // nil: the system's
	Port         int         // 0: 25
	AllowPrivate bool        // addresses that are not of the public Internet too
	LocalAddr    netip.Addr  // to send from; the zero value leaves it to the system
	TLS          *tls.Config // nil: Go's defaults; certificates are never looked at
	Timeouts     Timeouts

	pool  pool
	mx    memo[exchangers] // by domain
	ips   memo[addresses]  // by host
	tired memo[struct{}]   // by ip:port: did not talk to us just now

	// For tests; nil: the real ones.
	shuffle func(n int, swap func(i, j int))
	dialTCP func(ctx context.Context, addr string) (net.Conn, error)
}

// Send has one transaction with the first MX host of domain that talks to us. What a host answers to MAIL, RCPT and DATA
// is the answer; a host that cannot be reached, or refuses us before that, makes it try the next.
func (d *Direct) Send(ctx context.Context, domain string, env mail.Envelope, m mail.Message) []mail.Reply {
	none := func(r mail.Reply) []mail.Reply { return fill(make([]mail.Reply, len(env.To)), r) }
	e, ok := d.mx.get(domain)
	if !ok {
		e = d.exchangers(ctx, domain)
		if ctx.Err() == nil {
			d.mx.put(domain, e)
		}
	}
	if e.refused != nil {
		return none(*e.refused)
	}
	t := &trip{d: d, domain: domain, env: env, m: m}
	for _, host := range e.hosts[:min(len(e.hosts), maxHosts)] {
		if replies := t.host(ctx, host); replies != nil {
			return replies
		}
	}
	for _, p := range t.later {
		if replies := t.dial(ctx, p); replies != nil {
			return replies
		}
	}
	return none(t.verdict)
}

// Close says goodbye on kept connections.
func (d *Direct) Close() { d.pool.close() }

func (d *Direct) lookup() Lookup {
	if d.Resolver == nil {
		return net.DefaultResolver
	}
	return d.Resolver
}

func (d *Direct) chance(n int, swap func(i, j int)) {
	if d.shuffle != nil {
		d.shuffle(n, swap)
		return
	}
	rand.Shuffle(n, swap)
}

// place is an address of a host.
type place struct {
	host string
	addr string // ip:port
}

// trip is the way of one message from host to host.
type trip struct {
	d       *Direct
	domain  string
	env     mail.Envelope
	m       mail.Message
	dials   int
	later   []place    // those that did not talk just now: last, so that each message does not wait for them anew
	verdict mail.Reply // why nobody took it: the first temporary reason, or else the first
}

func (t *trip) because(r mail.Reply) {
	if t.verdict.Code == 0 || r.Temporary() && !t.verdict.Temporary() {
		t.verdict = r
	}
}

// host tries the addresses of a host. It returns nil if none talks to us.
func (t *trip) host(ctx context.Context, host string) []mail.Reply {
	a, ok := t.d.ips.get(host)
	if !ok {
		a = t.d.addresses(ctx, host, t.domain)
		if ctx.Err() == nil {
			t.d.ips.put(host, a)
		}
	}
	if a.refused != nil {
		t.because(*a.refused)
		return nil
	}
	for _, ip := range a.ips {
		if private(ip) && !t.d.AllowPrivate {
			t.because(*mail.Refuse(550, "5.4.4", "The mail server of "+t.domain+", "+host+", has the address "+ip.String()+", which is not of the public Internet"))
			continue
		}
		if l := t.d.LocalAddr; l.IsValid() && l.Unmap().Is4() != ip.Is4() {
			t.because(*mail.Refuse(451, "4.4.4", "From "+l.String()+" there is no way to "+host+" at "+ip.String()))
			continue
		}
		p := place{host, net.JoinHostPort(ip.String(), strconv.Itoa(t.d.port()))}
		if _, is := t.d.tired.get(p.addr); is {
			t.later = append(t.later, p)
			continue
		}
		if replies := t.dial(ctx, p); replies != nil {
			return replies
		}
	}
	return nil
}

func (d *Direct) port() int {
	if d.Port == 0 {
		return 25
	}
	return d.Port
}

// dial has the transaction with the server at p. It returns nil if that does not talk to us.
func (t *trip) dial(ctx context.Context, p place) []mail.Reply {
	if t.dials >= maxDials {
		return nil
	}
	t.dials++
	replies, err := t.d.pool.transact(ctx, p.addr, func(ctx context.Context) (*client, error) { return t.d.connect(ctx, p) }, t.env, t.m)
	if err == nil {
		t.d.tired.forget(p.addr)
		return replies
	}
	if ctx.Err() != nil {
		t.dials = maxDials // nobody else is asked
		err = ctx.Err()
	} else {
		t.d.tired.put(p.addr, struct{}{})
	}
	r := asReply(err, p.host+" ("+p.addr+")")
	if refusal := (*mail.Reply)(nil); errors.As(err, &refusal) && refusal.Code == 521 {
		r = *refusal // it never takes mail (RFC 7504)
	}
	t.because(r)
	return nil
}

// connect speaks to the address that was looked at, not to a name that may mean another by now.
func (d *Direct) connect(ctx context.Context, p place) (*client, error) {
	cfg := clientTLS(d.TLS, p.host, true)
	return connect(ctx, d.Hostname, Opportunistic, cfg, d.Timeouts, func(ctx context.Context) (net.Conn, error) {
		if d.dialTCP != nil {
			return d.dialTCP(ctx, p.addr)
		}
		var nd net.Dialer
		if d.LocalAddr.IsValid() {
			nd.LocalAddr = &net.TCPAddr{IP: d.LocalAddr.Unmap().AsSlice()}
		}
		return nd.DialContext(ctx, "tcp", p.addr)
	})
}
