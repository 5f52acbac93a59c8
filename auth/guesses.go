package auth

import (
	"net/netip"
	"sync"
	"time"
)

// Guesses counts, by where they come from, the tokens and passwords that meant nothing within ten minutes: a secret is
// found in a mail, not by trying. The zero value is ready, and safe for concurrent use.
type Guesses struct {
	mu     sync.Mutex
	window time.Time
	misses map[string]int
}

// GuessWindow is how long a miss counts.
const GuessWindow = 10 * time.Minute

// maxGuessers bounds the places that are counted: who comes from ever new ones fills no memory, and locks nobody out.
const maxGuessers = 100_000

// Miss counts n misses from a place.
func (g *Guesses) Miss(place string, n int, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn(now)
	if _, known := g.misses[place]; known || len(g.misses) < maxGuessers {
		g.misses[place] += n
	}
}

// Blocked reports whether as many misses as may be have come from a place.
func (g *Guesses) Blocked(place string, most int, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn(now)
	return g.misses[place] >= most
}

// turn begins a new window when the old one is over. g.mu is held.
func (g *Guesses) turn(now time.Time) {
	if g.misses == nil || now.Sub(g.window) >= GuessWindow {
		g.window, g.misses = now, map[string]int{}
	}
}

// Place is whom to count behind an address: of IPv6 the /64, which one home has.
func Place(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}
