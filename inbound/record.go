package inbound

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/roster"
	"listd/store"
)

// prepared is a post as it leaves.
type prepared struct {
	head  []byte
	body  store.Body
	notes []string
	seq   lists.Seq // the number it was prepared for
}

// record writes all that follows in one transaction, lists in order of their IDs, so that two messages to the same lists
// cannot wait for each other.
func (d *Door) record(ctx context.Context, a *arrival, jobs []*job) error {
	work := slices.DeleteFunc(slices.Clone(jobs), func(j *job) bool { return j.reply.Code != 0 })
	if len(work) == 0 {
		return nil
	}
	slices.SortStableFunc(work, func(x, y *job) int { return int(x.list.ID - y.list.ID) })
	for _, j := range work {
		if j.site || j.target.Kind != lists.ToPost {
			continue
		}
		j.entry = archive.Describe(j.list, a.m, a.now)
		if j.verdict.Action == lists.Accept {
			var err error
			if j.out, err = d.prepare(a, j, j.list.LastSeq+1); err != nil {
				return err
			}
		}
	}
	if !reports(a, work) {
		a.packBody() // outside the transaction, since it takes time
	}
	return d.DB.Update(ctx, func(tx *store.Tx) error {
		if a.env.Source != "" {
			if before, err := fetchedBefore(tx, a, work); err != nil || before {
				return err
			}
		}
		var stored store.MessageID // the received form, shared by all
		keep := func() (id store.MessageID, err error) {
			if stored == 0 {
				stored, err = tx.AddMessage(a.m.Head, a.packBody())
			}
			return stored, err
		}
		for _, j := range work {
			if err := d.recordOne(tx, a, j, keep); err != nil {
				return fmt.Errorf("%s: %w", j.list.Address, err)
			}
		}
		return nil
	})
}

// prepare makes what leaves, for the number the post is likely to get. From gives way only where it must.
func (d *Door) prepare(a *arrival, j *job, seq lists.Seq) (*prepared, error) {
	l := j.list
	t := lists.Treatment{Seq: seq, MessageID: "<" + d.ownID(a) + ">", Date: a.now}
	t.Archive, t.ArchivedAt = d.links(a, j)
	if d.Auth == nil {
		t.Hostname = d.Hostname // what is in our name is forged
	}
	m, notes, err := lists.Prepare(l, a.m, t)
	if err != nil {
		return nil, err
	}
	if l.Policy.From == lists.FromAsNeeded {
		if t.Decision = d.munge(a, l, m); t.Decision != "" {
			t.Munge = true
			if m, notes, err = lists.Prepare(l, a.m, t); err != nil {
				return nil, err
			}
		}
	}
	return &prepared{head: m.Head, body: packed(a, m), notes: notes, seq: seq}, nil
}

// packed is the body of a form of an arrival, which shares the arrival's unless it had to change.
func packed(a *arrival, m mail.Message) store.Body {
	if len(m.Body) != len(a.m.Body) || len(m.Body) > 0 && &m.Body[0] != &a.m.Body[0] {
		return store.PackBody(m.Body)
	}
	return a.packBody()
}

// ownID is the Message-ID, without brackets, of a post that has none, or may not keep its own.
func (d *Door) ownID(a *arrival) string { return a.trace + "@" + d.Hostname }

// links lead to the list's archive and to the post in it: by its Message-ID, which is known before its number is, and stays
// when the archive moves (RFC 5064). Empty without pages, and for what nobody can read there.
func (d *Door) links(a *arrival, j *job) (archived, post string) {
	if d.Books.URL == "" || j.list.Policy.Archive == lists.ArchiveNone {
		return "", ""
	}
	archived = d.Books.URL + "/l/" + j.list.Address.String() + "/"
	if j.entry.Hidden {
		return archived, ""
	}
	id := j.entry.MsgID
	if id == "" || j.list.Policy.Anonymous {
		id = d.ownID(a)
	}
	return archived, archived + "m/" + archive.Hash(id)
}

