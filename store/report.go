package store

import (
	"strings"
	"time"

	"listd/lists"
)

// TallyKind is what a Tally counts.
type TallyKind string

// What is counted by day. Of members What is a mode: the one they came with, had when they went or were paused, or
// changed to. Of copies to members it is the domain they went to. Of posts it is empty.
const (
	TallyJoined    TallyKind = "joined"
	TallyLeft      TallyKind = "left"
	TallyPaused    TallyKind = "paused"
	TallyResumed   TallyKind = "resumed"
	TallyChanged   TallyKind = "changed"
	TallySent      TallyKind = "sent"
	TallyFailed    TallyKind = "failed"
	TallyBounced   TallyKind = "bounced" // at once, or as a report told later
	TallyHeld      TallyKind = "held"
	TallyReleased  TallyKind = "released"
	TallyRejected  TallyKind = "rejected"
	TallyDiscarded TallyKind = "discarded"
	TallyExpired   TallyKind = "expired"
	TallyRefused   TallyKind = "refused" // in the dialog
)

// Tally is how often something happened in a list on a day of UTC.
type Tally struct {
	Day  time.Time
	Kind TallyKind
	What string
	N    int64
}

// tallyKept is how long tallies are, so that a report of a month can be looked at again.
const tallyKept = 100 * 24 * time.Hour

// dayOf is a time's day, from 1970.
func dayOf(t time.Time) int64 { return t.Unix() / int64(24*time.Hour/time.Second) }

// tally counts what happened now. Of a list that is gone nothing is counted.
func (tx *Tx) tally(l lists.ID, k TallyKind, what string, n int64) error {
	return tx.tallyOn(l, dayOf(tx.Now), k, what, n)
}

func (tx *Tx) tallyOn(l lists.ID, day int64, k TallyKind, what string, n int64) error {
	if n == 0 {
		return nil
	}
	big := tx.db.dialect.bigint()
	_, err := tx.exec(`INSERT INTO tallies (list_id, day, kind, what, n)
		SELECT id, `+big+`, CAST(? AS TEXT), CAST(? AS TEXT), `+big+` FROM lists WHERE id = ?
		ON CONFLICT (list_id, day, kind, what) DO UPDATE SET n = tallies.n + excluded.n`, day, string(k), what, n, l)
	return err
}

// tallyBounce counts a failure of a subscription.
func (tx *Tx) tallyBounce(subscription int64, domain string) error {
	_, err := tx.exec(`INSERT INTO tallies (list_id, day, kind, what, n)
		SELECT list_id, `+tx.db.dialect.bigint()+`, 'bounced', CAST(? AS TEXT), 1 FROM subscriptions WHERE id = ?
		ON CONFLICT (list_id, day, kind, what) DO UPDATE SET n = tallies.n + 1`, dayOf(tx.Now), domain, subscription)
	return err
}

// tallyFailure counts a delivery's failure as a bounce.
func (tx *Tx) tallyFailure(id DeliveryID) error {
	_, err := tx.exec(`INSERT INTO tallies (list_id, day, kind, what, n)
		SELECT s.list_id, `+tx.db.dialect.bigint()+`, 'bounced', s.domain, 1 FROM deliveries d JOIN subscriptions s ON s.id = d.subscription_id
		WHERE d.id = ? ON CONFLICT (list_id, day, kind, what) DO UPDATE SET n = tallies.n + 1`, dayOf(tx.Now), int64(id))
	return err
}

// tallyChange counts what a subscription's new options make of it.
func (tx *Tx) tallyChange(s lists.Subscription) error {
	var l lists.ID
	var mode, state string
	if err := tx.get(`SELECT list_id, mode, state FROM subscriptions WHERE id = ?`, []any{s.ID}, &l, &mode, &state); err != nil {
		return err
	}
	was, is := lists.State(state) == lists.Active, s.State == lists.Active
	if was && !is {
		return tx.tally(l, TallyPaused, mode, 1)
	}
	if !was && is {
		if err := tx.tally(l, TallyResumed, string(s.Mode), 1); err != nil {
			return err
		}
	}
	if mode != string(s.Mode) {
		return tx.tally(l, TallyChanged, string(s.Mode), 1)
	}
	return nil
}

// CountRefused counts posts that were refused in the dialog.
func (tx *Tx) CountRefused(l lists.ID, n int64) error { return tx.tally(l, TallyRefused, "", n) }

// tallyIntake counts what became of a post that did not simply go out.
func (tx *Tx) tallyIntake(l lists.ID, outcome string, settled bool) error {
	switch k := TallyKind(outcome); {
	case settled && outcome == "posted":
		return tx.tally(l, TallyReleased, "", 1)
	case outcome == "answered": // refused, and its sender told by mail
		return tx.tally(l, TallyRejected, "", 1)
	case k == TallyHeld, k == TallyRejected, k == TallyDiscarded, k == TallyExpired:
		return tx.tally(l, k, "", 1)
	}
	return nil
}

