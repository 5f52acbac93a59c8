// Package fresh gives tests a SQLite database that is migrated already: made once for a test binary, copied for each test.
// Migrating is a third of what the tests of a room would compute otherwise.
//
// Enter with SQLite.
package fresh

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"listd/store"
)

// template is the file of a database that nobody has used, with the newest schema.
var template = sync.OnceValues(func() (b []byte, err error) {
	dir, err := os.MkdirTemp("", "listd-fresh-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "listd.db")
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{URL: path})
	if err != nil {
		return nil, err
	}
	err = db.Migrate(ctx)
	if e := db.Close(); err == nil {
		err = e
	}
	if err != nil {
		return nil, err
	}
	if left, _ := os.Stat(path + "-wal"); left != nil && left.Size() > 0 {
		return nil, fmt.Errorf("%s has not all been written to its database", left.Name())
	}
	return os.ReadFile(path)
})

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
