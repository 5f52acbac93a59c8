package inbound

import (
	"errors"
	"strings"
	"testing"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/task"
)

// hold has a message held and returns its number.
func (h *house) hold(list, message string) store.HeldID {
	h.Helper()
	h.says(h.accept(envelope("eve@e.test", list), message)[0], "250")
	all := h.held()
	return all[len(all)-1].ID
}

func TestSettle(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "notify_held=no", "notify_moderators=no", "subject_prefix=[dev %d]")
		h.join("dev@lists.test", "ada@a.test")
		for _, c := range []struct {
			name   string
			act    lists.Action
			reason string
			leaves string
			body   string
			became string
		}{
			{"accept", lists.Accept, "", "ada@a.test: [dev 1] Fence\n", "garden fence", "posted"},
			{"reject with a reason", lists.Reject, "We do not sell fences.", "eve@e.test: Your message to dev was not accepted\n", "We do not sell fences.", "rejected"},
			{"reject without a reason", lists.Reject, "", "eve@e.test: Your message to dev was not accepted\n", "not a member", "rejected"},
			{"discard", lists.Discard, "", "", "", "discarded"},
			{"accept once more", lists.Accept, "", "ada@a.test: [dev 2] Fence\n", "garden fence", "posted"},
		} {
			t.Run(c.name, func(t *testing.T) {
				h := h.in(t)
				message := post("eve@e.test", "dev@lists.test", "Fence")
				id := h.hold("dev@lists.test", message)
				h.wants("")
				got, err := h.door.Settle(t.Context(), id, c.act, c.reason)
				if err != nil || got.ID != id || got.Sender != "eve@e.test" || got.Subject != "Fence" {
					t.Fatalf("Settle: %+v, %v", got, err)
				}
				if all := h.wants(c.leaves); len(all) == 1 && !strings.Contains(all[0].body, c.body) {
					t.Errorf("it says\n%s", all[0].body)
				}
				h.became(message, c.became)
				for _, act := range []lists.Action{lists.Accept, lists.Reject, lists.Discard} {
					if _, err := h.door.Settle(t.Context(), id, act, ""); !errors.Is(err, ErrSettled) {
						t.Errorf("once more: %v", err)
					}
				}
				h.wants("")
			})
		}
		if _, err := h.door.Settle(t.Context(), 4711, lists.Accept, ""); !errors.Is(err, ErrSettled) {
			t.Errorf("what never was: %v", err)
		}
	})
}

// TestSettleWhy: a rejection without words of the moderator's gives the reasons for which the post was held.
func TestSettleWhy(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test", "notify_held=no", "notify_moderators=no")
	id := h.hold("dev@lists.test", post("eve@e.test", "ops@lists.test", "Fence"))
	if _, err := h.door.Settle(t.Context(), id, lists.Reject, ""); err != nil {
		t.Fatal(err)
	}
	body := h.wants("eve@e.test: Your message to dev was not accepted\n")[0].body
	for _, why := range []string{"- The message does not name dev@lists.test in To or Cc.", "- The sender is not a member of the list."} {
		if !strings.Contains(body, why) {
			t.Errorf("it does not say %q:\n%s", why, body)
		}
	}
}

// TestSettleMachine: what a machine sent is rejected in silence.
func TestSettleMachine(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test", "notify_moderators=no")
	id := h.hold("dev@lists.test", post("eve@e.test", "dev@lists.test", "Fence", "Auto-Submitted: auto-generated\r\n"))
	if _, err := h.door.Settle(t.Context(), id, lists.Reject, "No."); err != nil {
		t.Fatal(err)
	}
	h.wants("")
}

// TestTwoModerators: of several who decide at once one does, and the post goes out once.
func TestTwoModerators(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "notify_held=no", "notify_moderators=no")
		h.join("dev@lists.test", "ada@a.test")
		for range 3 {
			id := h.hold("dev@lists.test", post("eve@e.test", "dev@lists.test", "Fence"))
			won := h.atOnce(6, func(i int) (string, error) {
				_, err := h.door.Settle(t.Context(), id, []lists.Action{lists.Accept, lists.Discard}[i%2], "")
				if errors.Is(err, ErrSettled) {
					return "", nil
				}
				return "won by " + []string{"accept", "discard"}[i%2], err
			})
			copies := len(h.sent())
			switch s := strings.Join(won, ""); s {
			case "won by accept":
				if copies != 1 {
					t.Errorf("accepted, and %d copies leave", copies)
				}
			case "won by discard":
				if copies != 0 {
					t.Errorf("discarded, and %d copies leave", copies)
				}
			default:
				t.Errorf("of six moderators: %q", s)
			}
		}
		if n := len(h.held()); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

// TestSettleGone: a list that is deleted takes with it what it holds.
func TestSettleGone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test")
	id := h.hold("dev@lists.test", post("eve@e.test", "dev@lists.test", "Fence"))
	if err := h.books.Delete(t.Context(), addr("dev@lists.test")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.door.Settle(t.Context(), id, lists.Accept, ""); !errors.Is(err, ErrSettled) {
		t.Errorf("Settle: %v", err)
	}
}

