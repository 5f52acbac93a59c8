package letter

import (
	"math"
	"net/url"
	"reflect"
	"strconv"
	"strings"

	"listd/mail"
)

// Block is a component of a letter, which as a value stands alone in its line of a template. The blocks of this package
// are all there are; those that are not here are Markdown's: headings, paragraphs, lists, quotes, tables.
type Block interface {
	page(*page)
	sheet(*sheet)
}

var (
	_ Block = Markdown("")
	_ Block = Plain("")
	_ Block = Button{}
	_ Block = Card{}
	_ Block = Numbers{}
	_ Block = Figures(nil)
	_ Block = Bars{}
	_ Block = Chart{}
	_ Block = Image{}
)

// blocksOf are the blocks of a value: itself, or a slice of them.
func blocksOf(v any) ([]Block, bool) {
	if b, ok := v.(Block); ok {
		return []Block{b}, true
	}
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Slice || !r.Type().Elem().Implements(reflect.TypeFor[Block]()) {
		return nil, false
	}
	var out []Block
	for i := range r.Len() {
		if b, ok := r.Index(i).Interface().(Block); ok {
			out = append(out, b)
		}
	}
	return out, true
}

// Markdown is a text in Markdown: CommonMark with tables, strikethrough and bare links. HTML in it is left out, and so are
// links to anything but http, https and mailto.
type Markdown string

func (m Markdown) page(g *page) { marked{src: foreign(string(m))}.page(g) }

func (m Markdown) sheet(s *sheet) { marked{src: foreign(string(m))}.sheet(s) }

// Parts is the text and the HTML of a text alone; the HTML is a fragment with its styles inlined. Links of the text are
// footnotes.
func (m Markdown) Parts() (text, html string) {
	s, g := sheet{}, newPage(nil, "")
	m.sheet(&s)
	s.footnotes()
	m.page(g)
	return s.String(), g.String()
}

// Plain is a text without markup, as people write mail: paragraphs, and lines that begin with a space keep their form. Addresses
// in it become links.
type Plain string

func (p Plain) paragraphs(yield func(text string, fixed bool)) {
	for _, par := range strings.Split(strings.Trim(cleanText(string(p)), "\n"), "\n\n") {
		var run []string
		fixed := false
		flush := func() {
			if t := strings.Join(run, "\n"); strings.TrimSpace(t) != "" {
				yield(t, fixed)
			}
			run = nil
		}
		for l := range strings.SplitSeq(par, "\n") {
			if f := strings.HasPrefix(l, " "); f != fixed {
				flush()
				fixed = f
			}
			run = append(run, l)
		}
		flush()
	}
}

func (p Plain) sheet(s *sheet) {
	p.paragraphs(func(text string, fixed bool) {
		if fixed {
			s.lines(strings.Split(text, "\n"))
			return
		}
		s.para(strings.Join(strings.Fields(text), " "))
	})
}

func (p Plain) page(g *page) {
	p.paragraphs(func(text string, fixed bool) {
		if fixed {
			g.add("<pre", g.roles.pre.attrs(""), ">", g.linkified(dedent(text)), "</pre>\n")
			return
		}
		g.open("p", g.roles.p, "")
		g.add(g.linkified(strings.Join(strings.Fields(text), " ")), "</p>\n")
	})
}

// dedent takes off what all lines are indented by: the box around them shows that they stand apart.
func dedent(text string) string {
	lines := strings.Split(text, "\n")
	by := len(text)
	for _, l := range lines {
		by = min(by, len(l)-len(strings.TrimLeft(l, " ")))
	}
	for i := range lines {
		lines[i] = lines[i][by:]
	}
	return strings.Join(lines, "\n")
}

// linkified is a plain text in HTML, its URLs and addresses as links.
func (g *page) linkified(text string) string {
	var b strings.Builder
	for text != "" {
		from := strings.IndexFunc(text, func(r rune) bool { return !apart(r) })
		if from < 0 {
			break
		}
		end := from + strings.IndexFunc(text[from:]+" ", apart)
		word := strings.TrimRight(text[from:end], ".,;:!?'")
		to := ""
		if strings.HasPrefix(word, "http") {
			to = safeURL(word)
		} else if a, err := mail.ParseAddress(word); err == nil && strings.Contains(word, "@") {
			to = "mailto:" + (&url.URL{Path: a.String()}).EscapedPath()
		}
		b.WriteString(esc(text[:from]))
		if to == "" {
			b.WriteString(esc(word))
		} else {
			b.WriteString(`<a href="` + esc(to) + `"` + g.roles.link.attrs("") + ">" + esc(word) + "</a>")
		}
		b.WriteString(esc(text[from+len(word) : end]))
		text = text[end:]
	}
	return b.String() + esc(text)
}

