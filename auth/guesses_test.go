package auth_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"listd/auth"
)

func TestGuesses(t *testing.T) {
	t.Parallel()
	var g auth.Guesses
	now := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	const most = 3
	for n := range 101_000 {
		g.Miss(fmt.Sprint(n), most-1, now)
	}
	g.Miss("7", 1, now) // a known place is counted on, however many there are
	for place, want := range map[string]bool{"7": true, "8": false, "100500": false, "elsewhere": false} {
		if got := g.Blocked(place, most, now); got != want {
			t.Errorf("%s is blocked: %v", place, got)
		}
	}
	if g.Blocked("7", most, now.Add(auth.GuessWindow)) {
		t.Error("blocked for ever")
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	for ip, want := range map[string]string{"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64"} {
		if got := auth.Place(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %q, want %q", ip, got, want)
		}
	}
}
