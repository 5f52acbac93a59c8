package mailauth_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foxcpp/go-mockdns"

	"listd/mail"
	"listd/mailauth"
)

var _ mailauth.Resolver = (*mockdns.Resolver)(nil)

// noon is when the tests happen.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// keysOf makes the keys of example.com. Making RSA keys is slow: the tests share them.
var keysOf = sync.OnceValues(func() ([]mailauth.Key, error) { return mailauth.GenerateKeys("example.com", "r1", "e1") })

func keys(tb testing.TB) []mailauth.Key {
	tb.Helper()
	k, err := keysOf()
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func signer(tb testing.TB) *mailauth.Signer {
	tb.Helper()
	s, err := mailauth.NewSigner(keys(tb)...)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// published are the records of the shared keys.
func published(tb testing.TB) map[string]string {
	tb.Helper()
	out := map[string]string{}
	for _, k := range keys(tb) {
		name, txt := k.DNSRecord()
		out[name] = txt
	}
	return out
}

// zone is a zone of TXT records.
func zone(txt map[string]string) *mockdns.Resolver {
	r := &mockdns.Resolver{Zones: map[string]mockdns.Zone{}}
	for name, t := range txt {
		r.Zones[name+"."] = mockdns.Zone{TXT: []string{t}}
	}
	return r
}

// message makes one of text, whose lines end as they lie.
func message(s string) mail.Message {
	head, body, _ := strings.Cut(s, "\r\n\r\n")
	return mail.Message{Head: []byte(head + "\r\n"), Body: []byte(body)}
}

// crlf makes the line ends of a literal those of mail.
func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

func whole(m mail.Message) []byte { return bytes.Join([][]byte{m.Head, m.Body}, []byte("\r\n")) }

// signed puts our signatures in front.
func signed(tb testing.TB, s *mailauth.Signer, m mail.Message) mail.Message {
	tb.Helper()
	fields, err := s.Sign(m.Head, s.BodyHash(m.Body), noon())
	if err != nil {
		tb.Fatal(err)
	}
	return mail.Message{Head: append(fields, m.Head...), Body: m.Body}
}

// odd are messages that canonicalization has to do something about.
func odd() map[string]mail.Message {
	const head = "From: Ann Other <ann@example.com>\r\nTo: dev@example.org\r\nSubject: A post\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"
	out := map[string]mail.Message{}
	for name, body := range map[string]string{
		"plain":               "Hello,\r\n\r\nyou all.\r\n",
		"empty body":          "",
		"one empty line":      "\r\n",
		"empty lines only":    "\r\n\r\n\r\n",
		"white lines only":    " \r\n\t\r\n  \t \r\n",
		"no end":              "Hello",
		"empty lines at end":  "Hello\r\n\r\n\r\n",
		"white lines at end":  "Hello\r\n \r\n\t\r\n",
		"empty lines first":   "\r\n\r\nHello\r\n",
		"white space at ends": "Hello \r\nyou\t\r\nall \t \r\n",
		"runs":                "Hello  you\r\n\tall\t\there  \r\n   x\r\n",
		"one space":           " a\r\n",
		"dots":                ".\r\n..\r\n. \r\n",
		"8 bit":               "Grüße \xe9\xff\x80\r\n",
		"long line":           strings.Repeat("x y  z\t", 150_000) + "\r\n",
		"many lines":          strings.Repeat("This is a line of some length.\r\n", 30_000),
		"every byte":          everyByte() + "\r\n",
		"bare CR":             "a\rb \r c\r\n",
	} {
		out[name] = mail.Message{Head: []byte(head), Body: []byte(body)}
	}
	for name, h := range map[string]string{
		"folded":             "Subject: a\r\n folded\r\n\t  one \r\n  here\r\nFrom: ann@example.com\r\nReferences: <1@a>\r\n <2@a>\r\n\t<3@a>\r\n",
		"fold at once":       "From:\r\n ann@example.com\r\nSubject:\r\n\r\n",
		"duplicates":         head + "To: other@example.org\r\nList-Id: <a.example.org>\r\nList-Id: <b.example.org>\r\nSubject: again\r\n",
		"two From":           "From: ann@example.com\r\nFrom: bob@example.com\r\n",
		"tabs":               "From:\tann@example.com\t\r\nSubject: a\tb \t c\r\nTo:\t\t dev@example.org\r\n",
		"space before colon": "From : ann@example.com\r\nSubject \t: x\r\n",
		"names in any case":  "FROM: ann@example.com\r\nsubJECT: x\r\nlist-UNSUBSCRIBE: <https://example.com/u>\r\n",
		"empty values":       "From: ann@example.com\r\nSubject:\r\nTo: \r\nCc: \t \r\n",
		"8 bit head":         "From: Ann \xc3\x9f <ann@example.com>\r\nSubject: \xe9\xff\r\n",
		"one-click": head + "List-Unsubscribe: <mailto:u@example.com>,\r\n\t<https://example.com/u/0123456789>\r\n" +
			"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n" +
			"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\nReply-To: dev@example.org\r\nIn-Reply-To: <0@example.com>\r\n",
		"much": head + strings.Repeat("List-Post: <mailto:dev@example.org>\r\nReceived: from x\r\n", 60),
	} {
		out[name] = mail.Message{Head: []byte(strings.ReplaceAll(h, "\r\n\r\n", "\r\n")), Body: []byte("x\r\n")}
	}
	return out
}

// everyByte is all but NUL, CR and LF.
func everyByte() string {
	var b strings.Builder
	for c := range 256 {
		if c != 0 && c != '\r' && c != '\n' {
			b.WriteByte(byte(c))
		}
	}
	return b.String()
}

// verifier asks r at noon.
func verifier(r mailauth.Resolver) *mailauth.Verifier {
	return &mailauth.Verifier{Resolver: r, Now: noon}
}

// from is an envelope.
func from(address, ip string) mail.Envelope {
	e := mail.Envelope{Peer: mail.Peer{Helo: "mx.example.com"}}
	if ip != "" {
		e.Peer.IP = netip.MustParseAddr(ip)
	}
	if address != "" {
		a, err := mail.ParseAddress(address)
		if err != nil {
			panic(err)
		}
		e.From = a
	}
	return e
}

// counting counts what is asked.
type counting struct {
	mailauth.Resolver
	mu    sync.Mutex
	asked []string
}

func (c *counting) LookupTXT(ctx context.Context, name string) ([]string, error) {
	c.mu.Lock()
	c.asked = append(c.asked, strings.TrimSuffix(name, "."))
	c.mu.Unlock()
	return c.Resolver.LookupTXT(ctx, name)
}

// silent never answers for the names that slow knows.
type silent struct {
	mailauth.Resolver
	slow func(name string) bool
}

func (s silent) LookupTXT(ctx context.Context, name string) ([]string, error) {
	if s.slow(name) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Resolver.LookupTXT(ctx, name)
}

// broken is a temporary failure.
func broken() error {
	return &net.DNSError{Err: "server misbehaving", IsTemporary: true}
}

// results shows the result of each signature.
func results(sigs []mailauth.Signature) string {
	var out []string
	for _, s := range sigs {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s/%s %s %s", s.Domain, s.Selector, s.Result, s.Reason)))
	}
	return strings.Join(out, "; ")
}