// filed is the form of a post that its archive keeps: as it came; on a list that hides who writes, as it leaves, or readers
// would see what members do not.
func (d *Door) filed(tx *store.Tx, a *arrival, j *job, keep func() (store.MessageID, error)) (archive.Entry, store.MessageID, error) {
	if j.list.Policy.Anonymous {
		l := j.list
		l.Policy.SubjectPrefix, l.Policy.Footer = "", ""
		m, _, err := lists.Prepare(l, a.m, lists.Treatment{MessageID: "<" + d.ownID(a) + ">", Date: a.now})
		if err != nil {
			return j.entry, 0, err
		}
		id, err := tx.AddMessage(m.Head, packed(a, m))
		return archive.Describe(j.list, m, a.now), id, err
	}
	e := j.entry
	if e.MsgID == "" {
		e.MsgID = d.ownID(a) // which the members see, and answer
	}
	id, err := keep()
	return e, id, err
}

// recordOne writes what follows for one job and sets its reply. It may run more than once.
func (d *Door) recordOne(tx *store.Tx, a *arrival, j *job, keep func() (store.MessageID, error)) error {
	j.reply, j.note, j.missed = queued(a), "", 0
	if j.site {
		if j.commands {
			return d.obey(tx, a, j)
		}
		return d.forward(tx, a, j, nil, keep)
	}
	in := store.Intake{List: j.list.ID, Fingerprint: fingerprint(a, j.target), Trace: a.trace, MsgID: a.msgID, Rule: j.verdict.Rule,
		Sender: j.author.Address.String()}
	earlier, seen, err := tx.Seen(in.List, in.Fingerprint)
	if err != nil {
		return err
	}
	if seen {
		j.reply, j.note = *mail.Refuse(250, "2.0.0", "taken before, as "+earlier), "taken before as "+earlier
		return nil
	}
	if j.target.Kind == lists.ToPost && j.sender != nil {
		if err := d.alive(tx, a, j.sender.Address); err != nil {
			return err
		}
	}
	switch {
	case guessable(j.target) && d.guesses.Blocked(source(a.env), maxGuesses, a.now):
		in.Outcome, j.note = "discarded", "a token from where many mean nothing" // it came to no RCPT, where it would have been refused
	case j.target.Kind == lists.ToBounces:
		in.Outcome, err = "bounce", d.bounce(tx, a, j, keep)
	case j.target.Kind == lists.ToLeave && j.target.Token != "":
		in.Outcome, err = "left", d.leave(tx, a, j)
	case commandTo(j.target.Kind):
		in.Outcome, err = "commands", d.obey(tx, a, j)
	case j.target.Kind == lists.ToModerate:
		in.Outcome, err = "moderated", d.moderate(tx, a, j)
	case j.target.Kind != lists.ToPost:
		in.Outcome, err = "forwarded", d.toOwners(tx, a, j, keep)
	case j.verdict.Action == lists.Hold:
		in.Outcome, err = "held", d.hold(tx, a, j, keep)
	case j.verdict.Action == lists.Discard && j.verdict.Answer != "":
		in.Outcome, err = "answered", d.answer(tx, a, j)
	case j.verdict.Action == lists.Discard:
		in.Outcome = "discarded"
	default:
		in.Outcome = "posted"
		in.Seq, in.Outgoing, err = d.distribute(tx, a, j, keep)
	}
	if err != nil || j.reply.Code/100 != 2 {
		return err
	}
	if err := tx.TakeIn(in); errors.Is(err, store.ErrExists) {
		return archive.ErrChanged // another node took the same mail just now
	} else if err != nil {
		return err
	}
	return nil
}

// queued is the good news.
func queued(a *arrival) mail.Reply { return *mail.Refuse(250, "2.0.0", "queued as "+a.trace) }

// fingerprint is the arrival's own at one of a list's addresses: the same message may go to the list and to its owners.
func fingerprint(a *arrival, t lists.Target) []byte {
	if t.Kind == lists.ToPost {
		return a.print[:]
	}
	sum := sha256.Sum256(append([]byte(t.Kind.String()+"\x00"+t.Token+"\x00"), a.print[:]...))
	return sum[:]
}

