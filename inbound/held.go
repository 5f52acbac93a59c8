package inbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/mailauth"
	"listd/roster"
	"listd/store"
	"listd/task"
)

// heldPost is the kind of a held post.
const heldPost = "post"

// ErrSettled says that nothing is held under an ID: somebody was faster, or it never was.
var ErrSettled = errors.New("nothing is held under this number; `listd held ls` shows what waits")

// Settle decides about what is held, for the command line: Accept lets it through, Reject sends the reason (none: why it
// was held), Discard drops it. It returns ErrSettled if it does not wait any more.
func (d *Door) Settle(ctx context.Context, id store.HeldID, act lists.Action, reason string) (store.Held, error) {
	return d.Rule(ctx, id, lists.Ruling{Action: act, Reason: reason}, Judge{Name: "the command line"})
}

// Judge is who decides about what is held.
type Judge struct {
	Name    string       // as the other moderators read it
	Address mail.Address // zero: nobody in particular
	By      roster.Asker
}

// Rule carries out a moderator's ruling about what is held; ErrSettled if it does not wait any more. The first ruling
// counts, and the other moderators are told.
func (d *Door) Rule(ctx context.Context, id store.HeldID, r lists.Ruling, by Judge) (store.Held, error) {
	var h store.Held
	var auth *mailauth.Results
	for range 5 {
		a, j, err := d.gatherHeld(ctx, id, &h)
		if err != nil {
			return h, err
		}
		if r.Action == lists.Accept && h.Kind == heldPost {
			// What counts is what those behind us will find: keys and policies may have changed while it waited.
			if auth == nil && d.Auth != nil {
				now := d.Auth.Verify(ctx, a.env, a.m)
				auth = &now
			}
			if auth != nil {
				a.auth = *auth
			}
			if j.out, err = d.prepare(a, j, j.list.LastSeq+1); err != nil {
				return h, err
			}
		}
		err = d.DB.Update(ctx, func(tx *store.Tx) error { return d.settle(tx, a, j, h, r, by) })
		if errors.Is(err, archive.ErrChanged) {
			continue
		}
		if err == nil {
			d.Log.LogAttrs(ctx, slog.LevelInfo, "settled", slog.String("id", h.Trace), slog.String("list", j.list.Address.String()),
				slog.Int64("held", int64(id)), slog.String("action", r.Action.String()), slog.String("by", by.Name))
		}
		return h, err
	}
	return h, fmt.Errorf("held %d: %w five times", id, archive.ErrChanged)
}

// gatherHeld reads a held post as the arrival it was.
func (d *Door) gatherHeld(ctx context.Context, id store.HeldID, h *store.Held) (*arrival, *job, error) {
	a, j := &arrival{now: d.DB.Now()}, &job{}
	err := d.DB.View(ctx, func(tx *store.Tx) (err error) {
		if *h, err = tx.Held(id); err != nil {
			return err
		}
		if j.list, err = tx.List(h.List); err != nil {
			return err
		}
		if a.m, err = tx.Message(h.Message); err != nil {
			return err
		}
		j.author = mail.Author(a.m.Head)
		if j.author.Address.IsZero() {
			j.author.Address = h.From
		}
		j.sender, err = sender(tx, h.List, j.author.Address, h.From)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, fmt.Errorf("%d: %w", id, ErrSettled)
	}
	if err != nil {
		return nil, nil, err
	}
	a.env = mail.Envelope{From: h.From, To: []mail.Rcpt{{Address: j.list.Post()}}}
	a.trace, a.auto, a.body = h.Trace, mail.Automatic(a.env, a.m.Head), store.PackBody(a.m.Body)
	j.entry = archive.Describe(j.list, a.m, a.now)
	a.msgID = j.entry.MsgID
	return a, j, nil
}

// settle ends the waiting, which only one can do, and does what was decided.
func (d *Door) settle(tx *store.Tx, a *arrival, j *job, h store.Held, r lists.Ruling, by Judge) error {
	if err := tx.DeleteHeld(h.ID); errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%d: %w", h.ID, ErrSettled)
	} else if err != nil {
		return err
	}
	var err error
	if h.Kind == heldPost {
		err = d.settlePost(tx, a, j, h, r)
	} else {
		reason := r.Reason
		if r.Action == lists.Reject && reason == "" {
			reason = "The moderators have decided so."
		}
		err = d.Books.SettleRequest(tx, j.list, h, a.m.Body, r.Action == lists.Accept, reason, by.By)
	}
	if err != nil {
		return err
	}
	if err := d.remember(tx, j, r); err != nil {
		return err
	}
	return d.Books.TellHandled(tx, j.list, h, by.Address, by.Name, handled(r))
}

// settlePost does what was decided about a post.
func (d *Door) settlePost(tx *store.Tx, a *arrival, j *job, h store.Held, r lists.Ruling) error {
	switch r.Action {
	case lists.Accept:
		seq, out, err := d.distribute(tx, a, j, func() (store.MessageID, error) { return h.Message, nil })
		if err != nil {
			return err
		}
		return tx.SettleIntake(h.Trace, h.List, "posted", seq, out)
	case lists.Reject:
		reasons := r.Reason
		if reasons == "" {
			reasons = strings.Join(h.Reasons, "\n")
		}
		if err := d.tell(tx, a, j, "rejected", lists.Words{"reasons": reasons}); err != nil {
			return err
		}
		return tx.SettleIntake(h.Trace, h.List, "rejected", 0, 0)
	}
	return tx.SettleIntake(h.Trace, h.List, "discarded", 0, 0)
}

