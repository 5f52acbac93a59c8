package web

import (
	"strings"
	"testing"

	"listd/mail"
)

func TestDiscretion(t *testing.T) {
	t.Parallel()
	hidden := discretion{list: mail.Address{Local: "dev", Domain: "lists.test"}}
	for in, want := range map[string]string{
		"":                                     "",
		"no address":                           "no address",
		"ann@example.org":                      "ann@…",
		"Write to ann@example.org.":            "Write to ann@….",
		"<ann@example.org>, bob@example.net":   "<ann@…>, bob@…",
		"ann@sub.example.org/x":                "ann@…/x",
		"ann@[192.0.2.1] x":                    "ann@… x",
		"ann@exämple.org, zoë@例え.jp":           "ann@…, zoë@…",
		"ann%40example.org":                    "ann%40…",
		"ann&#64;example.org":                  "ann&#64;…",
		"ann＠example.org":                      "ann＠…",
		"\"ann b\"@example.org":                "\"ann b\"@…",
		"@@ -1,3 +1,4 @@":                      "@@ -1,3 +1,4 @@",
		"@decorator, a @ b, 5 % 40":            "@decorator, a @ b, 5 % 40",
		"dev@lists.test DEV-join@Lists.Test.":  "dev@lists.test DEV-join@Lists.Test.",
		"xdev@lists.test developer@lists.test": "xdev@… developer@…",
		"dev@lists.test.example":               "dev@…",
		"ann@":                                 "ann@…",
		"a@b@c":                                "a@…@…",
		"é@dev@lists.test":                     "é@…@…",
	} {
		if got := hidden.text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
		if got := (discretion{whole: true}).text(in); got != in {
			t.Errorf("%q: a member sees %q", in, got)
		}
	}
	for _, c := range []struct {
		m           mail.Mailbox
		whole, hide string
	}{
		{mail.Mailbox{Name: "Ann", Address: address("ann@example.org")}, "Ann", "Ann"},
		{mail.Mailbox{Name: "ann@example.org", Address: address("ann@example.org")}, "ann@example.org", "ann@…"},
		{mail.Mailbox{Address: address("ann@example.org")}, "ann@example.org", "ann@…"},
		{mail.Mailbox{}, "Somebody", "Somebody"},
	} {
		if got := (discretion{whole: true}).who(c.m); got != c.whole {
			t.Errorf("%v: %q", c.m, got)
		}
		if got := hidden.who(c.m); got != c.hide {
			t.Errorf("%v for strangers: %q", c.m, got)
		}
	}
}

// FuzzDiscretion looks for a domain that is still there, in a text that may be cut anywhere.
func FuzzDiscretion(f *testing.F) {
	f.Add("write to ann@example.org, or not", 12)
	f.Add("a@b@c", 2)
	f.Fuzz(func(t *testing.T, s string, at int) {
		d := discretion{}
		d.text(s)
		s = strings.ToValidUTF8(s, "")
		whole := s + " ann@example.org " + s
		if at = max(0, at) % len(whole); strings.Contains(d.text(whole), "ann@example") {
			t.Errorf("%q became %q", whole, d.text(whole))
		}
		front, open := d.cover(whole[:at], 0, false)
		behind, _ := d.cover(whole[at:], lastRune(whole[:at], 0), open)
		if strings.Contains(front+behind, "ann@example") || strings.Contains(front+behind, "ann@…example") {
			t.Errorf("%q cut at %d became %q and %q", whole, at, front, behind)
		}
	})
}
