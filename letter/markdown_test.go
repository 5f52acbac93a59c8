package letter_test

import (
	"strings"
	"testing"
	"time"

	"listd/letter"
)

func TestMarkdownText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, md, text string }{
		{"empty", "", ""},
		{"paragraphs are wrapped", strings.Repeat("word ", 20) + "\n\nnext", strings.TrimSpace(strings.Repeat("word ", 14)) + "\n" + strings.TrimSpace(strings.Repeat("word ", 6)) + "\n\nnext\n"},
		{"wide characters count twice", strings.Repeat("日本語の文", 10), strings.Repeat("日本語の文", 7) + "日\n" + "本語の文" + strings.Repeat("日本語の文", 2) + "\n"},
		{"no line begins with a full stop", strings.Repeat("日", 36) + "。次", strings.Repeat("日", 35) + "\n日。次\n"},
		{"combining marks have no width", strings.Repeat("e\u0301", 72) + " x", strings.Repeat("e\u0301", 72) + "\nx\n"},
		{"a word that is too long", "a " + strings.Repeat("x", 90), "a\n" + strings.Repeat("x", 90) + "\n"},
		{"hard breaks", "a  \nb\\\nc\nd", "a\nb\nc d\n"},
		{"headings", "# One\n\n## Two\n\n### 三\n\ntext", "One\n===\n\nTwo\n---\n\n三\n\ntext\n"},
		{"short link", "see [the page](https://example.org/a)", "see the page <https://example.org/a>\n"},
		{"long links are footnotes, each once", "[a](https://example.org/" + strings.Repeat("a", 40) + "), [b](https://example.org/" + strings.Repeat("b", 40) + "), [c](https://example.org/" + strings.Repeat("a", 40) + ")",
			"a [1], b [2], c [1]\n\n[1] https://example.org/" + strings.Repeat("a", 40) + "\n[2] https://example.org/" + strings.Repeat("b", 40) + "\n"},
		{"bare links", "https://example.org/x, <https://example.org/y> www.example.org bob@example.org [bob@example.org](mailto:bob@example.org)", "https://example.org/x, https://example.org/y www.example.org\nbob@example.org bob@example.org\n"},
		{"bad links", "[a](javascript:x) [b](/rel) [c](//host/x) [d](data:x) [](https://example.org/e)", "a b c d https://example.org/e\n"},
		{"lists", "- a\n- b\n  1. c\n  2. d\n\n     e\n- f", "* a\n* b\n  1. c\n\n  2. d\n\n     e\n* f\n"},
		{"numbers go on", "7. a\n8. b", "7. a\n8. b\n"},
		{"loose list", "- a\n\n- b", "* a\n\n* b\n"},
		{"quotes", "> a\n> b\n>\n> > c\n\nd", "> a b\n>\n> > c\n\nd\n"},
		{"a quote is wrapped behind its marks", "> " + strings.Repeat("word ", 16), "> " + strings.TrimSpace(strings.Repeat("word ", 14)) + "\n> word word\n"},
		{"code", "`a  b`\n\n```go\nx :=  1\n\n\ty\n```\n\n    indented", "`a b`\n\n    x :=  1\n\n    \ty\n\n    indented\n"},
		{"table", "| a | number |\n|:--|--:|\n| 夕食 | 1 |\n| x | 10,000 |", "a     number\n----  ------\n夕食       1\nx     10,000\n"},
		{"a table that is too wide", "| who | what |\n|---|---|\n| ann | " + strings.Repeat("word ", 18) + "|\n| bob | |", "* who: ann\n  what: " + strings.TrimSpace(strings.Repeat("word ", 13)) + "\n  " + strings.TrimSpace(strings.Repeat("word ", 5)) + "\n\n* who: bob\n"},
		{"strikethrough, entities, escapes", "~~a~~ &amp; &copy; \\*b\\* &#42;", "~a~ & © *b* *\n"},
		{"HTML is left out", "a <b>b</b> <!-- c -->\n\n<div>d</div>\n\ne", "a b\n\ne\n"},
		{"pictures", "![a map](cid:map@x) ![remote](https://example.org/p.png) ![](x)", "[a map] remote <https://example.org/p.png>\n"},
		{"rule", "a\n\n---\n\nb", "a\n\n* * *\n\nb\n"},
	} {
		text, page := letter.Markdown(c.md).Parts()
		if text != c.text {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, text, c.text)
		}
		if h := harm(t, page); h != "" {
			t.Errorf("%s: %s in %s", c.name, h, page)
		}
	}
}

