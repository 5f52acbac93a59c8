package letter_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"listd/letter"
	"listd/mail"
)

func compile(t testing.TB, m mail.Message) *letter.Pattern {
	t.Helper()
	p, err := letter.Compile(append(append(bytes.Clone(m.Head), "\r\n"...), m.Body...))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func compose(subject, text, page string) mail.Message {
	return mail.Compose(mail.Draft{From: mail.Mailbox{Name: "Ann", Address: mail.Address{Local: "ann", Domain: "example.org"}}, Subject: subject, Text: text, HTML: page}, "b0undary")
}

// read is what a reader sees of a filled mail; it also holds its lines to their limits.
func read(t testing.TB, raw []byte) (subject, text, page string) {
	t.Helper()
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if len(line) > 76 || strings.ContainsAny(line, "\r\n") || strings.HasSuffix(line, " ") {
			t.Errorf("line of %d octets: %q", len(line), line)
		}
		for i := range len(line) {
			if line[i] < ' ' && line[i] != '\t' || line[i] >= 0x7f {
				t.Errorf("octet %#x in %q", line[i], line)
			}
		}
	}
	m, err := mail.Read(bytes.NewReader(raw), mail.Limits{}, mail.Strict)
	if err != nil {
		t.Fatal(err)
	}
	b := mail.ReadBody(m, 0)
	if len(b.Odd) > 0 {
		t.Errorf("a reader finds odd: %v", b.Odd)
	}
	return mail.DecodeWords(mail.Get(m.Head, "Subject")), b.Text, string(b.HTML)
}

func with(vals map[string]string) func(string) string {
	return func(name string) string { return vals[name] }
}

func TestFill(t *testing.T) {
	t.Parallel()
	name, link, key := letter.Slot{Name: "name", Fallback: "friend & all"}, letter.Slot{Name: "link", Fallback: "https://example.org/?a=1&b=2"}, letter.Slot{Name: "key"}
	m := compose("For "+name.Mark(letter.AsText)+" only", "Dear "+name.Mark(letter.AsText)+",\nsee https://example.org/?k="+key.Mark(letter.AsURL)+" or "+link.Mark(letter.AsLink)+" \n.",
		"<p>Dear "+name.Mark(letter.AsHTML)+`, <a href="`+link.Mark(letter.AsLinkHTML)+`">come</a></p>`)
	p := compile(t, m)
	if got := fmt.Sprint(p.Names()); got != "[name key link]" {
		t.Errorf("names %s", got)
	}
	long := strings.Repeat("Ännchen von Tharau ", 12)
	for _, c := range []struct {
		name, link, key     string
		subject, text, html string
	}{
		{"Bob", "https://example.org/x?y=z&q='", "k=1 &", "For Bob only", "Dear Bob,\nsee https://example.org/?k=k%3D1%20%26 or https://example.org/x?y=z&q=%27 \n.\n", `<p>Dear Bob, <a href="https://example.org/x?y=z&amp;q=%27">come</a></p>`},
		{"", "", "", "For friend & all only", "Dear friend & all,\nsee https://example.org/?k= or https://example.org/?a=1&b=2 \n.\n", `<p>Dear friend &amp; all, <a href="https://example.org/?a=1&amp;b=2">come</a></p>`},
		{"<b>\"J'", "javascript:alert(1)", "ü", "For <b>\"J' only", "Dear <b>\"J',\nsee https://example.org/?k=%C3%BC or https://example.org/?a=1&b=2 \n.\n", `<p>Dear &lt;b&gt;&#34;J&#39;, <a href="https://example.org/?a=1&amp;b=2">come</a></p>`},
		{"x\r\nBcc: eve@example.org\x00", "HTTPS://x/\r\n\"><b>", "", "For x  Bcc: eve@example.org  only", "Dear x  Bcc: eve@example.org ,\nsee https://example.org/?k= or HTTPS://x/%20%20%22%3E%3Cb%3E \n.\n", `<p>Dear x  Bcc: eve@example.org , <a href="HTTPS://x/%20%20%22%3E%3Cb%3E">come</a></p>`},
		{long, "", "", "For " + long + " only", "Dear " + long + ",\nsee https://example.org/?k= or https://example.org/?a=1&b=2 \n.\n", `<p>Dear ` + long + `, <a href="https://example.org/?a=1&amp;b=2">come</a></p>`},
		{"名前=\u202e", "", "", "For 名前=  only", "Dear 名前= ,\nsee https://example.org/?k= or https://example.org/?a=1&b=2 \n.\n", `<p>Dear 名前= , <a href="https://example.org/?a=1&amp;b=2">come</a></p>`},
		{"\xff{{.Name}}", "", "", "For ?{{.Name}} only", "Dear ?{{.Name}},\nsee https://example.org/?k= or https://example.org/?a=1&b=2 \n.\n", `<p>Dear ?{{.Name}}, <a href="https://example.org/?a=1&amp;b=2">come</a></p>`},
	} {
		subject, text, page := read(t, p.Fill(nil, with(map[string]string{"name": c.name, "link": c.link, "key": c.key})))
		// mail folds and trims white space at the ends of lines; what counts is the words.
		if subject != c.subject || squeeze(text) != squeeze(c.text) || squeeze(page) != squeeze(c.html) {
			t.Errorf("%q:\nsubject %q, want %q\ntext %q, want %q\nhtml %q, want %q", c.name, subject, c.subject, text, c.text, page, c.html)
		}
	}
}

