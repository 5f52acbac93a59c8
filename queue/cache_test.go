package queue

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"listd/store"
)

// cached are n outgoings of messages of size bytes, and a cache of their database.
func cached(t *testing.T, n, size int) (*cache, []*loaded) {
	x := &site{T: t, db: openSQLite(t, time.Now)}
	c := newCache(x.db, 1<<20)
	var out []*loaded
	for i := range n {
		body := bytes.Repeat([]byte{byte('a' + i)}, size)
		id := x.post(Outgoing{}, string(body), "a@example.org")
		l, err := c.meta(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return c, out
}

func TestCacheHoldsOnce(t *testing.T) {
	t.Parallel()
	c, l := cached(t, 1, 800<<10)
	var wg sync.WaitGroup
	var mu sync.Mutex
	bodies := map[*byte]bool{}
	for range 8 {
		wg.Go(func() {
			for range 3 {
				if err := c.use(t.Context(), l[0]); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				bodies[&l[0].message.Body[0]] = true
				mu.Unlock()
				c.release(l[0])
			}
		})
	}
	wg.Wait()
	if len(bodies) != 1 {
		t.Errorf("the message was read %d times", len(bodies))
	}
	if c.used != l[0].size {
		t.Errorf("%d bytes are in use, want %d", c.used, l[0].size)
	}
	c.tidy()
	if c.used != 0 || l[0].ready || l[0].message.Body != nil {
		t.Errorf("%d bytes are in use when nobody uses it", c.used)
	}
	if err := c.use(t.Context(), l[0]); err != nil || len(l[0].message.Body) != 800<<10 {
		t.Errorf("read again: %v, %d bytes", err, len(l[0].message.Body))
	}
	c.tidy()
	if !l[0].ready {
		t.Error("a message in use was dropped")
	}
}

// TestCacheWaits uses more messages than there is room for.
func TestCacheWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, l := cached(t, 4, 400<<10)
		for _, l := range l[:2] {
			if err := c.use(t.Context(), l); err != nil {
				t.Fatal(err)
			}
		}
		third := make(chan error)
		go func() { third <- c.use(t.Context(), l[2]) }()
		ctx, cancel := context.WithCancel(t.Context())
		fourth := make(chan error)
		go func() { fourth <- c.use(ctx, l[3]) }()
		synctest.Wait()
		if c.used != l[0].size+l[1].size {
			t.Errorf("%d bytes are in use, more than two messages", c.used)
		}
		cancel() // who waits hears of it
		if err := <-fourth; !errors.Is(err, context.Canceled) {
			t.Errorf("the fourth: %v", err)
		}
		c.release(l[3])
		c.release(l[0])
		if err := <-third; err != nil {
			t.Errorf("the third: %v", err)
		}
		if l[0].ready || !l[1].ready || !l[2].ready {
			t.Error("the message nobody uses should be the one dropped")
		}
		c.release(l[1])
		c.release(l[2])
		c.tidy()
		if c.used != 0 {
			t.Errorf("%d bytes are in use in the end", c.used)
		}
	})
}

func TestCacheTooLarge(t *testing.T) {
	t.Parallel()
	c, l := cached(t, 2, 1<<20+1)
	for _, l := range l { // alone it may exceed the bound, and it makes way
		if err := c.use(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		c.release(l)
	}
	if l[0].ready || c.used != l[1].size {
		t.Errorf("%d bytes are in use", c.used)
	}
}

// TestCacheGrows counts what was made of a message with it.
func TestCacheGrows(t *testing.T) {
	t.Parallel()
	c, l := cached(t, 1, 400<<10)
	for range 2 {
		if err := c.use(t.Context(), l[0]); err != nil {
			t.Fatal(err)
		}
		if c.grow(l[0], 50); c.used != l[0].size+50 {
			t.Errorf("%d bytes are in use, want %d and 50", c.used, l[0].size)
		}
		c.release(l[0])
		if c.tidy(); c.used != 0 {
			t.Errorf("%d bytes are in use in the end", c.used)
		}
	}
}

// TestCacheForgets has more outgoings than it remembers: those in use stay what they are.
func TestCacheForgets(t *testing.T) {
	t.Parallel()
	c, l := cached(t, 1, 100)
	if err := c.use(t.Context(), l[0]); err != nil {
		t.Fatal(err)
	}
	for i := range cacheIdle * 2 {
		c.mu.Lock()
		c.all[store.OutgoingID(1000+i)] = &loaded{}
		c.mu.Unlock()
	}
	x := &site{T: t, db: c.db}
	if _, err := c.meta(t.Context(), x.post(Outgoing{}, "x", "a@example.org")); err != nil {
		t.Fatal(err)
	}
	if len(c.all) > cacheIdle {
		t.Errorf("%d outgoings are remembered", len(c.all))
	}
	if again, err := c.meta(t.Context(), l[0].ID); again != l[0] || err != nil {
		t.Errorf("the one in use is another now: %v", err)
	}
	if _, err := c.meta(t.Context(), 9999); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown outgoing: %v", err)
	}
}
