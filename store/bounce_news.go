package store

import (
	"strings"
	"time"

	"listd/lists"
	"listd/mail"
)

// News is something the owners of a list will read in the next summary.
type News struct {
	ID      int64
	List    lists.ID
	Kind    string
	Text    string
	Message MessageID // kept for them; 0: none
	At      time.Time
}

// AddNews keeps something for the next summary; At is the transaction's Now.
func (tx *Tx) AddNews(n News) error {
	var message any
	if n.Message != 0 {
		message = n.Message
	}
	_, err := tx.exec(`INSERT INTO bounce_news (list_id, kind, text, message_id, at) VALUES (?, ?, ?, ?, ?)`, n.List, n.Kind, n.Text, message, tx.Now.UnixMilli())
	return err
}

// CountNews is how much of a kind waits for the next summary of a list. Uses bounce_news_by_list.
func (tx *Tx) CountNews(l lists.ID, kind string) (n int64, err error) {
	err = tx.get(`SELECT COUNT(*) FROM bounce_news WHERE list_id = ? AND kind = ?`, []any{l, kind}, &n)
	return n, err
}

// ListsWithNews are the lists about which there is something to tell.
func (tx *Tx) ListsWithNews() (out []lists.ID, err error) {
	err = tx.each(`SELECT DISTINCT list_id FROM bounce_news ORDER BY list_id`, nil, func(scan func(...any) error) error {
		var id lists.ID
		err := scan(&id)
		out = append(out, id)
		return err
	})
	return out, err
}

// TakeNews is what is to be told about a list, the oldest first, up to limit; it is told once.
func (tx *Tx) TakeNews(l lists.ID, limit int) (out []News, err error) {
	err = tx.each(`SELECT id, list_id, kind, text, COALESCE(message_id, 0), at FROM bounce_news WHERE list_id = ? ORDER BY id LIMIT ?`,
		[]any{l, limit}, func(scan func(...any) error) error {
			var n News
			var at int64
			err := scan(&n.ID, &n.List, &n.Kind, &n.Text, &n.Message, &at)
			n.At = fromMillis(at)
			out = append(out, n)
			return err
		})
	if err != nil || len(out) == 0 {
		return out, err
	}
	_, err = tx.exec(`DELETE FROM bounce_news WHERE list_id = ? AND id <= ?`, l, out[len(out)-1].ID)
	return out, err
}

// Forward is mail that was taken for somebody and sent on.
type Forward struct {
	Outgoing OutgoingID
	From     mail.Address // its reverse-path: who hears if it does not arrive
	Rcpt     mail.Rcpt    // as it was written to
	Ret      string
	EnvID    string
	At       time.Time
}

// AddForward remembers whom to tell if what was sent on does not arrive; At is the transaction's Now.
func (tx *Tx) AddForward(f Forward) error {
	_, err := tx.exec(`INSERT INTO forwards (outgoing_id, env_from, rcpt, orcpt, ret, env_id, at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		f.Outgoing, f.From.String(), f.Rcpt.String(), f.Rcpt.ORcpt, f.Ret, f.EnvID, tx.Now.UnixMilli())
	return err
}

// forwardSettled is the condition that nothing of a forward is on its way any more.
const forwardSettled = ` NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.outgoing_id = f.outgoing_id AND d.state = 'due')`

// ForwardSettled reports whether something that was sent on has arrived or failed. Uses deliveries' UNIQUE (outgoing_id, rcpt).
func (tx *Tx) ForwardSettled() (bool, error) {
	var n int
	err := tx.get(`SELECT COUNT(*) FROM (SELECT 1 FROM forwards f WHERE`+forwardSettled+` LIMIT 1) k`, nil, &n)
	return n > 0, err
}

// TakeForwards are up to limit of what was sent on and has arrived or failed; each is told once.
func (tx *Tx) TakeForwards(limit int) (out []Forward, err error) {
	err = tx.each(`SELECT f.outgoing_id, f.env_from, f.rcpt, f.orcpt, f.ret, f.env_id, f.at FROM forwards f WHERE`+forwardSettled+`
		ORDER BY f.outgoing_id LIMIT ?`, []any{limit}, func(scan func(...any) error) error {
		var f Forward
		var from, rcpt string
		var at int64
		err := scan(&f.Outgoing, &from, &rcpt, &f.Rcpt.ORcpt, &f.Ret, &f.EnvID, &at)
		if err != nil {
			return err
		}
		f.At = fromMillis(at)
		if f.From, err = mail.ParseAddress(from); err != nil {
			return err
		}
		f.Rcpt.Address, err = mail.ParseAddress(rcpt)
		out = append(out, f)
		return err
	})
	if err != nil || len(out) == 0 {
		return out, err
	}
	args := make([]any, len(out))
	for i, f := range out {
		args[i] = int64(f.Outgoing)
	}
	_, err = tx.exec(`DELETE FROM forwards WHERE outgoing_id IN (`+strings.TrimSuffix(strings.Repeat("?, ", len(out)), ", ")+`)`, args...)
	return out, err
}

// AddDeliveriesOf adds a delivery of o to each subscription, none twice. They are due now.
func (tx *Tx) AddDeliveriesOf(o Outgoing, subs []lists.Subscription, relay bool) error {
	for len(subs) > 0 {
		n := min(len(subs), memberBatch)
		args := make([]any, 0, n*6)
		for _, s := range subs[:n] {
			args = append(args, o.ID, s.ID, s.Address.String(), Destination(s.Address, relay), o.Priority, tx.Now.UnixMilli())
		}
		if _, err := tx.exec(`INSERT INTO deliveries (outgoing_id, subscription_id, rcpt, destination, priority, next_at) VALUES `+
			placeholders(n, 6)+` ON CONFLICT DO NOTHING`, args...); err != nil {
			return err
		}
		subs = subs[n:]
	}
	tx.woken |= Deliveries
	return nil
}
