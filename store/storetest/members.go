package storetest

import (
	"errors"
	"slices"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

func testAddSubscriptions(f *fixture) {
	// Around the size of a batch.
	for _, n := range []int{0, 1, 199, 200, 201} {
		l := f.list("l" + string(rune('a'+n%26)) + "@lists.example.org")
		subs := subscribers(n)
		add := func(subs []lists.Subscription, want int64) {
			f.Helper()
			f.update(func(tx *store.Tx) error {
				added, err := tx.AddSubscriptions(l.ID, subs)
				equal(f, "added", added, want)
				return err
			})
		}
		add(subs, int64(n))
		add(subs, 0)
		// Somebody new among known ones, twice, in another spelling.
		more := append(slices.Clone(subs), subscriber("New@Example.org"), subscriber("new@example.org"))
		add(more, 1)
		f.view(func(tx *store.Tx) error {
			count, err := tx.CountMembers(l.ID)
			equal(f, "members", count, int64(n)+1)
			return err
		})
	}
}

func testSubscription(f *fixture) {
	l := f.list("dev@lists.example.org")
	// Keys fold case beyond ASCII; addresses are kept as written.
	in := lists.Subscription{Address: address("Jürgen.ÄÖ@Bücher.Example"), Name: "Jürgen 'O\"Neil ✉", Mode: lists.None,
		State: lists.PausedSelf, EachFrom: 12, Action: lists.Hold, Ack: true, Language: "de"}
	got := f.subscribe(l, in)[0]
	in.ID, in.List, in.Joined = got.ID, l.ID, f.db.Now()
	equal(f, "as added", got, in)
	f.view(func(tx *store.Tx) error {
		again, err := tx.Subscription(l.ID, address("jürgen.äö@bücher.example"))
		equal(f, "by another spelling", again, in)
		byID, err2 := tx.SubscriptionByID(in.ID)
		equal(f, "by ID", byID, in)
		return errors.Join(err, err2)
	})
	in.Name, in.Mode, in.State, in.EachFrom, in.Action, in.OwnPosts, in.Duplicates, in.Ack, in.Language =
		"", lists.Each, lists.Active, 4_000_000_000, lists.Defer, true, true, false, ""
	f.update(func(tx *store.Tx) error {
		return errors.Join(tx.SaveSubscription(in), tx.CountPost(in.ID), tx.CountPost(in.ID))
	})
	in.Posts = 2
	f.view(func(tx *store.Tx) error {
		got, err := tx.SubscriptionByID(in.ID)
		equal(f, "as saved", got, in)
		return err
	})
	// UTF-8 addresses of their own: no two of these are one.
	more := f.subscribe(l, subscriber("straße@example.org"), subscriber("strasse@example.org"), subscriber("kelvin@example.org"),
		subscriber("\u212aelvin@example.org"), subscriber(`"a b"@example.org`), subscriber("用户@例子.example"))
	seen := map[int64]bool{}
	for _, s := range more {
		seen[s.ID] = true
	}
	equal(f, "people", len(seen), len(more))

	f.update(func(tx *store.Tx) error { return tx.DeleteSubscription(in.ID) })
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.SubscriptionByID(in.ID); return err })
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.Subscription(l.ID, in.Address); return err })
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.SaveSubscription(in) })
	// The ID of one who left names nobody else: their bounces and unsubscribe links are still about.
	last := f.subscribe(l, subscriber("last@example.org"))[0]
	f.update(func(tx *store.Tx) error { return tx.DeleteSubscription(last.ID) })
	if next := f.subscribe(l, subscriber("next@example.org"))[0]; next.ID <= last.ID {
		f.Errorf("the ID %d was given again after %d", next.ID, last.ID)
	}
}

func testMembers(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	var want []string
	subs := subscribers(25)
	for _, s := range subs {
		want = append(want, s.Address.Key())
	}
	slices.Sort(want)
	f.subscribe(l, subs...)
	f.subscribe(other, subscriber("aaa@example.org"), subscriber("user7@d0.example.org"))
	for _, page := range []int{1, 7, 25, 26} {
		var got []string
		for after := ""; ; {
			var members []lists.Member
			f.view(func(tx *store.Tx) (err error) { members, err = tx.Members(l.ID, after, page); return err })
			if len(members) == 0 {
				break
			}
			for _, m := range members {
				got = append(got, m.Address.Key())
				if m.Sub == nil || m.Roles != lists.Subscriber {
					f.Errorf("member %v", m)
				}
			}
			after = got[len(got)-1]
		}
		if !slices.Equal(got, want) {
			f.Errorf("in pages of %d: %v, want %v", page, got, want)
		}
	}
	f.view(func(tx *store.Tx) error {
		of, err := tx.SubscriptionsOf(address("USER7@d0.example.org"))
		if len(of) != 2 || of[0].List != l.ID || of[1].List != other.ID {
			f.Errorf("subscriptions of one address: %v", of)
		}
		return err
	})
}

