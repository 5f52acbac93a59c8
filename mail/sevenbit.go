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
	return p.sevenBit(true)
}

// sevenBit is a part with all of its body in ASCII; whole says that it is a message.
func (p *Part) sevenBit(whole bool) (Message, error) {
	switch {
	case ascii(p.Body):
		return Message{p.Head, p.Body}, nil
	case p.Signed(), p.Encrypted(), !p.plainEncoding():
		return Message{}, ErrSealed
	case len(p.Children) == 0 && (p.Type == "message" || p.Type == "multipart"):
		return Message{}, ErrSealed // RFC 2045 section 6.4: these have no encoding
	case len(p.Children) == 0:
		return p.encoded(whole), nil
	}
	var out bytes.Buffer
	at := 0
	for _, c := range p.Children {
		if !ascii(p.Body[at:c.Start]) || !ascii(c.Head) {
			return Message{}, ErrSealed
		}
		out.Write(p.Body[at:c.Start])
		at = c.End
		if ascii(c.Body) {
			out.Write(p.Body[c.Start:c.End])
			continue
		}
		m, err := c.sevenBit(p.Type == "message")
		if err != nil {
			return Message{}, err
		}
		out.Write(m.Head)
		out.WriteString("\r\n")
		out.Write(m.Body)
	}
	if !ascii(p.Body[at:]) {
		return Message{}, ErrSealed
	}
	out.Write(p.Body[at:])
	return Message{p.withEncoding("7bit", whole), out.Bytes()}, nil
}

// plainEncoding reports whether the part's bytes are what they mean. 8-bit bytes in another encoding are damage nobody
// can name.
func (p *Part) plainEncoding() bool {
	return p.Encoding == "7bit" || p.Encoding == "8bit" || p.Encoding == "binary"
}

func (p *Part) encoded(whole bool) Message {
	if p.Type == "text" {
		// A long line is cut where it suits quoted-printable. If the rest then looks like a delimiter, a boundary might
		// come to be where there was none.
		if b := quotedPrintable(p.Body); dashes(b) == dashes(p.Body) {
			return Message{p.withEncoding("quoted-printable", whole), b}
		}
	}
	return Message{p.withEncoding("base64", whole), base64Lines(p.Body)}
}

// dashes counts the lines that begin as a delimiter does.
func dashes(b []byte) int {
	n := bytes.Count(b, []byte("\n--"))
	if bytes.HasPrefix(b, []byte("--")) {
		n++
	}
	return n
}

// withEncoding is the part's head with another Content-Transfer-Encoding, and, for a whole message, with the
// MIME-Version it needs.
func (p *Part) withEncoding(name string, whole bool) []byte {
	head := Without(p.Head, func(f Field) bool { return f.Is("Content-Transfer-Encoding") })
	out := append(make([]byte, 0, len(head)+64), head...)
	if whole && Get(head, "MIME-Version") == "" {
		out = append(out, FormatField("MIME-Version", "1.0")...)
	}
	return append(out, FormatField("Content-Transfer-Encoding", name)...)
}
