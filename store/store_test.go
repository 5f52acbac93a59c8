package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"listd/store"
	"listd/store/pgtest"
	"listd/store/storetest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// open opens the database at url for one test.
func open(t testing.TB, url string, clock func() time.Time) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{URL: url, Clock: clock})
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

func sqliteURL(t testing.TB) string { return filepath.Join(t.TempDir(), "listd.db") }

// A schema is made once and copied for each part of the suite.

func TestSQLite(t *testing.T) {
	t.Parallel()
	template := sqliteURL(t)
	migrated(t, template)
	schema, err := os.ReadFile(template)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, func(t testing.TB, clock func() time.Time) *store.DB {
		url := sqliteURL(t)
		if err := os.WriteFile(url, schema, 0o600); err != nil {
			t.Fatal(err)
		}
		return open(t, url, clock)
	})
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	used := recycled{parent: t}
	used.put(pgtest.URL(t), true)
	storetest.Run(t, func(t testing.TB, clock func() time.Time) *store.DB { return open(t, used.url(t), clock) })
}

// recycled are PostgreSQL databases that parts of the suite use one after the other: to make one takes a fifth of a second.
type recycled struct {
	parent *testing.T
	mu     sync.Mutex
	free   []string
}

// url is an empty database with the schema, until t ends.
func (r *recycled) url(t testing.TB) string {
	t.Helper()
	r.mu.Lock()
	if len(r.free) == 0 {
		r.mu.Unlock()
		r.put(pgtest.URL(r.parent), true)
		r.mu.Lock()
	}
	url := r.free[len(r.free)-1]
	r.free = r.free[:len(r.free)-1]
	r.mu.Unlock()
	t.Cleanup(func() { r.put(url, false) })
	return url
}

// put makes a database ready to be used.
func (r *recycled) put(url string, fresh bool) {
	r.parent.Helper()
	if fresh {
		migrated(r.parent, url)
	}
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		r.parent.Error(err)
		return
	}
	for _, table := range []string{"lists", "outgoing", "messages", "bodies", "tasks", "site"} { // the rest go with these
		if _, err := conn.Exec(context.Background(), `DELETE FROM `+table); err != nil {
			r.parent.Error(err)
		}
	}
	if err := conn.Close(context.Background()); err != nil {
		r.parent.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free = append(r.free, url)
}

// migrated makes the database at url one of this program's, and leaves it.
func migrated(t *testing.T, url string) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Migrate(t.Context()), db.Close()); err != nil {
		t.Fatal(err)
	}
}
