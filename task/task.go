// Package task carries what takes long or waits for the clock: fan-outs, sweeps, digests, imports. A task is a row with
// a cursor. A step reads and thinks; what it found is written in the transaction that moves the cursor, so that a
// kill -9 loses a step at most. A task that failed five times is set aside for the operator.
//
// Enter with Add in a transaction, and with Runner.Run. The package knows no kind of task: rooms bring their steps.
package task

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"listd/store"
)

// Task is what a step is told.
type Task struct {
	Kind     string
	Arg      json.RawMessage // as given to Add
	Cursor   json.RawMessage // as the last commit left it; empty at first
	Attempts int             // failures in a row
}

// Step reads and thinks; it writes no row. What it returns is run in the transaction that advances the task.
type Step func(ctx context.Context, t Task) (Commit, error)

// Commit writes. It may run more than once, as any closure of store.DB.Update.
type Commit func(ctx context.Context, tx *store.Tx) (Next, error)

// Next says how a task goes on.
type Next struct {
	Done   bool
	Cursor any           // JSON is made of it
	After  time.Duration // until the next step; 0: at once
}

// Key names work so that it is done once: Kind and Name are unique together for as long as the row stays.
type Key struct {
	Kind, Name string
	Arg        any       // JSON is made of it
	At         time.Time // zero: now
}

// Planner says what is due or will be: rooms with timed work offer one.
type Planner func(ctx context.Context, tx *store.Tx, now time.Time) ([]Key, error)

// Add adds a task unless there is one of this kind and name.
func Add(tx *store.Tx, k Key) error {
	arg, err := json.Marshal(k.Arg)
	if err != nil {
		return fmt.Errorf("task %s/%s: %w", k.Kind, k.Name, err)
	}
	return tx.AddTask(store.Task{Key: k.Kind + "/" + k.Name, Kind: k.Kind, Arg: string(arg), Next: k.At})
}

// The runner's times.
const (
	lease    = 10 * time.Minute // a step is shorter, or is done twice
	poll     = 5 * time.Second  // enough without any waking
	planning = time.Minute
	maxTries = 5
)

// Runner runs tasks.
type Runner struct {
	DB       *store.DB
	Log      *slog.Logger
	Steps    map[string]Step // by kind
	Planners []Planner
	Parallel int // tasks at once; 0: 2
}

// Run runs until ctx ends; then it waits for the steps under way.
func (r *Runner) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for range max(r.Parallel, 2) {
		wg.Go(func() { r.loop(ctx) })
	}
	wg.Go(func() { r.plan(ctx) })
	wg.Wait()
}

func (r *Runner) loop(ctx context.Context) {
	for ctx.Err() == nil {
		woken := r.DB.Woken(store.Tasks)
		did, err := r.RunOne(ctx)
		if err != nil && ctx.Err() == nil {
			r.Log.LogAttrs(ctx, slog.LevelError, "tasks wait", slog.Any("error", err))
		}
		if did {
			continue
		}
		select {
		case <-ctx.Done():
		case <-woken:
		case <-time.After(poll):
		}
	}
}

