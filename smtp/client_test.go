package smtp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"listd/mail"
	"listd/smtp/sink"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// certificate makes a certificate for these names, and the pool that trusts it.
func certificate(t testing.TB, names ...string) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			cert.IPAddresses = append(cert.IPAddresses, ip)
		} else {
			cert.DNSNames = append(cert.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

// script is a server that speaks to its nth connection, from 1, as told. It returns its address.
func script(t *testing.T, serve func(n int, c net.Conn, r *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err == nil {
					serve(n, c, bufio.NewReader(c))
				}
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String()
}

// short are timeouts for peers that say nothing.
var short = Timeouts{Greeting: 50 * time.Millisecond, Command: 50 * time.Millisecond, DataStart: 50 * time.Millisecond,
	DataBlock: 50 * time.Millisecond, DataEnd: 50 * time.Millisecond}

func saidAll(replies []mail.Reply) []string {
	var all []string
	for _, r := range replies {
		all = append(all, said(r))
	}
	return all
}

// TestFaults has a server fail at each stage in each way, with and without PIPELINING, and expects a reply for each
// recipient.
func TestFaults(t *testing.T) {
	t.Parallel()
	const ok = "250 2.0.0"
	for _, tt := range []struct {
		stage, arg string // arg: "" is any
		fault      sink.Fault
		want       [2]string
		taken      int64
	}{
		{"connect", "", sink.Fault{Drop: true}, [2]string{"451 4.4.1", "451 4.4.1"}, 0},
		{"connect", "", sink.Fault{Reply: "421 4.3.2 come back"}, [2]string{"421 4.3.2", "421 4.3.2"}, 0},
		{"connect", "", sink.Fault{Reply: "554 no SMTP service here"}, [2]string{"451 4.0.0", "451 4.0.0"}, 0},
		{"connect", "", sink.Fault{Reply: "HTTP/1.1 400 Bad Request"}, [2]string{"451 4.5.0", "451 4.5.0"}, 0},
		{"helo", "", sink.Fault{Drop: true}, [2]string{"451 4.4.1", "451 4.4.1"}, 0},
		{"helo", "", sink.Fault{Reply: "550 5.7.1 go away"}, [2]string{"451 4.7.1", "451 4.7.1"}, 0},
		{"helo", "", sink.Fault{Reply: "450 4.7.0 slow down"}, [2]string{"450 4.7.0", "450 4.7.0"}, 0},
		{"mail", "", sink.Fault{Drop: true}, [2]string{"451 4.4.1", "451 4.4.1"}, 0},
		{"mail", "", sink.Fault{Reply: "421 4.3.2 shutting down"}, [2]string{"421 4.3.2", "421 4.3.2"}, 0},
		{"mail", "", sink.Fault{Reply: "550 5.7.1 not from you"}, [2]string{"550 5.7.1", "550 5.7.1"}, 0},
		{"mail", "", sink.Fault{Reply: "354 what"}, [2]string{"451 4.5.0", "451 4.5.0"}, 0},
		{"rcpt", "a@x", sink.Fault{Reply: "550 5.1.1 nobody"}, [2]string{"550 5.1.1", ok}, 1},
		{"rcpt", "b@x", sink.Fault{Reply: "452 4.2.2 full"}, [2]string{ok, "452 4.2.2"}, 1},
		{"rcpt", "b@x", sink.Fault{Reply: "354 what"}, [2]string{ok, "451 4.5.0"}, 1},
		{"rcpt", "", sink.Fault{Reply: "550 5.1.1 nobody"}, [2]string{"550 5.1.1", "550 5.1.1"}, 0},
		{"rcpt", "b@x", sink.Fault{Drop: true}, [2]string{"451 4.4.2", "451 4.4.2"}, 0},
		{"rcpt", "b@x", sink.Fault{Reply: "421 4.7.0 too many"}, [2]string{"451 4.4.2", "421 4.7.0"}, 0},
		{"data", "", sink.Fault{Drop: true}, [2]string{"451 4.4.2", "451 4.4.2"}, 0},
		{"data", "", sink.Fault{Reply: "451 4.3.0 no disk"}, [2]string{"451 4.3.0", "451 4.3.0"}, 0},
		{"data", "", sink.Fault{Reply: "250 what"}, [2]string{"451 4.5.0", "451 4.5.0"}, 0},
		{"body", "", sink.Fault{Drop: true}, [2]string{"451 4.4.2", "451 4.4.2"}, 0},
		{"dot", "", sink.Fault{Drop: true}, [2]string{"451 4.4.2", "451 4.4.2"}, 0},
		{"dot", "", sink.Fault{DropAfter: true}, [2]string{"451 4.4.2", "451 4.4.2"}, 1},
		{"dot", "", sink.Fault{Reply: "554 5.7.0 spam"}, [2]string{"554 5.7.0", "554 5.7.0"}, 0},
		{"dot", "", sink.Fault{Reply: "421 4.3.0 oh"}, [2]string{"421 4.3.0", "421 4.3.0"}, 0},
		{"dot", "", sink.Fault{Reply: "354 what"}, [2]string{"451 4.5.0", "451 4.5.0"}, 0},
		{"dot", "", sink.Fault{Reply: "999 what"}, [2]string{"451 4.5.0", "451 4.5.0"}, 0},
	} {
		for _, noPipeline := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %s %v %v", tt.stage, tt.arg, tt.fault, noPipeline), func(t *testing.T) {
				t.Parallel()
				s := &sink.Sink{NoPipeline: noPipeline, Fault: func(stage, arg string) sink.Fault {
					if stage == tt.stage && (tt.arg == "" || tt.arg == arg) {
						return tt.fault
					}
					return sink.Fault{}
				}}
				r := &Relay{Addr: startSink(t, s), Hostname: "lists.example.org"}
				defer r.Close()
				got := r.Send(t.Context(), "x", envelope("a@x", "b@x"), small)
				if diff := cmp.Diff(tt.want[:], saidAll(got)); diff != "" {
					t.Errorf("the replies (-want +got):\n%s\n%v", diff, got)
				}
				if s.Transactions() != tt.taken {
					t.Errorf("the server took %d mails, want %d", s.Transactions(), tt.taken)
				}
			})
		}
	}
}

