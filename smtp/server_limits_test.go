package smtp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"listd/mail"
)

// pipes is a listener whose connections are pipes, for the fake time of synctest.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{accept: make(chan net.Conn), closed: make(chan struct{})} }

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error { l.once.Do(func() { close(l.closed) }); return nil }

func (l *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// from is a connection from an address.
type from struct {
	net.Conn
	ip net.IP
}

func (f from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: f.ip, Port: 1} }

// call connects from ip. What is heard is read at once: a pipe holds nothing.
func (l *pipes) call(t *testing.T, ip string) *peer {
	t.Helper()
	near, far := net.Pipe()
	l.accept <- from{far, net.ParseIP(ip)}
	lines := make(chan string, 1000)
	r := newPeer(t, near)
	go func() {
		defer close(lines)
		for {
			line, err := r.line()
			if line != "" {
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	return &peer{t, near, func() (string, error) {
		if line, ok := <-lines; ok {
			return line, nil
		}
		return "", io.EOF
	}}
}

// inBubble serves s on pipes in fake time.
func inBubble(t *testing.T, s *Server, f func(t *testing.T, l *pipes, stop func() error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		stop := serve(t, s, l, SMTP)
		f(t, l, stop)
		if err := stop(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	limits := Limits{CommandTimeout: 5 * time.Minute, DataTimeout: 3 * time.Minute, DataTotal: 30 * time.Minute}
	for name, f := range map[string]func(t *testing.T, b *inbox, p *peer){
		"silent after the greeting": func(_ *testing.T, _ *inbox, p *peer) { p.hear("421"); p.hear("") },
		"silent between commands":   func(_ *testing.T, _ *inbox, p *peer) { p.talk("EHLO p", "250"); p.hear("421"); p.hear("") },
		"a command by drops": func(_ *testing.T, _ *inbox, p *peer) {
			for range 6 {
				p.raw("E")
				time.Sleep(time.Minute)
			}
			p.hear("501")
			p.hear("")
		},
		"a slow sender lives": func(t *testing.T, b *inbox, p *peer) {
			p.toData("dev@x.example")
			for _, line := range strings.SplitAfter(letter+strings.Repeat("x\r\n", 9), "\n") {
				p.raw(line)
				time.Sleep(2 * time.Minute)
			}
			p.talk(".", "250", "QUIT", "221")
			if len(b.all()) != 1 {
				t.Error("the mail was not taken")
			}
		},
		"silent in a message": func(t *testing.T, b *inbox, p *peer) {
			p.toData("dev@x.example")
			p.raw(letter)
			p.hear("451 4.4.2")
			p.hear("")
			if len(b.all()) != 0 {
				t.Error("half a mail was taken")
			}
		},
		"a message that takes too long": func(t *testing.T, b *inbox, p *peer) {
			p.toData("dev@x.example")
			for range 31 {
				p.raw("x\r\n")
				time.Sleep(time.Minute)
			}
			p.hear("451 4.4.2")
			p.hear("")
			if len(b.all()) != 0 {
				t.Error("half a mail was taken")
			}
		},
		"the rest of a refused message is no command": func(t *testing.T, b *inbox, p *peer) {
			p.toData("refused@x.example")
			p.raw("Subject: x\r\n\r\nx\r\n")
			time.Sleep(10 * time.Minute)
			p.raw("MAIL FROM:<evil@x.example>\r\nRCPT TO:<victim@x.example>\r\nDATA\r\n" + letter + ".\r\n")
			p.hear("552")
			p.hear("")
			if len(b.all()) != 0 {
				t.Error("the rest was taken for a mail")
			}
		},
		"a chunk that does not come": func(_ *testing.T, _ *inbox, p *peer) {
			p.talk("EHLO p", "250", "MAIL FROM:<>", "250", "RCPT TO:<dev@x.example>", "250", "BDAT 10\r\n0123456789", "250")
			p.raw("BDAT 10 LAST\r\n01234")
			p.rest()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &inbox{}
			b.accept = func(_ context.Context, env mail.Envelope, data io.Reader) ([]mail.Reply, error) {
				if env.To[0].Local == "refused" {
					return nil, mail.Refuse(552, "5.3.4", "unread")
				}
				return b.keep(env, data)
			}
			inBubble(t, &Server{Inbox: b, Limits: limits}, func(t *testing.T, l *pipes, _ func() error) {
				p := l.call(t, "192.0.2.1")
				p.hear("220")
				f(t, b, p)
				_ = p.c.Close()
			})
		})
	}
}

func TestConnectionLimits(t *testing.T) {
	t.Parallel()
	inBubble(t, &Server{Inbox: &inbox{}, Limits: Limits{Connections: 6, ConnectionsPerAddr: 2}}, func(t *testing.T, l *pipes, _ func() error) {
		var open []*peer
		call := func(ip, want string) *peer {
			p := l.call(t, ip)
			p.hear(want)
			open = append(open, p)
			return p
		}
		first := call("192.0.2.1", "220")
		call("192.0.2.1", "220")
		call("192.0.2.1", "421 4.7.0").hear("")
		call("192.0.2.2", "220")
		for range 3 { // loopback has no limit of its own
			call("127.0.0.1", "220")
		}
		call("192.0.2.3", "421 4.7.0").hear("")
		first.talk("QUIT", "221")
		first.hear("")
		synctest.Wait()
		call("192.0.2.1", "220")
		for _, p := range open {
			_ = p.c.Close()
		}
	})
}

func TestErrorLimit(t *testing.T) {
	t.Parallel()
	b := &inbox{check: func(mail.Envelope, mail.Rcpt) error { return mail.Refuse(550, "5.1.1", "Nobody here") }}
	addr := listen(t, &Server{Inbox: b, Limits: Limits{Errors: 3}}, SMTP)
	p := dial(t, addr)
	p.talk("EHLO p", "250", "MAIL FROM:<>", "250", "RCPT TO:<a@x.example>", "550", "RCPT TO:<b@x.example>", "550", "RCPT TO:<c@x.example>", "421 4.7.0")
	p.hear("")
	p = dial(t, addr)
	p.talk("what", "500", "is", "501", "this", "500", "here", "500")
	p.hear("500")
	p.hear("")
}

func TestRecipientLimit(t *testing.T) {
	t.Parallel()
	b := &inbox{}
	p := dial(t, listen(t, &Server{Inbox: b, Limits: Limits{Recipients: 150}}, SMTP))
	p.talk("EHLO p", "250", "MAIL FROM:<>", "250")
	for range 150 {
		p.talk("RCPT TO:<dev@x.example>", "250")
	}
	p.talk("RCPT TO:<dev@x.example>", "452 4.5.3", "DATA", "354", letter+".", "250")
	if got := b.all(); len(got) != 1 || len(got[0].env.To) != 150 {
		t.Errorf("%d mails were taken", len(got))
	}
}

func TestMessageSize(t *testing.T) {
	t.Parallel()
	const limit = 10_000
	sized := func(n int) string { return "A: b\r\n\r\n" + strings.Repeat("x", n-10) + "\r\n" }
	b := &inbox{}
	addr := listen(t, &Server{Inbox: b, Limits: Limits{MessageSize: limit}}, SMTP)
	p := dial(t, addr)
	p.toData("dev@x.example")
	p.talk(sized(limit)+".", "250")
	p.toData("dev@x.example")
	p.talk(sized(limit+1)+".", "552 5.3.4", "NOOP", "250") // the connection lives
	p.toData("dev@x.example")
	p.raw(letter + strings.Repeat("0123456789\r\n", 300_000)) // one that does not stop is cut
	for _, h := range p.rest() {
		if !strings.HasPrefix(h, "552 5.3.4") {
			t.Errorf("heard %q", h)
		}
	}
	for _, n := range []int{limit, limit + 1} {
		p := dial(t, addr)
		p.talk("EHLO p", "250", "MAIL FROM:<>", "250", "RCPT TO:<dev@x.example>", "250")
		p.raw(fmt.Sprintf("BDAT %d LAST\r\n", n) + sized(n))
		p.hear(map[int]string{limit: "250", limit + 1: "552 5.3.4"}[n])
	}
	p = dial(t, addr)
	p.raw(strings.Repeat("x", 2*maxLine)) // a command that does not end
	for _, h := range p.rest() {
		if !strings.HasPrefix(h, "500") {
			t.Errorf("heard %q", h)
		}
	}
	p = dial(t, addr)
	p.talk("NOOP", "250")
	if len(b.all()) != 2 {
		t.Errorf("%d mails were taken, want 2", len(b.all()))
	}
}

// TestLongLine: a line beyond go-smtp's own limit is refused for good, not for now.
func TestLongLine(t *testing.T) {
	t.Parallel()
	p := dial(t, listen(t, &Server{Inbox: &inbox{}}, SMTP))
	p.toData("dev@x.example")
	p.raw("A: b\r\n\r\n" + strings.Repeat("x", maxLine+10_000))
	p.hear("554 5.6.0")
	p.rest()
}

// TestMemory has a message wait for another's memory, in vain and not, while small ones pass by.
func TestMemory(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	b := &inbox{}
	b.accept = func(ctx context.Context, env mail.Envelope, data io.Reader) ([]mail.Reply, error) {
		replies, err := b.keep(env, data)
		if env.To[0].Local == "holds" {
			<-hold
		}
		return replies, err
	}
	budget := NewBudget(500_000)
	s := &Server{Inbox: b, Budget: budget, Limits: Limits{MessageSize: 200_000, MemoryWait: time.Minute}}
	large := "A: b\r\n\r\n" + strings.Repeat("0123456789\r\n", 10_000)
	synctest.Test(t, func(t *testing.T) {
		hold = make(chan struct{})
		l := newPipes()
		stop := serve(t, s, l, SMTP)
		first, second, third := l.call(t, "192.0.2.1"), l.call(t, "192.0.2.2"), l.call(t, "192.0.2.3")
		for _, p := range []*peer{first, second, third} {
			p.hear("220")
		}
		first.toData("holds@x.example")
		first.raw(large + ".\r\n") // is taken, but not answered yet
		synctest.Wait()
		start := time.Now()
		second.toData("dev@x.example")
		second.talk(large+".", "452 4.3.1")
		if waited := time.Since(start); waited != time.Minute {
			t.Errorf("it waited %v, want a minute", waited)
		}
		second.talk("EHLO p", "250", "MAIL FROM:<> SIZE=120008", "250", "RCPT TO:<dev@x.example>", "250", "DATA", "354", large+".", "452 4.3.1")
		third.toData("dev@x.example")
		third.talk(letter+".", "250")
		second.toData("dev@x.example")
		done := make(chan struct{})
		go func() { defer close(done); second.raw(large + ".\r\n") }()
		time.Sleep(30 * time.Second)
		close(hold)
		first.hear("250")
		second.hear("250")
		<-done
		for _, p := range []*peer{first, second, third} {
			p.talk("QUIT", "221")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	if budget.free != budget.total || len(b.all()) != 3 {
		t.Errorf("%d of %d bytes are free, %d mails were taken", budget.free, budget.total, len(b.all()))
	}
}

func TestBudgetOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(10)
		if n, err := b.Acquire(t.Context(), 100); n != 10 || err != nil {
			t.Fatal(n, err)
		}
		var mu sync.Mutex
		var order []string
		served := func() string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(order)
			return strings.Join(order, " ")
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for _, w := range []struct {
			name string
			n    int64
			ctx  context.Context
		}{{"large", 8, short}, {"medium", 5, t.Context()}, {"small", 5, t.Context()}} {
			wg.Go(func() {
				n, err := b.Acquire(w.ctx, w.n)
				mu.Lock()
				order = append(order, w.name)
				mu.Unlock()
				if (err != nil) != (w.name == "large") || err != nil && !errors.Is(err, errBudget) {
					t.Errorf("%s: %d, %v", w.name, n, err)
				}
			})
			synctest.Wait()
		}
		b.Release(5) // not enough for the first, and nobody passes it
		if got := served(); got != "" {
			t.Errorf("%s passed by", got)
		}
		time.Sleep(2 * time.Second) // the first gives up, the next fits
		if got := served(); got != "large medium" {
			t.Errorf("served were %s", got)
		}
		b.Release(5)
		wg.Wait()
	})
	if n, err := (*Budget)(nil).Acquire(context.Background(), 5); n != 0 || err != nil {
		t.Errorf("no budget gave %d, %v", n, err)
	}
}

// TestTrouble: what goes wrong in the Inbox is temporary, its words stay here, and the server lives.
func TestTrouble(t *testing.T) {
	t.Parallel()
	const secret = "password=sesame"
	for name, b := range map[string]*inbox{
		"an error": {accept: func(context.Context, mail.Envelope, io.Reader) ([]mail.Reply, error) { return nil, errors.New(secret) }},
		"a panic":  {accept: func(context.Context, mail.Envelope, io.Reader) ([]mail.Reply, error) { panic(secret) }},
		"a panic after reading": {accept: func(_ context.Context, _ mail.Envelope, data io.Reader) ([]mail.Reply, error) {
			_, _ = io.ReadAll(data)
			panic(secret)
		}},
		"too few replies":  {accept: func(context.Context, mail.Envelope, io.Reader) ([]mail.Reply, error) { return nil, nil }},
		"an error at RCPT": {check: func(mail.Envelope, mail.Rcpt) error { return errors.New(secret) }},
	} {
		for _, protocol := range []Protocol{SMTP, LMTP} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var log bytes.Buffer
				s := &Server{Inbox: b, Log: slog.New(slog.NewTextHandler(&log, nil))}
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				stop := serve(t, s, l, protocol)
				p := dial(t, l.Addr().String())
				p.talk([]string{"EHLO p", "LHLO p"}[protocol], "250", "MAIL FROM:<>", "250")
				p.raw("RCPT TO:<dev@x.example>\r\n")
				if b.check == nil {
					p.hear("250")
					p.talk("DATA", "354")
					p.raw(letter + ".\r\n")
				}
				if heard := p.hear("451 4.3.0"); strings.Contains(heard, "sesame") {
					t.Errorf("the peer heard %q", heard)
				}
				p.talk("RSET", "250", "QUIT", "221")
				if err := stop(); err != nil {
					t.Error(err)
				}
				if !strings.Contains(log.String(), "level=ERROR") {
					t.Errorf("the log says %q", log.String())
				}
			})
		}
	}
	b := &inbox{}
	b.check = func(_ mail.Envelope, to mail.Rcpt) error {
		if to.Local == "panic" {
			panic(secret)
		}
		return nil
	}
	addr := listen(t, &Server{Inbox: b}, SMTP)
	p := dial(t, addr)
	p.talk("EHLO p", "250", "MAIL FROM:<>", "250", "RCPT TO:<panic@x.example>", "421")
	p.hear("")
	dial(t, addr).toData("dev@x.example")
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	ctxErr := make(chan error, 1)
	b := &inbox{}
	b.accept = func(ctx context.Context, env mail.Envelope, data io.Reader) ([]mail.Reply, error) {
		if env.To[0].Local == "stuck" {
			<-ctx.Done()
			ctxErr <- ctx.Err()
			return nil, ctx.Err()
		}
		return b.keep(env, data)
	}
	t.Run("dialogs end", func(t *testing.T) {
		t.Parallel()
		inBubble(t, &Server{Inbox: b}, func(t *testing.T, l *pipes, stop func() error) {
			silent, idle, under, chunks := l.call(t, "192.0.2.1"), l.call(t, "192.0.2.2"), l.call(t, "192.0.2.3"), l.call(t, "192.0.2.4")
			for _, p := range []*peer{silent, idle, under, chunks} {
				p.hear("220")
			}
			idle.talk("EHLO p", "250", "MAIL FROM:<>", "250")
			under.toData("dev@x.example")
			under.raw("Subject: x\r\n")
			chunks.talk("EHLO p", "250", "MAIL FROM:<>", "250", "RCPT TO:<dev@x.example>", "250", "BDAT 12\r\nSubject: x\r\n", "250")
			start := time.Now()
			stopped := make(chan error, 1)
			go func() { stopped <- stop() }()
			for _, p := range []*peer{silent, idle} {
				p.hear("421")
				p.hear("")
			}
			time.Sleep(5 * time.Second)
			under.raw("\r\n") // each is a read of its own
			under.raw("Hello\r\n")
			under.talk(".", "250")
			under.hear("")
			chunks.talk("BDAT 9 LAST\r\n\r\nHello\r\n", "250")
			chunks.hear("")
			if err := <-stopped; err != nil || time.Since(start) != 5*time.Second {
				t.Errorf("it stopped after %v: %v", time.Since(start), err)
			}
		})
		if len(b.all()) != 2 {
			t.Errorf("%d mails were taken, want 2", len(b.all()))
		}
	})
	t.Run("time is up", func(t *testing.T) {
		t.Parallel()
		inBubble(t, &Server{Inbox: b, Limits: Limits{Shutdown: 20 * time.Second}}, func(t *testing.T, l *pipes, stop func() error) {
			stuck, slow := l.call(t, "192.0.2.1"), l.call(t, "192.0.2.2")
			for _, p := range []*peer{stuck, slow} {
				p.hear("220")
			}
			stuck.toData("stuck@x.example")
			slow.toData("dev@x.example")
			start := time.Now()
			if err := stop(); err != nil || time.Since(start) != 20*time.Second {
				t.Errorf("it stopped after %v: %v", time.Since(start), err)
			}
			stuck.rest()
			slow.rest()
			if err := <-ctxErr; !errors.Is(err, context.Canceled) {
				t.Errorf("the inbox saw %v", err)
			}
		})
	})
}

// TestListenerFails: a listener that breaks is an error, not an end.
func TestListenerFails(t *testing.T) {
	t.Parallel()
	l := newPipes()
	_ = l.Close()
	if err := (&Server{Inbox: &inbox{}}).Serve(t.Context(), l, SMTP); err == nil {
		t.Error("no error")
	}
}

// TestGarbage sends what is no SMTP, whole and cut off; the server answers the next peer.
func TestGarbage(t *testing.T) {
	t.Parallel()
	addr := listen(t, &Server{Inbox: &inbox{}}, SMTP)
	for _, s := range []string{"\x00\x00\x00\x00", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "\r\n\r\n\r\n", "\xff\xfe\r\n",
		"EHLO \xff\r\nMAIL FROM:<\xff@\xff>\r\n", "EHLO\r\nHELO\r\nLHLO\r\n", "EHLO x\r\nMAIL FROM:" + strings.Repeat("<", 1000) + "\r\n", "EHLO x\r\nBDAT -1\r\nBDAT 99999999999\r\nBDAT 5\r\n",
		"EHLO x\r\nMAIL FROM:<a@b> SIZE=\r\nMAIL FROM:<a@b> SIZE=9999999999999999999999\r\nMAIL FROM:<a@b> = == A=B=C\r\n", "EHLO x\r\nAUTH PLAIN AAAA\r\nAUTH\r\n", "DATA\r\n.\r\n",
		"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", "EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1000\r\nx", "STARTTLS\r\n\r\n"} {
		p := dial(t, addr)
		p.raw(s)
		if err := p.c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		p.rest()
		dial(t, addr).talk("EHLO x", "250")
	}
}
