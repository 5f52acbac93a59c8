package archive

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"listd/mail"
)

// MendedField names the fields that Mend has put on top of a head.
const MendedField = "X-Listd-Mended"

// nobodys is a domain for the right side of a Message-ID (RFC 6761 section 6.4).
const nobodys = "import.invalid"

// Hints are what a collection knows of a message beside its bytes. Each may be zero.
type Hints struct {
	From     mail.Address // of the "From " line
	Received time.Time    // of the "From " line, or of the file's name
	Before   time.Time    // the date of the message before
	Now      time.Time    // a Date more than a day later is a wrong clock's
	Domain   string       // the right side of a Message-ID that is made
	Obscured bool         // addresses are written "ann at example.org", perhaps in another language
}

// Mend gives a message the Date, From and Message-ID that readers of an archive go by, where what it has cannot be read.
// It returns the message, its date, which is zero if nothing tells it, and what was odd, in words.
//
// A mended field is put on top of the head, and MendedField before it, which names those that follow. Nothing is
// rewritten or removed: whoever reads the first field of a name finds one that can be read, the head as it came is there
// below, byte for byte, and so a signature still verifies, which takes fields from the bottom (RFC 6376 section 5.4.2).
// What Mend has mended it leaves as it is the second time.
//
// A missing Message-ID is made of what no transport or mail reader changes: From, Date, Subject and body, so that
// importing the message again finds it again. 8-bit bytes in a head, and a charset of its Content-Type that is unknown,
// are told, but kept.
func Mend(m mail.Message, h Hints) (mail.Message, time.Time, []string) {
	d := doctor{m: m, h: h}
	d.look()
	d.mendFrom()
	date := d.mendDate()
	d.mendID()
	d.tell()
	return d.healed(), date, d.odd
}

// doctor has a message before it.
type doctor struct {
	m   mail.Message
	h   Hints
	odd []string

	first    [len(singles)]mail.Field // of each single field
	received mail.Field               // the topmost
	from     string
	date     string
	count    [len(singles)]int
	junk     int    // lines that are no fields
	mended   string // the value of MendedField

	names []string
	top   []byte
}

// singles are the fields that stand once in a head (RFC 5322 section 3.6, RFC 2045 section 3), those first that are
// looked into.
var singles = [...]string{fieldFrom: "From", fieldDate: "Date", fieldID: "Message-ID", fieldSubject: "Subject", fieldType: "Content-Type",
	5: "Sender", 6: "Reply-To", 7: "To", 8: "Cc", 9: "Bcc", 10: "In-Reply-To", 11: "References", 12: "MIME-Version", 13: "Content-Transfer-Encoding"}

const (
	fieldFrom = iota
	fieldDate
	fieldID
	fieldSubject
	fieldType
)

func (d *doctor) note(format string, args ...any) {
	d.odd = append(d.odd, fmt.Sprintf(format, args...))
}

func (d *doctor) put(name string, field []byte) {
	d.names = append(d.names, name)
	d.top = append(d.top, field...)
}

// look reads the head once.
func (d *doctor) look() {
	for f := range mail.Fields(d.m.Head) {
		switch {
		case f.Name == "":
			d.junk++
			continue
		case d.received.Raw == nil && f.Is("Received"):
			d.received = f
			continue
		case f.Is(MendedField):
			d.mended += " " + f.Value()
		}
		for i := range singles {
			if len(f.Name) == len(singles[i]) && f.Is(singles[i]) {
				if d.count[i]++; d.count[i] == 1 {
					d.first[i] = f
				}
				break
			}
		}
	}
	d.from, d.date = d.value(fieldFrom), d.value(fieldDate)
}

// value is that of the first of a single field; empty if there is none.
func (d *doctor) value(single int) string { return d.first[single].Value() }

// others are the values of further fields of the name.
func (d *doctor) others(single int) []string {
	if d.count[single] < 2 {
		return nil
	}
	return mail.Values(d.m.Head, singles[single])[1:]
}

// mendFrom puts a From on top if there is none that can be read.
func (d *doctor) mendFrom() {
	if addressed(d.from) {
		return
	}
	if plain, ok := unobscured(d.from, d.h.Obscured); ok {
		d.note("From is written for people: %s", clip(d.from, 100))
		d.put("From", append(append([]byte("From: "), plain...), "\r\n"...))
		return
	}
	for _, v := range d.others(fieldFrom) {
		if addressed(v) {
			d.note("the first From has no address: another is taken")
			d.put("From", mail.FormatField("From", v))
			return
		}
	}
	what := "no From"
	if d.count[fieldFrom] > 0 {
		what = fmt.Sprintf("From has no address (%s)", clip(d.from, 100))
	}
	if d.h.From.IsZero() {
		d.note("%s, and nothing tells who wrote it", what)
		return
	}
	d.note(`%s: that of the "From " line is taken`, what)
	from := mail.Mailbox{Address: d.h.From}
	if name := clip(mail.DecodeWords(d.from), 200); !strings.Contains(name, "@") && utf8.ValidString(name) {
		from.Name = strings.Trim(name, `"<> `)
	}
	d.put("From", mail.FormatField("From", from.String()))
}

// addressed reports whether a value of From has an address that can be read.
func addressed(v string) bool {
	if i := strings.IndexByte(v, '<'); i >= 0 && strings.HasSuffix(v, ">") && !strings.ContainsAny(v[:i], `"(=`) {
		if _, err := mail.ParseAddress(v[i+1 : len(v)-1]); err == nil {
			return true // as nearly all are
		}
	}
	return len(mail.Mailboxes(v)) > 0
}

