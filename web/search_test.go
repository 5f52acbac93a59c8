package web

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// TestSearch finds what pages and programs ask for.
func TestSearch(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create("dev@lists.test", "title=Developers")
	h.create("talk@lists.test", "title=Talk")
	h.dialogue("dev@lists.test")
	h.post("talk@lists.test", letter("Carl <carl@example.org>", "Noon & <night>", "t@example.org", "", "At noon we <meet> & eat.\n"))
	h.has(h.page("/search"), "How to ask", "list:dev")
	h.lacks(h.page(dev+"search"), "list:dev")
	all := h.page("/search?q=noon")
	h.has(all, "<mark>noon</mark>", "Noon &amp; &lt;night&gt;", "Talk</bdi></a>", "Lunch on Friday?", "Best first", `value="noon"`, "<title>Search: noon")
	if all.Header.Get("X-Robots-Tag") != "noindex" {
		t.Error("a search may be indexed")
	}
	one := h.page(dev + "search?q=noon&sort=rank&view=thread")
	h.has(one, `<mark>noon</mark>`, "<strong>Best first</strong>", "<strong>Threads</strong>", `name="sort" value="rank"`, "/search?q=noon")
	h.lacks(one, "night")
	h.has(h.page(dev+"search?q=nowhere"), "0 posts.")
	h.has(h.page(dev+"search?q="+strings.Repeat("a", 5000)), "Search")
	var found apiPage
	h.must(json.Unmarshal([]byte(h.page("/api/search?q=noon").text), &found))
	if *found.Total != len(found.Posts) || len(found.Posts) < 2 || found.Posts[0].List == "" || !strings.Contains(found.Posts[0].Snippet, "noon") {
		t.Errorf("%+v", found)
	}
	var mails []string
	for i := range hitsOnPage + 5 {
		mails = append(mails, letter("Carl <carl@example.org>", fmt.Sprint("turnip ", i), fmt.Sprint("n", i, "@example.org"), "", "turnip\n"))
	}
	h.post("talk@lists.test", mails...)
	first := h.page("/l/talk@lists.test/search?q=turnip")
	next := regexp.MustCompile(`href="([^"]*after=[^"]*)"`).FindStringSubmatch(first.text)
	if strings.Count(first.text, "snippet") != hitsOnPage || next == nil {
		t.Fatalf("%d hits, next %q", strings.Count(first.text, "snippet"), next)
	}
	if second := h.page(strings.ReplaceAll(next[1], "&amp;", "&")); strings.Count(second.text, "snippet") != 5 || strings.Contains(second.text, "after=") {
		t.Errorf("%d hits on the second page", strings.Count(second.text, "snippet"))
	}
}

// TestAPI tells what the pages tell.
func TestAPI(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create("dev@lists.test", "title=Developers")
	h.dialogue("dev@lists.test")
	get := func(path string) (p apiPage) {
		t.Helper()
		a := h.page("/api/lists" + path)
		if a.Header.Get("Content-Type") != "application/json; charset=utf-8" || a.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %v", path, a.Header)
		}
		h.must(json.Unmarshal([]byte(a.text), &p))
		return p
	}
	if p := get(""); len(p.Lists) != 1 || p.Lists[0].Title != "Developers" || p.Lists[0].Posts != 4 || p.Lists[0].Last == nil || p.Lists[0].URL != "https://lists.test"+dev {
		t.Errorf("%+v", p)
	}
	const at = "/dev@lists.test"
	if p := get(at); p.List == nil || p.List.Address != "dev@lists.test" || p.List.Posts != 4 {
		t.Errorf("%+v", p)
	}
	p := get(at + "/threads?limit=1")
	if len(p.Threads) != 1 || p.Threads[0].First != 1 || p.Threads[0].Posts != 3 || p.Next == "" {
		t.Fatalf("%+v", p)
	}
	if p = get(strings.TrimPrefix(p.Next, "https://lists.test/api/lists")); len(p.Threads) != 1 || p.Threads[0].First != 3 {
		t.Errorf("%+v", p)
	}
	if p := get(at + "/threads/2"); p.Thread == nil || len(p.Posts) != 3 || *p.Posts[2].Depth != 2 || p.Posts[1].Parent != 1 {
		t.Errorf("%+v", p)
	}
	p = get(at + "/posts?after=1&limit=2")
	if len(p.Posts) != 2 || p.Posts[0].Seq != 2 || p.Posts[0].Hash == "" || p.Posts[0].MsgID != "" || p.Posts[0].Author.Address != "" {
		t.Errorf("%+v", p)
	}
	if p = get(strings.TrimPrefix(p.Next, "https://lists.test/api/lists")); len(p.Posts) != 1 || p.Posts[0].Seq != 4 || p.Next != "" {
		t.Errorf("%+v", p)
	}
	if p := get(at + "/posts/1"); p.Post == nil || p.Post.Text == nil || !strings.Contains(*p.Post.Text, "Shall we meet at noon? Write to ann@….") {
		t.Errorf("%+v", p)
	}
	h.member("dev@lists.test", "bob@example.net")
	a := h.page("/api/lists/dev@lists.test/posts/1", "as", h.session("bob@example.net"))
	h.has(a, `"message_id": "1@example.org"`, `"address": "ann@example.org"`)
	if a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("a member's answer is for other sites, too")
	}
}
