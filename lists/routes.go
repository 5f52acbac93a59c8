package lists

import (
	"cmp"
	"slices"
	"strings"
)

// Kind is what an address of a list is for.
type Kind uint8

// The kinds of address.
const (
	ToPost Kind = iota
	ToOwner
	ToRequest
	ToJoin
	ToLeave
	ToHelp
	ToInfo
	ToConfirm
	ToModerate
	ToBounces
	ToAnnounce
)

var kindNames = [...]string{"post", "owner", "request", "join", "leave", "help", "info", "confirm", "moderate", "bounces", "announce"}

// String is the kind's word, for logs.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// Target is one meaning of an address.
type Target struct {
	List  string // the local part of the list, in lower case
	Kind  Kind
	Token string // what follows the +, in lower case; for NAME-subscribe-user=host the address user@host
}

type suffix struct {
	word  string
	kind  Kind
	token tokenUse
}

// tokenUse is whether a suffix stands with a token after a +.
type tokenUse uint8

const (
	noToken tokenUse = iota
	mayToken
	mustToken
)

var suffixes = []suffix{
	{"-request", ToRequest, noToken},
	{"-join", ToJoin, noToken},
	{"-subscribe", ToJoin, noToken},
	{"-leave", ToLeave, mayToken},
	{"-unsubscribe", ToLeave, noToken},
	{"-help", ToHelp, noToken},
	{"-info", ToInfo, noToken},
	{"-owner", ToOwner, noToken},
	{"-confirm", ToConfirm, mustToken},
	{"-moderate", ToModerate, mustToken},
	{"-bounces", ToBounces, mayToken},
	{"-announce", ToAnnounce, noToken},
}

// maxLocal is more than any local part that means something here: NAME-subscribe-user=host may exceed the 64
// octets of RFC 5321 because people's addresses do not know of ours.
const maxLocal = 320

// Routes are the meanings an address's local part may have, the longest list name first; the first whose list
// exists is it, so a list's own address wins over another's command address. None: no list can have it.
func Routes(local string) []Target {
	if local == "" || len(local) > maxLocal {
		return nil
	}
	var out []Target
	low := strings.ToLower(local)
	base, token, plus := strings.Cut(low, "+")
	if !plus && validName(low) {
		out = append(out, Target{List: low, Kind: ToPost})
	}
	for _, s := range suffixes {
		name, ok := strings.CutSuffix(base, s.word)
		switch {
		case !ok || !validName(name),
			plus && (s.token == noToken || !validToken(token)),
			!plus && s.token == mustToken:
			continue
		}
		out = append(out, Target{List: name, Kind: s.kind, Token: token})
	}
	if plus && validName(base) {
		switch token {
		case "subscribe":
			out = append(out, Target{List: base, Kind: ToJoin})
		case "unsubscribe":
			out = append(out, Target{List: base, Kind: ToLeave})
		}
	}
	// strings.ToLower may change lengths beyond ASCII; offsets into low are good for local only without.
	if len(low) == len(local) {
		out = append(out, subscribeOther(low, local)...)
	}
	slices.SortStableFunc(out, func(a, b Target) int { return cmp.Compare(len(b.List), len(a.List)) })
	return out
}

// subscribeOther reads ezmlm's NAME-subscribe-user=host: somebody asks for another address. The user part keeps
// its case (RFC 5321 section 2.4), and may have = itself; a domain has none.
func subscribeOther(low, local string) (out []Target) {
	const word = "-subscribe-"
	for at := 0; ; {
		i := strings.Index(low[at:], word)
		if i < 0 {
			return out
		}
		at += i
		name, who := low[:at], local[at+len(word):]
		at++
		eq := strings.LastIndexByte(who, '=')
		if !validName(name) || eq < 1 || eq == len(who)-1 {
			continue
		}
		out = append(out, Target{List: name, Kind: ToJoin, Token: who[:eq] + "@" + who[eq+1:]})
	}
}

// validToken accepts what a token of ours may look like; what it means is for who mints them.
func validToken(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
