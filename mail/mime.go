package mail

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
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
	Type, Subtype string // in lower case; text/plain, or what a digest takes for granted, where nothing or nonsense is said
	Params        map[string]string
	Encoding      string // of Content-Transfer-Encoding, in lower case; "7bit" where nothing is said
	Disposition   string
	Filename      string
	Children      []*Part // of a multipart, or the one message in a message/rfc822
	Start, End    int     // where the part, its head included, lies in its parent's Body
	Close         int     // where the closing delimiter of a multipart begins in its Body; -1 if there is none

	short bool // there are more children than were taken apart
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
	c := cutter{left: lim.Parts}
	root := c.part(m.Head, m.Body, false, lim.Depth)
	if c.short {
		return nil, ErrMIMELimits
	}
	return root, nil
}

// parseSome is Parse with its default limits for who wants to read what there is: parts beyond the limits are left
// out, and short says so.
func parseSome(m Message) (root *Part, short bool) {
	c := cutter{left: 1000, lenient: true}
	root = c.part(m.Head, m.Body, false, 50)
	return root, c.short
}

// cutter takes parts apart.
type cutter struct {
	left    int  // how many parts there may still be
	lenient bool // go on beyond the limits, without what lies there
	short   bool // they were met
}

// part takes a part apart; nil if it lies beyond the limits. inDigest says that it lies in a multipart/digest, where a
// part is a message unless it says otherwise (RFC 2046 section 5.1.5).
func (c *cutter) part(head, body []byte, inDigest bool, depth int) *Part {
	if c.left--; c.left < 0 || depth < 0 {
		c.short = true
		return nil
	}
	p := &Part{Head: head, Body: body, Type: "text", Subtype: "plain", Encoding: "7bit", Close: -1}
	if inDigest {
		p.Type, p.Subtype = "message", "rfc822"
	}
	p.describe()
	switch {
	case p.Type == "multipart" && p.Params["boundary"] != "":
		var places [][2]int
		places, p.Close = cutParts(body, p.Params["boundary"], c.left+1)
		for _, at := range places {
			h, b := cutHead(body[at[0]:at[1]:at[1]])
			p.adopt(c.part(h, b, p.Subtype == "digest", depth-1), at[0], at[1])
			if c.short && !c.lenient || c.left < 0 {
				break
			}
		}
	case p.Type == "message" && (p.Subtype == "rfc822" || p.Subtype == "global") && p.Encoding != "base64" && p.Encoding != "quoted-printable":
		h, b := cutHead(body)
		p.adopt(c.part(h, b, false, depth-1), 0, len(body))
	}
	return p
}

// adopt makes child, which lies there in the body, a child of p.
func (p *Part) adopt(child *Part, start, end int) {
	if child == nil {
		p.short = true
		return
	}
	child.Start, child.End = start, end
	p.Children = append(p.Children, child)
}

// describe reads the content fields of the head. Of two that are alike the first counts.
func (p *Part) describe() {
	var kind, encoding, disposition bool
	for f := range Fields(p.Head) {
		switch {
		case !kind && f.Is("Content-Type"):
			kind = true
			p.Type, p.Subtype, p.Params = "text", "plain", nil
			t, params := parseParams(f.Value())
			if a, b, ok := strings.Cut(t, "/"); ok && token(a) && token(b) {
				p.Type, p.Subtype, p.Params = a, b, params
			}
		case !encoding && f.Is("Content-Transfer-Encoding"):
			encoding = true
			if v := strings.ToLower(f.Value()); v != "" {
				p.Encoding = v
			}
		case !disposition && f.Is("Content-Disposition"):
			disposition = true
			d, params := parseParams(f.Value())
			p.Disposition, p.Filename = d, fileName(params["filename"])
		}
	}
	if p.Filename == "" {
		p.Filename = fileName(p.Params["name"])
	}
}

// fileName decodes a name; RFC 2231 can write line ends and NUL into one.
func fileName(s string) string { return strings.TrimSpace(blankControls(DecodeWords(s))) }

// cutParts is where a multipart's parts, at most max of them, lie in its body: between its delimiter lines (RFC 2046
// section 5.1.1), without the line end that belongs to the delimiter behind; and where the closing delimiter begins. A
// missing one, -1, is forgiven.
func cutParts(body []byte, boundary string, max int) (parts [][2]int, close int) {
	delim := []byte("--" + boundary)
	start := -1
	for at := 0; at < len(body) && len(parts) < max; {
		line := body[at:]
		next := len(body)
		if nl := bytes.IndexByte(line, '\n'); nl >= 0 {
			line, next = line[:nl+1], at+nl+1
		}
		if bytes.HasPrefix(line, delim) {
			rest := bytes.TrimRight(line[len(delim):], " \t\r\n")
			if closing := bytes.Equal(rest, []byte("--")); closing || len(rest) == 0 {
				if start >= 0 {
					end := len(bytes.TrimSuffix(bytes.TrimSuffix(body[start:at], []byte("\n")), []byte("\r")))
					parts = append(parts, [2]int{start, start + end})
				}
				if start = next; closing {
					return parts, at
				}
			}
		}
		at = next
	}
	if start >= 0 && start < len(body) && len(parts) < max {
		parts = append(parts, [2]int{start, len(body)})
	}
	return parts, -1
}

