package mail

import (
	"errors"
	"strings"
	"time"
)

// Mailbox is an address with the name of whose it is (RFC 5322 section 3.4). Name is decoded.
type Mailbox struct {
	Name    string
	Address Address
}

// String is the mailbox as it stands in a head.
func (m Mailbox) String() string {
	if m.Name == "" {
		return m.Address.String()
	}
	return EncodePhrase(m.Name) + " " + m.Address.Path()
}

// maxMailboxes bounds what is read of one field.
const maxMailboxes = 10000

// Mailboxes reads the value of From, To, Cc or their like, leniently: groups are opened, comments dropped, semicolons
// taken for commas, and what is no address is left out.
func Mailboxes(value string) (out []Mailbox) {
	for value != "" && len(out) < maxMailboxes {
		var item string
		item, value = cutItem(value)
		if m, ok := parseMailbox(item); ok {
			out = append(out, m)
		}
	}
	return out
}

// cutItem cuts at the first comma, semicolon, or colon of a group that stands in no quotes, comment or brackets. An
// opening that is never closed is an ordinary character.
func cutItem(s string) (item, rest string) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ',', ';':
			return s[:i], s[i+1:]
		case ':':
			return "", s[i+1:] // the group's name
		case '"':
			i += skip(s[i:], '"')
		case '(':
			i += skipComment(s[i:])
		case '<':
			i += skip(s[i:], '>')
		case '[':
			i += skip(s[i:], ']')
		}
	}
	return s, ""
}

// skip is how far the end of a quoted thing is from its start, 0 if it does not end.
func skip(s string, end byte) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && end == '"':
			i++
		case s[i] == end:
			return i
		case s[i] == '<' && end == '>':
			return 0
		}
	}
	return 0
}

func skipComment(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return 0
}

func parseMailbox(s string) (Mailbox, bool) {
	if open := strings.LastIndexByte(s, '<'); open >= 0 {
		addr, _, ok := strings.Cut(s[open+1:], ">")
		if !ok {
			return Mailbox{}, false
		}
		addr = strings.TrimSpace(addr)
		if i := strings.IndexByte(addr, ':'); i >= 0 && strings.HasPrefix(addr, "@") {
			addr = addr[i+1:] // an obsolete route
		}
		a, err := ParseAddress(strings.TrimSpace(addr))
		return Mailbox{Name: phrase(s[:open]), Address: a}, err == nil
	}
	bare, comment := s, ""
	if open := strings.IndexByte(s, '('); open >= 0 {
		if n := skipComment(s[open:]); n > 0 {
			bare, comment = s[:open]+s[open+n+1:], s[open+1:open+n]
		}
	}
	bare = strings.TrimSpace(bare)
	a, err := ParseAddress(bare)
	if err != nil { // "Foo foo@example.org": the last word is it
		if i := strings.LastIndexAny(bare, " \t"); i >= 0 {
			a, err = ParseAddress(bare[i+1:])
			comment = bare[:i]
		}
	}
	return Mailbox{Name: phrase(comment), Address: a}, err == nil
}

// phrase decodes a display name, quoted or not.
func phrase(s string) string {
	s = strings.TrimSpace(s)
	if strings.IndexByte(s, '"') >= 0 {
		var b strings.Builder
		for i := 0; i < len(s); i++ {
			switch {
			case s[i] == '\\' && i+1 < len(s):
				i++
				b.WriteByte(s[i])
			case s[i] != '"':
				b.WriteByte(s[i])
			}
		}
		s = b.String()
	}
	return strings.Join(strings.FieldsFunc(DecodeWords(s), func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
}

// Author is the first mailbox of From; the zero Mailbox if there is none.
func Author(head []byte) Mailbox {
	for _, v := range Values(head, "From") {
		if all := Mailboxes(v); len(all) > 0 {
			return all[0]
		}
	}
	return Mailbox{}
}

// MessageIDs are the msg-ids of Message-ID, In-Reply-To or References, without brackets, leniently: in brackets if
// there are any, else words with an @. An ID longer than 500 octets is left out.
func MessageIDs(value string) (out []string) {
	if strings.IndexByte(value, '<') < 0 {
		for _, w := range strings.FieldsFunc(value, func(r rune) bool { return r <= ' ' || r == ',' || r == ';' }) {
			if strings.Contains(w, "@") && len(w) <= 500 {
				out = append(out, w)
			}
		}
		return out
	}
	for len(out) < 1000 {
		_, rest, ok := strings.Cut(value, "<")
		if !ok {
			return out
		}
		id, after, ok := strings.Cut(rest, ">")
		if !ok {
			return out
		}
		if i := strings.LastIndexByte(id, '<'); i >= 0 {
			id = id[i+1:]
		}
		if id = strings.Join(strings.Fields(id), ""); id != "" && len(id) <= 500 {
			out = append(out, id)
		}
		value = after
	}
	return out
}

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
	for i := strings.IndexByte(s, '('); i >= 0; i = strings.IndexByte(s, '(') {
		n := skipComment(s[i:])
		if n == 0 {
			n = len(s) - i - 1
		}
		s = s[:i] + " " + s[i+n+1:]
	}
	w := strings.Fields(strings.ReplaceAll(s, ",", " "))
	if len(w) > 0 && strings.Trim(strings.ToLower(w[0]), "abcdefghijklmnopqrstuvwxyz") == "" && len(w) > 4 {
		if _, month := time.Parse("Jan", w[0]); month != nil {
			w = w[1:] // the day's name
		}
	}
	if len(w) == 0 {
		return time.Time{}, errDate
	}
	last := w[len(w)-1]
	switch z, known := zones[strings.ToUpper(last)]; {
	case known:
		w[len(w)-1] = z
	case len(last) == 5 && (last[0] == '+' || last[0] == '-'):
	case strings.Trim(strings.ToLower(last), "abcdefghijklmnopqrstuvwxyz") == "":
		w[len(w)-1] = "+0000" // unknown names say nothing (RFC 5322 section 4.3)
	default:
		w = append(w, "+0000")
	}
	s = strings.Join(w, " ")
	for _, form := range dateForms {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, errDate
}
