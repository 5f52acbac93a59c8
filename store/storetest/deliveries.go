package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"listd/mail"
	"listd/store"
)

func testOutgoing(f *fixture) {
	m := f.message("m")
	in := store.Outgoing{List: 3, Seq: 4, Message: m, From: address("dev-bounces@lists.example.org"), Personal: true, Priority: 1,
		Trace: "trace", Subject: "Ünï ✉", GiveUp: f.db.Now().Add(time.Hour), FannedTo: 17}
	null := store.Outgoing{Message: m, Trace: "trace", FannedTo: -1, GiveUp: f.db.Now()}
	f.update(func(tx *store.Tx) error {
		var err, err2 error
		in.ID, err = tx.AddOutgoing(in)
		null.ID, err2 = tx.AddOutgoing(null)
		return errors.Join(err, err2)
	})
	in.Created, null.Created = f.db.Now(), f.db.Now()
	f.view(func(tx *store.Tx) error {
		got, err := tx.Outgoing(in.ID)
		equal(f, "outgoing", got, in)
		got, err2 := tx.Outgoing(null.ID)
		equal(f, "one with the null reverse-path", got, null)
		both, err3 := tx.OutgoingByTrace("trace")
		if !slices.Equal(both, []store.Outgoing{in, null}) {
			f.Errorf("by trace: %v", both)
		}
		none, err4 := tx.OutgoingByTrace("")
		equal(f, "of no trace", len(none), 0)
		if _, err := tx.Outgoing(99); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("an unknown outgoing: %v", err)
		}
		return errors.Join(err, err2, err3, err4)
	})
	f.update(func(tx *store.Tx) error { return tx.SetFanned(in.ID, -1) })
	f.view(func(tx *store.Tx) error {
		got, err := tx.Outgoing(in.ID)
		equal(f, "fanned to", got.FannedTo, -1)
		return err
	})
}

func testAddDeliveries(f *fixture) {
	for _, n := range []int{0, 1, 199, 200, 201, 450} {
		var to []string
		for i := range n {
			to = append(to, fmt.Sprintf("user%d@example.org", i))
		}
		if n > 0 {
			to = append(to, to[0], to[n-1]) // nobody gets it twice
		}
		o := f.outgoing(store.Outgoing{Priority: 2, Trace: "t", Subject: "s", List: 5}, to...)
		got := f.deliveries(o.ID)
		equal(f, "deliveries", len(got), n)
		for _, d := range got {
			want := store.Delivery{ID: d.ID, Outgoing: o.ID, List: 5, Rcpt: d.Rcpt, State: store.Due, Next: f.db.Now(), Subject: "s",
				Created: f.db.Now(), Trace: "t"}
			equal(f, "delivery", d, want)
		}
	}
	o := f.outgoing(store.Outgoing{}, "b@example.org", "Ü@example.org", "a@example.org")
	f.view(func(tx *store.Tx) error {
		page, err := tx.DeliveriesOf(o.ID, "a@example.org", 1)
		if len(page) != 1 || page[0].Rcpt != "b@example.org" {
			f.Errorf("the second page is %v", page)
		}
		one, err2 := tx.Delivery(page[0].ID)
		equal(f, "by ID", one, page[0])
		to, err3 := tx.DeliveriesTo(address("Ü@example.org"), 5)
		equal(f, "deliveries to one", len(to), 1)
		if _, err := tx.Delivery(9999); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("an unknown delivery: %v", err)
		}
		return errors.Join(err, err2, err3)
	})
}

