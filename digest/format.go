package digest

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// This file holds what the formats have in common.

// width is how wide lines are that the formats write themselves.
const width = 72

// name is how an issue is called, in any language: machines know a digest by it (RFC 1153).
func (m Material) name() string {
	return fmt.Sprintf("%s Digest, Vol %d, Issue %d", m.List.Name(), m.Volume, m.Number)
}

func (m Material) subject() string {
	if m.Parts > 1 {
		return fmt.Sprintf("%s (%d/%d)", m.name(), m.Part, m.Parts)
	}
	return m.name()
}

// draft is the mail without its content. It comes from where commands go, and a reply goes to the list, as RFC 1153 has it.
func (m Material) draft() mail.Draft {
	l := m.List
	d := mail.Draft{From: mail.Mailbox{Name: lists.WordsOf(l)["title"], Address: l.Request()}, To: []mail.Mailbox{{Address: l.Post()}},
		Subject: m.subject(), MessageID: m.ID + "@" + m.Hostname, Date: m.At}
	reply := l.Post()
	if l.Policy.OwnersOnly() || m.Mode == lists.Roundup { // an answer to a letter is for those who run the list
		reply = l.Owner()
	}
	d.Fields = []mail.Field{
		{Name: "Reply-To", Raw: mail.FormatField("Reply-To", reply.String())},
		{Name: "Auto-Submitted", Raw: mail.FormatField("Auto-Submitted", "auto-generated")}, // RFC 3834 section 5
		{Name: "List-Id", Raw: l.Fields()},
	}
	return d
}

// topicsMark stands for the contents while the notice around them is filled in: its slots are made for a few lines.
const topicsMark = "[topics]"

// masthead is the text above the posts, with these contents.
func (m Material) masthead(topics string) (string, error) {
	words := lists.WordsOf(m.List)
	words["volume"], words["issue"], words["date"] = strconv.Itoa(m.Volume), strconv.Itoa(m.Number), m.At.In(m.Schedule.Zone()).Format("2006-01-02")
	words["part"], words["topics"], words["link"] = "", topicsMark, ""
	if m.Parts > 1 {
		words["part"] = fmt.Sprintf("%d/%d", m.Part, m.Parts)
	}
	if m.archived() {
		words["link"] = m.archive()
	}
	_, text, err := lists.FillNotice("digest", m.Text, words)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == topicsMark {
			line = topics
		}
		b.WriteString(line)
	}
	return b.String(), nil
}

// archived reports whether posts have pages.
func (m Material) archived() bool { return m.URL != "" && m.List.Policy.Archive != lists.ArchiveNone }

// archive is where the list's archive begins.
func (m Material) archive() string { return m.URL + "/l/" + m.List.Address.String() + "/" }

// link is a post's page; empty if it has none.
func (m Material) link(p store.Post) string {
	if !m.archived() || p.Hidden {
		return ""
	}
	return m.archive() + strconv.FormatUint(uint64(p.Seq), 10)
}

// fileLink is where a file of a post can be had; empty if nowhere.
func (m Material) fileLink(p store.Post, f mail.File) string {
	page := m.link(p)
	if page == "" {
		return ""
	}
	return page + "/part/" + strings.ReplaceAll(url.PathEscape(f.Path), "%2F", "/")
}

// topics are the contents of a part: a line for each post.
func (m Material) topics() string {
	var b strings.Builder
	for i, p := range m.Posts {
		wrapped(&b, fmt.Sprintf("%4d. ", m.First+i), "      ", m.title(p)+" ("+m.author(p)+")")
	}
	return b.String()
}

// title is a post's Subject for people.
func (m Material) title(p store.Post) string {
	s := oneLine(p.Subject, 200)
	if s == "" {
		return "(no subject)"
	}
	return s
}

// author is who wrote a post: a name, or else an address.
func (m Material) author(p store.Post) string {
	if m.List.Policy.Anonymous {
		return oneLine(lists.WordsOf(m.List)["title"], 100)
	}
	name, address := p.Author, p.Author
	if at := strings.LastIndex(p.Author, " <"); at >= 0 && strings.HasSuffix(p.Author, ">") {
		name, address = p.Author[:at], p.Author[at+2:len(p.Author)-1]
	}
	if name = oneLine(name, 100); name == "" {
		name = oneLine(address, 100)
	}
	return name
}

// oneLine is text from outside on a line of its own: without control characters and what turns the direction of writing,
// single blanks, at most n characters.
func oneLine(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069', r == '\u200e', r == '\u200f', r == '\ufeff':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) > n {
		s = string([]rune(s)[:n-1]) + "…"
	}
	return s
}

// wrapped writes text behind a first indent, and breaks it at blanks.
func wrapped(b *strings.Builder, first, rest, text string) {
	b.WriteString(first)
	column, fresh := utf8.RuneCountInString(first), true
	for word := range strings.FieldsSeq(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case fresh:
		case column+1+n > width:
			b.WriteString("\n" + rest)
			column = utf8.RuneCountInString(rest)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column, fresh = column+n, false
	}
	b.WriteByte('\n')
}

// size is a number of bytes for people.
func size(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", (n+1<<9)>>10)
	}
	return fmt.Sprintf("%d B", n)
}
