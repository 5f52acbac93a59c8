package inbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/mailauth"
	"listd/store"
)

// arrival is one message on its way in.
type arrival struct {
	env   mail.Envelope
	m     mail.Message // with our Received in front
	trace string
	msgID string           // without brackets; empty if it has none
	auto  string           // why it is a machine's; empty: a person's
	auth  mailauth.Results // who vouches for it
	now   time.Time
	print [32]byte   // lists.Fingerprint
	body  store.Body // once packBody has made it
	whole bool       // it has

	// What it says about another message, where it came to an address to which such mail comes.
	report    *mail.Report
	complaint *mail.Complaint
}

// job is what one recipient address of the envelope leads to.
type job struct {
	place
	rcpt    []int // indices in env.To
	verdict lists.Verdict
	author  mail.Mailbox
	sender  *lists.Member
	aliases []mail.Address
	entry   archive.Entry
	out     *prepared // what leaves, if the verdict is Accept
	reply   mail.Reply
	note    string // for the log
	missed  int    // tokens that meant nothing
}

// Accept takes a message for every recipient, or refuses it. See smtp.Inbox.
func (d *Door) Accept(ctx context.Context, env mail.Envelope, data io.Reader) ([]mail.Reply, error) {
	if err := d.room(ctx); err != nil {
		return nil, err
	}
	if env.Source != "" {
		if replies, err := d.repeat(ctx, env); err != nil || replies != nil {
			return replies, err
		}
	}
	raw, err := d.read(env, data)
	if err != nil {
		return nil, err
	}
	a := &arrival{env: env, trace: d.newTrace(), now: d.DB.Now(), print: lists.Fingerprint(raw), auto: mail.Automatic(env, raw.Head)}
	head := raw.Head
	if !d.proven(env) {
		head = d.authenticate(ctx, a, raw)
	}
	a.m = mail.Message{Head: append(received(a, d.Hostname), head...), Body: raw.Body}
	if ids := mail.MessageIDs(mail.Get(raw.Head, "Message-ID")); len(ids) > 0 {
		a.msgID = ids[0]
	}
	for range 5 {
		jobs, err := d.gather(ctx, a)
		if err != nil {
			return nil, err
		}
		d.decide(a, jobs)
		if err = d.record(ctx, a, jobs); errors.Is(err, archive.ErrChanged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		d.countMisses(a, jobs)
		d.countTurned(jobs)
		return d.replies(ctx, a, jobs), nil
	}
	return nil, fmt.Errorf("%w five times", archive.ErrChanged)
}

// packBody is the arrival's body as it is stored.
func (a *arrival) packBody() store.Body {
	if !a.whole {
		a.body, a.whole = store.PackBody(a.m.Body), true
	}
	return a.body
}

// gather reads all that the decision needs, in one View. Recipients that lead to one place share a job.
func (d *Door) gather(ctx context.Context, a *arrival) ([]*job, error) {
	var jobs []*job
	author := mail.Author(a.m.Head)
	if author.Address.IsZero() {
		author = mail.Mailbox{Address: a.env.From}
	}
	err := d.DB.View(ctx, func(tx *store.Tx) error {
		jobs = jobs[:0]
		for i, to := range a.env.To {
			p, err := d.find(tx, to.Address)
			var r *mail.Reply
			if errors.As(err, &r) {
				jobs = append(jobs, &job{rcpt: []int{i}, reply: *r})
				continue
			}
			if err != nil {
				return err
			}
			if same := slices.IndexFunc(jobs, func(j *job) bool {
				return j.reply.Code == 0 && j.site == p.site && j.commands == p.commands && j.list.ID == p.list.ID && j.target == p.target
			}); same >= 0 {
				jobs[same].rcpt = append(jobs[same].rcpt, i)
				continue
			}
			j := &job{place: p, rcpt: []int{i}, author: author}
			if !p.site && p.target.Kind == lists.ToPost {
				if j.sender, err = sender(tx, p.list.ID, author.Address, a.env.From); err != nil {
					return err
				}
				if j.aliases, err = tx.ListAliases(p.list.ID); err != nil {
					return err
				}
			}
			jobs = append(jobs, j)
		}
		return nil
	})
	return jobs, err
}

// sender is the member who posts: the author if the list knows them, else whoever the envelope names.
func sender(tx *store.Tx, l lists.ID, author, envelope mail.Address) (*lists.Member, error) {
	for _, a := range []mail.Address{author, envelope} {
		if a.IsZero() {
			continue
		}
		m, err := tx.Member(l, a)
		if err == nil {
			return &m, nil
		}
		if !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if envelope == author {
			break
		}
	}
	return nil, nil
}

// decide judges each post. An SMTP peer hears one reply for all: where one list takes the message, another that would
// reject it holds it instead, since a bounce could only be mailed, perhaps to somebody who never wrote.
func (d *Door) decide(a *arrival, jobs []*job) {
	taken := false
	for _, j := range jobs {
		if j.reply.Code != 0 {
			continue
		}
		if j.site || j.target.Kind != lists.ToPost {
			if looping(a.m.Head) {
				j.reply = *errLoop
				continue
			}
			taken = true
			continue
		}
		c := &lists.Case{List: j.list, Envelope: a.env, Message: a.m, From: j.author, Sender: j.sender, Aliases: j.aliases,
			Auth: facts(a.auth), SiteMaxSize: d.MaxSize, Now: a.now}
		j.verdict = lists.Judge(rules, c)
		taken = taken || j.verdict.Action != lists.Reject
	}
	readBack(a, jobs)
	each := strings.Contains(a.env.Peer.Protocol, "LMTP")
	for _, j := range jobs {
		if j.reply.Code != 0 || j.verdict.Action != lists.Reject {
			continue
		}
		if taken && !each {
			j.verdict.Action, j.verdict.Reply = lists.Hold, nil
			continue
		}
		j.reply = *mail.Refuse(550, "5.7.2", "This list does not take the message")
		if j.verdict.Reply != nil {
			j.reply = *j.verdict.Reply
		}
	}
}

// rules are those of lists behind one that only the door can ask: whether the message can be read at all.
var rules = append([]lists.Rule{{Name: "unreadable", Judge: unreadable}}, lists.Rules()...)

// unreadable holds what cannot be parsed: people look at it, and no member's program has to.
func unreadable(c *lists.Case) lists.Verdict {
	hold := func(reason string) lists.Verdict {
		return lists.Verdict{Action: lists.Hold, Reasons: []string{reason}}
	}
	if mail.Author(c.Message.Head).Address.IsZero() {
		// RFC 5322 section 3.6: From is one of the two fields that must be there.
		return hold("The message does not say who wrote it: it has no From with an address.")
	}
	root, err := mail.Parse(c.Message, mail.MIMELimits{})
	switch {
	case err != nil:
		return hold("The message has too many parts, or too many within each other.")
	case root.Type == "multipart" && len(root.Children) == 0:
		return hold("The message says that it has several parts, and none can be found.")
	}
	return lists.Verdict{}
}

// replies are one for each recipient, and a line for each outcome.
func (d *Door) replies(ctx context.Context, a *arrival, jobs []*job) []mail.Reply {
	out := make([]mail.Reply, len(a.env.To))
	for _, j := range jobs {
		for _, i := range j.rcpt {
			out[i] = j.reply
		}
		rcpt := a.env.To[j.rcpt[0]].String()
		attrs := []slog.Attr{slog.String("id", a.trace), slog.String("rcpt", rcpt), slog.String("from", a.env.From.String()),
			slog.String("action", j.verdict.Action.String()), slog.Int("code", j.reply.Code)}
		if j.verdict.Rule != "" {
			attrs = append(attrs, slog.String("rule", j.verdict.Rule))
		}
		if j.note != "" {
			attrs = append(attrs, slog.String("note", j.note))
		}
		d.Log.LogAttrs(ctx, slog.LevelInfo, "received", attrs...)
	}
	return out
}

// received is our Received field (RFC 5321 section 4.4). It names the recipient if there is one only.
func received(a *arrival, hostname string) []byte {
	from := a.env.Peer.Helo
	if from == "" {
		from = "unknown"
	}
	if ip := a.env.Peer.IP; ip.Is6() {
		from += " ([IPv6:" + ip.String() + "])"
	} else if ip.IsValid() {
		from += " ([" + ip.String() + "])"
	}
	v := "from " + from + " by " + hostname
	if p := a.env.Peer.Protocol; p != "" {
		v += " with " + p
	}
	v += " id " + a.trace
	if len(a.env.To) == 1 {
		v += " for " + a.env.To[0].Path()
	}
	return mail.FormatField("Received", v+"; "+a.now.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
}

// newTrace is the ID of an arrival: 65 bits of chance in 13 characters.
func (d *Door) newTrace() string {
	b := d.Chance()
	const alphabet = "abcdefghijklmnopqrstuvwxyz234567"
	out := make([]byte, 0, 13)
	var acc, have uint
	for _, c := range b {
		acc, have = acc<<8|uint(c), have+8
		for have >= 5 {
			have -= 5
			out = append(out, alphabet[acc>>have&31])
		}
	}
	return string(append(out, alphabet[acc<<(5-have)&31]))
}
