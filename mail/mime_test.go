package mail_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"listd/mail"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// msg is a literal with LF, read as it would come by SMTP.
func msg(t testing.TB, text string) mail.Message {
	t.Helper()
	m, err := mail.Read(strings.NewReader(strings.ReplaceAll(text, "\n", "\r\n")), mail.Limits{}, mail.Strict)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// outline writes a part and its children, a line each.
func outline(b *strings.Builder, p *mail.Part, depth int) {
	fmt.Fprintf(b, "%s%s/%s %s", strings.Repeat("  ", depth), p.Type, p.Subtype, p.Encoding)
	if p.Disposition != "" {
		fmt.Fprintf(b, " %s", p.Disposition)
	}
	if p.Filename != "" {
		fmt.Fprintf(b, " %q", p.Filename)
	}
	switch {
	case len(p.Children) > 0:
	case p.Type == "text":
		text, err := p.Text()
		fmt.Fprintf(b, " %q", text)
		if err != nil {
			fmt.Fprintf(b, " (%v)", err)
		}
	default:
		content, err := p.Decoded()
		fmt.Fprintf(b, " %d bytes", len(content))
		if err != nil {
			fmt.Fprintf(b, " (%v)", err)
		}
	}
	b.WriteByte('\n')
	for _, c := range p.Children {
		outline(b, c, depth+1)
	}
}

// checkWithin holds every child to its place in its parent.
func checkWithin(t testing.TB, p *mail.Part) {
	t.Helper()
	if p.Close >= 0 && !bytes.HasPrefix(p.Body[p.Close:], []byte("--"+p.Params["boundary"]+"--")) {
		t.Fatalf("%q does not close at %d", p.Body, p.Close)
	}
	at := 0
	for _, c := range p.Children {
		if c.Start < at || c.End < c.Start || c.End > len(p.Body) {
			t.Fatalf("a child at %d to %d, of %d bytes, after %d", c.Start, c.End, len(p.Body), at)
		}
		region := p.Body[c.Start:c.End]
		if !bytes.HasPrefix(region, c.Head) || !bytes.HasSuffix(region, c.Body) || len(region)-len(c.Head)-len(c.Body) > 2 {
			t.Fatalf("a child's head %q and body %q are not %q", c.Head, c.Body, region)
		}
		at = c.End
		checkWithin(t, c)
	}
}

func TestParseGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/mime/*.eml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no mails: %v", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m, err := mail.Read(bytes.NewReader(b), mail.Limits{}, mail.Strict)
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		p, err := mail.Parse(m, mail.MIMELimits{})
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		checkWithin(t, p)
		var got strings.Builder
		outline(&got, p, 0)
		checkGolden(t, strings.TrimSuffix(f, ".eml")+".txt", []byte(got.String()))
	}
}

func TestParseTypes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{ // the fields → type/subtype and what is asked of Params
		"": "text/plain",
		"Content-Type: TEXT/HTML; Charset=UTF-8\n":                             "text/html charset=UTF-8",
		"Content-Type: text/html; charset=\"utf-8\";\n":                        "text/html charset=utf-8",
		"Content-Type: text/plain; charset=us-ascii (Plain text)\n":            "text/plain charset=us-ascii", // RFC 2045 section 5.1
		"Content-Type: text/html (really); charset=utf-8\n":                    "text/html charset=utf-8",
		"Content-Type: text\n":                                                 "text/plain",
		"Content-Type: text/\n":                                                "text/plain",
		"Content-Type: /plain; charset=utf-8\n":                                "text/plain",
		"Content-Type: a b/c d\n":                                              "text/plain",
		"Content-Type: text/html/x\n":                                          "text/plain",
		"Content-Type:\n":                                                      "text/plain",
		"Content-Type: ;;;\n":                                                  "text/plain",
		"Content-Type: text/html; charset\n":                                   "text/html",
		"Content-Type: text/html; charset=utf-8; charset=latin1\n":             "text/html charset=utf-8",
		"Content-Type: text/html; foo bar; charset=utf-8\n":                    "text/html charset=utf-8",
		"Content-Type: text/html; ; charset=utf-8\n":                           "text/html charset=utf-8",
		"Content-Type: text/html; charset=\"utf-8\n":                           "text/html charset=utf-8",
		"Content-Type: text/html; x=\"a;b;charset=no\"; charset=utf-8\n":       "text/html charset=utf-8",
		"Content-Type: text/html; x=\"a\\\";charset=no\"; charset=utf-8\n":     "text/html charset=utf-8",
		"Content-Type: multipart/mixed; boundary=----=_Part_1=_2\n":            "multipart/mixed boundary=----=_Part_1=_2", // no token, and common
		"Content-Type: multipart/mixed; boundary=\"a b\"\n":                    "multipart/mixed boundary=a b",
		"Content-Type: multipart/mixed;\n boundary*0=\"a\";\n boundary*1=b\n":  "multipart/mixed boundary=ab",
		"Content-Type: text/html\nContent-Type: multipart/mixed; boundary=x\n": "text/html", // the first counts
		"Content-Type: application/x; name*=utf-8''%C3%BC.txt\n":               "application/x name=ü.txt",
		"Content-Type: application/x; name*=iso-8859-1'de'%FC.txt\n":           "application/x name=ü.txt",
		"Content-Type: application/x; name*1*=%BC.txt; name*0*=utf-8''%C3\n":   "application/x name=ü.txt",
		"Content-Type: application/x; name*0=a; name*2=c\n":                    "application/x name=a",
		"Content-Type: application/x; name*1=b\n":                              "application/x",
		"Content-Type: application/x; name=a; name*=utf-8''b\n":                "application/x name=b",
		"Content-Type: application/x; name*=x-unknown''%FC\n":                  "application/x name=ü",
		"Content-Type: application/x; name*=%zz%4\n":                           "application/x name=%zz%4",
		"Content-Type: application/x; name*=no quotes\n":                       "application/x name=no quotes",
	} {
		p, err := mail.Parse(mail.Message{Head: []byte(strings.ReplaceAll(in, "\n", "\r\n"))}, mail.MIMELimits{})
		if err != nil {
			t.Fatal(err)
		}
		got := p.Type + "/" + p.Subtype
		for _, k := range []string{"boundary", "charset", "name"} {
			if v, ok := p.Params[k]; ok {
				got += " " + k + "=" + v
			}
		}
		if got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestParseFilename(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"attachment":                                                                 "",
		"attachment; filename=a.txt":                                                 "a.txt",
		`ATTACHMENT; FILENAME="a b.txt"`:                                             "a b.txt",
		"attachment; filename=a b (1).txt":                                           "a b (1).txt", // broken, and not to be hidden by that
		"attachment; filename=a.exe; foo bar":                                        "a.exe",
		"; filename=a.exe":                                                           "a.exe",
		`attachment; filename="a.exe`:                                                "a.exe",
		`attachment; filename="C:\dir\a.txt"`:                                        `C:\dir\a.txt`,
		`attachment; filename="a\"b\\c.txt"`:                                         `a"b\c.txt`,
		"attachment; filename*=utf-8''%C3%BC.txt":                                    "ü.txt",
		"attachment; filename==?utf-8?q?=C3=BC=2Etxt?=":                              "ü.txt",
		`attachment; filename="=?utf-8?b?w7wudHh0?="`:                                "ü.txt",
		"attachment; filename=\"\xfc.txt\"":                                          "ü.txt",
		"attachment; filename*=utf-8''a%0D%0Ab%00.txt":                               "a  b .txt",
		"attachment; filename*0*=utf-8''a%20; filename*1=\"b%20\"; filename*2*=.txt": "a b%20.txt",
	} {
		head := mail.FormatField("Content-Type", "application/x; name=other")
		head = append(head, "Content-Disposition: "+in+"\r\n"...)
		p, err := mail.Parse(mail.Message{Head: head}, mail.MIMELimits{})
		if err != nil {
			t.Fatal(err)
		}
		if want == "" {
			want = "other"
		}
		if p.Filename != want || p.Disposition != "attachment" && in[0] != ';' {
			t.Errorf("%q: %q, disposition %q; want %q", in, p.Filename, p.Disposition, want)
		}
	}
}

func TestParseMultipart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		want []string // the children's bodies
	}{
		"two":                   {"--b\n\nx\n--b\n\ny\n--b--\n", []string{"x", "y"}},
		"preamble and epilogue": {"pre\n--b\n\nx\n--b--\npost\n--b\n\ny\n", []string{"x"}},
		"missing close":         {"--b\n\nx\n--b\n\ny\n", []string{"x", "y\r\n"}},
		"no part":               {"--b--\n", nil},
		"no delimiter":          {"nothing\n", nil},
		"only a delimiter":      {"--b\n", nil},
		"blanks behind":         {"--b \t\n\nx\n--b-- \n", []string{"x"}},
		"only begins alike":     {"--b\n\nx\n--bc\n--b-\n--b--c\n --b\ny--b\n--b--\n", []string{"x\r\n--bc\r\n--b-\r\n--b--c\r\n --b\r\ny--b"}},
		"empty parts":           {"--b\n--b\n--b--\n", []string{"", ""}},
		"empty line is ours":    {"--b\n\nx\n\n--b--\n", []string{"x\r\n"}},
		"part without a head":   {"--b\nhello world\n\nmore\n--b--\n", []string{"hello world\r\n\r\nmore"}},
		"part without a body":   {"--b\nA: b\n--b--\n", []string{""}},
		"close at the very end": {"--b\n\nx\n--b--", []string{"x"}},
	} {
		p, err := mail.Parse(mail.Message{Head: []byte("Content-Type: multipart/mixed; boundary=b\r\n"),
			Body: []byte(strings.ReplaceAll(c.body, "\n", "\r\n"))}, mail.MIMELimits{})
		if err != nil {
			t.Fatal(err)
		}
		checkWithin(t, p)
		if closes := regexp.MustCompile(`(?m)^--b--\s*$`).MatchString(c.body); closes != (p.Close >= 0) {
			t.Errorf("%s: closed at %d", name, p.Close)
		}
		var got []string
		for _, child := range p.Children {
			got = append(got, string(child.Body))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestParseBounded(t *testing.T) {
	t.Parallel()
	var deep strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&deep, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i)
	}
	for name, c := range map[string]struct {
		text string
		lim  mail.MIMELimits
		ok   bool
	}{
		"depth bomb":        {deep.String(), mail.MIMELimits{}, false},
		"rfc822 bomb":       {strings.Repeat("Content-Type: message/rfc822\n\n", 5000), mail.MIMELimits{}, false},
		"10,000 parts":      {"Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 10000), mail.MIMELimits{}, false},
		"10,000 may be":     {"Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 10000), mail.MIMELimits{Parts: 10001}, true},
		"one too many":      {"Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\nx\n", 10000), mail.MIMELimits{Parts: 10000}, false},
		"as deep as may be": {"Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nx\n", mail.MIMELimits{Depth: 2}, true},
		"too deep":          {"Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nx\n", mail.MIMELimits{Depth: 1}, false},
	} {
		p, err := mail.Parse(msg(t, c.text), c.lim)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, mail.ErrMIMELimits) || (p != nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		charset, body, want string
		err                 error
	}{
		{"", "plain", "plain", nil},
		{"", "\xc3\xa9", "é", nil},
		{"", "\xe9", "é", nil},
		{"utf-8", "\xc3\xa9", "é", nil},
		{"UTF8", "\xc3\xa9", "é", nil},
		{"'utf-8'", "\xc3\xa9", "é", nil},
		{"utf-8", "gr\xc3\xbc\xc3\x9fe \xc3", "grüße \uFFFD", nil}, // cut off: the rest must not suffer
		{"us-ascii", "\xe9", "é", nil},
		{"us-ascii", "\xc3\xa9", "é", nil},
		{"iso-8859-1", "\xe9", "é", nil},
		{"ISO-8859-15", "\xa4", "€", nil},
		{"windows-1252", "\x80", "€", nil},
		{"cp1251", "\xcf", "П", nil},
		{"koi8-r", "\xf0", "П", nil},
		{"gb2312", "\xc4\xe3", "你", nil},
		{"gb18030", "\xc4\xe3", "你", nil},
		{"big5", "\xa7\x41", "你", nil},
		{"shift_jis", "\x82\xb1", "こ", nil},
		{"euc-jp", "\xa4\xb3", "こ", nil},
		{"iso-2022-jp", "\x1b$B$3\x1b(B", "こ", nil},
		{"euc-kr", "\xb3\xaa", "나", nil},
		{"utf-16be", "\x00a\x20\xac", "a€", nil},
		{"x-unknown", "\xe9", "é", mail.ErrCharset},
		{"unknown-8bit", "abc", "abc", mail.ErrCharset},
		{strings.Repeat("x", 1000), "abc", "abc", mail.ErrCharset},
	} {
		p := &mail.Part{Type: "text", Subtype: "plain", Params: map[string]string{"charset": c.charset}, Encoding: "8bit", Body: []byte(c.body)}
		got, err := p.Text()
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q in %.20s: %q, %v; want %q, %v", c.body, c.charset, got, err, c.want, c.err)
		}
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

func TestDecoded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("y", 5000)
	for _, c := range []struct {
		encoding, in, want string
		ok                 bool
	}{
		{"7bit", "a=41", "a=41", true},
		{"8bit", "\xff", "\xff", true},
		{"binary", "\x00", "\x00", true},
		{"x-uuencode", "begin", "begin", false},
		{"base64", "SGVsbG8=", "Hello", true},
		{"base64", "SGVs\r\nbG8=\r\n", "Hello", true},
		{"base64", "SGVsbG8", "Hello", true},        // no padding
		{"base64", "SGVsbG8h\r\nS", "Hello!", true}, // cut off
		{"base64", "SG!!Vs bG*8=", "Hello", true},
		{"base64", "SGVsbG8=SGVsbG8=", "HelloHello", true}, // padded in the middle
		{"base64", "====", "", true},
		{"base64", "", "", true},
		{"base64", strings.Repeat("QUFB", 3000), strings.Repeat("AAA", 3000), true},
		{"quoted-printable", "caf=C3=A9", "café", true},
		{"quoted-printable", "caf=c3=a9", "café", true},
		{"quoted-printable", "a=\r\nb", "ab", true},
		{"quoted-printable", "a= \t\r\nb", "ab", true},
		{"quoted-printable", "a \t\r\nb", "a\r\nb", true}, // RFC 2045 section 6.7 (3)
		{"quoted-printable", "a=20\r\nb", "a \r\nb", true},
		{"quoted-printable", "a=", "a", true},
		{"quoted-printable", "a=\nb\nc", "ab\nc", true},
		{"quoted-printable", "1=2, =XY, =4", "1=2, =XY, =4", true},
		{"quoted-printable", "bad =ZZ and good =41", "bad =ZZ and good A", true},
		{"quoted-printable", "raw \xc3\xa9 \x01 =C3=A9", "raw é \x01 é", true},
		{"quoted-printable", "==41", "=A", true},
		{"quoted-printable", long + "=41", long + "A", true},
		{"quoted-printable", "=ZZ " + long + " \r\n", "=ZZ " + long + "\r\n", true},
	} {
		got, err := (&mail.Part{Encoding: c.encoding, Body: []byte(c.in)}).Decoded()
		if string(got) != c.want || (err == nil) != c.ok {
			t.Errorf("%s %.60q: %.60q, %v; want %.60q", c.encoding, c.in, got, err, c.want)
		}
	}
}

func TestSigned(t *testing.T) {
	t.Parallel()
	for ct, want := range map[string][2]bool{
		"multipart/signed; boundary=b":                      {true, false},
		"multipart/encrypted; boundary=b":                   {false, true},
		"application/pkcs7-mime; smime-type=signed-data":    {true, false},
		"application/x-pkcs7-mime; smime-type=Signed-Data":  {true, false},
		"application/pkcs7-mime; smime-type=enveloped-data": {false, true},
		"application/pkcs7-mime; name=smime.p7m":            {false, true},
		"application/pkcs7-signature":                       {false, false},
		"multipart/mixed; boundary=signed":                  {false, false},
		"text/plain; smime-type=signed-data":                {false, false},
	} {
		p, err := mail.Parse(mail.Message{Head: mail.FormatField("Content-Type", ct)}, mail.MIMELimits{})
		if err != nil || p.Signed() != want[0] || p.Encrypted() != want[1] {
			t.Errorf("%s: signed %v, encrypted %v, %v", ct, p.Signed(), p.Encrypted(), err)
		}
	}
}

// checkGolden compares with a file, which -update rewrites.
func checkGolden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %v\n got:\n%s\nwant:\n%s", file, err, got, want)
	}
}
