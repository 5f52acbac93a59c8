package imap

import (
	"bytes"
	"strings"

	"listd/lists"
	"listd/mail"
)

// delivered are the fields in which servers on the way note the recipient of the envelope.
var delivered = []string{"Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To"}

// maxRecipients bounds the addresses that are looked up for one message.
const maxRecipients = 100

// sender is the reverse-path of a message that lies in a mailbox: what its last server wrote on top of it (RFC 5321
// section 4.4). bounce: it wrote <>.
//
// Where none did, that is no null reverse-path, since most mail is no bounce, and what is taken for one is neither
// posted nor answered: the author stands in for it. A forger could write any reverse-path, too.
func sender(head []byte) (from mail.Address, bounce bool) {
	for f := range mail.Fields(head) {
		if !f.Is("Return-Path") {
			continue
		}
		v := strings.TrimSpace(f.Value())
		if strings.HasPrefix(v, "<>") {
			return mail.Address{}, true
		}
		if in, ok := strings.CutPrefix(v, "<"); ok {
			v, _, _ = strings.Cut(in, ">")
		}
		if a, err := mail.ParseAddress(v); err == nil {
			return a, false
		}
		break // what the last server wrote means nothing; those before it knew less
	}
	return mail.Author(head).Address, false
}

// recipients are the addresses that a message may have been sent to, in groups: who comes in the first group with an
// address of ours is who it is for. The fields of servers come before those of its author.
func (a Account) recipients(head []byte) [][]mail.Address {
	var groups [][]mail.Address
	room := maxRecipients
	group := func(names ...string) {
		var found []mail.Address
		for f := range mail.Fields(head) {
			for _, name := range names {
				if !f.Is(name) {
					continue
				}
				for _, box := range mail.Mailboxes(f.Value()) {
					if room == 0 {
						break
					}
					room--
					found = append(found, a.plus(box.Address))
				}
			}
		}
		if len(found) > 0 {
			groups = append(groups, found)
		}
	}
	for _, name := range delivered {
		group(name)
	}
	group("To", "Cc")
	return groups
}

// plus is the list's address that a plus address stands for; any other is itself.
func (a Account) plus(addr mail.Address) mail.Address {
	if a.Plus.IsZero() || addr.Domain != a.Plus.Domain {
		return addr
	}
	base, rest, ok := strings.Cut(addr.Local, "+")
	if !ok || rest == "" || !strings.EqualFold(base, a.Plus.Local) {
		return addr
	}
	return mail.Address{Local: rest, Domain: a.Domain}
}

// listed are whom a message in a list's own mailbox is for: the list's addresses that it names, so that commands and
// bounces find their way; else the list, or for a bounce the list's bounces.
func (a Account) listed(head []byte, bounce bool) []mail.Address {
	for _, group := range a.recipients(head) {
		var found []mail.Address
		for _, addr := range group {
			if a.belongs(addr) {
				found = append(found, addr)
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	if bounce {
		return []mail.Address{lists.List{Address: a.List}.Bounces()}
	}
	return []mail.Address{a.List}
}

// belongs reports whether an address is one of the list's.
func (a Account) belongs(addr mail.Address) bool {
	if addr.Domain != a.List.Domain {
		return false
	}
	for _, t := range lists.Routes(addr.Local) {
		if strings.EqualFold(t.List, a.List.Local) {
			return true
		}
	}
	return false
}

// headOf is the head of a message as far as b has it.
func headOf(b []byte) []byte {
	m, err := mail.Read(bytes.NewReader(b), mail.Limits{Size: int64(len(b))}, mail.Mend)
	if err != nil {
		return nil // unreachable: it is not larger than it is
	}
	return m.Head
}