// unobscured is the value of From with "ann at example.org" made an address: at its start, as Pipermail writes it, or in
// angle brackets. The rest of it stays byte for byte.
func unobscured(v string, any bool) (string, bool) {
	before, core, behind := "", v, ""
	if i := strings.LastIndexByte(v, '<'); i >= 0 {
		j := strings.IndexByte(v[i:], '>')
		if j < 0 {
			return "", false
		}
		before, core, behind = v[:i+1], v[i+1:i+j], v[i+j:]
	} else if i := strings.Index(v, " ("); i >= 0 && !strings.HasPrefix(v[i:], " (a)") {
		core, behind = v[:i], v[i:]
	}
	local, domain, ok := cutObscured(core, any)
	if len(before)+len(behind) > 500 {
		before, behind = "", "" // it would be a line too long for mail
	}
	return before + local + "@" + domain + behind, ok
}

// mendDate puts a Date on top if there is none that can be believed: of another Date, the "From " line, the topmost
// Received, or else the message before.
func (d *doctor) mendDate() time.Time {
	at, err := mail.ParseDate(d.date)
	if err == nil && d.sane(at) {
		return at
	}
	what := "no Date"
	switch {
	case d.count[fieldDate] > 0 && err != nil:
		what = fmt.Sprintf("Date cannot be read (%s)", clip(d.date, 100))
	case d.count[fieldDate] > 0:
		what = fmt.Sprintf("Date is of a wrong clock (%s)", clip(d.date, 100))
	}
	at, source := d.otherDate()
	if at.IsZero() {
		d.note("%s, and nothing tells when it was written", what)
		return at
	}
	d.note("%s: %s is taken", what, source)
	d.put("Date", mail.FormatField("Date", at.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700")))
	return at
}

func (d *doctor) otherDate() (time.Time, string) {
	for _, v := range d.others(fieldDate) {
		if at, err := mail.ParseDate(v); err == nil && d.sane(at) {
			return at, "another Date"
		}
	}
	if d.sane(d.h.Received) {
		return d.h.Received, `that of the "From " line or the file's name`
	}
	received := d.received.Value()
	if at, err := mail.ParseDate(received[strings.LastIndexByte(received, ';')+1:]); err == nil && d.sane(at) {
		return at, "that of Received"
	}
	if d.sane(d.h.Before) {
		return d.h.Before, "that of the message before"
	}
	return time.Time{}, ""
}

// sane reports whether a mail can be of that time: it is not before 1980, which is where clocks begin that nobody has
// set, and not in the future.
func (d *doctor) sane(at time.Time) bool {
	if at.Year() < 1980 {
		return false
	}
	if d.h.Now.IsZero() {
		return at.Year() < 2100
	}
	return at.Before(d.h.Now.Add(24 * time.Hour))
}

// mendID puts a Message-ID on top if there is none.
func (d *doctor) mendID() {
	id := d.value(fieldID)
	if len(mail.MessageIDs(id)) > 0 {
		return
	}
	what := "no Message-ID"
	if d.count[fieldID] > 0 {
		what = fmt.Sprintf("Message-ID cannot be read (%s)", clip(id, 100))
	}
	d.note("%s: one is made of the content", what)
	h := sha256.New()
	date := d.date
	if date == "" && !d.h.Received.IsZero() {
		date = d.h.Received.UTC().Format(time.RFC3339)
	}
	for _, v := range []string{d.from, date, d.value(fieldSubject)} {
		_, _ = io.WriteString(h, v) // a hash takes everything
		_, _ = h.Write([]byte{0})
	}
	_, _ = h.Write(bytes.TrimRight(d.m.Body, "\r\n"))
	made := strings.ToLower(base32.StdEncoding.EncodeToString(h.Sum(nil)[:20]))
	d.put("Message-ID", mail.FormatField("Message-ID", "<"+made+"@"+cmp.Or(d.h.Domain, nobodys)+">"))
}

// tell notes what is odd and stays.
func (d *doctor) tell() {
	if len(d.m.Head) == 0 {
		d.note("no head: all of it is text")
	}
	if d.junk > 0 {
		d.note("lines in the head that are no fields: %d", d.junk)
	}
	for i, n := range d.count {
		if strings.Contains(d.mended, singles[i]) {
			n-- // ours
		}
		if n > 1 {
			d.note("%s stands %d times: the first is taken", singles[i], n)
		}
	}
	if d.m.UTF8Head() {
		d.note("8-bit bytes in the head are kept as they are")
	}
	if name := charsetOf(d.value(fieldType)); name != "" && !knownCharset(name) {
		d.note("the charset %q is not known: the text is kept as it is", clip(name, 60))
	}
}

// charsetOf is the charset that a Content-Type names.
func charsetOf(v string) string {
	const name = "charset="
	i := strings.Index(strings.ToLower(v), name)
	if i < 0 || i+len(name) > len(v) {
		return ""
	}
	v, _, _ = strings.Cut(v[i+len(name):], ";")
	v, _, _ = strings.Cut(strings.Trim(v, "\"' \t"), "\"")
	return v
}

func knownCharset(name string) bool {
	switch strings.ToLower(name) {
	case "us-ascii", "utf-8", "iso-8859-1", "iso-8859-15", "windows-1252": // nearly all there are
		return true
	}
	p := mail.Part{Params: map[string]string{"charset": name}}
	_, err := p.Text()
	return !errors.Is(err, mail.ErrCharset)
}

// healed is the message with what has been put on top.
func (d *doctor) healed() mail.Message {
	if len(d.names) == 0 {
		return d.m
	}
	names := mail.FormatField(MendedField, strings.Join(d.names, ", "))
	return mail.Message{Head: bytes.Join([][]byte{names, d.top, d.m.Head}, nil), Body: d.m.Body}
}
