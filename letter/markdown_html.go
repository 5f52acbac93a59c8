package letter

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/yuin/goldmark/ast"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/util"
)

// unescape reads entities and escapes, once, as CommonMark has it.
func unescape(s string) string {
	if !strings.ContainsAny(s, `\&`) {
		return s
	}
	b := util.ResolveEntityNames(util.ResolveNumericReferences(util.UnescapePunctuations([]byte(s))))
	return foreign(string(b)) // &#xFDD0; is a mark, and &#x202E; turns the line
}

// markdownHTML writes a tree of Markdown as HTML.
type markdownHTML struct {
	*page
	vals values
	src  []byte
}

// children writes blocks. In a tight list paragraphs are bare.
func (w *markdownHTML) children(n ast.Node, tight bool) {
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		w.block(c, tight)
	}
}

func (w *markdownHTML) block(n ast.Node, tight bool) {
	r := w.roles
	switch n := n.(type) {
	case *ast.Heading:
		w.heading(n)
	case *ast.Paragraph, *ast.TextBlock:
		inner := w.inline(n)
		if strings.TrimSpace(inner) == "" {
			return
		}
		if tight {
			w.add(inner)
			return
		}
		w.open("p", r.p, "")
		w.add(inner, "</p>\n")
	case *ast.Blockquote:
		style := ""
		if w.start == "right" {
			style = "padding:0 16px 0 0;border-left:0;border-right:3px solid " + light().line + ";"
		}
		w.quotes++
		w.add("<blockquote", r.quote.attrs(style), ">\n")
		w.children(n, false)
		w.add("</blockquote>\n")
		w.quotes--
	case *ast.List:
		w.list(n)
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		w.add("<pre", r.pre.attrs(""), ">", esc(w.text(linesOf(n, w.src))), "</pre>\n")
	case *ast.ThematicBreak:
		w.add("<hr", r.hr.attrs(""), ">\n")
	case *east.Table:
		w.tableOf(n)
	case *ast.HTMLBlock: // left out
	default:
		w.children(n, tight)
	}
}

// text is a text with its values; a block among them stands in the wrong place.
func (w *markdownHTML) text(s string) string {
	return w.vals.expand(s, func(v any, _ int) string {
		switch v := v.(type) {
		case Slot:
			return v.Mark(AsHTML)
		default:
			if _, ok := blocksOf(v); ok && w.err == nil {
				w.err = fmt.Errorf("a block (%T) must stand alone in its line", v)
			}
		}
		return plainValue(v)
	})
}

func (w *markdownHTML) heading(n *ast.Heading) {
	role := [...]role{w.roles.h1, w.roles.h2, w.roles.h3}[min(n.Level, 3)-1]
	tag := "h" + strconv.Itoa(n.Level)
	inner := w.inline(n)
	if strings.TrimSpace(inner) == "" {
		return
	}
	if w.inCard == 0 && w.quotes == 0 {
		t := markdownText{sheet: &sheet{}, vals: w.vals, src: w.src, bare: true}
		w.section(t.inline(n))
	}
	w.open(tag, role, "")
	w.add(inner, "</", tag, ">\n")
}

func (w *markdownHTML) list(n *ast.List) {
	tag, attr := "ul", ""
	if n.IsOrdered() {
		tag = "ol"
		if n.Start != 1 {
			attr = ` start="` + strconv.Itoa(n.Start) + `"`
		}
	}
	padding := "0 0 0 24px"
	if w.start == "right" {
		padding = "0 24px 0 0"
	}
	below := "16px"
	if nested(n) {
		below = "6px"
	}
	w.add("<", tag, attr, ` style="margin:0 0 `, below, `;padding:`, padding, `;">`, "\n")
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		w.add("<li", w.roles.li.attrs(""), ">") // a direction of its own would move its bullet
		w.children(c, n.IsTight)
		w.add("</li>\n")
	}
	w.add("</", tag, ">\n")
}

