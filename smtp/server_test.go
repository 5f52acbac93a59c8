package smtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"listd/mail"
)

// inbox keeps what it is given, as the real one reads it, unless it is told otherwise.
type inbox struct {
	check  func(env mail.Envelope, to mail.Rcpt) error
	accept func(ctx context.Context, env mail.Envelope, data io.Reader) ([]mail.Reply, error)

	mu  sync.Mutex
	got []taken
}

type taken struct {
	env mail.Envelope
	m   mail.Message
}

func (b *inbox) Check(_ context.Context, env mail.Envelope, to mail.Rcpt) error {
	if b.check != nil {
		return b.check(env, to)
	}
	return nil
}

func (b *inbox) Accept(ctx context.Context, env mail.Envelope, data io.Reader) ([]mail.Reply, error) {
	if b.accept != nil {
		return b.accept(ctx, env, data)
	}
	return b.keep(env, data)
}

func (b *inbox) keep(env mail.Envelope, data io.Reader) ([]mail.Reply, error) {
	m, err := mail.Read(data, mail.Limits{}, mail.Strict)
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, taken{env, m})
	return fill(make([]mail.Reply, len(env.To)), *mail.Refuse(250, "2.0.0", "queued")), nil
}

func (b *inbox) all() []taken {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got
}

// serve runs s on l until the test is over or the returned function is called.
func serve(t testing.TB, s *Server, l net.Listener, p Protocol) (stop func() error) {
	t.Helper()
	if s.Hostname == "" {
		s.Hostname = "lists.example.org"
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l, p) }()
	stop = sync.OnceValue(func() error { cancel(); return <-served })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return stop
}

// listen serves s on a port the kernel chooses.
func listen(t *testing.T, s *Server, p Protocol) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s, l, p)
	return l.Addr().String()
}

// peer speaks to the server.
type peer struct {
	t    *testing.T
	c    net.Conn
	line func() (string, error)
}

func newPeer(t *testing.T, c net.Conn) *peer {
	r := bufio.NewReader(c)
	return &peer{t, c, func() (string, error) { return r.ReadString('\n') }}
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	network := "tcp"
	if filepath.IsAbs(addr) {
		network = "unix"
	}
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	p := newPeer(t, c)
	p.hear("220")
	return p
}

// raw writes bytes as they are. The server may have gone: what it said shows that.
func (p *peer) raw(s string) { _, _ = io.WriteString(p.c, s) }

// hear reads one reply and expects it to begin so. "" is the end of the connection.
func (p *peer) hear(want string) string {
	p.t.Helper()
	for {
		line, err := p.line()
		switch {
		case err != nil && want == "":
			return ""
		case err != nil:
			p.t.Fatalf("%v, want %q", err, want)
		case len(line) > 3 && line[3] == '-':
			continue
		case want == "" || !strings.HasPrefix(line, want):
			p.t.Fatalf("heard %q, want %q", line, want)
		}
		return line
	}
}

// rest is all that is still heard until the connection ends.
func (p *peer) rest() (all []string) {
	for {
		line, err := p.line()
		if line != "" {
			all = append(all, strings.TrimSpace(line))
		}
		if err != nil {
			return all
		}
	}
}

// talk says a line and expects the reply, in turn. A BDAT has its chunk behind it, to the byte.
func (p *peer) talk(dialog ...string) {
	p.t.Helper()
	for i := 0; i < len(dialog); i += 2 {
		line := dialog[i] + "\r\n"
		if strings.HasPrefix(line, "BDAT") && strings.Count(line, "\r\n") > 1 {
			line = dialog[i]
		}
		p.raw(line)
		p.hear(dialog[i+1])
	}
}

// toData goes up to the message.
func (p *peer) toData(to ...string) {
	p.t.Helper()
	p.talk("EHLO peer.example", "250", "MAIL FROM:<ann@example.org>", "250")
	for _, a := range to {
		p.talk("RCPT TO:<"+a+">", "250")
	}
	p.talk("DATA", "354")
}

const letter = "Subject: x\r\n\r\nHello\r\n"

