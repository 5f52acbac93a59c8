package web

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"listd/archive"
	"listd/lists"
	"listd/store"
)

// hrefs are the links of a page.
var hrefs = regexp.MustCompile(`(?:href|src|action)="(/[^"#]*)`)

// crawl reads every page that can be reached from some paths, and gives each to see.
func (h *house) crawl(see func(path string, a answer), from []string, fields ...string) {
	h.Helper()
	seen := map[string]bool{}
	for todo := from; len(todo) > 0; todo = todo[1:] {
		path := todo[0]
		if seen[path] {
			continue
		}
		seen[path] = true
		if len(seen) > 2000 {
			h.Fatal("there is no end of pages")
		}
		a := h.get(path, fields...)
		if a.StatusCode >= 500 {
			h.Errorf("GET %s: %s", path, a.Status)
		}
		see(path, a)
		if strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") {
			for _, m := range hrefs.FindAllStringSubmatch(a.text, -1) {
				next := strings.ReplaceAll(strings.ReplaceAll(m[1], "&amp;", "&"), "&#43;", "+")
				if !strings.HasPrefix(next, "/signout") {
					todo = append(todo, next)
				}
			}
		}
		if to := a.Header.Get("Location"); strings.HasPrefix(to, "/") {
			to, _, _ = strings.Cut(to, "#")
			todo = append(todo, to)
		}
	}
}

// wordsOf are what a page says, with what is escaped for addresses and HTML.
func wordsOf(a answer) string {
	text := a.text + " " + strings.ReplaceAll(a.text, "%40", "@") + " " + a.Header.Get("Content-Disposition") + " " + a.Header.Get("Location")
	return strings.NewReplacer("&#64;", "@", "&lt;", "<", "&gt;", ">").Replace(text)
}

// letters are mails with addresses in every corner.
func addressLetters() []string {
	return []string{
		letter("Ann <ann@secret.example>", "Ask carl@secret.example", "a@host.example", "Cc: Dora <dora@secret.example>, e@secret.example\n", "I am ann@secret.example, and not <bob@secret.example>.\n\n-- \nann@secret.example\n"),
		letter("ann@secret.example", "Re: Ask carl@secret.example", "b@host.example", "In-Reply-To: <a@host.example>\n", "On Monday Ann <ann@secret.example> wrote:\n"+strings.Repeat("> ann@secret.example\n", 9)+"\nmailto:ann@secret.example https://ann@secret.example/ https://x.example/?a=ann%40secret.example\n"),
		letter("\"ann@secret.example\" <ann@secret.example>", "=?utf-8?q?ann=40secret=2Eexample?=", "c@host.example", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n",
			"--b\nContent-Type: text/html\n\n<p>ann@<b>secret</b>.example <a href='mailto:ann@secret.example'>x</a> ann&#64;secret.example</p>\n"+
				"--b\nContent-Type: text/plain; name=\"ann@secret.example.txt\"\nContent-Disposition: attachment\n\nann@secret.example\n"+
				"--b\nContent-Type: text/x-patch\nContent-Disposition: attachment; filename=\"ann@secret.example.patch\"\n\nFrom: ann@secret.example\n"+
				"--b\nContent-Type: application/octet-stream\nContent-Disposition: attachment; filename=u.txt\nContent-Transfer-Encoding: base64\n\n"+
				base64.StdEncoding.EncodeToString(wide("ann@secret.example"))+
				"\n--b\nContent-Type: text/html\nContent-Disposition: attachment; filename=x.html\n\nann&#64;secret.example\n"+
				"--b\nContent-Type: message/rfc822\nContent-Disposition: attachment\n\nFrom: ann@secret.example\nSubject: ann@secret.example\n\nx\n--b--\n"),
	}
}

func wide(s string) []byte {
	out := []byte{0xff, 0xfe}
	for _, c := range []byte(s) {
		out = append(out, c, 0)
	}
	return out
}

