package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	netsmtp "net/smtp"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"listd/smtp/sink"
)

// siege is a running site under attack: a list with one member, whose mail the relay keeps.
type siege struct {
	*testing.T
	dir     string
	catcher *sink.Sink
	node    *running

	mu   sync.Mutex
	got  []string // Subjects
	came chan struct{}
	n    atomic.Int64
}

// besiege starts a site; conf are further lines of its [smtp] table. dir is where its database lies.
func besiege(t *testing.T, dir string, conf ...string) *siege {
	t.Helper()
	s := &siege{T: t, dir: dir, came: make(chan struct{}, 1)}
	s.catcher = &sink.Sink{Keep: s.keep}
	relay, err := s.catcher.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.catcher.Close() })
	s.configure(relay, conf...)
	s.listd("list", "create", "dev@lists.test", "--set", "posting=anyone")
	s.listd("member", "add", "dev@lists.test", "ada@a.test")
	s.serve()
	t.Cleanup(func() {
		_ = s.node.cmd.Process.Kill() // it may have ended
		<-s.node.ended
		if t.Failed() {
			t.Logf("the log:\n%s", s.node)
		}
	})
	return s
}

func (s *siege) configure(relay string, conf ...string) {
	s.Helper()
	text := fmt.Sprintf("hostname = \"lists.test\"\n[smtp]\nlisten = [\"127.0.0.1:0\"]\n%s\n[delivery]\nrelay = %q\nrelay_tls = \"none\"\n", strings.Join(conf, "\n"), relay)
	if err := os.WriteFile(filepath.Join(s.dir, "listd.toml"), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *siege) serve() {
	s.Helper()
	var err error
	if s.node, err = startNode(filepath.Join(s.dir, "listd.toml")); err != nil {
		s.Fatal(err)
	}
}

// stop ends the program in good order.
func (s *siege) stop() {
	s.Helper()
	if err := s.node.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.Fatal(err)
	}
	if <-s.node.ended; s.node.err != nil {
		s.Fatalf("listd serve has ended with %v\n%s", s.node.err, s.node)
	}
}

