package digest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/store/fresh"
	"listd/task"
)

// story are the issues of a list as "day hour subject: posts → readers".
func story(all []got) string {
	var b strings.Builder
	for _, g := range all {
		if !strings.Contains(g.subject, "Digest") || len(g.to) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s %s: %s → %s\n", g.at.Format("Jan02 15:04"), g.subject, strings.Trim(fmt.Sprint(g.seqs), "[]"), strings.Join(g.to, " "))
	}
	return b.String()
}

func (h *house) tells(l lists.List, want string) {
	h.Helper()
	want = strings.ReplaceAll(strings.TrimLeft(want, "\n"), "\t", "")
	if got := story(h.sent(l)); got != want {
		h.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestWeeks(t *testing.T) {
	engines(t, func(h *house) {
		l := h.create("dev@lists.test", "digest=weekly sun 08:00 Europe/London", "digest_volume=monthly")
		h.add(l, "mime@a.test", lists.Digest)
		h.add(l, "own@a.test", lists.Digest, "schedule=weekly sun 08:00 Europe/London") // says what the list says
		h.add(l, "tue@a.test", lists.Digest, "schedule=weekly tue")
		h.add(l, "plain@a.test", lists.Plain)
		h.add(l, "deutsch@a.test", lists.Plain, "language=de")
		h.add(l, "index@a.test", lists.Index, "schedule=daily 18:00 UTC")
		h.add(l, "each@a.test", lists.Each)
		h.add(l, "none@a.test", lists.None)
		h.work()
		h.post(l, "one")
		h.imported(l)
		h.post(l, "three")
		h.live(time.Date(2031, 2, 5, 0, 0, 0, 0, time.UTC), 2*time.Hour)
		h.add(l, "late@a.test", lists.Digest)
		h.post(l, "four")
		h.live(time.Date(2031, 2, 10, 0, 0, 0, 0, time.UTC), 2*time.Hour)
		h.imported(l) // a week without a post of its own
		h.live(time.Date(2031, 2, 27, 0, 0, 0, 0, time.UTC), 7*time.Hour)
		h.post(l, "six")
		h.live(time.Date(2031, 3, 4, 0, 0, 0, 0, time.UTC), 7*time.Hour)
		h.tells(l, `
			Feb03 18:05 dev Digest, Vol 1, Issue 1: 1 3 → index@a.test
			Feb04 08:05 dev Digest, Vol 1, Issue 1: 1 3 → tue@a.test
			Feb05 18:05 dev Digest, Vol 1, Issue 2: 4 → index@a.test
			Feb09 08:05 dev Digest, Vol 1, Issue 1: 4 → late@a.test
			Feb09 08:05 dev Digest, Vol 1, Issue 1: 1 3 4 → mime@a.test own@a.test
			Feb09 08:05 dev Digest, Vol 1, Issue 1: 1 3 4 → deutsch@a.test
			Feb09 08:05 dev Digest, Vol 1, Issue 1: 1 3 4 → plain@a.test
			Feb11 11:05 dev Digest, Vol 1, Issue 2: 4 → tue@a.test
			Feb27 19:05 dev Digest, Vol 1, Issue 3: 6 → index@a.test
			Mar02 10:05 dev Digest, Vol 2, Issue 1: 6 → late@a.test mime@a.test own@a.test
			Mar02 10:05 dev Digest, Vol 2, Issue 1: 6 → deutsch@a.test
			Mar02 10:05 dev Digest, Vol 2, Issue 1: 6 → plain@a.test
		`)
		h.kept(l, "dev Digest, Vol 1, Issue 1: 1-4", "dev Digest, Vol 2, Issue 1: 6-6")
	})
}

// kept checks which digests readers of the archive find, with the posts they hold from and to.
func (h *house) kept(l lists.List, want ...string) {
	h.Helper()
	var got []string
	h.view(func(tx *store.Tx) error {
		all, err := tx.KeptIssues(l.ID, 0, 100)
		if err != nil {
			return err
		}
		for _, k := range all {
			m, err := tx.Message(k.Message)
			if err != nil {
				return err
			}
			got = append(got, fmt.Sprintf("%s: %d-%d", mail.Get(m.Head, "Subject"), k.After+1, k.Last))
		}
		return nil
	})
	if !slices.Equal(got, want) {
		h.Errorf("kept %q, want %q", got, want)
	}
}

// A digest with a post that its author keeps out of archives is not to be found there.
func TestKeptNoHidden(t *testing.T) {
	engines(t, func(h *house) {
		l := h.create("dev@lists.test", "digest=daily 08:00 UTC")
		h.add(l, "a@a.test", lists.Digest)
		h.work()
		h.post(l, "one")
		h.live(time.Date(2031, 2, 5, 0, 0, 0, 0, time.UTC), 2*time.Hour)
		h.post(l, "two\r\nX-No-Archive: yes")
		h.post(l, "three")
		h.live(time.Date(2031, 2, 6, 0, 0, 0, 0, time.UTC), 2*time.Hour)
		h.post(l, "four")
		h.live(time.Date(2031, 2, 7, 0, 0, 0, 0, time.UTC), 2*time.Hour)
		h.kept(l, "dev Digest, Vol 1, Issue 1: 1-1", "dev Digest, Vol 1, Issue 3: 4-4")
	})
}

// Who leaves a digest gets what they are still owed, and what comes then one by one.
func TestLast(t *testing.T) {
	engines(t, func(h *house) {
		l := h.create("dev@lists.test", "digest=weekly sun 08:00 UTC")
		for _, who := range []string{"ann", "ben", "cy", "di", "ed"} {
			h.add(l, who+"@a.test", lists.Digest)
		}
		h.work()
		h.post(l, "one")
		h.set(l, "ann@a.test", "mode=each")
		h.set(l, "ben@a.test", "mode=announcements")
		h.set(l, "cy@a.test", "mode=none")
		h.set(l, "di@a.test", "mode=plain")
		h.work()
		h.post(l, "two")
		h.set(l, "ann@a.test", "mode=digest") // two is still on its way to her
		h.post(l, "three")
		h.set(l, "cy@a.test", "mode=index")
		h.live(time.Date(2031, 2, 10, 0, 0, 0, 0, time.UTC), 4*time.Hour)
		h.tells(l, `
			Feb03 04:05 dev Digest, Vol 1, Issue 1: 1 → ann@a.test ben@a.test
			Feb09 08:05 dev Digest, Vol 1, Issue 1: 3 → ann@a.test
			Feb09 08:05 dev Digest, Vol 1, Issue 1: 1 2 3 → ed@a.test
			Feb09 08:05 dev Digest, Vol 1, Issue 1: 1 2 3 → di@a.test
		`)
		for _, g := range h.sent(l) {
			if !strings.Contains(g.subject, "Digest") && len(g.to) > 0 && (g.seqs[0] != 2 || !slices.Equal(g.to, []string{"ann@a.test"})) {
				h.Errorf("post %d goes to %q", g.seqs, g.to)
			}
		}
	})
}

// Much that waits does not wait for the clock.
func TestMuch(t *testing.T) {
	engines(t, func(h *house) {
		l := h.create("dev@lists.test", "digest=weekly sun 08:00 UTC", "digest_posts=3")
		h.add(l, "ann@a.test", lists.Digest)
		h.work()
		for i := range 7 {
			h.post(l, fmt.Sprint("post ", i+1))
			h.live(h.clock.Now().Add(time.Minute), time.Minute)
		}
		big := h.create("big@lists.test", "digest=weekly sun 08:00 UTC", "digest_size=250")
		h.add(big, "ann@a.test", lists.Digest)
		h.work()
		for i := range 6 {
			h.post(big, fmt.Sprint("post ", i+1))
		}
		h.work()
		h.live(time.Date(2031, 2, 10, 0, 0, 0, 0, time.UTC), 6*time.Hour)
		h.tells(l, `
			Feb03 04:08 dev Digest, Vol 1, Issue 1: 1 2 3 → ann@a.test
			Feb03 04:11 dev Digest, Vol 1, Issue 2: 4 5 6 → ann@a.test
			Feb09 10:12 dev Digest, Vol 1, Issue 3: 7 → ann@a.test
		`)
		h.tells(big, `
			Feb03 04:12 big Digest, Vol 1, Issue 1 (1/3): 1 2 → ann@a.test
			Feb03 04:12 big Digest, Vol 1, Issue 1 (2/3): 3 4 → ann@a.test
			Feb03 04:12 big Digest, Vol 1, Issue 1 (3/3): 5 6 → ann@a.test
		`)
	})
}

// A server that slept for three weeks sends one issue when it wakes, however many nodes do.
func TestAsleep(t *testing.T) {
	engines(t, func(h *house) {
		l := h.create("dev@lists.test", "digest=daily 08:00 UTC")
		h.add(l, "ann@a.test", lists.Digest)
		h.post(l, "one")
		h.work()
		h.clock.set(h.clock.Now().AddDate(0, 0, 21))
		for range 10 {
			h.plan(0)
			h.step(1)
			h.plan(1)
			h.step(0)
		}
		h.live(h.clock.Now().AddDate(0, 0, 2), 8*time.Hour)
		h.tells(l, "Feb24 04:05 dev Digest, Vol 1, Issue 1: 1 → ann@a.test\n")
	})
}

// On the nights when clocks change there is one issue, too.
func TestClockChange(t *testing.T) {
	engines(t, func(h *house) {
		l := h.create("dev@lists.test", "digest=daily 02:30 Europe/Berlin")
		h.clock.set(time.Date(2031, 3, 28, 12, 0, 0, 0, time.UTC))
		h.add(l, "ann@a.test", lists.Digest)
		for _, start := range []time.Time{h.clock.Now(), time.Date(2031, 10, 24, 12, 0, 0, 0, time.UTC)} {
			h.clock.set(start)
			h.work()
			for range 3 * 24 {
				h.post(l, "hourly")
				h.live(h.clock.Now().Add(time.Hour), 30*time.Minute)
			}
		}
		var at []string
		for _, g := range h.sent(l) {
			if strings.Contains(g.subject, "Digest") {
				at = append(at, g.at.Format("Jan02 15:04"))
			}
		}
		want := []string{"Mar29 01:30", "Mar30 01:30", "Mar31 00:30", "Oct24 12:00", "Oct25 00:30", "Oct26 00:30", "Oct27 01:30"}
		if !slices.Equal(at, want) {
			h.Errorf("issues at %q, want %q", at, want)
		}
	})
}

func TestSend(t *testing.T) {
	engines(t, func(h *house) {
		l := h.create("dev@lists.test", "digest=weekly sun 08:00 UTC", "language=fr")
		h.add(l, "ann@a.test", lists.Digest)
		h.add(l, "ben@a.test", lists.Plain)
		if _, err := h.desk.Preview(h.Context(), l.ID, lists.Digest, time.Time{}); err != ErrNoPosts {
			h.Error(err)
		}
		h.post(l, "one")
		m, err := h.desk.Preview(h.Context(), l.ID, lists.Plain, time.Time{})
		if err != nil || !strings.Contains(string(m.Body), "Sujets") || mail.Get(m.Head, "Subject") != "dev Digest, Vol 1, Issue 1" {
			h.Errorf("%v\n%s%s", err, m.Head, m.Body)
		}
		if _, err := h.desk.Preview(h.Context(), l.ID, lists.Each, time.Time{}); err != ErrNoBuilder {
			h.Error(err)
		}
		for _, c := range []struct {
			mode lists.Mode
			want int
		}{{lists.Plain, 1}, {lists.Index, 0}, {"", 2}} {
			if n, err := h.desk.Send(h.Context(), l.ID, c.mode); n != c.want || err != nil {
				h.Errorf("%s: %d %v", c.mode, n, err)
			}
			h.work()
			h.clock.set(h.clock.Now().Add(time.Second))
		}
		h.tells(l, `
			Feb03 04:05 dev Digest, Vol 1, Issue 1: 1 → ben@a.test
			Feb03 04:05 dev Digest, Vol 1, Issue 1: 1 → ann@a.test
		`)
	})
}

// A list or a member that is gone leaves nothing undone.
func TestGone(t *testing.T) {
	engines(t, func(h *house) {
		l, left := h.create("dev@lists.test", "digest=daily 08:00 UTC"), h.create("left@lists.test")
		h.add(l, "ann@a.test", lists.Digest)
		h.add(left, "ann@a.test", lists.Digest)
		h.post(l, "one")
		h.post(left, "one")
		h.plan(0)
		h.set(left, "ann@a.test", "mode=each")
		h.set(l, "ann@a.test", "mode=each")
		h.must(h.books.Remove(h.Context(), left.Address, []mail.Address{addr("ann@a.test")}))
		h.must(h.books.Delete(h.Context(), l.Address))
		h.live(h.clock.Now().AddDate(0, 0, 2), 6*time.Hour)
		h.tells(left, "")
	})
}

// Every member gets every post exactly once, over months of changes of mind: between all modes, schedules and languages,
// with two nodes that stop and go in the middle of things.
func TestOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("sqlite", seed), func(t *testing.T) {
			t.Parallel()
			once(newHouse(t, sqlite(t)), seed, seed%2 == 0)
		})
	}
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("postgres", seed), func(t *testing.T) {
			t.Parallel()
			once(newHouse(t, fresh.Postgres(t)), seed, seed%2 == 0)
		})
	}
}

