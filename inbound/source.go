package inbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"listd/mail"
	"listd/store"
)

// Ledger keeps how far mailboxes at providers have been fetched. Its cursor says: all UIDs up to it are done, but those
// that are named one by one, since they wait for another try or their server has not been told of them yet. It moves in
// the transaction that accepts a message, so that a crash neither loses one nor has it taken twice.
//
// Whoever fetches has a lease. It saves work and proves nothing: each change asks for the cursor it was made for.
type Ledger struct{ DB *store.DB }

type (
	// Mailbox is how far one has been fetched.
	Mailbox = store.Mailbox
	// Unsettled is a message of a mailbox that the cursor alone says too little about.
	Unsettled = store.Unsettled
)

// The states of an unsettled message.
const (
	Taken   = "taken"   // accepted: its server is to be told
	Refused = "refused" // for good: its server is to be told
	Later   = "later"   // refused for now: to be tried again
)

// ErrLease says that another node fetches the mailbox, or that its UIDs have begun anew: what one knows of it is old.
var ErrLease = errors.New("another node fetches this mailbox, or its UIDs have changed")

// Leased is how long a lease lasts.
const Leased = 3 * time.Minute

// Lease takes a mailbox for a holder, or renews that; ErrLease if another has it. A mailbox at another place than before
// is another one of the same name. SQLite has one node: who held the lease before is dead.
func (l *Ledger) Lease(ctx context.Context, name, place string, holder int64) (m Mailbox, err error) {
	err = l.DB.Update(ctx, func(tx *store.Tx) error {
		if err := tx.AddMailbox(name); err != nil {
			return err
		}
		if m, err = tx.LockMailbox(name); err != nil {
			return err
		}
		if m.Holder != holder && m.Until.After(tx.Now) && !l.DB.Single() {
			return ErrLease
		}
		if m.Place != place {
			m = Mailbox{Name: name, Place: place}
		}
		m.Holder, m.Until = holder, tx.Now.Add(Leased)
		return tx.SaveMailbox(m)
	})
	return m, err
}

// Release gives a lease back, with what was wrong.
func (l *Ledger) Release(ctx context.Context, name string, holder int64, problem string) error {
	return l.held(ctx, name, holder, func(m *Mailbox, _ time.Time) { m.Until, m.Error = time.Time{}, problem })
}

// Rest notes that all that there was has been fetched.
func (l *Ledger) Rest(ctx context.Context, name string, holder int64) error {
	return l.held(ctx, name, holder, func(m *Mailbox, now time.Time) { m.At, m.Error = now, "" })
}

// held changes a mailbox for its holder alone.
func (l *Ledger) held(ctx context.Context, name string, holder int64, change func(*Mailbox, time.Time)) error {
	return l.DB.Update(ctx, func(tx *store.Tx) error {
		m, err := tx.LockMailbox(name)
		if err != nil {
			return err
		}
		if m.Holder != holder {
			return ErrLease
		}
		change(&m, tx.Now)
		return tx.SaveMailbox(m)
	})
}

// Sight notes under which UIDVALIDITY a mailbox is seen, and the last UID that it has. If it is another than before, the
// UIDs that we know mean nothing any more: the cursor begins anew, and what lies there is stock.
func (l *Ledger) Sight(ctx context.Context, name string, holder int64, validity, last uint32) (m Mailbox, err error) {
	err = l.held(ctx, name, holder, func(now *Mailbox, _ time.Time) {
		if now.Validity != validity {
			now.Validity, now.Stock, now.UID, now.Unsettled = validity, last, 0, nil
		}
		m = *now
	})
	return m, err
}

// Pass moves the cursor over UIDs that are no more, or are old stock.
func (l *Ledger) Pass(ctx context.Context, name string, validity, uid uint32) error {
	return l.change(ctx, name, validity, func(m *Mailbox, _ time.Time) { m.UID = max(m.UID, uid) })
}

// Refuse notes a message that will not be taken.
func (l *Ledger) Refuse(ctx context.Context, name string, validity, uid uint32) error {
	return l.change(ctx, name, validity, func(m *Mailbox, _ time.Time) {
		if find(*m, uid) >= 0 || !done(*m, uid) {
			settle(m, Unsettled{UID: uid, State: Refused})
		}
	})
}

