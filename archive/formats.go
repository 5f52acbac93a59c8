package archive

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"listd/mail"
)

// Format is how the messages of a file are parted and quoted.
type Format uint8

// The formats of collections. A file of any of them may be compressed with gzip.
//
// The four kinds of mbox part messages by "From " lines. Mboxo writes a line of a message that begins with "From " as
// ">From ", and nothing tells it from one that was ">From " before; Mboxrd puts a ">" before each line of ">"s and
// "From ", which can be undone. Mboxcl is Mboxo with the length of each body in Content-Length, Mboxcl2 has the length
// and quotes nothing. Pipermail is Mailman 2's monthly text: an Mboxo whose addresses are written "ann at example.org".
// EML is one message.
const (
	AnyFormat Format = iota // by what the file shows
	Mboxo
	Mboxrd
	Mboxcl
	Mboxcl2
	Pipermail
	EML
)

func (f Format) String() string {
	names := [...]string{"any", "mboxo", "mboxrd", "mboxcl", "mboxcl2", "pipermail", "eml"}
	if int(f) < len(names) {
		return names[f]
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// ReadOptions are how a collection is read. The zero value has a sane meaning.
type ReadOptions struct {
	Format  Format    // AnyFormat: by evidence; else it is taken at its word
	Max     int64     // bytes of a message; a larger one is skipped; 25 MiB
	Now     time.Time // a Date more than a day later is a wrong clock's; zero: none is before the year 2100
	Domain  string    // the right side of the Message-IDs that are made; "import.invalid"
	After   int64     // messages that end at or before this Offset are read, since they date the next, but not yielded
	Folders bool      // ReadMaildir: with its Maildir++ folders
	AsFound bool      // without mending: line ends, NULs and quoting only
}

func (o ReadOptions) withDefaults() ReadOptions {
	if o.Max <= 0 {
		o.Max = 25 << 20
	}
	o.Max = min(o.Max, 1<<30)
	return o
}

// Old is one message of a collection as it was found.
type Old struct {
	Message  mail.Message // CRLF, mended: see Mend; else as it lies
	Place    string       // where it was found, for the report: "2004-March.txt:1234", file and line
	Offset   int64        // bytes of the uncompressed collection read when it ended: for progress, and for ReadOptions.After
	Received time.Time    // of its "From " line or its Maildir name; zero if unknown
	Odd      []string     // what was odd and how it was mended, in words
}

// SkipError says that bytes of a collection have become no message, and why. The sequence goes on behind it; with any
// other error it has ended.
type SkipError struct {
	Place string // file and line
	Bytes int64  // 0 if it is a whole file
	Why   string
}

func (e *SkipError) Error() string {
	if e.Bytes == 0 {
		return fmt.Sprintf("%s: skipped: %s", e.Place, e.Why)
	}
	return fmt.Sprintf("%s: %d bytes skipped: %s", e.Place, e.Bytes, e.Why)
}

// ReadOld reads a collection from r, whose name is for the report and tells .eml from .mbox in doubt. One message is in
// memory at a time. What cannot be one is yielded as a *SkipError with the Offset behind it; an error of r, or a file
// that is no collection, is any other error and the last thing yielded. Each byte lies in the span of exactly one of
// what is yielded, which begins at the Offset of the one before.
//
// RFC 4155, and what its appendix A says of the world.
func ReadOld(name string, r io.Reader, o ReadOptions) iter.Seq2[Old, error] {
	return func(yield func(Old, error) bool) {
		c := newCollection(o)
		if more, err := c.read(name, r, yield); more && err != nil {
			yield(Old{Place: c.s.place(), Offset: c.base}, err)
		}
	}
}

// collection reads files into messages. Its buffers serve one message after the other.
type collection struct {
	o       ReadOptions
	s       splitter
	cleaner cleaner
	base    int64     // Offset at which the file begins, and then ends
	before  time.Time // the date of the message before

	received time.Time // what the file's name tells
	odd      []string
}

func newCollection(o ReadOptions) *collection {
	return &collection{o: o.withDefaults()}
}

// read yields the messages of one file. It is false when no more are wanted. An error has ended the file.
func (c *collection) read(name string, r io.Reader, yield func(Old, error) bool) (more bool, err error) {
	plain, err := gunzip(r)
	c.s.reset(name, plain, c.o)
	if err != nil {
		return true, fmt.Errorf("%s: %w", name, err)
	}
	if c.o.Format == AnyFormat {
		f, q, err := detect(name, c.s.w.want(evidence))
		if err != nil && c.s.w.failed() == nil {
			return true, err
		}
		c.s.format, c.s.quoting = f, q
	}
	for c.s.next() {
		old, err := c.finish(&c.s.now)
		if old.Offset = c.base + c.s.offset; old.Offset <= c.o.After {
			continue
		}
		if !yield(old, err) {
			return false, nil
		}
	}
	c.base += c.s.offset
	if err := c.s.w.failed(); err != nil {
		return true, fmt.Errorf("%s: the file cannot be read further: %w", c.s.place(), err)
	}
	return true, nil
}

// finish makes the message of a span.
func (c *collection) finish(s *stretch) (Old, error) {
	old := Old{Place: s.place}
	if s.why != "" {
		return old, &SkipError{Place: s.place, Bytes: s.bytes, Why: s.why}
	}
	old.Received, old.Odd = s.from.at, append(s.odd, c.odd...)
	if old.Received.IsZero() {
		old.Received = c.received
	}
	text := c.cleaner.clean(s.content, s.quoting, &old.Odd)
	if int64(len(text)) > c.o.Max {
		return Old{Place: s.place}, &SkipError{Place: s.place, Bytes: s.bytes, Why: tooLarge(c.o.Max)}
	}
	m := parted(bytes.Clone(text))
	old.Message = m
	if c.o.AsFound {
		return old, nil
	}
	var odd []string
	old.Message, c.before, odd = Mend(m, Hints{From: s.from.address(), Received: old.Received, Before: c.before, Now: c.o.Now,
		Domain: c.o.Domain, Obscured: c.s.format == Pipermail})
	old.Odd = append(old.Odd, odd...)
	return old, nil
}

// parted cuts a message at its empty line as mail.Read with mail.Mend does, which would look at each of its lines again.
func parted(b []byte) mail.Message {
	if body, ok := bytes.CutPrefix(b, []byte("\r\n")); ok {
		return mail.Message{Body: body}
	}
	for f := range mail.Fields(b[:bytes.IndexByte(b, '\n')+1]) {
		if f.Name == "" {
			return mail.Message{Body: b}
		}
	}
	if i := bytes.Index(b, []byte("\r\n\r\n")); i >= 0 {
		return mail.Message{Head: b[: i+2 : i+2], Body: b[i+4:]}
	}
	return mail.Message{Head: b}
}

func tooLarge(max int64) string {
	return fmt.Sprintf("the message is larger than the %d bytes that are taken", max)
}

// gunzip is r, or what it holds compressed. A bomb is harmless: nothing is kept of it but one message, within its bound.
func gunzip(r io.Reader) (io.Reader, error) {
	var magic [2]byte
	n, err := io.ReadFull(r, magic[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	whole := io.MultiReader(bytes.NewReader(magic[:n]), r)
	if !gzipped(magic[:n]) {
		return whole, nil
	}
	z, err := gzip.NewReader(whole)
	if err != nil {
		return nil, fmt.Errorf("a broken gzip file: %w", err)
	}
	return z, nil
}

func gzipped(b []byte) bool { return bytes.HasPrefix(b, []byte{0x1f, 0x8b}) }

// evidence is how much of a file is looked at to tell what it is, in bytes.
const evidence = 1 << 20

// Detect tells the format of a file by its first bytes, the more the better up to 1 MiB, and in doubt by its name. Of a
// file that has been compressed with gzip it tells what is inside. An error says what it is instead, and what to do.
func Detect(name string, first []byte) (Format, error) {
	if gzipped(first) {
		z, err := gzip.NewReader(bytes.NewReader(first))
		if err != nil {
			return AnyFormat, fmt.Errorf("%s: a broken gzip file: %w", name, err)
		}
		// That it breaks off is no wonder: these are its first bytes only.
		first, _ = io.ReadAll(io.LimitReader(z, evidence))
	}
	f, _, err := detect(name, first)
	return f, err
}

func detect(name string, first []byte) (Format, quoting, error) {
	if what := foreign(first); what != "" {
		return AnyFormat, unsure, fmt.Errorf("%s: this is %s", name, what)
	}
	start := bytes.TrimLeft(bytes.TrimPrefix(first, []byte(bom)), "\r\n\x00")
	if len(start) == 0 {
		return Mboxo, unsure, nil // an empty mailbox
	}
	base := strings.TrimSuffix(strings.ToLower(name), ".gz")
	_, head := headLine(start)
	from := bytes.HasPrefix(start, []byte("From "))
	if strings.HasSuffix(base, ".eml") && (head || from) {
		return EML, quotedNone, nil
	}
	if from || !head || strings.HasSuffix(base, ".mbox") || strings.HasSuffix(base, ".mbx") {
		if f, q := mboxKind(first); f != AnyFormat {
			return f, q, nil
		}
	}
	switch {
	case head:
		return EML, quotedNone, nil
	case from:
		return AnyFormat, unsure, fmt.Errorf(`%s: it begins with "From " but has no date at the end of that line; expected one such as %q`, name, fromExample)
	}
	return AnyFormat, unsure, fmt.Errorf(`%s: this is no mail: expected an mbox, whose messages begin with a line such as %q, or one message, `+
		`which begins with fields such as "From: ann@example.org"; it begins with %q`, name, fromExample, start[:min(len(start), 40)])
}

const fromExample = "From ann@example.org Thu Mar  4 12:00:00 2004"

// foreign names what is often taken for a mailbox, and says what to do.
func foreign(b []byte) string {
	has := func(magic string) bool { return bytes.HasPrefix(b, []byte(magic)) }
	switch low := bytes.ToLower(b[:min(len(b), 64)]); {
	case has("PK\x03\x04"), has("PK\x05\x06"):
		return "a zip archive: unpack it first, and import what is in it"
	case has("BZh"), has("\xfd7zXZ"), has("\x28\xb5\x2f\xfd"), has("7z\xbc\xaf"):
		return "a compressed file: unpack it first (gzip is read as it is)"
	case len(b) >= 262 && string(b[257:262]) == "ustar":
		return "a tar archive: unpack it first, and import what is in it"
	case has("!BDN"):
		return "an Outlook mailbox (.pst): export it as mbox first"
	case has("\xff\xfe"), has("\xfe\xff"):
		return "text in UTF-16: convert it to UTF-8 first"
	case has("\x01\x01\x01\x01"):
		return "an MMDF mailbox: convert it to mbox first"
	case has("BABYL OPTIONS"):
		return "an Emacs Babyl file: convert it to mbox first"
	case has("\x80\x02"), has("\x80\x03"), has("\x80\x04"):
		return "a Python pickle (Mailman's settings or its queue): the mails are in archives/private/LIST.mbox"
	case bytes.Contains(low, []byte("<html")), bytes.HasPrefix(bytes.TrimSpace(low), []byte("<!doctype html")):
		return "a web page: take the archive's text or mbox files"
	}
	return ""
}

// mboxKind is the kind of an mbox that begins with these bytes, and how it quotes; AnyFormat if they have no "From " line.
func mboxKind(first []byte) (Format, quoting) {
	var s splitter
	s.reset("", bytes.NewReader(first), ReadOptions{}.withDefaults())
	var messages, lengths, bare int
	for s.next() {
		if s.now.why != "" {
			continue
		}
		if messages++; messages == 1 && s.now.from.obscured() && !bytes.Contains(s.now.from.who, []byte("@")) {
			return Pipermail, weigh(first).quoting()
		}
		if s.now.length && s.offset < int64(len(first)) { // the end of these bytes need not be that of the file
			lengths++
			if s.now.quoting == quotedNone {
				bare++
			}
		}
	}
	q := weigh(first).quoting()
	switch {
	case messages == 0:
		return AnyFormat, unsure
	case bare > 0:
		return Mboxcl2, quotedNone
	case lengths > 0:
		return Mboxcl, q
	case q == quotedAll:
		return Mboxrd, q
	}
	return Mboxo, q
}
