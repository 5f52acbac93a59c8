package archive

import (
	"bytes"
	"io"
	"strconv"
)

const (
	bom          = "\ufeff"
	maxOldHead   = 256 << 10 // how far a Content-Length is looked for, in bytes
	maxSkim      = 1 << 20   // how much of what is skipped is in memory
	maxLookback  = 4 << 10   // how much before a "From " line is looked at for the blank line
	maxFromLines = 20        // "From " lines that hops have left on top of a head
)

// stretch is a part of a file: a message, or what is none.
type stretch struct {
	from    sender
	content []byte // behind the "From " line and less the blank line before the next; good until the next stretch
	quoting quoting
	length  bool // Content-Length has led to its end
	place   string
	bytes   int64
	odd     []string
	why     string // what makes it no message; empty if it is one
}

// splitter parts a file. It looks for "From " in a window rather than at each line.
type splitter struct {
	w       fileWindow
	name    string
	max     int
	format  Format
	quoting quoting
	strict  bool // the format was given as Mboxrd: each "From " line with a date parts
	lengths bool // a Content-Length may be heeded
	cr      bool // a bare CR ends a line too

	line   int64 // number of the line on which the window begins, from 1
	offset int64 // bytes of the file up to the end of the stretch
	used   int   // bytes of the window that the stretch takes
	begun  bool
	ahead  sender // of the "From " line found last
	now    stretch
}

func (s *splitter) reset(name string, r io.Reader, o ReadOptions) {
	w := s.w
	w.reset(r)
	*s = splitter{w: w, name: name, max: int(o.Max), format: o.Format, quoting: quotingOf(o.Format), strict: o.Format == Mboxrd,
		lengths: o.Format == AnyFormat || o.Format == Mboxcl || o.Format == Mboxcl2, line: 1}
}

func (s *splitter) place() string { return s.name + ":" + strconv.FormatInt(s.line, 10) }

// next reads the next stretch. It is false at the end of the file, or of what can be read of it.
func (s *splitter) next() bool {
	s.pass(s.used)
	s.used, s.now = 0, stretch{}
	b := s.w.want(fromAhead)
	if len(b) == 0 {
		return false
	}
	s.now.place, s.now.quoting = s.place(), s.quoting
	if s.format == EML {
		s.now.place = s.name // there is no need of a line
		s.whole()
		return true
	}
	start := 0
	if !s.begun {
		s.begun = true
		var ok bool
		if start, ok = s.begin(b); !ok {
			s.now.why = `no "From " line before: it belongs to no message`
			s.skim(start)
			return true
		}
	}
	b = s.w.bytes()
	if start > 0 {
		s.now.place = s.name + ":" + strconv.FormatInt(s.line+s.lines(b[:start]), 10)
	}
	s.now.from = s.ahead
	s.message(start + s.lineEnd(b[start:]))
	return true
}

// pass leaves n bytes of the window behind.
func (s *splitter) pass(n int) {
	s.line += s.lines(s.w.bytes()[:n])
	s.w.drop(n)
}

func (s *splitter) take(n int) {
	s.used = n
	s.offset += int64(n)
	s.now.bytes += int64(n)
}

func (s *splitter) lines(b []byte) int64 {
	n := bytes.Count(b, []byte{'\n'})
	if s.cr {
		n += bytes.Count(b, []byte{'\r'}) - bytes.Count(b, []byte("\r\n"))
	}
	return int64(n)
}

// begin finds the first "From " line, at the start but for a BOM and blank lines; else it says up to where there is none.
func (s *splitter) begin(b []byte) (int, bool) {
	start := 0
	if bytes.HasPrefix(b, []byte(bom)) {
		start = len(bom)
		s.now.odd = append(s.now.odd, "a byte order mark before the first message is left out")
	}
	start += len(b[start:]) - len(bytes.TrimLeft(b[start:], "\r\n\x00"))
	b = s.w.want(start + fromAhead)
	if i := bytes.IndexAny(b[start:], "\r\n"); i >= 0 && start+i+1 < len(b) {
		s.cr = b[start+i] == '\r' && b[start+i+1] != '\n'
	}
	from, ok := parseFromLine(b[start : start+s.lineEnd(b[start:])])
	s.expect(from)
	return start, ok
}

