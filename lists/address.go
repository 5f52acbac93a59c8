package lists

import (
	"fmt"
	"strings"

	"listd/mail"
)

// maxName keeps every address of a list within the 64 octets of RFC 5321 section 4.5.3.1.1:
// "-bounces+" and a VERP token come to 32 at most.
const maxName = 32

// refusedEndings would make a list's own address look like a command address of another.
var refusedEndings = []string{"-request", "-owner", "-bounces", "-confirm", "-moderate", "-join", "-leave",
	"-subscribe", "-unsubscribe"}

// siteNames belong to the site in every domain (RFC 2142, and commands over all lists).
var siteNames = []string{"postmaster", "abuse", "listd", "mailer-daemon", "majordomo", "sympa", "listserv"}

// CheckAddress says why a list cannot be created at a, or nil.
func CheckAddress(a mail.Address) error {
	switch {
	case a.Local == "" || a.Domain == "":
		return fmt.Errorf("a list's address has the form name@domain, not %q", a.String())
	case len(a.Local) > maxName:
		return fmt.Errorf("the name %q has %d characters, at most %d are allowed: choose a shorter one", a.Local, len(a.Local), maxName)
	case !validName(a.Local):
		return fmt.Errorf("the name %q may have a-z, 0-9, and between them the signs . _ - (no two dots together): choose another", a.Local)
	}
	for _, name := range siteNames {
		if a.Local == name {
			return fmt.Errorf("%s@ belongs to the site itself: choose another name", name)
		}
	}
	for _, end := range refusedEndings {
		if strings.HasSuffix(a.Local, end) {
			return fmt.Errorf("a list's name must not end in %s, which is a command address of the list %q: choose another",
				end, strings.TrimSuffix(a.Local, end))
		}
	}
	return nil
}

// validName is a dot-atom (RFC 5322 section 3.2.3) of the characters a list's name may have.
func validName(s string) bool {
	last := byte('.')
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case (c == '.' || c == '_' || c == '-') && i > 0 && !(c == '.' && last == '.'):
		default:
			return false
		}
		last = c
	}
	return last != '.' && last != '-' && last != '_'
}

// Sub is an address beside the list's own: Sub("owner") of pyug@ is pyug-owner@.
func (l List) Sub(suffix string) mail.Address {
	return mail.Address{Local: l.Address.Local + "-" + suffix, Domain: l.Address.Domain}
}

// Post is where posts go.
func (l List) Post() mail.Address { return l.Address }

// Owner is read by the owners.
func (l List) Owner() mail.Address { return l.Sub("owner") }

// Request takes commands (RFC 2142 section 6).
func (l List) Request() mail.Address { return l.Sub("request") }

// Join subscribes who writes to it.
func (l List) Join() mail.Address { return l.Sub("join") }

// Leave ends the subscription of who writes to it.
func (l List) Leave() mail.Address { return l.Sub("leave") }

// Help answers with the help text.
func (l List) Help() mail.Address { return l.Sub("help") }

// Bounces is the envelope sender of what the list sends; see Minter.VERP for one subscription's.
func (l List) Bounces() mail.Address { return l.Sub("bounces") }

// Announce takes announcements.
func (l List) Announce() mail.Address { return l.Sub("announce") }

// Confirm is where a reply to a confirmation with this token goes.
func (l List) Confirm(token string) mail.Address { return l.Sub("confirm+" + token) }

// Moderate is where a moderator's reply about the held message with this token goes.
func (l List) Moderate(token string) mail.Address { return l.Sub("moderate+" + token) }

// Name is what people call the list: the part before the @.
func (l List) Name() string { return l.Address.Local }

// label is the label of List-Id.
func (l List) label() string {
	if l.ListID != "" {
		return l.ListID
	}
	return l.Address.Local + "." + l.Address.Domain
}
