package task_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"listd/store"
	"listd/store/fresh"
	"listd/task"
)

// fixture is a runner on a database whose clock goes when told to.
type fixture struct {
	*testing.T
	db  *store.DB
	r   *task.Runner
	mu  sync.Mutex
	now time.Time
}

func newFixture(t *testing.T, steps map[string]task.Step) *fixture {
	t.Helper()
	f := &fixture{T: t, now: time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)}
	f.open(f.clock)
	f.r = &task.Runner{DB: f.db, Log: slog.New(slog.DiscardHandler), Steps: steps}
	return f
}

func (f *fixture) open(clock func() time.Time) {
	f.Helper()
	db, err := store.Open(f.Context(), store.Options{URL: fresh.SQLite(f), Clock: clock})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := db.Close(); err != nil {
			f.Error(err)
		}
	})
	if err := db.Migrate(f.Context()); err != nil {
		f.Fatal(err)
	}
	f.db = db
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) after(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *fixture) add(k task.Key) {
	f.Helper()
	if err := f.db.Update(f.Context(), func(tx *store.Tx) error { return task.Add(tx, k) }); err != nil {
		f.Fatal(err)
	}
}

// one runs one step and expects there to be one, or none.
func (f *fixture) one(want bool) {
	f.Helper()
	did, err := f.r.RunOne(f.Context())
	if err != nil || did != want {
		f.Fatalf("RunOne = %v, %v, want %v", did, err, want)
	}
}

// rows are the tasks that are not done.
func (f *fixture) rows() (out []store.Task) {
	f.Helper()
	if err := f.db.View(f.Context(), func(tx *store.Tx) (err error) { out, err = tx.Tasks(100); return err }); err != nil {
		f.Fatal(err)
	}
	return out
}

// always is a step that ends so.
func always(next task.Next, err error) task.Step {
	return func(context.Context, task.Task) (task.Commit, error) {
		return func(context.Context, *store.Tx) (task.Next, error) { return next, err }, nil
	}
}

func TestAdvance(t *testing.T) {
	t.Parallel()
	var seen []string
	f := newFixture(t, map[string]task.Step{"count": func(_ context.Context, k task.Task) (task.Commit, error) {
		seen = append(seen, fmt.Sprintf("%s%s", k.Arg, k.Cursor))
		at := 0
		if len(k.Cursor) > 0 {
			if err := json.Unmarshal(k.Cursor, &at); err != nil {
				return nil, err
			}
		}
		return func(_ context.Context, tx *store.Tx) (task.Next, error) {
			switch at++; at {
			case 1:
				return task.Next{Cursor: at}, tx.SetSiteValue("written", []byte("with the cursor"))
			case 2:
				return task.Next{Cursor: at, After: time.Hour}, nil
			case 3:
				return task.Next{}, nil // the cursor stays
			}
			return task.Next{}, errors.New("of the test")
		}, nil
	}})
	f.one(false)
	f.add(task.Key{Kind: "count", Name: "1", Arg: map[string]int{"n": 7}})
	f.add(task.Key{Kind: "count", Name: "1", Arg: map[string]int{"n": 8}}) // once is once
	f.add(task.Key{Kind: "count", Name: "later", At: f.now.Add(24 * time.Hour)})
	f.one(true)
	if err := f.db.View(t.Context(), func(tx *store.Tx) error { _, err := tx.SiteValue("written"); return err }); err != nil {
		t.Errorf("what the commit wrote: %v", err)
	}
	f.one(true)
	f.one(false)
	f.after(time.Hour - time.Millisecond)
	f.one(false)
	f.after(time.Millisecond)
	f.one(true)
	if got, want := strings.Join(seen, " "), `{"n":7} {"n":7}1 {"n":7}2`; got != want {
		t.Errorf("steps saw %s, want %s", got, want)
	}
	if rows := f.rows(); len(rows) != 2 || rows[0].Cursor != "2" {
		t.Errorf("rows are %+v", rows)
	}
	if err := f.db.Update(t.Context(), func(tx *store.Tx) error { return task.Add(tx, task.Key{Kind: "bad", Arg: func() {}}) }); err == nil {
		t.Error("an argument that is no JSON was taken")
	}
}

func TestDone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, map[string]task.Step{"once": always(task.Next{Done: true}, nil)})
	f.add(task.Key{Kind: "once", Name: "1"})
	f.one(true)
	f.add(task.Key{Kind: "once", Name: "1"}) // it is done: it is not done again
	f.one(false)
	if rows := f.rows(); len(rows) != 0 {
		t.Errorf("rows are %+v", rows)
	}
}

