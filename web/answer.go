package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// link is a link with its words.
type link struct{ Name, Path string }

// page is what a template shows.
type page struct {
	Title    string
	Hostname string
	Data     any

	// The rest is for pages that are read rather than acted on.
	Wide      bool
	Reader    string // who has signed in
	SignIn    bool   // one can
	Here      string // this page, to come back to after signing in
	Crumbs    []link // the way from the front page
	Canonical string
	Feeds     bool // there are feeds beside Crumbs' last
	FeedBase  string
	Search    string // where the search form leads
}

// page is the frame of an archive's page; below are further steps on the way to it.
func (v *visit) page(title string, data any, below ...link) page {
	p := v.Site.page(v.r, title, data)
	name := v.a.List.Policy.Title
	if name == "" {
		name = v.a.List.Name()
	}
	p.Crumbs = append(append(p.Crumbs, link{name, v.path}), below...)
	p.Search = v.path + "search"
	p.Feeds, p.FeedBase = true, v.path
	p.Canonical = v.base() + v.r.URL.Path
	return p
}

// page is the frame of a page that is read.
func (s *Site) page(r *http.Request, title string, data any) page {
	p := page{Title: title, Hostname: s.Hostname, Data: data, Wide: true, SignIn: s.Users != nil, Here: r.URL.RequestURI(), Search: "/search"}
	p.Crumbs = []link{{"All lists", "/"}}
	if who := s.reader(r); !who.Stranger() {
		p.Reader = who.Address.String()
	}
	return p
}

// show answers with a page of the archive.
func (v *visit) show(name string, p page) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, p); err != nil {
		v.Site.fail(v.w, v.r, err)
		return
	}
	v.send("text/html; charset=utf-8", b.Bytes())
}

// send answers with what an archive holds.
func (v *visit) send(kind string, body []byte) {
	v.done()
	v.Site.send(v.w, v.r, kind, body, v.public())
}

// sharedFor is how long a proxy may give away what is public before it asks again.
const sharedFor = time.Minute

// send answers with what can be asked about again. Its ETag is of what it says, not of when: threads, words and removals
// come to a page later than the post that its list's last number counts. So a reader is never shown less than there is,
// and what is spared is the sending. public says that strangers may have it, and nobody else sees more.
func (s *Site) send(w http.ResponseWriter, r *http.Request, kind string, body []byte, public bool) {
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Add("Vary", "Cookie")
	h.Add("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "private, no-cache")
	if public {
		h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(sharedFor.Seconds())))
	}
	sum := sha256.Sum256(body)
	tag := `W/"` + hex.EncodeToString(sum[:12]) + `"` // weak: with gzip and without, it is the same
	h.Set("ETag", tag)
	if matches(r.Header.Values("If-None-Match"), tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if len(body) > 1400 && acceptsGzip(r) {
		body = squeeze(body)
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if _, err := w.Write(body); err != nil {
		s.Log.LogAttrs(r.Context(), slog.LevelDebug, "page", slog.Any("error", err)) // the reader has gone
	}
}

// matches is RFC 9110 section 13.1.2, with the weak comparison.
func matches(fields []string, tag string) bool {
	for _, f := range fields {
		for t := range strings.SplitSeq(f, ",") {
			if t = strings.TrimSpace(t); t == "*" || strings.TrimPrefix(t, "W/") == strings.TrimPrefix(tag, "W/") {
				return true
			}
		}
	}
	return false
}

// acceptsGzip is RFC 9110 section 12.5.3.
func acceptsGzip(r *http.Request) bool {
	for _, f := range r.Header.Values("Accept-Encoding") {
		for item := range strings.SplitSeq(f, ",") {
			name, params, err := mime.ParseMediaType(strings.TrimSpace(item))
			if err != nil || name != "gzip" && name != "x-gzip" {
				continue
			}
			q, err := strconv.ParseFloat(params["q"], 64)
			return params["q"] == "" || err == nil && q > 0
		}
	}
	return false
}

func squeeze(b []byte) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestSpeed) // the level is one
	_, _ = z.Write(b)                                 // memory takes everything
	_ = z.Close()
	return out.Bytes()
}
