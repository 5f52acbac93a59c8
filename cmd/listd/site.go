package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"listd/archive"
	"listd/auth"
	"listd/config"
	"listd/inbound"
	"listd/lists"
	"listd/mail"
	"listd/mailauth"
	"listd/queue"
	"listd/roster"
	"listd/smtp"
	"listd/store"
)

// site is a configuration with its database, and the rooms that need nothing else.
type site struct {
	cfg    config.Config
	db     *store.DB
	log    *slog.Logger
	minter *lists.Minter
	out    queue.Out
	books  *roster.Books
	users  *auth.Users
	lib    *archive.Library
	door   *inbound.Door
}

// schema is what a command does about a database whose schema is not this program's.
type schema uint8

const (
	refuse  schema = iota // an older or newer one; an empty one is made ready: the first command creates the database
	migrate               // brings it up to date
)

// open opens the site of the configuration that the flags name.
func (a *app) open(ctx context.Context, s schema) (*site, error) {
	path, err := config.Find(a.config, os.Getenv("LISTD_CONFIG"))
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	return openSite(ctx, cfg, s, a.errs)
}

// openSite opens a site; what it logs goes to logs.
func openSite(ctx context.Context, cfg config.Config, s schema, logs io.Writer) (*site, error) {
	clock, err := shiftedClock(os.Getenv("LISTD_CLOCK"))
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, store.Options{URL: cfg.Database, Clock: clock})
	if err != nil {
		return nil, err
	}
	t := &site{cfg: cfg, db: db, log: newLog(cfg.Log, logs)}
	if err := t.prepare(ctx, s); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	t.out = queue.Out{Relay: cfg.Delivery.Relay != "", GiveUpAfter: time.Duration(cfg.Delivery.GiveUpAfter)}
	t.books = &roster.Books{DB: db, Out: t.out, Minter: t.minter, Hostname: cfg.Hostname, URL: cfg.HTTP.URL, Chance: chance}
	t.users = &auth.Users{DB: db, Chance: chance}
	t.lib = &archive.Library{DB: db}
	t.door = &inbound.Door{DB: db, Out: t.out, Books: t.books, Minter: t.minter, Log: t.log, Hostname: cfg.Hostname,
		Auth:    &mailauth.Verifier{Resolver: smtp.NewResolver(cfg.DNS.Resolver), Now: db.Now},
		MaxSize: int64(cfg.SMTP.MaxMessageSize), Chance: chance}
	if cfg.Owner != "" {
		if t.door.Owner, err = mail.ParseAddress(cfg.Owner); err != nil {
			return nil, errors.Join(fmt.Errorf("owner: %w", err), db.Close())
		}
	}
	return t, nil
}

// follower reads what is filed into threads and words.
func (t *site) follower() *archive.Follower {
	indexer := &archive.Indexer{DB: t.db, Log: t.log}
	return &archive.Follower{DB: t.db, Log: t.log, Index: indexer.Index}
}

// close closes the database.
func (t *site) close() {
	if err := t.db.Close(); err != nil {
		t.log.Error("closing the database", slog.Any("error", err))
	}
}

func (t *site) prepare(ctx context.Context, s schema) error {
	switch err := t.db.CheckSchema(ctx); {
	case err == nil:
	case s == migrate, errors.Is(err, store.ErrNotFound):
		if err := t.db.Migrate(ctx); err != nil {
			return err
		}
	default:
		return err
	}
	return t.loadKeys(ctx)
}

// chance is eight random bytes.
func chance() (b [8]byte) {
	_, _ = rand.Read(b[:]) // it never fails (crypto/rand)
	return b
}

// shiftedClock is the clock of a rehearsal: LISTD_CLOCK=+21d lives three weeks ahead.
func shiftedClock(shift string) (func() time.Time, error) {
	if shift == "" {
		return time.Now, nil
	}
	sign := time.Duration(1)
	rest := strings.TrimPrefix(shift, "+")
	if r, ok := strings.CutPrefix(shift, "-"); ok {
		sign, rest = -1, r
	}
	var d config.Duration
	if err := d.UnmarshalText([]byte(rest)); err != nil {
		return nil, usage("LISTD_CLOCK: %w; write a shift such as +21d or -2h", err)
	}
	return func() time.Time { return time.Now().Add(sign * time.Duration(d)) }, nil
}

func newLog(l config.Log, w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: l.Level}
	if l.Format == config.JSON {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
