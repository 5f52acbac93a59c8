package lists

import (
	"fmt"
	"strings"
)

// Action is what becomes of a message (Mailman's word).
type Action uint8

// The actions. Defer has no opinion.
const (
	Defer Action = iota
	Accept
	Hold
	Reject
	Discard
)

var actionNames = [...]string{Defer: "defer", Accept: "accept", Hold: "hold", Reject: "reject", Discard: "discard"}

// String is the action's word, such as "hold".
func (a Action) String() string {
	if int(a) < len(actionNames) {
		return actionNames[a]
	}
	return fmt.Sprintf("action(%d)", uint8(a))
}

// ParseAction reads an action's word in any case.
func ParseAction(s string) (Action, error) {
	for a, name := range actionNames {
		if strings.EqualFold(s, name) {
			return Action(a), nil
		}
	}
	return Defer, fmt.Errorf("%q is no action: want accept, hold, reject, discard or defer", s)
}

// MarshalText writes the action's word, so that JSON carries words and not numbers.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (a *Action) UnmarshalText(b []byte) (err error) {
	*a, err = ParseAction(string(b))
	return err
}

// Mode is how a subscriber receives posts.
type Mode string

// The modes of delivery.
const (
	Each          Mode = "each"
	Digest        Mode = "digest"
	Plain         Mode = "plain"
	Roundup       Mode = "roundup"
	Index         Mode = "index"
	Announcements Mode = "announcements"
	None          Mode = "none"
)

// modes are those that something delivers. Who chose another would hear nothing and not know why, so they are
// refused until it is there.
var modes = []Mode{Each, Digest, Plain, Index, Roundup, Announcements, None}

// String is the mode's word.
func (m Mode) String() string { return string(m) }

// ParseMode reads a mode's word in any case.
func ParseMode(s string) (Mode, error) {
	for _, m := range modes {
		if strings.EqualFold(s, string(m)) {
			return m, nil
		}
	}
	return "", fmt.Errorf("%q is no mode of delivery: want %s", s, orList(modes))
}

// UnmarshalText reads a mode's word; a string kind writes itself.
func (m *Mode) UnmarshalText(b []byte) (err error) {
	*m, err = ParseMode(string(b))
	return err
}

// Roles is a set of what somebody may do in a list.
type Roles uint8

// The roles; a subscriber without another role is a Subscriber.
const (
	Subscriber Roles = 1 << iota
	Moderator
	Owner
)

// Has reports whether all of x are among r.
func (r Roles) Has(x Roles) bool { return r&x == x }

// String names the roles, the highest first, joined by "+"; a plain Subscriber is "member". That a moderator or
// an owner also receives is not said here: their mode does.
func (r Roles) String() string {
	switch r &^ Subscriber {
	case Moderator:
		return "moderator"
	case Owner:
		return "owner"
	case Moderator | Owner:
		return "owner+moderator"
	}
	if r&Subscriber != 0 {
		return "member"
	}
	return ""
}

// ParseRoles reads roles joined by "+", in any case. "owner" alone does not make a Subscriber.
func ParseRoles(s string) (r Roles, err error) {
	for word := range strings.SplitSeq(s, "+") {
		switch strings.ToLower(strings.TrimSpace(word)) {
		case "member":
			r |= Subscriber
		case "moderator":
			r |= Moderator
		case "owner":
			r |= Owner
		default:
			return 0, fmt.Errorf("%q is no role: want member, moderator or owner", word)
		}
	}
	return r, nil
}

// orList is "a, b or c".
func orList[T ~string](words []T) string {
	var b strings.Builder
	for i, w := range words {
		switch {
		case i > 0 && i == len(words)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(string(w))
	}
	return b.String()
}
