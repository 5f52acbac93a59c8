package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// groupTime is how long the writer goes on taking closures into one transaction.
const groupTime = 50 * time.Millisecond

// openSQLite opens one connection to write and several to read. Pragmas stand in the DSN, so that every
// connection of a pool has them.
func (db *DB) openSQLite(ctx context.Context) error {
	path, err := filepath.Abs(db.url)
	if err != nil {
		return err
	}
	db.path = path
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("its folder must exist: %w", err)
	}
	// A Close of another descriptor of the file would drop POSIX locks of the whole process; OFD locks stay.
	if err := os.Setenv("MODERNC_SQLITE_OFD_LOCK", "1"); err != nil {
		return err
	}
	v := url.Values{"_pragma": {"journal_mode(WAL)", "busy_timeout(10000)", "synchronous(FULL)", "foreign_keys(1)",
		"cache_size(-16384)", "temp_store(MEMORY)", "journal_size_limit(67108864)", "wal_autocheckpoint(4000)"}}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + v.Encode()
	w, err := sqlx.Open("sqlite", dsn)
	if err != nil {
		return err
	}
	w.SetMaxOpenConns(1)
	conn, err := w.Conn(ctx)
	if err != nil {
		return errors.Join(err, w.Close())
	}
	// A reader's cache is small: what it reads most is one body after another, and the system keeps the file's pages.
	r, err := sqlx.Open("sqlite", dsn+"&_pragma=query_only(1)&_pragma=cache_size(-1024)")
	if err != nil {
		return errors.Join(err, conn.Close(), w.Close())
	}
	r.SetMaxOpenConns(maxReaders)
	turn, err := db.turnstile()
	if err != nil {
		return errors.Join(err, conn.Close(), w.Close(), r.Close())
	}
	db.read, db.write, db.dsn = r, w, dsn
	db.readers = make(chan *statements, maxReaders)
	for range maxReaders {
		db.readers <- nil // opened when it is first needed
	}
	db.writer = &writer{db: db, statements: newStatements(conn), turn: turn,
		in: make(chan *work, 256), done: make(chan struct{}), ended: make(chan struct{})}
	go db.writer.run()
	return nil
}

// turnstile opens the side file at which all who write to the database queue; whoever has locked it holds the others up.
func (db *DB) turnstile() (*os.File, error) {
	return os.OpenFile(db.path+"-turn", os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC, 0o600)
}

// lockFile waits until f is locked.
func lockFile(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if err == nil || !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// migrationDB is a connection pool for a migration, apart from the writer's one connection.
func (db *DB) migrationDB() (*sql.DB, error) { return sql.Open("sqlite", db.dsn) }

// writer is the one goroutine that writes to a SQLite database.
type writer struct {
	statements
	db    *DB
	turn  *os.File // the turnstile: all processes' writers queue at it, since BEGIN IMMEDIATE alone is unfair
	in    chan *work
	once  sync.Once
	done  chan struct{} // closed by stop
	ended chan struct{} // closed when run has returned
}

// work is a closure that waits for the writer, and then its outcome.
type work struct {
	ctx context.Context
	f   func(*Tx) error
	err error
	fin chan struct{}
}

var errClosed = errors.New("the database is closed")

// do queues f and waits for its transaction's end.
func (w *writer) do(ctx context.Context, f func(*Tx) error) error {
	job := &work{ctx: ctx, f: f, fin: make(chan struct{})}
	select {
	case <-w.done:
		return errClosed
	default:
	}
	select {
	case w.in <- job:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.done:
		return errClosed
	}
	select {
	case <-job.fin:
	case <-w.ended:
		// It may have been answered in the last round.
		select {
		case <-job.fin:
		default:
			return errClosed
		}
	}
	return job.err
}

func (w *writer) stop() {
	w.once.Do(func() { close(w.done) })
	<-w.ended
}

func (w *writer) run() {
	defer func() {
		w.statements.close()
		_ = w.turn.Close()
		close(w.ended)
	}()
	for {
		select {
		case job := <-w.in:
			w.group(job)
		case <-w.done:
			for { // what was queued before the stop is still done
				select {
				case job := <-w.in:
					w.group(job)
				default:
					return
				}
			}
		}
	}
}

// group runs first and whatever waits behind it in one transaction, and answers all after its COMMIT.
func (w *writer) group(first *work) {
	jobs, woken := []*work{first}, Work(0)
	defer func() {
		for _, j := range jobs {
			close(j.fin)
		}
		w.db.Wake(woken)
	}()
	w.tidy()
	if err := w.begin(); err != nil {
		first.err = err
		return
	}
	start := time.Now()
	now := w.db.Now()
	for next := first; next != nil; {
		woke, broken := w.closure(next, now)
		woken |= woke
		if broken != nil {
			w.fail(jobs, broken)
			woken = 0
			return
		}
		next = nil
		if time.Since(start) < groupTime {
			select {
			case next = <-w.in:
				jobs = append(jobs, next)
			default:
			}
		}
	}
	if _, err := w.exec(`COMMIT`, nil); err != nil {
		w.fail(jobs, w.db.dialect.mapError(err))
		woken = 0
	}
}

// fail rolls the whole transaction back and tells everyone who had no error of their own.
func (w *writer) fail(jobs []*work, err error) {
	_, _ = w.exec(`ROLLBACK`, nil) // SQLite may have rolled back by itself
	for _, j := range jobs {
		if j.err == nil {
			j.err = err
		}
	}
}

// begin waits at the turnstile and begins. The flock is held only while waiting to begin.
func (w *writer) begin() error {
	if err := lockFile(w.turn); err != nil {
		return fmt.Errorf("turnstile: %w", err)
	}
	defer func() { _ = unix.Flock(int(w.turn.Fd()), unix.LOCK_UN) }() // closing the file would free it as well
	_, err := w.exec(`BEGIN IMMEDIATE`, nil)
	return w.db.dialect.mapError(err)
}

// closure runs one closure in its savepoint. broken says that the transaction itself is no more.
func (w *writer) closure(j *work, now time.Time) (woken Work, broken error) {
	if err := j.ctx.Err(); err != nil {
		j.err = err
		return 0, nil
	}
	if _, err := w.exec(`SAVEPOINT closure`, nil); err != nil {
		return 0, w.db.dialect.mapError(err)
	}
	tx := &Tx{Now: now, db: w.db, q: w}
	j.err = call(j.f, tx)
	if j.err != nil {
		if _, err := w.exec(`ROLLBACK TO closure`, nil); err != nil {
			return 0, errors.Join(j.err, err)
		}
		tx.woken = 0
	}
	if _, err := w.exec(`RELEASE closure`, nil); err != nil {
		return 0, w.db.dialect.mapError(err)
	}
	return tx.woken, nil
}
