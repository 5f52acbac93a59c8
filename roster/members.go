package roster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/task"
)

// importChunk is how many members one transaction adds: some tens of milliseconds of the only writer.
const importChunk = 2000

// Added counts what became of rows that were to be added.
type Added struct {
	New      int // members the list did not have
	Existing int // whom it had; their options stay, roles are added
}

// Add makes people members. Who is one already stays as they are, but for a role they did not have. It writes in
// chunks, so that a long file holds up nobody; broken off and done again, it completes. progress, which may be nil,
// hears how many rows are done.
func (b *Books) Add(ctx context.Context, a mail.Address, rows []lists.Row, progress func(done int)) (sum Added, err error) {
	for done := 0; done < len(rows) || done == 0; {
		chunk := rows[done:min(done+importChunk, len(rows))]
		var n Added
		if err := b.DB.Update(ctx, func(tx *store.Tx) error {
			n, err = add(tx, a, chunk)
			return err
		}); err != nil {
			return sum, err
		}
		sum.New, sum.Existing = sum.New+n.New, sum.Existing+n.Existing
		if done += len(chunk); progress != nil {
			progress(done)
		}
		if len(rows) == 0 {
			break
		}
	}
	return sum, nil
}

func add(tx *store.Tx, a mail.Address, rows []lists.Row) (n Added, err error) {
	l, err := list(tx, a) // locked: each_from is the Seq that the next post follows
	if err != nil {
		return n, err
	}
	var subs []lists.Subscription
	touched := false
	for _, r := range rows {
		if r.Roles.Has(lists.Subscriber) {
			s := lists.NewSubscription(l)
			s.Address, s.Name, s.Mode = r.Address, r.Name, r.Mode
			subs = append(subs, s)
		}
		if extra := r.Roles &^ lists.Subscriber; extra != 0 {
			had, err := tx.Roles(l.ID, r.Address)
			if err != nil {
				return n, err
			}
			if err := tx.SetRoles(l.ID, r.Address, had|extra); err != nil {
				return n, err
			}
			touched = true
			if !r.Roles.Has(lists.Subscriber) && had == 0 {
				n.New++
			}
		}
	}
	added, err := tx.AddSubscriptions(l.ID, subs)
	if err != nil {
		return n, err
	}
	n.New += int(added)
	n.Existing = len(rows) - n.New
	if touched {
		err = tx.TouchList(l.ID)
	}
	return n, err
}

// Remove takes people off a list, with their roles; none if one of them is no member.
func (b *Books) Remove(ctx context.Context, a mail.Address, who []mail.Address) error {
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		l, err := list(tx, a)
		if err != nil {
			return err
		}
		for _, w := range who {
			m, err := tx.Member(l.ID, w)
			if errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("%s %w", w, ErrNoMember)
			}
			if err != nil {
				return err
			}
			if err := b.drop(tx, l, m); err != nil {
				return err
			}
		}
		return nil
	})
}

// drop ends a membership: who receives each post first gets those already on their way.
func (b *Books) drop(tx *store.Tx, l lists.List, m lists.Member) error {
	if m.Sub != nil {
		if err := tx.FanOutOne(*m.Sub, b.Out.Relay); err != nil {
			return err
		}
		if err := tx.DeleteSubscription(m.Sub.ID); err != nil {
			return err
		}
	}
	if m.Roles&^lists.Subscriber == 0 {
		return nil
	}
	if err := tx.SetRoles(l.ID, m.Address, 0); err != nil {
		return err
	}
	return tx.TouchList(l.ID)
}

// Leave ends one subscription of a list in the caller's transaction; roles stay. It says who left, or
// store.ErrNotFound if nobody has this subscription any more.
func (b *Books) Leave(tx *store.Tx, l lists.ID, subscription int64) (mail.Address, error) {
	if _, err := tx.LockList(l); err != nil {
		return mail.Address{}, err
	}
	s, err := tx.SubscriptionByID(subscription)
	if err != nil {
		return mail.Address{}, err
	}
	if s.List != l {
		return mail.Address{}, store.ErrNotFound
	}
	if err := tx.FanOutOne(s, b.Out.Relay); err != nil {
		return mail.Address{}, err
	}
	return s.Address, tx.DeleteSubscription(s.ID)
}

// roleKey is the one member setting that is no option of a subscription.
const roleKey = "role"

