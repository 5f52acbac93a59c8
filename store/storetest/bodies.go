package storetest

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"listd/lists"
	"listd/store"
)

const chunk = 256 << 10

// noise is n bytes that do not shrink, the same for each seed.
func noise(n int, seed byte) []byte {
	out := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(out) // never fails
	return out
}

func testBodies(f *fixture) {
	head := []byte("Subject: \xff raw bytes\r\nX: \x00\r\n")
	text := bytes.Repeat([]byte("All work and no play makes a dull list.\r\n"), 20000)
	var ids []store.MessageID
	var bodies [][]byte
	for i, n := range []int{0, 1, 128, 129, chunk - 1, chunk, chunk + 1, 2*chunk + 5, 3 * chunk} {
		for _, body := range [][]byte{text[:n], noise(n, byte(i))} {
			packed := store.PackBody(body)
			equal(f, "size", packed.Size, int64(n))
			var id store.MessageID
			f.update(func(tx *store.Tx) (err error) { id, err = tx.AddMessage(head, packed); return err })
			ids, bodies = append(ids, id), append(bodies, body)
		}
	}
	f.update(func(tx *store.Tx) error {
		id, err := tx.AddMessage(head, store.PackBody(nil))
		ids, bodies = append(ids, id), append(bodies, nil)
		return err
	})
	// One chunk that shrinks between two that do not.
	mixed := append(append(noise(chunk, 100), text[:chunk]...), noise(7, 101)...)
	f.update(func(tx *store.Tx) error {
		id, err := tx.AddMessage(head, store.PackBody(mixed))
		ids, bodies = append(ids, id), append(bodies, mixed)
		return err
	})
	f.view(func(tx *store.Tx) error {
		for i, id := range ids {
			m, err := tx.Message(id)
			if err != nil {
				return err
			}
			if !bytes.Equal(m.Head, head) || !bytes.Equal(m.Body, bodies[i]) {
				f.Errorf("a body of %d bytes came back with %d, its head as %q", len(bodies[i]), len(m.Body), m.Head)
			}
			size, err := tx.MessageSize(id)
			equal(f, "size", size, m.Size())
			if err != nil {
				return err
			}
		}
		if _, err := tx.Message(9999); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("an unknown message: %v", err)
		}
		if _, err := tx.MessageSize(9999); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("the size of an unknown message: %v", err)
		}
		return nil
	})
}

func (f *fixture) readable(id store.MessageID, body []byte) {
	f.Helper()
	f.view(func(tx *store.Tx) error {
		m, err := tx.Message(id)
		if err == nil && !bytes.Equal(m.Body, body) {
			f.Errorf("message %d has %d bytes of body, want %d", id, len(m.Body), len(body))
		}
		return err
	})
}

// sweep sweeps content unused for a day until nothing more goes, and says how much went.
func (f *fixture) sweep() (n int64) {
	f.Helper()
	var after store.MessageID
	for more := true; more; {
		f.update(func(tx *store.Tx) error {
			k, next, err := tx.SweepMessages(tx.Now.Add(-24*time.Hour), after, 2)
			n, after, more = n+k, next, next != 0
			return err
		})
	}
	return n
}

func testSharedBody(f *fixture) {
	body := noise(2*chunk+1, 1)
	a, b := f.message(string(body)), f.message(string(body))
	if a == b {
		f.Fatal("two messages are one")
	}
	l := f.list("dev@lists.example.org")
	f.update(func(tx *store.Tx) error {
		return tx.AddPost(store.Post{List: l.ID, Seq: 1, Message: a, Date: tx.Now, Origin: "posted"})
	})
	f.clock.add(25 * time.Hour)
	equal(f, "the message without a reference", f.sweep(), 1)
	f.readable(a, body)
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.Message(b); return err })
	f.update(func(tx *store.Tx) error { return tx.DeleteList(l.ID) })
	equal(f, "the other and the body they shared", f.sweep(), 2)
}

