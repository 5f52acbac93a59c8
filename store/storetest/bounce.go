package storetest

import (
	"fmt"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// testBounces: settling records what failed for a subscription, once, under the address that was written to.
func testBounces(f *fixture) {
	l := f.list("dev@lists.example.org")
	subs := f.subscribe(l, subscribers(3)...)
	o := f.outgoing(store.Outgoing{List: l.ID, Seq: 1, From: l.Bounces()})
	f.update(func(tx *store.Tx) error { return tx.AddDeliveriesOf(o, append(subs, subs[0]), true) })
	f.update(func(tx *store.Tx) error {
		return tx.AddDeliveries(o, []mail.Address{address("owner@example.org")}, func(mail.Address) string { return "" })
	})
	claimed := f.claim("", o.Priority, 100, 7)
	equal(f, "claimed", len(claimed), 4)
	f.update(func(tx *store.Tx) error { return tx.MoveSubscription(subs[2].ID, address("moved@example.org")) })
	var batch []store.Settled
	for _, c := range claimed {
		batch = append(batch, store.Settled{ID: c.ID, Claim: c.Claim, State: store.Failed, Code: 550, Reply: "5.1.1 no", Class: mail.NoUser, Permanent: true})
	}
	ghost := batch[0]
	ghost.Claim++
	f.settle(ghost)
	f.settle(batch...)
	f.settle(batch...)
	var got []store.Bounce
	f.view(func(tx *store.Tx) (err error) {
		got, err = tx.NewBounces(100)
		return err
	})
	equal(f, "bounces", len(got), 2)
	for _, b := range got {
		if b.Subscription == subs[2].ID || b.Outgoing != o.ID || b.Class != mail.NoUser || !b.Permanent || !b.Proven || b.Reply != "550 5.1.1 no" ||
			b.Source != "smtp" || b.State != store.BounceNew || !b.At.Equal(f.db.Now()) {
			f.Errorf("the bounce is %+v", b)
		}
	}
	f.update(func(tx *store.Tx) error {
		late, err := tx.AddBounce(store.Bounce{Subscription: subs[0].ID, Outgoing: o.ID, Class: mail.Full})
		equal(f, "a report of the same is new", late, false)
		return err
	})
	for range 2 { // of what names no outgoing there may be several
		f.update(func(tx *store.Tx) error {
			isNew, err := tx.AddBounce(store.Bounce{Subscription: subs[0].ID, Class: mail.Full, Reply: "é"})
			equal(f, "one without an outgoing is new", isNew, true)
			return err
		})
	}
	f.update(func(tx *store.Tx) error {
		if err := tx.SetBounce(got[0].ID, store.BounceCounted); err != nil {
			return err
		}
		counted, err := tx.CountedBounces(got[0].Subscription)
		equal(f, "counted", len(counted), 1)
		return err
	})
	f.update(func(tx *store.Tx) error { return tx.DeleteSubscription(subs[0].ID) })
	f.view(func(tx *store.Tx) error {
		left, err := tx.BouncesOf(subs[0].ID, 10)
		equal(f, "of who has left", len(left), 0)
		return err
	})
	f.clock.add(100 * 24 * time.Hour)
	f.update(func(tx *store.Tx) error {
		n, err := tx.SweepBounces(tx.Now.Add(-90*24*time.Hour), 10)
		equal(f, "swept", n, 1)
		return err
	})
}

// testScores: a score comes back as it was written, is found when it is due, and goes with its subscription.
func testScores(f *fixture) {
	l := f.list("dev@lists.example.org")
	s := f.subscribe(l, subscriber("ada@example.org"))[0]
	now := f.db.Now()
	want := lists.Bounces{Score: 3.5, Day: now.Truncate(24 * time.Hour), Today: 0.5, Last: now, Stage: lists.Paused, Probe: 17, Warned: 2, Next: now.Add(time.Hour)}
	f.update(func(tx *store.Tx) error {
		if err := tx.SetScore(s.ID, lists.Bounces{Score: 1, Stage: lists.Scoring}); err != nil {
			return err
		}
		return tx.SetScore(s.ID, want)
	})
	f.view(func(tx *store.Tx) error {
		got, err := tx.Score(s.ID)
		equal(f, "the score", got, want)
		if err != nil {
			return err
		}
		all, err := tx.Scores(l.ID)
		equal(f, "of the list", fmt.Sprint(len(all), all[s.ID] == want), "1 true")
		if err != nil {
			return err
		}
		of, err := tx.ScoredOf(address("ADA@example.org"))
		equal(f, "of the address", fmt.Sprint(of), fmt.Sprint([]int64{s.ID}))
		if err != nil {
			return err
		}
		due, err := tx.ScoresDue(10)
		equal(f, "due now", len(due), 0)
		return err
	})
	f.clock.add(time.Hour)
	f.view(func(tx *store.Tx) error {
		due, err := tx.ScoresDue(10)
		equal(f, "due in an hour", len(due), 1)
		return err
	})
	f.update(func(tx *store.Tx) error {
		had, err := tx.DropScore(s.ID)
		equal(f, "there was one", had, true)
		if err != nil {
			return err
		}
		had, err = tx.DropScore(s.ID)
		equal(f, "there is none", had, false)
		return err
	})
}

// testIncidents: what failed in a way at a destination is counted by address and frozen.
func testIncidents(f *fixture) {
	l := f.list("dev@lists.example.org")
	subs := f.subscribe(l, subscribers(9)...)
	f.update(func(tx *store.Tx) error {
		for _, s := range append(subs, subs[:3]...) {
			if _, err := tx.AddBounce(store.Bounce{Subscription: s.ID, Destination: s.Address.Domain, Class: mail.NoUser, Permanent: true, Proven: true}); err != nil {
				return err
			}
		}
		return nil
	})
	here := store.Incident{Destination: "d1.example.org", Class: mail.NoUser, Permanent: true, Began: f.db.Now(), Last: f.db.Now()}
	everywhere, other := here, here
	everywhere.Destination, other.Permanent = store.AllDestinations, false
	since, until := f.db.Now().Add(-time.Hour), f.db.Now()
	f.update(func(tx *store.Tx) error {
		for _, c := range []struct {
			i       store.Incident
			failing int64
		}{{here, 3}, {other, 0}, {everywhere, 9}} {
			n, err := tx.CountFailing(c.i, since, until)
			equal(f, "failing at "+c.i.Destination, n, c.failing)
			if err != nil {
				return err
			}
		}
		n, err := tx.CountAt("d1.example.org")
		equal(f, "receive there", n, 3)
		if err != nil {
			return err
		}
		ids, err := tx.Freeze(here, since, until)
		equal(f, "frozen", len(ids), 3)
		if err != nil {
			return err
		}
		n, err = tx.CountFailing(everywhere, since, until)
		equal(f, "failing elsewhere", n, 6)
		if err != nil {
			return err
		}
		if err := tx.SaveIncident(here); err != nil {
			return err
		}
		got, err := tx.IncidentOf("d1.example.org", mail.NoUser, true)
		if err != nil {
			return err
		}
		got.Told = tx.Now
		if err := tx.SaveIncident(got); err != nil {
			return err
		}
		again, err := tx.IncidentOf("d1.example.org", mail.NoUser, true)
		equal(f, "the incident", again, got)
		return err
	})
	f.fails(store.ErrNotFound, func(tx *store.Tx) error {
		_, err := tx.IncidentOf("d2.example.org", mail.NoUser, true)
		return err
	})
}

// testNews: it is told once, with the mail that is kept for it, which no sweep takes away before.
func testNews(f *fixture) {
	l := f.list("dev@lists.example.org")
	m := f.message("a riddle")
	f.update(func(tx *store.Tx) error {
		if err := tx.AddNews(store.News{List: l.ID, Kind: "unread", Text: "A riddle", Message: m}); err != nil {
			return err
		}
		return tx.AddNews(store.News{List: l.ID, Kind: "removed", Text: "ada@example.org"})
	})
	f.clock.add(48 * time.Hour)
	f.update(func(tx *store.Tx) error {
		if _, _, err := tx.SweepMessages(tx.Now, 0, 100); err != nil {
			return err
		}
		all, err := tx.ListsWithNews()
		equal(f, "lists", fmt.Sprint(all), fmt.Sprint([]lists.ID{l.ID}))
		if err != nil {
			return err
		}
		news, err := tx.TakeNews(l.ID, 10)
		equal(f, "news", len(news), 2)
		if err != nil {
			return err
		}
		if _, err = tx.Message(news[0].Message); err != nil {
			return err
		}
		news, err = tx.TakeNews(l.ID, 10)
		equal(f, "news after", len(news), 0)
		return err
	})
}

// testForwards: what was sent on is told of once, when nothing of it is on its way.
func testForwards(f *fixture) {
	o := f.outgoing(store.Outgoing{}, "a@a.example.org", "b@a.example.org")
	want := store.Forward{Outgoing: o.ID, From: address("ada@example.org"), Rcpt: mail.Rcpt{Address: address("dev-owner@lists.example.org"), ORcpt: "rfc822;x"},
		Ret: "FULL", EnvID: "1", At: f.db.Now()}
	settled := func() (is bool) {
		f.view(func(tx *store.Tx) (err error) {
			is, err = tx.ForwardSettled()
			return err
		})
		return is
	}
	f.update(func(tx *store.Tx) error { return tx.AddForward(want) })
	equal(f, "settled at first", settled(), false)
	for n, c := range f.claim("a.example.org", 0, 10, 7) {
		f.settle(store.Settled{ID: c.ID, Claim: c.Claim, State: store.Failed, Code: 550})
		equal(f, "settled", settled(), n == 1)
	}
	f.update(func(tx *store.Tx) error {
		got, err := tx.TakeForwards(10)
		if err != nil || len(got) != 1 || got[0] != want {
			f.Errorf("taken is %+v, %v", got, err)
		}
		got, err = tx.TakeForwards(10)
		equal(f, "taken twice", len(got), 0)
		return err
	})
}

// testRemedies: what was refused for its author is known by outgoing, and its remedy is one.
func testRemedies(f *fixture) {
	l := f.list("dev@lists.example.org")
	subs := f.subscribe(l, subscribers(9)...)
	o := f.outgoing(store.Outgoing{List: l.ID, Seq: 1})
	f.update(func(tx *store.Tx) error {
		if err := tx.AddDeliveriesOf(o, subs, false); err != nil {
			return err
		}
		for n, s := range subs[:4] {
			class := mail.Policy
			if n == 0 {
				class = mail.Auth
			}
			if _, err := tx.AddBounce(store.Bounce{Subscription: s.ID, Outgoing: o.ID, Destination: s.Address.Domain, Class: class, Proven: true}); err != nil {
				return err
			}
		}
		got, err := tx.RefusedOf(o.ID, subs[0].Address.Domain)
		equal(f, "refused", got, store.Refused{Auth: 1, There: 2, Members: 3, All: 4, Everybody: 9})
		if err != nil {
			return err
		}
		missed, err := tx.RefusedBy(o.ID, 10)
		equal(f, "missed by", len(missed), 4)
		if err != nil {
			return err
		}
		return tx.AddRemedy(o.ID, 99)
	})
	f.fails(store.ErrExists, func(tx *store.Tx) error { return tx.AddRemedy(o.ID, 100) })
	f.view(func(tx *store.Tx) error {
		resent, err := tx.Remedy(o.ID)
		equal(f, "resent", resent, store.OutgoingID(99))
		if err != nil {
			return err
		}
		is, err := tx.IsResent(99)
		equal(f, "is resent", is, true)
		return err
	})
}