// listd runs a command, which must succeed, and returns what it prints.
func (s *siege) listd(args ...string) string {
	s.Helper()
	out, err := exec.CommandContext(s.Context(), "listd", append(args, "--config", filepath.Join(s.dir, "listd.toml"))...).CombinedOutput()
	if err != nil {
		s.Fatalf("listd %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (s *siege) keep(m sink.Mail) {
	head, _, _ := bytes.Cut(m.Data, []byte("\r\n\r\n"))
	for line := range strings.Lines(string(head) + "\r\n") {
		if subject, ok := strings.CutPrefix(line, "Subject: "); ok {
			s.mu.Lock()
			s.got = append(s.got, strings.TrimSpace(subject))
			s.mu.Unlock()
			break
		}
	}
	select {
	case s.came <- struct{}{}:
	default:
	}
}

// arrives waits until the relay has a mail with this Subject.
func (s *siege) arrives(subject string) {
	s.Helper()
	late := time.After(patience)
	for {
		s.mu.Lock()
		there := slices.Contains(s.got, subject)
		s.mu.Unlock()
		if there {
			return
		}
		select {
		case <-s.came:
		case <-late:
			s.Fatalf("%q does not arrive", subject)
		}
	}
}

// count is how many mails the relay has whose Subject begins so.
func (s *siege) count(subject string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, got := range s.got {
		if strings.HasPrefix(got, subject) {
			n++
		}
	}
	return n
}

// letter is a message with a Subject of its own.
func letter(subject string) string {
	return fmt.Sprintf("From: ada@a.test\r\nTo: dev@lists.test\r\nSubject: %s\r\nMessage-ID: <%[1]s@a.test>\r\n\r\nHello.\r\n", subject)
}

// offer sends a message and returns what the server says to it.
func (s *siege) offer(message string) error {
	return netsmtp.SendMail(s.node.addr, nil, "ada@a.test", []string{"dev@lists.test"}, []byte(message))
}

// stream offers a message and goes on with its text until it has size bytes, without holding it.
func (s *siege) stream(message string, size int) error {
	c, err := netsmtp.Dial(s.node.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := errors.Join(c.Mail("ada@a.test"), c.Rcpt("dev@lists.test")); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	block := strings.Repeat(strings.Repeat("x", 74)+"\r\n", 1000)
	for text := message; size > 0 && err == nil; text = block {
		_, err = io.WriteString(w, text)
		size -= len(text)
	}
	return errors.Join(err, w.Close())
}

// lives wants a good post to be taken and delivered still.
func (s *siege) lives() {
	s.Helper()
	subject := fmt.Sprintf("good-%d", s.n.Add(1))
	if err := s.offer(letter(subject)); err != nil {
		s.Fatalf("a good post: %v", err)
	}
	s.arrives(subject)
}

// says throws bytes at the port, shuts that side, and returns all that is answered.
func (s *siege) says(raw string) string {
	s.Helper()
	c, err := net.Dial("tcp", s.node.addr)
	if err != nil {
		s.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		s.Fatal(err)
	}
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		_, _ = io.WriteString(c, raw) // the server may hang up in the midst
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	answer, _ := io.ReadAll(c) // a reset ends it as well
	<-wrote
	return string(answer)
}

// TestHostile attacks the port; after each attack a good post is taken and delivered.
func TestHostile(t *testing.T) {
	t.Parallel()
	s := besiege(t, t.TempDir())
	const hello, to = "EHLO x.test\r\n", "MAIL FROM:<eve@e.test>\r\nRCPT TO:<dev@lists.test>\r\nDATA\r\n"
	garbage := make([]byte, 64<<10)
	for i := range garbage {
		garbage[i] = byte(i*i>>3 ^ i)
	}
	head := "From: eve@e.test\r\nTo: dev@lists.test\r\n"
	for _, c := range []struct {
		name, raw string
		want      string // in the answer
		not       string
	}{
		{"nothing", "", "220 ", ""},
		{"garbage", string(garbage), "220 ", "250 2.0.0"},
		{"a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "220 ", ""},
		{"HTTP", "POST / HTTP/1.1\r\nHost: x\r\n\r\n", "50", "250"},
		{"a command of a megabyte", strings.Repeat("A", 1<<20) + "\r\n", "220 ", "250"},
		{"half a message", hello + to + head + "\r\nHal", "354 ", "250 2.0.0 queued"},
		{"a dot without its line", hello + to + head + "\r\nHello.\r\n.", "354 ", "250 2.0.0 queued"},
		{"a header line of a megabyte", hello + to + head + "X-Long: " + strings.Repeat("x", 1<<20) + "\r\n\r\nHello.\r\n.\r\n", "354 ", "250 2.0.0 queued"},
		{"a header of a megabyte, folded", hello + to + head + "X-Long: " + strings.Repeat("x\r\n ", 1<<18) + "\r\n\r\nHello.\r\n.\r\nQUIT\r\n", "554 5.6.0 ", "250 2.0.0 queued"},
		{"NUL", hello + to + head + "\r\nHel\x00lo.\r\n.\r\nQUIT\r\n", "554 5.6.0 ", "250 2.0.0 queued"},
		{"smuggling by bare LF", hello + to + head + "\r\nHello.\n.\nMAIL FROM:<a@b.test>\r\n.\r\nQUIT\r\n", "5", "250 2.0.0 queued"},
		{"smuggling by bare CR", hello + to + head + "\r\nHello.\r.\rMAIL FROM:<a@b.test>\r\n.\r\n", "554 5.6.0 ", "250 2.0.0 queued"},
		{"ten thousand parts", hello + to + head + "Content-Type: multipart/mixed; boundary=x\r\n\r\n" +
			strings.Repeat("--x\r\n\r\n.x\r\n", 10000) + "--x--\r\n.\r\nQUIT\r\n", "250 2.0.0 queued as", ""},
		{"a thousand messages in each other", hello + to + head + strings.Repeat("Content-Type: message/rfc822\r\n\r\n", 1000) + "\r\n.\r\nQUIT\r\n", "250 2.0.0 queued as", ""},
		{"an unknown charset", hello + to + head + "Subject: =?klingon?b?/////w==?=\r\nContent-Type: text/plain; charset=klingon\r\n\r\n\xff\xfe\xfd\r\n.\r\nQUIT\r\n", "250 2.0.0 queued as", ""},
		{"no head", hello + to + "\r\n.\r\nQUIT\r\n", "250 2.0.0 queued as", ""},
		{"a thousand recipients", hello + "MAIL FROM:<eve@e.test>\r\n" + strings.Repeat("RCPT TO:<dev@lists.test>\r\n", 1000) + "QUIT\r\n", "452 4.5.3 ", ""},
		{"guessing addresses", hello + "MAIL FROM:<eve@e.test>\r\n" + strings.Repeat("RCPT TO:<x@lists.test>\r\n", 1000), "421 4.7.0 ", ""},
		{"relaying", hello + "MAIL FROM:<eve@e.test>\r\nRCPT TO:<victim@v.test>\r\nQUIT\r\n", "550 5.7.1 ", ""},
	} {
		t.Run(c.name, func(t *testing.T) { // one after the other
			got := s.says(c.raw)
			if !strings.Contains(got, c.want) || c.not != "" && strings.Contains(got, c.not) {
				t.Errorf("the answer is\n%s\nwant %q in it, and not %q", clipped(got), c.want, c.not)
			}
			s.lives()
		})
	}
	if s.count("good-") != int(s.n.Load()) {
		t.Errorf("%d good posts have been delivered, of %d", s.count("good-"), s.n.Load())
	}
	held := s.listd("held", "ls", "dev@lists.test", "--json")
	for _, why := range []string{"too many parts", "no From"} {
		if !strings.Contains(held, why) {
			t.Errorf("nothing is held because of %q:\n%s", why, held)
		}
	}
	if log := s.node.String(); strings.Contains(log, "panic") {
		t.Errorf("there was a panic:\n%s", log)
	}
	s.stop()
}

func clipped(s string) string {
	if len(s) > 1000 {
		s = s[:1000] + "…"
	}
	return s
}

// code is the number that a server's reply in err has; 0 if it has none.
func code(err error) int {
	var r *textproto.Error
	if errors.As(err, &r) {
		return r.Code
	}
	return 0
}

// TestLocked: another process holds the database's write lock. Who posts waits; the post is not lost, and after the
// lock the server goes on as before.
func TestLocked(t *testing.T) {
	t.Parallel()
	s := besiege(t, t.TempDir())
	s.lives()
	unlock := s.lock()
	told := make(chan error, 1)
	go func() { told <- s.offer(letter("patient")) }()
	for !s.waits() {
		if t.Context().Err() != nil {
			return
		}
	}
	select {
	case err := <-told:
		t.Fatalf("it is answered while nothing can be written: %v", err)
	default:
	}
	unlock()
	if err := <-told; err != nil {
		t.Fatal(err)
	}
	s.arrives("patient")
	s.lives()
}

// TestLockedForLong: the lock lasts longer than the server waits. The sender hears 4yz, and later success.
func TestLockedForLong(t *testing.T) {
	t.Parallel()
	s := besiege(t, t.TempDir())
	s.lives()
	s.listd("queue", "wait", "--timeout", "20s") // nothing else waits to be written
	unlock := s.lock()
	err := s.offer(letter("later"))
	if code(err)/100 != 4 {
		t.Errorf("with the database locked a sender hears: %v", err)
	}
	if err != nil && strings.Contains(err.Error(), "database") {
		t.Errorf("the reply tells what is our own affair: %v", err)
	}
	unlock()
	if err := s.offer(letter("later")); err != nil {
		t.Fatal(err)
	}
	s.arrives("later")
	if n := s.count("later"); n != 1 {
		t.Errorf("it arrives %d times", n)
	}
	s.lives()
}

// open is the database as another program sees it.
func (s *siege) open() *sql.DB {
	s.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "listd.db")+"?_pragma=busy_timeout(5000)")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = db.Close() }) // nothing was written
	return db
}

