package auth_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"listd/auth"
	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/store/fresh"
	"listd/store/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// house is the room on a real database, with its clock and chance in the test's hands.
type house struct {
	*testing.T
	db    *store.DB
	users *auth.Users
	now   atomic.Int64 // seconds after a fixed day
}

func engines(t *testing.T, test func(h *house)) {
	t.Parallel()
	for engine, url := range map[string]func(testing.TB) string{
		"sqlite":   fresh.SQLite,
		"postgres": fresh.Postgres,
	} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			h := &house{T: t}
			db, err := store.Open(t.Context(), store.Options{URL: url(t), Clock: func() time.Time {
				return time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC).Add(time.Duration(h.now.Load()) * time.Second)
			}})
			h.must(err)
			t.Cleanup(func() { h.must(db.Close()) })
			h.must(db.Migrate(t.Context()))
			h.db = db
			var n atomic.Uint64
			h.users = &auth.Users{DB: db, Chance: func() (b [8]byte) {
				binary.BigEndian.PutUint64(b[:], n.Add(0x9e3779b97f4a7c15))
				return b
			}}
			test(h)
		})
	}
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *house) update(f func(tx *store.Tx) error) {
	h.Helper()
	h.must(h.db.Update(h.Context(), f))
}

func addr(s string) mail.Address {
	a, err := mail.ParseAddress(s)
	if err != nil {
		panic(err) // the test's own constant
	}
	return a
}

var ann, bob = addr("Ann@example.org"), addr("bob@example.org")

func (h *house) link(token string, a mail.Address) {
	h.Helper()
	h.update(func(tx *store.Tx) error {
		_, err := auth.AddLink(tx, token, a, "/l/dev@lists.example.org/")
		return err
	})
}

func TestSignIn(t *testing.T) {
	engines(t, func(h *house) {
		h.link("one", ann)
		a, to, err := h.users.Link(h.Context(), "ONE") // some relays change case
		if err != nil || a != ann || to != "/l/dev@lists.example.org/" {
			h.Fatalf("link: %v, %q, %v", a, to, err)
		}
		secret, who, to, err := h.users.SignIn(h.Context(), "one")
		if err != nil || who.Address != ann || to != "/l/dev@lists.example.org/" {
			h.Fatalf("sign in: %v, %q, %v", who, to, err)
		}
		if _, _, _, err := h.users.SignIn(h.Context(), "one"); !errors.Is(err, auth.ErrUnknown) {
			h.Errorf("a link that was used: %v", err)
		}
		if got, err := h.users.Session(h.Context(), secret); err != nil || got != who {
			h.Errorf("session: %v, %v", got, err)
		}
		h.link("two", ann)
		other, again, _, err := h.users.SignIn(h.Context(), "two")
		if err != nil || again != who || other == secret {
			h.Errorf("again: %v, %v", again, err)
		}
		h.must(h.users.End(h.Context(), secret))
		for _, s := range []string{secret, "", "x", strings.Repeat("x", 300)} {
			if _, err := h.users.Session(h.Context(), s); !errors.Is(err, auth.ErrUnknown) {
				h.Errorf("session %.10q: %v", s, err)
			}
		}
		if _, err := h.users.Session(h.Context(), other); err != nil {
			h.Errorf("the other session ended, too: %v", err)
		}
	})
}

func TestLinksAndSessionsEnd(t *testing.T) {
	engines(t, func(h *house) {
		h.link("one", ann)
		h.link("two", ann)
		secret, _, _, err := h.users.SignIn(h.Context(), "one")
		h.must(err)
		h.now.Add(3601)
		if _, _, err := h.users.Link(h.Context(), "two"); !errors.Is(err, auth.ErrUnknown) {
			h.Errorf("a link after an hour: %v", err)
		}
		if _, _, _, err := h.users.SignIn(h.Context(), "two"); !errors.Is(err, auth.ErrUnknown) {
			h.Errorf("sign in after an hour: %v", err)
		}
		_, err = h.users.Session(h.Context(), secret)
		h.must(err)
		h.now.Add(30 * 24 * 3600)
		if _, err := h.users.Session(h.Context(), secret); !errors.Is(err, auth.ErrUnknown) {
			h.Errorf("a session after 30 days: %v", err)
		}
		h.update(func(tx *store.Tx) error {
			n, err := tx.SweepSessions(10)
			if n != 1 {
				h.Errorf("%d sessions were swept", n)
			}
			return err
		})
	})
}

// A token that waits for something else neither signs in nor is used up.
func TestOtherTokens(t *testing.T) {
	engines(t, func(h *house) {
		c := store.Confirmation{Hash: lists.HashToken("join"), Kind: "join", Address: ann, Arg: `{}`, Expires: h.db.Now().Add(time.Hour)}
		h.update(func(tx *store.Tx) error { return tx.AddConfirmation(c) })
		if _, _, _, err := h.users.SignIn(h.Context(), "join"); !errors.Is(err, auth.ErrUnknown) {
			h.Errorf("sign in: %v", err)
		}
		h.must(h.db.View(h.Context(), func(tx *store.Tx) error { _, err := tx.Confirmation(c.Hash); return err }))
	})
}

