package web

import (
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"listd/archive"
)

const dev = "/l/dev@lists.test/"

// TestPages walks an archive as a stranger.
func TestPages(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create("dev@lists.test", "title=Developers", "description=We build it.")
	h.has(h.page(dev), "Nobody has posted yet.")
	h.dialogue("dev@lists.test")
	for _, c := range []struct {
		path string
		want []string
	}{
		{"/", []string{`<a href="/l/dev@lists.test/" dir="auto">Developers</a>`, "We build it.", "a mail asks you to confirm your address", "4 posts, the latest on"}},
		{dev, []string{"Lunch on Friday?", "3 posts by 2 people", `mailto:dev-join@lists.test?subject=join`, "<svg", "<title>March 2031: 4</title>", "new.atom", dev + "2031-03/"}},
		{dev + "2031-03/", []string{"<h1 dir=\"auto\">March 2031</h1>", "4 posts in 2 threads."}},
		{dev + "threads", []string{"Lunch on Friday?", dev + "t/1/", dev + "t/3/"}},
		{dev + "t/1/", []string{`id="p1"`, `class="post i1" id="p2"`, `class="post i2" id="p4"`, `in reply to <bdi>Bob</bdi>`, `<details class="quote"><summary>20 quoted lines</summary>`,
			`<div class="sig" dir="auto">Ann, ann@…</div>`, "mailto:dev@lists.test?Subject=Re%3A%20Lunch%20on%20Friday%3F&amp;In-Reply-To="}},
		{dev + "t/1/?expand=1", []string{`<details class="quote" open>`}},
		{dev + "2", []string{"post 2 of 3", `href="` + dev + `1" rel="prev"`, `href="` + dev + `4" rel="next"`, dev + "t/1/#p2", "Before it in the thread", dev + `3">The next by date`, "Gladly", "%3E%20Gladly"}},
		{dev + "3", []string{"<span class=\"add\">+new &lt;b&gt;\n</span>", "<span class=\"del\">-old\n</span>", `<span class="hunk">`, "eve@…"}},
		{"/robots.txt", []string{"Disallow: /search", "Crawl-delay", "Sitemap: https://lists.test/sitemap.xml"}},
		{"/sitemap.xml", []string{"https://lists.test/l/dev@lists.test/2031-03/"}},
		{"/api/", []string{"/api/lists/ADDRESS/threads"}},
	} {
		h.has(h.page(c.path), c.want...)
	}
}

// TestWays are the addresses that are no pages.
func TestWays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create("dev@lists.test")
	h.create("gone@lists.test", "archive=none")
	h.dialogue("dev@lists.test")
	hash := archive.Hash("2@example.net")
	for _, c := range []struct {
		path   string
		status int
		to     string
	}{
		{"/l/dev@lists.test", 307, dev}, // net/http's doing
		{"/l/DEV@lists.test/2", 301, dev + "2"},
		{dev + "2031-03", 301, dev + "2031-03/"},
		{dev + "t/1", 301, dev + "t/1/"},
		{dev + "t/2/", 302, dev + "t/1/#p2"},
		{dev + "2/", 301, dev + "2"},
		{dev + "02", 404, ""},
		{dev + "0", 404, ""},
		{dev + "99", 404, ""},
		{dev + "4294967296", 404, ""},
		{dev + "t/99/", 404, ""},
		{dev + "t/1/?page=2", 404, ""},
		{dev + "t/1/?page=x", 404, ""},
		{dev + "t/1/?page=999999999", 404, ""},
		{dev + "2031-13/", 404, ""},
		{dev + "1999-01/", 404, ""},
		{dev + "nothing", 404, ""},
		{dev + "threads?before=x", 404, ""},
		{dev + "1/part/9", 404, ""},
		{dev + "1/part/../../x", 307, ""}, // net/http's doing
		{dev + "1/html", 404, ""},
		{"/l/gone@lists.test/", 404, ""},
		{"/l/nothing@lists.test/", 404, ""},
		{"/l/no%20address/", 404, ""},
		{"/m/" + hash, 302, dev + "2"},
		{"/m/" + strings.ToLower(hash), 302, dev + "2"},
		{"/m/nothing", 404, ""},
		{"/archives/list/dev@lists.test/", 301, dev},
		{"/archives/list/dev@lists.test/message/" + hash + "/", 301, dev + "2"},
		{"/archives/list/dev@lists.test/thread/" + hash + "/", 301, dev + "t/1/"},
		{"/archives/list/dev@lists.test/other/" + hash + "/", 404, ""},
		{"/archives/list/dev@lists.test/message/x/", 404, ""},
		{"/api/lists/nothing@lists.test", 404, ""},
		{"/api/nothing", 404, ""},
		{"/api/lists/dev@lists.test/posts?after=x", 400, ""},
	} {
		a := h.get(c.path)
		if a.StatusCode != c.status || c.to != "" && a.Header.Get("Location") != c.to {
			t.Errorf("GET %s: %d to %q, want %d to %q", c.path, a.StatusCode, a.Header.Get("Location"), c.status, c.to)
		}
	}
	if a := h.ask(httptest.NewRequest(http.MethodPost, dev, nil)); a.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", a.Status)
	}
}