// TestAfterRefusal sends again on a connection on which all was refused, in every way that leaves it open.
func TestAfterRefusal(t *testing.T) {
	t.Parallel()
	for _, stage := range []string{"mail", "rcpt", "data", "dot"} {
		for _, noPipeline := range []bool{false, true} {
			bad := true
			s := &sink.Sink{NoPipeline: noPipeline, Fault: func(at, _ string) sink.Fault {
				if at == stage && bad {
					bad = false
					return sink.Fault{Reply: "550 5.7.1 no"}
				}
				return sink.Fault{}
			}}
			r := &Relay{Addr: startSink(t, s), Hostname: "lists.example.org"}
			if got := r.Send(t.Context(), "x", envelope("a@x"), small); said(got[0]) != "550 5.7.1" {
				t.Errorf("%s: the first reply is %v", stage, got[0].Error())
			}
			if got := r.Send(t.Context(), "x", envelope("a@x"), small); !got[0].OK() || s.Connections() != 1 {
				t.Errorf("%s: the second reply is %v on connection %d", stage, got[0].Error(), s.Connections())
			}
			r.Close()
		}
	}
}

// TestEmptyForNobody: a server that says 354 although it took no recipient gets an empty message (RFC 2920 section 3.1).
func TestEmptyForNobody(t *testing.T) {
	t.Parallel()
	var heard []string
	addr := script(t, func(_ int, c net.Conn, r *bufio.Reader) {
		answers := []string{"250-x\r\n250 PIPELINING", "250 ok", "550 5.1.1 no", "354 go", "554 no recipients"}
		_, _ = io.WriteString(c, "220 x\r\n")
		for _, a := range answers {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			heard = append(heard, strings.TrimSpace(line))
			_, _ = io.WriteString(c, a+"\r\n")
		}
	})
	r := &Relay{Addr: addr, Hostname: "h.example"}
	got := r.Send(t.Context(), "x", envelope("a@x"), small)
	r.Close()
	if said(got[0]) != "550 5.1.1" {
		t.Errorf("the reply is %v", got[0].Error())
	}
	if want := []string{"EHLO h.example", "MAIL FROM:<dev-bounces@lists.example.org>", "RCPT TO:<a@x>", "DATA", "."}; !cmp.Equal(heard, want) {
		t.Errorf("the server heard %q", heard)
	}
}

