package mail

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Body is what a person reads of a message.
type Body struct {
	Text  string   // UTF-8, lines ended by LF, paragraphs of format=flowed in one line each; the text of HTML where there is no other
	Fixed bool     // columns matter in it: there is plain text that does not flow, a patch or a table perhaps
	HTML  []byte   // the HTML alternative in UTF-8, otherwise as it came; whatever its own meta says of a charset is void
	Files []File   // what is attached, and the pictures in HTML; no signatures
	Odd   []string // what could not be read, each in a few words; no more than a few
}

// defaultText is how many bytes of text ReadBody reads unless it is told.
const defaultText = 256 << 10

// htmlRoom is how many bytes of HTML are read for a byte of text.
const htmlRoom = 16

// ReadBody reads a message as a person does: at most max bytes of text, 256 KiB if max is 0, and 16 times that of HTML.
// It decodes only what it must. Of several parts it takes those that are meant to be shown; of alternatives the plain
// one, unless it is empty (RFC 2046 section 5.1.4); messages within the message with their From and Subject on top.
func ReadBody(m Message, max int) Body { return readBody(m, max, true) }

func readBody(m Message, max int, html bool) Body {
	if max <= 0 {
		max = defaultText
	}
	r := bodyReader{max: max, html: html}
	root, short := parseSome(m)
	r.part(root, rootPath(root), place{root: true})
	if short {
		r.odd("it has more parts, or more within each other, than are read")
	}
	r.b.Text = r.text.String()
	if r.calendar != nil && strings.TrimSpace(r.b.Text) == "" {
		s, _ := r.decode(r.calendar, 64<<10)
		r.b.Text = cutText(trimLines(invitation(s)), max)
	}
	return r.b
}

// bodyReader puts a Body together.
type bodyReader struct {
	max      int
	html     bool // HTML is wanted
	b        Body
	text     strings.Builder
	silent   bool  // an alternative that was not chosen: its files are there, its text is not
	nested   int   // messages within each other
	cut      bool  // a part was longer than what is read of it
	calendar *Part // the first
}

// place is where a part lies.
type place struct {
	root   bool   // the message's own content
	within string // the subtype of the multipart around it
	first  bool   // in it
}

// odd notes what could not be read, once.
func (r *bodyReader) odd(what string) {
	const most = 10
	if len(r.b.Odd) < most && !slices.Contains(r.b.Odd, what) {
		r.b.Odd = append(r.b.Odd, what)
	}
}

func (r *bodyReader) part(p *Part, path string, at place) {
	switch {
	case p.Type == "multipart":
		r.multipart(p, path, at)
	case p.Type == "message" && len(p.Children) > 0:
		r.message(p, path, at)
	case p.pkcs7():
		r.pkcs7(p)
		r.file(p, path, at)
	case p.Type == "application" && p.Subtype == "pgp-encrypted":
		r.odd(encryptedPGP)
	case r.readable(p, at):
		r.shown(p, path, at)
	default:
		if p.Type == "text" && p.Subtype == "calendar" && r.calendar == nil {
			r.calendar = p
		}
		if p.Type == "message" && p.Subtype == "external-body" {
			r.odd("a part of it lies elsewhere")
		}
		r.file(p, path, at)
	}
}

const encryptedPGP = "it is encrypted with PGP"

func (r *bodyReader) pkcs7(p *Part) {
	if p.Encrypted() {
		r.odd("it is encrypted with S/MIME")
	} else {
		r.odd("it is signed with S/MIME in one piece, and its text is in there")
	}
}

// multipart reads the parts of p that are meant to be shown.
func (r *bodyReader) multipart(p *Part, path string, at place) {
	switch {
	case len(p.Children) == 0 && p.short:
		return
	case len(p.Children) == 0:
		// QUIRK: without its boundary, what there is may still be read.
		r.odd("its parts cannot be told from each other")
		plain := Part{Body: p.Body, Encoding: p.Encoding, Type: "text", Subtype: "plain"}
		r.plain(&plain, path)
		return
	case p.Subtype == "alternative":
		r.alternative(p, path)
		return
	case p.Subtype == "encrypted":
		r.odd(encryptedPGP)
	}
	for i, c := range p.Children {
		if p.Subtype == "encrypted" && c.Subtype == "pgp-encrypted" || signature(c) {
			continue // RFC 3156: no more than a version number
		}
		r.part(c, childPath(path, i), place{within: p.Subtype, first: i == 0})
	}
}

// signature reports whether a part is a signature and nothing else (RFC 3156, 8551).
func signature(p *Part) bool {
	return p.Type == "application" && (p.Subtype == "pgp-signature" || p.Subtype == "pkcs7-signature" || p.Subtype == "x-pkcs7-signature")
}

