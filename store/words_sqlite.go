package store

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"listd/lists"
)

// fts is the index of words in FTS5.
//
// FTS5 writes down by how much each row's number differs from the one before, for every word. Places differ by 4096 a
// second, so a place whose last bits are zero, as nearly all are, has the row of its second; the others have rows
// below zero.
type fts struct{}

func rowOf(p Place) int64 {
	if p&(1<<placeWithin-1) == 0 {
		return int64(p >> placeWithin)
	}
	return math.MinInt64 | int64(p)
}

func placeOf(row int64) Place {
	if row >= 0 {
		return Place(row << placeWithin)
	}
	return Place(row & math.MaxInt64)
}

// span is a range of rows [from, before).
type span struct{ from, before int64 }

// spans are the rows of places in [from, before): those of whole seconds, and the others if there are any.
func (fts) spans(tx *Tx, from, before Place) ([]span, error) {
	up := func(p Place) int64 { return int64((p + 1<<placeWithin - 1) >> placeWithin) }
	out := []span{{up(from), up(before)}}
	odd := span{math.MinInt64 | int64(from), math.MinInt64 | int64(before)}
	var some int
	err := tx.get(`SELECT EXISTS (SELECT 1 FROM post_words_docsize WHERE id >= ? AND id < ?)`, []any{odd.from, odd.before}, &some)
	if some == 1 {
		out = append(out, odd)
	}
	return out, err
}

// add writes rows in ascending order: FTS5 closes a segment of its index at each that is not.
func (fts) add(tx *Tx, all []Words) error {
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b Words) int { return int(min(max(rowOf(a.Place)-rowOf(b.Place), -1), 1)) })
	for _, w := range all {
		if _, err := tx.exec(`INSERT OR REPLACE INTO post_words (rowid, own, quoted, subject, author, files) VALUES (?, ?, ?, ?, ?, ?)`,
			rowOf(w.Place), w.Own, w.Quoted, w.Subject, w.Author, w.files()); err != nil {
			return err
		}
	}
	return nil
}

func (fts) drop(tx *Tx, all []Place) error {
	for _, p := range all {
		if _, err := tx.exec(`DELETE FROM post_words WHERE rowid = ?`, rowOf(p)); err != nil {
			return err
		}
	}
	return nil
}

func (x fts) some(tx *Tx, from, before Place, limit int) (out []Place, err error) {
	spans, err := x.spans(tx, from, before)
	for _, s := range spans {
		if err != nil || len(out) == limit {
			break
		}
		var got []Place
		got, err = x.rows(tx, `SELECT id FROM post_words_docsize WHERE id >= ? AND id < ? ORDER BY id LIMIT ?`, s.from, s.before, limit-len(out))
		out = append(out, got...)
	}
	return out, err
}

func (fts) rows(tx *Tx, query string, args ...any) (out []Place, err error) {
	err = tx.each(query, args, func(scan func(...any) error) error {
		var row int64
		err := scan(&row)
		out = append(out, placeOf(row))
		return err
	})
	return out, err
}

// merge: FTS5 has done something if more than one row has changed.
func (fts) merge(tx *Tx, pages int) (bool, error) {
	var before, after int64
	if err := tx.get(`SELECT total_changes()`, nil, &before); err != nil {
		return false, err
	}
	if _, err := tx.exec(`INSERT INTO post_words (post_words, rank) VALUES ('merge', ?)`, pages); err != nil {
		return false, fmt.Errorf("merge words: %w", err)
	}
	err := tx.get(`SELECT total_changes()`, nil, &after)
	return after-before > 1, err
}

// any walks the index forwards, which is faster than backwards.
func (x fts) any(tx *Tx, f Find, limit int) (out []Place, err error) {
	match := x.match(f.Match)
	spans, err := x.spans(tx, f.From, f.Before)
	for _, s := range spans {
		var got []Place
		if err == nil && len(out) < limit {
			got, err = x.rows(tx, `SELECT rowid FROM post_words WHERE post_words MATCH ? AND rowid >= ? AND rowid < ? LIMIT ?`,
				match, s.from, s.before, limit-len(out))
		}
		out = append(out, got...)
	}
	return out, err
}