// lock takes the write lock as another program would, and returns what gives it back.
func (s *siege) lock() (unlock func()) {
	s.Helper()
	c, err := s.open().Conn(s.Context())
	if err == nil {
		_, err = c.ExecContext(s.Context(), `BEGIN EXCLUSIVE`)
	}
	if err != nil {
		s.Fatal(err)
	}
	return func() {
		s.Helper()
		if _, err := c.ExecContext(context.WithoutCancel(s.Context()), `ROLLBACK`); err != nil {
			s.Error(err)
		}
	}
}

// waits reports whether the server waits at the turnstile that all writers share: it holds the lock of the side file.
func (s *siege) waits() bool {
	s.Helper()
	f, err := os.Open(filepath.Join(s.dir, "listd.db-turn"))
	if err != nil {
		s.Fatal(err)
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	return errors.Is(err, unix.EWOULDBLOCK)
}

// TestRelayDown: the queue keeps what the relay does not take, says why, and delivers when it is there again.
func TestRelayDown(t *testing.T) {
	t.Parallel()
	s := besiege(t, t.TempDir())
	s.lives()
	s.stop()
	gone, err := net.Listen("tcp", "127.0.0.1:0") // a port nobody serves
	if err != nil {
		t.Fatal(err)
	}
	dead := gone.Addr().String()
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	s.configure(dead)
	s.serve()
	if err := s.offer(letter("kept")); err != nil {
		t.Fatal(err)
	}
	s.listd("queue", "wait", "--timeout", "20s") // until it is deferred
	var q struct {
		Deferred     int
		Destinations []struct{ Reply string }
	}
	if err := json.Unmarshal([]byte(s.listd("queue", "ls", "--json")), &q); err != nil {
		t.Fatal(err)
	}
	if q.Deferred != 1 || len(q.Destinations) != 1 || !strings.Contains(q.Destinations[0].Reply, "No answer from the relay "+dead) {
		t.Errorf("the queue says %+v", q)
	}
	s.stop()
	l, err := net.Listen("tcp", dead)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.catcher.Serve(l) }() // it ends with Close
	s.serve()
	s.listd("queue", "retry", "--all")
	s.arrives("kept")
	s.lives()
	if n := s.count("kept"); n != 1 {
		t.Errorf("it arrives %d times", n)
	}
}

