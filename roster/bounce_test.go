package roster

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

// later is the house a while later.
func (h *house) later(d time.Duration) { h.shift.Add(int64(d)) }

// run runs the step of a task until it is done.
func (h *house) run(step task.Step) {
	h.Helper()
	for range 100 {
		commit, err := step(h.Context(), task.Task{})
		h.must(err)
		var next task.Next
		h.must(h.db.Update(h.Context(), func(tx *store.Tx) (err error) {
			next, err = commit(h.Context(), tx)
			return err
		}))
		if next.Done {
			return
		}
	}
	h.Fatal("it does not end")
}

// fails records failures of members in one transaction.
func (h *house) fails(list string, out store.OutgoingID, class mail.Class, who ...string) {
	h.Helper()
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
		l, err := tx.ListAt(addr(list))
		if err != nil {
			return err
		}
		for _, w := range who {
			s, err := tx.Subscription(l.ID, addr(w))
			if err != nil {
				return err
			}
			if _, err := tx.AddBounce(store.Bounce{Subscription: s.ID, Outgoing: out, Destination: s.Address.Domain, Class: class,
				Permanent: true, Proven: true, Source: "smtp", Reply: "550 5.1.1 no"}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// score is how a member stands: "2 scoring active".
func (h *house) score(list, who string) (out string) {
	h.Helper()
	l, s := h.at(list), h.subscription(list, who)
	h.view(func(tx *store.Tx) error {
		st, err := h.books.Standing(tx, l, s)
		out = strings.Join(strings.Fields(fmt.Sprint(st.Score, " ", st.Stage, " ", s.State)), " ")
		return err
	})
	return out
}

// sent are the notices that wait to leave, "address notice" each; they leave.
func (h *house) sent() (out []string) {
	h.Helper()
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
		out = nil
		all, err := tx.Undelivered(1000)
		for _, d := range all {
			o, err := tx.Outgoing(d.Outgoing)
			if err != nil {
				return err
			}
			m, err := tx.Message(o.Message)
			if err != nil {
				return err
			}
			out = append(out, d.Rcpt+" "+mail.Get(m.Head, "X-Listd-Notice"))
			if err := tx.Drop(d.ID); err != nil {
				return err
			}
		}
		return err
	}))
	return out
}

// stands wants a member to stand so, and these notices to have left.
func (h *house) stands(who, score string, sent ...string) {
	h.Helper()
	if got := h.score("dev@lists.test", who); got != score {
		h.Errorf("%s stands at %q, want %q", who, got, score)
	}
	if got := h.sent(); strings.Join(got, ", ") != strings.Join(sent, ", ") {
		h.Errorf("sent is %q, want %q", got, sent)
	}
}

// probe is the outgoing that probes a member.
func (h *house) probe(who string) (id store.OutgoingID) {
	h.Helper()
	s := h.subscription("dev@lists.test", who)
	h.view(func(tx *store.Tx) error {
		b, err := tx.Score(s.ID)
		id = store.OutgoingID(b.Probe)
		return err
	})
	if id == 0 {
		h.Fatalf("%s is not probed", who)
	}
	return id
}

const aDay = 24 * time.Hour

// tired fails a member once a day until they are probed.
func (h *house) tired(who string) {
	h.Helper()
	for range 5 {
		h.fails("dev@lists.test", 0, mail.NoUser, who)
		h.run(h.books.ReadBounces)
		h.later(aDay)
	}
}

