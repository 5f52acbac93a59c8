package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"listd/lists"
	"listd/store"
)

// Follower reads what was filed: it puts posts into threads, then has their words indexed. It follows in short batches,
// so that filing a post costs no more than its row. Each batch commits with the cursor that proves it: nodes may follow
// the same list at once, one of them wins, and nothing is done twice or, after a crash, not at all.
type Follower struct {
	DB  *store.DB
	Log *slog.Logger // may be nil

	// Batch is how many posts a transaction puts into threads at most; 0: 500.
	Batch int

	// Index takes in the words of some posts up to one; again says that there are more. It moves the archive's cursor
	// Indexed itself. Nil: nothing is indexed.
	Index func(ctx context.Context, l lists.List, upTo lists.Seq) (again bool, err error)
}

// How Run waits: for a post, at most poll; and then a little for those that come with it.
const (
	followPoll  = 2 * time.Second
	followPause = 200 * time.Millisecond
)

// The size of a batch: posts, bytes of heads, and Message-IDs. It bounds the transaction to about 50 ms.
const (
	batchPosts = 500
	batchBytes = 8 << 20
	batchNames = 4000
)

// Run follows all lists until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	for ctx.Err() == nil {
		woken := f.DB.Woken(store.Filed)
		if err := f.catchUp(ctx, 0); err != nil && ctx.Err() == nil && f.Log != nil {
			f.Log.LogAttrs(ctx, slog.LevelError, "follow the archives", slog.Any("error", err))
		}
		if pause(ctx, followPoll, woken) {
			pause(ctx, followPause, nil)
		}
	}
}

// pause waits until woken is closed, which it reports, or d has passed, or ctx ends.
func pause(ctx context.Context, d time.Duration, woken <-chan struct{}) bool {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	select {
	case <-woken:
		return true
	case <-ctx.Done():
		return false
	}
}

// CatchUp reads until nothing of a list is unread.
func (f *Follower) CatchUp(ctx context.Context, l lists.ID) error { return f.catchUp(ctx, l) }

