package inbound

import (
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/mailauth"
	"listd/queue"
	"listd/store"
	"listd/task"
)

// dsn is a report as servers write it; returned is the head it returns.
func dsn(rcpt, status, returned string) string {
	return fmt.Sprintf("From: MAILER-DAEMON@mx.test\r\nSubject: Undelivered\r\nMessage-ID: <%d@mx.test>\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"+
		"Reporting-MTA: dns; mx.test\r\n\r\nFinal-Recipient: rfc822; %s\r\nAction: failed\r\nStatus: %s\r\nDiagnostic-Code: smtp; 550 %s no\r\n\r\n"+
		"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n%s\r\n--b--\r\n", numbers.Add(1), rcpt, status, status, returned)
}

// arf is a complaint that returns a head.
func arf(from, fields, returned string) string {
	return fmt.Sprintf("From: %s\r\nSubject: FW: Hello\r\nMessage-ID: <%d@loop.test>\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n--b\r\n\r\nA report.\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n"+
		"Feedback-Type: abuse\r\nUser-Agent: Loop/1\r\nVersion: 1\r\n%s\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n%s\r\nHello.\r\n--b--\r\n",
		from, numbers.Add(1), fields, returned)
}

// bounces are a list's recorded failures as "address class how weight outgoing".
func (h *house) bounces() string {
	h.Helper()
	var out []string
	h.view(func(tx *store.Tx) error {
		all, err := tx.NewBounces(1000)
		for _, b := range all {
			s, err := tx.SubscriptionByID(b.Subscription)
			if err != nil {
				return err
			}
			proof := "unproven"
			if b.Proven {
				proof = "proven"
			}
			out = append(out, fmt.Sprintf("%s %s %v %s %d", s.Address, b.Class, b.Permanent, proof, b.Outgoing))
		}
		return err
	})
	return strings.Join(out, "\n")
}

