package pgtest_test

import (
	"net/url"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"listd/store/pgtest"
)

// serverDir is where the server was, for the check after its end.
var serverDir string

func TestMain(m *testing.M) {
	code := pgtest.Wrap(m).Run()
	if serverDir != "" {
		if _, err := os.Stat(serverDir); !os.IsNotExist(err) {
			println("the server's folder is still there:", serverDir)
			code = 1
		}
	}
	os.Exit(code)
}

func TestURL(t *testing.T) {
	a, b := pgtest.URL(t), pgtest.URL(t)
	if a == b {
		t.Fatalf("two databases have one URL, %s", a)
	}
	u, err := url.Parse(a)
	if err != nil {
		t.Fatal(err)
	}
	serverDir = u.Query().Get("host")
	for _, u := range []string{a, b} {
		conn, err := pgx.Connect(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		var tables int
		var address *string
		// A server reached by a socket of the file system has no address.
		if err := conn.QueryRow(t.Context(), `SELECT (SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'), inet_server_addr()::text`).Scan(&tables, &address); err != nil {
			t.Fatal(err)
		}
		if tables != 0 || address != nil {
			t.Errorf("%s has %d tables, and the server the address %v", u, tables, address)
		}
		if _, err := conn.Exec(t.Context(), `CREATE TABLE mine (n BIGINT)`); err != nil {
			t.Error(err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
