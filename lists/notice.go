package lists

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"slices"
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

// Notice is the subject and text of a built-in notice in a language, or in English where it does not speak that one.
// See FillNotice.
func Notice(name, lang string, data Words) (subject, text string, err error) {
	raw, err := NoticeText(name, lang)
	if err != nil {
		return "", "", err
	}
	return FillNotice(name, raw, data)
}

// FillNotice is the subject and text of a notice with its slots filled in. Its first line is the Subject; a line Button,
// which NoticeButton reads, and an empty one follow. Lines end with \n. A slot without a word is
// an error: a notice with a hole helps nobody. A paragraph that begins with [word] is there only if that word says
// something.
func FillNotice(name, raw string, data Words) (subject, text string, err error) {
	subject, _, body, err := cutNotice(name, raw)
	if err != nil {
		return "", "", err
	}
	fill := data.filler(name)
	if subject, err = fillLine(subject, fill); err != nil {
		return "", "", err
	}
	var b strings.Builder
	for paragraph := range strings.SplitSeq(strings.Trim(body, "\n"), "\n\n") {
		paragraph, wanted, err := cutCondition(paragraph, fill)
		if err != nil {
			return "", "", err
		}
		if !wanted {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		if err := writeParagraph(&b, paragraph, fill); err != nil {
			return "", "", err
		}
	}
	return subject, b.String(), nil
}

// NoticeButton is what stands on the button that takes the place of the link in a notice's HTML; "" for none.
func NoticeButton(name, raw string, data Words) (string, error) {
	_, button, _, err := cutNotice(name, raw)
	if err != nil {
		return "", err
	}
	return fillLine(button, data.filler(name))
}

// cutNotice takes the lines off the top of a notice.
func cutNotice(name, raw string) (subject, button, body string, err error) {
	head, body, ok := strings.Cut(raw, "\n\n")
	first, second, _ := strings.Cut(head, "\n")
	subject, isSubject := strings.CutPrefix(first, "Subject: ")
	button, isButton := strings.CutPrefix(second, "Button: ")
	if !ok || !isSubject || second != "" && !isButton {
		return "", "", "", fmt.Errorf("notice %s: want a line Subject:, perhaps a line Button:, and an empty one", name)
	}
	return subject, button, body, nil
}

// filler gives the words of a notice.
func (data Words) filler(name string) func(word string) (string, error) {
	return func(word string) (string, error) {
		v, ok := data[word]
		if !ok {
			return "", fmt.Errorf("notice %s: nothing is given for {%s}", name, word)
		}
		return clean(v), nil
	}
}

// fillLine fills in what has to stay one line.
func fillLine(s string, fill func(word string) (string, error)) (string, error) {
	s, err := fillSlots(s, fill)
	return strings.Join(blankFields(s), " "), err
}

// cutCondition takes the [word] off a paragraph, and says whether the paragraph is wanted.
func cutCondition(paragraph string, fill func(string) (string, error)) (rest string, wanted bool, err error) {
	word, rest, ok := strings.Cut(paragraph, "] ")
	word, isCondition := strings.CutPrefix(word, "[")
	if !ok || !isCondition || word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return paragraph, true, nil
	}
	v, err := fill(word)
	return rest, strings.TrimSpace(v) != "", err
}

// CheckNotice says what is wrong with a text that is to replace a built-in notice, or nil: it must have a Subject, and
// no slot that the built-in one has not.
func CheckNotice(name, raw string) error {
	builtIn, err := NoticeText(name, "en")
	if err != nil {
		return err
	}
	known := Words{}
	_, _ = fillSlots(builtIn, func(word string) (string, error) { known[word] = "x"; return "", nil }) // it never fails
	for paragraph := range strings.SplitSeq(builtIn, "\n\n") {
		_, _, _ = cutCondition(paragraph, func(word string) (string, error) { known[word] = "x"; return "", nil }) // nor does it
	}
	for _, always := range commonWords {
		known[always] = "x"
	}
	raw = strings.ReplaceAll(raw, "\r\n", "\n")
	_, _, err = FillNotice(name, raw, known)
	if _, badButton := NoticeButton(name, raw, known); err == nil {
		err = badButton
	}
	if err != nil {
		return fmt.Errorf("%w; it may have {%s}", err, strings.Join(slices.Sorted(maps.Keys(known)), "}, {"))
	}
	return nil
}

// commonWords are filled in in every notice.
var commonWords = []string{"list", "title", "address", "owner", "join", "leave", "help", "request"}

// WordsOf are the words about a list that every notice may use.
func WordsOf(l List) Words {
	return Words{"list": l.Name(), "title": l.displayName(), "address": l.Post().String(), "owner": l.Owner().String(),
		"join": l.Join().String(), "leave": l.Leave().String(), "help": l.Help().String(), "request": l.Request().String()}
}

// Notices are the names of all built-in notices.
func Notices() []string {
	files, _ := fs.Glob(notices, "notices/en/*.txt") // the pattern is well-formed
	var out []string
	for _, f := range files {
		out = append(out, strings.TrimSuffix(strings.TrimPrefix(f, "notices/en/"), ".txt"))
	}
	return out
}

// NoticeLanguages are the languages a notice is looked for in, the best first: pt-BR, then pt, then en.
func NoticeLanguages(lang string) []string {
	base, _, _ := strings.Cut(lang, "-")
	var out []string
	for _, l := range []string{lang, base, "en"} {
		if l != "" && !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

// NoticeText is a built-in notice as it is written. The name is ours; the language is an owner's.
func NoticeText(name, lang string) (string, error) {
	for _, l := range NoticeLanguages(lang) {
		if file := "notices/" + l + "/" + name + ".txt"; fs.ValidPath(file) {
			if raw, err := notices.ReadFile(file); err == nil {
				return strings.ReplaceAll(string(raw), "\r\n", "\n"), nil
			}
		}
	}
	return "", fmt.Errorf("there is no notice %q; there are %s", name, strings.Join(Notices(), ", "))
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
			words = append(words, blankFields(strings.Join(filled, " "))...)
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
			wrap(b, indent, hang, blankFields(s))
		}
	}
	flush()
	return nil
}

// blankFields cuts at blanks, tabs and line ends, and not where a language wants two signs kept together (U+00A0).
func blankFields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == '\t' || r == '\n' })
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