// TestBounces: a report to a token's address is its subscription's, whatever it names; one without needs evidence and
// weighs less; people reach people; machines that report nothing are dropped; riddles are kept.
func TestBounces(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		dev := h.list("dev@lists.test")
		other := h.list("other@lists.test")
		h.join("dev@lists.test", "ada@a.test", "tim@c.test")
		ada := h.subscription("dev@lists.test", "ada@a.test")
		h.accept(envelope("ada@a.test", "dev@lists.test"), strings.Replace(post("ada@a.test", "dev@lists.test", "Hello"), "Message-ID: <", "Message-ID: <known.", 1))
		known := mail.Get([]byte(h.sent()[0].head), "Message-ID")
		verp := h.door.Minter.VERP(dev.Bounces(), 17, ada).String()
		fresh := func(o int64) string { return h.door.Minter.VERP(dev.Bounces(), o, ada).String() }
		forged := verp[:strings.IndexByte(verp, '@')-1] + "aa@lists.test"
		for _, c := range []struct{ name, from, to, message, log, leaves, records string }{
			{"a report", "", verp, dsn("who@else.test", "5.1.1", ""), fmt.Sprintf("bounce of outgoing 17 to subscription %d (ada@a.test): no_user", ada), "", "ada@a.test no_user true proven 17"},
			{"again", "", verp, dsn("ada@a.test", "5.1.1", ""), "known before", "", ""},
			{"from a sender, as some servers do", "postmaster@a.test", fresh(18), dsn("ada@a.test", "5.2.2", ""), "bounce of outgoing 18", "", "ada@a.test full true proven 18"},
			{"of one who has left", "", h.door.Minter.VERP(dev.Bounces(), 17, 4711).String(), dsn("x@a.test", "5.1.1", ""), "which has ended", "", ""},
			{"another list's token", "", h.door.Minter.VERP(other.Bounces(), 19, ada).String(), dsn("ada@a.test", "5.1.1", ""), "which has ended", "", ""},
			{"a forged token", "", forged, dsn("ada@a.test", "5.1.1", ""), "of no mail that is known", "", ""},
			{"no token, no evidence", "", "dev-bounces@lists.test", dsn("tim@c.test", "5.1.1", "Message-ID: <x@y.test>\r\n"), "of no mail that is known", "", ""},
			{"our Message-ID", "", "dev-bounces@lists.test", dsn("tim@c.test", "5.1.1", "Message-ID: "+known+"\r\n"), "of tim@c.test: no_user", "", "tim@c.test no_user true unproven 3"},
			{"our List-Id", "", "dev-bounces@lists.test", dsn("tim@c.test", "5.1.1", "List-Id: <dev.lists.test>\r\n"), "of tim@c.test: no_user", "", "tim@c.test no_user true unproven 0"},
			{"our List-Id, and of no member", "", "dev-bounces@lists.test", dsn("x@c.test", "5.1.1", "List-Id: <dev.lists.test>\r\n"), "of no member", "", ""},
			{"a delay", "", fresh(20), strings.ReplaceAll(strings.Replace(dsn("ada@a.test", "4.4.1", ""), "Action: failed", "Action: delayed", 1), "550 4.4.1 no", "451 4.4.1 later"), "no failure: delayed", "", ""},
			{"an absence", "", fresh(21), post("ada@a.test", "x@y.test", "Out of office", "Auto-Submitted: auto-replied\r\n"), "no failure: auto_reply", "", ""},
			{"a riddle", "", fresh(22), post("ada@a.test", "x@y.test", "Hello"), "kept for the owners", "", ""},
			{"a person", "ada@a.test", "dev-bounces@lists.test", post("ada@a.test", "x@y.test", "Hello"), "", "own@own.test: Hello\n", ""},
			{"a person with a token", "ada@a.test", fresh(23), post("ada@a.test", "x@y.test", "Hello"), "", "own@own.test: Hello\n", ""},
		} {
			t.Run(c.name, func(t *testing.T) {
				h := h.in(t)
				h.says(h.accept(envelope(c.from, c.to), c.message)[0], "250 2.0.0 queued as ")
				if !strings.Contains(h.log.String(), c.log) {
					t.Errorf("the log does not say %q:\n%s", c.log, h.log)
				}
				h.wants(c.leaves)
				if got := h.bounces(); got != c.records {
					t.Errorf("recorded is %q, want %q", got, c.records)
				}
				h.runs(h.books.ReadBounces)
			})
		}
		if got := h.members("dev@lists.test"); got != "ada@a.test tim@c.test" {
			t.Errorf("the members are %q", got)
		}
	})
}

// runs runs the step of a task until it is done.
func (h *house) runs(step task.Step, arg ...string) {
	h.Helper()
	for n := 0; ; n++ {
		k := task.Task{}
		if len(arg) > 0 {
			k.Arg = []byte(arg[0])
		}
		commit, err := step(h.Context(), k)
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
		if n == 100 {
			h.Fatal("it does not end")
		}
	}
}

