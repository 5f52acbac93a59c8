package letter

import (
	"strconv"
	"strings"

	"github.com/yuin/goldmark/ast"
	east "github.com/yuin/goldmark/extension/ast"
)

// markdownText writes a tree of Markdown as plain text.
type markdownText struct {
	*sheet
	vals values
	src  []byte
	bare bool // no footnotes and no signs of emphasis: a name, a description
}

func (w *markdownText) children(n ast.Node) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		w.block(c)
	}
}

func (w *markdownText) block(n ast.Node) {
	switch n := n.(type) {
	case *ast.Heading:
		w.heading(w.inline(n), n.Level)
	case *ast.Paragraph, *ast.TextBlock:
		w.para(w.inline(n))
	case *ast.Blockquote:
		w.gap()
		w.tight = true
		w.within("> ", "> ", func() { w.children(n) })
	case *ast.List:
		w.list(n)
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		var lines []string
		for l := range strings.SplitSeq(w.vals.text(linesOf(n, w.src), AsText), "\n") {
			lines = append(lines, "    "+l)
		}
		w.lines(lines)
	case *ast.ThematicBreak:
		w.lines([]string{"* * *"})
	case *east.Table:
		w.tableOf(n)
	case *ast.HTMLBlock:
	default:
		w.children(n)
	}
}

func (w *markdownText) list(n *ast.List) {
	number := n.Start
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		mark := "* "
		if n.IsOrdered() {
			mark = strconv.Itoa(number) + ". "
			number++
		}
		w.tight = w.tight || n.IsTight && c != n.FirstChild()
		if c == n.FirstChild() && nested(n) && n.Parent().Parent().(*ast.List).IsTight {
			w.tight = true
		}
		w.within(mark, strings.Repeat(" ", len(mark)), func() {
			if c.FirstChild() == nil {
				w.lines([]string{""})
			}
			w.children(c)
		})
	}
}

// nested reports whether a list is in another's item.
func nested(n ast.Node) bool { return n.Parent() != nil && n.Parent().Kind() == ast.KindListItem }

func (w *markdownText) tableOf(t *east.Table) {
	var head []string
	var rows [][]string
	for r := t.FirstChild(); r != nil; r = r.NextSibling() {
		var cells []string
		for c := r.FirstChild(); c != nil; c = c.NextSibling() {
			cells = append(cells, strings.Join(strings.Fields(w.inline(c)), " "))
		}
		if _, ok := r.(*east.TableHeader); ok {
			head = cells
		} else {
			rows = append(rows, cells)
		}
	}
	w.table(head, rows, rightColumns(t))
}

// inline is the content of a block. A line end in it is a hard one.
func (w *markdownText) inline(n ast.Node) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		w.span(&b, c)
	}
	return b.String()
}

func (w *markdownText) span(b *strings.Builder, n ast.Node) {
	sign := func(s string) {
		if w.bare {
			s = ""
		}
		b.WriteString(s + w.inline(n) + s)
	}
	switch n := n.(type) {
	case *ast.Text:
		b.WriteString(w.vals.text(textOf(n, w.src), AsText))
		switch {
		case n.HardLineBreak():
			b.WriteByte('\n')
		case n.SoftLineBreak():
			b.WriteByte(' ')
		}
	case *ast.CodeSpan:
		code := w.vals.text(textOf(n, w.src), AsText)
		if !w.bare {
			code = "`" + code + "`"
		}
		b.WriteString(code)
	case *ast.String:
		b.WriteString(w.vals.text(textOf(n, w.src), AsText))
	case *ast.Emphasis:
		if n.Level == 2 {
			sign("*")
		} else {
			sign("_")
		}
	case *east.Strikethrough:
		sign("~")
	case *ast.Link:
		w.linkTo(b, w.inline(n), unescape(string(n.Destination)))
	case *ast.AutoLink:
		b.WriteString(w.vals.text(string(n.Label(w.src)), AsText))
	case *ast.Image:
		alt := w.inline(n)
		if to := w.vals.link(unescape(string(n.Destination)), false); to != "" && !insideLink(n) {
			w.linkTo(b, alt, unescape(string(n.Destination)))
		} else if alt != "" {
			b.WriteString("[" + alt + "]")
		}
	case *ast.RawHTML:
	default:
		b.WriteString(w.inline(n))
	}
}

// linkTo writes a link's text and where it leads: short URLs in the text, long ones as footnotes.
func (w *markdownText) linkTo(b *strings.Builder, text, to string) {
	b.WriteString(text)
	to = w.vals.link(to, false)
	name := strings.TrimPrefix(to, "mailto:")
	switch {
	case to == "" || w.bare || text == name || text == to:
	case strings.TrimSpace(text) == "":
		b.WriteString(to)
	case columns(to) <= maxLinkWidth:
		b.WriteString(" <" + name + ">")
	default:
		b.WriteString(" " + w.footnote(to))
	}
}