// find walks the index backwards from the last row on: FTS5 skips what lies outside of the range.
func (x fts) find(tx *Tx, f Find, limit int) (out []Place, err error) {
	match := x.match(f.Match)
	spans, err := x.spans(tx, f.From, f.Before)
	if err != nil {
		return nil, err
	}
	for _, s := range spans {
		got, err := x.rows(tx, `SELECT rowid FROM post_words WHERE post_words MATCH ? AND rowid >= ? AND rowid < ?
			ORDER BY rowid DESC LIMIT ?`, match, s.from, s.before, limit)
		if err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	if len(spans) > 1 {
		slices.SortFunc(out, latestFirst)
	}
	return out[:min(len(out), limit)], nil
}

func (x fts) count(tx *Tx, f Find, most int) (n int, err error) {
	match := x.match(f.Match)
	spans, err := x.spans(tx, f.From, f.Before)
	for _, s := range spans {
		var k int
		if err == nil && n < most {
			err = tx.get(`SELECT COUNT(*) FROM (SELECT 1 FROM post_words WHERE post_words MATCH ? AND rowid >= ? AND rowid < ? LIMIT ?)`,
				[]any{match, s.from, s.before, most - n}, &k)
		}
		n += k
	}
	return n, err
}

func (x fts) among(tx *Tx, m WordMatch, places []Place) ([]Place, error) {
	args := []any{x.match(m)}
	for i := range 50 {
		args = append(args, rowOf(places[min(i, len(places)-1)]))
	}
	return x.rows(tx, `SELECT rowid FROM post_words WHERE post_words MATCH ? AND rowid IN `+placeholders(1, 50), args...)
}

// scored is a row that was found, and its weight: the less, the better.
type scored struct {
	row    int64
	weight float64
}

// rank has FTS5 weigh the newest rows with bm25: own words 2, quoted ones 0.5, the subject 10, the author 4, files 2. How
// rare a word is bm25 finds out by counting all rows that have it.
func (x fts) rank(tx *Tx, f Find, in []lists.ID, newest, limit int) ([]Place, error) {
	floor, err := x.floor(tx, f, in, newest)
	if err != nil {
		return nil, err
	}
	f.From = max(f.From, floor)
	spans, err := x.spans(tx, PlaceAt(slices.Min(in), f.From.Time()), PlaceAt(slices.Max(in), f.Before.Time()))
	if err != nil {
		return nil, err
	}
	var all []scored
	for _, s := range spans {
		where, args := `rowid >= ? AND rowid < ?`, []any{x.match(f.Match), s.from, s.before}
		if len(in) > 1 {
			w, more := x.within(s, f, in)
			where, args = where+w, append(args, more...)
		}
		err := tx.each(`SELECT row, weight FROM (SELECT rowid AS row, bm25(post_words, 2.0, 0.5, 10.0, 4.0, 2.0) AS weight
			FROM post_words WHERE post_words MATCH ? AND `+where+` ORDER BY rowid DESC LIMIT ?) r ORDER BY weight, row DESC LIMIT ?`,
			append(args, newest, limit), func(scan func(...any) error) error {
				var sc scored
				err := scan(&sc.row, &sc.weight)
				all = append(all, sc)
				return err
			})
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(all, func(a, b scored) int { return cmp.Compare(a.weight, b.weight) })
	out := make([]Place, min(len(all), limit))
	for i := range out {
		out[i] = placeOf(all[i].row)
	}
	return out, nil
}

// within bounds the lists and the times of rows, for a span over several lists. In a row below zero both lie 12 bits higher.
func (fts) within(s span, f Find, in []lists.ID) (where string, args []any) {
	shift := 0
	if s.from < 0 {
		shift = placeWithin
	}
	ids := make([]string, len(in))
	for i, l := range in {
		ids[i] = strconv.FormatInt(int64(l), 10)
	}
	return ` AND (rowid & 9223372036854775807) >> (33 + ?) IN (SELECT value FROM json_each(?))
		AND (rowid >> ? & 8589934591) >= ? AND (rowid >> ? & 8589934591) < ?`,
		[]any{shift, "[" + strings.Join(ids, ",") + "]", shift, f.From.Time().Unix(), shift, f.Before.Time().Unix()}
}

// floor is a place whose time leaves about newest rows of all lists, or fewer. One list needs none: its rows stand in the
// order of time.
func (x fts) floor(tx *Tx, f Find, in []lists.ID, newest int) (floor Place, err error) {
	match := x.match(f.Match)
	if len(in) == 1 {
		return 0, nil
	}
	each := max(newest/len(in), 1)
	for _, l := range in {
		from, before := PlaceAt(l, f.From.Time()), PlaceAt(l, f.Before.Time())
		got, err := x.rows(tx, `SELECT rowid FROM post_words WHERE post_words MATCH ? AND rowid >= ? AND rowid < ? ORDER BY rowid DESC LIMIT 1 OFFSET ?`,
			match, int64(from>>placeWithin), int64(before>>placeWithin), each-1)
		if err != nil {
			return 0, err
		}
		if len(got) > 0 {
			floor = max(floor, PlaceAt(0, got[0].Time()))
		}
	}
	return floor, nil
}

// match is a query of FTS5. Tokens hold nothing that means something to it.
func (x fts) match(m WordMatch) string {
	var b strings.Builder
	for i, group := range m.All {
		if i > 0 {
			b.WriteString(" AND ")
		}
		x.either(&b, group)
	}
	if len(m.Not) == 0 {
		return b.String()
	}
	all := b.String()
	b.Reset()
	x.either(&b, m.Not)
	return "(" + all + ") NOT " + b.String()
}

func (fts) either(b *strings.Builder, terms []WordTerm) {
	b.WriteByte('(')
	for i, t := range terms {
		if i > 0 {
			b.WriteString(" OR ")
		}
		b.WriteString([...]string{Anywhere: "", InSubject: "{subject} : ", InAuthor: "{author} : "}[t.Field])
		b.WriteString(`"` + strings.Join(t.Tokens, " ") + `"`)
		if t.Prefix {
			b.WriteString(" *")
		}
	}
	b.WriteByte(')')
}
