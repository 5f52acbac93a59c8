package mail

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Address is an RFC 5321 Mailbox. Local is the local part's content, without the quotes it may be written in; Domain is
// in lower case, A-labels, or an address literal in brackets. The zero value is the null reverse-path.
type Address struct{ Local, Domain string }

// The limits of RFC 5321 section 4.5.3.1, in octets.
const (
	maxLocal  = 64
	maxDomain = 255
)

var errAddress = errors.New("an address has the form name@domain")

// ParseAddress reads a Mailbox (RFC 5321 section 4.1.2, RFC 6531): quoted local parts, address literals and UTF-8 are
// understood; a domain's U-labels become A-labels. It does not take <>, comments, or a route.
func ParseAddress(s string) (Address, error) {
	if len(s) > maxLocal*6+maxDomain*2 {
		return Address{}, fmt.Errorf("%w; this one has %d characters", errAddress, len(s))
	}
	local, domain, err := cutLocal(s)
	if err != nil {
		return Address{}, err
	}
	if len(local) > maxLocal {
		return Address{}, fmt.Errorf("the part before @ has %d octets, at most %d are allowed", len(local), maxLocal)
	}
	domain, err = parseDomain(domain)
	return Address{local, domain}, err
}

// cutLocal reads the local part, a dot-string or a quoted one, and cuts it off with the @ behind it.
func cutLocal(s string) (local, domain string, err error) {
	if strings.HasPrefix(s, `"`) {
		var b strings.Builder
		for i := 1; i < len(s); i++ {
			switch c := s[i]; {
			case c == '"':
				if b.Len() == 0 || !strings.HasPrefix(s[i+1:], "@") || !utf8.ValidString(b.String()) {
					return "", "", errAddress
				}
				return b.String(), s[i+2:], nil
			case c == '\\' && i+1 < len(s):
				if i++; s[i] < ' ' || s[i] >= 0x7f {
					return "", "", errAddress
				}
				b.WriteByte(s[i])
			case c < ' ' || c == 0x7f:
				return "", "", errors.New("an address must not have control characters")
			default:
				b.WriteByte(c)
			}
		}
		return "", "", errAddress
	}
	at := strings.IndexByte(s, '@')
	if at < 1 {
		return "", "", errAddress
	}
	if !dotString(s[:at]) {
		return "", "", fmt.Errorf("%w; the part before @ has characters that need quotes", errAddress)
	}
	return s[:at], s[at+1:], nil
}

// dotString reports whether s is a Dot-string: atoms with single dots between them.
func dotString(s string) bool {
	dot, wide := true, false
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '.':
			if dot {
				return false
			}
		case c >= utf8.RuneSelf:
			wide = true
		case !atext(c):
			return false
		}
		dot = c == '.'
	}
	return !dot && (!wide || utf8.ValidString(s))
}

// atext is RFC 5322 section 3.2.3.
func atext(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// domains turns U-labels into A-labels and holds names to the letters, digits and hyphens of the mail world.
var domains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true))

func parseDomain(s string) (string, error) {
	if strings.HasPrefix(s, "[") {
		return parseLiteral(s)
	}
	if !plainDomain(s) {
		a, err := domains.ToASCII(s)
		if err != nil || !plainDomain(a) || !utf8.ValidString(s) {
			return "", fmt.Errorf("%q is no domain", clip(s))
		}
		s = a
	}
	if len(s) > maxDomain {
		return "", fmt.Errorf("the domain has %d octets, at most %d are allowed", len(s), maxDomain)
	}
	return strings.ToLower(s), nil
}

// plainDomain reports whether s is a domain of letters, digits, hyphens and, since the world has them, underscores.
func plainDomain(s string) bool {
	label := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.':
			if label == 0 || s[i-1] == '-' {
				return false
			}
			label = 0
			continue
		case c == '-' && label == 0:
			return false
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
		if label++; label > 63 {
			return false
		}
	}
	return label > 0 && s[len(s)-1] != '-'
}

// parseLiteral reads an address literal (RFC 5321 section 4.1.3).
func parseLiteral(s string) (string, error) {
	in, ok := strings.CutSuffix(s[1:], "]")
	v6 := len(in) > 5 && strings.EqualFold(in[:5], "IPv6:")
	if v6 {
		in = in[5:]
	}
	ip, err := netip.ParseAddr(in)
	if !ok || err != nil || ip.Zone() != "" || ip.Is4() == v6 {
		return "", fmt.Errorf("%q is no address literal such as [192.0.2.1]", clip(s))
	}
	if v6 {
		return "[IPv6:" + ip.String() + "]", nil
	}
	return "[" + ip.String() + "]", nil
}

// clip bounds foreign text in an error.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// String is the address as it is written, the local part quoted where it must be; "" for the null reverse-path.
func (a Address) String() string {
	switch {
	case a.IsZero():
		return ""
	case dotString(a.Local):
		return a.Local + "@" + a.Domain
	}
	return quote(a.Local) + "@" + a.Domain
}

// Path is the address in angle brackets; <> for the null reverse-path.
func (a Address) Path() string { return "<" + a.String() + ">" }

// Key is the form to compare by: RFC 5321 leaves the local part's case to its host, people do not know that. Letters
// stay in or out of ASCII: the Kelvin sign's lower case is k, and yet its address is another person's.
func (a Address) Key() string {
	return strings.Map(func(r rune) rune {
		if l := unicode.ToLower(r); r < utf8.RuneSelf || l >= utf8.RuneSelf {
			return l
		}
		return r
	}, a.String())
}

// IsZero reports whether a is the null reverse-path.
func (a Address) IsZero() bool { return a == Address{} }

// UTF8 reports whether a can travel by SMTPUTF8 only (RFC 6531).
func (a Address) UTF8() bool {
	for i := range len(a.Local) {
		if a.Local[i] >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

// WithLocal is another address at the same domain.
func (a Address) WithLocal(local string) Address { return Address{local, a.Domain} }
