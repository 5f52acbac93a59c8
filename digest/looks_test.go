package digest

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"listd/lists"
	"listd/mail"
	"listd/web/chromium"
)

// letters are what digest sends as HTML.
func letters(t *testing.T) map[string]string {
	_, roundup, _ := parts(t, full())
	quiet := week("1|0|ann|A bicycle|Does anybody run it on a bicycle?")
	quiet.Language = "de"
	_, small, _ := parts(t, quiet)
	all := map[string]string{"roundup": roundup, "roundup-small": small}
	l := lists.List{Address: addr("dev@lists.test"), ListID: "dev.lists.test", Policy: lists.DefaultPolicy()}
	for name, to := range map[string]lists.ReportTo{"report": lists.ReportOwners, "report-members": lists.ReportMembers} {
		m := Material{List: l, Mode: lists.Roundup, Language: "en", Hostname: "mx.test", ID: "r1"}
		d, err := m.reportDraft(sampleReport(to))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = shown(d)
	}
	return all
}

// shown is a draft's page with its pictures in it.
func shown(d mail.Draft) string {
	page := d.HTML
	for _, a := range d.Attachments {
		page = strings.ReplaceAll(page, "cid:"+a.CID, "data:"+a.Type+";base64,"+base64.StdEncoding.EncodeToString(a.Body))
	}
	return page
}

// TestLooks looks at round-ups and reports in a browser.
func TestLooks(t *testing.T) {
	t.Parallel()
	all := letters(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(all[strings.TrimPrefix(r.URL.Path, "/")]))
	}))
	t.Cleanup(server.Close)
	var pages []chromium.Page
	for name, html := range all {
		if len(html) > 100_000 {
			t.Errorf("%s has %d bytes: Gmail clips it", name, len(html))
		}
		pages = append(pages, chromium.Page{Name: name, URL: server.URL + "/" + name})
	}
	chromium.Look(t, chromium.Letter, pages...)
}
