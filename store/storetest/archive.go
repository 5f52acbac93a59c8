package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"listd/lists"
	"listd/store"
)

// posts files n posts of one message, each a minute after the one before, and returns their numbers.
func (f *fixture) posts(l lists.List, n int) (seqs []lists.Seq) {
	f.Helper()
	m := f.message("a post")
	f.update(func(tx *store.Tx) error {
		first, err := tx.TakeSeqs(l.ID, n)
		if err != nil {
			return err
		}
		var rows []store.Post
		for i := range n {
			seqs = append(seqs, first+lists.Seq(i))
			rows = append(rows, store.Post{List: l.ID, Seq: first + lists.Seq(i), Message: m, Date: tx.Now.Add(time.Duration(i) * time.Minute), Origin: "imported"})
		}
		return tx.AddPosts(rows)
	})
	return seqs
}

func testArchive(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	f.posts(l, 3)
	behind := func(words bool) (out []lists.ID) {
		f.Helper()
		f.view(func(tx *store.Tx) error {
			all, err := tx.Behind(words)
			for _, a := range all {
				out = append(out, a.List)
			}
			return err
		})
		return out
	}
	equal(f, "lists behind", fmt.Sprint(behind(true)), fmt.Sprint([]lists.ID{l.ID}))
	var a store.Archive
	f.update(func(tx *store.Tx) (err error) { a, err = tx.OpenArchive(l.ID); return err })
	equal(f, "a new archive", a, store.Archive{List: l.ID, LastSeq: 3, Epoch: uint32(f.clock.Now().Unix())})
	f.clock.add(time.Hour)
	f.update(func(tx *store.Tx) error {
		again, err := tx.OpenArchive(l.ID)
		equal(f, "opened again", again, a)
		return err
	})
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.OpenArchive(other.ID + 7); return err })
	move := func(what string, to lists.Seq, how func(*store.Tx) func(store.Archive, lists.Seq) (bool, error), want bool) {
		f.Helper()
		f.update(func(tx *store.Tx) error {
			ok, err := how(tx)(a, to)
			equal(f, what, ok, want)
			return err
		})
	}
	threaded := func(tx *store.Tx) func(store.Archive, lists.Seq) (bool, error) { return tx.MoveThreaded }
	indexed := func(tx *store.Tx) func(store.Archive, lists.Seq) (bool, error) { return tx.MoveIndexed }
	move("the first", 2, threaded, true)
	move("who comes second", 3, threaded, false)
	a.Threaded = 2
	move("the next", 3, threaded, true)
	equal(f, "lists behind without words", len(behind(false)), 0)
	equal(f, "lists behind with words", len(behind(true)), 1)
	f.update(func(tx *store.Tx) error { return tx.CountRemoval(l.ID) })
	move("words that were read before a removal", 3, indexed, false)
	a.Removals = 1
	move("words", 3, indexed, true)
	equal(f, "lists behind in the end", len(behind(true)), 0)
	f.view(func(tx *store.Tx) error {
		got, err := tx.Archive(l.ID)
		equal(f, "the archive", got, store.Archive{List: l.ID, LastSeq: 3, Epoch: a.Epoch, Threaded: 3, Indexed: 3, Removals: 1})
		none, e := tx.Archive(other.ID)
		equal(f, "one that nobody has looked at", none, store.Archive{List: other.ID})
		if e != nil {
			return e
		}
		return err
	})
}

