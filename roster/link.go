package roster

import (
	"context"
	"errors"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// This file is for doors that know a token and nothing else: a personal link is its own proof.

// Personal is a subscription as its personal link shows it.
type Personal struct {
	List         lists.List
	Subscription lists.Subscription
}

// Personal looks at the subscription of a personal token; ErrToken if there is none, or it has ended.
func (b *Books) Personal(ctx context.Context, token string) (p Personal, err error) {
	err = b.DB.View(ctx, func(tx *store.Tx) error {
		p, err = b.personal(tx, token)
		return err
	})
	return p, err
}

func (b *Books) personal(tx *store.Tx, token string) (p Personal, err error) {
	id, ok := b.Minter.ReadLeave(token)
	if !ok {
		return p, ErrToken
	}
	if p.Subscription, err = tx.SubscriptionByID(id); err == nil {
		p.List, err = tx.List(p.Subscription.List)
	}
	if errors.Is(err, store.ErrNotFound) {
		err = ErrToken
	}
	return p, err
}

// LeaveByLink ends the subscription of a personal token. Who has left before hears ErrToken.
func (b *Books) LeaveByLink(ctx context.Context, token string, by Asker) (p Personal, err error) {
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		if p, err = b.personal(tx, token); err != nil {
			return err
		}
		_, err := b.LeaveNow(tx, p.List, p.Subscription.ID, by)
		return err
	})
	return p, err
}

// SetByLink changes options of the subscription of a personal token.
func (b *Books) SetByLink(ctx context.Context, token string, options map[string]string) (p Personal, err error) {
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		if p, err = b.personal(tx, token); err != nil {
			return err
		}
		if err := b.Alive(tx, p.Subscription.Address); err != nil {
			return err
		}
		p.Subscription, err = b.SetOptions(tx, p.List, p.Subscription.Address, options)
		return err
	})
	return p, err
}

// WaitingByLink is Waiting in a transaction of its own.
func (b *Books) WaitingByLink(ctx context.Context, token string) (w Waiting, err error) {
	err = b.DB.View(ctx, func(tx *store.Tx) error {
		w, err = b.Waiting(tx, token)
		return err
	})
	return w, err
}

// RequestJoin is Join in a transaction of its own, for the command line and pages.
func (b *Books) RequestJoin(ctx context.Context, a mail.Address, j Joiner, by Asker) (step lists.Step, err error) {
	err = b.DB.Update(ctx, func(tx *store.Tx) error {
		l, err := list(tx, a)
		if err != nil {
			return err
		}
		step, err = b.Join(tx, l, j, by)
		return err
	})
	return step, err
}
