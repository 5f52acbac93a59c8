package inbound

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/foxcpp/go-mockdns"

	"listd/mail"
	"listd/mailauth"
	"listd/store"
)

func TestParseSource(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]fetched{
		"group/9/7":               {"group", 9, 7},
		"a@b.test/x/4294967295/1": {"a@b.test/x", 4294967295, 1},
		Source("x/1/2", 3, 4):     {"x/1/2", 3, 4},
		"":                        {},
		"group":                   {},
		"group/7":                 {},
		"/9/7":                    {},
		"group/9/0":               {},
		"group/x/7":               {},
		"group/9/4294967296":      {},
		"group/-1/7":              {},
	} {
		got, err := parseSource(in)
		if got != want || (err == nil) != (want.name != "") {
			t.Errorf("parseSource(%q) = %+v, %v; want %+v", in, got, err, want)
		}
	}
}

// mailbox is a ledger with the mailbox group, seen with three messages of old.
func (h *house) mailbox() (*Ledger, Mailbox) {
	h.Helper()
	l := &Ledger{DB: h.db}
	if _, err := l.Lease(h.Context(), "group", "p.test:993/g/INBOX", 1); err != nil {
		h.Fatal(err)
	}
	m, err := l.Sight(h.Context(), "group", 1, 9, 3)
	if err != nil {
		h.Fatal(err)
	}
	return l, m
}

// ledger is how far the mailbox is, in words.
func (h *house) ledger() string {
	h.Helper()
	m, err := (&Ledger{DB: h.db}).Mailbox(h.Context(), "group")
	if err != nil {
		h.Fatal(err)
	}
	out := fmt.Sprintf("%d/%d stock %d", m.Validity, m.UID, m.Stock)
	for _, u := range m.Unsettled {
		out += fmt.Sprintf(" %d:%s", u.UID, u.State)
		if u.State == Later {
			out += fmt.Sprintf("(%d in %v)", u.Tries, time.UnixMilli(u.Next).Sub(h.clock.Now()))
		}
	}
	return out
}

func (h *house) wantLedger(want string) {
	h.Helper()
	if got := h.ledger(); got != want {
		h.Errorf("the ledger has %q, want %q", got, want)
	}
}

// TestFetched: the cursor moves with what is accepted, and the second Accept of one place does nothing.
func TestFetched(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "posting=anyone", "nonmember_action=accept")
		h.join("dev@lists.test", "tim@c.test")
		l, _ := h.mailbox()
		env := envelope("ada@a.test", "dev@lists.test")
		env.Peer = mail.Peer{Helo: "imap.p.test", Protocol: "IMAP"}
		env.Source = Source("group", 9, 5)
		// Mended, since nobody is there to be told: a bare LF, and a NUL.
		message := strings.ReplaceAll(post("ada@a.test", "dev@lists.test", "Fence"), "\r\n", "\n") + "\x00.\n"
		h.says(h.accept(env, message)[0], "250 2.0.0 queued as ")
		for _, m := range h.wants("tim@c.test: Fence\n") {
			if strings.ContainsRune(m.body, 0) || strings.Count(m.body, "\n") != strings.Count(m.body, "\r\n") {
				t.Errorf("it was not mended: %q", m.body)
			}
		}
		h.wantLedger("9/5 stock 3 5:taken")
		before := h.rows(h.raw())
		h.says(h.accept(env, post("ada@a.test", "dev@lists.test", "Another"))[0], "250 2.0.0 taken before, from the same place")
		env.To = envelope("", "nobody@lists.test").To
		h.says(h.accept(env, message)[0], "250 2.0.0 taken before, from the same place")
		h.wants("")
		if after := h.rows(h.raw()); after != before {
			t.Errorf("rows were\n%s\nand are\n%s", before, after)
		}
		// What nobody takes does not move it: that is for who fetches.
		env.Source = Source("group", 9, 6)
		h.says(h.accept(env, message)[0], "550 5.1.1 ")
		h.wantLedger("9/5 stock 3 5:taken")
		if err := errors.Join(l.Refuse(t.Context(), "group", 9, 6), l.Told(t.Context(), "group", 9, []uint32{5})); err != nil {
			t.Fatal(err)
		}
		h.wantLedger("9/6 stock 3 6:refused")
		// UIDs of another validity, or of a mailbox that nobody has, mean nothing.
		for _, s := range []string{Source("group", 8, 7), Source("nobody", 9, 7), "7"} {
			env.Source = s
			if replies, err := h.door.Accept(t.Context(), env, strings.NewReader(message)); err == nil || errors.As(err, new(*mail.Reply)) {
				t.Errorf("%s: %v, %v; want an error of ours", s, replies, err)
			}
		}
		env.Source = Source("group", 9, 7)
		if _, err := h.door.Accept(t.Context(), env, strings.NewReader("A: b\r\n"+strings.Repeat("X: y\r\n", 2001)+"\r\n")); err == nil || !strings.Contains(err.Error(), "554 5.6.0") {
			t.Errorf("a head of 2001 fields: %v", err)
		}
	})
}

