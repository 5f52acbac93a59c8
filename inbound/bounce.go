package inbound

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// This file is about what comes back: reports to a list's return path, and complaints.

// readBack reads what a mail says about another one, where it came to an address to which such mail comes. It reads
// 320 KiB at most, and once for all recipients.
func readBack(a *arrival, jobs []*job) {
	for _, j := range jobs {
		if j.reply.Code != 0 || j.commands || !j.site && j.target.Kind != lists.ToBounces && j.target.Kind != lists.ToOwner {
			continue
		}
		m := a.m
		if a.env.From.IsZero() { // final delivery would say so (RFC 5321 section 4.4), and reports of unknown servers are known by it
			m.Head = append([]byte("Return-Path: <>\r\n"), m.Head...)
		}
		r := mail.ReadReport(m)
		a.report = &r
		if r.Kind != mail.Complained {
			return
		}
		if c, ok := mail.ReadComplaint(a.m); ok && complains(c.Type) {
			a.complaint = &c
		}
		return
	}
}

// proven reports whether a mail is nobody's, to tokens of ours alone: then what they prove is all that counts, and who
// vouches for it need not be asked of the DNS.
func (d *Door) proven(env mail.Envelope) bool {
	if !env.From.IsZero() {
		return false
	}
	for _, to := range env.To {
		if _, _, ok := d.Minter.ReadVERP(tokenOf(to.Address, lists.ToBounces)); !ok {
			return false
		}
	}
	return true
}

// reports reports whether all of the work is reading what has come back, of which as good as nothing is kept.
func reports(a *arrival, work []*job) bool {
	if a.report == nil || a.report.Kind == mail.NotReport {
		return false
	}
	for _, j := range work {
		if j.site || j.commands || j.target.Kind != lists.ToBounces {
			return false
		}
	}
	return true
}

// complains reports whether a report is of a reader who does not want the mail: not of a filter, nor praise.
func complains(kind string) bool {
	switch kind {
	case "not-spam", "auth-failure", "dmarc", "virus":
		return false
	}
	return true
}

// bounce takes what comes to the return path. A report becomes failures of those it is about; what a person wrote goes to
// the owners; what cannot be understood is kept for them (RFC 3461 section 5.2.7.1); what other machines say is dropped.
// Nothing is answered.
func (d *Door) bounce(tx *store.Tx, a *arrival, j *job, keep func() (store.MessageID, error)) error {
	outgoing, subscription, ok := d.Minter.ReadVERP(j.target.Token)
	if a.complaint != nil {
		_, err := d.complained(tx, a, j)
		return err
	}
	switch a.report.Kind {
	case mail.Bounce:
		if ok {
			return d.ownBounce(tx, a, j, store.OutgoingID(outgoing), subscription)
		}
		return d.namedBounce(tx, a, j, keep)
	case mail.NotReport:
	default:
		j.note = "no failure: " + a.report.Kind.String()
		if ok {
			j.note += fmt.Sprintf(", about outgoing %d to subscription %d", outgoing, subscription)
		}
		return nil
	}
	switch {
	case a.auto == "":
		return d.toOwners(tx, a, j, keep)
	case a.env.From.IsZero() || strings.HasPrefix(a.auto, "sender "):
		j.note = "kept for the owners: a report that says nothing clear"
		return d.keepUnread(tx, a, j, keep)
	}
	j.note = "dropped: " + a.auto
	return nil
}

// keepUnread keeps what nobody could read for the owners' next summary.
func (d *Door) keepUnread(tx *store.Tx, a *arrival, j *job, keep func() (store.MessageID, error)) error {
	if a.m.Size() > maxAttached {
		keep = nil
	}
	return d.Books.KeepUnread(tx, j.list, subjectOf(mail.DecodeWords(mail.Get(a.m.Head, "Subject"))), keep)
}

// ownBounce records a failure whose report came to the return path of that one delivery: the token says whose it is,
// whatever addresses the report names.
func (d *Door) ownBounce(tx *store.Tx, a *arrival, j *job, outgoing store.OutgoingID, subscription int64) error {
	j.note = fmt.Sprintf("bounce of outgoing %d to subscription %d", outgoing, subscription)
	s, err := tx.SubscriptionByID(subscription)
	if errors.Is(err, store.ErrNotFound) || err == nil && s.List != j.list.ID {
		j.note += ", which has ended"
		return nil
	}
	if err != nil {
		return err
	}
	j.note += " (" + s.Address.String() + ")"
	f := a.report.Failures[0]
	for _, g := range a.report.Failures {
		if g.Address.Key() == s.Address.Key() {
			f = g
			break
		}
	}
	return d.addBounce(tx, j, s, f, outgoing, true)
}

// addBounce records a failure and has it read soon.
func (d *Door) addBounce(tx *store.Tx, j *job, s lists.Subscription, f mail.Failure, outgoing store.OutgoingID, proven bool) error {
	isNew, err := tx.AddBounce(store.Bounce{Subscription: s.ID, Outgoing: outgoing, Destination: s.Address.Domain, Class: f.Class,
		Permanent: f.Permanent, Proven: proven, Source: "report", Reply: f.Why})
	if err != nil {
		return err
	}
	if !isNew {
		j.note += ", known before"
		return nil
	}
	j.note += ": " + f.Class.String()
	return d.Books.BouncesCame(tx)
}

