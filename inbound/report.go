package inbound

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"listd/mail"
	"listd/mailauth"
	"listd/queue"
	"listd/roster"
	"listd/store"
	"listd/task"
)

// ReportKind is the kind of the task that tells senders of mail we took for somebody and could not pass on.
const ReportKind = "report"

// promise keeps whom to tell if what is sent on does not arrive: its sender, if there is one who wants to hear, is no
// machine, and is not known to be forged. A report to somebody who never wrote would be spam of ours.
func (d *Door) promise(tx *store.Tx, a *arrival, j *job, id store.OutgoingID) error {
	rcpt := a.env.To[j.rcpt[0]]
	if a.env.From.IsZero() || a.auto != "" || !wantsFailures(rcpt.Notify) ||
		a.auth.SPF.Result == mailauth.Fail || a.auth.SPF.Result == mailauth.SoftFail || a.auth.DMARC.Result == mailauth.Fail {
		return nil
	}
	return tx.AddForward(store.Forward{Outgoing: id, From: a.env.From, Rcpt: rcpt, Ret: a.env.Ret, EnvID: a.env.EnvID})
}

// wantsFailures reports whether a sender wants to hear of failures (RFC 3461 section 4.1): by saying so, or nothing.
func wantsFailures(notify string) bool {
	if notify == "" {
		return true
	}
	return slices.Contains(strings.Split(strings.ToUpper(notify), ","), "FAILURE")
}

// ReportsCame has it found out soon whether something that was sent on has failed, in the caller's transaction.
func (d *Door) ReportsCame(tx *store.Tx) error {
	settled, err := tx.ForwardSettled()
	if err != nil || !settled {
		return err
	}
	return task.Add(tx, roster.Soon(ReportKind, tx.Now))
}

// PlanReports has what was sent on looked at where nobody was woken for it.
func (d *Door) PlanReports(_ context.Context, tx *store.Tx, now time.Time) ([]task.Key, error) {
	settled, err := tx.ForwardSettled()
	if err != nil || !settled {
		return nil, err
	}
	return []task.Key{roster.Soon(ReportKind, now)}, nil
}

// reportChunk is how many reports one transaction writes, reportSize how much of a message goes back where all of it was
// asked for.
const (
	reportChunk = 20
	reportSize  = 256 << 10
)

// Report is the step that writes a delivery status notification (RFC 3464) for each mail that we took for somebody and
// nobody got.
func (d *Door) Report(context.Context, task.Task) (task.Commit, error) {
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		settled, err := tx.TakeForwards(reportChunk)
		if err != nil {
			return task.Next{}, err
		}
		for _, f := range settled {
			if err := d.report(tx, f); err != nil {
				return task.Next{}, err
			}
		}
		return task.Next{Done: len(settled) < reportChunk}, nil
	}, nil
}

func (d *Door) report(tx *store.Tx, f store.Forward) error {
	all, err := tx.DeliveriesOf(f.Outgoing, "", 1000)
	if err != nil {
		return err
	}
	var last store.Delivery
	for _, to := range all {
		if to.State != store.Failed {
			return nil // one at least has it, or the operator has dropped it
		}
		last = to
	}
	may, err := d.Books.MayReport(tx, f.From)
	if err != nil || !may || last.ID == 0 {
		return err
	}
	o, err := tx.Outgoing(f.Outgoing)
	if err != nil {
		return err
	}
	m, err := tx.Message(o.Message)
	if err != nil {
		return err
	}
	if m.Size() > reportSize {
		f.Ret = "HDRS" // RFC 3461 section 4.3: RET is a wish
	}
	if f.Rcpt.ORcpt != "" && !strings.Contains(f.Rcpt.ORcpt, ";") {
		f.Rcpt.ORcpt = "rfc822;" + strings.ReplaceAll(f.Rcpt.ORcpt, "+", "+2B") // the door has taken type and xtext off
	}
	chance := d.Chance()
	id := hex.EncodeToString(chance[:])
	// Who reads for this address, and what their server says of them, is not for strangers (RFC 3464 section 4.2).
	enhanced, _, _ := strings.Cut(last.Reply, " ")
	reply := *mail.Refuse(last.Code, enhanced, "The mailbox behind this address does not take the message")
	report := mail.ComposeDSN(mail.DSN{From: mail.Mailbox{Name: "Mail Delivery System", Address: mail.Address{Local: "postmaster", Domain: d.Hostname}},
		To: f.From, Date: tx.Now, MessageID: "report." + id + "@" + d.Hostname, ReportingMTA: d.Hostname, EnvID: f.EnvID, Arrived: f.At, Ret: f.Ret,
		Recipients: []mail.DSNRecipient{{Rcpt: f.Rcpt, Action: mail.Bounce, Reply: reply, LastAttempt: last.Settled}}, Original: m}, "report-"+id)
	message, err := tx.AddMessage(report.Head, store.PackBody(report.Body))
	if err != nil {
		return err
	}
	_, err = d.Out.Add(tx, queue.Outgoing{List: o.List, Message: message, Priority: queue.Notice, Trace: o.Trace, Subject: "Your message could not be delivered"},
		queue.Audience{Addresses: []mail.Address{f.From}})
	return err
}