// TestAgain is what a browser, a feed reader or a crawler asks the second time.
func TestAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create("dev@lists.test")
	h.member("dev@lists.test", "ann@example.org")
	h.dialogue("dev@lists.test")
	ann := h.session("ann@example.org")
	for _, path := range []string{"/", dev, dev + "threads", dev + "2031-03/", dev + "t/1/", dev + "2", dev + "new.atom", dev + "feed.json", dev + "t/1/new.atom", "/api/lists",
		"/api/lists/dev@lists.test/threads"} {
		first := h.page(path)
		tag := first.Header.Get("ETag")
		if tag == "" || !strings.HasPrefix(first.Header.Get("Cache-Control"), "public") || !strings.Contains(strings.Join(first.Header.Values("Vary"), ","), "Cookie") {
			t.Errorf("%s: %v", path, first.Header)
		}
		if again := h.get(path, "If-None-Match", `"x", `+tag); again.StatusCode != http.StatusNotModified || again.text != "" {
			t.Errorf("%s: asked again: %s", path, again.Status)
		}
		inside := h.page(path, "as", ann)
		if !strings.HasPrefix(inside.Header.Get("Cache-Control"), "private") {
			t.Errorf("%s: a member's page may be kept by others: %v", path, inside.Header)
		}
		packed := h.page(path, "Accept-Encoding", "br, gzip;q=0.5")
		if packed.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(strings.NewReader(packed.text))
			h.must(err)
			plain, err := io.ReadAll(z)
			h.must(err)
			packed.text = string(plain)
		} else if len(first.text) > 1400 {
			t.Errorf("%s is not packed", path)
		}
		if packed.text != first.text {
			t.Errorf("%s is another when packed", path)
		}
		if head := h.ask(httptest.NewRequest(http.MethodHead, path, nil)); head.StatusCode != http.StatusOK || head.Header.Get("ETag") != tag {
			t.Errorf("HEAD %s: %s", path, head.Status)
		}
	}
	tag := h.page(dev).Header.Get("ETag")
	h.post("dev@lists.test", letter("Bob <bob@example.net>", "More", "9@example.net", "", "More.\n"))
	if a := h.get(dev, "If-None-Match", tag); a.StatusCode != http.StatusOK {
		t.Errorf("after a post the page is the old one: %s", a.Status)
	}
	if a := h.page(dev, "Accept-Encoding", "gzip;q=0"); a.Header.Get("Content-Encoding") != "" {
		t.Error("packed for who does not want it")
	}
}

// TestFeeds are well formed and tell what the pages tell.
func TestFeeds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create("dev@lists.test", "title=Developers & friends")
	h.dialogue("dev@lists.test")
	h.post("dev@lists.test", letter("\x01 <x@example.org>", "=?utf-8?q?a=08b_=3C=26=3E?=", "5@example.org", "", "control \x0b character\n"))
	var atom atomFeed
	a := h.page(dev + "new.atom")
	h.must(xml.Unmarshal([]byte(a.text), &atom))
	if atom.Title != "Developers & friends" || len(atom.Entries) != 5 || atom.Entries[1].ReplyTo == nil || atom.Entries[1].Link.Href != "https://lists.test"+dev+"4" {
		t.Errorf("%+v", atom)
	}
	var thread atomFeed
	h.must(xml.Unmarshal([]byte(h.page(dev+"t/1/new.atom").text), &thread))
	if len(thread.Entries) != 3 || thread.Entries[0].Title != "Re: Lunch on Friday?" {
		t.Errorf("%+v", thread)
	}
	for path, n := range map[string]int{dev + "feed.json": 5, dev + "t/1/feed.json": 3} {
		var feed jsonFeed
		h.must(json.Unmarshal([]byte(h.page(path).text), &feed))
		if feed.Version != "https://jsonfeed.org/version/1.1" || len(feed.Items) != n || feed.Items[0].Authors[0].Name == "" {
			t.Errorf("%s: %+v", path, feed)
		}
	}
}

// TestMbox is for who may see addresses.
func TestMbox(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create("dev@lists.test")
	h.create("shown@lists.test", "archive_addresses=shown")
	h.dialogue("dev@lists.test")
	h.dialogue("shown@lists.test")
	h.member("dev@lists.test", "ann@example.org")
	ann := h.session("ann@example.org")
	for _, path := range []string{"t/1/mbox.gz", "2031-03/mbox.gz", "1/raw"} {
		if a := h.get(dev + path); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/signin?to=%2Fl%2Fdev%40lists.test%2F"+strings.ReplaceAll(path, "/", "%2F") {
			t.Errorf("%s for strangers: %s to %s", path, a.Status, a.Header.Get("Location"))
		}
		h.lacks(h.page(dev+"1"), dev+path)
		for _, a := range []answer{h.page(dev+path, "as", ann, "Accept-Encoding", "gzip"), h.page("/l/shown@lists.test/" + path)} {
			text := a.text
			if strings.HasSuffix(path, ".gz") {
				if a.Header.Get("Content-Encoding") != "" {
					t.Errorf("%s is packed twice", path)
				}
				z, err := gzip.NewReader(strings.NewReader(text))
				h.must(err)
				plain, err := io.ReadAll(z)
				h.must(err)
				text = string(plain)
				if n := strings.Count("\n"+text, "\nFrom "); n != map[string]int{"t/1/mbox.gz": 3, "2031-03/mbox.gz": 4}[path] {
					t.Errorf("%s has %d messages", path, n)
				}
			} else if a.Header.Get("Content-Type") != "text/plain; charset=utf-8" || !strings.Contains(a.Header.Get("Content-Security-Policy"), "sandbox") {
				t.Errorf("%v", a.Header)
			}
			if !strings.Contains(text, "ann@example.org") {
				t.Errorf("%s:\n%s", path, text)
			}
		}
	}
	h.has(h.page(dev+"1", "as", ann), dev+"1/raw", "Write to ann@example.org.")
}