// TestFullDisk: on a disk that is nearly full the server keeps what it has and takes no more.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=540m"); err != nil {
		t.Logf("only root can mount a small disk (%v); inbound's TestRoom has the same with an invented one", err)
		return
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := besiege(t, dir)
	s.lives()
	filler := filepath.Join(dir, "filler")
	f, err := os.Create(filler)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(unix.Fallocate(int(f.Fd()), 0, 0, 60<<20), f.Close()); err != nil {
		t.Fatal(err)
	}
	// The disk is asked once a second: a message or two may pass until that is noticed.
	if err := s.offerUntil("full", func(err error) bool { return code(err) == 452 }); err != nil {
		t.Errorf("with the disk nearly full a sender hears: %v", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := s.offerUntil("later", func(err error) bool { return err == nil }); err != nil {
		t.Fatal(err)
	}
	s.lives()
}

// offerUntil offers message after message until an answer is as wanted; it gives up after ten seconds with the last.
func (s *siege) offerUntil(id string, wanted func(error) bool) error {
	var err error
	for n, late := 0, time.Now().Add(10*time.Second); time.Now().Before(late); n++ {
		if err = s.offer(letter(fmt.Sprintf("%s-%d", id, n))); wanted(err) {
			return nil
		}
	}
	return fmt.Errorf("not what is wanted: %w", err)
}

// TestMemory: ten large messages at once and a budget that has room for one: each is taken or told to come later, and
// those that come later are taken.
func TestMemory(t *testing.T) {
	t.Parallel()
	const n, size = 10, 2 << 20
	s := besiege(t, t.TempDir(), `max_message_size = "3MiB"`, `memory = "6MiB"`)
	var wg sync.WaitGroup
	var later atomic.Int64
	for i := range n {
		wg.Go(func() {
			for {
				err := s.stream(letter(fmt.Sprintf("large-%d", i)), size)
				if err == nil {
					return
				}
				if code(err) != 452 {
					t.Errorf("large-%d: %v", i, err)
					return
				}
				later.Add(1)
			}
		})
	}
	s.lives() // small mail never waits for large
	wg.Wait()
	for i := range n {
		s.arrives(fmt.Sprintf("large-%d", i))
	}
	if got := s.count("large-"); got != n {
		t.Errorf("%d have arrived, of %d", got, n)
	}
	t.Logf("%d were told to come later; the program had %d MiB at most", later.Load(), s.peak()>>20)
	s.lives()
	s.stop()
}

// peak is the most memory the program has had, in bytes.
func (s *siege) peak() (bytes int64) {
	s.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", s.node.cmd.Process.Pid))
	if err != nil {
		return 0 // not Linux
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if _, err := fmt.Sscanf(in.Text(), "VmHWM: %d kB", &bytes); err == nil {
			return bytes << 10
		}
	}
	return 0
}