// TestFetchedAtOnce: two nodes that fetch one message, since one thought the other dead, take it once, whatever its
// fingerprint.
func TestFetchedAtOnce(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "posting=anyone", "nonmember_action=accept")
		h.join("dev@lists.test", "tim@c.test")
		h.mailbox()
		said := h.atOnce(6, func(i int) (string, error) {
			env := envelope("ada@a.test", "dev@lists.test")
			env.Source = Source("group", 9, 4)
			replies, err := h.door.Accept(t.Context(), env, strings.NewReader(post("ada@a.test", "dev@lists.test", fmt.Sprint("Fence ", i))))
			if err != nil {
				return "", err
			}
			return replies[0].Text, nil
		})
		queued := 0
		for _, s := range said {
			if strings.HasPrefix(s, "queued as ") {
				queued++
			}
		}
		if n := len(h.sent()); queued != 1 || n != 1 {
			t.Errorf("%d were queued, %d copies leave: %q", queued, n, said)
		}
	})
}

// TestLedger walks a mailbox through all that may become of its messages.
func TestLedger(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		l, _ := h.mailbox()
		ctx := t.Context()
		do := func(err error, want string) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			h.wantLedger(want)
		}
		do(l.Pass(ctx, "group", 9, 4), "9/4 stock 3")
		do(l.Pass(ctx, "group", 9, 2), "9/4 stock 3")
		postpone := func(uid uint32) error {
			last, err := l.Postpone(ctx, "group", 9, uid)
			if last {
				t.Error("it was the last time")
			}
			return err
		}
		do(postpone(3), "9/4 stock 3") // passed before
		do(postpone(5), "9/5 stock 3 5:later(1 in 1m0s)")
		do(postpone(7), "9/7 stock 3 5:later(1 in 1m0s) 7:later(1 in 1m0s)")
		do(postpone(5), "9/7 stock 3 5:later(2 in 2m0s) 7:later(1 in 1m0s)")
		do(l.Gone(ctx, "group", 9, 7), "9/7 stock 3 5:later(2 in 2m0s)")
		do(l.Told(ctx, "group", 9, []uint32{5}), "9/7 stock 3 5:later(2 in 2m0s)") // not settled
		// The pauses grow to an hour; after five days it is refused.
		for _, wait := range []time.Duration{4, 8, 16, 32, 60, 60} {
			if err := postpone(5); err != nil || !strings.HasSuffix(h.ledger(), fmt.Sprintf(" in %v)", wait*time.Minute)) {
				t.Errorf("the ledger has %s, %v; want a pause of %v", h.ledger(), err, wait*time.Minute)
			}
		}
		for tries := 8; ; tries++ {
			last, err := l.Postpone(ctx, "group", 9, 5)
			if err != nil {
				t.Fatal(err)
			}
			if last {
				if tries+1 != patience {
					t.Errorf("it was tried %d times", tries+1)
				}
				break
			}
		}
		h.wantLedger("9/7 stock 3 5:refused")
		do(postpone(5), "9/7 stock 3 5:refused")
		do(l.Told(ctx, "group", 9, []uint32{5}), "9/7 stock 3")
		do(l.Refuse(ctx, "group", 9, 6), "9/7 stock 3") // passed before
		if err := l.Pass(ctx, "group", 8, 99); !errors.Is(err, ErrLease) {
			t.Errorf("Pass under another validity: %v", err)
		}
		_, err := l.Sight(ctx, "group", 1, 10, 20)
		do(err, "10/0 stock 20")
		_, err = l.Sight(ctx, "group", 1, 10, 30)
		do(err, "10/0 stock 20")
		do(l.Pass(ctx, "group", 10, 20), "10/20 stock 20")
		_, err = l.Lease(ctx, "group", "other.test:993/g/INBOX", 1)
		do(err, "0/0 stock 0")
	})
}

