package inbound

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/roster"
	"listd/store"
	"listd/store/fresh"
	"listd/store/pgtest"
)

var update = flag.Bool("update", false, "rewrite what testdata wants")

func TestMain(m *testing.M) { pgtest.Main(m) }

// house is a site on a real database, with its clock and its chance in the test's hands.
type house struct {
	testing.TB
	url   string
	db    *store.DB
	books *roster.Books
	door  *Door
	clock *clock
	log   *buffer
}

// clock goes when it is told to.
type clock struct {
	mu   sync.Mutex
	now  time.Time
	each func() // called at every look; nil: nothing
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	now, each := c.now, c.each
	c.mu.Unlock()
	if each != nil {
		each()
	}
	return now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (c *clock) hook(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.each = f
}

// buffer is a log that a test may read.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// sqlite runs a test on SQLite: one in which the engines have no part of their own.
func sqlite(t *testing.T, test func(t *testing.T, h *house)) {
	t.Parallel()
	test(t, newHouse(t))
}

// postgres runs a test on PostgreSQL: one about what SQLite's only writer cannot meet.
func postgres(t *testing.T, test func(t *testing.T, h *house)) {
	t.Parallel()
	test(t, open(t, fresh.Postgres(t)))
}

// engines runs a test on both.
func engines(t *testing.T, test func(t *testing.T, h *house)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, fresh.SQLite(t)))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, fresh.Postgres(t)))
	})
}

// newHouse is a site on SQLite.
func newHouse(t testing.TB) *house { return open(t, fresh.SQLite(t)) }

func open(t testing.TB, url string) *house {
	t.Helper()
	h := &house{TB: t, url: url, clock: &clock{now: time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)}, log: &buffer{}}
	var err error
	if h.db, err = store.Open(t.Context(), store.Options{URL: url, Clock: h.clock.Now}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := h.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n atomic.Uint64
	chance := func() (b [8]byte) {
		binary.BigEndian.PutUint64(b[:], n.Add(1))
		return b
	}
	out := queue.Out{Relay: true}
	h.books = &roster.Books{DB: h.db, Out: out, Hostname: "mx.test", Chance: chance}
	h.door = &Door{DB: h.db, Out: out, Books: h.books, Minter: lists.NewMinter([]byte("a key of the tests")),
		Log: slog.New(slog.NewTextHandler(h.log, nil)), Hostname: "mx.test", Owner: addr("admin@site.test"), MaxSize: 1 << 20, Chance: chance}
	return h
}

func addr(s string) mail.Address {
	a, err := mail.ParseAddress(s)
	if err != nil {
		panic(err) // the test's own constant
	}
	return a
}

// list creates a list with an owner, own@own.test, and drops the notice about it.
func (h *house) list(address string, settings ...string) lists.List {
	h.Helper()
	set := map[string]string{}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		set[k] = v
	}
	l, _, err := h.books.Create(h.Context(), roster.Creation{Address: addr(address), Settings: set, Owners: []mail.Address{addr("own@own.test")}})
	if err != nil {
		h.Fatal(err)
	}
	h.sent()
	return l
}

// join makes people members in mode each.
func (h *house) join(list string, who ...string) {
	h.Helper()
	var rows []lists.Row
	for _, w := range who {
		rows = append(rows, lists.Row{Address: addr(w), Mode: lists.Each, Roles: lists.Subscriber})
	}
	if _, err := h.books.Add(h.Context(), addr(list), rows, nil); err != nil {
		h.Fatal(err)
	}
}

// member sets options of a member.
func (h *house) member(list, who string, options ...string) {
	h.Helper()
	set := map[string]string{}
	for _, s := range options {
		k, v, _ := strings.Cut(s, "=")
		set[k] = v
	}
	if _, err := h.books.SetMember(h.Context(), addr(list), addr(who), set); err != nil {
		h.Fatal(err)
	}
}

// set changes settings of a list.
func (h *house) set(list string, settings ...string) {
	h.Helper()
	set := map[string]string{}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		set[k] = v
	}
	if _, err := h.books.Set(h.Context(), addr(list), set); err != nil {
		h.Fatal(err)
	}
}

// envelope is one as SMTP has it; from "" is the null reverse-path.
func envelope(from string, to ...string) mail.Envelope {
	env := mail.Envelope{Peer: mail.Peer{IP: netip.MustParseAddr("192.0.2.1"), Helo: "peer.test", Protocol: "ESMTP"}}
	if from != "" {
		env.From = addr(from)
	}
	for _, a := range to {
		env.To = append(env.To, mail.Rcpt{Address: addr(a)})
	}
	return env
}

