package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"listd/config"
)

func (a *app) serveCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the server: take mail, carry it, do what is due",
		Long: `serve runs everything in one process until it is told to stop: SIGTERM or Ctrl-C stops taking mail, lets what
is under way be finished for up to 20 seconds, and ends with exit code 0. Kill it in any other way, and nothing that
was accepted is lost.

It brings the database up to date first. With PostgreSQL several machines may serve one database; with SQLite a second
serve is refused. The log goes to standard error.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.serve(c.Context()) },
	}
}

func (a *app) serve(ctx context.Context) error {
	t, err := a.open(ctx, migrate)
	if err != nil {
		return err
	}
	defer t.close()
	unlock, err := alone(t.cfg)
	if err != nil {
		return err
	}
	defer unlock()
	limitMemory(t.cfg)
	n, err := newNode(t)
	if err != nil {
		return err
	}
	n.logStart()
	err = n.run(ctx)
	if err == nil {
		n.log.Info("listd has stopped")
	}
	return err
}

// alone makes sure that no other node serves a SQLite database: two would each take back what the other is sending.
func alone(cfg config.Config) (unlock func(), err error) {
	if cfg.Postgres() {
		return func() {}, nil
	}
	f, err := os.OpenFile(cfg.Database+"-serve", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another listd serves %s already; one is all that SQLite takes, several can share PostgreSQL", cfg.Database)
		}
		return nil, err
	}
	return func() { _ = f.Close() }, nil // which unlocks it
}

// memoryBesides is what a busy node needs of Go's memory beside message bytes: rows, connections. SQLite has its own.
const memoryBesides = 8 << 20

// limitMemory has the collector work harder rather than let memory grow beyond the budget, unless the environment
// says otherwise.
func limitMemory(cfg config.Config) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(int64(cfg.SMTP.Memory) + memoryBesides)
	}
}
