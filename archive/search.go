package archive

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// Query is what somebody looks for; ParseQuery reads its Text.
type Query struct {
	Text   string // as typed
	ByRank bool   // best first; else latest first
	Group  bool   // one hit a thread
}

// Hit is a post that was found.
type Hit struct {
	Post
	Archive *Archive
	Snippet []Piece // of its text, around what was looked for: at most 240 characters
	Others  int     // further hits in its thread, when grouped
}

// Result is a page of hits.
type Result struct {
	Hits  []Hit
	Total int      // how many posts were found, as far as was counted: 100, and of phrases no more than was looked at
	Many  bool     // there are more than Total
	Next  string   // a cursor for the next page; "" at the end
	Odd   []string // what of the query was not understood
}

// Bounds of a search.
const (
	maxHits    = 100    // a page
	maxCount   = 100    // posts that are counted
	maxRanked  = 1000   // posts that come in order of rank
	newestHits = 20_000 // posts among which these are, for one word; fewer for several, each of which costs as much
	newestDear = 1000   // posts with a phrase among which these are: bm25 has walked all that have it before the first
	maxWeighed = 16     // terms; with more the latest come first
	maxThread  = 200    // posts of a thread that are looked at, to group it
)

// window is the time that is searched at first, wider times as much each time: so that a search that finds nothing for long
// is broken off when its context ends. To find the beginning of a window costs as much as a good part of it.
const (
	window = 365 * 24 * time.Hour
	wider  = 8
)

// Search finds posts in one archive; up to limit hits from the cursor on ("" for the first page). Nothing that may be typed
// is an error; what list: names is heeded.
func (a *Archive) Search(ctx context.Context, q Query, cursor string, limit int) (res Result, err error) {
	s := newSearch(ctx, q)
	if len(s.Lists) == 0 || slices.ContainsFunc(s.Lists, func(name string) bool { return names(name, a.List) }) {
		s.in = []*Archive{a}
	}
	err = a.view(ctx, func(tx *store.Tx) error { res, err = s.run(tx, cursor, limit); return err })
	return res, err
}

// Search finds posts in all archives of the directory, and in those that list: names if the reader may open them; if list:
// names any, in these only.
func (lib *Library) Search(ctx context.Context, r Reader, q Query, cursor string, limit int) (res Result, err error) {
	s := newSearch(ctx, q)
	err = lib.DB.View(ctx, func(tx *store.Tx) error {
		if s.in, err = lib.searched(tx, r, &s); err != nil {
			return err
		}
		res, err = s.run(tx, cursor, limit)
		return err
	})
	return res, err
}

// names reports whether a name in a query is a list's: its address, or the part before the @.
func names(name string, l lists.List) bool {
	return strings.EqualFold(name, l.Address.Local) || strings.EqualFold(name, l.Address.String())
}

// searched are the archives that a search looks at. A list that is not there and one that is closed are odd alike.
func (lib *Library) searched(tx *store.Tx, r Reader, s *search) (in []*Archive, err error) {
	all, err := tx.Lists()
	if err != nil {
		return nil, err
	}
	wanted := map[lists.ID]bool{}
	found := map[string]bool{}
	for _, name := range s.Lists {
		for _, l := range all {
			if names(name, l) {
				wanted[l.ID] = true
			}
		}
		if at, e := mail.ParseAddress(name); e == nil { // a former address, perhaps
			if l, e := tx.ListAt(at); e == nil {
				wanted[l.ID], found[name] = true, true
			}
		}
	}
	for _, l := range all {
		if len(s.Lists) > 0 && !wanted[l.ID] {
			continue
		}
		a, err := lib.open(tx, l, r)
		switch {
		case errors.Is(err, ErrNoArchive), errors.Is(err, ErrSignIn), errors.Is(err, ErrMembers):
		case err != nil:
			return nil, err
		case len(s.Lists) > 0 || l.Policy.Advertised || a.Member:
			in = append(in, a)
		}
	}
	for _, name := range s.Lists {
		if !slices.ContainsFunc(in, func(a *Archive) bool { return names(name, a.List) || found[name] && wanted[a.List.ID] }) {
			s.odd = append(s.odd, "list:"+name)
		}
	}
	return in, nil
}

