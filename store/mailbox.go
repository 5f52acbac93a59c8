package store

import (
	"encoding/json"
	"fmt"
	"time"
)

// Mailbox is a row of mailboxes: how far a mailbox at a provider has been fetched.
type Mailbox struct {
	Name     string // from the configuration
	Place    string // server, user and folder
	Validity uint32 // UIDVALIDITY (RFC 9051 section 2.3.1.1); 0: not seen yet
	Stock    uint32 // the last UID that was there when Validity was first seen
	UID      uint32 // all up to it are done, but those that Unsettled has

	Unsettled []Unsettled

	Holder int64     // who fetches
	Until  time.Time // and for how long; zero: nobody
	At     time.Time // when all that there was had been fetched last
	Error  string    // why it cannot be fetched; empty if it can
}

// Unsettled is a message that is not done, or of which its server has not been told so.
type Unsettled struct {
	UID   uint32 `json:"uid"`
	State string `json:"state"`
	Tries int    `json:"tries,omitempty"`
	Next  int64  `json:"next,omitempty"` // milliseconds; when it is tried again
}

const mailboxColumns = `name, place, validity, stock, uid, unsettled, holder, until, at, error`

func (tx *Tx) mailboxes(where string, args ...any) (out []Mailbox, err error) {
	err = tx.each(`SELECT `+mailboxColumns+` FROM mailboxes `+where, args, func(scan func(...any) error) error {
		var m Mailbox
		var unsettled string
		var until, at int64
		if err := scan(&m.Name, &m.Place, &m.Validity, &m.Stock, &m.UID, &unsettled, &m.Holder, &until, &at, &m.Error); err != nil {
			return err
		}
		m.Until, m.At = fromMillis(until), fromMillis(at)
		if err := json.Unmarshal([]byte(unsettled), &m.Unsettled); err != nil {
			return fmt.Errorf("mailbox %s: what is unsettled: %w", m.Name, err)
		}
		out = append(out, m)
		return nil
	})
	return out, err
}

// Mailboxes are all mailboxes that have ever been fetched, by name.
func (tx *Tx) Mailboxes() ([]Mailbox, error) { return tx.mailboxes(`ORDER BY name`) }

// Mailbox is the one of this name; ErrNotFound if it has never been fetched.
func (tx *Tx) Mailbox(name string) (Mailbox, error) {
	return oneMailbox(tx.mailboxes(`WHERE name = ?`, name))
}

// LockMailbox is the one of this name, which nobody else changes until the transaction ends; ErrNotFound if there is none.
func (tx *Tx) LockMailbox(name string) (Mailbox, error) {
	return oneMailbox(tx.mailboxes(`WHERE name = ? `+tx.db.dialect.forUpdate(), name))
}

func oneMailbox(found []Mailbox, err error) (Mailbox, error) {
	if err != nil || len(found) == 0 {
		return Mailbox{}, orNotFound(err)
	}
	return found[0], nil
}

// AddMailbox adds a mailbox of which nothing is known, unless it is there.
func (tx *Tx) AddMailbox(name string) error {
	_, err := tx.exec(`INSERT INTO mailboxes (`+mailboxColumns+`) VALUES (?, '', 0, 0, 0, '[]', 0, 0, 0, '') ON CONFLICT DO NOTHING`, name)
	return err
}

// SaveMailbox writes a mailbox that is there.
func (tx *Tx) SaveMailbox(m Mailbox) error {
	if m.Unsettled == nil {
		m.Unsettled = []Unsettled{}
	}
	unsettled, err := json.Marshal(m.Unsettled)
	if err != nil {
		return err
	}
	_, err = tx.exec(`UPDATE mailboxes SET place = ?, validity = ?, stock = ?, uid = ?, unsettled = ?, holder = ?, until = ?, at = ?, error = ?
		WHERE name = ?`, m.Place, m.Validity, m.Stock, m.UID, string(unsettled), m.Holder, millis(m.Until), millis(m.At), m.Error, m.Name)
	return err
}
