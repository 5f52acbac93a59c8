package store

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"listd/lists"
	"listd/mail"
)

const subColumns = `id, list_id, address, name, mode, state, each_from, action, own_posts, duplicates, ack, language, posts, joined_at,
	vacation_until, schedule, digest_seq, named`

func scanSub(scan func(...any) error) (s lists.Subscription, err error) {
	var address, mode, state, schedule string
	var joined, vacation int64
	err = scan(&s.ID, &s.List, &address, &s.Name, &mode, &state, &s.EachFrom, &s.Action, &s.OwnPosts, &s.Duplicates,
		&s.Ack, &s.Language, &s.Posts, &joined, &vacation, &schedule, &s.DigestSeq, &s.Named)
	if err != nil {
		return s, err
	}
	s.Mode, s.State, s.Joined = lists.Mode(mode), lists.State(state), fromMillis(joined)
	s.Vacation = fromMillis(vacation)
	if err := s.Schedule.UnmarshalText([]byte(schedule)); err != nil {
		s.Schedule = lists.Schedule{} // a newer listd's: the list's will do
	}
	s.Address, err = mail.ParseAddress(address)
	return s, err
}

// Subscription is the subscription of an address; ErrNotFound if there is none. Uses UNIQUE (list_id, key).
func (tx *Tx) Subscription(l lists.ID, a mail.Address) (s lists.Subscription, err error) {
	found := false
	err = tx.each(`SELECT `+subColumns+` FROM subscriptions WHERE list_id = ? AND key = ?`, []any{l, a.Key()},
		func(scan func(...any) error) error {
			found = true
			s, err = scanSub(scan)
			return err
		})
	return s, errors.Join(err, ifErr(err == nil && !found, ErrNotFound))
}

// SubscriptionByID is the subscription of this ID; ErrNotFound if it has ended.
func (tx *Tx) SubscriptionByID(id int64) (s lists.Subscription, err error) {
	found := false
	err = tx.each(`SELECT `+subColumns+` FROM subscriptions WHERE id = ?`, []any{id}, func(scan func(...any) error) error {
		found = true
		s, err = scanSub(scan)
		return err
	})
	return s, errors.Join(err, ifErr(err == nil && !found, ErrNotFound))
}

// Roles are what an address may do in a list beside receiving.
func (tx *Tx) Roles(l lists.ID, a mail.Address) (r lists.Roles, err error) {
	err = tx.get(`SELECT roles FROM roles WHERE list_id = ? AND key = ?`, []any{l, a.Key()}, &r)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	return r, err
}

// Member is who the list knows at this address; ErrNotFound if nobody.
func (tx *Tx) Member(l lists.ID, a mail.Address) (lists.Member, error) {
	m := lists.Member{Address: a}
	roles, err := tx.Roles(l, a)
	if err != nil {
		return m, err
	}
	m.Roles = roles
	s, err := tx.Subscription(l, a)
	switch {
	case err == nil:
		m.Sub, m.Address = &s, s.Address
		m.Roles |= lists.Subscriber
	case !errors.Is(err, ErrNotFound):
		return m, err
	case roles == 0:
		return m, ErrNotFound
	}
	return m, nil
}

// Members are up to limit subscribers in the order of their keys, after the key given. Uses UNIQUE (list_id, key).
func (tx *Tx) Members(l lists.ID, after string, limit int) (out []lists.Member, err error) {
	err = tx.each(`SELECT `+subColumns+` FROM subscriptions WHERE list_id = ? AND key > ? ORDER BY key LIMIT ?`,
		[]any{l, after, limit}, func(scan func(...any) error) error {
			s, err := scanSub(scan)
			out = append(out, lists.Member{Address: s.Address, Roles: lists.Subscriber, Sub: &s})
			return err
		})
	return out, err
}

