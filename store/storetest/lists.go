package storetest

import (
	"errors"
	"slices"
	"sync"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

func testLists(f *fixture) {
	f.view(func(tx *store.Tx) error {
		if _, err := tx.ListAt(address("dev@lists.example.org")); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("a list in an empty database: %v", err)
		}
		all, err := tx.Lists()
		equal(f, "lists in an empty database", len(all), 0)
		return err
	})
	policy := lists.DefaultPolicy()
	if err := policy.Set("title", "Grüße & \"quotes\" 'q' ? $1 \\"); err != nil {
		f.Fatal(err)
	}
	l := lists.List{Address: address("dev@lists.example.org"), ListID: "dev.lists.example.org", Policy: policy}
	f.update(func(tx *store.Tx) (err error) { l.ID, err = tx.CreateList(l); return err })
	f.list("another@lists.example.org")
	f.list("dev@b.example.org")
	f.fails(store.ErrExists, func(tx *store.Tx) error { _, err := tx.CreateList(l); return err })

	f.view(func(tx *store.Tx) error {
		for _, read := range []func() (lists.List, error){
			func() (lists.List, error) { return tx.ListAt(l.Address) },
			func() (lists.List, error) { return tx.List(l.ID) },
		} {
			got, err := read()
			if err != nil {
				return err
			}
			equal(f, "ID", got.ID, l.ID)
			equal(f, "address", got.Address, l.Address)
			equal(f, "List-Id", got.ListID, l.ListID)
			equal(f, "title", got.Policy.Title, policy.Title)
			equal(f, "version", got.Version, 1)
			equal(f, "last seq", got.LastSeq, 0)
			equal(f, "created", got.Created, f.db.Now())
		}
		if _, err := tx.List(99); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("an unknown list: %v", err)
		}
		all, err := tx.Lists()
		var names []string
		for _, l := range all {
			names = append(names, l.Address.String())
		}
		if want := []string{"dev@b.example.org", "another@lists.example.org", "dev@lists.example.org"}; !slices.Equal(names, want) {
			f.Errorf("lists are %v, want %v", names, want)
		}
		for domain, want := range map[string]bool{"lists.example.org": true, "b.example.org": true, "example.org": false, "": false} {
			has, err := tx.HasDomain(domain)
			if has != want || err != nil {
				f.Errorf("HasDomain(%q) = %v, %v", domain, has, err)
			}
		}
		return err
	})
}

func testRename(f *fixture) {
	l, other := f.list("a@lists.example.org"), f.list("other@lists.example.org")
	rename := func(to string) func(tx *store.Tx) error {
		return func(tx *store.Tx) error { return tx.RenameList(l.ID, address(to)) }
	}
	check := func(now string, aliases ...string) {
		f.Helper()
		f.view(func(tx *store.Tx) error {
			var got []string
			known, err := tx.ListAliases(l.ID)
			for _, a := range known {
				got = append(got, a.Local)
			}
			if !slices.Equal(got, aliases) {
				f.Errorf("aliases of %s are %v, want %v", now, got, aliases)
			}
			for _, name := range append(aliases, now) {
				at, err := tx.ListAt(address(name + "@lists.example.org"))
				if err != nil || at.ID != l.ID || at.Address.Local != now || at.ListID != l.ListID {
					f.Errorf("list at %s is %v (List-Id %s), %v; want %s (%s)", name, at.Address, at.ListID, err, now, l.ListID)
				}
			}
			return err
		})
	}
	f.update(rename("b@lists.example.org"))
	check("b", "a")
	f.update(rename("c@lists.example.org"))
	check("c", "a", "b")
	f.update(rename("a@lists.example.org")) // back to what is an alias of its own
	check("a", "b", "c")
	f.update(rename("a@lists.example.org")) // to what it is called already
	check("a", "b", "c")
	f.update(rename("b@lists.example.org"))
	check("b", "a", "c")

	f.fails(store.ErrExists, rename("other@lists.example.org"))
	f.fails(store.ErrExists, func(tx *store.Tx) error { return tx.RenameList(other.ID, address("c@lists.example.org")) })
	f.fails(store.ErrExists, func(tx *store.Tx) error {
		_, err := tx.CreateList(lists.List{Address: address("a@lists.example.org"), Policy: lists.DefaultPolicy()})
		return err
	})
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.RenameList(99, address("z@lists.example.org")) })
	check("b", "a", "c")
	f.update(func(tx *store.Tx) error { return tx.DeleteList(l.ID) })
	f.list("a@lists.example.org") // an alias goes with its list
}

