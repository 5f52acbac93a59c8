package mail

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DecodeWords decodes the encoded-words of a field's value (RFC 2047). What is malformed or of an unknown charset stays
// as it is; raw 8-bit text that is no UTF-8 is read as windows-1252. Control characters that were encoded become spaces: no
// word can smuggle a line end.
func DecodeWords(s string) string {
	if !utf8.ValidString(s) {
		s = windows1252(s)
	}
	next := strings.Index(s, "=?")
	if next < 0 {
		return s
	}
	var out strings.Builder
	// QUIRK: many programs cut a character in two, so neighbours of one charset are converted together.
	var run []byte
	name := ""
	flush := func() {
		text, _ := toUTF8(run, name) // the name is known to be known
		out.WriteString(blankControls(text))
		run, name = run[:0], ""
	}
	at := 0 // what lies before is written or in run
	for next >= 0 {
		next += at
		w, ok := cutWord(s[next:])
		if !ok {
			more := strings.Index(s[next+2:], "=?")
			if more < 0 {
				break
			}
			next += 2 + more - at
			continue
		}
		between := s[at:next]
		if name == "" || strings.Trim(between, " \t\r\n") != "" {
			flush()
			out.WriteString(between)
		} else if !strings.EqualFold(name, w.charset) {
			flush()
		}
		run, name = append(run, w.content...), w.charset
		at = next + w.length
		next = strings.Index(s[at:], "=?")
	}
	flush()
	out.WriteString(s[at:])
	return out.String()
}

// word is an encoded-word.
type word struct {
	charset string // one that is known
	content []byte
	length  int
}

// cutWord reads the encoded-word that s, which begins with =?, begins with.
func cutWord(s string) (word, bool) {
	const longest = 60 // of a charset's name
	i := strings.IndexByte(s[2:min(len(s), 2+longest)], '?')
	if i < 1 {
		return word{}, false
	}
	name, _, _ := strings.Cut(s[2:2+i], "*") // RFC 2231 section 5: a language
	rest := s[2+i+1:]
	if len(rest) < 2 || rest[1] != '?' || name == "" {
		return word{}, false
	}
	text := rest[2:]
	end := wordEnd(text)
	if end < 0 {
		return word{}, false
	}
	w := word{charset: name, length: 2 + i + 1 + 2 + end + 2}
	text = text[:end]
	switch rest[0] {
	case 'b', 'B':
		var err error
		if w.content, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "=")); err != nil {
			return word{}, false
		}
	case 'q', 'Q':
		var ok bool
		if w.content, ok = decodeQ(text); !ok {
			return word{}, false
		}
	default:
		return word{}, false
	}
	_, err := toUTF8(nil, name)
	return w, err == nil
}

// wordEnd finds ?= but looks no further than the beginning of another word: else a field of nothing but beginnings
// would cost the square of its length.
func wordEnd(s string) int {
	for i := 0; i+1 < len(s); i++ {
		switch {
		case s[i] == '?' && s[i+1] == '=':
			return i
		case s[i] == '=' && s[i+1] == '?' && !strings.HasPrefix(s[i+2:], "="): // the end of base64 is =?=
			return -1
		}
	}
	return -1
}

// decodeQ is RFC 2047 section 4.2. QUIRK: raw spaces and question marks are taken as they stand.
func decodeQ(s string) ([]byte, bool) {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '_':
			out = append(out, ' ')
		case s[i] != '=':
			out = append(out, s[i])
		case i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0:
			out = append(out, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		default:
			return nil, false
		}
	}
	return out, true
}

// high1252 are the characters of windows-1252 where Latin-1 has controls; what is not assigned stays one.
const high1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

// windows1252 reads bytes as windows-1252.
func windows1252(s string) string {
	high := []rune(high1252)
	var b strings.Builder
	b.Grow(len(s) + len(s)/8)
	for i := range len(s) {
		switch c := s[i]; {
		case c < utf8.RuneSelf:
			b.WriteByte(c)
		case c < 0xa0:
			b.WriteRune(high[c-0x80])
		default:
			b.WriteRune(rune(c))
		}
	}
	return b.String()
}

// maxWord is the length of an encoded-word, in octets (RFC 2047 section 2).
const maxWord = 75

// EncodeText is s fit for an unstructured field: as it is if it is printable ASCII that reads as nothing else, else as
// encoded-words in UTF-8.
func EncodeText(s string) string {
	if plainText(s) {
		return s
	}
	return encodeWords(s)
}