func (w *markdownHTML) tableOf(t *east.Table) {
	var head []string
	var rows [][]string
	for r := t.FirstChild(); r != nil; r = r.NextSibling() {
		var cells []string
		for c := r.FirstChild(); c != nil; c = c.NextSibling() {
			cells = append(cells, w.inline(c))
		}
		if _, ok := r.(*east.TableHeader); ok {
			head = cells
		} else {
			rows = append(rows, cells)
		}
	}
	w.table(head, rows, rightColumns(t))
}

// inline is the content of a block.
func (w *markdownHTML) inline(n ast.Node) string {
	var b strings.Builder
	for c := n.FirstChild(); c != nil; c = c.NextSibling() {
		w.span(&b, c)
	}
	return b.String()
}

func (w *markdownHTML) span(b *strings.Builder, n ast.Node) {
	around := func(tag string) { b.WriteString("<" + tag + ">" + w.inline(n) + "</" + tag + ">") }
	switch n := n.(type) {
	case *ast.Text:
		b.WriteString(esc(w.text(textOf(n, w.src))))
		switch {
		case n.HardLineBreak():
			b.WriteString("<br>\n")
		case n.SoftLineBreak():
			b.WriteByte('\n')
		}
	case *ast.String:
		b.WriteString(esc(w.text(textOf(n, w.src))))
	case *ast.CodeSpan:
		b.WriteString("<code" + w.roles.code.attrs("") + ">" + esc(w.text(textOf(n, w.src))) + "</code>")
	case *ast.Emphasis:
		if n.Level == 2 {
			around("strong")
		} else {
			around("em")
		}
	case *east.Strikethrough:
		around("s")
	case *ast.Link:
		w.linkTo(b, unescape(string(n.Destination)), w.inline(n))
	case *ast.AutoLink:
		label := string(n.Label(w.src))
		w.linkTo(b, autoURL(n, label), esc(w.text(label)))
	case *ast.Image:
		w.image(b, n)
	case *ast.RawHTML: // left out
	default:
		b.WriteString(w.inline(n))
	}
}

// autoURL is where a bare link leads.
func autoURL(n *ast.AutoLink, label string) string {
	switch {
	case n.AutoLinkType == ast.AutoLinkEmail && !strings.HasPrefix(strings.ToLower(label), "mailto:"):
		return "mailto:" + label
	case !strings.Contains(label, ":"):
		return "https://" + label
	}
	return label
}

// linkTo writes a link; where it leads to what a letter does not link to, only its text.
func (w *markdownHTML) linkTo(b *strings.Builder, to, inner string) {
	if to = w.vals.link(to, true); to == "" {
		b.WriteString(inner)
		return
	}
	b.WriteString(`<a href="` + esc(to) + `"` + w.roles.link.attrs("") + ">" + inner + "</a>")
}

// image writes a picture that travels with the mail, and of any other its description: a letter loads nothing.
func (w *markdownHTML) image(b *strings.Builder, n *ast.Image) {
	alt := w.inlineText(n)
	cid, ok := strings.CutPrefix(w.vals.text(unescape(string(n.Destination)), AsURL), "cid:")
	if ok && cid != "" && !strings.ContainsAny(cid, " <>\"'&\n") {
		inner := newPage(w.vals, w.lang)
		inner.picture(Picture{CID: cid, Alt: alt}, maxPicture)
		b.WriteString(inner.String())
		return
	}
	if to := w.vals.link(unescape(string(n.Destination)), true); to != "" && !insideLink(n) {
		if alt == "" {
			alt = to
		}
		b.WriteString(`<a href="` + esc(to) + `"` + w.roles.link.attrs("") + ">" + esc(alt) + "</a>")
		return
	}
	b.WriteString(esc(alt))
}

func (w *markdownHTML) inlineText(n ast.Node) string {
	t := markdownText{sheet: &sheet{}, vals: w.vals, src: w.src, bare: true}
	return t.inline(n)
}

func insideLink(n ast.Node) bool {
	for p := n.Parent(); p != nil; p = p.Parent() {
		if p.Kind() == ast.KindLink {
			return true
		}
	}
	return false
}
