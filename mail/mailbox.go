package mail

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Mailbox is an address with the name of whose it is (RFC 5322 section 3.4). Name is decoded.
type Mailbox struct {
	Name    string
	Address Address
}

// String is the mailbox as it stands in a head.
func (m Mailbox) String() string {
	if name := EncodePhrase(m.Name); name != "" {
		return name + " " + m.Address.Path()
	}
	return m.Address.String()
}

// maxMailboxes bounds what is read of one field.
const maxMailboxes = 10000

// Mailboxes reads the value of From, To, Cc or their like, leniently: groups are opened, comments dropped, semicolons
// taken for commas, and what is no address is left out.
func Mailboxes(value string) (out []Mailbox) {
	var u unclosed
	for value != "" && len(out) < maxMailboxes {
		var item string
		item, value = u.cutItem(value)
		if m, ok := parseMailbox(item); ok {
			out = append(out, m)
		}
	}
	return out
}

// unclosed knows the openings that are never closed in the rest of a value. They are ordinary characters, and so are
// those like them behind: looking for the end of each would cost the square of the value's length.
type unclosed struct{ quote, comment, literal bool }

// cutItem cuts at the first comma, semicolon, or colon of a group that stands in no quotes, comment or brackets.
func (u *unclosed) cutItem(s string) (item, rest string) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case ',', ';':
			return s[:i], s[i+1:]
		case ':':
			return "", s[i+1:] // the group's name
		default:
			i += u.span(s[i:])
		}
	}
	return s, ""
}

// span is how far the end of what opens at the start of s is from there, 0 if nothing opens or it is never closed.
func (u *unclosed) span(s string) (n int) {
	switch {
	case s[0] == '"' && !u.quote:
		n = skip(s, '"')
		u.quote = n == 0
	case s[0] == '(' && !u.comment:
		n = skipComment(s)
		u.comment = n == 0
	case s[0] == '[' && !u.literal:
		n = skip(s, ']')
		u.literal = n == 0
	case s[0] == '<':
		n = u.angle(s)
	case strings.HasPrefix(s, "=?"):
		// QUIRK: encoded-words have commas, colons and brackets, though RFC 2047 section 5 (3) forbids it.
		if w, ok := cutWord(s); ok && !strings.ContainsAny(s[:w.length], " \t") {
			n = w.length - 1
		}
	}
	return n
}

// angle is span for an angle bracket. It looks no further than the next one.
func (u *unclosed) angle(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '>':
			return i
		case '<':
			return 0
		case '"':
			i += u.span(s[i:])
		}
	}
	return 0
}

// skip is how far the end of a quoted-string or literal is from its start, 0 if it does not end.
func skip(s string, end byte) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && end == '"':
			i++
		case s[i] == end:
			return i
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

// parseMailbox reads one item: the first address in angle brackets, else what there is as a bare one. What looks like
// an address in quotes or in a comment is none.
func parseMailbox(s string) (Mailbox, bool) {
	var u unclosed
	var plain strings.Builder // without comments
	comment := ""
	for i := 0; i < len(s); i++ {
		n := u.span(s[i:])
		switch {
		case n > 0 && s[i] == '(':
			if comment == "" {
				comment = unescape(s[i+1 : i+n])
			}
			plain.WriteByte(' ')
		case n > 0 && s[i] == '<':
			if a, err := parsePath(s[i+1 : i+n]); err == nil {
				return Mailbox{Name: phrase(plain.String()), Address: a}, true
			}
			plain.WriteString(s[i : i+n+1])
		default:
			plain.WriteString(s[i : i+n+1])
		}
		i += n
	}
	bare := strings.TrimSpace(plain.String())
	if local, domain, ok := strings.Cut(bare, "@"); ok && strings.IndexByte(bare, '"') < 0 {
		bare = strings.TrimRight(local, " \t") + "@" + strings.TrimLeft(domain, " \t") // RFC 5322 section 4.4
	}
	a, err := ParseAddress(bare)
	if err != nil { // "Foo foo@example.org": the last word is it
		if i := strings.LastIndexAny(bare, " \t"); i >= 0 {
			a, err = ParseAddress(bare[i+1:])
			comment = bare[:i]
		}
	}
	return Mailbox{Name: phrase(comment), Address: a}, err == nil
}

// parsePath reads what stands in angle brackets, with or without an obsolete route.
func parsePath(s string) (Address, error) {
	s = strings.TrimSpace(s)
	if i := strings.IndexByte(s, ':'); i >= 0 && strings.HasPrefix(s, "@") {
		s = s[i+1:]
	}
	return ParseAddress(strings.TrimSpace(s))
}

// unescape resolves quoted-pairs (RFC 5322 section 3.2.1).
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
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
// there are any, else words with an @. An ID that is longer than 500 octets or has control characters is left out; one
// that is no UTF-8 is read as windows-1252.
func MessageIDs(value string) (out []string) {
	add := func(id string) {
		if id = strings.Join(strings.Fields(id), ""); !utf8.ValidString(id) {
			id = windows1252(id)
		}
		if id != "" && len(id) <= 500 && strings.IndexFunc(id, unicode.IsControl) < 0 {
			out = append(out, id)
		}
	}
	if strings.IndexByte(value, '<') < 0 {
		for w := range strings.FieldsFuncSeq(value, func(r rune) bool { return r <= ' ' || r == ',' || r == ';' }) {
			if strings.Contains(w, "@") && len(out) < 1000 {
				add(w)
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
		add(id[strings.LastIndexByte(id, '<')+1:])
		value = after
	}
	return out
}
