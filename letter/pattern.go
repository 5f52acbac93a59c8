package letter

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"listd/mail"
)

// maxLine is how long a line of quoted-printable is at most, its soft line break included (RFC 2045 section 6.7).
const maxLine = 76

// maxSlots bounds a pattern, maxValue what is taken of a value, in bytes: a URL in a field must fit in a line of 998.
const maxSlots, maxValue = 1000, 800

// transfer is how the place where a slot stands is encoded.
type transfer byte

const (
	asIs   transfer = iota // 8bit
	quoted                 // quoted-printable
	word                   // an encoded-word of a field, between others
	inHead                 // a field's value, ASCII
)

// piece is a slot of a pattern with the bytes before it.
type piece struct {
	before   []byte
	name     string
	as       Encoder
	in       transfer
	fallback string
	tail     int                 // how many bytes the line needs behind the slot
	closes   bool                // the line may end there: a space before its end would be lost
	plain    [utf8.RuneSelf]bool // the characters that are written as they are
}

// Pattern is a mail that many get, encoded once and cut where its slots are. It does not change and may be used by many
// goroutines at once.
type Pattern struct {
	pieces []piece
	last   []byte
	names  []string
}

// Compile cuts a mail, as mail.Compose writes it, at the marks of its slots: head and body, lines ended by CRLF. A mark may
// stand in parts that are quoted-printable or 8bit, and in unstructured fields such as Subject. What base64 has swallowed cannot be
// found, so compare Names with what was to be filled in. It fails for a mark that is damaged, and for more than 1000 slots.
func Compile(content []byte) (*Pattern, error) {
	head, body := content, []byte(nil)
	if i := bytes.Index(content, []byte("\r\n\r\n")); i >= 0 {
		head, body = content[:i+2], content[i+2:]
	}
	c := compiler{p: &Pattern{}}
	for f := range mail.Fields(head) {
		if err := c.field(f); err != nil {
			return nil, err
		}
	}
	if err := c.body(body); err != nil {
		return nil, err
	}
	c.p.last = c.lit
	if len(c.p.pieces) > maxSlots {
		return nil, fmt.Errorf("a mail may have %d slots, this one has %d", maxSlots, len(c.p.pieces))
	}
	c.p.finish()
	return c.p, nil
}

// Names are the names of the slots, each once, in the order in which they first stand.
func (p *Pattern) Names() []string { return slices.Clone(p.names) }

// finish measures what stands behind each slot.
func (p *Pattern) finish() {
	for i := range p.pieces {
		next := p.last
		if i+1 < len(p.pieces) {
			next = p.pieces[i+1].before
		}
		s, end := &p.pieces[i], bytes.IndexByte(next, '\r')
		if s.tail = end; end < 0 {
			s.tail = len(next) + 1 // a soft line break may follow
		}
		s.closes = end == 0 || len(next) == 0
		if (s.as == AsLink || s.as == AsLinkHTML) && !linkable(s.fallback) {
			s.fallback = ""
		}
		for c := range s.plain {
			s.plain[c] = s.writesPlain(byte(c))
		}
		if !slices.Contains(p.names, s.name) {
			p.names = append(p.names, s.name)
		}
	}
}

// writesPlain reports whether a slot writes a character as it is, wherever in its line that stands.
func (s *piece) writesPlain(c byte) bool {
	if c < ' ' || c == 0x7f || s.in == word || s.in == inHead || s.in == quoted && c == '=' {
		return false
	}
	markup := strings.IndexByte(`&<>"'`, c) >= 0
	switch s.as {
	case AsHTML:
		return !markup
	case AsURL:
		return unreserved(rune(c))
	case AsLink:
		return urlByte(rune(c))
	case AsLinkHTML:
		return urlByte(rune(c)) && !markup
	}
	return true
}

// compiler collects the bytes before the next slot.
type compiler struct {
	p   *Pattern
	lit []byte
}

func (c *compiler) slot(m mark, in transfer) {
	c.p.pieces = append(c.p.pieces, piece{before: c.lit, name: m.name, as: m.as, in: in, fallback: m.fallback})
	c.lit = nil
}

// mark is a slot as a text has it.
type mark struct {
	name, fallback string
	as             Encoder
}

// readMark reads what stands between the two noncharacters of a mark.
func readMark(s string) (mark, error) {
	as, name, fallback := byte(0), "", ""
	if s != "" {
		as = s[0]
		name, fallback, _ = strings.Cut(s[1:], ".")
	}
	text, err := hex.DecodeString(fallback)
	if err != nil || !isName(name) || !strings.ContainsRune("thulaw", rune(as)) {
		return mark{}, fmt.Errorf("the mark of a slot is damaged: %q", short(s))
	}
	return mark{name, string(text), Encoder(as)}, nil
}

