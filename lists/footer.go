package lists

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"listd/mail"
)

// slots are the words that stand in a footer in braces, and what is filled in.
var slots = map[string]func(List, Seq) string{
	"title":       func(l List, _ Seq) string { return l.displayName() },
	"description": func(l List, _ Seq) string { return l.Policy.Description },
	"list":        func(l List, _ Seq) string { return l.Name() },
	"address":     func(l List, _ Seq) string { return l.Post().String() },
	"owner":       func(l List, _ Seq) string { return l.Owner().String() },
	"join":        func(l List, _ Seq) string { return l.Join().String() },
	"leave":       func(l List, _ Seq) string { return l.Leave().String() },
	"help":        func(l List, _ Seq) string { return l.Help().String() },
	"seq":         func(_ List, s Seq) string { return strconv.FormatUint(uint64(s), 10) },
}

const slotNames = "{title}, {description}, {list}, {address}, {owner}, {join}, {leave}, {help}, {seq}"

// fillSlots replaces each {word} by what fill says. A brace that no word in small letters follows is a brace.
func fillSlots(s string, fill func(word string) (string, error)) (string, error) {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(s, "{")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		word, rest, closed := strings.Cut(after, "}")
		if !closed || word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz_") != "" {
			b.WriteByte('{')
			s = after
			continue
		}
		v, err := fill(word)
		if err != nil {
			return "", err
		}
		b.WriteString(v)
		s = rest
	}
}

// footer is a text of several lines; its slots are checked when it is set, so that none fails at a post.
func footer(key, help string, field func(*Policy) *string) setting {
	return setting{key, help, fmt.Sprintf("text, at most %d bytes; %s are filled in", maxFooter, slotNames),
		func(p *Policy) string { return *field(p) },
		func(p *Policy, v string) error {
			v = strings.ReplaceAll(v, "\r\n", "\n")
			for line := range strings.SplitSeq(v, "\n") {
				if err := checkLine(strings.ReplaceAll(line, "\t", " "), maxFooter); err != nil {
					return err
				}
				if len(line) > 500 {
					return errors.New("a line is longer than 500 bytes: break it")
				}
			}
			if len(v) > maxFooter {
				return fmt.Errorf("%d bytes are too long: at most %d", len(v), maxFooter)
			}
			_, err := fillSlots(v, func(word string) (string, error) {
				if slots[word] == nil {
					return "", fmt.Errorf("there is nothing to fill in for {%s}: known are %s", word, slotNames)
				}
				return "", nil
			})
			if err == nil {
				*field(p) = strings.TrimRight(v, "\n")
			}
			return err
		}}
}

// footing is a list's footer on its way into one post.
type footing struct {
	text   string // filled in, lines ended by \n
	ascii  bool
	budget int // parts that may still be looked at
}

func newFooting(l List, seq Seq) *footing {
	text, err := fillSlots(l.Policy.Footer, func(word string) (string, error) {
		if f := slots[word]; f != nil {
			return f(l, seq), nil
		}
		return "{" + word + "}", nil // a Policy that did not come from Set
	})
	if err != nil {
		text = l.Policy.Footer
	}
	return &footing{text: text, ascii: isASCII(text), budget: maxTexts}
}

// addFooter is the message with its footer, and a note where it was left out.
func addFooter(l List, seq Seq, e entity) (entity, string) {
	f := newFooting(l, seq)
	p, err := mail.Parse(mail.Message{Head: e.head, Body: e.body}, mail.MIMELimits{})
	if err != nil {
		return f.wrap(e), ""
	}
	switch p.Type + "/" + p.Subtype {
	case "multipart/encrypted", "application/pgp-encrypted":
		// A wrapped PGP/MIME message is one that most programs do not decrypt (RFC 3156 section 4).
		return e, "the footer was left out: the post is encrypted"
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return e, "the footer was left out: the post is encrypted or signed as a whole"
	}
	if out, ok := f.add(p, 0); ok {
		out.head = mail.Without(out.head, stale)
		if len(mail.Values(e.head, "Content-Type")) == 0 && mail.Get(out.head, "Content-Type") != "" {
			out.head = setField(out.head, "MIME-Version", []byte("MIME-Version: 1.0\r\n"))
		}
		return out, ""
	}
	return f.wrap(e), ""
}

