package queue

import (
	"context"
	"encoding/json"
	"time"

	"listd/store"
	"listd/task"
)

// SweepKind is the kind of the task that forgets what has been delivered long enough ago.
const SweepKind = "sweep"

// Sweeper forgets deliveries after the days that listd trace looks back, and content nobody refers to any more.
type Sweeper struct {
	LogKept time.Duration // how long a settled delivery is remembered
}

// The sweep's sizes: rows of one transaction, and how long content without any reference is kept. A body is touched
// when it is stored again, so a day is far more than a transaction can take.
const (
	sweepDeliveries = 2000
	sweepMessages   = 2000 // looked at
	contentKept     = 24 * time.Hour
	tasksKept       = 48 * time.Hour // longer than any planner looks back
)

// Plan has the sweep done once an hour.
func (s Sweeper) Plan(_ context.Context, _ *store.Tx, now time.Time) ([]task.Key, error) {
	hour := now.UTC().Truncate(time.Hour)
	return []task.Key{{Kind: SweepKind, Name: hour.Format("2006-01-02T15"), At: hour}}, nil
}

// sweepCursor is how far a sweep is with the messages; -1: it has yet to forget outgoings.
type sweepCursor struct{ Message store.MessageID }

// Sweep is the step that forgets a few rows of each kind, and comes again while there are more to look at.
func (s Sweeper) Sweep(_ context.Context, t task.Task) (task.Commit, error) {
	at := sweepCursor{-1}
	if len(t.Cursor) > 0 {
		if err := json.Unmarshal(t.Cursor, &at); err != nil {
			return nil, err
		}
	}
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		if at.Message < 0 {
			n, err := tx.SweepOutgoing(tx.Now.Add(-s.LogKept), sweepDeliveries)
			if n > 0 || err != nil {
				return task.Next{}, err
			}
			return task.Next{Cursor: sweepCursor{0}}, nil
		}
		_, next, err := tx.SweepMessages(tx.Now.Add(-contentKept), at.Message, sweepMessages)
		if next > 0 || err != nil {
			return task.Next{Cursor: sweepCursor{next}}, err
		}
		_, err = tx.SweepTasks(tx.Now.Add(-tasksKept))
		return task.Next{Done: true}, err
	}, nil
}
