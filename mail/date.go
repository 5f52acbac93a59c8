package mail

import (
	"errors"
	"strings"
	"time"
)

// zones are RFC 5322 section 4.3's names, and those people still meet.
var zones = map[string]string{"UT": "+0000", "GMT": "+0000", "UTC": "+0000", "Z": "+0000", "EST": "-0500", "EDT": "-0400",
	"CST": "-0600", "CDT": "-0500", "MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700",
	"WET": "+0000", "WEST": "+0100", "CET": "+0100", "CEST": "+0200", "MET": "+0100", "MEST": "+0200", "MSK": "+0300", "BST": "+0100", "JST": "+0900"}

var dateForms = []string{"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04 -0700", "2 Jan 06 15:04:05 -0700", "2 Jan 06 15:04 -0700",
	"2 January 2006 15:04:05 -0700", "Jan 2 15:04:05 2006 -0700", "Jan 2 2006 15:04:05 -0700", "2-Jan-2006 15:04:05 -0700", "2006-01-02 15:04:05 -0700"}

var errDate = errors.New("no date")

// ParseDate reads a Date (RFC 5322 sections 3.3 and 4.3), and asctime's and other clocks' forms. The result is UTC.
func ParseDate(s string) (time.Time, error) {
	if len(s) > 200 {
		return time.Time{}, errDate
	}
	w := strings.Fields(strings.ReplaceAll(dropComments(s), ",", " "))
	if len(w) > 1 && letters(w[0]) {
		if _, month := time.Parse("Jan", w[0]); month != nil {
			w = w[1:] // the day's name
		}
	}
	n := len(w)
	if n < 2 {
		return time.Time{}, errDate
	}
	if _, ok := zone(w[n-2]); ok && len(w[n-1]) == 4 {
		w[n-2], w[n-1] = w[n-1], w[n-2] // date(1) puts the year behind
	}
	if z, ok := zone(w[n-1]); ok {
		w[n-1] = z
	} else {
		w = append(w, "+0000")
	}
	s = strings.Join(w, " ")
	if i := strings.Index(s, ":60 "); i > 0 && strings.Count(s[:i], ":") == 1 {
		s = s[:i] + ":59 " + s[i+4:] // a leap second, which time does not know
	}
	for _, form := range dateForms {
		t, err := time.Parse(form, s)
		if err != nil {
			continue
		}
		if strings.Contains(form, " 06 ") && t.Year() >= 2050 {
			t = t.AddDate(-100, 0, 0) // RFC 5322 section 4.3; time turns at 69
		}
		return t.UTC(), nil
	}
	return time.Time{}, errDate
}

func dropComments(s string) string {
	for i := strings.IndexByte(s, '('); i >= 0; i = strings.IndexByte(s, '(') {
		n := skipComment(s[i:])
		if n == 0 {
			return s[:i]
		}
		s = s[:i] + " " + s[i+n+1:]
	}
	return s
}

// zone is a zone as a number of hours and minutes. Unknown names say nothing (RFC 5322 section 4.3).
func zone(w string) (string, bool) {
	z, known := zones[strings.ToUpper(w)]
	if known {
		return z, true
	}
	z = strings.TrimPrefix(strings.TrimPrefix(w, "GMT"), "UTC")
	if z == "" || z[0] != '+' && z[0] != '-' {
		return "+0000", letters(w)
	}
	if len(z) == 6 && z[3] == ':' {
		z = z[:3] + z[4:]
	}
	return z, len(z) == 5
}

func letters(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return s != ""
}
