package storetest

import (
	"errors"
	"fmt"
	"time"

	"listd/store"
)

func testRetry(f *fixture) {
	o := f.outgoing(store.Outgoing{}, "a@example.org", "b@example.org", "c@example.org", "d@example.org")
	claimed := f.claim("example.org", 0, 3, 7)
	later := f.db.Now().Add(time.Hour)
	settle := func(c store.Claimed, s store.Settled) {
		s.ID, s.Claim = c.ID, c.Claim
		f.settle(s)
	}
	settle(claimed[0], store.Settled{State: store.Due, Next: later, Code: 451, Reply: "4.0.0 later"})
	settle(claimed[1], store.Settled{State: store.Failed, Code: 550, Reply: "5.0.0 no"})

	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.RetryNow(claimed[1].ID) })
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.RetryNow(claimed[2].ID) }) // in a worker's hands
	f.update(func(tx *store.Tx) error { return tx.RetryNow(claimed[0].ID) })
	f.view(func(tx *store.Tx) error {
		d, err := tx.Delivery(claimed[0].ID)
		equal(f, "next", d.Next, f.db.Now())
		equal(f, "attempts", d.Attempts, 1)
		return err
	})

	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.RetryFailed(claimed[0].ID, tx.Now) })
	giveUp := f.db.Now().Add(30 * 24 * time.Hour)
	f.update(func(tx *store.Tx) error { return tx.RetryFailed(claimed[1].ID, giveUp) })
	f.view(func(tx *store.Tx) error {
		d, err := tx.Delivery(claimed[1].ID)
		equal(f, "state", d.State, store.Due)
		equal(f, "attempts", d.Attempts, 0)
		equal(f, "settled", d.Settled, time.Time{})
		o, err2 := tx.Outgoing(o.ID)
		equal(f, "give up", o.GiveUp, giveUp)
		return errors.Join(err, err2)
	})
	for range 2 { // both are claimed and deferred
		for _, c := range f.claim("example.org", 0, 9, 7) {
			settle(c, store.Settled{State: store.Due, Next: later, Code: 451})
		}
	}
	f.update(func(tx *store.Tx) error {
		n, err := tx.RetryAllNow(2)
		equal(f, "retried, as many as asked for", n, 2)
		k, err2 := tx.RetryAllNow(10)
		equal(f, "retried, the rest but the one in a worker's hands", k, 1)
		return errors.Join(err, err2)
	})
	equal(f, "due", len(f.claim("example.org", 0, 9, 7)), 3)
}