func testIdents(f *fixture) {
	l, other := f.list("dev@lists.example.org"), f.list("other@lists.example.org")
	var all []store.Ident
	var hashes []store.Hash
	for i := range 1001 {
		n := store.Ident{Hash: store.Hash{byte(i >> 8), byte(i), 255}, Thread: store.ThreadFrom(l.ID, 1), Seq: lists.Seq(i)}
		all, hashes = append(all, n), append(hashes, n.Hash)
	}
	get := func(l lists.List) (out []store.Ident) {
		f.Helper()
		f.view(func(tx *store.Tx) (err error) { out, err = tx.Idents(l.ID, append(hashes, store.Hash{77})); return err })
		slices.SortFunc(out, func(a, b store.Ident) int { return slices.Compare(a.Hash[:], b.Hash[:]) })
		return out
	}
	f.update(func(tx *store.Tx) error { return tx.PutIdents(l.ID, all) })
	for i := range all {
		all[i].Seq, all[i].Parent, all[i].Below = 0, lists.Seq(i), i%2 == 0
	}
	all[1000].Seq = 4_000_000_000
	f.update(func(tx *store.Tx) error { return tx.PutIdents(l.ID, all) })
	if got := get(l); !slices.Equal(got, all) {
		f.Errorf("%d Message-IDs came back, and not as they were written", len(got))
	}
	equal(f, "another list's", len(get(other)), 0)
	f.view(func(tx *store.Tx) error {
		seq, err := tx.SeqOf(l.ID, all[1000].Hash[:])
		equal(f, "the post of one", seq, 4_000_000_000)
		return err
	})
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.SeqOf(l.ID, all[5].Hash[:]); return err })
	f.update(func(tx *store.Tx) error { return tx.DeleteList(l.ID) })
	equal(f, "a deleted list's", len(get(l)), 0)
}

func testThreadRows(f *fixture) {
	l := f.list("dev@lists.example.org")
	seqs := f.posts(l, 6)
	at := func(i int) store.Place { return store.PlaceAt(l.ID, f.clock.Now().Add(time.Duration(i)*time.Minute)) }
	one, two := store.ThreadFrom(l.ID, seqs[0]), store.ThreadFrom(l.ID, seqs[3])
	rows := []store.Row{
		{ID: one, Posts: 3, First: seqs[0], Start: at(0), Last: at(2), Base: 7, Subject: "one"},
		{ID: two, Posts: 3, First: seqs[3], Start: at(3), Last: at(5), Base: 7, Subject: "two"},
		{ID: two + 1, Subject: "of hidden posts"},
	}
	var posts []store.Post
	for i, seq := range seqs {
		posts = append(posts, store.Post{Seq: seq, Place: at(i), Thread: rows[i/3].ID, Parent: lists.Seq(i), Far: i})
	}
	f.update(func(tx *store.Tx) error {
		if err := tx.PutThreads(l.ID, rows); err != nil {
			return err
		}
		return tx.SetThreaded(l.ID, posts)
	})
	f.view(func(tx *store.Tx) error {
		all, err := tx.ThreadsBefore(l.ID, store.EndOf(l.ID), 10)
		if err != nil {
			return err
		}
		equal(f, "threads", fmt.Sprint(all[0].ID, all[1].ID, len(all)), fmt.Sprint(two, one, 2))
		equal(f, "a thread", all[1], store.Thread{ID: one, First: seqs[0], Subject: "one", Posts: 3, People: 1, Start: at(0), Last: at(2)})
		before, err := tx.ThreadsBefore(l.ID, at(5), 10)
		equal(f, "threads before the last post", len(before), 1)
		if err != nil {
			return err
		}
		month, err := tx.ThreadsFrom(at(2), at(4))
		equal(f, "threads of some time", fmt.Sprint(month[0].ID, month[1].ID), fmt.Sprint(one, two))
		base, e := tx.ThreadsOfBase(7, 1)
		equal(f, "the latest of a subject", base[0], rows[1])
		n, e2 := tx.CountPlaces(at(1), at(3))
		equal(f, "posts of some time", n, 2)
		taken, e3 := tx.Taken([]store.Place{at(1), at(7)})
		equal(f, "what is taken", fmt.Sprint(taken), fmt.Sprint(map[store.Place]store.Place{at(1): at(1)}))
		return errors.Join(err, e, e2, e3)
	})
	merged := []store.Row{{ID: one, Merged: two}, {ID: two, Posts: 6, First: seqs[0], Start: at(0), Last: at(5), Subject: "one"}}
	f.update(func(tx *store.Tx) error {
		if err := tx.PutThreads(l.ID, merged); err != nil {
			return err
		}
		if err := tx.SetParents(l.ID, []store.Post{{Seq: seqs[0], Parent: seqs[5], Far: 9}}); err != nil {
			return err
		}
		if err := tx.SetFiles(l.ID, map[lists.Seq]int{seqs[0]: 2, seqs[1]: 3}); err != nil {
			return err
		}
		return tx.MergeThread(one, two)
	})
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.Thread(one); return err })
	f.view(func(tx *store.Tx) error {
		limbs, err := tx.Limbs(two, 5)
		equal(f, "posts of a merged thread", fmt.Sprint(limbs[0], len(limbs)), fmt.Sprint(store.Limb{Seq: seqs[0], Parent: seqs[5]}, 5))
		if err != nil {
			return err
		}
		p, err := tx.Post(l.ID, seqs[0])
		equal(f, "a post", fmt.Sprint(p.Place, p.Thread, p.Parent, p.Far, p.Files), fmt.Sprint(at(0), two, seqs[5], 9, 2))
		if err != nil {
			return err
		}
		got, err := tx.ThreadRows([]store.ThreadID{one, two, 99})
		slices.SortFunc(got, func(a, b store.Row) int { return int(a.ID - b.ID) })
		if !slices.Equal(got, merged) {
			f.Errorf("the rows are %+v, want %+v", got, merged)
		}
		return err
	})
}

