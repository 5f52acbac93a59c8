package inbound

import (
	"fmt"
	"strings"
	"testing"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// subscription is the number of one.
func (h *house) subscription(list, who string) (id int64) {
	h.Helper()
	h.view(func(tx *store.Tx) error {
		l, err := tx.ListAt(addr(list))
		if err != nil {
			return err
		}
		s, err := tx.Subscription(l.ID, addr(who))
		id = s.ID
		return err
	})
	return id
}

// members are the addresses of a list's subscribers.
func (h *house) members(list string) string {
	h.Helper()
	var out []string
	h.view(func(tx *store.Tx) error {
		l, err := tx.ListAt(addr(list))
		if err != nil {
			return err
		}
		all, err := tx.Members(l.ID, "", 100)
		for _, m := range all {
			out = append(out, m.Address.String())
		}
		return err
	})
	return strings.Join(out, " ")
}

// TestLeaveToken: mail to the address of List-Unsubscribe ends one subscription; whatever else stands in its place ends
// none, and is answered the same.
func TestLeaveToken(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		dev := h.list("dev@lists.test")
		h.list("ops@lists.test")
		h.join("dev@lists.test", "ada@a.test", "tim@c.test")
		h.join("ops@lists.test", "ada@a.test")
		h.member("dev@lists.test", "ada@a.test", "role=moderator+member")
		ada, tim, ops := h.subscription("dev@lists.test", "ada@a.test"), h.subscription("dev@lists.test", "tim@c.test"), h.subscription("ops@lists.test", "ada@a.test")
		token := h.door.Minter.Leave(dev.Leave(), ada)
		verp := h.door.Minter.VERP(dev.Bounces(), 1, tim)
		_, bounce, _ := strings.Cut(verp.Local, "+")
		forged := lists.NewMinter([]byte("another key")).Leave(dev.Leave(), tim)
		for _, c := range []struct {
			name string
			to   mail.Address
			log  string
			dev  string
			told string
		}{
			{"garbage", addr("dev-leave+garbagegarbage@lists.test"), "no such token", "ada@a.test tim@c.test", ""},
			{"a token of another key", forged, "no such token", "ada@a.test tim@c.test", ""},
			{"a bounce token", dev.Sub("leave+" + bounce), "no such token", "ada@a.test tim@c.test", ""},
			{"a token of another list", h.door.Minter.Leave(dev.Leave(), ops), "has left before", "ada@a.test tim@c.test", ""},
			{"the token", token, "ada@a.test left", "tim@c.test", "ada@a.test: You have left dev\n"},
			{"the token once more", token, "has left before", "tim@c.test", ""},
			{"in capitals", mail.Address{Local: strings.ToUpper(h.door.Minter.Leave(dev.Leave(), tim).Local), Domain: "lists.test"}, "tim@c.test left", "", "tim@c.test: You have left dev\n"},
		} {
			t.Run(c.name, func(t *testing.T) {
				h := h.in(t)
				env := envelope("whoever@x.test", c.to.String())
				if got := code(t, h.door.Check(t.Context(), env, env.To[0])); got != "250" {
					t.Errorf("Check: %s", got)
				}
				// Another message each time: an empty one, as programs send it.
				h.says(h.accept(env, fmt.Sprintf("From: whoever@x.test\r\nMessage-ID: <u%d@x.test>\r\n\r\n", numbers.Add(1)))[0], "250 2.0.0 queued as ")
				if got := h.members("dev@lists.test"); got != c.dev {
					t.Errorf("the members are %q, want %q", got, c.dev)
				}
				if !strings.Contains(h.log.String(), c.log) {
					t.Errorf("the log does not say %q:\n%s", c.log, h.log)
				}
				h.wants(c.told)
			})
		}
		if got := h.members("ops@lists.test"); got != "ada@a.test" {
			t.Errorf("the other list has %q", got)
		}
		h.view(func(tx *store.Tx) error {
			r, err := tx.Roles(dev.ID, addr("ada@a.test"))
			if !r.Has(lists.Moderator) {
				t.Error("who leaves does not govern any more")
			}
			return err
		})
	})
}

