// Package sink is an SMTP server that swallows mail: it counts, or keeps, what it is sent, and fails as it is told to.
// The demo, the tests and the benchmark deliver to it; Blast is the bare client the benchmark measures against.
//
// Enter with Sink.Listen. It is as fast as a server can be that looks at nothing, so that what is measured is the sender.
package sink

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

// Mail is one transaction as the sink took it.
type Mail struct {
	From string   // without brackets
	To   []string // without brackets
	Args string   // the parameters of MAIL
	Helo string
	Data []byte // CRLF lines without dot-stuffing
	TLS  bool
}

// Fault is a misbehaviour. The zero Fault is none.
type Fault struct {
	Reply     string // said instead of the usual, e.g. "451 4.3.0 later"; the transaction is not counted
	Drop      bool   // the connection is closed now, without a reply
	DropAfter bool   // at "dot": the mail is taken and counted, and the connection closed before the reply
}

// Sink is the server. Its fields are set before Listen or Serve.
type Sink struct {
	Hostname string
	Keep     func(Mail) // nil: count only; it may be called from many connections at once
	// Fault is asked at the stages connect, helo, mail, rcpt, data, body (in the midst of the content) and dot, with the
	// command's argument. nil: none.
	Fault      func(stage, arg string) Fault
	Extensions []string    // what EHLO offers beside PIPELINING; nil: 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES, SIZE
	NoPipeline bool        // do not offer PIPELINING
	TLS        *tls.Config // not nil: STARTTLS is offered
	Auth       func(mechanism, user, password string) bool

	transactions, recipients, size, connections atomic.Int64

	mu    sync.Mutex
	ls    []net.Listener
	conns map[net.Conn]struct{}
	wg    sync.WaitGroup
	shut  bool
}

// Listen listens on a port of 127.0.0.1 that the kernel chooses, and serves it until Close.
func (s *Sink) Listen() (addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s.wg.Go(func() { _ = s.Serve(l) }) // it ends with Close
	return l.Addr().String(), nil
}