func testAwaits(f *fixture) {
	l := f.list("dev@lists.example.org")
	seqs := f.posts(l, 4)
	a, b := store.Hash{1}, store.Hash{2}
	f.update(func(tx *store.Tx) error {
		if err := tx.SetParents(l.ID, []store.Post{{Seq: seqs[0], Parent: 3, Far: 2}}); err != nil {
			return err
		}
		all := []store.Await{{Hash: a, Seq: seqs[0], Distance: 1}, {Hash: b, Seq: seqs[0], Distance: 2}, {Hash: a, Seq: seqs[1], Distance: 5}}
		return tx.PutAwaits(l.ID, append(all, all[0]))
	})
	waiting := func(want ...store.Await) {
		f.Helper()
		f.view(func(tx *store.Tx) error {
			got, err := tx.Awaiting(l.ID, []store.Hash{a, {9}})
			if !slices.Equal(got, want) {
				f.Errorf("those who wait are %v, want %v", got, want)
			}
			return err
		})
	}
	waiting(store.Await{Hash: a, Seq: seqs[0], Distance: 1, Parent: 3, Far: 2}, store.Await{Hash: a, Seq: seqs[1], Distance: 5})
	f.update(func(tx *store.Tx) error { return tx.Arrived(l.ID, []store.Hash{a}) })
	waiting()
}

func testParents(f *fixture) {
	l := f.list("dev@lists.example.org")
	seqs := f.posts(l, 300)
	f.update(func(tx *store.Tx) error {
		var chain []store.Post
		for i, seq := range seqs[1:] {
			chain = append(chain, store.Post{Seq: seq, Parent: seqs[i]})
		}
		return tx.SetParents(l.ID, chain)
	})
	for limit, want := range map[int]int{0: 1, 10: 11, 1000: 300} {
		f.view(func(tx *store.Tx) error {
			up, err := tx.Parents(l.ID, seqs[299], limit)
			equal(f, "posts above the last", len(up), want)
			equal(f, "its parent", up[seqs[299]], seqs[298])
			return err
		})
	}
}

