package store

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	sqlitedriver "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"listd/migrations"
)

// dialect is all in which the two engines differ.
type dialect interface {
	goose() (goose.Dialect, fs.FS)
	viewIsolation() sql.IsolationLevel
	again(error) bool     // the same transaction may succeed if tried again
	mapError(error) error // a violated UNIQUE becomes ErrExists
	skipLocked() string   // ends a sub-select that picks rows to claim
	forUpdate() string    // ends a SELECT whose rows are about to change
	bigint() string       // a parameter in a VALUES row that must be known as a number
	words() wordIndex
}

type sqlite struct{}

func (sqlite) goose() (goose.Dialect, fs.FS) {
	return goose.DialectSQLite3, must(fs.Sub(migrations.SQLite, "sqlite"))
}
func (sqlite) viewIsolation() sql.IsolationLevel { return sql.LevelDefault }
func (sqlite) again(error) bool                  { return false }
func (sqlite) skipLocked() string                { return "" }
func (sqlite) forUpdate() string                 { return "" }
func (sqlite) bigint() string                    { return "?" }
func (sqlite) words() wordIndex                  { return fts{} }

func (sqlite) mapError(err error) error {
	var e *sqlitedriver.Error
	if errors.As(err, &e) && (e.Code() == sqlitelib.SQLITE_CONSTRAINT_UNIQUE || e.Code() == sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY) {
		return fmt.Errorf("%w (%w)", ErrExists, err)
	}
	return err
}

type postgres struct{}

func (postgres) goose() (goose.Dialect, fs.FS) {
	return goose.DialectPostgres, must(fs.Sub(migrations.Postgres, "postgres"))
}
func (postgres) viewIsolation() sql.IsolationLevel { return sql.LevelRepeatableRead }
func (postgres) skipLocked() string                { return "FOR UPDATE SKIP LOCKED" }
func (postgres) forUpdate() string                 { return "FOR UPDATE" }
func (postgres) bigint() string                    { return "CAST(? AS BIGINT)" }
func (postgres) words() wordIndex                  { return tsv{} }

// again knows a serialization failure and a deadlock (PostgreSQL, appendix A).
func (postgres) again(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01")
}

func (postgres) mapError(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "23505" {
		return fmt.Errorf("%w (%w)", ErrExists, err)
	}
	return err
}

// must is for what the embedded files make certain.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
