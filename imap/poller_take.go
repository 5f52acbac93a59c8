package imap

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"listd/inbound"
	"listd/mail"
)

func equalFold(a, b imap.Flag) bool { return strings.EqualFold(string(a), string(b)) }

// take takes messages one by one, in order, and then tells their server.
func (v *visit) take(ctx context.Context, uids []imap.UID) error {
	if len(uids) == 0 {
		return nil
	}
	sizes, err := v.list(uids)
	if err != nil {
		return err
	}
	missing, err := v.missing(uids, sizes)
	if err != nil {
		return err
	}
	busy := 0
	for _, uid := range uids {
		if time.Since(v.renewed) > inbound.Leased/3 {
			if err := v.refresh(ctx); err != nil {
				return err
			}
		}
		size, there := sizes[uid]
		if !there {
			if err := v.gone(ctx, uid, missing); err != nil {
				return err
			}
			continue
		}
		later, err := v.takeOne(ctx, uid, size)
		if err != nil {
			return err
		}
		if busy++; !later {
			busy = 0
		}
		if busy >= maxRefuse {
			return errors.Join(v.tellAll(ctx), errBusy)
		}
	}
	if last := uint32(uids[len(uids)-1]); last > v.at.UID {
		if err := v.poller.Ledger.Pass(ctx, v.account.Name, v.validity, last); err != nil {
			return err
		}
	}
	return v.tellAll(ctx)
}

// maxEmpty is how often a server may find messages and then have none of them: others delete, too.
const maxEmpty = 3

// missing asks again for messages that were found and then not listed, and returns those that are there all the same.
func (v *visit) missing(uids []imap.UID, sizes map[imap.UID]int64) (imap.UIDSet, error) {
	var set imap.UIDSet
	for _, uid := range uids {
		if _, there := sizes[uid]; !there {
			set.AddNum(uid)
		}
	}
	if len(sizes) > 0 {
		v.empty = 0
	} else if v.empty++; v.empty > maxEmpty {
		return nil, errors.New("the server finds messages that it does not have")
	}
	if len(set) == 0 {
		return nil, nil
	}
	return v.find(&imap.SearchCriteria{UID: []imap.UIDSet{set}})
}

// gone forgets a message that somebody has deleted; over one that is new the cursor passes. One that is there but not to
// be had is tried again.
func (v *visit) gone(ctx context.Context, uid imap.UID, missing imap.UIDSet) error {
	switch {
	case missing.Contains(uid):
		_, err := v.postpone(ctx, uid, errWithheld)
		return err
	case uint32(uid) > v.at.UID:
		return nil
	}
	return v.poller.Ledger.Gone(ctx, v.account.Name, v.validity, uint32(uid))
}

var errWithheld = mail.Refuse(450, "4.2.0", "The server has the message but does not give it out")

// tellAll reads what has become of the messages, and tells their server.
func (v *visit) tellAll(ctx context.Context) error {
	if err := v.refresh(ctx); err != nil {
		return err
	}
	return v.tell(ctx)
}

// list asks for sizes, and nothing that servers are known to get wrong.
func (v *visit) list(uids []imap.UID) (map[imap.UID]int64, error) {
	defer v.ask(maxTalk)()
	c := v.client.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{UID: true, RFC822Size: true})
	sizes := map[imap.UID]int64{}
	for m := c.Next(); m != nil; m = c.Next() {
		b, err := m.Collect()
		if err != nil {
			break // Close says why
		}
		sizes[b.UID] = b.RFC822Size
	}
	if err := c.Close(); err != nil {
		return nil, fmt.Errorf("fetch sizes: %w", err)
	}
	return sizes, nil
}

