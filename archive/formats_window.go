package archive

import (
	"io"
)

// fileWindow is the part of a file that lies in memory and has not been used up.
type fileWindow struct {
	r       io.Reader
	buf     []byte
	at, end int   // what is unread lies between
	err     error // what ended r; io.EOF at its end
}

func (w *fileWindow) reset(r io.Reader) { *w = fileWindow{r: r, buf: w.buf} }

// bytes are those unread, until the next call of want or drop.
func (w *fileWindow) bytes() []byte { return w.buf[w.at:w.end:w.end] }

// want is bytes, after reading on until there are n of them or the file ends. The buffer is at most twice as large as
// the largest n; a byte is moved once in it on average.
func (w *fileWindow) want(n int) []byte {
	for idle := 0; w.end-w.at < n && w.err == nil; {
		switch {
		case w.at+n <= len(w.buf):
		case 2*n <= len(w.buf):
			w.end = copy(w.buf, w.bytes())
			w.at = 0
		default:
			grown := make([]byte, max(2*n, 64<<10))
			w.end = copy(grown, w.bytes())
			w.at, w.buf = 0, grown
		}
		var k int
		k, w.err = w.r.Read(w.buf[w.end:])
		w.end += k
		if k > 0 {
			idle = 0
		} else if idle++; idle > 100 && w.err == nil {
			w.err = io.ErrNoProgress
		}
	}
	return w.bytes()
}

// more is want of at least one byte beyond what is there, or the same at the end.
func (w *fileWindow) more() []byte { return w.want(w.end - w.at + 1) }

func (w *fileWindow) drop(n int) { w.at += n }

// failed is what ended the file before its end.
func (w *fileWindow) failed() error {
	if w.err == io.EOF {
		return nil
	}
	return w.err
}
