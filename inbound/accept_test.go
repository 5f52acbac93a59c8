package inbound

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// TestVerdicts sends one message to a list of two members for each kind of outcome.
func TestVerdicts(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		for i, c := range []struct {
			name     string
			settings string
			from     string // envelope and author
			fields   string // of the message, before the rest
			subject  string
			reply    string
			leaves   string // %[1]s is the list's name
			held     string // the rule
			outcome  string // in the intake; empty: nothing is recorded
		}{
			{"a member posts", "", "ada@a.test", "", "Fence", "250 2.0.0 queued as ",
				"ada@a.test: Fence\ntim@c.test: Fence\n", "", "posted"},
			{"a member by another spelling", "", "ADA@a.test", "", "Fence", "250 2.0.0 queued as ",
				"ada@a.test: Fence\ntim@c.test: Fence\n", "", "posted"},
			{"a stranger posts", "", "eve@e.test", "", "Fence", "250 2.0.0 queued as ",
				"own@own.test: %[1]s: a message from eve@e.test waits for you\neve@e.test: Your message to %[1]s waits for a moderator\n", "nonmember", "held"},
			{"a stranger where anyone posts", "posting=anyone", "eve@e.test", "", "Fence", "250 2.0.0 queued as ",
				"ada@a.test: Fence\ntim@c.test: Fence\n", "", "posted"},
			{"a stranger is refused", "nonmember_action=reject", "eve@e.test", "", "Fence", "550 5.7.2 ", "", "", ""},
			{"a stranger is dropped", "nonmember_action=discard", "eve@e.test", "", "Fence", "250 2.0.0 queued as ", "", "", "discarded"},
			{"an owner who is no member", "", "own@own.test", "", "Fence", "250 2.0.0 queued as ",
				"ada@a.test: Fence\ntim@c.test: Fence\n", "", "posted"},
			{"an announcement list", "kind=announcement", "ada@a.test", "", "Fence", "550 5.7.2 ", "", "", ""},
			{"an owner announces", "kind=announcement", "own@own.test", "", "Fence", "250 2.0.0 queued as ",
				"ada@a.test: Fence\ntim@c.test: Fence\n", "", "posted"},
			{"every member's posts are held", "member_action=hold", "ada@a.test", "", "Fence", "250 2.0.0 queued as ",
				"own@own.test: %[1]s: a message from ada@a.test waits for you\nada@a.test: Your message to %[1]s waits for a moderator\n", "member", "held"},
			{"nobody is told", "member_action=hold notify_held=no notify_moderators=no", "ada@a.test", "", "Fence", "250 2.0.0 queued as ",
				"", "member", "held"},
			{"an emergency", "emergency=yes", "own@own.test", "", "Fence", "250 2.0.0 queued as ",
				"own@own.test: %[1]s: a message from own@own.test waits for you\nown@own.test: Your message to %[1]s waits for a moderator\n", "emergency", "held"},
			{"closed since RCPT", "closed=yes", "ada@a.test", "", "Fence", "550 5.2.1 ", "", "", ""},
			{"banned", "bans=ada@a.test", "ada@a.test", "", "Fence", "550 5.7.2 ", "", "", ""},
			{"a command", "", "ada@a.test", "", "unsubscribe me please", "250 2.0.0 queued as ",
				"ada@a.test: Your message to %[1]s looks like a command\n", "", "answered"},
			{"an automatic reply", "", "ada@a.test", "Auto-Submitted: auto-replied\r\n", "Re: Fence", "250 2.0.0 queued as ", "", "", "discarded"},
			{"a bounce", "", "", "", "Undelivered", "550 5.7.1 ", "", "", ""},
			{"a post that has been here", "", "ada@a.test", "List-Id: <LIST.lists.test>\r\n", "Fence", "554 5.4.6 ", "", "", ""},
			{"a hundred servers", "", "ada@a.test", strings.Repeat("Received: by x\r\n", 100), "Fence", "554 5.4.6 ", "", "", ""},
			{"too large", "max_message_size=1KiB", "ada@a.test", "X-Large: " + strings.Repeat("x", 1000) + "\r\n", "Fence", "552 5.3.4 ", "", "", ""},
		} {
			name := fmt.Sprintf("l%d", i)
			t.Run(c.name, func(t *testing.T) {
				h := h.in(t)
				l := h.list(name+"@lists.test", strings.Fields(c.settings)...)
				h.join(name+"@lists.test", "ada@a.test", "tim@c.test")
				author := c.from
				if author == "" {
					author = "MAILER-DAEMON@a.test"
				}
				message := post(author, name+"@lists.test", c.subject, strings.ReplaceAll(c.fields, "LIST", name))
				replies := h.accept(envelope(c.from, name+"@lists.test"), message)
				h.says(replies[0], c.reply)
				leaves := c.leaves
				if strings.Contains(leaves, "%") {
					leaves = fmt.Sprintf(leaves, name)
				}
				h.wants(leaves)
				held := ""
				h.view(func(tx *store.Tx) error {
					all, err := tx.HeldOf(l.ID, 10)
					for _, x := range all {
						held += x.Rule
					}
					return err
				})
				if held != c.held {
					t.Errorf("held by the rule %q, want %q", held, c.held)
				}
				h.became(message, c.outcome)
				if last := h.at(name + "@lists.test").LastSeq; (last == 1) != (c.outcome == "posted") {
					t.Errorf("the list's last number is %d", last)
				}
			})
		}
	})
}

