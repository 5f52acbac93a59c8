package web

import (
	"encoding/xml"
	"net/http"
	"strings"
	"time"

	"listd/archive"
	"listd/lists"
)

// entry is a list in the directory.
type entry struct {
	Name, Address, Path, About, Joining string
	Private                             bool
	Posts                               int
	Last                                time.Time // zero: nothing yet
}

func (s *Site) home(w http.ResponseWriter, r *http.Request) {
	if s.Library == nil {
		s.say(w, r, http.StatusOK, "Mailing lists", s.Hostname+" carries mailing lists.", "Links in their mails lead to pages here.")
		return
	}
	entries, err := s.directory(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	p := s.page(r, "Mailing lists", entries)
	p.Crumbs, p.Canonical = nil, s.base()+"/"
	s.showPublic(w, r, "home.html", p)
}

// showPublic answers with a page over all lists.
func (s *Site) showPublic(w http.ResponseWriter, r *http.Request, name string, p page) {
	var b strings.Builder
	if err := pages.ExecuteTemplate(&b, name, p); err != nil {
		s.fail(w, r, err)
		return
	}
	if name == "home.html" {
		w.Header().Del("X-Robots-Tag")
	}
	s.send(w, r, "text/html; charset=utf-8", []byte(b.String()), p.Reader == "")
}

func (s *Site) directory(r *http.Request) ([]entry, error) {
	all, err := s.Library.Lists(r.Context(), s.reader(r))
	if err != nil {
		return nil, err
	}
	out := make([]entry, 0, len(all))
	for _, a := range all {
		e := entryOf(a)
		months, err := s.monthsOf(r.Context(), a)
		if err != nil {
			return nil, err
		}
		for _, m := range months {
			e.Posts += m.Posts
		}
		latest, err := a.Threads(r.Context(), time.Time{}, 1)
		if err != nil {
			return nil, err
		}
		if len(latest) > 0 {
			e.Last = latest[0].Last
		}
		out = append(out, e)
	}
	return out, nil
}

func entryOf(a *archive.Archive) entry {
	p := a.List.Policy
	e := entry{Name: p.Title, Address: a.List.Address.String(), Path: listPath(a.List), About: p.Description,
		Joining: joining(p), Private: p.Archive != lists.ArchivePublic}
	if e.Name == "" {
		e.Name = a.List.Name()
	}
	return e
}

// joining says what it takes to become a member.
func joining(p lists.Policy) string {
	switch p.Joining {
	case lists.JoinOpen:
		return "Anybody can join at once."
	case lists.JoinModerate:
		return "Anybody can ask to join; a moderator decides."
	case lists.JoinConfirmFirst:
		return "Anybody can ask to join: you confirm your address, then a moderator decides."
	}
	return "Anybody can join; a mail asks you to confirm your address."
}

// posting says who may post.
func posting(p lists.Policy) string {
	switch {
	case p.Closed:
		return "The list is closed: nobody can post any more."
	case p.OwnersOnly():
		return "Only its owners and moderators post here."
	case p.Posting == lists.PostingAnyone:
		return "Anybody can post."
	case p.NonmemberAction == lists.Accept:
		return "Anybody can post."
	case p.NonmemberAction == lists.Hold:
		return "Members can post; posts of others wait for a moderator."
	}
	return "Only members can post."
}

// robots keeps crawlers from what costs much and from what is nobody's but its owner's.
func (s *Site) robots(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=86400")
	text := `User-agent: *
Crawl-delay: 2
Disallow: /search
Disallow: /*/search
Disallow: /*/raw
Disallow: /*/html
Disallow: /*/mbox.gz
Disallow: /*/part/
Disallow: /*?expand=
Disallow: /api/
Disallow: /m/
Disallow: /signin
Disallow: /leave/
Disallow: /confirm/
Disallow: /moderate/
`
	if b := s.base(); b != "" {
		text += "\nSitemap: " + b + "/sitemap.xml\n"
	}
	_, _ = w.Write([]byte(text)) // the crawler may be gone
}

// maxSitemap is how many pages the site map names at most (sitemaps.org: 50,000).
const maxSitemap = 20000

type sitemap struct {
	XMLName xml.Name     `xml:"http://www.sitemaps.org/schemas/sitemap/0.9 urlset"`
	URLs    []sitemapURL `xml:"url"`
}

type sitemapURL struct {
	Loc string `xml:"loc"`
}

// sitemap names the pages of lists and months that strangers may read; the threads are linked there.
func (s *Site) sitemap(w http.ResponseWriter, r *http.Request) {
	if s.Library == nil {
		http.NotFound(w, r)
		return
	}
	all, err := s.Library.Lists(r.Context(), archive.Reader{})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := sitemap{URLs: []sitemapURL{{s.base() + "/"}}}
	for _, a := range all {
		months, err := s.monthsOf(r.Context(), a)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		out.URLs = append(out.URLs, sitemapURL{s.base() + listPath(a.List)})
		for _, m := range months {
			out.URLs = append(out.URLs, sitemapURL{s.base() + listPath(a.List) + monthPath(m.Year, m.Month)})
		}
	}
	out.URLs = out.URLs[:min(len(out.URLs), maxSitemap)]
	s.sendXML(w, r, "application/xml; charset=utf-8", out, true)
}

func (s *Site) sendXML(w http.ResponseWriter, r *http.Request, kind string, v any, public bool) {
	b, err := xml.Marshal(v)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.send(w, r, kind, append([]byte(xml.Header), b...), public)
}