// TestAddressesStayHidden reads all that a stranger can reach of a list that hides addresses, and more.
func TestAddressesStayHidden(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create("dev@lists.test")
	h.post("dev@lists.test", addressLetters()...)
	pages := 0
	see := func(path string, a answer) {
		pages++
		for _, line := range strings.Split(wordsOf(a), "\n") {
			for _, w := range []string{"@secret", "secret.example", "@host", "@s\x00e"} {
				if strings.Contains(line, w) && !strings.Contains(line, "In-Reply-To=") {
					t.Errorf("GET %s says %q", path, line)
				}
			}
		}
	}
	from := []string{"/", dev, dev + "new.atom", dev + "feed.json", dev + "t/1/new.atom", dev + "t/1/feed.json", dev + "1?expand=1", dev + "t/1/?expand=1", dev + "3/html", dev + "3/part/6",
		"/api/lists", "/api/lists/dev@lists.test", "/api/lists/dev@lists.test/threads", "/api/lists/dev@lists.test/threads/1", "/api/lists/dev@lists.test/posts",
		"/api/lists/dev@lists.test/posts/1", "/api/lists/dev@lists.test/posts/3", "/search?q=ann", dev + "search?q=ann&sort=rank", dev + "search?q=secret&view=thread",
		"/api/search?q=secret", "/api/lists/dev@lists.test/search?q=ann", "/m/" + archive.Hash("a@host.example"), "/nothing"}
	h.crawl(see, from)
	if pages < 25 {
		t.Errorf("only %d pages were seen", pages)
	}
	h.member("dev@lists.test", "bob@example.net")
	bob := h.session("bob@example.net")
	for _, path := range []string{dev + "1", dev + "t/1/", dev + "3/html", "/api/lists/dev@lists.test/posts/1", dev + "3/part/2", dev + "3/part/5"} {
		if !strings.Contains(wordsOf(h.page(path, "as", bob)), "ann@") || !strings.Contains(wordsOf(h.page(path, "as", bob)), "secret") {
			t.Errorf("GET %s hides addresses from members", path)
		}
	}
}

// TestMembersOnly shows that nothing of a members' archive gets out: not to strangers, nor to those who belong elsewhere.
func TestMembersOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create("inner@lists.test", "archive=members", "title=Confidential", "description=hush", "advertised=yes")
	h.create("dev@lists.test")
	h.post("inner@lists.test", letter("Ann <ann@example.org>", "Confidential plans", "i@example.org", "", "hush\n"), letter("Ann <ann@example.org>", "Re: Confidential plans", "j@example.org", "In-Reply-To: <i@example.org>\n", "hush\n"))
	h.member("inner@lists.test", "ann@example.org")
	h.member("dev@lists.test", "bob@example.net")
	ann, bob := h.session("ann@example.org"), h.session("bob@example.net")
	hash, in := archive.Hash("i@example.org"), "/l/inner@lists.test/"
	paths := []string{"/", in, "/l/INNER@lists.test/1", in + "threads", in + "2031-03/", in + "1", in + "2", in + "1/raw", in + "1/html", in + "1/part/1", in + "t/1/", in + "t/1/mbox.gz", in + "2031-03/mbox.gz",
		in + "new.atom", in + "feed.json", in + "t/1/new.atom", in + "t/1/feed.json", in + "99", in + "search?q=hush", "/m/" + hash, "/archives/list/inner@lists.test/",
		"/archives/list/inner@lists.test/message/" + hash + "/", "/archives/list/inner@lists.test/thread/" + hash + "/", "/api/lists", "/api/lists/inner@lists.test",
		"/api/lists/inner@lists.test/threads", "/api/lists/inner@lists.test/threads/1", "/api/lists/inner@lists.test/posts", "/api/lists/inner@lists.test/posts/1",
		"/api/lists/inner@lists.test/search?q=hush", "/sitemap.xml", "/search?q=hush", "/search?q=list:inner+plans", "/search?q=plans&sort=rank", "/api/search?q=hush"}
	for _, who := range []string{"", bob, "no session", strings.Repeat("x", 300)} {
		for _, path := range paths {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				a := h.ask(httptest.NewRequest(method, path, nil), "as", who)
				if strings.Contains(a.text, "Confidential") || strings.Contains(a.text, "hush") && !strings.Contains(path, "hush") {
					t.Errorf("%s %s tells:\n%s", method, path, a.text)
				}
				if a.StatusCode == http.StatusOK && strings.Contains(path, "inner@") {
					t.Errorf("%s %s: %s", method, path, a.Status)
				}
				want := http.StatusSeeOther
				if who == bob {
					want = http.StatusForbidden
				}
				if strings.HasPrefix(path, in) && a.StatusCode != want {
					t.Errorf("%s %s: %s, want %d", method, path, a.Status, want)
				}
			}
		}
	}
	for _, path := range paths[:8] {
		a := h.get(path, "as", ann)
		if a.StatusCode >= 400 || strings.HasPrefix(path, in) && (a.Header.Get("X-Robots-Tag") != "noindex" || !strings.HasPrefix(a.Header.Get("Cache-Control"), "private")) {
			t.Errorf("a member's GET %s: %s, %v", path, a.Status, a.Header)
		}
	}
	if a := h.get("/m/"+hash, "as", ann); a.Header.Get("Location") != in+"1" {
		t.Errorf("a member's permalink leads to %q", a.Header.Get("Location"))
	}
}