func testLanes(f *fixture) {
	lanes := func(after *store.Lane, limit int) (out []store.Lane) {
		f.view(func(tx *store.Tx) (err error) { out, err = tx.Lanes(after, limit); return err })
		return out
	}
	equal(f, "lanes of an empty queue", len(lanes(nil, 10)), 0)
	start := f.db.Now()
	f.outgoing(store.Outgoing{Priority: 1}, "a@b.example", "b@b.example", "a@a.example")
	f.clock.add(time.Second)
	f.outgoing(store.Outgoing{Priority: 0}, "c@b.example")
	f.outgoing(store.Outgoing{Priority: 2}, "c@c.example", "d@b.example", "e@[192.0.2.1]")
	second := f.db.Now()
	lane := func(destination string, priority int, next time.Time) store.Lane {
		return store.Lane{Destination: destination, Priority: priority, Next: next}
	}
	want := []store.Lane{lane("[192.0.2.1]", 2, second), lane("a.example", 1, start), lane("b.example", 0, second),
		lane("b.example", 1, start), lane("b.example", 2, second), lane("c.example", 2, second)}
	if got := lanes(nil, 10); !slices.Equal(got, want) {
		f.Errorf("lanes are %v, want %v", got, want)
	}
	if got := lanes(nil, 2); !slices.Equal(got, want[:2]) {
		f.Errorf("the first two lanes are %v", got)
	}
	if got := lanes(&want[2], 10); !slices.Equal(got, want[3:]) {
		f.Errorf("the lanes after %v are %v", want[2], got)
	}
	// A claimed row is due when its lease ends; a settled one is not.
	c := f.claim("b.example", 1, 1, 7)[0]
	equal(f, "next of a lane with a row left", lanes(&want[2], 1)[0].Next, start)
	f.claim("b.example", 1, 1, 7)
	equal(f, "next of a lane that is all claimed", lanes(&want[2], 1)[0].Next, second.Add(time.Minute))
	f.settle(store.Settled{ID: c.ID, Claim: c.Claim, State: store.Sent, Code: 250})
	a := f.claim("a.example", 1, 9, 7)[0]
	f.settle(store.Settled{ID: a.ID, Claim: a.Claim, State: store.Failed, Code: 550})
	equal(f, "lanes left", len(lanes(nil, 10)), 5)
}

func testClaim(f *fixture) {
	o := f.outgoing(store.Outgoing{}, "a@example.org", "b@example.org", "c@example.org")
	f.outgoing(store.Outgoing{}, "d@other.example")
	f.outgoing(store.Outgoing{Priority: 1}, "e@example.org")
	first := f.claim("example.org", 0, 2, 7)
	rest := f.claim("example.org", 0, 2, 8)
	equal(f, "rows of the first claim", len(first), 2)
	equal(f, "rows of the second", len(rest), 1)
	equal(f, "rows left", len(f.claim("example.org", 0, 2, 9)), 0)
	equal(f, "rows of no lane", len(f.claim("none.example", 0, 2, 9)), 0)
	seen := map[mail.Address]bool{}
	for _, c := range append(first, rest...) {
		seen[c.Rcpt] = true
		want := store.Claimed{ID: c.ID, Outgoing: o.ID, Rcpt: c.Rcpt, Destination: "example.org", Attempt: 1, Claim: 1}
		equal(f, "claimed", c, want)
	}
	equal(f, "recipients", len(seen), 3)
	for _, d := range f.deliveries(o.ID) {
		if !d.Held || d.State != store.Due || !d.Next.Equal(f.db.Now().Add(time.Minute)) {
			f.Errorf("a claimed row is %+v", d)
		}
	}
	// When the lease ends, somebody else may claim it; that is another attempt.
	f.clock.add(time.Minute - time.Millisecond)
	equal(f, "rows before the lease ends", len(f.claim("example.org", 0, 5, 9)), 0)
	f.clock.add(time.Millisecond)
	again := f.claim("example.org", 0, 5, 9)
	equal(f, "rows after the lease", len(again), 3)
	for _, c := range again {
		equal(f, "attempt", c.Attempt, 2)
		equal(f, "claim", c.Claim, 2)
	}
	// What has been due longest goes first.
	late := f.outgoing(store.Outgoing{}, "x@late.example")
	f.clock.add(time.Second)
	f.outgoing(store.Outgoing{}, "y@late.example")
	equal(f, "the first of a lane", f.claim("late.example", 0, 1, 9)[0].Outgoing, late.ID)
}

