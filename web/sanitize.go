package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// cleaning is how HTML of a mail is made fit to be shown: what is not known to be harmless is left out, and nothing is
// fetched from elsewhere. Only the tokens of the source are looked at, never a tree: time and memory are linear.
type cleaning struct {
	keep discretion
	// picture is the address, on this site, of the part with a Content-ID; "" if there is none.
	picture func(cid string) string

	b       strings.Builder
	open    []string // elements that were begun and not ended
	skip    string   // the element whose content is left out
	before  rune     // the last character of the text so far
	cut     bool     // the text so far ended within a domain that is hidden
	blocked int      // pictures that lie elsewhere
}

// maxOpen bounds how deep elements are nested; what is deeper loses its tags, not its text.
const maxOpen = 100

// maxClean bounds the HTML that comes out, in bytes.
const maxClean = 1 << 20

// maxAttributes bounds the attributes of one element, in bytes.
const maxAttributes = 16 << 10

// elements are those that are passed on, with the attributes that each may have beside the common ones.
var elements = map[string][]string{
	"a": {"href"}, "abbr": nil, "address": nil, "b": nil, "bdi": nil, "bdo": nil, "big": nil, "blockquote": nil, "br": nil,
	"caption": {"align"}, "center": nil, "cite": nil, "code": nil, "col": {"span", "width"}, "colgroup": {"span", "width"},
	"dd": nil, "del": nil, "dfn": nil, "div": {"align"}, "dl": nil, "dt": nil, "em": nil, "figcaption": nil, "figure": nil,
	"font": {"color", "face", "size"}, "h1": {"align"}, "h2": {"align"}, "h3": {"align"}, "h4": {"align"}, "h5": {"align"},
	"h6": {"align"}, "hr": {"align", "size", "width", "color"}, "i": nil, "img": {"alt", "width", "height", "border", "align"},
	"ins": nil, "kbd": nil, "li": {"value"}, "mark": nil, "ol": {"start", "type", "reversed"}, "p": {"align"}, "pre": nil,
	"q": nil, "s": nil, "samp": nil, "small": nil, "span": nil, "strike": nil, "strong": nil, "sub": nil, "sup": nil,
	"table": {"align", "bgcolor", "border", "cellpadding", "cellspacing", "width"}, "tbody": {"align", "valign"},
	"td":    {"align", "bgcolor", "colspan", "height", "nowrap", "rowspan", "valign", "width"},
	"tfoot": {"align", "valign"}, "th": {"align", "bgcolor", "colspan", "height", "nowrap", "rowspan", "scope", "valign", "width"},
	"thead": {"align", "valign"}, "tr": {"align", "bgcolor", "valign"}, "tt": nil, "u": nil, "ul": {"type"}, "var": nil, "wbr": nil,
}

var common = []string{"dir", "lang", "style", "title"}

// silent are elements whose content is no text for readers, or is read by other rules than those of text.
var silent = map[string]bool{"script": true, "style": true, "title": true, "textarea": true, "iframe": true, "noembed": true,
	"noframes": true, "noscript": true, "xmp": true, "template": true, "object": true, "applet": true, "select": true,
	"audio": true, "video": true, "canvas": true, "frameset": true}

var void = map[string]bool{"br": true, "col": true, "hr": true, "img": true, "wbr": true}