func testDeleteList(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	f.subscribe(other, subscriber("a@example.org"))
	sub := f.subscribe(l, subscriber("a@example.org"))[0]
	m := f.message("post")
	o := f.outgoing(store.Outgoing{List: l.ID, Message: m}, "a@example.org")
	f.update(func(tx *store.Tx) error {
		_, err := tx.AddHeld(store.Held{List: l.ID, Message: m, Kind: "post"})
		_, err2 := tx.Notice(l.ID, "a@example.org", "held", time.Hour)
		return errors.Join(err, err2, tx.SetRoles(l.ID, sub.Address, lists.Owner),
			tx.AddPost(store.Post{List: l.ID, Seq: 1, Message: m, Date: tx.Now, Origin: "posted"}),
			tx.TakeIn(store.Intake{List: l.ID, Fingerprint: []byte("f"), Trace: "t", MsgID: "id@example.org"}))
	})
	f.update(func(tx *store.Tx) error { return tx.DeleteList(l.ID) })
	f.view(func(tx *store.Tx) error {
		_, err := tx.SubscriptionByID(sub.ID)
		if !errors.Is(err, store.ErrNotFound) {
			f.Errorf("its subscription is still there: %v", err)
		}
		subs, err := tx.SubscriptionsOf(sub.Address)
		if len(subs) != 1 || subs[0].List != other.ID || err != nil {
			f.Errorf("subscriptions left are %v, %v", subs, err)
		}
		held, err := tx.HeldOf(0, 10)
		if len(held) > 0 || err != nil {
			f.Errorf("held mail is still there: %v, %v", held, err)
		}
		intakes, err := tx.IntakeByMsgID("id@example.org")
		if len(intakes) > 0 || err != nil {
			f.Errorf("intakes are still there: %v, %v", intakes, err)
		}
		// What is on its way goes out.
		_, err = tx.Outgoing(o.ID)
		return err
	})
	equal(f, "deliveries on their way", len(f.deliveries(o.ID)), 1)
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.DeleteList(l.ID) })
}

func testVersions(f *fixture) {
	l := f.list("dev@lists.example.org")
	version := func() (v int64) {
		f.view(func(tx *store.Tx) error { l, err := tx.List(l.ID); v = l.Version; return err })
		return v
	}
	equal(f, "at first", version(), 1)
	p := l.Policy
	if err := p.Set("title", "New"); err != nil {
		f.Fatal(err)
	}
	f.update(func(tx *store.Tx) error { return tx.SavePolicy(l.ID, p) })
	equal(f, "after new settings", version(), 2)
	f.update(func(tx *store.Tx) error { return tx.TouchList(l.ID) })
	equal(f, "after new roles", version(), 3)
	f.update(func(tx *store.Tx) error { return tx.RenameList(l.ID, address("b@lists.example.org")) })
	equal(f, "after a rename", version(), 4)
	f.update(func(tx *store.Tx) error { _, err := tx.TakeSeq(l.ID, 4); return err })
	f.subscribe(l, subscribers(3)...)
	equal(f, "after a post and new members", version(), 4)
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.SavePolicy(99, p) })
	f.view(func(tx *store.Tx) error {
		l, err := tx.List(l.ID)
		equal(f, "title", l.Policy.Title, "New")
		return err
	})
	f.update(func(tx *store.Tx) error {
		locked, err := tx.LockList(l.ID)
		equal(f, "locked", locked.ID, l.ID)
		return err
	})
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.LockList(99); return err })
}

