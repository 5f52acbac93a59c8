package store

import (
	"errors"
	"time"
)

// QueueCounts says how many deliveries stand where.
type QueueCounts struct {
	Due      int64     // to be tried now, or in a worker's hands
	Deferred int64     // tried, to be tried again later
	Sent     int64     // since the log begins
	Failed   int64     // since the log begins
	Fanning  int64     // outgoings whose recipients are not all rows yet
	Oldest   time.Time // when the oldest outgoing that still has rows to deliver was made; zero if none has
}

// QueueCounts counts. It reads the whole log: it is for people, not for workers.
func (tx *Tx) QueueCounts() (c QueueCounts, err error) {
	err = tx.each(`SELECT state, code <> 0 AND holder = 0 AND next_at > ?, COUNT(*) FROM deliveries GROUP BY 1, 2`,
		[]any{tx.Now.UnixMilli()}, func(scan func(...any) error) error {
			var state string
			var later bool
			var n int64
			if err := scan(&state, &later, &n); err != nil {
				return err
			}
			switch {
			case state == string(Due) && later:
				c.Deferred += n
			case state == string(Due):
				c.Due += n
			case state == string(Sent):
				c.Sent += n
			case state == string(Failed):
				c.Failed += n
			}
			return nil
		})
	if err != nil {
		return c, err
	}
	if err := tx.get(`SELECT COUNT(*) FROM outgoing WHERE fanned_to >= 0`, nil, &c.Fanning); err != nil {
		return c, err
	}
	if c.Due+c.Deferred == 0 {
		return c, nil
	}
	var at int64
	err = tx.get(`SELECT COALESCE(MIN(o.created_at), 0) FROM outgoing o
		WHERE EXISTS (SELECT 1 FROM deliveries d WHERE d.outgoing_id = o.id AND d.state = 'due')`, nil, &at)
	c.Oldest = fromMillis(at)
	return c, err
}

// DestinationCounts is what waits for one destination, and why.
type DestinationCounts struct {
	Destination string // '' is the relay
	Due         int64
	Deferred    int64
	Next        time.Time // the earliest next attempt
	Reply       string    // a reply that deferred some of it
	Code        int
}

// QueueDestinations are the destinations with undelivered rows, the fullest first, up to limit.
func (tx *Tx) QueueDestinations(limit int) (out []DestinationCounts, err error) {
	err = tx.each(`SELECT destination, SUM(CASE WHEN code <> 0 AND holder = 0 AND next_at > ? THEN 0 ELSE 1 END), COUNT(*),
			MIN(next_at), MAX(code), MAX(reply)
		FROM deliveries WHERE state = 'due' GROUP BY destination ORDER BY 3 DESC LIMIT ?`, []any{tx.Now.UnixMilli(), limit},
		func(scan func(...any) error) error {
			var d DestinationCounts
			var all, next int64
			err := scan(&d.Destination, &d.Due, &all, &next, &d.Code, &d.Reply)
			d.Deferred, d.Next = all-d.Due, fromMillis(next)
			out = append(out, d)
			return err
		})
	return out, err
}

// AnyUndelivered reports whether something is yet to be delivered by the time given: a row that is due or held by a
// worker, or an outgoing still fanning out.
func (tx *Tx) AnyUndelivered(by time.Time) (bool, error) {
	lanes, err := tx.Lanes(nil, 1<<20)
	if err != nil {
		return false, err
	}
	for _, l := range lanes {
		if !l.Next.After(by) {
			return true, nil
		}
	}
	var n int64
	err = tx.get(`SELECT COUNT(*) FROM (SELECT 1 FROM outgoing WHERE fanned_to >= 0 LIMIT 1) o`, nil, &n)
	if n > 0 || err != nil {
		return true, err
	}
	err = tx.get(`SELECT COUNT(*) FROM (SELECT 1 FROM deliveries WHERE state = 'due' AND holder <> 0 LIMIT 1) d`, nil, &n)
	return n > 0, err
}

// RetryNow makes a deferred delivery due now; ErrNotFound if it has left, failed, or is in a worker's hands.
func (tx *Tx) RetryNow(id DeliveryID) error {
	n, err := tx.exec(`UPDATE deliveries SET next_at = ? WHERE id = ? AND state = 'due' AND holder = 0`, tx.Now.UnixMilli(), id)
	tx.woken |= Deliveries
	return errors.Join(err, ifErr(err == nil && n == 0, ErrNotFound))
}

// RetryFailed makes a delivery that failed due again, if its outgoing is still there.
func (tx *Tx) RetryFailed(id DeliveryID, giveUp time.Time) error {
	n, err := tx.exec(`UPDATE deliveries SET state = 'due', next_at = ?, attempts = 0, settled_at = 0 WHERE id = ? AND state = 'failed'`,
		tx.Now.UnixMilli(), id)
	if err != nil || n == 0 {
		return orNotFound(err)
	}
	tx.woken |= Deliveries
	_, err = tx.exec(`UPDATE outgoing SET give_up_at = ? WHERE give_up_at < ? AND id = (SELECT outgoing_id FROM deliveries WHERE id = ?)`,
		millis(giveUp), millis(giveUp), id)
	return err
}

// RetryAllNow makes up to limit deferred deliveries due now and says how many.
func (tx *Tx) RetryAllNow(limit int) (int64, error) {
	tx.woken |= Deliveries
	return tx.exec(`UPDATE deliveries SET next_at = ? WHERE id IN (SELECT id FROM deliveries WHERE state = 'due' AND holder = 0
		AND next_at > ? LIMIT ?)`, tx.Now.UnixMilli(), tx.Now.UnixMilli(), limit)
}

// Drop gives up a delivery for the operator; ErrNotFound if there is nothing to give up.
func (tx *Tx) Drop(id DeliveryID) error {
	n, err := tx.exec(`UPDATE deliveries SET state = 'dropped', holder = 0, claim = claim + 1, settled_at = ? WHERE id = ? AND state = 'due'`,
		tx.Now.UnixMilli(), id)
	return errors.Join(err, ifErr(err == nil && n == 0, ErrNotFound))
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// orNotFound is err, or ErrNotFound if that is nil.
func orNotFound(err error) error {
	if err == nil {
		return ErrNotFound
	}
	return err
}
