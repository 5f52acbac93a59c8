package smtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"

	"listd/mail"
)

// Timeouts are how long a peer may take (RFC 5321 section 4.5.3.2). A zero field has the RFC's value.
type Timeouts struct {
	Connect, Greeting, Command, DataStart, DataBlock, DataEnd time.Duration
}

func (t Timeouts) withDefaults() Timeouts {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{{&t.Connect, 30 * time.Second}, {&t.Greeting, 5 * time.Minute}, {&t.Command, 5 * time.Minute},
		{&t.DataStart, 2 * time.Minute}, {&t.DataBlock, 3 * time.Minute}, {&t.DataEnd, 10 * time.Minute}} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return t
}

// Bounds of what a peer may say.
const (
	maxReplyLine  = 2 << 10
	maxReplyLines = 128
	maxReplyText  = 1000     // of what is kept of a reply: it goes into a row and before eyes
	blockSize     = 64 << 10 // of a body, written under one deadline
)

// client is one connection to an SMTP server. It is not safe for concurrent use.
type client struct {
	conn     net.Conn
	r        *bufio.Reader
	w        *bufio.Writer // for messages
	t        Timeouts
	hostname string
	ext      map[string]string // EHLO keywords, in upper case, with their arguments
	tls      bool
	used     int       // transactions
	idle     time.Time // since when
	addr     string    // what was dialed, for the pool
	buf      []byte
	stop     func() bool // ends the watch on the context
}

var (
	// errPeer is the peer's fault: a reply that is none.
	errPeer = errors.New("the server speaks no SMTP")
	// errTLS is a handshake that came to nothing.
	errTLS = errors.New("no TLS handshake")
)

// newClient reads the greeting and says hello on a fresh connection. A refusal is a *mail.Reply.
func newClient(ctx context.Context, conn net.Conn, hostname string, t Timeouts) (*client, error) {
	c := &client{conn: conn, r: bufio.NewReaderSize(conn, 4<<10), t: t.withDefaults(), hostname: hostname}
	_, c.tls = conn.(*tls.Conn)
	c.watch(ctx)
	defer c.unwatch()
	r, err := c.read(c.t.Greeting)
	if err != nil {
		return nil, err
	}
	if !r.OK() {
		return nil, &r
	}
	return c, c.hello()
}

// watch ends the connection when ctx ends: a deadline in the past would be undone by the next step's own.
func (c *client) watch(ctx context.Context) {
	if ctx.Done() == nil {
		return
	}
	conn := c.conn
	c.stop = context.AfterFunc(ctx, func() { _ = conn.Close() }) // whoever uses it gets the error
}

func (c *client) unwatch() {
	if c.stop != nil {
		c.stop()
		c.stop = nil
	}
}

func (c *client) deadline(d time.Duration) error { return c.conn.SetDeadline(time.Now().Add(d)) }

// hello says EHLO, and HELO to a server that does not know it.
func (c *client) hello() error {
	r, lines, err := c.command("EHLO " + c.hostname)
	if err != nil {
		return err
	}
	c.ext = map[string]string{}
	if r.Permanent() {
		if r, _, err = c.command("HELO " + c.hostname); err != nil {
			return err
		}
		lines = nil
	}
	if !r.OK() {
		return &r
	}
	for i, l := range lines {
		if word, arg, _ := strings.Cut(l, " "); i > 0 {
			c.ext[strings.ToUpper(word)] = arg
		}
	}
	return nil
}

func (c *client) has(word string) bool { _, ok := c.ext[word]; return ok }

// startTLS turns to TLS and says hello again. A refusal is a *mail.Reply and leaves the connection as it was. What the server sent beyond its reply is an attack (RFC 3207 section 6,
// CVE-2011-0411): the connection is given up.
func (c *client) startTLS(ctx context.Context, cfg *tls.Config) error {
	c.watch(ctx)
	defer c.unwatch()
	r, _, err := c.command("STARTTLS")
	if err != nil {
		return err
	}
	if r.Code != 220 {
		return &r
	}
	if c.r.Buffered() > 0 {
		return fmt.Errorf("%w: it talks on before the TLS handshake", errPeer)
	}
	t := tls.Client(c.conn, cfg)
	if err := c.deadline(c.t.Command); err != nil {
		return err
	}
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%w: %w", errTLS, err)
	}
	c.conn, c.tls = t, true
	c.r.Reset(t)
	return c.hello()
}