// distribute files a post and sends it to the members.
func (d *Door) distribute(tx *store.Tx, a *arrival, j *job, keep func() (store.MessageID, error)) (lists.Seq, store.OutgoingID, error) {
	entry, message, err := d.filed(tx, a, j, keep)
	if err != nil {
		return 0, 0, err
	}
	seq, err := archive.File(tx, j.list, entry, message)
	if err != nil {
		return 0, 0, err
	}
	out := j.out
	if out.seq != seq && j.list.Policy.Numbered() {
		// Another post was faster; this one has the next number.
		if out, err = d.prepare(a, j, seq); err != nil {
			return 0, 0, err
		}
	}
	j.note = strings.Join(out.notes, "; ")
	if message, err = tx.AddMessage(out.head, out.body); err != nil {
		return 0, 0, err
	}
	skip, err := tx.OptedOut(j.list.ID, j.author.Address, lists.Excluded(j.list, a.m.Head, a.env, j.author.Address))
	if err != nil {
		return 0, 0, err
	}
	id, err := d.Out.Add(tx, queue.Outgoing{List: j.list.ID, Seq: seq, Message: message, From: j.list.Bounces(),
		Personal: j.list.Policy.Personalize == lists.PersonalFull, Priority: priority(j.list), Trace: a.trace, Subject: j.entry.Subject},
		queue.Audience{Subscribers: true, Skip: skip})
	if err != nil {
		return 0, 0, err
	}
	if j.sender != nil && j.sender.Sub != nil {
		if err := tx.CountPost(j.sender.Sub.ID); err != nil {
			return 0, 0, err
		}
		if j.sender.Sub.Ack {
			err = d.tell(tx, a, j, "ack", nil)
		}
	}
	return seq, id, err
}

func priority(l lists.List) int {
	if l.Policy.Kind == lists.Announcement {
		return queue.Announcement
	}
	return queue.Post
}

// toOwners forwards a message to those who run the list.
func (d *Door) toOwners(tx *store.Tx, a *arrival, j *job, keep func() (store.MessageID, error)) error {
	owners, err := tx.RoleHolders(j.list.ID, lists.Owner)
	if err != nil {
		return err
	}
	if len(owners) == 0 {
		if owners, err = tx.RoleHolders(j.list.ID, lists.Moderator); err != nil {
			return err
		}
	}
	var to []mail.Address
	for _, o := range owners {
		if a := o.Address; a.Key() != j.list.Owner().Key() && a.Key() != j.list.Post().Key() {
			to = append(to, a)
		}
	}
	return d.forward(tx, a, j, to, keep)
}

// forward sends a message on as it came, to the site's owner if nobody else is there. The null reverse-path keeps two dead
// mailboxes from writing to each other; its sender hears from us if nobody gets it. A complaint that is obeyed goes to nobody.
func (d *Door) forward(tx *store.Tx, a *arrival, j *job, to []mail.Address, keep func() (store.MessageID, error)) error {
	if a.complaint != nil {
		if done, err := d.complained(tx, a, j); err != nil || done {
			return err
		}
	}
	if len(to) == 0 && !d.Owner.IsZero() {
		to = []mail.Address{d.Owner}
	}
	if len(to) == 0 {
		j.reply = *mail.Refuse(550, "5.2.1", "Nobody reads this address yet; write to postmaster@ this domain")
		return nil
	}
	message, err := keep()
	if err != nil {
		return err
	}
	id, err := d.Out.Add(tx, queue.Outgoing{List: j.list.ID, Message: message, Priority: queue.Notice, Trace: a.trace,
		Subject: archive.Describe(j.list, a.m, a.now).Subject}, queue.Audience{Addresses: to})
	if err != nil {
		return err
	}
	return d.promise(tx, a, j, id)
}

// leave ends the subscription whose token the address has. A token that is none, or whose subscription has ended, gets
// the same answer: it tells a stranger nothing.
func (d *Door) leave(tx *store.Tx, a *arrival, j *job) error {
	subscription, ok := d.Minter.ReadLeave(j.target.Token)
	if !ok {
		j.note, j.missed = "no such token", 1
		return nil
	}
	who, err := d.Books.LeaveNow(tx, j.list, subscription, roster.Asker{How: "mail", Source: a.trace, Origin: origin(a), Told: a.msgID})
	if errors.Is(err, store.ErrNotFound) {
		j.note = "has left before"
		return nil
	}
	if err != nil {
		return err
	}
	j.note = who.String() + " left"
	return nil
}