// TestSignIn goes the whole way.
func TestSignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	l := h.create("inner@lists.test", "archive=members")
	h.member("inner@lists.test", "ann@example.org")
	in := "/l/inner@lists.test/"
	a := h.get(in + "?x=1")
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/signin?to="+url.QueryEscape(in+"?x=1") {
		t.Fatalf("%s to %s", a.Status, a.Header.Get("Location"))
	}
	h.has(h.page(a.Header.Get("Location")), `name="to" value="/l/inner@lists.test/?x=1"`, `type="email"`)
	form := func(path string, values url.Values, fields ...string) answer {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(values.Encode()))
		return h.ask(r, append(fields, "Content-Type", "application/x-www-form-urlencoded")...)
	}
	known := form("/signin", url.Values{"address": {"ann@example.org"}, "to": {in}})
	unknown := form("/signin", url.Values{"address": {"eve@example.org"}, "to": {in}})
	if known.StatusCode != http.StatusOK || strings.ReplaceAll(known.text, "ann@", "eve@") != unknown.text {
		t.Errorf("the answers differ:\n%s\n%s", known.text, unknown.text)
	}
	if a := form("/signin", url.Values{"address": {"no address"}}); a.StatusCode != http.StatusBadRequest || !strings.Contains(a.text, "no e-mail address") {
		t.Errorf("%s\n%s", a.Status, a.text)
	}
	if a := form("/signin", url.Values{"address": {"ann@example.org"}}, "Sec-Fetch-Site", "cross-site"); a.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form: %s", a.Status)
	}
	token := h.link("ann@example.org", in)
	h.has(h.page("/signin/"+token), "signed in as ann@example.org")
	h.page("/signin/" + token) // looking uses nothing up
	scored := func(set bool) (b lists.Bounces) {
		h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
			sub, err := tx.Subscription(l.ID, address("ann@example.org"))
			if err == nil && set {
				err = tx.SetScore(sub.ID, lists.Bounces{Score: 2, Stage: lists.Scoring, Last: tx.Now})
			}
			if err == nil {
				b, err = tx.Score(sub.ID)
			}
			return err
		}))
		return b
	}
	scored(true)
	done := form("/signin/"+token, nil)
	if b := scored(false); b != (lists.Bounces{}) {
		t.Errorf("who has signed in is still charged with %+v", b)
	}
	if done.StatusCode != http.StatusSeeOther || done.Header.Get("Location") != in || len(done.Cookies()) != 1 {
		t.Fatalf("%s %v", done.Status, done.Header)
	}
	c := done.Cookies()[0]
	if c.Name != "listd" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.MaxAge <= 0 {
		t.Errorf("%+v", c)
	}
	h.has(h.page(in, "as", c.Value), "ann@example.org", "Sign out")
	if a := form("/signin/"+token, nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("a link works twice: %s", a.Status)
	}
	if a := h.get("/signin/nothing"); a.StatusCode != http.StatusNotFound {
		t.Errorf("a link that is none: %s", a.Status)
	}
	out := form("/signout", nil, "as", c.Value)
	if out.StatusCode != http.StatusSeeOther || out.Cookies()[0].MaxAge >= 0 {
		t.Errorf("%s %v", out.Status, out.Header)
	}
	if a := h.get(in, "as", c.Value); a.StatusCode != http.StatusSeeOther {
		t.Errorf("after signing out: %s", a.Status)
	}
}