func testRoles(f *fixture) {
	l := f.list("dev@lists.example.org")
	sub := f.subscribe(l, subscriber("Member@example.org"))[0]
	set := func(at string, r lists.Roles) {
		f.update(func(tx *store.Tx) error { return tx.SetRoles(l.ID, address(at), r) })
	}
	set("Owner@example.org", lists.Owner)
	set("owner@example.org", lists.Owner|lists.Moderator) // the same person
	set("member@example.org", lists.Moderator|lists.Subscriber)
	f.view(func(tx *store.Tx) error {
		for at, want := range map[string]lists.Roles{"OWNER@example.org": lists.Owner | lists.Moderator, "member@example.org": lists.Moderator,
			"stranger@example.org": 0} {
			got, err := tx.Roles(l.ID, address(at))
			if got != want || err != nil {
				f.Errorf("roles of %s: %v, %v, want %v", at, got, err, want)
			}
		}
		m, err := tx.Member(l.ID, address("MEMBER@example.org"))
		if err != nil || m.Sub == nil || m.Sub.ID != sub.ID || m.Roles != lists.Moderator|lists.Subscriber || m.Address != sub.Address {
			f.Errorf("a member with a role: %v, %v", m, err)
		}
		m, err = tx.Member(l.ID, address("owner@example.org"))
		if err != nil || m.Sub != nil || m.Roles != lists.Owner|lists.Moderator {
			f.Errorf("an owner who does not receive: %v, %v", m, err)
		}
		if _, err := tx.Member(l.ID, address("stranger@example.org")); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("a stranger: %v", err)
		}
		for role, want := range map[lists.Roles]int{lists.Owner: 1, lists.Moderator: 2, lists.Owner | lists.Moderator: 2, lists.Subscriber: 0} {
			holders, err := tx.RoleHolders(l.ID, role)
			if len(holders) != want || err != nil {
				f.Errorf("holders of %v: %v, %v", role, holders, err)
			}
		}
		return nil
	})
	set("owner@example.org", lists.Subscriber) // which is no role to be kept
	set("nobody@example.org", 0)
	f.view(func(tx *store.Tx) error {
		if _, err := tx.Member(l.ID, address("owner@example.org")); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("a former owner: %v", err)
		}
		return nil
	})
}

func testOptedOut(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	with := func(at string, own, duplicates bool) lists.Subscription {
		s := subscriber(at)
		s.OwnPosts, s.Duplicates = own, duplicates
		return s
	}
	all := []lists.Subscription{with("both@example.org", true, true), with("no-own@example.org", false, true),
		with("no-dup@example.org", true, false), with("neither@example.org", false, false)}
	f.subscribe(other, all...)
	subs := f.subscribe(l, all...)
	for _, e := range []struct {
		author string
		named  []string
		want   []int64
	}{
		{"both@example.org", nil, nil},
		{"No-Own@example.org", nil, []int64{subs[1].ID}},
		{"no-dup@example.org", nil, nil},
		{"no-dup@example.org", []string{"no-dup@example.org"}, nil}, // an author who is named is the author
		{"both@example.org", []string{"no-dup@example.org", "both@example.org", "no-own@example.org", "neither@example.org"},
			[]int64{subs[2].ID, subs[3].ID}},
		{"stranger@example.org", []string{"other-stranger@example.org"}, nil},
		{"", []string{"neither@example.org"}, []int64{subs[3].ID}},
	} {
		var author mail.Address
		if e.author != "" {
			author = address(e.author)
		}
		f.view(func(tx *store.Tx) error {
			got, err := tx.OptedOut(l.ID, author, e.named)
			slices.Sort(got)
			if !slices.Equal(got, e.want) {
				f.Errorf("author %s, named %v: %v, want %v", e.author, e.named, got, e.want)
			}
			return err
		})
	}
}