// clean is the harmless part of HTML, each element ended.
func (c *cleaning) clean(src string) string {
	z := html.NewTokenizer(strings.NewReader(src))
	for c.b.Len() < maxClean {
		switch z.Next() {
		case html.ErrorToken: // the end: a reader of a string fails in no other way
			c.close(0)
			return c.b.String()
		case html.TextToken:
			if c.skip == "" {
				c.text(string(z.Text()))
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			c.start(z)
		case html.EndTagToken:
			name, _ := z.TagName()
			c.end(string(name))
		}
	}
	c.close(0)
	return c.b.String()
}

// text writes a text, whose entities the tokenizer has read, as far as there is room.
func (c *cleaning) text(s string) {
	out := s
	if !c.keep.whole {
		out, c.cut = c.keep.cover(s, c.before, c.cut)
		if trimmed := strings.TrimRight(s, "\n"); trimmed != "" {
			c.before = rune(trimmed[len(trimmed)-1])
		}
	}
	const atOnce = 4096 // escaping may make five bytes of one
	for out != "" && c.b.Len() < maxClean {
		n := min(len(out), atOnce)
		for n < len(out) && !utf8.RuneStart(out[n]) {
			n++
		}
		c.b.WriteString(escape(out[:n]))
		out = out[n:]
	}
}

func (c *cleaning) start(z *html.Tokenizer) {
	raw, more := z.TagName()
	name := string(raw)
	switch {
	case c.skip != "":
		return
	case silent[name]:
		c.skip = name
		return
	}
	allowed, ok := elements[name]
	if !ok || len(c.open) >= maxOpen {
		return
	}
	if !inline[name] {
		c.before, c.cut = 0, false // a new line of text
	}
	var attrs strings.Builder
	var has []string
	shown := name != "img"
	for more {
		var k, v []byte
		k, v, more = z.TagAttr()
		key := string(k)
		if slices.Contains(has, key) || len(has) == 50 {
			continue // of two the first counts
		}
		has = append(has, key)
		if value, ok := c.attribute(name, allowed, key, string(v)); ok {
			attrs.WriteString(" " + key + `="` + escape(value) + `"`)
			shown = shown || key == "src"
		}
	}
	if !shown || attrs.Len() > maxAttributes {
		return // there is nothing to see, or too much
	}
	c.b.WriteString("<" + name + attrs.String())
	if name == "a" {
		c.b.WriteString(` rel="nofollow noopener noreferrer ugc"`)
	}
	c.b.WriteByte('>')
	if !void[name] {
		c.open = append(c.open, name)
	}
}

// inline are elements that do not end a line of text.
var inline = map[string]bool{"a": true, "abbr": true, "b": true, "bdi": true, "bdo": true, "big": true, "cite": true, "code": true,
	"del": true, "dfn": true, "em": true, "font": true, "i": true, "img": true, "ins": true, "kbd": true, "mark": true, "q": true, "s": true,
	"samp": true, "small": true, "span": true, "strike": true, "strong": true, "sub": true, "sup": true, "tt": true, "u": true,
	"var": true, "wbr": true}

// attribute is the value of an attribute that is passed on.
func (c *cleaning) attribute(element string, allowed []string, key, value string) (string, bool) {
	switch {
	case element == "img" && key == "src":
		cid, ok := cutPrefixFold(strings.TrimSpace(value), "cid:")
		if !ok {
			c.blocked++
			return "", false
		}
		if plain, err := url.PathUnescape(cid); err == nil {
			cid = plain
		}
		at := c.picture(cid)
		return at, at != ""
	case element == "a" && key == "href":
		return c.link(value)
	case key == "style":
		value = cleanStyle(value)
		return value, value != ""
	case key == "title" || key == "alt":
		return c.keep.text(value), true
	case key == "dir":
		return value, slices.Contains([]string{"ltr", "rtl", "auto"}, strings.ToLower(value))
	case slices.Contains(common, key), slices.Contains(allowed, key):
		return value, plainValue(value)
	}
	return "", false
}

// link is where a link may lead: to the web, and to a mailbox if it may be seen.
func (c *cleaning) link(value string) (string, bool) {
	value = strings.TrimSpace(value)
	u, err := url.Parse(value)
	if err != nil || len(value) > 4000 {
		return "", false
	}
	switch u.Scheme {
	case "http", "https":
		return value, u.Host != "" && c.keep.text(value) == value
	case "mailto":
		return value, c.keep.text(value) == value
	}
	return "", false
}

// plainValue reports whether an attribute's value is a number, a word, a color or a few of them.
func plainValue(v string) bool {
	return len(v) <= 100 && strings.IndexFunc(v, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" #%,.-_*+", r))
	}) < 0
}