// patience is how often a message is tried that is refused for now: about five days, as a mail server would.
const patience = 125

// Postpone notes that a message is to be tried again. The pauses grow from a minute to an hour. It reports whether it
// was the last time: then the message is refused.
func (l *Ledger) Postpone(ctx context.Context, name string, validity, uid uint32) (last bool, err error) {
	err = l.change(ctx, name, validity, func(m *Mailbox, now time.Time) {
		last = false
		if done(*m, uid) {
			return
		}
		u := Unsettled{UID: uid, State: Later, Tries: 1}
		if i := find(*m, uid); i >= 0 {
			u.Tries = m.Unsettled[i].Tries + 1
		}
		if last = u.Tries >= patience; last {
			u = Unsettled{UID: uid, State: Refused}
		} else {
			u.Next = now.Add(min(time.Minute<<min(u.Tries-1, 6), time.Hour)).UnixMilli()
		}
		settle(m, u)
	})
	return last, err
}

// Told forgets messages whose server has been told what became of them.
func (l *Ledger) Told(ctx context.Context, name string, validity uint32, uids []uint32) error {
	return l.change(ctx, name, validity, func(m *Mailbox, _ time.Time) {
		m.Unsettled = slices.DeleteFunc(m.Unsettled, func(u Unsettled) bool { return u.State != Later && slices.Contains(uids, u.UID) })
	})
}

// Gone forgets a message that waited for another try and is no more.
func (l *Ledger) Gone(ctx context.Context, name string, validity, uid uint32) error {
	return l.change(ctx, name, validity, func(m *Mailbox, _ time.Time) {
		m.Unsettled = slices.DeleteFunc(m.Unsettled, func(u Unsettled) bool { return u.UID == uid })
	})
}

func (l *Ledger) change(ctx context.Context, name string, validity uint32, f func(*Mailbox, time.Time)) error {
	return l.DB.Update(ctx, func(tx *store.Tx) error {
		m, err := tx.LockMailbox(name)
		if err != nil {
			return err
		}
		if m.Validity != validity {
			return ErrLease
		}
		f(&m, tx.Now)
		return tx.SaveMailbox(m)
	})
}

// Mailbox is how far one has been fetched; store.ErrNotFound if it never was.
func (l *Ledger) Mailbox(ctx context.Context, name string) (m Mailbox, err error) {
	err = l.DB.View(ctx, func(tx *store.Tx) error {
		m, err = tx.Mailbox(name)
		return err
	})
	return m, err
}

// Mailboxes are all that have ever been fetched, by name.
func (l *Ledger) Mailboxes(ctx context.Context) (all []Mailbox, err error) {
	err = l.DB.View(ctx, func(tx *store.Tx) error {
		all, err = tx.Mailboxes()
		return err
	})
	return all, err
}

func find(m Mailbox, uid uint32) int {
	return slices.IndexFunc(m.Unsettled, func(u Unsettled) bool { return u.UID == uid })
}

// done reports whether a message has been taken, refused or passed.
func done(m Mailbox, uid uint32) bool {
	if i := find(m, uid); i >= 0 {
		return m.Unsettled[i].State != Later
	}
	return uid <= m.UID
}

// settle moves the cursor over a message and notes what is left to be done about it.
func settle(m *Mailbox, u Unsettled) {
	m.UID = max(m.UID, u.UID)
	if i := find(*m, u.UID); i >= 0 {
		m.Unsettled[i] = u
		return
	}
	m.Unsettled = append(m.Unsettled, u)
}

// Source is the mail.Envelope.Source of a message in a mailbox.
func Source(name string, validity, uid uint32) string {
	return fmt.Sprintf("%s/%d/%d", name, validity, uid)
}

// fetched is what a Source says. The name may have slashes.
type fetched struct {
	name          string
	validity, uid uint32
}

