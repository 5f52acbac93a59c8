// Package storetest is the one suite that every engine of package store must pass.
//
// Enter with Run.
package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// Open opens a new database with the program's schema, whose clock is the one given. It closes it when the test ends.
type Open func(t testing.TB, clock func() time.Time) *store.DB

// Run runs the suite; every part of it has a database of its own.
func Run(t *testing.T, open Open) {
	for _, p := range append(kept(), sent()...) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			c := &clock{now: time.Date(2031, 2, 3, 4, 5, 6, 789e6, time.UTC)}
			p.test(&fixture{T: t, db: open(t, c.Now), clock: c})
		})
	}
}

// part is a part of the suite.
type part struct {
	name string
	test func(*fixture)
}

// kept is about lists, members and posts.
func kept() []part {
	return []part{
		{"Lists", testLists},
		{"Rename", testRename},
		{"DeleteList", testDeleteList},
		{"Versions", testVersions},
		{"AddSubscriptions", testAddSubscriptions},
		{"Subscription", testSubscription},
		{"Members", testMembers},
		{"Roles", testRoles},
		{"OptedOut", testOptedOut},
		{"Bodies", testBodies},
		{"Heads", testHeads},
		{"SharedBody", testSharedBody},
		{"OrphanedBody", testOrphanedBody},
		{"SweepMessages", testSweepMessages},
		{"SweepRacesAdd", testSweepRacesAdd},
		{"TakeSeq", testTakeSeq},
		{"Archive", testArchive},
		{"Idents", testIdents},
		{"ThreadRows", testThreadRows},
		{"Awaits", testAwaits},
		{"Parents", testParents},
		{"AddMessages", testAddMessages},
		{"DropMessage", testDropMessage},
		{"SweepHidden", testSweepHidden},
		{"Intake", testIntake},
		{"Held", testHeld},
		{"Noticed", testNoticed},
	}
}

// sent is about what goes out, what is done later, and the store itself.
func sent() []part {
	return []part{
		{"Outgoing", testOutgoing},
		{"AddDeliveries", testAddDeliveries},
		{"Lanes", testLanes},
		{"Claim", testClaim},
		{"ClaimAtOnce", testClaimAtOnce},
		{"Settle", testSettle},
		{"GiveBack", testGiveBack},
		{"Ghost", testGhost},
		{"Renew", testRenew},
		{"TakeBack", testTakeBack},
		{"FanOut", testFanOut},
		{"FanOutOne", testFanOutOne},
		{"Reroute", testReroute},
		{"Drop", testDrop},
		{"Retry", testRetry},
		{"QueueCounts", testQueueCounts},
		{"SweepOutgoing", testSweepOutgoing},
		{"Tasks", testTasks},
		{"TaskFailures", testTaskFailures},
		{"TakeBackTasks", testTakeBackTasks},
		{"Words", testWords},
		{"DropWordsOf", testDropWordsOf},
		{"RankWords", testRankWords},
		{"Mailboxes", testMailboxes},
		{"Bounces", testBounces},
		{"Scores", testScores},
		{"Incidents", testIncidents},
		{"News", testNews},
		{"Forwards", testForwards},
		{"Remedies", testRemedies},
		{"Followers", testFollowers},
		{"DigestPosts", testDigestPosts},
		{"Editions", testEditions},
		{"DeliverIssue", testDeliverIssue},
		{"Tallies", testTallies},
		{"TallyIntake", testTallyIntake},
		{"TallyDeliveries", testTallyDeliveries},
		{"Sources", testSources},
		{"NewNamed", testNewNamed},
		{"OwnText", testOwnText},
		{"Curations", testCurations},
		{"Kept", testKept},
		{"SeenIssues", testSeenIssues},
		{"SiteValues", testSiteValues},
		{"Update", testUpdate},
		{"View", testView},
		{"Wake", testWake},
	}
}

// clock is a clock that goes when told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fixture is a database under test.
type fixture struct {
	*testing.T
	db    *store.DB
	clock *clock
}

// update runs f in a transaction, which must succeed.
func (f *fixture) update(do func(tx *store.Tx) error) {
	f.Helper()
	if err := f.db.Update(f.Context(), do); err != nil {
		f.Fatal(err)
	}
}

