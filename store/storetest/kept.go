package storetest

import (
	"errors"
	"slices"
	"time"

	"listd/lists"
	"listd/store"
)

// testKept keeps digests, reads them, and forgets them: those with a post that was removed, and old ones. Numbers never come
// again, and a message that is kept is not swept.
func testKept(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	keep := func(l lists.List, after, last lists.Seq) (uid lists.Seq, m store.MessageID) {
		f.Helper()
		m = f.message("a digest")
		f.update(func(tx *store.Tx) (err error) {
			uid, err = tx.KeepIssue(store.KeptIssue{List: l.ID, Message: m, Size: 100, After: after, Last: last})
			return err
		})
		return uid, m
	}
	check := func(what string, upTo lists.Seq, want ...lists.Seq) { f.Helper(); f.kept(l, what, upTo, want...) }
	check("at first", 0)
	one, m := keep(l, 0, 3)
	equal(f, "the first number", one, 1)
	f.clock.add(time.Hour)
	keep(l, 3, 5)
	keep(l, 5, 9)
	keep(other, 0, 7)
	check("three", 9, 1, 2, 3)
	f.view(func(tx *store.Tx) error {
		id, err := tx.KeptMessage(l.ID, 1)
		equal(f, "its message", id, m)
		if err != nil {
			return err
		}
		n, _, err := tx.CountKept(l.ID, []store.SeqRange{{First: 1, Last: 1}, {First: 3, Last: 9}})
		equal(f, "within", n, 2)
		if _, err := tx.KeptMessage(l.ID, 4); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("one that is not there: %v", err)
		}
		return err
	})
	f.clock.add(48 * time.Hour)
	f.update(func(tx *store.Tx) error {
		dropped, err := tx.DropMessage(m)
		equal(f, "a kept message is dropped", dropped, false)
		if err != nil {
			return err
		}
		swept, _, err := tx.SweepMessages(tx.Now, 0, 100)
		equal(f, "swept messages", swept, 0)
		return err
	})
	f.update(func(tx *store.Tx) error {
		gone, err := tx.DropKept(l.ID, store.SeqRange{First: 5, Last: 5})
		equal(f, "dropped with a post", len(gone), 1)
		return err
	})
	check("without the second", 9, 1, 3)
	f.update(func(tx *store.Tx) error {
		n, err := tx.SweepKept(tx.Now.Add(-48*time.Hour-time.Minute), 10)
		equal(f, "swept", n, 1)
		return err
	})
	check("without the first", 9, 3)
	four, _ := keep(l, 9, 10)
	equal(f, "the next number", four, 4)
}

// kept checks which digests of a list are kept, each of 100 bytes, and up to which post.
func (f *fixture) kept(l lists.List, what string, upTo lists.Seq, want ...lists.Seq) {
	f.Helper()
	f.view(func(tx *store.Tx) error {
		all, err := tx.KeptIssues(l.ID, 0, 10)
		if err != nil {
			return err
		}
		var got []lists.Seq
		for _, k := range all {
			got = append(got, k.UID)
		}
		if !slices.Equal(got, want) {
			f.Errorf("%s: %v is kept, want %v", what, got, want)
		}
		n, bytes, err := tx.CountKept(l.ID, nil)
		if err != nil {
			return err
		}
		equal(f, what+": count", n, int64(len(want)))
		equal(f, what+": bytes", bytes, int64(100*len(want)))
		last, err := tx.KeptUpTo(l.ID, tx.Now.Add(time.Second))
		equal(f, what+": up to", last, upTo)
		return err
	})
}

// testSeenIssues keeps what somebody has read of a list's digests.
func testSeenIssues(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	var user int64
	f.update(func(tx *store.Tx) error {
		u, err := tx.EnsureUser(address("ann@example.com"))
		if err != nil {
			return err
		}
		user = u.ID
		return errors.Join(tx.SetSeenIssues(user, l.ID, "1:3"), tx.SetSeenIssues(user, l.ID, "1:4"))
	})
	f.view(func(tx *store.Tx) error {
		set, err := tx.SeenIssues(user, l.ID)
		equal(f, "seen", set, "1:4")
		if err != nil {
			return err
		}
		set, err = tx.SeenIssues(user, other.ID)
		equal(f, "seen elsewhere", set, "")
		return err
	})
}
