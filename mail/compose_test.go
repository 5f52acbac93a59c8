package mail_test

import (
	"bytes"
	"mime"
	"strings"
	"testing"
	"time"

	"listd/mail"
)

// reread holds what was composed to what Read and Parse take, and takes it apart.
func reread(t *testing.T, m mail.Message) *mail.Part {
	t.Helper()
	again, err := mail.Read(whole(m), mail.Limits{Line: 998}, mail.Strict)
	if err != nil {
		t.Fatalf("%v in %.300q", err, m.Body)
	}
	if !bytes.Equal(again.Head, m.Head) || !bytes.Equal(again.Body, m.Body) {
		t.Fatalf("reads as another message:\n%q\n%q", again.Head, m.Head)
	}
	for f := range mail.Fields(m.Head) {
		if f.Name == "" {
			t.Errorf("no field: %q", f.Raw)
		}
		checkField(t, f.Raw)
	}
	if m.UTF8Head() {
		t.Errorf("8-bit head: %q", m.Head)
	}
	p, err := mail.Parse(m, mail.MIMELimits{})
	if err != nil {
		t.Fatal(err)
	}
	checkWithin(t, p)
	return p
}

// Pictures that a page shows lie beside it, out of the way of a reader of plain text.
func TestComposePictures(t *testing.T) {
	t.Parallel()
	png := []byte("\x89PNG\r\n")
	d := mail.Draft{From: mail.Mailbox{Address: mail.Address{Local: "a", Domain: "example.org"}}, Text: "A chart.", HTML: `<img src="cid:c1@x">`,
		Attachments: []mail.Attachment{{Type: "image/png", Name: "chart.png", CID: "c1@x", Body: png}, {Type: "application/pdf", Name: "all.pdf", Body: []byte("%PDF")}}}
	p := reread(t, mail.Compose(d, "B"))
	if got := shape(p); got != "multipart/mixed(multipart/alternative(text/plain multipart/related(text/html image/png)) application/pdf)" {
		t.Error(got)
	}
	picture := p.Children[0].Children[1].Children[1]
	if id := mail.Get(picture.Head, "Content-ID"); id != "<c1@x>" || picture.Disposition != "inline" {
		t.Errorf("Content-ID %q, %s", id, picture.Disposition)
	}
	d.HTML = ""
	if got := shape(reread(t, mail.Compose(d, "B"))); got != "multipart/mixed(text/plain image/png application/pdf)" {
		t.Error(got)
	}
}

// shape is a tree of parts in a line.
func shape(p *mail.Part) string {
	s := p.Type + "/" + p.Subtype
	if len(p.Children) > 0 {
		var all []string
		for _, c := range p.Children {
			all = append(all, shape(c))
		}
		s += "(" + strings.Join(all, " ") + ")"
	}
	return s
}

func TestComposeGolden(t *testing.T) {
	t.Parallel()
	m := mail.Compose(mail.Draft{
		From:       mail.Mailbox{Name: "Jürgen", Address: mail.Address{Local: "j", Domain: "example.org"}},
		To:         []mail.Mailbox{{Name: "Other, Ann", Address: mail.Address{Local: "ann", Domain: "example.org"}}, {Address: mail.Address{Local: "b c", Domain: "example.org"}}},
		Cc:         []mail.Mailbox{{Address: mail.Address{Local: "cc", Domain: "example.org"}}},
		Subject:    "Grüße aus München",
		MessageID:  "1@example.org",
		Date:       time.Date(2006, 1, 2, 15, 4, 5, 0, time.FixedZone("", -7*3600)),
		InReplyTo:  "0@example.org",
		References: []string{"00@example.org", "0@example.org"},
		Fields:     []mail.Field{{Name: "Auto-Submitted", Raw: []byte("Auto-Submitted: auto-generated\r\n")}},
		Text:       "Hello\n.\nworld",
		HTML:       "<p>Grüße</p>",
		Attachments: []mail.Attachment{
			{Type: "text/plain; charset=utf-8", Name: "Übersicht.txt", Body: []byte("é")},
			{Type: "message/rfc822", Body: []byte("Subject: in\r\n\r\nText\r\n")},
		},
	}, "B1")
	reread(t, m)
	checkGolden(t, "testdata/compose.eml", append(append(bytes.Clone(m.Head), "\r\n"...), m.Body...))
}

