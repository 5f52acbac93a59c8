package web

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
)

// How many threads a page has.
const (
	threadsOnFront = 15
	threadsOnPage  = 50
	threadsOfMonth = 500
)

// line is a thread in an overview.
type line struct {
	Path, Subject, Author string
	Face                  face
	Posts, People         int
	Started, Last         time.Time
}

func (v *visit) line(t archive.Thread) line {
	who := v.keep.who(t.Author)
	return line{Path: v.path + "t/" + seqText(t.First) + "/", Subject: v.subject(t.Subject), Author: who, Face: faceOf(who), Posts: t.Posts, People: t.People,
		Started: t.Started, Last: t.Last}
}

func (v *visit) lines(all []archive.Thread) []line {
	out := make([]line, len(all))
	for i, t := range all {
		out[i] = v.line(t)
	}
	return out
}

// subject is a Subject as it is shown.
func (v *visit) subject(s string) string {
	if s = v.keep.text(s); s == "" {
		return "(no subject)"
	}
	return s
}

func seqText(s lists.Seq) string { return strconv.FormatUint(uint64(s), 10) }

func monthPath(year int, m time.Month) string { return fmt.Sprintf("%04d-%02d/", year, int(m)) }

// monthLink is a month in an overview.
type monthLink struct {
	Path, Name string
	Posts      int
	Height     int // of 100, in the chart
	X, Y       int
	Label      string
	LabelX     int
	AtEnd      bool // the label ends at LabelX
}

// year is a year's months, latest first.
type year struct {
	Year   int
	Posts  int
	Months []monthLink
}

func (v *visit) years(all []archive.Month) (out []year) {
	for _, m := range all {
		if len(out) == 0 || out[len(out)-1].Year != m.Year {
			out = append(out, year{Year: m.Year})
		}
		y := &out[len(out)-1]
		y.Posts += m.Posts
		y.Months = append(y.Months, monthLink{Path: v.path + monthPath(m.Year, m.Month), Name: m.Month.String(), Posts: m.Posts})
	}
	return out
}

// chartMonths is how far back the chart of activity goes.
const chartMonths = 24

// chart is the activity of the last months, oldest first.
type chart struct {
	Bars      []monthLink
	Most, All int
	From, To  string
	Width     int
}

const (
	barStep   = 20
	barHeight = 100
)

func (v *visit) chart(all []archive.Month, now time.Time) chart {
	counts := map[string]int{}
	for _, m := range all {
		counts[monthPath(m.Year, m.Month)] = m.Posts
	}
	c := chart{Width: chartMonths * barStep}
	first := time.Date(now.Year(), now.Month()-chartMonths+1, 1, 0, 0, 0, 0, time.UTC)
	for i := range chartMonths {
		at := first.AddDate(0, i, 0)
		n := counts[monthPath(at.Year(), at.Month())]
		bar := monthLink{Path: v.path + monthPath(at.Year(), at.Month()), Name: at.Format("January 2006"), Posts: n, X: i*barStep + 2}
		if at.Month() == time.January || i == 0 {
			bar.Label = at.Format("Jan 2006")
			if bar.LabelX = bar.X; i > chartMonths-5 {
				bar.LabelX, bar.AtEnd = bar.X+16, true
			}
		}
		c.Most, c.All = max(c.Most, n), c.All+n
		c.Bars = append(c.Bars, bar)
	}
	for i := range c.Bars {
		if b := &c.Bars[i]; b.Posts > 0 {
			b.Height = max(2, b.Posts*barHeight/c.Most)
			b.Y = barHeight - b.Height
		}
	}
	if n := len(c.Bars); n > 1 && c.Bars[1].Label != "" || n > 2 && c.Bars[2].Label != "" || n > 3 && c.Bars[3].Label != "" {
		c.Bars[0].Label = "" // there is no room for both
	}
	c.From, c.To = c.Bars[0].Name, c.Bars[len(c.Bars)-1].Name
	return c
}

// listData is what the page of a list shows.
type listData struct {
	entry
	Posting                             string
	Post, Join, Leave, Help, Owner      string // addresses; Post is empty where readers cannot post
	Threads                             []line
	Years                               []year
	Chart                               chart
	More                                string
	Addresses                           bool
	OwnersOnly                          bool
	PostLink, JoinLink, LeaveLink, Whom string
}

