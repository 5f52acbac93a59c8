package archive

import (
	"bytes"
	"fmt"
)

// quoting is which lines of a file have got a ">" before them.
type quoting uint8

const (
	unsure     quoting = iota // each message shows it, or else it is as for quotedOne
	quotedNone                // none
	quotedOne                 // those that begin with "From ": mboxo
	quotedAll                 // those that begin with any number of ">" and then "From ": mboxrd
)

// quotingOf is the quoting of a format that was given.
func quotingOf(f Format) quoting {
	switch f {
	case Mboxo, Mboxcl, Pipermail:
		return quotedOne
	case Mboxrd:
		return quotedAll
	case Mboxcl2, EML:
		return quotedNone
	}
	return unsure
}

// votes are the lines that speak for each way of quoting.
type votes struct{ none, some, one, all int }

// weigh looks at the lines of ">"s and "From ", and at how deep the lines around are quoted.
//
// ">From " between lines that somebody quotes once was there before the file: mboxrd would have made ">>From " of it.
// ">>From " between lines that are quoted less is mboxrd's, for nobody quotes a single line twice. "From " that parts
// nothing shows a writer that quotes nothing, or only what would part.
func weigh(b []byte) (v votes) {
	const word = "From "
	var s splitter
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte(word))
		if i < 0 {
			return v
		}
		at := from + i
		start := len(bytes.TrimRight(b[from:at], ">")) + from
		from = at + len(word)
		if start > 0 && b[start-1] != '\n' {
			continue
		}
		before, behind := depthBefore(b[:start]), depthBehind(b[at:])
		switch n := at - start; {
		case n == 0 && start > 0 && !s.parts(b, start):
			// A further "From " line at the start of a head is a hop's; one that is cut off shows nothing.
			line, rest, _ := bytes.Cut(b[at:min(len(b), at+fromAhead)], []byte("\n"))
			if !hopLine(line) && bytes.IndexByte(rest, '\n') >= 0 {
				v.none++
			}
		case n == 1 && before <= 0 && behind <= 0:
			v.some++
		case n >= 1 && before == n && behind == n:
			v.one++
		case n >= 2 && before < n && behind < n:
			v.all++
		}
	}
}

// quoting is what the votes come to.
func (v votes) quoting() quoting {
	switch {
	case v.none > v.some+v.all:
		return quotedNone
	case v.all > v.one:
		return quotedAll
	case v.one > 0:
		return quotedOne
	}
	return unsure
}

// depthBefore is how often the line is quoted that ends b; -1 for a blank one or none.
func depthBefore(b []byte) int {
	b = bytes.TrimSuffix(b[max(0, len(b)-maxFromLine):], []byte("\n"))
	return depth(b[bytes.LastIndexByte(b, '\n')+1:])
}

// depthBehind is how often the line is quoted that follows the one with which b begins.
func depthBehind(b []byte) int {
	_, b, _ = bytes.Cut(b[:min(len(b), maxFromLine)], []byte("\n"))
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return depth(line)
}

func depth(line []byte) (n int) {
	line = bytes.TrimRight(line, "\r ")
	if len(line) == 0 {
		return -1
	}
	for _, c := range line {
		if c == '>' {
			n++
		} else if c != ' ' {
			break
		}
	}
	return n
}

// atLineStart reports whether a line of b begins with word.
func atLineStart(b []byte, word string) bool {
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte(word))
		if i < 0 {
			return false
		}
		if at := from + i; at == 0 || b[at-1] == '\n' {
			return true
		}
		from += i + len(word)
	}
}

// cleaner makes CRLF text of what a file holds, in a buffer that serves one message after the other.
type cleaner struct{ out, spare []byte }

// clean undoes what file and quoting have done to a message: each line ends in CRLF, NULs are gone, and so is the ">" of
// quoting. The result is good until the next call.
func (c *cleaner) clean(b []byte, q quoting, odd *[]string) []byte {
	note := func(format string, args ...any) { *odd = append(*odd, fmt.Sprintf(format, args...)) }
	if n := bytes.Count(b, []byte{0}); n > 0 {
		note("NUL bytes dropped: %d", n)
		b = c.without(b, 0)
	}
	if bytes.IndexByte(b, '\r') >= 0 {
		if n := bytes.Count(b, []byte{'\r'}) - bytes.Count(b, []byte("\r\n")); n > 0 {
			note("CRs without LF taken for line ends: %d", n)
			b = c.ended(b)
		}
	}
	hops := 0
	for ; hops < maxFromLines; hops++ {
		line, rest, ok := bytes.Cut(b, []byte("\n"))
		if !ok || !hopLine(line) {
			break
		}
		b = rest
	}
	if hops > 0 {
		note(`"From " lines of earlier hops dropped from the top of the head: %d`, hops)
	}
	return c.lines(b, q, odd)
}

// without is b less one kind of byte.
func (c *cleaner) without(b []byte, drop byte) []byte {
	c.spare = c.spare[:0]
	for len(b) > 0 {
		part, rest, _ := bytes.Cut(b, []byte{drop})
		c.spare, b = append(c.spare, part...), rest
	}
	return c.spare
}

// ended is b with its line ends made LF. It may lie where b lies, since nothing grows.
func (c *cleaner) ended(b []byte) []byte {
	out := c.spare[:0]
	for i, ch := range b {
		switch {
		case ch != '\r':
			out = append(out, ch)
		case i+1 == len(b) || b[i+1] != '\n':
			out = append(out, '\n')
		}
	}
	c.spare = out
	return out
}

func (c *cleaner) lines(b []byte, q quoting, odd *[]string) []byte {
	whole := b
	out := c.out[:0]
	body := false
	for len(b) > 0 {
		line := b
		if i := bytes.IndexByte(b, '\n'); i >= 0 {
			line, b = b[:i], b[i+1:]
			if i > 0 && line[i-1] == '\r' {
				line = line[:i-1]
			}
		} else {
			b = nil
		}
		switch {
		case len(line) == 0:
			body = true
		case line[0] == '>':
			if q == unsure && bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")) {
				q = own(whole, odd)
			}
			if quoted(line, q, body) {
				line = line[1:]
			}
		}
		out = append(append(out, line...), "\r\n"...)
	}
	c.out = out
	return out
}

// own is what a message shows of the quoting of its file, when nothing else does.
func own(b []byte, odd *[]string) quoting {
	q := weigh(b).quoting()
	if q != unsure {
		return q
	}
	if atLineStart(b, ">>From ") {
		*odd = append(*odd, `">>From " is kept: nothing shows whether the file is mboxo or mboxrd`)
	}
	return quotedOne
}

// quoted reports whether the ">" at the start of a line is the file's. Mboxo quotes bodies; what begins so in a head has
// come from elsewhere.
func quoted(line []byte, q quoting, body bool) bool {
	switch q {
	case quotedNone:
		return false
	case quotedAll:
		return bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From "))
	}
	return body && bytes.HasPrefix(line, []byte(">From "))
}
