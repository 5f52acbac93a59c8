package imap

import (
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"time"

	"listd/auth"
)

// guests counts what comes from each address: an IPv6 home is its /64.
type guests struct {
	now     func() time.Time
	most    Limits
	guesses auth.Guesses // of passwords

	mu     sync.Mutex
	began  time.Time // of the window
	spent  map[netip.Addr]*spent
	open   map[netip.Addr]int
	opened int
}

// spent is what an address has had within the window.
type spent struct {
	bytes    int64
	searches int
}

// maxAddrs bounds the memory; who comes later is not counted.
const maxAddrs = 100_000

func addrOf(c net.Conn) netip.Addr {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	a, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	ip := a.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

// of is what an address has spent; g.mu is held.
func (g *guests) of(a netip.Addr) *spent {
	if now := g.now(); g.spent == nil || now.Sub(g.began) >= window {
		g.began, g.spent = now, map[netip.Addr]*spent{}
	}
	s := g.spent[a]
	if s == nil {
		s = &spent{}
		if len(g.spent) < maxAddrs {
			g.spent[a] = s
		}
	}
	return s
}

// may lets f count, and report whether it is within what one may have.
func (g *guests) may(a netip.Addr, f func(*spent) bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return f(g.of(a))
}

// listen lets as many connections of l through as may be.
func (g *guests) listen(l net.Listener) net.Listener { return &gate{l, g} }

type gate struct {
	net.Listener
	guests *guests
}

// busy is said to those who come too many (RFC 9051 section 7.1.5).
const busy = "* BYE Too many connections; please come again later\r\n"

func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		a := addrOf(c)
		if g.guests.enter(a) {
			return &guest{Conn: c, leave: sync.OnceFunc(func() { g.guests.exit(a) })}, nil
		}
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = c.Write([]byte(busy)) // who does not read it is gone all the same
		_ = c.Close()
	}
}

func (g *guests) enter(a netip.Addr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == nil {
		g.open = map[netip.Addr]int{}
	}
	if g.most.Connections > 0 && g.opened >= g.most.Connections || g.most.ConnectionsPerAddr > 0 && g.open[a] >= g.most.ConnectionsPerAddr {
		return false
	}
	g.open[a]++
	g.opened++
	return true
}

func (g *guests) exit(a netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opened--
	if g.open[a]--; g.open[a] <= 0 {
		delete(g.open, a)
	}
}

// guest is a connection that is counted while it is open.
type guest struct {
	net.Conn
	leave func()
}

func (g *guest) Close() error {
	g.leave()
	return g.Conn.Close()
}

// count is how many connections are open.
func (g *guests) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.opened
}
