package queue

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"listd/store"
)

func TestInTurn(t *testing.T) {
	t.Parallel()
	start := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, e := range []struct {
		name  string
		lanes string // destination:priority:seconds it has been due
		want  string
	}{
		{"none", "", ""},
		{"by priority", "a:2:9 b:0:1 c:1:5", "b c a"},
		{"of the same those due longest", "a:1:1 b:1:3 c:1:2", "b c a"},
		{"each fourth whatever its priority", "n1:0:1 n2:0:2 n3:0:3 n4:0:4 n5:0:5 n6:0:6 a:2:90 p:1:80", "n6 n5 n4 a n3 n2 n1 p"},
		{"the oldest may be urgent", "n1:0:99 n2:0:2 n3:0:3 n4:0:4 a:2:9", "n1 n4 n3 a n2"},
	} {
		var in []store.Lane
		for _, f := range strings.Fields(e.lanes) {
			var l store.Lane
			var due int
			if _, err := fmt.Sscanf(strings.ReplaceAll(f, ":", " "), "%s %d %d", &l.Destination, &l.Priority, &due); err != nil {
				t.Fatal(err)
			}
			l.Next = start.Add(-time.Duration(due) * time.Second)
			in = append(in, l)
		}
		var got []string
		for _, l := range inTurn(in) {
			got = append(got, l.Destination)
		}
		if strings.Join(got, " ") != e.want {
			t.Errorf("%s: %v, want %s", e.name, got, e.want)
		}
	}
}

// stocked is a dispatcher with dialogs in its lanes.
func stocked(w *Worker, lanes map[store.Lane]int) *dispatcher {
	w.PerDestination = 1 << 20
	d := newDispatcher(w)
	for l, n := range lanes {
		in := &lane{Lane: l, known: true}
		for i := range n {
			in.dialogs = append(in.dialogs, &dialog{lane: l, from: w.DB.Now(), to: []store.Claimed{{ID: store.DeliveryID(i)}}})
			in.rows++
		}
		d.lanes[laneKey{l.Destination, l.Priority}] = in
		d.governor(l.Destination).limit = 1 << 20
	}
	return d
}

// TestFairQuarter hands out dialogs: notices first, but one pick in four goes by age.
func TestFairQuarter(t *testing.T) {
	t.Parallel()
	at := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	db := openSQLite(t, func() time.Time { return at })
	d := stocked(&Worker{DB: db}, map[store.Lane]int{
		{Destination: "a.example", Priority: Notice}:       100,
		{Destination: "b.example", Priority: Announcement}: 100,
	})
	for _, g := range d.lanes[laneKey{"b.example", Announcement}].dialogs {
		g.from = at.Add(-time.Second)
	}
	var got []int
	for range 100 {
		g, ok := d.next()
		if !ok {
			t.Fatal("no dialog")
		}
		got = append(got, g.lane.Priority)
	}
	announcements := 0
	for _, p := range got {
		if p == Announcement {
			announcements++
		}
	}
	if announcements != 25 || slices.Contains(got[:3], Announcement) {
		t.Errorf("%d of 100 dialogs were announcements, the first were %v", announcements, got[:8])
	}
}

// TestSaturatedHoldsNobodyBack has rows buffered that wait for their destinations' governors.
func TestSaturatedHoldsNobodyBack(t *testing.T) {
	t.Parallel()
	at := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	db := openSQLite(t, func() time.Time { return at })
	quick := store.Lane{Destination: "quick.example", Priority: Post, Next: at}
	lanes := map[store.Lane]int{quick: 0}
	for i := range 4 {
		lanes[store.Lane{Destination: fmt.Sprintf("slow%d.example", i), Priority: Post, Next: at}] = claimRows / 4
	}
	d := stocked(&Worker{DB: db}, lanes)
	if got := d.wanted(at); len(got) != 0 {
		t.Errorf("a full buffer wants %v", got)
	}
	for i := range 4 {
		g := d.governor(fmt.Sprintf("slow%d.example", i))
		g.limit, g.active = 2, 2
	}
	if got := d.wanted(at); len(got) != 1 || got[0] != quick {
		t.Errorf("wanted are %v, not only the lane that nothing holds back", got)
	}
	// What is dead is not claimed, nor what is not due.
	d.governor("quick.example").until = at.Add(time.Second)
	if got := d.wanted(at); len(got) != 0 {
		t.Errorf("a dead destination is wanted: %v", got)
	}
	if got := d.wanted(at.Add(time.Second)); len(got) != 1 {
		t.Errorf("wanted are %v when it lives again", got)
	}
	if got := d.wanted(at.Add(-time.Second)); len(got) != 0 {
		t.Errorf("wanted before they are due: %v", got)
	}
}

