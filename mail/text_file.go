package mail

import (
	"strconv"
	"strings"
	"unicode"
)

// File is an attachment, a picture that HTML shows, or a part that nobody can read as text.
type File struct {
	Name      string // never empty: without directories, control characters and what turns the direction of writing
	Type      string // "image/png", in lower case, as the sender says
	ContentID string // without brackets; HTML shows it as cid:… (RFC 2392)
	Inline    bool   // it is shown within the text, or meant to be
	Size      int    // bytes, decoded
	Path      string // for OpenPart: as IMAP counts (RFC 3501 section 6.4.5), "2.1"; "1/1" is the first that stands, uuencoded or in yEnc, in the text of part 1

	made bool // the name is ours
}

// file notes a part as a file.
func (r *bodyReader) file(p *Part, path string, at place) {
	name, made := fileOf(p, path)
	r.b.Files = append(r.b.Files, File{
		Name: name, Type: p.Type + "/" + p.Subtype, ContentID: contentID(p.Head),
		Inline: p.Disposition == "inline" || p.Disposition != "attachment" && at.within == "related",
		Size:   p.decodedSize(), Path: path, made: made,
	})
}

func contentID(head []byte) string {
	if ids := MessageIDs(Get(head, "Content-ID")); len(ids) > 0 {
		return ids[0]
	}
	return cleanLine(strings.Trim(Get(head, "Content-ID"), "<> "), 200) // QUIRK: many have no @
}

// endings are those of files whose sender gave no name.
var endings = map[string]string{"text/plain": ".txt", "text/html": ".html", "text/calendar": ".ics", "text/vcard": ".vcf", "text/x-vcard": ".vcf",
	"text/directory": ".vcf", "text/csv": ".csv", "text/rtf": ".rtf", "text/x-patch": ".patch", "text/x-diff": ".diff", "text/rfc822-headers": ".txt", "text/css": ".css", "text/x-amp-html": ".html",
	"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/svg+xml": ".svg", "image/webp": ".webp",
	"application/pdf": ".pdf", "application/zip": ".zip", "application/gzip": ".gz", "application/json": ".json", "application/xml": ".xml",
	"application/pkcs7-mime": ".p7m", "application/x-pkcs7-mime": ".p7m", "application/pgp-keys": ".asc", "application/ms-tnef": ".dat",
	"application/ics": ".ics", "message/rfc822": ".eml", "message/global": ".eml", "message/delivery-status": ".txt", "audio/mpeg": ".mp3", "audio/ogg": ".ogg", "video/mp4": ".mp4"}

// fileOf is a part's name, and whether it is made because the sender gave none.
func fileOf(p *Part, path string) (name string, made bool) {
	if name = cleanName(p.Filename); name != "" {
		return name, false
	}
	kind := p.Type + "/" + p.Subtype
	if p.Type == "message" && len(p.Children) > 0 {
		if s := cleanName(strings.NewReplacer("/", "-", `\`, "-").Replace(DecodeWords(Get(p.Children[0].Head, "Subject")))); s != "" {
			return cutText(s, maxName-4) + ".eml", true
		}
	}
	ending := endings[kind]
	if ending == "" {
		ending = ".bin"
	}
	return "part-" + path + ending, true
}

// maxName bounds the name of a file, in bytes.
const maxName = 200

// cleanName is the last element of a name, without what could lead elsewhere or make it look like another: control
// characters, marks of direction, dots in front, blanks and dots behind. The end is kept, since it tells the kind.
func cleanName(s string) string {
	if i := strings.LastIndexAny(s, `/\`); i >= 0 {
		s = s[i+1:]
	}
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\u200c' || r == '\u200d': // letters join, or do not
			return r
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029':
			return -1
		}
		return r
	}, s)
	s = strings.TrimRight(strings.TrimLeft(strings.Join(strings.Fields(s), " "), ". "), ". ")
	if len(s) <= maxName {
		return s
	}
	end := ""
	if i := strings.LastIndexByte(s, '.'); i >= 0 && len(s)-i <= 20 {
		end = s[i:]
	}
	return strings.TrimRight(cutText(s, maxName-len(end)), ". ") + end
}

// decodedSize is len(Decoded()), without the content where that is cheaper.
func (p *Part) decodedSize() int {
	switch p.Encoding {
	case "base64":
		size, run := 0, 0
		flush := func() { size, run = size+run/4*3+[4]int{0, 0, 1, 2}[run%4], 0 }
		for _, c := range p.Body {
			switch {
			case c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/':
				run++
			case c == '=':
				flush()
			}
		}
		flush()
		return size
	case "quoted-printable":
		return len(decodeQuoted(p.Body))
	}
	return len(p.Body)
}

// OpenPart is a part of a message by its path, as File.Path has it: its type, its name as File.Name would be, and its
// content without the transfer encoding. Text keeps its charset. Not ok if there is no such part.
func OpenPart(m Message, path string) (kind, name string, data []byte, ok bool) {
	path, inText, encoded := strings.Cut(path, "/")
	root, _ := parseSome(m)
	p := root.find(path)
	if p == nil {
		return "", "", nil, false
	}
	data, _ = p.Decoded() // of an unknown encoding, as it is
	if encoded {
		return openEncoded(data, inText)
	}
	name, _ = fileOf(p, path)
	return p.Type + "/" + p.Subtype, name, data, true
}

// rootPath is the path of a whole message, childPath that of a multipart's part.
func rootPath(root *Part) string {
	if root.Type == "multipart" {
		return ""
	}
	return "1"
}

func childPath(path string, i int) string {
	if path == "" {
		return strconv.Itoa(i + 1)
	}
	return path + "." + strconv.Itoa(i+1)
}

// find is the part with this path; nil if there is none.
func (p *Part) find(path string) *Part {
	inMessage := true // a content that is no multipart is part 1 of its message
	for number := range strings.SplitSeq(path, ".") {
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || strconv.Itoa(n) != number {
			return nil
		}
		if !inMessage && p.Type == "message" && len(p.Children) > 0 {
			p, inMessage = p.Children[0], true
		}
		switch {
		case p.Type == "multipart" && n <= len(p.Children):
			p, inMessage = p.Children[n-1], false
		case inMessage && p.Type != "multipart" && n == 1:
			inMessage = false
		default:
			return nil
		}
	}
	return p
}
