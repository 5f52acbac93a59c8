package roster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/task"
)

// This file reads failures to deliver, which settling and inbound have written down, and keeps the score.

// The kinds of the tasks about failures: reading those that have come; what the clock brings; sending anew what members'
// providers refused for who wrote it, which is a step of inbound's, since it prepares posts.
const (
	BouncesKind     = "bounces"
	BounceRoundKind = "bounce-round"
	RemedyKind      = "remedy"
)

// bounceChunk is how many failures one transaction reads, soonSlot how long those that come together are waited for.
const (
	bounceChunk = 100
	soonSlot    = 3 * time.Second
)

// Soon is a task of a kind that is due in a moment, and one however often it is asked for until then.
func Soon(kind string, now time.Time) task.Key {
	at := now.UTC().Truncate(soonSlot).Add(soonSlot)
	return task.Key{Kind: kind, Name: at.Format("2006-01-02T15:04:05"), At: at}
}

// BouncesCame has failures read soon, in the caller's transaction.
func (b *Books) BouncesCame(tx *store.Tx) error { return task.Add(tx, Soon(BouncesKind, tx.Now)) }

// PlanBounces has failures read that nobody was woken for, and once an hour looks at what the clock brings.
func (b *Books) PlanBounces(_ context.Context, tx *store.Tx, now time.Time) ([]task.Key, error) {
	hour := now.UTC().Truncate(time.Hour)
	keys := []task.Key{{Kind: BounceRoundKind, Name: hour.Format("2006-01-02T15"), At: hour}}
	waiting, err := tx.NewBounces(1)
	if err == nil && len(waiting) > 0 && now.Sub(waiting[0].At) > 2*soonSlot {
		keys = append(keys, Soon(BouncesKind, now))
	}
	return keys, err
}

// ReadBounces is the step that reads failures in the order they came.
func (b *Books) ReadBounces(context.Context, task.Task) (task.Commit, error) {
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		batch, err := tx.NewBounces(bounceChunk)
		if err != nil || len(batch) == 0 {
			return task.Next{Done: true}, err
		}
		frozen, err := b.incidents(tx, batch)
		if err != nil {
			return task.Next{}, err
		}
		for _, e := range batch {
			if err := b.readBounce(tx, e, frozen[e.ID]); err != nil {
				return task.Next{}, fmt.Errorf("bounce %d: %w", e.ID, err)
			}
		}
		return task.Next{Done: len(batch) < bounceChunk}, nil
	}, nil
}

// readBounce scores one failure, unless it is frozen, and does what that asks for.
func (b *Books) readBounce(tx *store.Tx, e store.Bounce, frozen bool) error {
	s, err := tx.SubscriptionByID(e.Subscription)
	if errors.Is(err, store.ErrNotFound) {
		return nil // it went with its subscription
	}
	if err != nil {
		return err
	}
	l, err := tx.LockList(s.List)
	if err != nil {
		return err
	}
	if err := b.refused(tx, l, s, e); err != nil || frozen {
		return err
	}
	if err := tx.SetBounce(e.ID, store.BounceCounted); err != nil {
		return err
	}
	was, err := tx.Score(s.ID)
	if err != nil {
		return err
	}
	now, act := lists.Score(was, event(e, was), l.Policy.Bounces)
	switch act {
	case lists.BounceForgive:
		return b.forgive(tx, s.ID)
	case lists.BounceProbe:
		if s.State != lists.Active {
			return b.forgive(tx, s.ID) // paused already, by themselves or a moderator: nothing bounces from now on
		}
		return b.probe(tx, l, s, now)
	case lists.BouncePause:
		return b.pause(tx, l, s, now, e)
	}
	if now == was || now == (lists.Bounces{Stage: lists.Scoring}) {
		return nil
	}
	return tx.SetScore(s.ID, now)
}

// event is a failure as lists.Score judges it.
func event(e store.Bounce, now lists.Bounces) lists.Bounce {
	return lists.Bounce{At: e.At, Class: e.Class, Permanent: e.Permanent, Proven: e.Proven,
		Probe: e.Proven && now.Probe != 0 && int64(e.Outgoing) == now.Probe}
}

// forgive forgets the failures of a subscription.
func (b *Books) forgive(tx *store.Tx, subscription int64) error {
	had, err := tx.DropScore(subscription)
	if err != nil || !had {
		return err
	}
	return tx.BouncesPast(subscription)
}

// Alive forgets all failures of an address, which has just shown that somebody reads it: by a post, a command, a click.
// Mail that was paused for them goes out again, from each list's next post on.
func (b *Books) Alive(tx *store.Tx, who mail.Address) error {
	scored, err := tx.ScoredOf(who)
	if err != nil {
		return err
	}
	for _, id := range scored {
		s, err := tx.SubscriptionByID(id)
		if err != nil {
			return err
		}
		if s.State != lists.PausedBounce {
			if err := b.forgive(tx, id); err != nil {
				return err
			}
			continue
		}
		l, err := tx.LockList(s.List)
		if err != nil {
			return err
		}
		if err := b.setOptions(tx, l, &s, map[string]string{"mode": string(s.Mode)}); err != nil {
			return err
		}
	}
	return nil
}

// SeenAlive is Alive in a transaction of its own, for doors that know who is there, such as a sign-in.
func (b *Books) SeenAlive(ctx context.Context, who mail.Address) error {
	return b.DB.Update(ctx, func(tx *store.Tx) error { return b.Alive(tx, who) })
}

