package roster

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/task"
)

// An incident is that minIncident addresses or more, and incidentShare of all that receive at a destination or at all, fail
// the same way within incidentSpan. Its failures cost nobody anything. Who is told of it hears of the next after a week.
const (
	minIncident   = 10
	incidentSpan  = time.Hour
	incidentsTold = 7 * 24 * time.Hour
)

// incidentShare says whether so many failing of so many is more than chance: three in ten of a destination, half of all
// that receive.
func incidentShare(destination string, failing, all int64) bool {
	if failing < minIncident {
		return false
	}
	if destination == store.AllDestinations {
		return failing*2 >= all
	}
	return failing*10 >= all*3
}

// incidents freezes those of a batch of failures that belong to an incident, and takes back what others of it have cost. It
// returns which of the batch those are.
func (b *Books) incidents(tx *store.Tx, batch []store.Bounce) (frozen map[store.BounceID]bool, err error) {
	frozen = map[store.BounceID]bool{}
	type kind struct {
		destination string
		class       mail.Class
		permanent   bool
	}
	// One destination's before all: what is one provider's is not everybody's.
	for _, everywhere := range []bool{false, true} {
		seen := map[kind]bool{}
		for n, e := range batch {
			k := kind{e.Destination, e.Class, e.Permanent}
			if everywhere {
				k.destination = store.AllDestinations
			}
			if seen[k] || !couldBe(e.Class) || frozen[e.ID] {
				continue
			}
			seen[k] = true
			same := func(f store.Bounce) bool {
				return (everywhere || f.Destination == e.Destination) && f.Class == e.Class && f.Permanent == e.Permanent && !frozen[f.ID]
			}
			last := e
			for _, f := range batch[n:] {
				if same(f) {
					last = f
				}
			}
			i := store.Incident{Destination: k.destination, Class: e.Class, Permanent: e.Permanent}
			since, until, err := b.incident(tx, &i, e, last)
			if err != nil {
				return nil, err
			}
			if until.IsZero() {
				continue
			}
			if err := b.freeze(tx, i, since, until); err != nil {
				return nil, err
			}
			for _, f := range batch {
				if same(f) && f.At.After(since) && !f.At.After(until) {
					frozen[f.ID] = true
				}
			}
		}
	}
	return frozen, nil
}

// couldBe reports whether many failures of a class may be a provider's, or our own, fault: what is said about a message and
// its author is not.
func couldBe(c mail.Class) bool {
	return c != mail.Auth && c != mail.Content && c != mail.Size
}

// incident finds out whether the failures from the first to the last of a kind are an incident, or go on with one. It
// returns their span; a zero until if they are none.
func (b *Books) incident(tx *store.Tx, i *store.Incident, first, last store.Bounce) (since, until time.Time, err error) {
	known, err := tx.IncidentOf(i.Destination, i.Class, i.Permanent)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return since, until, err
	}
	since = last.At.Add(-incidentSpan)
	failing, err := tx.CountFailing(*i, since, last.At)
	if err != nil {
		return since, until, err
	}
	all := int64(0)
	if failing >= minIncident {
		if all, err = tx.CountAt(i.Destination); err != nil {
			return since, until, err
		}
	}
	goesOn := known.ID != 0 && !first.At.After(known.Last.Add(incidentSpan))
	switch {
	case incidentShare(i.Destination, failing, all):
		i.Began, i.Last, i.Told = since, last.At, known.Told
		if goesOn {
			i.ID, since = known.ID, known.Last.Add(-incidentSpan)
		}
		if tx.Now.Sub(known.Told) > incidentsTold {
			i.Told = tx.Now
			if err := b.tellIncident(tx, *i, last, failing, all); err != nil {
				return since, until, err
			}
		}
		return since, last.At, tx.SaveIncident(*i)
	case goesOn:
		// A straggler of one that was: it does not make it longer.
		*i = known
		return known.Last.Add(-incidentSpan), known.Last.Add(incidentSpan), nil
	}
	return since, time.Time{}, nil
}

// freeze takes an incident's failures out of the scores, as if they had not been.
func (b *Books) freeze(tx *store.Tx, i store.Incident, since, until time.Time) error {
	concerned, err := tx.Freeze(i, since, until)
	if err != nil {
		return err
	}
	for _, id := range concerned {
		was, err := tx.Score(id)
		if err != nil {
			return err
		}
		if was.Stage == "" {
			continue // none of it has been read
		}
		if err := b.rescore(tx, id, was); err != nil {
			return err
		}
	}
	return nil
}

