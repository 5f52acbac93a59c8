package archive_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/store/fresh"
	"listd/task"
)

// posted files a post that is distributed to one member, with a footer, and returns what is stored of it.
func (s *shelf) posted(m letter, body string) (seq lists.Seq, received, left store.MessageID, o store.OutgoingID) {
	s.Helper()
	s.update(func(tx *store.Tx) error {
		l, err := tx.List(s.list.ID)
		if err != nil {
			return err
		}
		head := m.head(int(l.LastSeq) + 1)
		if received, err = tx.AddMessage(head, store.PackBody([]byte(body))); err != nil {
			return err
		}
		if seq, err = archive.File(tx, l, archive.Describe(l, mail.Message{Head: head, Body: []byte(body)}, epoch), received); err != nil {
			return err
		}
		if left, err = tx.AddMessage(append([]byte("List-Id: x\r\n"), head...), store.PackBody([]byte(body+"-- \r\nfooter\r\n"))); err != nil {
			return err
		}
		out := store.Outgoing{List: l.ID, Seq: seq, Message: left, Subject: m.subject, GiveUp: tx.Now.Add(time.Hour), FannedTo: -1}
		if out.ID, err = tx.AddOutgoing(out); err != nil {
			return err
		}
		o = out.ID
		return tx.AddDeliveries(out, []mail.Address{{Local: "bob", Domain: "example.org"}}, func(a mail.Address) string { return a.Domain })
	})
	return seq, received, left, o
}

// settle has all that is due sent.
func (s *shelf) settle() {
	s.Helper()
	s.update(func(tx *store.Tx) error {
		claimed, err := tx.Claim(store.Lane{Destination: "example.org"}, 100, 1, tx.Now.Add(time.Minute))
		if err != nil {
			return err
		}
		var done []store.Settled
		for _, c := range claimed {
			done = append(done, store.Settled{ID: c.ID, Claim: c.Claim, State: store.Sent})
		}
		return tx.Settle(done)
	})
}

func (s *shelf) stored(id store.MessageID) bool {
	s.Helper()
	var err error
	s.view(func(tx *store.Tx) error { _, err = tx.Message(id); return nil })
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.Error(err)
	}
	return err == nil
}

func (s *shelf) remove(seq lists.Seq, why string) (due int) {
	s.Helper()
	s.update(func(tx *store.Tx) (err error) { due, err = archive.Remove(tx, s.list, seq, why); return err })
	return due
}

func TestRemove(t *testing.T) {
	t.Parallel()
	for engine, url := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, url(t))
			const secret = "the secret of the third floor\r\n"
			seq, received, left, o := s.posted(letter{id: "a", subject: "A secret of mine", more: "X-Secret: " + secret}, secret)
			s.posted(letter{id: "b", inReplyTo: "a", subject: "Re: A secret of mine"}, "what secret?\r\n")
			other := s.another(t)
			twin, copied, _, _ := other.posted(letter{id: "a", subject: "elsewhere"}, secret)
			s.catchUp()
			s.settle()
			s.update(func(tx *store.Tx) error {
				p, err := tx.Post(s.list.ID, seq)
				if err != nil {
					return err
				}
				return errors.Join(tx.SetFiles(s.list.ID, map[lists.Seq]int{seq: 2}), tx.AddWords([]store.Words{{Place: p.Place, Own: "secret third floor"}}))
			})
			if due := s.remove(seq, "said in\r\nanger: "+strings.Repeat("é", 1000)); due != 0 {
				t.Errorf("%d outgoings are due", due)
			}
			if s.stored(received) || s.stored(left) || !s.stored(copied) {
				t.Error("something is left of it, or another list's post went with it")
			}
			a := s.open()
			p, err := a.Post(t.Context(), seq)
			if err != nil || !p.Removed || p.Subject != "(removed)" || p.Author.Address != s.list.Owner() || p.Files != 0 || p.MsgID != "a@example.org" {
				t.Errorf("what stands there is %+v: %v", p, err)
			}
			s.tombstone(p, "floor", "ecret")
			if got := s.threads(); got != "1 .2" {
				t.Errorf("the threads are %q", got)
			}
			if got, err := a.ByHash(t.Context(), strings.ToLower(archive.Hash("a@example.org"))); err != nil || got != seq {
				t.Errorf("the Message-ID leads to %d: %v", got, err)
			}
			if latest, err := a.Latest(t.Context(), 10); err != nil || len(latest) != 1 || latest[0].Seq != 2 {
				t.Errorf("a feed shows %+v: %v", latest, err)
			}
			s.view(func(tx *store.Tx) error {
				out, err := tx.Outgoing(o)
				if out.Subject != "(removed)" {
					t.Errorf("the queue remembers %q", out.Subject)
				}
				found, e := tx.FindWords(store.Find{Match: store.WordMatch{All: [][]store.WordTerm{{{Tokens: []string{"secret"}}}}},
					From: store.PlaceAt(s.list.ID, time.Time{}), Before: store.EndOf(s.list.ID)}, 10)
				if len(found) > 0 {
					t.Error("its words are found")
				}
				return errors.Join(err, e)
			})
			s.remove(seq, "again")
			if again, err := a.Post(t.Context(), seq); err != nil || again.Size != p.Size {
				t.Errorf("removed twice it is %+v: %v", again, err)
			}
			if other.remove(twin, ""); other.stored(copied) {
				t.Error("the last copy is there")
			}
			for _, l := range []lists.List{s.list, {ID: 999}} {
				if err := s.db.Update(t.Context(), func(tx *store.Tx) error { _, err := archive.Remove(tx, l, 99, ""); return err }); !errors.Is(err, archive.ErrNoPost) {
					t.Errorf("of no post of list %d: %v", l.ID, err)
				}
			}
			s.check()
		})
	}
}