// SetMember changes settings of a member, all or none. role takes away the roles it does not name; who governs only
// has no other settings.
func (b *Books) SetMember(ctx context.Context, a, who mail.Address, settings map[string]string) (m lists.Member, err error) {
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		l, err := list(tx, a)
		if err != nil {
			return err
		}
		m, err = tx.Member(l.ID, who)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%s %w", who, ErrNoMember)
		}
		if err != nil {
			return err
		}
		if role, ok := settings[roleKey]; ok {
			if err := b.setRole(tx, l, &m, role); err != nil {
				return err
			}
		}
		options := maps.Clone(settings)
		delete(options, roleKey)
		if len(options) == 0 {
			return nil
		}
		if m.Sub == nil {
			return fmt.Errorf("%s does not receive posts and has no options; `listd member add` makes them a subscriber", who)
		}
		return b.setOptions(tx, l, m.Sub, options)
	})
	return m, err
}

func (b *Books) setRole(tx *store.Tx, l lists.List, m *lists.Member, role string) error {
	r, err := lists.ParseRoles(role)
	if err != nil {
		return fmt.Errorf("role: %w", err)
	}
	if r.Has(lists.Subscriber) && m.Sub == nil {
		if _, err := add(tx, l.Address, []lists.Row{{Address: m.Address, Mode: l.Policy.DefaultMode, Roles: lists.Subscriber}}); err != nil {
			return err
		}
	}
	if err := tx.SetRoles(l.ID, m.Address, r); err != nil {
		return err
	}
	if err := tx.TouchList(l.ID); err != nil {
		return err
	}
	*m, err = tx.Member(l.ID, m.Address)
	return err
}

// setOptions changes a subscription. Who leaves a mode gets the posts that are on their way to them, and of a
// digest a last issue; who comes to one gets those after the list's last.
func (b *Books) setOptions(tx *store.Tx, l lists.List, s *lists.Subscription, options map[string]string) error {
	before := *s
	for _, key := range slices.Sorted(maps.Keys(options)) {
		if err := s.Set(key, options[key]); err != nil {
			return err
		}
	}
	if before.Receives() && (before.Mode != s.Mode || !s.Receives()) {
		if err := tx.FanOutOne(before, b.Out.Relay); err != nil {
			return err
		}
	}
	if last := s.Turn(before, l.LastSeq); last != nil {
		if err := task.Add(tx, task.Key{Kind: lists.LastIssueKind, Name: fmt.Sprintf("%d/%d", last.Subscription, last.UpTo), Arg: last}); err != nil {
			return err
		}
	}
	if _, ok := options["mode"]; ok || before.State == lists.PausedBounce && s.State != lists.PausedBounce {
		if err := b.forgive(tx, s.ID); err != nil {
			return err
		}
	}
	return tx.SaveSubscription(*s)
}

// Export are all members of a list as rows, in the order of their addresses.
func (b *Books) Export(ctx context.Context, a mail.Address) (rows []lists.Row, err error) {
	err = b.DB.View(ctx, func(tx *store.Tx) error {
		rows = nil
		members, err := AllMembers(tx, a)
		for _, m := range members {
			r := lists.Row{Address: m.Address, Roles: m.Roles}
			if m.Sub != nil {
				r.Name, r.Mode = m.Sub.Name, m.Sub.Mode
			}
			rows = append(rows, r)
		}
		return err
	})
	return rows, err
}

// AllMembers are those who receive and those who govern, each once, in the order of their addresses.
func AllMembers(tx *store.Tx, a mail.Address) ([]lists.Member, error) {
	l, err := tx.ListAt(a)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("%s: %w", a, ErrNoList)
	}
	if err != nil {
		return nil, err
	}
	roles, err := tx.RoleHolders(l.ID, lists.Moderator|lists.Owner)
	if err != nil {
		return nil, err
	}
	byKey := map[string]lists.Member{}
	for _, m := range roles {
		byKey[m.Address.Key()] = m
	}
	var out []lists.Member
	for after, page := "", 1000; ; {
		some, err := tx.Members(l.ID, after, page)
		if err != nil {
			return nil, err
		}
		for _, m := range some {
			if r, ok := byKey[m.Address.Key()]; ok {
				m.Roles |= r.Roles
				delete(byKey, m.Address.Key())
			}
			out = append(out, m)
		}
		if len(some) < page {
			break
		}
		after = some[len(some)-1].Address.Key()
	}
	for _, m := range byKey {
		out = append(out, m)
	}
	slices.SortFunc(out, func(x, y lists.Member) int { return cmp.Compare(x.Address.Key(), y.Address.Key()) })
	return out, nil
}