// TestSilence has a server say nothing at each stage, with small timeouts.
func TestSilence(t *testing.T) {
	t.Parallel()
	for stage, want := range map[string]string{"connect": "451 4.4.1", "helo": "451 4.4.1", "mail": "451 4.4.1", "rcpt": "451 4.4.2", "data": "451 4.4.2", "dot": "451 4.4.2"} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			over := make(chan struct{})
			s := &sink.Sink{NoPipeline: true, Fault: func(at, _ string) sink.Fault {
				if at == stage {
					<-over
				}
				return sink.Fault{}
			}}
			r := &Relay{Addr: startSink(t, s), Hostname: "lists.example.org", Timeouts: short}
			defer r.Close()
			got := r.Send(t.Context(), "x", envelope("a@x"), small)
			close(over)
			if said(got[0]) != want {
				t.Errorf("the reply is %v, want %s", got[0].Error(), want)
			}
		})
	}
}

// TestStopsReading has a server that stops reading in the midst of the message.
func TestStopsReading(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	go func() {
		r := bufio.NewReaderSize(far, 16) // a pipe holds nothing, and this not much
		_, _ = io.WriteString(far, "220 x\r\n")
		for _, answer := range []string{"250 x", "250 ok", "250 ok", "354 go"} {
			_, _ = r.ReadString('\n')
			_, _ = io.WriteString(far, answer+"\r\n")
		}
		_, _ = r.ReadString('\n')
	}()
	c, err := newClient(t.Context(), near, "h.example", short)
	if err != nil {
		t.Fatal(err)
	}
	got, began, err := c.send(t.Context(), envelope("a@x"), mail.Message{Head: small.Head, Body: bytes.Repeat(small.Body, 10_000)})
	_, _ = near.Close(), far.Close()
	if err == nil || !began || said(got[0]) != "451 4.4.2" || !strings.Contains(got[0].Text, "in time") {
		t.Errorf("got %v, %v, %v", got, began, err)
	}
}

// TestFlood has a server talk without end.
func TestFlood(t *testing.T) {
	t.Parallel()
	for name, flood := range map[string]string{
		"10,000 lines":       strings.Repeat("250-and so on\r\n", 10_000) + "250 end",
		"a line of 1 MB":     "250 " + strings.Repeat("x", 1<<20),
		"a line without end": strings.Repeat("x", 1<<20),
		"two codes":          "250-one\r\n550 other",
	} {
		for _, stage := range []string{"helo", "rcpt", "dot"} {
			s := &sink.Sink{Fault: func(at, _ string) sink.Fault {
				if at == stage {
					return sink.Fault{Reply: flood}
				}
				return sink.Fault{}
			}}
			r := &Relay{Addr: startSink(t, s), Hostname: "lists.example.org"}
			if got := r.Send(t.Context(), "x", envelope("a@x"), small); said(got[0]) != "451 4.5.0" || len(got[0].Text) > 500 {
				t.Errorf("%s at %s: the reply is %.500v", name, stage, got[0].Error())
			}
			r.Close()
		}
	}
}

// TestReplyText holds that nothing but text of bounded length is kept of a reply.
func TestReplyText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ said, want, text string }{
		{"550 5.1.1 nobody", "550 5.1.1", "nobody"},
		{"550", "550 5.0.0", ""},
		{"550 nobody", "550 5.0.0", "nobody"},
		{"550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.1.1 user", "550 5.1.1", "no such user"},
		{"550-5.1.1 no\r\n550 such", "550 5.1.1", "no such"},
		{"550 4.1.1 mixed", "550 5.0.0", "4.1.1 mixed"},
		{"550 5.1.1.1 version", "550 5.0.0", "5.1.1.1 version"},
		{"550 a\x00b\x1b[31mc\xffd\u0085e", "550 5.0.0", "a b [31mc?d e"},
		{"550 5.7.1 " + strings.Repeat("é", 900), "550 5.7.1", strings.Repeat("é", 500) + "…"},
		{strings.Repeat("550-5.7.1 "+strings.Repeat("y", 600)+"\r\n", 100) + "550 5.7.1 end", "550 5.7.1", strings.Repeat("y", 600) + " " + strings.Repeat("y", 399) + "…"},
	} {
		c := &client{conn: deadlines{}, r: bufio.NewReader(strings.NewReader(tt.said + "\r\n"))}
		got, err := c.read(time.Second)
		if err != nil || said(got) != tt.want || got.Text != tt.text {
			t.Errorf("%.60q: got %q, %v", tt.said, got.Error(), err)
		}
	}
}

// deadlines is a connection of which only the deadlines are used.
type deadlines struct{ net.Conn }

func (deadlines) SetDeadline(time.Time) error { return nil }

