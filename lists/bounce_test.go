package lists

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"listd/mail"
)

// day is a day of the tests, at noon.
func day(n int) time.Time { return time.Date(2031, 2, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, n) }

func TestScore(t *testing.T) {
	t.Parallel()
	hard := func(at time.Time) Bounce { return Bounce{At: at, Class: mail.NoUser, Permanent: true, Proven: true} }
	of := func(at time.Time, c mail.Class, permanent, proven bool) Bounce {
		return Bounce{at, c, permanent, proven, false}
	}
	five := []Bounce{hard(day(0)), hard(day(1)), hard(day(2)), hard(day(3)), hard(day(4))}
	probe := func(c mail.Class, permanent bool) Bounce { return Bounce{day(5), c, permanent, true, true} }
	for name, c := range map[string]struct {
		events []Bounce
		policy func(*BouncePolicy)
		score  float64
		last   BounceAction
		stage  Stage
	}{
		"one":                         {events: five[:1], score: 1, stage: Scoring},
		"many on a day":               {events: []Bounce{hard(day(0)), hard(day(0).Add(time.Hour)), hard(day(0).Add(11 * time.Hour))}, score: 1, stage: Scoring},
		"a soft one":                  {events: []Bounce{of(day(0), mail.NoUser, false, true)}, score: 0.5, stage: Scoring},
		"soft, then hard, of a day":   {events: []Bounce{of(day(0), mail.Full, true, true), hard(day(0).Add(time.Hour))}, score: 1, stage: Scoring},
		"hard, then soft, of a day":   {events: []Bounce{hard(day(0)), of(day(0).Add(time.Hour), mail.Full, true, true)}, score: 1, stage: Scoring},
		"a full mailbox":              {events: []Bounce{of(day(0), mail.Full, true, true)}, score: 0.5, stage: Scoring},
		"a network that is down":      {events: []Bounce{of(day(0), mail.Network, true, true)}, score: 0.5, stage: Scoring},
		"no such host":                {events: []Bounce{of(day(0), mail.NoHost, true, true)}, score: 1, stage: Scoring},
		"said by anybody":             {events: []Bounce{of(day(0), mail.NoUser, true, false)}, score: 0.5, stage: Scoring},
		"what nobody understands":     {events: []Bounce{of(day(0), mail.Unknown, true, true)}, score: 1, stage: Scoring},
		"policy":                      {events: []Bounce{of(day(0), mail.Policy, true, true)}, stage: Scoring},
		"five days":                   {events: five, score: 5, last: BounceProbe, stage: Probing},
		"a sixth changes nothing":     {events: append(five[:5:5], hard(day(5))), score: 6, stage: Probing},
		"four":                        {events: five[:4], score: 4, stage: Scoring},
		"a gap of a week and an hour": {events: append(five[:4:4], hard(day(10).Add(time.Hour))), score: 1, stage: Scoring},
		"a gap of a week":             {events: append(five[:4:4], hard(day(10))), score: 5, last: BounceProbe, stage: Probing},
		"nothing is ever stale":       {events: append(five[:4:4], hard(day(300))), policy: func(p *BouncePolicy) { p.StaleAfter = 0 }, score: 5, last: BounceProbe, stage: Probing},
		"one that comes late":         {events: append(five[:2:2], hard(day(0))), score: 2, stage: Scoring},
		"another threshold":           {events: five[:2], policy: func(p *BouncePolicy) { p.Threshold = 2 }, score: 2, last: BounceProbe, stage: Probing},
		"no threshold":                {events: five, policy: func(p *BouncePolicy) { p.Threshold = 0 }, score: 5, stage: Scoring},
		"switched off":                {events: five, policy: func(p *BouncePolicy) { p.Processing = false }, stage: Scoring},
		"the probe bounces":           {events: append(five[:5:5], probe(mail.NoUser, true)), score: 5, last: BouncePause, stage: Paused},
		"the probe's mailbox is full": {events: append(five[:5:5], probe(mail.Full, false)), score: 5, last: BouncePause, stage: Paused},
		"the probe is taken for spam": {events: append(five[:5:5], probe(mail.Spam, true)), last: BounceForgive, stage: Scoring},
		"a probe of before":           {events: []Bounce{probe(mail.NoUser, true)}, stage: Scoring},
		"after the pause":             {events: append(five[:5:5], probe(mail.NoUser, true), hard(day(6))), score: 5, stage: Paused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := defaultBounces()
			if c.policy != nil {
				c.policy(&p)
			}
			var b Bounces
			var last BounceAction
			for _, e := range c.events {
				b, last = Score(b, e, p)
			}
			if b.Score != c.score || last != c.last || b.Stage != c.stage {
				t.Errorf("got %v, %v, %v; want %v, %v, %v", b.Score, last, b.Stage, c.score, c.last, c.stage)
			}
		})
	}
}

