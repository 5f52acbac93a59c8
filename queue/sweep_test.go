package queue

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"listd/store"
	"listd/task"
)

// fanOutAll runs fan-out tasks until none is due, and says how many steps it took.
func fanOutAll(x *site) (steps int) {
	x.Helper()
	r := &task.Runner{DB: x.db, Log: slog.New(slog.DiscardHandler), Steps: map[string]task.Step{FanOutKind: x.worker.Out.FanOut}}
	for {
		did, err := r.RunOne(x.Context())
		if err != nil {
			x.Fatal(err)
		}
		if !did {
			return steps
		}
		steps++
	}
}

// TestSweep forgets what was delivered long enough ago, and nothing else.
func TestSweep(t *testing.T) {
	inBubble(t, func(x *site) {
		sweeper := Sweeper{LogKept: 14 * 24 * time.Hour}
		r := &task.Runner{DB: x.db, Log: slog.New(slog.DiscardHandler), Steps: map[string]task.Step{SweepKind: sweeper.Sweep},
			Planners: []task.Planner{sweeper.Plan}}
		sweep := func() (steps int) {
			if err := r.Plan(x.Context()); err != nil {
				t.Fatal(err)
			}
			for {
				did, err := r.RunOne(x.Context())
				if err != nil {
					t.Fatal(err)
				}
				if !did {
					return steps
				}
				steps++
			}
		}
		stop := x.run()
		old := x.post(Outgoing{}, "old", spread(10, 3)...)
		x.after(10 * time.Second)
		stop()
		due := x.post(Outgoing{}, "due", "a@example.org")
		x.after(13 * 24 * time.Hour)
		young := x.post(Outgoing{}, "young", "b@example.org")
		if n := sweep(); n != 2 {
			t.Errorf("%d steps where nothing is old enough, want 2", n)
		}
		if n := sweep(); n != 0 {
			t.Errorf("%d steps in the same hour", n)
		}
		if got := x.states(old); got[store.Sent] != 10 {
			t.Errorf("after 13 days: %v", got)
		}
		x.after(25 * time.Hour)
		if n := sweep(); n != 3 {
			t.Errorf("%d steps where one outgoing is old enough, want 3", n)
		}
		if err := x.db.View(x.Context(), func(tx *store.Tx) error {
			if _, err := tx.Outgoing(old); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the old outgoing: %v", err)
			}
			for _, id := range []store.OutgoingID{due, young} {
				o, err := tx.Outgoing(id)
				if err != nil {
					return err
				}
				if _, err := tx.Message(o.Message); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		// The sweeps themselves are forgotten.
		x.after(50 * time.Hour)
		sweep()
		if err := x.db.View(x.Context(), func(tx *store.Tx) error {
			keys, err := sweeper.Plan(x.Context(), tx, x.db.Now().Add(-76*time.Hour))
			if err != nil {
				return err
			}
			there, err := tx.HasTask(keys[0].Kind + "/" + keys[0].Name)
			if there {
				t.Error("a sweep of three days ago is remembered")
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	})
}
