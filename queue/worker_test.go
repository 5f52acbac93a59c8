package queue

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// spread are n addresses over so many domains.
func spread(n, domains int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf("user%d@d%d.example", i, i%domains))
	}
	return out
}

func TestAllDelivered(t *testing.T) {
	inBubble(t, func(x *site) {
		x.worker.Parallel = 6
		stop := x.run()
		personal := x.post(Outgoing{Personal: true, From: address("dev-bounces@lists.example.org"), Priority: Post}, "post", spread(120, 40)...)
		shared := x.post(Outgoing{From: address("dev-bounces@lists.example.org"), Priority: Announcement}, "shared", spread(120, 3)...)
		notice := x.post(Outgoing{}, "notice", "one@d0.example")
		x.after(3 * time.Second)
		stop()
		for id, want := range map[store.OutgoingID]int{personal: 120, shared: 120, notice: 1} {
			if got := x.states(id); got[store.Sent] != want || len(got) != 1 {
				t.Errorf("outgoing %d: %v, want %d sent", id, got, want)
			}
		}
		for to, n := range x.sender.recipients() {
			if want := map[bool]int{true: 2, false: 1}[to != "one@d0.example"]; n != want && n != 1 {
				t.Errorf("%s was offered %d messages", to, n)
			}
		}
		for _, d := range x.deliveries(personal) {
			if d.Attempts != 1 || d.Held || d.Code != 250 || d.Reply != "2.0.0 taken" {
				t.Fatalf("a delivery is %+v", d)
			}
		}
	})
}

// TestRetries defers and refuses: what is deferred comes again by the clock, what is refused does not.
func TestRetries(t *testing.T) {
	inBubble(t, func(x *site) {
		x.sender.answer = func(_ string, to mail.Address) mail.Reply {
			switch to.Local {
			case "gone":
				return *mail.Refuse(550, "5.1.1", "no such user")
			case "grey":
				if x.sender.recipients()["grey@d.example"] < 3 {
					return *mail.Refuse(451, "4.7.1", "greylisted")
				}
			case "full":
				return *mail.Refuse(452, "4.2.2", "over quota")
			}
			return *mail.Refuse(250, "2.0.0", "taken")
		}
		stop := x.run()
		id := x.post(Outgoing{Personal: true}, "post", "gone@d.example", "grey@d.example", "full@d.example", "fine@d.example")
		start := x.db.Now()
		x.after(10 * time.Second)
		got := x.deliveries(id)
		for to, want := range map[string]struct {
			state store.DeliveryState
			reply string
			next  time.Duration
		}{
			"gone@d.example": {store.Failed, "5.1.1 no such user", 0},
			"grey@d.example": {store.Due, "4.7.1 greylisted", 5 * time.Minute},
			"full@d.example": {store.Due, "4.2.2 over quota", 5 * time.Minute},
			"fine@d.example": {store.Sent, "2.0.0 taken", 0},
		} {
			d := got[to]
			if d.State != want.state || d.Reply != want.reply || d.Attempts != 1 || want.next != 0 && d.Next.Sub(start).Round(time.Second) != want.next {
				t.Errorf("%s: %+v, want %v in %v", to, d, want, want.next)
			}
		}
		attempts := func() int { return x.sender.recipients()["full@d.example"] }
		for i, wait := range []time.Duration{5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour} {
			x.leap(wait - time.Minute)
			if got := attempts(); got != i+1 {
				t.Errorf("a minute before its %v are over: %d attempts, want %d", wait, got, i+1)
			}
			x.leap(time.Minute)
			if got := attempts(); got != i+2 {
				t.Errorf("after %v: %d attempts, want %d", wait, got, i+2)
			}
		}
		for range 30 {
			x.leap(4 * time.Hour)
		}
		stop()
		got = x.deliveries(id)
		if d := got["grey@d.example"]; d.State != store.Sent || d.Attempts != 3 {
			t.Errorf("greylisted: %+v", d)
		}
		if d := got["full@d.example"]; d.State != store.Failed || d.Reply != "4.2.2 over quota" || d.Settled.Sub(start) > 5*24*time.Hour {
			t.Errorf("given up: %+v", d)
		}
		if n := x.sender.recipients(); n["gone@d.example"] != 1 || n["fine@d.example"] != 1 {
			t.Errorf("offered: %v", n)
		}
	})
}

