package inbound

import (
	"net/netip"
	"sync"
	"time"

	"listd/lists"
	"listd/mail"
)

// guesses counts, by source, the tokens that meant nothing within ten minutes: a token is found in a mail, not by trying.
// The zero value is ready.
type guesses struct {
	mu     sync.Mutex
	window time.Time
	misses map[string]int
}

// A provider's servers speak for many people, some of whom answer mails of last year: they have more in hand than the
// one who follows links in a browser.
const (
	guessWindow = 10 * time.Minute
	maxGuesses  = 50
	maxGuessers = 100_000
)

func (g *guesses) miss(source string, n int, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn(now)
	if _, known := g.misses[source]; known || len(g.misses) < maxGuessers {
		g.misses[source] += n
	}
}

func (g *guesses) blocked(source string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.turn(now)
	return g.misses[source] >= maxGuesses
}

// turn begins a new window when the old one is over. g.mu is held.
func (g *guesses) turn(now time.Time) {
	if g.misses == nil || now.Sub(g.window) >= guessWindow {
		g.window, g.misses = now, map[string]int{}
	}
}

// source is by whom guesses are counted: the peer, of IPv6 its /64, which one home has; behind a server of our own the
// sender's domain.
func source(env mail.Envelope) string {
	ip := env.Peer.IP.Unmap()
	if !public(ip) {
		return env.From.Domain
	}
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}

// public reports whether an address tells who is behind a mail: not that of our own relay.
func public(ip netip.Addr) bool { return ip.IsValid() && !ip.IsLoopback() && !ip.IsPrivate() }

// guessable reports whether an address has a token that would be worth guessing. Forging a bounce is not.
func guessable(t lists.Target) bool {
	return t.Token != "" && (t.Kind == lists.ToConfirm || t.Kind == lists.ToModerate || t.Kind == lists.ToLeave)
}

// errGuessing is the one answer to a guesser, right or wrong. Who is meant well tries again.
var errGuessing = mail.Refuse(450, "4.7.1", "Too many addresses whose token means nothing were tried from where you are; please try again in ten minutes")

// countMisses remembers what a mail has guessed, once it is recorded.
func (d *Door) countMisses(a *arrival, jobs []*job) {
	n := 0
	for _, j := range jobs {
		n += j.missed
	}
	if n > 0 {
		d.guesses.miss(source(a.env), n, a.now)
	}
}
