package roster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/store"
	"listd/task"
)

// roundChunk is how many subscriptions, and lists, one transaction of the round looks at.
const roundChunk = 50

// bouncesKept is how long a failure is remembered.
const bouncesKept = 90 * 24 * time.Hour

// BounceRound is the step that does what the clock brings: it ends what probes have disproved, warns, takes off, tells
// owners once a day what has happened, and forgets.
func (b *Books) BounceRound(context.Context, task.Task) (task.Commit, error) {
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		due, err := tx.ScoresDue(roundChunk)
		if err != nil {
			return task.Next{}, err
		}
		for _, id := range due {
			if err := b.dueScore(tx, id); err != nil {
				return task.Next{}, fmt.Errorf("subscription %d: %w", id, err)
			}
		}
		if len(due) == roundChunk {
			return task.Next{}, nil
		}
		if err := b.summaries(tx); err != nil {
			return task.Next{}, err
		}
		n, err := tx.SweepBounces(tx.Now.Add(-bouncesKept), 1000)
		return task.Next{Done: n < 1000}, err
	}, nil
}

// dueScore takes one subscription a stage on.
func (b *Books) dueScore(tx *store.Tx, id int64) error {
	s, err := tx.SubscriptionByID(id)
	if errors.Is(err, store.ErrNotFound) {
		return nil // and its score went with it
	}
	if err != nil {
		return err
	}
	l, err := tx.LockList(s.List)
	if err != nil {
		return err
	}
	now, err := tx.Score(id)
	if err != nil {
		return err
	}
	if now.Stage == lists.Paused && s.State == lists.PausedBounce {
		return b.warn(tx, l, s, now)
	}
	return b.forgive(tx, id) // the probe has arrived, or somebody has changed the member's state
}

// sendPersonal sends one subscription a notice with a return path of its own, so that we hear if it does not arrive.
func (b *Books) sendPersonal(tx *store.Tx, l lists.List, s lists.Subscription, n Notice) (store.OutgoingID, error) {
	d, id, err := b.draft(tx, l, &n)
	if err != nil {
		return 0, err
	}
	d.To, d.MessageID = []mail.Mailbox{{Address: s.Address}}, id+"@"+b.Hostname
	m := mail.Compose(d, "n"+id)
	message, err := tx.AddMessage(m.Head, store.PackBody(m.Body))
	if err != nil {
		return 0, fmt.Errorf("notice %s: %w", n.Name, err)
	}
	return b.Out.Add(tx, queue.Outgoing{List: l.ID, Message: message, From: l.Bounces(), Personal: true, Priority: queue.Notice, Trace: n.Trace,
		Subject: d.Subject}, queue.Audience{Named: []lists.Subscription{s}})
}

// The kinds of news in a summary.
const (
	newsPaused    = "paused"
	newsRemoved   = "removed"
	newsMunged    = "munged"
	newsComplaint = "complaint"
	newsUnread    = "unread"
)

// The bounds of a summary: lines of a kind, mails attached, bytes of them, and what is kept of a kind.
const (
	maxNewsLines   = 50
	maxNewsMails   = 10
	maxNewsBytes   = 256 << 10
	maxNewsWaiting = 1000
)

// summaries tells the owners of each list, once a day at most, what has become of members whose mail did not arrive, and
// brings them what came to the return path and nobody could read (RFC 3461 section 5.2.7.1).
func (b *Books) summaries(tx *store.Tx) error {
	waiting, err := tx.ListsWithNews()
	if err != nil {
		return err
	}
	for _, id := range waiting[:min(len(waiting), roundChunk)] {
		due, err := tx.Notice(id, "", "bounce_summary", 23*time.Hour) // the round comes once an hour
		if err != nil {
			return err
		}
		if !due {
			continue
		}
		if err := b.summary(tx, id); err != nil {
			return err
		}
	}
	return nil
}

func (b *Books) summary(tx *store.Tx, id lists.ID) error {
	l, err := tx.List(id)
	if err != nil {
		return err
	}
	news, err := tx.TakeNews(id, 5*maxNewsWaiting)
	if err != nil || len(news) == 0 {
		return err
	}
	to, err := b.governors(tx, l, lists.Owner)
	if err != nil {
		return err
	}
	if len(to) == 0 {
		if to, err = b.governors(tx, l, lists.Moderator); err != nil {
			return err
		}
	}
	if len(to) == 0 && !b.Owner.IsZero() {
		to = []mail.Address{b.Owner}
	}
	lines := map[string][]string{}
	var attach []mail.Attachment
	size := 0
	for _, n := range news {
		lines[n.Kind] = append(lines[n.Kind], n.Text)
		if n.Message == 0 || len(attach) == maxNewsMails {
			continue
		}
		m, err := tx.Message(n.Message)
		if err != nil {
			return err
		}
		if size+int(m.Size()) > maxNewsBytes {
			continue
		}
		size += int(m.Size())
		attach = append(attach, mail.Attachment{Type: "message/rfc822", Name: fmt.Sprintf("bounce-%d.eml", len(attach)+1),
			Body: append(append(append(make([]byte, 0, m.Size()), m.Head...), "\r\n"...), m.Body...)})
	}
	words := lists.Words{"complaints": ""}
	for _, kind := range []string{newsPaused, newsRemoved, newsMunged, newsUnread} {
		all := lines[kind]
		if more := len(all) - maxNewsLines; more > 0 {
			all = append(all[:maxNewsLines:maxNewsLines], fmt.Sprintf("… +%d", more))
		}
		words[kind] = strings.Join(all, "\n")
	}
	if n := len(lines[newsComplaint]); n > 0 {
		words["complaints"] = strconv.Itoa(n)
	}
	return b.Notify(tx, l, Notice{Name: "bounce_summary", To: to, Words: words, Attach: attach})
}