// alternative reads the one that fits best: the plainest that has something in it. The files of the others are files
// all the same: pictures lie beside the HTML, an invitation may be an alternative of its own.
func (r *bodyReader) alternative(p *Part, path string) {
	order := make([]int, len(p.Children))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return plainness(p.Children[a]) - plainness(p.Children[b]) })
	chosen := false
	for _, i := range order {
		c, before, silent := p.Children[i], r.text.Len(), r.silent
		r.silent = silent || chosen
		r.part(c, childPath(path, i), place{within: p.Subtype, first: true})
		r.silent = silent
		chosen = chosen || r.text.Len() > before
	}
}

// plainness orders alternatives by their first text.
func plainness(p *Part) int {
	for p.Type == "multipart" && len(p.Children) > 0 {
		p = p.Children[0]
	}
	switch {
	case p.Type != "text" || p.Disposition == "attachment":
		return 3
	case p.Subtype == "plain":
		return 0
	case p.Subtype == "html":
		return 1
	}
	return 2
}

// message reads a message within the message. One that is attached is a file, as people have it from their programs,
// and so is what a report returns.
func (r *bodyReader) message(p *Part, path string, at place) {
	child := p.Children[0]
	if p.Disposition == "attachment" || at.within == "report" {
		r.file(p, path, at)
		return
	}
	if at.within != "digest" && !at.root {
		r.file(p, path, at)
	}
	if !r.silent {
		r.gap()
		r.write(messageHead(child.Head, at.within == "digest"))
	}
	r.nested++
	if child.Type != "multipart" {
		path += ".1"
	}
	r.part(child, path, place{root: true})
	r.nested--
}

// messageHead is what stands above a message within a message: in a digest (RFC 1153) a rule and what it is about, else
// what says that it was forwarded.
func messageHead(head []byte, inDigest bool) string {
	var b strings.Builder
	field := func(name string) {
		const longest = 500
		if v := cleanLine(DecodeWords(Get(head, name)), longest); v != "" {
			b.WriteString(name + ": " + v + "\n")
		}
	}
	if inDigest {
		b.WriteString("------------------------------\n\n")
		field("Subject")
		field("From")
	} else {
		b.WriteString("-----Forwarded Message-----\n")
		field("From")
		field("Date")
		field("To")
		field("Subject")
	}
	b.WriteByte('\n')
	return b.String()
}

// asFile are the kinds of text that are not read but kept.
var asFile = []string{"calendar", "vcard", "x-vcard", "directory", "csv", "css", "rtf", "rfc822-headers", "javascript", "x-amp-html",
	"xml", "tab-separated-values", "ecmascript"}

// readable reports whether a part is text that is shown where it stands (RFC 2183 section 2.1). What a program shows
// when nothing is said, it has named because it was a file: patches are the exception, people comment on them.
func (r *bodyReader) readable(p *Part, at place) bool {
	switch {
	case p.Type != "text":
		// RFC 4880 before there was PGP/MIME: text, signed or sealed, in its own armour.
		return p.Type == "application" && p.Subtype == "pgp" && p.Disposition != "attachment"
	case p.Disposition == "attachment":
		return at.root && p.Filename == "" && !slices.Contains(asFile, p.Subtype)
	case slices.Contains(asFile, p.Subtype):
		return false
	case at.within == "related" && !at.first:
		return p.Subtype == "plain" && p.Filename == "" && Get(p.Head, "Content-ID") == ""
	case p.Filename == "" || at.root:
		return true
	case p.Subtype == "html":
		return false
	}
	return p.Subtype == "plain" || p.Disposition == "inline"
}

// shown reads a text.
func (r *bodyReader) shown(p *Part, path string, at place) {
	if p.Filename != "" && !at.root {
		r.file(p, path, at)
	}
	switch {
	case p.Subtype == "html":
		r.page(p)
	case r.silent || r.room() <= 0:
	case p.Subtype == "enriched" || p.Subtype == "richtext":
		s, _ := r.decode(p, 4*r.room())
		r.add(cleanText(enriched(s, p.Subtype == "richtext"), r.room()))
	default:
		r.plain(p, path)
	}
}

// room is how many bytes of text may still come.
func (r *bodyReader) room() int { return r.max - r.text.Len() }

// plain reads plain text.
func (r *bodyReader) plain(p *Part, path string) {
	if r.silent || r.room() <= 0 {
		return
	}
	s, files := r.decode(p, r.room())
	for i, f := range files {
		f.Path = path + "/" + strconv.Itoa(i+1)
		r.b.Files = append(r.b.Files, f)
	}
	if s = cleanText(s, len(s)); p.flowed() {
		s = p.unflow(s)
	} else if strings.TrimSpace(s) != "" {
		r.b.Fixed = true
	}
	r.add(s)
}

