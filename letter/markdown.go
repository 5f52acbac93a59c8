package letter

import (
	"fmt"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

// maxMarkdown is how much of a text is read as Markdown, in bytes; what is beyond is left out, and says so. A text with more
// than maxBrackets opening ones is read as plain: for each the parser may look at all that follows.
const (
	maxMarkdown = 64 << 10
	maxBrackets = 2000
)

// maxNesting is how many quotes and lists within each other are read as such: each costs the parser a look at every
// line, and the writers a call.
const maxNesting = 24

// marked is a text in Markdown with marks for values.
type marked struct {
	src  string
	vals values
	ours bool // a template's own text
}

// tree reads the text.
func (m marked) tree() (ast.Node, []byte) {
	src := m.src
	if len(src) > maxMarkdown {
		src = strings.ToValidUTF8(src[:maxMarkdown], "") + "\n\n…"
	}
	b := []byte(flatten(src))
	md := goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.NewLinkify()))
	return md.Parser().Parse(text.NewReader(b)), b
}

// flatten takes out the signs by which a line would begin more than maxNesting blocks within each other.
func flatten(src string) string {
	lines := strings.Split(src, "\n")
	for i, l := range lines {
		n, at := 0, 0
		for at < len(l) {
			c := l[at]
			switch {
			case c == ' ' || c == '\t':
			case c == '>' || (c == '-' || c == '*' || c == '+') && at+1 < len(l) && (l[at+1] == ' ' || l[at+1] == '\t'):
				n++
			case c >= '0' && c <= '9' && at+2 < len(l) && (l[at+1] == '.' || l[at+1] == ')') && l[at+2] == ' ':
				n++
				at++
			default:
				c = 0
			}
			if c == 0 || n > maxNesting {
				break
			}
			at++
		}
		if n > maxNesting || at > 20*maxNesting {
			lines[i] = l[:min(at, 4*maxNesting)] + " " + strings.TrimLeft(l[at:], ">-*+ \t0123456789.)")
		}
	}
	return strings.Join(lines, "\n")
}

// heavy reports whether the parser would be busy with the text for too long.
func (m marked) heavy() bool {
	return strings.Count(m.src[:min(len(m.src), maxMarkdown)], "[") > maxBrackets
}

// plain is the text without markup.
func (m marked) plain() Plain {
	s := m.src
	if len(s) > maxMarkdown {
		s = strings.ToValidUTF8(s[:maxMarkdown], "") + "\n\n…"
	}
	return Plain(m.vals.text(s, AsText))
}

func (m marked) page(g *page) {
	if m.heavy() {
		if m.ours && g.err == nil { // a template's author can mend it
			g.err = fmt.Errorf("the text has more than %d brackets", maxBrackets)
		}
		m.plain().page(g)
		return
	}
	root, src := m.tree()
	w := markdownHTML{page: g, vals: m.vals, src: src}
	w.children(root, false)
}

func (m marked) sheet(s *sheet) {
	if m.heavy() {
		m.plain().sheet(s)
		return
	}
	root, src := m.tree()
	w := markdownText{sheet: s, vals: m.vals, src: src}
	w.children(root)
}

// linesOf are the lines of a code block.
func linesOf(n ast.Node, src []byte) string {
	var b strings.Builder
	for i := range n.Lines().Len() {
		seg := n.Lines().At(i)
		b.Write(seg.Value(src))
	}
	return strings.TrimRight(b.String(), "\n")
}

// textOf is an inline text as Markdown means it: entities and escapes are read.
func textOf(n ast.Node, src []byte) string {
	switch n := n.(type) {
	case *ast.Text:
		if n.IsRaw() {
			return string(n.Segment.Value(src))
		}
		return unescape(string(n.Segment.Value(src)))
	case *ast.String:
		return string(n.Value)
	case *ast.CodeSpan:
		var b strings.Builder
		for c := n.FirstChild(); c != nil; c = c.NextSibling() {
			if t, ok := c.(*ast.Text); ok {
				b.WriteString(strings.ReplaceAll(string(t.Segment.Value(src)), "\n", " "))
			}
		}
		return b.String()
	}
	return ""
}

// rightColumns tells which columns of a table are set to the right.
func rightColumns(t *east.Table) (out []bool) {
	for _, a := range t.Alignments {
		out = append(out, a == east.AlignRight)
	}
	return out
}
