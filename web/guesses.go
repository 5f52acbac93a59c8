package web

import (
	"net/netip"
	"sync"
	"time"
)

// guesses counts links that led nowhere, by address (IPv6: by its /64), within ten minutes. The zero value is ready.
type guesses struct {
	mu     sync.Mutex
	window time.Time
	misses map[netip.Addr]int
}

const (
	guessWindow = 10 * time.Minute
	maxGuesses  = 30
	maxGuessers = 100_000
)

// place is whom to count: a home has a whole /64.
func place(ip netip.Addr) netip.Addr {
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return ip
}

func (g *guesses) miss(ip netip.Addr, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn(now)
	if len(g.misses) < maxGuessers {
		g.misses[place(ip)]++
	}
}

func (g *guesses) blocked(ip netip.Addr, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn(now)
	return g.misses[place(ip)] >= maxGuesses
}

// turn begins a new window when the old one is over. g.mu is held.
func (g *guesses) turn(now time.Time) {
	if g.misses == nil || now.Sub(g.window) >= guessWindow {
		g.window, g.misses = now, map[netip.Addr]int{}
	}
}