func testTakeSeq(f *fixture) {
	l := f.list("dev@lists.example.org")
	m := f.message("post")
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.TakeSeq(l.ID, l.Version+1); return err })
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.TakeSeq(99, 1); return err })

	// Posts that come at once get the numbers 1 to n, each once.
	const n = 20
	var mu sync.Mutex
	var got []lists.Seq
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			var seq lists.Seq
			err := f.db.Update(f.Context(), func(tx *store.Tx) (err error) {
				if seq, err = tx.TakeSeq(l.ID, l.Version); err != nil {
					return err
				}
				return tx.AddPost(store.Post{List: l.ID, Seq: seq, Message: m, MsgID: "x@example.org", Subject: "Zażółć ✉",
					Author: "A <a@example.org>", Date: tx.Now.Add(-time.Hour), Size: 5, Hidden: true, Origin: "posted"})
			})
			if err != nil {
				f.Error(err)
			}
			mu.Lock()
			got = append(got, seq)
			mu.Unlock()
		})
	}
	wg.Wait()
	slices.Sort(got)
	for i, seq := range got {
		equal(f, "seq", seq, lists.Seq(i+1))
	}
	// A transaction that fails leaves no gap.
	failure := errors.New("of the test")
	f.fails(failure, func(tx *store.Tx) error {
		if _, err := tx.TakeSeq(l.ID, l.Version); err != nil {
			return err
		}
		return failure
	})
	f.update(func(tx *store.Tx) error {
		seq, err := tx.TakeSeq(l.ID, l.Version)
		equal(f, "seq after a failure", seq, n+1)
		return err
	})
	f.fails(store.ErrExists, func(tx *store.Tx) error {
		return tx.AddPost(store.Post{List: l.ID, Seq: 1, Message: m, Date: tx.Now, Origin: "posted"})
	})
}

func testIntake(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	take := func(l lists.ID, fingerprint, trace string) func(tx *store.Tx) error {
		return func(tx *store.Tx) error {
			return tx.TakeIn(store.Intake{List: l, Fingerprint: []byte(fingerprint), Trace: trace, MsgID: "m@example.org",
				Sender: "a@example.org", Outcome: "posted", Rule: "default", Seq: 7, Outgoing: 8})
		}
	}
	seen := func(fingerprint, want string) {
		f.Helper()
		f.view(func(tx *store.Tx) error {
			trace, ok, err := tx.Seen(l.ID, []byte(fingerprint))
			equal(f, "seen as", trace, want)
			equal(f, "seen", ok, want != "")
			return err
		})
	}
	seen("f", "")
	f.update(take(l.ID, "f", "first"))
	first := f.db.Now()
	seen("f", "first")
	f.fails(store.ErrExists, take(l.ID, "f", "second"))
	f.update(take(other.ID, "f", "first")) // another list's is another
	f.update(take(l.ID, "g", "third"))
	f.clock.add(7*24*time.Hour - time.Millisecond)
	f.fails(store.ErrExists, take(l.ID, "f", "fourth"))
	f.clock.add(time.Millisecond)
	seen("f", "") // a week later it is new
	f.update(take(l.ID, "f", "fifth"))
	f.fails(store.ErrExists, take(l.ID, "f", "sixth"))
	seen("f", "fifth")

	f.update(func(tx *store.Tx) error { return tx.SettleIntake("third", l.ID, "discarded", 9, 10) })
	f.view(func(tx *store.Tx) error {
		all, err := tx.IntakeByMsgID("m@example.org")
		if err != nil || len(all) != 3 {
			f.Fatalf("intakes are %v, %v", all, err)
		}
		equal(f, "trace", all[0].Trace, "fifth")
		equal(f, "at", all[0].At, f.db.Now())
		equal(f, "sender", all[0].Sender, "a@example.org")
		equal(f, "rule", all[0].Rule, "default")
		equal(f, "other's trace", all[1].Trace, "first")
		equal(f, "other's time", all[1].At, first)
		equal(f, "settled", all[2].Outcome, "discarded")
		equal(f, "settled seq", all[2].Seq, 9)
		equal(f, "settled outgoing", all[2].Outgoing, 10)
		return nil
	})
	f.update(func(tx *store.Tx) error {
		n, err := tx.SweepIntake(tx.Now, 1)
		equal(f, "swept, one at a time", n, 1)
		k, err2 := tx.SweepIntake(tx.Now, 10)
		equal(f, "swept, the rest", k, 1)
		return errors.Join(err, err2)
	})
	seen("f", "fifth")
}

