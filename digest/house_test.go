package digest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/roster"
	"listd/store"
	"listd/store/fresh"
	"listd/store/pgtest"
	"listd/task"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// clock goes when it is told to.
type clock struct {
	sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.Lock()
	defer c.Unlock()
	return c.now
}

func (c *clock) set(t time.Time) {
	c.Lock()
	defer c.Unlock()
	c.now = t
}

// house is a site on a real database, with two nodes.
type house struct {
	testing.TB
	clock *clock
	db    *store.DB
	books *roster.Books
	desk  *Desk
	nodes [2]*task.Runner
	posts int
}

// engines runs a test on both.
func engines(t *testing.T, test func(h *house)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(newHouse(t, sqlite(t)))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(newHouse(t, fresh.Postgres(t)))
	})
}

func sqlite(t testing.TB) string { return fresh.SQLite(t) }

func newHouse(t testing.TB, url string) *house {
	t.Helper()
	h := &house{TB: t, clock: &clock{now: time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)}}
	db, err := store.Open(t.Context(), store.Options{URL: url, Clock: h.clock.Now})
	h.must(err)
	t.Cleanup(func() { h.must(db.Close()) })
	h.must(db.Migrate(t.Context()))
	var n atomic.Uint64
	chance := func() (b [8]byte) {
		binary.BigEndian.PutUint64(b[:], n.Add(1))
		return b
	}
	out := queue.Out{Relay: true}
	log := slog.New(slog.DiscardHandler)
	h.db = db
	h.books = &roster.Books{DB: db, Out: out, Hostname: "mx.test", Chance: chance}
	h.desk = &Desk{DB: db, Out: out, Log: log, Hostname: "mx.test", Chance: chance}
	for i := range h.nodes {
		h.nodes[i] = &task.Runner{DB: db, Log: log, Planners: []task.Planner{h.desk.Plan, h.desk.PlanFetch, h.books.Plan},
			Steps: map[string]task.Step{Kind: h.desk.Step, DraftKind: h.desk.DraftStep, FetchKind: h.desk.FetchStep, lists.LastIssueKind: h.desk.LastStep, queue.FanOutKind: out.FanOut, roster.VacationKind: h.books.EndVacations,
				roster.WordsKind: roster.DropWords}}
	}
	return h
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func addr(s string) mail.Address {
	a, err := mail.ParseAddress(s)
	if err != nil {
		panic(err) // the test's own constant
	}
	return a
}

// create makes a list; settings are "key=value".
func (h *house) create(at string, settings ...string) lists.List {
	h.Helper()
	l, _, err := h.books.Create(h.Context(), roster.Creation{Address: addr(at), Settings: pairs(settings)})
	h.must(err)
	return l
}

func pairs(settings []string) map[string]string {
	out := map[string]string{}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		out[k] = v
	}
	return out
}

func (h *house) add(l lists.List, who string, mode lists.Mode, options ...string) {
	h.Helper()
	_, err := h.books.Add(h.Context(), l.Address, []lists.Row{{Address: addr(who), Mode: mode, Roles: lists.Subscriber}}, nil)
	h.must(err)
	if len(options) > 0 {
		h.set(l, who, options...)
	}
}

func (h *house) set(l lists.List, who string, options ...string) {
	h.Helper()
	_, err := h.books.SetMember(h.Context(), l.Address, addr(who), pairs(options))
	h.must(err)
}

// post files a post, whose fan-out is a task, and returns its number.
func (h *house) post(l lists.List, subject string) (seq lists.Seq) {
	h.Helper()
	h.posts++
	m := mail.Message{Head: fmt.Appendf(nil, "From: Ann Li <ann@example.org>\r\nSubject: %s\r\nMessage-ID: <%d@example.org>\r\n", subject, h.posts),
		Body: fmt.Appendf(nil, "Post %d.\r\n", h.posts)}
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
		l, err := tx.List(l.ID)
		if err != nil {
			return err
		}
		message, err := tx.AddMessage(m.Head, store.PackBody(m.Body))
		if err != nil {
			return err
		}
		if seq, err = archive.File(tx, l, archive.Describe(l, m, tx.Now), message); err != nil {
			return err
		}
		id, err := tx.AddOutgoing(store.Outgoing{List: l.ID, Seq: seq, Message: message, From: l.Bounces(), Priority: queue.Post, GiveUp: tx.Now.Add(time.Hour)})
		if err != nil {
			return err
		}
		return task.Add(tx, task.Key{Kind: queue.FanOutKind, Name: strconv.FormatInt(int64(id), 10), Arg: struct{ Outgoing store.OutgoingID }{id}})
	}))
	return seq
}

