package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/task"
)

// This file holds what members decide about themselves.

// SetOptions changes options of a member in the caller's transaction; ErrNoMember if they are none.
func (b *Books) SetOptions(tx *store.Tx, l lists.List, who mail.Address, options map[string]string) (s lists.Subscription, err error) {
	if l, err = tx.LockList(l.ID); err != nil {
		return s, err
	}
	cur, err := subscription(tx, l.ID, who)
	if err != nil {
		return s, err
	}
	if cur == nil {
		return s, fmt.Errorf("%s %w", who, ErrNoMember)
	}
	err = b.setOptions(tx, l, cur, options)
	return *cur, err
}

// addressArg is a change of address; both addresses must say yes.
type addressArg struct{ Old, New string }

// AskAddress asks both the old and the new address whether all memberships shall move.
func (b *Books) AskAddress(tx *store.Tx, l lists.List, from, to mail.Address, by Asker) error {
	arg := addressArg{from.String(), to.String()}
	for _, a := range []mail.Address{from, to} {
		if err := b.ask(tx, l, store.Confirmation{Kind: kindAddress, Address: a}, arg, tokenLives,
			Notice{Name: "confirm_address", Words: lists.Words{"old": arg.Old, "new": arg.New}}, by); err != nil {
			return err
		}
	}
	return nil
}

// confirmAddress moves all memberships of an address when the second of the two has said yes.
func (b *Books) confirmAddress(tx *store.Tx, l lists.List, c store.Confirmation, by Asker) (half bool, err error) {
	var arg addressArg
	if err := json.Unmarshal([]byte(c.Arg), &arg); err != nil {
		return false, err
	}
	from, err := mail.ParseAddress(arg.Old)
	if err != nil {
		return false, err
	}
	to, err := mail.ParseAddress(arg.New)
	if err != nil {
		return false, err
	}
	other := from
	if c.Address.Key() == from.Key() {
		other = to
	}
	if waits, err := tx.ConfirmationWaits(c.List, kindAddress, other, c.Arg); err != nil || waits {
		return waits, err
	}
	subs, err := tx.SubscriptionsOf(from)
	if err != nil {
		return false, err
	}
	for _, s := range subs { // in the order of their lists
		if err := b.moveOne(tx, s, to, by); err != nil {
			return false, err
		}
	}
	if err := tx.MoveUser(from, to); err != nil {
		return false, err
	}
	return false, b.Notify(tx, l, Notice{Name: "address_changed", To: []mail.Address{from, to}, InReplyTo: by.Told, Trace: by.Source,
		Words: lists.Words{"old": arg.Old, "new": arg.New}})
}

// moveOne moves one membership with its roles. Where the new address is a member already, the old one just ends.
func (b *Books) moveOne(tx *store.Tx, s lists.Subscription, to mail.Address, by Asker) error {
	l, err := tx.LockList(s.List)
	if err != nil {
		return err
	}
	if l.Policy.Ban(to) != "" {
		return nil
	}
	if err := tx.FanOutOne(s, b.Out.Relay); err != nil {
		return err
	}
	had, err := subscription(tx, s.List, to)
	if err != nil {
		return err
	}
	if had != nil && had.ID != s.ID {
		err = tx.DeleteSubscription(s.ID)
	} else {
		err = tx.MoveSubscription(s.ID, to)
	}
	if err != nil {
		return err
	}
	old, err := tx.Roles(s.List, s.Address)
	if err != nil {
		return err
	}
	if old != 0 {
		now, err := tx.Roles(s.List, to)
		if err != nil {
			return err
		}
		if err := tx.SetRoles(s.List, s.Address, 0); err != nil {
			return err
		}
		if err := tx.SetRoles(s.List, to, old|now); err != nil {
			return err
		}
		if err := tx.TouchList(s.List); err != nil {
			return err
		}
	}
	return tx.AddConsent(to, store.Consent{List: s.List, Act: kindAddress, How: by.How, Source: by.Source})
}

// AskForget asks an address whether listd shall forget it.
func (b *Books) AskForget(tx *store.Tx, l lists.List, who mail.Address, by Asker) error {
	return b.ask(tx, l, store.Confirmation{Kind: kindForget, Address: who}, nil, tokenLives, Notice{Name: "confirm_forget"}, by)
}

// commandArg are commands that wait, as they were written.
type commandArg struct {
	Site  bool // at the site's address, where they name their list
	Lines []string
}

