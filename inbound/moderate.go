package inbound

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"listd/lists"
	"listd/mail"
	"listd/roster"
	"listd/store"
	"listd/task"
)

// RuleKind is the kind of the task that carries out a ruling that came by mail.
const RuleKind = "rule"

// ruleArg is a ruling on its way.
type ruleArg struct {
	Held   store.HeldID
	Ruling lists.Ruling
	Judge  Judge
}

// later has a ruling carried out right after this transaction: preparing a post must not hold up the writer.
func later(tx *store.Tx, id store.HeldID, r lists.Ruling, by Judge) error {
	return task.Add(tx, task.Key{Kind: RuleKind, Name: fmt.Sprintf("%d/%s/%s", id, by.By.Source, by.Name), Arg: ruleArg{id, r, by}})
}

// CarryOut is the step that carries out a ruling. Who comes too late is told so.
func (d *Door) CarryOut(ctx context.Context, t task.Task) (task.Commit, error) {
	var arg ruleArg
	if err := json.Unmarshal(t.Arg, &arg); err != nil {
		return nil, err
	}
	_, err := d.Rule(ctx, arg.Held, arg.Ruling, arg.Judge)
	if err != nil && !errors.Is(err, ErrSettled) {
		return nil, err
	}
	return func(context.Context, *store.Tx) (task.Next, error) { return task.Next{Done: true}, nil }, nil
}

// moderate reads a moderator's reply. The token says who it is and what it is about; a reply that says nothing clear
// changes nothing, and its writer is told what would.
func (d *Door) moderate(tx *store.Tx, a *arrival, j *job) error {
	if a.auto != "" {
		j.note = "not obeyed: " + a.auto
		return nil
	}
	who, id, err := d.Books.Moderator(tx, j.target.Token)
	if errors.Is(err, roster.ErrToken) {
		err = d.curate(tx, a, j)
		if errors.Is(err, roster.ErrToken) {
			j.note, j.missed = "no such token", 1
			return nil
		}
		return err
	}
	if err != nil {
		return err
	}
	by := Judge{Name: who.String(), Address: who, By: roster.Asker{How: "mail", Source: a.trace, Origin: who.String(), Told: a.msgID}}
	h, err := tx.Held(id)
	if errors.Is(err, store.ErrNotFound) {
		j.note = "settled before"
		return nil
	}
	if err != nil {
		return err
	}
	r, ok := lists.ReadVerdict(a.m)
	if !ok {
		j.note = "no clear ruling"
		return d.Books.Notify(tx, j.list, roster.Notice{Name: "ruling_unclear", From: j.list.Moderate(j.target.Token), To: []mail.Address{who},
			InReplyTo: a.msgID, Trace: a.trace, Words: lists.Words{"sender": h.Sender, "subject": subjectOf(h.Subject)}})
	}
	j.note = fmt.Sprintf("ruling of %s about %d: %s", who, id, r.Action)
	return later(tx, id, r, by)
}

// HeldView is what waits, as a moderator's page shows it.
type HeldView struct {
	List, Sender, Subject string
	Reasons               []string
	Text                  string // its first text
	Post                  bool
}

// maxViewed bounds the text that a page shows, in bytes.
const maxViewed = 32 << 10

// HeldByToken is what a moderation token is about; roster.ErrToken or ErrSettled if it is nothing any more.
func (d *Door) HeldByToken(ctx context.Context, token string) (v HeldView, err error) {
	err = d.DB.View(ctx, func(tx *store.Tx) error {
		_, id, err := d.Books.Moderator(tx, token)
		if err != nil {
			return err
		}
		h, err := tx.Held(id)
		if errors.Is(err, store.ErrNotFound) {
			return ErrSettled
		}
		if err != nil {
			return err
		}
		l, err := tx.List(h.List)
		if err != nil {
			return err
		}
		v = HeldView{List: l.Address.String(), Sender: h.Sender, Subject: subjectOf(h.Subject), Reasons: h.Reasons, Post: h.Kind == heldPost}
		if !v.Post {
			return nil
		}
		m, err := tx.Message(h.Message)
		c := lists.Case{List: l, Message: m}
		v.Text = c.Text()
		if len(v.Text) > maxViewed {
			v.Text = strings.ToValidUTF8(v.Text[:maxViewed], "") + "…"
		}
		return err
	})
	return v, err
}

// SettleByToken carries out what a moderator decided on a page.
func (d *Door) SettleByToken(ctx context.Context, token string, r lists.Ruling, by roster.Asker) error {
	var who mail.Address
	var id store.HeldID
	if err := d.DB.View(ctx, func(tx *store.Tx) (err error) {
		who, id, err = d.Books.Moderator(tx, token)
		return err
	}); err != nil {
		return err
	}
	_, err := d.Rule(ctx, id, r, Judge{Name: who.String(), Address: who, By: by})
	return err
}

// ConfirmByLink uses a token up that came by a page, and does what it is for.
func (d *Door) ConfirmByLink(ctx context.Context, token string, by roster.Asker) (done roster.Confirmed, err error) {
	err = d.DB.Update(ctx, func(tx *store.Tx) error {
		if done, err = d.Books.Confirm(tx, token, by); err != nil || done.Kind != "command" {
			return err
		}
		s := &session{d: d, tx: tx, a: &arrival{now: tx.Now, trace: by.Source}, list: done.List, who: done.Address, proof: confirmed, by: by}
		return s.carryOut(done)
	})
	return done, err
}
