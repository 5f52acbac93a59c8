package smtp

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"listd/mail"
)

// FuzzReply reads whatever a server says: it is a reply of bounded, printable text, or an error.
func FuzzReply(f *testing.F) {
	for _, s := range []string{"250 ok\r\n", "250-a\r\n250 b\r\n", "550 5.1.1 nobody\r\n", "250\r\n", "2500 x\r\n", "550-5.1.1 a\r\n551 b\r\n", "421 4.3.2 \xff\x00\r\n", "250 no end"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &client{conn: deadlines{}, r: bufio.NewReader(bytes.NewReader(b))}
		r, lines, err := c.readLines(time.Second)
		if err != nil {
			return
		}
		if r.Code < 200 || r.Code > 599 || len(lines) == 0 || len(lines) > maxReplyLines || len(r.Text) > maxReplyText+len("…") {
			t.Errorf("%d lines became %v", len(lines), r.Error())
		}
		if r.Enhanced[0] != r.Code/100 || !utf8.ValidString(r.Text) || strings.ContainsFunc(r.Text, unicode.IsControl) {
			t.Errorf("%q became %q", b, r.Error())
		}
	})
}

// FuzzCutEnhanced cuts a code off and finds it again when it is put back.
func FuzzCutEnhanced(f *testing.F) {
	for _, s := range []string{"5.1.1 nobody", "5.1.1", "4.1.1 x", "5.1.1.1 x", "5.+1.1 x", "5.01.1 x", "5.1234.1 x", ".. x", ""} {
		f.Add(550, s)
		f.Add(354, s)
	}
	f.Fuzz(func(t *testing.T, code int, text string) {
		if code < 200 || code > 599 {
			return
		}
		e, rest := cutEnhanced(code, text)
		if e[0] != code/100 || e[1] < 0 || e[1] > 999 || e[2] < 0 || e[2] > 999 || !strings.HasSuffix(text, rest) {
			t.Fatalf("%d %q became %v %q", code, text, e, rest)
		}
		if rest == text {
			return
		}
		again, same := cutEnhanced(code, fmt.Sprintf("%d.%d.%d %s", e[0], e[1], e[2], rest))
		if again != e || same != rest {
			t.Errorf("%d %q became %v %q and then %v %q", code, text, e, rest, again, same)
		}
	})
}

// FuzzCommands says anything to a server. It must hang up when we do, having taken nothing with a bare CR or LF.
func FuzzCommands(f *testing.F) {
	for _, s := range []string{"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n" + letter + ".\r\nQUIT\r\n",
		"EHLO x\r\nMAIL FROM:<a@b> SIZE=3 BODY=8BITMIME\r\nRCPT TO:<\"c d\"@e>\r\nBDAT 3\r\nabcBDAT 2 LAST\r\nde", "HELO x\r\nRSET\r\nNOOP\r\nVRFY x\r\nSTARTTLS\r\n",
		"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nBDAT 0\r\nRSET\r\nBDAT 0 LAST\r\n"} {
		f.Add([]byte(s))
	}
	b, addr := fuzzServer(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		converse(t, addr, string(in))
		for _, got := range b.drain() {
			for _, part := range [][]byte{got.m.Head, got.m.Body} {
				if bare, cr := bareCR(part, false); bare || cr || bytes.Count(part, []byte("\n")) != bytes.Count(part, crlf) {
					t.Errorf("%q was taken", part)
				}
			}
		}
	})
}

// FuzzData sends content and holds what is taken against the words of RFC 5321 section 4.5.2.
func FuzzData(f *testing.F) {
	for _, s := range []string{letter, ".", "..", "\r\n.", "\r\n..", "a\r\n.b\r\n", "a\n.\r\nb", "a\r\n.\rb", "a\r\r\n.\r\nb", "a\r\n.\r\nNOOP", "a\x00b", "Subject: x\r\n\r\n.\r.\r\n"} {
		f.Add([]byte(s))
	}
	b, addr := fuzzServer(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		converse(t, addr, string(in)+"\r\n.\r\nQUIT\r\n", "EHLO x", "250", "MAIL FROM:<a@b>", "250", "RCPT TO:<c@d>", "250", "DATA", "354")
		got := b.drain()
		if len(got) == 0 {
			return
		}
		content, _, _ := strings.Cut("\r\n"+string(in)+"\r\n.\r\n", "\r\n.\r\n")
		content = strings.ReplaceAll(content+"\r\n", "\r\n.", "\r\n")[2:]
		want, err := mail.Read(strings.NewReader(content), mail.Limits{}, mail.Strict)
		if err != nil || !bytes.Equal(got[0].m.Head, want.Head) || !bytes.Equal(got[0].m.Body, want.Body) {
			t.Errorf("of %q was taken %q, want %q, %v", in, got[0].m, want, err)
		}
	})
}

func fuzzServer(f *testing.F) (*inbox, string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.Fatal(err)
	}
	b := &inbox{}
	s := &Server{Inbox: b, Limits: Limits{MessageSize: 100_000, DataTimeout: time.Second, CommandTimeout: time.Second}}
	serve(f, s, l, SMTP)
	return b, l.Addr().String()
}

// drain is what was taken since the last time.
func (b *inbox) drain() []taken {
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.got
	b.got = nil
	return got
}

// converse sends the commands, each after the reply to the one before, then the rest, and waits for the server to hang up.
func converse(t *testing.T, addr, rest string, commands ...string) {
	t.Helper()
	p := dial(t, addr)
	for i := 0; i < len(commands); i += 2 {
		p.talk(commands[i], commands[i+1])
	}
	p.raw(rest)
	if err := p.c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	p.rest()
	_ = p.c.Close()
}
