package smtp

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// Budget bounds the message bytes that a process holds in memory. Who does not fit waits, first come first served. A nil
// Budget has no bound.
type Budget struct {
	mu    sync.Mutex
	free  int64
	total int64
	queue list.List // of *waiter
}

type waiter struct {
	n     int64
	ready chan struct{}
}

var errBudget = errors.New("no memory for this message now")

// NewBudget is a budget of so many bytes.
func NewBudget(bytes int64) *Budget { return &Budget{free: bytes, total: bytes} }

// Acquire takes n bytes, at most the whole budget, and returns how many it took. It waits until they are free or ctx ends.
func (b *Budget) Acquire(ctx context.Context, n int64) (int64, error) {
	if b == nil {
		return 0, nil
	}
	b.mu.Lock()
	n = min(n, b.total)
	if b.queue.Len() == 0 && b.free >= n {
		b.free -= n
		b.mu.Unlock()
		return n, nil
	}
	w := &waiter{n: n, ready: make(chan struct{})}
	e := b.queue.PushBack(w)
	b.mu.Unlock()
	select {
	case <-w.ready:
		return n, nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-w.ready: // both at once: take it
		return n, nil
	default:
	}
	b.queue.Remove(e)
	b.serve()
	return 0, errBudget
}

// Release gives n bytes back.
func (b *Budget) Release(n int64) {
	if b == nil || n == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free += n
	b.serve()
}

// serve lets those in front go for whom there is room. b.mu is held.
func (b *Budget) serve() {
	for e := b.queue.Front(); e != nil; e = b.queue.Front() {
		w := e.Value.(*waiter)
		if b.free < w.n {
			return
		}
		b.free -= w.n
		b.queue.Remove(e)
		close(w.ready)
	}
}
