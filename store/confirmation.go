package store

import (
	"crypto/sha256"
	"errors"
	"time"

	"listd/lists"
	"listd/mail"
)

// Confirmation is something that waits for somebody's word.
type Confirmation struct {
	Hash    [sha256.Size]byte // lists.HashToken of the token, which is not kept
	List    lists.ID          // 0: the site's
	Kind    string
	Address mail.Address // whose word it is
	Arg     string       // what it is about, as roster keeps it
	Created time.Time
	Expires time.Time
}

// AddConfirmation stores c; Created is the transaction's Now.
func (tx *Tx) AddConfirmation(c Confirmation) error {
	var list any
	if c.List != 0 {
		list = c.List
	}
	_, err := tx.exec(`INSERT INTO confirmations (hash, list_id, kind, key, address, arg, created_at, expires_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, c.Hash[:], list, c.Kind, c.Address.Key(), c.Address.String(), c.Arg,
		tx.Now.UnixMilli(), millis(c.Expires))
	return err
}

// Confirmation is what waits under a hash; ErrNotFound if nothing does, or it has expired.
func (tx *Tx) Confirmation(hash [sha256.Size]byte) (Confirmation, error) {
	return tx.confirmation(`SELECT list_id, kind, address, arg, created_at, expires_at FROM confirmations
		WHERE hash = ? AND expires_at > ?`, hash)
}

// TakeConfirmation is Confirmation, and it waits no more: of two who come with one token, one gets it.
func (tx *Tx) TakeConfirmation(hash [sha256.Size]byte) (Confirmation, error) {
	return tx.confirmation(`DELETE FROM confirmations WHERE hash = ? AND expires_at > ?
		RETURNING list_id, kind, address, arg, created_at, expires_at`, hash)
}

func (tx *Tx) confirmation(query string, hash [sha256.Size]byte) (c Confirmation, err error) {
	var list *lists.ID
	var address string
	var created, expires int64
	err = tx.get(query, []any{hash[:], tx.Now.UnixMilli()}, &list, &c.Kind, &address, &c.Arg, &created, &expires)
	if err != nil {
		return c, err
	}
	if list != nil {
		c.List = *list
	}
	c.Hash, c.Created, c.Expires = hash, fromMillis(created), fromMillis(expires)
	if address != "" {
		c.Address, err = mail.ParseAddress(address)
	}
	return c, err
}

// DropConfirmations ends all that waits for an address's word of a kind in a list: it has been given, or taken back.
func (tx *Tx) DropConfirmations(l lists.ID, kind string, a mail.Address) error {
	_, err := tx.exec(`DELETE FROM confirmations WHERE key = ? AND kind = ? AND list_id = ?`, a.Key(), kind, l)
	return err
}

// DropConfirmationsAbout ends all that waits in a list about one thing, whoever's word it is.
func (tx *Tx) DropConfirmationsAbout(l lists.ID, kind, arg string) error {
	_, err := tx.exec(`DELETE FROM confirmations WHERE list_id = ? AND kind = ? AND arg = ?`, l, kind, arg)
	return err
}

// ConfirmationWaits reports whether an address's word about one thing is still missing.
func (tx *Tx) ConfirmationWaits(l lists.ID, kind string, a mail.Address, arg string) (bool, error) {
	var n int
	err := tx.get(`SELECT COUNT(*) FROM confirmations WHERE key = ? AND kind = ? AND list_id = ? AND arg = ? AND expires_at > ?`,
		[]any{a.Key(), kind, l, arg, tx.Now.UnixMilli()}, &n)
	return n > 0, err
}

// ConfirmationsAbout are the addresses whose word is asked about one thing.
func (tx *Tx) ConfirmationsAbout(l lists.ID, kind, arg string) (out []mail.Address, err error) {
	err = tx.each(`SELECT address FROM confirmations WHERE list_id = ? AND kind = ? AND arg = ? ORDER BY key`, []any{l, kind, arg},
		func(scan func(...any) error) error {
			var s string
			if err := scan(&s); err != nil {
				return err
			}
			a, err := mail.ParseAddress(s)
			out = append(out, a)
			return err
		})
	return out, err
}

// SweepConfirmations forgets what has expired, up to limit.
func (tx *Tx) SweepConfirmations(limit int) (int64, error) {
	return tx.exec(`DELETE FROM confirmations WHERE hash IN (SELECT hash FROM confirmations WHERE expires_at <= ? LIMIT ?)`,
		tx.Now.UnixMilli(), limit)
}

// Consent is a record of what somebody agreed to.
type Consent struct {
	List   lists.ID
	Act    string // join, leave, confirm, …
	How    string // mail, link, command line, …
	Source string // the trace of a message, an IP address, a moderator
	At     time.Time
}

// AddConsent records one; At is the transaction's Now.
func (tx *Tx) AddConsent(a mail.Address, c Consent) error {
	_, err := tx.exec(`INSERT INTO consents (list_id, key, act, how, source, at) VALUES (?, ?, ?, ?, ?, ?)`,
		c.List, a.Key(), c.Act, c.How, c.Source, tx.Now.UnixMilli())
	return err
}

// Consents are what an address agreed to, oldest first. Uses consents_by_key.
func (tx *Tx) Consents(a mail.Address) (out []Consent, err error) {
	err = tx.each(`SELECT list_id, act, how, source, at FROM consents WHERE key = ? ORDER BY list_id, id`, []any{a.Key()},
		func(scan func(...any) error) error {
			var c Consent
			var at int64
			err := scan(&c.List, &c.Act, &c.How, &c.Source, &at)
			c.At = fromMillis(at)
			out = append(out, c)
			return err
		})
	return out, err
}

// Asked counts what was sent to a key on a source's word since a time, to all keys on that word, and in all.
type Asked struct{ Key, Source, All int }

// Asked counts. Uses asked_by_key, asked_by_source and asked_by_age.
func (tx *Tx) Asked(key, source string, since time.Time) (n Asked, err error) {
	err = tx.get(`SELECT (SELECT COUNT(*) FROM asked WHERE key = ? AND at > ?),
		(SELECT COUNT(*) FROM asked WHERE source = ? AND at > ?), (SELECT COUNT(*) FROM asked WHERE at > ?)`,
		[]any{key, millis(since), source, millis(since), millis(since)}, &n.Key, &n.Source, &n.All)
	return n, err
}

// Ask records that something is sent to a key on a source's word.
func (tx *Tx) Ask(key, source string) error {
	_, err := tx.exec(`INSERT INTO asked (key, source, at) VALUES (?, ?, ?)`, key, source, tx.Now.UnixMilli())
	return err
}

// SweepAsked forgets what was sent before, up to limit.
func (tx *Tx) SweepAsked(before time.Time, limit int) (int64, error) {
	return tx.exec(`DELETE FROM asked WHERE id IN (SELECT id FROM asked WHERE at < ? ORDER BY at LIMIT ?)`, millis(before), limit)
}

// Text is a text that replaces a built-in notice in a list, or of the site if l is 0; ErrNotFound if none does.
func (tx *Tx) Text(l lists.ID, name, language string) (text string, err error) {
	err = tx.get(`SELECT text FROM texts WHERE list_id = ? AND name = ? AND language = ?`, []any{l, name, language}, &text)
	return text, err
}

// OwnText is a text as a list has it, else the site, in each in the best of the languages; ErrNotFound if neither does.
func (tx *Tx) OwnText(l lists.ID, name, language string) (string, error) {
	for _, of := range []lists.ID{l, 0} {
		for _, lang := range lists.NoticeLanguages(language) {
			text, err := tx.Text(of, name, lang)
			if !errors.Is(err, ErrNotFound) {
				return text, err
			}
		}
	}
	return "", ErrNotFound
}

// NoticeText is a notice as OwnText has it, else as listd brings it.
func (tx *Tx) NoticeText(l lists.ID, name, language string) (string, error) {
	text, err := tx.OwnText(l, name, language)
	if errors.Is(err, ErrNotFound) {
		return lists.NoticeText(name, language)
	}
	return text, err
}

// Override names a text that replaces a built-in one.
type Override struct{ Name, Language string }

// Texts are the texts that a list, or the site if l is 0, has of its own.
func (tx *Tx) Texts(l lists.ID) (out []Override, err error) {
	err = tx.each(`SELECT name, language FROM texts WHERE list_id = ? ORDER BY name, language`, []any{l},
		func(scan func(...any) error) error {
			var o Override
			err := scan(&o.Name, &o.Language)
			out = append(out, o)
			return err
		})
	return out, err
}

// SetText sets a text of its own; an empty one leaves the built-in one. ErrNotFound if there was none to take away.
func (tx *Tx) SetText(l lists.ID, name, language, text string) error {
	if text == "" {
		n, err := tx.exec(`DELETE FROM texts WHERE list_id = ? AND name = ? AND language = ?`, l, name, language)
		return errors.Join(err, ifErr(err == nil && n == 0, ErrNotFound))
	}
	_, err := tx.exec(`INSERT INTO texts (list_id, name, language, text) VALUES (?, ?, ?, ?)
		ON CONFLICT (list_id, name, language) DO UPDATE SET text = excluded.text`, l, name, language, text)
	return err
}

// DKIMKey is a signing key of one of our domains as it is kept.
type DKIMKey struct {
	Domain, Selector string
	Private          []byte // PKCS #8
	Created          time.Time
	Retired          time.Time // zero: it signs
}

// DKIMKeys are the keys of a domain, all domains' if it is empty, those that sign first.
func (tx *Tx) DKIMKeys(domain string) (out []DKIMKey, err error) {
	err = tx.each(`SELECT domain, selector, private, created_at, retired_at FROM dkim_keys WHERE ? = '' OR domain = ?
		ORDER BY domain, retired_at, selector`, []any{domain, domain}, func(scan func(...any) error) error {
		var k DKIMKey
		var created, retired int64
		err := scan(&k.Domain, &k.Selector, &k.Private, &created, &retired)
		k.Created, k.Retired = fromMillis(created), fromMillis(retired)
		out = append(out, k)
		return err
	})
	return out, err
}

// AddDKIMKey stores a key; ErrExists if its domain has this selector.
func (tx *Tx) AddDKIMKey(k DKIMKey) error {
	tx.woken |= Deliveries
	_, err := tx.exec(`INSERT INTO dkim_keys (domain, selector, private, created_at) VALUES (?, ?, ?, ?)`, k.Domain, k.Selector,
		k.Private, tx.Now.UnixMilli())
	return err
}