func testHeld(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	m := f.message("held")
	add := func(h store.Held) (id store.HeldID) {
		h.Message, h.Kind = m, "post"
		f.update(func(tx *store.Tx) (err error) { id, err = tx.AddHeld(h); return err })
		return id
	}
	soon, later := f.db.Now().Add(time.Hour), f.db.Now().Add(2*time.Hour)
	a := add(store.Held{List: l.ID, From: address(`"odd one"@example.org`), Sender: "Ä <a@example.org>", Subject: "S", Rule: "nonmember",
		Reasons: []string{"one", "zwei ✓"}, Trace: "t", Expires: later})
	b := add(store.Held{List: l.ID, Expires: soon})
	c := add(store.Held{List: other.ID})
	ids := func(held []store.Held) (out []store.HeldID) {
		for _, h := range held {
			out = append(out, h.ID)
		}
		return out
	}
	f.view(func(tx *store.Tx) error {
		h, err := tx.Held(a)
		if err != nil {
			return err
		}
		equal(f, "from", h.From, address(`"odd one"@example.org`))
		equal(f, "sender", h.Sender, "Ä <a@example.org>")
		equal(f, "expires", h.Expires, later)
		equal(f, "at", h.At, f.db.Now())
		if !slices.Equal(h.Reasons, []string{"one", "zwei ✓"}) {
			f.Errorf("reasons are %q", h.Reasons)
		}
		h, err = tx.Held(c)
		equal(f, "the null sender", h.From, mail.Address{})
		equal(f, "never expires", h.Expires, time.Time{})
		return err
	})
	for _, e := range []struct {
		what string
		read func(tx *store.Tx) ([]store.Held, error)
		want []store.HeldID
	}{
		{"of one list", func(tx *store.Tx) ([]store.Held, error) { return tx.HeldOf(l.ID, 10) }, []store.HeldID{a, b}},
		{"of all lists", func(tx *store.Tx) ([]store.Held, error) { return tx.HeldOf(0, 10) }, []store.HeldID{a, b, c}},
		{"no more than asked for", func(tx *store.Tx) ([]store.Held, error) { return tx.HeldOf(0, 2) }, []store.HeldID{a, b}},
		{"expired", func(tx *store.Tx) ([]store.Held, error) { tx.Now = soon; return tx.HeldExpired(10) }, []store.HeldID{b}},
		{"expired later", func(tx *store.Tx) ([]store.Held, error) { tx.Now = later; return tx.HeldExpired(10) }, []store.HeldID{b, a}},
		{"not yet expired", func(tx *store.Tx) ([]store.Held, error) { return tx.HeldExpired(10) }, nil},
	} {
		f.view(func(tx *store.Tx) error {
			held, err := e.read(tx)
			if !slices.Equal(ids(held), e.want) {
				f.Errorf("%s: %v, want %v", e.what, ids(held), e.want)
			}
			return err
		})
	}
	f.update(func(tx *store.Tx) error { return tx.DeleteHeld(a) })
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.DeleteHeld(a) })
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.Held(a); return err })
}

func testNoticed(f *fixture) {
	l := f.list("dev@lists.example.org")
	notice := func(key, kind string, want bool) {
		f.Helper()
		f.update(func(tx *store.Tx) error {
			ok, err := tx.Notice(l.ID, key, kind, 24*time.Hour)
			equal(f, "notice "+key+" "+kind, ok, want)
			return err
		})
	}
	notice("a@example.org", "held", true)
	notice("a@example.org", "held", false)
	notice("b@example.org", "held", true)
	notice("a@example.org", "refused", true)
	f.clock.add(24*time.Hour - time.Millisecond)
	notice("a@example.org", "held", false)
	f.clock.add(time.Millisecond)
	notice("a@example.org", "held", true)
	notice("a@example.org", "held", false)
	f.update(func(tx *store.Tx) error {
		n, err := tx.SweepNoticed(tx.Now)
		equal(f, "swept", n, 2)
		return err
	})
	notice("a@example.org", "held", false)
	notice("b@example.org", "held", true)
}