// RunOne runs one step of the task that has been due longest, and says whether there was one. Its error is the
// database's; a step's own error is written to the task.
func (r *Runner) RunOne(ctx context.Context) (bool, error) {
	var next time.Time
	if err := r.DB.View(ctx, func(tx *store.Tx) (err error) {
		next, err = tx.NextTask()
		return err
	}); err != nil || next.IsZero() || next.After(r.DB.Now()) {
		return false, err
	}
	var row store.Task
	err := r.DB.Update(ctx, func(tx *store.Tx) (err error) {
		row, err = tx.ClaimTask(tx.Now.Add(lease))
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	commit, err := r.step(ctx, row)
	if err == nil {
		err = r.DB.Update(ctx, func(tx *store.Tx) error { return advance(ctx, tx, row, commit) })
	}
	if errors.Is(err, errLost) {
		return true, nil
	}
	if err != nil && ctx.Err() != nil {
		return true, r.giveBack(context.WithoutCancel(ctx), row)
	}
	if err != nil {
		return true, r.fail(ctx, row, err)
	}
	return true, nil
}

// giveBack makes a task whose step was broken off due now: another node, or the next start, need not wait for the lease.
func (r *Runner) giveBack(ctx context.Context, row store.Task) error {
	err := r.DB.Update(ctx, func(tx *store.Tx) error {
		row.Next = tx.Now
		return tx.SaveTask(row)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// errLost says that the claim ran out and the task is another's.
var errLost = errors.New("the task's lease ended")

func (r *Runner) step(ctx context.Context, row store.Task) (commit Commit, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	step := r.Steps[row.Kind]
	if step == nil {
		return nil, fmt.Errorf("no step for kind %q: a newer listd made this task", row.Kind)
	}
	ctx, cancel := context.WithTimeout(ctx, lease-time.Minute)
	defer cancel()
	return step(ctx, Task{Kind: row.Kind, Arg: json.RawMessage(row.Arg), Cursor: json.RawMessage(row.Cursor), Attempts: row.Attempts})
}

// advance runs commit and moves the task in one transaction.
func advance(ctx context.Context, tx *store.Tx, row store.Task, commit Commit) error {
	next, err := commit(ctx, tx)
	if err != nil {
		return err
	}
	row.Attempts, row.Error = 0, ""
	if next.Done {
		row.State = "done"
	}
	row.Next = tx.Now.Add(next.After)
	if next.Cursor != nil {
		cursor, err := json.Marshal(next.Cursor)
		if err != nil {
			return err
		}
		row.Cursor = string(cursor)
	}
	if err := tx.SaveTask(row); errors.Is(err, store.ErrNotFound) {
		return errLost
	} else if err != nil {
		return err
	}
	return nil
}

// fail writes down that a step failed: tried again later, or set aside.
func (r *Runner) fail(ctx context.Context, row store.Task, cause error) error {
	row.Attempts++
	row.Error = cause.Error()
	if row.Attempts >= maxTries {
		row.State = "aside"
	}
	r.Log.LogAttrs(ctx, slog.LevelError, "task failed", slog.String("task", row.Key), slog.Int("attempt", row.Attempts),
		slog.String("state", row.State), slog.Any("error", cause))
	err := r.DB.Update(ctx, func(tx *store.Tx) error {
		row.Next = tx.Now.Add(Delay(row.Attempts))
		return tx.SaveTask(row)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// Delay is how long a task waits after its nth failure in a row, n from 1: 10 s, 1 min, 6 min, 36 min.
func Delay(n int) time.Duration {
	d := 10 * time.Second
	for range min(n, 5) - 1 {
		d *= 6
	}
	return d
}

// plan asks every planner each minute and adds what is missing.
func (r *Runner) plan(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.Plan(ctx); err != nil && ctx.Err() == nil {
			r.Log.LogAttrs(ctx, slog.LevelError, "planning waits", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(planning):
		}
	}
}

// Plan asks every planner once. Keys that are there already change nothing.
func (r *Runner) Plan(ctx context.Context) error {
	var keys []Key
	if err := r.DB.View(ctx, func(tx *store.Tx) error {
		keys = keys[:0]
		for _, p := range r.Planners {
			k, err := p(ctx, tx, tx.Now)
			if err != nil {
				return err
			}
			for _, key := range k {
				if known, err := tx.HasTask(key.Kind + "/" + key.Name); err != nil {
					return err
				} else if !known {
					keys = append(keys, key)
				}
			}
		}
		return nil
	}); err != nil || len(keys) == 0 {
		return err
	}
	return r.DB.Update(ctx, func(tx *store.Tx) error {
		for _, k := range keys {
			if err := Add(tx, k); err != nil {
				return err
			}
		}
		return nil
	})
}
