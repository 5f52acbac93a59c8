package mail

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// HTMLText is the text of a page in UTF-8, at most about max bytes of it: a line for a block and for a table's row,
// list items behind * or their number, quotes behind >, links as "text <url>" where the two differ. Lines end in LF.
// It reads tags, not a tree, so nesting costs nothing, and what browsers do not show is left out.
func HTMLText(page string, max int) string {
	return pageText(page, htmlWriter{max: max})
}

// HTMLWords is HTMLText without what is added to the words of the page: no bullets, numbers, addresses of links, and
// nothing for pictures. Each paragraph has room around it, as in its source.
func HTMLWords(page string, max int) string {
	return pageText(page, htmlWriter{max: max, bare: true})
}

func pageText(page string, w htmlWriter) string {
	z := html.NewTokenizer(strings.NewReader(page))
	for len(w.out) < w.max {
		switch z.Next() {
		case html.ErrorToken: // the end: a tokenizer takes everything else for text
			return w.end()
		case html.TextToken:
			if w.hidden == "" {
				w.text(z.Text())
			}
		case html.StartTagToken:
			w.start(readTag(z), false)
		case html.SelfClosingTagToken:
			w.start(readTag(z), true)
		case html.EndTagToken:
			name, _ := z.TagName()
			w.close(string(name))
		}
	}
	return w.end()
}

// tag is what is read of a start tag.
type tag struct {
	name              string
	href, alt, class  string
	start             int // of an ol
	hidden, hasNumber bool
}

// maxTagValue bounds what is looked at of an attribute, in bytes.
const maxTagValue = 2000

func readTag(z *html.Tokenizer) tag {
	name, more := z.TagName()
	t := tag{name: string(name)}
	for more {
		var key, val []byte
		key, val, more = z.TagAttr()
		if len(val) > maxTagValue {
			continue
		}
		switch string(key) {
		case "href":
			t.href = string(val)
		case "alt":
			t.alt = string(val)
		case "class":
			t.class = string(val)
		case "start":
			n, err := strconv.Atoi(string(val))
			t.start, t.hasNumber = n, err == nil
		case "hidden":
			t.hidden = true
		case "style":
			t.hidden = t.hidden || hides(string(val))
		}
	}
	return t
}

// hides reports whether a style keeps its element from being seen.
func hides(style string) bool {
	s := strings.ToLower(strings.Join(strings.Fields(style), ""))
	return strings.Contains(s, "display:none") || strings.Contains(s, "visibility:hidden") || strings.Contains(s, "mso-hide:all")
}

// htmlWriter writes the text of a page.
type htmlWriter struct {
	max  int
	bare bool

	out    []byte
	line   int    // line ends written
	breaks int    // line ends that are due before the next word
	space  bool   // white space is due before it
	bullet string // what the list says before it
	cell   bool   // it begins a further cell of its row
	fresh  bool   // it begins a cell

	quote, lastQuote int // blockquotes within each other, at the next word and at the last
	pre              int
	preOpens         bool   // a line end right behind <pre> does not count
	lists            []int  // the number of the last item; -1 where they have none
	row              int    // the line in which the row of the table has its text; -1: it has none yet, -2: no row
	tight            bool   // the paragraph has no room around it
	hidden           string // the element that is not seen
	hiddenDepth      int    // elements of that name within each other
	link             string
	linkAt           int // where the link's text begins in out
}

// end is what was written, its last line ended.
func (w *htmlWriter) end() string {
	w.closeLink()
	if len(w.out) == 0 {
		return ""
	}
	return string(bytes.TrimRight(w.out, " ")) + "\n"
}

// maxQuotes is how many > stand before a line at most, maxLists how far items are indented: what is nested deeper must
// not cost the square of its depth.
const maxQuotes, maxLists = 20, 10

// open writes what is due before a word.
func (w *htmlWriter) open() {
	switch {
	case len(w.out) == 0:
		w.prefix()
	case w.breaks > 0:
		for i := range w.breaks {
			if i > 0 {
				w.out = append(w.out, strings.Repeat(">", min(w.quote, w.lastQuote, maxQuotes))...)
			}
			w.out = append(w.out, '\n')
			w.line++
		}
		w.prefix()
	case w.cell && !w.bare:
		w.out = append(w.out, " | "...)
	case w.space:
		w.out = append(w.out, ' ')
	}
	if w.row == -1 {
		w.row = w.line
	}
	w.breaks, w.space, w.cell, w.fresh, w.lastQuote = 0, false, false, false, w.quote
}

// prefix begins a line.
func (w *htmlWriter) prefix() {
	if w.quote > 0 {
		w.out = append(append(w.out, strings.Repeat(">", min(w.quote, maxQuotes))...), ' ')
	}
	if n := min(len(w.lists), maxLists); n > 0 && !w.bare {
		indent := 2 * n
		if w.bullet != "" {
			indent -= 2
		}
		w.out = append(append(w.out, strings.Repeat(" ", indent)...), w.bullet...)
	}
	w.bullet = ""
}

