package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"listd/store"
)

func (f *fixture) addTask(t store.Task) {
	f.Helper()
	f.update(func(tx *store.Tx) error { return tx.AddTask(t) })
}

// claimTask claims a task for ten minutes; its ID is 0 if none is due.
func (f *fixture) claimTask() (t store.Task) {
	f.Helper()
	f.update(func(tx *store.Tx) (err error) {
		t, err = tx.ClaimTask(tx.Now.Add(10 * time.Minute))
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return err
	})
	return t
}

func (f *fixture) nextTask(want time.Time) {
	f.Helper()
	f.view(func(tx *store.Tx) error {
		at, err := tx.NextTask()
		equal(f, "next task", at, want)
		return err
	})
}

func testTasks(f *fixture) {
	f.nextTask(time.Time{})
	equal(f, "a task of none", f.claimTask(), store.Task{})
	start := f.db.Now()
	f.addTask(store.Task{Key: "later/1", Kind: "later", Next: start.Add(time.Hour)})
	f.nextTask(start.Add(time.Hour))
	f.addTask(store.Task{Key: "fanout/1", Kind: "fanout", Arg: `{"n":1}`})
	f.addTask(store.Task{Key: "fanout/1", Kind: "fanout", Arg: `{"n":2}`}) // once is once
	f.nextTask(start)
	got := f.claimTask()
	want := store.Task{ID: got.ID, Key: "fanout/1", Kind: "fanout", Arg: `{"n":1}`, State: "due", Next: start.Add(10 * time.Minute),
		Claim: got.Claim, Created: start}
	equal(f, "claimed", got, want)
	equal(f, "nothing else is due", f.claimTask().ID, 0)
	f.nextTask(start.Add(10 * time.Minute))

	got.Cursor, got.Next = `{"at":5}`, start
	f.update(func(tx *store.Tx) error { return tx.SaveTask(got) })
	again := f.claimTask()
	equal(f, "cursor", again.Cursor, `{"at":5}`)
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.SaveTask(got) }) // that claim is over

	// A lease that ends makes a ghost of its holder.
	f.clock.add(10 * time.Minute)
	other := f.claimTask()
	equal(f, "claimed after the lease", other.ID, again.ID)
	again.Cursor = "ghost"
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.SaveTask(again) })
	other.State = "done"
	f.update(func(tx *store.Tx) error { return tx.SaveTask(other) })
	f.view(func(tx *store.Tx) error {
		for key, want := range map[string]bool{"fanout/1": true, "later/1": true, "fanout/2": false} {
			has, err := tx.HasTask(key)
			if has != want || err != nil {
				f.Errorf("HasTask(%s) = %v, %v", key, has, err)
			}
		}
		all, err := tx.Tasks(10)
		if len(all) != 1 || all[0].Key != "later/1" {
			f.Errorf("tasks are %v", all)
		}
		return err
	})
	f.update(func(tx *store.Tx) error {
		n, err := tx.SweepTasks(start)
		equal(f, "swept: what is younger stays", n, 0)
		k, err2 := tx.SweepTasks(tx.Now)
		equal(f, "swept", k, 1)
		return errors.Join(err, err2)
	})
	f.clock.add(time.Hour)
	equal(f, "due by now", f.claimTask().Key, "later/1")
}

func testTaskFailures(f *fixture) {
	f.addTask(store.Task{Key: "a/1", Kind: "a"})
	t := f.claimTask()
	t.State, t.Attempts, t.Error = "aside", 5, "it is broken ✗"
	f.update(func(tx *store.Tx) error { return tx.SaveTask(t) })
	f.clock.add(24 * time.Hour)
	equal(f, "a task set aside is not claimed", f.claimTask().ID, 0)
	f.nextTask(time.Time{})
	f.view(func(tx *store.Tx) error {
		all, err := tx.Tasks(10)
		if len(all) != 1 || all[0].State != "aside" || all[0].Error != t.Error || all[0].Attempts != 5 {
			f.Errorf("tasks are %+v", all)
		}
		return err
	})
	f.update(func(tx *store.Tx) error { return tx.RetryTask(t.ID) })
	f.nextTask(f.db.Now())
	again := f.claimTask()
	equal(f, "retried", again.ID, t.ID)
	equal(f, "attempts", again.Attempts, 0)
	equal(f, "error", again.Error, "")
	again.State = "done"
	f.update(func(tx *store.Tx) error { return tx.SaveTask(again) })
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.RetryTask(t.ID) })
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { return tx.RetryTask(99) })
}

// testTakeBackTasks starts again after a crash: tasks in a step are due at once, whatever they had behind them, and those
// that wait go on waiting.
func testTakeBackTasks(f *fixture) {
	later := f.db.Now().Add(time.Hour)
	f.addTask(store.Task{Key: "waits/first", Kind: "waits", Next: later})
	f.addTask(store.Task{Key: "waits/between", Kind: "waits"})
	t := f.claimTask()
	t.Next = later
	f.update(func(tx *store.Tx) error { return tx.SaveTask(t) })
	f.addTask(store.Task{Key: "waits/failed", Kind: "waits"})
	t = f.claimTask()
	t.Next, t.Attempts, t.Error = later, 1, "no"
	f.update(func(tx *store.Tx) error { return tx.SaveTask(t) })
	f.addTask(store.Task{Key: "step/1", Kind: "step"})
	f.claimTask()
	f.addTask(store.Task{Key: "step/failed", Kind: "step"})
	t = f.claimTask()
	t.Next, t.Attempts, t.Error = f.db.Now(), 1, "no"
	f.update(func(tx *store.Tx) error { return tx.SaveTask(t) })
	f.claimTask()
	f.addTask(store.Task{Key: "step/second", Kind: "step"})
	f.claimTask()
	f.clock.add(10 * time.Minute)
	f.claimTask() // one whose lease had ended before
	equal(f, "step/failed is claimed", f.claimTask().Key, "step/failed")

	f.update(func(tx *store.Tx) error { return tx.TakeBackTasks() })
	got := map[string]bool{}
	for t := f.claimTask(); t.ID != 0; t = f.claimTask() {
		got[t.Key] = true
	}
	if len(got) != 3 || !got["step/1"] || !got["step/failed"] || !got["step/second"] {
		f.Errorf("taken back: %v", got)
	}
}

