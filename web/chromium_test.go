package web

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"listd/inbound"
	"listd/store"
	"listd/web/chromium"
)

// gallery makes three lists: one with every kind of post that a page may have trouble with, one for members, one empty.
func (h *house) gallery() {
	h.Helper()
	h.create("dev@lists.test", "title=Developers", "description=We build it, and talk about how.")
	h.create("board@lists.test", "title=The board", "archive=members")
	h.create("quiet@lists.test")
	for _, who := range []string{"ann@example.org", "bob@example.net"} {
		h.member("dev@lists.test", who)
		h.member("board@lists.test", who)
	}
	h.dialogue("dev@lists.test")
	long := strings.Repeat("averylongwordwithoutanyend", 12)
	picture := base64.StdEncoding.EncodeToString([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"))
	const parts = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"
	deep := []string{letter("Ann <ann@example.org>", "A deep thread", "d0@example.org", "", "It begins.\n")}
	for i := range 14 {
		deep = append(deep, letter("Bob <bob@example.net>", "Re: A deep thread", fmt.Sprintf("d%d@example.org", i+1), fmt.Sprintf("In-Reply-To: <d%d@example.org>\n", i), "> It begins.\n\nIt goes on.\n"))
	}
	h.post("dev@lists.test", append([]string{
		letter(long+" <l@example.org>", long, "5@example.org", "", long+"\nhttps://example.org/"+long+"\n> "+long+"\n"),
		letter("Dora <dora@example.org>", "Everything attached", "6@example.org", parts,
			"--b\nContent-Type: text/plain; charset=utf-8\n\nSee the files. https://example.org/minutes\n"+
				"--b\nContent-Type: image/gif\nContent-Disposition: inline; filename=\"dot.gif\"\nContent-Transfer-Encoding: base64\n\n"+picture+
				"\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=\""+long+".pdf\"\n\nx\n"+
				"--b\nContent-Type: text/x-patch\nContent-Disposition: attachment; filename=\"a.patch\"\n\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-"+long+"\n+new\n--b--\n"),
		letter("=?utf-8?q?=D7=93=D7=95=D7=93?= <d@example.org>", "=?utf-8?b?16nXnNeV150g15HXmdeq?= (=?utf-8?b?5pyI5LqI?=)", "7@example.org", "Content-Type: text/plain; charset=utf-8\n", "שלום לכולם, this goes both ways.\n\n日本語の文章もあります。\n"),
		letter("Carl <carl@example.org>", "A newsletter in HTML", "8@example.org", "Content-Type: text/html; charset=utf-8\n",
			`<html><body style="background:#111;color:#222"><table width="900"><tr><td width="450"><h1>Wide</h1></td><td><font color="#eee">Pale</font><img src="https://tracker.example/x.gif" width="600"></td></tr></table><p>Some <b>bold</b> words, <a href="https://example.org/">a link</a>.</p><ul><li>one<li>two</ul></body></html>`),
		letter("Eve <eve@example.com>", `"><script>alert(1)</script>`, "9@example.org", "", "<img src=x onerror=alert(1)>\n"),
		letter("Ann <ann@example.org>", "", "10@example.org", "", ""),
	}, deep...)...)
	h.post("board@lists.test", letter("Ann <ann@example.org>", "Minutes", "b1@example.org", "", "Nothing was decided.\n"))
}

// sheets are pages that a token leads to, filled in.
func (h *house) sheets() http.Handler {
	m := http.NewServeMux()
	sheet := func(path, name, title string, data any) {
		m.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { h.site.show(w, r, http.StatusOK, name, title, data) })
	}
	sheet("/sheet/leave", "leave.html", "Leave dev?", leaving{"Developers", "dev@lists.test", "ann@example.org", "dev-owner@lists.test", false, true})
	sheet("/sheet/paused", "leave.html", "Leave dev?", leaving{"Developers", "dev@lists.test", "ann@example.org", "dev-owner@lists.test", true, true})
	sheet("/sheet/confirm", "confirm.html", "Join dev?", question{"Join dev?", "Press the button, and ann@example.org becomes a member of dev@lists.test.", "We build it.", "Join"})
	sheet("/sheet/moderate", "moderate.html", "Decide: Lunch?", inbound.HeldView{List: "dev@lists.test", Sender: "eve@example.com", Subject: "Lunch?",
		Reasons: []string{"the sender is no member"}, Text: strings.Repeat("a long line of text that goes on and on ", 10), Post: true})
	m.Handle("/", h.pages)
	return m
}

// TestLooks looks at every kind of page.
func TestLooks(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.gallery()
	me := &chromium.Cookie{Name: cookie, Value: h.session("ann@example.org")}
	h.must(h.db.Update(t.Context(), func(tx *store.Tx) error {
		_, err := h.site.Users.NewPassword(tx, address("ann@example.org"), "phone")
		return err
	}))
	server := httptest.NewServer(h.sheets())
	t.Cleanup(server.Close)
	var pages []chromium.Page
	add := func(name, path string, more ...chromium.Page) {
		p := chromium.Page{}
		if len(more) > 0 {
			p = more[0]
		}
		p.Name, p.URL = name, server.URL+path
		pages = append(pages, p)
	}
	signedIn := chromium.Page{Cookie: me}
	add("home", "/")
	add("home-member", "/", signedIn)
	add("list", dev)
	add("list-quiet", "/l/quiet@lists.test/")
	add("threads", dev+"threads")
	add("month", dev+"2031-03/")
	add("thread", dev+"t/1/")
	add("thread-unfolded", dev+"t/1/?expand=1")
	add("thread-deep", dev+"t/11/")
	add("post", dev+"2")
	add("post-patch", dev+"3")
	add("post-long", dev+"5")
	add("post-files", dev+"6")
	add("post-bidi", dev+"7")
	add("post-html", dev+"8")
	add("html", dev+"8/html", chromium.Page{Foreign: true})
	add("post-hostile", dev+"9")
	add("post-empty", dev+"10")
	add("search", "/search")
	add("found", dev+"search?q=lunch")
	add("found-threads", dev+"search?q=noon&view=thread&sort=rank")
	add("found-nothing", "/search?q=nothing+at+all+xx:")
	add("signin", "/signin")
	add("signin-link", "/signin/"+h.link("bob@example.net", "/"))
	add("account", "/account", signedIn)
	add("api", "/api/")
	add("leave", "/sheet/leave")
	add("paused", "/sheet/paused")
	add("confirm", "/sheet/confirm")
	add("moderate", "/sheet/moderate")
	add("members-only", "/l/board@lists.test/")
	add("board", "/l/board@lists.test/", signedIn)
	add("missing", dev+"999", chromium.Page{Status: http.StatusNotFound})
	chromium.Look(t, chromium.Options{}, pages...)
}

// ways are what people do on the pages, without JavaScript and, where it says press, without a mouse.
var ways = map[string]string{
	"reading": `
		open /
		see We build it, and talk about how.
		follow Developers
		at /l/dev@lists.test/
		follow Lunch on Friday?
		see Shall we meet at noon?
		miss > quoted
		unfold 20 quoted lines
		see quoted
		open /l/dev@lists.test/2
		follow The next by date
		at /l/dev@lists.test/3
		see -old
		back
		at /l/dev@lists.test/2`,
	"keyboard": `
		open /l/dev@lists.test/
		press Tab
		focus Skip to the content
		press Enter
		at /l/dev@lists.test/#main
		press Tab
		press Tab
		press Enter
		see A deep thread`,
	"search": `
		open /l/dev@lists.test/
		fill Search = lunch
		press Enter
		see 3 posts
		follow Best first
		see 3 posts
		follow Threads
		see 2 more
		follow Search all archives
		see Shall we meet at
		open /search
		fill Search all archives for = nothing at all
		push Search
		see 0 posts`,
	"members only": `
		open /l/board@lists.test/
		at /signin?to=%2Fl%2Fboard%40lists.test%2F
		miss Minutes
		fill Your e-mail address = ann@example.org
		press Enter
		see mail`,
	"html": `
		open /l/dev@lists.test/8
		see Some bold words
		follow Show as HTML
		see 1 picture from elsewhere was left out
		follow Back to its text
		at /l/dev@lists.test/8`,
}

// TestWaysInABrowser goes them.
func TestWaysInABrowser(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.gallery()
	server := httptest.NewServer(h.pages)
	t.Cleanup(server.Close)
	var walks []chromium.Script
	for name, text := range ways {
		walks = append(walks, chromium.Script{Name: name, Base: server.URL, Steps: chromium.Steps(text)})
	}
	chromium.Walk(t, walks...)
}