func TestDeadMailbox(t *testing.T) {
	engines(t, func(h *house) {
		h.create("dev@lists.test")
		h.add("dev@lists.test", "dead@d.test", "boss@b.test - owner")
		for n := 1; n < 5; n++ {
			h.fails("dev@lists.test", 0, mail.NoUser, "dead@d.test", "dead@d.test")
			h.stands("dead@d.test", fmt.Sprintf("%d scoring active", n)) // before anybody has read it
			h.run(h.books.ReadBounces)
			h.stands("dead@d.test", fmt.Sprintf("%d scoring active", n))
			h.later(aDay)
		}
		h.fails("dev@lists.test", 0, mail.NoUser, "dead@d.test")
		h.run(h.books.ReadBounces)
		h.stands("dead@d.test", "5 probing active", "dead@d.test bounce_probe")
		h.fails("dev@lists.test", h.probe("dead@d.test"), mail.NoUser, "dead@d.test")
		h.run(h.books.ReadBounces)
		h.stands("dead@d.test", "5 paused by_bounces", "dead@d.test bounce_paused")
		h.run(h.books.BounceRound)
		h.stands("dead@d.test", "5 paused by_bounces", "boss@b.test bounce_summary")
		h.run(h.books.BounceRound)
		h.stands("dead@d.test", "5 paused by_bounces")
		for range 2 {
			h.later(7 * aDay)
			h.run(h.books.BounceRound)
			h.stands("dead@d.test", "5 paused by_bounces", "dead@d.test bounce_paused")
		}
		h.later(7 * aDay)
		h.run(h.books.BounceRound)
		h.has("dev@lists.test", "boss@b.test owner")
		if got := h.sent(); strings.Join(got, ", ") != "boss@b.test bounce_summary, dead@d.test bounce_removed" &&
			strings.Join(got, ", ") != "dead@d.test bounce_removed, boss@b.test bounce_summary" {
			t.Errorf("sent is %q", got)
		}
	})
}