// in is the house for a part of a test.
func (h *house) in(t *testing.T) *house {
	part := *h
	part.TB = t
	return &part
}

// became wants the outcomes of a message in the intake, a word for each list; "" if it left no trace there.
func (h *house) became(message string, want string) {
	h.Helper()
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	ids := mail.MessageIDs(mail.Get([]byte(head+"\r\n"), "Message-ID"))
	var got []string
	h.view(func(tx *store.Tx) error {
		all, err := tx.IntakeByMsgID(ids[0])
		for _, i := range all {
			got = append(got, i.Outcome)
		}
		return err
	})
	if s := strings.Join(got, " "); s != want {
		h.Errorf("the message became %q, want %q", s, want)
	}
}

// TestRecorded is all that one post leaves: the row, the outgoing, the copy and what is logged about it hang together.
func TestRecorded(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		l := h.list("dev@lists.test", "title=The Devs")
		h.join("dev@lists.test", "ada@a.test", "tim@c.test")
		reply := h.accept(envelope("ada@a.test", "dev@lists.test"), "From: =?utf-8?q?Ad=C3=A1?= <ada@a.test>\r\nTo: dev@lists.test\r\n"+
			"Subject: =?iso-8859-1?q?Z=E4une?=\r\nMessage-ID: <z1@a.test>\r\nDate: Sun, 02 Feb 2031 10:00:00 +0100\r\nX-No-Archive: yes\r\n\r\nHello.\r\n")[0]
		trace, ok := strings.CutPrefix(reply, "250 2.0.0 queued as ")
		if !ok {
			t.Fatal(reply)
		}
		var in []store.Intake
		h.view(func(tx *store.Tx) (err error) {
			in, err = tx.IntakeByMsgID("z1@a.test")
			return err
		})
		if len(in) != 1 || in[0].Trace != trace || in[0].List != l.ID || in[0].Seq != 1 || in[0].Outcome != "posted" || in[0].Sender != "ada@a.test" {
			t.Errorf("the intake is %+v", in)
		}
		if all := h.sent(); len(all) != 2 || all[0].trace != trace || all[0].from != "dev-bounces@lists.test" || all[0].seq != 1 ||
			!strings.HasPrefix(all[0].head, "List-Id: The Devs <dev.lists.test>\r\n") || all[0].body != "Hello.\r\n" {
			t.Errorf("what leaves is %+v", all)
		}
		if !strings.Contains(h.log.String(), "id="+trace+" rcpt=dev@lists.test from=ada@a.test action=accept code=250") {
			t.Errorf("the log says\n%s", h.log)
		}
		db := h.raw()
		const row = `SELECT COUNT(*) FROM posts WHERE seq = 1 AND msgid = 'z1@a.test' AND subject = 'Zäune' AND author = 'Adá <ada@a.test>'
			AND date = 1927789200000 AND hidden = 1 AND origin = 'posted'`
		if query(t, db, row) != 1 {
			t.Error("the post is not filed as it should be")
		}
	})
}

