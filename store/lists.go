package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"listd/lists"
	"listd/mail"
)

const listColumns = `l.id, l.local, l.domain, l.list_id, l.settings, l.last_seq, l.version, l.created_at`

func scanList(scan func(...any) error) (l lists.List, err error) {
	var settings string
	var created int64
	if err = scan(&l.ID, &l.Address.Local, &l.Address.Domain, &l.ListID, &settings, &l.LastSeq, &l.Version, &created); err != nil {
		return l, err
	}
	l.Created = fromMillis(created)
	var set map[string]string
	if err := json.Unmarshal([]byte(settings), &set); err != nil {
		return l, fmt.Errorf("settings of %s: %w", l.Address, err)
	}
	if l.Policy, err = lists.Load(set); err != nil {
		return l, fmt.Errorf("settings of %s: %w", l.Address, err)
	}
	return l, nil
}

func (tx *Tx) list(where string, args ...any) (l lists.List, err error) {
	found := false
	err = tx.each(`SELECT `+listColumns+` FROM lists l `+where, args, func(scan func(...any) error) error {
		found = true
		l, err = scanList(scan)
		return err
	})
	if err == nil && !found {
		err = ErrNotFound
	}
	return l, err
}

// CreateList adds a list; ErrExists if the address is taken.
func (tx *Tx) CreateList(l lists.List) (lists.ID, error) {
	settings, err := json.Marshal(l.Policy.Settings())
	if err != nil {
		return 0, err
	}
	if _, err := tx.ListAt(l.Address); !errors.Is(err, ErrNotFound) {
		return 0, errors.Join(err, ifErr(err == nil, ErrExists))
	}
	err = tx.get(`INSERT INTO lists (local, domain, list_id, settings, created_at) VALUES (?, ?, ?, ?, ?) RETURNING id`,
		[]any{l.Address.Local, l.Address.Domain, l.ListID, string(settings), tx.Now.UnixMilli()}, &l.ID)
	return l.ID, err
}

// ListAt is the list with this address, or the one that had it before a rename. Uses lists' UNIQUE (domain, local).
func (tx *Tx) ListAt(a mail.Address) (lists.List, error) {
	l, err := tx.list(`WHERE l.domain = ? AND l.local = ?`, a.Domain, a.Local)
	if errors.Is(err, ErrNotFound) {
		return tx.list(`JOIN list_aliases a ON a.list_id = l.id WHERE a.domain = ? AND a.local = ?`, a.Domain, a.Local)
	}
	return l, err
}

// List is the list of this ID.
func (tx *Tx) List(id lists.ID) (lists.List, error) { return tx.list(`WHERE l.id = ?`, id) }

// LockList is List, and until the transaction ends no other can change the list or take its Seq.
func (tx *Tx) LockList(id lists.ID) (lists.List, error) {
	return tx.list(`WHERE l.id = ? `+tx.db.dialect.forUpdate(), id)
}

// ListAliases are the addresses a list had before it was renamed. Uses list_aliases_by_list.
func (tx *Tx) ListAliases(id lists.ID) (out []mail.Address, err error) {
	err = tx.each(`SELECT local, domain FROM list_aliases WHERE list_id = ? ORDER BY domain, local`, []any{id},
		func(scan func(...any) error) error {
			var a mail.Address
			err := scan(&a.Local, &a.Domain)
			out = append(out, a)
			return err
		})
	return out, err
}

// Lists are all lists, by address.
func (tx *Tx) Lists() (out []lists.List, err error) {
	err = tx.each(`SELECT `+listColumns+` FROM lists l ORDER BY l.domain, l.local`, nil, func(scan func(...any) error) error {
		l, err := scanList(scan)
		out = append(out, l)
		return err
	})
	return out, err
}

// HasDomain reports whether a list lives in domain.
func (tx *Tx) HasDomain(domain string) (bool, error) {
	var n int
	err := tx.get(`SELECT COUNT(*) FROM (SELECT 1 FROM lists WHERE domain = ? LIMIT 1) d`, []any{domain}, &n)
	return n > 0, err
}

// SavePolicy writes a list's settings and moves its version.
func (tx *Tx) SavePolicy(id lists.ID, p lists.Policy) error {
	settings, err := json.Marshal(p.Settings())
	if err != nil {
		return err
	}
	n, err := tx.exec(`UPDATE lists SET settings = ?, version = version + 1 WHERE id = ?`, string(settings), id)
	return errors.Join(err, ifErr(err == nil && n == 0, ErrNotFound))
}

// TouchList moves a list's version: roles, bans or rules have changed.
func (tx *Tx) TouchList(id lists.ID) error {
	_, err := tx.exec(`UPDATE lists SET version = version + 1 WHERE id = ?`, id)
	return err
}

// RenameList gives a list another address; the old one stays its alias, and its List-Id stays.
func (tx *Tx) RenameList(id lists.ID, to mail.Address) error {
	l, err := tx.LockList(id)
	if err != nil || l.Address == to {
		return err
	}
	if other, err := tx.ListAt(to); err == nil && other.ID != id {
		return ErrExists
	} else if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if _, err := tx.exec(`DELETE FROM list_aliases WHERE domain = ? AND local = ?`, to.Domain, to.Local); err != nil {
		return err
	}
	if _, err := tx.exec(`UPDATE lists SET local = ?, domain = ?, version = version + 1 WHERE id = ?`, to.Local, to.Domain, id); err != nil {
		return err
	}
	_, err = tx.exec(`INSERT INTO list_aliases (domain, local, list_id) VALUES (?, ?, ?)`, l.Address.Domain, l.Address.Local, id)
	return err
}

