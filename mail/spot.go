package mail

import (
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

// This file finds what reads as an address in a text that somebody wrote, to hide it or to know it again. It is not to say
// whether mail would arrive there.

// MayHaveAddress reports whether there is anything in a text that AtSign may find.
func MayHaveAddress(text string) bool {
	return strings.IndexByte(text, '@') >= 0 || strings.IndexByte(text, '%') >= 0 || strings.IndexByte(text, '&') >= 0 || strings.Contains(text, "＠")
}

// maxSpotted bounds the local part of an address in a text, in bytes.
const maxSpotted = 64

// Spotted are the addresses in a text: where each begins and ends, in bytes, in order and apart.
func Spotted(text string) iter.Seq2[int, int] {
	return func(yield func(from, to int) bool) {
		if !MayHaveAddress(text) {
			return
		}
		for at, after := 0, 0; at < len(text); {
			sign := AtSign(text[at:])
			if sign == 0 {
				at++
				continue
			}
			from := spottedFrom(text, max(after, at-maxSpotted), at)
			end := at + sign + DomainEnd(text[at+sign:])
			for end > at+sign && text[end-1] == '.' { // the sentence's, not the domain's
				end--
			}
			if from == at || end == at+sign {
				at += sign
				continue
			}
			if !yield(from, end) {
				return
			}
			at, after = end, end
		}
	}
}

// spottedFrom is where the local part begins that ends at a place, not before another.
func spottedFrom(text string, from, at int) int {
	for at > from {
		r, n := utf8.DecodeLastRuneInString(text[from:at])
		if !LocalRune(r) || r == utf8.RuneError {
			break
		}
		at -= n
	}
	return at
}

// atSigns are the ways to write an @ that a browser or a reader turns into one.
var atSigns = []string{"@", "%40", "&#64;", "&#x40;", "&#X40;", "&commat;", "＠"}

// AtSign is the length of the @ that s begins with, 0 if none.
func AtSign(s string) int {
	switch s[0] {
	case '@':
		return 1
	case '%', '&', "＠"[0]:
		for _, sign := range atSigns[1:] {
			if strings.HasPrefix(s, sign) {
				return len(sign)
			}
		}
	}
	return 0
}

// DomainEnd is how far a domain, or a domain literal, goes that s begins with.
func DomainEnd(s string) int {
	if strings.HasPrefix(s, "[") {
		if end := strings.IndexByte(s[:min(len(s), 100)], ']'); end > 0 {
			return end + 1
		}
		return 0
	}
	end := strings.IndexFunc(s, func(r rune) bool {
		return r != '.' && r != '-' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
	})
	if end < 0 {
		return len(s)
	}
	return end
}

// LocalRune reports whether a local part can end with r.
func LocalRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r != 0 && strings.ContainsRune("!#$%&'*+-/=?^_`{|}~.\"", r)
}