// owed is what a member must get, and may: who asks for no mail is not sent what was waiting for the next issue.
type owed struct{ must, may map[lists.Seq]bool }

func once(h *house, seed uint64, pauses bool) {
	r := rand.New(rand.NewPCG(seed, 7))
	l := h.create("dev@lists.test", "digest=weekly sun 08:00 Europe/London")
	const members = 10
	who := func(i int) string { return fmt.Sprintf("m%d@a.test", i) }
	modes := []lists.Mode{lists.Each, lists.Digest, lists.Plain, lists.Index, lists.Announcements}
	if pauses {
		modes = append(modes, lists.None)
	}
	now := make([]lists.Mode, members) // none where paused
	due := make([]owed, members)
	for i := range members {
		now[i], due[i] = modes[i%len(modes)], owed{map[lists.Seq]bool{}, map[lists.Seq]bool{}}
		h.add(l, who(i), now[i])
	}
	schedules := []string{"", "daily", "daily 18:00 America/New_York", "weekly", "weekly tue 07:00 Europe/Paris", "monthly last-sun", "monthly 15"}
	turn := func(i int, m lists.Mode) {
		if now[i].Collected() && (m == lists.None) {
			for s := range due[i].must {
				due[i].may[s] = true // it may have been sent already
			}
			clear(due[i].must)
		}
		now[i] = m
	}
	for end := h.clock.Now().AddDate(0, 2, 0); h.clock.Now().Before(end); {
		switch i := r.IntN(members); r.IntN(14) {
		case 0, 1, 2, 3:
			seq := h.post(l, fmt.Sprint("post ", h.posts+1))
			for i := range members {
				if now[i] == lists.Each || now[i].Collected() {
					due[i].must[seq] = true
				}
			}
		case 4, 5, 6:
			m := modes[r.IntN(len(modes))]
			h.set(l, who(i), "mode="+string(m))
			turn(i, m)
		case 7:
			h.set(l, who(i), "schedule="+schedules[r.IntN(len(schedules))])
		case 8:
			h.set(l, who(i), "language="+[]string{"", "en", "de"}[r.IntN(3)])
		case 9:
			settings := [][]string{{"digest=daily 06:00 UTC"}, {"digest=weekly sun 08:00 Europe/London"}, {"digest_posts=5"}, {"digest_posts=0"}, {"digest_size=400"}, {"digest_size=0"}}
			_, err := h.books.Set(h.Context(), l.Address, pairs(settings[r.IntN(len(settings))]))
			h.must(err)
		case 10:
			if pauses && now[i] != lists.None {
				h.set(l, who(i), "vacation_until="+h.clock.Now().AddDate(0, 0, 400).Format(time.DateOnly))
				turn(i, lists.None)
			}
		case 11:
			h.imported(l)
		}
		if r.IntN(3) > 0 {
			h.plan(r.IntN(2))
		}
		for range r.IntN(6) {
			h.step(r.IntN(2))
		}
		h.clock.set(h.clock.Now().Add(time.Duration(r.Int64N(int64(12 * time.Hour)))))
	}
	h.live(h.clock.Now().AddDate(0, 0, 40), 8*24*time.Hour)
	h.settled(l, due, who)
}