// TestReceived: our own Received field stands in front of what came, in the form of RFC 5321 section 4.4.
func TestReceived(t *testing.T) {
	t.Parallel()
	const by = " by mx.test with ESMTP id aaaaaaaaaaaac"
	at := "; Mon, 03 Feb 2031 04:05:06 +0000"
	for _, c := range []struct {
		name string
		edit func(*mail.Envelope)
		want string
	}{
		{"IPv4", func(*mail.Envelope) {}, "from peer.test ([192.0.2.1])" + by + " for <dev@lists.test>" + at},
		{"IPv6", func(e *mail.Envelope) { e.Peer.IP = netip.MustParseAddr("2001:db8::1") },
			"from peer.test ([IPv6:2001:db8::1])" + by + " for <dev@lists.test>" + at},
		{"a socket", func(e *mail.Envelope) { e.Peer.IP = netip.Addr{} }, "from peer.test" + by + " for <dev@lists.test>" + at},
		{"no name", func(e *mail.Envelope) { e.Peer.Helo = "" }, "from unknown ([192.0.2.1])" + by + " for <dev@lists.test>" + at},
		{"two recipients: neither is told of the other", func(e *mail.Envelope) { e.To = append(e.To, mail.Rcpt{Address: addr("x-owner@lists.test")}) },
			"from peer.test ([192.0.2.1])" + by + at},
		{"LMTP", func(e *mail.Envelope) { e.Peer.Protocol = "LMTP" },
			"from peer.test ([192.0.2.1])" + strings.Replace(by, "ESMTP", "LMTP", 1) + " for <dev@lists.test>" + at},
		{"no protocol is told", func(e *mail.Envelope) { e.Peer.Protocol = "" },
			"from peer.test ([192.0.2.1]) by mx.test id aaaaaaaaaaaac for <dev@lists.test>" + at},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			env := envelope("ada@a.test", "dev@lists.test")
			c.edit(&env)
			raw := string(received(&arrival{env: env, trace: "aaaaaaaaaaaac", now: (&clock{}).Now().AddDate(2030, 1, 2).Add(4*3600e9 + 5*60e9 + 6e9)}, "mx.test"))
			if got := mail.Get([]byte(raw), "Received"); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			for line := range strings.Lines(raw) {
				if len(line) > 80 || !strings.HasSuffix(line, "\r\n") {
					t.Errorf("the line is not as RFC 5322 section 2.1.1 wants it: %q", line)
				}
			}
		})
	}
}

// TestVerbatim: nothing of what a member wrote is changed where the list adds nothing.
func TestVerbatim(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test")
	h.join("dev@lists.test", "ada@a.test")
	message := post("ada@a.test", "dev@lists.test", "Fence", "DKIM-Signature: v=1; a=rsa-sha256;\r\n\td=a.test\r\nX-Odd:   two  spaces \r\n")
	h.accept(envelope("ada@a.test", "dev@lists.test"), message)
	all := h.wants("ada@a.test: Fence\n")
	head, body, _ := strings.Cut(message, "\r\n\r\n")
	if !strings.HasSuffix(all[0].head, head+"\r\n") || all[0].body != body {
		t.Errorf("the copy is\n%s\n%s\nof\n%s", all[0].head, all[0].body, message)
	}
	if strings.Count(all[0].head, "Received: ") != 1 {
		t.Errorf("the copy does not say once how it came:\n%s", all[0].head)
	}
}

// TestOptions: who wants no copy of their own post, or of one they have already, gets none; who wants a receipt does.
func TestOptions(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test")
		h.join("dev@lists.test", "ada@a.test", "tim@c.test", "eva@d.test", "max@d.test")
		h.member("dev@lists.test", "ada@a.test", "own_posts=no", "ack=yes")
		h.member("dev@lists.test", "tim@c.test", "duplicates=no")
		h.member("dev@lists.test", "max@d.test", "mode=none")
		h.accept(envelope("ada@a.test", "dev@lists.test"), post("ada@a.test", "dev@lists.test, Tim <TIM@c.test>", "One"))
		h.wants("ada@a.test: Your message to dev has been sent\neva@d.test: One\n")
		h.accept(envelope("tim@c.test", "dev@lists.test"), post("tim@c.test", "dev@lists.test, eva@d.test", "Two"))
		h.wants("ada@a.test: Two\ntim@c.test: Two\neva@d.test: Two\n")
		for i := range 3 { // a member's receipts are not counted
			h.accept(envelope("ada@a.test", "dev@lists.test"), post("ada@a.test", "dev@lists.test", fmt.Sprint("Again ", i)))
			if all := h.sent(); len(all) != 3 {
				t.Errorf("post %d sends\n%s", i, outline(all))
			}
		}
	})
}

// TestFirstPosts: a new member's first posts are held until so many have been let through.
func TestFirstPosts(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "first_posts_moderated=2", "notify_held=no", "notify_moderators=no")
		h.join("dev@lists.test", "ada@a.test")
		send := func() {
			h.accept(envelope("ada@a.test", "dev@lists.test"), post("ada@a.test", "dev@lists.test", "Fence"))
		}
		send()
		send()
		send()
		waiting := h.held()
		if len(waiting) != 3 || waiting[0].Rule != "first_posts" {
			t.Fatalf("held: %+v", waiting)
		}
		for i, act := range []lists.Action{lists.Accept, lists.Discard} { // what is dropped does not count
			if _, err := h.door.Settle(t.Context(), waiting[i].ID, act, ""); err != nil {
				t.Fatal(err)
			}
		}
		h.wants("ada@a.test: Fence\n")
		send()
		h.wants("")
		if _, err := h.door.Settle(t.Context(), waiting[2].ID, lists.Accept, ""); err != nil {
			t.Fatal(err)
		}
		h.wants("ada@a.test: Fence\n")
		send()
		h.wants("ada@a.test: Fence\n")
	})
}

