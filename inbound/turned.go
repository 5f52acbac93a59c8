package inbound

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// turned counts posts that were refused in the dialog: a row for each would let strangers write as fast as they like.
type turned struct {
	mu sync.Mutex
	n  map[lists.ID]int64
}

func (t *turned) add(l lists.ID, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n = map[lists.ID]int64{}
	}
	t.n[l] += n
}

func (t *turned) take() map[lists.ID]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.n
	t.n = nil
	return n
}

// turn is a reply to a post of a list, which is counted if it refuses for good.
func (d *Door) turn(l lists.ID, r *mail.Reply) *mail.Reply {
	if r.Code >= 500 {
		d.turned.add(l, 1)
	}
	return r
}

// countTurned counts the lists that took none of a message.
func (d *Door) countTurned(jobs []*job) {
	for _, j := range jobs {
		if j.verdict.Action == lists.Reject {
			d.turn(j.list.ID, &j.reply)
		}
	}
}

// CountTurned writes down how many posts each list has refused in the dialog since it was last called. What cannot be
// written is counted the next time.
func (d *Door) CountTurned(ctx context.Context) error {
	all := d.turned.take()
	if len(all) == 0 {
		return nil
	}
	err := d.DB.Update(ctx, func(tx *store.Tx) error {
		for _, l := range slices.Sorted(maps.Keys(all)) {
			if err := tx.CountRefused(l, all[l]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for l, n := range all {
			d.turned.add(l, n)
		}
	}
	return err
}

// turnedEvery is how often they are written down.
const turnedEvery = time.Minute

// KeepCount writes them down every minute, and when ctx ends.
func (d *Door) KeepCount(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(turnedEvery):
		}
		if err := d.CountTurned(context.WithoutCancel(ctx)); err != nil {
			d.Log.LogAttrs(ctx, slog.LevelError, "what was refused is not counted yet", slog.Any("error", err))
		}
	}
}
