package mail

import (
	"bytes"
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Event is something that takes place, as a calendar tells of it (RFC 5545 section 3.6.1).
type Event struct {
	UID, Summary, Location, Description string
	URL                                 string    // http or https, or empty
	Begin, End                          time.Time // in the zone of the calendar; those of whole days at 00:00 UTC
	AllDay, Cancelled                   bool
}

// How much of a calendar is read.
const (
	maxCalendar = 8 << 20 // bytes
	maxEvents   = 2000    // VEVENTs that may matter, and events that come out
	maxCalText  = 2000    // bytes of a text
	maxListed   = 50_000  // times in RDATEs and EXDATEs
	maxLooked   = 200_000 // days that are looked at, for what is repeated
	maxZones    = 100
)

// ErrNoCalendar says that a text is no calendar.
var ErrNoCalendar = errors.New("this is no calendar: it does not begin with BEGIN:VCALENDAR")

// ReadCalendar reads the events of a calendar (RFC 5545) that begin in [from, to), the repeated ones each time, ordered by
// Begin. An instance that was moved or cancelled is told of as such. Times whose zone is not known are taken by the offset
// that the calendar gives for it, or as UTC; what cannot be read of an event leaves the event out. The error is
// ErrNoCalendar.
func ReadCalendar(b []byte, from, to time.Time) ([]Event, error) {
	c := calendar{from: from, to: to, zones: map[string]*time.Location{}}
	if !c.read(b[:min(len(b), maxCalendar)]) {
		return nil, ErrNoCalendar
	}
	moved := map[string]bool{} // UID and the instant that another VEVENT speaks for
	for _, v := range c.events {
		if at, _, ok := c.time(v.one("RECURRENCE-ID")); ok {
			moved[instance(v.one("UID").value, at)] = true
		}
	}
	var out []Event
	for _, v := range c.events {
		e, ok := c.event(v)
		if !ok {
			continue
		}
		length := e.End.Sub(e.Begin)
		single := v.one("RECURRENCE-ID").value != ""
		for _, at := range c.instants(v, e.Begin) {
			if at.Before(from) || !at.Before(to) || !single && moved[instance(e.UID, at)] {
				continue
			}
			if len(out) == maxEvents {
				break
			}
			e.Begin, e.End = at, at.Add(length)
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b Event) int { return cmp.Or(a.Begin.Compare(b.Begin), strings.Compare(a.UID, b.UID)) })
	return out, nil
}

func instance(uid string, at time.Time) string {
	return uid + "\x00" + strconv.FormatInt(at.Unix(), 10)
}

// calendar is what was read of one: its method, its events as lines, and the zones it brings.
type calendar struct {
	from, to time.Time
	method   string
	events   []component
	zones    map[string]*time.Location // by TZID, as they were found: to find one costs a search of files
	listed   int                       // times in RDATEs and EXDATEs
	looked   int                       // days that were, for what is repeated
}

// contentLine is a line of a component: a parameter's value is as in TZID=Europe/Paris.
type contentLine struct{ params, value string }

func (l contentLine) param(name string) string {
	for p := range strings.SplitSeq(l.params, ";") {
		if k, v, ok := strings.Cut(p, "="); ok && strings.EqualFold(k, name) {
			return strings.Trim(v, `"`)
		}
	}
	return ""
}

type component map[string][]contentLine

func (c component) one(name string) contentLine {
	if all := c[name]; len(all) > 0 {
		return all[0]
	}
	return contentLine{}
}

// read takes a calendar apart, and says whether it is one.
func (c *calendar) read(b []byte) bool {
	b = bytes.TrimLeft(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(b) < 15 || !strings.EqualFold(string(b[:15]), "BEGIN:VCALENDAR") {
		return false
	}
	var path []string
	var now component
	for line := range unfolded(b) {
		name, l := splitLine(line)
		switch name {
		case "BEGIN":
			if len(path) == 8 {
				return true // no calendar is so deep
			}
			path = append(path, strings.ToUpper(l.value))
			if v := path[len(path)-1]; v == "VEVENT" || v == "VTIMEZONE" {
				now = component{}
			}
		case "END":
			if len(path) == 0 {
				return true
			}
			switch path[len(path)-1] {
			case "VEVENT":
				if now.far(c.from, c.to) {
					break
				}
				if c.events = append(c.events, now); len(c.events) == maxEvents {
					return true
				}
			case "VTIMEZONE":
				c.zone(now)
			}
			path = path[:len(path)-1]
		default:
			switch {
			case len(path) == 1 && name == "METHOD":
				c.method = strings.ToUpper(l.value)
			case len(path) > 1 && now != nil && path[len(path)-2] == "VTIMEZONE":
				now.keep(path[len(path)-1]+"."+name, l)
			case len(path) > 1 && now != nil && (path[len(path)-1] == "VEVENT" || path[len(path)-1] == "VTIMEZONE"):
				now.keep(name, l)
			}
		}
	}
	return true
}

// kept are the properties that are read; a calendar may have any number of others.
var kept = []string{"UID", "URL", "SUMMARY", "LOCATION", "DESCRIPTION", "STATUS", "DTSTART", "DTEND", "DURATION", "RRULE", "RDATE", "EXDATE",
	"RECURRENCE-ID", "TZID", "STANDARD.TZOFFSETTO", "DAYLIGHT.TZOFFSETTO", "DAYLIGHT.RRULE"}

func (c component) keep(name string, l contentLine) {
	if slices.Contains(kept, name) && len(c[name]) < 500 {
		c[name] = append(c[name], l)
	}
}

// far reports whether an event takes place once, and days before from or behind to: calendars grow old, and what is over
// must not crowd out what comes.
func (c component) far(from, to time.Time) bool {
	if c["RRULE"] != nil || c["RDATE"] != nil || c["RECURRENCE-ID"] != nil {
		return false
	}
	s := c.one("DTSTART").value
	at, err := time.Parse("20060102", s[:min(len(s), 8)])
	return err == nil && (at.Before(from.AddDate(0, 0, -3)) || at.After(to.AddDate(0, 0, 3)))
}

// unfolded yields the lines of a calendar, those that were folded as one (RFC 5545 section 3.1).
func unfolded(b []byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var line []byte
		for len(b) > 0 {
			next := b
			if at := bytes.IndexByte(b, '\n'); at >= 0 {
				next, b = b[:at], b[at+1:]
			} else {
				b = nil
			}
			next = bytes.TrimSuffix(next, []byte("\r"))
			if len(next) > 0 && (next[0] == ' ' || next[0] == '\t') {
				if len(line) < 4*maxCalText {
					line = append(line, next[1:]...)
				}
				continue
			}
			if len(line) > 0 && !yield(string(line)) {
				return
			}
			line = append(line[:0], next[:min(len(next), 4*maxCalText)]...)
		}
		if len(line) > 0 {
			yield(string(line))
		}
	}
}

// splitLine takes NAME;PARAMS:VALUE apart. A colon in quotes does not end the parameters.
func splitLine(line string) (name string, l contentLine) {
	quoted := false
	for i := range len(line) {
		switch line[i] {
		case '"':
			quoted = !quoted
		case ':':
			if !quoted {
				head, params, _ := strings.Cut(line[:i], ";")
				return strings.ToUpper(head), contentLine{params, strings.TrimSpace(line[i+1:])}
			}
		}
	}
	return "", l
}

// event is a VEVENT; false if it has no beginning that can be read.
func (c *calendar) event(v component) (e Event, ok bool) {
	e.UID, e.URL = clean(v.one("UID").value, 300), webAddress(v.one("URL").value)
	e.Summary, e.Location, e.Description = text(v.one("SUMMARY").value), text(v.one("LOCATION").value), text(v.one("DESCRIPTION").value)
	e.Cancelled = c.method == "CANCEL" || strings.EqualFold(v.one("STATUS").value, "CANCELLED")
	if e.Begin, e.AllDay, ok = c.time(v.one("DTSTART")); !ok {
		return e, false
	}
	e.End = e.Begin
	if end, _, ok := c.time(v.one("DTEND")); ok && end.After(e.Begin) {
		e.End = end
	} else if d, ok := duration(v.one("DURATION").value); ok {
		e.End = e.Begin.Add(d)
	} else if e.AllDay {
		e.End = e.Begin.AddDate(0, 0, 1)
	}
	return e, true
}

// text is a TEXT value (RFC 5545 section 3.3.11).
func text(s string) string {
	var b strings.Builder
	for i := 0; i < len(s) && b.Len() < maxCalText; i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if s[i] == 'n' || s[i] == 'N' {
			b.WriteByte('\n')
		} else {
			b.WriteByte(s[i])
		}
	}
	return clean(b.String(), maxCalText)
}