// maxTexts is how many parts are looked at for a text: each that is changed costs a copy of the whole.
const maxTexts = 20

// maxDepth is how deep a text lies at most: signed, mixed, related, alternative, and room.
const maxDepth = 8

// add is p with the footer in its text; not ok if it has none that may be touched.
func (f *footing) add(p *mail.Part, depth int) (entity, bool) {
	if f.budget--; f.budget < 0 || depth > maxDepth || p.Disposition == "attachment" {
		return entity{}, false
	}
	switch p.Type + "/" + p.Subtype {
	case "text/plain":
		return f.addPlain(p)
	case "text/html":
		return f.addHTML(p)
	case "multipart/alternative":
		return f.addEach(p, p.Children, depth) // a reader sees one of them
	case "multipart/related":
		return f.addEach(p, firstOf(p), depth) // the text that the others go with
	case "multipart/mixed":
		if out, ok := f.addEach(p, firstOf(p), depth); ok {
			return out, true
		}
		return f.addPart(p)
	}
	// multipart/signed above all: what is signed stays as it is, byte for byte (RFC 1847 section 2.1).
	return entity{}, false
}

// firstOf is the first part of a multipart, if it has any.
func firstOf(p *mail.Part) []*mail.Part { return p.Children[:min(1, len(p.Children))] }

// addEach is p with the footer in every text among these children.
func (f *footing) addEach(p *mail.Part, children []*mail.Part, depth int) (entity, bool) {
	body, done := p.Body, false
	for _, c := range slices.Backward(children) { // from the back, so that places before stay true
		if len(c.Head)+2+len(c.Body) != c.End-c.Start {
			continue // its head and body are not parted by an empty line
		}
		if out, ok := f.add(c, depth+1); ok {
			out.head = mail.Without(out.head, stale)
			body, done = slices.Concat(body[:c.Start], out.bytes(), body[c.End:]), true
		}
	}
	return entity{p.Head, body}, done
}

// addPart is a multipart with the footer as a last part of its own.
func (f *footing) addPart(p *mail.Part) (entity, bool) {
	if len(p.Children) == 0 {
		return entity{}, false
	}
	at := p.Close
	if at < 0 {
		at = len(p.Body)
	}
	delimiter := "--" + p.Params["boundary"]
	body := append(make([]byte, 0, len(p.Body)+len(f.text)+300), p.Body[:at]...)
	if !bytes.HasSuffix(body, []byte("\r\n")) {
		body = append(body, "\r\n"...)
	}
	body = append(append(body, delimiter+"\r\n"...), f.part().bytes()...)
	if p.Close < 0 {
		body = append(body, delimiter+"--\r\n"...)
	}
	return entity{p.Head, append(body, p.Body[at:]...)}, true
}

// part is the footer as a part of its own.
func (f *footing) part() entity {
	const rest = "Content-Disposition: inline\r\n"
	text := crlf(f.text)
	if f.ascii {
		return entity{[]byte("Content-Type: text/plain; charset=us-ascii\r\n" + rest), text}
	}
	return entity{[]byte("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n" + rest), encodeQP(text)}
}