func TestCompose(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a long line ", 200)
	for name, c := range map[string]struct {
		d    mail.Draft
		want []string // of contents
	}{
		"nothing":         {mail.Draft{}, []string{"text/plain ", ""}},
		"text":            {mail.Draft{Text: "a\nb"}, []string{"text/plain ", "a\r\nb\r\n"}},
		"text with CRLF":  {mail.Draft{Text: "a\r\nb\r\n"}, []string{"text/plain ", "a\r\nb\r\n"}},
		"bare CR":         {mail.Draft{Text: "a\rb\n\rc\r\r\nd"}, []string{"text/plain ", "a\r\nb\r\n\r\nc\r\n\r\nd\r\n"}},
		"smuggled":        {mail.Draft{Text: "\r.\r\nMAIL FROM:<a@example.org>"}, []string{"text/plain ", "\r\n.\r\nMAIL FROM:<a@example.org>\r\n"}},
		"controls":        {mail.Draft{Text: "a\x00b\x1bc"}, []string{"text/plain ", "a\x00b\x1bc\r\n"}},
		"8-bit":           {mail.Draft{Text: "Grüße 用户"}, []string{"text/plain ", "Grüße 用户\r\n"}},
		"no UTF-8":        {mail.Draft{Text: "caf\xe9"}, []string{"text/plain ", "caf\uFFFD\r\n"}},
		"long line":       {mail.Draft{Text: long}, []string{"text/plain ", long + "\r\n"}},
		"blanks":          {mail.Draft{Text: "a \n-- \nb\t"}, []string{"text/plain ", "a \r\n-- \r\nb\t\r\n"}},
		"html":            {mail.Draft{Text: "a", HTML: "<p>ä</p>"}, []string{"multipart/alternative ", "text/plain ", "a\r\n", "text/html ", "<p>ä</p>\r\n"}},
		"file":            {mail.Draft{Text: "a", Attachments: []mail.Attachment{{Type: "application/x", Name: "a.bin", Body: []byte("\x00\xff\r")}}}, []string{"multipart/mixed ", "text/plain ", "a\r\n", "application/x a.bin", "\x00\xff\r"}},
		"empty file":      {mail.Draft{Attachments: []mail.Attachment{{Type: "application/x"}}}, []string{"multipart/mixed ", "text/plain ", "", "application/x ", ""}},
		"no type":         {mail.Draft{Attachments: []mail.Attachment{{Body: []byte("x")}}}, []string{"multipart/mixed ", "text/plain ", "", "application/octet-stream ", "x"}},
		"bad type":        {mail.Draft{Attachments: []mail.Attachment{{Type: "message", Body: []byte("x")}}}, []string{"multipart/mixed ", "text/plain ", "", "application/octet-stream ", "x"}},
		"type with lines": {mail.Draft{Attachments: []mail.Attachment{{Type: "text/x\r\nBcc: y", Body: []byte("x")}}}, []string{"multipart/mixed ", "text/plain ", "", "application/octet-stream ", "x"}},
		"multipart type":  {mail.Draft{Attachments: []mail.Attachment{{Type: "multipart/mixed; boundary=x", Body: []byte("--x\r\n\r\ny")}}}, []string{"multipart/mixed ", "text/plain ", "", "application/octet-stream ", "--x\r\n\r\ny"}},
		"message":         {mail.Draft{Attachments: []mail.Attachment{{Type: "Message/RFC822", Body: []byte("A: b\r\n\r\nc\r\n")}}}, []string{"multipart/mixed ", "text/plain ", "", "message/rfc822 ", "text/plain ", "c\r\n"}},
		"8-bit message":   {mail.Draft{Attachments: []mail.Attachment{{Type: "message/rfc822", Body: []byte("A: b\r\n\r\né")}}}, []string{"multipart/mixed ", "text/plain ", "", "message/rfc822 ", "text/plain ", "é"}},
		"broken message":  {mail.Draft{Attachments: []mail.Attachment{{Type: "message/rfc822", Body: []byte("A: b\n\nc\rd\x00")}}}, []string{"multipart/mixed ", "text/plain ", "", "message/rfc822 ", "text/plain ", "c\r\nd"}},
		"boundary inside": {mail.Draft{Text: "--Ba\n--Bm--\n--B", HTML: "--Ba--", Attachments: []mail.Attachment{{Type: "message/rfc822", Body: []byte("A: b\r\n\r\n--Bm\r\n--Bmx\r\n")}}},
			[]string{"multipart/mixed ", "multipart/alternative ", "text/plain ", "--Ba\r\n--Bm--\r\n--B\r\n", "text/html ", "--Ba--\r\n", "message/rfc822 ", "text/plain ", "--Bm\r\n--Bmx\r\n"}},
	} {
		c.d.From = mail.Mailbox{Address: mail.Address{Local: "a", Domain: "example.org"}}
		m := mail.Compose(c.d, "B")
		got := contents(reread(t, m))
		if strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
		if m.EightBit() != (name == "8-bit message") {
			t.Errorf("%s: EightBit %v", name, m.EightBit())
		}
		if m.EightBit() && mail.Get(m.Head, "Content-Transfer-Encoding") != "8bit" {
			t.Errorf("%s: 8-bit, and the head does not say so (RFC 2045 section 6.2)", name)
		}
	}
}

func TestComposeNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"a.txt", "a b.txt", `a"b\c;d.txt`, "Übersicht.txt", "用户 指南.pdf", "Привет, мир.txt", "😀.png", "a'b*c%d.txt", "e\u0301.txt", "مرحبا.txt",
		strings.Repeat("y", 300) + ".txt", strings.Repeat("ü", 300) + ".txt", strings.Repeat("y ", 99) + ".txt", "=?utf-8?q?x?=.txt", "a%20b.txt",
	} {
		m := mail.Compose(mail.Draft{Attachments: []mail.Attachment{{Type: "application/x", Name: name, Inline: true}}}, "B")
		p := reread(t, m).Children[1]
		if p.Filename != name && name != "=?utf-8?q?x?=.txt" || p.Disposition != "inline" {
			t.Errorf("the name %q comes back as %q, %s", name, p.Filename, p.Disposition)
		}
		// Another's parser must agree.
		how, params, err := mime.ParseMediaType(mail.Get(p.Head, "Content-Disposition"))
		if err != nil || how != "inline" || params["filename"] != name {
			t.Errorf("mime reads the name %q as %q, %v", name, params["filename"], err)
		}
	}
	m := mail.Compose(mail.Draft{Attachments: []mail.Attachment{{Type: "application/x", Name: "a\r\nBcc: b\x00\xff"}}}, "B")
	if got := reread(t, m).Children[1].Filename; got != "a  Bcc: b \uFFFD" {
		t.Errorf("a name with line ends comes back as %q", got)
	}
}

func TestComposeHead(t *testing.T) {
	t.Parallel()
	evil := "x\r\nBcc: evil@example.com\r\n\r\nbody"
	m := mail.Compose(mail.Draft{
		From: mail.Mailbox{Name: evil, Address: mail.Address{Local: "a", Domain: "example.org"}}, To: []mail.Mailbox{{Name: evil}},
		Subject: evil, MessageID: evil, InReplyTo: evil, References: []string{evil, strings.Repeat("y", 2000)}, Text: "z",
	}, "B")
	if p := reread(t, m); mail.Get(m.Head, "Bcc") != "" || string(p.Body) != "z\r\n" {
		t.Errorf("a value broke out of its field: %q", m.Head)
	}
	if got := mail.DecodeWords(mail.Get(m.Head, "Subject")); got != "x  Bcc: evil@example.com    body" {
		t.Errorf("Subject %q", got)
	}
}