// TestDialogs has whole dialogs: what is said, what is heard, and how many mails were taken.
func TestDialogs(t *testing.T) {
	t.Parallel()
	hello := []string{"EHLO peer.example", "250", "MAIL FROM:<ann@example.org>", "250"}
	for name, tt := range map[string]struct {
		dialog []string
		taken  int
	}{
		"a mail":                {append(hello, "RCPT TO:<dev@x.example>", "250", "DATA", "354", letter+".", "250 2.0.0 queued", "QUIT", "221"), 1},
		"HELO":                  {[]string{"HELO p", "250", "MAIL FROM:<>", "250", "RCPT TO:<dev@x.example>", "250", "DATA", "354", letter + ".", "250"}, 1},
		"two mails":             {append(hello, "RCPT TO:<dev@x.example>", "250", "DATA", "354", letter+".", "250", "MAIL FROM:<>", "250", "RCPT TO:<dev@x.example>", "250", "DATA", "354", letter+".", "250"), 2},
		"no EHLO":               {[]string{"MAIL FROM:<ann@example.org>", "502"}, 0},
		"no RCPT":               {append(hello, "DATA", "502"), 0},
		"RSET":                  {append(hello, "RCPT TO:<dev@x.example>", "250", "RSET", "250", "DATA", "502"), 0},
		"EHLO again":            {append(hello, "RCPT TO:<dev@x.example>", "250", "EHLO peer.example", "250", "DATA", "502"), 0},
		"no such recipient":     {append(hello, "RCPT TO:<nobody@x.example>", "550 5.1.1", "RCPT TO:<dev@x.example>", "250", "DATA", "354", letter+".", "250"), 1},
		"postmaster":            {append(hello, "RCPT TO:<postmaster>", "250", "rcpt to:<PostMaster>", "250", "DATA", "354", letter+".", "250"), 1},
		"quoted local part":     {append(hello, `RCPT TO:<"a b>c@d"@x.example>`, "250", "DATA", "354", letter+".", "250"), 1},
		"address literal":       {append(hello, `RCPT TO:<dev@[192.0.2.1]>`, "250", "DATA", "354", letter+".", "250"), 1},
		"source route":          {append(hello, `RCPT TO:<@a.example,@b.example:dev@x.example>`, "250", "DATA", "354", letter+".", "250"), 1},
		"no domain":             {append(hello, "RCPT TO:<dev>", "501"), 0},
		"no address":            {append(hello, "RCPT TO:<a b@x.example>", "501", "RCPT TO:<@x.example>", "501", "RCPT TO:<a@-x.example>", "501 5.1.3", "RCPT TO:<>", "501"), 0},
		"SIZE too large":        {[]string{"EHLO p", "250", "MAIL FROM:<ann@example.org> SIZE=100001", "552 5.3.4"}, 0},
		"SIZE just right":       {[]string{"EHLO p", "250", "MAIL FROM:<ann@example.org> SIZE=100000", "250"}, 0},
		"UTF-8 without a word":  {append(hello, "RCPT TO:<ümit@x.example>", "553 5.6.7"), 0},
		"UTF-8 sender":          {[]string{"EHLO p", "250", "MAIL FROM:<ümit@example.org>", "553 5.6.7"}, 0},
		"UTF-8":                 {[]string{"EHLO p", "250", "MAIL FROM:<ümit@example.org> SMTPUTF8", "250", "RCPT TO:<ümit@x.example>", "250", "DATA", "354", letter + ".", "250"}, 1},
		"BDAT":                  {append(hello, "RCPT TO:<dev@x.example>", "250", "BDAT 11\r\nSubject: x\r", "250", "BDAT 10 LAST\r\n\n\r\nHello\r\n", "250 2.0.0 queued"), 1},
		"BDAT in pieces":        {append(hello, "RCPT TO:<dev@x.example>", "250", "BDAT 10\r\nSubject: x", "250", "BDAT 0", "250", "BDAT 9\r\n\r\n\r\nHello", "250", "BDAT 0 LAST", "250 2.0.0 queued"), 1},
		"BDAT, then RSET":       {append(hello, "RCPT TO:<dev@x.example>", "250", "BDAT 0", "250", "RSET", "250", "MAIL FROM:<>", "250", "RCPT TO:<dev@x.example>", "250", "DATA", "354", letter+".", "250"), 1},
		"BDAT half, then RSET":  {append(hello, "RCPT TO:<dev@x.example>", "250", "BDAT 10\r\nSubject: x", "250", "RSET", "250", "MAIL FROM:<>", "250", "RCPT TO:<dev@x.example>", "250", "DATA", "354", letter+".", "250"), 1},
		"BDAT half, then DATA":  {append(hello, "RCPT TO:<dev@x.example>", "250", "BDAT 10\r\nSubject: x", "250", "DATA", "502"), 0},
		"BDAT too large":        {append(hello, "RCPT TO:<dev@x.example>", "250", "BDAT 100002 LAST\r\n"+strings.Repeat("x", 100_002), "552 5.3.4"), 0},
		"a head that is a body": {append(hello, "RCPT TO:<dev@x.example>", "250", "DATA", "354", "\r\nno head\r\n.", "250"), 1},
		"too large a head":      {append(hello, "RCPT TO:<dev@x.example>", "250", "DATA", "354", strings.Repeat("A: b\r\n", 3000)+"\r\nx\r\n.", "55"), 0},
		"a long line":           {append(hello, "RCPT TO:<dev@x.example>", "250", "DATA", "354", "A: b\r\n\r\n"+strings.Repeat("x", 70_000)+"\r\n.", "554 5.6.0", "NOOP", "250"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &inbox{check: func(_ mail.Envelope, to mail.Rcpt) error {
				if to.Local == "nobody" {
					return mail.Refuse(550, "5.1.1", "Nobody here")
				}
				return nil
			}}
			s := &Server{Inbox: b, Limits: Limits{MessageSize: 100_000}}
			p := dial(t, listen(t, s, SMTP))
			p.talk(tt.dialog...)
			if len(b.all()) != tt.taken {
				t.Errorf("%d mails were taken, want %d", len(b.all()), tt.taken)
			}
		})
	}
}