func TestPasswords(t *testing.T) {
	engines(t, func(h *house) {
		var one, two string
		h.update(func(tx *store.Tx) (err error) {
			if one, err = h.users.NewPassword(tx, ann, "mutt"); err == nil {
				two, err = h.users.NewPassword(tx, ann, "phone")
			}
			return err
		})
		if len(one) != 35 || strings.Count(one, "-") != 3 || one == two {
			h.Fatalf("passwords %q and %q", one, two)
		}
		for _, p := range []string{one, strings.ToUpper(one), strings.ReplaceAll(one, "-", ""), strings.ReplaceAll(one, "-", " "), two} {
			if who, err := h.users.Check(h.Context(), addr("ann@EXAMPLE.org"), p); err != nil || who.Address != ann {
				h.Errorf("%q: %v, %v", p, who, err)
			}
		}
		h.update(func(tx *store.Tx) error { _, err := tx.EnsureUser(bob); return err })
		for _, e := range []struct {
			a        mail.Address
			password string
		}{{bob, one}, {ann, ""}, {ann, one[1:]}, {ann, strings.Repeat("a", 32)}, {ann, strings.Repeat("a", 1e6)}, {mail.Address{}, one}} {
			if who, err := h.users.Check(h.Context(), e.a, e.password); !errors.Is(err, auth.ErrUnknown) || who.ID != 0 {
				h.Errorf("%v %.40q: %v, %v", e.a, e.password, who, err)
			}
		}
		h.update(func(tx *store.Tx) error {
			u, err := tx.UserAt(ann)
			if err != nil {
				return err
			}
			if n, err := tx.DropAppPasswords(u.ID, "mutt"); err != nil || n != 1 {
				h.Errorf("dropped %d, %v", n, err)
			}
			left, err := tx.AppPasswords(u.ID)
			if len(left) != 1 || left[0].Label != "phone" || !left[0].Used.Equal(tx.Now) {
				h.Errorf("left: %+v", left)
			}
			return err
		})
		if _, err := h.users.Check(h.Context(), ann, one); !errors.Is(err, auth.ErrUnknown) {
			h.Errorf("a password that was taken back: %v", err)
		}
	})
}

func TestTooManyPasswords(t *testing.T) {
	engines(t, func(h *house) {
		var err error
		h.update(func(tx *store.Tx) error {
			for range 20 {
				if _, err := h.users.NewPassword(tx, ann, "x"); err != nil {
					return err
				}
			}
			_, err = h.users.NewPassword(tx, ann, "x")
			return nil
		})
		if !errors.Is(err, auth.ErrPasswords) {
			h.Errorf("the 21st: %v", err)
		}
	})
}

// Who changes address keeps what they have; who is forgotten has nothing left.
func TestMoveAndForget(t *testing.T) {
	engines(t, func(h *house) {
		var password string
		h.update(func(tx *store.Tx) (err error) {
			if password, err = h.users.NewPassword(tx, ann, "x"); err != nil {
				return err
			}
			if _, err := tx.EnsureUser(bob); err != nil {
				return err
			}
			return tx.MoveUser(ann, bob)
		})
		if _, err := h.users.Check(h.Context(), ann, password); !errors.Is(err, auth.ErrUnknown) {
			h.Errorf("the old address: %v", err)
		}
		_, err := h.users.Check(h.Context(), bob, password)
		h.must(err)
		h.update(func(tx *store.Tx) error { return tx.MoveUser(addr("nobody@example.org"), bob) }) // takes nothing from bob
		_, err = h.users.Check(h.Context(), bob, password)
		h.must(err)
		h.update(func(tx *store.Tx) error {
			all, err := tx.Users("", 10)
			if len(all) != 1 || all[0].Address != bob {
				h.Errorf("users %v", all)
			}
			return err
		})
		h.update(func(tx *store.Tx) error { return tx.ForgetAddress(bob) })
		if _, err := h.users.Check(h.Context(), bob, password); !errors.Is(err, auth.ErrUnknown) {
			h.Errorf("forgotten: %v", err)
		}
	})
}

func TestKnown(t *testing.T) {
	engines(t, func(h *house) {
		var known []string
		h.update(func(tx *store.Tx) error {
			id, err := tx.CreateList(lists.List{Address: addr("dev@lists.example.org"), ListID: "dev", Policy: lists.DefaultPolicy()})
			if err != nil {
				return err
			}
			l, err := tx.List(id)
			if err != nil {
				return err
			}
			member := lists.NewSubscription(l)
			member.Address = addr("member@example.org")
			if _, err := tx.AddSubscriptions(id, []lists.Subscription{member}); err != nil {
				return err
			}
			if err := tx.SetRoles(id, addr("owner@example.org"), lists.Owner); err != nil {
				return err
			}
			if _, err := tx.EnsureUser(addr("user@example.org")); err != nil {
				return err
			}
			for _, name := range []string{"member", "Owner", "user", "stranger"} {
				is, err := auth.Known(tx, addr(name+"@example.org"))
				if err != nil {
					return err
				}
				if is {
					known = append(known, name)
				}
			}
			return nil
		})
		if want := []string{"member", "Owner", "user"}; !slices.Equal(known, want) {
			h.Errorf("known are %q, want %q", known, want)
		}
	})
}

func TestSeen(t *testing.T) {
	engines(t, func(h *house) {
		h.update(func(tx *store.Tx) error {
			id, err := tx.CreateList(lists.List{Address: addr("dev@lists.example.org"), ListID: "dev", Policy: lists.DefaultPolicy()})
			if err != nil {
				return err
			}
			u, err := tx.EnsureUser(ann)
			if err != nil {
				return err
			}
			for _, set := range []string{"", "1:3", "1:3,7"} {
				if set != "" {
					if err := tx.LockSeen(u.ID); err != nil {
						return err
					}
					if err := tx.SetSeenPosts(u.ID, id, set); err != nil {
						return err
					}
				}
				if got, err := tx.SeenPosts(u.ID, id); err != nil || got != set {
					h.Errorf("seen %q, %v, want %q", got, err, set)
				}
			}
			return nil
		})
	})
}
