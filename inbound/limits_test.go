package inbound

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/foxcpp/go-mockdns"

	"listd/lists"
	"listd/mail"
	"listd/mailauth"
	"listd/roster"
	"listd/store"
)

// TestManyCommands: of a mail with a thousand commands, and of one with five megabytes of them, the first are read. There
// is one answer, nothing beyond is done, and it takes no time to speak of.
func TestManyCommands(t *testing.T) {
	for _, size := range []int{1000, 5 << 20 / len("add p0000000@c.test\r\n")} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			sqlite(t, func(t *testing.T, h *house) {
				h.list("dev@lists.test")
				h.door.MaxSize = 8 << 20
				var b strings.Builder
				fmt.Fprintf(&b, "From: own@own.test\r\nTo: dev-request@lists.test\r\nSubject:\r\nMessage-ID: <many%d@own.test>\r\n\r\n", size)
				for n := range size {
					fmt.Fprintf(&b, "add p%07d@c.test\r\n", n)
				}
				start := time.Now()
				h.says(h.accept(envelope("own@own.test", "dev-request@lists.test"), b.String())[0], "250")
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("it took %v", took)
				}
				got := h.wants("own@own.test: Please confirm your commands for dev\nown@own.test: Your commands to dev\n")
				if len(got) != 2 {
					return
				}
				if !strings.Contains(got[1].body, "p0000024@c.test") || strings.Contains(got[1].body, "p0000025@c.test") || len(got[1].body) > 16<<10 {
					t.Errorf("the answer is\n%.3000s", got[1].body)
				}
				token := mail.Mailboxes(got[0].get("From"))[0].Address
				h.says(h.accept(envelope("own@own.test", token.String()), post("own@own.test", "you", "Re: please"))[0], "250")
				if n := len(strings.Fields(h.members("dev@lists.test"))); n != 25 {
					t.Errorf("%d have been added", n)
				}
			})
		})
	}
}

// TestSettingsOfOneMail: a second setting does not undo the first.
func TestSettingsOfOneMail(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		l := h.list("dev@lists.test")
		if err := h.db.Update(t.Context(), func(tx *store.Tx) error {
			s := &session{d: h.door, tx: tx, a: &arrival{now: tx.Now}, list: l, who: addr("own@own.test"), proof: confirmed, by: roster.Asker{How: "mail"}}
			for _, c := range []lists.Command{{Verb: lists.VerbConfigure, Key: "title", Value: "Developers", Line: "1"},
				{Verb: lists.VerbConfigure, Key: "subject_prefix", Value: "[dev]", Line: "2"}} {
				if err := s.do(c); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if p := h.at("dev@lists.test").Policy; p.Title != "Developers" || p.SubjectPrefix != "[dev]" {
			t.Errorf("title %q, subject_prefix %q", p.Title, p.SubjectPrefix)
		}
	})
}

// TestLongAnswer: an answer is told once, however long it is: a row of an index has no room for it.
func TestLongAnswer(t *testing.T) {
	engines(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "roster=public")
		var who []string
		for n := range 300 {
			who = append(who, fmt.Sprintf("%x", sha256.Sum256([]byte{byte(n), byte(n >> 8)}))[:40]+"@c.test") // which no index compresses
		}
		h.join("dev@lists.test", who...)
		for range 2 {
			h.says(h.accept(envelope("eve@e.test", "dev-request@lists.test"), post("eve@e.test", "dev-request@lists.test", "who"))[0], "250")
		}
		if got := h.wants("eve@e.test: Your commands to dev\n"); len(got) == 1 && !strings.Contains(got[0].body, who[299]) {
			t.Error("the roster is cut")
		}
	})
}

// TestHeldGivesWay: a post that waited leaves as it would have left at once: From gives way to the author's policy as it is
// by then.
func TestHeldGivesWay(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "footer=Bye", "notify_moderators=no", "notify_held=no")
		h.join("dev@lists.test", "tim@c.test")
		for _, c := range []struct{ policy, says string }{
			{"v=DMARC1; p=none", ""},
			{"v=DMARC1; p=reject", "publishes p=reject and no signature"},
			{"v=DMARC1; p=quarantine; t=y", "publishes p=quarantine t=y and no signature"},
		} {
			zone := map[string]mockdns.Zone{}
			h.door.Auth = &mailauth.Verifier{Resolver: &mockdns.Resolver{Zones: zone}, Now: h.clock.Now}
			h.says(h.accept(envelope("eve@e.test", "dev@lists.test"), post("eve@e.test", "dev@lists.test", "Fence"))[0], "250")
			zone["_dmarc.e.test."] = mockdns.Zone{TXT: []string{c.policy}}
			h.clock.add(time.Hour)
			all := h.held()
			if len(all) != 1 {
				t.Fatalf("%d are held", len(all))
			}
			if _, err := h.door.Settle(t.Context(), all[0].ID, lists.Accept, ""); err != nil {
				t.Fatal(err)
			}
			for _, m := range h.wants("tim@c.test: Fence\n") {
				if why := m.get("X-Listd-Decision"); !strings.Contains(why, c.says) || why != "" && c.says == "" {
					t.Errorf("%s: %q, want %q", c.policy, why, c.says)
				}
				if got := mail.Author([]byte(m.head)).Address.String() == "dev@lists.test"; got != (c.says != "") {
					t.Errorf("%s: From is %s", c.policy, m.get("From"))
				}
			}
		}
	})
}