// TestPerDestination has one destination that takes its time: it gets no more dialogs than it may have, and holds nobody up.
func TestPerDestination(t *testing.T) {
	inBubble(t, func(x *site) {
		x.worker.Parallel, x.worker.PerDestination = 6, 3
		x.sender.during = func(_ context.Context, domain string) {
			if domain == "d0.example" {
				<-time.After(time.Minute)
			}
		}
		stop := x.run()
		slow := x.post(Outgoing{Personal: true}, "slow", spread(12, 1)...)
		var rest []string
		for _, a := range spread(120, 60) {
			if !strings.HasSuffix(a, "@d0.example") {
				rest = append(rest, a)
			}
		}
		quick := x.post(Outgoing{Personal: true}, "quick", rest...)
		x.after(30 * time.Second)
		if got := x.states(quick); got[store.Sent] != len(rest) {
			t.Errorf("elsewhere: %v, want all %d sent", got, len(rest))
		}
		if got := x.states(slow); got[store.Sent] != 0 {
			t.Errorf("the slow one: %v", got)
		}
		x.after(5 * time.Minute)
		stop()
		if got := x.states(slow); got[store.Sent] != 12 {
			t.Errorf("the slow one in the end: %v", got)
		}
		if n := x.sender.most["d0.example"]; n != 3 {
			t.Errorf("it had %d dialogs at once, want 3", n)
		}
	})
}

// TestDeadDestination cannot be talked to: what waits for it is given back, and no attempt counted.
func TestDeadDestination(t *testing.T) {
	inBubble(t, func(x *site) {
		var mu sync.Mutex
		dead := true
		x.sender.answer = func(domain string, _ mail.Address) mail.Reply {
			mu.Lock()
			defer mu.Unlock()
			if dead && domain == "d0.example" {
				return *mail.Refuse(451, "4.4.1", "no connection")
			}
			return *mail.Refuse(250, "2.0.0", "taken")
		}
		stop := x.run()
		id := x.post(Outgoing{Personal: true}, "post", spread(60, 1)...)
		alive := x.post(Outgoing{Personal: true}, "post", "a@alive.example")
		x.after(25 * time.Second)
		tried, untried := 0, 0
		for _, d := range x.deliveries(id) {
			switch {
			case d.State != store.Due || d.Held:
				t.Errorf("a delivery is %+v", d)
			case d.Attempts == 0 && d.Code == 0:
				untried++
			case d.Attempts == 1 && d.Code == 451:
				tried++
			default:
				t.Errorf("a delivery is %+v", d)
			}
		}
		if tried == 0 || tried > 10 || tried+untried != 60 {
			t.Errorf("%d were tried, %d not", tried, untried)
		}
		if got := x.states(alive); got[store.Sent] != 1 {
			t.Errorf("elsewhere: %v", got)
		}
		for range 30 {
			x.leap(time.Minute)
		}
		if n := len(x.sender.all()); n > 20 {
			t.Errorf("%d dialogs in half an hour with a destination that is dead", n)
		}
		mu.Lock()
		dead = false
		mu.Unlock()
		for range 4 {
			x.leap(30 * time.Minute)
		}
		stop()
		if got := x.states(id); got[store.Sent] != 60 {
			t.Errorf("when it lives again: %v", got)
		}
	})
}

// TestDeadForGood never answers: in the end everything fails, tried or not.
func TestDeadForGood(t *testing.T) {
	inBubble(t, func(x *site) {
		x.worker.Out.GiveUpAfter = 6 * time.Hour
		x.sender.answer = func(string, mail.Address) mail.Reply { return *mail.Refuse(451, "4.4.1", "no connection") }
		stop := x.run()
		id := x.post(Outgoing{Personal: true}, "post", spread(40, 1)...)
		for range 15 {
			x.leap(30 * time.Minute)
		}
		stop()
		replies := map[string]int{}
		for _, d := range x.deliveries(id) {
			if d.State != store.Failed {
				t.Fatalf("a delivery is %+v", d)
			}
			if d.Attempts == 0 || d.Reply == "4.4.1 no connection" {
				replies[d.Reply]++
			} else if d.Attempts != 1 || !strings.HasPrefix(d.Reply, "4.4.7 ") {
				t.Fatalf("a delivery is %+v", d)
			}
		}
		if replies["4.4.1 no connection"] == 0 {
			t.Errorf("replies are %v", replies)
		}
		created := x.deliveries(id)["user0@d0.example"].Created
		for _, e := range x.sender.all() {
			if e.at.Sub(created) > 6*time.Hour {
				t.Error("an attempt began after its time")
			}
		}
	})
}