// catchUp reads until nothing of a list, or of any (0), is unread: a batch of each list in turn, so that an import of one
// does not keep the others waiting. A list in trouble is left for the next time.
func (f *Follower) catchUp(ctx context.Context, only lists.ID) error {
	var trouble []error
	ill := map[lists.ID]bool{}
	for {
		var behind []store.Archive
		if err := f.DB.View(ctx, func(tx *store.Tx) (err error) {
			behind, err = tx.Behind(f.Index != nil)
			return err
		}); err != nil {
			return errors.Join(append(trouble, err)...)
		}
		behind = slices.DeleteFunc(behind, func(a store.Archive) bool { return ill[a.List] || only != 0 && a.List != only })
		if len(behind) == 0 {
			return errors.Join(trouble...)
		}
		for _, a := range behind {
			if err := f.step(ctx, a); errors.Is(err, store.ErrNotFound) {
				ill[a.List] = true // it was deleted
			} else if err != nil {
				ill[a.List] = true
				trouble = append(trouble, fmt.Errorf("list %d: %w", a.List, err))
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
}

// errStuck says that Index has nothing more to do, but its cursor is not at the end.
var errStuck = errors.New("the index has stopped before the last post")

// step does a batch of one list.
func (f *Follower) step(ctx context.Context, a store.Archive) error {
	if a.Epoch == 0 {
		return f.DB.Update(ctx, func(tx *store.Tx) error { _, err := tx.OpenArchive(a.List); return err })
	}
	if a.Threaded < a.LastSeq {
		if err := f.threadBatch(ctx, a.List); err != nil {
			return fmt.Errorf("threads: %w", err)
		}
	}
	if f.Index == nil {
		return nil
	}
	var l lists.List
	var threaded lists.Seq
	if err := f.DB.View(ctx, func(tx *store.Tx) (err error) {
		if a, err = tx.Archive(a.List); err != nil {
			return err
		}
		threaded = a.Threaded
		l, err = tx.List(a.List)
		return err
	}); err != nil || threaded <= a.Indexed {
		return err
	}
	again, err := f.Index(ctx, l, threaded)
	if err != nil {
		return fmt.Errorf("words: %w", err)
	}
	if again {
		return nil
	}
	return f.DB.View(ctx, func(tx *store.Tx) error {
		now, err := tx.Archive(a.List)
		if err == nil && now.Indexed == a.Indexed && now.Removals == a.Removals {
			err = errStuck // it has not lost against another either
		}
		return err
	})
}

// batch is what a View has found out for one batch.
type batch struct {
	archive store.Archive
	list    lists.List
	most    int // posts
	to      lists.Seq
	sheets  []sheet
	*weave
}

// threadBatch puts the next posts of a list into threads. All is read and decided in a View: as long as the cursor has
// not moved, nobody has written what it read.
func (f *Follower) threadBatch(ctx context.Context, l lists.ID) error {
	var b *batch
	if err := f.DB.View(ctx, func(tx *store.Tx) (err error) {
		b, err = gather(tx, l, f.Batch)
		return err
	}); err != nil {
		return err
	}
	if b.to == b.archive.Threaded {
		return nil // another was faster
	}
	return f.DB.Update(ctx, b.record)
}

func gather(tx *store.Tx, l lists.ID, most int) (*batch, error) {
	b := &batch{most: most}
	if b.most <= 0 {
		b.most = batchPosts
	}
	var err error
	if b.archive, err = tx.Archive(l); err != nil {
		return nil, err
	}
	if b.list, err = tx.List(l); err != nil {
		return nil, err
	}
	if err := b.read(tx); err != nil {
		return nil, err
	}
	if err := place(tx, b.sheets); err != nil {
		return nil, err
	}
	b.weave = &weave{list: l, names: map[store.Hash]*name{}, strands: map[store.ThreadID]*strand{}, byBase: map[int64][]*strand{},
		waiting: map[store.Hash][]*store.Await{}, posts: map[lists.Seq]*store.Post{}, parents: map[lists.Seq]lists.Seq{},
		above: func(seq lists.Seq) (map[lists.Seq]lists.Seq, error) { return tx.Parents(l, seq, 250) }}
	if err := b.load(tx); err != nil {
		return nil, err
	}
	for i := range b.sheets {
		if err := b.add(&b.sheets[i]); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// read reads the heads of the next posts.
func (b *batch) read(tx *store.Tx) error {
	rows, size, names := 0, 0, 0
	full := false
	err := tx.Heads(b.archive.List, b.archive.Threaded, b.most, func(p store.Post, head []byte) bool {
		s := readSheet(b.list, p, head)
		b.sheets, b.to = append(b.sheets, s), s.seq
		rows, size, names = rows+1, size+len(head), names+1+len(s.refs)
		full = rows == b.most || size >= batchBytes || names >= batchNames
		return !full
	})
	if !full {
		b.to = max(b.archive.LastSeq, b.archive.Threaded) // numbers at the end may have been swept
	}
	return err
}

// place gives each post that readers see a place that no other has.
func place(tx *store.Tx, sheets []sheet) error {
	next := map[store.Place]store.Place{}
	var open []*sheet
	for i := range sheets {
		if !sheets[i].hidden {
			open = append(open, &sheets[i])
		}
	}
	for len(open) > 0 {
		var ask []store.Place
		for _, s := range open {
			if _, ok := next[s.start]; !ok {
				next[s.start] = s.start
				ask = append(ask, s.start)
			}
		}
		taken, err := tx.Taken(ask)
		if err != nil {
			return err
		}
		for start, last := range taken {
			next[start] = last + 1
		}
		full := open[:0]
		for _, s := range open {
			if at := next[s.start]; at < s.start+store.EachSecond {
				s.place, next[s.start] = at, at+1
			} else {
				s.start += store.EachSecond
				full = append(full, s)
			}
		}
		open = full
	}
	return nil
}

// load reads what there is of the Message-IDs and the threads that the batch may touch.
func (b *batch) load(tx *store.Tx) error {
	asked := map[store.Hash]bool{}
	for i := range b.sheets {
		asked[b.sheets[i].own] = true
		for _, h := range b.sheets[i].refs {
			asked[h] = true
		}
	}
	idents, err := tx.Idents(b.list.ID, slices.Collect(maps.Keys(asked)))
	if err != nil {
		return err
	}
	want := make([]store.ThreadID, len(idents))
	for i, n := range idents {
		want[i] = n.Thread
	}
	if err := b.loadThreads(tx, want); err != nil {
		return err
	}
	for _, n := range idents {
		s := b.strands[n.Thread]
		if s == nil {
			return fmt.Errorf("thread %d of a message id is not there", n.Thread)
		}
		b.names[n.Hash] = &name{seq: n.Seq, parent: n.Parent, below: n.Below, strand: s}
	}
	var expected []store.Hash
	for i := range b.sheets {
		p := &b.sheets[i]
		switch n := b.names[p.own]; {
		case p.hidden:
		case n != nil && n.seq == 0:
			expected = append(expected, p.own)
		case n == nil && p.bySubject():
			rows, err := tx.ThreadsOfBase(p.base, 20)
			if err != nil {
				return err
			}
			for _, r := range rows {
				b.strand(r)
			}
		}
	}
	awaiting, err := tx.Awaiting(b.list.ID, expected)
	for i := range awaiting {
		a := &awaiting[i]
		b.waiting[a.Hash] = append(b.waiting[a.Hash], a)
	}
	return err
}

// loadThreads reads threads, and those they have become part of.
func (b *batch) loadThreads(tx *store.Tx, want []store.ThreadID) error {
	var merged []*strand
	for len(want) > 0 {
		slices.Sort(want)
		rows, err := tx.ThreadRows(slices.Compact(want))
		if err != nil {
			return err
		}
		want = nil
		for _, r := range rows {
			s := b.strand(r)
			if r.Merged != 0 && s.into == nil {
				merged = append(merged, s)
				if b.strands[r.Merged] == nil {
					want = append(want, r.Merged)
				}
			}
		}
	}
	for _, s := range merged {
		if s.into = b.strands[s.Merged]; s.into == nil {
			return fmt.Errorf("thread %d, of which %d has become part, is not there", s.Merged, s.ID)
		}
	}
	return nil
}

// strand is the one of a row, new or known.
func (b *batch) strand(r store.Row) *strand {
	s := b.strands[r.ID]
	if s == nil {
		s = &strand{Row: r, stored: true}
		b.strands[r.ID] = s
		if r.Base != 0 {
			b.byBase[r.Base] = append(b.byBase[r.Base], s)
		}
	}
	return s
}

// record writes what the batch found out. It may run more than once.
func (b *batch) record(tx *store.Tx) error {
	l := b.list.ID
	if ok, err := tx.MoveThreaded(b.archive, b.to); err != nil || !ok {
		return err // not ok: another was faster
	}
	var rows []store.Row
	for _, id := range slices.Sorted(maps.Keys(b.strands)) {
		s := b.strands[id]
		switch {
		case !s.changed, s.into != nil && !s.stored:
			continue
		case s.into != nil:
			s.Merged = s.now().ID
		}
		rows = append(rows, s.Row)
	}
	if err := tx.PutThreads(l, rows); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Merged != 0 {
			if err := tx.MergeThread(r.ID, r.Merged); err != nil {
				return err
			}
		}
	}
	var idents []store.Ident
	for h, n := range b.names {
		if n.changed {
			idents = append(idents, store.Ident{Hash: h, Thread: n.strand.now().ID, Seq: n.seq, Parent: n.parent, Below: n.below})
		}
	}
	slices.SortFunc(idents, func(a, b store.Ident) int { return slices.Compare(a.Hash[:], b.Hash[:]) })
	if err := tx.PutIdents(l, idents); err != nil {
		return err
	}
	return b.recordPosts(tx)
}

func (b *batch) recordPosts(tx *store.Tx) error {
	l := b.list.ID
	var fresh, moved []store.Post
	for _, seq := range slices.Sorted(maps.Keys(b.posts)) {
		p := *b.posts[seq]
		if p.Place == 0 {
			moved = append(moved, p)
			continue
		}
		p.Thread = b.strands[p.Thread].now().ID
		fresh = append(fresh, p)
	}
	if err := tx.SetThreaded(l, fresh); err != nil {
		return err
	}
	if err := tx.SetParents(l, moved); err != nil {
		return err
	}
	arrived := map[store.Hash]bool{}
	for _, h := range b.arrived {
		arrived[h] = true
	}
	if err := tx.Arrived(l, b.arrived); err != nil {
		return err
	}
	var awaits []store.Await
	for _, a := range b.awaits {
		if !arrived[a.Hash] {
			awaits = append(awaits, *a)
		}
	}
	return tx.PutAwaits(l, awaits)
}
