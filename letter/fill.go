package letter

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// Fill appends the mail for one recipient to dst. value tells what a slot has for that one; where it is empty the slot's
// fallback stands. It allocates nothing if dst has room and value does not.
func (p *Pattern) Fill(dst []byte, value func(name string) string) []byte {
	w := filler{out: dst}
	for i := range p.pieces {
		s := &p.pieces[i]
		w.literal(s.before)
		v := value(s.name)
		if len(v) > maxValue {
			v = strings.ToValidUTF8(v[:maxValue], "")
		}
		if v == "" || (s.as == AsLink || s.as == AsLinkHTML) && !linkable(v) {
			v = s.fallback
		}
		w.in = s.in
		w.value(v, s)
		if s.in == quoted && w.col > 0 && w.col+s.tail > maxLine {
			w.soft()
		}
	}
	return append(w.out, p.last...)
}

// linkable reports whether a value is a URL that a letter may link to.
func linkable(s string) bool {
	for _, scheme := range [...]string{"https://", "http://", "mailto:"} {
		if len(s) > len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			return true
		}
	}
	return false
}

// filler writes values in the encodings of their places. col is how long the line is already.
type filler struct {
	out []byte
	col int
	in  transfer
}

func (f *filler) literal(s []byte) {
	f.out = append(f.out, s...)
	f.col += len(s)
	if i := bytes.LastIndexByte(s, '\n'); i >= 0 {
		f.col = len(s) - i - 1
	}
}

// soft breaks the line where the text has no end.
func (f *filler) soft() { f.out, f.col = append(f.out, "=\r\n"...), 0 }

const upperHex = "0123456789ABCDEF"

// harmless is a character, or what stands for one that a terminal or a mail program would obey.
func harmless(r rune) rune {
	switch {
	case obeyed(r) || r == '\t' || r == '\n':
		return ' '
	case r == utf8.RuneError:
		return '?'
	}
	return r
}

// value writes a value: runs of characters that need nothing at once, others one by one.
func (f *filler) value(v string, s *piece) {
	if f.in == word {
		f.out = appendWords(f.out, v)
		return
	}
	for i := 0; i < len(v); {
		if n := f.run(v[i:], s); n > 0 {
			f.out = append(f.out, v[i:i+n]...)
			f.col += n
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(v[i:])
		i += n
		f.character(harmless(r), s, i == len(v))
	}
}

// run is how many characters at the beginning of a value are written as they are, in this line.
func (f *filler) run(v string, s *piece) int {
	if f.in == quoted {
		v = v[:min(len(v), max(0, maxLine-1-f.col))]
		if f.col == 0 && v != "" && (v[0] == '.' || v[0] == 'F') {
			return 0
		}
	}
	n := 0
	for n < len(v) && v[n] < utf8.RuneSelf && s.plain[v[n]] {
		n++
	}
	if n == len(v) && n > 0 && v[n-1] == ' ' {
		n-- // it may be the last of its line
	}
	return n
}

// character writes a character; last says that no other follows.
func (f *filler) character(r rune, s *piece, last bool) {
	if r == ' ' && last && s.closes && f.in == quoted && (s.as == AsText || s.as == AsHTML) {
		f.encoded(' ')
		return
	}
	switch s.as {
	case AsHTML:
		f.html(r)
	case AsURL:
		if unreserved(r) {
			f.octet(byte(r))
		} else {
			f.percent(r)
		}
	case AsLink, AsLinkHTML:
		switch {
		case !urlByte(r):
			f.percent(r)
		case s.as == AsLinkHTML:
			f.html(r)
		default:
			f.octet(byte(r))
		}
	default:
		f.rune(r)
	}
}

// unreserved are the characters that mean themselves anywhere in a URL (RFC 3986 section 2.3).
func unreserved(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_' || r == '~'
}

// urlByte reports whether a character may stand in a URL (RFC 3986 appendix A).
func urlByte(r rune) bool {
	return unreserved(r) || r < 0x80 && r > ' ' && strings.IndexByte(":/?#[]@!$&()*+,;=%", byte(r)) >= 0
}

// html writes a character of text within HTML.
func (f *filler) html(r rune) {
	switch r {
	case '&':
		f.ascii("&amp;")
	case '<':
		f.ascii("&lt;")
	case '>':
		f.ascii("&gt;")
	case '"':
		f.ascii("&#34;")
	case '\'':
		f.ascii("&#39;")
	default:
		f.rune(r)
	}
}

func (f *filler) ascii(s string) {
	for i := range len(s) {
		f.octet(s[i])
	}
}

// percent writes a character percent-encoded.
func (f *filler) percent(r rune) {
	var buf [utf8.UTFMax]byte
	for _, c := range buf[:utf8.EncodeRune(buf[:], r)] {
		f.octet('%')
		f.octet(upperHex[c>>4])
		f.octet(upperHex[c&15])
	}
}

func (f *filler) rune(r rune) {
	if r < utf8.RuneSelf {
		f.octet(byte(r))
		return
	}
	var buf [utf8.UTFMax]byte
	for _, c := range buf[:utf8.EncodeRune(buf[:], r)] {
		f.octet(c)
	}
}

// octet writes an octet as its place has it.
func (f *filler) octet(c byte) {
	switch {
	case f.in == inHead:
		if c > ' ' && c < 0x7f && c != '<' && c != '>' && c != ',' { // nothing ends the URL, or folds the field
			f.out = append(f.out, c)
		}
		return
	case f.in == asIs:
		f.out = append(f.out, c)
		return
	case c == '=' || c < ' ' || c > '~':
		f.encoded(c)
		return
	case f.col+1 > maxLine-1:
		f.soft()
	}
	// QUIRK: a dot, or From, at the beginning of a line is mistaken for something else by old software.
	if f.col == 0 && (c == '.' || c == 'F') {
		f.encoded(c)
		return
	}
	f.out = append(f.out, c)
	f.col++
}

// encoded writes an octet as =XX.
func (f *filler) encoded(c byte) {
	if f.col+3 > maxLine-1 {
		f.soft()
	}
	f.out = append(f.out, '=', upperHex[c>>4], upperHex[c&15])
	f.col += 3
}

// wordOpens begins an encoded-word on a line of its own; maxWord is how much it holds: it has 75 octets at most (RFC
// 2047 section 2).
const (
	wordOpens = "\r\n =?utf-8?q?"
	wordEnds  = "?="
	maxWord   = 75 - len("=?utf-8?q?") - len(wordEnds)
)

// appendWords writes a text as encoded-words, each of whole characters, each in a line of its own.
func appendWords(out []byte, v string) []byte {
	room, open := 0, false
	for _, r := range v {
		r = harmless(r)
		need := 1
		// RFC 2047 section 5 (3): what may stand in a phrase.
		plain := r == ' ' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-'
		if !plain {
			need = 3 * utf8.RuneLen(r)
		}
		if need > room {
			if open {
				out = append(out, wordEnds...)
			}
			out, room, open = append(out, wordOpens...), maxWord, true
		}
		room -= need
		switch {
		case r == ' ':
			out = append(out, '_')
		case plain:
			out = append(out, byte(r))
		default:
			var buf [utf8.UTFMax]byte
			for _, c := range buf[:utf8.EncodeRune(buf[:], r)] {
				out = append(out, '=', upperHex[c>>4], upperHex[c&15])
			}
		}
	}
	if open {
		out = append(out, wordEnds...)
	}
	return out
}
