package store

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
)

// openPostgres opens a pool. Sessions time out what is idle in a transaction, so that a node that hangs holds no locks.
func (db *DB) openPostgres(ctx context.Context) error {
	cfg, err := pgxpool.ParseConfig(db.url)
	if err != nil {
		return err
	}
	if !strings.Contains(db.url, "pool_max_conns=") {
		cfg.MaxConns = max(cfg.MaxConns, 16)
	}
	cfg.ConnConfig.RuntimeParams["application_name"] = "listd"
	cfg.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "60s"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return err
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return err
	}
	db.pool = pool
	db.read = sqlx.NewDb(stdlib.OpenDBFromPool(pool), "pgx")
	db.write = db.read
	return nil
}

// Listen wakes this process when another node commits something to do, until ctx ends. SQLite has nothing to
// listen to: it returns at once. A lost connection is opened again; the poll carries on meanwhile.
func (db *DB) Listen(ctx context.Context) {
	if db.Single() {
		return
	}
	for ctx.Err() == nil {
		db.listenOnce(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

func (db *DB) listenOnce(ctx context.Context) {
	conn, err := pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it is only listened on
	if _, err := conn.Exec(ctx, `LISTEN listd`); err != nil {
		return
	}
	db.Wake(Deliveries | Tasks | Filed) // what came while nobody listened
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return
		}
		db.Wake(Deliveries | Tasks | Filed)
	}
}