// wrap makes the message a part of a multipart/mixed with the footer behind it. The part keeps its bytes, so that
// what is signed in it still verifies.
func (f *footing) wrap(e entity) entity {
	var outer, inner []byte
	encoding := ""
	for field := range mail.Fields(e.head) {
		switch {
		case stale(field), field.Is("MIME-Version"):
		case len(field.Name) > 8 && strings.EqualFold(field.Name[:8], "Content-"):
			inner = append(inner, field.Raw...)
			if field.Is("Content-Transfer-Encoding") {
				encoding = strings.ToLower(field.Value())
			}
		default:
			outer = append(outer, field.Raw...)
		}
	}
	boundary := freeBoundary(e)
	outer = append(outer, "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\""+boundary+"\"\r\n"...)
	if encoding == "8bit" || encoding == "binary" {
		// RFC 2045 section 6.4: a composite says what is the widest within it.
		outer = append(outer, "Content-Transfer-Encoding: "+encoding+"\r\n"...)
	}
	delimiter := "--" + boundary
	body := make([]byte, 0, len(inner)+len(e.body)+len(f.text)+400)
	body = append(append(body, delimiter+"\r\n"...), entity{inner, e.body}.bytes()...)
	body = append(body, "\r\n"+delimiter+"\r\n"...)
	body = append(append(body, f.part().bytes()...), delimiter+"--\r\n"...)
	return entity{outer, body}
}

// addPlain puts the footer below a text.
func (f *footing) addPlain(p *mail.Part) (entity, bool) {
	text, ok := decode(p.Body, p.Encoding)
	if !ok {
		return entity{}, false
	}
	foot := f.text
	if strings.EqualFold(p.Params["format"], "flowed") {
		foot = flowed(foot)
	}
	tail, charset, fits := f.inCharset(foot, p.Params["charset"], text)
	encoding := p.Encoding
	if fits && charset == "" && (f.ascii || encoding != "7bit") {
		return entity{p.Head, appendText(p, text, tail)}, true
	}
	if dubious(p.Head) {
		return entity{}, false // what we write in its place would say something else
	}
	if !fits {
		// The whole text becomes UTF-8.
		s, err := p.Text()
		if err != nil || !utf8.ValidString(s) {
			return entity{}, false
		}
		text, tail, charset = crlf(s), crlf(foot), "utf-8"
	}
	if encoding != "base64" {
		encoding = "quoted-printable" // good for 7-bit and 8-bit ways alike
	}
	head := p.Head
	if charset != "" {
		head = setField(head, "Content-Type", withCharset(p, charset))
	}
	head = setField(head, "Content-Transfer-Encoding", []byte("Content-Transfer-Encoding: "+encoding+"\r\n"))
	return entity{head, encode(below(text, tail), encoding)}, true
}

// appendText appends to the encoded body where that can be done without touching what is there.
func appendText(p *mail.Part, text, tail []byte) []byte {
	switch p.Encoding {
	case "base64":
		return encode(below(text, tail), "base64")
	case "quoted-printable":
		body := p.Body
		if bytes.HasSuffix(body, []byte("=\r\n")) {
			body = body[:len(body)-3] // a soft line break that nothing follows
		}
		return below(body, encodeQP(tail))
	}
	return below(p.Body, tail)
}

// below is text, an empty line, and the tail. RFC 3676 section 4.1: the empty line also ends a flowed paragraph.
func below(text, tail []byte) []byte {
	out := append(make([]byte, 0, len(text)+len(tail)+4), text...)
	if len(out) > 0 && !bytes.HasSuffix(out, []byte("\r\n")) {
		out = append(out, "\r\n"...)
	}
	return append(append(out, "\r\n"...), tail...)
}

