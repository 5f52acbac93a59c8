package imap_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	listdimap "listd/imap"
	"listd/inbound"
	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/roster"
	"listd/store"
	"listd/store/fresh"
)

// site is a real site, with its clock in the test's hands.
type site struct {
	testing.TB
	db     *store.DB
	door   *inbound.Door
	list   lists.List
	books  *roster.Books
	ledger *inbound.Ledger
	log    *buffer
	mu     sync.Mutex
	now    time.Time
	runs   atomic.Int64 // pollers, each with a number of its own

	heard   []string // the reply to each Accept
	answer  func(env mail.Envelope, message string) ([]mail.Reply, error)
	before  func() // each Accept
	after   func()
	last    mail.Envelope
	maxSize int64
}

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

func address(s string) mail.Address {
	a, err := mail.ParseAddress(s)
	if err != nil {
		panic(err) // the test's own constant
	}
	return a
}

func newPollSite(t testing.TB) *site { return pollSiteAt(t, fresh.SQLite(t)) }

func pollSiteAt(t testing.TB, url string) *site {
	t.Helper()
	s := &site{TB: t, now: time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC), log: &buffer{}, maxSize: 1 << 20}
	var err error
	if s.db, err = store.Open(t.Context(), store.Options{URL: url, Clock: s.clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n atomic.Uint64
	chance := func() (b [8]byte) {
		binary.BigEndian.PutUint64(b[:], n.Add(1))
		return b
	}
	minter := lists.NewMinter([]byte("a key of the tests"))
	s.books = &roster.Books{DB: s.db, Out: queue.Out{Relay: true}, Minter: minter, Hostname: "mx.test", Chance: chance}
	s.door = &inbound.Door{DB: s.db, Out: queue.Out{Relay: true}, Books: s.books, Minter: minter, Log: slog.New(slog.NewTextHandler(s.log, nil)),
		Hostname: "mx.test", Owner: address("admin@site.test"), MaxSize: s.maxSize, Chance: chance}
	s.ledger = &inbound.Ledger{DB: s.db}
	s.create("dev@lists.test")
	return s
}

func (s *site) create(name string) {
	s.Helper()
	l, _, err := s.books.Create(s.Context(), roster.Creation{Address: address(name), Owners: []mail.Address{address("own@own.test")},
		Settings: map[string]string{"posting": "anyone", "require_explicit_destination": "no"}})
	if err != nil {
		s.Fatal(err)
	}
	if s.list.ID == 0 {
		s.list = l
	}
}

func (s *site) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *site) pass(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = s.now.Add(d)
}

// Accept is the door's, or what the test answers in its place. It keeps what was said.
func (s *site) Accept(ctx context.Context, env mail.Envelope, data io.Reader) (replies []mail.Reply, err error) {
	if s.before != nil {
		s.before()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s.answer != nil {
		b, e := io.ReadAll(data)
		if e != nil {
			return nil, e
		}
		replies, err = s.answer(env, string(b))
		data = bytes.NewReader(b)
	}
	if replies == nil && err == nil {
		replies, err = s.door.Accept(ctx, env, data)
	}
	s.mu.Lock()
	s.last = env
	for _, r := range replies {
		s.heard = append(s.heard, r.Error())
	}
	s.mu.Unlock()
	if s.after != nil {
		s.after()
	}
	return replies, err
}

// poller is a new one, as after a restart.
func (s *site) poller() *listdimap.Poller {
	return &listdimap.Poller{Inbox: s, Ledger: s.ledger, Ours: s.door.Ours, Log: slog.New(slog.NewTextHandler(s.log, nil)),
		Holder: s.runs.Add(1), MaxSize: s.maxSize, Patience: 10 * time.Second}
}

// subjects are those of the list's posts, in their order.
func (s *site) subjects() (out []string) {
	s.Helper()
	if err := s.db.View(s.Context(), func(tx *store.Tx) error {
		all, err := tx.PostsAfter(s.list.ID, 0, 10_000)
		out = nil
		for _, p := range all {
			out = append(out, p.Subject)
		}
		return err
	}); err != nil {
		s.Fatal(err)
	}
	return out
}

// once wants each message to have been taken once, and never to have been stopped by its fingerprint alone.
func (s *site) once(want ...string) {
	s.Helper()
	if got := s.subjects(); !slices.Equal(got, want) {
		s.Errorf("the list has %q, want %q", got, want)
	}
	for _, r := range s.heard {
		if strings.Contains(r, "taken before, as ") {
			s.Errorf("a message was offered twice: %s", r)
		}
	}
}

// memory is a provider in this process.
type memory struct {
	*imapserver.Server
	addr string
	user *imapmemserver.User
}

func newMemory(t testing.TB) *memory {
	t.Helper()
	m := &memory{user: imapmemserver.NewUser("group@provider.test", "secret")}
	users := imapmemserver.New()
	users.AddUser(m.user)
	m.mailbox(t, "INBOX")
	m.Server = imapserver.New(&imapserver.Options{InsecureAuth: true, Logger: slog.NewLogLogger(slog.NewTextHandler(t.Output(), nil), slog.LevelDebug),
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return users.NewSession(), nil, nil
		},
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapIMAP4rev2: {}, imap.CapMove: {}, imap.CapUIDPlus: {}}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.addr = l.Addr().String()
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = m.Serve(l) // it ends when the test closes it
	}()
	t.Cleanup(func() {
		_ = m.Close()
		<-served
	})
	return m
}

