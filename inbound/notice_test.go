package inbound

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/task"
)

// secret stands in every body of these tests, and in no notice.
const secret = "buy my pills at http://pills.test"

// heldMessage is one that any of these lists holds, with a fixed ID.
func heldMessage(author string, fields ...string) string {
	return strings.Join(fields, "") + "From: " + author + "\r\nTo: dev@lists.test\r\nSubject: =?utf-8?q?Z=C3=A4une?=\r\n" +
		fmt.Sprintf("Message-ID: <n%d@a.test>\r\n\r\n", numbers.Add(1)) + secret + "\r\n"
}

// TestNotices compares each notice in full, as it lies in the queue.
func TestNotices(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		settings string
		from     string
		subject  string
		settle   lists.Action
		wait     time.Duration // and then expire
	}{
		{"held", "member_action=hold notify_moderators=no", "ada@a.test", "Zäune", lists.Defer, 0},
		{"held_stranger", "notify_moderators=no", "eve@e.test", "Zäune", lists.Defer, 0},
		{"held_moderator", "notify_held=no", "eve@e.test", "Zäune", lists.Defer, 0},
		{"ack", "", "ada@a.test", "Zäune", lists.Defer, 0},
		{"administrivia", "", "tim@c.test", "unsubscribe", lists.Defer, 0},
		{"rejected", "member_action=hold notify_held=no notify_moderators=no", "tim@c.test", "Zäune", lists.Reject, 0},
		{"discarded", "member_action=hold notify_moderators=no", "tim@c.test", "Zäune", lists.Defer, 15 * 24 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.list("dev@lists.test", strings.Fields(c.settings)...)
			h.join("dev@lists.test", "ada@a.test", "tim@c.test")
			h.member("dev@lists.test", "ada@a.test", "ack=yes")
			h.accept(envelope(c.from, "dev@lists.test"), "From: "+c.from+"\r\nTo: dev@lists.test\r\nSubject: "+mail.EncodeText(c.subject)+
				"\r\nMessage-ID: <one@a.test>\r\n\r\n"+secret+"\r\n")
			if c.settle != lists.Defer {
				if _, err := h.door.Settle(t.Context(), h.held()[0].ID, c.settle, "It is off topic."); err != nil {
					t.Fatal(err)
				}
			}
			if c.wait > 0 {
				h.sent()
				h.clock.add(c.wait)
				h.expire()
			}
			n := 0
			for _, m := range h.sent() {
				if m.get("X-Listd-Notice") == "" {
					continue
				}
				n++
				if m.get("X-Listd-Notice") != c.name || m.from != "" {
					t.Errorf("the notice %s has the return path <%s>", m.get("X-Listd-Notice"), m.from)
				}
				if strings.Contains(m.body, "pills") && c.name != "held_moderator" { // moderators have it attached
					t.Error("what a stranger wrote goes out in our name")
				}
				golden(t, "notices/"+c.name+".eml", "Delivered-To: "+m.to+"\r\n"+m.head+"\r\n"+m.body)
			}
			if n != 1 {
				t.Errorf("%d notices have left", n)
			}
		})
	}
}

// expire runs the step until it is done.
func (h *house) expire() {
	h.Helper()
	for range 1000 {
		commit, err := h.door.Expire(h.Context(), task.Task{})
		if err != nil {
			h.Fatal(err)
		}
		var next task.Next
		if err := h.db.Update(h.Context(), func(tx *store.Tx) (err error) {
			next, err = commit(h.Context(), tx)
			return err
		}); err != nil {
			h.Fatal(err)
		}
		if next.Done {
			return
		}
	}
	h.Fatal("Expire does not end")
}