// flowed is the text as lines that do not flow (RFC 3676 sections 4.2 and 4.4).
func flowed(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		line = strings.TrimRight(line, "\n")
		if line != "-- " {
			line = strings.TrimRight(line, " ")
		}
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, ">") || strings.HasPrefix(line, "From ") {
			b.WriteByte(' ')
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// inCharset is the footer in the text's charset. A charset is returned where the field must say another one; not
// ok if the text itself has to change.
func (f *footing) inCharset(foot, charset string, text []byte) (tail []byte, say string, ok bool) {
	tail = crlf(foot)
	name := strings.ToLower(charset)
	switch {
	case strings.HasPrefix(name, "utf-16"), strings.HasPrefix(name, "utf-32"), name == "utf-7", strings.HasPrefix(name, "ucs"):
		return nil, "", false
	case f.ascii: // all others have ASCII in them
		return tail, "", true
	}
	switch name {
	case "utf-8", "utf8":
		return tail, "", true
	case "", "us-ascii", "ascii":
		return tail, "utf-8", utf8.Valid(text)
	case "iso-8859-1", "latin1", "windows-1252", "cp1252":
		tail, ok = latin1(tail)
		return tail, "", ok
	}
	return nil, "", false
}

// latin1 is UTF-8 text in ISO 8859-1; not ok if it has more.
func latin1(s []byte) ([]byte, bool) {
	out := make([]byte, 0, len(s))
	for _, r := range string(s) {
		if r >= 0x80 && r < 0xa0 || r > 0xff {
			return nil, false
		}
		out = append(out, byte(r))
	}
	return out, true
}

// withCharset is the Content-Type field with another charset and its other parameters.
func withCharset(p *mail.Part, charset string) []byte {
	params := map[string]string{}
	maps.Copy(params, p.Params)
	params["charset"] = charset
	kind := p.Type + "/" + p.Subtype
	v := mime.FormatMediaType(kind, params)
	if v == "" {
		v = kind + "; charset=" + charset
	}
	return mail.FormatField("Content-Type", v)
}

// addHTML puts the footer before the end of the page. It is written in ASCII, which every charset has that may
// stand in mail but the wide ones.
func (f *footing) addHTML(p *mail.Part) (entity, bool) {
	name := strings.ToLower(p.Params["charset"])
	if strings.HasPrefix(name, "utf-16") || strings.HasPrefix(name, "utf-32") || name == "utf-7" {
		return entity{}, false
	}
	snippet := f.html()
	switch p.Encoding {
	case "7bit", "8bit", "binary":
		return entity{p.Head, beforeEnd(p.Body, snippet)}, true
	case "quoted-printable":
		// A tag may be cut by a soft line break; then the page is decoded.
		if lastIndexFold(p.Body, []byte("</body>")) >= 0 {
			return entity{p.Head, beforeEnd(p.Body, encodeQP(snippet))}, true
		}
		fallthrough
	case "base64":
		page, ok := decode(p.Body, p.Encoding)
		if !ok {
			return entity{}, false
		}
		return entity{p.Head, encode(beforeEnd(page, snippet), p.Encoding)}, true
	}
	return entity{}, false
}

// html is the footer as a piece of a page, in ASCII. A line that only parts it from the post becomes a rule.
func (f *footing) html() []byte {
	var b strings.Builder
	b.WriteString("<div class=\"listd-footer\"><hr>\r\n")
	first := true
	for line := range strings.Lines(f.text) {
		line = strings.TrimRight(line, "\n")
		if first && strings.Trim(line, "-_=* ") == "" {
			continue
		}
		first = false
		for _, r := range html.EscapeString(line) {
			if r < utf8.RuneSelf {
				b.WriteRune(r)
			} else {
				fmt.Fprintf(&b, "&#%d;", r)
			}
		}
		b.WriteString("<br>\r\n")
	}
	b.WriteString("</div>\r\n")
	return []byte(b.String())
}

// beforeEnd puts the piece before </body>, or </html>, or at the end.
func beforeEnd(page, piece []byte) []byte {
	at := lastIndexFold(page, []byte("</body>"))
	if at < 0 {
		at = lastIndexFold(page, []byte("</html>"))
	}
	if at < 0 {
		at = len(page)
	}
	out := append(make([]byte, 0, len(page)+len(piece)+2), page[:at]...)
	if at > 0 && !bytes.HasSuffix(out, []byte("\r\n")) {
		out = append(out, "\r\n"...)
	}
	return append(append(out, piece...), page[at:]...)
}