// TestFailures fails in each way five times; then the task is set aside.
func TestFailures(t *testing.T) {
	t.Parallel()
	failure := errors.New("of the test")
	for name, step := range map[string]task.Step{
		"the step":         func(context.Context, task.Task) (task.Commit, error) { return nil, failure },
		"its commit":       always(task.Next{}, failure),
		"a bad cursor":     always(task.Next{Cursor: func() {}}, nil),
		"the step panics":  func(context.Context, task.Task) (task.Commit, error) { panic(failure) },
		"no step for kind": nil,
		"the commit panics": func(context.Context, task.Task) (task.Commit, error) {
			return func(_ context.Context, tx *store.Tx) (task.Next, error) {
				if err := tx.SetSiteValue("written", nil); err != nil {
					return task.Next{}, err
				}
				panic(failure)
			}, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, map[string]task.Step{"fails": step, "works": always(task.Next{Done: true}, nil)})
			if step == nil {
				delete(f.r.Steps, "fails")
			}
			f.add(task.Key{Kind: "fails", Name: "1"})
			for i, wait := range []time.Duration{10 * time.Second, time.Minute, 6 * time.Minute, 36 * time.Minute} {
				f.one(true)
				row := f.rows()[0]
				if row.Attempts != i+1 || row.State != "due" || row.Error == "" || !row.Next.Equal(f.db.Now().Add(wait)) {
					t.Fatalf("after failure %d: %+v, want it due in %v", i+1, row, wait)
				}
				f.after(wait - time.Millisecond)
				f.one(false)
				f.add(task.Key{Kind: "works", Name: fmt.Sprint(i)}) // others go on
				f.one(true)
				f.after(time.Millisecond)
			}
			f.one(true)
			if row := f.rows()[0]; row.Attempts != 5 || row.State != "aside" {
				t.Errorf("after five failures: %+v", row)
			}
			f.after(24 * time.Hour)
			f.one(false)
			// The operator tries again, with a program that can.
			if err := f.db.Update(t.Context(), func(tx *store.Tx) error { return tx.RetryTask(f.rows()[0].ID) }); err != nil {
				t.Fatal(err)
			}
			f.r.Steps["fails"] = always(task.Next{Done: true}, nil)
			f.one(true)
			if rows := f.rows(); len(rows) != 0 {
				t.Errorf("rows are %+v", rows)
			}
		})
	}
}

// TestSuccessForgives has a failure forgotten by the next step that works.
func TestSuccessForgives(t *testing.T) {
	t.Parallel()
	fail := true
	f := newFixture(t, map[string]task.Step{"a": func(_ context.Context, k task.Task) (task.Commit, error) {
		if want := map[bool]int{true: 0, false: 1}[fail]; k.Attempts != want {
			t.Errorf("attempts are %d, want %d", k.Attempts, want)
		}
		if fail {
			return nil, errors.New("of the test")
		}
		return always(task.Next{After: time.Hour}, nil)(t.Context(), k)
	}})
	f.add(task.Key{Kind: "a", Name: "1"})
	f.one(true)
	fail = false
	f.after(10 * time.Second)
	f.one(true)
	if row := f.rows()[0]; row.Attempts != 0 || row.Error != "" || row.State != "due" {
		t.Errorf("the row is %+v", row)
	}
}

// TestLostLease has a step take longer than its lease: what it found is not written, the other's is.
func TestLostLease(t *testing.T) {
	t.Parallel()
	var f *fixture
	nested := false
	write := func(v string) task.Commit {
		return func(_ context.Context, tx *store.Tx) (task.Next, error) {
			return task.Next{Cursor: v, After: time.Hour}, tx.SetSiteValue("by", []byte(v))
		}
	}
	f = newFixture(t, map[string]task.Step{"slow": func(context.Context, task.Task) (task.Commit, error) {
		if nested {
			return write("second"), nil
		}
		nested = true
		f.after(10 * time.Minute)
		f.one(true) // another claims it meanwhile
		return write("first"), nil
	}})
	f.add(task.Key{Kind: "slow", Name: "1"})
	f.one(true)
	var by []byte
	if err := f.db.View(t.Context(), func(tx *store.Tx) (err error) { by, err = tx.SiteValue("by"); return err }); err != nil {
		t.Fatal(err)
	}
	row := f.rows()[0]
	if string(by) != "second" || row.Cursor != `"second"` || row.Attempts != 0 || row.Error != "" {
		t.Errorf("written by %s, the row is %+v", by, row)
	}
}

