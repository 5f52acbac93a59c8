package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"listd/archive"
)

// hitsOnPage is how many hits a page of a search has, maxQuery how long a query is at most, in bytes.
const (
	hitsOnPage = 25
	maxQuery   = 1000
)

// hit is a post that was found.
type hit struct {
	Path, Subject, Author, List, ListPath string
	Face                                  face
	Date                                  time.Time
	Snippet                               []archive.Piece
	Others                                string
	Thread                                string
}

// option is a way to look at the results.
type option struct {
	Name, Path string
	Here       bool
}

// searchData is what the page of a search shows.
type searchData struct {
	Query        string
	Sort, View   string
	Hits         []hit
	Count        string
	Next         string
	Odd          []string
	Sorts, Views []option
	Everywhere   string
	In           string
}

// asked is what a search's address asks for.
type asked struct {
	q      archive.Query
	cursor string
	values url.Values
}

func askedOf(r *http.Request) asked {
	v := r.URL.Query()
	text := strings.TrimSpace(strings.ToValidUTF8(v.Get("q"), "\uFFFD"))
	if len(text) > maxQuery {
		text = strings.ToValidUTF8(text[:maxQuery], "")
	}
	return asked{archive.Query{Text: text, ByRank: v.Get("sort") == "rank", Group: v.Get("view") == "thread"}, v.Get("after"), v}
}

// link is the search with one thing changed; a change of anything but the page begins at the first.
func (a asked) link(path, key, value string) string {
	v := url.Values{"q": {a.q.Text}}
	if a.q.ByRank {
		v.Set("sort", "rank")
	}
	if a.q.Group {
		v.Set("view", "thread")
	}
	if v.Set(key, value); value == "" {
		v.Del(key)
	}
	return path + "?" + v.Encode()
}

// searchPage searches one archive.
func (v *visit) searchPage() {
	ask := askedOf(v.r)
	var found archive.Result
	if ask.q.Text != "" {
		var err error
		if found, err = v.a.Search(v.r.Context(), ask.q, ask.cursor, hitsOnPage); err != nil {
			v.closed(v.w, v.r, err)
			return
		}
	}
	v.w.Header().Set("X-Robots-Tag", "noindex")
	d := v.Site.found(ask, v.path+"search", found)
	d.In, d.Everywhere = entryOf(v.a).Name, "/search?"+url.Values{"q": {ask.q.Text}}.Encode()
	for i := range d.Hits {
		d.Hits[i].List = ""
	}
	p := v.page(searchTitle(ask.q.Text), d, link{"Search", v.path + "search"})
	p.Search, p.Canonical = "", "" // the form is in the page
	v.show("search.html", p)
}

// searchAll searches all archives that the reader may read.
func (s *Site) searchAll(w http.ResponseWriter, r *http.Request) {
	if s.Library == nil {
		s.closed(w, r, archive.ErrNoArchive)
		return
	}
	ask := askedOf(r)
	var found archive.Result
	if ask.q.Text != "" {
		v := &visit{Site: s, w: w, r: r}
		if !v.turn(s.reading) {
			return
		}
		var err error
		found, err = s.Library.Search(r.Context(), s.reader(r), ask.q, ask.cursor, hitsOnPage)
		if v.done(); err != nil {
			s.closed(w, r, err)
			return
		}
	}
	p := s.page(r, searchTitle(ask.q.Text), s.found(ask, "/search", found))
	p.Search = ""
	s.showPublic(w, r, "search.html", p)
}

func searchTitle(q string) string {
	if q == "" {
		return "Search"
	}
	return "Search: " + q
}

// found is a result as it is shown.
func (s *Site) found(ask asked, path string, found archive.Result) searchData {
	d := searchData{Query: ask.q.Text, Odd: found.Odd, Sorts: []option{{"Latest first", ask.link(path, "sort", ""), !ask.q.ByRank},
		{"Best first", ask.link(path, "sort", "rank"), ask.q.ByRank}}, Views: []option{{"Posts", ask.link(path, "view", ""), !ask.q.Group},
		{"Threads", ask.link(path, "view", "thread"), ask.q.Group}}}
	if ask.q.ByRank {
		d.Sort = "rank"
	}
	if ask.q.Group {
		d.View = "thread"
	}
	if ask.q.Text == "" {
		return d
	}
	d.Count = plural(found.Total, "post")
	if found.Many {
		d.Count = "More than " + d.Count
	}
	if found.Next != "" {
		d.Next = ask.link(path, "after", found.Next)
	}
	for _, h := range found.Hits {
		d.Hits = append(d.Hits, hitOf(h))
	}
	return d
}

func hitOf(h archive.Hit) hit {
	keep := discretionOf(h.Archive.List, h.Archive.Addresses())
	who := keep.who(h.Author)
	at := listPath(h.Archive.List)
	out := hit{Path: at + seqText(h.Seq), Subject: keep.text(h.Subject), Author: who, Face: faceOf(who), Date: h.Date, List: entryOf(h.Archive).Name, ListPath: at,
		Snippet: keep.pieces(h.Snippet), Thread: at + "t/" + seqText(h.Seq) + "/"}
	if out.Subject == "" {
		out.Subject = "(no subject)"
	}
	if h.Others > 0 {
		out.Others = plural(h.Others, "more hit") + " in this thread"
	}
	return out
}

// pieces are a snippet without the domains of addresses, which a mark may cut in two.
func (d discretion) pieces(in []archive.Piece) []archive.Piece {
	if d.whole {
		return in
	}
	out := make([]archive.Piece, len(in))
	var before rune
	open := false
	for i, p := range in {
		out[i] = p
		out[i].Text, open = d.cover(p.Text, before, open)
		before = lastRune(p.Text, before)
	}
	return out
}

func lastRune(s string, none rune) rune {
	for _, r := range s {
		none = r
	}
	return none
}
