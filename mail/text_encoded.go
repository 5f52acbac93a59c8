package mail

import (
	"bytes"
	"slices"
	"strconv"
)

// This file reads the files that stand in plain text: uuencoded (POSIX uuencode) or in yEnc 1.3. No RFC knows them.

// encodedFile is one that was found.
type encodedFile struct {
	start, end int // its lines in the text
	name       string
	content    func() []byte
	size       int
}

var beginUU, beginYEnc, endYEnc = []byte("begin "), []byte("=ybegin "), []byte("\n=yend")

// findEncoded finds the files in a text, in order.
func findEncoded(b []byte) (out []encodedFile) {
	lastEnd := -2 // behind it no yEnc ends: each search would go to the end in vain
	for _, begin := range [][]byte{beginUU, beginYEnc} {
		for at := 0; ; {
			i := bytes.Index(b[at:], begin)
			if i < 0 {
				break
			}
			start := at + i
			at = start + len(begin)
			if start > 0 && b[start-1] != '\n' {
				continue
			}
			read := readUU
			if begin[0] == '=' {
				if read = readYEnc; lastEnd == -2 {
					lastEnd = bytes.LastIndex(b, endYEnc)
				}
				if start > lastEnd {
					break
				}
			}
			if f, ok := read(b[start:]); ok {
				f.start, f.end = start, start+f.end
				out, at = append(out, f), f.end
			}
		}
	}
	slices.SortFunc(out, func(a, b encodedFile) int { return a.start - b.start })
	at := 0
	return slices.DeleteFunc(out, func(f encodedFile) bool {
		within := f.start < at // one kind within the other
		at = max(at, f.end)
		return within
	})
}

// takeEncoded takes the files out of a text; each leaves its name in brackets.
func takeEncoded(b []byte) ([]byte, []File) {
	found := findEncoded(b)
	if len(found) == 0 {
		return b, nil
	}
	var out []byte
	var files []File
	at := 0
	for _, f := range found {
		out = append(append(out, b[at:f.start]...), "["+f.name+"]\n"...)
		files = append(files, File{Name: f.name, Type: "application/octet-stream", Size: f.size})
		at = f.end
	}
	return append(out, b[at:]...), files
}

// openEncoded is the n-th file of a text.
func openEncoded(b []byte, n string) (kind, name string, data []byte, ok bool) {
	i, err := strconv.Atoi(n)
	found := findEncoded(b)
	if err != nil || i < 1 || i > len(found) {
		return "", "", nil, false
	}
	return "application/octet-stream", found[i-1].name, found[i-1].content(), true
}

// cutLine cuts off a line with its end.
func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte{'\n'})
	return bytes.TrimSuffix(line, []byte{'\r'}), rest
}

// readUU reads a file that b begins with: "begin", its mode, its name, lines, "end".
func readUU(b []byte) (f encodedFile, ok bool) {
	head, rest := cutLine(b)
	mode, name, _ := bytes.Cut(head[len(beginUU):], []byte{' '})
	if len(mode) < 3 || len(mode) > 4 || len(bytes.Trim(mode, "01234567")) > 0 {
		return f, false
	}
	if f.name = cleanName(blankControls(DecodeWords(string(name)))); f.name == "" {
		return f, false
	}
	lines := rest
	for len(rest) > 0 {
		var line []byte
		line, rest = cutLine(rest)
		if string(line) == "end" {
			f.end = len(b) - len(rest)
			content := lines[:len(lines)-len(rest)]
			f.content = func() []byte { return decodeUU(content) }
			return f, f.size > 0
		}
		n, ok := lengthUU(line)
		if !ok {
			return f, false
		}
		f.size += n
	}
	return f, false
}

// lengthUU is how many bytes a line has; not ok if it is no such line. Blanks at its end may have been lost.
func lengthUU(line []byte) (n int, ok bool) {
	if len(line) == 0 {
		return 0, true
	}
	n = int(line[0]-' ') & 63
	for _, c := range line {
		if c < ' ' || c > '`' {
			return 0, false
		}
	}
	return n, len(line)-1 <= (n+2)/3*4+2
}

func decodeUU(lines []byte) (out []byte) {
	for len(lines) > 0 {
		var line []byte
		if line, lines = cutLine(lines); len(line) == 0 || string(line) == "end" {
			continue
		}
		n, _ := lengthUU(line)
		at := func(i int) byte {
			if i < len(line) {
				return (line[i] - ' ') & 63
			}
			return 0
		}
		for i := 1; n > 0; i += 4 {
			three := [3]byte{at(i)<<2 | at(i+1)>>4, at(i+1)<<4 | at(i+2)>>2, at(i+2)<<6 | at(i+3)}
			out = append(out, three[:min(n, 3)]...)
			n -= 3
		}
	}
	return out
}

// readYEnc reads a file that b begins with: "=ybegin" with its length and name, lines, "=yend".
func readYEnc(b []byte) (f encodedFile, ok bool) {
	head, rest := cutLine(b)
	params, name, ok := bytes.Cut(head, []byte(" name="))
	if f.name = cleanName(blankControls(DecodeWords(string(name)))); !ok || f.name == "" || !bytes.Contains(params, []byte("size=")) {
		return f, false
	}
	if bytes.HasPrefix(rest, []byte("=ypart ")) {
		_, rest = cutLine(rest)
	}
	end := bytes.Index(rest, endYEnc)
	if end < 0 {
		return f, false
	}
	content := rest[:end]
	_, after := cutLine(rest[end+1:])
	f.end = len(b) - len(after)
	f.content = func() []byte { return decodeYEnc(content) }
	f.size = len(decodeYEnc(content))
	return f, true
}

func decodeYEnc(b []byte) []byte {
	const shift, escape = 42, 64
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '\r' || c == '\n':
		case c == '=' && i+1 < len(b):
			i++
			out = append(out, b[i]-escape-shift)
		default:
			out = append(out, c-shift)
		}
	}
	return out
}