func (v *visit) listPage() {
	l, ctx := v.a.List, v.r.Context()
	threads, err := v.a.Threads(ctx, time.Time{}, threadsOnFront+1)
	if err != nil {
		v.closed(v.w, v.r, err)
		return
	}
	months, err := v.months()
	if err != nil {
		v.closed(v.w, v.r, err)
		return
	}
	d := listData{entry: entryOf(v.a), Posting: posting(l.Policy), Join: l.Join().String(), Leave: l.Leave().String(), Help: l.Help().String(),
		Owner: l.Owner().String(), Addresses: v.a.Addresses(), OwnersOnly: l.Policy.OwnersOnly(), Years: v.years(months), Chart: v.chart(months, v.Now().UTC())}
	if !l.Policy.Closed && !d.OwnersOnly {
		d.Post = l.Post().String()
	}
	if len(threads) > threadsOnFront {
		threads, d.More = threads[:threadsOnFront], v.path+"threads"
	}
	for _, m := range months {
		d.Posts += m.Posts
	}
	d.Threads = v.lines(threads)
	p := v.page(d.Name, d)
	p.Crumbs = p.Crumbs[:1]
	v.show("list.html", p)
}

// overview is a page of threads.
type overview struct {
	Threads              []line
	About                string
	Older, Newer         string
	OlderName, NewerName string
	Mbox                 string
	Cut                  bool
}

// threadsPage are all threads by their latest post.
func (v *visit) threadsPage() {
	var before time.Time
	if s := v.r.URL.Query().Get("before"); s != "" {
		at, err := strconv.ParseInt(s, 10, 64)
		if err != nil || at <= 0 || at > 1<<53 {
			v.nothing()
			return
		}
		before = time.UnixMicro(at)
	}
	threads, err := v.a.Threads(v.r.Context(), before, threadsOnPage+1)
	if err != nil {
		v.closed(v.w, v.r, err)
		return
	}
	d := overview{About: "All threads, the one with the latest post first."}
	if len(threads) > threadsOnPage {
		threads = threads[:threadsOnPage]
		d.Older, d.OlderName = v.path+"threads?before="+strconv.FormatInt(threads[len(threads)-1].Last.UnixMicro(), 10), "Older threads"
	}
	if !before.IsZero() {
		d.Newer, d.NewerName = v.path+"threads", "Latest threads"
	}
	d.Threads = v.lines(threads)
	p := v.page("Threads", d)
	if !before.IsZero() {
		p.Canonical = "" // what is before a time is another page each day
		v.w.Header().Set("X-Robots-Tag", "noindex")
	}
	v.show("threads.html", p)
}

func (v *visit) monthPage(at time.Time) {
	threads, err := v.a.MonthThreads(v.r.Context(), at.Year(), at.Month())
	if err != nil {
		v.closed(v.w, v.r, err)
		return
	}
	months, err := v.months()
	if err != nil {
		v.closed(v.w, v.r, err)
		return
	}
	if len(threads) == 0 {
		v.nothing()
		return
	}
	posts := 0
	d := overview{}
	for i, m := range months {
		if m.Year != at.Year() || m.Month != at.Month() {
			continue
		}
		posts = m.Posts
		if i > 0 {
			d.Newer, d.NewerName = v.monthLink(months[i-1])
		}
		if i+1 < len(months) {
			d.Older, d.OlderName = v.monthLink(months[i+1])
		}
	}
	d.About = plural(posts, "post") + " in " + plural(len(threads), "thread") + "."
	if d.Cut = len(threads) > threadsOfMonth; d.Cut {
		threads = threads[:threadsOfMonth]
	}
	d.Threads = v.lines(threads)
	if v.a.Addresses() {
		d.Mbox = v.path + monthPath(at.Year(), at.Month()) + "mbox.gz"
	}
	v.show("threads.html", v.page(at.Format("January 2006"), d))
}

func (v *visit) monthLink(m archive.Month) (path, name string) {
	return v.path + monthPath(m.Year, m.Month), m.Month.String() + " " + strconv.Itoa(m.Year)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// mailto is a link that writes to an address (RFC 6068), with fields in order: name, value, name, value.
func mailto(to mail.Address, fields ...string) string {
	out := "mailto:" + mailtoEscape(to.Local) + "@" + mailtoEscape(to.Domain)
	for i := 0; i+1 < len(fields); i += 2 {
		sep := "&"
		if i == 0 {
			sep = "?"
		}
		out += sep + fields[i] + "=" + mailtoEscape(fields[i+1])
	}
	return out
}

// mailtoEscape escapes for RFC 6068, where a plus is a plus.
func mailtoEscape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}
