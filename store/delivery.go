package store

import (
	"strings"
	"time"

	"listd/lists"
	"listd/mail"
)

// DeliveryID names a delivery: one outgoing to one recipient.
type DeliveryID int64

// Claimed is a delivery in a worker's hands.
type Claimed struct {
	ID           DeliveryID
	Outgoing     OutgoingID
	Subscription int64 // 0: not by a subscription
	Rcpt         mail.Address
	Destination  string
	Attempt      int   // this one's number, from 1
	Claim        int64 // settling needs it: a ghost that settles late changes nothing
}

// Lane is one destination's deliveries of one priority: what the governor chooses from.
type Lane struct {
	Destination string
	Priority    int
	Next        time.Time // when its first row is due
}

// Lanes are the lanes that have rows, after the one given (the zero Lane: from the start), at most limit. A lane costs
// one probe of deliveries_due (destination, priority, next_at, id), however many rows it has.
func (tx *Tx) Lanes(after *Lane, limit int) (out []Lane, err error) {
	query, args := `SELECT destination, priority, next_at FROM deliveries WHERE state = 'due'
		ORDER BY destination, priority, next_at, id LIMIT 1`, []any(nil)
	for len(out) < limit {
		if after != nil {
			// Not > (?, priority): SQLite would read all rows of the lane before it finds the first beyond.
			query, args = `SELECT destination, priority, next_at FROM deliveries WHERE state = 'due'
				AND (destination, priority) >= (?, ?) ORDER BY destination, priority, next_at, id LIMIT 1`,
				[]any{after.Destination, after.Priority + 1}
		}
		var l Lane
		var next int64
		switch err := tx.get(query, args, &l.Destination, &l.Priority, &next); {
		case isNotFound(err):
			return out, nil
		case err != nil:
			return out, err
		}
		l.Next = fromMillis(next)
		out = append(out, l)
		after = &out[len(out)-1]
	}
	return out, nil
}

// Claim takes up to limit rows of a lane that are due: it postpones them to until, counts an attempt and writes
// holder. Uses deliveries_due.
func (tx *Tx) Claim(l Lane, limit int, holder int64, until time.Time) ([]Claimed, error) {
	var out []Claimed
	// The WITH makes PostgreSQL pick the rows once. A plan may ask a sub-select again for each row, and SKIP LOCKED
	// would answer with others.
	err := tx.each(`WITH picked AS (SELECT id FROM deliveries WHERE state = 'due' AND destination = ? AND priority = ? AND next_at <= ?
			ORDER BY next_at, id LIMIT ? `+tx.db.dialect.skipLocked()+`)
		UPDATE deliveries SET next_at = ?, holder = ?, claim = claim + 1, attempts = attempts + 1
		WHERE id IN (SELECT id FROM picked) RETURNING id, outgoing_id, subscription_id, rcpt, attempts, claim`,
		[]any{l.Destination, l.Priority, tx.Now.UnixMilli(), limit, until.UnixMilli(), holder},
		func(scan func(...any) error) error {
			c := Claimed{Destination: l.Destination}
			var rcpt string
			err := scan(&c.ID, &c.Outgoing, &c.Subscription, &rcpt, &c.Attempt, &c.Claim)
			if err != nil {
				return err
			}
			c.Rcpt, err = mail.ParseAddress(rcpt)
			out = append(out, c)
			return err
		})
	return out, err
}

// Settled is what became of a claimed delivery.
type Settled struct {
	ID    DeliveryID
	Claim int64
	State DeliveryState
	Next  time.Time // when it is due again, if State is Due
	Code  int       // the reply's; 0 for one without an attempt
	Reply string    // with its enhanced code
	// Untried says that Code and Reply are words of our own, for want of an attempt: none is counted, and a reply that the
	// row has already says more.
	Untried bool
	// Of what failed: why (mail.Classify), for the bounce that is recorded with it.
	Class     mail.Class
	Permanent bool
}

// DeliveryState is where a delivery stands.
type DeliveryState string

// The states. A claimed delivery is Due: in the future, with a holder.
const (
	Due     DeliveryState = "due"
	Sent    DeliveryState = "sent"
	Failed  DeliveryState = "failed"
	Dropped DeliveryState = "dropped" // by the operator
)

// settleSizes are the row counts of the settling statements: few texts, so that each is prepared once. A batch is
// filled up with rows that match nothing.
var settleSizes = []int{1, 8, 32, 100}