// TestEnvelope holds what the Inbox hears of the envelope.
func TestEnvelope(t *testing.T) {
	t.Parallel()
	b := &inbox{}
	p := dial(t, listen(t, &Server{Inbox: b}, SMTP))
	p.talk("EHLO peer\x01.example", "250",
		"MAIL FROM:<ann@EXAMPLE.org> SIZE=500 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e+2B1", "250",
		`RCPT TO:<"dev x"@x.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;dev@y.example`, "250",
		"RCPT TO:<postmaster>", "250", "DATA", "354", "Subject: x\r\n\r\n..dot\r\n.", "250")
	want := []taken{{
		mail.Envelope{From: mail.Address{Local: "ann", Domain: "example.org"}, UTF8: true, EightBit: true, Size: 500, EnvID: "e+1", Ret: "HDRS",
			To: []mail.Rcpt{{Address: mail.Address{Local: "dev x", Domain: "x.example"}, Notify: "SUCCESS,FAILURE", ORcpt: "dev@y.example"},
				{Address: mail.Address{Local: "postmaster", Domain: "lists.example.org"}}},
			Peer: mail.Peer{IP: addrOf(p.c.LocalAddr()), Helo: "peer?.example", Protocol: "UTF8SMTP"}},
		mail.Message{Head: []byte("Subject: x\r\n"), Body: []byte(".dot\r\n")},
	}}
	if diff := cmp.Diff(want, b.all(), cmp.AllowUnexported(taken{}), cmp.Comparer(func(a, b mail.Peer) bool { return a == b })); diff != "" {
		t.Errorf("the inbox has (-want +got):\n%s", diff)
	}
}

