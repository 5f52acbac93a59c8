package lists

import (
	"bytes"
	"encoding/base64"
	"mime"
	"strings"

	"listd/mail"
)

// entity is a message or a part of one (RFC 2045 section 2.4) as its bytes lie. To change one part and keep the
// rest byte for byte, its place must be known; mail.Part tells what a part says, not where it begins.
type entity struct{ head, body []byte }

// span is where a part lies in the body of its multipart, without the CRLF that belongs to the boundary after it.
type span struct{ start, end int }

// content is what the content fields of a head say (RFC 2045, RFC 2183); broken ones count as the defaults.
type content struct {
	kind       string // "text/plain", in lower case
	params     map[string]string
	encoding   string // in lower case; "7bit" where nothing is said
	attachment bool
	broken     bool // there are two types, or the parameters cannot be read: they are nothing to build on
	none       bool // there is no Content-Type
}

func (e entity) content() content {
	c := content{kind: "text/plain", encoding: "7bit", none: true}
	for f := range mail.Fields(e.head) {
		switch {
		case f.Is("Content-Type") && !c.none:
			c.broken = true
		case f.Is("Content-Type"):
			c.none = false
			v := f.Value()
			kind, params, err := mime.ParseMediaType(v)
			if kind == "" {
				// QUIRK: parameters are often broken where the type is not.
				kind, _, _ = strings.Cut(v, ";")
				kind = strings.ToLower(strings.TrimSpace(kind))
			}
			if c.params, c.broken = params, err != nil; strings.Contains(kind, "/") {
				c.kind = kind
			}
		case f.Is("Content-Transfer-Encoding"):
			if v := f.Value(); v != "" {
				c.encoding = strings.ToLower(v)
			}
		case f.Is("Content-Disposition"):
			word, _, _ := strings.Cut(f.Value(), ";")
			c.attachment = strings.EqualFold(strings.TrimSpace(word), "attachment")
		}
	}
	return c
}

// bytes is the entity in one piece.
func (e entity) bytes() []byte {
	out := make([]byte, 0, len(e.head)+2+len(e.body))
	out = append(append(out, e.head...), "\r\n"...)
	return append(out, e.body...)
}

// cut parts the bytes of a part at its empty line.
func cut(raw []byte) (e entity, ok bool) {
	if bytes.HasPrefix(raw, []byte("\r\n")) {
		return entity{body: raw[2:]}, true
	}
	i := bytes.Index(raw, []byte("\r\n\r\n"))
	if i < 0 {
		return entity{}, false
	}
	return entity{head: raw[:i+2], body: raw[i+4:]}, true
}

// maxParts is more than a message has that people wrote.
const maxParts = 100

// parts are the places of a multipart's parts, and where its closing delimiter begins; close is -1 if it has none
// (then the last part ends with the body). No parts: the boundary does not occur (RFC 2046 section 5.1.1).
func parts(body []byte, boundary string) (spans []span, close int) {
	if boundary == "" || len(boundary) > 200 {
		return nil, -1
	}
	dash := []byte("--" + boundary)
	start := -1
	for at := 0; at < len(body); {
		line := body[at:]
		next := len(body)
		if nl := bytes.IndexByte(line, '\n'); nl >= 0 {
			line, next = line[:nl], at+nl+1
		}
		rest, ok := bytes.CutPrefix(line, dash)
		if ok {
			rest = bytes.TrimRight(rest, " \t\r")
			last := bytes.Equal(rest, []byte("--"))
			if last || len(rest) == 0 {
				if start >= 0 {
					spans = append(spans, span{start, max(start, lineEndBefore(body, at))})
				}
				if start = next; last {
					return spans, at
				}
				if len(spans) == maxParts {
					return nil, -1
				}
			}
		}
		at = next
	}
	if start >= 0 && start < len(body) {
		spans = append(spans, span{start, len(body)})
	}
	return spans, -1
}

// lineEndBefore is at without the line end in front of it.
func lineEndBefore(body []byte, at int) int {
	if at > 0 && body[at-1] == '\n' {
		at--
		if at > 0 && body[at-1] == '\r' {
			at--
		}
	}
	return at
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
