package web

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"listd/archive"
	"listd/mail"
	"listd/store"
)

// TestDeepThread has each post answer the one before: no page of it grows without end, and all of it can be reached.
func TestDeepThread(t *testing.T) {
	t.Parallel()
	const posts = 2_000
	h := newHouse(t)
	l := h.create("dev@lists.test")
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) (err error) {
		if l, err = tx.ListAt(l.Address); err != nil {
			return err
		}
		body := store.PackBody([]byte("Deep.\r\n"))
		for i := range posts {
			head := fmt.Sprintf("From: Ann <ann@example.org>\r\nSubject: deep\r\nMessage-ID: <%d@example.org>\r\n", i)
			if i > 0 {
				head += fmt.Sprintf("In-Reply-To: <%d@example.org>\r\n", i-1)
			}
			m := mail.Message{Head: []byte(head), Body: []byte("Deep.\r\n")}
			id, err := tx.AddMessage(m.Head, body)
			if err != nil {
				return err
			}
			if _, err := archive.File(tx, l, archive.Describe(l, m, tx.Now), id); err != nil {
				return err
			}
		}
		return nil
	}))
	f := archive.Follower{DB: h.db}
	h.must(f.CatchUp(h.Context(), l.ID))
	a := h.page(dev + "t/1/")
	if n := strings.Count(a.text, "<article"); n != postsOnPage || len(a.text) > pageRoom {
		t.Errorf("a page has %d posts and %d bytes", n, len(a.text))
	}
	h.has(a, "2000 posts", "here are 1 to 200", dev+"t/1/?page=2", `class="post i8" id="p100"`)
	last := h.page(dev + "t/1/?page=10")
	h.has(last, `id="p2000"`, dev+"t/1/?page=9")
	h.lacks(last, "?page=11")
	h.has(h.page(dev+"500"), "post 500 of 2000", dev+"t/1/?page=3#p500")
	h.has(h.page(dev+"1900"), "The whole thread on one page")
	h.has(h.page(dev+"t/1/new.atom"), "deep")
}

// TestLargeMails shows little of much.
func TestLargeMails(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create("dev@lists.test", "max_message_size=0")
	quotes := strings.Repeat("> a\n\nb\n\n", 100_000)
	h.post("dev@lists.test", letter("A <a@example.org>", "large", "1@example.org", "", strings.Repeat("text of it\n", 100_000)),
		letter("A <a@example.org>", "Re: large", "2@example.org", "In-Reply-To: <1@example.org>\n", quotes),
		letter("A <a@example.org>", "Re: large", "3@example.org", "In-Reply-To: <1@example.org>\n", strings.Repeat("https://example.org/ ", 100_000)),
		letter("A <a@example.org>", "Re: large", "4@example.org", "In-Reply-To: <1@example.org>\n", strings.Repeat("x", 9<<20)),
		letter("A <a@example.org>", "Re: large", "5@example.org", "In-Reply-To: <1@example.org>\nContent-Type: text/html\n", strings.Repeat("<b>\"", 1<<20)),
		letter("A <a@example.org>", "parts", "6@example.org", "Content-Type: multipart/mixed; boundary=b\n", strings.Repeat("--b\nContent-Type: application/x-a\n\nx\n", 20_000)))
	a := h.page(dev + "t/1/")
	h.has(a, "The text goes on.", "There is too much here to show it all.")
	for path, most := range map[string]int{dev + "t/1/": 8 << 20, dev + "1": 2 << 20, dev + "2": 8 << 20, dev + "3": 8 << 20, dev + "4": 2 << 20, dev + "5": 4 << 20, dev + "5/html": 8 << 20, dev + "6": 1 << 20, dev + "new.atom": 4 << 20} {
		if a := h.page(path); len(a.text) > most {
			t.Errorf("GET %s has %d bytes", path, len(a.text))
		}
	}
}

// TestParts are what is attached, for saving and for seeing.
func TestParts(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create("dev@lists.test")
	h.post("dev@lists.test", letter("A <a@example.org>", "files", "1@example.org", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n",
		"--b\n\nHere.\n--b\nContent-Type: image/png\nContent-Disposition: attachment; filename=\"größe ;=.png\"\nContent-Transfer-Encoding: base64\n\niVBORw0KGgoAAAANSUhEUg==\n"+
			"--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=a.pdf\n\n%PDF-1.4\n"+
			"--b\nContent-Type: text/plain; charset=utf-8\nContent-Disposition: attachment; filename=../../notes.txt\n\nWrite to ann@example.org\n--b--\n"))
	h.has(h.page(dev+"1"), `<img src="/l/dev@lists.test/1/part/2"`, "notes.txt", "application/pdf, 8 bytes")
	for _, c := range []struct{ path, kind, disposition, text string }{
		{"2", "image/png", `inline; filename*=utf-8''gr%C3%B6%C3%9Fe%20%3B%3D.png`, "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"},
		{"3", "application/pdf", "attachment; filename=a.pdf", "%PDF-1.4"},
		{"4", "text/plain", "attachment; filename=notes.txt", "Write to ann@…"},
	} {
		a := h.page(dev + "1/part/" + c.path)
		if a.text != c.text || a.Header.Get("Content-Type") != c.kind || a.Header.Get("Content-Disposition") != c.disposition {
			t.Errorf("%s: %q, %v", c.path, a.text, a.Header)
		}
	}
	for _, path := range []string{"", "0", "5", "1.1", "02", "x", "2/1", strings.Repeat("1.", 1000)} {
		if a := h.get(dev + "1/part/" + path); a.StatusCode != http.StatusNotFound {
			t.Errorf("part %q: %s", path, a.Status)
		}
	}
}

