package letter_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"listd/letter"
)

// attacks are what somebody may write in any field.
var attacks = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'><svg/onload=alert(1)>`, `</td></tr></table><h1>owned</h1>`,
	`javascript:alert(1)`, `JaVaScRiPt:alert(1)`, "java\tscript:alert(1)", `data:text/html,<script>1</script>`, `vbscript:x`, `//evil.example/x`,
	`[x](javascript:alert(1))`, `[x](<java&#115;cript:alert(1)>)`, `![x](http://evil.example/pixel.png)`, `<http://evil.example/"onclick="x>`,
	`--><script>alert(1)</script>`, `--!><script>`, `<![endif]--><script>x</script>`, `<!--`, `]]>`, `&lt;script&gt;`, `&#60;script&#62;alert(1)`,
	"\r\nBcc: eve@example.org", "a\x00b<b>", "{{.Secret}}", "{{range .}}", "::: button javascript:x", "\uFDD01\uFDD1", "\uFDD2hname.\uFDD3", "&#xFDD0;0&#xFDD1;", "\u202Egnp.exe",
	`</style><script>x</script>`, `</title><script>x</script>`, `" style="background:url(http://evil.example/)`, `x" onmouseover="y`, `https://example.org/"onmouseover="x`, "https://example.org/'><script>",
	"``` <b>\n<script>alert(1)</script>\n```", "| <b>a</b> | b |\n|---|---|\n| <script>1</script> | `</code><script>` |", "<style>*{display:none}</style>", "<a href='javascript:x'>y</a>",
	"[a]: javascript:alert(1)\n\n[a]", "<javascript:alert(1)>", "mailto:a@b?cc=<script>", "-- \n<script>", "Subject: x\n\n<iframe src=//evil.example>", "<p style=color:red onclick=x>hi</p>",
}

// set puts a text in every field of a value.
func set(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Struct:
		for i := range v.NumField() {
			set(v.Field(i), text)
		}
	case reflect.Slice:
		for i := range v.Len() {
			set(v.Index(i), text)
		}
	case reflect.Interface: // a block
		if !v.IsNil() {
			inner := reflect.New(v.Elem().Type()).Elem()
			inner.Set(v.Elem())
			set(inner, text)
			v.Set(inner)
		}
	}
}

// forWord is what only Outlook's Word engine reads.
var forWord = regexp.MustCompile(`(?s)<!--\[if mso\]>(.*?)<!\[endif\]-->`)

// harm says what in a page would run, load or hide something.
func harm(t *testing.T, page string) string {
	t.Helper()
	for _, m := range forWord.FindAllStringSubmatch(page, -1) {
		if h := harm(t, strings.ReplaceAll(m[1], "<style>td,", "<p>")); h != "" {
			return "for Word: " + h
		}
	}
	for n := range parsePage(t, page).Descendants() {
		switch {
		case n.Type == html.CommentNode && !strings.HasPrefix(n.Data, "[if ") && n.Data != "<![endif]":
			return "comment " + n.Data
		case n.Type != html.ElementNode:
			continue
		}
		switch n.Data {
		case "script", "iframe", "object", "embed", "svg", "link", "base", "form", "input", "video", "audio":
			return n.Data
		case "style":
			if n.Parent.Data != "head" {
				return "style in the body"
			}
		case "img":
			if !strings.HasPrefix(attr(n, "src"), "cid:") {
				return "img " + attr(n, "src")
			}
		}
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), strings.Contains(a.Val, "evil.example") && a.Key != "href" && a.Key != "alt",
				a.Key == "href" && !regexp.MustCompile(`^(?i)(https?://|mailto:|\x{FDD2})`).MatchString(a.Val),
				a.Key == "style" && strings.Contains(a.Val, "url("):
				return n.Data + " " + a.Key + "=" + a.Val
			}
		}
	}
	return ""
}

// TestHarm proves that harm sees some.
func TestHarm(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"<script>x</script>", "<b onclick=x>", "<a href='javascript:x'>", "<img src=http://evil.example/>", "<p style='background:url(x)'>", "<!-- x -->"} {
		if harm(t, page) == "" {
			t.Errorf("%s is harmless?", page)
		}
	}
}

// TestHostileFields puts every attack in every field of every built-in template.
func TestHostileFields(t *testing.T) {
	t.Parallel()
	for _, tmpl := range letter.BuiltIns() {
		for _, attack := range attacks {
			shape, err := letter.Shape(tmpl.Name)
			if err != nil {
				t.Fatal(err)
			}
			data := reflect.New(reflect.TypeOf(shape)).Elem()
			data.Set(reflect.ValueOf(shape))
			set(data, attack)
			p, err := letter.Render(tmpl, data.Interface())
			if err != nil {
				if !strings.Contains(err.Error(), "the Subject is empty") {
					t.Errorf("%s with %q: %v", tmpl.Name, attack, err)
				}
				continue
			}
			inspect(t, tmpl.Name+" with "+attack, p)
		}
	}
}

// TestHostileAuthors writes every attack as a text of an owner's, and as a value within one.
func TestHostileAuthors(t *testing.T) {
	t.Parallel()
	for _, attack := range attacks {
		if text, page := letter.Markdown(attack).Parts(); harm(t, page) != "" || strings.ContainsAny(text, "\x00\u202e") {
			t.Errorf("%q: %s\n%q", attack, harm(t, page), text)
		}
		text := "# {{.V}}\n\n[{{.V}}]({{.V}}) ![{{.V}}]({{.V}}) `{{.V}}` <{{.V}}> https://example.org/{{.V}}\n\n[x](https://example.org/?q={{.V}})\n\n> {{.V}}\n\n| {{.V}} |\n|---|\n| {{.V}} |\n\n" +
			"::: button {{.V}}\n{{.V}}\n:::\n\n::: card\ntitle: {{.V}}\nmeta: {{.V}}\nurl: {{.V}}\nlink: {{.V}}\n\n{{.V}}\n:::\n\n{{.V}}\n"
		p, err := letter.Render(letter.Write("S {{.V}}", "{{.V}}", "{{.V}}", text, "{{.V}}"), map[string]any{"V": attack})
		if err != nil {
			t.Errorf("%q: %v", attack, err)
			continue
		}
		inspect(t, attack, p)
		if strings.Contains(p.HTML, "<h1>owned") || strings.Contains(p.HTML, "<b>") {
			t.Errorf("%q: a value is HTML", attack)
		}
	}
}

func inspect(t *testing.T, what string, p letter.Parts) {
	t.Helper()
	if h := harm(t, p.HTML); h != "" {
		t.Errorf("%s: %s", what, h)
	}
	if strings.ContainsAny(p.Subject+p.Preheader, "\r\n\x00") {
		t.Errorf("%s: subject %q, preheader %q", what, p.Subject, p.Preheader)
	}
	for part, s := range map[string]string{"text": p.Text, "html": p.HTML, "subject": p.Subject} {
		if strings.ContainsFunc(s, func(r rune) bool {
			return r >= 0xFDD0 && r <= 0xFDEF || r == 0x202e || r == 0 || r == '\r' || r == 0x1b
		}) {
			t.Errorf("%s: marks or controls are left in the %s: %q", what, part, s)
		}
	}
}
