// Package store turns rows into listd's types and back. Every SQL statement and every message body is here, for
// two engines, behind one Tx. It decides nothing.
//
// Enter with Open, then View to read and Update to write. No method of Tx begins a transaction.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/bits"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jmoiron/sqlx"
)

// ErrNotFound says that there is no such row.
var ErrNotFound = errors.New("not found")

// ErrExists says that the row is there already.
var ErrExists = errors.New("exists already")

// ErrSchema says that the database has another schema than this program's.
var ErrSchema = errors.New("the database's schema is not this program's")

// Options say where the database is.
type Options struct {
	// URL is a file's path for SQLite, or postgres://… .
	URL string
	// Clock tells the time; nil means time.Now.
	Clock func() time.Time
}

// DB is the database. It is safe for concurrent use.
type DB struct {
	dialect dialect
	clock   func() time.Time
	read    *sqlx.DB
	write   *sqlx.DB         // PostgreSQL: the same as read
	writer  *writer          // SQLite: the one goroutine that writes
	readers chan *statements // SQLite: the readers no View has just now; nil stands for one not opened yet
	closed  sync.Once
	pool    *pgxpool.Pool    // PostgreSQL: what read draws on
	rebound sync.Map         // PostgreSQL: query with ? → query with $n
	wake    [3]chan struct{} // for each kind of Work; closed and replaced by Wake
	wakeMu  sync.Mutex
	url     string
	path    string // SQLite: url, absolute
	dsn     string // SQLite
}

// Open opens the database at o.URL; a SQLite file that is missing is created, empty. It does not migrate.
func Open(ctx context.Context, o Options) (*DB, error) {
	db := &DB{clock: o.Clock, url: o.URL, wake: [3]chan struct{}{make(chan struct{}), make(chan struct{}), make(chan struct{})}}
	if db.clock == nil {
		db.clock = time.Now
	}
	var err error
	if strings.HasPrefix(o.URL, "postgres://") || strings.HasPrefix(o.URL, "postgresql://") {
		db.dialect = postgres{}
		err = db.openPostgres(ctx)
	} else {
		db.dialect = sqlite{}
		err = db.openSQLite(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", redact(o.URL), err)
	}
	return db, nil
}

// redact hides a password in a database URL, since errors are shown.
func redact(url string) string {
	scheme := strings.Index(url, "://")
	if scheme < 0 {
		return url
	}
	if at := strings.LastIndexByte(url, '@'); at > scheme {
		user, _, _ := strings.Cut(url[scheme+3:at], ":")
		url = url[:scheme+3] + user + url[at:]
	}
	if before, secret, ok := strings.Cut(url, "password="); ok {
		_, after, more := strings.Cut(secret, "&")
		url = before + "password=…"
		if more {
			url += "&" + after
		}
	}
	return url
}

// Close waits for transactions under way and closes the database.
func (db *DB) Close() error {
	if db.writer != nil {
		db.writer.stop()
		db.closeReaders()
	}
	err := db.read.Close()
	if db.write != db.read {
		err = errors.Join(err, db.write.Close())
	}
	if db.pool != nil {
		db.pool.Close() // closing read has left its connections open
	}
	return err
}

// Single reports whether only one node can use this database (SQLite).
func (db *DB) Single() bool { return db.writer != nil }

// Now is the database's clock, UTC, in whole milliseconds as the rows keep them.
func (db *DB) Now() time.Time { return db.clock().UTC().Truncate(time.Millisecond) }

// Tx is a transaction. All its statements see one instant, Now.
type Tx struct {
	Now time.Time

	db *DB
	q  queryer
	// woken is what writes have given somebody to do.
	woken Work
}

// queryer runs statements; ctx is the transaction's own.
type queryer interface {
	exec(query string, args []any) (sql.Result, error)
	query(query string, args []any) (*sql.Rows, error)
}

func (tx *Tx) exec(query string, args ...any) (int64, error) {
	r, err := tx.q.exec(query, args)
	if err != nil {
		return 0, tx.db.dialect.mapError(err)
	}
	return r.RowsAffected()
}

// get scans one row into dest; ErrNotFound if there is none.
func (tx *Tx) get(query string, args []any, dest ...any) error {
	rows, err := tx.q.query(query, args)
	if err != nil {
		return tx.db.dialect.mapError(err)
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return tx.db.dialect.mapError(err)
		}
		return ErrNotFound
	}
	if err := rows.Scan(dest...); err != nil {
		return err
	}
	return rows.Close()
}

