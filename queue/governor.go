package queue

import "time"

// governor decides how many dialogs a destination may have at once, and when none: up by one with each success, halved
// by each failure to talk, dead for a while when even one dialog fails. It is pure: time comes in.
type governor struct {
	cap    int // the most a destination may ever have
	limit  int // what it may have now
	active int
	fails  int       // failures to talk in a row
	until  time.Time // dead until then
}

// firstLimit is how many dialogs a destination begins with.
const firstLimit = 5

// The waits of a dead destination: doubled from first to last.
const (
	deadFirst = 30 * time.Second
	deadLast  = 30 * time.Minute
)

func newGovernor(cap int) *governor { return &governor{cap: cap, limit: min(firstLimit, cap)} }

// may reports whether a dialog may begin now.
func (g *governor) may(now time.Time) bool { return g.active < g.limit && !now.Before(g.until) }

func (g *governor) begin() { g.active++ }

// end takes a dialog's end into account. talked is false if the peer could not be talked to at all: its replies to a
// recipient or a message say nothing about the destination.
func (g *governor) end(talked bool, now time.Time) {
	g.active--
	if talked {
		g.fails = 0
		g.limit = min(g.limit+1, g.cap)
		return
	}
	g.limit = max(g.limit/2, 1)
	if g.fails++; g.fails >= 2 && g.active == 0 || g.limit == 1 {
		g.until = now.Add(deadFor(g.fails))
	}
}

// deadFor is how long a destination that failed n times in a row is left alone.
func deadFor(n int) time.Duration {
	d := deadFirst
	for range min(n, 10) - 1 {
		d *= 2
	}
	return min(d, deadLast)
}

// idle reports whether nothing need be remembered.
func (g *governor) idle(now time.Time) bool {
	return g.active == 0 && g.fails == 0 && !now.Before(g.until)
}