// TestRenewLoses has rows that another holder took while this one was away: they are not begun.
func TestRenewLoses(t *testing.T) {
	t.Parallel()
	at := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	db := openSQLite(t, func() time.Time { return at })
	x := &site{T: t, db: db}
	x.post(Outgoing{}, "x", "a@example.org", "b@example.org", "c@example.org")
	d := newDispatcher(&Worker{DB: db, Holder: 7, PerDestination: 20})
	settle := make(chan store.Settled, 10)
	d.settle = settle
	if err := d.look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := d.claim(t.Context()); n != 3 || err != nil {
		t.Fatalf("claimed %d, %v", n, err)
	}
	l := d.lanes[laneKey{"example.org", Notice}]
	if len(l.dialogs) != 1 || l.rows != 3 {
		t.Fatalf("%d dialogs of %d rows", len(l.dialogs), l.rows)
	}
	lost := l.dialogs[0].to[1]
	at = at.Add(lease)
	x.update(func(tx *store.Tx) error {
		// The other takes one row; the rest are still ours, though late.
		if _, err := tx.Renew(7, []store.DeliveryID{l.dialogs[0].to[0].ID, l.dialogs[0].to[2].ID}, at.Add(time.Second)); err != nil {
			return err
		}
		got, err := tx.Claim(store.Lane{Destination: "example.org"}, 9, 8, at.Add(lease))
		if len(got) != 1 || got[0].ID != lost.ID {
			t.Errorf("the other claimed %v", got)
		}
		return err
	})
	d.renew(t.Context())
	g, ok := d.next()
	if !ok || len(g.to) != 2 || g.to[0].ID == lost.ID || g.to[1].ID == lost.ID || l.rows != 0 {
		t.Errorf("begun are %+v, %d rows are left; %v was lost", g.to, l.rows, lost)
	}
}

// TestClaimMeetsDeath claims rows of a destination that dies meanwhile: they must not wait in the buffer for ever.
func TestClaimMeetsDeath(t *testing.T) {
	t.Parallel()
	at := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	db := openSQLite(t, func() time.Time { return at })
	(&site{T: t, db: db}).post(Outgoing{}, "x", "a@example.org", "b@example.org")
	d := newDispatcher(&Worker{DB: db, Holder: 7, PerDestination: 1})
	settle := make(chan store.Settled, 10)
	d.settle = settle
	until := at.Add(time.Minute)
	l := store.Lane{Destination: "example.org", Priority: Notice}
	d.lanes[laneKey{"example.org", Notice}] = &lane{Lane: l}
	rows := []store.Claimed{{ID: 1, Claim: 1, Outgoing: 1, Rcpt: address("a@example.org")}, {ID: 2, Claim: 1, Outgoing: 1, Rcpt: address("b@example.org")}}
	dialogs, err := d.group(t.Context(), l, rows, at)
	if err != nil {
		t.Fatal(err)
	}
	d.governor("example.org").until = until
	back, due := d.buffer(l, dialogs, true)
	d.giveBack(back, due)
	for range rows {
		if s := <-settle; s.State != store.Due || s.Code != 0 || !s.Next.Equal(until) {
			t.Errorf("settled as %+v", s)
		}
	}
	if n := d.lanes[laneKey{"example.org", Notice}].rows; n != 0 {
		t.Errorf("%d rows are buffered", n)
	}
}