// DeleteList removes a list with its members, posts and their words, and held mail. Mail already on its way still goes out.
func (tx *Tx) DeleteList(id lists.ID) error {
	n, err := tx.exec(`DELETE FROM lists WHERE id = ?`, id)
	return errors.Join(err, ifErr(err == nil && n == 0, ErrNotFound))
}

// TakeSeq takes the list's next Seq if its version is still the one the verdict was made for; ErrNotFound if the
// list has changed meanwhile or is gone. The row's lock orders a list's posts.
func (tx *Tx) TakeSeq(id lists.ID, version int64) (seq lists.Seq, err error) {
	err = tx.get(`UPDATE lists SET last_seq = last_seq + 1 WHERE id = ? AND version = ? RETURNING last_seq`,
		[]any{id, version}, &seq)
	return seq, err
}

// Intake is what came in for a list and what became of it.
type Intake struct {
	List        lists.ID
	Fingerprint []byte
	Trace       string // the ID in the log, the Received field and the 250
	MsgID       string
	Sender      string
	Outcome     string // posted, held, discarded, answered
	Rule        string
	Seq         lists.Seq
	Outgoing    OutgoingID
	At          time.Time
}

// twice is how long the same mail counts as the same: a client that lost our 250 repeats it within days.
const twice = 7 * 24 * time.Hour

// Seen is the trace under which the same mail came within the last week, and whether it did. Uses intake's
// UNIQUE (list_id, fingerprint).
func (tx *Tx) Seen(l lists.ID, fingerprint []byte) (trace string, seen bool, err error) {
	err = tx.get(`SELECT trace FROM intake WHERE list_id = ? AND fingerprint = ? AND at > ?`,
		[]any{l, fingerprint, tx.Now.Add(-twice).UnixMilli()}, &trace)
	if errors.Is(err, ErrNotFound) {
		return "", false, nil
	}
	return trace, err == nil, err
}

// TakeIn records an intake; At is the transaction's Now. ErrExists if the same came within the last week: another node
// took it since Seen was asked.
func (tx *Tx) TakeIn(i Intake) error {
	n, err := tx.exec(`INSERT INTO intake (list_id, fingerprint, trace, msgid, sender, outcome, rule, seq, outgoing_id, at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (list_id, fingerprint) DO UPDATE SET trace = excluded.trace, msgid = excluded.msgid, sender = excluded.sender,
			outcome = excluded.outcome, rule = excluded.rule, seq = excluded.seq, outgoing_id = excluded.outgoing_id, at = excluded.at
		WHERE intake.at <= ?`,
		i.List, i.Fingerprint, i.Trace, i.MsgID, i.Sender, i.Outcome, i.Rule, i.Seq, i.Outgoing, tx.Now.UnixMilli(),
		tx.Now.Add(-twice).UnixMilli())
	if err == nil && n > 0 {
		err = tx.tallyIntake(i.List, i.Outcome, false)
	}
	return errors.Join(err, ifErr(err == nil && n == 0, ErrExists))
}

// SettleIntake says what became of a message that was held.
func (tx *Tx) SettleIntake(trace string, list lists.ID, outcome string, seq lists.Seq, out OutgoingID) error {
	_, err := tx.exec(`UPDATE intake SET outcome = ?, seq = ?, outgoing_id = ? WHERE list_id = ? AND trace = ?`,
		outcome, seq, out, list, trace)
	return errors.Join(err, tx.tallyIntake(list, outcome, true))
}

// IntakeByMsgID are the intakes of a Message-ID (without brackets), oldest first. Uses intake_by_msgid.
func (tx *Tx) IntakeByMsgID(msgid string) ([]Intake, error) {
	return tx.intakes(`WHERE msgid = ? ORDER BY id LIMIT 1000`, msgid)
}

func (tx *Tx) intakes(where string, args ...any) (out []Intake, err error) {
	err = tx.each(`SELECT list_id, trace, msgid, sender, outcome, rule, seq, outgoing_id, at FROM intake `+where, args,
		func(scan func(...any) error) error {
			var i Intake
			var at int64
			err := scan(&i.List, &i.Trace, &i.MsgID, &i.Sender, &i.Outcome, &i.Rule, &i.Seq, &i.Outgoing, &at)
			i.At = fromMillis(at)
			out = append(out, i)
			return err
		})
	return out, err
}

// IntakeByTrace are the intakes of a trace, oldest first. It reads the whole log: an index that only people ask for
// would make every post dearer.
func (tx *Tx) IntakeByTrace(trace string) ([]Intake, error) {
	return tx.intakes(`WHERE trace = ? ORDER BY id LIMIT 1000`, trace)
}

// SweepIntake forgets intakes older than before, up to limit.
func (tx *Tx) SweepIntake(before time.Time, limit int) (int64, error) {
	return tx.exec(`DELETE FROM intake WHERE id IN (SELECT id FROM intake WHERE at < ? ORDER BY id LIMIT ?)`, millis(before), limit)
}
