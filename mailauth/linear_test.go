package mailauth_test

import (
	"strings"
	"testing"
	"time"

	"listd/mail"
	"listd/mailauth"
)

// Foreign bytes must cost time in proportion to their number: a head of 256 KiB, which is all that is taken, a body of
// half a MiB and an answer of 64 KiB. They take milliseconds, and would take minutes if it were the square; the bound leaves
// room for a slow machine and the race detector.
func TestLinear(t *testing.T) {
	t.Parallel()
	const sig = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.com; s=e1; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA; h=from"
	fill := func(unit string, size int) string { return strings.Repeat(unit, size/len(unit)) }
	heads := map[string]string{
		"signatures":     "From: a@example.com\r\n" + fill(sig+"\r\n", 256<<10),
		"names":          "From: a@example.com\r\n" + sig + fill(":from", 256<<10) + "\r\n",
		"other names":    "From: a@example.com\r\n" + sig + fill(":a:b:c:dkim-signature", 256<<10) + "\r\n",
		"tags":           sig + fill("; x=", 256<<10) + "\r\n",
		"semicolons":     sig + fill(";", 256<<10) + "\r\n",
		"fields":         sig + fill(":to", 128<<10) + "\r\n" + fill("To:a\r\n", 128<<10) + "From: a@example.com\r\n",
		"authors":        sig + "\r\nFrom: " + fill("a@b.example,", 128<<10) + "\r\n" + fill("From: a@example.org\r\n", 128<<10),
		"white space":    sig + "\r\nFrom: a@example.com" + fill(" \t\r\n ", 256<<10) + "\r\n",
		"long signature": strings.Replace(sig, "AAAA", fill("AAAA ", 256<<10), 1) + "\r\nFrom: a@example.com\r\n",
	}
	bodies := map[string]string{"white space": " \t", "line ends": "\r\n", "bare LF": "\n", "bare CR": "\r", "lines": " a \r\n", "letters": "a", "both": "a\t"}
	records := published(t)
	v := verifier(zone(records))
	s := signer(t)
	timed := func(name string, f func()) {
		start := time.Now()
		if f(); time.Since(start) > 5*time.Second {
			t.Errorf("%s: %v", name, time.Since(start))
		}
	}
	for name, h := range heads {
		timed(name, func() { v.Verify(t.Context(), mail.Envelope{}, mail.Message{Head: []byte(h)}) })
		timed("sign "+name, func() { _, _ = s.Sign([]byte(h), s.BodyHash(nil), noon()) })
	}
	for name, unit := range bodies {
		body := []byte(fill(unit, 512<<10) + "x")
		timed("body of "+name, func() { s.BodyHash(body) })
		m := mail.Message{Head: []byte(strings.Replace(heads["white space"], "relaxed/relaxed", "relaxed/simple", 1)), Body: body}
		timed("simple body of "+name, func() { v.Verify(t.Context(), mail.Envelope{}, m) })
	}
	for _, unit := range []string{";", "v=DMARC1;", "p=", "v=spf1 ", " ip4:192.0.2.1", " include:a", "%{d}", "a:", " "} {
		for _, start := range []string{"", "v=spf1 ", "v=DMARC1;", "v=DKIM1;"} {
			r := everywhere{zone(nil), start + fill(unit, 64<<10)}
			m := mail.Message{Head: []byte(sig + "\r\nFrom: a@example.com\r\n")}
			timed("a record of "+unit, func() { verifier(r).Verify(t.Context(), from("a@example.com", "192.0.2.9"), m) })
		}
	}
	long := mailauth.Results{SPF: mailauth.SPF{Result: mailauth.Fail, Reason: fill(`"`, 1<<20), Domain: fill(`\`, 1<<20)}}
	timed("field", func() { long.Field("a.example") })
}