// hold keeps a post for the moderators, and tells them and its author.
func (d *Door) hold(tx *store.Tx, a *arrival, j *job, keep func() (store.MessageID, error)) error {
	message, err := keep()
	if err != nil {
		return err
	}
	p := &j.list.Policy
	h := store.Held{List: j.list.ID, Message: message, Kind: heldPost, From: a.env.From, Sender: j.author.String(), Subject: j.entry.Subject,
		Rule: j.verdict.Rule, Reasons: j.verdict.Reasons, Trace: a.trace, At: tx.Now}
	if p.HoldExpires > 0 {
		h.Expires = tx.Now.Add(p.HoldExpires)
	}
	if h.ID, err = tx.AddHeld(h); err != nil {
		return err
	}
	words := heldWords(h, j.entry.Size)
	if p.NotifyModerators {
		if err := d.Books.TellModerators(tx, j.list, h, "held_moderator", words, attached(a.m)); err != nil {
			return err
		}
	}
	if !p.NotifyHeld {
		return nil
	}
	if j.sender != nil {
		return d.tell(tx, a, j, "held", words)
	}
	return d.tell(tx, a, j, "held_stranger", words)
}

// maxAttached is how large a message may be that each moderator gets a copy of.
const maxAttached = 256 << 10

// attached is a message as an attachment, or nothing if it is large: then the link and the command line show it.
func attached(m mail.Message) []mail.Attachment {
	if m.Size() > maxAttached {
		return nil
	}
	return []mail.Attachment{{Type: "message/rfc822", Name: "held.eml", Body: inOnePiece(m)}}
}

// inOnePiece is a message in one piece.
func inOnePiece(m mail.Message) []byte {
	return append(append(append(make([]byte, 0, m.Size()), m.Head...), "\r\n"...), m.Body...)
}

// answer sends a notice instead of distributing a post: a command that was sent to the list.
func (d *Door) answer(tx *store.Tx, a *arrival, j *job) error {
	return d.tell(tx, a, j, j.verdict.Answer, nil)
}

// strangers hear of each kind of thing once a day, whatever is sent in their name, or in a member's with theirs in the
// envelope.
const strangersHear = 24 * time.Hour

// tell sends a notice to who wrote, unless that was a machine (RFC 3834 section 2). It goes to the author where the
// envelope's sender is of the same domain, else to the envelope's sender: never to where a forged field points. Nothing
// of the message but its Subject goes back, so that nobody can have us carry his advertisement.
func (d *Door) tell(tx *store.Tx, a *arrival, j *job, name string, words lists.Words) error {
	if a.auto != "" {
		j.note = "no notice: " + a.auto
		return nil
	}
	to := a.env.From
	if j.author.Address.Domain == to.Domain {
		to = j.author.Address
	}
	if to.Key() == j.list.Post().Key() {
		return nil
	}
	if name != "rejected" && (j.sender == nil || j.sender.Address.Key() != to.Key()) {
		first, err := tx.Notice(j.list.ID, to.Key(), name, strangersHear)
		if err != nil || !first {
			return err
		}
	}
	n := roster.Notice{Name: name, To: []mail.Address{to}, InReplyTo: a.msgID, Trace: a.trace,
		Words: lists.Words{"subject": subjectOf(j.entry.Subject)}}
	if j.sender != nil && j.sender.Sub != nil {
		n.Language = j.sender.Sub.Language
	}
	for k, v := range words {
		n.Words[k] = v
	}
	return d.Books.Notify(tx, j.list, n)
}

// subjectOf is a Subject as notices show it.
func subjectOf(s string) string {
	if strings.TrimSpace(s) == "" {
		return "(no subject)"
	}
	return s
}

// errLoop refuses what has gone in a circle, at addresses that forward.
var errLoop = mail.Refuse(554, "5.4.6", "This message has passed more than 100 servers: it goes in a circle; the forwarding that leads here needs mending")

// looping reports whether a head has more Received fields than RFC 5321 section 6.3 asks for.
func looping(head []byte) bool {
	n := 0
	for f := range mail.Fields(head) {
		if f.Is("Received") {
			n++
		}
	}
	return n > 100
}
