package smtp

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// guard is a listener that turns away connections beyond the limits, and wraps those it lets in.
type guard struct {
	net.Listener
	s   *Server
	ctx context.Context // of Serve
}

// Accept waits for a connection there is room for.
func (g *guard) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		w := &wire{Conn: c, s: g.s, ip: addrOf(c.RemoteAddr())}
		// What was begun is finished after Serve's ctx has ended: shutDown says for how long.
		w.ctx, w.cancel = context.WithCancel(context.WithoutCancel(g.ctx))
		if g.s.enter(w) {
			return w, nil
		}
		w.cancel()
		if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err == nil {
			_, _ = io.WriteString(c, "421 4.7.0 Too many connections; try again later\r\n") // it may be gone
		}
		_ = c.Close()
	}
}

// addrOf is a peer's IP address; the zero Addr for a unix socket.
func addrOf(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		ip, _ := netip.AddrFromSlice(t.IP)
		return ip.Unmap()
	}
	return netip.Addr{}
}

// wire is a peer's connection. It does what go-smtp does not: a deadline that moves with the bytes of a message, an end
// to one that does not stop, and no command after a message whose end is in doubt.
type wire struct {
	net.Conn
	s      *Server
	ip     netip.Addr
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc

	outMu sync.Mutex
	out   []byte // replies not written yet

	mu     sync.Mutex
	inData bool      // from the message's first byte to the reply
	plain  bool      // the message is read as it lies here: neither TLS nor BDAT
	until  time.Time // the message must have come by then
	left   int64     // bytes that may still come of it
	cr     bool      // the last byte was CR
	bare   bool      // a CR without its LF was seen
	last   bool      // no more commands are read
	once   sync.Once
}

// afterBare is how long a message with a bare CR may pause. It is refused in any case, and go-smtp does not see the final
// dot after CR CR LF.
const afterBare = 2 * time.Second

// Read reads; during a message each read has the time of a block.
func (w *wire) Read(p []byte) (int, error) {
	w.mu.Lock()
	inData, next := w.inData, time.Now().Add(w.s.Limits.DataTimeout)
	if w.bare {
		next = time.Now().Add(min(afterBare, w.s.Limits.DataTimeout))
	}
	if next.After(w.until) {
		next = w.until
	}
	end := w.last
	if inData {
		if end = w.left < 0; end {
			w.last = true
		}
	}
	w.mu.Unlock()
	if end {
		return 0, io.EOF
	}
	if err := w.flush(); err != nil {
		return 0, err
	}
	if inData {
		if err := w.SetReadDeadline(next); err != nil {
			return 0, err
		}
	}
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.last = true // what comes after half a message, or half a line, must not be taken for commands
	}
	if !w.inData {
		return w.postmaster(p, n), err
	}
	w.left -= int64(n)
	if w.plain {
		w.look(p[:n])
	}
	return n, err
}

// maxOut is how much of replies is gathered, and lastWords how long a peer has to take the last of them.
const (
	maxOut    = 4 << 10
	lastWords = 2 * time.Second
)

// Write gathers replies until the peer is listened to again: go-smtp writes each line of them by itself, and a peer that
// pipelines commands shall have the answers together (RFC 2920 section 3.2).
func (w *wire) Write(p []byte) (int, error) {
	w.outMu.Lock()
	defer w.outMu.Unlock()
	if len(w.out)+len(p) > maxOut {
		if err := w.write(); err != nil {
			return 0, err
		}
	}
	if len(p) > maxOut {
		return w.Conn.Write(p)
	}
	w.out = append(w.out, p...)
	return len(p), nil
}

func (w *wire) flush() error {
	w.outMu.Lock()
	defer w.outMu.Unlock()
	return w.write()
}

// write writes what was gathered. w.outMu is held.
func (w *wire) write() error {
	if len(w.out) == 0 {
		return nil
	}
	_, err := w.Conn.Write(w.out)
	w.out = w.out[:0]
	return err
}

// look notes a CR that is not followed by LF. go-smtp's reader swallows the CR of a line that begins ".\r", so that
// nobody behind it can see it. (Under TLS it stays unseen: the dot and the CR are gone from the message.)
func (w *wire) look(b []byte) {
	bare, cr := bareCR(b, w.cr)
	w.bare, w.cr = w.bare || bare, cr
}

// bareCR reports whether b has a CR that is not followed by LF; after says that a CR came before b, and ends that b ends
// in one.
func bareCR(b []byte, after bool) (bare, ends bool) {
	for len(b) > 0 {
		if after && b[0] != '\n' {
			return true, b[len(b)-1] == '\r'
		}
		i := bytes.IndexByte(b, '\r')
		if i < 0 {
			return false, false
		}
		b, after = b[i+1:], true
	}
	return false, after
}

var barePostmaster = []byte("RCPT TO:<postmaster>\r\n")

// postmaster completes the one address that needs no domain (RFC 5321 section 4.1.1.3), which go-smtp refuses. It does
// so only for a command that stands alone in its segment, so that no byte of a message can be meant.
func (w *wire) postmaster(p []byte, n int) int {
	if n != len(barePostmaster) || !bytes.EqualFold(p[:n], barePostmaster) {
		return n
	}
	full := append(barePostmaster[:len(barePostmaster)-3:len(barePostmaster)-3], "@"+w.s.Hostname+">\r\n"...)
	if len(full) > len(p) {
		return n
	}
	return copy(p, full)
}

// begin marks where a message begins; plain says that its bytes can be looked at here.
func (w *wire) begin(limit int64, plain bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inData, w.plain, w.bare, w.cr = true, plain, false, false
	w.until = time.Now().Add(w.s.Limits.DataTotal)
	// go-smtp reads on to the end of a message that was refused: so much of it, then the connection ends.
	w.left = 2*limit + 1<<20
}

// end marks that the message was answered.
func (w *wire) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inData, w.bare = false, false
}

func (w *wire) seenBare() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bare
}

// doubt notes that the message has a bare CR: where it ends is a matter of opinion, so nothing is read after it.
func (w *wire) doubt() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bare, w.last = true, true
}

// hangUp lets the reply out that is being written, and reads no more.
func (w *wire) hangUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = true
}

// goAway ends the connection; one in a message, after that. Whoever waits for a command is woken: go-smtp then says 421
// and closes.
func (w *wire) goAway() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = true
	if !w.inData {
		_ = w.SetReadDeadline(time.Unix(1, 0)) // a closed one needs none
	}
}

// Close gives the place free, and lets the Inbox know that nobody waits any more.
func (w *wire) Close() error {
	w.once.Do(func() {
		w.cancel()
		w.s.leave(w)
		if w.outMu.TryLock() { // else a write hangs, and closing ends it
			defer w.outMu.Unlock()
			if w.SetWriteDeadline(time.Now().Add(lastWords)) == nil {
				_ = w.write() // the peer may be gone
			}
		}
	})
	return w.Conn.Close()
}