// RoleHolders are all who have one of the roles asked for.
func (tx *Tx) RoleHolders(l lists.ID, wanted lists.Roles) (out []lists.Member, err error) {
	err = tx.each(`SELECT address, roles FROM roles WHERE list_id = ? ORDER BY key`, []any{l}, func(scan func(...any) error) error {
		var m lists.Member
		var address string
		if err := scan(&address, &m.Roles); err != nil {
			return err
		}
		if m.Roles&wanted == 0 {
			return nil
		}
		m.Address, err = mail.ParseAddress(address)
		out = append(out, m)
		return err
	})
	return out, err
}

// SetRoles sets what an address may do beside receiving; 0 takes all away.
func (tx *Tx) SetRoles(l lists.ID, a mail.Address, r lists.Roles) error {
	var err error
	if r &^= lists.Subscriber; r == 0 {
		_, err = tx.exec(`DELETE FROM roles WHERE list_id = ? AND key = ?`, l, a.Key())
	} else {
		_, err = tx.exec(`INSERT INTO roles (list_id, key, address, roles) VALUES (?, ?, ?, ?)
			ON CONFLICT (list_id, key) DO UPDATE SET roles = excluded.roles`, l, a.Key(), a.String(), r)
	}
	return err
}

// memberBatch is how many subscriptions one INSERT takes: a multi-row INSERT is several times the loop's speed.
const memberBatch = 200

// AddSubscriptions adds those who are not subscribed yet and says how many there were. EachFrom must be set.
func (tx *Tx) AddSubscriptions(l lists.ID, subs []lists.Subscription) (added int64, err error) {
	for len(subs) > 0 {
		n := min(len(subs), memberBatch)
		args := make([]any, 0, n*17)
		for _, s := range subs[:n] {
			args = append(args, l, s.Address.String(), s.Address.Key(), s.Address.Domain, s.Name, string(s.Mode), string(s.State),
				s.EachFrom, s.Action, b2i(s.OwnPosts), b2i(s.Duplicates), b2i(s.Ack), s.Language, tx.Now.UnixMilli(),
				s.Schedule.String(), s.DigestSeq, b2i(s.Named))
		}
		byMode := map[string]int64{}
		err := tx.each(`INSERT INTO subscriptions (list_id, address, key, domain, name, mode, state, each_from, action,
			own_posts, duplicates, ack, language, joined_at, schedule, digest_seq, named) VALUES `+placeholders(n, 17)+` ON CONFLICT DO NOTHING RETURNING mode`, args,
			func(scan func(...any) error) error {
				var mode string
				err := scan(&mode)
				byMode[mode]++
				added++
				return err
			})
		for _, mode := range slices.Sorted(maps.Keys(byMode)) {
			err = errors.Join(err, tx.tally(l, TallyJoined, mode, byMode[mode]))
		}
		if err != nil {
			return added, err
		}
		subs = subs[n:]
	}
	return added, nil
}

// SaveSubscription writes a subscription's options.
func (tx *Tx) SaveSubscription(s lists.Subscription) error {
	if err := tx.tallyChange(s); err != nil {
		return err
	}
	n, err := tx.exec(`UPDATE subscriptions SET name = ?, mode = ?, state = ?, each_from = ?, action = ?, own_posts = ?,
		duplicates = ?, ack = ?, language = ?, vacation_until = ?, schedule = ?, digest_seq = ?, named = ? WHERE id = ?`, s.Name, string(s.Mode), string(s.State), s.EachFrom, s.Action,
		b2i(s.OwnPosts), b2i(s.Duplicates), b2i(s.Ack), s.Language, millis(s.Vacation),
		s.Schedule.String(), s.DigestSeq, b2i(s.Named), s.ID)
	return errors.Join(err, ifErr(err == nil && n == 0, ErrNotFound))
}