// remember keeps what a ruling says about further posts of the same author.
func (d *Door) remember(tx *store.Tx, j *job, r lists.Ruling) error {
	who := j.author.Address
	switch {
	case who.IsZero() || !r.Always && !r.Ban:
		return nil
	case r.Always && j.sender != nil && j.sender.Sub != nil:
		_, err := d.Books.SetOptions(tx, j.list, j.sender.Sub.Address, map[string]string{"action": "accept"})
		return err
	}
	l, err := tx.LockList(j.list.ID)
	if err != nil {
		return err
	}
	key, add := "accept_senders", who.Key()
	if r.Ban {
		key = "bans"
	}
	old, _ := l.Policy.Get(key) // it is a setting
	if err := l.Policy.Set(key, strings.TrimPrefix(old+", "+add, ", ")); err != nil {
		return err
	}
	return tx.SavePolicy(l.ID, l.Policy)
}

// handled is a ruling in words for the other moderators.
func handled(r lists.Ruling) string {
	switch {
	case r.Ban:
		return "dropped, and its sender banned"
	case r.Always:
		return "let through, as will be what its sender posts from now on"
	case r.Action == lists.Accept:
		return "let through"
	case r.Action == lists.Reject:
		return "sent back"
	}
	return "dropped"
}

// heldWords are what notices about a held post fill in.
func heldWords(h store.Held, size int64) lists.Words {
	expires := h.At.Add(100 * 365 * 24 * time.Hour).Format("2 January 2006") // for ever, as people count
	if !h.Expires.IsZero() {
		expires = h.Expires.Format("2 January 2006")
	}
	return lists.Words{"id": strconv.FormatInt(int64(h.ID), 10), "sender": h.Sender, "subject": subjectOf(h.Subject),
		"size": bytesInWords(size), "reasons": strings.Join(h.Reasons, "\n"), "expires": expires}
}

// bytesInWords is a size as people read it.
func bytesInWords(n int64) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// ExpireKind is the kind of the task that drops what has waited too long, and forgets what need not be remembered.
const ExpireKind = "expire"

// Plan has held posts looked at once an hour.
func (d *Door) Plan(_ context.Context, _ *store.Tx, now time.Time) ([]task.Key, error) {
	hour := now.UTC().Truncate(time.Hour)
	return []task.Key{{Kind: ExpireKind, Name: hour.Format("2006-01-02T15"), At: hour}}, nil
}

// intakeKept is longer than the week in which the same mail is the same, so that listd trace has something to tell.
const intakeKept = 30 * 24 * time.Hour

// expireChunk is how much one step of Expire drops.
const expireChunk = 100

// Expire is the step that drops what has waited too long and tells its author.
func (d *Door) Expire(ctx context.Context, _ task.Task) (task.Commit, error) {
	var due []store.Held
	if err := d.DB.View(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.HeldExpired(expireChunk)
		return err
	}); err != nil {
		return nil, err
	}
	type waiting struct {
		h store.Held
		a *arrival
		j *job
	}
	var all []waiting
	for _, h := range due {
		a, j, err := d.gatherHeld(ctx, h.ID, &h)
		if errors.Is(err, ErrSettled) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, waiting{h, a, j})
	}
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		for _, w := range all {
			if err := tx.DeleteHeld(w.h.ID); errors.Is(err, store.ErrNotFound) {
				continue
			} else if err != nil {
				return task.Next{}, err
			}
			if w.h.Kind == heldPost && w.j.list.Policy.NotifyHeld {
				if err := d.tell(tx, w.a, w.j, "discarded", heldWords(w.h, 0)); err != nil {
					return task.Next{}, err
				}
			}
			if err := tx.SettleIntake(w.h.Trace, w.h.List, "expired", 0, 0); err != nil {
				return task.Next{}, err
			}
		}
		if len(due) == expireChunk {
			return task.Next{}, nil
		}
		if err := d.remind(tx); err != nil {
			return task.Next{}, err
		}
		gone, err := tx.SweepIntake(tx.Now.Add(-intakeKept), 1000)
		if err != nil {
			return task.Next{}, err
		}
		_, err = tx.SweepNoticed(tx.Now.Add(-2 * strangersHear))
		return task.Next{Done: gone < 1000}, err
	}, nil
}

// maxReminded bounds how many waiting things reminders look at, and name.
const maxReminded = 1000

// remind tells the moderators of each list once a day what has waited for a day or longer.
func (d *Door) remind(tx *store.Tx) error {
	all, err := tx.HeldOf(0, maxReminded)
	if err != nil {
		return err
	}
	waiting := map[lists.ID][]string{}
	var order []lists.ID
	for _, h := range all {
		if h.At.After(tx.Now.Add(-24 * time.Hour)) {
			continue
		}
		if waiting[h.List] == nil {
			order = append(order, h.List)
		}
		waiting[h.List] = append(waiting[h.List], fmt.Sprintf("%d  %s: %s", h.ID, h.Sender, subjectOf(h.Subject)))
	}
	for _, id := range order {
		l, err := tx.List(id)
		if err != nil {
			return err
		}
		if !l.Policy.NotifyModerators {
			continue
		}
		due, err := tx.Notice(id, "", "held_waiting", 23*time.Hour) // the task comes once an hour
		if err != nil {
			return err
		}
		if !due {
			continue
		}
		governors, err := tx.RoleHolders(id, lists.Owner|lists.Moderator)
		if err != nil {
			return err
		}
		var to []mail.Address
		for _, g := range governors {
			to = append(to, g.Address)
		}
		if err := d.Books.Notify(tx, l, roster.Notice{Name: "held_waiting", To: to, Words: lists.Words{
			"count": strconv.Itoa(len(waiting[id])), "waiting": strings.Join(waiting[id], "\n")}}); err != nil {
			return err
		}
	}
	return nil
}