func TestPaused(t *testing.T) {
	inBubble(t, func(x *site) {
		x.worker.Parallel, x.worker.PerDestination = 2, 2
		x.sender.during = func(context.Context, string) { <-time.After(time.Second) }
		stop := x.run()
		id := x.post(Outgoing{Personal: true}, "post", spread(30, 1)...)
		x.after(2500 * time.Millisecond)
		x.update(func(tx *store.Tx) error { return Pause(tx, true) })
		x.after(time.Minute)
		sent := x.states(id)[store.Sent]
		if sent == 0 || sent > 8 {
			t.Errorf("%d were sent before the pause was seen", sent)
		}
		for _, d := range x.deliveries(id) {
			if d.State == store.Due && (d.Held || d.Attempts != 0) {
				t.Errorf("paused, a delivery is %+v", d)
			}
		}
		x.post(Outgoing{}, "notice", "a@example.org")
		x.leap(time.Hour)
		if n := x.states(id)[store.Sent]; n != sent || len(x.sender.all()) != sent {
			t.Errorf("%d were sent while paused", n-sent)
		}
		x.update(func(tx *store.Tx) error { return Pause(tx, false) })
		x.after(30 * time.Second)
		stop()
		if got := x.states(id); got[store.Sent] != 30 {
			t.Errorf("when it goes on: %v", got)
		}
		if n := len(x.sender.all()); n != 31 {
			t.Errorf("%d dialogs, want 31", n)
		}
	})
}

// TestShutdown ends while dialogs are under way: they end well, the rest is given back, uncounted.
func TestShutdown(t *testing.T) {
	inBubble(t, func(x *site) {
		x.worker.Parallel = 3
		x.sender.during = func(ctx context.Context, _ string) {
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
			}
		}
		stop := x.run()
		id := x.post(Outgoing{Personal: true}, "post", spread(50, 5)...)
		x.after(time.Second)
		start := time.Now()
		stop()
		if took := time.Since(start); took > 11*time.Second {
			t.Errorf("it took %v", took)
		}
		if got := x.states(id); got[store.Sent] != 3 || got[store.Due] != 47 {
			t.Errorf("%v, want 3 sent and 47 due", got)
		}
		for _, d := range x.deliveries(id) {
			if d.State == store.Due && (d.Held || d.Attempts != 0 || d.Next.After(x.db.Now())) {
				t.Errorf("given back is %+v", d)
			}
		}
	})
}

// TestShutdownCuts ends while a dialog hangs: it is broken off after 20 s and counts as an attempt.
func TestShutdownCuts(t *testing.T) {
	inBubble(t, func(x *site) {
		x.sender.during = func(ctx context.Context, _ string) { <-ctx.Done() }
		x.sender.answer = func(string, mail.Address) mail.Reply { return *mail.Refuse(451, "4.4.2", "broken off") }
		stop := x.run()
		id := x.post(Outgoing{Personal: true}, "post", "a@example.org")
		x.after(time.Second)
		start := time.Now()
		stop()
		if took := time.Since(start); took < shutdown || took > shutdown+time.Second {
			t.Errorf("it took %v", took)
		}
		if d := x.deliveries(id)["a@example.org"]; d.State != store.Due || d.Attempts != 1 || d.Held || d.Reply != "4.4.2 broken off" {
			t.Errorf("the delivery is %+v", d)
		}
	})
}

// TestBadSender breaks its word in each way it can.
func TestBadSender(t *testing.T) {
	for name, spoil := range map[string]func([]mail.Reply) []mail.Reply{
		"panic":       func([]mail.Reply) []mail.Reply { panic("of the test") },
		"no reply":    func([]mail.Reply) []mail.Reply { return nil },
		"too few":     func(r []mail.Reply) []mail.Reply { return r[:1] },
		"too many":    func(r []mail.Reply) []mail.Reply { return append(r, *mail.Refuse(550, "5.0.0", "whose?")) },
		"empty reply": func(r []mail.Reply) []mail.Reply { r[1] = mail.Reply{}; return r },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(x *site) {
				x.worker.Parallel = 1
				x.sender.spoil = spoil
				stop := x.run()
				id := x.post(Outgoing{}, "post", "a@example.org", "b@example.org")
				other := x.post(Outgoing{}, "post", "c@other.example", "d@other.example")
				x.after(10 * time.Second)
				for _, id := range []store.OutgoingID{id, other} {
					for _, d := range x.deliveries(id) {
						deferred := d.State == store.Due && d.Code == 451 && d.Attempts == 1 && strings.HasPrefix(d.Reply, "4.3.0 ") && !d.Held
						taken := d.State == store.Sent && d.Attempts == 1
						if want := name == "too many"; want != taken && (name == "panic" || name == "no reply" || want) || !deferred && !taken {
							t.Errorf("a delivery is %+v", d)
						}
					}
				}
				x.sender.mu.Lock()
				x.sender.spoil = nil
				x.sender.mu.Unlock()
				x.after(10 * time.Minute)
				stop()
				if a, b := x.states(id), x.states(other); a[store.Sent] != 2 || b[store.Sent] != 2 {
					t.Errorf("in the end: %v, %v", a, b)
				}
			})
		})
	}
}

