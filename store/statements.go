package store

import (
	"context"
	"database/sql"
	"errors"
)

// statements are those of one SQLite connection, each prepared once: preparing them costs more than running them. They
// are for one goroutine at a time.
type statements struct {
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func newStatements(conn *sql.Conn) statements {
	return statements{conn: conn, stmts: map[string]*sql.Stmt{}}
}

// maxStmts bounds the statements kept ready: some texts differ by the number of their values, and each costs memory.
const maxStmts = 250

// tidy forgets all statements when they are too many. No transaction may be under way.
func (s *statements) tidy() {
	if len(s.stmts) >= maxStmts {
		s.forget()
	}
}

func (s *statements) forget() {
	for _, stmt := range s.stmts {
		_ = stmt.Close() // it was only read, or the connection goes with it
	}
	clear(s.stmts)
}

func (s *statements) close() {
	s.forget()
	_ = s.conn.Close() // nothing is left to lose
}

func (s *statements) stmt(query string) (*sql.Stmt, error) {
	if stmt := s.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, err
	}
	s.stmts[query] = stmt
	return stmt, nil
}

// exec and query run without the caller's context: a transaction is short, and a context that can end makes the
// driver start a goroutine for each statement.
func (s *statements) exec(query string, args []any) (sql.Result, error) {
	stmt, err := s.stmt(query)
	if err != nil {
		return nil, err
	}
	return stmt.ExecContext(context.Background(), args...)
}

func (s *statements) query(query string, args []any) (*sql.Rows, error) {
	stmt, err := s.stmt(query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(context.Background(), args...)
}

// maxReaders is how many Views a SQLite database has at once; more wait.
const maxReaders = 8

// viewSQLite runs f on a reader that nobody else has, which keeps its statements from one View to the next.
func (db *DB) viewSQLite(ctx context.Context, f func(*Tx) error) (err error) {
	var r *statements
	select {
	case r = <-db.readers:
	case <-ctx.Done():
		return ctx.Err()
	case <-db.writer.done:
		return errClosed
	}
	defer func() { db.readers <- r }()
	if r == nil {
		conn, err := db.read.Conn(ctx)
		if err != nil {
			return db.dialect.mapError(err)
		}
		s := newStatements(conn)
		r = &s
	}
	if _, err := r.exec(`BEGIN`, nil); err != nil {
		return db.dialect.mapError(err)
	}
	defer func() {
		if _, e := r.exec(`ROLLBACK`, nil); e != nil { // nothing was written
			r.close()
			r = nil
			err = errors.Join(err, e)
			return
		}
		r.tidy()
	}()
	return call(f, &Tx{Now: db.Now(), db: db, q: r})
}

// closeReaders waits for the Views under way and closes their connections. No View begins after it: the writer's done
// is closed.
func (db *DB) closeReaders() {
	db.closed.Do(func() {
		for range maxReaders {
			if r := <-db.readers; r != nil {
				r.close()
			}
		}
	})
}