// TestStopped ends while a step is under way: the task is due at once for whoever comes next, and that is no failure.
func TestStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := newFixture(t, map[string]task.Step{"a": func(ctx context.Context, _ task.Task) (task.Commit, error) {
		cancel()
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	f.add(task.Key{Kind: "a", Name: "1"})
	if _, err := f.r.RunOne(ctx); err != nil {
		t.Fatal(err)
	}
	if row := f.rows()[0]; row.Attempts != 0 || row.Error != "" || row.State != "due" || row.Next.After(f.db.Now()) {
		t.Errorf("the row is %+v", row)
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	asked := 0
	f := newFixture(t, map[string]task.Step{"daily": always(task.Next{Done: true}, nil)})
	failure := errors.New("of the test")
	var planErr error
	f.r.Planners = []task.Planner{
		func(_ context.Context, _ *store.Tx, now time.Time) ([]task.Key, error) {
			asked++
			day := now.Truncate(24 * time.Hour)
			return []task.Key{{Kind: "daily", Name: day.Format(time.DateOnly), At: day.Add(5 * time.Hour)}}, nil
		},
		func(context.Context, *store.Tx, time.Time) ([]task.Key, error) { return nil, planErr },
	}
	plan := func(want error) {
		t.Helper()
		if err := f.r.Plan(t.Context()); !errors.Is(err, want) {
			t.Errorf("Plan: %v, want %v", err, want)
		}
	}
	plan(nil)
	plan(nil)
	if rows := f.rows(); len(rows) != 1 || asked != 2 || !rows[0].Next.Equal(time.Date(2031, 2, 3, 5, 0, 0, 0, time.UTC)) {
		t.Errorf("asked %d times, rows are %+v", asked, rows)
	}
	f.one(false)
	f.after(time.Hour)
	f.one(true)
	plan(nil) // done, and yet known
	f.one(false)
	f.after(24 * time.Hour)
	plan(nil)
	f.one(true)
	planErr = failure
	plan(failure)
}

// TestRun runs tasks as they come, and ends when it is told to with nothing under way.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		done := map[string]time.Time{}
		f := &fixture{T: t}
		f.open(time.Now)
		underWay := 0
		f.r = &task.Runner{DB: f.db, Log: slog.New(slog.DiscardHandler), Steps: map[string]task.Step{
			"a": func(ctx context.Context, k task.Task) (task.Commit, error) {
				mu.Lock()
				underWay++
				mu.Unlock()
				<-time.After(time.Second)
				mu.Lock()
				defer mu.Unlock()
				underWay--
				done[string(k.Arg)] = time.Now()
				return always(task.Next{Done: true}, nil)(ctx, k)
			}},
			Planners: []task.Planner{func(_ context.Context, _ *store.Tx, now time.Time) ([]task.Key, error) {
				return []task.Key{{Kind: "a", Name: now.Format("15:04"), Arg: "planned"}}, nil
			}}}
		start := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { f.r.Run(ctx); close(ended) }()
		<-time.After(2 * time.Second)
		f.add(task.Key{Kind: "a", Name: "now", Arg: "now"})
		f.add(task.Key{Kind: "a", Name: "soon", Arg: "soon", At: start.Add(30 * time.Second)})
		<-time.After(90 * time.Second)
		f.add(task.Key{Kind: "a", Name: "last", Arg: "last"})
		<-time.After(500 * time.Millisecond)
		cancel()
		<-ended
		if underWay != 0 {
			t.Errorf("%d steps are under way after the end", underWay)
		}
		for arg, e := range map[string]struct{ from, to time.Duration }{`"now"`: {3 * time.Second, 4 * time.Second},
			`"soon"`: {31 * time.Second, 37 * time.Second}, `"planned"`: {60 * time.Second, 67 * time.Second}} {
			if at := done[arg].Sub(start); at < e.from || at > e.to {
				t.Errorf("%s was done after %v, want %v to %v", arg, at, e.from, e.to)
			}
		}
	})
}

func TestDelay(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{1: 10 * time.Second, 2: time.Minute, 3: 6 * time.Minute, 4: 36 * time.Minute, 5: 216 * time.Minute,
		50: 216 * time.Minute, 0: 10 * time.Second} {
		if got := task.Delay(n); got != want {
			t.Errorf("Delay(%d) = %v, want %v", n, got, want)
		}
	}
}