// takeOne settles one message: taken, refused, or put off (later).
func (v *visit) takeOne(ctx context.Context, uid imap.UID, size int64) (later bool, err error) {
	if size > v.poller.MaxSize {
		return false, v.refuse(ctx, uid, fmt.Errorf("it has %d bytes, more than the %d of smtp.max_message_size: not fetched", size, v.poller.MaxSize))
	}
	replies, err := v.offer(ctx, uid)
	var r *mail.Reply
	var oversize *sizeError
	var cut *cutError
	switch {
	case errors.As(err, &oversize):
		return false, errors.Join(v.refuse(ctx, uid, err), err) // the connection is at its end
	case errors.As(err, &cut) && ctx.Err() == nil:
		// It may be this message that the connection breaks at: others must not wait for it for ever.
		_, e := v.postpone(ctx, uid, err)
		return true, errors.Join(err, e)
	case errors.As(err, &r):
		replies = []mail.Reply{*r}
	case err != nil:
		return false, err
	}
	switch best := outcome(replies); {
	case best == nil || best.Permanent():
		return false, v.refuse(ctx, uid, refusal(best))
	case best.Temporary():
		return v.postpone(ctx, uid, best)
	}
	v.taken++
	return false, nil
}

// refusal is a reason even where there is no reply.
func refusal(r *mail.Reply) error {
	if r == nil {
		return errors.New("none of its recipients is an address here")
	}
	return r
}

// outcome is the reply that counts: one list has taken the message, or it may be taken later, or nobody wants it.
func outcome(replies []mail.Reply) (best *mail.Reply) {
	for i := range replies {
		if best == nil || replies[i].Code < best.Code {
			best = &replies[i]
		}
	}
	return best
}

// refuse gives a message up, and says so in the log: nobody is written to, since who sent it was told by the provider
// that it has arrived.
func (v *visit) refuse(ctx context.Context, uid imap.UID, why error) error {
	v.refused++
	v.log.LogAttrs(ctx, slog.LevelWarn, "message not taken; it stays for you to look at", slog.Uint64("uid", uint64(uid)), slog.Any("error", why))
	return v.poller.Ledger.Refuse(ctx, v.account.Name, v.validity, uint32(uid))
}

// postpone has a message tried again later.
func (v *visit) postpone(ctx context.Context, uid imap.UID, why error) (later bool, err error) {
	last, err := v.poller.Ledger.Postpone(ctx, v.account.Name, v.validity, uint32(uid))
	if err != nil {
		return false, err
	}
	if last {
		v.refused++
		v.log.LogAttrs(ctx, slog.LevelWarn, "message not taken; it was tried for days, and stays for you to look at",
			slog.Uint64("uid", uint64(uid)), slog.Any("error", why))
		return false, nil
	}
	v.log.LogAttrs(ctx, slog.LevelInfo, "message put off", slog.Uint64("uid", uint64(uid)), slog.Any("error", why))
	return true, nil
}

// sizeError is a message that turns out to be larger than its server said.
type sizeError struct{ size, most int64 }

func (e *sizeError) Error() string {
	return fmt.Sprintf("it has %d bytes, more than the %d of smtp.max_message_size, and than its server said", e.size, e.most)
}

// cutError is a message that could not be fetched whole.
type cutError struct{ err error }

func (e *cutError) Error() string { return "fetch message: " + e.err.Error() }
func (e *cutError) Unwrap() error { return e.err }

// exact reads what was announced: a literal that ends early must not pass for a message.
type exact struct {
	r    io.Reader
	left int64
	read func() // called when it is all there
}

func (e *exact) Read(b []byte) (int, error) {
	n, err := e.r.Read(b)
	e.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF && e.left == 0:
		e.read()
		return n, io.EOF
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, &cutError{err}
}