// VacationsOver are subscriptions whose vacation is over by the transaction's Now, up to limit. Uses
// subscriptions_on_vacation.
func (tx *Tx) VacationsOver(limit int) (out []lists.Subscription, err error) {
	err = tx.each(`SELECT `+subColumns+` FROM subscriptions WHERE vacation_until > 0 AND vacation_until <= ?
		ORDER BY list_id, id LIMIT ?`, []any{tx.Now.UnixMilli(), limit}, func(scan func(...any) error) error {
		s, err := scanSub(scan)
		out = append(out, s)
		return err
	})
	return out, err
}

// MoveSubscription gives a subscription another address; ErrExists if that has one in the list.
func (tx *Tx) MoveSubscription(id int64, to mail.Address) error {
	n, err := tx.exec(`UPDATE subscriptions SET address = ?, key = ?, domain = ? WHERE id = ?`, to.String(), to.Key(), to.Domain, id)
	return errors.Join(err, ifErr(err == nil && n == 0, ErrNotFound))
}

// ForgetAddress removes what is kept of an address beside memberships and posts: consents, what it was asked, what waits
// for its word, how it signed in.
func (tx *Tx) ForgetAddress(a mail.Address) error {
	for _, table := range []string{"consents", "asked", "confirmations", "noticed", "users"} {
		if _, err := tx.exec(`DELETE FROM `+table+` WHERE key = ?`, a.Key()); err != nil {
			return err
		}
	}
	return nil
}

// DeleteSubscription removes one.
func (tx *Tx) DeleteSubscription(id int64) error {
	var l lists.ID
	var mode string
	err := tx.get(`DELETE FROM subscriptions WHERE id = ? RETURNING list_id, mode`, []any{id}, &l, &mode)
	if isNotFound(err) {
		return nil
	}
	return errors.Join(err, tx.tally(l, TallyLeft, mode, 1))
}

// CountPost adds one to a member's accepted posts.
func (tx *Tx) CountPost(subscription int64) error {
	_, err := tx.exec(`UPDATE subscriptions SET posts = posts + 1 WHERE id = ?`, subscription)
	return err
}

// CountMembers is the number of subscriptions of a list.
func (tx *Tx) CountMembers(l lists.ID) (n int64, err error) {
	err = tx.get(`SELECT COUNT(*) FROM subscriptions WHERE list_id = ?`, []any{l}, &n)
	return n, err
}

// Governs reports whether an address has a role on any list.
func (tx *Tx) Governs(a mail.Address) (bool, error) {
	var n int
	err := tx.get(`SELECT COUNT(*) FROM roles WHERE key = ? AND roles <> 0`, []any{a.Key()}, &n)
	return n > 0, err
}

// SubscriptionsOf are an address's subscriptions in all lists. Uses subscriptions_by_key.
func (tx *Tx) SubscriptionsOf(a mail.Address) (out []lists.Subscription, err error) {
	err = tx.each(`SELECT `+subColumns+` FROM subscriptions WHERE key = ? ORDER BY list_id`, []any{a.Key()},
		func(scan func(...any) error) error {
			s, err := scanSub(scan)
			out = append(out, s)
			return err
		})
	return out, err
}

// OptedOut are the subscriptions that want no copy of a post: its author's without own posts, and those with a key
// among named (lists.Excluded) without duplicates. Uses subscriptions' UNIQUE (list_id, key).
func (tx *Tx) OptedOut(l lists.ID, author mail.Address, named []string) (ids []int64, err error) {
	args := []any{l, author.Key()}
	for _, k := range named {
		args = append(args, k)
	}
	in := strings.TrimSuffix(strings.Repeat("?, ", len(named)+1), ", ")
	err = tx.each(`SELECT id FROM subscriptions WHERE list_id = ? AND key IN (`+in+`)
		AND CASE WHEN key = ? THEN own_posts ELSE duplicates END = 0`, append(args, author.Key()),
		func(scan func(...any) error) error {
			var id int64
			err := scan(&id)
			ids = append(ids, id)
			return err
		})
	return ids, err
}
