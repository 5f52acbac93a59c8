package inbound

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"listd/lists"
	"listd/mail"
	"listd/roster"
	"listd/store"
)

// This file holds the commands of those who run a list.

// weighty are settings whose change by mail always waits for a second word: what a replayed or stolen mail must not do.
var weighty = []string{"bans", "emergency", "personalize", "footer", "header_rules", "closed"}

// govern carries out a command for those who run a list.
func (s *session) govern(c lists.Command, l lists.List) error {
	roles := lists.Owner
	switch c.Verb {
	case lists.VerbHeld, lists.VerbAccept, lists.VerbReject, lists.VerbDiscard, lists.VerbStats:
		roles |= lists.Moderator
	case lists.VerbRemove, lists.VerbAdd, lists.VerbInvite, lists.VerbConfigure:
	default:
		s.say(c, "this is not understood here")
		return nil
	}
	if c.Verb == lists.VerbRemove {
		if r, err := s.tx.Roles(l.ID, s.who); err != nil || r&lists.Owner == 0 {
			return s.removeOther(c, l, err)
		}
	}
	if ok, err := s.governs(c, l, roles); err != nil || !ok {
		return err
	}
	switch c.Verb {
	case lists.VerbHeld, lists.VerbStats:
		if !s.needs(c, vouched) {
			return nil
		}
		if c.Verb == lists.VerbHeld {
			return s.held(c, l)
		}
		return s.stats(c, l)
	case lists.VerbConfigure:
		return s.configure(c, l)
	}
	want := signed
	if c.Verb == lists.VerbRemove {
		want = confirmed
	}
	if !s.needs(c, want) {
		return nil
	}
	switch c.Verb {
	case lists.VerbAdd, lists.VerbInvite, lists.VerbRemove:
		return s.people(c, l)
	}
	return s.settleByNumber(c, l)
}

// removeOther takes "remove ADDRESS" from who runs nothing for a wish to leave: each address is asked itself.
func (s *session) removeOther(c lists.Command, l lists.List, err error) error {
	for _, arg := range c.Args {
		if err != nil {
			return err
		}
		one := c
		if one.Address, err = mail.ParseAddress(arg); err != nil {
			s.say(c, "%q is no address", arg)
			err = nil
			continue
		}
		err = s.leave(one, l)
	}
	return err
}

// people adds, invites or removes the addresses a command names.
func (s *session) people(c lists.Command, l lists.List) error {
	for _, arg := range c.Args {
		who, err := mail.ParseAddress(arg)
		if err != nil {
			s.say(c, "%q is no address", arg)
			continue
		}
		name := ""
		if len(c.Args) == 1 {
			name = c.Name
		}
		switch c.Verb {
		case lists.VerbInvite:
			// The invited say yes themselves, whatever the list asks of others.
			if _, err := s.d.Books.Invite(s.tx, l, who, name, s.who, s.by); err != nil {
				return err
			}
			s.say(c, "%s is invited", who)
		case lists.VerbAdd:
			added, err := s.d.Books.AddByOwner(s.tx, l, who, name, s.who, s.by)
			if err != nil {
				return err
			}
			if added {
				s.say(c, "%s is a member now", who)
			} else {
				s.say(c, "%s is a member already", who)
			}
		default:
			step, err := s.d.Books.RemoveByOwner(s.tx, l, who, s.by)
			if err != nil {
				return err
			}
			if step == lists.Already {
				s.say(c, "%s is not a member", who)
			} else {
				s.say(c, "%s is no member any more", who)
			}
		}
	}
	return nil
}

func (s *session) configure(c lists.Command, l lists.List) error {
	// As it stands now: an earlier command of the same mail, or somebody else, may have changed it since it was gathered.
	l, err := s.tx.LockList(l.ID)
	if err != nil {
		return err
	}
	check := l.Policy
	if err := check.Set(c.Key, c.Value); err != nil {
		s.say(c, "%v", err)
		return nil
	}
	if err := check.Check(); err != nil {
		s.say(c, "%v", err)
		return nil
	}
	want := signed
	if slices.Contains(weighty, c.Key) {
		want = confirmed
	}
	if !s.needs(c, want) {
		return nil
	}
	v, _ := check.Get(c.Key) // it was set just now
	s.say(c, "done: %s = %s", c.Key, strings.ReplaceAll(v, "\n", " "))
	return s.tx.SavePolicy(l.ID, check)
}

// maxHeldShown bounds what "held" names.
const maxHeldShown = 100

func (s *session) held(c lists.Command, l lists.List) error {
	all, err := s.tx.HeldOf(l.ID, maxHeldShown)
	if err != nil {
		return err
	}
	s.say(c, "%d wait on %s", len(all), l.Address)
	for _, h := range all {
		s.results = append(s.results, fmt.Sprintf("  %d  %s: %s", h.ID, h.Sender, subjectOf(h.Subject)))
	}
	return nil
}

func (s *session) stats(c lists.Command, l lists.List) error {
	n, err := s.tx.CountMembers(l.ID)
	if err != nil {
		return err
	}
	held, err := s.tx.HeldOf(l.ID, maxHeldShown)
	if err != nil {
		return err
	}
	s.say(c, "%s has %d members, %d posts, %d waiting for a moderator; created %s", l.Address, n, l.LastSeq, len(held),
		l.Created.Format("2 January 2006"))
	return nil
}

// settleByNumber decides about held things by their numbers.
func (s *session) settleByNumber(c lists.Command, l lists.List) error {
	for _, arg := range c.Args {
		n, err := strconv.ParseInt(arg, 10, 64)
		if err != nil {
			s.say(c, "%q is no number; \"held\" shows them", arg)
			continue
		}
		r := lists.Ruling{Action: map[lists.Verb]lists.Action{lists.VerbAccept: lists.Accept, lists.VerbReject: lists.Reject,
			lists.VerbDiscard: lists.Discard}[c.Verb], Reason: c.Value}
		h, err := s.tx.Held(store.HeldID(n))
		if err == nil && h.List != l.ID {
			err = ErrSettled
		}
		if err == nil {
			err = later(s.tx, h.ID, r, Judge{Name: s.who.String(), Address: s.who, By: s.by})
		}
		switch {
		case errors.Is(err, ErrSettled), isNotFound(err):
			s.say(c, "nothing waits under the number %d", n)
		case err != nil:
			return err
		default:
			s.say(c, "%d: %s", n, handled(r))
		}
	}
	return nil
}

func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }

func isToken(err error) bool { return errors.Is(err, roster.ErrToken) }