// apart reports whether a character stands between words, or around a URL.
func apart(r rune) bool { return strings.ContainsRune(" \n<>\"()", r) }

// Button is a link that stands out.
type Button struct{ Label, URL string }

func (b Button) page(g *page) { g.button(oneLine(b.Label), foreignURL(b.URL)) }

func (b Button) sheet(s *sheet) { s.button(oneLine(b.Label), foreignURL(b.URL)) }

func (s *sheet) button(label, to string) {
	if to == "" {
		s.para(label)
		return
	}
	s.gap()
	wrap(&s.Builder, s.take(), s.before, label+":", s.width())
	s.tight = true
	s.lines([]string{"  " + to})
}

// linked is a button of a template.
type linked struct {
	label, to string
	vals      values
}

func (b linked) page(g *page) {
	g.button(strings.Join(strings.Fields(b.vals.text(b.label, AsHTML)), " "), b.vals.link(b.to, true))
}

func (b linked) sheet(s *sheet) { s.button(b.vals.plain(b.label), b.vals.link(b.to, false)) }

// small is a line of a template that says less: a date, a place.
type small struct {
	text string
	vals values
}

func (b small) page(g *page) {
	if text := strings.Join(strings.Fields(b.vals.text(b.text, AsHTML)), " "); text != "" {
		g.open("p", g.roles.small, "margin:0 0 20px;")
		g.add(esc(text), "</p>\n")
	}
}

func (b small) sheet(s *sheet) { s.para(b.vals.plain(b.text)) }

// Card is a thing to read elsewhere: a thread, an event. All but Title may be empty; Link is the word for a link below the
// body, and the title is one in any case.
type Card struct {
	Title, Meta string
	Body        Markdown
	URL, Link   string
}

func (c Card) page(g *page) {
	g.card(oneLine(c.Title), oneLine(c.Meta), foreignURL(c.URL), oneLine(c.Link), func() { c.Body.page(g) })
}

func (c Card) sheet(s *sheet) {
	s.card(oneLine(c.Title), oneLine(c.Meta), foreignURL(c.URL), func() { c.Body.sheet(s) })
}

// card is a Card of a template.
type card struct {
	title, meta, to, link, body string
	vals                        values
}

func (c card) page(g *page) {
	line := func(s string) string { return strings.Join(strings.Fields(c.vals.text(s, AsHTML)), " ") }
	g.card(line(c.title), line(c.meta), c.vals.link(c.to, true), line(c.link), func() { c.inner(&g.err, func(b Block) { b.page(g) }) })
}

func (c card) sheet(s *sheet) {
	var ignored error // page tells it
	s.card(c.vals.plain(c.title), c.vals.plain(c.meta), c.vals.link(c.to, false), func() { c.inner(&ignored, func(b Block) { b.sheet(s) }) })
}

func (c card) inner(err *error, write func(Block)) {
	all, e := c.vals.blocks(c.body)
	if e != nil && *err == nil {
		*err = e
	}
	for _, b := range all {
		write(b)
	}
}

func (g *page) card(title, meta, to, link string, body func()) {
	if g.inCard > 0 { // a card within a card is its text
		body()
		return
	}
	g.inCard++
	g.section(title)
	g.add(layout, ` style="margin:0 0 16px;"><tr><td align="`, g.start, `"`, g.roles.panel.attrs(""), ">\n")
	g.open("h3", g.roles.h3, "margin:0 0 4px;")
	g.link(to, g.roles.title, esc(title))
	g.add("</h3>\n")
	if meta != "" {
		g.open("p", g.roles.small, "")
		g.add(esc(meta), "</p>\n")
	}
	body()
	if link != "" && to != "" {
		g.open("p", g.roles.p, "margin:0 0 12px;")
		g.link(to, g.roles.link, esc(link))
		g.add("</p>\n")
	}
	g.add("</td></tr></table>\n")
	g.inCard--
}

