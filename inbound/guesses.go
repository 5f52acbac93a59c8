package inbound

import (
	"net/netip"

	"listd/auth"
	"listd/lists"
	"listd/mail"
)

// maxGuesses is how many tokens that mean nothing may come from one place within auth.GuessWindow. A provider's servers
// speak for many people, some of whom answer mails of last year: they have more in hand than the one who follows links
// in a browser.
const maxGuesses = 50

// source is by whom guesses are counted: the peer, of IPv6 its /64, which one home has; behind a server of our own the
// sender's domain.
func source(env mail.Envelope) string {
	ip := env.Peer.IP.Unmap()
	if !public(ip) {
		return env.From.Domain
	}
	return auth.Place(ip)
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
		d.guesses.Miss(source(a.env), n, a.now)
	}
}
