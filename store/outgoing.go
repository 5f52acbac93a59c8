package store

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"listd/lists"
	"listd/mail"
)

// OutgoingID names a message that must leave.
type OutgoingID int64

// Outgoing is a message that must leave, whoever gets it. Its recipients are deliveries.
type Outgoing struct {
	ID       OutgoingID
	List     lists.ID // 0: no list's
	Seq      lists.Seq
	Message  MessageID
	From     mail.Address // the return path, before VERP; zero for <>
	Personal bool         // one recipient a transaction, rendered for each
	Priority int          // 0 notice, 1 post, 2 announcement
	Trace    string       // the ID in the log, the Received field and the 250
	Subject  string       // decoded, for listd queue
	Created  time.Time
	GiveUp   time.Time // no attempt begins after this
	FannedTo int64     // the fan-out's cursor, a subscription's ID; -1 when it has ended
}

const outgoingColumns = `id, list_id, seq, message_id, env_from, personal, priority, trace, subject, created_at, give_up_at, fanned_to`

func scanOutgoing(scan func(...any) error) (o Outgoing, err error) {
	var from string
	var created, giveUp int64
	err = scan(&o.ID, &o.List, &o.Seq, &o.Message, &from, &o.Personal, &o.Priority, &o.Trace, &o.Subject, &created, &giveUp, &o.FannedTo)
	if err != nil {
		return o, err
	}
	o.Created, o.GiveUp = fromMillis(created), fromMillis(giveUp)
	if from != "" {
		o.From, err = mail.ParseAddress(from)
	}
	return o, err
}