// page reads HTML.
func (r *bodyReader) page(p *Part) {
	wantText := !r.silent && r.room() > 0
	wantPage := r.html && r.nested == 0 && len(r.b.HTML) < htmlRoom*r.max
	if !wantText && !wantPage {
		return
	}
	s, _ := r.decode(p, htmlRoom*r.max)
	if wantText {
		r.add(cleanText(HTMLText(s, r.room()), r.room()))
	}
	if wantPage {
		r.b.HTML = append(r.b.HTML, s...)
	}
}

// decode is the text of a part, of at most max bytes of it, and the files that stood in it. What is wrong is odd.
func (r *bodyReader) decode(p *Part, max int) (text string, files []File) {
	cut := *p
	if n := encodedRoom(p.Encoding, max); len(cut.Body) > n {
		cut.Body = cut.Body[:n]
		if nl := bytes.LastIndexByte(cut.Body, '\n'); nl > n/2 {
			cut.Body = cut.Body[:nl+1]
		}
		r.cut = true
		r.odd(fmt.Sprintf("it is longer than the %d KiB that are read", (max+1023)>>10))
	}
	if broken(&cut) {
		r.odd("its " + cut.Encoding + " is broken")
	}
	b, err := cut.Decoded()
	if err != nil {
		r.odd(cleanLine(err.Error(), 200))
	}
	if p.Subtype != "html" {
		b, files = takeEncoded(b)
	}
	name := p.Params["charset"]
	if name == "" && p.Subtype == "html" && !utf8.Valid(b) {
		name = metaCharset(b)
	}
	text, err = toUTF8(b, name)
	switch {
	case err != nil:
		r.odd(cleanLine(err.Error(), 200))
	case !ascii(b) && strings.ContainsRune(text, utf8.RuneError) && !bytes.Contains(b, []byte("\uFFFD")):
		r.odd("some of its characters are broken")
	}
	return strings.TrimPrefix(text, "\uFEFF"), files
}

// Words is what a text part says, at most max bytes of it, and whether there was more: for who looks for words in it
// rather than to show it. It is UTF-8 with LF line ends, as well as can be where a charset is unknown; of HTML it is what
// HTMLWords makes of four times as many bytes.
func (p *Part) Words(max int) (text string, cut bool) {
	const room = 4 // HTML has more tags than text
	r := bodyReader{max: max}
	switch p.Subtype {
	case "html":
		text, _ = r.decode(p, room*max)
		text = HTMLWords(text, max+1)
	case "enriched", "richtext":
		text, _ = r.decode(p, room*max)
		text = enriched(text, p.Subtype == "richtext")
	default:
		text, _ = r.decode(p, max)
	}
	if text = cleanText(text, len(text)); p.Subtype == "plain" && p.flowed() {
		text = p.unflow(text)
	}
	return cutText(text, max), r.cut || len(text) > max
}

// encodedRoom is how many encoded bytes hold so many decoded ones, with the ends of lines.
func encodedRoom(encoding string, n int) int {
	switch encoding {
	case "base64":
		return n/3*4 + n/24 + 1024
	case "quoted-printable":
		return 3*n + n/8 + 1024
	}
	return n
}

// broken reports whether there is something in a part that its transfer encoding does not know.
func broken(p *Part) bool {
	switch p.Encoding {
	case "base64":
		return bytes.IndexFunc(p.Body, func(c rune) bool {
			return !(c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '=' || c <= ' ')
		}) >= 0
	case "quoted-printable":
		for b := p.Body; ; {
			i := bytes.IndexByte(b, '=')
			if i < 0 {
				return false
			}
			b = b[i+1:]
			if len(b) >= 2 && unhex(b[0]) >= 0 && unhex(b[1]) >= 0 {
				continue
			}
			b = bytes.TrimLeft(b, " \t")
			if len(b) > 0 && b[0] != '\r' && b[0] != '\n' {
				return true
			}
		}
	}
	return false
}

// metaCharset is what a page says of its charset where the part says nothing.
func metaCharset(page []byte) string {
	const within = 1024
	head := bytes.ToLower(page[:min(len(page), within)])
	_, after, ok := bytes.Cut(head, []byte("charset="))
	if !ok {
		return ""
	}
	after = bytes.TrimLeft(after, `"' `)
	end := bytes.IndexFunc(after, func(r rune) bool { return strings.ContainsRune(`"'>;/ `, r) })
	return string(after[:max(end, 0)])
}

// add writes a text, an empty line below what is there.
func (r *bodyReader) add(s string) {
	if s = trimLines(s); s != "" {
		r.gap()
		r.write(s)
	}
}

// gap writes an empty line, if something stands above.
func (r *bodyReader) gap() {
	if n := r.text.Len(); n > 0 && !strings.HasSuffix(r.text.String(), "\n\n") {
		r.write("\n")
	}
}

// write writes a text as far as there is room.
func (r *bodyReader) write(s string) { r.text.WriteString(cutText(s, r.room())) }
