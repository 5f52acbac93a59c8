package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"listd/lists"
	"listd/store"
)

// Where the keys of tokens lie among the site's values: every node of a site has the same. The first key lies alone, as a
// site that has never changed its key has nothing else.
const (
	hmacKey  = "hmac key"
	hmacKeys = "hmac keys" // a keyring, from the first change on
)

const (
	keyLearnt = time.Minute     // how long a new key is known before tokens are made with it: what one node makes all must read
	keyPolled = 5 * time.Second // how often a node looks
	maxKeys   = 16              // reading a token tries all of them
)

// tokenKey is a secret that the links and addresses in our mail are proved with.
type tokenKey struct {
	ID    int
	Key   []byte
	Made  time.Time `json:",omitzero"` // zero: with the site
	Mints time.Time `json:",omitzero"` // from when on it makes tokens
}

// keyring are the keys of a site in the order in which they make tokens.
type keyring []tokenKey

// minting is the index of the key that makes tokens now.
func (r keyring) minting(now time.Time) int {
	at := 0
	for i, k := range r {
		if !k.Mints.After(now) {
			at = i
		}
	}
	return at
}

// split is the key that makes tokens now, and those that are read besides.
func (r keyring) split(now time.Time) (key []byte, others [][]byte) {
	at := r.minting(now)
	for i := len(r) - 1; i >= 0; i-- { // the newest first
		if i != at {
			others = append(others, r[i].Key)
		}
	}
	return r[at].Key, others
}

// state is what a key does, in a word.
func (r keyring) state(i int, now time.Time) string {
	switch at := r.minting(now); {
	case i == at:
		return "minting"
	case i > at:
		return "waiting"
	}
	return "reading"
}

// keysOf reads the keys; store.ErrNotFound if the site has none yet.
func keysOf(tx *store.Tx) (keyring, error) {
	first, err := tx.SiteValue(hmacKey)
	if err != nil {
		return nil, err
	}
	raw, err := tx.SiteValue(hmacKeys)
	if errors.Is(err, store.ErrNotFound) {
		return keyring{{ID: 1, Key: first}}, nil
	}
	if err != nil {
		return nil, err
	}
	var r keyring
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("the keys of tokens: %w", err)
	}
	if len(r) == 0 {
		return nil, errors.New("the keys of tokens: there are none")
	}
	return r, nil
}

func (r keyring) save(tx *store.Tx) error {
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return tx.SetSiteValue(hmacKeys, raw)
}

// loadKeys makes the site's minter, and a key if it has none yet.
func (t *site) loadKeys(ctx context.Context) error {
	r, err := t.readKeys(ctx)
	if errors.Is(err, store.ErrNotFound) {
		if err := t.db.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.InitSiteValue(hmacKey, newTokenKey())
			return err
		}); err != nil {
			return err
		}
		r, err = t.readKeys(ctx)
	}
	if err != nil {
		return err
	}
	key, others := r.split(t.db.Now())
	t.minter = lists.NewMinter(key, others...)
	return nil
}

func (t *site) readKeys(ctx context.Context) (r keyring, err error) {
	err = t.db.View(ctx, func(tx *store.Tx) (err error) {
		r, err = keysOf(tx)
		return err
	})
	return r, err
}

func newTokenKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails (crypto/rand)
	return key
}