// imported files a post of an old archive.
func (h *house) imported(l lists.List) {
	h.Helper()
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
		l, err := tx.List(l.ID)
		if err != nil {
			return err
		}
		message, err := tx.AddMessage([]byte("Subject: old\r\nMessage-ID: <old@example.org>\r\n"), store.PackBody(nil))
		if err != nil {
			return err
		}
		seq, err := tx.TakeSeq(l.ID, l.Version)
		if err != nil {
			return err
		}
		return tx.AddPost(store.Post{List: l.ID, Seq: seq, Message: message, MsgID: "old@example.org", Subject: "old", Author: "x", Date: tx.Now, Origin: "imported"})
	}))
}

// plan has a node plan, as it does each minute.
func (h *house) plan(node int) {
	h.Helper()
	h.must(h.nodes[node].Plan(h.Context()))
}

// step runs one step on a node, and says whether there was one.
func (h *house) step(node int) bool {
	h.Helper()
	did, err := h.nodes[node].RunOne(h.Context())
	h.must(err)
	return did
}

// work has both nodes do what is due.
func (h *house) work() {
	h.Helper()
	for i := 0; ; i++ {
		h.plan(i % 2)
		did := false
		for h.step(i % 2) {
			did = true
		}
		if !did {
			break
		}
	}
	h.view(func(tx *store.Tx) error {
		all, err := tx.Tasks(1000)
		for _, t := range all {
			if t.Error != "" {
				h.Fatalf("%s: %s", t.Key, t.Error)
			}
		}
		return err
	})
}

// live lets time go by until an instant, with both nodes planning and working every so often.
func (h *house) live(until time.Time, often time.Duration) {
	h.Helper()
	for at := h.clock.Now(); at.Before(until); {
		at = at.Add(often)
		h.clock.set(at)
		h.work()
	}
}

func (h *house) view(f func(*store.Tx) error) {
	h.Helper()
	h.must(h.db.View(h.Context(), f))
}

// got is a mail that somebody is sent.
type got struct {
	id      store.OutgoingID
	at      time.Time
	subject string
	seqs    []lists.Seq // the posts in it
	to      []string
}

// sent are all mails of a list that anybody is sent, in order.
func (h *house) sent(l lists.List) (out []got) {
	h.Helper()
	h.view(func(tx *store.Tx) error {
		out = nil
		posts, err := tx.PostsAfter(l.ID, 0, 1<<20)
		if err != nil {
			return err
		}
		seqs := map[string]lists.Seq{}
		for _, p := range posts {
			seqs[p.MsgID] = p.Seq
		}
		for id, missing := store.OutgoingID(1), 0; missing < 100; id++ {
			o, err := tx.Outgoing(id)
			if err != nil {
				missing++
				continue
			}
			missing = 0
			if o.List != l.ID || o.Priority == queue.Notice {
				continue
			}
			g := got{id: id, at: o.Created, subject: o.Subject}
			m, err := tx.Message(o.Message)
			if err != nil {
				return err
			}
			if g.seqs = within(m, seqs); o.Seq != 0 {
				g.seqs = []lists.Seq{o.Seq}
			}
			all, err := tx.DeliveriesOf(id, "", 1<<20)
			if err != nil {
				return err
			}
			for _, d := range all {
				g.to = append(g.to, d.Rcpt)
			}
			out = append(out, g)
		}
		return nil
	})
	return out
}

// within are the posts in an issue, however it looks.
func within(m mail.Message, seqs map[string]lists.Seq) (out []lists.Seq) {
	for line := range bytes.Lines(m.Body) {
		text := strings.TrimRight(string(line), "\r\n")
		if id, ok := strings.CutPrefix(text, "Message-ID: <"); ok {
			out = append(out, seqs[strings.TrimSuffix(id, ">")])
		}
		var n lists.Seq
		if len(text) > 8 && text[:2] == "  " && text[6:8] == "  " { // an index
			if k, _ := fmt.Sscanf(text, "%6d  ", &n); k == 1 {
				out = append(out, n)
			}
		}
	}
	return out
}