// TestLeases: one holder at a time where there can be several; with SQLite a new process is the only one.
func TestLeases(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		l, _ := h.mailbox()
		lease := func(holder int64, want error) {
			t.Helper()
			if h.db.Single() {
				want = nil
			}
			if _, err := l.Lease(t.Context(), "group", "p.test:993/g/INBOX", holder); !errors.Is(err, want) {
				t.Errorf("Lease: %v, want %v", err, want)
			}
		}
		lease(1, nil)
		if !h.db.Single() {
			lease(2, ErrLease)
		}
		h.clock.add(Leased - time.Second)
		lease(1, nil) // renewed
		h.clock.add(2 * time.Second)
		if !h.db.Single() {
			lease(2, ErrLease)
		}
		h.clock.add(Leased)
		lease(2, nil)
		if err := l.Release(t.Context(), "group", 1, "too late"); !errors.Is(err, ErrLease) {
			t.Errorf("who has no lease gives it back: %v", err)
		}
		if err := errors.Join(l.Rest(t.Context(), "group", 2), l.Release(t.Context(), "group", 2, "gone")); err != nil {
			t.Fatal(err)
		}
		lease(3, nil)
		all, err := l.Mailboxes(t.Context())
		if err != nil || len(all) != 1 || all[0].Holder != 3 || all[0].Error != "gone" || !all[0].At.Equal(h.clock.Now()) {
			t.Errorf("Mailboxes: %+v, %v", all, err)
		}
		if _, err := l.Mailbox(t.Context(), "nobody"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Mailbox: %v", err)
		}
	})
}

// TestFetchedProof: the peer of what is fetched is the provider, whose address proves nothing about the author; it is
// not even asked for. Commands wait for their sender's word.
func TestFetchedProof(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "roster=members")
		h.join("dev@lists.test", "ada@a.test")
		h.mailbox()
		zone := map[string]mockdns.Zone{"a.test.": {TXT: []string{"v=spf1 +all"}}} // whoever sends
		h.door.Auth = &mailauth.Verifier{Resolver: &mockdns.Resolver{Zones: zone}, Now: h.clock.Now}
		env := envelope("ada@a.test", "dev-request@lists.test")
		env.Peer = mail.Peer{Helo: "imap.p.test", Protocol: "IMAP", TLS: true}
		env.Source = Source("group", 9, 4)
		h.says(h.accept(env, post("ada@a.test", "dev-request@lists.test", "who"))[0], "250 2.0.0 queued as ")
		h.wants("ada@a.test: Please confirm your commands for dev\nada@a.test: Your commands to dev\n")
		h.says(h.accept(envelope("ada@a.test", "dev-request@lists.test"), post("ada@a.test", "dev-request@lists.test", "who"))[0], "250 2.0.0 queued as ")
		h.wants("ada@a.test: Your commands to dev\n") // a peer with an address, for comparison
	})
}
