package lists

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"listd/mail"
)

// replyMarks are what mail programs of many languages put before a Subject. They are told from a word of the
// author's by the colon.
var replyMarks = map[string]bool{
	"re": true, "aw": true, "antw": true, "antwort": true, "sv": true, "vs": true, "vb": true, "vl": true,
	"ref": true, "rif": true, "res": true, "odp": true, "ynt": true, "bls": true, "atb": true, "hl": true,
	"fw": true, "fwd": true, "wg": true, "tr": true, "rv": true, "enc": true, "doorst": true, "pd": true,
	"i": true, "ilt": true, "rtr": true, "trs": true, "fs": true, "továbbítás": true, "válasz": true,
	"απ": true, "σχετ": true, "πρθ": true, "на": true, "ответ": true,
	"回复": true, "回覆": true, "答复": true, "转发": true, "轉寄": true, "返信": true, "転送": true, "회신": true, "전달": true,
}

// maxMark is the longest of them in bytes, with a counter.
const maxMark = 32

// replyMark is the length of the mark of a reply or a forward that s begins with, colon included; 0 if none.
// Counters count as part of it: Re[2]:, Re(3):, Re^2:, Re*2:.
func replyMark(s string) int {
	head := s[:min(len(s), maxMark)]
	end, colon := -1, 0
	for i, r := range head {
		if r == ':' || r == '：' { // the second is the full-width colon
			end, colon = i, utf8.RuneLen(r)
			break
		}
	}
	if end < 1 {
		return 0
	}
	word := strings.TrimRightFunc(head[:end], unicode.IsSpace)
	if i := strings.IndexAny(word, "[(^*"); i > 0 {
		count := strings.Trim(word[i:], "[]()^*")
		if _, err := strconv.ParseUint(count, 10, 16); err != nil {
			return 0
		}
		word = strings.TrimRightFunc(word[:i], unicode.IsSpace)
	}
	if !replyMarks[strings.ToLower(word)] {
		return 0
	}
	return end + colon
}

// prefixAt is the length of the prefix that s begins with, in any case and with any number for %d; 0 if none.
func prefixAt(s, prefix string) int {
	if prefix == "" {
		return 0
	}
	before, after, numbered := strings.Cut(prefix, "%d")
	n := foldedAt(s, before)
	if n < 0 {
		return 0
	}
	if numbered {
		start := n
		for n < len(s) && s[n] >= '0' && s[n] <= '9' {
			n++
		}
		if n == start {
			return 0
		}
		k := foldedAt(s[n:], after)
		if k < 0 {
			return 0
		}
		n += k
	}
	return n
}

// foldedAt is how many bytes of s equal p without regard to case, by runes; -1 if s does not begin with p. A run
// of white space in s counts as one space: folding changes it.
func foldedAt(s, p string) int {
	at := 0
	for _, want := range p {
		if at == len(s) {
			return -1
		}
		r, size := utf8.DecodeRuneInString(s[at:])
		switch {
		case want == ' ' && unicode.IsSpace(r):
			at += len(s[at:]) - len(trimLeftSpace(s[at:]))
			continue
		case r != want && unicode.ToLower(r) != unicode.ToLower(want):
			return -1
		}
		at += size
	}
	return at
}

func trimLeftSpace(s string) string { return strings.TrimLeftFunc(s, unicode.IsSpace) }

// Numbered reports whether what leaves shows the post's number, so that it can be prepared only when that is known.
func (p Policy) Numbered() bool {
	return strings.Contains(p.SubjectPrefix, "%d") || strings.Contains(p.Footer, "{seq}")
}

// numbered is the prefix with the post's number for %d.
func numbered(prefix string, seq Seq) string {
	before, after, ok := strings.Cut(prefix, "%d")
	if !ok {
		return prefix
	}
	return before + strconv.FormatUint(uint64(seq), 10) + after
}

// prefixedSubject is the Subject field with the list's prefix, or nil if the field may stay as it is: it has the
// prefix once, behind marks of replies or before them, and a reply's bytes are worth keeping. raw is the field as
// it lies, empty if the post has none.
func prefixedSubject(raw []byte, prefix string, seq Seq) []byte {
	now := numbered(prefix, seq)
	value := mail.Field{Raw: raw}.Value()
	text := value
	if strings.Contains(value, "=?") || !utf8.ValidString(value) {
		text = strings.TrimSpace(mail.DecodeWords(value))
	}
	if text == "" {
		return joinSubject(now, []byte("(no subject)\r\n"))
	}
	// The marks and the rest without any prefix between or before them.
	var kept strings.Builder
	found, first := 0, ""
	rest := text
	for rest != "" {
		if n := prefixAt(rest, prefix); n > 0 {
			if found++; found == 1 {
				first = rest[:n]
			}
			rest = trimLeftSpace(rest[n:])
		} else if n := replyMark(rest); n > 0 {
			kept.WriteString(rest[:n] + " ")
			rest = trimLeftSpace(rest[n:])
		} else {
			break
		}
	}
	switch {
	case found == 0:
		_, tail, _ := bytes.Cut(raw, []byte{':'})
		return joinSubject(now, bytes.TrimLeft(tail, " \t"))
	case found == 1 && strings.EqualFold(first, now):
		return nil
	}
	return mail.FormatField("Subject", mail.EncodeText(strings.TrimSpace(now+" "+kept.String()+rest)))
}

// joinSubject puts the prefix before the bytes of a value, which end with its CRLF, and leaves them as they are.
func joinSubject(prefix string, tail []byte) []byte {
	const name = "Subject: "
	out := make([]byte, 0, len(name)+3*len(prefix)+len(tail)+16)
	out = append(out, name...)
	switch {
	case isASCII(prefix) && !strings.Contains(prefix, "=?"):
		out = append(out, prefix...)
	case bytes.HasPrefix(bytes.TrimLeft(tail, " \t\r\n"), []byte("=?")):
		// RFC 2047 section 6.2: white space between two encoded words is not shown, so the space that parts prefix
		// and Subject stands in the first of them.
		out = appendWords(out, prefix+" ")
	default:
		out = appendWords(out, prefix)
	}
	if bytes.HasPrefix(tail, []byte("\r\n ")) || bytes.HasPrefix(tail, []byte("\r\n\t")) {
		return append(out, tail...) // it begins with a fold
	}
	// RFC 5322 section 2.1.1: lines should have at most 78 characters.
	line := len(out) - bytes.LastIndexByte(out, '\n') - 1
	if line+1+bytes.IndexByte(tail, '\n') > 78+1 {
		out = append(out, "\r\n"...)
	}
	return append(append(out, ' '), tail...)
}

// appendWords appends s as encoded words (RFC 2047) of at most 75 characters, folded where there are several.
func appendWords(out []byte, s string) []byte {
	const most = 45 // bytes: 60 characters of base64 and 12 around them
	for first := true; s != ""; first = false {
		n := min(len(s), most)
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		if !first {
			out = append(out, "\r\n "...)
		}
		out = append(out, "=?utf-8?b?"...)
		out = base64.StdEncoding.AppendEncode(out, []byte(s[:n]))
		out = append(out, "?="...)
		s = s[n:]
	}
	return out
}

func isASCII[T ~string | ~[]byte](s T) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
