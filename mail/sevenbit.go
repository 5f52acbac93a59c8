package mail

import (
	"bytes"
	"errors"
)

// ErrSealed says that a message cannot be re-encoded: an 8-bit part is signed or encrypted, or of a kind that has no
// encoding, or a head is 8-bit.
var ErrSealed = errors.New("8-bit content that must not be re-encoded")

// EightBit reports whether a body needs 8BITMIME (RFC 6152), and UTF8Head whether a head needs SMTPUTF8 (RFC 6532).
func (m Message) EightBit() bool { return !ascii(m.Body) }

// UTF8Head reports whether the head has bytes beyond ASCII.
func (m Message) UTF8Head() bool { return !ascii(m.Head) }

// To7bit re-encodes a message for a peer without 8BITMIME, part by part: text as quoted-printable, other content as
// base64. Parts that are 7-bit stay byte for byte. ErrSealed if that would break what is signed or encrypted.
func To7bit(m Message) (Message, error) {
	if ascii(m.Body) {
		return m, nil
	}
	p, err := Parse(m, MIMELimits{})
	if err != nil {
		return m, ErrSealed
	}
	// A head beyond ASCII needs SMTPUTF8, which is another question: only what is in the body counts here.
	out, err := p.sevenBit()
	if err != nil {
		return m, err
	}
	return out, nil
}

// sevenBit is a part with all of its body in ASCII.
func (p *Part) sevenBit() (Message, error) {
	switch {
	case ascii(p.Body):
		return Message{p.Head, p.Body}, nil
	case p.Signed(), p.Encrypted(), p.Type == "message" && len(p.Children) == 0:
		return Message{}, ErrSealed
	case len(p.Children) == 0:
		return p.encoded()
	}
	var out bytes.Buffer
	at := 0
	for _, c := range p.Children {
		between := p.Body[at:c.Start]
		if !ascii(between) || !ascii(c.Head) {
			return Message{}, ErrSealed
		}
		out.Write(between)
		m, err := c.sevenBit()
		if err != nil {
			return Message{}, err
		}
		out.Write(m.Head)
		out.WriteString("\r\n")
		out.Write(m.Body)
		at = c.End
	}
	if !ascii(p.Body[at:]) {
		return Message{}, ErrSealed
	}
	out.Write(p.Body[at:])
	return Message{p.withEncoding("7bit"), out.Bytes()}, nil
}

func (p *Part) encoded() (Message, error) {
	if p.Encoding == "base64" || p.Encoding == "quoted-printable" {
		return Message{}, ErrSealed // 8-bit bytes in it are damage nobody can name
	}
	if p.Type == "text" {
		return Message{p.withEncoding("quoted-printable"), quotedPrintable(p.Body)}, nil
	}
	return Message{p.withEncoding("base64"), base64Lines(p.Body)}, nil
}

// withEncoding is the part's head with another Content-Transfer-Encoding, and with the MIME-Version it needs.
func (p *Part) withEncoding(name string) []byte {
	head := Without(p.Head, func(f Field) bool { return f.Is("Content-Transfer-Encoding") })
	out := append(make([]byte, 0, len(head)+64), head...)
	return append(out, FormatField("Content-Transfer-Encoding", name)...)
}