// rescore makes a subscription's score anew of the failures that still count. If they would not have led to the probe, or
// the probe bounced for the incident's sake, mail goes out again.
func (b *Books) rescore(tx *store.Tx, id int64, was lists.Bounces) error {
	s, err := tx.SubscriptionByID(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	l, err := tx.LockList(s.List)
	if err != nil {
		return err
	}
	counted, err := tx.CountedBounces(id)
	if err != nil {
		return err
	}
	now, probed := lists.Bounces{Stage: lists.Scoring}, false
	for _, e := range counted {
		var act lists.BounceAction
		now, act = lists.Score(now, event(e, was), l.Policy.Bounces)
		probed = probed || act == lists.BounceProbe
	}
	if now.Stage == was.Stage && now.Score > 0 {
		now.Probe, now.Warned, now.Next = was.Probe, was.Warned, was.Next
		return tx.SetScore(id, now)
	}
	if s.State == lists.PausedBounce {
		return b.setOptions(tx, l, &s, map[string]string{"mode": string(s.Mode)})
	}
	if probed { // the probe says nothing any more; another failure sends the next
		now.Score = min(now.Score, max(float64(l.Policy.Bounces.Threshold)-1, 0))
	}
	if now.Stage = lists.Scoring; now.Score == 0 {
		_, err := tx.DropScore(id)
		return err
	}
	return tx.SetScore(id, now)
}

// tellIncident tells the site's owner.
func (b *Books) tellIncident(tx *store.Tx, i store.Incident, e store.Bounce, failing, all int64) error {
	if b.Owner.IsZero() {
		return nil
	}
	s, err := tx.SubscriptionByID(e.Subscription)
	if err != nil {
		return err
	}
	l, err := tx.List(s.List)
	if err != nil {
		return err
	}
	where := i.Destination
	if where == store.AllDestinations {
		where = b.Hostname
	}
	return b.Notify(tx, l, Notice{Name: "bounce_incident", To: []mail.Address{b.Owner}, Words: lists.Words{"destination": where,
		"count": strconv.FormatInt(failing, 10), "members": strconv.FormatInt(all, 10), "class": i.Class.String(), "reasons": e.Reply}})
}

// refused looks at a failure that is the author's or the message's fault, not the member's: when a share of a post's
// readers has been refused it, it is sent anew with the list's From to those who missed it, and from then on all of its
// author's domain. Who is refused after that gets it, too.
func (b *Books) refused(tx *store.Tx, l lists.List, s lists.Subscription, e store.Bounce) error {
	if e.Outgoing == 0 || !e.Proven || !l.Policy.Bounces.Processing || l.Policy.From != lists.FromAsNeeded || e.Class != mail.Auth && e.Class != mail.Policy {
		return nil
	}
	switch resent, err := tx.Remedy(e.Outgoing); {
	case err == nil && resent != 0:
		o, err := tx.Outgoing(resent)
		if errors.Is(err, store.ErrNotFound) || err == nil && s.State != lists.Active {
			return nil
		}
		if err != nil {
			return err
		}
		return tx.AddDeliveriesOf(o, []lists.Subscription{s}, b.Out.Relay)
	case err == nil:
		return nil
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if resent, err := tx.IsResent(e.Outgoing); err != nil || resent {
		return err
	}
	r, err := tx.RefusedOf(e.Outgoing, e.Destination)
	if err != nil || !remedied(r) {
		return err
	}
	return task.Add(tx, task.Key{Kind: RemedyKind, Name: fmt.Sprintf("%d/%d", e.Outgoing, bits.Len64(uint64(r.All))), Arg: RemedyArg{e.Outgoing, r}, At: tx.Now.Add(soonSlot)})
}

// RemedyArg is what a remedy is about.
type RemedyArg struct {
	Outgoing store.OutgoingID
	Refused  store.Refused
}

// remedied says whether so many have been refused that it is not the readers' fault: a tenth of a destination's for want of
// SPF, DKIM or DMARC, or five and three in a hundred of all.
func remedied(r store.Refused) bool {
	return r.Auth > 0 && r.There*10 >= r.Members || r.All >= minRefused && r.All*100 >= r.Everybody*3
}

const minRefused = 5

// Munge has From give way for authors of a domain from now on, and tells the owners why in the next summary.
func (b *Books) Munge(tx *store.Tx, l lists.List, domain string, refused int64) error {
	l, err := tx.LockList(l.ID)
	if err != nil {
		return err
	}
	if !l.Policy.AddMunged(domain) {
		return nil
	}
	if err := tx.SavePolicy(l.ID, l.Policy); err != nil {
		return err
	}
	return tx.AddNews(store.News{List: l.ID, Kind: newsMunged, Text: fmt.Sprintf("%s (%d)", domain, refused)})
}