// search is a search under way.
type search struct {
	Wanted
	q     Query
	ctx   context.Context
	tx    *store.Tx
	in    []*Archive
	match store.WordMatch
	marker
	whole bool // the index gives all it finds before the first: there is no use in looking a year at a time
	dear  bool // a phrase is looked for: the index walks all posts that have its words
}

func newSearch(ctx context.Context, q Query) search {
	return search{Wanted: ParseQuery(q.Text), q: q, ctx: ctx}
}

// understand makes of the words what the index is asked, for readers who see whole addresses in all archives, or not.
func (s *search) understand() {
	whole := !slices.ContainsFunc(s.in, func(a *Archive) bool { return !a.Addresses() })
	terms := func(all []Term) (out []store.WordTerm) {
		for _, t := range all {
			for _, f := range t.forms(whole, t.Field == InAuthor) {
				out = append(out, f)
				s.whole, s.dear = s.whole || f.Prefix, s.dear || len(f.Tokens) > 1
			}
		}
		return out
	}
	s.match = store.WordMatch{Not: terms(s.Not)} // a View may run again
	for _, group := range s.All {
		s.match.All = append(s.match.All, terms(group))
	}
	s.marker = newMarker(s.match.All)
}

// positive is how many terms there are of which a post may have some.
func (s *search) positive() (n int) {
	for _, group := range s.All {
		n += len(group)
	}
	return n
}

// empty reports whether nothing is looked for.
func (s *search) empty() bool {
	return len(s.All) == 0 && len(s.Not) == 0 && len(s.Lists) == 0 && s.From.IsZero() && s.To.IsZero() && !s.Files
}

// run makes a page.
func (s *search) run(tx *store.Tx, cursor string, limit int) (res Result, err error) {
	s.tx = tx
	res.Odd = s.odd
	if s.empty() || len(s.in) == 0 {
		return res, nil
	}
	s.understand()
	limit = min(max(limit, 1), maxHits)
	cursor, total, _ := strings.Cut(cursor, ".") // how many there are was counted for the first page
	if n := s.positive(); s.q.ByRank && (n > 0 || s.Files) && n <= maxWeighed {
		err = s.ranked(&res, cursor, limit)
	} else {
		err = s.newest(&res, cursor, limit, total == "")
	}
	if err != nil {
		return Result{}, err
	}
	if n, more := strings.CutSuffix(total, "+"); n != "" {
		n, _ := strconv.Atoi(n)
		res.Total, res.Many = min(max(n, 0), maxCount), more
	}
	if res.Next != "" {
		res.Next += "." + strconv.Itoa(res.Total)
		if res.Many {
			res.Next += "+"
		}
	}
	for i := range res.Hits {
		if res.Hits[i].Snippet, err = s.snippet(res.Hits[i].Post); err != nil {
			return Result{}, err
		}
	}
	return res, nil
}

// snippet reads the beginning of a message: what lies behind that is attached, most often.
func (s *search) snippet(p Post) ([]Piece, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	message, err := s.tx.MessageStart(p.message)
	if err != nil {
		return nil, nil // what cannot be read has been found all the same, by its subject
	}
	own, quoted, _, _ := texts(message)
	return snippet(own, quoted, s.marker), nil
}

// span is where the posts of a list stand that may be found.
func (s *search) span(l lists.ID) (from, before store.Place) {
	from, before = store.PlaceAt(l, s.From), store.EndOf(l)
	if !s.To.IsZero() {
		before = store.PlaceAt(l, s.To)
	}
	return from, before
}

func (s *search) find(from, before store.Place) store.Find {
	return store.Find{Match: s.match, Files: s.Files, From: from, Before: before}
}

// windows calls f for the posts of a list from the last on, a time after another, until it says that it is enough.
func (s *search) windows(from, before store.Place, f func(from, before store.Place) (enough bool, err error)) error {
	for w := window; ; w = min(wider*w, 100*window) {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		last, err := s.tx.LastPlace(from, before)
		if err != nil || last == 0 {
			return err
		}
		start := from
		if !s.whole {
			start = max(from, store.PlaceAt(last.List(), last.Time().Add(-w)))
		}
		if enough, err := f(start, before); enough || err != nil {
			return err
		}
		before = start
	}
}