// end ends an element, and those within it that their author has forgotten.
func (c *cleaning) end(name string) {
	if c.skip != "" {
		if c.skip == name {
			c.skip = ""
		}
		return
	}
	if name == "br" || name == "p" && !slices.Contains(c.open, "p") { // as browsers read it
		c.before, c.cut = 0, false
		c.b.WriteString("<br>")
		return
	}
	floor := len(c.open)
	for floor > 0 && c.open[floor-1] != name {
		if c.open[floor-1] == "table" && name != "table" { // nothing outside a table ends within it
			return
		}
		floor--
	}
	if floor == 0 {
		return
	}
	if !inline[name] {
		c.before, c.cut = 0, false
	}
	c.close(floor - 1)
}

// close ends all elements above the first n.
func (c *cleaning) close(n int) {
	for len(c.open) > n {
		c.b.WriteString("</" + c.open[len(c.open)-1] + ">")
		c.open = c.open[:len(c.open)-1]
	}
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// properties are the CSS properties that cannot cover what lies around, load anything, or move.
var properties = map[string]bool{"background-color": true, "border": true, "border-bottom": true, "border-collapse": true,
	"border-color": true, "border-left": true, "border-radius": true, "border-right": true, "border-spacing": true, "border-style": true,
	"border-top": true, "border-width": true, "color": true, "direction": true, "display": true, "font": true, "font-family": true,
	"font-size": true, "font-style": true, "font-variant": true, "font-weight": true, "height": true, "letter-spacing": true,
	"line-height": true, "list-style-type": true, "max-height": true, "max-width": true, "min-width": true, "padding": true,
	"padding-bottom": true, "padding-left": true, "padding-right": true, "padding-top": true, "margin": true, "margin-bottom": true,
	"margin-left": true, "margin-right": true, "margin-top": true, "text-align": true, "text-decoration": true, "text-indent": true,
	"text-transform": true, "vertical-align": true, "white-space": true, "width": true, "word-break": true, "word-spacing": true,
	"overflow-wrap": true, "background": true}

// maxStyle bounds what is read of one style attribute, in bytes.
const maxStyle = 4000

// cleanStyle keeps the declarations whose property is known and whose value can be nothing but lengths, colors and names:
// no url(), expression() or var(), no escapes, no comments.
func cleanStyle(style string) string {
	if len(style) > maxStyle {
		return ""
	}
	var out []string
	for _, d := range strings.Split(style, ";") {
		name, value, ok := strings.Cut(d, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		value = strings.TrimSpace(strings.TrimSuffix(strings.ToLower(value), "!important"))
		if ok && properties[name] && cleanValue(name, value) {
			out = append(out, name+":"+value)
		}
	}
	return strings.Join(out, ";")
}

func cleanValue(name, value string) bool {
	if value == "" || strings.HasPrefix(name, "margin") && strings.Contains(value, "-") {
		return false // a negative margin lays text over text
	}
	for rest := value; ; {
		paren := strings.IndexByte(rest, '(')
		if paren < 0 {
			break
		}
		word := rest[:paren]
		word = word[strings.LastIndexAny(word, " ,")+1:]
		if !slices.Contains([]string{"rgb", "rgba", "hsl", "hsla"}, word) {
			return false
		}
		rest = rest[paren+1:]
	}
	return strings.IndexFunc(value, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune(" #%,.-+()'\"/", r))
	}) < 0 && !strings.Contains(value, "/*") && sane(value)
}

// sane reports whether no number of a value is so large that it hides the page.
func sane(value string) bool {
	for _, n := range strings.FieldsFunc(value, func(r rune) bool { return r < '0' || r > '9' }) {
		if v, err := strconv.Atoi(n); err != nil || v > 5000 {
			return false
		}
	}
	return true
}

// escape makes text fit for HTML, in an attribute too. NUL is no character there.
func escape(s string) string { return html.EscapeString(strings.ReplaceAll(s, "\x00", "\uFFFD")) }