// offer fetches a message and gives it to the Inbox.
func (v *visit) offer(ctx context.Context, uid imap.UID) (_ []mail.Reply, err error) {
	v.wire.allow(maxTransfer, v.poller.patience(), v.poller.MaxSize+maxTalk)
	defer v.wire.rest()
	c := v.client.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{{Peek: true}}})
	defer func() {
		if errors.As(err, new(*cutError)) || errors.As(err, new(*sizeError)) {
			// QUIRK: go-imap reads on behind a literal that has failed; who touched it again would do so at the same time.
			// The connection is of no use any more, and visit.close ends it.
			return
		}
		v.wire.allow(maxTransfer, v.poller.patience(), v.poller.MaxSize+maxTalk)
		if e := c.Close(); err == nil && e != nil {
			err = &cutError{e}
		}
	}()
	for m := c.Next(); m != nil; m = c.Next() {
		for item := m.Next(); item != nil; item = m.Next() {
			if b, ok := item.(imapclient.FetchItemDataBodySection); ok && b.Literal != nil {
				return v.accept(ctx, uid, b.Literal)
			}
		}
	}
	if err := c.Close(); err != nil {
		return nil, &cutError{err}
	}
	return nil, errWithheld
}

// maxHeadRead is how much of a message is looked at for its recipients.
const maxHeadRead = 256 << 10

// accept gives a message to the Inbox as it comes in.
func (v *visit) accept(ctx context.Context, uid imap.UID, body imap.LiteralReader) ([]mail.Reply, error) {
	if n := body.Size(); n > v.poller.MaxSize {
		_ = v.wire.Close()               // All of it would have to be read before the next command.
		_, _ = io.Copy(io.Discard, body) // What has come already; it ends in the error that go-imap waits for.
		return nil, &sizeError{n, v.poller.MaxSize}
	}
	if v.poller.Reserve != nil {
		release, err := v.poller.Reserve(ctx, body.Size())
		if err != nil {
			return nil, err
		}
		defer release()
	}
	r := bufio.NewReader(&exact{body, body.Size(), v.wire.rest})
	head, err := readHead(r)
	if err != nil {
		return nil, err
	}
	env, err := v.envelope(ctx, uid, headOf(head))
	if err != nil || len(env.To) == 0 {
		return nil, err
	}
	env.Size = body.Size()
	return v.poller.Inbox.Accept(ctx, env, io.MultiReader(bytes.NewReader(head), r))
}

// readHead reads up to the empty line behind a head, or as much of the message as is looked at.
func readHead(r *bufio.Reader) (head []byte, err error) {
	for begins := true; len(head) < maxHeadRead; {
		line, err := r.ReadSlice('\n')
		head = append(head, line...)
		switch {
		case errors.Is(err, io.EOF):
			return head, nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("read message: %w", err)
		case begins && len(bytes.TrimRight(line, "\r\n")) == 0:
			return head, nil
		}
		begins = err == nil
	}
	return head, nil
}

// envelope is what SMTP would have said of a message. The peer is the provider: it has no IP address here, so that SPF
// says nothing about the author, and only DKIM can.
func (v *visit) envelope(ctx context.Context, uid imap.UID, head []byte) (mail.Envelope, error) {
	a := v.account
	from, bounce := sender(head)
	host, _, _ := net.SplitHostPort(a.Addr) // open has split it
	env := mail.Envelope{From: from, EightBit: true, UTF8: true, Source: inbound.Source(a.Name, v.validity, uint32(uid)),
		Peer: mail.Peer{Helo: host, Protocol: "IMAP", TLS: !a.Clear}}
	groups := a.recipients(head)
	if !a.List.IsZero() {
		groups = [][]mail.Address{a.listed(head, bounce)}
	}
	for _, group := range groups {
		ours, err := v.poller.Ours(ctx, group)
		if err != nil {
			return env, err
		}
		for _, to := range ours {
			env.To = append(env.To, mail.Rcpt{Address: to})
		}
		if len(ours) > 0 {
			break
		}
	}
	return env, nil
}

