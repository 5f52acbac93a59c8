// Package fresh gives tests a database that is migrated already: made once for a test binary, copied for each test.
// Migrating is a third of what the tests of a room would compute otherwise.
//
// Enter with SQLite or Postgres.
package fresh

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"listd/store"
	"listd/store/pgtest"
)

// template is the file of a database that nobody has used, with the newest schema.
var template = sync.OnceValues(func() (b []byte, err error) {
	dir, err := os.MkdirTemp("", "listd-fresh-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "listd.db")
	if err := migrate(path); err != nil {
		return nil, err
	}
	if left, _ := os.Stat(path + "-wal"); left != nil && left.Size() > 0 {
		return nil, fmt.Errorf("%s has not all been written to its database", left.Name())
	}
	return os.ReadFile(path)
})

func migrate(url string) error {
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{URL: url})
	if err != nil {
		return err
	}
	return errors.Join(db.Migrate(ctx), db.Close())
}

// Postgres is the URL of a new database; see pgtest.URL.
func Postgres(t testing.TB) string {
	t.Helper()
	return pgtest.Copy(t, "fresh", migrate)
}

// SQLite is the path of a new database in the test's own folder.
func SQLite(t testing.TB) string {
	t.Helper()
	b, err := template()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "listd.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