func TestSafePath(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "/", "/": "/", "/l/a@b/?q=x&y=z": "/l/a@b/?q=x&y=z", "/l/a/t/1/": "/l/a/t/1/",
		"https://evil.example/": "/", "//evil.example/": "/", "/\\evil.example": "/", "\\\\evil.example": "/", "javascript:alert(1)": "/",
		"/%2f/evil": "/", "/%5cevil": "/", "l/a": "/", "/a\r\nSet-Cookie: x": "/", "/\t/evil.example": "/", "/" + strings.Repeat("a", 2000): "/", "/%zz": "/",
	} {
		if got := safePath(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestHostile shows that nothing of a mail acts on a page.
func TestHostile(t *testing.T) {
	t.Parallel()
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	h := newHouse(t)
	h.create("dev@lists.test", "archive_addresses=shown", "title="+evil, "description="+evil)
	svg := `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>`
	h.post("dev@lists.test",
		letter("\"\\\"><script>alert(1)</script>\" <a@example.org>", evil, "1@example.org", "", evil+"\n\njavascript:alert(1) https://example.org/\"onmouseover=alert(1) http://x.example/<b>\n> "+evil+"\n\n-- \n"+evil+"\n"),
		letter("=?utf-7?q?+ADw-script+AD4-?= <a@example.org>", "=?utf-8?b?PHNjcmlwdD4=?=", "2<b>@example.org", "Content-Type: text/html; charset=utf-7\n", "+ADw-script+AD4-alert(1)+ADw-/script+AD4-<script>alert(1)</script>\n"),
		letter("A <a@example.org>", "parts", "3@example.org", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n",
			"--b\nContent-Type: text/html\n\n"+evil+`<base href="//evil.example/"><meta http-equiv=refresh content="0;url=//evil.example"><a href="javascript:x">y</a><p style="background:url(//evil.example)">z</p><img src="//evil.example/x"><img src="cid:p@x">`+
				"\n--b\nContent-Type: image/svg+xml\nContent-ID: <p@x>\nContent-Disposition: inline; filename=\"x.svg\"\n\n"+svg+
				"\n--b\nContent-Type: image/png; name=\"a\nContent-Disposition: attachment; filename=\"a\\\"\\r\\nSet-Cookie: x=y; .html\"\n\n"+svg+
				"\n--b\nContent-Type: text/html\nContent-Disposition: attachment; filename*=utf-8''%22%0d%0aX-Evil%3a%20y%0d%0a%0d%0a%3cscript%3e.png\n\n"+evil+
				"\n--b\nContent-Type: image/png\nContent-Disposition: inline; filename=\"ok.png\"\nContent-Transfer-Encoding: base64\n\niVBORw0KGgoAAAANSUhEUg==\n--b--\n"))
	csp := func(path string, a answer) {
		kind, policy := a.Header.Get("Content-Type"), a.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script-src") || a.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("GET %s: %v", path, a.Header)
		}
		for name, values := range a.Header {
			if strings.Contains(name, "Evil") || strings.Contains(name, "Set-Cookie") || slices.ContainsFunc(values, func(v string) bool { return strings.ContainsAny(v, "\r\n") }) {
				t.Errorf("GET %s: %s: %q", path, name, values)
			}
		}
		if strings.HasPrefix(kind, "text/html") {
			if bad := harmful(a.text, "/l/dev@lists.test/"); len(bad) > 0 {
				t.Errorf("GET %s: %v", path, bad)
			}
		}
		if strings.Contains(path, "/part/") && a.StatusCode == http.StatusOK {
			inline := strings.HasPrefix(a.Header.Get("Content-Disposition"), "inline")
			if inline != (kind == "image/png") || strings.Contains(kind, "svg") || strings.Contains(kind, "html") || !strings.Contains(policy, "sandbox") {
				t.Errorf("GET %s: %v", path, a.Header)
			}
		}
	}
	h.crawl(csp, []string{"/", dev, dev + "1", dev + "2", dev + "3", dev + "1?expand=1", dev + "2/html", dev + "3/html", dev + "1/raw", dev + "3/part/2", dev + "3/part/3", dev + "3/part/4", dev + "3/part/5", "/search?q=script", dev + "search?q=alert&view=thread&sort=rank",
		"/search?q=" + url.QueryEscape(evil), dev + "search?q=" + url.QueryEscape(evil) + "&after=" + url.QueryEscape(evil)})
	if a := h.page(dev + "3/html"); !strings.Contains(a.Header.Get("Content-Security-Policy"), "sandbox") || !strings.Contains(a.text, "was left out") && !strings.Contains(a.text, "were left out") {
		t.Errorf("%v\n%s", a.Header, a.text)
	}
	if a := h.page(dev + "3/part/5"); a.Header.Get("Content-Type") != "image/png" {
		t.Errorf("%v", a.Header)
	}
}
