package store

import (
	"context"
	"fmt"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

func (db *DB) provider() (*goose.Provider, error) {
	d, files := db.dialect.goose()
	var opts []goose.ProviderOption
	if !db.Single() {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300)) // several nodes may start at once
		if err != nil {
			return nil, err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	opts = append(opts, goose.WithDisableGlobalRegistry(true))
	if db.Single() {
		// The writer's own connection is held for good; migrations get one of their own through the readers' DSN
		// without its query_only.
		w, err := db.migrationDB()
		if err != nil {
			return nil, err
		}
		return goose.NewProvider(d, w, files, opts...)
	}
	return goose.NewProvider(d, db.write.DB, files, opts...)
}

// Migrate brings the schema to this program's. Of several programs that want to, one does.
func (db *DB) Migrate(ctx context.Context) error {
	if db.Single() {
		turn, err := db.turnstile()
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		defer func() { _ = turn.Close() }() // which lets the next pass
		if err := lockFile(turn); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
	}
	p, err := db.provider()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if db.Single() {
		defer func() { _ = p.Close() }() // its connection was opened for it alone
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// CheckSchema says whether the schema is this program's: nil, ErrNotFound for an empty database, or ErrSchema.
func (db *DB) CheckSchema(ctx context.Context) error {
	p, err := db.provider()
	if err != nil {
		return err
	}
	if db.Single() {
		defer func() { _ = p.Close() }() // its connection was opened for it alone
	}
	have, want, err := p.GetVersions(ctx)
	switch {
	case err != nil:
		return err
	case have == 0:
		return ErrNotFound
	case have != want:
		return fmt.Errorf("%w: it is at %d, this program at %d; run `listd serve` or `listd init` of the newer program once", ErrSchema, have, want)
	}
	return nil
}
