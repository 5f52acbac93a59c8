package store

import (
	"errors"
	"time"

	"listd/lists"
	"listd/mail"
)

// Incident is that many members at one destination failed the same way within an hour.
type Incident struct {
	ID          int64
	Destination string // AllDestinations: everywhere
	Class       mail.Class
	Permanent   bool
	Began, Last time.Time
	Told        time.Time // when the site's owner was told
}

// AllDestinations stands for every destination in an incident.
const AllDestinations = "*"

// IncidentOf is the latest incident of a kind at a destination; ErrNotFound if none is known. Uses
// bounce_incidents_by_destination.
func (tx *Tx) IncidentOf(destination string, class mail.Class, permanent bool) (i Incident, err error) {
	var began, last, told int64
	i = Incident{Destination: destination, Class: class, Permanent: permanent}
	err = tx.get(`SELECT id, began_at, last_at, told_at FROM bounce_incidents WHERE destination = ? AND class = ? AND permanent = ?
		ORDER BY last_at DESC LIMIT 1`, []any{destination, class.String(), b2i(permanent)}, &i.ID, &began, &last, &told)
	i.Began, i.Last, i.Told = fromMillis(began), fromMillis(last), fromMillis(told)
	return i, err
}

// SaveIncident writes an incident, a new one if its ID is 0.
func (tx *Tx) SaveIncident(i Incident) error {
	if i.ID == 0 {
		_, err := tx.exec(`INSERT INTO bounce_incidents (destination, class, permanent, began_at, last_at, told_at) VALUES (?, ?, ?, ?, ?, ?)`,
			i.Destination, i.Class.String(), b2i(i.Permanent), millis(i.Began), millis(i.Last), millis(i.Told))
		return err
	}
	_, err := tx.exec(`UPDATE bounce_incidents SET last_at = ?, told_at = ? WHERE id = ?`, millis(i.Last), millis(i.Told), i.ID)
	return err
}

// CountFailing is how many addresses failed in a way at a destination after since and until a time, as far as that is proven:
// who forges reports freezes nothing. Uses
// bounces_by_destination, and for all of them bounces_by_age.
func (tx *Tx) CountFailing(i Incident, since, until time.Time) (n int64, err error) {
	where, args := i.where()
	err = tx.get(`SELECT COUNT(*) FROM (SELECT DISTINCT s.key FROM bounces b JOIN subscriptions s ON s.id = b.subscription_id
		WHERE `+where+` AND b.proven = 1 AND b.at > ? AND b.at <= ?) k`, append(args, millis(since), millis(until)), &n)
	return n, err
}

// CountAt is how many addresses at a destination receive. Uses subscriptions_by_domain.
func (tx *Tx) CountAt(destination string) (n int64, err error) {
	if destination == AllDestinations {
		err = tx.get(`SELECT COUNT(*) FROM (SELECT DISTINCT key FROM subscriptions WHERE state = 'active') k`, nil, &n)
		return n, err
	}
	err = tx.get(`SELECT COUNT(*) FROM (SELECT DISTINCT key FROM subscriptions WHERE domain = ? AND state = 'active') k`, []any{destination}, &n)
	return n, err
}

// Freeze takes from the scores all failures of a kind at a destination after since and until a time, and says whose counted
// or would have.
func (tx *Tx) Freeze(i Incident, since, until time.Time) (subscriptions []int64, err error) {
	where, args := i.where()
	seen := map[int64]bool{}
	err = tx.each(`UPDATE bounces AS b SET state = 'frozen' WHERE `+where+` AND b.at > ? AND b.at <= ? AND b.state IN ('new', 'counted')
		RETURNING subscription_id`, append(args, millis(since), millis(until)), func(scan func(...any) error) error {
		var id int64
		err := scan(&id)
		if !seen[id] {
			seen[id] = true
			subscriptions = append(subscriptions, id)
		}
		return err
	})
	return subscriptions, err
}

// where is the condition of an incident's failures: everywhere, without those that are one destination's.
func (i Incident) where() (string, []any) {
	kind := []any{i.Class.String(), b2i(i.Permanent)}
	if i.Destination == AllDestinations {
		return `b.class = ? AND b.permanent = ? AND b.state <> 'frozen'`, kind
	}
	return `b.destination = ? AND b.class = ? AND b.permanent = ?`, append([]any{i.Destination}, kind...)
}

// Refused is how many of an outgoing's recipients were refused for who wrote or what the provider's policy is, at one
// destination and in all, and of how many.
type Refused struct {
	Auth           int64 // of them for want of SPF, DKIM or DMARC
	There, Members int64 // refused at the destination, of how many
	All, Everybody int64 // refused anywhere, of how many
}

// RefusedOf counts. Uses bounces_once, and reads all deliveries of the outgoing.
func (tx *Tx) RefusedOf(o OutgoingID, destination string) (r Refused, err error) {
	err = tx.get(`SELECT COUNT(*), COALESCE(SUM(CASE WHEN destination = ? THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN class = 'auth' THEN 1 ELSE 0 END), 0)
		FROM bounces WHERE outgoing_id = ? AND outgoing_id > 0 AND proven = 1 AND class IN ('policy', 'auth')`, []any{destination, o}, &r.All, &r.There, &r.Auth)
	if err != nil {
		return r, err
	}
	err = tx.get(`SELECT COUNT(*), COALESCE(SUM(CASE WHEN LOWER(rcpt) LIKE ? THEN 1 ELSE 0 END), 0) FROM deliveries WHERE outgoing_id = ?`,
		[]any{"%@" + destination, o}, &r.Everybody, &r.Members)
	return r, err
}

// RefusedBy are the subscriptions that were refused an outgoing for who wrote it, up to limit.
func (tx *Tx) RefusedBy(o OutgoingID, limit int) (out []lists.Subscription, err error) {
	err = tx.each(`SELECT `+subColumns+` FROM subscriptions WHERE state = 'active' AND id IN (SELECT subscription_id FROM bounces
		WHERE outgoing_id = ? AND outgoing_id > 0 AND proven = 1 AND class IN ('policy', 'auth')) ORDER BY id LIMIT ?`, []any{o, limit},
		func(scan func(...any) error) error {
			s, err := scanSub(scan)
			out = append(out, s)
			return err
		})
	return out, err
}

// Remedy is what was done about an outgoing that members' providers refused: what was sent in its place, 0 for nothing;
// ErrNotFound if nothing has been decided.
func (tx *Tx) Remedy(o OutgoingID) (resent OutgoingID, err error) {
	err = tx.get(`SELECT resent_id FROM remedies WHERE outgoing_id = ?`, []any{o}, &resent)
	return resent, err
}

// IsResent reports whether an outgoing was sent in another's place. Uses remedies_by_resent.
func (tx *Tx) IsResent(o OutgoingID) (bool, error) {
	var n int
	err := tx.get(`SELECT COUNT(*) FROM remedies WHERE resent_id = ? AND resent_id > 0`, []any{o}, &n)
	return n > 0, err
}

// AddRemedy records what was sent in an outgoing's place, 0 for nothing; ErrExists if that has been decided.
func (tx *Tx) AddRemedy(o, resent OutgoingID) error {
	n, err := tx.exec(`INSERT INTO remedies (outgoing_id, resent_id, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, o, resent, tx.Now.UnixMilli())
	return errors.Join(err, ifErr(err == nil && n == 0, ErrExists))
}