// TestNobodyToTell: no notice goes to a machine, to where a forged field points, or to the list itself.
func TestNobodyToTell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		from, author   string
		fields         string
		to             string // whom the notice goes to; empty: nobody
		becomesOutcome string
	}{
		{"a stranger", "eve@e.test", "Eve <eve@e.test>", "", "eve@e.test", "held"},
		{"the author, where the envelope is of the same domain", "prvs=abc=eve@e.test", "eve@e.test", "", "eve@e.test", "held"},
		{"the envelope, where From may be forged", "eve@e.test", "victim@v.test", "", "eve@e.test", "held"},
		{"no Reply-To is believed", "eve@e.test", "eve@e.test", "Reply-To: victim@v.test\r\n", "eve@e.test", "held"},
		{"a script's message", "eve@e.test", "eve@e.test", "Auto-Submitted: auto-generated\r\n", "", "held"},
		{"bulk", "eve@e.test", "eve@e.test", "Precedence: bulk\r\n", "", "held"},
		{"another list's post", "eve@e.test", "eve@e.test", "List-Id: <x.e.test>\r\n", "", "held"},
		{"a daemon", "mailer-daemon@e.test", "mailer-daemon@e.test", "", "", "held"},
		{"a no-reply address", "no-reply@e.test", "no-reply@e.test", "", "", "held"},
		{"another list's return path", "x-bounces+abc@e.test", "eve@e.test", "", "", "held"},
		{"the list itself", "dev@lists.test", "dev@lists.test", "", "", "held"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.list("dev@lists.test", "notify_moderators=no")
			message := heldMessage(c.author, c.fields)
			h.accept(envelope(c.from, "dev@lists.test"), message)
			want := ""
			if c.to != "" {
				want = c.to + ": Your message to dev waits for a moderator\n"
			}
			h.wants(want)
			h.became(message, c.becomesOutcome)
			if len(h.held()) != 1 {
				t.Error("it is not held")
			}
		})
	}
}

// TestOnceADay: whatever is sent in a stranger's name, they hear of each kind of thing at most once a day and list.
func TestOnceADay(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		for _, name := range []string{"dev", "ops"} {
			h.list(name+"@lists.test", "notify_moderators=no", "require_explicit_destination=no")
		}
		send := func(list string) {
			t.Helper()
			h.says(h.accept(envelope("eve@e.test", list+"@lists.test"), heldMessage("Eve <EVE@e.test>"))[0], "250")
		}
		heard := "EVE@e.test: Your message to %s waits for a moderator\n"
		send("dev")
		h.wants(fmt.Sprintf(heard, "dev"))
		send("dev")
		h.clock.add(23 * time.Hour)
		send("dev")
		h.wants("")
		send("ops")
		h.wants(fmt.Sprintf(heard, "ops"))
		h.clock.add(2 * time.Hour)
		send("dev")
		h.wants(fmt.Sprintf(heard, "dev"))
		if n := len(h.held()); n != 5 {
			t.Errorf("%d are held", n)
		}
	})
}

// TestForgedMember: who sends in a member's name cannot have us write to somebody else without end.
func TestForgedMember(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test", "emergency=yes", "notify_moderators=no")
	h.join("dev@lists.test", "ada@a.test")
	for range 3 {
		h.accept(envelope("victim@v.test", "dev@lists.test"), heldMessage("ada@a.test"))
	}
	h.wants("victim@v.test: Your message to dev waits for a moderator\n")
	for range 2 {
		h.accept(envelope("ada@a.test", "dev@lists.test"), heldMessage("ada@a.test"))
	}
	h.wants("ada@a.test: Your message to dev waits for a moderator\nada@a.test: Your message to dev waits for a moderator\n")
}

// TestModerators: each who governs hears of a held post, whoever sent it.
func TestModerators(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test", "notify_held=no")
	h.join("dev@lists.test", "ada@a.test", "tim@c.test")
	h.member("dev@lists.test", "ada@a.test", "role=moderator")
	h.accept(envelope("no-reply@e.test", "dev@lists.test"), heldMessage("no-reply@e.test"))
	all := h.wants("ada@a.test: dev: a message from no-reply@e.test waits for you\nown@own.test: dev: a message from no-reply@e.test waits for you\n")
	if all[0].get("Message-ID") == all[1].get("Message-ID") {
		t.Error("both have the same Message-ID")
	}
}

// TestLanguage: a member's own language is asked for, and what is not spoken falls back.
func TestLanguage(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test", "language=pt-BR", "member_action=hold")
	h.join("dev@lists.test", "ada@a.test")
	h.member("dev@lists.test", "ada@a.test", "language=xx")
	h.accept(envelope("ada@a.test", "dev@lists.test"), heldMessage("ada@a.test"))
	h.wants("own@own.test: dev: a message from ada@a.test waits for you\nada@a.test: Your message to dev waits for a moderator\n")
}
