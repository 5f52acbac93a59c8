package digest

import (
	"bytes"
	"context"
	"strings"

	"listd/lists"
	"listd/mail"
)

// MIME makes a multipart/mixed of a masthead with the contents, a multipart/digest with each post as it was posted, byte
// for byte, and a last part (RFC 2046 section 5.1.5). It holds one post beside what it writes.
func MIME(ctx context.Context, m Material) (mail.Message, error) {
	masthead, err := m.masthead(m.topics())
	if err != nil {
		return mail.Message{}, err
	}
	head := mail.Without(mail.Compose(m.draft(), "").Head, func(f mail.Field) bool { return strings.HasPrefix(f.Name, "Content-") })
	for boundary := m.ID; ; boundary += "x" {
		w := mimeWriter{boundary: boundary}
		if err := w.write(ctx, m, masthead); err != nil {
			return mail.Message{}, err
		}
		if w.clash {
			continue // a post has our boundary in it
		}
		head = append(head, w.kind("mixed")...)
		return mail.Message{Head: head, Body: w.out.Bytes()}, nil
	}
}

// mimeWriter writes the body of a MIME digest.
type mimeWriter struct {
	boundary string
	out      bytes.Buffer
	eightBit bool
	clash    bool // the boundary stands in a part
}

// kind are the content fields of one of the two multiparts. RFC 2045 section 6.4: a composite says what is the widest
// within it.
func (w *mimeWriter) kind(subtype string) []byte {
	kind := mail.FormatField("Content-Type", "multipart/"+subtype+`; boundary="`+w.delimiter(subtype)+`"`)
	if w.eightBit {
		kind = append(kind, "Content-Transfer-Encoding: 8bit\r\n"...)
	}
	return kind
}

// delimiter is the boundary of one of the two multiparts. Neither begins the other.
func (w *mimeWriter) delimiter(subtype string) string { return subtype[:1] + w.boundary }

func (w *mimeWriter) write(ctx context.Context, m Material, masthead string) error {
	w.text("mixed", masthead)
	// Whether a post is 8-bit is known when all are written, and said before them: the field goes in at the end.
	w.out.WriteString("\r\n--" + w.delimiter("mixed") + "\r\n")
	at := w.out.Len()
	w.out.WriteString("\r\n")
	for i := range m.Posts {
		if i > 0 {
			w.out.WriteString("\r\n")
		}
		if err := w.post(ctx, m, i); err != nil {
			return err
		}
		if w.clash {
			return nil
		}
	}
	w.out.WriteString("\r\n--" + w.delimiter("digest") + "--\r\n")
	kind := w.kind("digest")
	w.out.Write(kind) // room for it
	b := w.out.Bytes()
	copy(b[at+len(kind):], b[at:len(b)-len(kind)])
	copy(b[at:], kind)
	w.text("mixed", m.List.FooterText(m.Posts[len(m.Posts)-1].Seq)+"End of "+m.name()+"\n"+strings.Repeat("*", len("End of "+m.name()))+"\n")
	w.out.WriteString("\r\n--" + w.delimiter("mixed") + "--\r\n")
	return nil
}

// text writes a part that people read.
func (w *mimeWriter) text(within, text string) {
	part := mail.Compose(mail.Draft{Text: text}, "")
	if w.out.Len() > 0 {
		w.out.WriteString("\r\n")
	}
	w.out.WriteString("--" + w.delimiter(within) + "\r\n")
	for f := range mail.Fields(part.Head) {
		if strings.HasPrefix(f.Name, "Content-") {
			w.out.Write(f.Raw)
		}
	}
	w.out.WriteString("\r\n")
	w.out.Write(part.Body)
	w.clash = w.clash || bytes.Contains(part.Body, []byte(w.boundary))
}

// post writes a post as it lies. Its type is said although it goes without saying in a digest: not all programs know.
func (w *mimeWriter) post(ctx context.Context, m Material, i int) error {
	post, err := m.Load(ctx, m.Posts[i])
	if err != nil {
		return err
	}
	post = lists.Enclosed(m.List, post)
	w.clash = w.clash || bytes.Contains(post.Head, []byte(w.boundary)) || bytes.Contains(post.Body, []byte(w.boundary))
	w.out.WriteString("--" + w.delimiter("digest") + "\r\nContent-Type: message/rfc822\r\n")
	if post.EightBit() || post.UTF8Head() {
		w.eightBit = true
		w.out.WriteString("Content-Transfer-Encoding: 8bit\r\n")
	}
	w.out.WriteString("\r\n")
	w.out.Write(post.Head)
	w.out.WriteString("\r\n")
	w.out.Write(post.Body)
	return nil
}
