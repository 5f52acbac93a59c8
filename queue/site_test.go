package queue

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/store/fresh"
	"listd/store/pgtest"
)

func TestMain(m *testing.M) {
	// The encoder that all share makes its channels at its first use, which must not be in a bubble.
	store.PackBody(make([]byte, 1<<10))
	pgtest.Main(m)
}

func openSQLite(t testing.TB, clock func() time.Time) *store.DB {
	return openDB(t, fresh.SQLite(t), clock)
}

// openDB opens the database at url, with the program's schema.
func openDB(t testing.TB, url string, clock func() time.Time) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{URL: url, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// site is a database with a worker that has nobody to talk to but a sender of the test's.
type site struct {
	*testing.T
	db     *store.DB
	path   string        // SQLite
	leapt  *atomic.Int64 // how far the database's clock is ahead
	sender *sender
	worker *Worker
}

func newSite(t *testing.T, db *store.DB) *site {
	s := &sender{now: db.Now, answer: func(string, mail.Address) mail.Reply { return *mail.Refuse(250, "2.0.0", "taken") }}
	return &site{T: t, db: db, sender: s, worker: &Worker{DB: db, Sender: s, Press: Press{Minter: lists.NewMinter([]byte("key"))},
		Log: slog.New(slog.DiscardHandler), Holder: 7, Chance: func() float64 { return 0.5 }}}
}

// inBubble runs a test whose time is made up: hours take no time, and who waits for nothing is found out.
func inBubble(t *testing.T, test func(x *site)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := fresh.SQLite(t)
		var leapt atomic.Int64
		x := newSite(t, openDB(t, path, func() time.Time { return time.Now().Add(time.Duration(leapt.Load())) }))
		x.path, x.leapt = path, &leapt
		test(x)
	})
}

// raw does to the database what no method of store does.
func (x *site) raw(query string) {
	x.Helper()
	db, err := sql.Open("sqlite", x.path)
	if err != nil {
		x.Fatal(err)
	}
	_, err = db.Exec(query)
	if err := errors.Join(err, db.Close()); err != nil {
		x.Fatal(err)
	}
}

// run runs the worker until the function returned is called.
func (x *site) run() (stop func()) {
	ctx, cancel := context.WithCancel(x.Context())
	ended := make(chan error, 1)
	go func() { ended <- x.worker.Run(ctx) }()
	return sync.OnceFunc(func() {
		x.Helper()
		cancel()
		if err := <-ended; err != nil {
			x.Errorf("Run: %v", err)
		}
	})
}

// after lets time go by.
func (x *site) after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// leap puts the database's clock forward and lets the worker see it: it polls too often for days to go by.
func (x *site) leap(d time.Duration) {
	x.leapt.Add(int64(d))
	x.after(poll + time.Second)
}

func (x *site) update(f func(tx *store.Tx) error) {
	x.Helper()
	if err := x.db.Update(x.Context(), f); err != nil {
		x.Fatal(err)
	}
}

// post adds an outgoing with this body for these addresses.
func (x *site) post(o Outgoing, body string, to ...string) (id store.OutgoingID) {
	x.Helper()
	var addresses []mail.Address
	for _, a := range to {
		addresses = append(addresses, address(a))
	}
	packed := store.PackBody([]byte(body))
	x.update(func(tx *store.Tx) (err error) {
		if o.Message, err = tx.AddMessage([]byte("Subject: s\r\n"), packed); err != nil {
			return err
		}
		out := Out{}
		if x.worker != nil {
			out = x.worker.Out
		}
		id, err = out.Add(tx, o, Audience{Addresses: addresses})
		return err
	})
	return id
}

// deliveries are an outgoing's, by recipient.
func (x *site) deliveries(id store.OutgoingID) map[string]store.Delivery {
	x.Helper()
	out := map[string]store.Delivery{}
	if err := x.db.View(x.Context(), func(tx *store.Tx) error {
		all, err := tx.DeliveriesOf(id, "", 1<<20)
		for _, d := range all {
			out[d.Rcpt] = d
		}
		return err
	}); err != nil {
		x.Fatal(err)
	}
	return out
}

// states counts an outgoing's deliveries by state.
func (x *site) states(id store.OutgoingID) map[store.DeliveryState]int {
	x.Helper()
	out := map[store.DeliveryState]int{}
	for _, d := range x.deliveries(id) {
		out[d.State]++
	}
	return out
}

// sender is a Sender that talks to nobody.
type sender struct {
	now    func() time.Time
	answer func(domain string, to mail.Address) mail.Reply
	during func(ctx context.Context, domain string) // what happens while it talks

	mu     sync.Mutex
	spoil  func([]mail.Reply) []mail.Reply // how it breaks its word
	sent   []sending
	active map[string]int // dialogs by domain
	most   map[string]int
}

type sending struct {
	domain string
	env    mail.Envelope
	body   *byte
	at     time.Time
}

func (s *sender) Send(ctx context.Context, domain string, env mail.Envelope, m mail.Message) []mail.Reply {
	s.mu.Lock()
	if s.active == nil {
		s.active, s.most = map[string]int{}, map[string]int{}
	}
	s.active[domain]++
	s.most[domain] = max(s.most[domain], s.active[domain])
	sent := sending{domain: domain, env: env, at: s.now()}
	if len(m.Body) > 0 {
		sent.body = &m.Body[0]
	}
	s.sent = append(s.sent, sent)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.active[domain]--
	}()
	if s.during != nil {
		s.during(ctx, domain)
	}
	var replies []mail.Reply
	for _, to := range env.To {
		replies = append(replies, s.answer(domain, to.Address))
	}
	s.mu.Lock()
	spoil := s.spoil
	s.mu.Unlock()
	if spoil != nil {
		return spoil(replies)
	}
	return replies
}

// all are the sendings so far.
func (s *sender) all() []sending {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sending(nil), s.sent...)
}

// recipients counts how often each recipient was offered a message.
func (s *sender) recipients() map[string]int {
	out := map[string]int{}
	for _, e := range s.all() {
		for _, to := range e.env.To {
			out[to.Address.String()]++
		}
	}
	return out
}