// maxNamed bounds how many members one report without a token can be about.
const maxNamed = 100

// namedBounce records the failures of members whom a report names that came without a token. Anybody could have written
// it, so it must show that a mail of ours is meant: by its Message-ID, or our List-Id in the head that it returns. Even then
// it counts for less.
func (d *Door) namedBounce(tx *store.Tx, a *arrival, j *job, keep func() (store.MessageID, error)) error {
	outgoing, ours, err := d.evidence(tx, a, j.list)
	if err != nil {
		return err
	}
	if !ours {
		j.note = "bounce without a token, and of no mail that is known here"
		return nil
	}
	j.note = "bounce without a token"
	found := false
	for _, f := range a.report.Failures[:min(len(a.report.Failures), maxNamed)] {
		s, err := tx.Subscription(j.list.ID, f.Address)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		found = true
		j.note += ", of " + s.Address.String()
		if err := d.addBounce(tx, j, s, f, outgoing, false); err != nil {
			return err
		}
	}
	if !found {
		j.note += ", and of no member"
		return d.keepUnread(tx, a, j, keep)
	}
	return nil
}

// evidence says whether a report is about mail of a list, and about which outgoing if it tells.
func (d *Door) evidence(tx *store.Tx, a *arrival, l lists.List) (store.OutgoingID, bool, error) {
	if id := a.report.MessageID; id != "" {
		came, err := tx.IntakeByMsgID(id)
		if err != nil {
			return 0, false, err
		}
		for _, in := range came {
			if in.List == l.ID && in.Outgoing != 0 {
				return in.Outgoing, true, nil
			}
		}
	}
	return 0, returnsListID(a.m.Body, l.ListID), nil
}

// returnsListID reports whether a body has a line List-Id with this label in its first 256 KiB: the head of the returned
// message.
func returnsListID(body []byte, label string) bool {
	want := []byte("<" + label + ">")
	for line := range bytes.Lines(body[:min(len(body), 256<<10)]) {
		if len(line) > len("list-id:") && bytes.EqualFold(line[:len("list-id:")], []byte("list-id:")) && bytes.Contains(line, want) {
			return true
		}
	}
	return false
}

// complained takes a reader's complaint (RFC 5965, and 9477 where it comes to a CFBL address): it is obeyed if it proves
// whose it is, and nobody is told who that was. Not done: it is about no mail of ours, as far as can be told.
func (d *Door) complained(tx *store.Tx, a *arrival, j *job) (done bool, err error) {
	s, err := d.complainer(tx, a, j)
	if errors.Is(err, store.ErrNotFound) {
		j.note = "complaint about nothing that is known here"
		return false, nil
	}
	if err != nil {
		return false, err
	}
	j.note = "complaint" // no name: the log is read by those who run the site
	return true, d.Books.Complained(tx, s)
}

// complainer is whose complaint it is; store.ErrNotFound if nothing proves it. Proof is a token of ours: of the return path
// it came to or names, which the CFBL-Feedback-ID is too (RFC 9477), or of the List-Unsubscribe that it returns. Without one
// a provider may speak for its own users.
func (d *Door) complainer(tx *store.Tx, a *arrival, j *job) (s lists.Subscription, err error) {
	c := a.complaint
	for _, token := range []string{j.target.Token, tokenOf(c.From, lists.ToBounces), c.FeedbackID} {
		if _, id, ok := d.Minter.ReadVERP(token); ok {
			return tx.SubscriptionByID(id)
		}
	}
	for _, token := range leaveTokens(mail.Get(c.Head, "List-Unsubscribe")) {
		if id, ok := d.Minter.ReadLeave(token); ok {
			return tx.SubscriptionByID(id)
		}
	}
	if c.MessageID == "" || !a.auth.AuthorVouched() {
		return s, store.ErrNotFound
	}
	came, err := tx.IntakeByMsgID(c.MessageID)
	if err != nil {
		return s, err
	}
	for _, in := range came {
		for _, to := range c.To {
			if to.Domain != j.author.Address.Domain || in.Outgoing == 0 {
				continue
			}
			if s, err := tx.Subscription(in.List, to); !errors.Is(err, store.ErrNotFound) {
				return s, err
			}
		}
	}
	return s, store.ErrNotFound
}

// tokenOf is the token in an address of a list, if it is of this kind.
func tokenOf(a mail.Address, k lists.Kind) string {
	for _, t := range lists.Routes(a.Local) {
		if t.Kind == k && t.Token != "" {
			return t.Token
		}
	}
	return ""
}

// leaveTokens are what may be our tokens in a List-Unsubscribe field.
func leaveTokens(field string) (out []string) {
	for part := range strings.SplitSeq(field, ",") {
		u, err := url.Parse(strings.Trim(part, " \t<>"))
		switch {
		case err != nil || len(out) > 10:
		case u.Scheme == "mailto":
			if to, err := mail.ParseAddress(u.Opaque); err == nil {
				out = append(out, tokenOf(to, lists.ToLeave))
			}
		default:
			out = append(out, u.Path[strings.LastIndexByte(u.Path, '/')+1:])
		}
	}
	return out
}

// alive notes that a member has shown up: by a post or a command that is not a machine's.
func (d *Door) alive(tx *store.Tx, a *arrival, who mail.Address) error {
	if a.auto != "" || who.IsZero() {
		return nil
	}
	return d.Books.Alive(tx, who)
}
