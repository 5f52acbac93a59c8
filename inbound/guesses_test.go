package inbound

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"listd/auth"
	"listd/lists"
	"listd/mail"
)

// offer is a mail as a server takes it: Check at RCPT, then Accept. It says what the peer hears.
func (h *house) offer(env mail.Envelope, message string) string {
	h.Helper()
	for _, to := range env.To {
		if err := h.door.Check(h.Context(), env, to); err != nil {
			return err.Error()
		}
	}
	return h.accept(env, message)[0]
}

// guessed spells a token that nobody has made.
func guessed(n int) string {
	return lists.RandomToken([13]byte{0xff, byte(n >> 16), byte(n >> 8), byte(n)})
}

// TestGuessesByMail: ten thousand tokens are tried from one place. Few are looked at, the right one among them is not told
// apart, and from elsewhere it works.
func TestGuessesByMail(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		dev := h.list("dev@lists.test")
		h.join("dev@lists.test", "ada@a.test", "tim@c.test")
		h.books.Minter = h.door.Minter

		h.accept(envelope("new@n.test", "dev-join@lists.test"), post("new@n.test", "dev-join@lists.test", "join"))
		confirm := h.wants("new@n.test: Please confirm: join dev\n")[0].get("From")
		h.accept(envelope("eve@e.test", "dev@lists.test"), post("eve@e.test", "dev@lists.test", "Pills"))
		moderate := h.wants("own@own.test: dev: a message from eve@e.test waits for you\neve@e.test: Your message to dev waits for a moderator\n")[0].get("From")
		right := []mail.Address{mail.Mailboxes(confirm)[0].Address, mail.Mailboxes(moderate)[0].Address,
			h.door.Minter.Leave(dev.Leave(), h.subscription("dev@lists.test", "tim@c.test"))}

		for i, kind := range []string{"confirm", "moderate", "leave"} {
			t.Run(kind, func(t *testing.T) {
				h := h.in(t)
				env := envelope("mallory@m.test", "dev@lists.test")
				env.Peer.IP = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
				answers := map[string]int{}
				for n := range 10_000 {
					env.To[0].Address = addr("dev-" + kind + "+" + guessed(n) + "@lists.test")
					said := h.offer(env, post("mallory@m.test", "you", "Re: please"))
					answers[said[:min(len(said), 9)]]++
				}
				if answers["250 2.0.0"] != maxGuesses || answers["450 4.7.1"] != 10_000-maxGuesses {
					t.Errorf("the answers are %v", answers)
				}
				env.To[0].Address = right[i]
				h.says(h.offer(env, post("mallory@m.test", "you", "Re: please")), "450 4.7.1")
				if got := h.members("dev@lists.test"); got != "ada@a.test tim@c.test" {
					t.Errorf("the members are %s", got)
				}
				if n := len(h.held()); n != 1 {
					t.Errorf("%d are held", n)
				}
				// One answer says that nothing waits, and no more.
				if got := h.sent(); len(got) > 1 {
					t.Errorf("%d mails leave:\n%s", len(got), outline(got))
				}
			})
		}
		h.says(h.offer(envelope("new@n.test", right[0].String()), post("new@n.test", "you", "Re: please")), "250")
		h.says(h.offer(envelope("tim@c.test", right[2].String()), post("tim@c.test", "you", "Re: please")), "250")
		h.says(h.offer(envelope("own@own.test", right[1].String()), strings.Replace(post("own@own.test", "you", "Re: please"), "I have", "discard\r\n\r\nI have", 1)), "250")
		if got := h.members("dev@lists.test"); got != "ada@a.test new@n.test" {
			t.Errorf("the members are %s", got)
		}
		if n := query(t, h.raw(), `SELECT COUNT(*) FROM tasks WHERE kind = 'rule'`); n != 1 {
			t.Errorf("%d rulings are on their way", n)
		}
		h.clock.add(auth.GuessWindow)
		env := envelope("mallory@m.test", "dev-leave+"+guessed(1)+"@lists.test")
		env.Peer.IP = netip.AddrFrom4([4]byte{203, 0, 113, 2})
		h.says(h.offer(env, post("mallory@m.test", "you", "Re: please")), "250")
	})
}

// TestGuessesInText: tokens in the lines of a mail are counted like those in addresses.
func TestGuessesInText(t *testing.T) {
	sqlite(t, func(t *testing.T, h *house) {
		h.list("dev@lists.test")
		h.accept(envelope("new@n.test", "dev-join@lists.test"), post("new@n.test", "dev-join@lists.test", "join"))
		_, token, _ := strings.Cut(mail.Mailboxes(h.wants("new@n.test: Please confirm: join dev\n")[0].get("From"))[0].Address.Local, "+")
		env := envelope("mallory@m.test", "dev-request@lists.test")
		text := func(lines ...string) string {
			return fmt.Sprintf("From: mallory@m.test\r\nTo: you\r\nSubject: %s\r\nMessage-ID: <g%d@m.test>\r\n\r\n%s\r\n", lines[0], numbers.Add(1), strings.Join(lines[1:], "\r\n"))
		}
		for n := range 4 {
			var lines []string
			for k := range 20 {
				lines = append(lines, "confirm "+guessed(20*n+k))
			}
			h.says(h.offer(env, text(lines...)), "250")
		}
		h.sent()
		h.says(h.offer(env, text("confirm "+token)), "250")
		if got := h.wants("mallory@m.test: Your commands to dev\n"); len(got) == 1 && !strings.Contains(got[0].body, "too many tokens") {
			t.Errorf("the answer is\n%s", got[0].body)
		}
		if got := h.members("dev@lists.test"); got != "" {
			t.Errorf("%s has joined", got)
		}
		env.Peer.IP = netip.MustParseAddr("198.51.100.1")
		h.says(h.offer(env, text("confirm "+token)), "250")
		if got := h.members("dev@lists.test"); got != "new@n.test" {
			t.Errorf("the members are %q", got)
		}
	})
}

func TestSource(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ ip, from, want string }{
		{"192.0.2.1", "a@a.test", "192.0.2.1"},
		{"::ffff:192.0.2.1", "a@a.test", "192.0.2.1"},
		{"2001:db8:1:2:3::4", "a@a.test", "2001:db8:1:2::/64"},
		{"127.0.0.1", "a@a.test", "a.test"}, // our own relay in front
		{"10.0.0.1", "", ""},
		{"", "a@a.test", "a.test"},
	} {
		env := envelope(c.from)
		env.Peer.IP = netip.Addr{}
		if c.ip != "" {
			env.Peer.IP = netip.MustParseAddr(c.ip)
		}
		if got := source(env); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.ip, c.from, got, c.want)
		}
	}
}
