package digest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"listd/feeds"
	"listd/lists"
	"listd/store"
	"listd/task"
)

// This file fetches what a list's feeds say, and gathers what a round-up has beside its posts.

// Fetcher fetches a feed: its bytes, or feeds.ErrUnchanged if they are what they were.
type Fetcher interface {
	Fetch(ctx context.Context, url string, was feeds.State) (body []byte, now feeds.State, err error)
}

var _ Fetcher = (*feeds.Fetcher)(nil)

// FetchKind is the kind of the task that fetches the feeds of a list.
const FetchKind = "feeds"

// fetchEvery is how often feeds are fetched, maxError how much is kept of what went wrong, in bytes.
const fetchEvery, maxError = 4 * time.Hour, 300

// fetched is the cursor of such a task: how many feeds it has tried.
type fetched struct{ Tried int }

// PlanFetch has the feeds of each list that anybody reads a round-up of fetched every few hours. The key names the time,
// so that of several nodes one does.
func (k *Desk) PlanFetch(_ context.Context, tx *store.Tx, now time.Time) (keys []task.Key, err error) {
	if k.Fetcher == nil {
		return nil, nil
	}
	all, err := tx.Followers()
	if err != nil {
		return nil, err
	}
	at := now.UTC().Truncate(fetchEvery)
	var last lists.ID
	for _, f := range all {
		if f.Mode != lists.Roundup || f.List == last {
			continue
		}
		last = f.List
		l, err := tx.List(f.List)
		if err != nil {
			return nil, err
		}
		if len(l.Policy.Feeds) > 0 {
			keys = append(keys, fetchKey(l, at.Format("2006-01-02T15"), at))
		}
	}
	return keys, nil
}

func fetchKey(l lists.List, what string, at time.Time) task.Key {
	return task.Key{Kind: FetchKind, Name: l.ListID + "/" + what, At: at, Arg: struct{ List lists.ID }{l.ID}}
}

// FetchNow has the feeds of a list fetched now, and says how many there are.
func (k *Desk) FetchNow(ctx context.Context, l lists.ID) (n int, err error) {
	err = k.DB.Update(ctx, func(tx *store.Tx) error {
		l, err := tx.List(l)
		if err != nil {
			return err
		}
		if n = len(l.Policy.Feeds); n == 0 {
			return nil
		}
		return task.Add(tx, fetchKey(l, "now-"+fmt.Sprint(tx.Now.UnixMilli()), time.Time{}))
	})
	return n, err
}

// FetchStep is the step that fetches one feed of a list after the other. A feed that fails waits for the next time: the
// round-up has what it said last.
func (k *Desk) FetchStep(ctx context.Context, t task.Task) (task.Commit, error) {
	var a struct{ List lists.ID }
	var at fetched
	if err := json.Unmarshal(t.Arg, &a); err != nil {
		return nil, err
	}
	if len(t.Cursor) > 0 {
		if err := json.Unmarshal(t.Cursor, &at); err != nil {
			return nil, err
		}
	}
	var l lists.List
	var known []store.Source
	err := k.DB.View(ctx, func(tx *store.Tx) (err error) {
		if l, err = tx.List(a.List); err == nil {
			known, err = tx.Sources(a.List)
		}
		return err
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if k.Fetcher == nil || at.Tried >= len(l.Policy.Feeds) {
		return func(_ context.Context, tx *store.Tx) (task.Next, error) {
			var but []string
			for _, f := range l.Policy.Feeds {
				but = append(but, f.URL)
			}
			return task.Next{Done: true}, tx.SweepSources(a.List, but)
		}, nil
	}
	s := k.fetch(ctx, l, l.Policy.Feeds[at.Tried].URL, known)
	at.Tried++
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		if _, err := tx.List(s.List); errors.Is(err, store.ErrNotFound) {
			return task.Next{Done: true}, nil // deleted meanwhile
		}
		return task.Next{Cursor: at}, tx.SaveSource(s)
	}, nil
}

// fetch is what a feed says now, or what it said last with what went wrong.
func (k *Desk) fetch(ctx context.Context, l lists.List, url string, known []store.Source) store.Source {
	s := store.Source{List: l.ID, URL: url}
	if i := slices.IndexFunc(known, func(s store.Source) bool { return s.URL == url }); i >= 0 {
		s = known[i]
	}
	s.Error = ""
	now := k.DB.Now()
	body, state, err := k.Fetcher.Fetch(ctx, url, feeds.State{ETag: s.ETag, Modified: s.Modified})
	if err == nil {
		// What cannot be read is not kept: a page that says "busy" must not take the place of what was there.
		_, err = feeds.Read(body, url, now.Add(-roundAhead), now.Add(roundAhead))
	}
	switch {
	case errors.Is(err, feeds.ErrUnchanged):
		s.Fetched = now
	case err != nil:
		s.Error = oneLine(err.Error(), maxError)
		k.Log.LogAttrs(ctx, slog.LevelWarn, "feed not fetched", slog.String("list", l.Address.String()), slog.String("url", url), slog.String("error", s.Error))
	default:
		s.Body, s.ETag, s.Modified, s.Fetched = body, state.ETag, state.Modified, now
	}
	return s
}

// Feeds are what a list's feeds said last, in the order the list names them; those that were not tried yet have no Tried.
func Feeds(tx *store.Tx, l lists.List) (out []store.Source, err error) {
	known, err := tx.Sources(l.ID)
	for _, f := range l.Policy.Feeds {
		s := store.Source{List: l.ID, URL: f.URL}
		if i := slices.IndexFunc(known, func(s store.Source) bool { return s.URL == f.URL }); i >= 0 {
			s = known[i]
		}
		out = append(out, s)
	}
	return out, err
}

// gather fills in what a round-up has beside its posts. last is when the issue before was made, zero if there was none.
func (m *Material) gather(tx *store.Tx, last time.Time) error {
	if m.Mode != lists.Roundup || len(m.Posts) == 0 {
		return nil
	}
	if m.Since = last; last.IsZero() || last.After(m.At) {
		m.Since = m.At.AddDate(0, 0, -7)
	}
	var err error
	if m.Named, err = tx.NewNamed(m.List.ID, m.since(), m.At, roundNamed); err != nil {
		return err
	}
	for i, n := range m.Named {
		m.Named[i] = oneLine(n, 100)
	}
	all, err := Feeds(tx, m.List)
	if err != nil {
		return err
	}
	for i, s := range all {
		m.Sources = append(m.Sources, Source{m.List.Policy.Feeds[i], s.Body})
	}
	m.Template, err = tx.OwnText(m.List.ID, RoundupText, m.Language)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return err
}