func testQueueCounts(f *fixture) {
	check := func(want store.QueueCounts) {
		f.Helper()
		f.view(func(tx *store.Tx) error {
			got, err := tx.QueueCounts()
			equal(f, "counts", got, want)
			return err
		})
	}
	any := func(in time.Duration, want bool) {
		f.Helper()
		f.view(func(tx *store.Tx) error {
			got, err := tx.AnyUndelivered(tx.Now.Add(in))
			equal(f, fmt.Sprintf("undelivered in %v", in), got, want)
			return err
		})
	}
	check(store.QueueCounts{})
	any(time.Hour, false)
	start := f.db.Now()
	o := f.outgoing(store.Outgoing{}, "a@a.example", "b@a.example", "c@a.example", "d@b.example")
	check(store.QueueCounts{Due: 4, Oldest: start})
	any(0, true)
	f.clock.add(time.Second)
	fanning := f.outgoing(store.Outgoing{FannedTo: 5})
	c := f.claim("a.example", 0, 3, 7)
	check(store.QueueCounts{Due: 4, Fanning: 1, Oldest: start})
	later := f.db.Now().Add(time.Hour)
	f.settle(store.Settled{ID: c[0].ID, Claim: c[0].Claim, State: store.Sent, Code: 250},
		store.Settled{ID: c[1].ID, Claim: c[1].Claim, State: store.Failed, Code: 550},
		store.Settled{ID: c[2].ID, Claim: c[2].Claim, State: store.Due, Next: later, Code: 451, Reply: "4.7.1 greylisted"})
	check(store.QueueCounts{Due: 1, Deferred: 1, Sent: 1, Failed: 1, Fanning: 1, Oldest: start})
	f.view(func(tx *store.Tx) error {
		got, err := tx.QueueDestinations(10)
		want := []store.DestinationCounts{{Destination: "a.example", Deferred: 1, Next: later, Code: 451, Reply: "4.7.1 greylisted"},
			{Destination: "b.example", Due: 1, Next: start}}
		if len(got) != 2 || got[0] != want[0] && got[1] != want[0] || got[0] != want[1] && got[1] != want[1] {
			f.Errorf("destinations are %+v, want %+v", got, want)
		}
		first, err2 := tx.QueueDestinations(1)
		equal(f, "destinations asked for", len(first), 1)
		undelivered, err3 := tx.Undelivered(10)
		equal(f, "undelivered", len(undelivered), 2)
		return errors.Join(err, err2, err3)
	})
	d := f.claim("b.example", 0, 1, 7)[0]
	f.settle(store.Settled{ID: d.ID, Claim: d.Claim, State: store.Sent, Code: 250})
	any(0, true) // a fan-out is unfinished
	f.update(func(tx *store.Tx) error { return tx.SetFanned(fanning.ID, -1) })
	any(0, false)
	any(time.Hour, true)
	f.clock.add(time.Hour)
	f.claim("a.example", 0, 1, 7)
	any(0, true) // in a worker's hands
	f.update(func(tx *store.Tx) error {
		for _, d := range []store.DeliveryID{c[2].ID} {
			if err := tx.Drop(d); err != nil {
				return err
			}
		}
		return nil
	})
	check(store.QueueCounts{Sent: 2, Failed: 1})
	any(0, false)
	equal(f, "rows", len(f.deliveries(o.ID)), 4)
}

func testSweepOutgoing(f *fixture) {
	var to []string
	for i := range 5 {
		to = append(to, fmt.Sprintf("user%d@done.example", i))
	}
	done := f.outgoing(store.Outgoing{}, to...)
	for _, c := range f.claim("done.example", 0, 5, 7) {
		f.settle(store.Settled{ID: c.ID, Claim: c.Claim, State: store.Sent, Code: 250})
	}
	due, fanning, none := f.outgoing(store.Outgoing{}, "a@due.example"), f.outgoing(store.Outgoing{FannedTo: 1}), f.outgoing(store.Outgoing{})
	late := f.outgoing(store.Outgoing{}, "a@late.example") // given up only when everything else is long over
	f.clock.add(time.Hour)
	young := f.outgoing(store.Outgoing{})
	before := f.clock.Now()
	f.clock.add(time.Minute)
	for _, c := range f.claim("late.example", 0, 1, 7) {
		f.settle(store.Settled{ID: c.ID, Claim: c.Claim, State: store.Failed, Code: 550})
	}
	var swept []int64
	for n := int64(1); n > 0; {
		f.update(func(tx *store.Tx) (err error) {
			n, err = tx.SweepOutgoing(before, 2)
			return err
		})
		swept = append(swept, n)
	}
	equal(f, "rows swept at a time", fmt.Sprint(swept), "[2 2 2 1 0]")
	f.view(func(tx *store.Tx) error {
		for o, want := range map[store.OutgoingID]error{done.ID: store.ErrNotFound, none.ID: store.ErrNotFound, due.ID: nil, fanning.ID: nil,
			young.ID: nil, late.ID: nil} {
			if _, err := tx.Outgoing(o); !errors.Is(err, want) {
				f.Errorf("outgoing %d: %v, want %v", o, err, want)
			}
		}
		return nil
	})
	equal(f, "its deliveries", len(f.deliveries(done.ID)), 0)
	equal(f, "what is due", len(f.deliveries(due.ID)), 1)
}