// TestReading is how the text of a post looks.
func TestReading(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"prose", "One.\n\nTwo\nlines.\n", "<p dir=\"auto\">One.</p>\n<p dir=\"auto\">Two\nlines.</p>\n"},
		{"markup", "<b>&\"'</b>\n", "<p dir=\"auto\">&lt;b&gt;&amp;&#34;&#39;&lt;/b&gt;</p>\n"},
		{"columns", "a   b\nc   d\n", "<pre tabindex=\"0\">a   b\nc   d</pre>\n"},
		{"code", "See:\n\n    if x:\n        y()\n", "<p dir=\"auto\">See:</p>\n<pre tabindex=\"0\">    if x:\n        y()</pre>\n"},
		{"short quote", "> a\nb\n", "<blockquote class=\"q1\" dir=\"auto\">a</blockquote>\n<p dir=\"auto\">b</p>\n"},
		{"long quote", "Ann wrote:\n" + strings.Repeat("> a\n", 7) + "\nb\n", "<details class=\"quote\"><summary><bdi>Ann wrote:</bdi> 8 quoted lines</summary><blockquote class=\"q1\" dir=\"auto\">a\na\na\na\na\na\na</blockquote>\n</details>\n<p dir=\"auto\">b</p>\n"},
		{"signature", "b\n\n-- \nAnn\n", "<p dir=\"auto\">b</p>\n<div class=\"sig\" dir=\"auto\">Ann</div>\n"},
		{"links", "See https://example.org/a_(b), http://x.example. HTTPS://Y.example/?a=b&c=d; ftp://z https:// javascript:x", "<p dir=\"auto\">See " + ref("https://example.org/a_(b)") + ", " + ref("http://x.example") + ". " +
			ref("HTTPS://Y.example/?a=b&amp;c=d") + "; ftp://z https:// javascript:x</p>\n"},
		{"links in brackets", "(https://example.org/) <https://example.org/?\"x> [https://example.org]", "<p dir=\"auto\">(" + ref("https://example.org/") + ") &lt;" + ref("https://example.org/") + "?&#34;x&gt; [" + ref("https://example.org") + "]</p>\n"},
		{"nothing", "\n\n  \n", ""},
	} {
		if got := string(reading{keep: discretion{whole: true}}.html(c.in)); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.name, got, c.want)
		}
	}
	patch := string(reading{}.html("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n\nEnd of it.\n"))
	if strings.Count(patch, "<pre") != 1 || !strings.HasSuffix(patch, "<p dir=\"auto\">End of it.</p>\n") {
		t.Error(patch)
	}
}

func ref(to string) string {
	return `<a href="` + to + `" rel="nofollow noopener noreferrer ugc">` + to + `</a>`
}

// FuzzReading shows any text without harm, and balanced.
func FuzzReading(f *testing.F) {
	f.Add("> a\n<b>\nhttps://example.org/\"x\n@@ -1 +1 @@\n-- \nann@example.org", false)
	f.Add("On Tuesday Ann wrote:\n> > a\n\n    code\n", true)
	f.Fuzz(func(t *testing.T, text string, whole bool) {
		out := string(reading{keep: discretion{whole: whole}}.html(text))
		if bad := harmful("<!doctype html><body>" + out); len(bad) > 0 {
			t.Fatalf("%q became %q: %v", text, out, bad)
		}
		if err := balanced(out); err != nil {
			t.Fatalf("%q became %q: %v", text, out, err)
		}
	})
}

// TestMailto writes links that programs read as RFC 6068 has it.
func TestMailto(t *testing.T) {
	t.Parallel()
	if got, want := mailto(address("a+b@x.test"), "Subject", "Re: 1+1 & ü?", "body", "> a\r\n"), "mailto:a%2Bb@x.test?Subject=Re%3A%201%2B1%20%26%20%C3%BC%3F&body=%3E%20a%0D%0A"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	h := newHouse(t)
	h.create("news@lists.test", "kind=announcement")
	h.post("news@lists.test", letter("A <a@example.org>", "news", "1@example.org", "", strings.Repeat("words of it\n", 1000)))
	h.create("dev@lists.test")
	h.post("dev@lists.test", letter("A <a@example.org>", "news", "1@example.org", "", strings.Repeat("words of it\n", 1000)))
	h.lacks(h.page("/l/news@lists.test/1"), "Reply by mail")
	a := h.page(dev + "1")
	if at := strings.Index(a.text, "mailto:dev@"); at < 0 || bytes.IndexByte([]byte(a.text[at:]), '"') > 6000 {
		t.Error("the link to reply is missing, or too long")
	}
}
