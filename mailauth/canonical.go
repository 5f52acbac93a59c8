package mailauth

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math/bits"

	"listd/mail"
)

// relaxedBody is the SHA-256 of a body in the relaxed form (RFC 6376 section 3.4.4): no white space at the ends of
// lines, runs of it are one space, no empty lines at the end. QUIRK: a bare LF ends a line as CRLF does, as it will have
// become one when it arrives; a bare CR is a character as any other.
//
// Text that is in this form already, which most is, is hashed as it lies: scan finds what is not, eight bytes at a time.
func relaxedBody(body []byte) (sum [sha256.Size]byte) {
	body = trimEnd(body)
	if len(body) == 0 {
		return sha256.Sum256(nil)
	}
	w := writer{h: sha256.New()}
	for len(body) > 0 {
		n := scan(body)
		w.write(body[:n])
		if body = body[n:]; len(body) == 0 {
			break
		}
		if body[0] == '\n' { // a bare one
			w.add("\r\n")
			body = body[1:]
			continue
		}
		n = 1
		for n < len(body) && (body[n] == ' ' || body[n] == '\t') {
			n++
		}
		body = body[n:] // not empty: there is no white space at the end
		if !lineEnd(body) {
			w.add(" ")
		}
	}
	w.add("\r\n")
	return w.sum()
}

func lineEnd(b []byte) bool {
	return b[0] == '\n' || b[0] == '\r' && len(b) > 1 && b[1] == '\n'
}

// trimEnd is a body less the white space and the line ends at its end.
func trimEnd(b []byte) []byte {
	for len(b) > 0 {
		switch b[len(b)-1] {
		case ' ', '\t':
			b = b[:len(b)-1]
		case '\n':
			b = bytes.TrimSuffix(b[:len(b)-1], []byte{'\r'})
		default:
			return b
		}
	}
	return b
}

// Patterns of eight equal bytes.
const (
	ones    = 0x0101010101010101
	lows    = 0x7f * ones
	tabs    = '\t' * ones
	spaces  = ' ' * ones
	returns = '\r' * ones
	feeds   = '\n' * ones
)

// zeros has the high bit of each byte of x that is zero, and no other bit.
func zeros(x uint64) uint64 { return ^((x&lows + lows) | x | lows) }

// below has the high bit of each byte of x that is less than c, and no other bit.
func below(x uint64, c uint64) uint64 { return ^(x&lows + (0x80-c)*ones | x | lows) }

// scan is how many bytes from the start are in the relaxed form: up to a tab, a space that another white space or a line
// end may follow, or a bare LF. It may stop early, at a space that is all right.
func scan(b []byte) int {
	i, before := 0, uint64(0)
	for ; i+9 <= len(b); i += 8 {
		this := binary.LittleEndian.Uint64(b[i:])
		next := this>>8 | uint64(b[i+8])<<56
		odd := zeros(this^spaces) & below(next, ' '+1)
		if controls := below(this, ' '); controls != 0 {
			lf := zeros(this ^ feeds)
			odd |= zeros(this^tabs) | lf&^zeros((this<<8|before)^returns)
		}
		if odd != 0 {
			return i + bits.TrailingZeros64(odd)/8
		}
		before = this >> 56
	}
	for ; i < len(b); i++ {
		switch b[i] {
		case '\t':
			return i
		case ' ':
			if i+1 < len(b) && (b[i+1] <= ' ') {
				return i
			}
		case '\n':
			if i == 0 || b[i-1] != '\r' {
				return i
			}
		}
	}
	return i
}

// simpleBody is the SHA-256 of a body in the simple form (RFC 6376 section 3.4.3): no empty lines at the end.
func simpleBody(body []byte) [sha256.Size]byte {
	for len(body) > 0 && body[len(body)-1] == '\n' {
		body = bytes.TrimSuffix(body[:len(body)-1], []byte{'\r'})
	}
	w := writer{h: sha256.New()}
	for from := 0; ; {
		n := bytes.IndexByte(body[from:], '\n')
		if n < 0 {
			break
		}
		if n += from; n > 0 && body[n-1] == '\r' {
			from = n + 1
			continue
		}
		w.write(body[:n])
		w.add("\r\n")
		body, from = body[n+1:], 0
	}
	w.write(body)
	w.add("\r\n")
	return w.sum()
}

// writer gathers small pieces for a hash, whose calls cost more than the copying.
type writer struct {
	h   hash.Hash
	n   int
	buf [4096]byte
}

func (w *writer) write(b []byte) {
	if w.n+len(b) > len(w.buf) {
		w.flush()
		if len(b) > len(w.buf)/2 {
			_, _ = w.h.Write(b) // a hash takes all
			return
		}
	}
	w.n += copy(w.buf[w.n:], b)
}

// add writes a few bytes of our own.
func (w *writer) add(s string) {
	if w.n+len(s) > len(w.buf) {
		w.flush()
	}
	w.n += copy(w.buf[w.n:], s)
}

func (w *writer) flush() {
	_, _ = w.h.Write(w.buf[:w.n])
	w.n = 0
}

func (w *writer) sum() (sum [sha256.Size]byte) {
	w.flush()
	w.h.Sum(sum[:0])
	return sum
}

// appendRelaxed appends a field in the relaxed form (RFC 6376 section 3.4.2): its name in lower case, unfolded, runs of
// white space as one space, none at the ends and around the colon.
func appendRelaxed(dst []byte, f mail.Field) []byte {
	for i := range len(f.Name) {
		dst = append(dst, lower(f.Name[i]))
	}
	dst = append(dst, ':')
	start, space := len(dst), false
	value := f.Raw[bytes.IndexByte(f.Raw, ':')+1:]
	for i, c := range value {
		switch {
		case c == ' ' || c == '\t':
			space = true
		case c == '\n', c == '\r' && i+1 < len(value) && value[i+1] == '\n':
		default:
			if space && len(dst) > start {
				dst = append(dst, ' ')
			}
			space = false
			dst = append(dst, c)
		}
	}
	return append(dst, "\r\n"...)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