// TestUnreadable has a message whose content is gone: it is deferred, and others go on.
func TestUnreadable(t *testing.T) {
	inBubble(t, func(x *site) {
		huge := strings.Repeat("x", 600<<10)
		id := x.post(Outgoing{Personal: true}, huge, "a@example.org")
		x.raw(`DELETE FROM body_chunks`)
		fine := x.post(Outgoing{Personal: true}, "fine", "b@example.org")
		stop := x.run()
		x.after(time.Minute)
		stop()
		if d := x.deliveries(id)["a@example.org"]; d.State != store.Due || d.Attempts != 1 || !strings.HasPrefix(d.Reply, "4.3.0 ") {
			t.Errorf("the delivery is %+v", d)
		}
		if got := x.states(fine); got[store.Sent] != 1 {
			t.Errorf("the other: %v", got)
		}
	})
}

// TestShared groups the recipients of an outgoing that is the same for all: up to a hundred, by domain, or with a relay
// across domains.
func TestShared(t *testing.T) {
	for _, e := range []struct {
		name    string
		relay   bool
		domains int
		n       int
		most    int
		dialogs int
	}{
		{"one domain", false, 1, 250, 100, 3},
		{"three domains", false, 3, 300, 100, 3},
		{"domains of two", false, 50, 100, 2, 50},
		{"a relay", true, 50, 250, 100, 3},
	} {
		t.Run(e.name, func(t *testing.T) {
			inBubble(t, func(x *site) {
				x.worker.Out.Relay = e.relay
				id := x.post(Outgoing{From: address("dev-bounces@lists.example.org")}, "shared", spread(e.n, e.domains)...)
				stop := x.run()
				x.after(10 * time.Second)
				stop()
				if got := x.states(id); got[store.Sent] != e.n {
					t.Errorf("%v, want %d sent", got, e.n)
				}
				all := x.sender.all()
				if len(all) != e.dialogs {
					t.Errorf("%d dialogs, want %d", len(all), e.dialogs)
				}
				for _, s := range all {
					if len(s.env.To) > e.most {
						t.Errorf("%d recipients in one dialog", len(s.env.To))
					}
					for _, to := range s.env.To {
						if !e.relay && to.Domain != s.domain {
							t.Errorf("%s was offered to %s", to.Address, s.domain)
						}
					}
				}
			})
		})
	}
}

// TestLargeHeldOnce sends a large message to many: it is read once, whoever carries it.
func TestLargeHeldOnce(t *testing.T) {
	inBubble(t, func(x *site) {
		x.worker.Parallel = 3
		id := x.post(Outgoing{Personal: true}, strings.Repeat("large\r\n", 10<<20/7), spread(60, 4)...)
		stop := x.run()
		x.after(10 * time.Second)
		if got := x.states(id); got[store.Sent] != 60 {
			t.Errorf("%v, want 60 sent", got)
		}
		stop()
		bodies := map[*byte]bool{}
		for _, s := range x.sender.all() {
			bodies[s.body] = true
		}
		if len(bodies) != 1 {
			t.Errorf("the message was read %d times", len(bodies))
		}
	})
}

// TestLongDialog outlives its lease, which is renewed meanwhile.
func TestLongDialog(t *testing.T) {
	inBubble(t, func(x *site) {
		x.sender.during = func(ctx context.Context, _ string) {
			select {
			case <-ctx.Done():
			case <-time.After(2 * lease):
			}
		}
		x.worker.Parallel = 1
		stop := x.run()
		id := x.post(Outgoing{Personal: true}, "post", "a@example.org", "b@example.org")
		for range 9 {
			x.after(time.Minute)
			for _, d := range x.deliveries(id) {
				if left := d.Next.Sub(x.db.Now()); !d.Held || left < minLease {
					t.Fatalf("with %v left a delivery is %+v", left, d)
				}
			}
		}
		x.after(12 * time.Minute)
		stop()
		if got := x.states(id); got[store.Sent] != 2 {
			t.Errorf("%v, want 2 sent", got)
		}
		if got := x.sender.recipients(); got["a@example.org"] != 1 || got["b@example.org"] != 1 {
			t.Errorf("offered: %v", got)
		}
	})
}

