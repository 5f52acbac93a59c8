package mail

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
)

// MIMELimits bound what Parse takes apart. A zero field has the default.
type MIMELimits struct {
	Depth int // multiparts and messages within each other; 50
	Parts int // in all; 1,000
}

// ErrMIMELimits says that a message has more parts, or deeper ones, than Parse takes apart.
var ErrMIMELimits = errors.New("too many or too deep MIME parts")

// Part is a MIME part, or a whole message seen as one (RFC 2045, 2046). Head and Body are slices of the message's own
// bytes; the line end before a boundary belongs to neither.
type Part struct {
	Head, Body    []byte
	Type, Subtype string // in lower case; text/plain where nothing or nonsense is said
	Params        map[string]string
	Encoding      string // of Content-Transfer-Encoding, in lower case; "7bit" where nothing is said
	Disposition   string
	Filename      string
	Children      []*Part // of a multipart, or the one message in a message/rfc822
	Start, End    int     // where the part, its head included, lies in its parent's Body
}

// Parse takes a message apart. Where the structure is broken, what can be told is told: a multipart without its
// boundary has no children. Time is linear in the message's size for any one depth, which is bounded.
func Parse(m Message, lim MIMELimits) (*Part, error) {
	if lim.Depth <= 0 {
		lim.Depth = 50
	}
	if lim.Parts <= 0 {
		lim.Parts = 1000
	}
	return parsePart(m.Head, m.Body, lim.Depth, &lim.Parts)
}

func parsePart(head, body []byte, depth int, left *int) (*Part, error) {
	if *left--; *left < 0 || depth < 0 {
		return nil, ErrMIMELimits
	}
	p := &Part{Head: head, Body: body, Type: "text", Subtype: "plain", Encoding: "7bit"}
	p.describe()
	switch {
	case p.Type == "multipart" && p.Params["boundary"] != "":
		for _, at := range cutParts(body, p.Params["boundary"]) {
			h, b := cutHead(body[at[0]:at[1]:at[1]])
			child, err := parsePart(h, b, depth-1, left)
			if err != nil {
				return nil, err
			}
			child.Start, child.End = at[0], at[1]
			p.Children = append(p.Children, child)
		}
	case p.Type == "message" && (p.Subtype == "rfc822" || p.Subtype == "global") && p.Encoding != "base64" && p.Encoding != "quoted-printable":
		h, b := cutHead(body)
		child, err := parsePart(h, b, depth-1, left)
		if err != nil {
			return nil, err
		}
		child.End = len(body)
		p.Children = []*Part{child}
	}
	return p, nil
}

// describe reads the content fields of the head.
func (p *Part) describe() {
	for f := range Fields(p.Head) {
		switch strings.ToLower(f.Name) {
		case "content-type":
			t, params, err := mime.ParseMediaType(f.Value())
			if err != nil && t == "" {
				t, params = roughType(f.Value())
			}
			if a, b, ok := strings.Cut(t, "/"); ok {
				p.Type, p.Subtype, p.Params = a, b, params
			}
		case "content-transfer-encoding":
			p.Encoding = strings.ToLower(strings.TrimSpace(f.Value()))
		case "content-disposition":
			d, params, err := mime.ParseMediaType(f.Value())
			if err == nil || d != "" {
				p.Disposition, p.Filename = d, DecodeWords(params["filename"])
			}
		}
	}
	if p.Filename == "" && p.Params["name"] != "" {
		p.Filename = DecodeWords(p.Params["name"])
	}
}