// Tallies are those of a list from a day up to another, in order of day. Uses tallies' PRIMARY KEY.
func (tx *Tx) Tallies(l lists.ID, from, to time.Time) (out []Tally, err error) {
	err = tx.each(`SELECT day, kind, what, n FROM tallies WHERE list_id = ? AND day >= ? AND day < ? ORDER BY day, kind, what`,
		[]any{l, dayOf(from), dayOf(to.Add(24*time.Hour - 1))}, func(scan func(...any) error) error {
			var t Tally
			var day int64
			var kind string
			err := scan(&day, &kind, &t.What, &t.N)
			t.Day, t.Kind = time.Unix(day*int64(24*time.Hour/time.Second), 0).UTC(), TallyKind(kind)
			out = append(out, t)
			return err
		})
	return out, err
}

// SweepTallies forgets what was counted long ago. Uses tallies_by_day.
func (tx *Tx) SweepTallies() error {
	_, err := tx.exec(`DELETE FROM tallies WHERE day < ?`, dayOf(tx.Now.Add(-tallyKept)))
	return err
}

// tallySwept counts the copies to members that SweepOutgoing is about to forget, by the day they were settled.
func (tx *Tx) tallySwept(id OutgoingID, limit int) error {
	type of struct {
		l      lists.ID
		day    int64
		kind   TallyKind
		domain string
	}
	n := map[of]int64{}
	var order []of
	if err := tx.each(`SELECT COALESCE(o.list_id, 0), d.rcpt, d.state, d.settled_at, d.subscription_id
		FROM deliveries d JOIN outgoing o ON o.id = d.outgoing_id WHERE d.outgoing_id = ? ORDER BY d.rcpt LIMIT ?`, []any{id, limit},
		func(scan func(...any) error) error {
			var o of
			var rcpt, state string
			var at, sub int64
			if err := scan(&o.l, &rcpt, &state, &at, &sub); err != nil {
				return err
			}
			if o.kind = TallyKind(state); sub <= 0 || o.l == 0 || o.kind != TallySent && o.kind != TallyFailed {
				return nil
			}
			o.day, o.domain = dayOf(fromMillis(at)), domainOf(rcpt)
			if n[o]++; n[o] == 1 {
				order = append(order, o)
			}
			return nil
		}); err != nil {
		return err
	}
	for _, o := range order {
		if err := tx.tallyOn(o.l, o.day, o.kind, o.domain, n[o]); err != nil {
			return err
		}
	}
	return nil
}

func domainOf(rcpt string) string { return rcpt[strings.LastIndexByte(rcpt, '@')+1:] }

// LoggedDeliveries are the copies to a list's members that were settled in [from, to) and are still in the log, as
// tallies of no day, by kind and domain. What the log has forgotten is in Tallies. Uses outgoing_by_age and deliveries'
// UNIQUE (outgoing_id, rcpt); it reads the list's whole log, and is for reports.
func (tx *Tx) LoggedDeliveries(l lists.ID, from, to time.Time) (out []Tally, err error) {
	n := map[Tally]int64{}
	err = tx.each(`SELECT d.rcpt, d.state FROM outgoing o JOIN deliveries d ON d.outgoing_id = o.id
		WHERE o.created_at < ? AND o.list_id = ? AND d.subscription_id > 0 AND d.state IN ('sent', 'failed')
			AND d.settled_at >= ? AND d.settled_at < ?`, []any{to.UnixMilli(), l, from.UnixMilli(), to.UnixMilli()},
		func(scan func(...any) error) error {
			var rcpt, state string
			err := scan(&rcpt, &state)
			n[Tally{Kind: TallyKind(state), What: domainOf(rcpt)}]++
			return err
		})
	for t, k := range n {
		t.N = k
		out = append(out, t)
	}
	return out, err
}

// MemberCount is how many subscriptions of a list are alike in mode and state, or in domain.
type MemberCount struct {
	Mode   lists.Mode
	State  lists.State
	Domain string
	N      int64
}

// MembersByMode are a list's subscriptions by mode and state.
func (tx *Tx) MembersByMode(l lists.ID) (out []MemberCount, err error) {
	err = tx.each(`SELECT mode, state, COUNT(*) FROM subscriptions WHERE list_id = ? GROUP BY mode, state ORDER BY mode, state`, []any{l},
		func(scan func(...any) error) error {
			var c MemberCount
			var mode, state string
			err := scan(&mode, &state, &c.N)
			c.Mode, c.State = lists.Mode(mode), lists.State(state)
			out = append(out, c)
			return err
		})
	return out, err
}

// MembersByDomain are a list's subscriptions by their addresses' domains, those with most first.
func (tx *Tx) MembersByDomain(l lists.ID) (out []MemberCount, err error) {
	err = tx.each(`SELECT domain, COUNT(*) FROM subscriptions WHERE list_id = ? GROUP BY domain ORDER BY COUNT(*) DESC, domain`, []any{l},
		func(scan func(...any) error) error {
			var c MemberCount
			err := scan(&c.Domain, &c.N)
			out = append(out, c)
			return err
		})
	return out, err
}

// Authors are the From fields of a list's posts up to a number, each once: of those that came by mail, removed ones too.
func (tx *Tx) Authors(l lists.ID, upTo lists.Seq) (out []string, err error) {
	err = tx.each(`SELECT DISTINCT author FROM posts WHERE list_id = ? AND seq <= ? AND origin = 'posted'`, []any{l, upTo},
		func(scan func(...any) error) error {
			var a string
			err := scan(&a)
			out = append(out, a)
			return err
		})
	return out, err
}
