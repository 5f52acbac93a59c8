package store

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"listd/lists"
	"listd/mail"
)

// Words are the tokens of a post, a space between two, for each part of it that can be searched. Tokens are letters,
// digits and marks in lower case, at most 64 bytes each. Attached says that it has attachments.
type Words struct {
	Place                               Place
	Subject, Author, Own, Quoted, Files string
	Attached                            bool
}

// attached is a token that no text has: what is looked for with Find.Files.
const attached = "\ue000"

// files are the tokens of the names of files, and attached.
func (w Words) files() string {
	if w.Attached {
		return strings.TrimLeft(w.Files+" "+attached, " ")
	}
	return w.Files
}

// WordField is the part of a post in which a word is looked for.
type WordField uint8

// The parts.
const (
	Anywhere WordField = iota
	InSubject
	InAuthor
)

// WordTerm is tokens side by side in one part of a post. Prefix: the last one may go on.
type WordTerm struct {
	Field  WordField
	Tokens []string
	Prefix bool
}

// WordMatch is what a post must have: of each of All one term at least, and no term of Not.
type WordMatch struct {
	All [][]WordTerm
	Not []WordTerm
}

// Find is what is looked for in which posts: those with a place in [From, Before), and, with Files, attachments.
type Find struct {
	Match        WordMatch
	Files        bool
	From, Before Place
}

// all is what is looked for in the index.
func (f Find) all() WordMatch {
	m := f.Match
	if f.Files {
		m.All = append(slices.Clip(m.All), []WordTerm{{Tokens: []string{attached}}})
	}
	return m
}

// wordIndex is all in which the engines' indexes of words differ. Whoever asks for places has something to look for:
// All is not empty, and Files is among it.
type wordIndex interface {
	add(tx *Tx, all []Words) error
	drop(tx *Tx, all []Place) error
	some(tx *Tx, from, before Place, limit int) ([]Place, error) // that have words, in any order
	merge(tx *Tx, pages int) (bool, error)
	find(tx *Tx, f Find, limit int) ([]Place, error) // latest first
	any(tx *Tx, f Find, limit int) ([]Place, error)  // in any order
	count(tx *Tx, f Find, most int) (int, error)
	among(tx *Tx, m WordMatch, places []Place) ([]Place, error) // in any order
	rank(tx *Tx, f Find, in []lists.ID, newest, limit int) ([]Place, error)
}

// AddWords writes the words of posts in place of those they had.
func (tx *Tx) AddWords(all []Words) error {
	if len(all) == 0 {
		return nil
	}
	if err := tx.db.dialect.words().add(tx, all); err != nil {
		return fmt.Errorf("words: %w", err)
	}
	return nil
}

// DropWords forgets the words of posts.
func (tx *Tx) DropWords(places ...Place) error {
	if len(places) == 0 {
		return nil
	}
	if err := tx.db.dialect.words().drop(tx, places); err != nil {
		return fmt.Errorf("drop words: %w", err)
	}
	return nil
}

// DropWordsOf forgets the words of up to limit posts of a list, which need not be there any more, and says how many: 0
// at the end. 500 take some 30 ms.
func (tx *Tx) DropWordsOf(l lists.ID, limit int) (int, error) {
	some, err := tx.db.dialect.words().some(tx, PlaceAt(l, time.Time{}), EndOf(l), limit)
	if err != nil {
		return 0, fmt.Errorf("words of list %d: %w", l, err)
	}
	return len(some), tx.DropWords(some...)
}

// MergeWords makes the index of words a little tidier, by writing about as many pages (4 KiB), and says whether there
// was something to do. A negative number begins to merge all into one piece; what follows goes on with that.
func (tx *Tx) MergeWords(pages int) (bool, error) { return tx.db.dialect.words().merge(tx, pages) }

