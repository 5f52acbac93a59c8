package queue

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"listd/lists"
	"listd/mail"
	"listd/mailauth"
	"listd/store"
)

// loaded is an outgoing with its message, read once and shared by all workers.
type loaded struct {
	store.Outgoing
	form // as it was posted

	narrow struct { // in 7 bit, once somebody has asked for it
		sync.Once
		form
		err error
	}

	// What follows is the cache's.
	size    int64 // of the message, in bytes
	grown   int64 // of its form in 7 bit
	users   int   // dialogs under way
	ready   bool  // message is there
	reading bool
}

// form is a message as it leaves. The head is cut where what differs for each recipient goes.
type form struct {
	of      *store.Outgoing
	message mail.Message
	leave   mail.Address // the list's leave address, as List-Unsubscribe names it; zero if there is none to fill in
	before  []byte       // the head up to List-Unsubscribe
	after   []byte       // and from its end on

	sealed     sync.Once // what follows is seal's
	signer     *mailauth.Signer
	feedback   string // the Feedback-ID field; empty if nobody is asked for complaints
	bodyHash   [sha256.Size]byte
	signedHead []byte // for who gets no head of their own
}

// set fills in the message, or the empty one, and forgets what was made of the one before.
func (l *loaded) set(m mail.Message) {
	l.ready = true
	l.form = form{of: &l.Outgoing, message: m}
	l.form.cut()
	l.narrow.Once, l.narrow.form, l.narrow.err = sync.Once{}, form{}, nil
}

// sevenBit is the message for a server that takes no 8-bit bodies. It is made once, and signed after that: a signature
// from before would not hold (RFC 6376 section 5.3). made is how many bytes this call has made.
func (l *loaded) sevenBit() (f *form, made int64, err error) {
	l.narrow.Do(func() {
		var m mail.Message
		if m, l.narrow.err = mail.To7bit(l.message); l.narrow.err == nil {
			l.narrow.form = form{of: &l.Outgoing, message: m}
			l.narrow.form.cut()
			made = m.Size()
		}
	})
	return &l.narrow.form, made, l.narrow.err
}

// cut finds where a personal head is to be filled in.
func (l *form) cut() {
	if !l.of.Personal {
		return
	}
	head := l.message.Head
	at := 0
	for f := range mail.Fields(head) {
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
			l.leave, l.before, l.after = a, head[:at:at], head[at+len(f.Raw):]
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
func (l *form) render(p Press, to []store.Claimed, now time.Time) (mail.Envelope, mail.Message) {
	env := mail.Envelope{From: l.of.From, To: make([]mail.Rcpt, len(to)), Size: l.message.Size()}
	for i, c := range to {
		env.To[i].Address = c.Rcpt
		env.UTF8 = env.UTF8 || c.Rcpt.UTF8()
	}
	l.sealed.Do(func() { l.seal(p, now) })
	m := mail.Message{Head: l.signedHead, Body: l.message.Body}
	own := l.of.Personal && len(to) == 1 && to[0].Subscription != 0
	if own && !l.of.From.IsZero() {
		env.From = p.Minter.VERP(l.of.From, int64(l.of.ID), to[0].Subscription)
	}
	switch {
	case own && !l.leave.IsZero():
		m.Head = l.sign(l.personal(p, to[0].Subscription), now)
	case l.signedHead == nil: // nobody's subscription, among personal mail
		m.Head = l.sign(l.message.Head, now)
	}
	env.Size = m.Size()
	return env, m
}

// personal is the head with the recipient's own ways to leave (RFC 8058 section 3.1, RFC 2369 section 3.2).
func (l *form) personal(p Press, subscription int64) []byte {
	head := make([]byte, 0, len(l.message.Head)+500)
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
	if l.feedback != "" {
		back := p.Minter.VERP(l.of.From, int64(l.of.ID), subscription)
		_, token, _ := strings.Cut(back.Local, "+")
		head = append(append(append(head, "CFBL-Address: "...), back.String()...), "; report=arf\r\n"...)
		head = append(append(append(head, "CFBL-Feedback-ID: "...), token...), "\r\n"...)
		head = append(head, l.feedback...)
	}
	return append(head, l.after...)
}

// feedbackField is the Feedback-ID by which big providers count complaints: the post, the list, what kind of mail it is, and
// the sender, in at most 15 characters. Empty where complaints are not asked for: RFC 9477 section 3.1 wants a signature of
// the domain of the CFBL-Address, and one of From's domain if that is another, which the author's may be.
func (l *form) feedbackField() string {
	if l.signer == nil || l.leave.IsZero() || l.of.From.IsZero() || l.signer.Domain() != l.of.From.Domain {
		return ""
	}
	if !within(mail.Author(l.message.Head).Address.Domain, l.signer.Domain()) && !l.authorSigned() {
		return ""
	}
	kind := "post"
	if l.of.Priority == Announcement {
		kind = "announcement"
	}
	list := strings.TrimSuffix(l.of.From.Local, "-bounces")
	sum := sha256.Sum256([]byte(l.of.From.Domain))
	return "Feedback-ID: " + strconv.FormatInt(int64(l.of.ID), 10) + ":" + list + ":" + kind + ":" + hex.EncodeToString(sum[:6]) + "\r\n"
}

// authorSigned reports whether a signature of the author's domain stands in the head, so that ours is the second.
func (l *form) authorSigned() bool {
	author := mail.Author(l.message.Head).Address.Domain
	for f := range mail.Fields(l.message.Head) {
		if !f.Is("DKIM-Signature") {
			continue
		}
		for tag := range strings.SplitSeq(f.Value(), ";") {
			if name, d, ok := strings.Cut(tag, "="); ok && strings.TrimSpace(name) == "d" && within(author, strings.TrimSpace(d)) {
				return true
			}
		}
	}
	return false
}

// within reports whether a domain is another one, or a part of it.
func within(domain, whole string) bool {
	domain, whole = strings.ToLower(domain), strings.ToLower(whole)
	return domain != "" && whole != "" && (domain == whole || strings.HasSuffix(domain, "."+whole))
}

// seal finds who signs, hashes the body, and signs what goes to all alike.
func (l *form) seal(p Press, now time.Time) {
	if p.Signer != nil {
		domain := l.of.From.Domain
		if domain == "" {
			domain = mail.Author(l.message.Head).Address.Domain
		}
		l.signer = p.Signer(domain)
	}
	if l.signer != nil {
		l.bodyHash = l.signer.BodyHash(l.message.Body)
	}
	l.feedback = l.feedbackField()
	if l.leave.IsZero() {
		l.signedHead = l.sign(l.message.Head, now)
	}
}

// sign puts our signatures in front of a head. What cannot be signed, for want of a From, goes as it is.
func (l *form) sign(head []byte, now time.Time) []byte {
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