// TestSmuggling sends messages within which another server might see an end (SMTP smuggling, CVE-2023-51764). Never is a
// second mail taken; and what a receiver of ours could take for an end is refused.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	const inner = "MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@x.example>\r\nDATA\r\nSubject: evil\r\n\r\nsmuggled\r\n"
	cfg, _ := certificate(t, "lists.example.org")
	for name, between := range map[string]string{
		"LF . LF": "\n.\n", "LF . CRLF": "\n.\r\n", "CR . CRLF": "\r.\r\n", "CRLF . LF": "\r\n.\n", "CRLF . CR": "\r\n.\r",
		"CR . CR": "\r.\r", "LF . CR": "\n.\r", "CR CRLF . CRLF": "\r\r\n.\r\n", "CRLF . CR CRLF": "\r\n.\r\r\n", "LF CRLF . CRLF ": "\n\r\n..\r\n",
		"bare CR": "a\rb", "bare LF": "a\nb", "NUL": "\r\n.\x00\r\n", "CRLF NUL . CRLF": "\r\n\x00.\r\n",
	} {
		for _, way := range []string{"DATA", "TLS", "BDAT", "LMTP"} {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				b := &inbox{}
				protocol := SMTP
				if way == "LMTP" {
					protocol = LMTP
				}
				p := dial(t, listen(t, &Server{Inbox: b, TLS: cfg, Limits: Limits{DataTimeout: 200 * time.Millisecond}}, protocol))
				body := "Subject: x\r\n\r\nouter" + between + inner
				switch way {
				case "TLS":
					p = p.startTLS("STARTTLS\r\n")
					fallthrough
				case "DATA":
					p.toData("dev@x.example")
					p.raw(body + ".\r\nQUIT\r\n")
				case "BDAT":
					p.talk("EHLO p", "250", "MAIL FROM:<>", "250", "RCPT TO:<dev@x.example>", "250")
					p.raw(fmt.Sprintf("BDAT %d LAST\r\n%sQUIT\r\n", len(body), body))
				case "LMTP":
					p.talk("LHLO p", "250", "MAIL FROM:<>", "250", "RCPT TO:<dev@x.example>", "250", "DATA", "354")
					p.raw(body + ".\r\nQUIT\r\n")
				}
				heard := p.rest()
				got := b.all()
				// Under TLS go-smtp drops ".\r" at the start of a line before anybody sees it: one mail, and no harm.
				if way == "TLS" && strings.HasPrefix(name, "CRLF . CR") && len(got) == 1 && strings.Contains(string(got[0].m.Body), "evil") {
					return
				}
				if len(got) != 0 || len(heard) == 0 || !strings.HasPrefix(heard[0], "554 5.6.0") && !strings.HasPrefix(heard[0], "451 4.4.2") {
					t.Errorf("%d mails were taken; the server said %q", len(got), heard)
				}
				for _, h := range heard[1:] {
					if !strings.HasPrefix(h, "221") {
						t.Errorf("the server went on with %q", h)
					}
				}
			})
		}
	}
}

// startTLS says STARTTLS, in the words given, and returns the peer behind the handshake.
func (p *peer) startTLS(command string) *peer {
	p.t.Helper()
	p.talk("EHLO peer.example", "250")
	p.raw(command)
	p.hear("220")
	over := tls.Client(p.c, &tls.Config{InsecureSkipVerify: true})
	if err := over.Handshake(); err != nil {
		p.t.Fatal(err)
	}
	return newPeer(p.t, over)
}

// TestSTARTTLS: what came in the clear behind STARTTLS is not read as if it came by TLS (CVE-2011-0411), and what was
// said before is forgotten.
func TestSTARTTLS(t *testing.T) {
	t.Parallel()
	cfg, _ := certificate(t, "lists.example.org")
	b := &inbox{}
	addr := listen(t, &Server{Inbox: b, TLS: cfg}, SMTP)
	for _, command := range []string{"STARTTLS\r\n", "STARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<evil@x.example>\r\n"} {
		p := dial(t, addr).startTLS(command)
		p.talk("MAIL FROM:<ann@example.org>", "502", "EHLO peer.example", "250", "RCPT TO:<dev@x.example>", "502", "STARTTLS", "502",
			"MAIL FROM:<ann@example.org>", "250", "RCPT TO:<dev@x.example>", "250", "DATA", "354", letter+".", "250", "QUIT", "221")
	}
	for _, got := range b.all() {
		if got.env.From.Local != "ann" || !got.env.Peer.TLS || got.env.Peer.Protocol != "ESMTPS" {
			t.Errorf("the inbox has %+v", got.env)
		}
	}
	if len(b.all()) != 2 {
		t.Errorf("%d mails were taken, want 2", len(b.all()))
	}
	p := dial(t, addr)
	p.talk("EHLO p", "250", "MAIL FROM:<evil@x.example>", "250")
	p = p.startTLS("STARTTLS\r\n")
	p.talk("EHLO p", "250", "RCPT TO:<dev@x.example>", "502")
}

