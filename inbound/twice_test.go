package inbound

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

// TestTwice: a client that lost our 250 repeats its message, and hears 250 again.
func TestTwice(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test")
		h.list("ops@lists.test", "posting=anyone", "require_explicit_destination=no")
		h.join("dev@lists.test", "ada@a.test")
		h.join("ops@lists.test", "tim@c.test")
		message := post("ada@a.test", "dev@lists.test", "Fence")
		first := h.accept(envelope("ada@a.test", "dev@lists.test"), message)[0]
		trace := strings.TrimPrefix(first, "250 2.0.0 queued as ")
		h.wants("ada@a.test: Fence\n")
		again := "250 2.0.0 taken before, as " + trace
		h.says(h.accept(envelope("ada@a.test", "dev@lists.test"), message)[0], again)
		h.says(h.accept(envelope("ada@a.test", "dev@lists.test"), "Received: by another.test; x\r\nX-Spam: no\r\n"+message)[0], again)
		h.wants("")
		if !strings.Contains(h.log.String(), "taken before as "+trace) {
			t.Errorf("the log does not tell:\n%s", h.log)
		}
		both := h.accept(envelope("ada@a.test", "dev@lists.test", "ops@lists.test"), message)
		h.says(both[0], again)
		h.says(both[1], "250 2.0.0 queued as ")
		h.wants("tim@c.test: Fence\n")
		h.says(h.accept(envelope("ada@a.test", "dev@lists.test"), message+"More.\r\n")[0], "250 2.0.0 queued as ")
		h.wants("ada@a.test: Fence\n")
		h.says(h.accept(envelope("ada@a.test", "dev-owner@lists.test"), message)[0], "250 2.0.0 queued as ")
		h.wants("own@own.test: Fence\n")
		h.says(h.accept(envelope("ada@a.test", "dev-owner@lists.test"), message)[0], "250 2.0.0 taken before, as ")
		h.clock.add(7*24*time.Hour - time.Second)
		h.says(h.accept(envelope("ada@a.test", "dev@lists.test"), message)[0], again)
		h.clock.add(time.Second)
		h.says(h.accept(envelope("ada@a.test", "dev@lists.test"), message)[0], "250 2.0.0 queued as ")
		h.wants("ada@a.test: Fence\n")
	})
}

// TestTwiceHeld: what is held once is held once, and told once.
func TestTwiceHeld(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "member_action=hold")
		h.join("dev@lists.test", "ada@a.test")
		message := post("ada@a.test", "dev@lists.test", "Fence")
		for range 3 {
			h.accept(envelope("ada@a.test", "dev@lists.test"), message)
		}
		h.wants("own@own.test: dev: a message from ada@a.test waits for you\nada@a.test: Your message to dev waits for a moderator\n")
		if n := len(h.held()); n != 1 {
			t.Errorf("%d are held", n)
		}
	})
}

// TestNoMessageID: without one the head stands in for it, less what servers on the way write.
func TestNoMessageID(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test")
	h.join("dev@lists.test", "ada@a.test")
	const message = "From: ada@a.test\r\nTo: dev@lists.test\r\nSubject: Fence\r\n\r\nHello.\r\n"
	h.says(h.accept(envelope("ada@a.test", "dev@lists.test"), message)[0], "250 2.0.0 queued as ")
	h.says(h.accept(envelope("ada@a.test", "dev@lists.test"), "Received: by y.test; z\r\n"+message)[0], "250 2.0.0 taken before, as ")
	h.says(h.accept(envelope("ada@a.test", "dev@lists.test"), strings.Replace(message, "Fence", "Wall", 1))[0], "250 2.0.0 queued as ")
	all := h.wants("ada@a.test: Fence\nada@a.test: Wall\n")
	ids := regexp.MustCompile(`^<[a-z2-7]{13}@mx\.test>$`)
	for _, m := range all {
		if id := m.get("Message-ID"); !ids.MatchString(id) || !strings.Contains(id, m.trace) {
			t.Errorf("Message-ID: %s of the trace %s", id, m.trace)
		}
		if m.get("Date") != "Mon, 03 Feb 2031 04:05:06 +0000" {
			t.Errorf("Date: %s", m.get("Date"))
		}
	}
}

