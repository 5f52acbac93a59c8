package main

import (
	"testing"
	"time"
)

// TestKeyring: at any time one key makes tokens, and all others are read: those of before, and the one to come.
func TestKeyring(t *testing.T) {
	t.Parallel()
	at := func(minutes int) time.Time { return time.Date(2031, 2, 3, 4, minutes, 0, 0, time.UTC) }
	r := keyring{{ID: 1, Key: []byte("1")}, {ID: 2, Key: []byte("2"), Mints: at(10)}, {ID: 4, Key: []byte("4"), Mints: at(20)}}
	for _, c := range []struct {
		minutes   int
		key       string
		others    string
		states    string
		removable []bool
	}{
		{0, "1", "42", "minting waiting waiting ", []bool{false, false, false}},
		{10, "2", "41", "reading minting waiting ", []bool{true, false, false}},
		{19, "2", "41", "reading minting waiting ", []bool{true, false, false}},
		{25, "4", "21", "reading reading minting ", []bool{true, true, false}},
	} {
		now := at(c.minutes)
		key, others := r.split(now)
		all, states := "", ""
		for _, o := range others {
			all += string(o)
		}
		for i := range r {
			states += r.state(i, now) + " "
			if _, err := r.removable(r[i].ID, now); (err == nil) != c.removable[i] {
				t.Errorf("at %d: key %d: %v", c.minutes, r[i].ID, err)
			}
		}
		if string(key) != c.key || all != c.others || states != c.states {
			t.Errorf("at %d: %s makes, %s are read, %s", c.minutes, key, all, states)
		}
	}
	if _, err := r.removable(3, at(30)); err == nil {
		t.Error("a key that is none can be removed")
	}
}