// TestLargeOverTLS: the bytes of TLS are no lines.
func TestLargeOverTLS(t *testing.T) {
	t.Parallel()
	cfg, _ := certificate(t, "lists.example.org")
	b := &inbox{}
	p := dial(t, listen(t, &Server{Inbox: b, TLS: cfg}, SMTP)).startTLS("STARTTLS\r\n")
	p.toData("dev@x.example")
	body := strings.Repeat("0123456789\r\n", 20_000)
	p.talk("Subject: x\r\n\r\n"+body+".", "250 2.0.0")
	if got := b.all(); len(got) != 1 || string(got[0].m.Body) != body {
		t.Errorf("%d mails were taken", len(got))
	}
}

// TestLMTP has a reply for each recipient, on TCP and on a unix socket, after DATA and after BDAT.
func TestLMTP(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "lmtp")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	b := &inbox{accept: func(_ context.Context, env mail.Envelope, data io.Reader) ([]mail.Reply, error) {
		if _, err := mail.Read(data, mail.Limits{}, mail.Strict); err != nil {
			return nil, err
		}
		var replies []mail.Reply
		for i, to := range env.To {
			replies = append(replies, map[string]mail.Reply{"full": *mail.Refuse(452, "4.2.2", "full"), "closed": *mail.Refuse(550, "5.7.1", "closed")}[to.Local])
			if replies[i].Code == 0 {
				replies[i] = *mail.Refuse(250, "2.0.0", "queued")
			}
		}
		return replies, nil
	}}
	s := &Server{Inbox: b}
	serve(t, s, l, LMTP)
	for _, addr := range []string{socket, listen(t, s, LMTP)} {
		p := dial(t, addr)
		for _, way := range []string{"DATA\r\n" + letter + ".\r\n", fmt.Sprintf("BDAT %d LAST\r\n%s", len(letter), letter)} {
			p.talk("EHLO p", "500", "LHLO p", "250", "MAIL FROM:<ann@example.org>", "250")
			for _, to := range []string{"dev", "full", "closed", "dev", `"a b"`} {
				p.talk("RCPT TO:<"+to+"@x.example>", "250")
			}
			p.raw(way)
			if strings.HasPrefix(way, "DATA") {
				p.hear("354")
			}
			for _, want := range []string{"250 2.0.0 <dev@", "452 4.2.2 <full@", "550 5.7.1 <closed@", "250 2.0.0 <dev@", "250 2.0.0 <a b@"} {
				p.hear(want)
			}
		}
		p.talk("QUIT", "221")
	}
	refusing := &Server{Inbox: &inbox{accept: func(context.Context, mail.Envelope, io.Reader) ([]mail.Reply, error) {
		return nil, mail.Refuse(554, "5.7.0", "no")
	}}}
	p := dial(t, listen(t, refusing, LMTP))
	p.talk("LHLO p", "250", "MAIL FROM:<>", "250", "RCPT TO:<a@x.example>", "250", "RCPT TO:<b@x.example>", "250", "DATA", "354", letter+".", "554 5.7.0 <a@")
	p.hear("554 5.7.0 <b@")
	p.talk("NOOP", "250")
}

// TestSMTPReply is the one reply to an SMTP peer about several recipients.
func TestSMTPReply(t *testing.T) {
	t.Parallel()
	ok, later, never := *mail.Refuse(250, "2.0.0", "queued"), *mail.Refuse(451, "4.3.0", "later"), *mail.Refuse(550, "5.7.1", "never")
	for _, tt := range []struct {
		replies []mail.Reply
		want    int
	}{{[]mail.Reply{never, ok}, 250}, {[]mail.Reply{ok, later, never}, 451}, {[]mail.Reply{never, never}, 550}, {[]mail.Reply{ok}, 250}} {
		if got := combine(tt.replies); got.Code != tt.want {
			t.Errorf("of %v it is %v", tt.replies, got.Error())
		}
	}
}