// count counts what is found, as far as that goes: what the streams have met, and what lies behind. Behind it looks for
// no phrase.
func (s *search) count(res *Result, streams []stream) error {
	n := 0
	for i := range streams {
		st := &streams[i]
		if n += st.met; n > maxCount {
			break
		}
		if s.dear {
			last, err := s.tx.LastPlace(st.from, st.before)
			if err != nil {
				return err
			}
			res.Many = res.Many || last != 0
			continue
		}
		err := s.windows(st.from, st.before, func(from, before store.Place) (bool, error) {
			k, err := s.tx.CountWords(s.find(from, before), maxCount+1-n)
			n += k
			return n > maxCount, err
		})
		if err != nil {
			return err
		}
	}
	res.Many = res.Many && n > 0 || n > maxCount
	if res.Many {
		n--
	}
	res.Total = min(n, maxCount)
	return nil
}

// stream gives what is found in one archive, latest first. In each window it first has the index give what it finds in the
// order in which that is fastest. If it is more than is counted, then what was looked for is common, and the latest are
// found at once; if not, it is all.
type stream struct {
	s            *search
	archive      *Archive
	from, before store.Place // what has not been looked at
	low          store.Place // if not 0: where a window begins of which the posts before before are still to be found
	met          int         // hits in windows that were looked at
	chunk        int
	places       []store.Place // found
	posts        []store.Post  // read
}

func (s *search) streams(limit int) []stream {
	out := make([]stream, len(s.in))
	for i, a := range s.in {
		out[i] = stream{s: s, archive: a, chunk: max((limit+1)/len(s.in), 2)}
		out[i].from, out[i].before = s.span(a.List.ID)
	}
	return out
}

// fill has the stream's next posts ready, unless there are none.
func (st *stream) fill() error {
	for len(st.posts) == 0 {
		if len(st.places) == 0 {
			if err := st.look(); err != nil || len(st.places) == 0 {
				return err
			}
		}
		n := min(st.chunk, len(st.places))
		found, err := st.s.tx.PostsAt(st.places[:n])
		if err != nil {
			return err
		}
		st.posts = slices.DeleteFunc(found, func(p store.Post) bool { return !seen(p) })
		st.places, st.chunk = st.places[n:], min(2*st.chunk, maxHits)
	}
	return nil
}

// look finds places.
func (st *stream) look() error {
	if st.low > 0 {
		if err := st.latest(); err != nil || len(st.places) > 0 {
			return err
		}
	}
	enough := false
	err := st.s.windows(st.from, st.before, func(from, before store.Place) (_ bool, err error) {
		st.places, err = st.s.tx.SomeWords(st.s.find(from, before), maxCount+1)
		if err != nil {
			return false, err
		}
		st.met += len(st.places)
		if st.before = from; len(st.places) > maxCount {
			st.before, st.low, enough = before, from, true
			return true, st.latest()
		}
		slices.SortFunc(st.places, func(a, b store.Place) int { return cmp.Compare(b, a) })
		enough = len(st.places) > 0
		return enough, nil
	})
	if !enough && err == nil {
		st.before = st.from
	}
	return err
}

// latest finds the latest of a window with many.
func (st *stream) latest() (err error) {
	if st.places, err = st.s.tx.FindWords(st.s.find(st.low, st.before), st.chunk); err != nil {
		return err
	}
	if len(st.places) == st.chunk {
		st.before = st.places[st.chunk-1]
	} else {
		st.before, st.low = st.low, 0
	}
	return nil
}

// later reports whether a post comes before another in the order of all archives: by second, list, place.
func later(a, b store.Place) bool {
	if x, y := a.Time(), b.Time(); !x.Equal(y) {
		return x.After(y)
	}
	return a > b
}

// newest takes the latest, and counts. The cursor is the place of the last post that was looked at.
func (s *search) newest(res *Result, cursor string, limit int, count bool) error {
	streams := s.streams(limit)
	if err := s.merge(res, streams, cursor, limit); err != nil || !count {
		return err
	}
	return s.count(res, streams)
}