// tombstone holds the message of a removed post to what it must and must not say.
func (s *shelf) tombstone(p archive.Post, never ...string) {
	s.Helper()
	m, err := s.open().Message(s.Context(), p)
	if err != nil || m.Size() != p.Size || mail.Get(m.Head, "Message-ID") != "<"+p.MsgID+">" {
		s.Errorf("the tombstone is %q %q: %v", m.Head, m.Body, err)
	}
	for _, word := range never {
		if bytes.Contains(append(m.Head, m.Body...), []byte(word)) {
			s.Errorf("the tombstone says %s: %q %q", word, m.Head, m.Body)
		}
	}
	part, err := mail.Parse(m, mail.MIMELimits{})
	if err != nil {
		s.Fatal(err)
	}
	if text, err := part.Text(); err != nil || !strings.HasPrefix(text, "This message was removed by the list's owner.\r\n\r\nReason: said in  anger: é") {
		s.Errorf("it says %q: %v", text, err)
	}
	if d, err := mail.ParseDate(mail.Get(m.Head, "Date")); err != nil || !d.Equal(p.Date) {
		s.Errorf("its date is %v, not %v: %v", d, p.Date, err)
	}
}

// TestRemoveDue removes what is on its way: that goes on, and its content is swept with it.
func TestRemoveDue(t *testing.T) {
	t.Parallel()
	s := newShelf(t, engines["SQLite"](t))
	seq, received, left, o := s.posted(letter{id: "a", refs: "x y", subject: "A secret"}, "secret\r\n")
	if due := s.remove(seq, ""); due != 1 {
		t.Errorf("%d outgoings are due", due)
	}
	if s.stored(received) || !s.stored(left) {
		t.Error("what came is there, or what is due is not")
	}
	// Removed before anybody has read it, it finds its place all the same.
	s.file(letter{id: "b", inReplyTo: "x"}, letter{id: "c", inReplyTo: "a"})
	s.catchUp()
	if got := s.threads(); got != "1 .3 2" {
		t.Errorf("the threads are %q", got)
	}
	s.check()
	s.settle()
	s.update(func(tx *store.Tx) error {
		if _, err := tx.SweepOutgoing(tx.Now.Add(time.Second), 100); err != nil {
			return err
		}
		if _, err := tx.Outgoing(o); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the outgoing is still there: %v", err)
		}
		_, _, err := tx.SweepMessages(tx.Now.Add(time.Second), 0, 1000)
		return err
	})
	if s.stored(left) {
		t.Error("what was sent is there")
	}
}

