package smtp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"listd/mail"
)

// session is one peer between EHLO and QUIT. Reset may come while Data is running (BDAT), so its state is locked.
type session struct {
	s    *Server
	conn *gosmtp.Conn
	wire *wire // nil never: every connection came through guard
	lmtp bool

	mu     sync.Mutex
	env    mail.Envelope
	spelt  []string // recipients as go-smtp handed them out
	errors int
}

func (s *Server) newSession(c *gosmtp.Conn, p Protocol) (gosmtp.Session, error) {
	w, ok := baseConn(c.Conn()).(*wire)
	if !ok {
		return nil, &gosmtp.SMTPError{Code: 421, EnhancedCode: gosmtp.EnhancedCode{4, 3, 0}, Message: "This connection cannot be served"}
	}
	return &session{s: s, conn: c, wire: w, lmtp: p == LMTP}, nil
}

// baseConn is what lies below TLS.
func baseConn(c net.Conn) net.Conn {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		return t.NetConn()
	}
	return c
}

// Logout ends the session; after STARTTLS another begins on the same connection.
func (t *session) Logout() error {
	t.Reset()
	return nil
}

// Reset forgets the transaction. It also comes when a message was answered.
func (t *session) Reset() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.env, t.spelt = mail.Envelope{}, nil
	t.wire.end()
}