// TestSeveral: one message to several lists and addresses.
func TestSeveral(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		h.list("open@lists.test", "posting=anyone", "require_explicit_destination=no")
		h.list("strict@lists.test", "nonmember_action=reject", "notify_held=no")
		h.list("strict2@lists.test", "nonmember_action=reject")
		h.join("open@lists.test", "ada@a.test")
		h.join("strict@lists.test", "tim@c.test")
		for _, c := range []struct {
			name, protocol string
			to             string
			replies        string // code and enhanced code each
			leaves         string
			became         string
		}{
			{"SMTP, one takes it: the other holds", "ESMTP", "open@lists.test strict@lists.test", "250 2.0.0, 250 2.0.0",
				"own@own.test: strict: a message from eve@e.test waits for you\nada@a.test: Fence\n", "posted held"},
			{"SMTP, all refuse", "ESMTP", "strict@lists.test strict2@lists.test", "550 5.7.2, 550 5.7.2", "", ""},
			{"LMTP, each for itself", "LMTP", "strict@lists.test open@lists.test", "550 5.7.2, 250 2.0.0", "ada@a.test: Fence\n", "posted"},
			{"LMTP in other words", "UTF8LMTPS", "strict@lists.test open@lists.test", "550 5.7.2, 250 2.0.0", "ada@a.test: Fence\n", "posted"},
			{"a list and its owners", "ESMTP", "open@lists.test open-owner@lists.test", "250 2.0.0, 250 2.0.0",
				"own@own.test: Fence\nada@a.test: Fence\n", "posted forwarded"},
			{"the same address twice", "ESMTP", "open@lists.test OPEN@lists.test", "250 2.0.0, 250 2.0.0", "ada@a.test: Fence\n", "posted"},
			{"one that has gone since RCPT", "LMTP", "gone@lists.test open@lists.test", "550 5.1.1, 250 2.0.0", "ada@a.test: Fence\n", "posted"},
			{"postmaster and abuse are one", "ESMTP", "postmaster@lists.test abuse@lists.test", "250 2.0.0, 250 2.0.0", "admin@site.test: Fence\n", ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				h := h.in(t)
				env := envelope("eve@e.test", strings.Fields(c.to)...)
				env.Peer.Protocol = c.protocol
				message := post("eve@e.test", "strict@lists.test, strict2@lists.test, open@lists.test", "Fence")
				var codes []string
				for _, r := range h.accept(env, message) {
					codes = append(codes, strings.Join(strings.Fields(r)[:2], " "))
				}
				if got := strings.Join(codes, ", "); got != c.replies {
					t.Errorf("the replies are %s, want %s", got, c.replies)
				}
				h.wants(c.leaves)
				h.became(message, c.became)
			})
		}
	})
}

// TestRenamed: a list named by both its addresses in one envelope takes the message once.
func TestRenamed(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("old@lists.test")
	h.join("old@lists.test", "ada@a.test")
	if _, err := h.books.Rename(t.Context(), addr("old@lists.test"), addr("new@lists.test")); err != nil {
		t.Fatal(err)
	}
	got := h.accept(envelope("ada@a.test", "old@lists.test", "new@lists.test"), post("ada@a.test", "old@lists.test", "Fence"))
	if diff := cmp.Diff([]string{"250", "250"}, []string{got[0][:3], got[1][:3]}); diff != "" {
		t.Error(diff)
	}
	all := h.wants("ada@a.test: Fence\n")
	if id := all[0].get("List-Id"); id != "<old.lists.test>" {
		t.Errorf("List-Id: %s", id)
	}
}

// TestPriority: announcements leave after everything else.
func TestPriority(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("news@lists.test", "kind=announcement", "personalize=none")
	h.join("news@lists.test", "ada@a.test")
	h.accept(envelope("own@own.test", "news@lists.test"), post("own@own.test", "news@lists.test", "Sale"))
	db := h.raw()
	if query(t, db, `SELECT COUNT(*) FROM outgoing WHERE priority = 2 AND personal = 0`) != 1 {
		t.Error("an announcement does not leave as one")
	}
}
