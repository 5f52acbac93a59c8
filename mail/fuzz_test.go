package mail_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"listd/mail"
)

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"a@example.org", `"a b"@example.org`, `"\"\\"@x`, "jürgen@münchen.example", "a@[IPv6:2001:db8::1]", "a@[192.0.2.1]",
		"a@b> NOTIFY=NEVER", "a@b\r\nRCPT", "a@例え。example", "\u212A@\u212A", "a@\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := mail.ParseAddress(s)
		if err != nil {
			if a.Domain != "" {
				t.Errorf("%q is refused and yet has the domain %q", s, a.Domain)
			}
			return
		}
		path := a.Path()
		if strings.ContainsAny(path, "\r\n\x00\t\x7f") || len(a.Local) > 64 || len(a.Domain) > 255 || strings.ContainsAny(a.Domain, " <>\"\\@") {
			t.Errorf("%q is %+v", s, a)
		}
		again, err := mail.ParseAddress(a.String())
		if err != nil || again != a {
			t.Errorf("%q is %+v, whose String %q is %+v, %v", s, a, a.String(), again, err)
		}
		if k, err := mail.ParseAddress(a.Key()); err == nil && k.Key() != a.Key() {
			t.Errorf("the key of %q is %q, whose key is %q", s, a.Key(), k.Key())
		}
		if got := mail.Mailboxes(path); len(got) != 1 || got[0].Address != a {
			t.Errorf("Mailboxes(%q) = %+v", path, got)
		}
	})
}

func FuzzHead(f *testing.F) {
	for _, s := range []string{"A: b\r\nC: d\r\n e\r\n", "garbage\r\n x: y\r\nA : b\n", ":\r\n :\r\n", "A: b\rB: c\r\n\r\nD", " \r\n\t\r\nA:\r\n b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		var whole []byte
		for f := range mail.Fields(head) {
			whole = append(whole, f.Raw...)
			if v := f.Value(); strings.ContainsAny(v, "\r\n") {
				t.Errorf("the value of %q is %q", f.Raw, v)
			}
			if strings.ContainsAny(f.Name, "\r\n\x00 \t:") {
				t.Errorf("the name of %q is %q", f.Raw, f.Name)
			}
		}
		if !bytes.Equal(whole, head) {
			t.Errorf("the fields of %q are together %q", head, whole)
		}
		if got := mail.Without(head, func(f mail.Field) bool { return f.Name == "" }); len(got) > len(head) {
			t.Errorf("less of %q is %q", head, got)
		}
		mail.Author(head)
		mail.Automatic(mail.Envelope{From: mail.Address{Local: "a", Domain: "b"}}, head)
	})
}

