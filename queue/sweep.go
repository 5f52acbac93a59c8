package queue

import (
	"context"
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
	sweepOutgoing = 5 // outgoings, each with all its deliveries
	sweepContent  = 200
	contentKept   = 24 * time.Hour
	tasksKept     = 48 * time.Hour // longer than any planner looks back
)

// Plan has the sweep done once an hour.
func (s Sweeper) Plan(_ context.Context, _ *store.Tx, now time.Time) ([]task.Key, error) {
	hour := now.UTC().Truncate(time.Hour)
	return []task.Key{{Kind: SweepKind, Name: hour.Format("2006-01-02T15"), At: hour}}, nil
}

// Sweep is the step that forgets a few rows of each kind, and comes again while there are more.
func (s Sweeper) Sweep(context.Context, task.Task) (task.Commit, error) {
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		outgoings, err := tx.SweepOutgoing(tx.Now.Add(-s.LogKept), sweepOutgoing)
		if err != nil {
			return task.Next{}, err
		}
		contents, err := tx.SweepMessages(tx.Now.Add(-contentKept), sweepContent)
		if err != nil {
			return task.Next{}, err
		}
		if outgoings+contents > 0 {
			return task.Next{}, nil
		}
		_, err = tx.SweepTasks(tx.Now.Add(-tasksKept))
		return task.Next{Done: true}, err
	}, nil
}
