package web

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"listd/archive"
	"listd/auth"
	"listd/lists"
	"listd/mail"
)

// visit is one reader's request to one archive.
type visit struct {
	*Site
	w    http.ResponseWriter
	r    *http.Request
	a    *archive.Archive
	keep discretion
	path string // of the list's pages, with a final slash

	holds chan struct{} // whose turn it is, if any
}

// cookie carries a session's secret.
const cookie = "listd"

// reader is who asks; a stranger unless they have signed in.
func (s *Site) reader(r *http.Request) archive.Reader {
	c, err := r.Cookie(cookie)
	if err != nil || s.Users == nil {
		return archive.Reader{}
	}
	u, err := s.Users.Session(r.Context(), c.Value)
	if err != nil {
		if !errors.Is(err, auth.ErrUnknown) {
			s.Log.LogAttrs(r.Context(), slog.LevelError, "session", slog.Any("error", err))
		}
		return archive.Reader{}
	}
	return archive.Reader{Address: u.Address, User: u.ID}
}

// listPath is the path of a list's pages.
func listPath(l lists.List) string { return "/l/" + l.Address.String() + "/" }

// base is the site's address without a final slash; empty if it is not known, and then links are relative.
func (s *Site) base() string {
	if s.Books == nil {
		return ""
	}
	return strings.TrimSuffix(s.Books.URL, "/")
}

// enter opens the archive that a path names. If it stays closed, the reader has been told.
func (s *Site) enter(w http.ResponseWriter, r *http.Request, at string) (*visit, bool) {
	a, err := s.open(r, at)
	if err != nil {
		s.closed(w, r, err)
		return nil, false
	}
	v := &visit{Site: s, w: w, r: r, a: a, keep: discretionOf(a.List, a.Addresses()), path: listPath(a.List)}
	return v, true
}

func (s *Site) open(r *http.Request, at string) (*archive.Archive, error) {
	address, err := mail.ParseAddress(strings.ToLower(at))
	if err != nil || s.Library == nil {
		return nil, archive.ErrNoArchive
	}
	return s.Library.Open(r.Context(), address, s.reader(r))
}

// closed tells why a page is not shown.
func (s *Site) closed(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, archive.ErrSignIn):
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, "/signin?to="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
	case errors.Is(err, archive.ErrMembers):
		s.say(w, r, http.StatusForbidden, "For members only", "You have signed in, but you are not a member of this list.",
			"Join the list to read its archive; if you are a member with another address, sign in with that one.")
	case errors.Is(err, archive.ErrNoArchive):
		s.say(w, r, http.StatusNotFound, "No such archive", "There is no list of this name here whose archive can be read.", "The front page has those that can.")
	case errors.Is(err, archive.ErrNoPost):
		s.say(w, r, http.StatusNotFound, "No such post", "There is no post at this address.", "It may have been taken out of the archive.")
	default:
		s.fail(w, r, err)
	}
}

// forWhole tells a stranger that what they ask for has whole addresses in it.
func (v *visit) forWhole() bool {
	if v.a.Addresses() {
		return true
	}
	v.closed(v.w, v.r, archive.ErrSignIn)
	return false
}

// inList leads to the pages of a list.
func (s *Site) inList(w http.ResponseWriter, r *http.Request) {
	v, ok := s.enter(w, r, r.PathValue("list"))
	if !ok {
		return
	}
	if own := v.a.List.Address.String(); own != r.PathValue("list") { // it has another address today
		v.moved(v.path + r.PathValue("rest"))
		return
	}
	if !v.turn(s.reading) {
		return
	}
	defer v.done()
	w.Header().Del("X-Robots-Tag")
	if v.a.List.Policy.Archive != lists.ArchivePublic {
		w.Header().Set("X-Robots-Tag", "noindex")
	}
	v.lead(strings.Split(r.PathValue("rest"), "/"))
}