func blank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\f' || c == '\r' }

func (w *htmlWriter) text(s []byte) {
	if w.pre > 0 {
		w.preText(s)
		return
	}
	for len(s) > 0 && len(w.out) < w.max {
		n := 0
		for n < len(s) && !blank(s[n]) {
			n++
		}
		if n == 0 {
			w.space, s = true, s[1:]
			continue
		}
		w.word(s[:n])
		s = s[n:]
	}
}

// preText keeps blanks and line ends.
func (w *htmlWriter) preText(s []byte) {
	for first := true; len(s) > 0 && len(w.out) < w.max; first = false {
		line, rest, ended := bytes.Cut(s, []byte{'\n'})
		if line = bytes.TrimRight(line, " \t\r"); len(line) > 0 {
			w.space = false
			w.word(line)
		}
		if s = rest; ended && !(first && w.preOpens && len(line) == 0) {
			w.br()
		}
		w.preOpens = false
	}
}

// word writes a word, without characters that have no width and serve only to fill a preview.
func (w *htmlWriter) word(s []byte) {
	if !ascii(s) {
		s = bytes.Map(func(r rune) rune {
			switch r {
			case '\u00a0', '\u2007', '\u202f':
				return ' '
			case '\u00ad', '\u034f', '\u200b', '\u2060', '\ufeff':
				return -1
			}
			return r
		}, s)
		if bare := bytes.Trim(s, " \u200c\u200d"); len(bare) == 0 {
			w.noWord(len(bytes.Trim(s, " ")) == 0 && len(s) > 0)
			return
		}
	}
	w.open()
	n := min(len(s), w.max-len(w.out))
	for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	w.out = append(w.out, s[:max(n, 0)]...)
}

// noWord is white space that does not collapse. Alone in a line it makes the line an empty one.
func (w *htmlWriter) noWord(visible bool) {
	if visible && w.breaks > 0 {
		w.open()
		return
	}
	w.space = true
}

// maxBreaks is how many lines end between two words at most.
const maxBreaks = 3

// br ends a line, an empty one too.
func (w *htmlWriter) br() { w.breaks, w.space = min(w.breaks+1, maxBreaks), false }

// block begins or ends a block: n-1 empty lines are around it. A bullet stands before the first word of its item,
// and that of a cell in the line of its row, however many blocks are around it.
func (w *htmlWriter) block(n int) {
	if w.bullet == "" && !w.fresh {
		w.breaks = max(w.breaks, n)
	}
	w.space = false
}

// blocks are the elements that begin a line of their own, with the line ends before and behind them.
var blocks = map[string]int{"p": 2, "h1": 2, "h2": 2, "h3": 2, "h4": 2, "h5": 2, "h6": 2, "dl": 2, "table": 2, "ul": 2, "ol": 2, "menu": 2, "pre": 2,
	"listing": 2, "xmp": 2, "plaintext": 2, "blockquote": 2, "fieldset": 2, "figure": 2, "hr": 1, "div": 1, "tr": 1, "caption": 1, "body": 1, "html": 1, "center": 1,
	"section": 1, "article": 1, "header": 1, "footer": 1, "main": 1, "nav": 1, "aside": 1, "address": 1, "details": 1, "summary": 1, "form": 1,
	"figcaption": 1, "dd": 1, "dt": 1, "li": 1, "legend": 1, "textarea": 1, "option": 1}

// rawUnseen and unseen are the elements whose content no reader of mail sees. That of the former is text, whatever it
// looks like, even where the start tag says that it closes itself.
var (
	rawUnseen = []string{"script", "style", "title", "iframe", "noembed", "noframes", "noscript"}
	unseen    = []string{"template", "select", "svg", "xml"}
)

// voids are the elements that have no content.
var voids = []string{"br", "hr", "img", "input", "meta", "link", "area", "base", "col", "wbr"}

func (w *htmlWriter) start(t tag, selfClosing bool) {
	if w.hidden != "" {
		// A p ends where another block begins, with or without an end tag.
		if w.hidden != "p" || blocks[t.name] == 0 {
			if t.name == w.hidden && !selfClosing {
				w.hiddenDepth++
			}
			return
		}
		w.hidden = ""
	}
	raw := slices.Contains(rawUnseen, t.name)
	if t.hidden || raw || slices.Contains(unseen, t.name) {
		if raw || !selfClosing && !slices.Contains(voids, t.name) {
			w.hidden, w.hiddenDepth = t.name, 1
			w.block(min(blocks[t.name], 1))
		}
		return
	}
	switch t.name {
	case "br":
		w.br()
	case "hr":
		w.block(1)
		w.word([]byte("________________________________"))
		w.block(1)
	case "img":
		w.picture(t)
	case "a":
		w.closeLink()
		w.link, w.linkAt = cleanLink(t.href), len(w.out)
	case "td", "th":
		w.nextCell()
	default:
		w.startBlock(t)
	}
}