// TestComplaints: a complaint takes its writer off, or pauses them, if it proves whose it is; nobody is told.
func TestComplaints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, to, from string
		vouched        bool
		fields         func(verp, leave, id string) (fields, returned string)
		pause          bool
		members        string
		leaves         string
	}{
		{name: "to the token", to: "verp", members: "tim@c.test"},
		{name: "paused", to: "verp", pause: true, members: "ada@a.test tim@c.test"},
		{name: "by the return path it names", to: "abuse@lists.test", members: "tim@c.test",
			fields: func(verp, _, _ string) (string, string) { return "Original-Mail-From: <" + verp + ">\r\n", "" }},
		{name: "by List-Unsubscribe", to: "dev-owner@lists.test", members: "tim@c.test",
			fields: func(_, leave, _ string) (string, string) {
				return "", "List-Unsubscribe: <https://x.test/no>, <mailto:" + leave + ">\r\n"
			}},
		{name: "by the link to leave", to: "dev-bounces@lists.test", members: "tim@c.test",
			fields: func(_, leave, _ string) (string, string) {
				token := leave[strings.IndexByte(leave, '+')+1 : strings.IndexByte(leave, '@')]
				return "", "List-Unsubscribe: <https://lists.test/leave/" + token + ">\r\n"
			}},
		{name: "of a provider for its user", to: "dev-bounces@lists.test", from: "fbl@a.test", vouched: true, members: "tim@c.test",
			fields: func(_, _, id string) (string, string) {
				return "Original-Rcpt-To: ada@a.test\r\n", "Message-ID: " + id + "\r\n"
			}},
		{name: "of anybody", to: "dev-bounces@lists.test", from: "fbl@a.test", members: "ada@a.test tim@c.test",
			fields: func(_, _, id string) (string, string) {
				return "Original-Rcpt-To: ada@a.test\r\n", "Message-ID: " + id + "\r\n"
			}},
		{name: "of another provider", to: "dev-bounces@lists.test", from: "fbl@evil.test", vouched: true, members: "ada@a.test tim@c.test",
			fields: func(_, _, id string) (string, string) {
				return "Original-Rcpt-To: ada@a.test\r\n", "Message-ID: " + id + "\r\n"
			}},
		{name: "about something else", to: "abuse@lists.test", members: "ada@a.test tim@c.test", leaves: "admin@site.test: FW: Hello\n",
			fields: func(_, _, _ string) (string, string) { return "", "Message-ID: <x@y.test>\r\n" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			dev := h.list("dev@lists.test")
			if c.pause {
				h.set("dev@lists.test", "complaint=pause")
			}
			h.join("dev@lists.test", "ada@a.test", "tim@c.test")
			ada := h.subscription("dev@lists.test", "ada@a.test")
			h.accept(envelope("tim@c.test", "dev@lists.test"), post("tim@c.test", "dev@lists.test", "Hello"))
			id := h.sent()[0].get("Message-ID")
			verp, leave := h.door.Minter.VERP(dev.Bounces(), 17, ada).String(), h.door.Minter.Leave(dev.Leave(), ada).String()
			to, fields, returned := c.to, "", ""
			if to == "verp" {
				to = verp
			}
			if c.fields != nil {
				fields, returned = c.fields(verp, leave, id)
			}
			from := c.from
			if from == "" {
				from = "fbl@loop.test"
			}
			env := envelope(from, to)
			raw := arf(from, fields, returned)
			if c.vouched {
				h.complain(env, raw)
			} else {
				h.says(h.accept(env, raw)[0], "250 2.0.0 queued as ")
			}
			h.wants(c.leaves)
			if got := h.members("dev@lists.test"); got != c.members {
				t.Errorf("the members are %q, want %q", got, c.members)
			}
			if c.pause {
				if state := h.state("dev@lists.test", "ada@a.test"); state != lists.PausedSelf {
					t.Errorf("the state is %q", state)
				}
			}
			if strings.Contains(h.log.String(), "ada@a.test") {
				t.Errorf("the log names who complained:\n%s", h.log)
			}
			h.clock.add(24 * time.Hour)
			h.runs(h.books.BounceRound)
			for _, m := range h.sent() {
				if strings.Contains(m.head+m.body, "ada@a.test") {
					t.Errorf("a notice names who complained:\n%s", m.body)
				}
			}
		})
	}
}

// complain has a complaint recorded whose author is vouched for.
func (h *house) complain(env mail.Envelope, raw string) {
	h.Helper()
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	a := &arrival{env: env, m: mail.Message{Head: []byte(head + "\r\n"), Body: []byte(body)}, now: h.db.Now(), trace: "vouched"}
	a.body, a.auth = store.PackBody(a.m.Body), mailauth.Results{DMARC: mailauth.DMARC{AlignedDKIM: true}}
	jobs, err := h.door.gather(h.Context(), a)
	if err != nil {
		h.Fatal(err)
	}
	h.door.decide(a, jobs)
	if err := h.door.record(h.Context(), a, jobs); err != nil {
		h.Fatal(err)
	}
}

func (h *house) state(list, who string) (s lists.State) {
	h.Helper()
	l := h.at(list)
	h.view(func(tx *store.Tx) error {
		sub, err := tx.Subscription(l.ID, addr(who))
		s = sub.State
		return err
	})
	return s
}