// testClaimAtOnce has several workers claim the same lane: together they get every row, and no row twice.
func testClaimAtOnce(f *fixture) {
	const rows = 240
	var to []string
	for i := range rows {
		to = append(to, fmt.Sprintf("user%d@example.org", i))
	}
	f.outgoing(store.Outgoing{}, to...)
	var mu sync.Mutex
	by := map[store.DeliveryID]int64{}
	var wg sync.WaitGroup
	for holder := range int64(4) {
		wg.Go(func() {
			for {
				var got []store.Claimed
				if err := f.db.Update(f.Context(), func(tx *store.Tx) (err error) {
					got, err = tx.Claim(store.Lane{Destination: "example.org"}, 7, holder+1, tx.Now.Add(time.Hour))
					return err
				}); err != nil {
					f.Error(err)
					return
				}
				if len(got) > 7 {
					f.Errorf("%d rows were claimed, 7 wanted", len(got))
				}
				mu.Lock()
				for _, c := range got {
					if by[c.ID] != 0 {
						f.Errorf("row %d has two holders", c.ID)
					}
					by[c.ID] = holder + 1
				}
				all := len(by) == rows
				mu.Unlock()
				if all {
					return
				}
			}
		})
	}
	wg.Wait()
}

func testSettle(f *fixture) {
	for _, n := range []int{1, 8, 9, 33, 101} {
		var to []string
		for i := range n {
			to = append(to, fmt.Sprintf("user%d@d%d.example", i, n))
		}
		o := f.outgoing(store.Outgoing{}, to...)
		other := f.outgoing(store.Outgoing{}, fmt.Sprintf("untouched@d%d.example", n))
		claimed := f.claim(fmt.Sprintf("d%d.example", n), 0, n, 7)
		equal(f, "claimed", len(claimed), n)
		f.clock.add(time.Second)
		later := f.db.Now().Add(5 * time.Minute)
		want := map[string]store.Delivery{}
		var batch []store.Settled
		for i, c := range claimed {
			s := store.Settled{ID: c.ID, Claim: c.Claim, Code: 250 + i, Reply: fmt.Sprintf("2.0.0 ok %d ✓", i)}
			d := store.Delivery{ID: c.ID, Attempts: 1, Next: f.db.Now(), Settled: f.db.Now(), Code: s.Code, Reply: s.Reply}
			switch i % 3 {
			case 0:
				s.State = store.Sent
			case 1:
				s.State = store.Failed
			case 2:
				s.State, s.Next = store.Due, later
				d.Next, d.Settled = later, time.Time{}
			}
			d.State = s.State
			want[c.Rcpt.String()] = d
			batch = append(batch, s)
		}
		f.settle(batch...)
		for _, d := range f.deliveries(o.ID) {
			w := want[d.Rcpt]
			w.Outgoing, w.Rcpt, w.Created = o.ID, d.Rcpt, d.Created
			equal(f, fmt.Sprintf("a batch of %d", n), d, w)
		}
		equal(f, "a row of no batch", f.deliveries(other.ID)[0].State, store.Due)
	}
	f.settle() // nothing is no statement
}

func testGiveBack(f *fixture) {
	o := f.outgoing(store.Outgoing{}, "a@example.org")
	c := f.claim("example.org", 0, 1, 7)[0]
	f.settle(store.Settled{ID: c.ID, Claim: c.Claim, State: store.Due, Next: f.db.Now(), Code: 451, Reply: "4.2.1 later"})
	c = f.claim("example.org", 0, 1, 7)[0]
	equal(f, "attempt", c.Attempt, 2)
	due := f.db.Now().Add(30 * time.Second)
	f.settle(store.Settled{ID: c.ID, Claim: c.Claim, State: store.Due, Next: due})
	want := store.Delivery{ID: c.ID, Outgoing: o.ID, Rcpt: "a@example.org", State: store.Due, Next: due, Attempts: 1, Code: 451,
		Reply: "4.2.1 later", Created: f.db.Now()}
	equal(f, "given back", f.deliveries(o.ID)[0], want)
	f.clock.add(30 * time.Second)
	equal(f, "the next attempt", f.claim("example.org", 0, 1, 7)[0].Attempt, 2)
}

