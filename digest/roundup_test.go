package digest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// week is a Material of posts: thread, parent, author, subject and text of each, in a line; in a text / ends a line, and § is a slash.
func week(lines ...string) Material {
	var posts []mail.Message
	var rows []store.Post
	for i, line := range lines {
		f := strings.SplitN(line, "|", 5)
		posts = append(posts, mail.Message{Head: []byte("From: " + f[2] + " <" + f[2] + "@example.org>\r\nSubject: " + f[3] + "\r\n"),
			Body: []byte(strings.NewReplacer("/", "\r\n", "§", "/").Replace(f[4]) + "\r\n")})
		var thread store.ThreadID
		var parent lists.Seq
		_, _ = fmt.Sscan(f[0]+" "+f[1], &thread, &parent)
		rows = append(rows, store.Post{Seq: lists.Seq(i + 1), Message: store.MessageID(i), Thread: thread, Parent: parent, Subject: f[3],
			Author: f[2] + " <" + f[2] + "@example.org>", Filed: time.Date(2031, 1, 27+i%7, 9, 0, 0, 0, time.UTC)})
	}
	m := material(posts)
	m.Mode, m.Posts = lists.Roundup, rows
	return m
}

func parts(t *testing.T, m Material) (text, page string, head []byte) {
	t.Helper()
	out, err := Roundup(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	p, err := mail.Parse(out, mail.MIMELimits{})
	if err != nil || len(p.Children) != 2 {
		t.Fatalf("%v %+v", err, p)
	}
	plain, err1 := p.Children[0].Text()
	html, err2 := p.Children[1].Text()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return strings.ReplaceAll(plain, "\r\n", "\n"), html, out.Head
}

func TestRoundup(t *testing.T) {
	t.Parallel()
	m := week("1|0|ann|Small talk|Nice weather./> quoted words/-- /ann's signature",
		"2|0|ben|Pinning versions|How do you pin versions? We use ranges.", "2|2|cyn|Re: Pinning versions|We lock.", "2|2|dan|Re: Pinning versions|So do we.",
		"3|0|eve|A bicycle|Does anybody run it on a bicycle?", "1|1|ann|Re: Small talk|And it stays.")
	text, page, head := parts(t, m)
	for _, want := range []string{"What we talked about", "Still without an answer", "A bicycle", "3 posts by 3 people, begun by ben", "2 posts by 1 people, begun by ann",
		"How do you pin versions? We use ranges.", "https://lists.example.org/l/dev@lists.example.org/t/2/", "dev-leave@lists.example.org", "6", "conversations"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if strings.Contains(text, "quoted words") || strings.Contains(text, "signature") {
		t.Errorf("not the author's own words:\n%s", text)
	}
	if pin, small := strings.Index(text, "begun by ben"), strings.Index(text, "begun by ann"); pin > small {
		t.Error("the thread with most people is not first")
	}
	if len(page) > 100_000 || !strings.Contains(page, "Pinning versions") {
		t.Errorf("a page of %d bytes", len(page))
	}
	if s := mail.DecodeWords(mail.Get(head, "Subject")); s != "dev: 2031-01-27 – 2031-02-01" {
		t.Errorf("Subject %q", s)
	}
}

// What a member writes stands there as written, and does nothing.
func TestRoundupHostile(t *testing.T) {
	t.Parallel()
	for _, evil := range []string{`<script>alert(1)</script>`, `[here](javascript:alert(1))`, `![x](https://evil.example/p.png)`, "# Heading", "::: button https://evil.example",
		`<img src=x onerror=alert(1)>`, "{{.Title}}", "[a](<", "\u202eevil"} {
		m := week("1|0|ann|"+strings.ReplaceAll(evil, "|", "")+"|"+evil+" and more", "1|1|ben|Re: x|Yes.")
		text, page, _ := parts(t, m)
		for _, bad := range []string{"<script", "<img src=x", `src="https://evil`, `href="https://evil.example`, `href="javascript:`, "\u202e"} {
			if strings.Contains(page, bad) {
				t.Errorf("%q: %q in the page", evil, bad)
			}
		}
		if evil == "{{.Title}}" && !strings.Contains(text, "{{.Title}}") {
			t.Errorf("a field of a member's was filled in:\n%s", text)
		}
	}
}

func TestRoundupDiscreet(t *testing.T) {
	t.Parallel()
	m := week("1|0|ann|For nobody's archive|Hidden words.", "2|0|ben|Open|Open words.")
	m.Posts[0].Hidden = true
	if text, page, _ := parts(t, m); strings.Contains(text+page, "Hidden words") || strings.Contains(text+page, "For nobody") {
		t.Errorf("a hidden post:\n%s", text)
	}
	m.List.Policy.Anonymous = true
	if text, page, _ := parts(t, m); strings.Contains(text+page, "ben") {
		t.Errorf("an author of an anonymous list:\n%s", text)
	}
}

func TestRoundupLanguages(t *testing.T) {
	t.Parallel()
	for language, want := range map[string]string{"de": "Worüber wir sprachen", "fr-CA": "Nos conversations", "es": "De qué hemos hablado", "xx": "What we talked about"} {
		m := week("1|0|ann|One|Words.", "1|1|ben|Re: One|Words.")
		m.Language = language
		if text, _, _ := parts(t, m); !strings.Contains(text, want) {
			t.Errorf("%s: %s", language, text)
		}
	}
}

func TestExcerpt(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("Some words of a sentence. ", 20)
	for text, want := range map[string]string{"Short.": "Short.", "": "", long + "Is it so? Yes.": "Is it so?", strings.Repeat("a", 400): strings.Repeat("a", 280) + " …"} {
		if got := excerpt(text); got != want {
			t.Errorf("%.40q: %q, want %q", text, got, want)
		}
	}
	if got := excerpt(long); !strings.HasSuffix(got, "sentence.") || len(got) > roundExcerpt {
		t.Errorf("%q", got)
	}
}
