package queue

import (
	"fmt"
	"time"

	"listd/mail"
	"listd/store"
)

// delays are the waits after the first attempts; the last repeats. RFC 5321 section 4.5.4.1 asks for 30 minutes at
// least, but greylisting opens after five.
var delays = []time.Duration{5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour}

// Delay is how long to wait after attempt number attempt, from 1. chance, in [0, 1), spreads it by a fifth either way,
// so that what failed together does not come back together.
func Delay(attempt int, chance float64) time.Duration {
	d := delays[min(max(attempt, 1), len(delays))-1]
	return d + time.Duration((chance-0.5)*0.4*float64(d))
}

// Outcome says what becomes of a claimed delivery after a reply: it left, it failed for good, or it is due again. A
// reply that is neither 2yz nor 5yz is temporary. What would be due again after giveUp fails with the last reply.
func Outcome(c store.Claimed, r mail.Reply, now, giveUp time.Time, chance float64) store.Settled {
	s := store.Settled{ID: c.ID, Claim: c.Claim, Code: r.Code, Reply: replyText(r)}
	next := now.Add(Delay(c.Attempt, chance))
	switch {
	case r.OK():
		s.State = store.Sent
	case r.Permanent() || next.After(giveUp):
		s.State = store.Failed
		s.Permanent, s.Class = mail.Classify(r.Code, enhanced(r), r.Text)
	default:
		s.State, s.Next = store.Due, next
	}
	return s
}

// enhanced is a reply's enhanced code in digits and dots; empty for none.
func enhanced(r mail.Reply) string {
	if r.Enhanced[0] == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d.%d", r.Enhanced[0], r.Enhanced[1], r.Enhanced[2])
}

// maxReply bounds what is kept of a reply, in bytes.
const maxReply = 500

// replyText is the reply without its code, as it is kept: valid UTF-8, one line, bounded.
func replyText(r mail.Reply) string {
	t := r.Error()
	if len(t) > 4 {
		t = t[4:]
	}
	return clean(t, maxReply)
}
