package inbound

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"listd/digest"
	"listd/lists"
	"listd/mail"
	"listd/roster"
	"listd/store"
)

// curate reads an organizer's reply to the draft of a round-up, writes down what they want of it, and tells them what it
// is like now. roster.ErrToken if the token is none of a draft's, or its holder governs the list no more.
func (d *Door) curate(tx *store.Tx, a *arrival, j *job) error {
	c, err := tx.Confirmation(lists.HashToken(j.target.Token))
	if errors.Is(err, store.ErrNotFound) || err == nil && (c.Kind != lists.CurateKind || c.List != j.list.ID) {
		return roster.ErrToken
	}
	if err != nil {
		return err
	}
	m, err := tx.Member(j.list.ID, c.Address)
	if errors.Is(err, store.ErrNotFound) || err == nil && m.Roles&(lists.Owner|lists.Moderator) == 0 {
		return roster.ErrToken
	}
	if err != nil {
		return err
	}
	n := roster.Notice{Name: "roundup_unclear", From: j.list.Moderate(j.target.Token), To: []mail.Address{c.Address}, InReplyTo: a.msgID, Trace: a.trace,
		Words: lists.Words{"late": "", "number": "", "unclear": "", "count": "", "all": ""}}
	draft, err := digest.CurationOf(tx, j.list.ID, c.Arg)
	if err == nil {
		want, clear := lists.ReadCuration(a.m)
		if !clear {
			j.note, n.Words["unclear"] = "no clear word about a round-up", "yes"
			return d.Books.Notify(tx, j.list, n)
		}
		draft, err = digest.Curate(tx, draft, want, c.Address.String())
	}
	var none digest.NoTopicError
	switch {
	case errors.Is(err, digest.ErrSent):
		j.note, n.Words["late"] = "too late for a round-up", "yes"
	case errors.Is(err, digest.ErrNothingLeft):
		j.note, n.Words["all"] = "no topic of a round-up left", "yes"
	case errors.As(err, &none):
		j.note, n.Words["number"], n.Words["count"] = "no such topic of a round-up", strconv.Itoa(none.Number), strconv.Itoa(none.Topics)
	case err != nil:
		return err
	default:
		j.note = fmt.Sprintf("word of %s about a round-up", c.Address)
		n.Name = "roundup_changed"
		if n.Words, err = curatedWords(tx, j.list, draft); err != nil {
			return err
		}
	}
	return d.Books.Notify(tx, j.list, n)
}

// curatedWords tell what a round-up is like that somebody has had a word about.
func curatedWords(tx *store.Tx, l lists.List, c store.Curation) (lists.Words, error) {
	topics, err := digest.Standing(tx, c)
	w := lists.Words{"goes": "", "waits": "", "skipped": "", "intro": c.Intro, "topics": strings.Join(topics, "\n"),
		"due": c.Due.In(c.Schedule.Zone()).Format("2006-01-02 15:04 MST")}
	switch {
	case c.Verdict == lists.CurateSkip:
		w["skipped"] = "yes"
	case c.Verdict == lists.CurateHold || c.Verdict == "" && l.Policy.RoundupSilence == lists.SilenceHolds:
		w["waits"] = "yes"
	default:
		w["goes"] = "yes"
	}
	return w, err
}
