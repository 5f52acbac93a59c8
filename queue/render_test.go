package queue

import (
	"strings"
	"testing"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/mailauth"
	"listd/store"
)

func address(s string) mail.Address {
	a, err := mail.ParseAddress(s)
	if err != nil {
		panic(err) // a mistake in the test
	}
	return a
}

func TestRender(t *testing.T) {
	t.Parallel()
	minter := lists.NewMinter([]byte("key"))
	bounces, leave := address("dev-bounces@lists.example.org"), address("dev-leave@lists.example.org")
	const plain = "From: a@example.org\r\nSubject: s\r\n"
	const listed = "From: a@example.org\r\nlist-unsubscribe:\r\n <mailto:dev-leave@lists.example.org>\r\nSubject: s\r\n"
	own := "From: a@example.org\r\nList-Unsubscribe: <mailto:" + minter.Leave(leave, 9).String() + ">\r\nSubject: s\r\n"
	to := func(subscription int64, addresses ...string) (out []store.Claimed) {
		for _, a := range addresses {
			out = append(out, store.Claimed{Rcpt: address(a), Subscription: subscription})
		}
		return out
	}
	for _, e := range []struct {
		name     string
		personal bool
		from     mail.Address
		head     string
		to       []store.Claimed
		wantFrom mail.Address
		wantHead string
	}{
		{"personal", true, bounces, listed, to(9, "x@example.org"), minter.VERP(bounces, 5, 9), own},
		{"shared", false, bounces, listed, to(9, "x@example.org"), bounces, listed},
		{"shared by several", false, bounces, listed, to(9, "x@example.org", "y@example.org"), bounces, listed},
		{"nobody's subscription", true, bounces, listed, to(0, "x@example.org"), bounces, listed},
		{"a notice", true, mail.Address{}, plain, to(9, "x@example.org"), mail.Address{}, plain},
		{"the null reverse-path stays null", true, mail.Address{}, listed, to(9, "x@example.org"), mail.Address{}, own},
		{"no List-Unsubscribe to fill in", true, bounces, plain, to(9, "x@example.org"), minter.VERP(bounces, 5, 9), plain},
		{"a List-Unsubscribe of another kind", true, bounces, "List-Unsubscribe: <https://example.org/u>\r\n", to(9, "x@example.org"),
			minter.VERP(bounces, 5, 9), "List-Unsubscribe: <https://example.org/u>\r\n"},
		{"a List-Unsubscribe that is none", true, bounces, "List-Unsubscribe: <mailto:@@>\r\n", to(9, "x@example.org"),
			minter.VERP(bounces, 5, 9), "List-Unsubscribe: <mailto:@@>\r\n"},
	} {
		m := mail.Message{Head: []byte(e.head), Body: []byte("body\r\n")}
		l := &loaded{Outgoing: store.Outgoing{ID: 5, From: e.from, Personal: e.personal}}
		l.set(m)
		for range 2 { // the first leaves nothing behind for the second
			env, got := l.render(Press{Minter: minter}, e.to, time.Time{})
			if env.From != e.wantFrom || string(got.Head) != e.wantHead {
				t.Errorf("%s: from %s, head %q; want %s, %q", e.name, env.From, got.Head, e.wantFrom, e.wantHead)
			}
			if &got.Body[0] != &m.Body[0] {
				t.Errorf("%s: the body was copied", e.name)
			}
			if len(env.To) != len(e.to) || env.To[0].Address != e.to[0].Rcpt || env.UTF8 {
				t.Errorf("%s: envelope %+v", e.name, env)
			}
			if env.Size != got.Size() {
				t.Errorf("%s: SIZE=%d for %d bytes", e.name, env.Size, got.Size())
			}
		}
		if string(m.Head) != e.head {
			t.Errorf("%s: the stored head was changed: %q", e.name, m.Head)
		}
	}
	l := &loaded{}
	l.set(mail.Message{Head: []byte(plain), Body: []byte{}})
	if env, _ := l.render(Press{Minter: minter}, to(0, "a@example.org", "ü@example.org"), time.Time{}); !env.UTF8 {
		t.Error("a recipient outside ASCII needs SMTPUTF8")
	}
	// What the tokens say comes back.
	env, m := func() (mail.Envelope, mail.Message) {
		l := &loaded{Outgoing: store.Outgoing{ID: 5, From: bounces, Personal: true}}
		l.set(mail.Message{Head: []byte(listed)})
		return l.render(Press{Minter: minter}, to(9, "x@example.org"), time.Time{})
	}()
	_, token, _ := strings.Cut(env.From.Local, "+")
	if outgoing, sub, ok := minter.ReadVERP(token); !ok || outgoing != 5 || sub != 9 {
		t.Errorf("VERP %s: outgoing %d, subscription %d, %v", env.From, outgoing, sub, ok)
	}
	value := mail.Get(m.Head, "List-Unsubscribe")
	_, token, _ = strings.Cut(strings.TrimSuffix(value, "@lists.example.org>"), "+")
	if sub, ok := minter.ReadLeave(token); !ok || sub != 9 {
		t.Errorf("List-Unsubscribe %s: subscription %d, %v", value, sub, ok)
	}
}

