package letter_test

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"listd/letter"
)

// properties are those that Gmail, Apple Mail and Outlook's Word engine know, or that do no harm where they are not known:
// border-radius leaves corners, max-width has a table for Word beside it.
var properties = strings.Fields(`background-color border border-top border-bottom border-left border-right border-radius border-color color display font-family font-size font-weight
	height line-height margin max-height max-width mso-hide overflow padding text-decoration white-space width word-wrap`)

var elements = strings.Fields(`html head meta title style body div table tbody tr td th h1 h2 h3 h4 h5 h6 p a ul ol li blockquote pre code hr br img strong em s`)

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// declared are the declarations of a style, the last of each property.
func declared(style string) map[string]string {
	out := map[string]string{}
	for d := range strings.SplitSeq(style, ";") {
		if name, value, ok := strings.Cut(d, ":"); ok {
			out[strings.TrimSpace(name)] = strings.TrimSuffix(strings.TrimSpace(value), "!important")
		}
	}
	return out
}

// TestMailHTML holds what every sample sends against what mail programs can take.
func TestMailHTML(t *testing.T) {
	t.Parallel()
	for name, p := range samples(t) {
		if len(p.HTML) > letter.MaxHTML || p.Preheader == "" || !strings.Contains(p.HTML, "<v:roundrect") && name != "report" {
			t.Errorf("%s: %d bytes, preheader %q", name, len(p.HTML), p.Preheader)
		}
		root := parsePage(t, p.HTML)
		headings := 0
		for n := range root.Descendants() {
			if n.Type != html.ElementNode {
				continue
			}
			if problem := elementProblem(n, p); problem != "" {
				t.Errorf("%s: <%s %v>: %s", name, n.Data, n.Attr, problem)
			}
			if n.Data == "h1" {
				headings++
			}
		}
		if headings > 1 || headings == 0 && name != "notice" {
			t.Errorf("%s has %d headings of the first level", name, headings)
		}
	}
}

// elementProblem says what a mail program would not like.
func elementProblem(n *html.Node, p letter.Parts) string {
	if !slices.Contains(elements, n.Data) {
		return "no element for mail"
	}
	for property, value := range declared(attr(n, "style")) {
		if !slices.Contains(properties, property) || strings.Contains(value, "url(") || strings.Contains(value, "expression") {
			return property + ": " + value
		}
	}
	for _, a := range n.Attr {
		if strings.HasPrefix(a.Key, "on") {
			return a.Key
		}
	}
	switch n.Data {
	case "html":
		if attr(n, "lang") == "" || attr(n, "dir") == "" {
			return "no lang, or no dir"
		}
	case "table":
		heads := false
		for c := range n.Descendants() {
			heads = heads || c.Data == "th"
		}
		if !heads && attr(n, "role") != "presentation" && !strings.Contains(attr(n, "style"), "0 0 20px") {
			return "a layout table that says it is data"
		}
	case "th":
		if attr(n, "scope") == "" {
			return "no scope"
		}
	case "img":
		cid, ok := strings.CutPrefix(attr(n, "src"), "cid:")
		if known := slices.ContainsFunc(p.Pictures, func(q letter.Picture) bool { return q.CID == cid }); !ok || !known || attr(n, "alt") == "" || attr(n, "width") == "" {
			return "remote, or unknown, or without alt or width"
		}
	case "a":
		if to := attr(n, "href"); !regexp.MustCompile(`^(https?://|mailto:|\x{FDD2}a)`).MatchString(to) {
			return "leads to " + to
		}
	}
	return ""
}

func parsePage(t *testing.T, page string) *html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// TestContrast computes the contrast of every text with what is behind it, in the light, in the dark, and in the dark of
// Outlook's apps (WCAG 2.1 section 1.4.3).
func TestContrast(t *testing.T) {
	t.Parallel()
	for name, p := range samples(t) {
		root := parsePage(t, p.HTML)
		sheet := p.HTML[strings.LastIndex(p.HTML, "<style>"):strings.LastIndex(p.HTML, "</style>")]
		_, darkRules, _ := strings.Cut(sheet, "(prefers-color-scheme:dark){")
		darkRules, ogs, _ := strings.Cut(darkRules, "}}")
		for mode, rules := range map[string]map[string]map[string]string{"light": {}, "dark": classRules(darkRules + "}"), "outlook": classRules(ogs)} {
			if mode != "light" && len(rules) < 8 {
				t.Fatalf("%s: only %d rules for %s", name, len(rules), mode)
			}
			for n := range root.Descendants() {
				if n.Type != html.TextNode || strings.TrimSpace(strings.Trim(n.Data, "\u00a0\u2007\u034f \n")) == "" || slices.Contains([]string{"style", "title"}, n.Parent.Data) || strings.Contains(attr(n.Parent, "style"), "display:none") {
					continue
				}
				fore, back := colourOf(n, "color", rules), colourOf(n, "background-color", rules)
				if c := contrast(t, fore, back); c < 4.5 {
					t.Errorf("%s, %s: %q is %s on %s: %.2f", name, mode, strings.TrimSpace(n.Data), fore, back, c)
				}
			}
		}
	}
}

var classRule = regexp.MustCompile(`\.(\w+)\{([a-z-]+):(#[0-9a-f]{6})!important\}`)

func classRules(sheet string) map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, m := range classRule.FindAllStringSubmatch(sheet, -1) {
		if out[m[1]] == nil {
			out[m[1]] = map[string]string{}
		}
		out[m[1]][m[2]] = m[3]
	}
	return out
}

// colourOf is the colour that an element has or inherits.
func colourOf(n *html.Node, property string, rules map[string]map[string]string) string {
	for e := range n.Ancestors() {
		for _, class := range strings.Fields(attr(e, "class")) {
			if c := rules[class][property]; c != "" {
				return c
			}
		}
		if c := declared(attr(e, "style"))[property]; c != "" {
			return c
		}
	}
	return "none"
}

func luminance(t *testing.T, colour string) (l float64) {
	t.Helper()
	if len(colour) != 7 {
		t.Fatalf("colour %q", colour)
	}
	for i, share := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		l += share * c
	}
	return l
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// TestContrastCanFail proves the measure.
func TestContrastCanFail(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want string
	}{{"#000000", "#ffffff", "21.00"}, {"#777777", "#ffffff", "4.48"}, {"#ffffff", "#ffffff", "1.00"}} {
		if got := fmt.Sprintf("%.2f", contrast(t, c.a, c.b)); got != c.want {
			t.Errorf("contrast of %s and %s is %s, want %s", c.a, c.b, got, c.want)
		}
	}
}
