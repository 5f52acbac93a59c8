package store

import (
	"fmt"
	"slices"
	"time"

	"listd/lists"
)

// Source is a feed or a calendar that a list names, as it was fetched last. A list that no longer names it has no row of
// it either, once SweepSources was there.
type Source struct {
	List     lists.ID
	URL      string
	ETag     string // RFC 9110 section 8.8.3, as the server said it
	Modified string // Last-Modified, the same
	Body     []byte // empty: it was never had
	Fetched  time.Time
	Tried    time.Time
	Error    string // of the last try; empty: it went well
}

// Sources are those of a list that were ever tried, by URL. Uses feeds' PRIMARY KEY.
func (tx *Tx) Sources(l lists.ID) (out []Source, err error) {
	err = tx.each(`SELECT url, etag, modified, body, fetched_at, tried_at, error FROM feeds WHERE list_id = ? ORDER BY url`, []any{l},
		func(scan func(...any) error) error {
			s := Source{List: l}
			var body []byte
			var fetched, tried int64
			if err := scan(&s.URL, &s.ETag, &s.Modified, &body, &fetched, &tried, &s.Error); err != nil {
				return err
			}
			s.Fetched, s.Tried = fromMillis(fetched), fromMillis(tried)
			if s.Body, err = decoder.DecodeAll(body, nil); err != nil {
				return fmt.Errorf("feed %s: %w", s.URL, err)
			}
			out = append(out, s)
			return nil
		})
	return out, err
}

// SaveSource writes what a try has brought. Tried is the transaction's Now.
func (tx *Tx) SaveSource(s Source) error {
	_, err := tx.exec(`INSERT INTO feeds (list_id, url, etag, modified, body, fetched_at, tried_at, error) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (list_id, url) DO UPDATE SET etag = excluded.etag, modified = excluded.modified, body = excluded.body,
			fetched_at = excluded.fetched_at, tried_at = excluded.tried_at, error = excluded.error`,
		s.List, s.URL, s.ETag, s.Modified, encoder.EncodeAll(s.Body, []byte{}), millis(s.Fetched), tx.Now.UnixMilli(), s.Error)
	return err
}

// SweepSources forgets those of a list but these.
func (tx *Tx) SweepSources(l lists.ID, but []string) error {
	all, err := tx.Sources(l)
	for _, s := range all {
		if err == nil && !slices.Contains(but, s.URL) {
			_, err = tx.exec(`DELETE FROM feeds WHERE list_id = ? AND url = ?`, l, s.URL)
		}
	}
	return err
}

// NewNamed are the names of up to limit members who have joined in [from, to), are active still, and agreed to be named
// in round-ups, in the order they came. Uses subscriptions_by_named.
func (tx *Tx) NewNamed(l lists.ID, from, to time.Time, limit int) (out []string, err error) {
	err = tx.each(`SELECT name FROM subscriptions WHERE list_id = ? AND named = 1 AND joined_at >= ? AND joined_at < ?
		AND name <> '' AND state = 'active' ORDER BY joined_at, id LIMIT ?`, []any{l, from.UnixMilli(), to.UnixMilli(), limit},
		func(scan func(...any) error) error {
			var name string
			err := scan(&name)
			out = append(out, name)
			return err
		})
	return out, err
}
