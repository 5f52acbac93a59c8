package lists

import "testing"

func TestBaseSubject(t *testing.T) {
	t.Parallel()
	for _, e := range []struct {
		prefix, subject string
		base            string
		reply           bool
	}{
		{"", "", "", false},
		{"", "Lunch on Friday", "Lunch on Friday", false},
		{"", "Re: Lunch on Friday", "Lunch on Friday", true},
		{"", "RE: AW: re[2]: Sv:  Lunch \t on Friday ", "Lunch on Friday", true},
		{"", "Fwd: Lunch", "Lunch", false},
		{"", "Fwd: Re: Lunch", "Lunch", false},
		{"", "Re: Fwd: Lunch", "Lunch", true},
		{"", "WG[2]: Lunch", "Lunch", false},
		{"", "回复：午餐", "午餐", true},
		{"", "转发：午餐", "午餐", false},
		{"", "Research: a report", "Research: a report", false},
		{"", "Re:", "", true},
		{"", "[dev] Lunch", "[dev] Lunch", false},
		{"[dev]", "[dev] Lunch", "Lunch", false},
		{"[dev]", "Re: [DEV] Re: [dev] Lunch", "Lunch", true},
		{"[dev]", "[dev] AW: Lunch", "Lunch", true},
		{"[dev %d]", "[dev 17] Re: [dev 3] Lunch", "Lunch", true},
	} {
		base, reply := Policy{SubjectPrefix: e.prefix}.BaseSubject(e.subject)
		if base != e.base || reply != e.reply {
			t.Errorf("BaseSubject(%q) with prefix %q = %q, %v; want %q, %v", e.subject, e.prefix, base, reply, e.base, e.reply)
		}
	}
}