func testSiteValues(f *fixture) {
	get := func(name string, want []byte, wantErr error) {
		f.Helper()
		f.view(func(tx *store.Tx) error {
			got, err := tx.SiteValue(name)
			if !bytes.Equal(got, want) || !errors.Is(err, wantErr) {
				f.Errorf("%s is %q, %v", name, got, err)
			}
			return nil
		})
	}
	get("key", nil, store.ErrNotFound)
	init := func(value, want string) {
		f.Helper()
		f.update(func(tx *store.Tx) error {
			got, err := tx.InitSiteValue("key", []byte(value))
			equal(f, "the value that stands", string(got), want)
			return err
		})
	}
	init("\x00first", "\x00first")
	init("second", "\x00first")
	f.update(func(tx *store.Tx) error { return tx.SetSiteValue("key", []byte("third")) })
	get("key", []byte("third"), nil)
	f.update(func(tx *store.Tx) error { return tx.SetSiteValue("key", nil) })
	f.update(func(tx *store.Tx) error { return tx.SetSiteValue("key", nil) })
	get("key", nil, store.ErrNotFound)
	init("fourth", "fourth")
}

// testUpdate holds Update to its word: all or nothing, one instant, a panic is an error, a failure is the closure's own.
func testUpdate(f *fixture) {
	failure := errors.New("of the test")
	f.fails(failure, func(tx *store.Tx) error {
		if err := tx.SetSiteValue("a", []byte("x")); err != nil {
			return err
		}
		return failure
	})
	if err := f.db.Update(f.Context(), func(tx *store.Tx) error {
		if err := tx.SetSiteValue("a", []byte("x")); err != nil {
			return err
		}
		panic("of the test")
	}); err == nil {
		f.Error("a panic is no error")
	}
	f.view(func(tx *store.Tx) error {
		if v, err := tx.SiteValue("a"); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("what failed was written: %q", v)
		}
		return nil
	})
	f.update(func(tx *store.Tx) error {
		first := tx.Now
		f.clock.add(time.Second)
		equal(f, "one instant", tx.Now, first)
		return nil
	})
	// Many at once, some of which fail, leave what the others wrote.
	var wg sync.WaitGroup
	var failed atomic.Int32
	for i := range 40 {
		wg.Go(func() {
			err := f.db.Update(f.Context(), func(tx *store.Tx) error {
				if err := tx.SetSiteValue(fmt.Sprintf("n%d", i), []byte("x")); err != nil {
					return err
				}
				if i%4 == 0 {
					return failure
				}
				return nil
			})
			if errors.Is(err, failure) {
				failed.Add(1)
			} else if err != nil {
				f.Error(err)
			}
		})
	}
	wg.Wait()
	equal(f, "failed", failed.Load(), 10)
	f.view(func(tx *store.Tx) error {
		for i := range 40 {
			_, err := tx.SiteValue(fmt.Sprintf("n%d", i))
			if (i%4 == 0) != errors.Is(err, store.ErrNotFound) {
				f.Errorf("value %d: %v", i, err)
			}
		}
		return nil
	})
}

// testView holds View to one state of the database, whatever is written meanwhile.
func testView(f *fixture) {
	f.update(func(tx *store.Tx) error { return tx.SetSiteValue("a", []byte("before")) })
	f.view(func(tx *store.Tx) error {
		for _, write := range []string{"first", "second"} {
			got, err := tx.SiteValue("a")
			equal(f, "value", string(got), "before")
			if err != nil {
				return err
			}
			f.update(func(tx *store.Tx) error { return tx.SetSiteValue("a", []byte(write)) })
		}
		l, err := tx.Lists()
		equal(f, "lists", len(l), 0)
		return err
	})
	if err := f.db.View(f.Context(), func(tx *store.Tx) error { return tx.SetSiteValue("a", []byte("written")) }); err == nil {
		f.Error("View writes")
	}
	f.view(func(tx *store.Tx) error {
		got, err := tx.SiteValue("a")
		equal(f, "value", string(got), "second")
		return err
	})
}

// testWake expects whoever waits to be woken by what gives them something to do, once it is committed.
func testWake(f *fixture) {
	woken, other := f.db.Woken(store.Tasks), f.db.Woken(store.Deliveries)
	f.update(func(tx *store.Tx) error { _, err := tx.SiteValue("none"); return ignoreNotFound(err) })
	f.fails(store.ErrNotFound, func(tx *store.Tx) error {
		if err := tx.AddTask(store.Task{Key: "a/1", Kind: "a"}); err != nil {
			return err
		}
		return store.ErrNotFound
	})
	select {
	case <-woken:
		f.Error("woken for nothing")
	default:
	}
	f.addTask(store.Task{Key: "a/1", Kind: "a"})
	<-woken
	if f.db.Single() { // PostgreSQL's NOTIFY does not say for what
		select {
		case <-other:
			f.Error("those who carry deliveries are woken for a task")
		default:
		}
	}
	woken = f.db.Woken(store.Tasks)
	f.db.Wake(store.Tasks | store.Deliveries)
	<-woken
}

func ignoreNotFound(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}
