package inbound

import (
	"context"
	"errors"
	"strings"
	"testing"

	"listd/mail"
	"listd/store"
)

// code is what Check says: "250" for nothing.
func code(t *testing.T, err error) string {
	t.Helper()
	var r *mail.Reply
	switch {
	case err == nil:
		return "250"
	case !errors.As(err, &r):
		t.Fatalf("no reply: %v", err)
	}
	return r.Error()
}

func TestCheck(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test", "max_message_size=10KiB", "bans=bad@a.test, @spam.test")
	h.list("dev-announce@lists.test")
	h.list("shut@lists.test", "closed=yes")
	h.list("old@lists.test")
	if _, err := h.books.Rename(t.Context(), addr("old@lists.test"), addr("new@lists.test")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, from, to string
		size           int64
		want           string
	}{
		{"a list", "ada@a.test", "dev@lists.test", 0, "250"},
		{"in capitals", "ada@a.test", "DEV@LISTS.TEST", 0, "250"},
		{"from nobody: what it is shows later", "", "dev@lists.test", 0, "250"},
		{"no such list", "ada@a.test", "nobody@lists.test", 0, "550 5.1.1 "},
		{"no such list, with a command", "ada@a.test", "nobody-owner@lists.test", 0, "550 5.1.1 "},
		{"somebody else's domain", "ada@a.test", "dev@else.test", 0, "550 5.7.1 "},
		{"a domain below ours", "ada@a.test", "dev@x.lists.test", 0, "550 5.7.1 "},
		{"the old way to relay", "ada@a.test", `"dev@lists.test"@else.test`, 0, "550 5.7.1 "},
		{"a percent sign relays nothing", "ada@a.test", "dev%else.test@lists.test", 0, "550 5.1.1 "},
		{"a list's old address", "ada@a.test", "old@lists.test", 0, "250"},
		{"a list's old owners", "ada@a.test", "old-owner@lists.test", 0, "250"},
		{"its new address", "ada@a.test", "new@lists.test", 0, "250"},

		{"request", "ada@a.test", "dev-request@lists.test", 0, "250"},
		{"join", "ada@a.test", "dev-join@lists.test", 0, "250"},
		{"subscribe", "ada@a.test", "dev-subscribe@lists.test", 0, "250"},
		{"leave", "ada@a.test", "dev-leave@lists.test", 0, "250"},
		{"unsubscribe with a plus", "ada@a.test", "dev+unsubscribe@lists.test", 0, "250"},
		{"leave with a token, whichever", "ada@a.test", "dev-leave+abcdefghijk@lists.test", 0, "250"},
		{"help", "ada@a.test", "dev-help@lists.test", 0, "250"},
		{"info", "ada@a.test", "dev-info@lists.test", 0, "250"},
		{"owner", "ada@a.test", "dev-owner@lists.test", 0, "250"},
		{"bounces", "", "dev-bounces@lists.test", 0, "250"},
		{"bounces with a token, whichever", "", "dev-bounces+abcdefghijklm@lists.test", 0, "250"},
		{"confirm with a token, whichever", "ada@a.test", "dev-confirm+abcdefghijk@lists.test", 0, "250"},
		{"moderate with a token, whichever", "ada@a.test", "dev-moderate+abcdefghijk@lists.test", 0, "250"},
		{"confirm without a token", "ada@a.test", "dev-confirm@lists.test", 0, "550 5.1.1 "},
		{"a list is no announcement address", "ada@a.test", "dev-announce@lists.test", 0, "250"},
		{"announcing is not built", "ada@a.test", "new-announce@lists.test", 0, "550 5.1.1 "},
		{"a plus that means nothing", "ada@a.test", "dev+x@lists.test", 0, "550 5.1.1 "},

		{"postmaster of a list's domain", "ada@a.test", "postmaster@lists.test", 0, "250"},
		{"Postmaster of our own", "ada@a.test", "Postmaster@mx.test", 0, "250"},
		{"abuse", "ada@a.test", "abuse@lists.test", 0, "250"},
		{"postmaster of somebody else", "ada@a.test", "postmaster@else.test", 0, "550 5.7.1 "},
		{"a person of our own domain", "ada@a.test", "ada@mx.test", 0, "550 5.1.1 "},

		{"a closed list", "ada@a.test", "shut@lists.test", 0, "550 5.2.1 "},
		{"a closed list's owners", "ada@a.test", "shut-owner@lists.test", 0, "250"},
		{"a banned address", "Bad@a.test", "dev@lists.test", 0, "550 5.7.2 "},
		{"a banned domain", "x@spam.test", "dev@lists.test", 0, "550 5.7.2 "},
		{"who is banned may write to the owners", "x@spam.test", "dev-owner@lists.test", 0, "250"},
		{"as large as the list takes", "ada@a.test", "dev@lists.test", 10 << 10, "250"},
		{"larger than the list takes", "ada@a.test", "dev@lists.test", 10<<10 + 1, "552 5.3.4 "},
		{"larger than the site takes", "ada@a.test", "new@lists.test", 1<<20 + 1, "552 5.3.4 "},
		{"larger than the site takes, to the owners", "ada@a.test", "dev-owner@lists.test", 1<<20 + 1, "552 5.3.4 "},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := envelope(c.from, c.to)
			env.Size = c.size
			if got := code(t, h.door.Check(t.Context(), env, env.To[0])); !strings.HasPrefix(got, c.want) {
				t.Errorf("RCPT TO:<%s> from <%s>: %s, want %s", c.to, c.from, got, c.want)
			}
		})
	}
}

