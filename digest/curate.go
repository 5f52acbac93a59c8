package digest

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"listd/letter"
	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/store"
	"listd/task"
)

// This file lets organizers see a round-up before it goes out, and change it by a reply.

// DraftKind is the kind of the task that sends organizers the draft of a round-up.
const DraftKind = "roundup-draft"

// draftRun is what such a task is told: the schedule, and when the round-up is due.
type draftRun struct {
	List     lists.ID
	Schedule lists.Schedule // whole
	Due      time.Time
}

// heldCheck is how soon a round-up that is held looks whether it still is; curationKept is how long what was wanted of one
// is remembered.
const heldCheck, curationKept = time.Minute, 90 * 24 * time.Hour

// draftKey has the draft of the round-up at an instant go out, as long before it as the list has it.
func (t turn) draftKey(l lists.List, due time.Time) task.Key {
	return task.Key{Kind: DraftKind, Name: fmt.Sprintf("%s/%s/%s", l.ListID, t.schedule, due.Format(time.DateOnly)), At: due.Add(-l.Policy.RoundupLead),
		Arg: draftRun{List: l.ID, Schedule: t.schedule, Due: due}}
}

// DraftStep is the step that sends a draft: the round-up as most of its readers would get it now, in the list's language,
// with numbers. Where there is nothing to tell there is none; if posts still come, the round-up goes out as it is, or with
// the next if silence holds it.
func (k *Desk) DraftStep(ctx context.Context, t task.Task) (task.Commit, error) {
	var a draftRun
	if err := json.Unmarshal(t.Arg, &a); err != nil {
		return nil, err
	}
	done := func(context.Context, *store.Tx) (task.Next, error) { return task.Next{Done: true}, nil }
	j := &job{build: k.builder(lists.Roundup)}
	err := k.DB.View(ctx, func(tx *store.Tx) error {
		l, err := tx.List(a.List)
		if err != nil || l.Policy.RoundupLead == 0 || !tx.Now.Before(a.Due) {
			return err
		}
		readers, err := most(tx, l, turn{lists.Roundup, a.Schedule})
		if err != nil || readers == nil {
			return err
		}
		if j.edition, err = tx.Edition(l.ID, lists.Roundup, a.Schedule, l.Policy.Language); err != nil {
			return err
		}
		return k.proceed(tx, l, turn{lists.Roundup, a.Schedule}, j, nil, readers.After, reached{UpTo: l.LastSeq, At: a.Due})
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && len(j.m.Posts) == 0 {
		return done, nil
	}
	if err != nil {
		return nil, err
	}
	j.m.Numbered = true
	topics, err := j.m.Topics(ctx)
	if err != nil {
		return nil, err
	}
	data, err := j.m.roundup(ctx)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		if !tx.Now.Before(a.Due) {
			return task.Next{Done: true}, nil // making it took longer than there was time
		}
		added, err := tx.AddCuration(store.Curation{List: a.List, Schedule: a.Schedule, Due: a.Due, Topics: topics})
		if err == nil && added {
			err = k.sendDraft(tx, j.m, data, a)
		}
		return task.Next{Done: true}, err
	}, nil
}

// most are the readers of a way of collecting whose cursor most of them share, the one furthest behind if several are as many;
// nil if nothing waits for any. Who came since the last issue shares it with few.
func most(tx *store.Tx, l lists.List, t turn) (*store.Followers, error) {
	all, err := tx.FollowersOf(l.ID, t.mode)
	at := map[lists.Seq]store.Followers{}
	for _, f := range all {
		if turnOf(l, f) == t && f.After < l.LastSeq {
			f.Members += at[f.After].Members // of every language
			at[f.After] = f
		}
	}
	if err != nil || len(at) == 0 {
		return nil, err
	}
	found := slices.MinFunc(slices.Collect(maps.Values(at)), func(x, y store.Followers) int {
		return cmp.Or(-cmp.Compare(x.Members, y.Members), cmp.Compare(x.After, y.After))
	})
	return &found, nil
}

// sendDraft sends the draft to each organizer, with a token of their own to reply to.
func (k *Desk) sendDraft(tx *store.Tx, m Material, data letter.Roundup, a draftRun) error {
	l := m.List
	organizers, err := tx.RoleHolders(l.ID, lists.Owner|lists.Moderator)
	if err != nil {
		return err
	}
	raw, err := tx.NoticeText(l.ID, "roundup_draft", l.Policy.Language)
	if err != nil {
		return err
	}
	words := lists.WordsOf(l)
	words["due"], words["sends"], words["holds"] = a.Due.In(m.Schedule.Zone()).Format("2006-01-02 15:04 MST"), "yes", ""
	if l.Policy.RoundupSilence == lists.SilenceHolds {
		words["sends"], words["holds"] = "", "yes"
	}
	subject, cover, err := lists.FillNotice("roundup_draft", raw, words)
	if err != nil {
		return err
	}
	var paragraphs []string
	for p := range strings.SplitSeq(strings.TrimSpace(cover), "\n\n") {
		paragraphs = append(paragraphs, strings.ReplaceAll(string(verbatim(p)), "\n", "\\\n"))
	}
	data.Intro = letter.Markdown(strings.Join(paragraphs, "\n\n"))
	parts, err := render(RoundupText, m.Template, data)
	if err != nil {
		return err
	}
	arg, err := json.Marshal(a)
	if err != nil {
		return err
	}
	for _, o := range organizers {
		one, two, three := k.Chance(), k.Chance(), k.Chance()
		token, id := lists.RandomToken([13]byte(append(one[:], two[:5]...))), "r"+hex.EncodeToString(three[:])
		if err := tx.AddConfirmation(store.Confirmation{Hash: lists.HashToken(token), List: l.ID, Kind: lists.CurateKind, Address: o.Address, Arg: string(arg),
			Expires: a.Due.Add(curationKept)}); err != nil {
			return err
		}
		d := mail.Draft{From: mail.Mailbox{Name: words["title"], Address: l.Moderate(token)}, To: []mail.Mailbox{{Address: o.Address}}, Subject: subject,
			MessageID: id + "@" + m.Hostname, Date: tx.Now, Text: parts.Text, HTML: parts.HTML,
			Fields: []mail.Field{{Name: "Auto-Submitted", Raw: mail.FormatField("Auto-Submitted", "auto-generated")}}}
		for _, p := range parts.Pictures {
			d.Attachments = append(d.Attachments, mail.Attachment{Type: p.Type, CID: p.CID, Body: p.Data})
		}
		out := mail.Compose(d, id)
		message, err := tx.AddMessage(out.Head, store.PackBody(out.Body))
		if err != nil {
			return err
		}
		if _, err := k.Out.Add(tx, queue.Outgoing{List: l.ID, Message: message, From: l.Bounces(), Priority: queue.Notice, Trace: id, Subject: subject},
			queue.Audience{Addresses: []mail.Address{o.Address}}); err != nil {
			return err
		}
	}
	return nil
}

// Why a word about a round-up comes to nothing.
var (
	ErrNoDraft = errors.New("no draft of a round-up waits for a word")
	ErrIntro   = fmt.Errorf("an introduction has at most %d bytes", lists.MaxIntro)
	ErrSent    = errors.New("this round-up has gone out, or never will")

	ErrNothingLeft = errors.New("this would drop every topic: say skip, or write an introduction, too")
)

// NoTopicError says that a number is none of a draft's.
type NoTopicError struct{ Number, Topics int }

func (e NoTopicError) Error() string {
	return fmt.Sprintf("there is no number %d: the draft has 1 to %d", e.Number, e.Topics)
}

// Curate writes down what somebody wants of a round-up. Topics that are named first come before those that were, and one
// that is dropped or comes first is no more the other. ErrSent if it is too late, ErrNothingLeft if nothing would be told.
func Curate(tx *store.Tx, c store.Curation, want lists.Curation, by string) (store.Curation, error) {
	if c.Settled {
		return c, ErrSent
	}
	if len(want.Intro) > lists.MaxIntro {
		return c, ErrIntro
	}
	seqs := func(numbers []int) (out []lists.Seq, err error) {
		for _, n := range numbers {
			if n < 1 || n > len(c.Topics) {
				return nil, NoTopicError{n, len(c.Topics)}
			}
			if seq := c.Topics[n-1]; !slices.Contains(out, seq) {
				out = append(out, seq)
			}
		}
		return out, nil
	}
	drop, err := seqs(want.Drop)
	if err != nil {
		return c, err
	}
	first, err := seqs(want.First)
	if err != nil {
		return c, err
	}
	without := func(all, some []lists.Seq) []lists.Seq {
		return slices.DeleteFunc(slices.Clone(all), func(s lists.Seq) bool { return slices.Contains(some, s) })
	}
	c.Drop = append(without(without(c.Drop, first), drop), drop...)
	c.First = append(first, without(without(c.First, first), drop)...)
	c.First = without(c.First, c.Drop)
	if want.Intro != "" {
		c.Intro = want.Intro
	}
	if want.Verdict != "" {
		c.Verdict = want.Verdict
	}
	if len(want.Drop) > 0 && len(c.Drop) == len(c.Topics) && c.Intro == "" && c.Verdict != lists.CurateSkip {
		return c, ErrNothingLeft
	}
	c.By = by
	return c, tx.SaveCuration(c)
}

// Standing lists the topics of a draft as they would go out: by number and Subject, in their order, those that are dropped
// behind the others with a x.
func Standing(tx *store.Tx, c store.Curation) ([]string, error) {
	var first, rest, dropped []string
	line := func(mark string, seq lists.Seq) (string, error) {
		p, err := tx.Post(c.List, seq)
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return fmt.Sprintf("%s%d. %s", mark, slices.Index(c.Topics, seq)+1, oneLine(p.Subject, 60)), err
	}
	for _, seq := range c.First {
		s, err := line("", seq)
		if err != nil {
			return nil, err
		}
		first = append(first, s)
	}
	for _, seq := range c.Topics {
		switch {
		case slices.Contains(c.First, seq):
		case slices.Contains(c.Drop, seq):
			s, err := line("x ", seq)
			if err != nil {
				return nil, err
			}
			dropped = append(dropped, s)
		default:
			s, err := line("", seq)
			if err != nil {
				return nil, err
			}
			rest = append(rest, s)
		}
	}
	return slices.Concat(first, rest, dropped), nil
}

// CurationOf is the round-up that a draft's token is about.
func CurationOf(tx *store.Tx, l lists.ID, arg string) (store.Curation, error) {
	var a draftRun
	if err := json.Unmarshal([]byte(arg), &a); err != nil {
		return store.Curation{}, err
	}
	c, err := tx.Curation(l, a.Schedule, a.Due)
	if errors.Is(err, store.ErrNotFound) {
		err = ErrSent
	}
	return c, err
}

// ruled is what becomes of a round-up whose time has come: it waits, or it goes on as the cursor says. One that waits when
// the draft of the next has gone out never does: its posts are in that one. So are those of one that nobody has seen a draft
// of, where silence holds it.
func (k *Desk) ruled(ctx context.Context, tx *store.Tx, l lists.List, a run, on reached) (task.Next, error) {
	c, err := tx.Curation(l.ID, a.Schedule, a.Due)
	if errors.Is(err, store.ErrNotFound) {
		return task.Next{Cursor: on, Done: l.Policy.RoundupLead > 0 && l.Policy.RoundupSilence == lists.SilenceHolds}, nil
	}
	if err != nil {
		return task.Next{}, err
	}
	if c.Settled {
		return task.Next{Done: true}, nil // it was sent before its time, or while it was held
	}
	next := task.Next{Cursor: on}
	switch {
	case c.Verdict == lists.CurateSkip:
		on.Skip = true
		next.Cursor = on
	case l.Policy.RoundupLead > 0 && (c.Verdict == lists.CurateHold || c.Verdict == "" && l.Policy.RoundupSilence == lists.SilenceHolds):
		all, err := tx.Curations(l.ID)
		if err != nil {
			return next, err
		}
		if !slices.ContainsFunc(all, func(o store.Curation) bool { return o.Schedule == c.Schedule && o.Due.After(c.Due) }) {
			return task.Next{After: heldCheck}, nil
		}
		next = task.Next{Done: true}
	default:
		on.Due = a.Due
		next.Cursor = on
	}
	k.Log.LogAttrs(ctx, slog.LevelInfo, "round-up decided", slog.String("list", l.Address.String()), slog.Time("due", c.Due),
		slog.String("verdict", string(c.Verdict)), slog.String("by", c.By))
	c.Settled = true
	return next, tx.SaveCuration(c)
}

// curated is what organizers want of the round-up that is being made, in the numbers that its topics have now.
func (m Material) curated(ctx context.Context, c *store.Curation) (Changes, error) {
	if c == nil {
		return Changes{}, nil
	}
	topics, err := m.Topics(ctx)
	numbers := func(seqs []lists.Seq) (out []int) {
		for _, s := range seqs {
			if i := slices.Index(topics, s); i >= 0 {
				out = append(out, i+1)
			}
		}
		return out
	}
	first := slices.Clone(c.First)
	for _, s := range c.Topics {
		if !slices.Contains(first, s) {
			first = append(first, s) // what came after the draft stands behind
		}
	}
	return Changes{Intro: c.Intro, Drop: numbers(c.Drop), First: numbers(first)}, err
}

// asPosted are what organizers want of a round-up with each topic named by the first of its posts that are told of: a reader
// who came when a thread was under way does not get its first, which the draft has it by.
func asPosted(tx *store.Tx, c store.Curation, posts []store.Post) (store.Curation, error) {
	firsts, known := map[store.ThreadID]lists.Seq{}, map[lists.Seq]bool{}
	for _, p := range posts {
		if _, ok := firsts[p.Thread]; !p.Hidden && (!ok || p.Thread == 0) {
			firsts[p.Thread], known[p.Seq] = p.Seq, true
		}
	}
	now := map[lists.Seq]lists.Seq{}
	for _, seq := range c.Topics {
		if known[seq] {
			continue
		}
		p, err := tx.Post(c.List, seq)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return c, err
		}
		if first, ok := firsts[p.Thread]; ok && p.Thread != 0 {
			now[seq] = first
		}
	}
	for _, all := range []*[]lists.Seq{&c.Topics, &c.Drop, &c.First} {
		named := slices.Clone(*all)
		for i, seq := range named {
			named[i] = cmp.Or(now[seq], seq)
		}
		*all = named
	}
	return c, nil
}

// pending is the round-up by a schedule that waits for its time or for a word; nil if none does.
func pending(tx *store.Tx, l lists.ID, s lists.Schedule) (*store.Curation, error) {
	all, err := tx.Curations(l)
	if i := slices.IndexFunc(all, func(c store.Curation) bool { return c.Schedule == s }); err == nil && i >= 0 {
		return &all[i], nil
	}
	return nil, err
}

// sendNow has a round-up that is sent out of turn be the one that organizers have had a draft of, if one waits: as they
// want it, and whatever they have said about its time.
func sendNow(tx *store.Tx, l lists.ID, t turn, key *task.Key) error {
	c, err := pending(tx, l, t.schedule)
	if err != nil || c == nil {
		return err
	}
	key.Arg = run{List: l, Mode: t.mode, Schedule: t.schedule, Due: c.Due}
	c.Verdict = lists.CurateSend
	return tx.SaveCuration(*c)
}