// testAddMessages stores many messages at once: each must have its own head and body.
func testAddMessages(f *fixture) {
	var all []store.NewMessage
	var bodies [][]byte
	for i := range 700 {
		body := []byte(fmt.Sprintf("body %d\r\n", i%600))
		switch i % 100 {
		case 7:
			body = noise(chunk+i, byte(i))
		case 8:
			body = noise(2*chunk+1, 8) // the same again and again
		}
		bodies = append(bodies, body)
		all = append(all, store.NewMessage{Head: []byte(fmt.Sprintf("Subject: %d\r\n", i)), Body: store.PackBody(body)})
	}
	f.message("body 3\r\n")
	var ids []store.MessageID
	f.update(func(tx *store.Tx) (err error) { ids, err = tx.AddMessages(all); return err })
	equal(f, "messages", len(ids), len(all))
	f.view(func(tx *store.Tx) error {
		for i, id := range ids {
			m, err := tx.Message(id)
			if err != nil {
				return err
			}
			if string(m.Head) != string(all[i].Head) || string(m.Body) != string(bodies[i]) {
				f.Fatalf("message %d has the head %q and %d bytes of body", i, m.Head, len(m.Body))
			}
		}
		return nil
	})
	f.update(func(tx *store.Tx) error { _, err := tx.AddMessages(nil); return err })
}

// testDropMessage drops messages, one of them while others store the same body.
func testDropMessage(f *fixture) {
	l := f.list("dev@lists.example.org")
	body := noise(chunk+10, 1)
	a, b := f.message(string(body)), f.message(string(body))
	f.update(func(tx *store.Tx) error {
		return tx.AddPost(store.Post{List: l.ID, Seq: 1, Message: a, Date: tx.Now, Origin: "posted"})
	})
	drop := func(id store.MessageID, want bool) {
		f.Helper()
		f.update(func(tx *store.Tx) error {
			ok, err := tx.DropMessage(id)
			equal(f, "dropped", ok, want)
			return err
		})
	}
	drop(a, false)
	drop(b, true)
	drop(b, false)
	f.readable(a, body)
	f.update(func(tx *store.Tx) error { return tx.DeleteList(l.ID) })
	drop(a, true)
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.Message(a); return err })
	f.clock.add(48 * time.Hour)
	equal(f, "what is left to sweep", f.sweep(), 0)
	l = f.list("dev@lists.example.org")
	packed := store.PackBody(body)
	for range 10 {
		old := f.message(string(body))
		var wg sync.WaitGroup
		var id store.MessageID
		wg.Go(func() {
			if err := f.db.Update(f.Context(), func(tx *store.Tx) error { _, err := tx.DropMessage(old); return err }); err != nil {
				f.Errorf("drop: %v", err)
			}
		})
		wg.Go(func() {
			if err := f.db.Update(f.Context(), func(tx *store.Tx) (err error) {
				id, err = tx.AddMessage([]byte("A: b\r\n"), packed)
				return err
			}); err != nil {
				f.Errorf("store: %v", err)
			}
		})
		wg.Wait()
		f.readable(id, body)
		drop(id, true)
	}
}

func testSweepHidden(f *fixture) {
	l := f.list("dev@lists.example.org")
	m := f.message("a post")
	for seq := range lists.Seq(6) {
		f.update(func(tx *store.Tx) error {
			return tx.AddPost(store.Post{List: l.ID, Seq: seq + 1, Message: m, Date: tx.Now, Hidden: seq%2 == 0, Origin: "posted"})
		})
		f.clock.add(time.Hour)
	}
	sweep := func(before time.Duration, limit int, want int64) {
		f.Helper()
		f.update(func(tx *store.Tx) error {
			n, err := tx.SweepHidden(tx.Now.Add(-before), limit)
			equal(f, "posts swept", n, want)
			return err
		})
	}
	sweep(6*time.Hour, 10, 0)
	sweep(0, 1, 1)
	sweep(0, 10, 2)
	f.view(func(tx *store.Tx) error {
		left, err := tx.PostsAfter(l.ID, 0, 10)
		equal(f, "posts left", len(left), 3)
		return err
	})
}