// TestAlive: a post and a command forget all failures; a machine's mail does not.
func TestAlive(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		dev := h.list("dev@lists.test")
		h.join("dev@lists.test", "ada@a.test")
		ada := h.subscription("dev@lists.test", "ada@a.test")
		score := func() (b lists.Bounces) {
			h.view(func(tx *store.Tx) (err error) {
				b, err = tx.Score(ada)
				return err
			})
			return b
		}
		for n, c := range []struct {
			to, fields string
			clears     bool
		}{
			{"dev@lists.test", "", true},
			{"dev-request@lists.test", "", true},
			{"dev@lists.test", "Auto-Submitted: auto-replied\r\n", false},
		} {
			h.accept(envelope("", h.door.Minter.VERP(dev.Bounces(), int64(100+n), ada).String()), dsn("ada@a.test", "5.1.1", ""))
			h.runs(h.books.ReadBounces)
			if score().Score != 1 {
				t.Fatalf("the score is %v", score())
			}
			h.accept(envelope("ada@a.test", c.to), post("ada@a.test", c.to, "help", c.fields))
			if got := score().Score == 0; got != c.clears {
				t.Errorf("to %s with %q: cleared %v", c.to, c.fields, got)
			}
			h.clock.add(48 * time.Hour)
		}
	})
}

// TestReport: who wrote to owners whom nothing reaches hears of it, in the manner of RFC 3464; a machine, a forger and who
// wants none do not.
func TestReport(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, from, fields, notify, ret string
		spf                             mailauth.Result
		failed                          bool
		reports, whole                  bool
	}{
		{name: "a failure", from: "ada@a.test", failed: true, reports: true},
		{name: "with all of it", from: "ada@a.test", ret: "FULL", failed: true, reports: true, whole: true},
		{name: "asked for", from: "ada@a.test", notify: "SUCCESS,FAILURE", failed: true, reports: true},
		{name: "not wanted", from: "ada@a.test", notify: "NEVER", failed: true},
		{name: "success alone", from: "ada@a.test", notify: "SUCCESS", failed: true},
		{name: "delivered", from: "ada@a.test"},
		{name: "the null sender", from: "", failed: true},
		{name: "a machine", from: "ada@a.test", fields: "Auto-Submitted: auto-generated\r\n", failed: true},
		{name: "forged", from: "ada@a.test", spf: mailauth.Fail, failed: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.list("dev@lists.test")
			env := envelope(c.from, "dev-owner@lists.test")
			env.To[0].Notify, env.Ret, env.EnvID = c.notify, c.ret, "QQ314159"
			head, body, _ := strings.Cut(post("ada@a.test", "dev-owner@lists.test", "Hello", c.fields), "\r\n\r\n")
			a := &arrival{env: env, m: mail.Message{Head: []byte(head + "\r\n"), Body: []byte(body)}, now: h.db.Now(), trace: "t"}
			a.auto, a.body, a.auth = mail.Automatic(env, a.m.Head), store.PackBody(a.m.Body), mailauth.Results{SPF: mailauth.SPF{Result: c.spf}}
			jobs, err := h.door.gather(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			h.door.decide(a, jobs)
			if err := h.door.record(t.Context(), a, jobs); err != nil {
				t.Fatal(err)
			}
			h.settle(c.failed, "5.1.1 <own@own.test>: no such user")
			h.runs(h.door.Report)
			h.runs(h.door.Report)
			all := h.sent()
			if got := len(all) == 1; got != c.reports {
				t.Fatalf("%d reports leave", len(all))
			}
			if !c.reports {
				return
			}
			m := all[0]
			if m.to != "ada@a.test" || m.from != "" || strings.Contains(m.body, "own@own.test") || strings.Contains(m.body, "garden") != c.whole ||
				!strings.Contains(m.body, "Final-Recipient: rfc822; dev-owner@lists.test\r\n") || !strings.Contains(m.body, "Original-Envelope-Id: QQ314159\r\n") {
				t.Errorf("the report is to %s from <%s>:\n%s\n%s", m.to, m.from, m.head, m.body)
			}
			back := mail.ReadReport(mail.Message{Head: []byte(m.head), Body: []byte(m.body)})
			if back.Kind != mail.Bounce || len(back.Failures) != 1 || back.Failures[0].Class != mail.NoUser || !back.Failures[0].Permanent {
				t.Errorf("we read in it %+v", back)
			}
		})
	}
}