func (w *htmlWriter) startBlock(t tag) {
	n := blocks[t.name]
	if n == 0 {
		return
	}
	switch t.name {
	case "p":
		// QUIRK: Outlook's paragraphs have no room between them.
		if w.tight = !w.bare && strings.HasPrefix(t.class, "Mso"); w.tight {
			n = 1
		}
	case "ul", "ol", "menu":
		if len(w.lists) > 0 {
			n = 1
		}
	}
	w.block(n)
	switch t.name {
	case "blockquote":
		w.quote++
	case "pre", "listing", "xmp", "plaintext", "textarea":
		w.pre++
		w.preOpens = true
	case "ul", "menu":
		w.pushList(-1)
	case "ol":
		w.pushList(max(0, t.start-1))
	case "li":
		w.bullet = w.nextBullet()
	case "table":
		w.row, w.cell, w.fresh = -2, false, false
	case "tr":
		w.row, w.cell, w.fresh = -1, false, false
	}
}

func (w *htmlWriter) pushList(number int) {
	if len(w.lists) < maxLists {
		w.lists = append(w.lists, number)
	}
}

func (w *htmlWriter) nextBullet() string {
	if w.bare {
		return ""
	}
	if n := len(w.lists) - 1; n >= 0 && w.lists[n] >= 0 {
		w.lists[n]++
		return strconv.Itoa(w.lists[n]) + ". "
	}
	return "* "
}

// nextCell goes on in the line of the row, if the cell before is a line and no more.
func (w *htmlWriter) nextCell() {
	if w.row >= 0 && w.row == w.line {
		w.breaks, w.cell = 0, true
	}
	w.fresh = w.cell || w.row == -1
	w.space = true
}

func (w *htmlWriter) close(name string) {
	if w.hidden != "" {
		if name == w.hidden {
			w.hiddenDepth--
		}
		if w.hiddenDepth <= 0 || name == "body" || name == "html" {
			w.hidden = ""
		}
		return
	}
	n := blocks[name]
	switch name {
	case "a":
		w.closeLink()
	case "p":
		if w.tight {
			n = 1
		}
	case "blockquote":
		w.quote = max(0, w.quote-1)
	case "pre", "listing", "xmp", "textarea":
		w.pre = max(0, w.pre-1)
	case "ul", "ol", "menu":
		w.bullet = ""
		if w.lists = w.lists[:max(0, len(w.lists)-1)]; len(w.lists) > 0 {
			n = 1
		}
	case "li":
		w.bullet = ""
	case "td", "th":
		if w.row == w.line {
			w.breaks = min(w.breaks, 1)
		}
	case "tr":
		w.cell, w.fresh = false, false
	case "table":
		w.row, w.cell, w.fresh = -2, false, false
	}
	if n > 0 {
		w.block(n)
	}
}

// picture writes what a picture says in words.
func (w *htmlWriter) picture(t tag) {
	const longest = 100
	alt := strings.Join(strings.Fields(t.alt), " ")
	switch {
	case w.bare || alt == "" || len(alt) > longest:
	case strings.Contains(t.class, "emoji"):
		w.word([]byte(alt))
	default:
		w.word([]byte("[" + alt + "]"))
	}
}

// cleanLink is an address worth to be shown; empty for one within the page or the mail.
func cleanLink(href string) string {
	href = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == '<' || r == '>' {
			return -1
		}
		return r
	}, href)
	scheme, _, ok := strings.Cut(href, ":")
	switch strings.ToLower(scheme) {
	case "http", "https", "mailto", "ftp", "tel", "news", "nntp", "irc", "matrix", "xmpp":
		if ok {
			return href
		}
	}
	return ""
}

// closeLink writes where a link leads, if its text does not say it.
func (w *htmlWriter) closeLink() {
	link := w.link
	w.link = ""
	if link == "" || w.bare || w.linkAt > len(w.out) {
		return
	}
	text := strings.TrimSpace(strings.TrimLeft(string(w.out[w.linkAt:]), "\n> "))
	if text == "" || bareLink(text) == bareLink(link) || len(w.out)+len(link)+3 > w.max {
		return
	}
	w.out = append(append(append(w.out, " <"...), link...), '>')
}

// bareLink is an address as people write it.
func bareLink(s string) string {
	s = strings.ToLower(s)
	for _, scheme := range []string{"http://", "https://", "mailto:", "tel:"} {
		s = strings.TrimPrefix(s, scheme)
	}
	return strings.TrimSuffix(strings.TrimPrefix(s, "www."), "/")
}