// AskCommands asks an address whether commands that came in its name are its own. site says that they were written to the
// site's address.
func (b *Books) AskCommands(tx *store.Tx, l lists.List, who mail.Address, site bool, lines []string, by Asker) error {
	return b.ask(tx, l, store.Confirmation{Kind: kindCommand, Address: who}, commandArg{site, lines}, commandLives,
		Notice{Name: "confirm_command", Words: lists.Words{"commands": strings.Join(lines, "\n")}}, by)
}

// forget ends all memberships and roles of an address and removes what is kept of it. Posts stay in the archive, which
// is their lists' memory.
func (b *Books) forget(tx *store.Tx, l lists.List, who mail.Address, by Asker) error {
	// The last notice goes out first: after it there is nobody to send one to.
	if err := b.Notify(tx, l, Notice{Name: "forgotten", To: []mail.Address{who}, InReplyTo: by.Told, Trace: by.Source,
		Words: lists.Words{"who": who.String()}}); err != nil {
		return err
	}
	all, err := tx.Lists()
	if err != nil {
		return err
	}
	for _, l := range all {
		m, err := tx.Member(l.ID, who)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if err := b.drop(tx, l, m); err != nil {
			return err
		}
	}
	return tx.ForgetAddress(who)
}

// Known is all that listd knows about an address, for people to read.
func Known(tx *store.Tx, who mail.Address) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "What this server knows about %s, on %s\n", who, tx.Now.Format("2 January 2006 15:04 UTC"))
	all, err := tx.Lists()
	if err != nil {
		return "", err
	}
	names := map[lists.ID]string{}
	for _, l := range all {
		names[l.ID] = l.Address.String()
		m, err := tx.Member(l.ID, who)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "\nList %s\n  role: %s\n", l.Address, m.Roles)
		if m.Sub == nil {
			continue
		}
		fmt.Fprintf(&out, "  joined: %s\n  posts: %d\n", m.Sub.Joined.Format("2 January 2006 15:04 UTC"), m.Sub.Posts)
		for _, key := range lists.MemberKeys() {
			if v, _ := m.Sub.Get(key); v != "" {
				fmt.Fprintf(&out, "  %s: %s\n", key, v)
			}
		}
		if err := knownBounces(tx, &out, l, *m.Sub); err != nil {
			return "", err
		}
	}
	consents, err := tx.Consents(who)
	if err != nil {
		return "", err
	}
	if len(consents) > 0 {
		out.WriteString("\nWhat you agreed to\n")
	}
	for _, c := range consents {
		fmt.Fprintf(&out, "  %s  %s %s, by %s (%s)\n", c.At.Format("2006-01-02 15:04 UTC"), c.Act, names[c.List], c.How, c.Source)
	}
	return out.String(), nil
}

// VacationKind is the kind of the task that ends vacations.
const VacationKind = "vacation"

// Plan has vacations looked at, and what has expired swept, once an hour.
func (b *Books) Plan(_ context.Context, _ *store.Tx, now time.Time) ([]task.Key, error) {
	hour := now.UTC().Truncate(time.Hour)
	return []task.Key{{Kind: VacationKind, Name: hour.Format("2006-01-02T15"), At: hour}}, nil
}

// vacationChunk is how many vacations one transaction ends.
const vacationChunk = 100

// EndVacations is the step that lets members receive again whose vacation is over: from the list's next post on.
func (b *Books) EndVacations(context.Context, task.Task) (task.Commit, error) {
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		over, err := tx.VacationsOver(vacationChunk)
		if err != nil {
			return task.Next{}, err
		}
		for _, s := range over {
			l, err := tx.LockList(s.List)
			if err != nil {
				return task.Next{}, err
			}
			if err := b.setOptions(tx, l, &s, map[string]string{"vacation_until": ""}); err != nil {
				return task.Next{}, err
			}
		}
		if len(over) == vacationChunk {
			return task.Next{}, nil
		}
		if n, err := tx.SweepConfirmations(1000); err != nil || n == 1000 {
			return task.Next{}, err
		}
		if n, err := tx.SweepSessions(1000); err != nil || n == 1000 {
			return task.Next{}, err
		}
		n, err := tx.SweepAsked(tx.Now.Add(-askedWithin), 1000)
		return task.Next{Done: n < 1000}, err
	}, nil
}
