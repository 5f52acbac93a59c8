package mail_test

import (
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"listd/mail"
)

// hostile are reports of about n bytes that would be dear to a careless reader.
func hostile(n int) map[string]mail.Message {
	const text = "Return-Path: <>\r\nFrom: MAILER-DAEMON@example.com\r\nSubject: failure notice\r\n"
	const report = text + "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n"
	fill := func(s string) string { return strings.Repeat(s, n/len(s)+1) }
	page := func(head, body string) mail.Message { return mail.Message{Head: []byte(head), Body: []byte(body)} }
	return map[string]mail.Message{
		"addresses":   page(text, "The following addresses failed:\r\n\r\n"+fill("<bob@example.org>: 550 5.1.1 user unknown\r\n")),
		"at signs":    page(text, "The following addresses failed:\r\n\r\n"+fill("@")),
		"locals":      page(text, "The following addresses failed:\r\n\r\n"+fill("a@b.c@")),
		"quotes":      page(text, "The following addresses failed:\r\n\r\n"+fill(`"a"@`)),
		"openers":     page(text, fill("could not be delivered to ")),
		"open lines":  page(text, fill("user unknown could not be delivered to bob@example.org\r\n")),
		"gaps":        page(text, fill("user address account mailbox ")),
		"codes":       page(text, fill("550 5.1.1\r\n\r\n")),
		"one line":    page(text, fill("x 550 bob@example.org ")),
		"rcpt":        page(text, fill(">>> RCPT To:<bob@example.org>\r\n<<< 550 no\r\n")),
		"fields":      page(report, "--b\r\nContent-Type: message/delivery-status\r\n\r\n"+fill("Final-Recipient: rfc822; bob@example.org\r\n")),
		"junk fields": page(report, "--b\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; a@example.org\r\n"+fill("junk\r\n")),
		"parts":       page(report, fill("--b\r\n\r\nx\r\n")),
		"nested":      page(report, fill("--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n")),
		"returned":    page(report, "--b\r\nContent-Type: message/rfc822\r\n\r\n"+fill("To: a@example.org, b@example.org\r\n")),
		"html":        page(text+"Content-Type: text/html\r\n", fill("<style><")),
		"styles":      page(text+"Content-Type: text/html\r\n", fill("<style></style>")),
		"failed":      page(text+"X-Failed-Recipients: "+fill("a@example.org, ")+"\r\n", "x\r\n"),
		"head":        page(text+fill("To: a@example.org, b@example.org\r\n"), "x\r\n"),
		"cjk":         page(text, fill("收件人收件人@例え")),
	}
}

// A report's cost is bounded whatever its size: what is read of 50 MB is what is read of 320 KiB.
func TestReadReportBounded(t *testing.T) {
	t.Parallel()
	for name, m := range hostile(1 << 20) {
		start := time.Now()
		r := mail.ReadReport(m)
		mail.ReadComplaint(m)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: %v", name, took)
		}
		if len(r.Failures) > 5000 || len(r.OriginalTo) > 100 {
			t.Errorf("%s: %d failures, %d recipients", name, len(r.Failures), len(r.OriginalTo))
		}
	}
	big := mail.Message{Head: []byte("From: MAILER-DAEMON@example.com\r\nSubject: failure notice\r\n"),
		Body: append([]byte("The following addresses failed:\r\n\r\n<bob@example.org>: user unknown\r\n\r\n------ This is a copy of the message ------\r\n\r\nTo: dev@example.net\r\n\r\n"), make([]byte, 50<<20)...)}
	if r := mail.ReadReport(big); len(r.Failures) != 1 || r.Failures[0].Class != mail.NoUser {
		t.Errorf("50 MB: %+v", r)
	}
}

// BenchmarkReadReportHostile is for who wonders which of these costs what.
func BenchmarkReadReportHostile(b *testing.B) {
	for name, m := range hostile(1 << 20) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				mail.ReadReport(m)
			}
		})
	}
}

func FuzzReadReport(f *testing.F) {
	for _, e := range expectedReports(f) {
		raw, err := os.ReadFile(bounceDir + e.file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		head, body, _ := strings.Cut(string(raw), "\r\n\r\n")
		m := mail.Message{Head: []byte(head + "\r\n"), Body: []byte(body)}
		r := mail.ReadReport(m)
		if r.Kind != mail.Bounce && len(r.Failures) > 0 {
			t.Errorf("a %v with failures", r.Kind)
		}
		seen := map[string]bool{}
		for _, x := range r.Failures {
			if key := x.Address.Key(); x.Address.IsZero() || seen[key] {
				t.Errorf("%q comes twice, or is none", key)
			} else {
				seen[key] = true
			}
			if a, err := mail.ParseAddress(x.Address.String()); err != nil || a != x.Address {
				t.Errorf("%+v is no address: %v", x.Address, err)
			}
			if len(x.Why) > 300 || !utf8.ValidString(x.Why) || strings.ContainsFunc(x.Why, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
				t.Errorf("Why is %q", x.Why)
			}
			if x.Status != "" && !strings.ContainsAny(x.Status[:1], "245") {
				t.Errorf("Status is %q", x.Status)
			}
			mail.Classify(x.Code, x.Status, x.Why)
		}
		mail.ReadComplaint(m)
	})
}