// settled holds what was sent against what was owed.
func (h *house) settled(l lists.List, due []owed, who func(int) string) {
	h.Helper()
	counts := map[string]map[lists.Seq]int{}
	issues := 0
	for _, g := range h.sent(l) {
		if strings.Contains(g.subject, "Digest") {
			issues++
		}
		for _, to := range g.to {
			if counts[to] == nil {
				counts[to] = map[lists.Seq]int{}
			}
			for _, s := range g.seqs {
				counts[to][s]++
			}
		}
	}
	total := 0
	for i, d := range due {
		got := counts[who(i)]
		total += len(d.must)
		for s := range d.must {
			if got[s] != 1 {
				h.Errorf("%s has post %d %d times", who(i), s, got[s])
			}
		}
		for s, n := range got {
			if !d.must[s] && (!d.may[s] || n != 1) {
				h.Errorf("%s has post %d %d times, and should not", who(i), s, n)
			}
		}
	}
	if total < 50 || issues < 20 {
		h.Errorf("%d posts were owed and %d issues sent: the test says nothing", total, issues)
	}
	h.Logf("%d posts owed, %d issues", total, issues)
}

// An issue that was broken off goes on where it was, and no part is made twice.
func TestBrokenOff(t *testing.T) {
	engines(t, func(h *house) {
		l := h.create("dev@lists.test", "digest=weekly sun 08:00 UTC", "digest_size=250")
		h.add(l, "ann@a.test", lists.Digest)
		h.plan(0)
		for i := range 6 {
			h.post(l, fmt.Sprint("post ", i+1))
		}
		var keys []task.Key
		h.view(func(tx *store.Tx) (err error) { keys, err = h.desk.Plan(h.Context(), tx, tx.Now); return err })
		if len(keys) != 2 || keys[0].Name != "dev.lists.test/digest/weekly sun 08:00 UTC/2031-02-09" || keys[1].Name != "dev.lists.test/digest/weekly sun 08:00 UTC/after-0" {
			h.Fatal(keys)
		}
		h.plan(0)
		for range 9 { // the fan-outs, the beginning and the first part
			h.step(0)
		}
		h.clock.set(h.clock.Now().Add(time.Hour))
		h.work()
		h.tells(l, `
			Feb03 04:05 dev Digest, Vol 1, Issue 1 (1/3): 1 2 → ann@a.test
			Feb03 05:05 dev Digest, Vol 1, Issue 1 (2/3): 3 4 → ann@a.test
			Feb03 05:05 dev Digest, Vol 1, Issue 1 (3/3): 5 6 → ann@a.test
		`)
	})
}