// TestTwiceAtOnce: one message from eight connections at the same time is taken once.
func TestTwiceAtOnce(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		for _, action := range []string{"accept", "hold", "discard"} {
			name := action + "@lists.test"
			h.list(name, "member_action="+action, "notify_held=no", "notify_moderators=no")
			h.join(name, "ada@a.test")
			message := post("ada@a.test", name, "Fence")
			queued := h.atOnce(8, func(int) (string, error) {
				replies, err := h.door.Accept(t.Context(), envelope("ada@a.test", name), strings.NewReader(message))
				if err != nil {
					return "", err
				}
				return replies[0].Text, nil
			})
			first := 0
			for _, text := range queued {
				if strings.HasPrefix(text, "queued as ") {
					first++
				} else if !strings.HasPrefix(text, "taken before, as ") {
					t.Errorf("%s: the reply is %q", action, text)
				}
			}
			if first != 1 {
				t.Errorf("%s: %d connections hear that it is queued", action, first)
			}
			switch n := len(h.sent()); {
			case action == "accept" && n != 1, action != "accept" && n != 0:
				t.Errorf("%s: %d copies leave", action, n)
			}
		}
		if n := len(h.held()); n != 1 {
			t.Errorf("%d are held", n)
		}
		if seq := h.at("accept@lists.test").LastSeq; seq != 1 {
			t.Errorf("the list's last number is %d", seq)
		}
	})
}

// atOnce runs f in n goroutines and returns what each said.
func (h *house) atOnce(n int, f func(i int) (string, error)) []string {
	h.Helper()
	out := make([]string, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			out[i], errs[i] = f(i)
		})
	}
	close(start)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		h.Fatal(err)
	}
	return out
}

// TestNumbered: posts that come at once each show the number they have.
func TestNumbered(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "subject_prefix=[dev %d]", "footer=Post {seq} of {list}")
		h.join("dev@lists.test", "ada@a.test")
		const n = 24
		h.atOnce(n, func(i int) (string, error) {
			_, err := h.door.Accept(t.Context(), envelope("ada@a.test", "dev@lists.test"), strings.NewReader(post("ada@a.test", "dev@lists.test", fmt.Sprint("Fence ", i))))
			return "", err
		})
		seen := map[lists.Seq]bool{}
		for _, m := range h.sent() {
			seen[m.seq] = true
			if want := fmt.Sprintf("[dev %d] Fence", m.seq); !strings.HasPrefix(m.get("Subject"), want) {
				t.Errorf("post %d has the Subject %q", m.seq, m.get("Subject"))
			}
			if want := fmt.Sprintf("Post %d of", m.seq); !strings.Contains(m.body, want) {
				t.Errorf("post %d has the body %q", m.seq, m.body)
			}
		}
		if len(seen) != n || !seen[1] || !seen[n] {
			t.Errorf("the numbers are %v", seen)
		}
	})
}

// TestChanged: a verdict about a list that has changed since is not carried out.
func TestChanged(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		for i, change := range []func(list mail.Address) error{
			func(l mail.Address) error {
				_, err := h.books.Set(t.Context(), l, map[string]string{"emergency": "yes"})
				return err
			},
			func(l mail.Address) error {
				return h.books.Remove(t.Context(), l, []mail.Address{addr("own@own.test")})
			},
			func(l mail.Address) error {
				return h.books.AddRule(t.Context(), l, lists.HeaderRule{Field: "Subject", Pattern: regexp.MustCompile("x"), Action: lists.Hold})
			},
			func(l mail.Address) error {
				_, err := h.books.Rename(t.Context(), l, addr("renamed@lists.test"))
				return err
			},
			func(l mail.Address) error { return h.books.Delete(t.Context(), l) },
		} {
			name := fmt.Sprintf("l%d@lists.test", i)
			h.list(name)
			h.join(name, "ada@a.test")
			a := h.arrival(envelope("ada@a.test", name), post("ada@a.test", name, "Fence"))
			jobs, err := h.door.gather(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			h.door.decide(a, jobs)
			if err := change(addr(name)); err != nil {
				t.Fatal(err)
			}
			db := h.raw()
			before := h.rows(db)
			if err := h.door.record(t.Context(), a, jobs); !errors.Is(err, archive.ErrChanged) {
				t.Errorf("change %d: record returns %v", i, err)
			}
			if after := h.rows(db); after != before {
				t.Errorf("change %d: rows were\n%s\nand are\n%s", i, before, after)
			}
		}
	})
}

// arrival is a message as Accept has it.
func (h *house) arrival(env mail.Envelope, message string) *arrival {
	h.Helper()
	m, err := mail.Read(strings.NewReader(message), mail.Limits{}, mail.Strict)
	if err != nil {
		h.Fatal(err)
	}
	return &arrival{env: env, m: m, trace: h.door.newTrace(), now: h.db.Now(), print: lists.Fingerprint(m), body: store.PackBody(m.Body)}
}

// TestDecidedAgain: a list that changes in the midst of Accept is asked again. The change is made by another node while
// the recording transaction is beginning.
func TestDecidedAgain(t *testing.T) {
	postgres(t, func(t *testing.T, h *house) {
		other := open(t, h.url)
		h.list("dev@lists.test", "notify_held=no", "notify_moderators=no")
		h.join("dev@lists.test", "ada@a.test")
		var looks atomic.Int64
		h.clock.hook(func() {
			if looks.Add(1) == 3 { // Accept, gather, record
				other.set("dev@lists.test", "emergency=yes")
			}
		})
		h.accept(envelope("ada@a.test", "dev@lists.test"), post("ada@a.test", "dev@lists.test", "Fence"))
		h.clock.hook(nil)
		h.wants("")
		if all := h.held(); len(all) != 1 || all[0].Rule != "emergency" {
			t.Errorf("held: %+v", all)
		}
	})
}