// KeepUnread keeps a mail for the next summary that came to the return path and nobody could read. keep stores it; nil: it is
// only told of, being too large.
func (b *Books) KeepUnread(tx *store.Tx, l lists.List, what string, keep func() (store.MessageID, error)) error {
	n, err := tx.CountNews(l.ID, newsUnread)
	if err != nil || n >= maxNewsWaiting {
		return err
	}
	news := store.News{List: l.ID, Kind: newsUnread, Text: shorten(what)}
	if n < maxNewsMails && keep != nil {
		if news.Message, err = keep(); err != nil {
			return err
		}
	}
	return tx.AddNews(news)
}

// Complained does what a list does about a member who has reported its mail to their provider. It tells nobody who that
// was, and writes to them no more.
func (b *Books) Complained(tx *store.Tx, s lists.Subscription) error {
	l, err := tx.LockList(s.List)
	if err != nil {
		return err
	}
	if err := tx.DropDeliveriesTo(s); err != nil {
		return err
	}
	if l.Policy.Bounces.Complaint == lists.ComplaintPause {
		if s.State != lists.Active {
			return nil
		}
		s.State, s.Vacation = lists.PausedSelf, time.Time{}
		err = tx.SaveSubscription(s)
	} else {
		err = tx.DeleteSubscription(s.ID)
	}
	if err != nil {
		return err
	}
	n, err := tx.CountNews(l.ID, newsComplaint)
	if err != nil || n >= maxNewsWaiting {
		return err
	}
	return tx.AddNews(store.News{List: l.ID, Kind: newsComplaint})
}

// MayReport counts a report about a failure that is to go to a sender of whom we know nothing, and says whether it may.
func (b *Books) MayReport(tx *store.Tx, to mail.Address) (bool, error) {
	n, err := tx.Asked(to.Key(), "report", tx.Now.Add(-askedWithin))
	if err != nil || n.Key >= maxAskedKey || n.All >= maxAskedAll {
		return false, err
	}
	return true, tx.Ask(to.Key(), "report")
}

// Standing is a member's score and the failures behind it, for who asks.
type Standing struct {
	lists.Bounces
	History []store.Bounce // the newest first
}

// Standing is how a subscription stands, with the failures that nobody has read yet.
func (b *Books) Standing(tx *store.Tx, l lists.List, s lists.Subscription) (st Standing, err error) {
	if st.Bounces, err = tx.Score(s.ID); err != nil {
		return st, err
	}
	if st.History, err = tx.BouncesOf(s.ID, 100); err != nil {
		return st, err
	}
	for i := len(st.History) - 1; i >= 0; i-- {
		if e := st.History[i]; e.State == store.BounceNew {
			st.Bounces, _ = lists.Score(st.Bounces, event(e, st.Bounces), l.Policy.Bounces)
		}
	}
	st.Score = st.ScoreAt(tx.Now, l.Policy.Bounces)
	return st, nil
}

// knownBounces tells a member what is kept of mail to them that did not arrive; nothing if all did.
func knownBounces(tx *store.Tx, out *strings.Builder, l lists.List, s lists.Subscription) error {
	now, err := tx.Score(s.ID)
	if err != nil {
		return err
	}
	if now != (lists.Bounces{}) {
		fmt.Fprintf(out, "  bounce_score: %g\n", now.ScoreAt(tx.Now, l.Policy.Bounces))
	}
	history, err := tx.BouncesOf(s.ID, 100)
	if err == nil && len(history) > 0 {
		out.WriteString("  Mail to you that did not arrive\n")
	}
	for _, e := range history {
		fmt.Fprintf(out, "    %s  %s (%s): %s\n", e.At.Format("2006-01-02 15:04 UTC"), e.Class, e.State, e.Reply)
	}
	return err
}

// Scores are those of a list's subscriptions that have any.
func Scores(tx *store.Tx, a mail.Address) (map[int64]float64, error) {
	l, err := tx.ListAt(a)
	if err != nil {
		return nil, err
	}
	all, err := tx.Scores(l.ID)
	out := map[int64]float64{}
	for id, b := range all {
		out[id] = b.ScoreAt(tx.Now, l.Policy.Bounces)
	}
	return out, err
}