// settle settles all that is due.
func (h *house) settle(failed bool, reply string) {
	h.Helper()
	if err := h.db.Update(h.Context(), func(tx *store.Tx) error {
		lanes, err := tx.Lanes(nil, 100)
		if err != nil {
			return err
		}
		for _, l := range lanes {
			all, err := tx.Claim(l, 1000, 1, tx.Now.Add(time.Minute))
			if err != nil {
				return err
			}
			var batch []store.Settled
			for _, c := range all {
				r := mail.Refuse(250, "2.0.0", "ok")
				if failed {
					r = mail.Refuse(550, reply[:5], reply[6:])
				}
				batch = append(batch, queue.Outcome(c, *r, tx.Now, tx.Now.Add(time.Hour), 0.5))
			}
			if err := tx.Settle(batch); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		h.Fatal(err)
	}
}

// TestHostileBounces: what is large or deep is looked at as far as 320 KiB go, and answered with 250.
func TestHostileBounces(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		dev := h.list("dev@lists.test")
		h.join("dev@lists.test", "ada@a.test")
		h.door.MaxSize = 64 << 20
		verp := h.door.Minter.VERP(dev.Bounces(), 17, h.subscription("dev@lists.test", "ada@a.test")).String()
		bomb := "From: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n"
		for n := range 2000 {
			bomb += fmt.Sprintf("--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n", n, n+1)
		}
		for name, m := range map[string]string{
			"50 MB":                dsn("ada@a.test", "5.1.1", strings.Repeat("X-Y: "+strings.Repeat("z", 900)+"\r\n", 50<<20/910)),
			"a bomb":               bomb,
			"a bounce of a bounce": dsn("x@y.test", "5.1.1", "From: <>\r\nSubject: Undelivered\r\nX-Failed-Recipients: ada@a.test\r\n"),
			"many":                 dsn("ada@a.test", "5.1.1", "") + strings.Repeat("Final-Recipient: rfc822; ada@a.test\r\nAction: failed\r\n\r\n", 20000),
		} {
			start := time.Now()
			h.says(h.accept(envelope("", verp), m)[0], "250 2.0.0 queued as ")
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("%s takes %v", name, took)
			}
		}
		h.wants("")
	})
}

// BenchmarkBounce is one report to a token's address, from the door to its row.
func BenchmarkBounce(b *testing.B) {
	h := newHouse(b)
	dev := h.list("dev@lists.test")
	h.join("dev@lists.test", "ada@a.test")
	ada := h.subscription("dev@lists.test", "ada@a.test")
	n := int64(0)
	for b.Loop() {
		n++
		h.accept(envelope("", h.door.Minter.VERP(dev.Bounces(), n, ada).String()), dsn("ada@a.test", "5.1.1", "List-Id: <dev.lists.test>\r\n"))
	}
}

// BenchmarkBounces is many of them at once, as after a post to a list of many dead addresses: transactions gather. It says
// what each costs in CPU time, since the disk's share is another machine's.
func BenchmarkBounces(b *testing.B) {
	h := newHouse(b)
	dev := h.list("dev@lists.test")
	h.join("dev@lists.test", "ada@a.test")
	ada := h.subscription("dev@lists.test", "ada@a.test")
	var n atomic.Int64
	b.SetParallelism(32)
	var before, after syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before) // it has no other error than a wrong argument
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			h.accept(envelope("", h.door.Minter.VERP(dev.Bounces(), n.Add(1), ada).String()), dsn("ada@a.test", "5.1.1", "List-Id: <dev.lists.test>\r\n"))
		}
	})
	b.StopTimer()
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
	spent := after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()
	b.ReportMetric(float64(spent)/1e3/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "bounces/s")
}