// each calls f for every row, with the row's Scan.
func (tx *Tx) each(query string, args []any, f func(scan func(...any) error) error) error {
	rows, err := tx.q.query(query, args)
	if err != nil {
		return tx.db.dialect.mapError(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return tx.db.dialect.mapError(err)
	}
	return rows.Close()
}

func ifErr(cond bool, err error) error {
	if cond {
		return err
	}
	return nil
}

// View runs f in a transaction that reads. f sees one state of the database.
func (db *DB) View(ctx context.Context, f func(*Tx) error) error {
	if db.writer != nil {
		return db.viewSQLite(ctx, f)
	}
	t, err := db.read.BeginTxx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: db.dialect.viewIsolation()})
	if err != nil {
		return db.dialect.mapError(err)
	}
	defer func() { _ = t.Rollback() }() // nothing was written; an error would say nothing new
	return f(&Tx{Now: db.Now(), db: db, q: txQueryer{ctx: ctx, tx: t.Tx, bind: db.bind}})
}

// Update runs f in a transaction that writes, and commits it unless f fails. f may run more than once: nothing
// outside tx may happen in it that must not happen twice.
//
// SQLite has one writer: closures that wait together share a transaction, each in a savepoint. PostgreSQL gives
// each its own, read committed; what the engine calls a serialization failure or a deadlock is tried again.
func (db *DB) Update(ctx context.Context, f func(*Tx) error) error {
	if db.writer != nil {
		return db.writer.do(ctx, f)
	}
	var err error
	for attempt := range 10 {
		if err = db.updateOnce(ctx, f); err == nil || !db.dialect.again(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(attempt+1) * 5 * time.Millisecond):
		}
	}
	return err
}

func (db *DB) updateOnce(ctx context.Context, f func(*Tx) error) error {
	t, err := db.write.BeginTxx(ctx, nil)
	if err != nil {
		return db.dialect.mapError(err)
	}
	defer func() { _ = t.Rollback() }() // after a commit this is a no-op
	tx := &Tx{Now: db.Now(), db: db, q: txQueryer{ctx: ctx, tx: t.Tx, bind: db.bind}}
	if err := call(f, tx); err != nil {
		return err
	}
	if tx.woken != 0 {
		if _, err := t.ExecContext(ctx, `NOTIFY listd`); err != nil {
			return db.dialect.mapError(err)
		}
	}
	if err := t.Commit(); err != nil {
		return db.dialect.mapError(err)
	}
	db.Wake(tx.woken)
	return nil
}

// call runs f; a panic in one closure must not take the whole server down.
func call(f func(*Tx) error, tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
		}
	}()
	return f(tx)
}

// maxCached bounds the statements that are kept, in bytes of text: long ones differ by the number of their values, and
// few come twice.
const maxCached = 4 << 10

// bind rewrites ? to the engine's own placeholder, once for each text.
func (db *DB) bind(query string) string {
	if db.writer != nil {
		return query
	}
	if len(query) > maxCached {
		return sqlx.Rebind(sqlx.DOLLAR, query)
	}
	if q, ok := db.rebound.Load(query); ok {
		return q.(string)
	}
	q := sqlx.Rebind(sqlx.DOLLAR, query)
	db.rebound.Store(query, q)
	return q
}

// txQueryer runs statements on a database/sql transaction.
type txQueryer struct {
	ctx  context.Context
	tx   *sql.Tx
	bind func(string) string
}

func (q txQueryer) exec(query string, args []any) (sql.Result, error) {
	return q.tx.ExecContext(q.ctx, q.bind(query), args...)
}

func (q txQueryer) query(query string, args []any) (*sql.Rows, error) {
	return q.tx.QueryContext(q.ctx, q.bind(query), args...)
}

// Work is what there may be to do.
type Work uint8

// The kinds of work.
const (
	Deliveries Work = 1 << iota
	Tasks
	Filed // posts that nobody has read yet
)

// Wake tells whoever waits on Woken in this process that there may be something to do.
func (db *DB) Wake(w Work) {
	db.wakeMu.Lock()
	defer db.wakeMu.Unlock()
	for i := range db.wake {
		if w>>i&1 != 0 {
			close(db.wake[i])
			db.wake[i] = make(chan struct{})
		}
	}
}

// Woken is closed at the next Wake for one kind of work. A poll must be enough without it.
func (db *DB) Woken(w Work) <-chan struct{} {
	db.wakeMu.Lock()
	defer db.wakeMu.Unlock()
	return db.wake[bits.TrailingZeros8(uint8(w))]
}

// placeholders is "(?, ?), (?, ?)" for rows × columns.
func placeholders(rows, columns int) string {
	row := "(" + strings.TrimSuffix(strings.Repeat("?, ", columns), ", ") + ")"
	return strings.TrimSuffix(strings.Repeat(row+", ", rows), ", ")
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