// AddOutgoing stores o and returns its ID. Created is the transaction's Now.
func (tx *Tx) AddOutgoing(o Outgoing) (OutgoingID, error) {
	err := tx.get(`INSERT INTO outgoing (list_id, seq, message_id, env_from, personal, priority, trace, subject, created_at,
		give_up_at, fanned_to) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
		[]any{o.List, o.Seq, o.Message, o.From.String(), b2i(o.Personal), o.Priority, o.Trace, o.Subject, tx.Now.UnixMilli(),
			millis(o.GiveUp), o.FannedTo}, &o.ID)
	return o.ID, err
}

// Outgoing is the outgoing of this ID.
func (tx *Tx) Outgoing(id OutgoingID) (o Outgoing, err error) {
	found := false
	err = tx.each(`SELECT `+outgoingColumns+` FROM outgoing WHERE id = ?`, []any{id}, func(scan func(...any) error) error {
		found = true
		o, err = scanOutgoing(scan)
		return err
	})
	return o, errors.Join(err, ifErr(err == nil && !found, ErrNotFound))
}

// OutgoingByTrace are the outgoings of a trace, oldest first. Uses outgoing_by_trace.
func (tx *Tx) OutgoingByTrace(trace string) (out []Outgoing, err error) {
	err = tx.each(`SELECT `+outgoingColumns+` FROM outgoing WHERE trace = ? ORDER BY id LIMIT 1000`, []any{trace},
		func(scan func(...any) error) error {
			o, err := scanOutgoing(scan)
			out = append(out, o)
			return err
		})
	return out, err
}

// AddDeliveries adds a delivery of o to each address, none twice; destination names where each goes. They are due now.
func (tx *Tx) AddDeliveries(o Outgoing, rcpts []mail.Address, destination func(mail.Address) string) error {
	for len(rcpts) > 0 {
		n := min(len(rcpts), memberBatch)
		args := make([]any, 0, n*5)
		for _, a := range rcpts[:n] {
			args = append(args, o.ID, a.String(), destination(a), o.Priority, tx.Now.UnixMilli())
		}
		rows := strings.TrimSuffix(strings.Repeat("(?, 0, ?, ?, ?, ?), ", n), ", ")
		if _, err := tx.exec(`INSERT INTO deliveries (outgoing_id, subscription_id, rcpt, destination, priority, next_at)
			VALUES `+rows+` ON CONFLICT DO NOTHING`, args...); err != nil {
			return fmt.Errorf("add deliveries: %w", err)
		}
		rcpts = rcpts[n:]
	}
	tx.woken |= Deliveries
	return nil
}

// announcement is the priority of what also goes to those who want announcements only; see Outgoing.
const announcement = 2

// inMode is the condition that a subscription's mode wants an outgoing.
func (o Outgoing) inMode() string {
	if o.Priority == announcement {
		return `mode IN ('each', 'announcements')`
	}
	return `mode = 'each'`
}

// FanOut adds a delivery of o for up to limit subscribers of o.List whose mode wants it and who were there at o.Seq, after
// the subscription after and without those in skip. It returns the last subscription looked at, and whether that was the end.
//
// Uses subscriptions_by_mode (list_id, mode, id) to find the chunk's end without reading the rows, then once more to
// copy them. Who came to mode each at or after o.Seq has that in each_from and is left out.
func (tx *Tx) FanOut(o Outgoing, after int64, limit int, skip []int64, relay bool) (last int64, done bool, err error) {
	var n int
	err = tx.get(`SELECT COUNT(*), COALESCE(MAX(id), 0) FROM (SELECT id FROM subscriptions
		WHERE list_id = ? AND `+o.inMode()+` AND id > ? ORDER BY id LIMIT ?) c`, []any{o.List, after, limit}, &n, &last)
	if err != nil {
		return 0, false, err
	}
	if n == 0 {
		return after, true, nil
	}
	where, args := "", []any{o.ID, b2i(relay), o.Priority, tx.Now.UnixMilli(), o.List, after, last, o.Seq}
	if len(skip) > 0 {
		where = ` AND id NOT IN (` + strings.TrimSuffix(strings.Repeat("?, ", len(skip)), ", ") + `)`
		for _, id := range skip {
			args = append(args, id)
		}
	}
	big := tx.db.dialect.bigint()
	_, err = tx.exec(`INSERT INTO deliveries (outgoing_id, subscription_id, rcpt, destination, priority, next_at)
		SELECT `+big+`, id, address, CASE WHEN `+big+` = 1 THEN '' ELSE domain END, `+big+`, `+big+` FROM subscriptions
		WHERE list_id = ? AND `+o.inMode()+` AND id > ? AND id <= ? AND each_from < ? AND state = 'active'`+where+`
		ORDER BY id ON CONFLICT DO NOTHING`, args...)
	tx.woken |= Deliveries
	return last, n < limit, err
}

// SetFanned moves an outgoing's cursor.
func (tx *Tx) SetFanned(id OutgoingID, to int64) error {
	_, err := tx.exec(`UPDATE outgoing SET fanned_to = ? WHERE id = ?`, to, id)
	return err
}

// FanOutOne gives a subscriber who is about to leave their mode their own deliveries of the list's fan-outs that have
// not reached them yet. Uses outgoing_unfanned.
func (tx *Tx) FanOutOne(s lists.Subscription, relay bool) error {
	if !s.Receives() {
		return nil
	}
	least := 0
	if s.Mode == lists.Announcements {
		least = announcement
	}
	big := tx.db.dialect.bigint()
	_, err := tx.exec(`INSERT INTO deliveries (outgoing_id, subscription_id, rcpt, destination, priority, next_at)
		SELECT id, `+big+`, CAST(? AS TEXT), CAST(? AS TEXT), priority, `+big+` FROM outgoing
		WHERE list_id = ? AND fanned_to >= 0 AND fanned_to < ? AND seq > ? AND priority >= ? ON CONFLICT DO NOTHING`,
		s.ID, s.Address.String(), Destination(s.Address, relay), tx.Now.UnixMilli(), s.List, s.ID, s.EachFrom, least)
	tx.woken |= Deliveries
	return err
}

// Destination is where mail for an address queues: one place with a relay, its domain without.
func Destination(a mail.Address, relay bool) string {
	if relay {
		return ""
	}
	return a.Domain
}

// Reroute moves up to limit due deliveries that were queued for the other way (relay or direct) to this one's
// destinations and says how many it moved. Uses deliveries_due.
func (tx *Tx) Reroute(relay bool, limit int) (n int, err error) {
	type row struct {
		id   int64
		rcpt string
	}
	var rows []row
	where := `destination = ''`
	if relay {
		where = `destination > ''`
	}
	err = tx.each(`SELECT id, rcpt FROM deliveries WHERE state = 'due' AND `+where+` LIMIT ?`, []any{limit},
		func(scan func(...any) error) error {
			var r row
			err := scan(&r.id, &r.rcpt)
			rows = append(rows, r)
			return err
		})
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		a, err := mail.ParseAddress(r.rcpt)
		if err != nil {
			return n, err
		}
		if _, err := tx.exec(`UPDATE deliveries SET destination = ? WHERE id = ?`, Destination(a, relay), r.id); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// SweepOutgoing deletes up to limit deliveries of the oldest outgoing created before of which none is due any more or was
// settled since, and with the last of them the outgoing. It says how many rows went; 0: there is nothing to sweep. Uses outgoing_by_age and
// deliveries' UNIQUE (outgoing_id, rcpt).
func (tx *Tx) SweepOutgoing(before time.Time, limit int) (int64, error) {
	var id OutgoingID
	err := tx.get(`SELECT o.id FROM outgoing o WHERE o.created_at < ? AND o.fanned_to < 0
		AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.outgoing_id = o.id AND (d.state = 'due' OR d.settled_at >= ?))
		ORDER BY o.created_at, o.id LIMIT 1`, []any{millis(before), millis(before)}, &id)
	if isNotFound(err) {
		return 0, tx.SweepTallies()
	}
	if err != nil {
		return 0, err
	}
	if err := tx.tallySwept(id, limit); err != nil {
		return 0, err
	}
	n, err := tx.exec(`DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE outgoing_id = ? ORDER BY rcpt LIMIT ?)`, id, limit)
	if err != nil || n >= int64(limit) {
		return n, err
	}
	k, err := tx.exec(`DELETE FROM outgoing WHERE id = ?`, id)
	return n + k, err
}
