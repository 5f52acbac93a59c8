package digest

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"listd/letter"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

// pieces are what breaks letters: marks of Markdown, of HTML, of templates and of calendars.
var pieces = []string{"http", "https://", "a.example/", "?", ". ", "\r\n", "\r\n\r\n", "> ", "<script>", "<img src=x>", "[a](javascript:x", ")", "::: card\r\n", "{{.Title}}", "word ",
	"longword ", "&", "\x00", "\u202e", "::: button https://evil.example\r\n", "| a | b |\r\n|--|--|\r\n", "```\r\n", "* ", "1. ", "-- \r\n", "é", "。", "(", "_", "`", "text/calendar",
	"BEGIN:VEVENT\r\n", "<a", "&lt;", "\"", "'", "\xff", "\ufdd0", "--q\r\n", "Content-Type: text/calendar\r\n"}

// odds puts up to n pieces together.
func odds(r *rand.Rand, n int) string {
	var b strings.Builder
	for range r.IntN(n) {
		p := pieces[r.IntN(len(pieces))]
		if r.IntN(20) == 0 {
			p = strings.Repeat(p, r.IntN(200))
		}
		b.WriteString(p)
	}
	return b.String()
}

// Whatever posts, names and feeds hold, a round-up is a letter that fits, and nothing in it is loaded or run. (The fuzzer
// cannot be used here: it would watch every branch of the database.)
func TestRoundupOdd(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 1))
	for range 300 {
		subject, body := strings.NewReplacer("|", " ", "\r\n", " ").Replace(odds(r, 12)), odds(r, 300)
		m := week("1|0|ann|"+subject+"|x", "1|1|ben|Re|x", "2|0|cyn|"+subject+"|x")
		m.Load = func(context.Context, store.Post) (mail.Message, error) {
			return mail.Message{Head: []byte("Content-Type: multipart/mixed; boundary=q\r\n"), Body: []byte(body)}, nil
		}
		m.Named = []string{oneLine(subject, 100)}
		m.Sources = []Source{{lists.Feed{URL: "https://feed.example.org/"}, []byte("<feed><title>" + odds(r, 20) + "</title></feed>")}}
		data, err := m.roundup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		parts, err := render(RoundupText, m.Template, data)
		if err != nil {
			t.Fatalf("%v of %q, %.2000q", err, subject, body)
		}
		low := strings.ToLower(parts.HTML)
		for _, bad := range []string{"<script", "<img", "<iframe", "href=\"javascript:", "src=\"http"} {
			if strings.Contains(low, bad) {
				t.Fatalf("%q is in the page of %q, %.2000q", bad, subject, body)
			}
		}
		if len(parts.HTML) > letter.MaxHTML {
			t.Errorf("%d bytes", len(parts.HTML))
		}
	}
}