// TestRestless: a list that changes faster than we can decide has the sender try again later; nothing is recorded.
func TestRestless(t *testing.T) {
	postgres(t, func(t *testing.T, h *house) {
		other := open(t, h.url)
		h.list("dev@lists.test")
		h.join("dev@lists.test", "ada@a.test")
		db := h.raw()
		before := h.rows(db)
		h.clock.hook(func() {
			if err := other.db.Update(t.Context(), func(tx *store.Tx) error { return tx.TouchList(1) }); err != nil {
				t.Error(err)
			}
		})
		_, err := h.door.Accept(t.Context(), envelope("ada@a.test", "dev@lists.test"), strings.NewReader(post("ada@a.test", "dev@lists.test", "Fence")))
		h.clock.hook(nil)
		var r *mail.Reply
		if !errors.Is(err, archive.ErrChanged) || errors.As(err, &r) {
			t.Errorf("Accept: %v", err)
		}
		if after := h.rows(db); after != before {
			t.Errorf("rows were\n%s\nand are\n%s", before, after)
		}
	})
}

// TestFlicker: while somebody turns the emergency on and off, each message is either posted or held, whole.
func TestFlicker(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "notify_held=no", "notify_moderators=no")
		h.join("dev@lists.test", "ada@a.test")
		const n, each = 4, 6
		var taken atomic.Int64
		h.atOnce(n+1, func(i int) (string, error) {
			for k := range each {
				if i == n {
					set := map[string]string{"emergency": []string{"yes", "no"}[k%2]}
					if _, err := h.books.Set(t.Context(), addr("dev@lists.test"), set); err != nil {
						return "", err
					}
					continue
				}
				if _, err := h.door.Accept(t.Context(), envelope("ada@a.test", "dev@lists.test"), strings.NewReader(post("ada@a.test", "dev@lists.test", "Fence"))); err == nil {
					taken.Add(1)
				} else if !errors.Is(err, archive.ErrChanged) {
					return "", err
				}
			}
			return "", nil
		})
		posted, held := len(h.sent()), len(h.held())
		if seq := h.at("dev@lists.test").LastSeq; int(seq) != posted || int64(posted+held) != taken.Load() {
			t.Errorf("of %d taken, %d are posted, the last with number %d, and %d held", taken.Load(), posted, seq, held)
		}
	})
}

// TestOppositeOrder: messages that name the same lists in opposite orders do not wait for each other.
func TestOppositeOrder(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		var to []string
		for i := range 4 {
			to = append(to, fmt.Sprintf("l%d@lists.test", i))
			h.list(to[i], "posting=anyone", "require_explicit_destination=no")
			h.join(to[i], "ada@a.test")
		}
		back := []string{to[3], to[2], to[1], to[0]}
		const n, each = 8, 5
		h.atOnce(n, func(i int) (string, error) {
			for range each {
				order := to
				if i%2 == 1 {
					order = back
				}
				replies, err := h.door.Accept(t.Context(), envelope("ada@a.test", order...), strings.NewReader(post("ada@a.test", to[0], "Fence")))
				if err != nil {
					return "", err
				}
				for _, r := range replies {
					if !r.OK() {
						return "", &r
					}
				}
			}
			return "", nil
		})
		if got := len(h.sent()); got != n*each*len(to) {
			t.Errorf("%d copies leave, want %d", got, n*each*len(to))
		}
	})
}

// TestOrderOfLocks: the lists are locked in order of their IDs, however the envelope names them. A transaction that
// holds the second and then asks for the first would deadlock with one that goes the right way.
func TestOrderOfLocks(t *testing.T) {
	postgres(t, func(t *testing.T, h *house) {
		a := h.list("a@lists.test", "posting=anyone", "require_explicit_destination=no")
		h.list("b@lists.test", "posting=anyone", "require_explicit_destination=no")
		other, db := open(t, h.url), h.raw()
		done := make(chan error, 1)
		err := h.db.Update(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.LockList(a.ID); err != nil {
				return err
			}
			go func() {
				_, err := h.door.Accept(t.Context(), envelope("ada@a.test", "b@lists.test", "a@lists.test"),
					strings.NewReader(post("ada@a.test", "a@lists.test", "Fence")))
				done <- err
			}()
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for query(t, db, `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 0 {
				select {
				case <-tick.C:
				case <-t.Context().Done():
					return t.Context().Err()
				}
			}
			// Who waits for a has not locked b: it is free.
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := other.books.Set(ctx, addr("b@lists.test"), map[string]string{"title": "B"})
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
