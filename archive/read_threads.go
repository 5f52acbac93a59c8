package archive

import (
	"context"
	"errors"
	"slices"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// Thread is a conversation.
type Thread struct {
	First   lists.Seq // its earliest post; a thread is linked by any of its posts
	Subject string    // of the first post, without Re: and the list's prefix
	Author  mail.Mailbox
	Posts   int
	People  int       // authors, of the first thousand posts
	Started time.Time // in whole seconds
	Last    time.Time // in whole seconds and a number of microseconds that makes it unique: where Threads goes on
	id      store.ThreadID
}

// Node is a post in its thread's order: parents before children, siblings by date.
type Node struct {
	Post
	Depth int // 0 for a root; what would be deeper than 50 is 50
}

// maxDepth is how deep a Node can be.
const maxDepth = 50

// maxLimbs is how many posts of a thread are put in order; more are not shown.
const maxLimbs = 50_000

// Month is a month of an archive, in UTC.
type Month struct {
	Year  int
	Month time.Month
	Posts int
}

func thread(t store.Thread) Thread {
	return Thread{First: t.First, Subject: t.Subject, Author: mailbox(t.Author), Posts: t.Posts, People: t.People,
		Started: t.Start.Time(), Last: t.Last.Instant(), id: t.ID}
}

func threads(rows []store.Thread) []Thread {
	out := make([]Thread, len(rows))
	for i, r := range rows {
		out[i] = thread(r)
	}
	return out
}

// Threads are up to limit threads whose latest post is older than before (zero: all), latest first. A page goes on where
// the one before it ended with before = its last thread's Last, to the microsecond.
func (a *Archive) Threads(ctx context.Context, before time.Time, limit int) (out []Thread, err error) {
	err = a.view(ctx, func(tx *store.Tx) error {
		end := store.EndOf(a.List.ID)
		if !before.IsZero() {
			end = store.PlaceOf(a.List.ID, before)
		}
		rows, err := tx.ThreadsBefore(a.List.ID, end, limit)
		out = threads(rows)
		return err
	})
	return out, err
}

// Thread is the thread of a post, with its posts in order; at most limit of them, more says that there are others. A post
// that has come a moment ago may be alone, its Thread without an end. ErrNoPost if there is no such post.
func (a *Archive) Thread(ctx context.Context, seq lists.Seq, limit int) (t Thread, nodes []Node, more bool, err error) {
	err = a.view(ctx, func(tx *store.Tx) error {
		t, nodes, more = Thread{}, nil, false
		row, err := tx.Post(a.List.ID, seq)
		if errors.Is(err, store.ErrNotFound) || err == nil && row.Hidden {
			return ErrNoPost
		}
		if err != nil {
			return err
		}
		if row.Thread == 0 { // nobody has read it yet
			p := post(row)
			base, _ := a.List.Policy.BaseSubject(p.Subject)
			t = Thread{First: seq, Subject: base, Author: p.Author, Posts: 1, People: 1, Started: p.Date, Last: p.Date}
			nodes = []Node{{Post: p}}
			return nil
		}
		whole, err := tx.Thread(row.Thread)
		if err != nil {
			return err
		}
		t = thread(whole)
		limbs, err := tx.Limbs(row.Thread, maxLimbs+1)
		if err != nil {
			return err
		}
		order := inOrder(limbs[:min(len(limbs), maxLimbs)])
		if limit = max(limit, 0); len(limbs) > maxLimbs || len(order) > limit {
			order, more = order[:min(len(order), limit)], true
		}
		nodes, err = fill(tx, a.List.ID, order)
		return err
	})
	return t, nodes, more, err
}

// fill reads the posts of nodes that have a Seq and a Depth.
func fill(tx *store.Tx, l lists.ID, nodes []Node) ([]Node, error) {
	seqs := make([]lists.Seq, len(nodes))
	at := make(map[lists.Seq]int, len(nodes))
	for i, n := range nodes {
		seqs[i], at[n.Seq] = n.Seq, i
	}
	rows, err := tx.Posts(l, seqs)
	for _, r := range rows {
		nodes[at[r.Seq]].Post = post(r)
	}
	return nodes, err
}

// inOrder puts the posts of a thread, which come by date, in its order: parents before children, siblings by date. It
// takes linear time, whatever parents are said to be; a post whose parent is not among them is a root, and so is the
// first of a circle, though none should be.
func inOrder(limbs []store.Limb) []Node {
	at := make(map[lists.Seq]int, len(limbs))
	for i, b := range limbs {
		at[b.Seq] = i
	}
	// The children of each, as lists that are linked by next. Filled from behind, they come out by date.
	first, next := make([]int, len(limbs)), make([]int, len(limbs))
	for i := range first {
		first[i] = -1
	}
	var roots []int
	for i, b := range slices.Backward(limbs) {
		if p, ok := at[b.Parent]; ok && p != i {
			next[i], first[p] = first[p], i
		} else {
			roots = append(roots, i)
		}
	}
	out := make([]Node, 0, len(limbs))
	done := make([]bool, len(limbs))
	type visit struct{ at, depth int }
	var stack []visit
	walk := func(root int) {
		stack = append(stack[:0], visit{root, 0})
		for len(stack) > 0 {
			v := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if done[v.at] {
				continue
			}
			done[v.at] = true
			out = append(out, Node{Post: Post{Seq: limbs[v.at].Seq}, Depth: v.depth})
			from := len(stack)
			for c := first[v.at]; c >= 0; c = next[c] {
				stack = append(stack, visit{c, min(v.depth+1, maxDepth)})
			}
			slices.Reverse(stack[from:])
		}
	}
	for _, r := range slices.Backward(roots) {
		walk(r)
	}
	for i := range limbs {
		walk(i) // a circle has no root
	}
	return out
}

// Months are the months with posts, latest first.
func (a *Archive) Months(ctx context.Context) (out []Month, err error) {
	err = a.view(ctx, func(tx *store.Tx) error {
		out = nil
		start, end := store.PlaceAt(a.List.ID, time.Time{}), store.EndOf(a.List.ID)
		for {
			last, err := tx.LastPlace(start, end)
			if err != nil || last == 0 {
				return err
			}
			year, month, _ := last.Time().Date()
			from, to := monthOf(a.List.ID, year, month)
			n, err := tx.CountPlaces(from, min(to, end))
			if err != nil {
				return err
			}
			out, end = append(out, Month{year, month, n}), from
		}
	})
	return out, err
}

// monthOf is a month as places from, to; to is not in it.
func monthOf(l lists.ID, year int, month time.Month) (from, to store.Place) {
	start := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	return store.PlaceAt(l, start), store.PlaceAt(l, start.AddDate(0, 1, 0))
}

// MonthThreads are the threads with posts in a month, by their first post in it.
func (a *Archive) MonthThreads(ctx context.Context, year int, month time.Month) (out []Thread, err error) {
	err = a.view(ctx, func(tx *store.Tx) error {
		from, to := monthOf(a.List.ID, year, month)
		rows, err := tx.ThreadsFrom(from, to)
		out = threads(rows)
		return err
	})
	return out, err
}

// Range are up to limit posts with a date in [from, to), in whole seconds, by date, beginning behind a post (nil: at
// from).
func (a *Archive) Range(ctx context.Context, from, to time.Time, behind *Post, limit int) (out []Post, err error) {
	err = a.view(ctx, func(tx *store.Tx) error {
		start := store.PlaceAt(a.List.ID, from)
		if behind != nil {
			start = max(start, behind.place+1)
		}
		rows, err := tx.PostsFrom(start, store.PlaceAt(a.List.ID, to), limit)
		out = posts(rows)
		return err
	})
	return out, err
}