// probe sends a subscription a message whose return path is its own: only if that bounces too, mail is paused.
func (b *Books) probe(tx *store.Tx, l lists.List, s lists.Subscription, now lists.Bounces) error {
	n := Notice{Name: "bounce_probe", To: []mail.Address{s.Address}, Language: s.Language, Words: lists.Words{"who": s.Address.String()}}
	out, err := b.sendPersonal(tx, l, s, n)
	if err != nil {
		return err
	}
	now.Probe, now.Next = int64(out), tx.Now.Add(probeLives(l.Policy.Bounces))
	return tx.SetScore(s.ID, now)
}

// probeLives is how long a probe may take to bounce: longer than servers try to deliver it (RFC 5321 section 4.5.4.1).
func probeLives(p lists.BouncePolicy) time.Duration { return max(p.StaleAfter, 6*24*time.Hour) }

// comeBackLives is how long the way back is open after the mail of a member was paused, and after they were taken off.
const comeBackLives = 28 * 24 * time.Hour

// pause ends the mail of a subscription whose probe bounced, and warns for the first time.
func (b *Books) pause(tx *store.Tx, l lists.List, s lists.Subscription, now lists.Bounces, e store.Bounce) error {
	if s.State != lists.Active {
		return b.forgive(tx, s.ID)
	}
	s.State, s.Vacation = lists.PausedBounce, time.Time{}
	if err := tx.SaveSubscription(s); err != nil {
		return err
	}
	if err := tx.AddNews(store.News{List: l.ID, Kind: newsPaused, Text: s.Address.String() + ": " + shorten(e.Reply)}); err != nil {
		return err
	}
	return b.warn(tx, l, s, now)
}

// warn writes to a member whose mail is paused, or takes them off if they have been written to often enough.
func (b *Books) warn(tx *store.Tx, l lists.List, s lists.Subscription, now lists.Bounces) error {
	p := l.Policy.Bounces
	if now.Warned >= p.Warnings {
		return b.takeOff(tx, l, s)
	}
	now.Warned++
	now.Next = tx.Now.Add(max(p.WarningInterval, time.Minute))
	left := time.Duration(p.Warnings-now.Warned) * p.WarningInterval
	n := Notice{Name: "bounce_paused", Language: s.Language, Words: lists.Words{"reasons": b.lastReply(tx, s), "removal": now.Next.Add(left).Format("2 January 2006"),
		"count": strconv.Itoa(now.Warned)}}
	if err := b.wayBack(tx, l, s, kindBounced, n); err != nil {
		return err
	}
	return tx.SetScore(s.ID, now)
}

// takeOff ends the subscription of a member who did not come back. Roles stay.
func (b *Books) takeOff(tx *store.Tx, l lists.List, s lists.Subscription) error {
	reply := b.lastReply(tx, s)
	if err := tx.DeleteSubscription(s.ID); err != nil {
		return err
	}
	if err := tx.AddConsent(s.Address, store.Consent{List: l.ID, Act: kindLeave, How: "bounces", Source: shorten(reply)}); err != nil {
		return err
	}
	if err := tx.AddNews(store.News{List: l.ID, Kind: newsRemoved, Text: s.Address.String() + ": " + shorten(reply)}); err != nil {
		return err
	}
	s.State = lists.Active
	return b.wayBack(tx, l, s, kindUndo, Notice{Name: "bounce_removed", Language: s.Language, Words: lists.Words{"reasons": reply}})
}

// wayBack sends a notice whose reply, or link, brings a member back.
func (b *Books) wayBack(tx *store.Tx, l lists.List, s lists.Subscription, kind string, n Notice) error {
	token, err := b.wait(tx, store.Confirmation{List: l.ID, Kind: kind, Address: s.Address}, s, comeBackLives)
	if err != nil {
		return err
	}
	n.To, n.From = []mail.Address{s.Address}, l.Confirm(token)
	n.Words["who"], n.Words["link"] = s.Address.String(), b.link("confirm", token)
	n.Words["expires"] = tx.Now.Add(comeBackLives).Format("2 January 2006")
	return b.Notify(tx, l, n)
}

// bouncedBack is the way back from a pause. Who has been taken off meanwhile is a member again.
func (b *Books) bouncedBack(tx *store.Tx, l lists.List, c store.Confirmation, by Asker) error {
	if err := tx.DropConfirmations(c.List, kindBounced, c.Address); err != nil {
		return err
	}
	cur, err := subscription(tx, l.ID, c.Address)
	switch {
	case err != nil:
		return err
	case cur == nil:
		return b.comeBack(tx, l, c, by)
	case cur.State != lists.PausedBounce:
		return b.forgive(tx, cur.ID)
	}
	if l, err = tx.LockList(l.ID); err != nil {
		return err
	}
	return b.setOptions(tx, l, cur, map[string]string{"mode": string(cur.Mode)})
}

// lastReply is what was last said about a subscription's mail.
func (b *Books) lastReply(tx *store.Tx, s lists.Subscription) string {
	all, err := tx.BouncesOf(s.ID, 20)
	if err != nil {
		return "" // the transaction will say so
	}
	for _, e := range all {
		if lists.Bounce.Weight(event(e, lists.Bounces{})) > 0 {
			return e.Reply
		}
	}
	return "it came back"
}

// shorten cuts a reply to what a line of a summary has room for.
func shorten(s string) string {
	const most = 160
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