// TestComeBack: every way back from a pause leads to the same: mail from the next post on, and no failures.
func TestComeBack(t *testing.T) {
	t.Parallel()
	for name, back := range map[string]func(h *house){
		"the owner": func(h *house) { h.must(h.set("dev@lists.test", "dead@d.test", "mode=each")) },
		"a sign of life": func(h *house) {
			h.must(h.db.Update(h.Context(), func(tx *store.Tx) error { return h.books.Alive(tx, addr("dead@d.test")) }))
		},
		"the token": func(h *house) {
			var token string
			h.must(h.db.Update(h.Context(), func(tx *store.Tx) (err error) {
				l, err := tx.ListAt(addr("dev@lists.test"))
				if err != nil {
					return err
				}
				s, err := tx.Subscription(l.ID, addr("dead@d.test"))
				if err != nil {
					return err
				}
				if token, err = h.books.wait(tx, store.Confirmation{List: l.ID, Kind: kindBounced, Address: s.Address}, s, comeBackLives); err != nil {
					return err
				}
				_, err = h.books.Confirm(tx, token, Asker{How: "mail"})
				return err
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.create("dev@lists.test")
			h.add("dev@lists.test", "dead@d.test")
			h.tired("dead@d.test")
			h.fails("dev@lists.test", h.probe("dead@d.test"), mail.NoUser, "dead@d.test")
			h.run(h.books.ReadBounces)
			out := h.post("dev@lists.test")
			h.sent()
			h.stands("dead@d.test", "5 paused by_bounces")
			back(h)
			h.sent()
			h.stands("dead@d.test", "0 active")
			if s := h.subscription("dev@lists.test", "dead@d.test"); s.EachFrom != 1 || s.Mode != lists.Each {
				t.Errorf("back is %+v", s)
			}
			h.fan(out) // the post of while they were away is not theirs
			if got := h.rcpts(out); got != "" {
				t.Errorf("there goes out to them %q", got)
			}
			h.later(30 * aDay)
			h.run(h.books.BounceRound)
			h.stands("dead@d.test", "0 active")
		})
	}
}

// TestProbeArrives: a probe that does not come back ends the matter; one that is refused for what it is does at once.
func TestProbeArrives(t *testing.T) {
	sqlite(t, func(h *house) {
		h.create("dev@lists.test")
		h.add("dev@lists.test", "dead@d.test", "tim@c.test")
		for _, w := range []string{"dead@d.test", "tim@c.test"} {
			h.tired(w)
		}
		h.sent()
		h.fails("dev@lists.test", h.probe("tim@c.test"), mail.Spam, "tim@c.test")
		h.run(h.books.ReadBounces)
		h.stands("tim@c.test", "0 active")
		h.stands("dead@d.test", "5 probing active")
		h.later(8 * aDay)
		h.run(h.books.BounceRound)
		h.stands("dead@d.test", "0 active")
	})
}

// many are members at a domain.
func many(domain string, from, to int) (out []string) {
	for n := from; n <= to; n++ {
		out = append(out, fmt.Sprintf("m%d@%s", n, domain))
	}
	return out
}

// TestIncident: what many at one destination meet within an hour costs none of them anything, even where some of it had
// been counted, and a pause that came of it ends; a dead mailbox elsewhere is counted all the same.
func TestIncident(t *testing.T) {
	engines(t, func(h *house) {
		h.books.Owner = addr("admin@site.test")
		h.create("dev@lists.test", "bounce_threshold=1")
		h.add("dev@lists.test", append(append(many("big.test", 1, 30), many("small.test", 1, 40)...), "dead@d.test")...)
		big := many("big.test", 1, 30)
		h.fails("dev@lists.test", 0, mail.NoUser, big[:5]...)
		h.run(h.books.ReadBounces)
		h.fails("dev@lists.test", h.probe(big[0]), mail.NoUser, big[0])
		h.run(h.books.ReadBounces)
		h.sent()
		h.stands(big[0], "1 paused by_bounces")
		h.later(10 * time.Minute)
		h.fails("dev@lists.test", 0, mail.NoUser, append(big[5:20:20], "dead@d.test")...)
		h.run(h.books.ReadBounces)
		h.stands(big[0], "0 active", "admin@site.test bounce_incident", "dead@d.test bounce_probe")
		for _, w := range big[1:] {
			if got := h.score("dev@lists.test", w); got != "0 active" && got != "0 scoring active" {
				h.Errorf("%s stands at %q", w, got)
			}
		}
		h.stands("dead@d.test", "1 probing active")
		h.later(30 * time.Minute) // a straggler
		h.fails("dev@lists.test", 0, mail.NoUser, big[25])
		h.run(h.books.ReadBounces)
		h.stands(big[25], "0 active")
		h.later(3 * time.Hour) // and one long after
		h.fails("dev@lists.test", 0, mail.NoUser, big[26])
		h.run(h.books.ReadBounces)
		h.stands(big[26], "1 probing active", big[26]+" bounce_probe")
		h.later(aDay) // another, of which nobody hears again so soon
		h.fails("dev@lists.test", 0, mail.NoUser, big...)
		h.run(h.books.ReadBounces)
		h.stands(big[3], "0 active")
	})
}

// TestEverywhere: when most of all mail fails, it is not the members.
func TestEverywhere(t *testing.T) {
	sqlite(t, func(h *house) {
		h.books.Owner = addr("admin@site.test")
		h.create("dev@lists.test", "bounce_threshold=1")
		var all []string
		for n := range 20 {
			all = append(all, fmt.Sprintf("m@d%d.test", n))
		}
		h.add("dev@lists.test", all...)
		h.fails("dev@lists.test", 0, mail.Network, all[:15]...)
		h.run(h.books.ReadBounces)
		h.stands(all[3], "0 active", "admin@site.test bounce_incident")
	})
}

// TestRefused: a share of refusals for an author's sake asks for a remedy, once; a single one of policy does not.
func TestRefused(t *testing.T) {
	sqlite(t, func(h *house) {
		h.create("dev@lists.test")
		h.add("dev@lists.test", append(many("a.test", 1, 30), many("b.test", 1, 3)...)...)
		remedies := func() (n int) {
			h.Helper()
			h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
				for n = 0; ; n++ {
					tx.Now = tx.Now.Add(time.Hour)
					if _, err := tx.ClaimTask(tx.Now.Add(aDay)); err != nil {
						return nil // there are no more
					}
				}
			}))
			return n
		}
		post := func() store.OutgoingID {
			out := h.post("dev@lists.test")
			h.fan(out)
			return out
		}
		one := post()
		h.fails("dev@lists.test", one, mail.Policy, "m1@a.test")
		h.run(h.books.ReadBounces)
		if n := remedies(); n != 0 {
			t.Errorf("%d remedies for one refusal of policy", n)
		}
		h.fails("dev@lists.test", one, mail.Policy, many("a.test", 2, 5)...)
		h.run(h.books.ReadBounces)
		if n := remedies(); n != 1 {
			t.Errorf("%d remedies for five", n)
		}
		two := post()
		h.fails("dev@lists.test", two, mail.Auth, "m1@b.test")
		h.run(h.books.ReadBounces)
		if n := remedies(); n != 1 {
			t.Errorf("%d remedies for a third of a destination", n)
		}
		h.fails("dev@lists.test", post(), mail.Auth, "m1@a.test")
		h.run(h.books.ReadBounces)
		if n := remedies(); n != 0 {
			t.Errorf("%d remedies for one in thirty", n)
		}
		for _, w := range append(many("a.test", 1, 5), "m1@b.test") {
			if got := h.score("dev@lists.test", w); got != "0 active" {
				t.Errorf("%s stands at %q", w, got)
			}
		}
	})
}