// TestAsksForComplaints: what a member gets says where complaints go (RFC 9477), by the same token as bounces, where a
// provider may believe it: our signature covers it, and vouches for From, or the author's own does.
func TestAsksForComplaints(t *testing.T) {
	t.Parallel()
	published := map[string]string{}
	ours, authors := keysOf(t, "lists.example.org", published), keysOf(t, "example.net", published)
	minter := lists.NewMinter([]byte("key"))
	bounces := address("dev-bounces@lists.example.org")
	const unsubscribe = "List-Unsubscribe: <mailto:dev-leave@lists.example.org>\r\n"
	foreign := "From: ann@example.net\r\nSubject: s\r\n"
	signature, err := authors.Sign([]byte(foreign), authors.BodyHash(nil), time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		head     string
		priority int
		shared   bool
		unsigned bool
		want     string // of Feedback-ID, up to the sender; empty: nobody asks
	}{
		{name: "From is the list's", head: "From: Ann via dev <dev@lists.example.org>\r\n" + unsubscribe, priority: Post, want: "5:dev:post:"},
		{name: "an announcement", head: "From: dev@lists.example.org\r\n" + unsubscribe, priority: Announcement, want: "5:dev:announcement:"},
		{name: "From is another's, who has signed", head: string(signature) + foreign + unsubscribe, priority: Post, want: "5:dev:post:"},
		{name: "From is another's, who has not", head: foreign + unsubscribe, priority: Post},
		{name: "a name that only ends like ours", head: "From: ann@evillists.example.org\r\n" + unsubscribe, priority: Post},
		{name: "the same for all", head: "From: dev@lists.example.org\r\n" + unsubscribe, priority: Post, shared: true},
		{name: "without fields of a list", head: "From: dev@lists.example.org\r\n", priority: Post},
		{name: "without keys", head: "From: dev@lists.example.org\r\n" + unsubscribe, priority: Post, unsigned: true},
	} {
		l := &loaded{Outgoing: store.Outgoing{ID: 5, From: bounces, Personal: !c.shared, Priority: c.priority}}
		l.set(mail.Message{Head: []byte(c.head), Body: []byte("body\r\n")})
		press := Press{Minter: minter, Signer: func(domain string) *mailauth.Signer {
			if c.unsigned || domain != "lists.example.org" {
				return nil
			}
			return ours
		}}
		env, m := l.render(press, []store.Claimed{{Rcpt: address("x@example.org"), Subscription: 9}}, time.Unix(1e9, 0))
		id, ok := strings.CutPrefix(mail.Get(m.Head, "Feedback-ID"), c.want)
		cfbl, token := mail.Get(m.Head, "CFBL-Address"), mail.Get(m.Head, "CFBL-Feedback-ID")
		if c.want == "" {
			if id != "" || cfbl != "" || token != "" {
				t.Errorf("%s: it asks for complaints:\n%s", c.name, m.Head)
			}
			continue
		}
		outgoing, sub, proven := minter.ReadVERP(token)
		if !ok || len(id) < 5 || len(id) > 15 || cfbl != env.From.String()+"; report=arf" || !proven || outgoing != 5 || sub != 9 {
			t.Errorf("%s: Feedback-ID %q, CFBL-Address %q, CFBL-Feedback-ID %q", c.name, c.want+id, cfbl, token)
		}
		if signed := mail.Get(m.Head, "DKIM-Signature"); !strings.Contains(signed, "cfbl-address") || !strings.Contains(signed, "cfbl-feedback-id") || !strings.Contains(signed, "feedback-id:") {
			t.Errorf("%s: the signature does not cover it: %s", c.name, signed)
		}
	}
}