// TestKept holds how connections are kept and replaced.
func TestKept(t *testing.T) {
	t.Parallel()
	t.Run("one after the other", func(t *testing.T) {
		t.Parallel()
		s := &sink.Sink{}
		r := &Relay{Addr: startSink(t, s), Hostname: "lists.example.org"}
		defer r.Close()
		for range maxUses + 1 {
			if got := r.Send(t.Context(), "x", envelope("a@x"), small); !got[0].OK() {
				t.Fatal(got[0].Error())
			}
		}
		if s.Connections() != 2 {
			t.Errorf("%d connections for %d transactions, want 2", s.Connections(), maxUses+1)
		}
	})
	for name, bye := range map[string]string{"closed": "", "closed with 421": "421 4.4.2 idle too long\r\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			addr := script(t, func(n int, c net.Conn, r *bufio.Reader) {
				dialog(c, r)
				if n == 1 {
					_, _ = io.WriteString(c, bye)
					_ = c.Close()
					close(gone)
				}
			})
			r := &Relay{Addr: addr, Hostname: "lists.example.org"}
			defer r.Close()
			for range 2 {
				if got := r.Send(t.Context(), "x", envelope("a@x"), small); !got[0].OK() {
					t.Fatal(got[0].Error())
				}
				<-gone
			}
		})
	}
	t.Run("replaced once", func(t *testing.T) {
		t.Parallel()
		gone := make(chan struct{}, 3)
		addr := script(t, func(n int, c net.Conn, r *bufio.Reader) {
			if n == 1 {
				dialog(c, r)
			} else {
				_, _ = io.WriteString(c, "220 x\r\n")
				_, _ = r.ReadString('\n')
				_, _ = io.WriteString(c, "250 x\r\n")
			}
			_ = c.Close()
			gone <- struct{}{}
		})
		r := &Relay{Addr: addr, Hostname: "lists.example.org"}
		r.Send(t.Context(), "x", envelope("a@x"), small)
		<-gone
		if got := r.Send(t.Context(), "x", envelope("a@x"), small); said(got[0]) != "451 4.4.1" {
			t.Errorf("the reply is %v", got[0].Error())
		}
		r.Close()
		<-gone
		if len(gone) > 0 {
			t.Error("it was replaced twice")
		}
	})
	t.Run("one that said too much is not kept", func(t *testing.T) {
		t.Parallel()
		s := &sink.Sink{Fault: func(stage, _ string) sink.Fault {
			if stage == "dot" {
				return sink.Fault{Reply: "550 5.7.1 no\r\n250 2.0.0 or yes"}
			}
			return sink.Fault{}
		}}
		r := &Relay{Addr: startSink(t, s), Hostname: "lists.example.org"}
		defer r.Close()
		for range 3 {
			if got := r.Send(t.Context(), "x", envelope("a@x"), small); said(got[0]) != "550 5.7.1" {
				t.Errorf("the reply is %v", got[0].Error())
			}
		}
		if s.Connections() != 3 {
			t.Errorf("there were %d connections, want 3", s.Connections())
		}
	})
}

// dialog is one transaction in which all is taken.
func dialog(c net.Conn, r *bufio.Reader) {
	_, _ = io.WriteString(c, "220 x\r\n")
	for {
		line, err := r.ReadString('\n')
		switch {
		case err != nil:
			return
		case strings.HasPrefix(line, "DATA"):
			_, _ = io.WriteString(c, "354 go\r\n")
			for line != ".\r\n" && err == nil {
				line, err = r.ReadString('\n')
			}
			_, _ = io.WriteString(c, "250 taken\r\n")
			return
		}
		_, _ = io.WriteString(c, "250 ok\r\n")
	}
}

// TestCancelBetween ends the context between two steps: the next must not wait as if nothing had happened.
func TestCancelBetween(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		near, far := net.Pipe()
		go func() {
			r := bufio.NewReader(far)
			_, _ = io.WriteString(far, "220 x\r\n")
			_, _ = r.ReadString('\n')
			_, _ = io.WriteString(far, "250 x\r\n")
		}()
		c, err := newClient(ctx, between{near, cancel}, "h.example", Timeouts{})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		got, _, err := c.send(ctx, envelope("a@x"), small)
		if !errors.Is(err, context.Canceled) || time.Since(start) != 0 {
			t.Errorf("after %v: %v, %v", time.Since(start), got, err)
		}
		_, _ = near.Close(), far.Close()
	})
}

// between is a connection that writes MAIL nowhere, and ends the context meanwhile.
type between struct {
	net.Conn
	cancel func()
}

func (b between) Write(p []byte) (int, error) {
	if !bytes.HasPrefix(p, []byte("MAIL")) {
		return b.Conn.Write(p)
	}
	b.cancel()
	synctest.Wait()
	return len(p), nil
}