func (m *memory) mailbox(t testing.TB, name string) {
	t.Helper()
	if err := m.user.Create(name, nil); err != nil {
		t.Fatal(err)
	}
}

type literal struct{ *strings.Reader }

func (m *memory) put(t testing.TB, folder, message string, flags ...imap.Flag) {
	t.Helper()
	if _, err := m.user.Append(folder, literal{strings.NewReader(message)}, &imap.AppendOptions{Flags: flags}); err != nil {
		t.Fatal(err)
	}
}

// account is the whole mailbox for dev@.
func (m *memory) account() listdimap.Account {
	return listdimap.Account{Name: "group", Addr: m.addr, Clear: true, User: "group@provider.test",
		Password: func() (string, error) { return "secret", nil }, Folder: "INBOX", List: address("dev@lists.test"), To: "listd", Poll: time.Minute}
}

func message(subject string, fields ...string) string {
	return "Return-Path: <ada@a.test>\r\n" + strings.Join(fields, "") + "From: ada@a.test\r\nTo: group@provider.test\r\nSubject: " + subject +
		"\r\nDate: Mon, 03 Feb 2031 04:00:00 +0000\r\nMessage-ID: <" + subject + "@a.test>\r\n\r\nHello.\r\n"
}

// look is what a mail program sees in a folder: each message's subject and flags, sorted.
func look(t testing.TB, a listdimap.Account, folder string) []string {
	t.Helper()
	c, err := imapclient.DialInsecure(a.Addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	password, _ := a.Password()
	if err := c.Login(a.User, password).Wait(); err != nil {
		t.Fatal(err)
	}
	d, err := c.Select(folder, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return []string{"no folder"}
	}
	if d.NumMessages == 0 {
		return nil
	}
	head := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, Peek: true}
	all, err := c.Fetch(imap.SeqSet{{Start: 1}}, &imap.FetchOptions{Flags: true, BodySection: []*imap.FetchItemBodySection{head}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range all {
		words := []string{mail.Get(m.FindBodySection(head), "Subject")}
		var flags []string
		for _, f := range m.Flags {
			if !strings.EqualFold(string(f), "\\Recent") {
				flags = append(flags, strings.ToLower(string(f)))
			}
		}
		slices.Sort(flags)
		out = append(out, strings.Join(append(words, flags...), " "))
	}
	slices.Sort(out)
	return out
}

func wantFolder(t testing.TB, a listdimap.Account, folder string, want ...string) {
	t.Helper()
	if got := look(t, a, folder); !slices.Equal(got, want) {
		t.Errorf("folder %s has %q, want %q", folder, got, want)
	}
}

func fetch(t testing.TB, p *listdimap.Poller, a listdimap.Account) {
	t.Helper()
	if err := p.Fetch(t.Context(), a); err != nil {
		t.Fatalf("Fetch: %v", err)
	}
}

// TestFetchFlag: what is taken stays, marked; what comes later is taken later, whatever its flags.
func TestFetchFlag(t *testing.T) {
	t.Parallel()
	s, m := newPollSite(t), newMemory(t)
	a := m.account()
	m.put(t, "INBOX", message("one"))
	m.put(t, "INBOX", message("two"))
	fetch(t, s.poller(), a)
	s.once("one", "two")
	wantFolder(t, a, "INBOX", `one $listd \seen`, `two $listd \seen`)
	m.put(t, "INBOX", message("three"), imap.FlagSeen) // somebody was faster
	fetch(t, s.poller(), a)
	fetch(t, s.poller(), a)
	s.once("one", "two", "three")
	if n := len(s.heard); n != 3 {
		t.Errorf("%d messages were offered: %q", n, s.heard)
	}
	box, err := s.ledger.Mailbox(t.Context(), "group")
	if err != nil || box.UID != 3 || len(box.Unsettled) != 0 || !box.At.Equal(s.clock()) || box.Error != "" || !box.Until.IsZero() {
		t.Errorf("the ledger has %+v, %v", box, err)
	}
}

func TestFetchMove(t *testing.T) {
	t.Parallel()
	s, m := newPollSite(t), newMemory(t)
	a := m.account()
	a.Done = listdimap.Move
	m.put(t, "INBOX", message("one"))
	fetch(t, s.poller(), a)
	m.put(t, "INBOX", message("two"))
	fetch(t, s.poller(), a)
	s.once("one", "two")
	wantFolder(t, a, "INBOX")
	wantFolder(t, a, "listd", "one", "two")
}

func TestFetchDelete(t *testing.T) {
	t.Parallel()
	s, m := newPollSite(t), newMemory(t)
	a := m.account()
	a.Done = listdimap.Delete
	m.put(t, "INBOX", message("one"))
	m.put(t, "INBOX", message("old"), imap.FlagDeleted, imap.FlagSeen)
	fetch(t, s.poller(), a)
	s.once("one")
	wantFolder(t, a, "INBOX", `old \deleted \seen`) // what others have marked is theirs
}

// TestFetchStock: of what lay there before, what somebody has read is old.
func TestFetchStock(t *testing.T) {
	t.Parallel()
	s, m := newPollSite(t), newMemory(t)
	a := m.account()
	m.put(t, "INBOX", message("read"), imap.FlagSeen)
	m.put(t, "INBOX", message("new"))
	m.put(t, "INBOX", message("had"), "$Listd")
	m.put(t, "INBOX", message("refused"), "$ListdRefused")
	standing, err := s.poller().Probe(t.Context(), a, inbound.Mailbox{})
	if want := (listdimap.Standing{Messages: 4, Waiting: 1, Idle: true, Move: true, Keywords: true}); err != nil || standing != want {
		t.Errorf("Probe: %+v, %v; want %+v", standing, err, want)
	}
	fetch(t, s.poller(), a)
	s.once("new")
	wantFolder(t, a, "INBOX", `had $listd`, `new $listd \seen`, `read \seen`, `refused $listdrefused`)
	box, err := s.ledger.Mailbox(t.Context(), "group")
	if err != nil || box.UID != 4 {
		t.Errorf("the ledger has %+v, %v", box, err)
	}
	if standing, err = s.poller().Probe(t.Context(), a, box); err != nil || standing.Waiting != 0 {
		t.Errorf("Probe: %+v, %v", standing, err)
	}
}

// TestFetchValidity: when all UIDs have changed, what is marked is not taken again, nor is what has lost its marks but
// came within a week.
func TestFetchValidity(t *testing.T) {
	t.Parallel()
	s := newPollSite(t)
	before, after := newMemory(t), newMemory(t)
	before.put(t, "INBOX", message("one"))
	before.put(t, "INBOX", message("two"))
	before.put(t, "INBOX", message("three"))
	a := before.account()
	fetch(t, s.poller(), a)
	if err := after.user.Delete("INBOX"); err != nil {
		t.Fatal(err)
	}
	after.mailbox(t, "INBOX") // with the next UIDVALIDITY
	after.put(t, "INBOX", message("three"))
	after.put(t, "INBOX", message("two"), "$Listd")
	after.put(t, "INBOX", message("one"), imap.FlagSeen)
	after.put(t, "INBOX", message("four"))
	moved := func(p *listdimap.Poller) *listdimap.Poller {
		p.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, after.addr)
		}
		return p
	}
	fetch(t, moved(s.poller()), a)
	fetch(t, moved(s.poller()), a)
	if got, want := s.subjects(), []string{"one", "two", "three", "four"}; !slices.Equal(got, want) {
		t.Errorf("the list has %q, want %q", got, want)
	}
	if len(s.heard) != 5 || !strings.Contains(s.heard[3], "taken before, as ") {
		t.Errorf("the replies are %q", s.heard)
	}
	wantFolder(t, after.account(), "INBOX", `four $listd \seen`, `one \seen`, `three $listd \seen`, `two $listd`)
}

