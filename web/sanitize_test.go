package web

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// harmful says what of a page could run, load or lead where it must not; own are the prefixes of addresses that it may load.
func harmful(page string, own ...string) (out []string) {
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		return []string{err.Error()}
	}
	for n := range root.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		switch n.Data {
		case "script", "iframe", "object", "embed", "base", "svg:script", "math", "applet", "frame", "template", "noscript", "video", "audio", "source":
			out = append(out, "<"+n.Data+">")
		case "meta":
			if slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return strings.EqualFold(a.Key, "http-equiv") }) {
				out = append(out, "<meta http-equiv>")
			}
		}
		for _, a := range n.Attr {
			out = append(out, harmfulAttr(n.Data, a, own)...)
		}
	}
	return out
}

func harmfulAttr(element string, a html.Attribute, own []string) (out []string) {
	key, value := strings.ToLower(a.Key), strings.ToLower(strings.TrimSpace(a.Val))
	say := func(why string) { out = append(out, fmt.Sprintf("%s: <%s %s=%q>", why, element, a.Key, a.Val)) }
	u, err := url.Parse(value)
	switch {
	case strings.HasPrefix(key, "on"):
		say("a handler")
	case key == "style" && (strings.Contains(value, "url") || strings.Contains(value, "expression") || strings.Contains(value, "@") || strings.Contains(value, `\`) || strings.Contains(value, "position")):
		say("a style")
	case key == "srcset", key == "ping", key == "background", key == "formaction", key == "srcdoc", key == "poster", key == "data", key == "xlink:href":
		say("an address")
	case key == "src":
		if err != nil || u.Scheme != "" || u.Host != "" || !slices.ContainsFunc(own, func(o string) bool { return strings.HasPrefix(value, o) }) {
			say("loads")
		}
	case key == "href" && element == "link":
		if err != nil || u.Scheme != "" && u.Host != "lists.test" || strings.HasPrefix(value, "//") {
			say("loads")
		}
	case key == "href", key == "action", key == "cite":
		if err != nil || !slices.Contains([]string{"", "http", "https", "mailto"}, u.Scheme) || strings.HasPrefix(value, "//") {
			say("leads")
		}
	}
	return out
}

// balanced reports whether each element ends where it must, and nothing ends that was not begun.
func balanced(s string) error {
	var open []string
	z := html.NewTokenizer(strings.NewReader(s))
	for {
		switch z.Next() {
		case html.ErrorToken:
			if len(open) > 0 {
				return fmt.Errorf("%v are not ended", open)
			}
			return nil
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			if !void[string(name)] {
				open = append(open, string(name))
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if len(open) == 0 || open[len(open)-1] != string(name) {
				return fmt.Errorf("</%s> within %v", name, open)
			}
			open = open[:len(open)-1]
		case html.CommentToken, html.DoctypeToken:
			return fmt.Errorf("a comment")
		}
	}
}

func cleaned(src string, whole bool) (string, int) {
	c := cleaning{keep: discretion{whole: whole}, picture: func(cid string) string {
		if cid == "p@x" {
			return "/l/a/1/part/2"
		}
		return ""
	}}
	return c.clean(src), c.blocked
}

func TestSanitize(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"plain", "<p>Hello <b>you</b></p>", "<p>Hello <b>you</b></p>"},
		{"text", "a < b & c > d \" '", "a &lt; b &amp; c &gt; d &#34; &#39;"},
		{"entities", "&lt;script&gt;&amp;lt;", "&lt;script&gt;&amp;lt;"},
		{"unended", "<div><b><i>x", "<div><b><i>x</i></b></div>"},
		{"wrongly ended", "<b><i>x</b>y</i></u>", "<b><i>x</i></b>y"},
		{"a paragraph's end alone", "a</p>b</br>c", "a<br>b<br>c"},
		{"a table's cell keeps what is around", "<div><table><tr><td>x</div>y</td></tr></table></div>", "<div><table><tr><td>xy</td></tr></table></div>"},
		{"script", "a<script>alert(1)</script>b", "ab"},
		{"script without end", "a<script>alert(1)", "a"},
		{"script that ends oddly", "a<script>x</script foo>b", "ab"},
		{"nested script", "<scr<script>ipt>alert(1)</script>x", "ipt&gt;alert(1)x"},
		{"handler", `<p onclick="x()" ONLOAD=x>a</p>`, "<p>a</p>"},
		{"javascript", `<a href="javascript:alert(1)">a</a>`, `<a rel="nofollow noopener noreferrer ugc">a</a>`},
		{"javascript in disguise", `<a href=" java&#10;script:alert(1)">a</a><a href="&#1;javascript:x">b</a>`, `<a rel="nofollow noopener noreferrer ugc">a</a><a rel="nofollow noopener noreferrer ugc">b</a>`},
		{"vbscript and data", `<a href="vbscript:x">a</a><a href="data:text/html,x">b</a>`, `<a rel="nofollow noopener noreferrer ugc">a</a><a rel="nofollow noopener noreferrer ugc">b</a>`},
		{"without a scheme", `<a href="//evil.example/">a</a><a href="/signout">b</a>`, `<a rel="nofollow noopener noreferrer ugc">a</a><a rel="nofollow noopener noreferrer ugc">b</a>`},
		{"link", `<a href="https://example.org/?a=b&amp;c=&quot;" target=_top ping=x>a</a>`, `<a href="https://example.org/?a=b&amp;c=&#34;" rel="nofollow noopener noreferrer ugc">a</a>`},
		{"base", `<base href="https://evil.example/"><p>a</p>`, "<p>a</p>"},
		{"refresh", `<meta http-equiv=refresh content="0;url=https://evil.example/">a`, "a"},
		{"picture from elsewhere", `a<img src="https://evil.example/pixel.gif" alt=x>b<img srcset="https://evil.example/x 2x">`, "ab"},
		{"picture of the mail", `<img src="cid:p@x" alt="a &quot; b" width=10 onerror=x>`, `<img src="/l/a/1/part/2" alt="a &#34; b" width="10">`},
		{"picture of the mail, escaped", `<img src="CID:p%40x">`, `<img src="/l/a/1/part/2">`},
		{"picture of none", `<img src="cid:none">`, ""},
		{"data picture", `<img src="data:image/svg+xml,<svg onload=x>">`, ""},
		{"style sheet", `<style>p{background:url(https://evil.example)}</style>a`, "a"},
		{"link sheet", `<link rel=stylesheet href="https://evil.example/x.css">a`, "a"},
		{"style", `<p style="color:red; background:url(https://evil.example/x); position:fixed;FONT-SIZE:12px!important">a</p>`, `<p style="color:red;font-size:12px">a</p>`},
		{"expression", `<p style="width:expression(alert(1))">a</p><p style="width:exp/**/ression(x)">b</p><p style="w\69dth:1px">c</p>`, "<p>a</p><p>b</p><p>c</p>"},
		{"style functions", `<p style="color:rgb(1,2,3);background:image-set(x);width:calc(1px);color:var(--x)">a</p>`, `<p style="color:rgb(1,2,3)">a</p>`},
		{"overlay", `<p style="margin-left:-2000px;width:999999px;z-index:5;opacity:0">a</p>`, "<p>a</p>"},
		{"background", `<table background="https://evil.example/x" bgcolor="#fff"><tr><td>a</td></tr></table>`, `<table bgcolor="#fff"><tr><td>a</td></tr></table>`},
		{"form", `<form action="https://evil.example"><input name=a><button>x</button><textarea>y</textarea></form>`, "x"},
		{"frames", `<iframe src="https://evil.example">x</iframe><object data=x>y</object><embed src=x>z`, "z"},
		{"svg", `<svg onload=alert(1)><script>alert(1)</script><a xlink:href="javascript:x">t</a></svg>`, `<a rel="nofollow noopener noreferrer ugc">t</a>`},
		{"math mutation", `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">`, "<table></table>"},
		{"svg mutation", `<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">`, "<br>&#34;&gt;"},
		{"noscript mutation", `<noscript><p title="</noscript><img src=x onerror=alert(1)>">`, "&#34;&gt;"},
		{"template", `<template><script>x</script><p>a</p></template>b`, "b"},
		{"comment", `a<!--><script>alert(1)</script>-->b<!-- x --!><img src=x onerror=y>c`, "a--&gt;bc"},
		{"cdata", `<![CDATA[<script>alert(1)</script>]]>a`, "alert(1)]]&gt;a"},
		{"plaintext", `a<plaintext><b>x`, "a&lt;b&gt;x"},
		{"xmp and title", `<xmp><img src=x onerror=y></xmp><title></title><img src=x>a`, "a"},
		{"NUL", "<scr\x00ipt>a</scr\x00ipt>\x00", "a\uFFFD"},
		{"attribute twice", `<p title=a title=b>x</p>`, `<p title="a">x</p>`},
		{"quotes in values", "<p title='\"><script>x</script>'>x</p>", `<p title="&#34;&gt;&lt;script&gt;x&lt;/script&gt;">x</p>`},
		{"right to left", `<p dir=rtl lang=he>x</p><p dir=evil>y</p>`, `<p dir="rtl" lang="he">x</p><p>y</p>`},
		{"unknown", `<o:p>x</o:p><blink>y</blink>`, "xy"},
	} {
		got, _ := cleaned(c.in, true)
		if got != c.want {
			t.Errorf("%s: %s\n%s, want\n%s", c.name, c.in, got, c.want)
		}
		if bad := harmful(got, "/l/a/1/part/"); len(bad) > 0 {
			t.Errorf("%s: %v", c.name, bad)
		}
		if err := balanced(got); err != nil {
			t.Errorf("%s: %v in %s", c.name, err, got)
		}
	}
	if _, n := cleaned(`<img src="https://a.example/"><img src="http://b.example/"><img src="cid:p@x">`, true); n != 2 {
		t.Errorf("%d pictures were blocked", n)
	}
}

// TestSanitizeHides addresses, however they are written.
func TestSanitizeHides(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"ann@example.org":                                 "ann@…",
		"ann&#64;example.org":                             "ann@…",
		"ann<b>@</b>example.org!":                         "ann<b>@…</b>!",
		"ann@<i>example</i>.org, x":                       "ann@…<i></i>, x",
		"<p>ann@</p><p>example</p>":                       "<p>ann@…</p><p>example</p>",
		`<a href="mailto:ann@example.org">ann</a>`:        `<a rel="nofollow noopener noreferrer ugc">ann</a>`,
		`<a href="https://x.org/?to=ann%40example.org">`:  `<a rel="nofollow noopener noreferrer ugc"></a>`,
		`<a href="https://x.org/?to=ann@example.org">`:    `<a rel="nofollow noopener noreferrer ugc"></a>`,
		`<p title="ann@example.org">x</p>`:                `<p title="ann@…">x</p>`,
		`<img src="cid:p@x" alt="of ann@example.org">`:    `<img src="/l/a/1/part/2" alt="of ann@…">`,
		"<script>x</script>ann<script>y</script>@example": "ann@…",
	} {
		if got, _ := cleaned(in, false); got != want {
			t.Errorf("%s:\n%s, want\n%s", in, got, want)
		}
	}
}

// TestSanitizeIsBounded shows that nobody can keep it busy, or make much of little.
func TestSanitizeIsBounded(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"deep":       strings.Repeat("<div>", 50_000),
		"ends":       strings.Repeat("<b>", 90) + strings.Repeat("</i>", 50_000),
		"entities":   strings.Repeat("&", 50_000),
		"quotes":     strings.Repeat(`"`, 50_000),
		"attributes": "<p " + strings.Repeat("a=1 ", 100_000) + ">x",
		"styles":     `<p style="` + strings.Repeat("color:red;", 100_000) + `">x`,
		"links":      strings.Repeat(`<a href="https://x/">`, 50_000),
	} {
		out, _ := cleaned(in, false)
		if len(out) > maxClean+maxClean/2 {
			t.Errorf("%s: %d bytes", name, len(out))
		}
		if strings.Count(out, "<div") > maxOpen {
			t.Errorf("%s: too deep", name)
		}
	}
}

func FuzzSanitize(f *testing.F) {
	for _, s := range []string{"<p>Hello", `<a href="javascript:x">`, `<img src="cid:p@x">`, "<svg><style><!--", `<p style="color:red;x:url(y)">`, "ann<b>@</b>example.org", "<table><td></div>"} {
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, in string, whole bool) {
		out, _ := cleaned(in, whole)
		if bad := harmful("<!doctype html><body>"+out, "/l/a/1/part/"); len(bad) > 0 {
			t.Fatalf("%q became %q: %v", in, out, bad)
		}
		if err := balanced(out); err != nil {
			t.Fatalf("%q became %q: %v", in, out, err)
		}
		if again, _ := cleaned(out, whole); whole && strings.Count(again, "<") > strings.Count(out, "<") {
			t.Fatalf("%q became %q, and that %q", in, out, again)
		}
	})
}
