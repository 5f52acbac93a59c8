package smtp

import (
	"context"
	"errors"
	"sync"
	"time"

	"listd/mail"
)

// A connection is kept for a while after a transaction: the next may follow at once.
const (
	keepIdle = 10 * time.Second
	keepMost = 64  // idle connections in all
	maxUses  = 500 // transactions of one connection: long-lived ones stick to one server of many
)

// pool keeps connections by address.
type pool struct {
	mu     sync.Mutex
	idle   map[string][]*client
	count  int
	timer  *time.Timer
	closed bool
}

// get takes the connection used last, so that the others grow old and go.
func (p *pool) get(addr string) *client {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.idle[addr]
	if len(all) == 0 {
		return nil
	}
	c := all[len(all)-1]
	p.idle[addr] = all[:len(all)-1]
	if len(all) == 1 {
		delete(p.idle, addr)
	}
	p.count--
	return c
}

func (p *pool) put(c *client) {
	p.mu.Lock()
	if p.closed || p.count >= keepMost || c.used >= maxUses || c.r.Buffered() > 0 { // unasked words would answer the next command
		p.mu.Unlock()
		c.quit()
		return
	}
	defer p.mu.Unlock()
	if p.idle == nil {
		p.idle = map[string][]*client{}
	}
	c.idle = time.Now()
	p.idle[c.addr] = append(p.idle[c.addr], c)
	p.count++
	if p.timer == nil {
		p.timer = time.AfterFunc(keepIdle, p.sweep)
	}
}

// sweep says goodbye to connections that were idle too long, and comes again while there are any.
func (p *pool) sweep() {
	var old []*client
	p.mu.Lock()
	for addr, all := range p.idle {
		for len(all) > 0 && (p.closed || time.Since(all[0].idle) >= keepIdle) {
			old = append(old, all[0])
			all = all[1:]
			p.count--
		}
		if p.idle[addr] = all; len(all) == 0 {
			delete(p.idle, addr)
		}
	}
	if p.count > 0 {
		p.timer = time.AfterFunc(keepIdle/4, p.sweep)
	} else {
		p.timer = nil
	}
	p.mu.Unlock()
	for _, c := range old {
		c.quit()
	}
}

// close says goodbye to all.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	p.sweep()
}

// transact has a transaction with the server at addr, on a kept connection if there is one. A kept one that turns out
// to be closed before the server said anything is replaced once. An error means: nobody there, try another address.
func (p *pool) transact(ctx context.Context, addr string, dial func(context.Context) (*client, error), env mail.Envelope, m mail.Message) ([]mail.Reply, error) {
	if c := p.get(addr); c != nil {
		replies, err := p.use(ctx, c, env, m)
		if err == nil || ctx.Err() != nil {
			return replies, err
		}
	}
	c, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	c.addr = addr
	return p.use(ctx, c, env, m)
}

// use has a transaction on c and keeps it or ends it. An error means that the server had said nothing yet.
func (p *pool) use(ctx context.Context, c *client, env mail.Envelope, m mail.Message) ([]mail.Reply, error) {
	replies, began, err := c.send(ctx, env, m)
	switch {
	case err == nil && closing(replies):
		c.quit()
	case err == nil:
		p.put(c)
	default:
		_ = c.conn.Close() // it is of no more use
		if !began {
			return nil, err
		}
	}
	return replies, nil
}

// closing reports whether a reply says that the server ends the connection.
func closing(replies []mail.Reply) bool {
	for _, r := range replies {
		if r.Code == 421 {
			return true
		}
	}
	return false
}

// asReply is what an error before the transaction means to the recipients. A server that will not talk to us says
// nothing about them: our address may be on a blocklist today, or the relay be misconfigured. So it is temporary.
func asReply(err error, where string) mail.Reply {
	var r *mail.Reply
	switch {
	case errors.As(err, &r) && r.Permanent():
		return mail.Reply{Code: 451, Enhanced: [3]int{4, r.Enhanced[1], r.Enhanced[2]}, Text: where + " does not talk to us: " + r.Error()}
	case errors.As(err, &r):
		return *r
	case errors.Is(err, errPeer):
		return *mail.Refuse(451, "4.5.0", where+": "+err.Error())
	case errors.Is(err, context.Canceled):
		return *mail.Refuse(451, "4.4.1", "Delivery to "+where+" was broken off on our side")
	case errors.Is(err, errTLS):
		return *mail.Refuse(451, "4.7.5", where+": "+err.Error())
	}
	return *mail.Refuse(451, "4.4.1", "No answer from "+where)
}
