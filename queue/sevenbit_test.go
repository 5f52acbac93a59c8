package queue

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"listd/lists"
	"listd/mail"
	"listd/mailauth"
	"listd/smtp"
	"listd/smtp/sink"
	"listd/store"
	"listd/store/fresh"
)

// keysOf are the signer of a domain and what it publishes.
func keysOf(t *testing.T, domain string, published map[string]string) *mailauth.Signer {
	t.Helper()
	keys, err := mailauth.GenerateKeys(domain, "r", "e")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		name, txt := k.DNSRecord()
		published[name] = txt
	}
	s, err := mailauth.NewSigner(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSignedFor7bit sends 8-bit posts, which their author has signed, to servers with and without 8BITMIME. Our
// signatures hold at both; the author's bytes and signatures stay where they can.
func TestSignedFor7bit(t *testing.T) {
	t.Parallel()
	published := map[string]string{}
	ours, authors := keysOf(t, "lists.example.org", published), keysOf(t, "example.net", published)
	signer := func(domain string) *mailauth.Signer {
		if domain == "lists.example.org" {
			return ours
		}
		return nil
	}
	head := []byte("From: ann@example.net\r\nSubject: s\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n")
	body := []byte("Grüße, 1 = 1 \r\n")
	fields, err := authors.Sign(head, authors.BodyHash(body), time.Unix(1e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	head = append(append(fields, head...), "List-Unsubscribe: <mailto:dev-leave@lists.example.org>\r\n"...)
	for _, e := range []struct {
		name       string
		extensions []string
		personal   bool
		subscribed bool
	}{
		{"personal", []string{"8BITMIME"}, true, true}, {"personal, 7-bit", []string{}, true, true},
		{"nobody's subscription", []string{"8BITMIME"}, true, false}, {"nobody's subscription, 7-bit", []string{}, true, false},
		{"shared", []string{"8BITMIME"}, false, true}, {"shared, 7-bit", []string{}, false, true},
	} {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			got := make(chan sink.Mail, 10)
			peer := &sink.Sink{Extensions: e.extensions, Keep: func(m sink.Mail) { got <- m }}
			addr, err := peer.Listen()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(peer.Close)
			relay := &smtp.Relay{Addr: addr, Hostname: "lists.example.org"}
			t.Cleanup(relay.Close)
			path := fresh.SQLite(t)
			db := openDB(t, path, nil)
			x := &site{T: t, db: db, path: path, worker: &Worker{DB: db, Sender: relay, Out: Out{Relay: true}, Log: slog.New(slog.DiscardHandler), Holder: 7,
				Press: Press{Minter: lists.NewMinter([]byte("key")), Signer: signer}}}
			var id store.OutgoingID
			x.update(func(tx *store.Tx) error {
				m, err := tx.AddMessage(head, store.PackBody(body))
				if err != nil {
					return err
				}
				id, err = x.worker.Out.Add(tx, Outgoing{Message: m, From: address("dev-bounces@lists.example.org"), Personal: e.personal},
					Audience{Addresses: []mail.Address{address("bob@example.com"), address("carl@example.com")}})
				return err
			})
			if e.subscribed {
				x.raw(`UPDATE deliveries SET subscription_id = id`)
			}
			stop := x.run()
			copies := map[bool]int{true: 2, false: 1}[e.personal]
			for range copies {
				check7bit(t, <-got, published, body, len(e.extensions) == 0)
			}
			stop()
			if s := x.states(id); s[store.Sent] != 2 || len(s) != 1 || len(got) != 0 {
				t.Errorf("%v, and %d copies too many", s, len(got))
			}
		})
	}
}

// check7bit checks what a server was sent.
func check7bit(t *testing.T, m sink.Mail, published map[string]string, body []byte, narrow bool) {
	t.Helper()
	if _, b, _ := bytes.Cut(m.Data, []byte("\r\n\r\n")); narrow && strings.ContainsFunc(string(m.Data), func(r rune) bool { return r > 127 }) ||
		!narrow && !bytes.Equal(b, body) {
		t.Errorf("it was sent\n%s", m.Data)
	}
	found, err := dkim.VerifyWithOptions(bytes.NewReader(m.Data), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		if txt, ok := published[name]; ok {
			return []string{txt}, nil
		}
		return nil, fmt.Errorf("nothing at %s", name)
	}})
	if err != nil || len(found) != 4 {
		t.Fatalf("%d signatures, 4 were expected: %v", len(found), err)
	}
	for _, v := range found {
		switch {
		case v.Domain == "lists.example.org" && v.Err != nil:
			t.Errorf("ours: %v\n%s", v.Err, m.Data)
		case v.Domain == "example.net" && !narrow && v.Err != nil:
			t.Errorf("the author's: %v\n%s", v.Err, m.Data)
		}
	}
}

// TestOfferedIn7bit answers for a next server without 8BITMIME: only what can be converted is offered again, and only to
// whom it matters.
func TestOfferedIn7bit(t *testing.T) {
	refused := *mail.Refuse(554, "5.6.3", "no 8-bit mail")
	const eight = "Grüße\r\n"
	for name, e := range map[string]struct {
		head, body string
		still      bool // it is refused in 7 bit too
		offers     map[string]int
		state      store.DeliveryState
		reply      string
	}{
		"converted":       {"Subject: s\r\n", eight, false, map[string]int{"old@d.example": 2, "new@d.example": 1}, store.Sent, "2.0.0 taken"},
		"still refused":   {"Subject: s\r\n", eight, true, map[string]int{"old@d.example": 2, "new@d.example": 1}, store.Failed, "5.6.3 no 8-bit mail"},
		"7-bit as it was": {"Subject: s\r\n", "Hello\r\n", false, map[string]int{"old@d.example": 1, "new@d.example": 1}, store.Failed, "5.6.3 no 8-bit mail"},
		"of a sealed kind": {"Content-Type: multipart/encrypted; boundary=b\r\n", "--b\r\n\r\né\r\n--b--\r\n", false,
			map[string]int{"old@d.example": 1, "new@d.example": 1}, store.Failed, "5.6.3 no 8-bit mail; signed or encrypted, the message cannot be converted"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(x *site) {
				x.sender.answer = func(_ string, to mail.Address) mail.Reply {
					if n := x.sender.recipients()[to.String()]; to.Local == "old" && (n == 1 || e.still) {
						return refused
					}
					return *mail.Refuse(250, "2.0.0", "taken")
				}
				packed := store.PackBody([]byte(e.body))
				var id store.OutgoingID
				x.update(func(tx *store.Tx) error {
					m, err := tx.AddMessage([]byte(e.head), packed)
					if err != nil {
						return err
					}
					id, err = Out{}.Add(tx, Outgoing{Message: m}, Audience{Addresses: []mail.Address{address("new@d.example"), address("old@d.example")}})
					return err
				})
				stop := x.run()
				x.after(3 * time.Second)
				stop()
				got := x.deliveries(id)
				if d := got["old@d.example"]; d.State != e.state || d.Reply != e.reply || d.Attempts != 1 {
					t.Errorf("old: %+v", d)
				}
				if d := got["new@d.example"]; d.State != store.Sent || d.Attempts != 1 {
					t.Errorf("new: %+v", d)
				}
				for to, n := range e.offers {
					if got := x.sender.recipients()[to]; got != n {
						t.Errorf("%s was offered it %d times, want %d", to, got, n)
					}
				}
			})
		})
	}
}