func squeeze(s string) string { return strings.Join(strings.Fields(s), " ") }

// TestFillAnywhere holds that a filled mail reads as if it had been composed with the values, whatever they are and wherever in
// its lines the slots stand.
func TestFillAnywhere(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("ab =.F-ü名\n_?")), 0, 100, -1), 2, 6).Draw(rt, "words")
		vals := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("ab =.F-ü名_?")), 1, 120, -1), 5, 5).Draw(rt, "values")
		var marked, plain strings.Builder
		given := map[string]string{}
		for i, w := range words {
			marked.WriteString(w)
			plain.WriteString(w)
			if i+1 < len(words) {
				name := string(rune('a' + i))
				marked.WriteString(letter.Slot{Name: name, Fallback: "x"}.Mark(letter.AsText))
				plain.WriteString(vals[i])
				given[name] = vals[i]
			}
		}
		_, got, _ := read(t, compile(t, compose("x", marked.String(), "")).Fill(nil, with(given)))
		_, want, _ := read(t, func() []byte {
			m := compose("x", plain.String()+"é", "") // é: quoted-printable in any case
			return append(append(m.Head, "\r\n"...), m.Body...)
		}())
		if want = strings.TrimSuffix(want, "é\n"); squeeze(got) != squeeze(want) {
			rt.Fatalf("%q with %q is\n%q, want\n%q", words, vals, got, want)
		}
	})
}

