package store

import (
	"time"

	"listd/lists"
	"listd/mail"
)

// BounceID names a failure to deliver to a subscription.
type BounceID int64

// BounceState is what has been made of a failure.
type BounceState string

// The states of a failure: nobody has read it yet; it counts; it does not, being its provider's fault; it did, before the
// member showed up again.
const (
	BounceNew     BounceState = "new"
	BounceCounted BounceState = "counted"
	BounceFrozen  BounceState = "frozen"
	BouncePast    BounceState = "past"
)

// Bounce is one failure to deliver to a subscription.
type Bounce struct {
	ID           BounceID
	Subscription int64
	Outgoing     OutgoingID // 0: a report that names none
	Destination  string     // the domain of the address
	Class        mail.Class
	Permanent    bool
	Proven       bool
	Source       string // smtp, or report
	Reply        string // what was said: one line
	State        BounceState
	At           time.Time
}

const bounceColumns = `id, subscription_id, outgoing_id, destination, class, permanent, proven, source, reply, state, at`

func scanBounce(scan func(...any) error) (b Bounce, err error) {
	var class, state string
	var at int64
	err = scan(&b.ID, &b.Subscription, &b.Outgoing, &b.Destination, &class, &b.Permanent, &b.Proven, &b.Source, &b.Reply, &state, &at)
	b.Class, b.State, b.At = classOf(class), BounceState(state), fromMillis(at)
	return b, err
}

// classOf is the class of this name.
func classOf(name string) mail.Class {
	for c := mail.Unknown; c <= mail.Network; c++ {
		if c.String() == name {
			return c
		}
	}
	return mail.Unknown
}

func (tx *Tx) bounces(where string, args ...any) (out []Bounce, err error) {
	err = tx.each(`SELECT `+bounceColumns+` FROM bounces `+where, args, func(scan func(...any) error) error {
		b, err := scanBounce(scan)
		out = append(out, b)
		return err
	})
	return out, err
}

