package imap

import (
	"bytes"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"listd/mail"
)

// document is a message whose parts are fetched from its own bytes: nothing is written anew.
type document struct {
	m      mail.Message
	parsed *mail.Part
}

// root is the message as a tree. What is too deep or has too many parts is one part.
func (d *document) root() *mail.Part {
	if d.parsed == nil {
		var err error
		if d.parsed, err = mail.Parse(d.m, mail.MIMELimits{}); err != nil {
			d.parsed = &mail.Part{Head: d.m.Head, Body: d.m.Body, Type: "application", Subtype: "octet-stream", Encoding: "binary"}
		}
	}
	return d.parsed
}

// endOfHead is the empty line between a head and its body.
var endOfHead = []byte("\r\n")

// part finds a part by its numbers (RFC 9051 section 6.4.5): those of a multipart's children, and 1 for the body of what
// is no multipart. Numbers behind a message within a message are those of its parts.
func (d *document) part(numbers []int) *mail.Part {
	p := d.root()
	for i, n := range numbers {
		if i > 0 && p.Type == "message" && len(p.Children) == 1 {
			p = p.Children[0]
		}
		switch {
		case p.Type == "multipart" && len(p.Children) > 0:
			if n < 1 || n > len(p.Children) {
				return nil
			}
			p = p.Children[n-1]
		case n != 1 || i > 0 && !d.nested(numbers[:i]):
			return nil
		}
	}
	return p
}

// nested reports whether the part of these numbers is a message within the message: then 1 is its only part.
func (d *document) nested(numbers []int) bool {
	p := d.part(numbers)
	return p != nil && p.Type == "message" && len(p.Children) == 1
}

// section is a piece of the message, in slices of it.
func (d *document) section(s *imap.FetchItemBodySection) [][]byte {
	var pieces [][]byte
	head, body := d.m.Head, d.m.Body
	if len(s.Part) > 0 {
		p := d.part(s.Part)
		if p == nil {
			return nil
		}
		switch s.Specifier {
		case imap.PartSpecifierNone:
			return cut([][]byte{p.Body}, s.Partial)
		case imap.PartSpecifierMIME:
			return cut([][]byte{p.Head, endOfHead}, s.Partial)
		}
		if p.Type != "message" || len(p.Children) != 1 {
			return nil
		}
		head, body = p.Children[0].Head, p.Children[0].Body
	}
	switch s.Specifier {
	case imap.PartSpecifierText:
		pieces = [][]byte{body}
	case imap.PartSpecifierHeader, imap.PartSpecifierMIME:
		pieces = append(fields(head, s.HeaderFields, s.HeaderFieldsNot), endOfHead)
	default:
		pieces = [][]byte{head, endOfHead, body}
	}
	return cut(pieces, s.Partial)
}

// fields are those of a head that are wanted, as they are.
func fields(head []byte, only, not []string) (out [][]byte) {
	if len(only)+len(not) == 0 {
		return [][]byte{head}
	}
	named := func(name string, names []string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
	}
	for f := range mail.Fields(head) {
		if len(only) > 0 && !named(f.Name, only) || named(f.Name, not) {
			continue
		}
		out = append(out, f.Raw)
	}
	return out
}

// cut is the range of some pieces that is asked for (RFC 9051 section 6.4.5, <offset.size>).
func cut(pieces [][]byte, r *imap.SectionPartial) (out [][]byte) {
	if r == nil {
		return pieces
	}
	skip, left := r.Offset, r.Size
	for _, p := range pieces {
		n := min(skip, int64(len(p)))
		p, skip = p[n:], skip-n
		p = p[:min(left, int64(len(p)))]
		if left -= int64(len(p)); len(p) > 0 {
			out = append(out, p)
		}
	}
	return out
}

// binary is a part without its transfer encoding (RFC 3516).
func (d *document) binary(numbers []int, r *imap.SectionPartial) [][]byte {
	if len(numbers) == 0 {
		return cut([][]byte{d.m.Head, endOfHead, d.m.Body}, r)
	}
	p := d.part(numbers)
	if p == nil {
		return nil
	}
	data, err := p.Decoded()
	if err != nil {
		data = p.Body // as it is, rather than nothing
	}
	return cut([][]byte{data}, r)
}

// envelope is what a head says of a message.
func envelope(head []byte) *imap.Envelope {
	e := &imap.Envelope{Subject: line(mail.DecodeWords(mail.Get(head, "Subject"))), InReplyTo: mail.MessageIDs(mail.Get(head, "In-Reply-To")),
		From: addresses(head, "From"), Sender: addresses(head, "Sender"), ReplyTo: addresses(head, "Reply-To"),
		To: addresses(head, "To"), Cc: addresses(head, "Cc")}
	if d, err := mail.ParseDate(mail.Get(head, "Date")); err == nil {
		e.Date = d
	}
	if ids := mail.MessageIDs(mail.Get(head, "Message-ID")); len(ids) > 0 {
		e.MessageID = ids[0]
	}
	return e
}

// maxAddresses is how many of a field stand in an envelope.
const maxAddresses = 500

func addresses(head []byte, name string) (out []imap.Address) {
	for _, v := range mail.Values(head, name) {
		for _, b := range mail.Mailboxes(v) {
			if len(out) < maxAddresses {
				out = append(out, imap.Address{Name: line(b.Name), Mailbox: b.Address.Local, Host: b.Address.Domain})
			}
		}
	}
	return out
}

// line is text without what would break a line.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// structure describes a part and what is in it.
func structure(p *mail.Part, depth int) imap.BodyStructure {
	if p.Type == "multipart" && len(p.Children) > 0 {
		out := &imap.BodyStructureMultiPart{Subtype: p.Subtype, Extended: &imap.BodyStructureMultiPartExt{Params: p.Params, Disposition: disposition(p)}}
		for _, c := range p.Children {
			out.Children = append(out.Children, structure(c, depth+1))
		}
		return out
	}
	out := &imap.BodyStructureSinglePart{Type: p.Type, Subtype: p.Subtype, Params: p.Params, ID: line(mail.Get(p.Head, "Content-ID")),
		Description: line(mail.DecodeWords(mail.Get(p.Head, "Content-Description"))), Encoding: line(p.Encoding), Size: uint32(len(p.Body)),
		Extended: &imap.BodyStructureSinglePartExt{Disposition: disposition(p)}}
	switch {
	case p.Type == "message" && p.Subtype == "rfc822" && len(p.Children) == 1:
		out.MessageRFC822 = &imap.BodyStructureMessageRFC822{Envelope: envelope(p.Children[0].Head), BodyStructure: structure(p.Children[0], depth+1),
			NumLines: lines(p.Body)}
	case p.Type == "message" && p.Subtype == "rfc822", p.Type == "multipart":
		out.Type, out.Subtype = "application", "octet-stream" // it could not be taken apart
	case p.Type == "text":
		out.Text = &imap.BodyStructureText{NumLines: lines(p.Body)}
	}
	return out
}

func lines(b []byte) int64 { return int64(bytes.Count(b, []byte("\n"))) }

func disposition(p *mail.Part) *imap.BodyStructureDisposition {
	if p.Disposition == "" {
		return nil
	}
	d := &imap.BodyStructureDisposition{Value: line(p.Disposition)}
	if p.Filename != "" {
		d.Params = map[string]string{"filename": line(p.Filename)}
	}
	return d
}
