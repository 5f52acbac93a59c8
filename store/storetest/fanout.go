package storetest

import (
	"errors"
	"slices"

	"listd/lists"
	"listd/store"
)

// fan fans o out in chunks of limit and returns who got a delivery, and in how many chunks.
func (f *fixture) fan(o store.Outgoing, limit int, skip []int64, relay bool) (rcpts []string, chunks int) {
	f.Helper()
	after := int64(0)
	for done := false; !done; chunks++ {
		f.update(func(tx *store.Tx) (err error) {
			after, done, err = tx.FanOut(o, after, limit, skip, relay)
			return err
		})
	}
	for _, d := range f.deliveries(o.ID) {
		rcpts = append(rcpts, d.Rcpt)
	}
	return rcpts, chunks
}

func testFanOut(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	f.subscribe(other, subscriber("elsewhere@example.org"))
	digest, paused, late, early := subscriber("digest@example.org"), subscriber("paused@example.org"), subscriber("late@example.org"),
		subscriber("early@example.org")
	digest.Mode, paused.State, late.EachFrom, early.EachFrom = lists.Digest, lists.PausedSelf, 5, 4
	subs := f.subscribe(l, subscriber("a@a.example"), digest, subscriber("b@b.example"), paused, late, early, subscriber("skip@a.example"),
		subscriber("Ünï@a.example"))
	skip := []int64{subs[6].ID}
	want := []string{"a@a.example", "b@b.example", "early@example.org", "Ünï@a.example"}
	slices.Sort(want)
	for _, e := range []struct{ limit, chunks int }{{1, 8}, {2, 4}, {3, 3}, {6, 2}, {7, 2}, {8, 1}, {1000, 1}} {
		o := f.outgoing(store.Outgoing{List: l.ID, Seq: 5, Priority: 1})
		got, chunks := f.fan(o, e.limit, skip, false)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			f.Errorf("in chunks of %d: %v, want %v", e.limit, got, want)
		}
		equal(f, "chunks", chunks, e.chunks)
	}
	o := f.outgoing(store.Outgoing{List: l.ID, Seq: 5, Priority: 1})
	f.fan(o, 100, skip, false)
	f.fan(o, 3, skip, false) // again changes nothing
	equal(f, "rows of two runs", len(f.deliveries(o.ID)), len(want))
	claimed := f.claim("a.example", 1, 100, 7)
	for _, c := range claimed {
		if c.Subscription != subs[0].ID && c.Subscription != subs[7].ID {
			f.Errorf("%s is subscription %d", c.Rcpt, c.Subscription)
		}
	}
	relay := f.outgoing(store.Outgoing{List: l.ID, Seq: 5})
	f.fan(relay, 100, nil, true)
	equal(f, "rows for the relay", len(f.claim("", 0, 100, 7)), len(want)+1)
	empty := f.outgoing(store.Outgoing{List: f.list("empty@lists.example.org").ID, Seq: 1})
	got, chunks := f.fan(empty, 10, nil, false)
	equal(f, "rows of an empty list", len(got), 0)
	equal(f, "chunks of an empty list", chunks, 1)
}

func testFanOutOne(f *fixture) {
	l := f.list("dev@lists.example.org")
	subs := f.subscribe(l, subscribers(6)...)
	unfinished := f.outgoing(store.Outgoing{List: l.ID, Seq: 5, Priority: 1, FannedTo: subs[2].ID})
	old := f.outgoing(store.Outgoing{List: l.ID, Seq: 3, Priority: 1, FannedTo: subs[3].ID})
	finished := f.outgoing(store.Outgoing{List: l.ID, Seq: 4, Priority: 1})
	elsewhere := f.outgoing(store.Outgoing{List: f.list("other@lists.example.org").ID, Seq: 5, FannedTo: 1})
	late := subs[5]
	late.EachFrom = 3
	digest, paused := subs[4], subs[4]
	digest.Mode, paused.State = lists.Digest, lists.PausedOwner
	for _, s := range []lists.Subscription{subs[2], digest, paused, subs[4], subs[4], late} {
		f.update(func(tx *store.Tx) error { return tx.FanOutOne(s, false) })
	}
	for _, e := range []struct {
		what string
		o    store.Outgoing
		want []string
	}{
		{"whom it had not reached", unfinished, []string{subs[4].Address.String(), late.Address.String()}},
		{"who was there by then", old, []string{subs[4].Address.String()}},
		{"finished", finished, nil},
		{"another list's", elsewhere, nil},
	} {
		var got []string
		for _, d := range f.deliveries(e.o.ID) {
			got = append(got, d.Rcpt)
		}
		slices.Sort(got)
		slices.Sort(e.want)
		if !slices.Equal(got, e.want) {
			f.Errorf("%s: %v, want %v", e.what, got, e.want)
		}
	}
	claimed := f.claim(subs[4].Address.Domain, 1, 10, 7)
	equal(f, "rows of one domain", len(claimed), 2)
	for _, c := range claimed {
		equal(f, "subscription", c.Subscription, subs[4].ID)
	}
	// The fan-out that comes by later gives nobody a second one.
	rcpts, _ := f.fan(unfinished, 2, nil, false)
	equal(f, "rows in the end", len(rcpts), 6)
}

func testReroute(f *fixture) {
	o := f.outgoing(store.Outgoing{}, "a@a.example", "b@b.example", "c@[IPv6:2001:db8::1]", `"d d"@b.example`)
	reroute := func(relay bool, limit, want int) {
		f.Helper()
		f.update(func(tx *store.Tx) error {
			n, err := tx.Reroute(relay, limit)
			equal(f, "moved", n, want)
			return err
		})
	}
	sent := f.claim("a.example", 0, 1, 7)[0]
	f.settle(store.Settled{ID: sent.ID, Claim: sent.Claim, State: store.Sent, Code: 250})
	reroute(false, 10, 0)
	reroute(true, 2, 2)
	reroute(true, 2, 1)
	reroute(true, 2, 0)
	equal(f, "for the relay", len(f.claim("", 0, 10, 7)), 3)
	f.update(func(tx *store.Tx) error { _, err := tx.TakeBack(); return err })
	reroute(false, 10, 3)
	reroute(false, 10, 0)
	equal(f, "for a domain", len(f.claim("b.example", 0, 10, 7)), 2)
	equal(f, "for an address literal", len(f.claim("[IPv6:2001:db8::1]", 0, 10, 7)), 1)
	equal(f, "rows", len(f.deliveries(o.ID)), 4)
}

func testDrop(f *fixture) {
	o := f.outgoing(store.Outgoing{}, "a@example.org", "b@example.org")
	claimed := f.claim("example.org", 0, 1, 7)[0]
	for _, d := range f.deliveries(o.ID) {
		f.update(func(tx *store.Tx) error { return tx.Drop(d.ID) })
		f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.Drop(d.ID) })
	}
	f.settle(store.Settled{ID: claimed.ID, Claim: claimed.Claim, State: store.Due, Next: f.db.Now(), Code: 451})
	for _, d := range f.deliveries(o.ID) {
		equal(f, "state", d.State, store.Dropped)
		equal(f, "settled", d.Settled, f.db.Now())
		equal(f, "held", d.Held, false)
	}
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.Drop(9999) })
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.RetryNow(claimed.ID) })
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.RetryFailed(claimed.ID, tx.Now) })
	equal(f, "rows left to claim", len(f.claim("example.org", 0, 9, 7)), 0)
	if !errors.Is(f.db.View(f.Context(), func(tx *store.Tx) error { _, err := tx.Delivery(9999); return err }), store.ErrNotFound) {
		f.Error("an unknown delivery is there")
	}
}
