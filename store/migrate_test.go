package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"listd/store/pgtest"
)

// engines are new and empty databases of each engine.
var engines = map[string]func(testing.TB) string{
	"SQLite":   func(t testing.TB) string { return filepath.Join(t.TempDir(), "listd.db") },
	"Postgres": pgtest.URL,
}

func TestCheckSchema(t *testing.T) {
	t.Parallel()
	for engine, url := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			db := openTest(t, url(t), time.Now)
			check := func(want error) {
				t.Helper()
				if err := db.CheckSchema(t.Context()); !errors.Is(err, want) {
					t.Errorf("CheckSchema: %v, want %v", err, want)
				}
			}
			check(ErrNotFound)
			check(ErrNotFound) // looking changes nothing
			for range 2 {
				if err := db.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				check(nil)
			}
			if err := db.Update(t.Context(), func(tx *Tx) error {
				_, err := tx.exec(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, ` + map[string]string{
					"SQLite": "1", "Postgres": "TRUE"}[engine] + `)`)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			check(ErrSchema)
		})
	}
}

// schema is everything a database is made of, in words.
func schema(t *testing.T, db *DB) string {
	t.Helper()
	query := `SELECT name || ' ' || COALESCE(sql, '') FROM sqlite_master ORDER BY name`
	if !db.Single() {
		query = `SELECT line FROM (
			SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || COALESCE(column_default, '') AS line
				FROM information_schema.columns WHERE table_schema = 'public'
			UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
			UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
		) s ORDER BY line`
	}
	var out []string
	if err := db.View(t.Context(), func(tx *Tx) error {
		return tx.each(query, nil, func(scan func(...any) error) error {
			var line string
			err := scan(&line)
			out = append(out, strings.Join(strings.Fields(line), " "))
			return err
		})
	}); err != nil {
		t.Fatal(err)
	}
	if len(out) < 30 {
		t.Fatalf("a schema of %d lines", len(out))
	}
	return strings.Join(out, "\n")
}

// TestMigrations walks from each schema there ever was to the last, with rows in it, and compares with a fresh one.
func TestMigrations(t *testing.T) {
	t.Parallel()
	for engine, url := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			fresh := openTest(t, url(t), time.Now)
			if err := fresh.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			want := schema(t, fresh)
			p, err := fresh.provider()
			if err != nil {
				t.Fatal(err)
			}
			sources := p.ListSources()
			if fresh.Single() {
				if err := p.Close(); err != nil {
					t.Fatal(err)
				}
			}
			for i, s := range sources {
				if s.Version != int64(i+1) {
					t.Errorf("migration %d has the number %d", i+1, s.Version)
				}
				db := openTest(t, url(t), time.Now)
				p, err := db.provider()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := p.UpTo(t.Context(), s.Version); err != nil {
					t.Fatal(err)
				}
				if db.Single() {
					if err := p.Close(); err != nil {
						t.Fatal(err)
					}
				}
				if err := db.Update(t.Context(), func(tx *Tx) error {
					// Rows of the first schema: what later ones add must not need them empty.
					for _, row := range []string{
						`INSERT INTO site (name, value) VALUES ('a', 'x')`,
						`INSERT INTO lists (local, domain, list_id, settings, created_at) VALUES ('a', 'example.org', 'a.example.org', '{}', 1)`,
						`INSERT INTO bodies (hash, size, used_at, packed, data) VALUES ('h', 1, 1, 0, 'x')`,
						`INSERT INTO messages (body_id, head) SELECT id, 'x' FROM bodies`,
						`INSERT INTO outgoing (list_id, message_id, env_from, personal, priority, trace, created_at, give_up_at)
							SELECT 1, id, '', 0, 0, 't', 1, 1 FROM messages`,
						`INSERT INTO deliveries (outgoing_id, subscription_id, rcpt, destination, priority, next_at)
							SELECT id, 0, 'a@example.org', 'example.org', 0, 1 FROM outgoing`,
					} {
						if _, err := tx.exec(row); err != nil {
							return fmt.Errorf("%s: %w", row, err)
						}
					}
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				if err := db.Migrate(t.Context()); err != nil {
					t.Fatalf("from %d to the last: %v", s.Version, err)
				}
				if got := schema(t, db); got != want {
					t.Errorf("from %d to the last:\n%s\nfresh:\n%s", s.Version, got, want)
				}
			}
		})
	}
}