// fails runs f in a transaction, which must fail with want.
func (f *fixture) fails(want error, do func(tx *store.Tx) error) {
	f.Helper()
	if err := f.db.Update(f.Context(), do); !errors.Is(err, want) {
		f.Fatalf("the error is %v, want %v", err, want)
	}
}

// view runs f in a transaction that reads and must succeed.
func (f *fixture) view(do func(tx *store.Tx) error) {
	f.Helper()
	if err := f.db.View(f.Context(), do); err != nil {
		f.Fatal(err)
	}
}

func address(s string) mail.Address {
	a, err := mail.ParseAddress(s)
	if err != nil {
		panic(err) // a mistake in the test
	}
	return a
}

// list makes a list.
func (f *fixture) list(at string) lists.List {
	f.Helper()
	a := address(at)
	l := lists.List{Address: a, ListID: a.Local + "." + a.Domain, Policy: lists.DefaultPolicy()}
	f.update(func(tx *store.Tx) (err error) {
		if l.ID, err = tx.CreateList(l); err != nil {
			return err
		}
		l, err = tx.List(l.ID)
		return err
	})
	return l
}

// subscriber is an active subscription in mode each.
func subscriber(at string) lists.Subscription {
	return lists.Subscription{Address: address(at), Mode: lists.Each, State: lists.Active, OwnPosts: true, Duplicates: true}
}

// subscribers are n subscriptions: user1@…, user2@…, spread over a few domains.
func subscribers(n int) []lists.Subscription {
	out := make([]lists.Subscription, n)
	for i := range out {
		out[i] = subscriber(fmt.Sprintf("user%d@d%d.example.org", i+1, i%3))
	}
	return out
}

// subscribe adds subscriptions and returns them as they are stored.
func (f *fixture) subscribe(l lists.List, subs ...lists.Subscription) (out []lists.Subscription) {
	f.Helper()
	f.update(func(tx *store.Tx) error {
		if _, err := tx.AddSubscriptions(l.ID, subs); err != nil {
			return err
		}
		out = out[:0]
		for _, s := range subs {
			s, err := tx.Subscription(l.ID, s.Address)
			if err != nil {
				return err
			}
			out = append(out, s)
		}
		return nil
	})
	return out
}

// message stores a message.
func (f *fixture) message(body string) (id store.MessageID) {
	f.Helper()
	f.update(func(tx *store.Tx) (err error) {
		id, err = tx.AddMessage([]byte("Subject: test\r\n"), store.PackBody([]byte(body)))
		return err
	})
	return id
}

// outgoing stores an outgoing with a delivery to each address, at its domain.
func (f *fixture) outgoing(o store.Outgoing, to ...string) store.Outgoing {
	f.Helper()
	if o.Message == 0 {
		o.Message = f.message("an outgoing's")
	}
	if o.FannedTo == 0 {
		o.FannedTo = -1
	}
	if o.GiveUp.IsZero() {
		o.GiveUp = f.db.Now().Add(5 * 24 * time.Hour)
	}
	f.update(func(tx *store.Tx) (err error) {
		if o.ID, err = tx.AddOutgoing(o); err != nil {
			return err
		}
		rcpts := make([]mail.Address, len(to))
		for i, a := range to {
			rcpts[i] = address(a)
		}
		return tx.AddDeliveries(o, rcpts, func(a mail.Address) string { return a.Domain })
	})
	return o
}

// deliveries are all of an outgoing.
func (f *fixture) deliveries(o store.OutgoingID) (out []store.Delivery) {
	f.Helper()
	f.view(func(tx *store.Tx) (err error) {
		out, err = tx.DeliveriesOf(o, "", 1<<20)
		return err
	})
	return out
}

// claim claims up to limit rows of a lane for a minute.
func (f *fixture) claim(destination string, priority, limit int, holder int64) (out []store.Claimed) {
	f.Helper()
	f.update(func(tx *store.Tx) (err error) {
		out, err = tx.Claim(store.Lane{Destination: destination, Priority: priority}, limit, holder, tx.Now.Add(time.Minute))
		return err
	})
	return out
}

func (f *fixture) settle(batch ...store.Settled) {
	f.Helper()
	f.update(func(tx *store.Tx) error { return tx.Settle(batch) })
}

// equal reports a difference.
func equal[T comparable](f *fixture, what string, got, want T) {
	f.Helper()
	if got != want {
		f.Errorf("%s: got %v, want %v", what, got, want)
	}
}