// TestPriorities fills the way with announcements before a notice comes.
func TestPriorities(t *testing.T) {
	inBubble(t, func(x *site) {
		x.worker.Out.Relay, x.worker.Parallel = true, 1
		x.sender.during = func(context.Context, string) { <-time.After(time.Second) }
		stop := x.run()
		x.post(Outgoing{Personal: true, Priority: Announcement}, "announcement", spread(400, 9)...)
		x.after(10 * time.Second)
		for i := range 5 {
			x.post(Outgoing{Personal: true, Priority: Notice}, fmt.Sprint("notice", i), "notice@example.org")
		}
		x.after(12 * time.Second)
		stop()
		if n := x.sender.recipients()["notice@example.org"]; n != 5 {
			t.Errorf("%d notices left, want 5", n)
		}
	})
}

// TestRestart begins after a crash: what an earlier run held is due at once.
func TestRestart(t *testing.T) {
	inBubble(t, func(x *site) {
		id := x.post(Outgoing{}, "post", "a@example.org")
		x.update(func(tx *store.Tx) error {
			_, err := tx.Claim(store.Lane{Destination: "example.org"}, 1, 99, tx.Now.Add(time.Hour))
			return err
		})
		stop := x.run()
		x.after(time.Second)
		stop()
		if got := x.states(id); got[store.Sent] != 1 {
			t.Errorf("%v, want it sent", got)
		}
		// And with another way out.
		x.worker.Out.Relay = true
		id = x.post(Outgoing{}, "post", spread(30, 4)...)
		x.worker.Out.Relay = false
		stop = x.run()
		x.after(10 * time.Second)
		stop()
		if got := x.states(id); got[store.Sent] != 30 {
			t.Errorf("%v, want all sent", got)
		}
		if x.sender.most["d0.example"] == 0 || x.sender.most[""] != 0 {
			t.Errorf("dialogs at once, by domain: %v", x.sender.most)
		}
	})
}

// TestFanOut adds a post for more subscribers than one transaction takes.
func TestFanOut(t *testing.T) {
	inBubble(t, func(x *site) {
		l := lists.List{Address: address("dev@lists.example.org"), ListID: "dev.lists.example.org", Policy: lists.DefaultPolicy()}
		x.update(func(tx *store.Tx) (err error) { l.ID, err = tx.CreateList(l); return err })
		const chunk = 100
		const n = 2*chunk + 10
		x.worker.Out.chunk = chunk
		x.raw(fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO subscriptions (list_id, address, key, domain, mode, joined_at)
			SELECT %d, 'user' || i || '@example.org', 'user' || i || '@example.org', 'example.org', 'each', 0 FROM n`, n, l.ID))
		first, last := address("user1@example.org"), address(fmt.Sprintf("user%d@example.org", n))
		var id store.OutgoingID
		x.update(func(tx *store.Tx) error {
			m, err := tx.AddMessage([]byte("Subject: s\r\n"), store.PackBody([]byte("post")))
			if err != nil {
				return err
			}
			var skip []int64
			for _, a := range []mail.Address{first, last} {
				s, err := tx.Subscription(l.ID, a)
				if err != nil {
					return err
				}
				skip = append(skip, s.ID)
			}
			id, err = x.worker.Out.Add(tx, Outgoing{List: l.ID, Seq: 1, Message: m, Priority: Post},
				Audience{Subscribers: true, Addresses: []mail.Address{address("extra@example.org")}, Skip: skip})
			return err
		})
		due := func(want int64) {
			t.Helper()
			if err := x.db.View(x.Context(), func(tx *store.Tx) error {
				c, err := tx.QueueCounts()
				if c.Due != want {
					t.Errorf("%d deliveries, want %d", c.Due, want)
				}
				return err
			}); err != nil {
				t.Error(err)
			}
		}
		due(chunk - 1 + 1)
		if steps := fanOutAll(x); steps != 2 {
			t.Errorf("%d steps, want 2", steps)
		}
		due(n - 2 + 1)
		for a, want := range map[mail.Address]int{first: 0, last: 0, address("extra@example.org"): 1, address("user2@example.org"): 1} {
			if err := x.db.View(x.Context(), func(tx *store.Tx) error {
				got, err := tx.DeliveriesTo(a, 10)
				if len(got) != want || want == 1 && got[0].Outgoing != id {
					t.Errorf("deliveries to %s: %v, want %d", a, got, want)
				}
				return err
			}); err != nil {
				t.Error(err)
			}
		}
	})
}