func TestMarkdownHTML(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ md, want string }{
		{"**a** *b* ~~c~~ `<d>`", `<strong>a</strong> <em>b</em> <s>c</s> <code`},
		{"`<d>`", "&lt;d&gt;</code>"},
		{"[a & b](https://example.org/?x=1&y=2 \"t\")", `<a href="https://example.org/?x=1&amp;y=2" class="ln"`},
		{"www.example.org", `<a href="https://www.example.org"`},
		{"ann@example.org", `<a href="mailto:ann@example.org"`},
		{"![m](cid:map@x)", `<img src="cid:map@x" alt="m"`},
		{"![m](https://example.org/m.png)", `<a href="https://example.org/m.png"`},
		{"7. x", `<ol start="7"`},
		{"#### x", "<h4 dir=\"auto\" class"},
		{"|a|\n|-:|\n|1|", `<th scope="col" align="right"`},
		{"&lt;b&gt; &#x3c;i>", "&lt;b&gt; &lt;i&gt;"},
		{"&amp;lt;b>", "&amp;lt;b&gt;"},
		{"```\n<x>\n```", "&lt;x&gt;</pre>"},
	} {
		if _, page := letter.Markdown(c.md).Parts(); !strings.Contains(page, c.want) {
			t.Errorf("%q is %s, want %s", c.md, page, c.want)
		}
	}
}

// TestMarkdownIsBounded reads what is made to be slow.
func TestMarkdownIsBounded(t *testing.T) {
	t.Parallel()
	const n = 16 << 10
	for _, unit := range []string{">", "> ", "- ", "1. ", "[", "![", "](", "*a ", "**", "*_", "`", "<", "<a ", "&", "\\", "~~", "|", "a|", "#", "\n>", "\n- ", "\n  - ", "[a]: b\n", "[a][", "[a](<", strings.Repeat("x", 50) + "[a](<", "<!--", "http://a", "a@b.", "_a__", "\n    ", "[^1]", "\uFDD0", "|-\n", "- a\n > "} {
		began := time.Now()
		text, page := letter.Markdown("x\n\n" + strings.Repeat(unit, n/len(unit))).Parts()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%q takes %v", unit, took)
		}
		if len(page) > 128*n || len(text) > 64*n {
			t.Errorf("%q makes %d and %d bytes", unit, len(text), len(page))
		}
	}
	if text, _ := letter.Markdown("*x* " + strings.Repeat("[", n)).Parts(); !strings.HasPrefix(text, "*x*\n[[[") {
		t.Errorf("a text with too many brackets is %.20q", text)
	}
	if text, _ := letter.Markdown(strings.Repeat("word ", 4*n)).Parts(); !strings.HasSuffix(text, "…\n") || len(text) > 4*n+1000 {
		t.Errorf("a text that is too long ends with %q", text[len(text)-20:])
	}
}

// FuzzMarkdown: whatever is written, the text keeps to its width where it can, and the HTML does no harm.
func FuzzMarkdown(f *testing.F) {
	for _, s := range append(attacks, "# a\n\n- b\n  > c\n\n|d|e|\n|-|-:|\n|f|`g`|\n\n[h](https://example.org/i \"j\") ~~k~~ <l@example.org>", "日本語 **名前**、[次](https://example.org/)") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 4<<10 {
			return
		}
		text, page := letter.Markdown(s).Parts()
		if h := harm(t, page); h != "" {
			t.Errorf("%q: %s", s, h)
		}
		if strings.ContainsFunc(text+page, func(r rune) bool {
			return r < ' ' && r != '\n' && r != '\t' || r >= 0xFDD0 && r <= 0xFDEF || r >= 0x202a && r <= 0x202e
		}) {
			t.Errorf("%q leaves controls: %q %q", s, text, page)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if strings.TrimRight(line, " ") != line && line != "-- " {
				t.Errorf("%q: a line ends in a space: %q", s, line)
			}
		}
	})
}

// FuzzTemplateCheck: what Check lets pass is rendered, with values that are hostile, and does no harm.
func FuzzTemplateCheck(f *testing.F) {
	for _, s := range []string{"Subject: {{.A}}\n\n{{range .L}}\n- {{.}} {{$.A}}\n{{else}}x{{end}}\n\n{{.B}}\n\n::: button {{.A}}\n{{or .A \"b\"}}\n:::\n\n-- \n{{if not .A}}x{{end}}",
		"Subject: x\n\n[{{.A}}]({{.A}})\n\n::: card\ntitle: {{.A}}\nurl: https://example.org/{{.A}}\n\n> {{.A}}\n:::", "Subject: x\n\n{{\"}}\"}}{{/* {{ */}}", "Subject: x\n\n`{{.A}}` ```\n{{.A}}\n```\n|{{.A}}|\n|-|\n"} {
		f.Add(s, `"><script>`)
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		if len(text) > 4<<10 || len(value) > 1<<10 {
			return
		}
		data := map[string]any{"A": value, "B": letter.Button{Label: value, URL: value}, "L": []string{value, value}, "S": letter.Slot{Name: "s", Fallback: value}}
		if letter.Check(text, data) != nil {
			return
		}
		p, err := letter.Render(letter.Template{Name: "t", Text: text}, data)
		if err != nil {
			t.Fatalf("%q is checked, and yet: %v", text, err)
		}
		if h := harm(t, p.HTML); h != "" {
			t.Errorf("%q with %q: %s", text, value, h)
		}
		if strings.ContainsAny(p.Subject, "\r\n") || strings.ContainsAny(p.HTML+p.Text, "\uFDD0\uFDD1") {
			t.Errorf("%q with %q: marks are left, or a line end in %q", text, value, p.Subject)
		}
	})
}
