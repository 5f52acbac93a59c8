package mail_test

import (
	"strings"
	"testing"
	"time"

	"listd/mail"
)

// Foreign bytes must cost time in proportion to their number. 256 KiB of the worst take milliseconds so, and minutes
// where the time is the square; the bound leaves room for a slow machine and the race detector.
func TestLinear(t *testing.T) {
	t.Parallel()
	addresses := []string{`"`, `<`, `(`, `[`, `\"`, `"\"`, `"\",`, `(()`, `(,`, `[,`, `<,`, `<"`, `<"<`, `<<>`, `()`, `(")`, `,`, `:`, "@ ", "a@b ", "<a@b", "<a@b>", "a <"}
	words := []string{" ", "é", "\xff", "=?", "=?=", "=?a?b?", "=?u?b?!", "=?utf-8?q?", "=?utf-8?q?a?= ", "=?iso-2022-jp?b?YQ?= ", "=?x-no?q?a?= ", "=?x?q?a?b?c?=\t"}
	params := []string{`"`, `;"`, `;a=b`, `;a="b`, `;"\"`, ";a*=b", ";a*0=b", ";a*1*=b", "=;", "(", ` \`}
	lines := []string{"\n", "\r", "\x00", "\r\n", "\r\n ", "\r\n\r\n", "--b\r\n", "--b", "\r\n--b--", "\r\n--b\r\n\r\n", "\r\n-", "a: b\r\n", "a\r\n", ":", "= ", "=\r\n", "=4", "QQ=="}
	quotes := []string{">", "> ", " >", ">\n", "> a\n", ">>> \n", "|\n", "| a\n", "a\n> b\n", "On 1 Jan\n", "On 1 Jan wrote:\n", "wrote:\n", "a:\n", "AB> a\n", "From: a\n", "From: a\nTo: b\nSent: c\n", "--\n", "-- \n",
		"-----Original Message-----\n", "_____\n", strings.Repeat("_", 40) + "\n", "-----BEGIN PGP SIGNATURE-----\n", "Sent from my \n", "\n", " \n", "a", "a\n", "："}
	tags := []string{"<", "<a", "<a ", "<a b=", "<a b=c ", `<a b="`, "<a href=http:x>", "<a href=http:x>y</a>", "<!--", "<!", "<?", "</", "</a>", "<b>", "<p>", "<p hidden>", "<div style=display:none>", "<li>", "<ul><li>x", "<ol><li>x", "<blockquote>",
		"<blockquote>x", "<blockquote><br>", "<table><tr><td>x", "<td>", "<td>x", "<pre>", "<pre>\n", "<script>", "<title>", "<textarea>", "<plaintext>", "<![CDATA[", "&", "&amp", "&#", "&lt;", "\u00a0", "\u00ad", "\u200c", " ", "\n", "x", "<br>"}
	encoded := []string{"begin 644 a\n", "begin 644 a\nM\n", "begin ", "\nbegin ", "=ybegin size=1 name=a\n", "\n=ybegin size=1 name=a\n=yend", "=yend\n", "\n"}
	mixed := []byte("Content-Type: multipart/mixed; boundary=b\r\n")
	deep := strings.Repeat("--b\r\nContent-Type: message/rfc822\r\n\r\n", 40)
	for name, c := range map[string]struct {
		units [][]string
		f     func(s string)
	}{
		"ParseAddress": {[][]string{addresses}, func(s string) { _, _ = mail.ParseAddress(s); _, _ = mail.ParseAddress("a@" + s) }},
		"Mailboxes":    {[][]string{addresses, words[3:7]}, func(s string) { mail.Mailboxes("a@example.org, " + s) }},
		"MessageIDs":   {[][]string{addresses}, func(s string) { mail.MessageIDs(s) }},
		"ParseDate":    {[][]string{addresses}, func(s string) { _, _ = mail.ParseDate(s); _, _ = mail.ParseDate(s[:200]) }},
		"DecodeWords":  {[][]string{words}, func(s string) { mail.DecodeWords(s + "?=") }},
		"encode":       {[][]string{words[:4]}, func(s string) { mail.EncodeText(s); mail.EncodePhrase(s); mail.FormatField("A", s) }},
		"Fields": {[][]string{lines}, func(s string) {
			mail.Get([]byte(s), "none")
			mail.Without([]byte(s), func(f mail.Field) bool { return f.Value() == "" })
		}},
		"Read": {[][]string{lines}, func(s string) {
			_, _ = mail.Read(strings.NewReader(s), mail.Limits{}, mail.Strict)
			_, _ = mail.Read(strings.NewReader(s), mail.Limits{}, mail.Mend)
		}},
		"Content-Type": {[][]string{params, words[:5]}, func(s string) {
			_, _ = mail.Parse(mail.Message{Head: []byte("Content-Type: text/plain" + s + "\r\n")}, mail.MIMELimits{})
		}},
		"parts": {[][]string{lines}, func(s string) {
			_, _ = mail.Parse(mail.Message{Head: mixed, Body: []byte(s)}, mail.MIMELimits{Parts: 1 << 20})
		}},
		"Decoded": {[][]string{lines}, func(s string) {
			_, _ = (&mail.Part{Encoding: "base64", Body: []byte(s)}).Decoded()
			_, _ = (&mail.Part{Encoding: "quoted-printable", Body: []byte(s)}).Decoded()
		}},
		"To7bit":       {[][]string{lines}, func(s string) { _, _ = mail.To7bit(mail.Message{Head: mixed, Body: []byte(s + "é")}) }},
		"To7bit, deep": {[][]string{lines[3:6]}, func(s string) { _, _ = mail.To7bit(mail.Message{Head: mixed, Body: []byte(deep + s + "é")}) }},
		"Blocks":       {[][]string{quotes}, func(s string) { mail.Blocks(s); mail.OwnWords(s) }},
		"HTMLText":     {[][]string{tags}, func(s string) { mail.HTMLText(s, 1<<20); mail.HTMLWords("<pre><blockquote>"+s, 1<<20) }},
		"unflow": {[][]string{quotes, lines}, func(s string) {
			mail.ReadBody(mail.Message{Head: []byte("Content-Type: text/plain; format=flowed; delsp=yes\r\n"), Body: []byte(s)}, 1<<20)
		}},
		"enriched": {[][]string{tags}, func(s string) {
			mail.ReadBody(mail.Message{Head: []byte("Content-Type: text/enriched\r\n"), Body: []byte(s)}, 1<<20)
		}},
		"encoded":  {[][]string{encoded}, func(s string) { mail.ReadBody(mail.Message{Body: []byte(s)}, 1<<20) }},
		"ReadBody": {[][]string{lines}, func(s string) { mail.ReadBody(mail.Message{Head: mixed, Body: []byte(s)}, 1<<20) }},
		"OpenPart": {[][]string{{"1", ".", "1.", "/"}}, func(s string) { mail.OpenPart(mail.Message{Head: mixed, Body: []byte(deep)}, "1"+s) }},
		"Compose": {[][]string{{`"`}}, func(s string) {
			mail.Compose(mail.Draft{Subject: s, Text: s, Attachments: []mail.Attachment{{Type: s, Name: s, Body: []byte(s)}}}, "B")
		}},
	} {
		for _, units := range c.units {
			for _, unit := range units {
				start := time.Now()
				c.f(strings.Repeat(unit, 256<<10/len(unit)))
				if d := time.Since(start); d > 5*time.Second {
					t.Errorf("%s of %q, repeated: %v", name, unit, d)
				}
			}
		}
	}
}
