package queue

import (
	"bytes"
	"crypto/sha256"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"listd/lists"
	"listd/mail"
	"listd/mailauth"
	"listd/store"
)

// loaded is an outgoing with its message, read once and shared by all workers. The head is cut where what differs for
// each recipient goes.
type loaded struct {
	store.Outgoing
	message mail.Message
	leave   mail.Address // the list's leave address, as List-Unsubscribe names it; zero if there is none to fill in
	before  []byte       // the head up to List-Unsubscribe
	after   []byte       // and from its end on

	sealed     sync.Once // what follows is seal's
	signer     *mailauth.Signer
	bodyHash   [sha256.Size]byte
	signedHead []byte // for who gets no head of their own

	// What follows is the cache's.
	size    int64 // of the message, in bytes
	users   int   // dialogs under way
	ready   bool  // message is there
	reading bool
}

// set fills in the message and cuts its head.
func (l *loaded) set(m mail.Message) {
	l.message, l.ready = m, true
	l.leave, l.before, l.after = mail.Address{}, nil, nil
	l.sealed = sync.Once{}
	if !l.Personal {
		return
	}
	at := 0
	for f := range mail.Fields(m.Head) {
		if f.Is("List-Unsubscribe") {
			value := f.Value()
			open, end := strings.Index(value, "<mailto:"), strings.IndexByte(value, '>')
			if open != 0 || end < 0 {
				break
			}
			a, err := mail.ParseAddress(value[len("<mailto:"):end])
			if err != nil {
				break
			}
			l.leave, l.before, l.after = a, m.Head[:at:at], m.Head[at+len(f.Raw):]
			break
		}
		at += len(f.Raw)
	}
}

// Press is what turns an outgoing into what one recipient gets. Its fields are set before use.
type Press struct {
	Minter *lists.Minter
	URL    string                               // of the pages, without a final slash; empty: there are none
	Signer func(domain string) *mailauth.Signer // nil, or nil for a domain: it leaves unsigned
}

// oneClick reports whether a POST to our pages is worth announcing: RFC 8058 section 3.1 wants https. Loopback is for
// rehearsals.
func (p Press) oneClick() bool {
	return strings.HasPrefix(p.URL, "https://") || strings.HasPrefix(p.URL, "http://127.0.0.1:") || strings.HasPrefix(p.URL, "http://localhost:")
}

// render makes the envelope and the message for the recipients of one transaction. What is the same for all is shared,
// and signed once.
func (l *loaded) render(p Press, to []store.Claimed, now time.Time) (mail.Envelope, mail.Message) {
	env := mail.Envelope{From: l.From, To: make([]mail.Rcpt, len(to)), Size: l.message.Size()}
	for i, c := range to {
		env.To[i].Address = c.Rcpt
		env.UTF8 = env.UTF8 || c.Rcpt.UTF8()
	}
	l.sealed.Do(func() { l.seal(p, now) })
	m := mail.Message{Head: l.signedHead, Body: l.message.Body}
	if l.Personal && len(to) == 1 && to[0].Subscription != 0 {
		if !l.From.IsZero() {
			env.From = p.Minter.VERP(l.From, int64(l.ID), to[0].Subscription)
		}
		if !l.leave.IsZero() {
			m.Head = l.sign(l.personal(p, to[0].Subscription), now)
		}
	}
	env.Size = m.Size()
	return env, m
}

// personal is the head with the recipient's own ways to leave (RFC 8058 section 3.1, RFC 2369 section 3.2).
func (l *loaded) personal(p Press, subscription int64) []byte {
	head := make([]byte, 0, len(l.message.Head)+200)
	head = append(head, l.before...)
	head = append(head, "List-Unsubscribe: <"...)
	if p.URL != "" {
		head = append(append(append(head, p.URL...), "/leave/"...), p.Minter.LeaveToken(subscription)...)
		head = append(head, ">,\r\n <"...)
	}
	head = append(head, "mailto:"...)
	head = append(head, p.Minter.Leave(l.leave, subscription).String()...)
	head = append(head, ">\r\n"...)
	if p.oneClick() {
		head = append(head, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"...)
	}
	return append(head, l.after...)
}

// seal finds who signs, hashes the body, and signs what goes to all alike.
func (l *loaded) seal(p Press, now time.Time) {
	l.signer, l.signedHead = nil, l.message.Head
	if p.Signer == nil {
		return
	}
	domain := l.From.Domain
	if domain == "" {
		domain = mail.Author(l.message.Head).Address.Domain
	}
	if l.signer = p.Signer(domain); l.signer == nil {
		return
	}
	l.bodyHash = l.signer.BodyHash(l.message.Body)
	if !l.Personal || l.leave.IsZero() {
		l.signedHead = l.sign(l.message.Head, now)
	}
}

// sign puts our signatures in front of a head. What cannot be signed, for want of a From, goes as it is.
func (l *loaded) sign(head []byte, now time.Time) []byte {
	if l.signer == nil {
		return head
	}
	fields, err := l.signer.Sign(head, l.bodyHash, now)
	if err != nil {
		return head
	}
	return append(fields, head...)
}

// clean makes text from outside fit for a row and a terminal: valid UTF-8, no control characters, at most n bytes.
func clean(s string, n int) string {
	if utf8.ValidString(s) && len(s) <= n && strings.IndexFunc(s, isControl) < 0 {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if isControl(r) {
			return ' '
		}
		return r
	}, string(bytes.ToValidUTF8([]byte(s), []byte("?"))))
	for len(s) > n {
		_, size := utf8.DecodeLastRuneInString(s[:n+1])
		s = s[:max(n+1-size, 0)]
	}
	return s
}

func isControl(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }
