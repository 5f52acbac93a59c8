package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"listd/mail"
)

func TestTerminalSafe(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain, ünïcode, 日本":         "plain, ünïcode, 日本",
		"two\r\nlines\tand a tab":    "two\nlines\tand a tab",
		"\x1b[31mred\x1b]0;title\a":  "\ufffd[31mred\ufffd]0;title\ufffd",
		"\u009b31m: CSI in one rune": "\ufffd31m: CSI in one rune",
		"over\rwritten\b\x7f":        "over\ufffdwritten\ufffd\ufffd",
		"exe.\u202egpj \u2066x":      "exe.\ufffdgpj \ufffdx",
		"broken \xff\xfe UTF-8":      "broken \ufffd UTF-8",
		"a\u2028b\u0085c":            "a\ufffdb\ufffdc",
	} {
		if got := terminalSafe(in); got != want {
			t.Errorf("terminalSafe(%q) = %q, want %q", in, got, want)
		}
	}
	if got := oneLine("a\nb\tc"); got != "a b c" {
		t.Errorf("oneLine = %q", got)
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "four": "four", "fives": "fiv…", "äöüßé": "äöü…"} {
		if got := shorten(in, 4); got != want {
			t.Errorf("shorten(%q, 4) = %q, want %q", in, got, want)
		}
	}
}

// JSON keeps the order of its keys, and the text of mail as it is.
func TestObject(t *testing.T) {
	t.Parallel()
	o := object{{"zeta", 1}, {"alpha", "<a&b>\n\u2028"}, {"none", jsonTime(time.Time{})}, {"list", objects([]int{}, func(int) object { return nil })},
		{"inner", object{{"b", true}, {"a", jsonTime(time.Date(2026, 8, 1, 14, 0, 0, 0, time.FixedZone("", 7200)))}}}}
	var b bytes.Buffer
	a := &app{out: &b, json: true}
	if err := a.print(o, nil); err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, b.Bytes()); err != nil {
		t.Fatal(err)
	}
	want := `{"zeta":1,"alpha":"<a&b>\n\u2028","none":null,"list":[],"inner":{"b":true,"a":"2026-08-01T12:00:00Z"}}`
	if got := compact.String(); got != want {
		t.Errorf("print writes\n%s\nwant\n%s", got, want)
	}
}

// What is no text of a held message is named, not shown.
func TestReadable(t *testing.T) {
	t.Parallel()
	raw := strings.ReplaceAll(`From: =?utf-8?q?J=C3=B6rg?= <j@example.org>
Subject: Two
  lines
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe
--b
Content-Type: application/pdf; name=x.pdf
Content-Disposition: attachment; filename=plan.pdf

%PDF
--b
Content-Type: text/html

<p>Hi</p>
--b--
`, "\n", "\r\n")
	m, err := mail.Read(strings.NewReader(raw), mail.Limits{}, mail.Strict)
	if err != nil {
		t.Fatal(err)
	}
	head, text := readable(m)
	for _, want := range []string{"From: Jörg <j@example.org>\n", "Subject: Two"} {
		if !strings.Contains(head, want) {
			t.Errorf("the head lacks %q:\n%s", want, head)
		}
	}
	for _, want := range []string{"Grüße", "(application/pdf plan.pdf, 4 bytes)\n", "(text/html)\n<p>Hi</p>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}

// Whoever is asked and does not say yes keeps what they have; where nobody can be asked, it is a usage error.
func TestConfirm(t *testing.T) {
	t.Parallel()
	var errs bytes.Buffer
	a := &app{in: strings.NewReader("yes\n"), errs: &errs}
	if err := a.confirm(true, "?"); err != nil {
		t.Errorf("with --yes: %v", err)
	}
	var u *usageError
	if err := a.confirm(false, "This is for good."); !errors.As(err, &u) || !strings.Contains(err.Error(), "--yes") {
		t.Errorf("without a terminal: %v", err)
	}
}

func TestKeyValues(t *testing.T) {
	t.Parallel()
	a := &app{}
	got, err := a.keyValues([]string{"footer=a=b", "bans=@example.net", "title="}, checkPolicy)
	if err != nil || got["footer"] != "a=b" || got["bans"] != "@example.net" || got["title"] != "" || len(got) != 3 {
		t.Errorf("keyValues = %v, %v", got, err)
	}
	for _, bad := range []string{"footer", "=x", "colour=red", "closed=perhaps"} {
		var u *usageError
		if _, err := a.keyValues([]string{bad}, checkPolicy); !errors.As(err, &u) {
			t.Errorf("%q: %v, want a usage error", bad, err)
		}
	}
}
