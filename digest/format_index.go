package digest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// maxIndent is how deep answers stand in an index at most.
const maxIndent = 6

// Index makes a mail that names the posts, thread by thread, each with its number and where it can be read.
func Index(_ context.Context, m Material) (mail.Message, error) {
	var b strings.Builder
	for i, e := range threaded(m.Posts) {
		if i > 0 && e.depth == 0 {
			b.WriteByte('\n')
		}
		indent := strings.Repeat("  ", min(e.depth, maxIndent))
		first := fmt.Sprintf("%6d  %s", e.Seq, indent)
		rest := strings.Repeat(" ", len(first))
		wrapped(&b, first, rest, m.title(e.Post)+" ("+m.author(e.Post)+")")
		if link := m.link(e.Post); link != "" {
			b.WriteString(rest + "<" + link + ">\n")
		}
	}
	text, err := m.masthead(b.String())
	if err != nil {
		return mail.Message{}, err
	}
	if footer := m.List.FooterText(m.Posts[len(m.Posts)-1].Seq); footer != "" {
		text += "\n" + footer
	}
	d := m.draft()
	d.Text = text
	return mail.Compose(d, ""), nil
}

// entry is a post in its thread.
type entry struct {
	store.Post
	depth int
}

// threaded are posts thread by thread, in the order in which these have begun, answers below what they answer. A post
// that nobody has threaded yet is a thread by itself.
func threaded(posts []store.Post) []entry {
	here := map[lists.Seq]bool{}
	for _, p := range posts {
		here[p.Seq] = true
	}
	begun := map[store.ThreadID]lists.Seq{}
	answers := map[lists.Seq][]store.Post{}
	var tops []store.Post
	for _, p := range posts {
		if p.Parent < p.Seq && here[p.Parent] { // a parent that came later could make a circle
			answers[p.Parent] = append(answers[p.Parent], p)
			continue
		}
		if _, ok := begun[p.Thread]; !ok && p.Thread != 0 {
			begun[p.Thread] = p.Seq
		}
		tops = append(tops, p)
	}
	start := func(p store.Post) lists.Seq { return cmp.Or(begun[p.Thread], p.Seq) }
	slices.SortStableFunc(tops, func(a, b store.Post) int { return cmp.Or(cmp.Compare(start(a), start(b)), cmp.Compare(a.Seq, b.Seq)) })
	out := make([]entry, 0, len(posts))
	var waiting []entry
	for _, top := range tops {
		depth := 0
		if start(top) != top.Seq {
			depth = 1 // it answers something of the same thread that is not here
		}
		waiting = append(waiting[:0], entry{top, depth})
		for len(waiting) > 0 {
			e := waiting[len(waiting)-1]
			waiting = waiting[:len(waiting)-1]
			out = append(out, e)
			for _, a := range slices.Backward(answers[e.Seq]) {
				waiting = append(waiting, entry{a, e.depth + 1})
			}
		}
	}
	return out
}
