package queue

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"listd/store"
)

// A settling takes at most settleRows rows or settleWait, whichever is first.
const (
	settleRows = 100
	settleWait = 50 * time.Millisecond
)

// settler writes what became of deliveries, many in one transaction.
type settler struct {
	db     *store.DB
	log    *slog.Logger
	failed func(*store.Tx) error
	in     chan store.Settled
	// room bounds the batches that are being written.
	room chan struct{}
}

func newSettler(db *store.DB, log *slog.Logger) *settler {
	return &settler{db: db, log: log, in: make(chan store.Settled, 4*settleRows), room: make(chan struct{}, 8)}
}

// run works until in is closed and all is written.
func (s *settler) run() {
	var wg sync.WaitGroup
	defer wg.Wait()
	for first := range s.in {
		batch := append(make([]store.Settled, 0, settleRows), first)
		wait := time.NewTimer(settleWait)
	fill:
		for len(batch) < settleRows {
			select {
			case next, ok := <-s.in:
				if !ok {
					break fill
				}
				batch = append(batch, next)
			case <-wait.C:
				break fill
			}
		}
		wait.Stop()
		s.room <- struct{}{}
		wg.Go(func() {
			defer func() { <-s.room }()
			s.write(batch)
		})
	}
}

// settle settles a batch, and says so if some of it has failed.
func (s *settler) settle(tx *store.Tx, batch []store.Settled) error {
	if err := tx.Settle(batch); err != nil {
		return err
	}
	if s.failed == nil || !slices.ContainsFunc(batch, func(d store.Settled) bool { return d.State == store.Failed }) {
		return nil
	}
	return s.failed(tx)
}

// write settles a batch, and tries again for as long as the leases last: an unsettled row goes out twice. What the
// database does not take by then falls due when its lease ends.
func (s *settler) write(batch []store.Settled) {
	ctx := context.Background()
	var err error
	for wait := 100 * time.Millisecond; wait < minLease; wait *= 2 {
		if err = s.db.Update(ctx, func(tx *store.Tx) error { return s.settle(tx, batch) }); err == nil {
			return
		}
		s.log.LogAttrs(ctx, slog.LevelError, "settling waits", slog.Int("rows", len(batch)), slog.Any("error", err))
		time.Sleep(wait)
	}
	s.log.LogAttrs(ctx, slog.LevelError, "settling given up: these may go out twice", slog.Int("rows", len(batch)), slog.Any("error", err))
}
