package mail

import (
	"bytes"
	"encoding/base64"
	"mime"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
)

// words decodes RFC 2047 encoded-words of every charset go-message knows.
var words = mime.WordDecoder{CharsetReader: charset.Reader}

// DecodeWords decodes the encoded-words of a field's value (RFC 2047). What is malformed or of an unknown charset stays
// as it is; raw 8-bit text that is no UTF-8 is read as Latin-1.
func DecodeWords(s string) string {
	if !utf8.ValidString(s) {
		s = latin1(s)
	}
	if !strings.Contains(s, "=?") {
		return s
	}
	out, err := words.DecodeHeader(s)
	if err != nil {
		// One bad word spoils the whole for DecodeHeader: decode word by word.
		out = decodeEach(s)
	}
	if !utf8.ValidString(out) {
		out = strings.ToValidUTF8(out, "\uFFFD")
	}
	return out
}

func decodeEach(s string) string {
	fields := strings.Fields(s)
	for i, f := range fields {
		if d, err := words.DecodeHeader(f); err == nil {
			fields[i] = d
		}
	}
	return strings.Join(fields, " ")
}

func latin1(s string) string {
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return string(r)
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
			return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
		}
	}
	return s
}

func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return false
		}
	}
	return !strings.Contains(s, "=?")
}

// encodeWords cuts between runes, so that each word decodes by itself. Base64 is chosen when much needs encoding.
func encodeWords(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
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

// foldAt is where lines of a head are folded if there is whitespace (RFC 5322 section 2.1.1).
const foldAt = 78

// FormatField writes a field: name, colon, value folded at whitespace, CRLF. Control characters of the value become
// spaces: no value can begin a second field.
func FormatField(name, value string) []byte {
	out := make([]byte, 0, len(name)+len(value)+8)
	out = append(append(out, name...), ':')
	line := len(name) + 1
	value = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, value))
	for value != "" {
		// The next word with the blanks before it.
		blank := len(value) - len(strings.TrimLeft(value, " "))
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
		out = append(out, word...)
		line += len(word)
	}
	if bytes.HasSuffix(out, []byte{':'}) {
		out = append(out, ' ')
	}
	return append(out, "\r\n"...)
}
