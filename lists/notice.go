package lists

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"unicode"
	"unicode/utf8"
)

//go:embed notices
var notices embed.FS

// Words are what is filled in for the slots of a notice. They may come from strangers: control characters are
// taken out, and in a subject line breaks too. A word of several lines repeats its line of the notice for each.
type Words map[string]string

// noticeWidth is how long the lines of a notice are at most: RFC 5322 section 2.1.1 with room to be quoted.
const noticeWidth = 72

// Notice is the subject and text of a notice in a language, or in English where it does not speak that one. Lines
// end with \n. A slot without a word is an error: a notice with a hole helps nobody.
func Notice(name, lang string, data Words) (subject, text string, err error) {
	raw, err := noticeFile(name, lang)
	if err != nil {
		return "", "", err
	}
	head, body, ok := strings.Cut(raw, "\n\n")
	subject, isSubject := strings.CutPrefix(head, "Subject: ")
	if !ok || !isSubject {
		return "", "", fmt.Errorf("notice %s: want a line Subject: and an empty one", name)
	}
	fill := func(word string) (string, error) {
		v, ok := data[word]
		if !ok {
			return "", fmt.Errorf("notice %s: nothing is given for {%s}", name, word)
		}
		return clean(v), nil
	}
	if subject, err = fillSlots(subject, fill); err != nil {
		return "", "", err
	}
	subject = strings.Join(strings.Fields(subject), " ")
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.TrimSpace(body), "\n\n") {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		if err := writeParagraph(&b, paragraph, fill); err != nil {
			return "", "", err
		}
	}
	return subject, b.String(), nil
}

// noticeFile finds pt-BR, then pt, then en. The name is ours; the language is an owner's.
func noticeFile(name, lang string) (string, error) {
	base, _, _ := strings.Cut(lang, "-")
	for _, l := range []string{lang, base, "en"} {
		if file := "notices/" + l + "/" + name + ".txt"; fs.ValidPath(file) && l != "" {
			if raw, err := notices.ReadFile(file); err == nil {
				return strings.ReplaceAll(string(raw), "\r\n", "\n"), nil
			}
		}
	}
	return "", fmt.Errorf("there is no notice %q", name)
}

// clean takes out what a terminal or a mail program would obey.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\r':
			return -1
		case forbidden(r) || r == unicode.ReplacementChar:
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
}

// writeParagraph fills in the slots of a paragraph and breaks it anew. Indented lines stay lines: an address to
// write to, a command to type.
func writeParagraph(b *strings.Builder, paragraph string, fill func(string) (string, error)) error {
	var words []string
	flush := func() {
		wrap(b, "", "", words)
		words = nil
	}
	for line := range strings.SplitSeq(paragraph, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(trimmed)]
		var filled []string
		for n, lines := 0, 1; n < lines; n++ {
			s, err := fillSlots(trimmed, func(word string) (string, error) {
				v, err := fill(word)
				all := strings.Split(strings.TrimSpace(v), "\n")
				lines = max(lines, len(all))
				return all[min(n, len(all)-1)], err
			})
			if err != nil {
				return err
			}
			filled = append(filled, s)
		}
		if indent == "" {
			words = append(words, strings.Fields(strings.Join(filled, " "))...)
			continue
		}
		flush()
		for _, s := range filled {
			hang := indent
			if strings.HasPrefix(s, "- ") {
				hang += "  "
			}
			if words := []string{strings.TrimRight(s, " ")}; utf8.RuneCountInString(indent+s) <= noticeWidth {
				wrap(b, indent, hang, words) // its columns stay
				continue
			}
			wrap(b, indent, hang, strings.Fields(s))
		}
	}
	flush()
	return nil
}

// wrap writes words in lines of at most noticeWidth characters; a longer word has a line to itself.
func wrap(b *strings.Builder, indent, hang string, words []string) {
	if len(words) == 0 {
		return
	}
	b.WriteString(indent)
	col := len(indent)
	for i, w := range words {
		n := utf8.RuneCountInString(w)
		switch {
		case i == 0:
		case col+1+n > noticeWidth:
			b.WriteString("\n" + hang)
			col = len(hang)
		default:
			b.WriteByte(' ')
			col++
		}
		b.WriteString(w)
		col += n
	}
	b.WriteByte('\n')
}
