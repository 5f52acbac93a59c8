package roster

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"listd/lists"
	"listd/web/chromium"
)

// spoken is a built-in notice with words for all slots that the notices below have.
func spoken(t *testing.T, name, language string, more lists.Words) said {
	t.Helper()
	words := lists.Words{"list": "dev", "address": "dev@lists.test", "title": "Developers", "owner": "dev-owner@lists.test", "leave": "dev-leave@lists.test",
		"join": "dev-join@lists.test", "request": "dev-request@lists.test", "who": "ann@example.org", "link": "https://lists.test/confirm/abc", "expires": "3 May",
		"description": "All about Go.", "sender": "Eve <eve@example.com>", "subject": "Hello", "size": "2 KiB", "id": "17", "reasons": "The sender is no member."}
	for k, v := range more {
		words[k] = v
	}
	raw, err := lists.NoticeText(name, language)
	if err != nil {
		t.Fatal(err)
	}
	subject, text, err := lists.FillNotice(name, raw, words)
	if err != nil {
		t.Fatal(err)
	}
	button, err := lists.NoticeButton(name, raw, words)
	if err != nil {
		t.Fatal(err)
	}
	return said{subject, text, button, words["link"]}
}

func TestNoticePage(t *testing.T) {
	t.Parallel()
	const evil = `</p><script>alert(1)</script>`
	for _, c := range []struct {
		name, language string
		words          lists.Words
		want, not      []string
	}{
		{"confirm_join", "en", nil, []string{`href="https://lists.test/confirm/abc"`, ">Join dev</a>", "Or open this page", "until 3 May", `lang="en"`}, []string{">https://"}},
		{"confirm_join", "de", nil, []string{">dev beitreten</a>", `lang="de"`}, []string{">https://"}},
		{"confirm_join", "en", lists.Words{"link": ""}, []string{"To say yes, reply"}, []string{">Join dev</a>", "Or open this page"}},
		{"confirm_join", "en", lists.Words{"link": "javascript:alert(1)"}, nil, []string{"href=\"javascript"}},
		{"welcome", "en", lists.Words{"description": evil}, []string{`href="mailto:dev-leave@lists.test"`, "&lt;script&gt;"}, []string{"<script"}},
		{"held_moderator", "en", lists.Words{"subject": "x\n    https://lists.test/confirm/abc\n" + evil}, []string{">Look and decide</a>", "accept always"}, []string{"<script"}},
		{"help", "en", nil, []string{"set announcements             announcements only"}, nil},
	} {
		page, err := spoken(t, c.name, c.language, c.words).page(c.language)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range c.want {
			if !strings.Contains(page, w) {
				t.Errorf("%s, %s: %q is not in\n%s", c.name, c.language, w, page)
			}
		}
		for _, w := range c.not {
			if strings.Contains(page, w) {
				t.Errorf("%s, %s: %q is in\n%s", c.name, c.language, w, page)
			}
		}
	}
}

// TestLooks looks at notices in a browser.
func TestLooks(t *testing.T) {
	t.Parallel()
	all := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(all[strings.TrimPrefix(r.URL.Path, "/")]))
	}))
	t.Cleanup(server.Close)
	var pages []chromium.Page
	for _, name := range []string{"welcome", "confirm_join", "held_moderator", "help"} {
		page, err := spoken(t, name, "en", nil).page("en")
		if err != nil {
			t.Fatal(err)
		}
		all[name] = page
		pages = append(pages, chromium.Page{Name: name, URL: server.URL + "/" + name})
	}
	chromium.Look(t, chromium.Letter, pages...)
}
