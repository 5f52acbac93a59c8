package digest

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/store"
	"listd/task"
)

// This file sends reports: for each list that wants them, one for each week or month.

// ReportKind is the kind of the task that sends the report of a list and a time.
const ReportKind = "digest-report"

// reportRun is what such a task is told; From is when its time begins.
type reportRun struct {
	List  lists.ID
	Every lists.ReportEvery
	From  time.Time
}

// reported is its cursor: how far the members' keys have been gone through, and the mail of each language.
type reported struct {
	After string
	Out   map[string]store.OutgoingID
}

// reportHour is when reports go out, by the clock of the list's digest; reportMembers are looked at in one step.
const reportHour, reportMembers = 8, 1000

// PlanReports has the report of each list go out on the morning after the week or month that it is of. The task is made
// while that time goes by, and its key names it, so that of several nodes one sends it, once, however late.
func (k *Desk) PlanReports(_ context.Context, tx *store.Tx, now time.Time) (keys []task.Key, err error) {
	all, err := tx.Lists()
	if err != nil {
		return nil, err
	}
	for _, l := range all {
		every := l.Policy.Report
		from := every.Begin(now)
		if from.IsZero() {
			continue
		}
		keys = append(keys, task.Key{Kind: ReportKind, Name: fmt.Sprintf("%s/%s/%s", l.ListID, every, from.Format(time.DateOnly)),
			At: reportAt(l, every.End(from)), Arg: reportRun{l.ID, every, from}})
	}
	return keys, nil
}

// reportAt is the first morning that does not lie before the end of a report's time.
func reportAt(l lists.List, end time.Time) time.Time {
	end = end.UTC()
	y, m, d := end.Date()
	for i := -1; ; i++ {
		if at := time.Date(y, m, d+i, reportHour, 0, 0, 0, l.Policy.Digest.Zone()); !at.Before(end) {
			return at
		}
	}
}

// ReportStep is the step that sends a report. Of a time in which nothing happened there is none.
func (k *Desk) ReportStep(ctx context.Context, t task.Task) (task.Commit, error) {
	var a reportRun
	if err := json.Unmarshal(t.Arg, &a); err != nil {
		return nil, err
	}
	at := reported{Out: map[string]store.OutgoingID{}}
	if len(t.Cursor) > 0 {
		if err := json.Unmarshal(t.Cursor, &at); err != nil {
			return nil, err
		}
	}
	done := func(context.Context, *store.Tx) (task.Next, error) { return task.Next{Done: true}, nil }
	var l lists.List
	var owners, members []lists.Member
	err := k.DB.View(ctx, func(tx *store.Tx) (err error) {
		if l, err = tx.List(a.List); err != nil {
			return err
		}
		if owners, err = tx.RoleHolders(l.ID, lists.Owner); err != nil || l.Policy.ReportTo != lists.ReportMembers {
			return err
		}
		members, err = tx.Members(l.ID, at.After, reportMembers)
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && l.Policy.Report != a.Every {
		return done, nil // they want another by now, or none
	}
	if err != nil {
		return nil, err
	}
	whole := l.Policy.ReportTo == lists.ReportMembers && len(members) == reportMembers
	wanted := map[string]bool{}
	members = slices.DeleteFunc(members, func(m lists.Member) bool { return m.Sub.State != lists.Active || m.Sub.Mode == lists.None })
	for _, m := range members {
		if lang := language(l, m.Sub.Language); at.Out[lang] == 0 {
			wanted[lang] = true
		}
	}
	var r Report
	if len(wanted) > 0 || l.Policy.ReportTo == lists.ReportOwners {
		r, err = k.Figures(ctx, l, a.From, a.Every.End(a.From))
		if errors.Is(err, ErrNoReport) {
			return done, nil
		}
		if err != nil {
			return nil, err
		}
	}
	if l.Policy.ReportTo == lists.ReportOwners {
		return k.reportOwners(ctx, l, r, owners)
	}
	return k.reportMembers(ctx, l, r, at, members, whole, wanted)
}

// reportOwners sends each owner a report as a notice.
func (k *Desk) reportOwners(ctx context.Context, l lists.List, r Report, owners []lists.Member) (task.Commit, error) {
	m, err := k.reportMaterial(ctx, l, l.Policy.Language)
	if err != nil {
		return nil, err
	}
	var mails []mail.Message
	var subject string
	for i, o := range owners {
		d, err := m.reportDraft(r)
		if err != nil {
			return nil, err
		}
		d.From.Address, d.To, subject = l.Owner(), []mail.Mailbox{{Address: o.Address}}, d.Subject
		d.MessageID = fmt.Sprintf("%s.%d@%s", m.ID, i, m.Hostname)
		d.Fields = []mail.Field{
			{Name: "Auto-Submitted", Raw: mail.FormatField("Auto-Submitted", "auto-generated")}, // RFC 3834 section 5
			{Name: "List-Id", Raw: mail.FormatField("List-Id", "<"+l.ListID+">")},
			{Name: "X-Listd-Notice", Raw: mail.FormatField("X-Listd-Notice", "report")},
		}
		mails = append(mails, mail.Compose(d, m.ID))
	}
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		for i, out := range mails {
			message, err := tx.AddMessage(out.Head, store.PackBody(out.Body))
			if err != nil {
				return task.Next{}, err
			}
			if _, err := k.Out.Add(tx, queue.Outgoing{List: l.ID, Message: message, Priority: queue.Notice, Trace: m.ID, Subject: subject},
				queue.Audience{Addresses: []mail.Address{owners[i].Address}}); err != nil {
				return task.Next{}, err
			}
		}
		return task.Next{Done: true}, nil
	}, nil
}

// reportMembers sends some members a report as an issue in their language; more says that there are others after them.
func (k *Desk) reportMembers(ctx context.Context, l lists.List, r Report, at reported, members []lists.Member, more bool, wanted map[string]bool) (task.Commit, error) {
	type made struct {
		lang    string
		m       Material
		out     mail.Message
		subject string
	}
	var all []made
	for _, lang := range slices.Sorted(maps.Keys(wanted)) {
		m, err := k.reportMaterial(ctx, l, lang)
		if err != nil {
			return nil, err
		}
		d, err := m.reportDraft(r)
		if err != nil {
			return nil, err
		}
		all = append(all, made{lang, m, mail.Compose(d, m.ID), d.Subject})
	}
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		then := reported{After: at.After, Out: maps.Clone(at.Out)}
		for _, n := range all {
			message, err := tx.AddMessage(n.out.Head, store.PackBody(n.out.Body))
			if err != nil {
				return task.Next{}, err
			}
			if then.Out[n.lang], err = k.Out.Add(tx, queue.Outgoing{List: l.ID, Message: message, From: l.Bounces(), Priority: priority, Trace: n.m.ID,
				Personal: l.Policy.Personalize == lists.PersonalFull, Subject: n.subject}, queue.Audience{}); err != nil {
				return task.Next{}, err
			}
		}
		for _, m := range members {
			o, err := tx.Outgoing(then.Out[language(l, m.Sub.Language)])
			if err == nil {
				err = tx.DeliverLast(m.Sub.ID, []store.Outgoing{o}, k.Out.Relay)
			}
			if err != nil && !errors.Is(err, store.ErrNotFound) { // they have left meanwhile
				return task.Next{}, err
			}
			then.After = m.Address.Key()
		}
		return task.Next{Done: !more, Cursor: then}, nil
	}, nil
}

