package inbound

import (
	"context"
	"encoding/json"
	"errors"

	"listd/lists"
	"listd/mail"
	"listd/mailauth"
	"listd/queue"
	"listd/roster"
	"listd/store"
	"listd/task"
)

// refusedAlone is how many must be refused for want of SPF, DKIM or DMARC where the author's domain does not ask for it:
// some providers do so all the same.
const refusedAlone = 5

// Remedy is the step that answers for a post whose author was refused by members' providers: it is sent anew with the list's
// From to those who missed it, never twice, and From gives way for all authors of that domain from then on.
func (d *Door) Remedy(ctx context.Context, t task.Task) (task.Commit, error) {
	var arg roster.RemedyArg
	if err := json.Unmarshal(t.Arg, &arg); err != nil {
		return nil, err
	}
	done := func(context.Context, *store.Tx) (task.Next, error) { return task.Next{Done: true}, nil }
	a, l, o, err := d.gatherRefused(ctx, arg.Outgoing)
	if errors.Is(err, store.ErrNotFound) {
		return done, nil // the post, its list, or what is known of its way is gone
	}
	if err != nil {
		return nil, err
	}
	domain := mail.Author(a.m.Head).Address.Domain
	if domain == "" || domain == l.Address.Domain || l.Policy.From != lists.FromAsNeeded {
		return done, nil
	}
	if d.Auth != nil {
		a.auth = d.Auth.Verify(ctx, a.env, a.m)
	}
	if a.auth.DMARC.Published == mailauth.NoPolicy && arg.Refused.Auth < refusedAlone {
		return done, nil // nothing says that another From would help
	}
	treatment := lists.Treatment{Munge: true, Decision: mungedBefore(domain), Seq: o.Seq, MessageID: "<" + a.msgID + ">", Date: o.Created}
	m, _, err := lists.Prepare(l, a.m, treatment)
	if err != nil {
		return nil, err
	}
	body := store.PackBody(m.Body)
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		if _, err := tx.LockList(l.ID); err != nil {
			return task.Next{}, err
		}
		if _, err := tx.Remedy(o.ID); !errors.Is(err, store.ErrNotFound) {
			return task.Next{Done: true}, err
		}
		missed, err := tx.RefusedBy(o.ID, maxMissed)
		if err != nil {
			return task.Next{}, err
		}
		id, err := tx.AddMessage(m.Head, body)
		if err != nil {
			return task.Next{}, err
		}
		resent, err := d.Out.Add(tx, queue.Outgoing{List: l.ID, Seq: o.Seq, Message: id, From: l.Bounces(), Personal: o.Personal, Priority: queue.Post,
			Trace: o.Trace, Subject: o.Subject}, queue.Audience{Named: missed})
		if err != nil {
			return task.Next{}, err
		}
		if err := tx.AddRemedy(o.ID, resent); err != nil {
			return task.Next{}, err
		}
		return task.Next{Done: true}, d.Books.Munge(tx, l, domain, int64(len(missed)))
	}, nil
}

// maxMissed bounds how many get a post anew in one transaction; who is found out about later gets it then.
const maxMissed = 5000

// gatherRefused reads a post that was refused as the arrival it was. It is store.ErrNotFound if the post left with the
// list's From, or nothing is left of it.
func (d *Door) gatherRefused(ctx context.Context, id store.OutgoingID) (a *arrival, l lists.List, o store.Outgoing, err error) {
	a = &arrival{now: d.DB.Now()}
	err = d.DB.View(ctx, func(tx *store.Tx) error {
		if o, err = tx.Outgoing(id); err != nil {
			return err
		}
		if l, err = tx.List(o.List); err != nil {
			return err
		}
		left, err := tx.Message(o.Message)
		if err != nil {
			return err
		}
		if mail.Author(left.Head).Address.Key() == l.Post().Key() {
			return store.ErrNotFound
		}
		p, err := tx.Post(l.ID, o.Seq)
		if err != nil {
			return err
		}
		a.m, err = tx.Message(p.Message)
		a.msgID = p.MsgID
		return err
	})
	return a, l, o, err
}

// mungedBefore is why From gives way for a domain whose authors were refused.
func mungedBefore(domain string) string {
	return "From is the list's, since members' providers refused mail of " + domain + " that came by this list"
}
