package imap

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"listd/archive"
	"listd/auth"
	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/store/fresh"
)

// house is a site on a real database whose archives are served.
type house struct {
	testing.TB
	db     *store.DB
	server *Server
	addr   string
	now    atomic.Int64
}

func newHouse(t testing.TB, limits Limits) *house {
	t.Helper()
	h := &house{TB: t}
	h.now.Store(time.Date(2031, 3, 4, 18, 30, 0, 0, time.UTC).UnixMilli())
	clock := func() time.Time { return time.UnixMilli(h.now.Load()).UTC() }
	db, err := store.Open(t.Context(), store.Options{URL: fresh.SQLite(t), Clock: clock})
	h.must(err)
	h.db = db
	h.must(db.Migrate(t.Context()))
	var n atomic.Uint64
	chance := func() (b [8]byte) { binary.BigEndian.PutUint64(b[:], n.Add(0x9e3779b97f4a7c15)); return b }
	h.server = &Server{Library: &archive.Library{DB: db}, Users: &auth.Users{DB: db, Chance: chance}, Log: slog.New(slog.DiscardHandler),
		Limits: limits, Now: clock}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	h.must(err)
	h.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.server.Serve(ctx, l, false) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func address(s string) mail.Address {
	a, err := mail.ParseAddress(s)
	if err != nil {
		panic(err) // the test's own constant
	}
	return a
}

// list makes a list with settings such as "archive=members".
func (h *house) list(at string, settings ...string) (l lists.List) {
	h.Helper()
	l = lists.List{Address: address(at), ListID: strings.ReplaceAll(at, "@", "."), Policy: lists.DefaultPolicy()}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		h.must(l.Policy.Set(k, v))
	}
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) (err error) {
		id, err := tx.CreateList(l)
		if err == nil {
			l, err = tx.List(id)
		}
		return err
	}))
	return l
}

// member makes somebody a member, and returns their app password.
func (h *house) member(l lists.List, who string) (password string) {
	h.Helper()
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) (err error) {
		s := lists.NewSubscription(l)
		s.Address = address(who)
		if _, err = tx.AddSubscriptions(l.ID, []lists.Subscription{s}); err == nil {
			password, err = h.server.Users.NewPassword(tx, s.Address, "test")
		}
		return err
	}))
	return password
}

// file files a message, whose lines may end in \n, and returns it as it is stored.
func (h *house) file(l lists.List, raw string) mail.Message {
	h.Helper()
	m, err := mail.Read(strings.NewReader(strings.ReplaceAll(raw, "\n", "\r\n")), mail.Limits{}, mail.Mend)
	h.must(err)
	body := store.PackBody(m.Body)
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
		id, err := tx.AddMessage(m.Head, body)
		if err != nil {
			return err
		}
		_, err = archive.File(tx, l, archive.Describe(l, m, tx.Now), id)
		return err
	}))
	return m
}

// follow has what was filed read into threads and words.
func (h *house) follow(l lists.List) {
	h.Helper()
	x := archive.Indexer{DB: h.db}
	f := archive.Follower{DB: h.db, Index: x.Index}
	h.must(f.CatchUp(h.Context(), l.ID))
}

func (h *house) posts(l lists.List, n int) {
	h.Helper()
	for i := range n {
		h.file(l, fmt.Sprintf("From: Ann <ann@example.org>\nTo: %s\nSubject: Post %d\nMessage-ID: <%d@example.org>\nDate: Tue, 4 Mar 2031 18:%02d:00 +0000\n\nThe text of post %d.\n",
			l.Address, i+1, i+1, i%60, i+1))
	}
}

// wire speaks IMAP as it stands in the RFC.
type wire struct {
	*house
	net.Conn
	r   *bufio.Reader
	tag int
}

func (h *house) dial() *wire {
	h.Helper()
	c, err := net.Dial("tcp", h.addr)
	h.must(err)
	h.Cleanup(func() { _ = c.Close() }) // the test may have closed it
	h.must(c.SetDeadline(time.Now().Add(30 * time.Second)))
	w := &wire{house: h, Conn: c, r: bufio.NewReader(c)}
	if line := w.line(); !strings.HasPrefix(line, "* OK") && !strings.HasPrefix(line, "* BYE") {
		h.Fatalf("greeting %q", line)
	}
	return w
}

func (w *wire) line() string {
	w.Helper()
	line, err := w.r.ReadString('\n')
	if err != nil {
		w.Fatalf("read: %v after %q", err, line)
	}
	return strings.TrimRight(line, "\r\n")
}

// do sends a command and returns all that is answered, the tagged line last and without its tag.
func (w *wire) do(command string) (lines []string) {
	w.Helper()
	w.tag++
	tag := fmt.Sprintf("a%d ", w.tag)
	_, err := fmt.Fprintf(w.Conn, "%s%s\r\n", tag, command)
	w.must(err)
	for {
		line := w.line()
		if rest, ok := strings.CutPrefix(line, tag); ok {
			return append(lines, rest)
		}
		lines = append(lines, line)
	}
}

// ok is do for what must succeed.
func (w *wire) ok(command string) string {
	w.Helper()
	all := w.do(command)
	if !strings.HasPrefix(all[len(all)-1], "OK") {
		w.Fatalf("%s: %q", command, all)
	}
	return strings.Join(all, "\n")
}

// no is do for what must fail with some words.
func (w *wire) no(command, words string) {
	w.Helper()
	all := w.do(command)
	if last := all[len(all)-1]; strings.HasPrefix(last, "OK") || !strings.Contains(last, words) {
		w.Errorf("%s: %q, want %q", command, all, words)
	}
}

func (w *wire) wants(got string, want ...string) {
	w.Helper()
	for _, s := range want {
		if !strings.Contains(got, s) {
			w.Errorf("%q is not in\n%s", s, got)
		}
	}
}