// TestFillHead has slots in fields that are no text.
func TestFillHead(t *testing.T) {
	t.Parallel()
	token := letter.Slot{Name: "token"}.Mark(letter.AsURL)
	p, err := letter.Compile([]byte("List-Unsubscribe: <https://lists.example.org/u/" + token + ">,\r\n <mailto:leave+" + token + "@example.org>\r\nX: y\r\n\r\nDear " +
		letter.Slot{Name: "name", Fallback: "friend"}.Mark(letter.AsText) + "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := string(p.Fill([]byte("A: b\r\n"), with(map[string]string{"token": "k>\r\nX"})))
	want := "A: b\r\nList-Unsubscribe: <https://lists.example.org/u/k%3E%20%20X>, <mailto:leave+k%3E%20%20X@example.org>\r\nX: y\r\n\r\nDear friend\r\n"
	if got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
}

// TestLetterIsFilled goes the whole way: a text that a person wrote, a letter, a mail, a pattern, and the mail that each gets.
func TestLetterIsFilled(t *testing.T) {
	t.Parallel()
	tmpl, data := written()
	p, err := letter.Render(tmpl, data)
	if err != nil {
		t.Fatal(err)
	}
	pattern := compile(t, compose(p.Subject, p.Text, p.HTML))
	if got := fmt.Sprint(pattern.Names()); got != "[name rsvp leave]" {
		t.Errorf("slots %s", got)
	}
	for _, attack := range append(attacks, "Ann", "") {
		raw := pattern.Fill(nil, func(string) string { return attack })
		if bytes.ContainsAny(raw, "\uFDD2\uFDD3") || bytes.Contains(raw, []byte("=EF=B7=9")) {
			t.Errorf("%q: marks are left", attack)
		}
		subject, text, page := read(t, raw)
		if h := harm(t, page); h != "" {
			t.Errorf("%q: %s", attack, h)
		}
		if want := map[string]string{"Ann": "Dear Ann,", "": "Dear friend,"}[attack]; !strings.Contains(text, want) || !strings.Contains(page, want) || !strings.HasPrefix(subject, "Summer meeting, ") {
			t.Errorf("%q: %q %q", attack, subject, text)
		}
	}
	evil := letter.Slot{Name: "x", Fallback: "javascript:alert(1)"}.Mark(letter.AsLinkHTML)
	if got := string(compile(t, compose("x", "é", `<a href="`+evil+`">x</a>`)).Fill(nil, func(string) string { return "data:x" })); strings.Contains(got, "javascript") || strings.Contains(got, "data:") {
		t.Errorf("a fallback is no link: %s", got)
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	ok := letter.Slot{Name: "a"}.Mark(letter.AsText)
	for text, want := range map[string]string{
		strings.Replace(ok, "ta.", "t1.", 1):  "damaged",
		strings.Replace(ok, "ta.", "ta.z", 1): "damaged",
		strings.Replace(ok, "ta.", "xa.", 1):  "damaged",
		"x \uFDD2ta.":                         "damaged",
		"=EF=B7=92ta.":                        "damaged",
		strings.Repeat(ok, 1001):              "1000 slots",
	} {
		if _, err := letter.Compile([]byte("Subject: x\r\n\r\n" + text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
	if p, err := letter.Compile([]byte("Subject: x\r\n\r\n=EF=B7=\r\n=9")); err != nil || string(p.Fill(nil, nil)) != "Subject: x\r\n\r\n=EF=B7=\r\n=9" {
		t.Errorf("what is no mark: %v", err)
	}
}

// bulk is a mail of about 4 KiB with five slots.
func bulk(t testing.TB) (*letter.Pattern, func(string) string) {
	t.Helper()
	name, link := letter.Slot{Name: "name", Fallback: "friend"}, letter.Slot{Name: "link", Fallback: "https://example.org/"}
	words := strings.Repeat("It will be a fine day, and there is room for all of you in the garden.\n", 23)
	p := compile(t, compose("For "+name.Mark(letter.AsText), "Dear "+name.Mark(letter.AsText)+",\n"+words+link.Mark(letter.AsLink)+"\n",
		"<p>Dear "+name.Mark(letter.AsHTML)+",</p><p>"+words+`</p><a href="`+link.Mark(letter.AsLinkHTML)+`">come</a>`))
	vals := map[string]string{"name": "Jürgen Müller", "link": "https://lists.example.org/rsvp/k3x9v2m1?lang=de"}
	return p, with(vals)
}

// TestFillAllocates: nothing, where there is room.
func TestFillAllocates(t *testing.T) {
	p, value := bulk(t)
	buf := make([]byte, 0, 8<<10)
	if n := testing.AllocsPerRun(100, func() { buf = p.Fill(buf[:0], value) }); n != 0 {
		t.Errorf("%v allocations for a recipient", n)
	}
	if len(buf) < 3500 || len(buf) > 5000 || !utf8.Valid(buf) {
		t.Errorf("%d bytes", len(buf))
	}
}

func BenchmarkFill(b *testing.B) {
	p, value := bulk(b)
	buf := make([]byte, 0, 8<<10)
	b.ReportAllocs()
	for b.Loop() {
		buf = p.Fill(buf[:0], value)
	}
	b.ReportMetric(float64(len(buf)), "B/mail")
}