func (s *sheet) card(title, meta, to string, body func()) {
	s.within("* ", "  ", func() {
		s.para(title)
		s.tight = true
		s.para(meta)
		s.tight = true
		body()
		if to != "" {
			s.tight = true
			s.lines([]string{to})
		}
	})
}

// Numbers is a table. Columns of numbers are set to the right. Cells are text.
type Numbers struct {
	Caption string
	Head    []string
	Rows    [][]string
}

func (n Numbers) clean() (head []string, rows [][]string, right []bool) {
	line := func(cells []string) (out []string) {
		for _, c := range cells {
			out = append(out, oneLine(c))
		}
		return out
	}
	head = line(n.Head)
	for _, r := range n.Rows {
		rows = append(rows, line(r))
		for len(right) < len(r) {
			right = append(right, true)
		}
	}
	for _, r := range rows {
		for i, c := range r {
			right[i] = right[i] && numeric(c)
		}
	}
	return head, rows, right
}

// numeric reports whether a cell is a number, with a sign, a unit or a percent sign perhaps, or empty.
func numeric(s string) bool {
	s = strings.TrimLeft(s, "+-−±~<> ")
	return s == "" || s == "–" || s == "—" || s[0] >= '0' && s[0] <= '9'
}

func (n Numbers) page(g *page) {
	head, rows, right := n.clean()
	if n.Caption != "" {
		g.open("h3", g.roles.h3, "")
		g.add(esc(oneLine(n.Caption)), "</h3>\n")
	}
	g.table(escAll(head), escTable(rows), right)
}

func (n Numbers) sheet(s *sheet) {
	head, rows, right := n.clean()
	s.para(oneLine(n.Caption))
	s.table(head, rows, right)
}

// table writes a table of HTML cells.
func (g *page) table(head []string, rows [][]string, right []bool) {
	if len(head)+len(rows) == 0 {
		return
	}
	align := func(i int) string {
		if i < len(right) && right[i] {
			return g.end
		}
		return g.start
	}
	g.add(`<table width="100%" cellpadding="0" cellspacing="0" border="0" style="margin:0 0 20px;">`, "\n")
	if len(head) > 0 {
		g.add("<tr>")
		for i, c := range head {
			g.add(`<th scope="col" align="`, align(i), `"`, g.roles.head.attrs(""), ">", c, "</th>")
		}
		g.add("</tr>\n")
	}
	for _, r := range rows {
		g.add("<tr>")
		for i, c := range r {
			g.add(`<td align="`, align(i), `"`, g.roles.cell.attrs(""), ">", c, "</td>")
		}
		g.add("</tr>\n")
	}
	g.add("</table>\n")
}

func escAll(cells []string) (out []string) {
	for _, c := range cells {
		out = append(out, esc(c))
	}
	return out
}

func escTable(rows [][]string) (out [][]string) {
	for _, r := range rows {
		out = append(out, escAll(r))
	}
	return out
}

// Figure is one number that says much: "34", "posts", "9 more than last week".
type Figure struct{ Value, Label, Note string }

// Figures stand side by side, three in a row.
type Figures []Figure

func (f Figures) page(g *page) {
	for i := 0; i < len(f); i += 3 {
		g.add(layout, ` style="margin:0;"><tr>`, "\n")
		for _, one := range f[i:min(i+3, len(f))] {
			g.add(`<td width="33%" valign="top" align="`, g.start, `" style="`, g.gap("4px", "12px", "8px", "0"), `">`)
			g.open("div", g.roles.figure, "")
			g.add(esc(oneLine(one.Value)), "</div>")
			g.open("div", g.roles.figureLabel, "")
			g.add(esc(oneLine(one.Label)))
			if one.Note != "" {
				g.add("<br>", esc(oneLine(one.Note)))
			}
			g.add("</div></td>\n")
		}
		g.add("</tr></table>\n")
	}
}

func (f Figures) sheet(s *sheet) {
	var rows [][]string
	for _, one := range f {
		label := oneLine(one.Label)
		if one.Note != "" {
			label += " (" + oneLine(one.Note) + ")"
		}
		rows = append(rows, []string{oneLine(one.Value), label})
	}
	s.table(nil, rows, []bool{true, false})
}

// Bar is one of Bars.
type Bar struct {
	Label string
	Value float64
}

// Bars is a bar chart of table cells: it needs no picture, and each bar has its number. Values below zero are none.
type Bars struct {
	Caption, Unit string
	Bars          []Bar
}

