// Package feeds reads what a group's other places publish: blogs, wikis, repositories, podcasts, calendars.
//
// Fetch with a Fetcher, which asks politely and goes nowhere inside; Read what came. Neither trusts a byte of it.
//
// RFC 4287 (Atom), RSS 2.0 and 1.0, RFC 5545 (iCalendar), RFC 9110 (conditional requests).
package feeds

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
	"golang.org/x/net/html/charset"

	"listd/mail"
)

// Feed is what a place tells.
type Feed struct {
	Title string // one line, at most 300 bytes
	URL   string // of the place for people; http or https, or empty
	Items []Item
}

// Item is one thing that it tells: an entry, or an event of a calendar.
type Item struct {
	ID, Title, URL string
	Summary        string    // plain text in one line, at most 1,000 bytes
	At             time.Time // when it was published; zero if nobody says. Of an event, when it begins
	Audio          string    // the address of a recording, or empty
	Event          *mail.Event
}

// How much of a feed is read.
const (
	maxItems   = 500
	maxDepth   = 100
	maxTitle   = 300 // bytes
	maxSummary = 1000
	maxText    = 64 << 10 // of an element, before it is plain
)

// ErrNoFeed says that something is none of the feeds that are read here.
var ErrNoFeed = errors.New("this is no feed: want Atom, RSS or iCalendar")

// Read reads a feed of any kind, as its first bytes tell; at is its address, to which links may be relative. Entries come in its order, without those that are older than
// from; events are those that begin in [from, to). The error is ErrNoFeed, or what is wrong with the XML where nothing
// could be read before that.
func Read(b []byte, at string, from, to time.Time) (Feed, error) {
	events, err := mail.ReadCalendar(b, from, to)
	if err == nil {
		var f Feed
		for _, e := range events[:min(len(events), maxItems)] {
			f.Items = append(f.Items, Item{ID: e.UID, Title: line(e.Summary, maxTitle), URL: web(e.URL), Summary: line(e.Description, maxSummary), At: e.Begin, Event: &e})
		}
		return f, nil
	}
	r := reader{from: from, base: at}
	if err := r.read(b); err != nil && len(r.feed.Items) == 0 {
		return Feed{}, err
	}
	if !r.known {
		return Feed{}, ErrNoFeed
	}
	return r.feed, nil
}

// reader goes through the XML of a feed once. Entities that a document declares are not known to the decoder, which so
// cannot be made to grow.
type reader struct {
	feed  Feed
	from  time.Time
	base  string // what links are relative to
	known bool
	path  []string
	text  strings.Builder // of the element that says something of an item or a place, with what is within it
	plain bool            // it is no HTML (RFC 4287 section 3.1.1)
	item  *Item
	words string // of its content, which serves where there is no summary
}

func (r *reader) read(b []byte) error {
	d := xml.NewDecoder(bytes.NewReader(decoded(b)))
	d.Strict = false
	d.Entity = xml.HTMLEntity
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 by now
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNoFeed, err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if r.path = append(r.path, t.Name.Local); len(r.path) > maxDepth {
				return fmt.Errorf("%w: it is nested too deep", ErrNoFeed)
			}
			r.begin(t)
		case xml.CharData:
			if r.text.Len() < maxText && !hides(r.path) {
				r.text.Write(t[:min(len(t), maxText)])
			}
		case xml.EndElement:
			if len(r.path) > 0 {
				r.end(t.Name)
				r.path = r.path[:len(r.path)-1]
			}
			if len(r.feed.Items) == maxItems {
				return nil
			}
		}
	}
}