// TestFetchLater: a message that is refused for now is tried again, ever later; others do not wait for it. One that is
// refused for good is marked for people, and never deleted.
func TestFetchLater(t *testing.T) {
	t.Parallel()
	s, m := newPollSite(t), newMemory(t)
	a := m.account()
	a.Done = listdimap.Delete
	tries := 0
	s.answer = func(_ mail.Envelope, text string) ([]mail.Reply, error) {
		switch {
		case strings.Contains(text, "Subject: no\r\n"):
			return nil, mail.Refuse(554, "5.6.0", "No")
		case strings.Contains(text, "Subject: later\r\n") && tries < 3:
			tries++
			return nil, mail.Refuse(452, "4.3.1", "Later")
		}
		return nil, nil
	}
	for _, subject := range []string{"later", "no", "one"} {
		m.put(t, "INBOX", message(subject))
	}
	fetch(t, s.poller(), a)
	s.once("one")
	wantFolder(t, a, "INBOX", "later", `no $listdrefused \flagged`)
	for _, c := range []struct {
		after time.Duration
		tries int
	}{{59 * time.Second, 1}, {time.Second, 2}, {119 * time.Second, 2}, {time.Second, 3}, {4 * time.Minute, 3}} {
		s.pass(c.after)
		fetch(t, s.poller(), a)
		if tries != c.tries {
			t.Fatalf("after %v more it was tried %d times, want %d", c.after, tries, c.tries)
		}
	}
	s.once("one", "later")
	wantFolder(t, a, "INBOX", `no $listdrefused \flagged`)
	if n := strings.Count(s.log.String(), "message not taken"); n != 1 {
		t.Errorf("%d refusals are logged:\n%s", n, s.log)
	}
}