// lead finds the page of a path below the list's.
func (v *visit) lead(p []string) {
	last := p[len(p)-1]
	month, isMonth := parseMonth(p[0])
	seq, isPost := parseSeq(p[0])
	switch {
	case len(p) == 1 && isMonth, len(p) == 2 && p[0] == "t" && last != "":
		v.moved(v.r.URL.EscapedPath() + "/")
	case len(p) == 1:
		v.single(last, seq, isPost)
	case p[0] == "m" && len(p) == 2 && last != "":
		v.byHash(last)
	case isMonth && len(p) == 2 && last == "":
		v.monthPage(month)
	case isMonth && len(p) == 2 && last == "mbox.gz":
		v.monthMbox(month)
	case isPost && len(p) == 2 && last == "":
		v.moved(v.path + p[0])
	case isPost && len(p) == 2 && last == "raw":
		v.raw(seq)
	case isPost && len(p) == 2 && last == "html":
		v.htmlPage(seq)
	case isPost && len(p) > 2 && p[1] == "part":
		v.part(seq, strings.Join(p[2:], "/"))
	case p[0] == "t" && len(p) == 3:
		if seq, ok := parseSeq(p[1]); ok {
			v.inThread(seq, last)
			return
		}
		v.nothing()
	default:
		v.nothing()
	}
}

// single is a page right below the list's.
func (v *visit) single(name string, seq lists.Seq, isPost bool) {
	switch {
	case isPost:
		v.postPage(seq)
	case name == "":
		v.listPage()
	case name == "threads":
		v.threadsPage()
	case name == "search":
		v.searchPage()
	case name == "new.atom":
		v.atom()
	case name == "feed.json":
		v.jsonFeed()
	default:
		v.nothing()
	}
}

func (v *visit) inThread(seq lists.Seq, name string) {
	switch name {
	case "":
		v.threadPage(seq)
	case "mbox.gz":
		v.threadMbox(seq)
	case "new.atom":
		v.threadAtom(seq)
	case "feed.json":
		v.threadFeed(seq)
	default:
		v.nothing()
	}
}

func (v *visit) nothing() {
	v.w.Header().Set("X-Robots-Tag", "noindex")
	v.say(v.w, v.r, http.StatusNotFound, "No such page", "The archive has no page at this address.", "")
}

// moved leads to where a page is for good.
func (v *visit) moved(path string) {
	if v.r.URL.RawQuery != "" {
		path += "?" + v.r.URL.RawQuery
	}
	http.Redirect(v.w, v.r, path, http.StatusMovedPermanently)
}

// parseSeq reads a post's number as it stands in a path: one way only, so that a page has one address.
func parseSeq(s string) (lists.Seq, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return lists.Seq(n), err == nil && n > 0 && strconv.FormatUint(n, 10) == s
}

// parseMonth reads YYYY-MM.
func parseMonth(s string) (time.Time, bool) {
	t, err := time.Parse("2006-01", s)
	return t, err == nil && len(s) == len("2006-01") && t.Year() >= 1970
}

// Pages that read many posts wait their turn, and so do downloads, apart from them: a crawler must not keep mail from
// being taken in, nor a slow reader others from reading.
const (
	pagesAtOnce     = 6
	downloadsAtOnce = 6
	turnWait        = 5 * time.Second
)

// turn waits for a turn, which done ends; if none comes, the reader has been told.
func (v *visit) turn(of chan struct{}) bool {
	v.done()
	late := time.NewTimer(turnWait)
	defer late.Stop()
	select {
	case of <- struct{}{}:
		v.holds = of
		return true
	case <-v.r.Context().Done():
	case <-late.C:
		v.w.Header().Set("Retry-After", "30")
		v.say(v.w, v.r, http.StatusServiceUnavailable, "Please wait", "Too many pages are being read just now.", "Try again in half a minute.")
	}
	return false
}

func (v *visit) done() {
	if v.holds != nil {
		<-v.holds
		v.holds = nil
	}
}