// testGhost settles late: the row is another's by then, or settled.
func testGhost(f *fixture) {
	o := f.outgoing(store.Outgoing{}, "a@example.org")
	ghost := f.claim("example.org", 0, 1, 7)[0]
	f.clock.add(time.Minute)
	c := f.claim("example.org", 0, 1, 8)[0]
	before := f.deliveries(o.ID)[0]
	late := []store.Settled{
		{ID: ghost.ID, Claim: ghost.Claim, State: store.Failed, Code: 550, Reply: "5.1.1 no"},
		{ID: ghost.ID, Claim: ghost.Claim, State: store.Due, Next: f.db.Now()},
		{ID: ghost.ID + 1, Claim: 1, State: store.Sent, Code: 250},
		{ID: 0, Claim: 0, State: store.Sent, Code: 250},
	}
	f.settle(late...)
	equal(f, "while another has it", f.deliveries(o.ID)[0], before)
	f.settle(store.Settled{ID: c.ID, Claim: c.Claim, State: store.Sent, Code: 250, Reply: "2.0.0 ok"})
	before = f.deliveries(o.ID)[0]
	f.settle(late...)
	f.settle(store.Settled{ID: c.ID, Claim: c.Claim, State: store.Failed, Code: 550})
	equal(f, "when it is settled", f.deliveries(o.ID)[0], before)
}

func testRenew(f *fixture) {
	var to []string
	for i := range 205 {
		to = append(to, fmt.Sprintf("user%03d@example.org", i))
	}
	o := f.outgoing(store.Outgoing{}, to...)
	mine, other := f.claim("example.org", 0, 203, 7), f.claim("example.org", 0, 1, 8)
	var ids []store.DeliveryID
	for _, c := range append(slices.Clone(mine), other...) {
		ids = append(ids, c.ID)
	}
	for _, d := range f.deliveries(o.ID) {
		if !d.Held {
			ids = append(ids, d.ID)
		}
	}
	f.settle(store.Settled{ID: mine[0].ID, Claim: mine[0].Claim, State: store.Sent, Code: 250})
	f.clock.add(30 * time.Second)
	until := f.db.Now().Add(5 * time.Minute)
	var held []store.DeliveryID
	f.update(func(tx *store.Tx) (err error) { held, err = tx.Renew(7, ids, until); return err })
	slices.Sort(held)
	var want []store.DeliveryID
	for _, c := range mine[1:] {
		want = append(want, c.ID)
	}
	slices.Sort(want)
	if !slices.Equal(held, want) {
		f.Errorf("%d rows are still held, want %d", len(held), len(want))
	}
	renewed := 0
	for _, d := range f.deliveries(o.ID) {
		if d.Next.Equal(until) {
			renewed++
		}
	}
	equal(f, "renewed", renewed, 202)
	f.clock.add(time.Minute)
	equal(f, "due: the one of a lost lease, and the one nobody has", len(f.claim("example.org", 0, 300, 9)), 2)
}

func testTakeBack(f *fixture) {
	o := f.outgoing(store.Outgoing{}, "a@example.org", "b@example.org", "c@example.org", "d@example.org")
	claimed := f.claim("example.org", 0, 3, 7)
	later := f.db.Now().Add(time.Hour)
	f.settle(store.Settled{ID: claimed[0].ID, Claim: claimed[0].Claim, State: store.Sent, Code: 250},
		store.Settled{ID: claimed[1].ID, Claim: claimed[1].Claim, State: store.Due, Next: later, Code: 451})
	f.update(func(tx *store.Tx) error {
		n, err := tx.TakeBack()
		equal(f, "taken back", n, 1)
		return err
	})
	due := 0
	for _, d := range f.deliveries(o.ID) {
		if d.Held {
			f.Errorf("%s is still held", d.Rcpt)
		}
		if d.State == store.Due && !d.Next.After(f.db.Now()) {
			due++
		}
	}
	equal(f, "due now: what was taken back, and what nobody had", due, 2)
	// The one who held it then is a ghost once another has it.
	again := f.claim("example.org", 0, 9, 8)
	equal(f, "claimed again", len(again), 2)
	f.settle(store.Settled{ID: claimed[2].ID, Claim: claimed[2].Claim, State: store.Failed, Code: 550})
	for _, d := range f.deliveries(o.ID) {
		if d.State == store.Failed {
			f.Errorf("a ghost settled %s", d.Rcpt)
		}
	}
}