// TestOwners: what is written to the people of a list or of the site is forwarded as it came, with a return path that
// nothing comes back to.
func TestOwners(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test", "subject_prefix=[dev]", "footer=Bye", "closed=yes")
		h.join("dev@lists.test", "ada@a.test")
		h.member("dev@lists.test", "ada@a.test", "role=owner")
		for _, name := range []string{"owner"} {
			message := post("eve@e.test", "dev-"+name+"@lists.test", "Hello")
			h.says(h.accept(envelope("eve@e.test", "dev-"+name+"@lists.test"), message)[0], "250 2.0.0 queued as ")
			all := h.wants("ada@a.test: Hello\nown@own.test: Hello\n")
			head, body, _ := strings.Cut(message, "\r\n\r\n")
			if all[0].from != "" || !strings.HasPrefix(all[0].head, "Received: ") || !strings.HasSuffix(all[0].head, head+"\r\n") || all[0].body != body {
				t.Errorf("%s: forwarded is, from <%s>,\n%s\n%s", name, all[0].from, all[0].head, all[0].body)
			}
			h.became(message, "forwarded")
		}
		h.says(h.accept(envelope("", "postmaster@mx.test"), post("ada@a.test", "x@y.test", "Trouble"))[0], "250 2.0.0 queued as ")
		h.wants("admin@site.test: Trouble\n")
		h.says(h.accept(envelope("", "dev-owner@lists.test"), post("ada@a.test", "x@y.test", "A bounce"))[0], "250 2.0.0 queued as ")
		h.wants("ada@a.test: A bounce\nown@own.test: A bounce\n")
	})
}

// TestNoOwner: without owners the moderators read, without them the site's owner, and without him the sender hears it.
func TestNoOwner(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test")
	h.join("dev@lists.test", "ada@a.test")
	h.member("dev@lists.test", "ada@a.test", "role=moderator+member")
	send := func() string {
		return h.accept(envelope("eve@e.test", "dev-owner@lists.test"), post("eve@e.test", "dev-owner@lists.test", "Hello"))[0]
	}
	if err := h.books.Remove(t.Context(), addr("dev@lists.test"), []mail.Address{addr("own@own.test")}); err != nil {
		t.Fatal(err)
	}
	send()
	h.wants("ada@a.test: Hello\n")
	h.member("dev@lists.test", "ada@a.test", "role=member")
	send()
	h.wants("admin@site.test: Hello\n")
	h.door.Owner = mail.Address{}
	h.says(send(), "550 5.2.1 ")
	h.wants("")
}

// TestCircles: a list whose owner is its own owner address, or that of a list that names it back, sends nothing round.
func TestCircles(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test")
	h.list("ops@lists.test")
	for list, owner := range map[string]string{"dev@lists.test": "ops-owner@lists.test", "ops@lists.test": "dev-owner@lists.test"} {
		if err := h.books.Remove(t.Context(), addr(list), []mail.Address{addr("own@own.test")}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.books.Add(t.Context(), addr(list), []lists.Row{{Address: addr(owner), Roles: lists.Owner}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	at, message := "dev-owner@lists.test", post("eve@e.test", "dev-owner@lists.test", "Round")
	hops := 0
	for ; hops < 10; hops++ {
		h.says(h.accept(envelope("", at), message)[0], "250")
		all := h.sent()
		if len(all) == 0 {
			break
		}
		at, message = all[0].to, all[0].head+"\r\n"+all[0].body
	}
	if hops != 2 {
		t.Errorf("it goes round %d times", hops)
	}

	h.list("self@lists.test")
	if _, err := h.books.Add(t.Context(), addr("self@lists.test"), []lists.Row{{Address: addr("self-owner@lists.test"), Roles: lists.Owner},
		{Address: addr("self@lists.test"), Roles: lists.Owner}}, nil); err != nil {
		t.Fatal(err)
	}
	h.accept(envelope("eve@e.test", "self-owner@lists.test"), post("eve@e.test", "self-owner@lists.test", "Hello"))
	h.wants("own@own.test: Hello\n")
}

// TestLoop: RFC 5321 section 6.3: what has passed a hundred servers and comes here is refused, at addresses that forward.
func TestLoop(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.list("dev@lists.test")
	for _, to := range []string{"dev-owner@lists.test", "postmaster@lists.test", "dev-bounces@lists.test"} {
		for hops, want := range map[int]string{99: "250 2.0.0 ", 100: "554 5.4.6 ", 1000: "554 5.4.6 "} {
			h.says(h.accept(envelope("eve@e.test", to), post("eve@e.test", to, "Round", strings.Repeat("Received: by x.test; y\r\n", hops)))[0], want)
		}
	}
	h.wants("own@own.test: Round\nadmin@site.test: Round\nown@own.test: Round\n")
}