// TestFetchBusy: where everything is refused for now, few are asked, and nothing is lost.
func TestFetchBusy(t *testing.T) {
	t.Parallel()
	s, m := newPollSite(t), newMemory(t)
	a := m.account()
	full, asked := true, 0
	s.answer = func(mail.Envelope, string) ([]mail.Reply, error) {
		if asked++; full {
			return nil, mail.Refuse(452, "4.3.1", "No room")
		}
		return nil, nil
	}
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprintf("m%02d", i))
		m.put(t, "INBOX", message(want[i]))
	}
	fetch(t, s.poller(), a)
	if asked != 3 {
		t.Errorf("%d messages were offered while there is no room", asked)
	}
	full = false
	s.pass(time.Minute)
	fetch(t, s.poller(), a)
	s.once(want...)
	s.answer = func(mail.Envelope, string) ([]mail.Reply, error) { return nil, errors.New("the database is gone") }
	m.put(t, "INBOX", message("last"))
	if err := s.poller().Fetch(t.Context(), a); err == nil || !strings.Contains(err.Error(), "the database is gone") {
		t.Errorf("Fetch: %v", err)
	}
	box, err := s.ledger.Mailbox(t.Context(), "group")
	if err != nil || box.UID != 20 || box.Error == "" {
		t.Errorf("the ledger has %+v, %v", box, err)
	}
	s.answer = nil
	fetch(t, s.poller(), a)
	s.once(append(want, "last")...)
}

