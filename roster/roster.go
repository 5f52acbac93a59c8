// Package roster keeps the books: it creates lists, lets people in and out, grants roles, and tells those concerned.
// Its acts are short transactions of their own; what must happen in somebody else's transaction takes a Tx.
//
// Enter with Books. RFC 2919 section 2 (a List-Id outlives a rename), RFC 3834 (notices).
package roster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/store"
	"listd/task"
)

// Books are the books of a site. The fields are set before use; Books are safe for concurrent use.
type Books struct {
	DB       *store.DB
	Out      queue.Out
	Minter   *lists.Minter  // of personal tokens
	Hostname string         // for Message-ID
	URL      string         // of the web pages, without a final slash; empty: there are none
	Chance   func() [8]byte // for IDs
	Owner    mail.Address   // of the site, who hears of incidents; zero: nobody does
}

// What people may get wrong, each with what to do next.
var (
	ErrNoList   = errors.New("there is no such list; `listd list ls` shows all")
	ErrNoMember = errors.New("is no member of the list; `listd member ls LIST` shows all")
	ErrTaken    = errors.New("there is a list with this address already; `listd list show` tells about it")
)

// Creation is what a new list begins with.
type Creation struct {
	Address  mail.Address
	Settings map[string]string // by the names of lists.Keys
	Owners   []mail.Address
}

// Create creates a list and tells its owners, and returns warnings about addresses it takes from others.
func (b *Books) Create(ctx context.Context, c Creation) (l lists.List, warnings []string, err error) {
	if err := lists.CheckAddress(c.Address); err != nil {
		return l, nil, err
	}
	l = lists.List{Address: c.Address, ListID: c.Address.Local + "." + c.Address.Domain, Policy: lists.DefaultPolicy()}
	if l.Policy, err = with(l.Policy, c.Settings); err != nil {
		return l, nil, err
	}
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		warnings = nil
		var err error
		if l.ID, err = tx.CreateList(l); err != nil {
			return err
		}
		for _, o := range c.Owners {
			if err := tx.SetRoles(l.ID, o, lists.Owner); err != nil {
				return err
			}
		}
		if warnings, err = shadows(tx, c.Address); err != nil || len(c.Owners) == 0 {
			return err
		}
		return b.Notify(tx, l, Notice{Name: "list_created", To: c.Owners})
	})
	if errors.Is(err, store.ErrExists) {
		err = ErrTaken
	}
	return l, warnings, err
}

// shadows says which command addresses of other lists a list's address takes, and which of its own are taken.
func shadows(tx *store.Tx, a mail.Address) (warnings []string, err error) {
	for _, t := range lists.Routes(a.Local) {
		if t.Kind == lists.ToPost {
			continue
		}
		other := mail.Address{Local: t.List, Domain: a.Domain}
		switch _, err := tx.ListAt(other); {
		case err == nil:
			warnings = append(warnings, fmt.Sprintf("%s was the %s address of the list %s; from now on mail to it goes to the new list", a, t.Kind, other))
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	return warnings, nil
}

// with is the policy with these settings.
func with(p lists.Policy, settings map[string]string) (lists.Policy, error) {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if err := p.Set(key, settings[key]); err != nil {
			return p, err
		}
	}
	return p, p.Check()
}

// list finds a list by an address it has or had, and locks it.
func list(tx *store.Tx, a mail.Address) (lists.List, error) {
	l, err := tx.ListAt(a)
	if err == nil {
		l, err = tx.LockList(l.ID)
	}
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%s: %w", a, ErrNoList)
	}
	return l, err
}

// Set changes settings of a list, all or none.
func (b *Books) Set(ctx context.Context, a mail.Address, settings map[string]string) (l lists.List, err error) {
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		if l, err = list(tx, a); err != nil {
			return err
		}
		if l.Policy, err = with(l.Policy, settings); err != nil {
			return err
		}
		return tx.SavePolicy(l.ID, l.Policy)
	})
	return l, err
}

// AddRule adds a header rule to a list, behind those it has.
func (b *Books) AddRule(ctx context.Context, a mail.Address, r lists.HeaderRule) error {
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		l, err := list(tx, a)
		if err != nil {
			return err
		}
		l.Policy.HeaderRules = append(slices.Clone(l.Policy.HeaderRules), r)
		// Once through its text form, which holds it to the bounds of settings.
		text, _ := l.Policy.Get("header_rules") // it is a setting
		if err := l.Policy.Set("header_rules", text); err != nil {
			return err
		}
		return tx.SavePolicy(l.ID, l.Policy)
	})
}

// RemoveRule takes out the n-th header rule of a list, from 1.
func (b *Books) RemoveRule(ctx context.Context, a mail.Address, n int) error {
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		l, err := list(tx, a)
		if err != nil {
			return err
		}
		rules := l.Policy.HeaderRules
		if n < 1 || n > len(rules) {
			return fmt.Errorf("%s has %d header rules, none with number %d; `listd list rule ls` numbers them", a, len(rules), n)
		}
		l.Policy.HeaderRules = slices.Delete(slices.Clone(rules), n-1, n)
		return tx.SavePolicy(l.ID, l.Policy)
	})
}

// Rename gives a list another address. Mail to the old one still reaches it, and its List-Id stays, so that people's
// filters go on to work.
func (b *Books) Rename(ctx context.Context, from, to mail.Address) (warnings []string, err error) {
	if err := lists.CheckAddress(to); err != nil {
		return nil, err
	}
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		l, err := list(tx, from)
		if err != nil {
			return err
		}
		if l.Address == to {
			return nil
		}
		if err := tx.RenameList(l.ID, to); err != nil {
			return err
		}
		warnings, err = shadows(tx, to)
		return err
	})
	if errors.Is(err, store.ErrExists) {
		err = fmt.Errorf("%s: %w", to, ErrTaken)
	}
	return warnings, err
}

// Delete removes a list with its members, its posts and what it holds. Mail on its way still goes out.
func (b *Books) Delete(ctx context.Context, a mail.Address) error {
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		l, err := list(tx, a)
		if err != nil {
			return err
		}
		if err := tx.DeleteList(l.ID); err != nil {
			return err
		}
		return task.Add(tx, task.Key{Kind: WordsKind, Name: fmt.Sprint(l.ID), Arg: l.ID})
	})
}

// WordsKind is the kind of the task that drops the words of a deleted list's posts.
const WordsKind = "drop_words"

// wordsChunk is how many posts' words one transaction drops: about 30 ms.
const wordsChunk = 500

// DropWords is its step.
func DropWords(_ context.Context, t task.Task) (task.Commit, error) {
	var id lists.ID
	if err := json.Unmarshal(t.Arg, &id); err != nil {
		return nil, err
	}
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		n, err := tx.DropWordsOf(id, wordsChunk)
		return task.Next{Done: n == 0}, err
	}, nil
}