// merge takes the latest of the streams.
func (s *search) merge(res *Result, streams []stream, cursor string, limit int) error {
	last, err := strconv.ParseInt(strings.TrimPrefix(cursor, "n"), 36, 64)
	after := store.Place(last)
	if err == nil && strings.HasPrefix(cursor, "n") && last > 0 {
		for i := range streams {
			streams[i].before = min(streams[i].before, behind(streams[i].archive.List.ID, after))
		}
	}
	threads := map[store.ThreadID]bool{}
	for {
		var next *stream
		for i := range streams {
			st := &streams[i]
			if err := st.fill(); err != nil {
				return err
			}
			if len(st.posts) > 0 && (next == nil || later(st.posts[0].Place, next.posts[0].Place)) {
				next = st
			}
		}
		if next == nil {
			return nil
		}
		p := next.posts[0]
		hit := Hit{Post: post(p), Archive: next.archive}
		take := true
		if s.q.Group {
			if take, err = s.group(&hit, threads); err != nil {
				return err
			}
		}
		if take && len(res.Hits) == limit {
			res.Next = "n" + strconv.FormatInt(int64(after), 36)
			return nil
		}
		if take {
			res.Hits = append(res.Hits, hit)
		}
		next.posts, after = next.posts[1:], p.Place
	}
}

// behind is the first place of a list that does not come after another place, of any list.
func behind(l lists.ID, after store.Place) store.Place {
	switch {
	case l == after.List():
		return after
	case l > after.List():
		return store.PlaceAt(l, after.Time())
	}
	return store.PlaceAt(l, after.Time().Add(time.Second))
}

// group counts the other hits in a hit's thread; false if another stands for the thread: one that came before, on this
// page or on one before.
func (s *search) group(h *Hit, threads map[store.ThreadID]bool) (bool, error) {
	if h.thread == 0 {
		return true, nil
	}
	if threads[h.thread] {
		return false, nil
	}
	threads[h.thread] = true
	all, err := s.inThread(h)
	if err != nil {
		return false, err
	}
	h.Others = max(len(all)-1, 0)
	return len(all) == 0 || all[0] <= h.place, nil
}

// inThread are the hits in a hit's thread.
func (s *search) inThread(h *Hit) ([]store.Place, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	from, before := s.span(h.Archive.List.ID)
	all, err := s.tx.PlacesOf(h.thread, from, before, maxThread)
	if err != nil {
		return nil, err
	}
	return s.tx.WordsAmong(s.find(from, before), all)
}

// posts reads the posts at some places, a few at a time.
func (s *search) posts(places []store.Place) iter.Seq2[store.Post, error] {
	return func(yield func(store.Post, error) bool) {
		for part := range slices.Chunk(places, maxHits) {
			found, err := s.tx.PostsAt(part)
			if err != nil {
				yield(store.Post{}, err)
				return
			}
			for _, p := range found {
				if !yield(p, nil) {
					return
				}
			}
		}
	}
}

// ranked takes the best of the newest. The cursor is how many hits came before.
func (s *search) ranked(res *Result, cursor string, limit int) error {
	skip, err := strconv.Atoi(strings.TrimPrefix(cursor, "r"))
	if err != nil || !strings.HasPrefix(cursor, "r") || skip < 0 {
		skip = 0
	}
	ids, byID := make([]lists.ID, len(s.in)), map[lists.ID]*Archive{}
	for i, a := range s.in {
		ids[i], byID[a.List.ID] = a.List.ID, a
	}
	from, before := store.PlaceAt(0, s.From), store.EndOf(0)-1
	if !s.To.IsZero() {
		before = store.PlaceAt(0, s.To)
	}
	among := newestHits / min(max(s.positive()+len(s.Not), 1), 4)
	if s.dear {
		among = newestDear
	}
	places, err := s.tx.RankWords(s.find(from, before), ids, among, maxRanked)
	if err != nil {
		return err
	}
	res.Total, res.Many = min(len(places), maxCount), len(places) > maxCount
	threads := map[store.ThreadID]int{} // the hit that stands for it, counted from 0
	n := 0
	for p, err := range s.posts(places) {
		if err != nil {
			return err
		}
		if n > skip+limit && !s.q.Group {
			break
		}
		if !seen(p) {
			continue
		}
		if at, there := threads[p.Thread]; s.q.Group && there && p.Thread != 0 {
			if at >= skip && at < skip+len(res.Hits) {
				res.Hits[at-skip].Others++
			}
			continue
		}
		threads[p.Thread] = n
		if n >= skip && len(res.Hits) < limit {
			res.Hits = append(res.Hits, Hit{Post: post(p), Archive: byID[p.List]})
		}
		n++
	}
	if skip+limit < n {
		res.Next = "r" + strconv.Itoa(skip+limit)
	}
	return nil
}
