package store

import (
	"crypto/sha256"
	"errors"
	"time"

	"listd/lists"
	"listd/mail"
)

// User is somebody who signs in; the address is proved each time.
type User struct {
	ID      int64
	Address mail.Address
	Created time.Time
}

// AppPassword is a password made by us for one program.
type AppPassword struct {
	Hash    [sha256.Size]byte
	User    int64
	Label   string
	Created time.Time
	Used    time.Time // zero: never
}

// EnsureUser is the user of an address, made if there is none. Uses users' UNIQUE (key).
func (tx *Tx) EnsureUser(a mail.Address) (User, error) {
	if _, err := tx.exec(`INSERT INTO users (key, address, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`, a.Key(), a.String(),
		tx.Now.UnixMilli()); err != nil {
		return User{}, err
	}
	return tx.UserAt(a)
}

// UserAt is the user of an address; ErrNotFound if there is none.
func (tx *Tx) UserAt(a mail.Address) (User, error) {
	return tx.user(`SELECT id, address, created_at FROM users WHERE key = ?`, a.Key())
}

// SessionUser is the user of a session; ErrNotFound if there is no such session, or it has ended.
func (tx *Tx) SessionUser(hash [sha256.Size]byte) (User, error) {
	return tx.user(`SELECT u.id, u.address, u.created_at FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.hash = ? AND s.expires_at > ?`, hash[:], tx.Now.UnixMilli())
}

// PasswordUser is the user of an app password; ErrNotFound if there is none.
func (tx *Tx) PasswordUser(hash [sha256.Size]byte) (User, error) {
	return tx.user(`SELECT u.id, u.address, u.created_at FROM app_passwords p JOIN users u ON u.id = p.user_id WHERE p.hash = ?`, hash[:])
}

func (tx *Tx) user(query string, args ...any) (u User, err error) {
	var address string
	var created int64
	if err := tx.get(query, args, &u.ID, &address, &created); err != nil {
		return u, err
	}
	u.Created = fromMillis(created)
	u.Address, err = mail.ParseAddress(address)
	return u, err
}

// Users are up to limit users whose key is after a key, by key.
func (tx *Tx) Users(after string, limit int) (out []User, err error) {
	err = tx.each(`SELECT id, address, created_at FROM users WHERE key > ? ORDER BY key LIMIT ?`, []any{after, limit},
		func(scan func(...any) error) error {
			var u User
			var address string
			var created int64
			if err := scan(&u.ID, &address, &created); err != nil {
				return err
			}
			u.Created = fromMillis(created)
			var err error
			u.Address, err = mail.ParseAddress(address)
			out = append(out, u)
			return err
		})
	return out, err
}

// MoveUser gives a user another address; whoever had that one is no user any more.
func (tx *Tx) MoveUser(from, to mail.Address) error {
	if from.Key() == to.Key() {
		return nil
	}
	if _, err := tx.exec(`DELETE FROM users WHERE key = ? AND EXISTS (SELECT 1 FROM users o WHERE o.key = ?)`, to.Key(), from.Key()); err != nil {
		return err
	}
	_, err := tx.exec(`UPDATE users SET key = ?, address = ? WHERE key = ?`, to.Key(), to.String(), from.Key())
	return err
}

// DeleteUser ends a user with sessions and passwords.
func (tx *Tx) DeleteUser(a mail.Address) error {
	_, err := tx.exec(`DELETE FROM users WHERE key = ?`, a.Key())
	return err
}

// AddSession begins a session.
func (tx *Tx) AddSession(hash [sha256.Size]byte, user int64, expires time.Time) error {
	_, err := tx.exec(`INSERT INTO sessions (hash, user_id, created_at, expires_at) VALUES (?, ?, ?, ?)`, hash[:], user,
		tx.Now.UnixMilli(), millis(expires))
	return err
}

// DropSession ends a session.
func (tx *Tx) DropSession(hash [sha256.Size]byte) error {
	_, err := tx.exec(`DELETE FROM sessions WHERE hash = ?`, hash[:])
	return err
}

// DropSessionsOf ends all sessions of a user.
func (tx *Tx) DropSessionsOf(user int64) error {
	_, err := tx.exec(`DELETE FROM sessions WHERE user_id = ?`, user)
	return err
}

// SweepSessions forgets up to limit sessions that have ended. Uses sessions_by_expiry.
func (tx *Tx) SweepSessions(limit int) (int64, error) {
	return tx.exec(`DELETE FROM sessions WHERE hash IN (SELECT hash FROM sessions WHERE expires_at <= ? LIMIT ?)`, tx.Now.UnixMilli(), limit)
}

// AddAppPassword stores p; Created is the transaction's Now.
func (tx *Tx) AddAppPassword(p AppPassword) error {
	_, err := tx.exec(`INSERT INTO app_passwords (hash, user_id, label, created_at) VALUES (?, ?, ?, ?)`, p.Hash[:], p.User, p.Label,
		tx.Now.UnixMilli())
	return err
}

// AppPasswords are a user's, oldest first. Uses app_passwords_by_user.
func (tx *Tx) AppPasswords(user int64) (out []AppPassword, err error) {
	err = tx.each(`SELECT hash, label, created_at, used_at FROM app_passwords WHERE user_id = ? ORDER BY created_at, label`, []any{user},
		func(scan func(...any) error) error {
			p := AppPassword{User: user}
			var hash []byte
			var created, used int64
			err := scan(&hash, &p.Label, &created, &used)
			copy(p.Hash[:], hash)
			p.Created, p.Used = fromMillis(created), fromMillis(used)
			out = append(out, p)
			return err
		})
	return out, err
}

// UseAppPassword notes that a password was used now, unless it was noted within a while.
func (tx *Tx) UseAppPassword(hash [sha256.Size]byte, within time.Duration) error {
	_, err := tx.exec(`UPDATE app_passwords SET used_at = ? WHERE hash = ? AND used_at < ?`, tx.Now.UnixMilli(), hash[:],
		tx.Now.Add(-within).UnixMilli())
	return err
}

// DropAppPasswords ends a user's passwords of a label, and says how many there were.
func (tx *Tx) DropAppPasswords(user int64, label string) (int64, error) {
	return tx.exec(`DELETE FROM app_passwords WHERE user_id = ? AND label = ?`, user, label)
}

// SeenPosts is the set of a list's posts that a user has read, as SetSeenPosts was given it; empty if none.
func (tx *Tx) SeenPosts(user int64, l lists.ID) (set string, err error) {
	err = tx.get(`SELECT seqs FROM seen WHERE user_id = ? AND list_id = ?`, []any{user, l}, &set)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return set, err
}

// LockSeen makes other transactions that change what a user has read wait for this one to end.
func (tx *Tx) LockSeen(user int64) error {
	_, err := tx.exec(`UPDATE users SET created_at = created_at WHERE id = ?`, user)
	return err
}

// SetSeenPosts keeps what a user has read of a list.
func (tx *Tx) SetSeenPosts(user int64, l lists.ID, set string) error {
	_, err := tx.exec(`INSERT INTO seen (user_id, list_id, seqs) VALUES (?, ?, ?)
		ON CONFLICT (user_id, list_id) DO UPDATE SET seqs = excluded.seqs`, user, l, set)
	return err
}
