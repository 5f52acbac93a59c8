package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"listd/lists"
	"listd/store"
)

// counted are a list's tallies of a time as "kind what n", of all days together.
func (f *fixture) counted(l lists.List, from, to time.Time) string {
	f.Helper()
	var out []string
	f.view(func(tx *store.Tx) error {
		all, err := tx.Tallies(l.ID, from, to)
		for _, t := range all {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s %s", t.N, t.Kind, t.What)))
		}
		return err
	})
	return strings.Join(out, ", ")
}

func testTallies(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	day := f.clock.Now().Truncate(24 * time.Hour)
	digest := subscriber("cy@example.org")
	digest.Mode = lists.Digest
	subs := f.subscribe(l, subscriber("ann@example.org"), subscriber("ben@example.org"), digest)
	f.subscribe(l, subscriber("ann@example.org")) // is there already
	f.subscribe(other, subscriber("ann@example.org"))
	equal(f, "after joining", f.counted(l, day, day.Add(24*time.Hour)), "1 joined digest, 2 joined each")
	f.clock.add(24 * time.Hour)
	ann, ben := subs[0], subs[1]
	ann.State = lists.PausedBounce
	f.update(func(tx *store.Tx) error { return tx.SaveSubscription(ann) })
	f.update(func(tx *store.Tx) error { return tx.SaveSubscription(ann) }) // is paused already
	ann.State = lists.Active
	ben.Mode, ben.Name = lists.Digest, "Ben"
	f.update(func(tx *store.Tx) error {
		for _, s := range []lists.Subscription{ann, ben, ben} {
			if err := tx.SaveSubscription(s); err != nil {
				return err
			}
		}
		for range 2 {
			if err := tx.DeleteSubscription(subs[2].ID); err != nil {
				return err
			}
		}
		return nil
	})
	equal(f, "the next day", f.counted(l, day.Add(24*time.Hour), day.Add(48*time.Hour)),
		"1 changed digest, 1 left digest, 1 paused each, 1 resumed each")
	equal(f, "a day is whole", f.counted(l, day.Add(time.Hour), day.Add(2*time.Hour)), "1 joined digest, 2 joined each")
	equal(f, "the other list", f.counted(other, day, day.Add(96*time.Hour)), "1 joined each")
	f.fails(store.ErrExists, func(tx *store.Tx) error { // what is not done is not counted
		if err := tx.DeleteSubscription(ann.ID); err != nil {
			return err
		}
		return store.ErrExists
	})
	f.view(func(tx *store.Tx) error {
		modes, err := tx.MembersByMode(l.ID)
		equal(f, "members by mode", fmt.Sprint(modes), fmt.Sprint([]store.MemberCount{{Mode: lists.Digest, State: lists.Active, N: 1}, {Mode: lists.Each, State: lists.Active, N: 1}}))
		if err != nil {
			return err
		}
		domains, err := tx.MembersByDomain(l.ID)
		equal(f, "members by domain", fmt.Sprint(domains), fmt.Sprint([]store.MemberCount{{Domain: "example.org", N: 2}}))
		return err
	})
	f.clock.add(100 * 24 * time.Hour)
	f.update(func(tx *store.Tx) error { return tx.SweepTallies() })
	if got := f.counted(l, day, day.Add(48*time.Hour)); strings.Contains(got, "joined") || !strings.Contains(got, "left") {
		f.Errorf("after the sweep: %s", got)
	}
	f.update(func(tx *store.Tx) error { return tx.DeleteList(l.ID) })
	equal(f, "of a list that is gone", f.counted(l, day, day.Add(48*time.Hour)), "")
}

func testTallyIntake(f *fixture) {
	l := f.list("dev@lists.example.org")
	day := f.clock.Now().Truncate(24 * time.Hour)
	f.update(func(tx *store.Tx) error {
		for i, outcome := range []string{"posted", "held", "held", "held", "answered", "discarded", "commands"} {
			if err := tx.TakeIn(store.Intake{List: l.ID, Fingerprint: []byte{byte(i)}, Trace: fmt.Sprint(i), Outcome: outcome}); err != nil {
				return err
			}
		}
		for i, outcome := range []string{"posted", "rejected", "expired"} {
			if err := tx.SettleIntake(fmt.Sprint(i+1), l.ID, outcome, 0, 0); err != nil {
				return err
			}
		}
		return nil
	})
	equal(f, "intake", f.counted(l, day, day.Add(time.Hour)), "1 discarded, 1 expired, 3 held, 2 rejected, 1 released")
}

// A copy is counted once, whether the log still has it or has forgotten it.
func testTallyDeliveries(f *fixture) {
	l := f.list("dev@lists.example.org")
	day := f.clock.Now().Truncate(24 * time.Hour)
	subs := f.subscribe(l, subscriber("ann@a.example"), subscriber("ben@a.example"), subscriber("cy@b.example"))
	o := f.outgoing(store.Outgoing{List: l.ID}, "stranger@c.example")
	f.update(func(tx *store.Tx) error {
		for _, s := range subs {
			if err := tx.DeliverLast(s.ID, []store.Outgoing{o}, false); err != nil {
				return err
			}
		}
		return nil
	})
	for _, domain := range []string{"a.example", "b.example", "c.example"} {
		for _, c := range f.claim(domain, o.Priority, 10, 7) {
			s := store.Settled{ID: c.ID, Claim: c.Claim, State: store.Sent, Code: 250}
			if domain == "b.example" {
				s.State, s.Code, s.Permanent = store.Failed, 550, true
			}
			f.settle(s)
			f.settle(s) // late
		}
	}
	count := func() string {
		f.Helper()
		var out []string
		f.view(func(tx *store.Tx) error {
			logged, err := tx.LoggedDeliveries(l.ID, day, day.Add(24*time.Hour))
			if err != nil {
				return err
			}
			swept, err := tx.Tallies(l.ID, day, day.Add(24*time.Hour))
			for _, t := range append(logged, swept...) {
				if t.Kind != store.TallyJoined {
					out = append(out, fmt.Sprint(t.N, " ", t.Kind, " ", t.What))
				}
			}
			return err
		})
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
	want := "1 bounced b.example, 1 failed b.example, 2 sent a.example"
	equal(f, "in the log", count(), want)
	f.clock.add(15 * 24 * time.Hour)
	for {
		var n int64
		f.update(func(tx *store.Tx) (err error) {
			n, err = tx.SweepOutgoing(tx.Now, 100)
			return err
		})
		if n == 0 {
			break
		}
	}
	equal(f, "forgotten", count(), want)
	f.update(func(tx *store.Tx) error { // a report that comes later
		_, err := tx.AddBounce(store.Bounce{Subscription: subs[0].ID, Destination: "a.example"})
		return err
	})
	equal(f, "a late bounce", f.counted(l, f.clock.Now(), f.clock.Now()), "1 bounced a.example")
}