// TestSettleLater: a post that is let through is sent as it came, with the settings of now.
func TestSettleLater(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test", "notify_held=no", "notify_moderators=no")
	h.join("dev@lists.test", "ada@a.test")
	message := post("eve@e.test", "dev@lists.test", "Fence")
	id := h.hold("dev@lists.test", message)
	h.set("dev@lists.test", "subject_prefix=[new]", "footer=Bye")
	h.join("dev@lists.test", "tim@c.test")
	h.clock.add(time.Hour)
	if _, err := h.door.Settle(t.Context(), id, lists.Accept, ""); err != nil {
		t.Fatal(err)
	}
	all := h.wants("ada@a.test: [new] Fence\ntim@c.test: [new] Fence\n")
	if !strings.Contains(all[0].body, "garden fence.\r\n") || !strings.Contains(all[0].body, "Bye") {
		t.Errorf("the body is\n%s", all[0].body)
	}
	if all[0].get("Date") != "Mon, 03 Feb 2031 04:00:00 +0000" {
		t.Errorf("Date: %s", all[0].get("Date"))
	}
}

func TestExpire(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "notify_moderators=no", "hold_expires=2d")
		h.list("slow@lists.test", "notify_moderators=no", "notify_held=no", "hold_expires=0")
		message := post("eve@e.test", "dev@lists.test", "Fence")
		h.hold("dev@lists.test", message)
		kept := h.hold("slow@lists.test", post("eve@e.test", "slow@lists.test", "Fence"))
		h.sent()
		h.clock.add(48*time.Hour - time.Millisecond)
		h.expire()
		if n := len(h.held()); n != 2 {
			t.Fatalf("%d wait, a moment before the time", n)
		}
		h.clock.add(time.Millisecond)
		h.expire()
		h.wants("eve@e.test: Your message to dev was dropped\n")
		h.became(message, "expired")
		if all := h.held(); len(all) != 1 || all[0].ID != kept {
			t.Errorf("there waits %+v", all)
		}
		h.expire()
		h.wants("")
		db := h.raw()
		if n := query(t, db, `SELECT COUNT(*) FROM noticed`); n == 0 {
			t.Error("who was told today is forgotten today")
		}
		h.clock.add(intakeKept)
		h.expire()
		if n := query(t, db, `SELECT COUNT(*) FROM noticed`) + query(t, db, `SELECT COUNT(*) FROM intake`); n != 0 {
			t.Errorf("%d rows are remembered for no use", n)
		}
	})
}

