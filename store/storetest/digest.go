package storetest

import (
	"fmt"
	"slices"
	"time"

	"listd/lists"
	"listd/store"
)

// collector is an active subscription in a mode that collects posts.
func collector(at string, mode lists.Mode, schedule, language string, cursor lists.Seq) lists.Subscription {
	s := subscriber(at)
	s.Mode, s.Language, s.DigestSeq = mode, language, cursor
	if err := s.Schedule.UnmarshalText([]byte(schedule)); err != nil {
		panic(err) // a mistake in the test
	}
	return s
}

func testFollowers(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	paused := collector("paused@example.org", lists.Digest, "", "", 5)
	paused.State = lists.PausedBounce
	f.subscribe(l, subscriber("each@example.org"), paused,
		collector("a@example.org", lists.Digest, "", "", 5), collector("b@example.org", lists.Digest, "", "", 5),
		collector("c@example.org", lists.Digest, "", "", 6), collector("d@example.org", lists.Digest, "weekly tue 08:00 Europe/Paris", "", 5),
		collector("e@example.org", lists.Plain, "", "de", 5), collector("f@example.org", lists.Roundup, "", "", 0))
	stored := f.subscribe(other, collector("a@example.org", lists.Index, "daily", "fr", 7))[0]
	equal(f, "the schedule", stored.Schedule.String(), "daily")
	equal(f, "the cursor", stored.DigestSeq, lists.Seq(7))
	stored.Schedule, stored.DigestSeq = lists.Schedule{}, 8
	f.update(func(tx *store.Tx) error { return tx.SaveSubscription(stored) })
	f.view(func(tx *store.Tx) error {
		all, err := tx.Followers()
		if err != nil {
			return err
		}
		var got []string
		for _, g := range all {
			got = append(got, fmt.Sprint(g.List, g.Mode, " ", g.Schedule, " ", g.Language, g.After, g.Members))
			equal(f, "as chosen", g.Chosen, g.Schedule.String())
		}
		want := []string{fmt.Sprint(l.ID, "digest   5 2"), fmt.Sprint(l.ID, "digest   6 1"), fmt.Sprint(l.ID, "digest weekly tue 08:00 Europe/Paris  5 1"),
			fmt.Sprint(l.ID, "plain  de 5 1"), fmt.Sprint(l.ID, "roundup   0 1"), fmt.Sprint(other.ID, "index  fr 8 1")}
		if strip := slices.EqualFunc(got, want, func(a, b string) bool { return squeezed(a) == squeezed(b) }); !strip {
			f.Errorf("got %q, want %q", got, want)
		}
		mine, err := tx.FollowersOf(l.ID)
		equal(f, "of one list", len(mine), len(all)-1)
		return err
	})
}

// squeezed is s without blanks.
func squeezed(s string) string {
	return string(slices.DeleteFunc([]rune(s), func(r rune) bool { return r == ' ' }))
}

func testDigestPosts(f *fixture) {
	l := f.list("dev@lists.example.org")
	for i, origin := range []string{"posted", "imported", "posted", "posted"} {
		message := f.message(fmt.Sprint("post ", i))
		f.update(func(tx *store.Tx) error {
			return tx.AddPost(store.Post{List: l.ID, Seq: lists.Seq(i + 1), Message: message, Date: tx.Now, Size: 100, Hidden: i == 2, Origin: origin})
		})
		f.clock.add(time.Hour)
	}
	f.view(func(tx *store.Tx) error {
		got, err := tx.DigestPosts(l.ID, 0, 3, 10)
		if err != nil || len(got) != 2 || got[0].Seq != 1 || got[1].Seq != 3 {
			f.Errorf("%+v %v", got, err)
		}
		n, bytes, err := tx.DigestWaits(l.ID, 1, 4)
		equal(f, "posts", n, 2)
		equal(f, "bytes", bytes, int64(200))
		if err != nil {
			return err
		}
		seq, err := tx.LastSeqBefore(l.ID, tx.Now.Add(-2*time.Hour))
		equal(f, "last before", seq, lists.Seq(2))
		return err
	})
	f.update(func(tx *store.Tx) error {
		p, err := tx.Post(l.ID, 1)
		if err != nil {
			return err
		}
		return tx.ReplacePost(p)
	})
	f.view(func(tx *store.Tx) error {
		got, err := tx.DigestPosts(l.ID, 0, 4, 10)
		equal(f, "posts without the removed one", len(got), 2)
		return err
	})
}

