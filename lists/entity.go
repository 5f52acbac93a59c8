package lists

import (
	"bytes"
	"encoding/base64"
	"mime"

	"listd/mail"
)

// entity is a message or a part of one (RFC 2045 section 2.4) as its bytes lie.
type entity struct{ head, body []byte }

// dubious reports whether a head is nothing to write another Content-Type by: there are two, or its parameters cannot
// be read.
func dubious(head []byte) bool {
	all := mail.Values(head, "Content-Type")
	if len(all) == 0 {
		return false
	}
	_, _, err := mime.ParseMediaType(all[0])
	return err != nil || len(all) > 1
}

// bytes is the entity in one piece.
func (e entity) bytes() []byte {
	out := make([]byte, 0, len(e.head)+2+len(e.body))
	out = append(append(out, e.head...), "\r\n"...)
	return append(out, e.body...)
}

// setField is the head with the first field of this name replaced, or the field added below.
func setField(head []byte, name string, field []byte) []byte {
	out := make([]byte, 0, len(head)+len(field))
	done := false
	for f := range mail.Fields(head) {
		if !done && f.Is(name) {
			out, done = append(out, field...), true
			continue
		}
		out = append(out, f.Raw...)
	}
	if !done {
		out = append(out, field...)
	}
	return out
}

// stale reports whether a field says something about the body's bytes that a change makes untrue.
func stale(f mail.Field) bool {
	return f.Is("Content-Length") || f.Is("Lines") || f.Is("Content-MD5")
}

// decode undoes a transfer encoding; not ok for one that is unknown, or where the text is broken: who decodes
// leniently and encodes again has changed what the author wrote.
func decode(body []byte, encoding string) ([]byte, bool) {
	switch encoding {
	case "7bit", "8bit", "binary":
		return body, true
	case "base64":
		clean := make([]byte, 0, len(body))
		for _, c := range body {
			if c != '\r' && c != '\n' && c != ' ' && c != '\t' {
				clean = append(clean, c)
			}
		}
		n, err := base64.StdEncoding.Decode(clean, clean)
		return clean[:n], err == nil
	case "quoted-printable":
		return decodeQP(body)
	}
	return nil, false
}

func decodeQP(body []byte) ([]byte, bool) {
	out := make([]byte, 0, len(body))
	for i := 0; i < len(body); i++ {
		if body[i] != '=' {
			out = append(out, body[i])
			continue
		}
		rest := body[i+1:]
		blank := len(rest) - len(bytes.TrimLeft(rest, " \t"))
		switch {
		case bytes.HasPrefix(rest[blank:], []byte("\r\n")):
			i += blank + 2 // a soft line break
		case len(rest) >= 2 && unhex(rest[0]) >= 0 && unhex(rest[1]) >= 0:
			out = append(out, byte(unhex(rest[0])<<4|unhex(rest[1])))
			i += 2
		case len(rest) == blank:
			return out, true // a soft line break at the part's end
		default:
			return nil, false
		}
	}
	return out, true
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// encodeQP writes text as quoted-printable (RFC 2045 section 6.7); its line ends stay line ends.
func encodeQP(text []byte) []byte {
	const hex = "0123456789ABCDEF"
	out := make([]byte, 0, len(text)+len(text)/8+16)
	col := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\r' && i+1 < len(text) && text[i+1] == '\n' {
			out, col = append(out, "\r\n"...), 0
			i++
			continue
		}
		ends := i+1 == len(text) || text[i+1] == '\r' && i+2 < len(text) && text[i+2] == '\n'
		plain := c > ' ' && c < 0x7f && c != '=' || (c == ' ' || c == '\t') && !ends
		need := 3
		if plain {
			need = 1
		}
		room := 75
		if ends {
			room = 76
		}
		if col+need > room {
			out, col = append(out, "=\r\n"...), 0
		}
		// A line "From " or "." may be changed on the way (section 6.7, note on EBCDIC and mbox); spell it out.
		if plain && col == 0 && (c == '.' || c == 'F' && bytes.HasPrefix(text[i:], []byte("From "))) {
			plain, need = false, 3
		}
		if plain {
			out = append(out, c)
		} else {
			out = append(out, '=', hex[c>>4], hex[c&15])
		}
		col += need
	}
	return out
}

// encode applies a transfer encoding that decode knows.
func encode(text []byte, encoding string) []byte {
	switch encoding {
	case "quoted-printable":
		return encodeQP(text)
	case "base64":
		const in, line = 57, 78
		out := make([]byte, 0, (len(text)/in+1)*line)
		for len(text) > 0 {
			n := min(in, len(text))
			out = base64.StdEncoding.AppendEncode(out, text[:n])
			out = append(out, "\r\n"...)
			text = text[n:]
		}
		return out
	}
	return text
}