// TestExpireMany takes more than one step.
func TestExpireMany(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test", "notify_moderators=no", "notify_held=no", "hold_expires=1d")
	h.hold("dev@lists.test", post("eve@e.test", "dev@lists.test", "Fence"))
	one := h.held()[0]
	if err := h.db.Update(t.Context(), func(tx *store.Tx) error {
		for range expireChunk + 5 {
			if _, err := tx.AddHeld(one); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	h.clock.add(25 * time.Hour)
	h.expire()
	if n := len(h.held()); n != 0 {
		t.Errorf("%d still wait", n)
	}
	h.wants("")
}

// TestExpireRace: what a moderator lets through while Expire looks at it is not dropped.
func TestExpireRace(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "notify_held=no", "notify_moderators=no", "hold_expires=1d")
		h.join("dev@lists.test", "ada@a.test")
		message := post("eve@e.test", "dev@lists.test", "Fence")
		id := h.hold("dev@lists.test", message)
		h.clock.add(25 * time.Hour)
		commit, err := h.door.Expire(t.Context(), task.Task{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.door.Settle(t.Context(), id, lists.Accept, ""); err != nil {
			t.Fatal(err)
		}
		if err := h.db.Update(t.Context(), func(tx *store.Tx) error {
			_, err := commit(t.Context(), tx)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		h.wants("ada@a.test: Fence\n")
		h.became(message, "posted")
	})
}

func TestPlan(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	at := time.Date(2031, 2, 3, 4, 59, 59, 0, time.FixedZone("", 3600))
	keys, err := h.door.Plan(t.Context(), nil, at)
	if err != nil || len(keys) != 1 || keys[0].Name != "2031-02-03T03" || keys[0].Kind != ExpireKind || keys[0].At.After(at) {
		t.Errorf("Plan: %+v, %v", keys, err)
	}
}

// TestUnreadable: what cannot be parsed waits for the owner, whatever the list lets through otherwise.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	const to = "To: open@lists.test\r\n"
	mixed := func(boundary string) string {
		return "From: ada@a.test\r\n" + to + "Content-Type: multipart/mixed" + boundary + "\r\n\r\n"
	}
	var nested strings.Builder
	for range 60 {
		nested.WriteString("Content-Type: message/rfc822\r\n\r\n")
	}
	for _, c := range []struct {
		name, message string
		held          bool
		reason        string
	}{
		{"nothing at all", "", true, "no From"},
		{"an empty line", "\r\n", true, "no From"},
		{"no head", "\r\nHello.\r\n", true, "no From"},
		{"a body where the head should be", "Hello there\r\n\r\nI am no field.\r\n", true, "no From"},
		{"a head and nothing else", "From: ada@a.test\r\n" + to, false, ""},
		{"no From", to + "Subject: x\r\n\r\nHello.\r\n", true, "no From"},
		{"a From without an address", "From: Ada\r\n" + to + "\r\nHello.\r\n", true, "no From"},
		{"an empty From", "From:\r\n" + to + "\r\nHello.\r\n", true, "no From"},
		{"a broken From with an address in it", "From: Ada (hello ada@a.test\r\n" + to + "\r\nHello.\r\n", false, ""},
		{"a junk line in the head", "From: ada@a.test\r\nthis is no field\r\n" + to + "\r\nHello.\r\n", false, ""},
		{"several parts, without a boundary", mixed("") + "--x\r\n\r\nHello.\r\n--x--\r\n", true, "none can be found"},
		{"several parts, another boundary", mixed("; boundary=y") + "--x\r\n\r\nHello.\r\n--x--\r\n", true, "none can be found"},
		{"several parts, cut off", mixed("; boundary=x") + "--x\r\n\r\nHello.\r\n", false, ""},
		{"ten thousand parts", mixed("; boundary=x") + strings.Repeat("--x\r\n\r\n.\r\n", 10000), true, "too many parts"},
		{"sixty messages in each other", "From: ada@a.test\r\n" + to + nested.String() + "Hello.\r\n", true, "too many"},
		{"an unknown charset", "From: ada@a.test\r\n" + to + "Content-Type: text/plain; charset=klingon\r\n\r\n\xf1\xf2\r\n", false, ""},
		{"an unknown encoding", "From: ada@a.test\r\n" + to + "Content-Transfer-Encoding: x-fold\r\n\r\nHello.\r\n", false, ""},
		{"a broken type", "From: ada@a.test\r\n" + to + "Content-Type: ;;;\"\r\n\r\nHello.\r\n", false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.list("open@lists.test", "posting=anyone", "require_explicit_destination=no", "footer=Bye {list}", "subject_prefix=[x]")
			h.join("open@lists.test", "ada@a.test")
			env := envelope("ada@a.test", "open@lists.test")
			h.says(h.accept(env, c.message)[0], "250 2.0.0 queued as ")
			copies := 0
			for _, m := range h.sent() {
				if m.seq > 0 {
					copies++
				}
			}
			all := h.held()
			if (copies == 0) != c.held || (len(all) == 1) != c.held {
				t.Fatalf("%d copies leave, and there waits %+v", copies, all)
			}
			if !c.held {
				return
			}
			if all[0].Rule != "unreadable" || !strings.Contains(strings.Join(all[0].Reasons, " "), c.reason) {
				t.Errorf("it waits because of %s: %q", all[0].Rule, all[0].Reasons)
			}
			h.whole(all[0], c.message)
			if _, err := h.door.Settle(t.Context(), all[0].ID, lists.Accept, ""); err != nil { // an owner may let it through
				t.Error(err)
			}
		})
	}
}

// whole wants that a held message is there with all it had.
func (h *house) whole(held store.Held, message string) {
	h.Helper()
	h.view(func(tx *store.Tx) error {
		m, err := tx.Message(held.Message)
		kept := string(m.Head) + "\r\n" + string(m.Body)
		for line := range strings.Lines(message) {
			if !strings.Contains(kept, line) {
				h.Errorf("the line %q is lost", line)
				break
			}
		}
		return err
	})
}

// TestRefused: what no mail may have is refused in the dialog, with what to do about it.
func TestRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test")
	db := h.raw()
	before := h.rows(db)
	for name, message := range map[string]string{
		"bare LF":          "From: ada@a.test\n\nHello.\n",
		"bare CR":          "From: ada@a.test\r\n\r\nHel\rlo.\r\n",
		"NUL":              "From: ada@a.test\r\n\r\nHel\x00lo.\r\n",
		"a line of 1 MB":   "X-Long: " + strings.Repeat("x", 1<<20-100) + "\r\n\r\n",
		"a head of 300 KB": strings.Repeat("X-Long: "+strings.Repeat("x", 900)+"\r\n", 330) + "\r\n",
		"3,000 fields":     strings.Repeat("X: y\r\n", 3000) + "\r\n",
		"more than a MiB":  "From: ada@a.test\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 15000),
	} {
		_, err := h.door.Accept(t.Context(), envelope("ada@a.test", "dev@lists.test"), strings.NewReader(message))
		var r *mail.Reply
		if !errors.As(err, &r) || !r.Permanent() {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := h.rows(db); after != before {
		t.Errorf("rows were\n%s\nand are\n%s", before, after)
	}
}
