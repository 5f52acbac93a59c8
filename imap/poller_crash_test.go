package imap_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	listdimap "listd/imap"
	"listd/inbound"
	"listd/mail"
	"listd/store/fresh"
	"listd/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// cutter is a connection that ends at one of its strokes: before a write, behind it, or at a byte that is read.
type cutter struct {
	net.Conn
	writes, reads *atomic.Int64 // how many are left; nil: no end of these
	after         bool
}

var errCut = errors.New("cut")

func (c *cutter) Write(b []byte) (int, error) {
	if c.writes == nil {
		return c.Conn.Write(b)
	}
	left := c.writes.Add(-1)
	if left < 0 || left == 0 && !c.after {
		return 0, errors.Join(errCut, c.Close())
	}
	n, err := c.Conn.Write(b)
	if left == 0 {
		err = errors.Join(errCut, c.Close())
	}
	return n, err
}

func (c *cutter) Read(b []byte) (int, error) {
	if c.reads == nil {
		return c.Conn.Read(b)
	}
	left := c.reads.Load()
	if left <= 0 {
		return 0, errors.Join(errCut, c.Close())
	}
	n, err := c.Conn.Read(b[:min(int64(len(b)), left)])
	c.reads.Add(-int64(n))
	return n, err
}

// cutAt has a poller's connections cut, and says whether that has happened.
func cutAt(p *listdimap.Poller, c cutter) {
	p.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return &cutter{Conn: conn, writes: c.writes, reads: c.reads, after: c.after}, err
	}
}

func count(n int64) *atomic.Int64 {
	var c atomic.Int64
	c.Store(n)
	return &c
}

// TestFetchCut cuts the connection at each of its strokes. Nothing is lost, and nothing offered twice.
func TestFetchCut(t *testing.T) {
	t.Parallel()
	for name, done := range map[string]listdimap.Done{"flag": listdimap.Flag, "move": listdimap.Move, "delete": listdimap.Delete} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, m := newPollSite(t), newMemory(t)
			a := m.account()
			a.Done = done
			m.mailbox(t, "listd")
			var want []string
			run := func(c cutter) (whole bool) {
				for range 2 {
					want = append(want, fmt.Sprintf("m%03d", len(want)))
					m.put(t, "INBOX", message(want[len(want)-1]))
				}
				p := s.poller()
				cutAt(p, c)
				whole = p.Fetch(t.Context(), a) == nil
				s.pass(2 * time.Hour) // a message that the connection broke at waits for its next try
				fetch(t, s.poller(), a)
				return whole
			}
			strokes := int64(0)
			for _, after := range []bool{false, true} {
				for strokes = 1; !run(cutter{writes: count(strokes), after: after}); strokes++ {
				}
			}
			if strokes < 8 {
				t.Errorf("there were %d strokes only", strokes)
			}
			for n := int64(10); !run(cutter{reads: count(n)}); n += 173 {
			}
			wantTaken(t, s, want)
			var flagged, moved []string
			for _, w := range want {
				flagged, moved = append(flagged, w+` $listd \seen`), append(moved, w)
			}
			switch done {
			case listdimap.Flag:
				wantFolder(t, a, "INBOX", flagged...)
			case listdimap.Move:
				wantFolder(t, a, "INBOX")
				wantFolder(t, a, "listd", moved...)
			case listdimap.Delete:
				wantFolder(t, a, "INBOX")
			}
			if box, err := s.ledger.Mailbox(t.Context(), "group"); err != nil || len(box.Unsettled) != 0 {
				t.Errorf("the ledger has %+v, %v", box, err)
			}
		})
	}
}

// TestFetchStopped ends the poller before and after messages are accepted.
func TestFetchStopped(t *testing.T) {
	t.Parallel()
	s, m := newPollSite(t), newMemory(t)
	a := m.account()
	var want []string
	for i := range 6 {
		want = append(want, fmt.Sprint("m", i))
		m.put(t, "INBOX", message(want[i]))
	}
	for i := range 6 {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		stop := func() {
			if n++; n == 2 {
				cancel()
			}
		}
		s.before, s.after = nil, nil
		if i%2 == 0 {
			s.before = stop
		} else {
			s.after = stop
		}
		if err := s.poller().Fetch(ctx, a); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Fetch: %v", err)
		}
		cancel()
	}
	s.before, s.after = nil, nil
	fetch(t, s.poller(), a)
	s.once(want...)
	wantFolder(t, a, "INBOX", `m0 $listd \seen`, `m1 $listd \seen`, `m2 $listd \seen`, `m3 $listd \seen`, `m4 $listd \seen`, `m5 $listd \seen`)
}