// Settle writes what became of claimed deliveries. Of those with Code 0, or untried, no attempt is counted, and they keep
// the reply they had. A row whose claim is another's by now stays as it is. What failed for a subscription is recorded as
// its bounce.
func (tx *Tx) Settle(batch []Settled) error {
	for len(batch) > 0 {
		size := settleSizes[len(settleSizes)-1]
		for _, s := range settleSizes {
			if s >= len(batch) {
				size = s
				break
			}
		}
		n := min(len(batch), size)
		args := make([]any, 0, size*7)
		for i := range size {
			s := Settled{State: Due}
			if i < n {
				s = batch[i]
			}
			at := millis(s.Next)
			if s.State != Due {
				at = tx.Now.UnixMilli()
			}
			untried := b2i(s.Code == 0)
			if s.Untried {
				untried = 2
			}
			args = append(args, int64(s.ID), s.Claim, string(s.State), at, int64(s.Code), s.Reply, untried)
		}
		if _, err := tx.exec(tx.db.settleQuery(size), args...); err != nil {
			return err
		}
		if err := tx.addFailures(batch[:n]); err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}

// settleQuery is the statement that settles n rows.
func (db *DB) settleQuery(n int) string {
	big := db.dialect.bigint()
	first := `(` + big + `, ` + big + `, CAST(? AS TEXT), ` + big + `, ` + big + `, CAST(? AS TEXT), ` + big + `)`
	return `UPDATE deliveries SET state = v.column3, next_at = v.column4, attempts = attempts - CASE WHEN v.column7 > 0 THEN 1 ELSE 0 END, holder = 0,
		code = CASE WHEN v.column7 = 1 OR v.column7 = 2 AND code <> 0 THEN code ELSE v.column5 END,
		reply = CASE WHEN v.column7 = 1 OR v.column7 = 2 AND code <> 0 THEN reply ELSE v.column6 END,
		settled_at = CASE WHEN v.column3 = 'due' THEN 0 ELSE v.column4 END
		FROM (VALUES ` + first + strings.Repeat(`, (?, ?, ?, ?, ?, ?, ?)`, n-1) + `) AS v
		WHERE deliveries.id = v.column1 AND deliveries.claim = v.column2 AND deliveries.state = 'due'`
}

// Renew prolongs the leases of a holder's deliveries to until and returns those it still held.
func (tx *Tx) Renew(holder int64, ids []DeliveryID, until time.Time) (held []DeliveryID, err error) {
	for len(ids) > 0 {
		n := min(len(ids), memberBatch)
		args := []any{until.UnixMilli(), holder}
		for _, id := range ids[:n] {
			args = append(args, int64(id))
		}
		err := tx.each(`UPDATE deliveries SET next_at = ? WHERE holder = ? AND state = 'due' AND id IN (`+
			strings.TrimSuffix(strings.Repeat("?, ", n), ", ")+`) RETURNING id`, args, func(scan func(...any) error) error {
			var id DeliveryID
			err := scan(&id)
			held = append(held, id)
			return err
		})
		if err != nil {
			return nil, err
		}
		ids = ids[n:]
	}
	return held, nil
}

// TakeBack makes all claimed deliveries due now: on SQLite a node that starts is alone, and whoever held them is gone.
func (tx *Tx) TakeBack() (int64, error) {
	tx.woken |= Deliveries
	return tx.exec(`UPDATE deliveries SET next_at = ?, holder = 0 WHERE state = 'due' AND holder <> 0`, tx.Now.UnixMilli())
}

// Delivery is a row for people: listd queue and listd trace.
type Delivery struct {
	ID       DeliveryID
	Outgoing OutgoingID
	List     lists.ID
	Rcpt     string
	State    DeliveryState
	Next     time.Time
	Attempts int
	Held     bool // a worker has it
	Code     int
	Reply    string
	Settled  time.Time
	Subject  string
	Created  time.Time
	Trace    string
}

const deliveryColumns = `d.id, d.outgoing_id, o.list_id, d.rcpt, d.state, d.next_at, d.attempts, d.holder <> 0, d.code, d.reply,
	d.settled_at, o.subject, o.created_at, o.trace`

func (tx *Tx) deliveries(where string, args ...any) (out []Delivery, err error) {
	err = tx.each(`SELECT `+deliveryColumns+` FROM deliveries d JOIN outgoing o ON o.id = d.outgoing_id `+where, args,
		func(scan func(...any) error) error {
			var d Delivery
			var state string
			var next, settled, created int64
			err := scan(&d.ID, &d.Outgoing, &d.List, &d.Rcpt, &state, &next, &d.Attempts, &d.Held, &d.Code, &d.Reply, &settled,
				&d.Subject, &created, &d.Trace)
			d.State, d.Next, d.Settled, d.Created = DeliveryState(state), fromMillis(next), fromMillis(settled), fromMillis(created)
			out = append(out, d)
			return err
		})
	return out, err
}

// DeliveriesOf are an outgoing's deliveries after the one given, up to limit. Uses UNIQUE (outgoing_id, rcpt).
func (tx *Tx) DeliveriesOf(o OutgoingID, after string, limit int) ([]Delivery, error) {
	return tx.deliveries(`WHERE d.outgoing_id = ? AND d.rcpt > ? ORDER BY d.rcpt LIMIT ?`, o, after, limit)
}

// DeliveriesTo are the latest deliveries to an address, up to limit, of those in the log. It reads the whole log: an
// index that only people ask for would make every delivery dearer.
func (tx *Tx) DeliveriesTo(a mail.Address, limit int) ([]Delivery, error) {
	// SQLite's LOWER knows ASCII alone: what is beyond it must be spelt as it is kept.
	return tx.deliveries(`WHERE d.rcpt = ? OR LOWER(d.rcpt) = ? ORDER BY d.outgoing_id DESC LIMIT ?`, a.String(), a.Key(), limit)
}

// Delivery is the delivery of this ID.
func (tx *Tx) Delivery(id DeliveryID) (Delivery, error) {
	all, err := tx.deliveries(`WHERE d.id = ?`, id)
	if err != nil || len(all) == 0 {
		return Delivery{}, orNotFound(err)
	}
	return all[0], nil
}

// Undelivered are deliveries that have not left, those that failed most first, up to limit.
func (tx *Tx) Undelivered(limit int) ([]Delivery, error) {
	return tx.deliveries(`WHERE d.state = 'due' ORDER BY d.destination, d.priority, d.next_at, d.id LIMIT ?`, limit)
}
