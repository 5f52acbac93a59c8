package queue

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"listd/lists"
	"listd/mail"
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

// render makes the envelope and the message for the recipients of one transaction. What is the same for all is shared.
func (l *loaded) render(minter *lists.Minter, to []store.Claimed) (mail.Envelope, mail.Message) {
	env := mail.Envelope{From: l.From, To: make([]mail.Rcpt, len(to)), Size: l.message.Size()}
	for i, c := range to {
		env.To[i].Address = c.Rcpt
		env.UTF8 = env.UTF8 || c.Rcpt.UTF8()
	}
	if !l.Personal || len(to) != 1 || to[0].Subscription == 0 {
		return env, l.message
	}
	c := to[0]
	if !l.From.IsZero() {
		env.From = minter.VERP(l.From, int64(l.ID), c.Subscription)
	}
	if l.leave.IsZero() {
		return env, l.message
	}
	head := make([]byte, 0, len(l.message.Head)+32)
	head = append(head, l.before...)
	head = append(head, "List-Unsubscribe: <mailto:"...)
	head = append(head, minter.Leave(l.leave, c.Subscription).String()...)
	head = append(head, ">\r\n"...)
	head = append(head, l.after...)
	m := mail.Message{Head: head, Body: l.message.Body}
	env.Size = m.Size()
	return env, m
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
