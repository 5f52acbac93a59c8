package queue

import (
	"testing"
	"time"
)

func TestGovernor(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, e := range []struct {
		name  string
		cap   int
		steps string // b: a dialog begins; s: one ends well; f: one ends without having talked; w: 30 s go by
		limit int
		fails int
		dead  time.Duration // from the end of the steps
	}{
		{"new", 20, "", 5, 0, 0},
		{"a small cap", 3, "", 3, 0, 0},
		{"success opens", 20, "bbss", 7, 0, 0},
		{"up to the cap", 6, "bbbsssbs", 6, 0, 0},
		{"one failure halves", 20, "bf", 2, 1, 0},
		{"two failures of the last are death", 20, "bfbf", 1, 2, time.Minute},
		{"others still under way", 20, "bbbff", 1, 2, time.Minute},
		{"success forgives", 20, "bfbs", 3, 0, 0},
		{"one dialog at most: dead at once", 1, "bf", 1, 1, 30 * time.Second},
		{"dead longer each time", 1, "bfwbf", 1, 2, time.Minute},
		{"and longer", 1, "bfwbfwwbf", 1, 3, 2 * time.Minute},
		{"no longer than half an hour", 1, "bfbfbfbfbfbfbfbfbfbfbfbfbfbf", 1, 14, 30 * time.Minute},
		{"back to life", 1, "bfwbs", 1, 0, 0},
	} {
		g, at := newGovernor(e.cap), now
		for i, step := range e.steps {
			switch step {
			case 'b':
				if at.Before(g.until) {
					at = g.until
				}
				if !g.may(at) {
					t.Errorf("%s: step %d may not begin", e.name, i)
				}
				g.begin()
			case 's':
				g.end(true, at)
			case 'f':
				g.end(false, at)
			case 'w':
				at = at.Add(30 * time.Second)
			}
		}
		dead := max(g.until.Sub(at), 0)
		if g.limit != e.limit || g.fails != e.fails || dead != e.dead {
			t.Errorf("%s: limit %d, fails %d, dead for %v; want %d, %d, %v", e.name, g.limit, g.fails, dead, e.limit, e.fails, e.dead)
		}
		if dead > 0 && g.active == 0 && (g.may(at) || !g.may(at.Add(dead))) {
			t.Errorf("%s: may begin now: %v, when it lives again: %v", e.name, g.may(at), g.may(at.Add(dead)))
		}
		if g.idle(at) != (g.active == 0 && e.fails == 0) {
			t.Errorf("%s: idle %v", e.name, g.idle(at))
		}
	}
	g := newGovernor(2)
	g.begin()
	g.begin()
	if g.may(now) {
		t.Error("a third dialog may begin where two are the most")
	}
	g.end(true, now)
	if !g.may(now) {
		t.Error("no dialog may begin where one has ended")
	}
}