// AddBounce records a failure of which a report tells, and whether it was not known: of one delivery there is one.
func (tx *Tx) AddBounce(b Bounce) (bool, error) {
	n, err := tx.exec(`INSERT INTO bounces (subscription_id, outgoing_id, destination, class, permanent, proven, source, reply, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, b.Subscription, b.Outgoing, b.Destination, b.Class.String(),
		b2i(b.Permanent), b2i(b.Proven), b.Source, b.Reply, tx.Now.UnixMilli())
	if err == nil && n > 0 {
		err = tx.tallyBounce(b.Subscription, b.Destination)
	}
	return n > 0, err
}

// addFailures records the failures of a batch that has just been settled: those of subscriptions that are still there,
// under the address that was written to.
func (tx *Tx) addFailures(batch []Settled) error {
	big := tx.db.dialect.bigint()
	for _, s := range batch {
		if s.State != Failed {
			continue
		}
		n, err := tx.exec(`INSERT INTO bounces (subscription_id, outgoing_id, destination, class, permanent, proven, source, reply, at)
			SELECT s.id, d.outgoing_id, s.domain, CAST(? AS TEXT), `+big+`, 1, 'smtp', d.code || ' ' || d.reply, `+big+`
			FROM deliveries d JOIN subscriptions s ON s.id = d.subscription_id AND s.address = d.rcpt
			WHERE d.id = ? AND d.claim = ? AND d.state = 'failed' ON CONFLICT DO NOTHING`,
			s.Class.String(), b2i(s.Permanent), tx.Now.UnixMilli(), int64(s.ID), s.Claim)
		if err == nil && n > 0 {
			err = tx.tallyFailure(s.ID)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// NewBounces are failures that nobody has read yet, the oldest first, up to limit. Uses bounces_new.
func (tx *Tx) NewBounces(limit int) ([]Bounce, error) {
	return tx.bounces(`WHERE state = 'new' ORDER BY id LIMIT ?`, limit)
}

// BouncesOf are the latest failures of a subscription, the newest first, up to limit. Uses bounces_by_subscription.
func (tx *Tx) BouncesOf(subscription int64, limit int) ([]Bounce, error) {
	return tx.bounces(`WHERE subscription_id = ? ORDER BY id DESC LIMIT ?`, subscription, limit)
}

// CountedBounces are the failures that a subscription's score is made of, the oldest first. Uses bounces_by_subscription.
func (tx *Tx) CountedBounces(subscription int64) ([]Bounce, error) {
	return tx.bounces(`WHERE subscription_id = ? AND state = 'counted' ORDER BY id LIMIT 1000`, subscription)
}

// SetBounce writes what was made of a failure.
func (tx *Tx) SetBounce(id BounceID, s BounceState) error {
	_, err := tx.exec(`UPDATE bounces SET state = ? WHERE id = ?`, string(s), id)
	return err
}

// BouncesPast ends what counted against a subscription.
func (tx *Tx) BouncesPast(subscription int64) error {
	_, err := tx.exec(`UPDATE bounces SET state = 'past' WHERE subscription_id = ? AND state IN ('counted', 'new')`, subscription)
	return err
}

// SweepBounces forgets failures, incidents and remedies from before, up to limit of each. Uses bounces_by_age.
func (tx *Tx) SweepBounces(before time.Time, limit int) (int64, error) {
	n, err := tx.exec(`DELETE FROM bounces WHERE id IN (SELECT id FROM bounces WHERE at < ? ORDER BY at LIMIT ?)`, millis(before), limit)
	if err != nil {
		return n, err
	}
	if _, err := tx.exec(`DELETE FROM bounce_incidents WHERE last_at < ?`, millis(before)); err != nil {
		return n, err
	}
	_, err = tx.exec(`DELETE FROM remedies WHERE outgoing_id IN (SELECT outgoing_id FROM remedies WHERE at < ? ORDER BY at LIMIT ?)`, millis(before), limit)
	return n, err
}

const scoreColumns = `halves, day, today, last_at, stage, probe_id, warned, next_at`

// dayLength is a day in the milliseconds of rows.
const dayLength = int64(24 * time.Hour / time.Millisecond)

func scanScore(scan func(...any) error, first ...any) (b lists.Bounces, err error) {
	var halves, day, today, last, next int64
	var stage string
	if err = scan(append(first, &halves, &day, &today, &last, &stage, &b.Probe, &b.Warned, &next)...); err != nil {
		return b, err
	}
	b.Score, b.Today, b.Stage = float64(halves)/2, float64(today)/2, lists.Stage(stage)
	b.Day, b.Last, b.Next = fromMillis(day*dayLength), fromMillis(last), fromMillis(next)
	return b, nil
}

// Score is what the failures of a subscription have come to; the zero Bounces if there were none.
func (tx *Tx) Score(subscription int64) (b lists.Bounces, err error) {
	err = tx.each(`SELECT `+scoreColumns+` FROM bounce_scores WHERE subscription_id = ?`, []any{subscription},
		func(scan func(...any) error) error {
			b, err = scanScore(scan)
			return err
		})
	return b, err
}

// Scores are those of a list's subscriptions that have one.
func (tx *Tx) Scores(l lists.ID) (map[int64]lists.Bounces, error) {
	out := map[int64]lists.Bounces{}
	err := tx.each(`SELECT subscription_id, `+scoreColumns+` FROM bounce_scores
		WHERE subscription_id IN (SELECT id FROM subscriptions WHERE list_id = ?)`, []any{l}, func(scan func(...any) error) error {
		var id int64
		b, err := scanScore(scan, &id)
		out[id] = b
		return err
	})
	return out, err
}

// SetScore writes what the failures of a subscription have come to.
func (tx *Tx) SetScore(subscription int64, b lists.Bounces) error {
	_, err := tx.exec(`INSERT INTO bounce_scores (subscription_id, `+scoreColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (subscription_id) DO UPDATE SET halves = excluded.halves, day = excluded.day, today = excluded.today,
			last_at = excluded.last_at, stage = excluded.stage, probe_id = excluded.probe_id, warned = excluded.warned, next_at = excluded.next_at`,
		subscription, int64(b.Score*2), millis(b.Day)/dayLength, int64(b.Today*2), millis(b.Last), string(b.Stage), b.Probe, int64(b.Warned), millis(b.Next))
	return err
}

// DropScore forgets what the failures of a subscription have come to, and says whether there was anything to forget.
func (tx *Tx) DropScore(subscription int64) (bool, error) {
	n, err := tx.exec(`DELETE FROM bounce_scores WHERE subscription_id = ?`, subscription)
	return n > 0, err
}

// ScoredOf are the subscriptions of an address in all lists whose mail has failed. Uses subscriptions_by_key.
func (tx *Tx) ScoredOf(a mail.Address) (out []int64, err error) {
	err = tx.each(`SELECT s.id FROM subscriptions s JOIN bounce_scores b ON b.subscription_id = s.id WHERE s.key = ? ORDER BY s.list_id`,
		[]any{a.Key()}, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			out = append(out, id)
			return err
		})
	return out, err
}

// ScoresDue are up to limit subscriptions whose stage is to be looked at by the transaction's Now. Uses bounce_scores_due.
func (tx *Tx) ScoresDue(limit int) (out []int64, err error) {
	err = tx.each(`SELECT subscription_id FROM bounce_scores WHERE next_at > 0 AND next_at <= ? ORDER BY next_at LIMIT ?`,
		[]any{tx.Now.UnixMilli(), limit}, func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			out = append(out, id)
			return err
		})
	return out, err
}

// DropDeliveriesTo gives up what of its list has not yet left for a subscription: what a fan-out that is under way would
// add is the caller's to prevent. Uses deliveries' UNIQUE (outgoing_id, rcpt), since only few ask for a subscription's.
func (tx *Tx) DropDeliveriesTo(s lists.Subscription) error {
	_, err := tx.exec(`UPDATE deliveries SET state = 'dropped', holder = 0, claim = claim + 1, settled_at = ?
		WHERE outgoing_id IN (SELECT id FROM outgoing WHERE list_id = ?) AND rcpt = ? AND state = 'due' AND subscription_id = ?`,
		tx.Now.UnixMilli(), s.List, s.Address.String(), s.ID)
	return err
}
