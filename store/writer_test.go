package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// inBubble runs a test on a new SQLite database, in a bubble: synctest.Wait then says when everybody waits.
func inBubble(t *testing.T, test func(t *testing.T, db *DB)) {
	t.Helper()
	t.Parallel()
	PackBody(make([]byte, 1<<10)) // the encoder makes its channels at its first use, which must not be in a bubble
	synctest.Test(t, func(t *testing.T) {
		db := openTest(t, filepath.Join(t.TempDir(), "listd.db"), time.Now)
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		test(t, db)
	})
}

func openTest(t testing.TB, url string, clock func() time.Time) *DB {
	t.Helper()
	db, err := Open(t.Context(), Options{URL: url, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// behind holds the writer up with a closure of its own, queues n closures behind it, and lets go. It returns their errors.
func behind(t *testing.T, db *DB, n int, f func(i int, tx *Tx) error) []error {
	t.Helper()
	release := make(chan struct{})
	go func() {
		if err := db.Update(t.Context(), func(*Tx) error { <-release; return nil }); err != nil {
			t.Errorf("the closure in front: %v", err)
		}
	}()
	synctest.Wait()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = db.Update(t.Context(), func(tx *Tx) error { return f(i, tx) }) })
	}
	synctest.Wait()
	<-time.After(2 * groupTime) // those behind get a transaction of their own
	close(release)
	wg.Wait()
	return errs
}

// values are which of n site values n0, n1, … are there.
func values(t *testing.T, db *DB, n int) (out []int) {
	t.Helper()
	if err := db.View(t.Context(), func(tx *Tx) error {
		for i := range n {
			switch _, err := tx.SiteValue(fmt.Sprint("n", i)); {
			case err == nil:
				out = append(out, i)
			case !errors.Is(err, ErrNotFound):
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestGroupCommit(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		failure := errors.New("of the test")
		var begun []time.Time
		errs := behind(t, db, 20, func(i int, tx *Tx) error {
			begun = append(begun, tx.Now)
			if err := tx.SetSiteValue(fmt.Sprint("n", i), []byte("x")); err != nil {
				return err
			}
			switch {
			case i == 3:
				return failure
			case i == 4:
				panic(failure)
			case i == 5:
				// A statement that fails takes back itself alone.
				if _, err := tx.exec(`INSERT INTO site (name, value) VALUES ('n5', '')`); !errors.Is(err, ErrExists) {
					return fmt.Errorf("a second row: %w", err)
				}
			}
			<-time.After(time.Millisecond)
			return nil
		})
		if begun = slices.Compact(begun); len(begun) != 1 {
			t.Errorf("the closures ran in %d transactions, not in one", len(begun))
		}
		for i, err := range errs {
			if failed := i == 3 || i == 4; failed != (err != nil) || i == 3 && !errors.Is(err, failure) {
				t.Errorf("closure %d: %v", i, err)
			}
		}
		if got := values(t, db, 20); len(got) != 18 || slices.Contains(got, 3) || slices.Contains(got, 4) {
			t.Errorf("written are %v", got)
		}
	})
}

// TestGroupEnds takes closures for 50 ms into one transaction, and no longer.
func TestGroupEnds(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		begun := map[time.Time]int{}
		for i, err := range behind(t, db, 20, func(_ int, tx *Tx) error {
			begun[tx.Now]++
			<-time.After(10 * time.Millisecond)
			return nil
		}) {
			if err != nil {
				t.Errorf("closure %d: %v", i, err)
			}
		}
		for at, n := range begun {
			if n > 5 {
				t.Errorf("%d closures of 10 ms in the transaction of %v", n, at)
			}
		}
	})
}

// TestCommitFails has one closure leave what cannot be committed: nobody's closure is done, and everybody is told.
func TestCommitFails(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		woken := db.Woken(Deliveries)
		errs := behind(t, db, 5, func(i int, tx *Tx) error {
			if i == 2 {
				if _, err := tx.exec(`PRAGMA defer_foreign_keys = ON`); err != nil {
					return err
				}
				_, err := tx.exec(`INSERT INTO messages (body_id, head) VALUES (99, '')`)
				return err
			}
			return tx.SetSiteValue(fmt.Sprint("n", i), []byte("x"))
		})
		for i, err := range errs {
			if err == nil {
				t.Errorf("closure %d was told that it is done", i)
			}
		}
		if got := values(t, db, 5); len(got) != 0 {
			t.Errorf("written are %v", got)
		}
		select {
		case <-woken:
			t.Error("somebody was woken for nothing")
		default:
		}
		if err := db.Update(t.Context(), func(tx *Tx) error { return tx.SetSiteValue("n0", []byte("x")) }); err != nil {
			t.Errorf("the next: %v", err)
		}
	})
}

