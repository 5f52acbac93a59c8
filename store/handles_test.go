package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/store/pgtest"
)

// TestTakeTurns writes through two handles of one file, as two processes would, while others read: nobody fails, and
// nothing is lost.
func TestTakeTurns(t *testing.T) {
	t.Parallel()
	url := sqliteURL(t)
	migrated(t, url)
	const each = 20
	var wg sync.WaitGroup
	for h := range 3 {
		db := open(t, url, time.Now)
		for w := range 2 {
			wg.Go(func() {
				for i := range each {
					if err := db.Update(t.Context(), func(tx *store.Tx) error {
						return tx.SetSiteValue(fmt.Sprintf("%d/%d/%d", h, w, i), []byte("x"))
					}); err != nil {
						t.Errorf("handle %d: %v", h, err)
					}
				}
			})
		}
		wg.Go(func() {
			for range each {
				if err := db.View(t.Context(), func(tx *store.Tx) error { _, err := tx.Lists(); return err }); err != nil {
					t.Errorf("handle %d, reading: %v", h, err)
				}
			}
		})
	}
	wg.Wait()
	db := open(t, url, time.Now)
	if err := db.View(t.Context(), func(tx *store.Tx) error {
		for h := range 3 {
			for w := range 2 {
				for i := range each {
					if _, err := tx.SiteValue(fmt.Sprintf("%d/%d/%d", h, w, i)); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestMigrateAtOnce has several programs find the same new database.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	for engine, url := range map[string]func(testing.TB) string{"SQLite": sqliteURL, "Postgres": pgtest.URL} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			at := url(t)
			var wg sync.WaitGroup
			for range 3 {
				db := open(t, at, time.Now)
				wg.Go(func() {
					if err := db.Migrate(t.Context()); err != nil {
						t.Errorf("Migrate: %v", err)
					} else if err := db.CheckSchema(t.Context()); err != nil {
						t.Errorf("CheckSchema: %v", err)
					}
				})
			}
			wg.Wait()
		})
	}
}

// TestSerializationRetry is told twice to try again, and once meets a deadlock.
func TestSerializationRetry(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	migrated(t, url)
	db := open(t, url, time.Now)
	tries := 0
	if err := db.Update(t.Context(), func(tx *store.Tx) error {
		if tries++; tries < 3 {
			return fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: "40001"})
		}
		return tx.SetSiteValue("a", []byte("x"))
	}); err != nil || tries != 3 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	var ids []lists.ID
	if err := db.Update(t.Context(), func(tx *store.Tx) error {
		ids = nil
		for _, name := range []string{"a", "b"} {
			id, err := tx.CreateList(lists.List{Address: mail.Address{Local: name, Domain: "lists.example.org"}, Policy: lists.DefaultPolicy()})
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	// Each locks one list, waits until the other has the other, and then wants that.
	var both, done sync.WaitGroup
	both.Add(2)
	for i := range 2 {
		first := true
		done.Go(func() {
			if err := db.Update(t.Context(), func(tx *store.Tx) error {
				if err := tx.TouchList(ids[i]); err != nil {
					return err
				}
				if first {
					first = false
					both.Done()
					both.Wait()
				}
				return tx.TouchList(ids[1-i])
			}); err != nil {
				t.Errorf("transaction %d: %v", i, err)
			}
		})
	}
	done.Wait()
	if err := db.View(t.Context(), func(tx *store.Tx) error {
		for _, id := range ids {
			l, err := tx.List(id)
			if err != nil || l.Version != 3 {
				t.Errorf("list %d is at version %d, %v; want 3", id, l.Version, err)
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestListen wakes one handle by what another commits, and not by what it takes back.
func TestListen(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	migrated(t, url)
	here, there := open(t, url, time.Now), open(t, url+"&pool_max_conns=3", time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	listening, ended := there.Woken(store.Tasks), make(chan struct{})
	go func() { there.Listen(ctx); close(ended) }()
	<-listening
	woken := there.Woken(store.Tasks)
	if err := here.Update(t.Context(), func(tx *store.Tx) error { return tx.AddTask(store.Task{Key: "a/1", Kind: "a"}) }); err != nil {
		t.Fatal(err)
	}
	<-woken
	cancel()
	<-ended
}

// TestPostgresClose leaves no connection behind.
func TestPostgresClose(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	migrated(t, url) // which opens and closes
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for others := 1; others > 0; { // the server takes a moment to notice
		if err := conn.QueryRow(t.Context(), `SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
			AND pid <> pg_backend_pid()`).Scan(&others); err != nil {
			t.Fatal(err)
		}
	}
}