func FuzzMailboxes(f *testing.F) {
	for _, s := range []string{"Ann <a@example.org>, b@example.org", "G: a@example.org; (c) d@x (e)", `"a,\"" <"b>"@c>, [d <e@f`, "=?utf-8?q?a,b?= <c@d>", "<@a,@b:c@d>", "a <b <c@d>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, m := range mail.Mailboxes(s) {
			if strings.ContainsAny(m.Name, "\r\n\x00") {
				t.Errorf("a name of %q is %q", s, m.Name)
			}
			raw := mail.FormatField("To", m.String())
			checkField(t, raw)
			if got := mail.Mailboxes(mail.Field{Raw: raw}.Value()); len(got) != 1 || got[0].Address != m.Address {
				t.Errorf("%+v of %q is written %q and reads as %+v", m, s, raw, got)
			}
		}
		for _, id := range mail.MessageIDs(s) {
			if strings.ContainsAny(id, "\r\n\x00<") || id == "" {
				t.Errorf("an ID of %q is %q", s, id)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{"A: b\r\n\r\nc\r\n", "A: b", "\r\nx", "x\r\n\r\ny", "A: b\r\n\r\n\n.\r\n", "a\rb\x00\n", "A: b\r\n\r\n\r\n.\r\r\n"} {
		f.Add([]byte(s), int64(len(s)))
	}
	f.Fuzz(func(t *testing.T, b []byte, hint int64) {
		for _, how := range []mail.Mode{mail.Strict, mail.Mend} {
			m, err := mail.Read(bytes.NewReader(b), mail.Limits{Hint: hint}, how)
			if err != nil {
				continue
			}
			all := append(append(bytes.Clone(m.Head), "\r\n"...), m.Body...)
			if bytes.ContainsAny(bytes.ReplaceAll(all, []byte("\r\n"), nil), "\r\n\x00") || !bytes.HasSuffix(all, []byte("\r\n")) {
				t.Errorf("mode %d: %q has odd line ends", how, all)
			}
			again, err := mail.Read(bytes.NewReader(all), mail.Limits{}, mail.Strict)
			if how == mail.Mend && err != nil {
				continue // too long for Strict
			}
			if err != nil || !bytes.Equal(again.Head, m.Head) || !bytes.Equal(again.Body, m.Body) {
				t.Errorf("mode %d: %q, %q reads again as %q, %q, %v", how, m.Head, m.Body, again.Head, again.Body, err)
			}
			if how == mail.Strict && m.Size() < int64(len(b)) {
				t.Errorf("%q lost something: %q", b, all)
			}
		}
	})
}

func addMessages(f *testing.F) {
	for _, s := range []string{
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: text/html\r\n\r\né\r\n--b--\r\n",
		"Content-Type: multipart/digest; boundary=\"b\r\n\r\n--b\r\n\r\nA: b\r\n\r\né\r\n--b--\r\n",
		"Content-Type: message/rfc822\r\n\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\n8A==\r\n",
		"Content-Type: multipart/signed; boundary*0=b\r\n\r\n--b\r\n\r\né\r\n--b--\r\n",
		"Content-Disposition: attachment; filename*=utf-8''%C3%BC; filename=x y\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=\r\n=A9\r\n",
		"A: b\r\n\r\né " + strings.Repeat("x", 80) + "--b\r\n",
	} {
		f.Add([]byte(s))
	}
}

func FuzzParse(f *testing.F) {
	addMessages(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := mail.Read(bytes.NewReader(b), mail.Limits{}, mail.Mend)
		if err != nil {
			return
		}
		p, err := mail.Parse(m, mail.MIMELimits{Depth: 5, Parts: 20})
		if err != nil {
			return
		}
		checkWithin(t, p)
		if n, deep := count(p); n > 20 || deep > 5 {
			t.Errorf("%d parts, %d deep", n, deep)
		}
		check(t, p)
	})
}

// count is how many parts there are, and how deep.
func count(p *mail.Part) (n, deep int) {
	n = 1
	for _, c := range p.Children {
		more, below := count(c)
		n, deep = n+more, max(deep, below+1)
	}
	return n, deep
}

// check holds what a part says of itself to what may be shown and stored.
func check(t *testing.T, p *mail.Part) {
	if p.Type == "" || p.Subtype == "" || strings.ContainsAny(p.Type+p.Subtype, " \t\r\n;\"") {
		t.Errorf("the type is %q/%q", p.Type, p.Subtype)
	}
	if strings.ContainsAny(p.Filename, "\r\n\x00") {
		t.Errorf("the file name is %q", p.Filename)
	}
	if s, _ := p.Text(); strings.ToValidUTF8(s, "") != s {
		t.Errorf("the text is no UTF-8: %q", s)
	}
	for _, c := range p.Children {
		check(t, c)
	}
}

func FuzzTo7bit(f *testing.F) {
	addMessages(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := mail.Read(bytes.NewReader(b), mail.Limits{}, mail.Strict)
		if err != nil {
			return
		}
		head, body := bytes.Clone(m.Head), bytes.Clone(m.Body)
		out, err := mail.To7bit(m)
		if !bytes.Equal(head, m.Head) || !bytes.Equal(body, m.Body) {
			t.Error("the message itself was changed")
		}
		if err == nil && m.EightBit() {
			check7bit(t, m, out)
		}
	})
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{"=?utf-8?q?a=0D?= =?utf-8?b?YQ==?=", "=?iso-2022-jp?b?GyRC?= é", "=?u?q?=?=", "a  b =? ?=", strings.Repeat("y", 1000), "\xff\r\nBcc: x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := mail.DecodeWords(s)
		if strings.ToValidUTF8(d, "") != d {
			t.Errorf("%q decodes to %q, no UTF-8", s, d)
		}
		if strings.ContainsAny(d, "\r\n\x00") && !strings.ContainsAny(s, "\r\n\x00") {
			t.Errorf("%q decodes to %q", s, d)
		}
		e := mail.EncodeText(d)
		raw := mail.FormatField("Subject", e)
		checkField(t, raw)
		checkField(t, mail.FormatField("Subject", s))
		checkField(t, mail.FormatField("Comments", mail.EncodePhrase(s)))
		clean := strings.Trim(strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f {
				return ' '
			}
			return r
		}, d), " ")
		if got := strings.Trim(mail.DecodeWords(mail.Field{Raw: raw}.Value()), " "); got != clean {
			t.Errorf("%q is written %q and reads as %q", d, raw, got)
		}
	})
}

func FuzzDate(f *testing.F) {
	for _, s := range []string{"Mon, 02 Jan 2006 15:04:05 -0700", "Mon Jan  2 15:04:05 EST 2006", "2 Jan 06 15:04 GMT+02:00 (x(y))", "31 Dec 2016 23:59:60 Z", "Monday, 2-Jan-2006 15:04:05 UT"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := mail.ParseDate(s)
		if err != nil {
			return
		}
		if d.Location() != time.UTC {
			t.Errorf("%q is in %v", s, d.Location())
		}
		if y := d.Year(); y < -1 || y > 10000 {
			t.Errorf("%q is in the year %d", s, y)
		}
		if y := d.Year(); y < 0 || y > 9999 {
			return
		}
		again, err := mail.ParseDate(d.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
		if err != nil || !again.Equal(d) {
			t.Errorf("%q is %v, which reads as %v, %v", s, d, again, err)
		}
	})
}

func FuzzReadBody(f *testing.F) {
	addMessages(f)
	files, err := filepath.Glob("testdata/body/*.eml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := mail.Read(bytes.NewReader(b), mail.Limits{}, mail.Mend)
		if err != nil {
			return
		}
		const max = 1 << 10
		checkBody(t, m, mail.ReadBody(m, max), max)
		own, quoted, _ := mail.SearchText(m, max)
		if len(own)+len(quoted) > max+2 {
			t.Errorf("%d bytes of the author and %d of others, of %d", len(own), len(quoted), max)
		}
	})
}

func FuzzBlocks(f *testing.F) {
	for _, s := range []string{"a\n> b\n>> c\n\nd\n-- \ne", "On 1 Jan, B <b@x> wrote:\n\nq", "From: a\nSent: b\n  c\nTo: d;\ne\n\nf", "-----Original Message-----\n> a\n| b\nAB> c",
		">>> a\n>>>\n> b", ">From a\n_____\nVon: a\nAn: b", "-----BEGIN PGP SIGNATURE-----\na\n-----END PGP SIGNATURE-----\nSent from my x\n--\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkBlocks(t, s) })
}