// roughType reads a Content-Type that is not well-formed: its type, charset and boundary.
func roughType(v string) (string, map[string]string) {
	t, rest, _ := strings.Cut(v, ";")
	params := map[string]string{}
	for _, pair := range strings.Split(rest, ";") {
		k, v, ok := strings.Cut(pair, "=")
		k = strings.ToLower(strings.TrimSpace(k))
		if ok && (k == "charset" || k == "boundary" || k == "name") && params[k] == "" {
			params[k] = strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return strings.ToLower(strings.TrimSpace(t)), params
}

// cutParts is where a multipart's parts lie in its body: between its delimiter lines (RFC 2046 section 5.1.1), without
// the line end that belongs to the delimiter behind. A missing close is forgiven.
func cutParts(body []byte, boundary string) (parts [][2]int) {
	delim := []byte("--" + boundary)
	start := -1
	for at := 0; at < len(body); {
		line := body[at:]
		next := len(body)
		if nl := bytes.IndexByte(line, '\n'); nl >= 0 {
			line, next = line[:nl+1], at+nl+1
		}
		if bytes.HasPrefix(line, delim) {
			rest := bytes.TrimRight(line[len(delim):], " \t\r\n")
			if closing := bytes.Equal(rest, []byte("--")); closing || len(rest) == 0 {
				if start >= 0 {
					end := len(bytes.TrimSuffix(bytes.TrimSuffix(body[:at], []byte("\n")), []byte("\r")))
					parts = append(parts, [2]int{start, max(start, end)})
				}
				if start = next; closing {
					return parts
				}
			}
		}
		at = next
	}
	if start >= 0 && start < len(body) {
		parts = append(parts, [2]int{start, len(body)})
	}
	return parts
}

// cutHead divides a part at its first empty line.
func cutHead(b []byte) (head, body []byte) {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return nil, b[2:]
	}
	if bytes.HasPrefix(b, []byte("\n")) {
		return nil, b[1:]
	}
	for at := 0; at < len(b); {
		nl := bytes.IndexByte(b[at:], '\n')
		if nl < 0 {
			break
		}
		at += nl + 1
		if rest := b[at:]; bytes.HasPrefix(rest, []byte("\r\n")) {
			return b[:at:at], rest[2:]
		} else if bytes.HasPrefix(rest, []byte("\n")) {
			return b[:at:at], rest[1:]
		}
	}
	return b, nil
}

// Decoded is the part's content without its transfer encoding. What is malformed is read as far as it makes sense.
func (p *Part) Decoded() ([]byte, error) {
	switch p.Encoding {
	case "base64":
		return decodeBase64(p.Body), nil
	case "quoted-printable":
		return decodeQuoted(p.Body), nil
	case "7bit", "8bit", "binary", "":
		return p.Body, nil
	}
	return p.Body, fmt.Errorf("unknown transfer encoding %q", clip(p.Encoding))
}

// decodeBase64 leaves out what is no base64 and an end that is cut off.
func decodeBase64(b []byte) []byte {
	in := make([]byte, 0, len(b))
	for _, c := range b {
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' {
			in = append(in, c)
		}
	}
	if len(in)%4 == 1 {
		in = in[:len(in)-1]
	}
	out := make([]byte, base64.RawStdEncoding.DecodedLen(len(in)))
	n, _ := base64.RawStdEncoding.Decode(out, in) // what is left is base64 throughout
	return out[:n]
}

// decodeQuoted decodes line by line, since one bad escape must not cost the rest.
func decodeQuoted(b []byte) []byte {
	if out, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(b))); err == nil {
		return out
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '=' {
			out = append(out, b[i])
			continue
		}
		if i+2 < len(b) {
			if hi, lo := unhex(b[i+1]), unhex(b[i+2]); hi >= 0 && lo >= 0 {
				out = append(out, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		rest := bytes.TrimLeft(b[i+1:], " \t")
		if n := len(b) - i - 1 - len(rest); bytes.HasPrefix(rest, []byte("\r\n")) {
			i += n + 2
		} else if bytes.HasPrefix(rest, []byte("\n")) {
			i += n + 1
		} else {
			out = append(out, '=')
		}
	}
	return out
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

// ErrCharset says that a part's charset is unknown: its text is what Latin-1 makes of it.
var ErrCharset = errors.New("unknown charset")

// Text is the content of a text part in UTF-8. With an error the text is there all the same, as well as can be.
func (p *Part) Text() (string, error) {
	b, err := p.Decoded()
	name := strings.ToLower(strings.TrimSpace(p.Params["charset"]))
	switch {
	case utf8.Valid(b) && (name == "" || name == "utf-8" || name == "utf8" || name == "us-ascii"):
		return string(b), err
	case name == "" || name == "utf-8" || name == "us-ascii":
		return latin1(string(b)), err
	}
	r, e := charset.Reader(name, bytes.NewReader(b))
	if e != nil {
		return latin1(string(b)), errors.Join(err, fmt.Errorf("%w %q", ErrCharset, clip(name)))
	}
	out, e := io.ReadAll(r)
	return strings.ToValidUTF8(string(out), "\uFFFD"), errors.Join(err, e)
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Signed reports whether the part's children must stay byte for byte (RFC 1847, 8551).
func (p *Part) Signed() bool {
	return p.Type == "multipart" && p.Subtype == "signed" || p.pkcs7() && strings.HasPrefix(p.Params["smime-type"], "signed")
}

// Encrypted reports whether nobody but its readers can look into the part (RFC 3156, 8551).
func (p *Part) Encrypted() bool {
	return p.Type == "multipart" && p.Subtype == "encrypted" || p.pkcs7() && !p.Signed()
}

func (p *Part) pkcs7() bool {
	return p.Type == "application" && (p.Subtype == "pkcs7-mime" || p.Subtype == "x-pkcs7-mime")
}
