package mail_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"listd/mail"
)

// TestReadBodyGolden reads a message of each kind that was ever met, and some that should never be.
func TestReadBodyGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/body/*.eml")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d mails: %v", len(files), err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.Read(bytes.NewReader(raw), mail.Limits{}, mail.Mend)
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		b := mail.ReadBody(m, 0)
		checkBody(t, m, b, 256<<10)
		checkGolden(t, strings.TrimSuffix(f, ".eml")+".txt", describeBody(m, b))
	}
}

// describeBody is what a person reads of a message, and who wrote what of it.
func describeBody(m mail.Message, b mail.Body) []byte {
	var out bytes.Buffer
	for _, o := range b.Odd {
		fmt.Fprintf(&out, "odd: %s\n", o)
	}
	for _, f := range b.Files {
		fmt.Fprintf(&out, "file: %q %s, %d bytes, part %s", f.Name, f.Type, f.Size, f.Path)
		if f.Inline {
			out.WriteString(", inline")
		}
		if f.ContentID != "" {
			fmt.Fprintf(&out, ", cid %q", f.ContentID)
		}
		out.WriteByte('\n')
	}
	if b.HTML != nil {
		fmt.Fprintf(&out, "html: %d bytes\n", len(b.HTML))
	}
	if _, _, files := mail.SearchText(m, 0); files != "" {
		fmt.Fprintf(&out, "sought: %q\n", files)
	}
	fmt.Fprintf(&out, "text, fixed %v:\n%s", b.Fixed, b.Text)
	for _, block := range mail.Blocks(b.Text) {
		what := fmt.Sprint("depth ", block.Depth)
		if block.Signature {
			what += ", signature"
		}
		fmt.Fprintf(&out, "== %s\n%s\n", what, block.Text)
	}
	return out.Bytes()
}

// checkBody holds a Body to what its readers rely on.
func checkBody(t *testing.T, m mail.Message, b mail.Body, max int) {
	t.Helper()
	if len(b.Text) > max || len(b.HTML) > 4*16*max+4096 {
		t.Errorf("%d bytes of text and %d of HTML, at most %d", len(b.Text), len(b.HTML), max)
	}
	shown := func(r rune) bool { return r == '\n' || r == '\t' || !unicode.IsControl(r) }
	for _, s := range append(slices.Clone(b.Odd), b.Text, string(b.HTML)) {
		if !utf8.ValidString(s) {
			t.Errorf("no UTF-8: %.200q", s)
		}
	}
	if strings.IndexFunc(b.Text, func(r rune) bool { return !shown(r) }) >= 0 {
		t.Errorf("control characters in %.200q", b.Text)
	}
	for _, f := range b.Files {
		if f.Name == "" || !utf8.ValidString(f.Name) || len(f.Name) > 220 || strings.ContainsAny(f.Name, "/\\\u202e\u2066") ||
			f.Name[0] == '.' || strings.IndexFunc(f.Name, unicode.IsControl) >= 0 {
			t.Errorf("a file named %q", f.Name)
		}
		if strings.IndexFunc(f.ContentID+f.Type, unicode.IsControl) >= 0 {
			t.Errorf("a file of %q, %q", f.Type, f.ContentID)
		}
		kind, name, data, ok := mail.OpenPart(m, f.Path)
		if !ok || kind != f.Type || name != f.Name || len(data) != f.Size {
			t.Errorf("%+v opens as %q, %q, %d bytes, %v", f, kind, name, len(data), ok)
		}
	}
	checkBlocks(t, b.Text)
}

// checkBlocks holds blocks to the text they are of.
func checkBlocks(t *testing.T, text string) {
	t.Helper()
	size := 0
	for i, b := range mail.Blocks(text) {
		size += len(b.Text) + 1
		if b.Depth < 0 || b.Depth > 50 || strings.TrimSpace(b.Text) == "" || strings.HasSuffix(b.Text, "\n") || strings.HasPrefix(b.Text, "\n") {
			t.Errorf("block %d of %.200q is %+v", i, text, b)
		}
	}
	if own := mail.OwnWords(text); size > len(text)+1 || len(own) > len(text)+1 {
		t.Errorf("%d bytes of %.200q are %d in blocks, %d of them the author's", len(text), text, size, len(own))
	}
}

// TestReadBodyBounded reads what is larger than people write.
func TestReadBodyBounded(t *testing.T) {
	t.Parallel()
	var deep strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	nested := func(tag string) string {
		return "Content-Type: text/html\n\n" + strings.Repeat("<"+tag+">", 20_000) + "found" + strings.Repeat("</"+tag+">", 20_000) + "\n"
	}
	const many = "it has more parts, or more within each other, than are read"
	const long = "it is longer than the 1 KiB that are read"
	base64 := strings.Repeat(strings.Repeat("Zm91bmQg", 9)+"\n", 1000)
	for name, c := range map[string]struct{ text, odd, want string }{
		"10,000 deep":      {deep.String(), many, ""},
		"10,000 messages":  {strings.Repeat("Content-Type: message/rfc822\n\n", 10_000), many, ""},
		"100,000 parts":    {"Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nfound\n", 100_000), many, "found\n"},
		"20,000 div":       {nested("div"), "", "found\n"},
		"20,000 b":         {nested("b"), "", "found\n"},
		"20,000 li":        {nested("ul><li"), "", strings.Repeat(" ", 18) + "* found\n"},
		"20,000 table":     {nested("table><tr><td"), "", "found\n"},
		"20,000 quotes":    {nested("blockquote"), "", strings.Repeat(">", 20) + " found\n"},
		"long":             {"A: b\n\n" + strings.Repeat("found it\n", 10_000), long, "found it\n"},
		"one line":         {"A: b\n\n" + strings.Repeat("é", 10_000) + "\n", long, "é"},
		"long base64":      {"Content-Transfer-Encoding: base64\n\n" + base64, long, "found "},
		"long quoted":      {"Content-Transfer-Encoding: quoted-printable\n\n" + strings.Repeat("=66ound=20=\n", 10_000), long, "found "},
		"long HTML":        {"Content-Type: text/html\n\n" + strings.Repeat("<p>found</p>\n", 10_000), "it is longer than the 16 KiB that are read", "found\n"},
		"long alternative": {"Content-Type: multipart/alternative; boundary=b\n\n--b\n\n" + strings.Repeat("found\n", 1000) + "--b\nContent-Type: text/html\n\nx\n--b--\n", long, "found\n"},
	} {
		m, err := mail.Read(strings.NewReader(strings.ReplaceAll(c.text, "\n", "\r\n")), mail.Limits{Line: 1 << 20}, mail.Strict)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		max := 1 << 10
		if strings.HasPrefix(name, "20,000") {
			max <<= 8
		}
		b := mail.ReadBody(m, max)
		if !strings.HasPrefix(b.Text, c.want) || (c.odd != "") != slices.Contains(b.Odd, c.odd) || c.want == "" && b.Text != "" && !strings.Contains(b.Text, "Forwarded") {
			t.Errorf("%s: %.300q, odd %q", name, b.Text, b.Odd)
		}
		b.Files = b.Files[:min(len(b.Files), 3)]
		checkBody(t, m, b, max)
	}
}

func TestOpenPart(t *testing.T) {
	t.Parallel()
	m := msg(t, "Content-Type: multipart/mixed; boundary=a\n\n--a\n\none\n--a\nContent-Type: message/rfc822\n\nSubject: two\n\ntwo\n--a\n"+
		"Content-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nthree-one\n--b\nContent-Type: image/png; name=\"../x.png\"\n\nthree-two\n--b--\n--a--\n")
	for path, want := range map[string]string{
		"1":   "text/plain part-1.txt one",
		"2":   "message/rfc822 two.eml Subject: two\r\n\r\ntwo",
		"2.1": "text/plain part-2.1.txt two",
		"3.1": "text/plain part-3.1.txt three-one",
		"3.2": "image/png x.png three-two",
		"":    "", "0": "", "01": "", "-1": "", "4": "", "1.1": "", "2.2": "", "2.1.1": "", "3.3": "", "1.": "", ".1": "", "1/1": "", "x": "", "3.2/": "",
		"99999999999999999999": "",
	} {
		kind, name, data, ok := mail.OpenPart(m, path)
		if got := strings.TrimSpace(kind + " " + name + " " + string(data)); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v; want %q", path, got, ok, want)
		}
	}
	single := msg(t, "Content-Type: text/plain; name=a.txt\n\nx\n")
	if _, name, data, ok := mail.OpenPart(single, "1"); !ok || name != "a.txt" || string(data) != "x\r\n" {
		t.Errorf("the only part: %q, %q, %v", name, data, ok)
	}
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"blank", "\n \n\t\n", ""},
		{"own", "a\nb\n", "0:a\nb"},
		{"own, empty lines between", "\n\na\n\n\nb\n\n", "0:a\n\n\nb"},
		{"no line end", "a", "0:a"},
		{"CRLF", "a\r\n> b\r\n", "0:a|1:b"},
		{"quote", "> a\n>\n> b\nc", "1:a\n\nb|0:c"},
		{"quote without a blank", ">a\n>b", "1:a\nb"},
		{"depths", "> a\n>> b\n> > c\n>>> d\n>a", "1:a|2:b\nc|3:d|1:a"},
		{"indented in a quote", ">   a", "1:  a"},
		{"empty line between quotes", "> a\n\n> b", "1:a\n\nb"},
		{"attribution", "a\nOn 3 Jan, B <b@x> wrote:\n> q", "0:a|1:On 3 Jan, B <b@x> wrote:\nq"},
		{"an own line that opens like one", "On the way.\nOn 3 Jan, B <b@x> wrote:\n> q", "0:On the way.|1:On 3 Jan, B <b@x> wrote:\nq"},
		{"wrapped in its date", "Own.\nOn Tue, Jan 3,\n2006 at 18:30 B\nwrote:\n> q", "0:Own.|1:On Tue, Jan 3,\n2006 at 18:30 B\nwrote:\nq"},
		{"without a date", "B wrote:\n> q", "1:B wrote:\nq"},
		{"not one", "B wrote:\nq", "0:B wrote:\nq"},
		{"a colon", "These are:\n> q", "0:These are:|1:q"},
		{"in a quote", "> B wrote:\n>> q", "1:B wrote:|2:q"},
		{"Polish", "W dniu 3.01.2006 o 18:30, B pisze, to jest napisał:\n> q", "1:W dniu 3.01.2006 o 18:30, B pisze, to jest napisał:\nq"},
		{"signature", "a\n-- \nb\nc", "0:a|0s:b\nc"},
		{"signature above a quote", "a\n-- \nb\n\nOn 3 Jan, B <b@x> wrote:\n> q\nc", "0:a|0s:b|1:On 3 Jan, B <b@x> wrote:\nq|0:c"},
		{"signature in a quote", "> a\n> -- \n> b\nc", "1:a\n--\nb|0:c"},
		{"signature alone", "-- \nb", "0s:b"},
		{"two signatures", "a\n-- \nb\n-- \nc", "0:a|0s:b|0s:c"},
		{"Outlook", "a\n\n-----Original Message-----\nFrom: b\nSent: c\n\nd", "0:a|1:-----Original Message-----\nFrom: b\nSent: c\n\nd"},
		{"Outlook in a signature", "a\n-- \ns\nFrom: b\nSent: c\nTo: d\n\ne", "0:a|0s:s|1:From: b\nSent: c\nTo: d\n\ne"},
		{"Outlook, each in a paragraph", "a\n\nFrom: b\n\nSent: c\n\nTo: d\n\ne", "0:a|1:From: b\nSent: c\nTo: d\n\ne"},
		{"marked below Outlook", "a\n-----Original Message-----\nFrom: b\nSent: c\n\n> d", "0:a|1:-----Original Message-----\nFrom: b\nSent: c|2:d"},
		{"two fields are none", "From: b\nTo: c\n\nd", "0:From: b\nTo: c\n\nd"},
		{"no author", "Subject: b\nDate: c\nTo: d", "0:Subject: b\nDate: c\nTo: d"},
		{"French", "a\n\nDe : b\nEnvoyé : c\nÀ : d\nObjet : e\n\nf", "0:a|1:De : b\nEnvoyé : c\nÀ : d\nObjet : e\n\nf"},
		{"rule of no head", "a\n_____\nb", "0:a\n_____\nb"},
		{"phone", "a\nSent from my phone\n\n> b", "0:a|0s:Sent from my phone|1:b"},
		{"amid the text", "a\nSent from my phone\nb", "0:a\nSent from my phone\nb"},
		{"a prompt", "a\n>>> x\nb", "0:a\n>>> x\nb"},
		{"prompts and quotes", ">>> x\n> b", "3:x|1:b"},
		{"deep", strings.Repeat(">", 1000) + " a", "50:a"},
		{"only marks", ">\n> >\n>>", ""},
		{"From", "a\n>From b", "0:a\nFrom b"},
		{"From in a quote", "> a\n>From b", "1:a\nFrom b"},
	} {
		var got []string
		for _, b := range mail.Blocks(c.text) {
			s := fmt.Sprint(b.Depth)
			if b.Signature {
				s += "s"
			}
			got = append(got, s+":"+b.Text)
		}
		if s := strings.Join(got, "|"); s != c.want {
			t.Errorf("%s: %q is\n%q, want\n%q", c.name, c.text, s, c.want)
		}
		checkBlocks(t, c.text)
	}
}

func TestSearchText(t *testing.T) {
	t.Parallel()
	m := msg(t, "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nMine.\n\nBob wrote:\n> His.\nMine again.\n-- \nAnn\n--b\n"+
		"Content-Type: image/png; name=map.png\n\nx\n--b\nContent-Type: image/png\n\nx\n--b--\n")
	own, quoted, files := mail.SearchText(m, 0)
	if own != "Mine.\n\nMine again.\n" || quoted != "Bob wrote:\nHis.\n" || files != "map.png\n" {
		t.Errorf("%q, %q, %q", own, quoted, files)
	}
	if got := mail.OwnWords("a\n> b\nc\n-- \nd"); got != "a\n\nc\n" {
		t.Errorf("own words: %q", got)
	}
}

func TestHTMLWords(t *testing.T) {
	t.Parallel()
	page := `<ul><li>one <a href="https://example.org/x">two</a><li>three <img alt=four></ul><table><tr><td>a<td>b</table><blockquote>q</blockquote>`
	if got := mail.HTMLWords(page, 1000); got != "one two\nthree\n\na b\n\n> q\n" {
		t.Errorf("words: %q", got)
	}
	if got := mail.HTMLText(page, 1000); got != "* one two <https://example.org/x>\n* three [four]\n\na | b\n\n> q\n" {
		t.Errorf("text: %q", got)
	}
	if got := mail.HTMLText("<p>é é é é", 4); got != "é\n" {
		t.Errorf("cut: %q", got)
	}
}
