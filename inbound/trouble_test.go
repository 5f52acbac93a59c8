package inbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// TestTrouble has each table in turn refuse a row: the sender hears of temporary trouble, nothing is recorded, and the
// same message is taken when the trouble is over.
func TestTrouble(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test")
	h.list("mod@lists.test", "emergency=yes", "require_explicit_destination=no")
	h.join("dev@lists.test", "ada@a.test")
	db := h.raw()
	for _, table := range []string{"bodies", "messages", "posts", "intake", "held", "noticed", "outgoing", "deliveries"} {
		// An accepted post, a held one, and a notice to a stranger: every table has a part in it.
		env := envelope("ada@a.test", "dev@lists.test", "mod@lists.test", "dev-owner@lists.test")
		message := post("ada@a.test", "dev@lists.test", "Fence") + table + "\r\n"
		before := h.rows(db)
		seq := h.at("dev@lists.test").LastSeq
		exec(t, h, `CREATE TRIGGER trouble BEFORE INSERT ON `+table+` BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END`)
		_, err := h.door.Accept(t.Context(), env, strings.NewReader(message))
		var r *mail.Reply
		if err == nil || errors.As(err, &r) {
			t.Errorf("%s: Accept returns %v", table, err)
		}
		if after := h.rows(db); after != before {
			t.Errorf("%s: rows were\n%s\nand are\n%s", table, before, after)
		}
		if now := h.at("dev@lists.test").LastSeq; now != seq {
			t.Errorf("%s: the number %d is taken by nothing", table, now)
		}
		exec(t, h, `DROP TRIGGER trouble`)
		for _, reply := range h.accept(env, message) {
			h.says(reply, "250 2.0.0 queued as ")
		}
		if copies := len(h.sent()); copies < 3 {
			t.Errorf("%s: %d messages leave", table, copies)
		}
		h.clock.add(strangersHear)
	}
}

func exec(t *testing.T, h *house, statement string) {
	t.Helper()
	if _, err := h.raw().ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// TestBrokenOff: a message that does not come to its end leaves nothing.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test")
	h.join("dev@lists.test", "ada@a.test")
	db := h.raw()
	before := h.rows(db)
	message := post("ada@a.test", "dev@lists.test", "Fence")
	broken := errors.New("connection reset")
	for _, n := range []int{0, 10, len(message) - 1, len(message)} {
		in := io.MultiReader(strings.NewReader(message[:n]), iotest.ErrReader(broken))
		if _, err := h.door.Accept(t.Context(), envelope("ada@a.test", "dev@lists.test"), in); !errors.Is(err, broken) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
	if after := h.rows(db); after != before {
		t.Errorf("rows were\n%s\nand are\n%s", before, after)
	}
}

// TestCancelled: a peer who is gone before we record hears nothing, so nothing must have been recorded in vain; and a
// 250 is never lost to the end of a context.
func TestCancelled(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test")
		h.join("dev@lists.test", "ada@a.test")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		message := post("ada@a.test", "dev@lists.test", "Fence")
		if _, err := h.door.Accept(ctx, envelope("ada@a.test", "dev@lists.test"), strings.NewReader(message)); !errors.Is(err, context.Canceled) {
			t.Errorf("Accept: %v", err)
		}
		h.wants("")
		h.says(h.accept(envelope("ada@a.test", "dev@lists.test"), message)[0], "250 2.0.0 queued as ")
		h.wants("ada@a.test: Fence\n")
	})
}

// TestStrangeBytes: what is no UTF-8, or longer than any index takes, is kept on both engines.
func TestStrangeBytes(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "notify_moderators=yes")
		h.join("dev@lists.test", "ada@a.test")
		long := strings.Repeat("x1y2", 4000)
		for i, fields := range []string{
			"Subject: caf\xe9 \xff\xfe\r\nMessage-ID: <\xe9\xff@a.test>\r\n",
			"Subject: =?utf-8?b?AAEC?= =?klingon?q?=FF?=\r\nMessage-ID: <a b c>\r\n",
			"Subject: " + strings.Repeat("=?utf-8?q?=C3=A9?= ", 500) + "\r\nMessage-ID: <" + long + "@a.test>\r\n",
			"Subject: \x1b[31mred\x07\r\nMessage-ID: no brackets\r\n",
			"Subject: \xed\xa0\x80 half a pair\r\nMessage-ID: <>\r\n",
			"Message-ID: <" + strings.Repeat("\xc3\xa9", 249) + "@a>\r\n",
		} {
			for _, from := range []string{"ada@a.test", "\xe9\xff\x01 " + long[:900] + " <eve@e.test>", "=?utf-8?q?=00=01=FF?= <eve@e.test>"} {
				message := "From: " + from + "\r\nTo: dev@lists.test\r\n" + fields + fmt.Sprintf("\r\nHello %d from %q.\r\n", i, from)
				for _, envFrom := range []string{"ada@a.test", "eve@e.test"} {
					h.accept(envelope(envFrom, "dev@lists.test"), message)
				}
			}
		}
		for _, held := range h.held() {
			if _, err := h.door.Settle(t.Context(), held.ID, lists.Accept, ""); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestGoneMeanwhile: a list that is deleted between the verdict and its record takes nothing with it.
func TestGoneMeanwhile(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		for _, settings := range []string{"posting=members", "emergency=yes", "member_action=discard"} {
			h.list("dev@lists.test", settings)
			h.join("dev@lists.test", "ada@a.test")
			a := h.arrival(envelope("ada@a.test", "dev@lists.test"), post("ada@a.test", "dev@lists.test", "Fence"))
			jobs, err := h.door.gather(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			h.door.decide(a, jobs)
			if err := h.books.Delete(t.Context(), addr("dev@lists.test")); err != nil {
				t.Fatal(err)
			}
			if err := h.door.record(t.Context(), a, jobs); err == nil {
				t.Errorf("%s: a list that is not there has taken a message", settings)
			}
			h.view(func(tx *store.Tx) error {
				held, err := tx.HeldOf(0, 10)
				if len(held) > 0 {
					t.Errorf("%s: held is %+v", settings, held)
				}
				return err
			})
		}
	})
}