// field writes a field. One that has slots consists of encoded-words then: white space between two of them is not
// shown (RFC 2047 section 6.2), so that a value may be as long as it likes and no line grows. URLs are filled in as they are.
func (c *compiler) field(f mail.Field) error {
	value := mail.DecodeWords(f.Value())
	if !strings.ContainsRune(value, slotOpens) {
		c.lit = append(c.lit, f.Raw...)
		return nil
	}
	c.lit = append(c.lit, f.Name...)
	c.lit = append(c.lit, ':')
	rest, plain := value, strings.HasPrefix(value, "<") // List-Unsubscribe and its kin
	for n := 0; rest != ""; n++ {
		before, after, ok := strings.Cut(rest, string(slotOpens))
		if plain {
			if n == 0 {
				c.lit = append(c.lit, ' ')
			}
			c.lit = append(c.lit, before...)
		} else {
			c.lit = appendWords(c.lit, before)
		}
		if !ok {
			break
		}
		inner, next, _ := strings.Cut(after, string(slotEnds))
		m, err := readMark(inner)
		if err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
		if plain {
			c.slot(m, inHead)
		} else {
			m.as = AsWord
			c.slot(m, word)
		}
		rest = next
	}
	c.lit = append(c.lit, "\r\n"...)
	return nil
}

// opens and ends of a mark in quoted-printable, and as they are.
const (
	quotedOpens = "=EF=B7=92"
	quotedEnds  = "=EF=B7=93"
)

// body cuts the body. In quoted-printable a soft line break may be anywhere in a mark.
func (c *compiler) body(b []byte) error {
	for len(b) > 0 {
		at, in := indexMark(b)
		if at < 0 {
			break
		}
		c.lit = append(c.lit, b[:at]...)
		var inner []byte
		var n int
		if in == quoted {
			c.endsWithSpace()
			inner, n = unfoldMark(b[at:])
		} else {
			end := bytes.Index(b[at:], []byte(string(slotEnds)))
			if end >= 0 {
				inner, n = b[at+len(string(slotOpens)):at+end], end+len(string(slotEnds))
			}
		}
		m, err := readMark(string(inner))
		if err != nil {
			return err
		}
		c.slot(m, in)
		b = b[at+n:]
	}
	c.lit = append(c.lit, b...)
	return nil
}

// endsWithSpace encodes a space before a slot: nothing may follow it in its line, and then it would be lost.
func (c *compiler) endsWithSpace() {
	n := len(c.lit)
	if n == 0 || c.lit[n-1] != ' ' && c.lit[n-1] != '\t' {
		return
	}
	code := "=20"
	if c.lit[n-1] == '\t' {
		code = "=09"
	}
	c.lit = c.lit[:n-1]
	if n-bytes.LastIndexByte(c.lit, '\n')+len(code) > maxLine-1 {
		c.lit = append(c.lit, "=\r\n"...)
	}
	c.lit = append(c.lit, code...)
}

// indexMark finds the next mark.
func indexMark(b []byte) (int, transfer) {
	raw := bytes.Index(b, []byte(string(slotOpens)))
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte("=EF"))
		if i < 0 || raw >= 0 && at+i > raw {
			break
		}
		at += i
		if _, ok := hasFolded(b[at:], quotedOpens); ok {
			return at, quoted
		}
		at += len("=EF")
	}
	return raw, asIs
}

// hasFolded reports whether b begins with s, soft line breaks aside, and how long that is.
func hasFolded(b []byte, s string) (int, bool) {
	n := 0
	for i := range len(s) {
		for i > 0 && bytes.HasPrefix(b[n:], []byte("=\r\n")) {
			n += 3
		}
		if n >= len(b) || b[n] != s[i] {
			return 0, false
		}
		n++
	}
	return n, true
}

// unfoldMark is the content of the mark that b begins with, and how long the mark is; nothing if it has no end.
func unfoldMark(b []byte) (inner []byte, n int) {
	n, _ = hasFolded(b, quotedOpens)
	for n < len(b) && len(inner) < 4*maxValue {
		if bytes.HasPrefix(b[n:], []byte("=\r\n")) {
			n += 3
			continue
		}
		if k, ok := hasFolded(b[n:], quotedEnds); ok {
			return inner, n + k
		}
		inner = append(inner, b[n])
		n++
	}
	return nil, n
}