// cutHead divides a part at its first empty line. As in Read, what does not begin with a field has no head.
func cutHead(b []byte) (head, body []byte) {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return nil, b[2:]
	}
	if bytes.HasPrefix(b, []byte("\n")) {
		return nil, b[1:]
	}
	if fieldName(firstLine(b)) == "" {
		return nil, b
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

// decodeBase64 leaves out what is no base64 and an end that is cut off. Padding ends a run, another may follow.
func decodeBase64(b []byte) []byte {
	run := make([]byte, 0, min(len(b), 4096))
	out := make([]byte, 0, base64.RawStdEncoding.DecodedLen(len(b)))
	flush := func() {
		if len(run)%4 == 1 {
			run = run[:len(run)-1]
		}
		out, _ = base64.RawStdEncoding.AppendDecode(out, run) // what is left is base64 throughout
		run = run[:0]
	}
	for _, c := range b {
		switch {
		case c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/':
			if run = append(run, c); len(run) == 4096 { // a multiple of four
				flush()
			}
		case c == '=':
			flush()
		}
	}
	flush()
	return out
}

// decodeQuoted is RFC 2045 section 6.7. A bad escape stands for itself: it must not cost the rest.
func decodeQuoted(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		line, end := b, []byte(nil)
		if nl := bytes.IndexByte(b, '\n'); nl >= 0 {
			line, end = b[:nl], b[nl:nl+1]
			if bytes.HasSuffix(line, []byte{'\r'}) {
				line, end = b[:nl-1], b[nl-1:nl+1]
			}
		}
		b = b[len(line)+len(end):]
		line = bytes.TrimRight(line, " \t") // put there on the way (rule 3)
		if bytes.HasSuffix(line, []byte{'='}) {
			line, end = line[:len(line)-1], nil
		}
		for i := 0; i < len(line); i++ {
			if line[i] == '=' && i+2 < len(line) {
				if hi, lo := unhex(line[i+1]), unhex(line[i+2]); hi >= 0 && lo >= 0 {
					out = append(out, byte(hi<<4|lo))
					i += 2
					continue
				}
			}
			out = append(out, line[i])
		}
		out = append(out, end...)
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

// ErrCharset says that a part's charset is unknown: its text is what windows-1252 makes of it.
var ErrCharset = errors.New("unknown charset")

// Text is the content of a text part in UTF-8. With an error the text is there all the same, as well as can be.
func (p *Part) Text() (string, error) {
	b, err := p.Decoded()
	s, e := toUTF8(b, p.Params["charset"])
	return s, errors.Join(err, e)
}

// toUTF8 converts from a charset by its name. Without one, and where ASCII is claimed in vain, it is UTF-8 if it can be
// and else windows-1252, which is also what Latin-1 means wherever mail is read.
func toUTF8(b []byte, name string) (string, error) {
	switch name = strings.ToLower(strings.Trim(name, " \t'\"")); name {
	case "utf-8", "utf8":
		if ascii(b) {
			return string(b), nil
		}
		return strings.ToValidUTF8(string(b), "\uFFFD"), nil
	case "", "us-ascii", "ascii":
		if utf8.Valid(b) {
			return string(b), nil
		}
		return windows1252(string(b)), nil
	case "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1":
		return windows1252(string(b)), nil
	}
	r, err := charset.Reader(name, bytes.NewReader(b))
	if err != nil {
		return windows1252(string(b)), fmt.Errorf("%w %q", ErrCharset, clip(name))
	}
	out, err := io.ReadAll(r)
	return strings.ToValidUTF8(string(out), "\uFFFD"), err
}

func ascii(b []byte) bool {
	const high = 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		if binary.LittleEndian.Uint64(b)&high != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// Signed reports whether the part's children must stay byte for byte (RFC 1847, 8551).
func (p *Part) Signed() bool {
	return p.Type == "multipart" && p.Subtype == "signed" || p.pkcs7() && strings.HasPrefix(strings.ToLower(p.Params["smime-type"]), "signed")
}

// Encrypted reports whether nobody but its readers can look into the part (RFC 3156, 8551).
func (p *Part) Encrypted() bool {
	return p.Type == "multipart" && p.Subtype == "encrypted" || p.pkcs7() && !p.Signed()
}

func (p *Part) pkcs7() bool {
	return p.Type == "application" && (p.Subtype == "pkcs7-mime" || p.Subtype == "x-pkcs7-mime")
}