// Serve serves l until Close.
func (s *Sink) Serve(l net.Listener) error {
	s.mu.Lock()
	s.ls = append(s.ls, l)
	if s.conns == nil {
		s.conns = map[net.Conn]struct{}{}
	}
	shut := s.shut
	s.mu.Unlock()
	if shut {
		return l.Close()
	}
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		s.connections.Add(1)
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.mu.Unlock()
		s.wg.Go(func() {
			(&session{s: s, c: c, raw: c}).serve()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

// Close closes listeners and connections and waits for them.
func (s *Sink) Close() {
	s.mu.Lock()
	s.shut = true
	for _, l := range s.ls {
		_ = l.Close() // nothing is left to lose
	}
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Transactions is how many mails were taken.
func (s *Sink) Transactions() int64 { return s.transactions.Load() }

// Recipients is how many recipients the mails taken had, all together.
func (s *Sink) Recipients() int64 { return s.recipients.Load() }

// Bytes is the size of the mails taken, in bytes.
func (s *Sink) Bytes() int64 { return s.size.Load() }

// Connections is how many connections were accepted.
func (s *Sink) Connections() int64 { return s.connections.Load() }

// bufSize is large enough that a small mail is one read.
const bufSize = 32 << 10

type session struct {
	s    *Sink
	c    net.Conn // maybe TLS
	raw  net.Conn
	r    *bufio.Reader
	w    *bufio.Writer
	helo string
	from string
	args string
	to   []string
	open bool // MAIL was taken
	n    int  // recipients
	tls  bool
}

var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, bufSize) }}

func (t *session) serve() {
	t.r = readers.Get().(*bufio.Reader)
	defer func() {
		_ = t.raw.Close()
		t.r.Reset(nil)
		readers.Put(t.r)
	}()
	t.r.Reset(t.c)
	t.w = bufio.NewWriterSize(t.c, 4<<10)
	if !t.say("connect", "", "220 "+t.host()+" ESMTP sink") {
		_ = t.w.Flush() // the peer may be gone
		return
	}
	for {
		if t.r.Buffered() == 0 && t.w.Flush() != nil {
			return
		}
		line, err := t.r.ReadSlice('\n')
		if err != nil {
			return
		}
		if !t.command(bytes.TrimRight(line, "\r\n")) {
			_ = t.w.Flush() // the peer may be gone
			return
		}
	}
}

func (t *session) host() string {
	if t.s.Hostname == "" {
		return "sink.invalid"
	}
	return t.s.Hostname
}

// fault says whether the stage goes wrong: then it has been replied, and alive tells whether the connection lives on.
func (t *session) fault(stage, arg string) (bad, alive bool) {
	if t.s.Fault == nil {
		return false, true
	}
	f := t.s.Fault(stage, arg)
	switch {
	case f.Drop:
		return true, false
	case f.Reply != "":
		t.reply(f.Reply)
		return true, !strings.HasPrefix(f.Reply, "421")
	}
	return false, true
}

// say replies unless the stage goes wrong, and says whether the connection lives on.
func (t *session) say(stage, arg, reply string) bool {
	bad, alive := t.fault(stage, arg)
	if !bad {
		t.reply(reply)
	}
	return alive
}

func (t *session) reply(s string) {
	_, _ = t.w.WriteString(s) // a failed write shows at the next Flush
	_, _ = t.w.WriteString("\r\n")
}

func (t *session) command(line []byte) bool {
	if len(line) < 4 {
		t.reply("500 5.5.2 what?")
		return true
	}
	var verb [4]byte
	for i := range verb {
		verb[i] = line[i] &^ 0x20
	}
	switch string(verb[:]) {
	case "MAIL":
		return t.mail(line)
	case "RCPT":
		return t.rcpt(line)
	case "DATA":
		return t.data()
	case "EHLO", "HELO", "LHLO":
		return t.hello(string(line))
	case "RSET":
		t.reset()
		t.reply("250 2.0.0 ok")
	case "NOOP":
		t.reply("250 2.0.0 ok")
	case "QUIT":
		t.reply("221 2.0.0 bye")
		return false
	case "STAR":
		return t.startTLS()
	case "AUTH":
		t.auth(string(line))
	default:
		t.reply("500 5.5.1 unknown command")
	}
	return true
}

func (t *session) reset() { t.from, t.args, t.to, t.open, t.n = "", "", nil, false, 0 }

func (t *session) hello(line string) bool {
	t.reset()
	t.helo = strings.TrimSpace(line[4:])
	if bad, alive := t.fault("helo", line); bad {
		return alive
	}
	if line[0] == 'H' || line[0] == 'h' {
		t.reply("250 " + t.host())
		return true
	}
	words := t.s.Extensions
	if words == nil {
		words = []string{"8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 52428800"}
	}
	words = append([]string{t.host()}, words...)
	if !t.s.NoPipeline {
		words = append(words, "PIPELINING")
	}
	if t.s.TLS != nil && !t.tls {
		words = append(words, "STARTTLS")
	}
	if t.s.Auth != nil {
		words = append(words, "AUTH PLAIN LOGIN")
	}
	for _, w := range words[:len(words)-1] {
		t.reply("250-" + w)
	}
	t.reply("250 " + words[len(words)-1])
	return true
}

// path cuts the address out of "MAIL FROM:<a@b> ARGS".
func path(line []byte) (addr, args []byte) {
	open := bytes.IndexByte(line, '<')
	end := bytes.LastIndexByte(line, '>')
	if open < 0 || end < open {
		return nil, nil
	}
	return line[open+1 : end], bytes.TrimSpace(line[end+1:])
}

func (t *session) mail(line []byte) bool {
	addr, args := path(line)
	if t.s.Fault != nil || t.s.Keep != nil {
		t.from, t.args = string(addr), string(args)
		if bad, alive := t.fault("mail", t.from); bad {
			return alive
		}
	}
	t.open = true
	t.reply("250 2.1.0 ok")
	return true
}

func (t *session) rcpt(line []byte) bool {
	if !t.open {
		t.reply("503 5.5.1 MAIL first")
		return true
	}
	if t.s.Fault != nil || t.s.Keep != nil {
		addr, _ := path(line)
		to := string(addr)
		if bad, alive := t.fault("rcpt", to); bad {
			return alive
		}
		t.to = append(t.to, to)
	}
	t.n++
	t.reply("250 2.1.5 ok")
	return true
}

func (t *session) data() bool {
	if t.n == 0 {
		t.reply("554 5.5.1 no valid recipients")
		return true
	}
	if bad, alive := t.fault("data", t.from); bad {
		t.reset()
		return alive
	}
	t.reply("354 go ahead")
	if t.w.Flush() != nil {
		return false
	}
	if t.s.Fault != nil {
		if f := t.s.Fault("body", t.from); f.Drop {
			_, _ = t.r.ReadSlice('\n') // in the midst: something has come
			return false
		}
	}
	data, n, err := t.content()
	if err != nil {
		return false
	}
	dropAfter := false
	if t.s.Fault != nil {
		f := t.s.Fault("dot", t.from)
		switch {
		case f.Drop:
			return false
		case f.Reply != "":
			t.reply(f.Reply)
			t.reset()
			return !strings.HasPrefix(f.Reply, "421")
		}
		dropAfter = f.DropAfter
	}
	t.s.transactions.Add(1)
	t.s.recipients.Add(int64(t.n))
	t.s.size.Add(n)
	if t.s.Keep != nil {
		t.s.Keep(Mail{From: t.from, To: t.to, Args: t.args, Helo: t.helo, Data: data, TLS: t.tls})
	}
	t.reset()
	if dropAfter {
		return false
	}
	t.reply("250 2.0.0 taken")
	return true
}

var (
	endLine = []byte("\r\n.\r\n")
	dotLine = []byte(".\r\n")
)

// content reads up to the final dot. Without Keep it only looks for the end.
func (t *session) content() (data []byte, n int64, err error) {
	keep := t.s.Keep != nil
	tail := []byte("\r\n") // what came last: the end may lie across two reads
	for {
		if _, err := t.r.Peek(1); err != nil {
			return nil, 0, err
		}
		b, _ := t.r.Peek(t.r.Buffered()) // they are there
		joined := append(tail[:len(tail):len(tail)], b[:min(len(b), len(endLine))]...)
		if i := bytes.Index(joined, endLine); i >= 0 && i < len(tail) {
			end := i + len(endLine) - len(tail)
			_, _ = t.r.Discard(end)
			return t.finish(append(data, b[:end]...), keep, n+int64(end))
		}
		if i := bytes.Index(b, endLine); i >= 0 {
			end := i + len(endLine)
			if keep {
				data = append(data, b[:end]...)
			}
			_, _ = t.r.Discard(end)
			return t.finish(data, keep, n+int64(end))
		}
		if keep {
			data = append(data, b...)
		}
		n += int64(len(b))
		tail = append(tail, b...)
		tail = append([]byte(nil), tail[max(0, len(tail)-len(endLine)+1):]...)
		_, _ = t.r.Discard(len(b))
	}
}

// finish takes the final dot off and undoes the dot-stuffing.
func (t *session) finish(data []byte, keep bool, n int64) ([]byte, int64, error) {
	n -= int64(len(dotLine))
	if !keep {
		return nil, n, nil
	}
	data = data[:len(data)-len(dotLine)]
	data = bytes.TrimPrefix(data, []byte("."))
	return bytes.ReplaceAll(data, []byte("\r\n."), []byte("\r\n")), n, nil
}

func (t *session) startTLS() bool {
	if t.s.TLS == nil || t.tls {
		t.reply("502 5.5.1 no TLS here")
		return true
	}
	t.reply("220 2.0.0 go")
	if t.w.Flush() != nil {
		return false
	}
	c := tls.Server(t.c, t.s.TLS)
	if err := c.Handshake(); err != nil {
		return false
	}
	t.c, t.tls = c, true
	t.r.Reset(c)
	t.w.Reset(c)
	t.reset()
	return true
}

// String says what the sink has seen.
func (s *Sink) String() string {
	return fmt.Sprintf("%d mails, %d recipients, %d bytes, %d connections", s.Transactions(), s.Recipients(), s.Bytes(), s.Connections())
}