// TestComplainedGetsNothing: what had not yet left for a member when they complained, and what a fan-out under way would
// have added, leaves no more; the others get it.
func TestComplainedGetsNothing(t *testing.T) {
	engines(t, func(h *house) {
		for _, action := range []string{"remove", "pause"} {
			name := action + "@lists.test"
			h.create(name, "complaint="+action)
			h.add(name, "ann@a.test", "bob@b.test")
			waiting, underWay := h.post(name), h.post(name)
			h.fan(waiting)
			h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
				s, err := tx.Subscription(h.at(name).ID, addr("ann@a.test"))
				if err != nil {
					return err
				}
				return h.books.Complained(tx, s)
			}))
			h.fan(underWay)
			var due []string
			h.view(func(tx *store.Tx) error {
				for _, id := range []store.OutgoingID{waiting, underWay} {
					all, err := tx.DeliveriesOf(id, "", 100)
					if err != nil {
						return err
					}
					for _, d := range all {
						if d.State == store.Due {
							due = append(due, d.Rcpt)
						}
					}
				}
				return nil
			})
			if got := strings.Join(due, " "); got != "bob@b.test bob@b.test" {
				h.Errorf("%s: %q are still to get mail", action, got)
			}
		}
	})
}

// TestAliveElsewhere: leaving one list, and signing in, shows that somebody reads the mail of all.
func TestAliveElsewhere(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(h *house) error{
		"a sign-in": func(h *house) error { return h.books.SeenAlive(h.Context(), addr("ANN@a.test")) },
		"leaving another list": func(h *house) error {
			token := h.books.Minter.LeaveToken(h.subscription("ops@lists.test", "ann@a.test").ID)
			_, err := h.books.LeaveByLink(h.Context(), token, Asker{How: "web"})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.books.Minter = lists.NewMinter([]byte("a key of the tests"))
			h.create("dev@lists.test")
			h.create("ops@lists.test")
			h.add("dev@lists.test", "ann@a.test")
			h.add("ops@lists.test", "ann@a.test")
			h.fails("dev@lists.test", 1, mail.NoUser, "ann@a.test")
			h.run(h.books.ReadBounces)
			if got := h.score("dev@lists.test", "ann@a.test"); got != "1 scoring active" {
				t.Fatalf("she stands at %q", got)
			}
			h.view(func(tx *store.Tx) error {
				known, err := Known(tx, addr("ann@a.test"))
				if !strings.Contains(known, "  bounce_score: 1\n  Mail to you that did not arrive\n    2031-02-03 04:05 UTC  no_user (counted): 550 5.1.1 no\n") {
					t.Errorf("she is told\n%s", known)
				}
				return err
			})
			h.must(act(h))
			if got := h.score("dev@lists.test", "ann@a.test"); got != "0 active" {
				t.Errorf("she stands at %q", got)
			}
		})
	}
}