// TestFetchLease: of two nodes one fetches. When it is dead the other goes on; if it was only slow, nothing is taken twice.
func TestFetchLease(t *testing.T) {
	t.Parallel()
	s, m := pollSiteAt(t, fresh.Postgres(t)), newMemory(t)
	a := m.account()
	var want []string
	for i := range 4 {
		want = append(want, fmt.Sprint("m", i))
		m.put(t, "INBOX", message(want[i]))
	}
	first := true
	s.before = func() {
		if !first {
			return
		}
		first = false
		if err := s.poller().Fetch(t.Context(), a); !errors.Is(err, inbound.ErrLease) {
			t.Errorf("a second node fetches: %v", err)
		}
		s.pass(inbound.Leased + time.Second) // the first one is slow
		fetch(t, s.poller(), a)
	}
	fetch(t, s.poller(), a)
	fetch(t, s.poller(), a)
	if got := s.subjects(); !slices.Equal(got, want) {
		t.Errorf("the list has %q, want %q", got, want)
	}
	wantFolder(t, a, "INBOX", `m0 $listd \seen`, `m1 $listd \seen`, `m2 $listd \seen`, `m3 $listd \seen`)
}

// TestFetchFollow: a server that tells of mail is heard at once, long before the next poll.
func TestFetchFollow(t *testing.T) {
	t.Parallel()
	s, m := newPollSite(t), newMemory(t)
	a := m.account()
	a.Poll = time.Hour
	p := s.poller()
	p.Accounts = []listdimap.Account{a}
	taken := make(chan struct{}, 10)
	s.after = func() { taken <- struct{}{} }
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.Run(ctx)
	}()
	for _, subject := range []string{"one", "two"} {
		m.put(t, "INBOX", message(subject))
		select {
		case <-taken:
		case <-ctx.Done():
			t.Fatalf("%s is not taken:\n%s", subject, s.log)
		}
	}
	cancel()
	<-ended
	fetch(t, s.poller(), a) // tells the server, if that was cut off
	s.once("one", "two")
	wantFolder(t, a, "INBOX", `one $listd \seen`, `two $listd \seen`)
}

// TestFetchSignIn: a wrong password is told as such.
func TestFetchSignIn(t *testing.T) {
	t.Parallel()
	s, m := newPollSite(t), newMemory(t)
	a := m.account()
	a.Password = func() (string, error) { return "wrong", nil }
	err := s.poller().Fetch(t.Context(), a)
	if err == nil || !strings.Contains(err.Error(), "check user and password_file") {
		t.Errorf("Fetch: %v", err)
	}
	box, _ := s.ledger.Mailbox(t.Context(), "group")
	if box.Error != err.Error() || !box.Until.IsZero() {
		t.Errorf("the ledger has %+v", box)
	}
	a = m.account()
	a.Folder = "Nowhere"
	if err := s.poller().Fetch(t.Context(), a); err == nil || !strings.Contains(err.Error(), `folder "Nowhere"`) {
		t.Errorf("Fetch: %v", err)
	}
}

var _ listdimap.Inbox = (*site)(nil)

// TestFetchNowhere: what is for nobody here is refused, not lost.
func TestFetchNowhere(t *testing.T) {
	t.Parallel()
	s, m := newPollSite(t), newMemory(t)
	a := m.account()
	a.List = mail.Address{}
	a.Done = listdimap.Move
	m.put(t, "INBOX", message("stray"))
	fetch(t, s.poller(), a)
	s.once()
	wantFolder(t, a, "listd", `stray $listdrefused \flagged`)
	if !strings.Contains(s.log.String(), "none of its recipients is an address here") {
		t.Errorf("the log does not say why:\n%s", s.log)
	}
}

// runUntilTaken starts pollers that are cut off, each a little later than the one before, until a number of posts are there.
func runUntilTaken(t *testing.T, s *site, a listdimap.Account, posts int) {
	t.Helper()
	for i := int64(0); ; i++ {
		p := s.poller()
		switch i % 3 {
		case 0:
			cutAt(p, cutter{writes: count(4 + i*3), after: i%2 == 0})
		case 1:
			cutAt(p, cutter{reads: count(1000 + 3000*i)})
		}
		ctx, cancel := context.WithCancel(t.Context())
		if i%3 == 2 {
			n := int64(0)
			s.after = func() {
				if n++; n == i {
					cancel()
				}
			}
		}
		err := p.Fetch(ctx, a)
		cancel()
		s.after = nil
		s.pass(2 * time.Hour) // a message that the connection broke at waits for its next try
		if err == nil && len(s.subjects()) >= posts {
			return
		}
		if i > 1000 {
			t.Fatalf("%d of %d posts are there: %v", len(s.subjects()), posts, err)
		}
	}
}

// wantTaken wants each message to have been posted once, in any order, and none to have been offered twice.
func wantTaken(t *testing.T, s *site, want []string) {
	t.Helper()
	got := s.subjects()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the list has %d posts of %d messages:\n%q", len(got), len(want), got)
	}
	for _, r := range s.heard {
		if strings.Contains(r, "taken before") {
			t.Errorf("a message was offered twice: %s", r)
		}
	}
}