// FindWords are up to limit places of posts that were found, latest first.
func (tx *Tx) FindWords(f Find, limit int) ([]Place, error) {
	if f.Match = f.all(); len(f.Match.All) > 0 {
		return tx.db.dialect.words().find(tx, f, limit)
	}
	var out []Place
	for before := f.Before; len(out) < limit; {
		got, err := tx.openPlaces(f.From, before, max(limit, 200))
		if err != nil || len(got) == 0 {
			return out, err
		}
		before = got[len(got)-1]
		if got, err = tx.without(f.Match.Not, got); err != nil {
			return nil, err
		}
		out = append(out, got...)
	}
	return out[:limit], nil
}

// SomeWords are up to limit places of posts that were found, in any order: all of them, if they are fewer.
func (tx *Tx) SomeWords(f Find, limit int) ([]Place, error) {
	if all := f.all(); len(all.All) > 0 {
		f.Match = all
		return tx.db.dialect.words().any(tx, f, limit)
	}
	return tx.FindWords(f, limit)
}

// without are those of places, which are latest first, that have none of some terms.
func (tx *Tx) without(not []WordTerm, places []Place) ([]Place, error) {
	if len(not) == 0 || len(places) == 0 {
		return places, nil
	}
	f := Find{Match: WordMatch{All: [][]WordTerm{not}}, From: places[len(places)-1], Before: places[0] + 1}
	has, err := tx.db.dialect.words().find(tx, f, 1<<30)
	return slices.DeleteFunc(places, func(p Place) bool {
		_, found := slices.BinarySearchFunc(has, p, latestFirst)
		return found
	}), err
}

// openPlaces are up to limit places of posts that are neither hidden nor removed, latest first. Uses posts_by_place.
func (tx *Tx) openPlaces(from, before Place, limit int) ([]Place, error) {
	return tx.places(`SELECT place FROM posts WHERE place > 0 AND place >= ? AND place < ? AND removed_at = 0 AND hidden = 0
		ORDER BY place DESC LIMIT ?`, from, before, limit)
}

func (tx *Tx) places(query string, args ...any) (out []Place, err error) {
	err = tx.each(query, args, func(scan func(...any) error) error {
		var p Place
		err := scan(&p)
		out = append(out, p)
		return err
	})
	return out, err
}

// CountWords is how many posts would be found; most says how far to count.
func (tx *Tx) CountWords(f Find, most int) (n int, err error) {
	if f.Match = f.all(); len(f.Match.All) > 0 {
		return tx.db.dialect.words().count(tx, f, most)
	}
	if len(f.Match.Not) > 0 {
		found, err := tx.FindWords(f, most)
		return len(found), err
	}
	err = tx.get(`SELECT COUNT(*) FROM (SELECT 1 FROM posts WHERE place > 0 AND place >= ? AND place < ? AND removed_at = 0
		AND hidden = 0 LIMIT ?) p`, []any{f.From, f.Before, most}, &n)
	return n, err
}

// someAmong is how many posts between others WordsAmong looks at before it asks for each one.
const someAmong = 500