// TestScoreLaws: whatever comes in whatever order, a day costs a point at most, a further failure never lowers a score
// that is not stale, one that is worse never costs less, and only a probe that bounced pauses.
func TestScoreLaws(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	classes := []mail.Class{mail.Unknown, mail.NoUser, mail.NoHost, mail.Full, mail.Policy, mail.Spam, mail.Size, mail.Auth, mail.Content, mail.Relay, mail.Network}
	for range 5000 {
		p := defaultBounces()
		p.Threshold = r.IntN(8)
		p.StaleAfter = time.Duration(r.IntN(15)) * 24 * time.Hour
		var b Bounces
		at, first := day(0), time.Time{}
		days := map[time.Time]bool{}
		for range 1 + r.IntN(60) {
			at = at.Add(time.Duration(r.IntN(40)-4) * time.Hour)
			if r.IntN(30) == 0 {
				at = at.AddDate(0, 0, 9)
			}
			e := Bounce{At: at, Class: classes[r.IntN(len(classes))], Permanent: r.IntN(2) > 0, Proven: r.IntN(3) > 0, Probe: r.IntN(20) == 0}
			was := b
			next, did := Score(b, e, p)
			if did == BouncePause && (!e.Probe || was.Stage != Probing || e.Weight() == 0) {
				t.Fatalf("%+v pauses with %+v", was, e)
			}
			if did == BounceProbe && (was.Stage == Probing || next.Score < float64(p.Threshold) || p.Threshold == 0) {
				t.Fatalf("%+v is probed with %+v", was, e)
			}
			stale := p.StaleAfter > 0 && !was.Last.IsZero() && at.Sub(was.Last) > p.StaleAfter
			if next.Score < was.Score && !stale && did != BounceForgive {
				t.Fatalf("%+v sinks to %v with %+v", was, next.Score, e)
			}
			if next.Score > was.Score+1 || next.Today > 1 {
				t.Fatalf("%+v leaps to %+v with %+v", was, next, e)
			}
			worse := e
			worse.Class, worse.Permanent, worse.Proven = mail.NoUser, true, true
			if w, _ := Score(was, worse, p); !e.Probe && !stale && w.Score < next.Score {
				t.Fatalf("%+v costs %v, and %+v %v", worse, w.Score, e, next.Score)
			}
			if next.Score < was.Score || first.IsZero() {
				days, first = map[time.Time]bool{}, at
			}
			days[at.Truncate(24*time.Hour)] = true
			if b = next; b.Score > float64(len(days)) {
				t.Fatalf("%v points of %d days", b.Score, len(days))
			}
		}
	}
}

func TestScoreAt(t *testing.T) {
	t.Parallel()
	p := defaultBounces()
	b, _ := Score(Bounces{}, Bounce{At: day(0), Class: mail.NoUser, Permanent: true, Proven: true}, p)
	for days, want := range map[int]float64{0: 1, 7: 1, 8: 0} {
		if got := b.ScoreAt(day(days), p); got != want {
			t.Errorf("after %d days: %v, want %v", days, got, want)
		}
	}
	b.Stage = Paused
	if got := b.ScoreAt(day(30), p); got != 1 {
		t.Errorf("while paused: %v", got)
	}
}

func TestAddMunged(t *testing.T) {
	t.Parallel()
	p := DefaultPolicy()
	if !p.AddMunged("A.example") || p.AddMunged("a.example") || p.AddMunged("") || !p.MungesDomain("a.EXAMPLE") || p.MungesDomain("") {
		t.Errorf("the domains are %q", p.Bounces.MungeDomains)
	}
	for n := range maxMunged {
		p.AddMunged(fmt.Sprintf("d%d.example", n))
	}
	if v, _ := p.Get("munge_domains"); len(p.Bounces.MungeDomains) != maxMunged || p.MungesDomain("a.example") || p.Set("munge_domains", v) != nil {
		t.Errorf("%d domains", len(p.Bounces.MungeDomains))
	}
}

// BenchmarkScore is all the pure work for one bounce but reading it.
func BenchmarkScore(b *testing.B) {
	p := defaultBounces()
	var s Bounces
	e := Bounce{Class: mail.NoUser, Permanent: true, Proven: true}
	for n := range b.N {
		e.At = day(n % 100)
		s, _ = Score(s, e, p)
	}
}
