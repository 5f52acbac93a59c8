package digest

import (
	"context"
	"fmt"
	"strings"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// maxText is how much of a post's text a plain digest has, in bytes.
const maxText = 4 << 20

// kept are the fields of a post that a plain digest has, in this order (RFC 1153).
var kept = []string{"Date", "From", "To", "Cc", "Subject", "Message-ID", "Keywords"}

// The separators of RFC 1153: below the preamble, and below each post.
var (
	preambleEnd = strings.Repeat("-", 70)
	separator   = strings.Repeat("-", 30)
)

// Plain makes a plain digest (RFC 1153): texts alone, one below the other. What is attached is named, and linked where the
// archive has it.
func Plain(ctx context.Context, m Material) (mail.Message, error) {
	masthead, err := m.masthead(m.topics())
	if err != nil {
		return mail.Message{}, err
	}
	var b strings.Builder
	// Nothing in the preamble may end it.
	guarded(&b, masthead)
	if footer := m.List.FooterText(m.Posts[len(m.Posts)-1].Seq); footer != "" {
		b.WriteByte('\n')
		guarded(&b, footer)
	}
	b.WriteString("\n" + preambleEnd + "\n\n")
	for _, p := range m.Posts {
		post, err := m.Load(ctx, p)
		if err != nil {
			return mail.Message{}, err
		}
		m.enclose(&b, p, lists.Enclosed(m.List, post))
		b.WriteString("\n" + separator + "\n\n")
	}
	end := "End of " + m.name()
	b.WriteString(end + "\n" + strings.Repeat("*", len(end)) + "\n")
	d := m.draft()
	d.Text = b.String()
	return mail.Compose(d, ""), nil
}

// enclose writes a post's fields and text.
func (m Material) enclose(b *strings.Builder, p store.Post, post mail.Message) {
	for _, name := range kept {
		if v := mail.Get(post.Head, name); v != "" {
			wrapped(b, name+": ", "    ", oneLine(mail.DecodeWords(v), 10_000))
		}
	}
	b.WriteByte('\n')
	body := mail.ReadBody(post, maxText)
	text := strings.Trim(body.Text, "\n") // RFC 1153: no blank lines at its ends
	guarded(b, text)
	if text == "" && len(body.Odd) > 0 {
		text = body.Odd[0]
		fmt.Fprintf(b, "[%s]\n", text)
	}
	for i, f := range body.Files {
		if i == 0 && text != "" {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "[%s: %s, %s]\n", oneLine(f.Name, 200), oneLine(f.Type, 100), size(f.Size))
		if link := m.fileLink(p, f); link != "" {
			fmt.Fprintf(b, "<%s>\n", link)
		}
	}
}

// guarded writes lines of which none reads as a separator or the trailer to a program that takes digests apart: such a
// line gets a blank in front, and so does one that has blanks before it already, so that who takes one away from each has
// what was written. (RFC 1153 would replace a hyphen; that cannot be undone.)
func guarded(b *strings.Builder, text string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if separates(line) {
			b.WriteByte(' ')
		}
		b.WriteString(line)
		b.WriteByte('\n')
	}
}

// shortest is the shortest line of hyphens that some program takes for a separator.
const shortest = 27

func separates(line string) bool {
	line = strings.TrimLeft(line, " ")
	if strings.HasPrefix(line, separator[:shortest]) {
		return true
	}
	return len(line) < 200 && strings.HasPrefix(line, "End of ") && strings.Contains(line, "Digest")
}