func (c Bars) top() float64 {
	top := 0.0
	for _, b := range c.Bars {
		if v := finite(b.Value); v > top {
			top = v
		}
	}
	return top
}

// finite is a number that can be drawn.
func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}

func number(v float64, unit string) string {
	if unit = oneLine(unit); unit != "" && unit != "%" {
		unit = " " + unit
	}
	return formatNumber(finite(v)) + unit
}

func (c Bars) page(g *page) {
	if c.Caption != "" {
		g.open("h3", g.roles.h3, "")
		g.add(esc(oneLine(c.Caption)), "</h3>\n")
	}
	top := c.top()
	g.add(`<table width="100%" cellpadding="0" cellspacing="0" border="0" style="margin:0 0 20px;">`, "\n")
	for _, b := range c.Bars {
		share := 0
		if top > 0 {
			share = int(math.Round(100 * max(0, finite(b.Value)) / top))
		}
		g.add(`<tr><td width="32%" align="`, g.start, `" class="tx" style="`, g.gap("4px", "10px", "4px", "0"), `font-size:14px;line-height:18px;color:`, light().text, `;">`, esc(oneLine(b.Label)), `</td>`,
			`<td style="padding:4px 0;">`)
		switch {
		case share >= 100:
			g.add(layout, g.roles.bar.attrs(""), `><tr><td height="16" style="font-size:1px;line-height:16px;">&nbsp;</td></tr></table>`)
		case share > 0:
			g.add(layout, g.roles.track.attrs(""), `><tr><td width="`, strconv.Itoa(share), `%" height="16"`, g.roles.bar.attrs(""), `>&nbsp;</td><td width="`, strconv.Itoa(100-share),
				`%" style="font-size:1px;line-height:16px;">&nbsp;</td></tr></table>`)
		default:
			g.add(layout, g.roles.track.attrs(""), `><tr><td height="16" style="font-size:1px;line-height:16px;">&nbsp;</td></tr></table>`)
		}
		g.add(`</td><td width="1%" align="`, g.end, `" class="tx" style="`, g.gap("4px", "0", "4px", "10px"), `white-space:nowrap;font-size:14px;line-height:18px;font-weight:700;color:`, light().text, `;">`, esc(number(b.Value, c.Unit)), "</td></tr>\n")
	}
	g.add("</table>\n")
}

func (c Bars) sheet(s *sheet) {
	s.para(oneLine(c.Caption))
	var labels []string
	var vals []float64
	for _, b := range c.Bars {
		labels, vals = append(labels, b.Label), append(vals, b.Value)
	}
	s.bars(labels, vals, c.Unit)
}

// textBar is how long the longest bar of a text is.
const textBar = 28

// bars writes numbers as bars of signs, aligned.
func (s *sheet) bars(labels []string, vals []float64, unit string) {
	top, wide := 0.0, 0
	for i, v := range vals {
		top, wide = max(top, finite(v)), max(wide, columns(number(v, unit)))
		_ = i
	}
	var rows [][]string
	for i, v := range vals {
		n := 0
		if top > 0 {
			n = int(math.Round(textBar * max(0, finite(v)) / top))
		}
		label := ""
		if i < len(labels) {
			label = clip(oneLine(labels[i]), textWidth-textBar-4-wide)
		}
		rows = append(rows, []string{label, number(v, unit), strings.Repeat("#", n)})
	}
	s.table(nil, rows, []bool{false, true, false})
}

// clip is a text that takes no more columns than max.
func clip(s string, max int) string {
	if columns(s) <= max {
		return s
	}
	n := 0
	for i, r := range s {
		if n += runeWidth(r); n > max-1 {
			return strings.TrimRight(s[:i], " ") + "…"
		}
	}
	return s
}

// Image is a picture of the sender's. Width is in CSS pixels, 536 at most, which is what 0 means. A Picture without Data is one that
// the caller adds to the mail by its CID.
type Image struct {
	Picture
	Width int
}

// maxPicture is how wide a picture can be within the letter.
const maxPicture = 536

func (i Image) page(g *page) {
	if i.Width <= 0 || i.Width > maxPicture {
		i.Width = maxPicture
	}
	g.add("<p", g.roles.p.attrs(""), ">")
	g.picture(i.Picture, i.Width)
	g.add("</p>\n")
}

func (i Image) sheet(s *sheet) {
	if alt := oneLine(i.Alt); alt != "" {
		s.para("[" + alt + "]")
	}
}