// decoded is a document in UTF-8, as its byte order mark or its declaration tells, or Windows-1252 where it is not what it
// says; without the characters that XML has no place for, of which one would be the end of it.
func decoded(b []byte) []byte {
	label := "utf-8"
	if head, _, ok := bytes.Cut(b[:min(len(b), 200)], []byte("?>")); ok {
		if _, after, ok := strings.Cut(string(head), "encoding="); ok && len(after) > 2 {
			label, _, _ = strings.Cut(after[1:], after[:1])
		}
	}
	e, _ := charset.Lookup(label)
	switch {
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		e, _ = charset.Lookup("utf-16le")
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		e, _ = charset.Lookup("utf-16be")
	case utf8.Valid(b) && (e == nil || !strings.HasPrefix(strings.ToLower(label), "iso-2022")):
		e = nil
	case e == nil || strings.EqualFold(label, "utf-8"):
		e, _ = charset.Lookup("windows-1252")
	}
	if e != nil {
		if text, err := e.NewDecoder().Bytes(b); err == nil {
			b = text
		}
	}
	return bytes.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF || r == '\uFEFF' {
			return ' '
		}
		return r
	}, b)
}

// within reports whether the element that surrounds this one has one of some names.
func (r *reader) within(names ...string) bool {
	if len(r.path) < 2 {
		return false
	}
	for _, n := range names {
		if r.path[len(r.path)-2] == n {
			return true
		}
	}
	return false
}

// outer are the elements whose own elements say something of an item or a place; what is deeper is part of a text.
func (r *reader) outer() bool {
	return r.within("item", "entry", "channel", "feed", "rss", "RDF") || len(r.path) < 2
}

func (r *reader) begin(t xml.StartElement) {
	attr := func(name string) string {
		for _, a := range t.Attr {
			if a.Name.Local == name {
				return a.Value
			}
		}
		return ""
	}
	switch kind := attr("type"); {
	case r.outer():
		r.text.Reset()
		r.plain = r.within("entry", "feed") && slices.Contains([]string{"", "text", "text/plain", "xhtml"}, kind)
	case parts(t.Name.Local):
		r.text.WriteByte(' ')
	}
	switch t.Name.Local {
	case "rss", "RDF", "feed":
		r.known = r.known || len(r.path) == 1
		if base := r.web(attr("base")); base != "" { // xml:base (RFC 4287 section 2)
			r.base = base
		}
	case "item", "entry":
		r.item, r.words = &Item{ID: line(attr("about"), maxTitle)}, ""
	case "link":
		if href, rel := r.web(attr("href")), attr("rel"); href != "" {
			r.link(href, rel, attr("type"))
		}
	case "enclosure", "content":
		if r.item != nil && strings.HasPrefix(attr("type"), "audio/") {
			r.item.Audio = cmp.Or(r.item.Audio, r.web(attr("url")))
		}
	}
}

// link is what an element link of Atom points to.
func (r *reader) link(href, rel, kind string) {
	switch {
	case r.item == nil && (rel == "" || rel == "alternate") && r.within("feed"):
		r.feed.URL = cmp.Or(r.feed.URL, href)
	case r.item == nil:
	case rel == "enclosure" && strings.HasPrefix(kind, "audio/"):
		r.item.Audio = cmp.Or(r.item.Audio, href)
	case (rel == "" || rel == "alternate") && r.within("entry"):
		r.item.URL = cmp.Or(r.item.URL, href)
	}
}

func (r *reader) end(n xml.Name) {
	name := n.Local
	if !r.outer() {
		if parts(name) {
			r.text.WriteByte(' ')
		}
		return
	}
	text := r.text.String()
	r.text.Reset()
	if n.Space == "media" || strings.Contains(n.Space, "/mrss") {
		return // what it says of a picture is not about the item
	}
	switch {
	case name == "item" || name == "entry":
		r.finish()
	case r.item != nil && r.within("item", "entry"):
		r.of(r.item, name, text)
	case r.item == nil && r.within("channel", "feed") && name == "title":
		r.feed.Title = cmp.Or(r.feed.Title, r.say(text, maxTitle))
	case r.item == nil && r.within("channel") && name == "link":
		r.feed.URL = cmp.Or(r.feed.URL, r.web(text))
	}
}

