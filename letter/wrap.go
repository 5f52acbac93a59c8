package letter

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// textWidth is how many columns a line of the text part has at most: RFC 5322 section 2.1.1 with room to be quoted.
const textWidth = 72

// runeWidth is how many columns a character takes on a terminal.
func runeWidth(r rune) int {
	switch {
	case r < 0x7f:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	}
	if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
		return 2
	}
	return 1
}

// columns is how many columns a text takes.
func columns(s string) (n int) {
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

// notFirst and notLast are wide characters that do not begin or end a line.
const (
	notFirst = "、。，．・：；？！゛゜ヽヾゝゞ々ー）］｝〕〉》」』】〗ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ％"
	notLast  = "（［｛〔〈《「『【〖￥＄"
)

// units are the pieces between which a word may be broken: a word of a script that has no spaces may be almost everywhere.
func units(word string) []string {
	var out []string
	start, wide, glue := 0, false, true
	for i, r := range word {
		w := runeWidth(r) == 2
		if i > start && (w || wide) && !glue && runeWidth(r) > 0 && !strings.ContainsRune(notFirst, r) {
			out = append(out, word[start:i])
			start = i
		}
		if runeWidth(r) > 0 {
			wide, glue = w, strings.ContainsRune(notLast, r)
		}
	}
	return append(out, word[start:])
}

// wrap breaks a text at its spaces into lines of at most the given width, the first behind first, the others behind rest. A line end of
// the text stays one. What cannot be broken stands out.
func wrap(b *strings.Builder, first, rest, text string, max int) {
	prefix := first
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		col, begun := columns(prefix), false
		b.WriteString(prefix)
		for word := range strings.FieldsSeq(line) {
			for i, u := range units(word) {
				w, gap := columns(u), 0
				if begun && i == 0 {
					gap = 1
				}
				if begun && col+gap+w > max {
					endLine(b)
					b.WriteString(rest)
					col, gap = columns(rest), 0
				}
				if gap == 1 {
					b.WriteByte(' ')
				}
				b.WriteString(u)
				col, begun = col+gap+w, true
			}
		}
		endLine(b)
		prefix = rest
	}
}

func endLine(b *strings.Builder) { b.WriteByte('\n') }

// pad fills a text with spaces up to a width, on its left if right is set.
func pad(s string, w int, right bool) string {
	gap := strings.Repeat(" ", max(0, w-columns(s)))
	if right {
		return gap + s
	}
	return s + gap
}

// foreign is a text from outside without what a terminal or a mail program would obey, and without what our own marks
// look like. Line ends are LF.
func foreign(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		if r == '\r' {
			return '\n'
		}
		if obeyed(r) {
			return -1
		}
		return r
	}, s)
}

// obeyed reports whether a character does something rather than being seen: C0 and C1 but tab and line feed, what turns the
// direction of all that follows, and our marks.
func obeyed(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || isMark(r)
}

// cleanText is a value: foreign text without tabs.
func cleanText(s string) string { return strings.ReplaceAll(foreign(s), "\t", " ") }

// oneLine is a value in one line.
func oneLine(s string) string { return strings.Join(strings.Fields(cleanText(s)), " ") }