// testOrphanedBody stores a body again when it was unused, swept, and never quite there.
func testOrphanedBody(f *fixture) {
	body := noise(3*chunk, 2)
	old := f.message(string(body))
	f.clock.add(25 * time.Hour)
	f.readable(f.message(string(body)), body)
	equal(f, "one that was just used again", f.sweep(), 0)
	f.readable(old, body)
	f.clock.add(25 * time.Hour)
	equal(f, "both messages and the body", f.sweep(), 3)
	f.readable(f.message(string(body)), body)
	// Stored, taken back and stored again.
	other := noise(3*chunk, 3)
	failure := errors.New("of the test")
	f.fails(failure, func(tx *store.Tx) error {
		if _, err := tx.AddMessage([]byte("A: b\r\n"), store.PackBody(other)); err != nil {
			return err
		}
		return failure
	})
	f.readable(f.message(string(other)), other)
}

func testSweepMessages(f *fixture) {
	l := f.list("dev@lists.example.org")
	posted, held, queued, free := f.message("posted"), f.message("held"), f.message("queued"), f.message("free")
	o := f.outgoing(store.Outgoing{Message: queued})
	var h store.HeldID
	f.update(func(tx *store.Tx) (err error) {
		h, err = tx.AddHeld(store.Held{List: l.ID, Message: held, Kind: "post"})
		return errors.Join(err, tx.AddPost(store.Post{List: l.ID, Seq: 1, Message: posted, Date: tx.Now, Origin: "posted"}))
	})
	equal(f, "what is younger than a day", f.sweep(), 0)
	f.clock.add(24*time.Hour + time.Millisecond)
	young := f.message("young")
	equal(f, "what has no reference, with its body", f.sweep(), 2)
	f.readable(posted, []byte("posted"))
	f.readable(held, []byte("held"))
	f.readable(queued, []byte("queued"))
	f.readable(young, []byte("young"))
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.Message(free); return err })
	f.update(func(tx *store.Tx) error { return tx.DeleteHeld(h) })
	equal(f, "what was held", f.sweep(), 2)
	f.update(func(tx *store.Tx) error { _, err := tx.SweepOutgoing(tx.Now, 100); return err })
	f.fails(store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.Outgoing(o.ID); return err })
	equal(f, "what was queued", f.sweep(), 2)
	f.clock.add(25 * time.Hour)
	equal(f, "what was young", f.sweep(), 2)
	f.readable(posted, []byte("posted"))
}

// testSweepRacesAdd stores old bodies again while they are swept: neither may fail, and no body may be lost.
func testSweepRacesAdd(f *fixture) {
	l := f.list("dev@lists.example.org")
	var bodies [][]byte
	for i := range 4 {
		bodies = append(bodies, noise(chunk+10, byte(i)))
	}
	for range 2 {
		for _, b := range bodies {
			f.message(string(b))
		}
		f.clock.add(25 * time.Hour)
		var wg sync.WaitGroup
		ids := make([]store.MessageID, len(bodies))
		for range 2 {
			wg.Go(func() {
				for range 6 {
					if err := f.db.Update(f.Context(), func(tx *store.Tx) error {
						_, _, err := tx.SweepMessages(tx.Now.Add(-24*time.Hour), 0, 100)
						return err
					}); err != nil {
						f.Errorf("sweep: %v", err)
					}
				}
			})
		}
		for i, b := range bodies {
			seq := lists.Seq(i + 1)
			wg.Go(func() {
				packed := store.PackBody(b)
				if err := f.db.Update(f.Context(), func(tx *store.Tx) (err error) {
					if ids[i], err = tx.AddMessage([]byte("A: b\r\n"), packed); err != nil {
						return err
					}
					return tx.AddPost(store.Post{List: l.ID, Seq: seq, Message: ids[i], Date: tx.Now, Origin: "posted"})
				}); err != nil {
					f.Errorf("store: %v", err)
				}
			})
		}
		wg.Wait()
		for i, id := range ids {
			f.readable(id, bodies[i])
		}
		f.update(func(tx *store.Tx) error { return tx.DeleteList(l.ID) })
		l = f.list("dev@lists.example.org")
	}
}
