package mail

import (
	"bytes"
	"fmt"
	"io"
	"math"
)

// Mode is how Read takes what is not as RFC 5321 section 2.3.8 wants it.
type Mode uint8

// Strict, for SMTP and LMTP, refuses a bare CR or LF, NUL, and over-long heads and lines: what one server takes for a
// line's end and another does not lets a message carry a second one (SMTP smuggling). Mend, for mailboxes and
// imports, turns a bare CR or LF into CRLF and drops NUL.
const (
	Strict Mode = iota
	Mend
)

// Limits bound what Read takes. A zero field has the default.
type Limits struct {
	Size   int64 // bytes of the message; 25 MiB
	Head   int   // bytes of its head; 256 KiB
	Line   int   // bytes of a line without its CRLF; 64 KiB
	Fields int   // fields of the head; 2,000
	Hint   int64 // bytes that will come, if known: saves growing
}

func (l Limits) withDefaults() Limits {
	if l.Size <= 0 {
		l.Size = 25 << 20
	}
	l.Size = min(l.Size, math.MaxInt64-slack)
	if l.Head <= 0 {
		l.Head = 256 << 10
	}
	if l.Line <= 0 {
		l.Line = 64 << 10
	}
	if l.Fields <= 0 {
		l.Fields = 2000
	}
	return l
}

// Read reads a message. Head and Body share one buffer. An error of r is wrapped; what is wrong with the message itself
// is a *Reply that says what to do.
//
// A message that does not begin with a field has no head, all of it is body. The empty line between head and body
// belongs to neither. A last line without an end gets one.
func Read(r io.Reader, max Limits, how Mode) (Message, error) {
	max = max.withDefaults()
	b, err := slurp(r, max)
	if err != nil {
		return Message{}, err
	}
	if how == Mend {
		b = mend(b)
	} else if err := checkLines(b, max.Line); err != nil {
		return Message{}, err
	}
	if len(b) > 0 && b[len(b)-1] != '\n' {
		b = append(b, "\r\n"...)
	}
	m := split(b)
	if how == Strict {
		return m, checkHead(m.Head, max)
	}
	return m, nil
}

// slack is the room of a buffer behind the message: one byte tells that the limit is exceeded, two are for a last CRLF.
const slack = 3

// slurp reads all of r into one buffer that grows by doubling up to the limit.
func slurp(r io.Reader, max Limits) ([]byte, error) {
	room := max.Size + slack
	first := int64(16 << 10)
	if max.Hint > 0 {
		first = min(max.Hint, max.Size) + slack // the peer's word: it may say anything
	}
	b := make([]byte, 0, min(first, room))
	for {
		if len(b) == cap(b) {
			grown := make([]byte, len(b), min(int64(cap(b))*2, room))
			copy(grown, b)
			b = grown
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if int64(len(b)) > max.Size {
			return nil, Refuse(552, "5.3.4", fmt.Sprintf("This message is larger than the %d bytes we take; send a link instead of the file", max.Size))
		}
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read message: %w", err)
		}
	}
}

// checkLines holds every line to its end in CRLF and its length.
func checkLines(b []byte, maxLine int) error {
	if bytes.IndexByte(b, 0) >= 0 {
		return Refuse(554, "5.6.0", "This message contains NUL characters, which mail must not; encode binary parts as base64")
	}
	for len(b) > 0 {
		nl := bytes.IndexByte(b, '\n')
		line := b
		if nl >= 0 {
			if nl == 0 || b[nl-1] != '\r' {
				return Refuse(554, "5.6.0", "This message contains a bare LF; lines must end in CRLF (RFC 5321 section 2.3.8)")
			}
			line, b = b[:nl-1], b[nl+1:]
		} else {
			b = nil
		}
		if bytes.IndexByte(line, '\r') >= 0 {
			return Refuse(554, "5.6.0", "This message contains a bare CR; lines must end in CRLF (RFC 5321 section 2.3.8)")
		}
		if len(line) > maxLine {
			return Refuse(554, "5.6.0", fmt.Sprintf("This message has a line longer than %d bytes; have your program wrap or encode it", maxLine))
		}
	}
	return nil
}

// mend makes every line end in CRLF and drops NUL, in place where nothing grows.
func mend(b []byte) []byte {
	if checkLines(b, len(b)) == nil {
		return b
	}
	out := make([]byte, 0, len(b)+len(b)/32+2)
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case 0:
		case '\r':
			out = append(out, "\r\n"...)
			if i+1 < len(b) && b[i+1] == '\n' {
				i++
			}
		case '\n':
			out = append(out, "\r\n"...)
		default:
			out = append(out, c)
		}
	}
	return out
}

// split finds the end of the head: the empty line. Without one all is head, if it begins as a head does.
func split(b []byte) Message {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return Message{Body: b[2:]}
	}
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		if fieldName(firstLine(b)) != "" {
			return Message{Head: b[: i+2 : i+2], Body: b[i+4:]}
		}
		return Message{Body: b}
	}
	if len(b) > 0 && fieldName(firstLine(b)) != "" {
		return Message{Head: b[:len(b):len(b)]}
	}
	return Message{Body: b}
}

func firstLine(b []byte) []byte {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1]
	}
	return b
}

func checkHead(head []byte, max Limits) error {
	if len(head) > max.Head {
		return Refuse(554, "5.6.0", fmt.Sprintf("The head of this message is larger than the %d bytes we take", max.Head))
	}
	n := 0
	for range Fields(head) {
		if n++; n > max.Fields {
			return Refuse(554, "5.6.0", fmt.Sprintf("The head of this message has more than the %d fields we take", max.Fields))
		}
	}
	return nil
}
