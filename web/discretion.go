package web

import (
	"strings"
	"unicode/utf8"

	"listd/lists"
	"listd/mail"
)

// discretion is how much of addresses a reader is shown: whole ones, or the part before the @ only. Addresses of the list
// itself are shown to all: people shall write to them.
type discretion struct {
	whole bool
	list  mail.Address
}

func discretionOf(l lists.List, whole bool) discretion { return discretion{whole, l.Address} }

// text is a text without the domains of addresses, if the reader must not see them.
func (d discretion) text(s string) string {
	if d.whole {
		return s
	}
	out, _ := d.cover(s, 0, false)
	return out
}

// cover hides the domains of addresses in a piece of text. before is the character in front of the piece; open says that the
// piece in front ended within a domain, and so does what is returned: markup may cut an address in two.
func (d discretion) cover(s string, before rune, open bool) (string, bool) {
	if !open && !mail.MayHaveAddress(s) {
		return s, false
	}
	var b strings.Builder
	b.Grow(len(s))
	at := 0
	if open {
		at = mail.DomainEnd(s)
		if at == len(s) {
			return "", true
		}
	}
	start := at // of what has not been written yet
	for at < len(s) {
		sign := mail.AtSign(s[at:])
		if sign == 0 {
			at++
			continue
		}
		front := before
		if at > 0 {
			front, _ = utf8.DecodeLastRuneInString(s[:at])
		}
		end := at + sign + mail.DomainEnd(s[at+sign:])
		switch {
		case !mail.LocalRune(front), end == at+sign && end < len(s):
			at += sign
			continue
		case d.own(s[:at], s[at:end]):
			at = end
			continue
		}
		b.WriteString(s[start : at+sign])
		b.WriteString("…")
		within := end == len(s)
		for end > at+sign && s[end-1] == '.' { // the sentence's, not the domain's
			end--
		}
		if at, start = end, end; within {
			return b.String() + s[end:], true
		}
	}
	b.WriteString(s[start:])
	return b.String(), false
}

// own reports whether what stands before and behind an @ is an address of the list itself.
func (d discretion) own(before, behind string) bool {
	domain := strings.TrimRight(strings.TrimPrefix(behind, "@"), ".")
	if d.list.Local == "" || !strings.HasPrefix(behind, "@") || !strings.EqualFold(domain, d.list.Domain) {
		return false
	}
	start := strings.LastIndexFunc(before, func(r rune) bool { return !mail.LocalRune(r) }) + 1
	if start > 0 { // the index is of the rune's first byte
		_, size := utf8.DecodeRuneInString(before[start-1:])
		if start += size - 1; before[start-1] == '@' {
			return false
		}
	}
	local := strings.ToLower(before[start:])
	return local == d.list.Local || strings.HasPrefix(local, d.list.Local+"-")
}

// who is how a mailbox is called on a page: by name, or by as much of the address as may be seen.
func (d discretion) who(m mail.Mailbox) string {
	switch {
	case m.Name != "":
		return d.text(m.Name)
	case m.Address.IsZero():
		return "Somebody"
	case d.whole:
		return m.Address.String()
	}
	return m.Address.Local + "@…"
}
