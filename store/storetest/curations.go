package storetest

import (
	"errors"
	"reflect"
	"time"

	"listd/lists"
	"listd/store"
)

// testCurations keeps what organizers want of round-ups: once for each list, schedule and time.
func testCurations(f *fixture) {
	l := f.list("dev@lists.example.org")
	weekly, err := lists.ParseSchedule("weekly sun 08:00 Europe/London")
	if err != nil {
		f.Fatal(err)
	}
	due := f.clock.Now().Add(4 * time.Hour).Truncate(time.Millisecond).UTC()
	add := func(due time.Time) (added bool) {
		f.update(func(tx *store.Tx) (err error) {
			added, err = tx.AddCuration(store.Curation{List: l.ID, Schedule: weekly, Due: due, Topics: []lists.Seq{7, 3}})
			return err
		})
		return added
	}
	equal(f, "added", add(due), true)
	equal(f, "added again", add(due), false)
	equal(f, "the next", add(due.AddDate(0, 0, 7)), true)
	want := store.Curation{List: l.ID, Schedule: weekly, Due: due, Topics: []lists.Seq{7, 3}, Intro: "Hello", Drop: []lists.Seq{3}, First: []lists.Seq{7},
		Verdict: lists.CurateHold, By: "own@example.org"}
	f.update(func(tx *store.Tx) error { return tx.SaveCuration(want) })
	f.view(func(tx *store.Tx) error {
		got, err := tx.Curation(l.ID, weekly, due)
		if !reflect.DeepEqual(got, want) {
			f.Errorf("got %+v, want %+v", got, want)
		}
		if err != nil {
			return err
		}
		if _, err := tx.Curation(l.ID, weekly, due.Add(time.Hour)); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("one that is not there: %v", err)
		}
		all, err := tx.Curations(l.ID)
		equal(f, "unsettled", len(all), 2)
		return err
	})
	want.Settled = true
	f.update(func(tx *store.Tx) error { return tx.SaveCuration(want) })
	f.view(func(tx *store.Tx) error {
		all, err := tx.Curations(l.ID)
		equal(f, "unsettled later", len(all), 1)
		return err
	})
	f.update(func(tx *store.Tx) error {
		n, err := tx.SweepCurations(due.Add(time.Second))
		equal(f, "swept", n, 1)
		return err
	})
}
