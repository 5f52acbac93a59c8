package archive

import (
	"context"
	"time"

	"listd/store"
	"listd/task"
)

// SweepKind is the kind of the task that forgets posts which no reader sees.
const SweepKind = "sweep_hidden"

// Hidden posts are kept for as long as a digest may still want them, and forgotten a few at a time.
const (
	hiddenKept  = 35 * 24 * time.Hour
	sweepHidden = 1000
)

// PlanSweep has the sweep done once a day.
func PlanSweep(_ context.Context, _ *store.Tx, now time.Time) ([]task.Key, error) {
	day := now.UTC().Truncate(24 * time.Hour)
	return []task.Key{{Kind: SweepKind, Name: day.Format(time.DateOnly), At: day}}, nil
}

// Sweep is the step that forgets some posts of lists without an archive, and of authors who do not want to be in one; it
// comes again while there are more.
func Sweep(context.Context, task.Task) (task.Commit, error) {
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		n, err := tx.SweepHidden(tx.Now.Add(-hiddenKept), sweepHidden)
		return task.Next{Done: n < sweepHidden}, err
	}, nil
}