// of is what an element within an item or entry says of it.
func (r *reader) of(i *Item, name, text string) {
	switch name {
	case "title":
		i.Title = cmp.Or(i.Title, r.say(text, maxTitle))
	case "id", "guid":
		i.ID = line(text, maxTitle)
	case "link":
		i.URL = cmp.Or(i.URL, r.web(text))
	case "summary", "description", "subtitle":
		i.Summary = cmp.Or(r.say(text, maxSummary), i.Summary)
	case "content", "encoded":
		r.words = cmp.Or(r.words, r.say(text, maxSummary))
	case "pubDate", "published", "date":
		if at, ok := instant(text); ok {
			i.At = at
		}
	case "updated", "modified":
		if at, ok := instant(text); ok && i.At.IsZero() {
			i.At = at
		}
	}
}

// say is the text of an element in one line of at most n bytes.
func (r *reader) say(text string, n int) string {
	if r.plain {
		return line(text, n)
	}
	return plain(text, n)
}

// parts reports whether an element of HTML parts what is before it from what is in it.
func parts(name string) bool {
	return slices.Contains([]string{"p", "div", "br", "li", "ul", "ol", "dt", "dd", "td", "th", "tr", "table", "pre", "blockquote", "hr", "img",
		"h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "figure", "figcaption", "script", "style"}, name)
}

// hides reports whether what is in the innermost element is not to be read.
func hides(path []string) bool {
	return len(path) > 0 && (path[len(path)-1] == "script" || path[len(path)-1] == "style")
}

// finish adds the item that ends here.
func (r *reader) finish() {
	i := r.item
	r.item = nil
	if i == nil {
		return
	}
	i.Summary = cmp.Or(i.Summary, r.words)
	i.URL = cmp.Or(i.URL, web(i.ID)) // a guid is a permalink where nothing else is
	i.ID = cmp.Or(i.ID, i.URL, i.Title)
	if i.ID == "" || !i.At.IsZero() && i.At.Before(r.from) {
		return
	}
	r.feed.Items = append(r.feed.Items, *i)
}

// instant is a time as feeds write it: RFC 3339, or RFC 5322 more or less.
func instant(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(form, s); err == nil {
			return t, true
		}
	}
	t, err := mail.ParseDate(s)
	return t, err == nil
}

// plain is the text of what may be HTML, in one line of at most n bytes.
func plain(s string, n int) string {
	if !strings.ContainsAny(s, "<&") {
		return line(s, n)
	}
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(s))
	hidden := false // what is in a script is one text to the tokenizer, whatever tags it has
	for b.Len() < 4*n {
		switch kind := z.Next(); kind {
		case html.ErrorToken:
			return line(b.String(), n)
		case html.TextToken:
			if !hidden {
				b.Write(z.Text())
			}
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
			tag, _ := z.TagName()
			name := string(tag)
			hidden = kind == html.StartTagToken && (name == "script" || name == "style")
			if parts(name) {
				b.WriteByte(' ')
			}
		default:
		}
	}
	return line(b.String(), n)
}

// line is a text in one line of at most n bytes of whole characters, without control characters and those that turn the
// direction of what follows.
func line(s string, n int) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))), " ")
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return strings.TrimSpace(s[:n])
}

// maxURL is how long an address may be.
const maxURL = 2000

// web is a link of the feed: like web, but it may be relative.
func (r *reader) web(s string) string {
	base, err := url.Parse(r.base)
	if s = strings.TrimSpace(s); err != nil || s == "" || len(s) > maxURL {
		return ""
	}
	u, err := base.Parse(s)
	if err != nil {
		return ""
	}
	return web(u.String())
}

// web is an address that people may be sent to: of http or https, with a host; else it is empty.
func web(s string) string {
	s = strings.TrimSpace(s)
	u, err := url.Parse(s)
	if err != nil || len(s) > maxURL || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return ""
	}
	return u.String()
}