func (k *Desk) reportMaterial(ctx context.Context, l lists.List, lang string) (m Material, err error) {
	chance := k.Chance()
	m = Material{List: l, Mode: lists.Roundup, Language: lang, At: k.DB.Now(), Hostname: k.Hostname, URL: k.URL, ID: "r" + hex.EncodeToString(chance[:])}
	err = k.DB.View(ctx, func(tx *store.Tx) error {
		m.Template, err = tx.OwnText(l.ID, ReportText, lang)
		if errors.Is(err, store.ErrNotFound) {
			err = nil
		}
		return err
	})
	return m, err
}

// PreviewReport is the mail that a list's report would be if its time began then and ended now, and its figures; the zero
// time: when the week or month under way began. ErrNoReport if nothing has happened.
func (k *Desk) PreviewReport(ctx context.Context, id lists.ID, since time.Time) (m mail.Message, r Report, err error) {
	var l lists.List
	if err := k.DB.View(ctx, func(tx *store.Tx) (err error) {
		l, err = tx.List(id)
		return err
	}); err != nil {
		return m, r, err
	}
	now := k.DB.Now()
	if since.IsZero() {
		every := l.Policy.Report
		if every == lists.ReportNone {
			every = lists.ReportMonthly
		}
		since = every.Begin(now)
	}
	if r, err = k.Figures(ctx, l, since, now); err != nil {
		return m, r, err
	}
	material, err := k.reportMaterial(ctx, l, l.Policy.Language)
	if err != nil {
		return m, r, err
	}
	d, err := material.reportDraft(r)
	if err != nil {
		return m, r, err
	}
	if l.Policy.ReportTo == lists.ReportOwners {
		d.From.Address, d.To = l.Owner(), []mail.Mailbox{{Address: l.Owner()}}
	}
	return mail.Compose(d, material.ID), r, nil
}

// ErrNoReport says that nothing has happened that a report could tell.
var ErrNoReport = errors.New("nothing has happened in that time")

// byPosts orders topics, those with most posts first.
func byPosts(a, b topic) int {
	return cmp.Or(-cmp.Compare(len(a.posts), len(b.posts)), cmp.Compare(a.posts[0].Seq, b.posts[0].Seq))
}