// auth signs in with PLAIN (RFC 4616) or LOGIN, whichever the server offers.
func (c *client) auth(ctx context.Context, user, password string) error {
	c.watch(ctx)
	defer c.unwatch()
	offered := " " + strings.ToUpper(c.ext["AUTH"]) + " "
	b64 := base64.StdEncoding.EncodeToString
	var lines []string
	switch {
	case strings.Contains(offered, " PLAIN "):
		lines = []string{"AUTH PLAIN " + b64([]byte("\x00"+user+"\x00"+password))}
	case strings.Contains(offered, " LOGIN "):
		lines = []string{"AUTH LOGIN", b64([]byte(user)), b64([]byte(password))}
	default:
		return mail.Refuse(454, "4.7.0", "The relay offers neither AUTH PLAIN nor LOGIN")
	}
	for i, l := range lines {
		r, _, err := c.command(l)
		switch {
		case err != nil:
			return err
		case r.Code == 235 && i == len(lines)-1, r.Code == 334 && i < len(lines)-1:
		default:
			// A wrong password is ours to mend: mail must wait for that, not fail.
			return mail.Refuse(454, "4.7.8", "The relay does not accept our user and password: "+r.Text)
		}
	}
	return nil
}

// command sends a line and reads the reply, under the command's deadline.
func (c *client) command(line string) (mail.Reply, []string, error) {
	if err := c.deadline(c.t.Command); err != nil {
		return mail.Reply{}, nil, err
	}
	if _, err := c.conn.Write([]byte(line + "\r\n")); err != nil {
		return mail.Reply{}, nil, err
	}
	return c.readLines(c.t.Command)
}

func (c *client) read(d time.Duration) (mail.Reply, error) {
	r, _, err := c.readLines(d)
	return r, err
}

// readLines reads a reply, all its lines, bounded.
func (c *client) readLines(d time.Duration) (r mail.Reply, lines []string, err error) {
	if c.r.Buffered() == 0 {
		if err := c.deadline(d); err != nil {
			return r, nil, err
		}
	}
	for range maxReplyLines {
		line, err := c.r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) || len(line) > maxReplyLine {
			return r, nil, fmt.Errorf("%w: a reply's line is too long", errPeer)
		}
		if err != nil {
			return r, nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		code, ok := replyCode(line)
		if !ok || r.Code != 0 && code != r.Code {
			return r, nil, fmt.Errorf("%w: %q is no reply", errPeer, clip(line))
		}
		r.Code = code
		text := ""
		if len(line) > 4 {
			text = string(line[4:])
		}
		lines = append(lines, text)
		if len(line) == 3 || line[3] == ' ' {
			r.Enhanced, r.Text = replyText(code, lines)
			return r, lines, nil
		}
	}
	return r, nil, fmt.Errorf("%w: a reply does not end", errPeer)
}

// replyText joins the lines of a reply without their enhanced codes, and gives the first line's code. What is no text
// (control characters, bytes that are not UTF-8) would be refused by a database, or do worse to a terminal.
func replyText(code int, lines []string) (enhanced [3]int, text string) {
	enhanced, text = cutEnhanced(code, lines[0])
	for _, l := range lines[1:] {
		if len(text) > maxReplyText {
			break
		}
		_, l = cutEnhanced(code, l)
		text += " " + l
	}
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > maxReplyText {
		text = strings.ToValidUTF8(text[:maxReplyText], "") + "…"
	}
	return enhanced, text
}

func clip(b []byte) string {
	if len(b) > 60 {
		return string(b[:60]) + "…"
	}
	return string(b)
}

func replyCode(line []byte) (int, bool) {
	if len(line) < 3 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return 0, false
	}
	code := 0
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, false
		}
		code = code*10 + int(c-'0')
	}
	return code, code >= 200 && code < 600
}

// cutEnhanced cuts the enhanced code off a reply's text (RFC 2034). Where there is none, X.0.0 is it.
func cutEnhanced(code int, text string) ([3]int, string) {
	e := [3]int{code / 100, 0, 0}
	word, rest, _ := strings.Cut(text, " ")
	p := strings.SplitN(word, ".", 4)
	if len(p) != 3 || len(word) > 11 {
		return e, text
	}
	var got [3]int
	for i, s := range p {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 || n > 999 {
			return e, text
		}
		got[i] = n
	}
	if got[0] != code/100 || code/100 == 3 {
		return e, text
	}
	return got, rest
}

// quit says goodbye without waiting long for the answer.
func (c *client) quit() {
	if c.deadline(5*time.Second) == nil {
		_, _ = c.conn.Write([]byte("QUIT\r\n")) // we go anyway
	}
	_ = c.conn.Close()
}

// rset forgets a transaction that has begun (RFC 5321 section 4.1.1.5).
func (c *client) rset() error {
	r, _, err := c.command("RSET")
	if err == nil && !r.OK() {
		err = &r
	}
	return err
}