// TestRemoveRaces removes a post while a batch that has read it waits to be written: the batch must not bring it back.
func TestRemoveRaces(t *testing.T) {
	t.Parallel()
	for engine, url := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t, url(t))
			s.posted(letter{id: "a", subject: "A secret of mine"}, "secret\r\n")
			s.catchUp()
			s.file(letter{id: "b", refs: "a", subject: "Re: A secret of mine"})
			var before store.Archive
			s.view(func(tx *store.Tx) (err error) { before, err = tx.Archive(s.list.ID); return err })
			s.remove(1, "")
			s.update(func(tx *store.Tx) error {
				for what, move := range map[string]func(store.Archive, lists.Seq) (bool, error){"threads": tx.MoveThreaded, "words": tx.MoveIndexed} {
					if ok, err := move(before, 2); ok || err != nil {
						t.Errorf("the cursor of %s could be moved: %v", what, err)
					}
				}
				return nil
			})
			s.catchUp()
			all, err := s.open().Threads(t.Context(), time.Time{}, 10)
			if err != nil || len(all) != 1 || all[0].Subject != "(removed)" || all[0].Posts != 2 {
				t.Errorf("the threads are %+v: %v", all, err)
			}
		})
	}
}

// TestSweep forgets hidden posts after five weeks, and no other.
func TestSweep(t *testing.T) {
	t.Parallel()
	s := newShelf(t, engines["SQLite"](t))
	s.file(letter{id: "a"}, letter{id: "b", refs: "a", more: "X-No-Archive: yes\r\n"}, letter{id: "c", inReplyTo: "b"})
	s.catchUp()
	for _, e := range []struct{ days, want int }{{35, 3}, {36, 2}} {
		s.update(func(tx *store.Tx) error {
			tx.Now = epoch.AddDate(0, 0, e.days)
			commit, err := archive.Sweep(t.Context(), task.Task{})
			if err != nil {
				return err
			}
			next, err := commit(t.Context(), tx)
			if err != nil {
				return err
			}
			if !next.Done {
				t.Error("there is more to sweep")
			}
			all, err := tx.PostsAfter(s.list.ID, 0, 10)
			if len(all) != e.want {
				t.Errorf("after %d days there are %d posts", e.days, len(all))
			}
			return err
		})
	}
	s.file(letter{id: "d", inReplyTo: "b"})
	s.catchUp()
	if got := s.threads(); got != "1 .3 .4" {
		t.Errorf("the threads are %q", got)
	}
	keys, err := archive.PlanSweep(t.Context(), nil, epoch)
	if err != nil || len(keys) != 1 || keys[0].Kind != archive.SweepKind || keys[0].Name != "2031-02-03" {
		t.Errorf("what is planned is %v: %v", keys, err)
	}
}

// An issue of a digest that had the post has it no more, and is made anew for who wants it later.
func TestRemoveFromIssues(t *testing.T) {
	t.Parallel()
	s := newShelf(t, fresh.SQLite(t))
	seq, _, _, _ := s.posted(letter{subject: "Out with it"}, "secret\r\n")
	var issue store.Outgoing
	s.update(func(tx *store.Tx) error {
		m, err := tx.AddMessage([]byte("Subject: Digest\r\n"), store.PackBody([]byte("a digest with the secret\r\n")))
		if err != nil {
			return err
		}
		issue = store.Outgoing{List: s.list.ID, Message: m, Subject: "Digest", GiveUp: tx.Now.Add(time.Hour), FannedTo: -1}
		if issue.ID, err = tx.AddOutgoing(issue); err != nil {
			return err
		}
		e, err := tx.Edition(s.list.ID, lists.Digest, s.list.Policy.Digest, "en")
		if err != nil {
			return err
		}
		if e.ID, err = tx.SaveEdition(e); err != nil {
			return err
		}
		return tx.AddIssue(store.Issue{Edition: e.ID, UpTo: seq, Part: 1, Parts: 1, Volume: 1, Number: 1, LastSeq: seq, Posts: 1, Outgoing: issue.ID})
	})
	s.settle()
	s.update(func(tx *store.Tx) error {
		due, err := archive.Remove(tx, s.list, seq, "")
		if due != 0 {
			t.Errorf("%d are due", due)
		}
		return err
	})
	s.view(func(tx *store.Tx) error {
		if _, err := tx.Message(issue.Message); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the issue is still there: %v", err)
		}
		with, err := tx.IssuesWith(s.list.ID, seq)
		if len(with) != 0 {
			t.Errorf("issues %v", with)
		}
		return err
	})
}