// Mail begins a transaction.
func (t *session) Mail(from string, opts *gosmtp.MailOptions) error {
	env := mail.Envelope{Peer: t.peer(opts)}
	if opts != nil {
		env.UTF8, env.EightBit, env.Size = opts.UTF8, opts.Body == gosmtp.Body8BitMIME, opts.Size
		env.EnvID, env.Ret = opts.EnvelopeID, string(opts.Return)
	}
	if env.Size > t.s.Limits.MessageSize {
		return t.refuse(errTooLarge)
	}
	if from != "" {
		a, err := address(from, env.UTF8)
		if err != nil {
			return t.refuse(err)
		}
		env.From = a
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.env, t.spelt = env, nil
	return nil
}

func (t *session) peer(opts *gosmtp.MailOptions) mail.Peer {
	_, isTLS := t.conn.TLSConnectionState()
	p := mail.Peer{IP: t.wire.ip, Helo: printable(t.conn.Hostname()), TLS: isTLS, Protocol: "ESMTP"}
	if t.lmtp {
		p.Protocol = "LMTP"
	}
	if opts != nil && opts.UTF8 { // RFC 6531 section 4.3
		p.Protocol = "UTF8" + strings.TrimPrefix(p.Protocol, "E")
	}
	if isTLS {
		p.Protocol += "S"
	}
	return p
}

// printable is what may be shown of a name that is only a claim: it goes into Received, and into logs.
func printable(helo string) string {
	return strings.Map(func(c rune) rune {
		if c <= ' ' || c >= 0x7f {
			return '?'
		}
		return c
	}, helo[:min(len(helo), 255)])
}

// address reads what go-smtp has taken the quotes off.
func address(s string, utf8 bool) (mail.Address, error) {
	at := strings.LastIndexByte(s, '@')
	if at < 1 {
		return mail.Address{}, mail.Refuse(501, "5.1.3", "An address has the form name@domain")
	}
	a, err := mail.ParseAddress(mail.Address{Local: s[:at], Domain: s[at+1:]}.String())
	switch {
	case err != nil:
		return a, mail.Refuse(501, "5.1.3", "This is no address: "+err.Error())
	case a.UTF8() && !utf8:
		return a, mail.Refuse(553, "5.6.7", "An address beyond ASCII needs SMTPUTF8 in MAIL FROM")
	}
	return a, nil
}

// Rcpt adds a recipient whom the Inbox knows.
func (t *session) Rcpt(to string, opts *gosmtp.RcptOptions) error {
	t.mu.Lock()
	env := t.env
	t.mu.Unlock()
	a, err := address(to, env.UTF8)
	if err != nil {
		return t.refuse(err)
	}
	rcpt := mail.Rcpt{Address: a}
	if opts != nil {
		var notify []string
		for _, n := range opts.Notify {
			notify = append(notify, string(n))
		}
		rcpt.Notify, rcpt.ORcpt = strings.Join(notify, ","), opts.OriginalRecipient
	}
	if err := t.s.Inbox.Check(t.wire.ctx, env, rcpt); err != nil {
		return t.refuse(err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.env.To = append(t.env.To, rcpt)
	t.spelt = append(t.spelt, to)
	return nil
}

// refuse is a refusal for go-smtp. Too many of them end the connection.
func (t *session) refuse(err error) error {
	var r *mail.Reply
	if !errors.As(err, &r) && t.wire.ctx.Err() == nil {
		t.s.Log.LogAttrs(t.wire.ctx, slog.LevelError, "a message waits with its sender", slog.Any("error", err))
	}
	r = t.reply(err)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.errors++; t.errors >= t.s.Limits.Errors {
		t.wire.hangUp()
		r = mail.Refuse(421, "4.7.0", "Too many errors; goodbye")
	}
	return wireError(r)
}

// reply is what the peer shall hear of err: a *mail.Reply as it is, anything else in our own words.
func (t *session) reply(err error) *mail.Reply {
	var r *mail.Reply
	if errors.As(err, &r) {
		return r
	}
	return mail.Refuse(451, "4.3.0", "There is trouble on our side; please try again later")
}

// wireError is a reply for go-smtp, in one line.
func wireError(r *mail.Reply) error {
	text := strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, r.Text)
	return &gosmtp.SMTPError{Code: r.Code, EnhancedCode: gosmtp.EnhancedCode(r.Enhanced), Message: text}
}

// Data takes the message for an SMTP peer, who gets one reply.
func (t *session) Data(r io.Reader) error {
	replies, err := t.data(r)
	if err != nil {
		return t.refuse(err)
	}
	return wireError(combine(replies))
}

// LMTPData takes the message for an LMTP peer, who gets a reply for each recipient (RFC 2033 section 4.2).
func (t *session) LMTPData(r io.Reader, status gosmtp.StatusCollector) error {
	t.mu.Lock()
	spelt := t.spelt
	t.mu.Unlock()
	replies, err := t.data(r)
	if err != nil {
		return t.refuse(err)
	}
	for i, to := range spelt {
		status.SetStatus(to, wireError(&replies[i]))
	}
	return nil
}

// data reads the message under the budget and gives it to the Inbox.
func (t *session) data(r io.Reader) (replies []mail.Reply, err error) {
	t.mu.Lock()
	env := t.env
	if len(env.To) == 0 { // Reset was faster
		t.mu.Unlock()
		return nil, mail.Refuse(451, "4.3.0", "The transaction was reset")
	}
	_, chunked := r.(*io.PipeReader)
	t.wire.begin(t.s.Limits.MessageSize, !chunked && !env.Peer.TLS)
	t.mu.Unlock()
	_ = t.wire.flush() // 354 must not wait for memory; an error shows at the next read
	start := time.Now()
	in := &counter{r: r, t: t}
	defer func() {
		if p := recover(); p != nil {
			replies, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		t.log(env, in.n, replies, err, time.Since(start))
	}()
	room := &room{t: t}
	defer room.release()
	if env.Size > smallMessage {
		if err := room.take(min(env.Size, t.s.Limits.MessageSize)); err != nil {
			return nil, err
		}
	}
	in.grown = func(n int64) error {
		if n <= max(smallMessage, room.size) {
			return nil
		}
		return room.take(t.s.Limits.MessageSize) // it said less, or nothing
	}
	replies, err = t.s.Inbox.Accept(t.wire.ctx, env, in)
	if err != nil && in.err != nil {
		return nil, errBrokeOff
	}
	if err == nil && len(replies) != len(env.To) {
		err = fmt.Errorf("the inbox gave %d replies for %d recipients", len(replies), len(env.To))
	}
	return replies, err
}

// What is wrong with a message on its way in.
var (
	errBareCR   = mail.Refuse(554, "5.6.0", "This message contains a bare CR; lines must end in CRLF (RFC 5321 section 2.3.8)")
	errTooLarge = mail.Refuse(552, "5.3.4", "This message is larger than we take; send a link instead of the file")
	errBrokeOff = mail.Refuse(451, "4.4.2", "The message broke off")
	errTooLong  = mail.Refuse(554, "5.6.0", "This message has a line that is much too long; have your program wrap or encode it")
)

// smallMessage rides free of the budget, so that small mail never waits for large: 64 KiB for each connection.
const smallMessage = 64 << 10

// room is the memory a message has of the budget. It is taken in one go, while none is held: growing step by step, many
// could wait for each other.
type room struct {
	t    *session
	size int64 // of the message that fits
	held int64
}

// take makes room for a message of size bytes: three and a half times that, since a footer makes a second body, and each
// is packed before it is stored.
func (r *room) take(size int64) error {
	r.release()
	ctx, cancel := context.WithTimeout(r.t.wire.ctx, r.t.s.Limits.MemoryWait)
	defer cancel()
	held, err := r.t.s.Budget.Acquire(ctx, size*7/2)
	if err != nil {
		return mail.Refuse(452, "4.3.1", "There is no room for this message now; please try again later")
	}
	r.size, r.held = size, held
	return nil
}

func (r *room) release() {
	r.t.s.Budget.Release(r.held)
	r.size, r.held = 0, 0
}

// counter counts what is read, asks grown before more is, and refuses what must not be read on.
type counter struct {
	r     io.Reader
	t     *session
	n     int64
	cr    bool // the last byte was CR
	err   error
	grown func(n int64) error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	var bare bool
	if bare, c.cr = bareCR(p[:n], c.cr); bare || c.t.wire.seenBare() {
		c.t.wire.doubt()
		return n, errBareCR
	}
	if c.n > c.t.s.Limits.MessageSize || errors.Is(err, gosmtp.ErrDataTooLarge) {
		return n, errTooLarge
	}
	if errors.Is(err, gosmtp.ErrTooLongLine) {
		c.t.wire.hangUp()
		return n, errTooLong
	}
	if e := c.grown(c.n); e != nil {
		return n, e
	}
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// combine is the one reply to an SMTP peer: the first temporary one if there is any, so that all is tried again; else
// the first that took the message; else the first refusal.
func combine(replies []mail.Reply) *mail.Reply {
	best := &replies[0]
	rank := func(r *mail.Reply) int {
		switch {
		case r.Temporary():
			return 2
		case r.OK():
			return 1
		}
		return 0
	}
	for i := range replies {
		if rank(&replies[i]) > rank(best) {
			best = &replies[i]
		}
	}
	return best
}

func (t *session) log(env mail.Envelope, size int64, replies []mail.Reply, err error, took time.Duration) {
	code, text := 0, ""
	if err != nil {
		r := t.reply(err)
		code, text = r.Code, r.Text
	} else if len(replies) > 0 {
		r := combine(replies)
		code, text = r.Code, r.Text
	}
	level := slog.LevelInfo
	if code/100 == 2 {
		level = slog.LevelDebug // the inbox has said what it took
	}
	t.s.Log.LogAttrs(t.wire.ctx, level, "message", slog.String("peer", env.Peer.IP.String()), slog.String("helo", env.Peer.Helo),
		slog.String("from", env.From.String()), slog.Int("rcpts", len(env.To)), slog.Int64("size", size),
		slog.Int("code", code), slog.String("reply", text), slog.Duration("took", took))
}
