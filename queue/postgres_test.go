package queue

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"listd/store"
	"listd/store/pgtest"
)

// handClock goes when told to.
type handClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *handClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// nodes are two sites that share a PostgreSQL database and one sender, which tells of each message it has sent.
func nodes(t *testing.T) (a, b *site, clock *handClock, sent <-chan struct{}) {
	url := pgtest.URL(t)
	clock = &handClock{now: time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)}
	a = newSite(t, openDB(t, url, clock.Now))
	b = newSite(t, openDB(t, url, clock.Now))
	told := make(chan struct{}, 1000)
	a.sender.during = func(context.Context, string) { told <- struct{}{} }
	b.sender = a.sender
	b.worker.Sender, b.worker.Holder = a.sender, 8
	return a, b, clock, told
}

func TestTwoNodes(t *testing.T) {
	t.Parallel()
	a, b, _, sent := nodes(t)
	id := a.post(Outgoing{Personal: true, From: address("dev-bounces@lists.example.org")}, "post", spread(300, 9)...)
	stopA, stopB := a.run(), b.run()
	for range 300 {
		<-sent
	}
	stopA()
	stopB()
	if got := a.states(id); got[store.Sent] != 300 {
		t.Errorf("%v, want 300 sent", got)
	}
	for to, n := range a.sender.recipients() {
		if n != 1 {
			t.Errorf("%s was offered %d messages", to, n)
		}
	}
}

// TestNodeVanishes has one node claim rows and be heard of no more: when its leases end the other sends them.
func TestNodeVanishes(t *testing.T) {
	t.Parallel()
	a, b, clock, sent := nodes(t)
	id := a.post(Outgoing{Personal: true}, "post", spread(10, 1)...)
	var gone []store.Claimed
	b.update(func(tx *store.Tx) (err error) {
		gone, err = tx.Claim(store.Lane{Destination: "d0.example"}, 6, b.worker.Holder, tx.Now.Add(lease))
		return err
	})
	stop := a.run()
	for range 4 {
		<-sent
	}
	for a.states(id)[store.Sent] < 4 { // else their leases end with those of the node that is gone
		runtime.Gosched()
	}
	clock.add(lease - time.Second)
	a.db.Wake(store.Deliveries)
	late := a.post(Outgoing{Personal: true}, "another", "late@d0.example")
	<-sent // it was looked at, and nothing else was due
	clock.add(2 * time.Second)
	a.db.Wake(store.Deliveries)
	for range 6 {
		<-sent
	}
	stop()
	for to, d := range a.deliveries(id) {
		if d.State != store.Sent {
			t.Errorf("%s: %+v", to, d)
		}
	}
	if got := a.states(late); got[store.Sent] != 1 {
		t.Errorf("the other: %v", got)
	}
	if n := len(a.sender.all()); n != 11 {
		t.Errorf("%d dialogs, want 11", n)
	}
	// The node that was away settles what it believes to have.
	b.update(func(tx *store.Tx) error {
		var batch []store.Settled
		for _, c := range gone {
			batch = append(batch, store.Settled{ID: c.ID, Claim: c.Claim, State: store.Failed, Code: 550})
		}
		return tx.Settle(batch)
	})
	if got := a.states(id); got[store.Sent] != 10 {
		t.Errorf("after a ghost settled: %v", got)
	}
}

// TestListen has one node wake the other.
func TestListen(t *testing.T) {
	t.Parallel()
	a, b, _, sent := nodes(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heard := b.db.Woken(store.Deliveries)
	go b.db.Listen(ctx)
	<-heard // it listens
	stop := b.run()
	defer stop()
	start := time.Now()
	a.post(Outgoing{}, "post", "x@example.org")
	<-sent
	if took := time.Since(start); took > poll {
		t.Errorf("it took %v", took)
	}
}
