package imap

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// leash is a connection to a server that is not trusted: it may be silent, slow, or say more than one can hold. For each
// stage of a dialog it has so much time and so many bytes. go-imap's own deadlines are ignored: it sets none while it
// waits for an answer, and has no bound for a line or a literal.
type leash struct {
	net.Conn
	greeting io.Reader // read before the connection; nil: it is all read

	mu    sync.Mutex
	until time.Time     // of the stage
	stall time.Duration // the longest silence within it
	left  int64         // bytes that may still come
	err   error         // the first that was met
	shut  bool
	nest  nesting
}

var errTalk = errors.New("the server says more than we asked for")

// allow begins a stage.
func (w *leash) allow(total, stall time.Duration, bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.until, w.stall, w.left = now.Add(total), stall, bytes
	_ = w.Conn.SetDeadline(w.next(now)) // on a closed connection Read says so
}

// rest ends a stage: nothing is awaited, and nothing is too late.
func (w *leash) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.until = time.Time{}
	_ = w.Conn.SetDeadline(w.until) // on a closed connection Read says so
}

// next is when silence is too long, zero for never; w.mu is held.
func (w *leash) next(now time.Time) time.Time {
	if s := now.Add(w.stall); s.Before(w.until) {
		return s
	}
	return w.until // which is before any s while nothing is awaited
}

func (w *leash) Read(b []byte) (int, error) {
	w.mu.Lock()
	if w.left <= 0 && w.err == nil {
		w.err = errTalk
	}
	if w.err != nil {
		defer w.mu.Unlock()
		return 0, w.err
	}
	b = b[:min(int64(len(b)), w.left)]
	_ = w.Conn.SetReadDeadline(w.next(time.Now())) // on a closed connection Read says so
	w.mu.Unlock()
	n, err := w.read(b)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left -= int64(n)
	if !w.nest.sane(b[:n]) {
		n, err = 0, errTalk
	}
	if err != nil && w.err == nil {
		w.err = err
	}
	return n, err
}

func (w *leash) read(b []byte) (int, error) {
	if w.greeting != nil {
		n, err := w.greeting.Read(b)
		if err == nil {
			return n, nil
		}
		w.greeting = nil
	}
	return w.Conn.Read(b)
}

// Write ends the connection where it fails, and reports that to nobody.
//
// QUIRK: go-imap gives its commands up at once when one cannot be written, while it may still be reading an answer to
// them. So it shall hear of all ends as a reader, and of none as a writer but those of before.
func (w *leash) Write(b []byte) (int, error) {
	w.mu.Lock()
	gone := w.err != nil || w.shut
	w.mu.Unlock()
	if gone {
		return 0, net.ErrClosed
	}
	if _, err := w.Conn.Write(b); err != nil {
		w.mu.Lock()
		if w.err == nil {
			w.err = err
		}
		w.mu.Unlock()
		_ = w.Conn.Close() // whoever reads hears of it
	}
	return len(b), nil
}

func (w *leash) Close() error {
	w.mu.Lock()
	w.shut = true
	w.mu.Unlock()
	return w.Conn.Close()
}

func (w *leash) SetDeadline(time.Time) error      { return nil }
func (w *leash) SetReadDeadline(time.Time) error  { return nil }
func (w *leash) SetWriteDeadline(time.Time) error { return nil }

// broken is why the connection is of no use any more; nil if it is not that.
func (w *leash) broken() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.err == nil:
		return nil
	case errors.Is(w.err, os.ErrDeadlineExceeded):
		return errors.New("the server does not answer")
	case errors.Is(w.err, io.EOF):
		return errors.New("the server has closed the connection")
	}
	return w.err
}

// nesting follows how deep the lists of an answer are, outside of its literals. go-imap reads some of them by recursion
// without an end; nothing that we ask for is deeper than a few.
type nesting struct {
	literal int64 // bytes of one that are still to come
	size    int64 // of one that may be beginning: {123
	state   byte  // '{' within its number, '}' behind it, '\r' behind that
	depth   int
}

const maxNesting = 50

// sane reports whether b is still within the bounds.
func (n *nesting) sane(b []byte) bool {
	for i := 0; i < len(b); i++ {
		if n.literal > 0 {
			skip := min(n.literal, int64(len(b)-i))
			n.literal -= skip
			i += int(skip) - 1
			continue
		}
		c, state := b[i], n.state
		n.state = 0
		switch {
		case c == '{':
			n.state, n.size = '{', 0
		case c >= '0' && c <= '9' && state == '{':
			if n.state, n.size = '{', n.size*10+int64(c-'0'); n.size > 1<<40 {
				return false
			}
		case c == '}' && state == '{', c == '\r' && state == '}':
			n.state = c
		case c == '\n' && (state == '\r' || state == '}'):
			n.literal = n.size
		case c == '\n':
			n.depth = 0
		case c == '(':
			if n.depth++; n.depth > maxNesting {
				return false
			}
		case c == ')':
			n.depth--
		}
	}
	return true
}

// maxPlain is what a server may say before TLS begins.
const maxPlain = 16 << 10

// startTLS has TLS begun on a connection in the clear (RFC 9051 section 6.2.1). It is done here and not by go-imap so
// that nothing that was said before counts behind it. It returns a greeting for who begins only now.
func startTLS(ctx context.Context, c net.Conn, config *tls.Config) (net.Conn, io.Reader, error) {
	// One byte at a time: what follows the OK belongs to TLS.
	r := bufio.NewReaderSize(io.LimitReader(onebyte{c}, maxPlain), 16)
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, nil, fmt.Errorf("greeting: %w", err)
	}
	if !strings.HasPrefix(strings.ToUpper(line), "* OK") {
		return nil, nil, fmt.Errorf("the server greets with %s", clean(strings.TrimSpace(line)))
	}
	if _, err := io.WriteString(c, "A1 STARTTLS\r\n"); err != nil {
		return nil, nil, fmt.Errorf("STARTTLS: %w", err)
	}
	for !strings.HasPrefix(line, "A1 ") {
		if line, err = r.ReadString('\n'); err != nil {
			return nil, nil, fmt.Errorf("STARTTLS: %w", err)
		}
	}
	if !strings.HasPrefix(strings.ToUpper(line), "A1 OK") {
		return nil, nil, fmt.Errorf("the server offers no encryption (STARTTLS: %s); try imaps://", clean(strings.TrimSpace(line)))
	}
	t := tls.Client(c, config)
	if err := t.HandshakeContext(ctx); err != nil {
		return nil, nil, fmt.Errorf("TLS: %w", err)
	}
	return t, strings.NewReader("* OK TLS has begun\r\n"), nil
}

// onebyte reads no more than it is asked for, and that is one byte.
type onebyte struct{ r io.Reader }

func (o onebyte) Read(b []byte) (int, error) { return o.r.Read(b[:min(len(b), 1)]) }