func parseSource(s string) (fetched, error) {
	last := strings.LastIndexByte(s, '/')
	first := strings.LastIndexByte(s[:max(last, 0)], '/')
	if first > 0 {
		validity, err := strconv.ParseUint(s[first+1:last], 10, 32)
		uid, err2 := strconv.ParseUint(s[last+1:], 10, 32)
		if err == nil && err2 == nil && uid > 0 {
			return fetched{s[:first], uint32(validity), uint32(uid)}, nil
		}
	}
	return fetched{}, fmt.Errorf("%q is no source such as name/uidvalidity/uid", s)
}

// known reports whether the message has been taken or refused before.
func (f fetched) known(tx *store.Tx) (bool, error) {
	m, err := tx.Mailbox(f.name)
	if err == nil && m.Validity != f.validity {
		err = ErrLease
	}
	return done(m, f.uid), err
}

// take moves the mailbox's cursor over a message that this transaction accepts. It reports whether another has, before.
func (f fetched) take(tx *store.Tx) (before bool, err error) {
	m, err := tx.LockMailbox(f.name)
	if err != nil {
		return false, err
	}
	if m.Validity != f.validity {
		return false, ErrLease
	}
	if done(m, f.uid) {
		return true, nil
	}
	settle(&m, Unsettled{UID: f.uid, State: Taken})
	return false, tx.SaveMailbox(m)
}

// errBefore is what the second Accept of one Source hears.
var errBefore = mail.Refuse(250, "2.0.0", "taken before, from the same place in the same mailbox")

// repeat is the replies to a message that has been fetched before; nil if it has not.
func (d *Door) repeat(ctx context.Context, env mail.Envelope) ([]mail.Reply, error) {
	f, err := parseSource(env.Source)
	if err != nil {
		return nil, err
	}
	known := false
	if err := d.DB.View(ctx, func(tx *store.Tx) error {
		known, err = f.known(tx)
		return err
	}); err != nil || !known {
		return nil, err
	}
	out := make([]mail.Reply, len(env.To))
	for i := range out {
		out[i] = *errBefore
	}
	return out, nil
}

// fetchedBefore moves a mailbox's cursor over the message that is recorded. If another node was faster, it answers all
// jobs, and there is nothing to record.
func fetchedBefore(tx *store.Tx, a *arrival, jobs []*job) (bool, error) {
	f, err := parseSource(a.env.Source)
	if err != nil {
		return false, err
	}
	before, err := f.take(tx)
	for _, j := range jobs {
		if before {
			j.reply, j.note = *errBefore, "fetched before"
		}
	}
	return before, err
}

// The head of a message that is mended is held to what Strict holds it to.
const (
	maxHead   = 256 << 10
	maxFields = 2000
)

// read reads a message: strictly what a peer says, and mending what lies in a mailbox, since nobody is there to be told.
func (d *Door) read(env mail.Envelope, data io.Reader) (mail.Message, error) {
	limits := mail.Limits{Size: d.MaxSize, Hint: env.Size, Head: maxHead, Fields: maxFields}
	if env.Source == "" {
		return mail.Read(data, limits, mail.Strict)
	}
	m, err := mail.Read(data, limits, mail.Mend)
	if err != nil {
		return mail.Message{}, err
	}
	n := 0
	for range mail.Fields(m.Head) {
		n++
	}
	if len(m.Head) > maxHead || n > maxFields {
		return mail.Message{}, mail.Refuse(554, "5.6.0", fmt.Sprintf("The head of this message has more than the %d bytes or %d fields we take", maxHead, maxFields))
	}
	return m, nil
}

// Ours are those of some addresses that lead somewhere here, each once, in their order.
func (d *Door) Ours(ctx context.Context, all []mail.Address) (ours []mail.Address, err error) {
	err = d.DB.View(ctx, func(tx *store.Tx) error {
		ours = nil
		for _, a := range all {
			_, err := d.find(tx, a)
			var r *mail.Reply
			switch {
			case errors.As(err, &r), slices.ContainsFunc(ours, func(o mail.Address) bool { return o.Key() == a.Key() }):
			case err != nil:
				return err
			default:
				ours = append(ours, a)
			}
		}
		return nil
	})
	return ours, err
}