// followKeys has the minter turn to a key when its time comes, and read new ones, until ctx ends.
func (t *site) followKeys(ctx context.Context) {
	tick := time.NewTicker(keyPolled)
	defer tick.Stop()
	var before keyring
	id := 0
	for {
		r, err := t.readKeys(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			t.log.LogAttrs(ctx, slog.LevelError, "the keys of tokens cannot be read", slog.Any("error", err))
		default:
			now := t.db.Now()
			at := r.minting(now)
			if r[at].ID != id || !slices.EqualFunc(r, before, func(a, b tokenKey) bool { return a.ID == b.ID }) {
				key, others := r.split(now)
				t.minter.Turn(key, others...)
				t.log.LogAttrs(ctx, slog.LevelInfo, "keys of tokens", slog.Int("minting", r[at].ID), slog.Int("known", len(r)))
			}
			before, id = r, r[at].ID
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (a *app) keyCommand() *cobra.Command {
	c := &cobra.Command{Use: "key", Short: "The secret keys that links and addresses in our mail are proved with",
		Long: `Each copy of a post has its recipient's own link and address to leave by, and its own return path. What proves
them is a secret key (HMAC) of the site. A new key may be made at any time; the old ones go on to read what they have
made, so that no link in anybody's mail breaks.`}
	c.AddCommand(a.keyRotate(), a.keyLs(), a.keyRm())
	return c
}

func (a *app) keyRotate() *cobra.Command {
	var delay time.Duration
	c := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new key; the old ones go on to read their links",
		Long: `rotate makes a new key. Running servers, on however many machines, learn it within seconds and make links with it
after the delay, so that none meets a link it cannot read. Nothing needs to be restarted.

If an old key is known to somebody who should not know it: rotate, wait until the new one makes the links, then remove
the old one with listd key rm.`,
		Example: `  listd key rotate
  listd key ls`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if delay < 0 {
				return usage("--delay %s lies in the past: 1m is usual", delay)
			}
			return a.with(c.Context(), func(t *site) error {
				var r keyring
				var now time.Time
				if err := t.db.Update(c.Context(), func(tx *store.Tx) (err error) {
					if r, err = keysOf(tx); err != nil {
						return err
					}
					last := r[len(r)-1]
					switch now = tx.Now; {
					case last.Mints.After(now):
						return fmt.Errorf("key %d is new and makes links from %s on; wait until then", last.ID, clockTime(last.Mints))
					case len(r) == maxKeys:
						return fmt.Errorf("there are %d keys, and each link is tried with all of them; remove old ones with `listd key rm`", len(r))
					}
					r = append(r, tokenKey{ID: last.ID + 1, Key: newTokenKey(), Made: now, Mints: now.Add(delay)})
					return r.save(tx)
				}); err != nil {
					return err
				}
				return a.print(r.object(len(r)-1, now), func(w io.Writer) {
					k := r[len(r)-1]
					fmt.Fprintf(w, "Key %d makes the links in our mail from %s on.\nThe others go on to read theirs: nothing in anybody's mail breaks.\n",
						k.ID, clockTime(k.Mints))
				})
			})
		},
	}
	c.Flags().DurationVar(&delay, "delay", keyLearnt, "how long servers have to learn the key before it is used")
	return c
}

func (a *app) keyLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "Show the keys: which one makes links, and which are read",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), func(t *site) error {
				r, err := t.readKeys(c.Context())
				if err != nil {
					return err
				}
				now := t.db.Now()
				rows := make([]int, len(r))
				for i := range rows {
					rows[i] = i
				}
				return a.print(objects(rows, func(i int) object { return r.object(i, now) }), func(w io.Writer) {
					table(w, "ID MADE STATE FROM", rows, func(i int) []string {
						return []string{strconv.Itoa(r[i].ID), clockTime(r[i].Made), r.state(i, now), clockTime(r[i].Mints)}
					})
				})
			})
		},
	}
}

func (a *app) keyRm() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "rm ID",
		Short: "Remove an old key: the links that it has made work no more",
		Example: `  listd key ls
  listd key rm 1`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := strconv.Atoi(args[0])
			if err != nil {
				return usage("%q is no number of a key; `listd key ls` shows them", args[0])
			}
			return a.with(c.Context(), func(t *site) error {
				r, err := t.readKeys(c.Context())
				if err != nil {
					return err
				}
				if _, err := r.removable(id, t.db.Now()); err != nil {
					return err
				}
				if err := a.confirm(yes, fmt.Sprintf("This breaks, for good, every link and address to leave by, and every return path, in mail that left while key %d was in use.", id)); err != nil {
					return err
				}
				if err := t.removeKey(c.Context(), id); err != nil {
					return err
				}
				return a.print(object{{"id", id}, {"state", "removed"}}, func(w io.Writer) {
					fmt.Fprintf(w, "Key %d is gone. Running servers forget it within seconds.\n", id)
				})
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// removable is the index of a key that may go.
func (r keyring) removable(id int, now time.Time) (int, error) {
	i := slices.IndexFunc(r, func(k tokenKey) bool { return k.ID == id })
	switch {
	case i < 0:
		return 0, fmt.Errorf("there is no key %d; `listd key ls` shows them", id)
	case r.state(i, now) == "minting":
		return 0, fmt.Errorf("key %d makes the links in our mail; make a new one first, with `listd key rotate`", id)
	case r.state(i, now) == "waiting":
		return 0, fmt.Errorf("key %d is new and makes links from %s on; it stays", id, clockTime(r[i].Mints))
	}
	return i, nil
}

func (t *site) removeKey(ctx context.Context, id int) error {
	return t.db.Update(ctx, func(tx *store.Tx) error {
		r, err := keysOf(tx)
		if err != nil {
			return err
		}
		i, err := r.removable(id, tx.Now)
		if err != nil {
			return err
		}
		r = slices.Delete(r, i, i+1)
		// The first key lies in a second place, which must not keep it.
		if err := tx.SetSiteValue(hmacKey, r[r.minting(tx.Now)].Key); err != nil {
			return err
		}
		return r.save(tx)
	})
}

// object is a key for programs. The secret itself is told nowhere.
func (r keyring) object(i int, now time.Time) object {
	return object{{"id", r[i].ID}, {"made", jsonTime(r[i].Made)}, {"state", r.state(i, now)}, {"mints_from", jsonTime(r[i].Mints)}}
}
