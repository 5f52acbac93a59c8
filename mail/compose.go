package mail

import (
	"bytes"
	"encoding/base64"
	"mime/quotedprintable"
	"strings"
	"time"
)

// Draft is a message to be written. Texts are UTF-8; any line end will do.
type Draft struct {
	From        Mailbox
	To, Cc      []Mailbox
	Subject     string
	MessageID   string // without brackets
	Date        time.Time
	InReplyTo   string // without brackets
	References  []string
	Fields      []Field // further ones, as they lie
	Text, HTML  string
	Attachments []Attachment // those with a CID belong to the HTML, which shows them
}

// Attachment is a file that travels with a Draft. message/rfc822 is not encoded (RFC 2046 section 5.2.1); in it only
// bare CR and LF are mended. A Type that is none, or multipart, is taken for application/octet-stream.
type Attachment struct {
	Type, Name string
	Inline     bool
	CID        string // the content ID, without brackets, by which HTML shows it as cid:CID (RFC 2392); it is inline then
	Body       []byte
}

// Compose writes a Draft. boundary, which must be new for each message and ASCII letters and digits, begins the
// boundaries of its parts.
func Compose(d Draft, boundary string) Message {
	var head bytes.Buffer
	field := func(name, value string) {
		if value != "" {
			head.Write(FormatField(name, value))
		}
	}
	field("From", d.From.String())
	field("To", mailboxList(d.To))
	field("Cc", mailboxList(d.Cc))
	field("Subject", EncodeText(d.Subject))
	if !d.Date.IsZero() {
		field("Date", d.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
	}
	if d.MessageID != "" {
		field("Message-ID", "<"+d.MessageID+">")
	}
	if d.InReplyTo != "" {
		field("In-Reply-To", "<"+d.InReplyTo+">")
	}
	if len(d.References) > 0 {
		field("References", "<"+strings.Join(d.References, "> <")+">")
	}
	for _, f := range d.Fields {
		head.Write(f.Raw)
	}
	field("MIME-Version", "1.0")
	p := body(d, boundary)
	head.Write(p.head)
	return Message{Head: head.Bytes(), Body: p.body}
}

// body is the text, in both forms if there are two, with what belongs to it and what travels along.
func body(d Draft, boundary string) part {
	files := []part{}
	shown := []part{}
	for _, a := range d.Attachments {
		if d.HTML != "" && a.CID != "" {
			shown = append(shown, attachment(a))
		} else {
			files = append(files, attachment(a))
		}
	}
	p := textPart("plain", d.Text)
	if d.HTML != "" {
		page := textPart("html", d.HTML)
		if len(shown) > 0 { // RFC 2387; within the alternative, so that a plain text reader passes over all of it
			page = multipart(`related; type="text/html"`, boundary+"r", append([]part{page}, shown...)...)
		}
		p = multipart("alternative", boundary+"a", p, page)
	}
	if len(files) > 0 {
		p = multipart("mixed", boundary+"m", append([]part{p}, files...)...)
	}
	return p
}

// part is a MIME part being written: its head with the last CRLF, its body.
type part struct {
	head, body []byte
	eightBit   bool
}

func textPart(subtype, text string) part {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if strings.Contains(text, "\r") {
		text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	body := bytes.ReplaceAll([]byte(text), []byte("\n"), []byte("\r\n"))
	encoding := "7bit"
	if !shortASCII(body) {
		encoding = "quoted-printable"
		body = quotedPrintable(body)
	}
	return part{head: append(FormatField("Content-Type", "text/"+subtype+"; charset=utf-8"),
		FormatField("Content-Transfer-Encoding", encoding)...), body: body}
}

// shortASCII reports whether a body can go as it is: ASCII in lines of at most 76 characters, none of which a relay
// might take for something else.
func shortASCII(b []byte) bool {
	line := 0
	for _, c := range b {
		switch {
		case c == '\n':
			line = -1
		case c >= 0x7f || c < ' ' && c != '\r' && c != '\t':
			return false
		}
		if line++; line > 77 {
			return false
		}
	}
	return true
}

func quotedPrintable(b []byte) []byte {
	var out bytes.Buffer
	w := quotedprintable.NewWriter(&out)
	_, _ = w.Write(b) // a Buffer takes all
	_ = w.Close()
	return out.Bytes()
}

// base64Lines is base64 in lines of 76 (RFC 2045 section 6.8).
func base64Lines(b []byte) []byte {
	s := base64.StdEncoding.EncodeToString(b)
	out := make([]byte, 0, len(s)+len(s)/38+2)
	for len(s) > 0 {
		n := min(76, len(s))
		out = append(append(out, s[:n]...), "\r\n"...)
		s = s[n:]
	}
	return out
}

func attachment(a Attachment) part {
	how := "attachment"
	if a.Inline || a.CID != "" {
		how = "inline"
	}
	if a.Name != "" {
		how += "; " + formatParam("filename", a.Name)
	}
	kind, _ := parseParams(a.Type)
	main, sub, ok := strings.Cut(kind, "/")
	if !ok || !token(main) || !token(sub) || main == "multipart" {
		a.Type, main = "application/octet-stream", "application"
	}
	head := FormatField("Content-Type", a.Type)
	head = append(head, FormatField("Content-Disposition", how)...)
	if a.CID != "" {
		head = append(head, FormatField("Content-ID", "<"+a.CID+">")...)
	}
	p := part{body: a.Body}
	encoding := "base64"
	switch {
	case main != "message":
		p.body = base64Lines(a.Body)
	case ascii(a.Body):
		p.body, encoding = mend(a.Body), "7bit"
	default:
		p.body, encoding, p.eightBit = mend(a.Body), "8bit", true
	}
	p.head = append(head, FormatField("Content-Transfer-Encoding", encoding)...)
	return p
}

// multipart joins parts. The boundary is lengthened until no part contains it.
func multipart(subtype, boundary string, parts ...part) part {
	for again := true; again; {
		again = false
		for _, p := range parts {
			if bytes.Contains(p.body, []byte("--"+boundary)) || bytes.Contains(p.head, []byte(boundary)) {
				boundary += "x"
				again = true
			}
		}
	}
	var all part
	var body bytes.Buffer
	for _, p := range parts {
		body.WriteString("--" + boundary + "\r\n")
		body.Write(p.head)
		body.WriteString("\r\n")
		body.Write(p.body)
		body.WriteString("\r\n") // belongs to the delimiter (RFC 2046 section 5.1.1)
		all.eightBit = all.eightBit || p.eightBit
	}
	body.WriteString("--" + boundary + "--\r\n")
	all.head, all.body = FormatField("Content-Type", "multipart/"+subtype+`; boundary="`+boundary+`"`), body.Bytes()
	if all.eightBit {
		all.head = append(all.head, FormatField("Content-Transfer-Encoding", "8bit")...)
	}
	return all
}

func mailboxList(all []Mailbox) string {
	var out []string
	for _, m := range all {
		out = append(out, m.String())
	}
	return strings.Join(out, ", ")
}