// webAddress is an address that people may be sent to: of http or https, with a host; else it is empty.
func webAddress(s string) string {
	u, err := url.Parse(s)
	if err != nil || len(s) > 1000 || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.ContainsFunc(s, unicode.IsSpace) {
		return ""
	}
	return u.String()
}

// clean bounds a text to n bytes of whole characters, without control characters but line ends, and without those that turn
// the direction of what follows.
func clean(s string, n int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	for len(s) > n || !utf8.ValidString(s) {
		_, size := utf8.DecodeLastRuneInString(s[:min(len(s), n+1)])
		s = s[:min(len(s), n+1)-size]
	}
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, s))
}

// time is a DATE or DATE-TIME (RFC 5545 sections 3.3.4 and 3.3.5).
func (c *calendar) time(l contentLine) (t time.Time, allDay, ok bool) {
	s := strings.ToUpper(l.value)
	if t, err := time.Parse("20060102", s); err == nil {
		return t, true, plausible(t)
	}
	if t, err := time.Parse("20060102T150405Z", s); err == nil {
		return t, false, plausible(t)
	}
	t, err := time.ParseInLocation("20060102T150405", s, c.location(l.param("TZID")))
	return t, false, err == nil && plausible(t)
}

func plausible(t time.Time) bool { return t.Year() > 1900 && t.Year() < 2200 }

// duration is a DURATION of days, weeks or parts of a day (RFC 5545 section 3.3.6).
func duration(s string) (d time.Duration, ok bool) {
	s, found := strings.CutPrefix(strings.ToUpper(s), "P")
	if !found {
		return 0, false
	}
	n := -1
	for _, r := range s {
		unit := map[rune]time.Duration{'W': 7 * 24 * time.Hour, 'D': 24 * time.Hour, 'H': time.Hour, 'M': time.Minute, 'S': time.Second}[r]
		switch {
		case r >= '0' && r <= '9':
			n = min(max(n, 0)*10+int(r-'0'), 100_000)
		case r == 'T' && n < 0:
		case unit > 0 && n >= 0:
			d, n = d+time.Duration(n)*unit, -1
		default:
			return 0, false
		}
	}
	return min(d, 10*365*24*time.Hour), d > 0
}