// accept offers a message, which must have an outcome for each recipient, and returns "code enhanced text" of each.
func (h *house) accept(env mail.Envelope, message string) []string {
	h.Helper()
	replies, err := h.door.Accept(h.Context(), env, strings.NewReader(message))
	if err != nil {
		h.Fatalf("Accept: %v", err)
	}
	if len(replies) != len(env.To) {
		h.Fatalf("%d replies for %d recipients", len(replies), len(env.To))
	}
	var out []string
	for _, r := range replies {
		out = append(out, r.Error())
	}
	return out
}

// says wants a reply to begin so.
func (h *house) says(got, want string) {
	h.Helper()
	if !strings.HasPrefix(got, want) {
		h.Errorf("the reply is %q, want %q…", got, want)
	}
}

// numbers make every message of a test another.
var numbers atomic.Int64

// post is a message of a person; further fields stand before the rest.
func post(from, to, subject string, fields ...string) string {
	return strings.Join(fields, "") + fmt.Sprintf("From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: Mon, 03 Feb 2031 04:00:00 +0000\r\nMessage-ID: <%d@peer.test>\r\n\r\nI have a thought about the garden fence.\r\n",
		from, to, subject, numbers.Add(1))
}

// sentMail is a delivery on its way.
type sentMail struct {
	to, from string
	seq      lists.Seq
	trace    string
	head     string
	body     string
}

func (m sentMail) get(name string) string { return mail.Get([]byte(m.head), name) }

// sent are the deliveries since it was last asked, in the order of their making.
func (h *house) sent() (out []sentMail) {
	h.Helper()
	err := h.db.Update(h.Context(), func(tx *store.Tx) error {
		out = nil
		all, err := tx.Undelivered(10000)
		if err != nil {
			return err
		}
		for _, d := range all {
			o, err := tx.Outgoing(d.Outgoing)
			if err != nil {
				return err
			}
			m, err := tx.Message(o.Message)
			if err != nil {
				return err
			}
			out = append(out, sentMail{to: d.Rcpt, from: o.From.String(), seq: o.Seq, trace: o.Trace, head: string(m.Head), body: string(m.Body)})
			if err := tx.Drop(d.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.Fatal(err)
	}
	return out
}

// outline is what was sent in short: "recipient: subject", a line each.
func outline(all []sentMail) string {
	var b strings.Builder
	for _, m := range all {
		fmt.Fprintf(&b, "%s: %s\n", m.to, mail.DecodeWords(m.get("Subject")))
	}
	return b.String()
}

// wants compares what was sent with an outline.
func (h *house) wants(want string) []sentMail {
	h.Helper()
	got := h.sent()
	if diff := cmp.Diff(strings.TrimLeft(want, "\n"), outline(got)); diff != "" {
		h.Errorf("what leaves (-want +got):\n%s", diff)
	}
	return got
}

// held is what waits at all lists.
func (h *house) held() (out []store.Held) {
	h.Helper()
	h.view(func(tx *store.Tx) (err error) {
		out, err = tx.HeldOf(0, 1000)
		return err
	})
	return out
}

func (h *house) view(f func(*store.Tx) error) {
	h.Helper()
	if err := h.db.View(h.Context(), f); err != nil {
		h.Fatal(err)
	}
}

// at is a list as it stands.
func (h *house) at(address string) (l lists.List) {
	h.Helper()
	h.view(func(tx *store.Tx) (err error) {
		l, err = tx.ListAt(addr(address))
		return err
	})
	return l
}

// tables are those in which a message leaves something.
var tables = []string{"bodies", "messages", "posts", "intake", "held", "noticed", "outgoing", "deliveries", "tasks"}

// raw is the database seen from outside.
func (h *house) raw() *sql.DB {
	h.Helper()
	driver := "sqlite"
	if !h.db.Single() {
		driver = "pgx"
	}
	db, err := sql.Open(driver, h.url)
	if err != nil {
		h.Fatal(err)
	}
	h.Cleanup(func() { _ = db.Close() }) // nothing was written that is needed
	return db
}

func query(t testing.TB, db *sql.DB, q string, args ...any) (n int64) {
	t.Helper()
	if err := db.QueryRowContext(context.WithoutCancel(t.Context()), q, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return n
}

// rows are the numbers of rows, a word for each table.
func (h *house) rows(db *sql.DB) string {
	h.Helper()
	var b strings.Builder
	for _, name := range tables {
		fmt.Fprintf(&b, "%s %d\n", name, query(h, db, `SELECT COUNT(*) FROM `+name))
	}
	return b.String()
}

// pageOf is the HTML of a notice, which has tests of its own.
var pageOf = regexp.MustCompile(`(?s)(Content-Type: text/html[^\r]*\r\n[^\r]*\r\n\r\n)<!DOCTYPE html>.*?</html>\r\n(\r\n--)`)

// golden compares a mail with a file of testdata.
func golden(t testing.TB, name, got string) {
	t.Helper()
	got = pageOf.ReplaceAllString(got, "$1(the same as a page)\r\n$2")
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
