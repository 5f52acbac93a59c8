package store

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store/pgtest"
)

// explain is how the engine would run a statement.
func explain(tx *Tx, query string, args []any) (string, error) {
	prefix, columns := `EXPLAIN QUERY PLAN `, 4
	if !tx.db.Single() {
		prefix, columns = `EXPLAIN `, 1
	}
	var plan []string
	err := tx.each(prefix+query, args, func(scan func(...any) error) error {
		line, to := make([]any, columns), make([]any, columns)
		for i := range line {
			to[i] = &line[i]
		}
		err := scan(to...)
		plan = append(plan, fmt.Sprint(line[columns-1]))
		return err
	})
	return strings.Join(plan, "\n"), err
}

// recorder keeps the statements that run, those that write too.
type recorder struct {
	queryer
	ran []ranQuery
}

func (r *recorder) query(query string, args []any) (*sql.Rows, error) {
	r.ran = append(r.ran, ranQuery{query, args})
	return r.queryer.query(query, args)
}

func (r *recorder) exec(query string, args []any) (sql.Result, error) {
	r.ran = append(r.ran, ranQuery{query, args})
	return r.queryer.exec(query, args)
}

// fillArchive gives a list n posts, in threads of five.
func fillArchive(tx *Tx, l lists.ID, n int) error {
	first, err := tx.TakeSeqs(l, n)
	if err != nil {
		return err
	}
	body := PackBody([]byte("text"))
	messages, posts, idents := make([]NewMessage, n), make([]Post, n), make([]Ident, n)
	var threads []Row
	for i := range n {
		seq := first + lists.Seq(i)
		at := PlaceAt(l, tx.Now.Add(time.Duration(i-n)*time.Minute))
		messages[i] = NewMessage{Head: []byte("Subject: test\r\n"), Body: body}
		posts[i] = Post{List: l, Seq: seq, Date: tx.Now, Origin: "posted", Place: at, Thread: ThreadFrom(l, seq-lists.Seq(i%5))}
		idents[i] = Ident{Hash: Hash{1: byte(i >> 8), 2: byte(i)}, Thread: posts[i].Thread, Seq: seq}
		if i%5 == 0 {
			threads = append(threads, Row{ID: posts[i].Thread, First: seq, Posts: 5, Start: at, Last: at, Base: int64(i + 1)})
		}
	}
	ids, err := tx.AddMessages(messages)
	if err != nil {
		return err
	}
	for i := range posts {
		posts[i].Message = ids[i]
	}
	if err := errors.Join(tx.AddPosts(posts), tx.SetThreaded(l, posts), tx.PutIdents(l, idents), tx.PutThreads(l, threads)); err != nil {
		return err
	}
	if !tx.db.Single() {
		_, err = tx.exec(`ANALYZE`)
	}
	return err
}