// EncodePhrase is s fit for a display name: atoms, a quoted string, or encoded-words.
func EncodePhrase(s string) string {
	s = strings.TrimSpace(s)
	if !plainText(s) {
		return encodeWords(s)
	}
	for i := range len(s) {
		if c := s[i]; !atext(c) && c != ' ' {
			return quote(s)
		}
	}
	return s
}

// plainText reports whether s is printable ASCII that reads as nothing else and can be folded.
func plainText(s string) bool {
	run := 0
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return false
		}
		if i > 0 && (s[i] == ' ') != (s[i-1] == ' ') {
			run = 0
		}
		if run++; run > maxRun {
			return false
		}
	}
	return !strings.Contains(s, "=?")
}

// blankControls makes control characters spaces, and leaves every other byte as it is.
func blankControls(s string) string {
	at := strings.IndexFunc(s, unicode.IsControl)
	if at < 0 {
		return s
	}
	b := []byte(s)
	for i, c := range b[at:] {
		if c < ' ' || c == 0x7f {
			b[at+i] = ' '
		}
	}
	return string(b)
}

// encodeWords cuts between runes, so that each word decodes by itself. Base64 is chosen when much needs encoding.
func encodeWords(s string) string {
	s = blankControls(strings.ToValidUTF8(s, "\uFFFD"))
	wide := 0
	for i := range len(s) {
		if !qSafe(s[i]) && s[i] != ' ' {
			wide++
		}
	}
	const frame = len("=?utf-8?b??=")
	var out strings.Builder
	flush := func(part string) {
		if out.Len() > 0 {
			out.WriteByte(' ')
		}
		if wide*3 > len(s) {
			out.WriteString("=?utf-8?b?" + base64.StdEncoding.EncodeToString([]byte(part)) + "?=")
			return
		}
		out.WriteString("=?utf-8?q?")
		for i := range len(part) {
			switch c := part[i]; {
			case c == ' ':
				out.WriteByte('_')
			case qSafe(c):
				out.WriteByte(c)
			default:
				out.WriteString("=" + string("0123456789ABCDEF"[c>>4]) + string("0123456789ABCDEF"[c&15]))
			}
		}
		out.WriteString("?=")
	}
	start, cost := 0, 0
	for i, r := range s {
		n := utf8.RuneLen(r)
		add := n
		if wide*3 > len(s) {
			if (i+n-start+2)/3*4 > maxWord-frame {
				flush(s[start:i])
				start = i
			}
			continue
		}
		if n > 1 || !qSafe(s[i]) && s[i] != ' ' {
			add = 3 * n
		}
		if cost+add > maxWord-frame {
			flush(s[start:i])
			start, cost = i, 0
		}
		cost += add
	}
	flush(s[start:])
	return out.String()
}

// qSafe are the characters that stand for themselves in a Q word wherever it stands (RFC 2047 section 5 (3)).
func qSafe(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!*+-/", c) >= 0
}

// foldAt is where lines of a head are folded if there is whitespace, maxText where they must end (RFC 5322 section
// 2.1.1). maxRun is the longest run of characters or blanks that is sure to fit in a line.
const (
	foldAt  = 78
	maxText = 998
	maxRun  = 900
)

// FormatField writes a field: name, colon, value folded at whitespace, CRLF. Control characters of the value become
// spaces: no value can begin a second field. A word that no line can hold is broken.
func FormatField(name, value string) []byte {
	out := make([]byte, 0, len(name)+len(value)+8)
	out = append(append(out, name...), ':')
	line := len(name) + 1
	value = strings.Trim(blankControls(value), " ")
	if value == "" {
		out = append(out, ' ')
	}
	for value != "" {
		// The next word with the blanks before it; more of them than a line can hold are one.
		blank := len(value) - len(strings.TrimLeft(value, " "))
		if blank > maxRun {
			value, blank = value[blank-1:], 1
		}
		end := strings.IndexByte(value[blank:], ' ')
		if end < 0 {
			end = len(value) - blank
		}
		word := value[:blank+end]
		value = value[blank+end:]
		if blank == 0 {
			word = " " + word
		}
		if line+len(word) > foldAt && line > len(name)+1 {
			out = append(out, "\r\n"...)
			line = 0
		}
		for line+len(word) > maxText {
			n := breakAt(word, maxText-line)
			out = append(append(out, word[:n]...), "\r\n "...)
			word, line = word[n:], 1
		}
		out = append(out, word...)
		line += len(word)
	}
	return append(out, "\r\n"...)
}

// breakAt is where a word is broken so that at most n octets of it, and whole characters, come before.
func breakAt(word string, n int) int {
	n = max(n, 1)
	for i := n; i > max(0, n-utf8.UTFMax); i-- {
		if utf8.RuneStart(word[i]) {
			return i
		}
	}
	return n
}
