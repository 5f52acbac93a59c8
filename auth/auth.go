// Package auth says who somebody is: whoever has shown to read an address's mail (a session), or has a password that
// was made for one of their programs. It keeps hashes alone. What somebody may do is decided elsewhere.
//
// Enter with Users. RFC 6265 (what a session's secret travels in), RFC 4616 (where a password does).
package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// ErrUnknown says that a secret is nobody's: it has ended, or never was.
var ErrUnknown = errors.New("nobody has signed in with this")

// User is somebody who has signed in.
type User struct {
	ID      int64
	Address mail.Address
}

// Users are those who sign in.
type Users struct {
	DB     *store.DB
	Chance func() [8]byte
}

// How long things live.
const (
	linkLives    = time.Hour
	sessionLives = 30 * 24 * time.Hour
)

// kindSignIn marks a sign-in link among what waits for somebody's word.
const kindSignIn = "signin"

// secret is new and has 208 bits.
func (u *Users) secret() string {
	var all [26]byte
	for i := 0; i < len(all); i += 8 {
		c := u.Chance()
		copy(all[i:], c[:])
	}
	return lists.RandomToken([13]byte(all[:13])) + lists.RandomToken([13]byte(all[13:]))
}

// Known reports whether an address belongs to somebody here: a member or a governor of a list, or a user already.
func Known(tx *store.Tx, a mail.Address) (bool, error) {
	_, err := tx.UserAt(a)
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return err == nil, err
	}
	subs, err := tx.SubscriptionsOf(a)
	if err != nil || len(subs) > 0 {
		return len(subs) > 0, err
	}
	return tx.Governs(a)
}

// AddLink makes a sign-in link's token good for an hour: whoever comes with it has read the address's mail. to is where
// they wanted to go.
func AddLink(tx *store.Tx, token string, a mail.Address, to string) (expires time.Time, err error) {
	arg, err := json.Marshal(to)
	if err != nil {
		return expires, err
	}
	expires = tx.Now.Add(linkLives)
	return expires, tx.AddConfirmation(store.Confirmation{Hash: lists.HashToken(token), Kind: kindSignIn, Address: a, Arg: string(arg), Expires: expires})
}

// Link looks at a sign-in link without using it; ErrUnknown if it is none.
func (u *Users) Link(ctx context.Context, token string) (a mail.Address, to string, err error) {
	err = u.DB.View(ctx, func(tx *store.Tx) error {
		c, err := tx.Confirmation(lists.HashToken(token))
		a, to, err = readLink(c, err)
		return err
	})
	return a, to, err
}

func readLink(c store.Confirmation, err error) (a mail.Address, to string, _ error) {
	if errors.Is(err, store.ErrNotFound) || err == nil && c.Kind != kindSignIn {
		return a, "", ErrUnknown
	}
	if err == nil {
		err = json.Unmarshal([]byte(c.Arg), &to)
	}
	return c.Address, to, err
}

// SignIn uses a sign-in link up and begins a session, which lives for 30 days. The secret is for the browser alone;
// ErrUnknown if the link is none.
func (u *Users) SignIn(ctx context.Context, token string) (secret string, who User, to string, err error) {
	secret = u.secret()
	err = u.DB.Update(ctx, func(tx *store.Tx) error {
		c, err := tx.TakeConfirmation(lists.HashToken(token))
		a, where, err := readLink(c, err)
		if err != nil {
			return err // which leaves a token of another kind as it is
		}
		user, err := tx.EnsureUser(a)
		who, to = User{user.ID, user.Address}, where
		if err != nil {
			return err
		}
		return tx.AddSession(hash(secret), user.ID, tx.Now.Add(sessionLives))
	})
	return secret, who, to, err
}

// Session is whose session a secret opens; ErrUnknown if nobody's.
func (u *Users) Session(ctx context.Context, secret string) (who User, err error) {
	if secret == "" || len(secret) > 200 {
		return who, ErrUnknown
	}
	return u.find(ctx, func(tx *store.Tx) (store.User, error) { return tx.SessionUser(hash(secret)) })
}

func (u *Users) find(ctx context.Context, get func(*store.Tx) (store.User, error)) (who User, err error) {
	err = u.DB.View(ctx, func(tx *store.Tx) error {
		user, err := get(tx)
		if errors.Is(err, store.ErrNotFound) {
			return ErrUnknown
		}
		who = User{user.ID, user.Address}
		return err
	})
	return who, err
}

// End ends a session.
func (u *Users) End(ctx context.Context, secret string) error {
	return u.DB.Update(ctx, func(tx *store.Tx) error { return tx.DropSession(hash(secret)) })
}

// hash is what is kept of a secret. A secret has so many bits that a slow hash would guard nothing, and would let anybody
// keep the machine busy.
func hash(secret string) [sha256.Size]byte { return sha256.Sum256([]byte(secret)) }

// NewPassword makes a password of 160 bits for one program of an address, as four groups of letters and digits; label
// tells its owner later which it was. The transaction is the caller's, who has proved the address.
func (u *Users) NewPassword(tx *store.Tx, a mail.Address, label string) (string, error) {
	user, err := tx.EnsureUser(a)
	if err != nil {
		return "", err
	}
	all, err := tx.AppPasswords(user.ID)
	if err != nil {
		return "", err
	}
	if len(all) >= maxPasswords {
		return "", ErrPasswords
	}
	password := u.secret()[:passwordChars]
	if err := tx.AddAppPassword(store.AppPassword{Hash: hash(password), User: user.ID, Label: label}); err != nil {
		return "", err
	}
	var groups []string
	for p := password; p != ""; p = p[8:] {
		groups = append(groups, p[:8])
	}
	return strings.Join(groups, "-"), nil
}

// passwordChars are 160 bits, 5 a character.
const passwordChars = 32

// maxPasswords is how many an address may have.
const maxPasswords = 20

// ErrPasswords says that an address has as many passwords as it may have.
var ErrPasswords = errors.New("there are 20 app passwords for this address already; remove one first")

// Check is whose app password this is; ErrUnknown if it is not this address's. Hyphens, spaces and capitals are as one likes.
func (u *Users) Check(ctx context.Context, a mail.Address, password string) (who User, err error) {
	if len(password) > 200 {
		return who, ErrUnknown
	}
	password = strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(password))
	h := hash(password)
	who, err = u.find(ctx, func(tx *store.Tx) (store.User, error) { return tx.PasswordUser(h) })
	if err != nil {
		return who, err
	}
	if who.Address.Key() != a.Key() {
		return User{}, ErrUnknown
	}
	return who, u.DB.Update(ctx, func(tx *store.Tx) error { return tx.UseAppPassword(h, usedWithin) })
}

// usedWithin is how exactly it is kept when a password was last used: a program signs in every few minutes.
const usedWithin = time.Hour

// Passwords are a user's app passwords, without what they are.
func (u *Users) Passwords(ctx context.Context, who User) (all []store.AppPassword, err error) {
	err = u.DB.View(ctx, func(tx *store.Tx) (err error) { all, err = tx.AppPasswords(who.ID); return err })
	return all, err
}

// MakePassword is NewPassword for a user who has signed in.
func (u *Users) MakePassword(ctx context.Context, who User, label string) (password string, err error) {
	err = u.DB.Update(ctx, func(tx *store.Tx) (err error) { password, err = u.NewPassword(tx, who.Address, label); return err })
	return password, err
}

// Forget takes a user's passwords of a label back.
func (u *Users) Forget(ctx context.Context, who User, label string) error {
	return u.DB.Update(ctx, func(tx *store.Tx) error { _, err := tx.DropAppPasswords(who.ID, label); return err })
}