// WordsAmong are those of some places, latest first, that match; From and Before are nothing to it.
func (tx *Tx) WordsAmong(f Find, places []Place) (out []Place, err error) {
	if f.Match = f.all(); len(places) == 0 {
		return nil, nil
	}
	// What stands close together is found with what lies between. To ask for a single place costs as much as ten others.
	f.From, f.Before = places[len(places)-1], places[0]+1
	found, err := tx.FindWords(f, someAmong)
	if err != nil {
		return nil, err
	}
	among := map[Place]bool{}
	for _, p := range found {
		among[p] = true
	}
	if len(found) == someAmong {
		last := found[len(found)-1]
		rest := places[slices.IndexFunc(places, func(p Place) bool { return p <= last }):]
		for part := range slices.Chunk(rest, 50) {
			if found, err = tx.each50(f.Match, part); err != nil {
				return nil, err
			}
			for _, p := range found {
				among[p] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(places), func(p Place) bool { return !among[p] }), nil
}

// each50 are those of up to 50 places that match, in any order.
func (tx *Tx) each50(m WordMatch, places []Place) ([]Place, error) {
	if len(m.All) > 0 {
		return tx.db.dialect.words().among(tx, m, places)
	}
	if len(m.Not) == 0 {
		return places, nil
	}
	has, err := tx.db.dialect.words().among(tx, WordMatch{All: [][]WordTerm{m.Not}}, places)
	return slices.DeleteFunc(slices.Clone(places), func(p Place) bool { return slices.Contains(has, p) }), err
}

func latestFirst(a, b Place) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}

// RankWords are up to limit places of posts of some lists, best first, of the newest that are found. From and Before bound
// the times only. Without words to look for there is no best: no place at all.
func (tx *Tx) RankWords(f Find, in []lists.ID, newest, limit int) ([]Place, error) {
	if f.Match = f.all(); len(f.Match.All) == 0 || len(in) == 0 {
		return nil, nil
	}
	return tx.db.dialect.words().rank(tx, f, in, newest, limit)
}

// List is the list that a place belongs to.
func (p Place) List() lists.ID { return lists.ID(p >> (placeSeconds + placeWithin)) }

// PostsAt are the posts at some places, in the order of these.
func (tx *Tx) PostsAt(places []Place) (out []Post, err error) {
	at := make(map[Place]int, len(places))
	for i, p := range places {
		at[p] = i
	}
	for part := range slices.Chunk(places, 50) {
		found, err := tx.posts(`WHERE p.place > 0 AND p.place IN `+placeholders(1, 50), padded(part, 50)...)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	slices.SortFunc(out, func(a, b Post) int { return at[a.Place] - at[b.Place] })
	return out, nil
}

// padded are n values: places, and the last of them again and again. So few texts make a statement.
func padded(places []Place, n int) []any {
	args := make([]any, n)
	for i := range args {
		args[i] = places[min(i, len(places)-1)]
	}
	return args
}

// PlacesOf are up to limit places of a thread's posts that readers may find, latest first, in [from, before). Uses
// posts_by_thread.
func (tx *Tx) PlacesOf(id ThreadID, from, before Place, limit int) ([]Place, error) {
	return tx.places(`SELECT place FROM posts WHERE place > 0 AND thread = ? AND place >= ? AND place < ? AND removed_at = 0
		AND hidden = 0 ORDER BY place DESC LIMIT ?`, id, from, before, limit)
}

// OpenPlaces locks the posts of a list with a Seq in (after, to] that have a place and are neither hidden nor removed, and
// says their places: who removes one meanwhile waits, and is waited for.
func (tx *Tx) OpenPlaces(l lists.ID, after, to lists.Seq) (map[lists.Seq]Place, error) {
	out := map[lists.Seq]Place{}
	err := tx.each(`SELECT seq, place FROM posts WHERE list_id = ? AND seq > ? AND seq <= ? AND place > 0 AND hidden = 0 AND removed_at = 0
		ORDER BY seq `+tx.db.dialect.forUpdate(), []any{l, after, to}, func(scan func(...any) error) error {
		var seq lists.Seq
		var p Place
		err := scan(&seq, &p)
		out[seq] = p
		return err
	})
	return out, err
}

// MessageStart is a message with no more than the first 256 KiB of its body.
func (tx *Tx) MessageStart(id MessageID) (m mail.Message, err error) {
	var size, packed int64
	var first []byte
	if err = tx.get(`SELECT m.head, b.size, b.packed, b.data FROM messages m JOIN bodies b ON b.id = m.body_id WHERE m.id = ?`,
		[]any{id}, (*packedHead)(&m.Head), &size, &packed, &first); err == nil {
		m.Body, err = unpack(make([]byte, 0, min(size, chunkSize)), packed != 0, first)
	}
	if err != nil {
		return m, fmt.Errorf("message %d: %w", id, err)
	}
	return m, nil
}
