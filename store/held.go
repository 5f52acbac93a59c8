package store

import (
	"encoding/json"
	"errors"
	"time"

	"listd/lists"
	"listd/mail"
)

// HeldID names something that waits for a moderator.
type HeldID int64

// Held is something that waits for a moderator.
type Held struct {
	ID      HeldID
	List    lists.ID
	Message MessageID
	Kind    string       // post, subscription, unsubscription
	From    mail.Address // the envelope's
	Sender  string       // the author, header form, decoded
	Subject string       // decoded
	Rule    string
	Reasons []string
	Trace   string
	At      time.Time
	Expires time.Time // zero: never
}

const heldColumns = `id, list_id, message_id, kind, env_from, sender, subject, rule, reasons, trace, at, expires_at`

// AddHeld stores h; At is the transaction's Now.
func (tx *Tx) AddHeld(h Held) (HeldID, error) {
	reasons, err := json.Marshal(h.Reasons)
	if err != nil {
		return 0, err
	}
	err = tx.get(`INSERT INTO held (list_id, message_id, kind, env_from, sender, subject, rule, reasons, trace, at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`, []any{h.List, h.Message, h.Kind, h.From.String(), h.Sender, h.Subject,
		h.Rule, string(reasons), h.Trace, tx.Now.UnixMilli(), millis(h.Expires)}, &h.ID)
	return h.ID, err
}

func (tx *Tx) heldWhere(where string, args ...any) (out []Held, err error) {
	err = tx.each(`SELECT `+heldColumns+` FROM held `+where, args, func(scan func(...any) error) error {
		var h Held
		var from, reasons string
		var at, expires int64
		err := scan(&h.ID, &h.List, &h.Message, &h.Kind, &from, &h.Sender, &h.Subject, &h.Rule, &reasons, &h.Trace, &at, &expires)
		if err != nil {
			return err
		}
		h.At, h.Expires = fromMillis(at), fromMillis(expires)
		if from != "" {
			if h.From, err = mail.ParseAddress(from); err != nil {
				return err
			}
		}
		out = append(out, h)
		return json.Unmarshal([]byte(reasons), &out[len(out)-1].Reasons)
	})
	return out, err
}

// Held is what is held under this ID.
func (tx *Tx) Held(id HeldID) (Held, error) {
	all, err := tx.heldWhere(`WHERE id = ?`, id)
	if err != nil || len(all) == 0 {
		return Held{}, orNotFound(err)
	}
	return all[0], nil
}

// HeldOf is what a list holds, all lists' if l is 0, oldest first. Uses held_by_list.
func (tx *Tx) HeldOf(l lists.ID, limit int) ([]Held, error) {
	if l == 0 {
		return tx.heldWhere(`ORDER BY id LIMIT ?`, limit)
	}
	return tx.heldWhere(`WHERE list_id = ? ORDER BY id LIMIT ?`, l, limit)
}

// HeldFor reports whether something of a kind waits in a list for an address. Uses held_by_list.
func (tx *Tx) HeldFor(l lists.ID, kind string, a mail.Address) (bool, error) {
	var n int
	err := tx.get(`SELECT COUNT(*) FROM held WHERE list_id = ? AND kind = ? AND env_from = ?`, []any{l, kind, a.String()}, &n)
	return n > 0, err
}

// HeldExpired is what expires by the transaction's Now, up to limit. Uses held_by_expiry.
func (tx *Tx) HeldExpired(limit int) ([]Held, error) {
	return tx.heldWhere(`WHERE expires_at > 0 AND expires_at <= ? ORDER BY expires_at LIMIT ?`, tx.Now.UnixMilli(), limit)
}

// DeleteHeld ends the waiting; ErrNotFound if somebody else has settled it.
func (tx *Tx) DeleteHeld(id HeldID) error {
	n, err := tx.exec(`DELETE FROM held WHERE id = ?`, id)
	return errors.Join(err, ifErr(err == nil && n == 0, ErrNotFound))
}

// Notice records that a notice goes to somebody now, unless it went less than every ago: then it says false.
func (tx *Tx) Notice(l lists.ID, key, notice string, every time.Duration) (bool, error) {
	n, err := tx.exec(`INSERT INTO noticed (list_id, key, notice, at) VALUES (?, ?, ?, ?)
		ON CONFLICT (list_id, key, notice) DO UPDATE SET at = excluded.at WHERE noticed.at <= ?`,
		l, key, notice, tx.Now.UnixMilli(), tx.Now.Add(-every).UnixMilli())
	return n > 0, err
}

// SweepNoticed forgets notices from before.
func (tx *Tx) SweepNoticed(before time.Time) (int64, error) {
	return tx.exec(`DELETE FROM noticed WHERE at < ?`, millis(before))
}