// TestCloseAnswers closes while closures wait: each is done or told that it is not.
func TestCloseAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		closed := make(chan error, 1)
		errs := behind(t, db, 10, func(i int, tx *Tx) error {
			if i == 0 {
				go func() { closed <- db.Close() }()
			}
			return tx.SetSiteValue(fmt.Sprint("n", i), []byte("x"))
		})
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
		again := openTest(t, db.url, time.Now)
		got := values(t, again, 10)
		for i, err := range errs {
			if (err == nil) != slices.Contains(got, i) {
				t.Errorf("closure %d was told %v; written are %v", i, err, got)
			}
		}
		if err := db.Update(t.Context(), func(*Tx) error { return nil }); err == nil {
			t.Error("a closed database was written to")
		}
	})
}

// TestDiskFull meets the end of the disk: that Update fails, and the database goes on.
func TestDiskFull(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		pages := func(limit string) {
			t.Helper()
			if err := db.Update(t.Context(), func(tx *Tx) error {
				var n int64
				if err := tx.get(`PRAGMA page_count`, nil, &n); err != nil {
					return err
				}
				if limit == "" {
					return tx.get(fmt.Sprintf(`PRAGMA max_page_count = %d`, n+20), nil, &n)
				}
				return tx.get(`PRAGMA max_page_count = `+limit, nil, &n)
			}); err != nil {
				t.Fatal(err)
			}
		}
		big := Body{Size: 1 << 20, chunks: []chunk{{data: make([]byte, 1<<20)}}}
		add := func(tx *Tx) error { _, err := tx.AddMessage([]byte("A: b\r\n"), big); return err }
		pages("")
		errs := behind(t, db, 5, func(i int, tx *Tx) error {
			if i == 2 {
				return add(tx)
			}
			return tx.SetSiteValue(fmt.Sprint("n", i), []byte("x"))
		})
		if errs[2] == nil || !strings.Contains(errs[2].Error(), "full") {
			t.Errorf("the one too big: %v", errs[2])
		}
		got := values(t, db, 5)
		for i, err := range errs {
			if (err == nil) != slices.Contains(got, i) {
				t.Errorf("closure %d was told %v; written are %v", i, err, got)
			}
		}
		if err := db.Update(t.Context(), func(tx *Tx) error { return tx.SetSiteValue("n9", []byte("x")) }); err != nil {
			t.Errorf("what still fits: %v", err)
		}
		pages("1000000")
		if err := db.Update(t.Context(), add); err != nil {
			t.Errorf("when there is room again: %v", err)
		}
	})
}

// TestStatementsForgotten prepares more texts than are kept.
func TestStatementsForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, db *DB) {
		for i := range maxStmts + 10 {
			if err := db.Update(t.Context(), func(tx *Tx) error {
				_, err := tx.exec(fmt.Sprintf(`DELETE FROM tasks WHERE id = %d`, i))
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(db.writer.stmts); n > maxStmts+1 {
			t.Errorf("%d statements are kept", n)
		}
	})
}

func TestRedact(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"listd.db":                                     "listd.db",
		"/var/lib/a@b/listd.db":                        "/var/lib/a@b/listd.db",
		"postgres://host/listd":                        "postgres://host/listd",
		"postgres://user@host/listd":                   "postgres://user@host/listd",
		"postgres://user:secret@host/listd":            "postgres://user@host/listd",
		"postgres://user:s@c:ret@host:5432/listd":      "postgres://user@host:5432/listd",
		"postgres://host/listd?user=u&password=secret": "postgres://host/listd?user=u&password=…",
		"postgres://host/listd?password=secret&a=b":    "postgres://host/listd?password=…&a=b",
	} {
		if got := redact(in); got != want {
			t.Errorf("redact(%q) = %q, want %q", in, got, want)
		}
	}
}