// lineEnd is how long the line is with which b begins, its end included.
func (s *splitter) lineEnd(b []byte) int {
	end := len(b)
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		end = i + 1
	}
	if s.cr {
		if i := bytes.IndexByte(b[:end], '\r'); i >= 0 && string(b[i+1:end]) != "\n" {
			end = i + 1
		}
	}
	return end
}

// message takes the message whose content begins there.
func (s *splitter) message(content int) {
	if end, next, ok := s.byLength(content); ok {
		s.now.content, s.now.length = s.w.bytes()[content:end], true
		if atLineStart(s.now.content, "From ") {
			s.now.quoting = quotedNone // whoever had quoted would have quoted this
		}
		s.take(next)
		return
	}
	end, ok := s.seek(content, s.max)
	switch {
	case !ok || end-content > s.max:
		s.now.why = tooLarge(int64(s.max))
		s.skim(end)
		return
	case end == len(s.w.bytes()) && s.w.failed() != nil:
		s.now.why = "the file breaks off in this message" // a piece of it would be another message than the whole
	}
	s.now.content = withoutBlank(s.w.bytes()[content:end])
	s.take(end)
}

// withoutBlank is content less the blank line that parts it from the next message.
func withoutBlank(b []byte) []byte {
	cut := func(b []byte) []byte {
		if t, ok := bytes.CutSuffix(b, []byte("\n")); ok {
			return bytes.TrimSuffix(t, []byte("\r"))
		}
		return bytes.TrimSuffix(b, []byte("\r"))
	}
	t := cut(bytes.TrimRight(b, "\x00"))
	if len(t) == 0 || t[len(t)-1] == '\n' || t[len(t)-1] == '\r' {
		return t
	}
	return b
}

// seek finds the next line that parts, from a place in the window on; false if there is none within limit bytes from
// there, and then up to where. The end of the file parts too.
func (s *splitter) seek(from, limit int) (int, bool) {
	const word = "From "
	limit += from
	for b := s.w.bytes(); from <= limit; {
		i := bytes.Index(b[from:], []byte(word))
		switch {
		case i >= 0:
			at := from + i
			if b = s.w.want(at + fromAhead); s.parts(b, at) {
				return at, true
			}
			from = at + len(word)
		case s.w.err != nil:
			return len(b), true
		default:
			from = max(from, len(b)-len(word)+1)
			b = s.w.more()
		}
	}
	return from, false
}

// skim takes everything up to the next line that parts, of which none lies before from, without keeping it.
func (s *splitter) skim(from int) {
	for {
		end, ok := s.seek(from, maxSkim)
		if ok {
			s.take(end)
			return
		}
		from = end
		if cut := end - maxLookback; cut > 0 {
			s.take(cut)
			s.pass(cut)
			from -= cut
		}
	}
}

// parts reports whether the "From " at that place of b parts two messages: a blank line before it, a date at its end, and
// a field behind it. b has fromAhead bytes behind it, or the file's last.
func (s *splitter) parts(b []byte, at int) bool {
	if at == 0 || b[at-1] != '\n' && b[at-1] != 0 && !(s.cr && b[at-1] == '\r') {
		return false
	}
	blank := s.blankBefore(b[max(0, at-maxLookback):at])
	if !blank && s.format != Pipermail {
		return false
	}
	return s.opens(b[at:], blank)
}

// opens reports whether b begins with a line that parts, after a blank line or not.
func (s *splitter) opens(b []byte, blank bool) bool {
	n := s.lineEnd(b[:min(len(b), maxFromLine+2)])
	from, ok := parseFromLine(b[:n])
	if !ok {
		return false
	}
	behind := b[n:]
	name, field := headLine(behind)
	switch {
	case !blank: // QUIRK: Pipermail's text of a message ends in no line end if the message did not
		if !from.obscured() || !bytes.HasPrefix(behind, []byte("From: ")) {
			return false
		}
	case field && (from.plain() || usualField(name)):
	case s.strict && (len(behind) == 0 || behind[0] == '\n' || behind[0] == '\r'):
	case hopLine(behind[:s.lineEnd(behind[:min(len(behind), maxFromLine)])]):
	default:
		return false
	}
	s.expect(from)
	return true
}