// everything runs each kind of statement that a follower and a reader of archives run.
func everything(tx *Tx, l lists.ID) error {
	t := ThreadFrom(l, 7)
	for _, do := range []func() error{
		func() error { return tx.Heads(l, 100, 500, func(Post, []byte) bool { return true }) },
		func() error { _, err := tx.Unread(l, 100, 500, func(string, []byte) {}); return err },
		func() error { _, err := tx.Idents(l, []Hash{{1}, {2}, {3}}); return err },
		func() error { return tx.PutIdents(l, []Ident{{Hash: Hash{1}}, {Hash: Hash{2}}}) },
		func() error { _, err := tx.ThreadRows([]ThreadID{1, 2, 3}); return err },
		func() error { _, err := tx.ThreadsOfBase(1234, 20); return err },
		func() error { return tx.MergeThread(t, t+1) },
		func() error {
			_, err := tx.Taken([]Place{PlaceAt(l, tx.Now), PlaceAt(l, tx.Now) + EachSecond})
			return err
		},
		func() error {
			return tx.SetThreaded(l, []Post{{Seq: 1, Place: 5, Thread: t}, {Seq: 2, Place: 6, Thread: t}})
		},
		func() error { return tx.SetParents(l, []Post{{Seq: 1, Parent: 2}, {Seq: 3, Parent: 4}}) },
		func() error { return tx.SetFiles(l, map[lists.Seq]int{1: 1, 2: 2}) },
		func() error { _, err := tx.Awaiting(l, []Hash{{1}, {2}, {3}}); return err },
		func() error { return tx.Arrived(l, []Hash{{1}, {2}, {3}}) },
		func() error { _, err := tx.Parents(l, 5, 100); return err },
		func() error { _, err := tx.Posts(l, []lists.Seq{1, 2, 3}); return err },
		func() error { _, err := tx.OpenPosts(l, 5, 100); return err },
		func() error { _, err := tx.LatestPosts(l, 20); return err },
		func() error { _, err := tx.PostsBefore(PlaceAt(l, tx.Now), EndOf(l), 20); return err },
		func() error { _, err := tx.PostsFrom(PlaceAt(l, tx.Now), EndOf(l), 20); return err },
		func() error { _, err := tx.CountPlaces(PlaceAt(l, tx.Now), PlaceAt(l, tx.Now)+5); return err },
		func() error { _, err := tx.LastPlace(PlaceAt(l, tx.Now), EndOf(l)); return err },
		func() error { _, err := tx.ThreadsBefore(l, EndOf(l), 20); return err },
		func() error { _, err := tx.Thread(t); return err },
		func() error { _, err := tx.ThreadsFrom(PlaceAt(l, tx.Now), PlaceAt(l, tx.Now)+5); return err },
		func() error { _, err := tx.Limbs(t, 100); return err },
		func() error { _, err := tx.SeqOf(l, []byte("12345678901234567890")); return err },
		func() error { _, err := tx.SweepHidden(tx.Now, 100); return err },
	} {
		if err := do(); err != nil && !isNotFound(err) {
			return err
		}
	}
	return nil
}

// TestArchivePlans has no statement walk through a list's posts, threads or Message-IDs: each would cost an import the
// square of its mails.
func TestArchivePlans(t *testing.T) {
	t.Parallel()
	for engine, url := range map[string]func(testing.TB) string{
		"SQLite":   func(t testing.TB) string { return filepath.Join(t.TempDir(), "listd.db") },
		"Postgres": func(t testing.TB) string { return pgtest.URL(t) },
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			db := openTest(t, url(t), time.Now)
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := db.Update(t.Context(), func(tx *Tx) error {
				l, err := tx.CreateList(lists.List{Address: mail.Address{Local: "dev", Domain: "lists.example.org"}, Policy: lists.DefaultPolicy()})
				if err != nil {
					return err
				}
				if err := fillArchive(tx, l, 5000); err != nil {
					return err
				}
				w := &recorder{queryer: tx.q}
				tx.q = w
				if err := everything(tx, l); err != nil {
					return err
				}
				tx.q = w.queryer
				for _, q := range w.ran {
					plan, err := explain(tx, q.text, q.args)
					if err != nil {
						return fmt.Errorf("%s: %w", q.text, err)
					}
					if strings.Contains(plan, "(list_id=? AND seq>?)\nSCAN up") {
						t.Errorf("the list is read for each post above:\n%s\n%s", q.text, plan)
					}
					for line := range strings.Lines(plan) {
						line = strings.TrimSpace(line)
						if strings.HasSuffix(line, "USING PRIMARY KEY (list_id=?)") {
							t.Errorf("the whole list is read:\n%s\n%s", q.text, plan)
						}
						for _, bad := range []string{"SCAN posts", "SCAN p\n", "SCAN m\n", "SCAN threads", "SCAN message_ids", "SCAN awaited",
							"Seq Scan on posts", "Seq Scan on threads", "Seq Scan on message_ids", "Seq Scan on messages"} {
							if strings.Contains(line+"\n", bad) {
								t.Errorf("%s\n%s", q.text, plan)
							}
						}
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}