// TestCheckNobody: without an owner of the site nobody reads postmaster.
func TestCheckNobody(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.door.Owner = mail.Address{}
	h.list("dev@lists.test")
	env := envelope("ada@a.test", "postmaster@lists.test")
	if got := code(t, h.door.Check(t.Context(), env, env.To[0])); !strings.HasPrefix(got, "550 5.1.1 ") {
		t.Errorf("Check: %s", got)
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test")
	h.join("dev@lists.test", "ada@a.test")
	full := errors.New("only 3 MiB are free")
	h.door.Room = func() error { return full }
	env, message := envelope("ada@a.test", "dev@lists.test"), post("ada@a.test", "dev@lists.test", "Fence")
	if got := code(t, h.door.Check(t.Context(), env, env.To[0])); !strings.HasPrefix(got, "452 4.3.1 ") || strings.Contains(got, "MiB") {
		t.Errorf("Check: %s", got)
	}
	_, err := h.door.Accept(t.Context(), env, strings.NewReader(message))
	if got := code(t, err); !strings.HasPrefix(got, "452 4.3.1 ") {
		t.Errorf("Accept: %s", got)
	}
	if !strings.Contains(h.log.String(), full.Error()) {
		t.Errorf("the log does not say why:\n%s", h.log)
	}
	h.wants("")
	full = nil
	h.says(h.accept(env, message)[0], "250 2.0.0 queued as ")
	h.wants("ada@a.test: Fence\n")
}

// TestTurned: what is refused in the dialog is counted for the reports, and what cannot be written is not forgotten.
func TestTurned(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	l := h.list("dev@lists.test", "max_message_size=10KiB", "bans=bad@a.test")
	h.list("ops@lists.test")
	env, large := envelope("bad@a.test", "dev@lists.test"), envelope("ada@a.test", "dev@lists.test")
	large.Size = 1 << 20
	for _, e := range []mail.Envelope{env, large, envelope("ada@a.test", "nothing@lists.test"), envelope("ada@a.test", "ops@lists.test")} {
		_ = h.door.Check(t.Context(), e, e.To[0]) // what it says is not this test's
	}
	both := envelope("bad@a.test", "dev@lists.test", "ops@lists.test")
	both.Peer.Protocol = "LMTP"
	h.accept(both, post("bad@a.test", "dev@lists.test, ops@lists.test", "Fence"))
	counted := func() (n int64) {
		h.view(func(tx *store.Tx) error {
			all, err := tx.Tallies(l.ID, h.clock.Now(), h.clock.Now())
			for _, one := range all {
				if one.Kind == store.TallyRefused {
					n += one.N
				}
			}
			return err
		})
		return n
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.door.CountTurned(gone); err == nil || counted() != 0 {
		t.Errorf("with a database that does not answer: %v", err)
	}
	for range 2 {
		if err := h.door.CountTurned(t.Context()); err != nil || counted() != 3 {
			t.Errorf("%d were counted: %v", counted(), err)
		}
	}
}

// TestDatabaseGone: what cannot be asked is temporary, and says nothing of our own to the peer.
func TestDatabaseGone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test")
	if err := h.db.Close(); err != nil {
		t.Fatal(err)
	}
	env := envelope("ada@a.test", "dev@lists.test")
	var r *mail.Reply
	if err := h.door.Check(t.Context(), env, env.To[0]); err == nil || errors.As(err, &r) {
		t.Errorf("Check: %v", err)
	}
	if _, err := h.door.Accept(t.Context(), env, strings.NewReader(post("ada@a.test", "dev@lists.test", "Fence"))); err == nil || errors.As(err, &r) {
		t.Errorf("Accept: %v", err)
	}
}
