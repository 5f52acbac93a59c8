package mail_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"listd/mail"
)

func TestTo7bit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, want string }{
		"ASCII stays": {
			"From: a@example.org\nContent-Transfer-Encoding: 8bit\n\nplain\n",
			"From: a@example.org\nContent-Transfer-Encoding: 8bit\n\nplain\n"},
		"text": {
			"From: a@example.org\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nSubject: x\n\ncafé = 1 \n",
			"From: a@example.org\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nSubject: x\nContent-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9 =3D 1=20\n"},
		"text without MIME": {
			"From: a@example.org\n\ncafé\n",
			"From: a@example.org\nMIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9\n"},
		"no head": {
			"\ncafé\n",
			"MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9\n"},
		"other content": {
			"MIME-Version: 1.0\nContent-Type: application/x\nContent-Transfer-Encoding: binary\n\né\n",
			"MIME-Version: 1.0\nContent-Type: application/x\nContent-Transfer-Encoding: base64\n\nw6kNCg==\n"},
		"mixed": {
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\npre\n--b\nX: y\n\nstays =\n--b\n\ncafé\n--b\nContent-Type: image/x\nContent-Transfer-Encoding: 8bit\n\né\n--b  \nno head\n--b\n\n--b--\npost\n",
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 7bit\n\npre\n--b\nX: y\n\nstays =\n--b\nContent-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9\n--b\nContent-Type: image/x\nContent-Transfer-Encoding: base64\n\nw6k=\n\n--b  \nno head\n--b\n\n--b--\npost\n"},
		"part without a head": {
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nno field, café\n--b--\n",
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 7bit\n\n--b\nContent-Transfer-Encoding: quoted-printable\n\nno field, caf=C3=A9\n--b--\n"},
		"part that is only head": {
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nX: y\n--b\n\né\n--b--\n",
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 7bit\n\n--b\nX: y\n--b\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A9\n--b--\n"},
		"missing close": {
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\né\n",
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 7bit\n\n--b\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A9\n"},
		"rfc822": {
			"MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nSubject: in\n\ncafé\n",
			"MIME-Version: 1.0\nContent-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\nSubject: in\nMIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\n\ncaf=C3=A9\n"},
		"signed and ASCII beside 8-bit": {
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/signed; boundary=s\n\n--s\n\nsigned \n--s\n\nsig\n--s--\n--b\n\né\n--b--\n",
			"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 7bit\n\n--b\nContent-Type: multipart/signed; boundary=s\n\n--s\n\nsigned \n--s\n\nsig\n--s--\n--b\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A9\n--b--\n"},
	} {
		in := msg(t, c.in)
		got, err := mail.To7bit(in)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		all := strings.ReplaceAll(string(got.Head)+"\r\n"+string(got.Body), "\r\n", "\n")
		if all != c.want {
			t.Errorf("%s:\n got %q\nwant %q", name, all, c.want)
		}
		check7bit(t, in, got)
	}
}

// check7bit holds the result to ASCII in lines that pass, and to the same content in the same parts.
func check7bit(t testing.TB, in, out mail.Message) {
	t.Helper()
	if out.EightBit() || bytes.ContainsAny(bytes.ReplaceAll(out.Body, []byte("\r\n"), nil), "\r\n") {
		t.Errorf("the result is not 7-bit text: %.200q", out.Body)
	}
	a, errA := mail.Parse(in, mail.MIMELimits{})
	b, errB := mail.Parse(out, mail.MIMELimits{})
	if errA != nil || errB != nil {
		t.Fatalf("parse: %v, %v", errA, errB)
	}
	if x, y := contents(a), contents(b); !slices.Equal(x, y) {
		t.Errorf("the content was\n%q\nand is\n%q", x, y)
	}
}

// contents are the types and the decoded leaves of a part.
func contents(p *mail.Part) (out []string) {
	out = append(out, p.Type+"/"+p.Subtype+" "+p.Filename)
	if len(p.Children) == 0 {
		b, _ := p.Decoded()
		return append(out, string(b))
	}
	for _, c := range p.Children {
		out = append(out, contents(c)...)
	}
	return out
}

func TestTo7bitSealed(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]string{
		"signed":              "Content-Type: multipart/signed; boundary=b\n\n--b\n\né\n--b\n\nsig\n--b--\n",
		"signed inside":       "Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/signed; boundary=b\n\n--b\n\né\n--b\n\nsig\n--b--\n--m--\n",
		"encrypted":           "Content-Type: multipart/encrypted; boundary=b\n\n--b\n\né\n--b--\n",
		"S/MIME":              "Content-Type: application/pkcs7-mime; smime-type=signed-data\n\né\n",
		"8-bit head inside":   "Content-Type: message/rfc822\n\nSubject: é\n\né\n",
		"8-bit part head":     "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Description: é\n\nx\n--b--\n",
		"8-bit preamble":      "Content-Type: multipart/mixed; boundary=b\n\né\n--b\n\nx\n--b--\n",
		"8-bit epilogue":      "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\né\n",
		"message/partial":     "Content-Type: message/partial; id=x\n\né\n",
		"multipart, no parts": "Content-Type: multipart/mixed\n\né\n",
		"damaged base64":      "Content-Transfer-Encoding: base64\n\né\n",
		"damaged qp":          "Content-Transfer-Encoding: quoted-printable\n\né\n",
		"foreign encoding":    "Content-Transfer-Encoding: x-uuencode\n\nbegin 644 é\n",
		"too deep":            strings.Repeat("Content-Type: message/rfc822\n\n", 60) + "é\n",
	} {
		m := msg(t, in)
		got, err := mail.To7bit(m)
		if !errors.Is(err, mail.ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && len(got.Body) > 0 && !bytes.Equal(got.Body, m.Body) {
			t.Errorf("%s: half a result", name)
		}
	}
}

// A long line is cut for quoted-printable. If the cut brings a delimiter to the begin of a line, a part would come to be
// that no filter has seen.
func TestTo7bitMakesNoBoundary(t *testing.T) {
	t.Parallel()
	for pad := range 160 {
		in := msg(t, "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\né\n"+
			strings.Repeat("x", pad)+"--b\nContent-Type: application/x; name=run.exe\n\nx\n--b--\n")
		got, err := mail.To7bit(in)
		if err != nil {
			t.Fatal(err)
		}
		check7bit(t, in, got)
	}
}