// tell tells the server what has become of messages, and forgets them when it knows. Until then it is told again: to
// set a flag twice, or to move what is gone, changes nothing.
func (v *visit) tell(ctx context.Context) error {
	var taken, refused []uint32
	for _, u := range v.at.Unsettled {
		switch u.State {
		case inbound.Taken:
			taken = append(taken, u.UID)
		case inbound.Refused:
			refused = append(refused, u.UID)
		}
	}
	for uids := range slices.Chunk(refused, batch) {
		if err := v.store(uids, imap.FlagFlagged, keywordRefused); err != nil {
			return err
		}
		if v.account.Done == Move {
			if err := v.move(uids); err != nil {
				return err
			}
		}
		if err := v.told(ctx, uids); err != nil {
			return err
		}
	}
	for uids := range slices.Chunk(taken, batch) {
		if err := v.settle(uids); err != nil {
			return err
		}
		if err := v.told(ctx, uids); err != nil {
			return err
		}
	}
	return nil
}

func (v *visit) told(ctx context.Context, uids []uint32) error {
	if err := v.poller.Ledger.Told(ctx, v.account.Name, v.validity, uids); err != nil {
		return err
	}
	v.at.Unsettled = slices.DeleteFunc(v.at.Unsettled, func(u inbound.Unsettled) bool {
		return u.State != inbound.Later && slices.Contains(uids, u.UID)
	})
	return nil
}

// settle does with messages that were taken what the account wants done.
func (v *visit) settle(uids []uint32) error {
	switch v.account.Done {
	case Move:
		return v.move(uids)
	case Delete:
		return v.remove(uidSet(uids))
	}
	return v.store(uids, imap.FlagSeen, keywordTaken)
}

func uidSet(uids []uint32) (set imap.UIDSet) {
	for _, u := range uids {
		set.AddNum(imap.UID(u))
	}
	return set
}

// store sets a flag and one of our keywords, as far as the folder keeps them. A server that will not set them leaves
// people without a sign, and us with our cursor.
func (v *visit) store(uids []uint32, flag, keyword imap.Flag) error {
	flags := []imap.Flag{flag}
	if v.keeps {
		flags = append(flags, keyword)
	}
	defer v.ask(maxTalk)()
	err := v.client.Store(uidSet(uids), &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: flags}, nil).Close()
	var no *imap.Error
	if errors.As(err, &no) {
		v.log.Warn("the server sets no flags", slog.String("error", clean(no.Text)))
		return nil
	}
	if err != nil {
		return fmt.Errorf("set flags: %w", err)
	}
	return nil
}

// move moves messages to the account's folder, which is made when it is missing (RFC 9051 section 6.4.8, TRYCREATE).
// Those that have been moved before are not named again: what servers answer to that differs.
func (v *visit) move(uids []uint32) error {
	there, err := v.find(&imap.SearchCriteria{UID: []imap.UIDSet{uidSet(uids)}})
	if err != nil || len(there) == 0 {
		return err
	}
	err = v.moveTo(there)
	var no *imap.Error
	if !errors.As(err, &no) {
		return err
	}
	rest := v.ask(maxTalk)
	made := v.client.Create(v.account.To, nil).Wait()
	rest()
	if err := v.moveTo(there); err != nil {
		return fmt.Errorf("move to folder %q: %w", v.account.To, errors.Join(err, made))
	}
	return nil
}

func (v *visit) moveTo(uids imap.UIDSet) error {
	defer v.ask(maxTalk)()
	if v.moves {
		_, err := v.client.Move(uids, v.account.To).Wait()
		return err
	}
	if _, err := v.client.Copy(uids, v.account.To).Wait(); err != nil {
		return err
	}
	return v.remove(uids)
}

// remove deletes messages. Without UIDPLUS (RFC 4315) one can only have all expunged that anybody has marked: then ours
// stay marked, which every mail program hides.
func (v *visit) remove(uids imap.UIDSet) error {
	defer v.ask(maxTalk)()
	if err := v.client.Store(uids, &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagDeleted}}, nil).Close(); err != nil {
		return fmt.Errorf("mark as deleted: %w", err)
	}
	if !v.exact {
		return nil
	}
	v.ask(maxTalk)
	if err := v.client.UIDExpunge(uids).Close(); err != nil {
		return fmt.Errorf("expunge: %w", err)
	}
	return nil
}
