package smtp

import (
	"context"
	"crypto/tls"
	"net"

	"listd/mail"
)

// Relay sends everything to one smarthost. It is safe for concurrent use.
type Relay struct {
	Addr           string // host:port
	Hostname       string // for EHLO
	Security       Security
	User, Password string
	TLS            *tls.Config // nil: the system's roots and the host's name
	Timeouts       Timeouts

	pool pool
}

// Send has one transaction with the relay. domain does not matter to it.
func (r *Relay) Send(ctx context.Context, _ string, env mail.Envelope, m mail.Message) []mail.Reply {
	replies, err := r.pool.transact(ctx, r.Addr, r.dial, env, m)
	if err != nil {
		return fill(make([]mail.Reply, len(env.To)), asReply(err, "the relay "+r.Addr))
	}
	return replies
}

// Close says goodbye on kept connections.
func (r *Relay) Close() { r.pool.close() }

func (r *Relay) dial(ctx context.Context) (*client, error) {
	var d net.Dialer
	c, err := connect(ctx, r.Hostname, r.Security, r.config(), r.Timeouts, func(ctx context.Context) (net.Conn, error) {
		return d.DialContext(ctx, "tcp", r.Addr)
	})
	if err != nil {
		return nil, err
	}
	if err := r.signIn(ctx, c); err != nil {
		_ = c.conn.Close() // the error is what counts
		return nil, err
	}
	return c, nil
}

// signIn sends user and password if there are any; in the clear only within this machine.
func (r *Relay) signIn(ctx context.Context, c *client) error {
	if r.User == "" {
		return nil
	}
	if !c.tls && !loopback(c.conn.RemoteAddr()) {
		return mail.Refuse(451, "4.7.4", "The password is not sent without TLS, and the relay offers none")
	}
	return c.auth(ctx, r.User, r.Password)
}

// config is the relay's TLS: its certificate must be for the relay's name, unless TLS is opportunistic.
func (r *Relay) config() *tls.Config {
	host, _, _ := net.SplitHostPort(r.Addr) // if it is malformed, dialing says so
	return clientTLS(r.TLS, host, r.Security != Required && r.Security != Implicit)
}

func loopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}
