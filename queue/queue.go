// Package queue is the only way out: it holds every message that must leave, and tries until it has left or cannot.
// A message is an outgoing; each recipient is a delivery, a row without content. Workers claim rows by postponing them,
// talk, and settle them in batches.
//
// Enter with Out.Add, inside a transaction, and with Worker.Run. Who receives is decided elsewhere; how a message
// travels is a Sender's affair.
//
// RFC 5321 section 4.5.4 (retry strategies), RFC 8058 and 2369 (what is rendered for each recipient).
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/task"
)

// Priorities: lower leaves first.
const (
	Notice = iota
	Post
	Announcement
)

// Outgoing is a message that must leave.
type Outgoing struct {
	List     lists.ID // 0: no list's
	Seq      lists.Seq
	Message  store.MessageID
	From     mail.Address // the return path, before VERP; the zero Address for <>
	Personal bool         // a transaction for each recipient, with a return path and a List-Unsubscribe of its own
	Priority int
	Trace    string
	Subject  string // decoded, for listd queue
}

// Audience is who receives: addresses, or the subscribers of Outgoing.List in mode each who were there at its Seq.
type Audience struct {
	Addresses   []mail.Address
	Named       []lists.Subscription // these and no other subscription, whatever their mode
	Subscribers bool
	Skip        []int64 // subscriptions that want no copy
}

// Out is what adding needs to know of the way out. All nodes of a site agree on it.
type Out struct {
	Relay       bool          // all mail goes to one smarthost: one destination
	GiveUpAfter time.Duration // 0: 5 days (RFC 5321 section 4.5.4.1)

	chunk int // subscribers one transaction copies; 0: fanChunk
}

// fanChunk is how many subscribers one transaction copies: 17 ms of the only writer.
const fanChunk = 5000

func (q Out) fanChunk() int {
	if q.chunk > 0 {
		return q.chunk
	}
	return fanChunk
}

// FanOutKind is the kind of the task that continues a fan-out.
const FanOutKind = "fanout"

type fanArg struct {
	Outgoing store.OutgoingID
	Skip     []int64 `json:",omitempty"`
}

// Add stores o with its deliveries: all addresses, and the first chunk of subscribers; a longer list continues as a task.
func (q Out) Add(tx *store.Tx, o Outgoing, to Audience) (store.OutgoingID, error) {
	giveUp := q.GiveUpAfter
	if giveUp == 0 {
		giveUp = 5 * 24 * time.Hour
	}
	row := store.Outgoing{List: o.List, Seq: o.Seq, Message: o.Message, From: o.From, Personal: o.Personal, Priority: o.Priority,
		Trace: o.Trace, Subject: o.Subject, GiveUp: tx.Now.Add(giveUp), FannedTo: -1}
	var err error
	if row.ID, err = tx.AddOutgoing(row); err != nil {
		return 0, fmt.Errorf("add outgoing: %w", err)
	}
	if err := tx.AddDeliveries(row, to.Addresses, func(a mail.Address) string { return store.Destination(a, q.Relay) }); err != nil {
		return 0, err
	}
	if err := tx.AddDeliveriesOf(row, to.Named, q.Relay); err != nil {
		return 0, err
	}
	if !to.Subscribers {
		return row.ID, nil
	}
	last, done, err := tx.FanOut(row, 0, q.fanChunk(), to.Skip, q.Relay)
	if err != nil {
		return 0, fmt.Errorf("fan out: %w", err)
	}
	if done {
		return row.ID, nil
	}
	if err := tx.SetFanned(row.ID, last); err != nil {
		return 0, err
	}
	id := strconv.FormatInt(int64(row.ID), 10)
	return row.ID, task.Add(tx, task.Key{Kind: FanOutKind, Name: id, Arg: fanArg{row.ID, to.Skip}})
}

// FanOut is the step that copies the next chunk of subscribers. Its cursor stands in the outgoing, so that who leaves
// mode each meanwhile can be given their own rows first.
func (q Out) FanOut(_ context.Context, t task.Task) (task.Commit, error) {
	var arg fanArg
	if err := json.Unmarshal(t.Arg, &arg); err != nil {
		return nil, err
	}
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		o, err := tx.Outgoing(arg.Outgoing)
		if err != nil {
			return task.Next{}, err
		}
		if o.FannedTo < 0 {
			return task.Next{Done: true}, nil
		}
		last, done, err := tx.FanOut(o, o.FannedTo, q.fanChunk(), arg.Skip, q.Relay)
		if err != nil {
			return task.Next{}, err
		}
		if done {
			last = -1
		}
		return task.Next{Done: done, Cursor: last}, tx.SetFanned(o.ID, last)
	}, nil
}

// Sender carries a message to its recipients.
type Sender interface {
	// Send offers one message to env.To, all at domain. It returns one reply for each of env.To, always: no connection,
	// a timeout and a lost final dot are 4yz replies of its own. m is written as it lies and may be sent again. A server
	// that takes no 8-bit bodies is answered for with 554 5.6.3: m is signed, and whoever converts it must sign it anew.
	Send(ctx context.Context, domain string, env mail.Envelope, m mail.Message) []mail.Reply
}

// pausedName is the site value that pauses the queue on all nodes.
const pausedName = "queue paused"

// Paused reports whether the operator has paused the queue.
func Paused(tx *store.Tx) (bool, error) {
	_, err := tx.SiteValue(pausedName)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// retriedName is the site value that says when the operator last wanted everything tried at once.
const retriedName = "queue retried"

// Retry has all nodes forget, when they next look, that a destination did not answer.
func Retry(tx *store.Tx) error {
	return tx.SetSiteValue(retriedName, []byte(tx.Now.Format(time.RFC3339Nano)))
}

// retried is when that was; empty if never.
func retried(tx *store.Tx) (string, error) {
	v, err := tx.SiteValue(retriedName)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return string(v), err
}

// Pause stops claiming on all nodes, or lets it go on.
func Pause(tx *store.Tx, on bool) error {
	if on {
		return tx.SetSiteValue(pausedName, []byte("yes"))
	}
	return tx.SetSiteValue(pausedName, nil)
}