func testEditions(f *fixture) {
	l := f.list("dev@lists.example.org")
	schedule := lists.DefaultPolicy().Digest
	var e store.Edition
	f.update(func(tx *store.Tx) (err error) {
		if e, err = tx.Edition(l.ID, lists.Digest, schedule, "en"); err != nil {
			return err
		}
		equal(f, "a new edition", e, store.Edition{List: l.ID, Mode: lists.Digest, Schedule: schedule, Language: "en"})
		e.Volume, e.Number, e.LastSeq, e.Issued = 1, 2, 3, tx.Now
		e.ID, err = tx.SaveEdition(e)
		return err
	})
	f.update(func(tx *store.Tx) error {
		again, err := tx.Edition(l.ID, lists.Digest, schedule, "en")
		equal(f, "the edition", again, e)
		if err != nil {
			return err
		}
		e.Number = 3
		id, err := tx.SaveEdition(e)
		equal(f, "its ID", id, e.ID)
		if err != nil {
			return err
		}
		for part := 1; part <= 2; part++ {
			if err := tx.AddIssue(store.Issue{Edition: e.ID, After: 0, UpTo: 9, Part: part, Parts: 2, Volume: 1, Number: 3, LastSeq: lists.Seq(4 * part), Posts: 4, Outgoing: store.OutgoingID(part)}); err != nil {
				return err
			}
		}
		return tx.AddIssue(store.Issue{Edition: e.ID, After: 0, UpTo: 9, Part: 2, Parts: 2, Volume: 1, Number: 3, LastSeq: 9, Posts: 5, Outgoing: 7})
	})
	f.view(func(tx *store.Tx) error {
		parts, err := tx.Issues(e.ID, 0, 9, tx.Now)
		if err != nil || len(parts) != 2 || parts[1] != (store.Issue{Edition: e.ID, UpTo: 9, Part: 2, Parts: 2, Volume: 1, Number: 3, LastSeq: 9, Posts: 5, Outgoing: 7, At: tx.Now}) {
			f.Errorf("%+v %v", parts, err)
		}
		for _, c := range []struct {
			after, upTo lists.Seq
			since       time.Time
		}{{1, 9, tx.Now}, {0, 8, tx.Now}, {0, 9, tx.Now.Add(time.Second)}} {
			none, err := tx.Issues(e.ID, c.after, c.upTo, c.since)
			if err != nil || len(none) != 0 {
				f.Errorf("%+v: %+v %v", c, none, err)
			}
		}
		with, err := tx.IssuesWith(l.ID, 6)
		if !slices.Equal(with, []store.OutgoingID{7}) {
			f.Errorf("with 6: %v", with)
		}
		all, err2 := tx.Editions(l.ID)
		if err2 != nil || len(all) != 1 || all[0] != e {
			f.Errorf("%+v %v", all, err2)
		}
		return err
	})
	f.clock.add(time.Hour)
	f.update(func(tx *store.Tx) error {
		n, err := tx.SweepIssues(tx.Now, 1)
		equal(f, "swept", n, int64(1))
		return err
	})
	f.update(func(tx *store.Tx) error { return tx.DeleteList(l.ID) })
	f.view(func(tx *store.Tx) error {
		all, err := tx.Editions(l.ID)
		equal(f, "editions of a list that is gone", len(all), 0)
		return err
	})
}

func testDeliverIssue(f *fixture) {
	l := f.list("dev@lists.example.org")
	var subs []lists.Subscription
	for i := range 5 {
		subs = append(subs, collector(fmt.Sprintf("d%d@a.example", i), lists.Digest, "", "", 3))
	}
	late, paused := collector("late@a.example", lists.Digest, "", "", 4), collector("paused@a.example", lists.Digest, "", "", 3)
	paused.State = lists.PausedSelf
	subs = f.subscribe(l, append(subs, late, paused, collector("plain@a.example", lists.Plain, "", "", 3))...)
	one, two := f.outgoing(store.Outgoing{List: l.ID, Priority: 2}), f.outgoing(store.Outgoing{List: l.ID, Priority: 2})
	group := store.Followers{List: l.ID, Mode: lists.Digest, After: 3}
	for _, want := range []int{3, 2, 0} {
		f.update(func(tx *store.Tx) error {
			n, err := tx.DeliverIssue(group, 9, []store.Outgoing{one, two}, 3, false)
			equal(f, "readers", n, want)
			return err
		})
	}
	for _, o := range []store.Outgoing{one, two} {
		var got []string
		for _, d := range f.deliveries(o.ID) {
			got = append(got, d.Rcpt)
		}
		if !slices.Equal(got, []string{"d0@a.example", "d1@a.example", "d2@a.example", "d3@a.example", "d4@a.example"}) {
			f.Errorf("%q", got)
		}
	}
	f.view(func(tx *store.Tx) error {
		for i, want := range []lists.Seq{9, 9, 9, 9, 9, 4, 3, 3} {
			s, err := tx.SubscriptionByID(subs[i].ID)
			if err != nil {
				return err
			}
			equal(f, s.Address.String(), s.DigestSeq, want)
		}
		return nil
	})
	f.update(func(tx *store.Tx) error { // nothing to send
		_, err := tx.DeliverIssue(store.Followers{List: l.ID, Mode: lists.Plain, After: 3}, 9, nil, 3, false)
		return err
	})
	f.update(func(tx *store.Tx) error { return tx.DeliverLast(subs[5].ID, []store.Outgoing{one}, false) })
	f.update(func(tx *store.Tx) error { return tx.DeliverLast(subs[5].ID, []store.Outgoing{one}, false) })
	equal(f, "rows with a last issue", len(f.deliveries(one.ID)), 6)
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.DeliverLast(1<<40, []store.Outgoing{one}, false) })
	for _, c := range f.claim("a.example", 2, 100, 7) {
		if !slices.ContainsFunc(subs, func(s lists.Subscription) bool { return s.ID == c.Subscription }) {
			f.Errorf("%s has no subscription", c.Rcpt)
		}
	}
}