// expect keeps what the "From " line says that comes next. The window may move.
func (s *splitter) expect(from sender) {
	s.ahead = sender{who: bytes.Clone(from.who), at: from.at}
}

// hopLine reports whether a line on top of a head is a further "From " line, of an earlier hop (RFC 976 section 2.3).
func hopLine(line []byte) bool {
	_, ok := parseFromLine(bytes.TrimPrefix(line, []byte(">")))
	return ok
}

// blankBefore reports whether b ends in a blank line. NULs, which a crash leaves in a file, count for nothing.
func (s *splitter) blankBefore(b []byte) bool {
	b = bytes.TrimRight(b, "\x00")
	t, ok := bytes.CutSuffix(b, []byte("\n"))
	t, cr := bytes.CutSuffix(t, []byte("\r"))
	if !ok && !(cr && s.cr) {
		return false
	}
	return len(t) == 0 || t[len(t)-1] == '\n' || s.cr && t[len(t)-1] == '\r'
}

// byLength finds the end of a message by its Content-Length, which is trusted only if the next "From " line or the end
// of the file follows there: many programs change a message and leave the field as it was. What follows begins at next.
func (s *splitter) byLength(content int) (end, next int, ok bool) {
	if !s.lengths || s.cr {
		return 0, 0, false
	}
	head, n := s.contentLength(content)
	if n < 0 || n > s.max {
		return 0, 0, false
	}
	end = head + n
	b := s.w.want(end + fromAhead + 4)
	if end <= len(b) {
		if len(bytes.TrimLeft(b[end:], "\r\n")) == 0 && s.w.err != nil {
			return end, len(b), true
		}
		next = end
		for range 2 { // the line end that some count and some do not, and the blank line
			next += len(b[next:]) - len(bytes.TrimPrefix(bytes.TrimPrefix(b[next:], []byte("\r")), []byte("\n")))
		}
		if b[next-1] == '\n' && bytes.HasPrefix(b[next:], []byte("From ")) && s.opens(b[next:], true) {
			return end, next, true
		}
	}
	s.now.odd = append(s.now.odd, "Content-Length does not lead to the next message: it is not heeded")
	return 0, 0, false
}

// contentLength reads the field from the head that begins there; -1 if there is none. The body begins at head.
func (s *splitter) contentLength(at int) (head, n int) {
	n = -1
	for b := s.w.bytes(); ; {
		i := bytes.IndexByte(b[at:], '\n')
		if i < 0 {
			if s.w.err != nil || len(b) > maxOldHead {
				return 0, -1
			}
			b = s.w.more()
			continue
		}
		line := bytes.TrimSuffix(b[at:at+i], []byte("\r"))
		at += i + 1
		const name = "content-length:"
		switch {
		case len(line) == 0:
			return at, n
		case line[0]|0x20 == 'c' && len(line) > len(name) && bytes.EqualFold(line[:len(name)], []byte(name)):
			if v, err := strconv.ParseUint(string(bytes.TrimSpace(line[len(name):])), 10, 31); err == nil {
				n = int(v)
			}
		}
	}
}

// whole takes the file as one message.
func (s *splitter) whole() {
	for b := s.w.bytes(); s.w.err == nil; b = s.w.more() {
		if len(b) > s.max+maxFromLine {
			s.now.why = tooLarge(int64(s.max))
			s.take(len(b))
			s.pass(len(b))
			s.used = 0
		}
	}
	b := s.w.bytes()
	if s.take(len(b)); s.w.failed() != nil {
		s.now.why = "the file breaks off in this message"
	}
	if s.now.why != "" {
		return
	}
	if t, ok := bytes.CutPrefix(b, []byte(bom)); ok {
		s.now.odd, b = append(s.now.odd, "a byte order mark is left out"), t
	}
	n := s.lineEnd(b)
	if from, ok := parseFromLine(b[:n]); ok { // MH keeps it
		s.now.from, b = from, b[n:]
	}
	if s.now.content = b; len(b) > s.max {
		s.now.why = tooLarge(int64(s.max))
	}
}