// TestFetchTooLarge: it is not fetched, and told of once.
func TestFetchTooLarge(t *testing.T) {
	t.Parallel()
	s, m := newPollSite(t), newMemory(t)
	s.maxSize = 1000
	a := m.account()
	m.put(t, "INBOX", message("large")+strings.Repeat("x", 1000))
	m.put(t, "INBOX", message("one"))
	fetch(t, s.poller(), a)
	fetch(t, s.poller(), a)
	s.once("one")
	wantFolder(t, a, "INBOX", `large $listdrefused \flagged`, `one $listd \seen`)
	if n := strings.Count(s.log.String(), "message not taken"); n != 1 {
		t.Errorf("it is logged %d times:\n%s", n, s.log)
	}
}

// TestFetchWhere: without a list each message goes where it was sent.
func TestFetchWhere(t *testing.T) {
	t.Parallel()
	s, m := newPollSite(t), newMemory(t)
	s.create("ops@lists.test")
	a := m.account()
	a.List = mail.Address{}
	a.Plus, a.Domain = address("group@provider.test"), "lists.test"
	verp := s.door.Minter.VERP(s.list.Bounces(), 7, 9)
	for _, c := range []struct{ fields, from, want string }{
		{"X-Original-To: ops@lists.test\r\n", "ada@a.test", "ops@lists.test"},
		{"Delivered-To: group@provider.test\r\nX-Original-To: dev@lists.test\r\n", "ada@a.test", "dev@lists.test"},
		{"Delivered-To: Group+ops@provider.test\r\n", "ada@a.test", "ops@lists.test"},
		{"Delivered-To: group+dev-owner@provider.test\r\n", "ada@a.test", "dev-owner@lists.test"},
		{"Cc: Dev <dev@lists.test>, ops@lists.test, nobody@lists.test, x@y.test\r\n", "ada@a.test", "dev@lists.test ops@lists.test"},
		{"Delivered-To: " + strings.Replace(verp.String(), "@lists.test", "@provider.test", 1) + "\r\n", "", ""},
		{"Delivered-To: group+" + strings.Replace(verp.String(), "@lists.test", "@provider.test", 1) + "\r\n", "", verp.String()},
		{"Delivered-To: nobody@lists.test\r\n", "ada@a.test", ""},
	} {
		s.heard, s.last = nil, mail.Envelope{}
		text := strings.Replace(message(fmt.Sprintf("m%d", s.runs.Load()), c.fields), "<ada@a.test>", "<"+c.from+">", 1)
		m.put(t, "INBOX", text)
		fetch(t, s.poller(), a)
		var to []string
		for _, r := range s.last.To {
			to = append(to, r.String())
		}
		if got := strings.Join(to, " "); got != c.want || c.want != "" && s.last.From.String() != c.from {
			t.Errorf("%q goes to %q from %q, want %q from %q", c.fields, got, s.last.From, c.want, c.from)
		}
		if c.want != "" && (len(s.heard) == 0 || !strings.HasPrefix(s.heard[0], "250 2.0.0 queued")) {
			t.Errorf("%q: the replies are %q\n%s", c.fields, s.heard, s.log)
		}
	}
}

// TestFetchTrace: Received says how it came, and nobody claims an IP address.
func TestFetchTrace(t *testing.T) {
	t.Parallel()
	s, m := newPollSite(t), newMemory(t)
	m.put(t, "INBOX", strings.ReplaceAll(message("one"), "\r\n", "\n")) // a server that stores it so
	fetch(t, s.poller(), m.account())
	s.once("one")
	if err := s.db.View(t.Context(), func(tx *store.Tx) error {
		p, err := tx.Post(s.list.ID, 1)
		if err != nil {
			return err
		}
		got, err := tx.Message(p.Message)
		first := strings.Join(strings.Fields(string(got.Head)), " ")
		if want := "Received: from 127.0.0.1 by mx.test with IMAP id "; !strings.HasPrefix(first, want) || !strings.Contains(first, " for <dev@lists.test>;") {
			t.Errorf("the head begins with %q, want %q…", first, want)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
