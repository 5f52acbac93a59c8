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
	"strings"
	"time"
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

// Read reads a feed of any kind, as its first bytes tell. Entries come in its order, without those that are older than
// from; events are those that begin in [from, to). The error is ErrNoFeed, or what is wrong with the XML where nothing
// could be read before that.
func Read(b []byte, from, to time.Time) (Feed, error) {
	events, err := mail.ReadCalendar(b, from, to)
	if err == nil {
		var f Feed
		for _, e := range events[:min(len(events), maxItems)] {
			f.Items = append(f.Items, Item{ID: e.UID, Title: line(e.Summary, maxTitle), URL: web(e.URL), Summary: line(e.Description, maxSummary), At: e.Begin, Event: &e})
		}
		return f, nil
	}
	r := reader{from: from}
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
	known bool
	path  []string
	text  strings.Builder
	item  *Item
	words string // of its content, which serves where there is no summary
}

func (r *reader) read(b []byte) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	d.Strict = false
	d.Entity = xml.HTMLEntity
	d.CharsetReader = func(label string, in io.Reader) (io.Reader, error) { return charset.NewReaderLabel(label, in) }
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
			if r.text.Len() < maxText {
				r.text.Write(t[:min(len(t), maxText)])
			}
		case xml.EndElement:
			if len(r.path) > 0 {
				r.end(t.Name.Local)
				r.path = r.path[:len(r.path)-1]
			}
			if len(r.feed.Items) == maxItems {
				return nil
			}
		}
	}
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

func (r *reader) begin(t xml.StartElement) {
	r.text.Reset()
	attr := func(name string) string {
		for _, a := range t.Attr {
			if a.Name.Local == name {
				return a.Value
			}
		}
		return ""
	}
	switch t.Name.Local {
	case "rss", "RDF", "feed":
		r.known = r.known || len(r.path) == 1
	case "item", "entry":
		r.item, r.words = &Item{ID: line(attr("about"), maxTitle)}, ""
	case "link":
		if href, rel := web(attr("href")), attr("rel"); href != "" {
			r.link(href, rel, attr("type"))
		}
	case "enclosure", "content":
		if r.item != nil && strings.HasPrefix(attr("type"), "audio/") {
			r.item.Audio = cmp.Or(r.item.Audio, web(attr("url")))
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

func (r *reader) end(name string) {
	text := r.text.String()
	r.text.Reset()
	switch {
	case name == "item" || name == "entry":
		r.finish()
	case r.item != nil && r.within("item", "entry"):
		r.of(r.item, name, text)
	case r.item == nil && r.within("channel", "feed") && name == "title":
		r.feed.Title = cmp.Or(r.feed.Title, plain(text, maxTitle))
	case r.item == nil && r.within("channel") && name == "link":
		r.feed.URL = cmp.Or(r.feed.URL, web(text))
	}
}

// of is what an element within an item or entry says of it.
func (r *reader) of(i *Item, name, text string) {
	switch name {
	case "title":
		i.Title = cmp.Or(i.Title, plain(text, maxTitle))
	case "id", "guid":
		i.ID = line(text, maxTitle)
	case "link":
		i.URL = cmp.Or(i.URL, web(text))
	case "summary", "description", "subtitle":
		i.Summary = cmp.Or(plain(text, maxSummary), i.Summary)
	case "content", "encoded":
		r.words = cmp.Or(r.words, plain(text, maxSummary))
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
	hidden := 0
	for b.Len() < 4*n {
		switch z.Next() {
		case html.ErrorToken:
			return line(b.String(), n)
		case html.TextToken:
			if hidden == 0 {
				b.Write(z.Text())
			}
		case html.StartTagToken:
			if name, _ := z.TagName(); string(name) == "script" || string(name) == "style" {
				hidden++
			}
			b.WriteByte(' ')
		case html.EndTagToken:
			if name, _ := z.TagName(); string(name) == "script" || string(name) == "style" {
				hidden = max(0, hidden-1)
			}
			b.WriteByte(' ')
		default:
		}
	}
	return line(b.String(), n)
}

// line is a text in one line of at most n bytes of whole characters, without control characters.
func line(s string, n int) string {
	s = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
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

// web is an address that people may be sent to: of http or https, with a host; else it is empty.
func web(s string) string {
	s = strings.TrimSpace(s)
	u, err := url.Parse(s)
	if err != nil || len(s) > maxURL || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return ""
	}
	return u.String()
}
