package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"listd/inbound"
)

// visit is one connection to a mailbox. All goes one after another: an answer of the server's is never a surprise.
type visit struct {
	poller  *Poller
	account Account
	log     *slog.Logger
	wire    *leash
	client  *imapclient.Client
	free    func() bool   // the connection from its context
	news    chan struct{} // the server has told of messages

	validity, last uint32 // UIDVALIDITY, and the last UID at SELECT
	messages       int64
	idles, moves   bool
	exact          bool // UIDPLUS: what is expunged is named
	keeps          bool // our keywords
	at             inbound.Mailbox
	renewed        time.Time // when the lease was
	began          time.Time // the round
	taken, refused int       // of a round, for the log
	empty          int       // batches in a row that were not there
}

// What a server may say, beside the bytes of messages.
const (
	maxTalk   = 1 << 20  // in answer to a command
	maxSearch = 16 << 20 // in answer to SEARCH: a number for each of a million messages
)

// maxTransfer is how long one message may take.
const maxTransfer = 10 * time.Minute

var errSignIn = errors.New("the server does not let us in")

func (p *Poller) patience() time.Duration {
	if p.Patience > 0 {
		return p.Patience
	}
	return time.Minute
}

// open connects and signs in.
func (p *Poller) open(ctx context.Context, a Account) (_ *visit, err error) {
	password, err := a.Password()
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(a.Addr)
	if err != nil {
		return nil, err
	}
	dial := p.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	within, cancel := context.WithTimeout(ctx, p.patience())
	defer cancel()
	conn, err := dial(within, "tcp", a.Addr)
	if err != nil {
		return nil, err
	}
	v := &visit{poller: p, account: a, wire: &leash{Conn: conn}, news: make(chan struct{}, 1),
		log: p.Log.With(slog.String("mailbox", a.Name))}
	v.free = context.AfterFunc(ctx, func() { _ = conn.Close() }) // whoever reads or writes hears of it
	defer func() {
		if err != nil {
			err = v.why(ctx, err)
			v.close()
		}
	}()
	if err := v.encrypt(within, host); err != nil {
		return nil, err
	}
	defer v.ask(maxTalk)()
	v.client = imapclient.New(v.wire, &imapclient.Options{UnilateralDataHandler: &imapclient.UnilateralDataHandler{Mailbox: v.hear}})
	if err := v.client.WaitGreeting(); err != nil {
		return nil, fmt.Errorf("greeting: %w", err)
	}
	v.ask(maxTalk)
	if err := v.client.Login(a.User, password).Wait(); err != nil {
		var no *imap.Error
		if errors.As(err, &no) && no.Code != imap.ResponseCodeUnavailable && no.Code != imap.ResponseCodeLimit && no.Code != imap.ResponseCodeInUse {
			return nil, fmt.Errorf("%w: %s: check user and password_file; many providers want an app password", errSignIn, clean(no.Text))
		}
		return nil, fmt.Errorf("LOGIN: %w", err)
	}
	v.ask(maxTalk)
	caps := v.client.Caps()
	v.idles, v.moves, v.exact = caps.Has(imap.CapIdle), caps.Has(imap.CapMove), caps.Has(imap.CapUIDPlus)
	return v, nil
}

// encrypt begins TLS, unless the account wants none.
func (v *visit) encrypt(ctx context.Context, host string) error {
	a := v.account
	if a.Clear {
		return nil
	}
	config := &tls.Config{}
	if a.TLS != nil {
		config = a.TLS.Clone()
	}
	config.ServerName, config.MinVersion = host, tls.VersionTLS12
	_ = v.wire.Conn.SetDeadline(time.Now().Add(v.poller.patience())) // on a closed connection the next one says so
	if !a.Implicit {
		c, greeting, err := startTLS(ctx, v.wire.Conn, config)
		if err == nil {
			v.wire.Conn, v.wire.greeting = c, greeting
		}
		return err
	}
	t := tls.Client(v.wire.Conn, config)
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	v.wire.Conn = t
	return nil
}

// clean is foreign text fit for an error.
func clean(s string) string {
	s = fmt.Sprintf("%.200q", s)
	return s[1 : len(s)-1]
}

// why is an error in words that say what happened to the connection, where that is the reason.
func (v *visit) why(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if broken := v.wire.broken(); broken != nil {
		return fmt.Errorf("%w (%s)", broken, clean(err.Error()))
	}
	return err
}

// close ends the connection. LOGOUT would be polite; a server learns as much from the end of a connection.
func (v *visit) close() {
	v.free()
	if v.client != nil {
		_ = v.client.Close() // all that was to be read has been
		return
	}
	_ = v.wire.Close()
}

// ask gives the server time and room for an answer, until it is there: rest.
func (v *visit) ask(bytes int64) (rest func()) {
	v.wire.allow(2*v.poller.patience(), v.poller.patience(), bytes)
	return v.wire.rest
}

// hear is told of what the server says unasked.
func (v *visit) hear(d *imapclient.UnilateralDataMailbox) {
	if d.NumMessages == nil {
		return
	}
	select {
	case v.news <- struct{}{}:
	default:
	}
}

// selectFolder opens the folder.
func (v *visit) selectFolder(look bool) error {
	defer v.ask(maxTalk)()
	d, err := v.client.Select(v.account.Folder, &imap.SelectOptions{ReadOnly: look}).Wait()
	if err != nil {
		return fmt.Errorf("select folder %q: %w", v.account.Folder, err)
	}
	if d.UIDValidity == 0 || d.UIDNext == 0 {
		return fmt.Errorf("folder %q has no lasting UIDs (UIDVALIDITY %d, UIDNEXT %d): it cannot be fetched from safely", v.account.Folder, d.UIDValidity, d.UIDNext)
	}
	v.validity, v.last, v.messages = d.UIDValidity, uint32(d.UIDNext)-1, int64(d.NumMessages)
	v.keeps = keeps(d.PermanentFlags, keywordTaken) && keeps(d.PermanentFlags, keywordRefused)
	return nil
}

func keeps(flags []imap.Flag, f imap.Flag) bool {
	return slices.Contains(flags, imap.FlagWildcard) || slices.ContainsFunc(flags, func(g imap.Flag) bool { return equalFold(g, f) })
}

// Bounds of a round.
const (
	batch     = 50  // messages taken between two words to the server
	maxLater  = 100 // messages that wait for another try; with more the fault is not theirs, and new ones wait, too
	maxRefuse = 3   // messages in a row that are refused for now: the fault is ours
)

// errBusy ends a round in which we are the ones who cannot.
var errBusy = errors.New("messages are refused for now")

// round takes all there is.
func (v *visit) round(ctx context.Context) error {
	v.taken, v.refused, v.began = 0, 0, time.Now()
	err := v.takeAll(ctx)
	if v.taken+v.refused > 0 {
		v.log.LogAttrs(ctx, slog.LevelInfo, "mailbox fetched", slog.Int("taken", v.taken), slog.Int("refused", v.refused))
	}
	if errors.Is(err, errBusy) {
		return nil // the next round is a poll away
	}
	return v.why(ctx, err)
}

func (v *visit) takeAll(ctx context.Context) error {
	if err := v.refresh(ctx); err != nil {
		return err
	}
	if err := v.tell(ctx); err != nil { // what a crash has left
		return err
	}
	if err := v.take(ctx, v.due()); err != nil {
		return err
	}
	for {
		set, err := v.find(v.waiting())
		if err != nil {
			return err
		}
		if v.next(set) == nil { // all that is left of the stock is old
			if v.at.UID >= v.at.Stock {
				return nil
			}
			return v.poller.Ledger.Pass(ctx, v.account.Name, v.validity, v.at.Stock)
		}
		for uids := v.next(set); uids != nil; uids = v.next(set) {
			if n := v.later(); n >= maxLater {
				v.log.LogAttrs(ctx, slog.LevelWarn, "no new messages are fetched while so many wait for another try", slog.Int("waiting", n))
				return nil
			}
			if err := v.take(ctx, uids); err != nil {
				return err
			}
		}
	}
}

// refresh reads how far the mailbox has been fetched, and renews the lease.
func (v *visit) refresh(ctx context.Context) error {
	m, err := v.poller.Ledger.Lease(ctx, v.account.Name, v.account.Place(), v.poller.Holder)
	if err == nil && m.Validity != v.validity {
		err = inbound.ErrLease
	}
	v.at, v.renewed = m, time.Now()
	return err
}

// due are the messages whose time has come to be tried again.
func (v *visit) due() (out []imap.UID) {
	now := v.poller.Ledger.DB.Now().UnixMilli()
	for _, u := range v.at.Unsettled {
		if u.State == inbound.Later && u.Next <= now && len(out) < batch {
			out = append(out, imap.UID(u.UID))
		}
	}
	return out
}

func (v *visit) later() (n int) {
	for _, u := range v.at.Unsettled {
		if u.State == inbound.Later {
			n++
		}
	}
	return n
}

// waiting asks for what is to be taken: all behind the cursor but what is old of the stock, since somebody has read it,
// or we have had it under another UID. Of what came later no flag is asked: people may read their mail before we do.
func (v *visit) waiting() *imap.SearchCriteria {
	c := &imap.SearchCriteria{UID: []imap.UIDSet{{{Start: imap.UID(v.at.UID) + 1}}}}
	if v.at.UID >= v.at.Stock {
		return c
	}
	old := []imap.Flag{imap.FlagSeen}
	if v.keeps {
		old = append(old, keywordTaken, keywordRefused)
	}
	for _, f := range old {
		c.Not = append(c.Not, imap.SearchCriteria{UID: []imap.UIDSet{{{Start: 1, Stop: imap.UID(v.at.Stock)}}}, Flag: []imap.Flag{f}})
	}
	return c
}

// find searches. The last UID there can be is never used by a server that is well.
func (v *visit) find(c *imap.SearchCriteria) (imap.UIDSet, error) {
	if v.at.UID == math.MaxUint32 {
		return nil, errors.New("the folder has used up its UIDs")
	}
	defer v.ask(maxSearch)()
	found, err := v.client.UIDSearch(c, nil).Wait()
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	set, _ := found.All.(imap.UIDSet) // nothing at all may be another nil
	return set, nil
}

// next are the next messages of a set behind the cursor, in order; nil if there are none. The set is never spread out:
// 1:4294967295 is short. n:* has the last message even where that is before n.
func (v *visit) next(set imap.UIDSet) (out []imap.UID) {
	for _, r := range set {
		for u := max(r.Start, imap.UID(v.at.UID)+1); u <= r.Stop && len(out) < batch; u++ {
			if out = append(out, u); u == math.MaxUint32 {
				break
			}
		}
	}
	return out
}

// count is how many messages wait.
func (v *visit) count(ctx context.Context) (n int64, err error) {
	n = int64(v.later())
	all, err := v.find(v.waiting())
	for _, r := range all {
		if r.Start = max(r.Start, imap.UID(v.at.UID)+1); r.Start <= r.Stop {
			n += int64(r.Stop) - int64(r.Start) + 1
		}
	}
	return n, v.why(ctx, err)
}

// wait waits for mail: the server tells of it, or else one looks once in a while. It reports whether to go on over this
// connection.
func (v *visit) wait(ctx context.Context) (again bool, err error) {
	if !v.idles && v.account.Poll > 5*time.Minute {
		return false, nil // servers hang up on who says nothing for long
	}
	end := time.Now().Add(v.account.Poll)
	for time.Now().Before(end) {
		part := min(time.Until(end), inbound.Leased/3)
		if v.idles {
			err = v.idle(ctx, part)
		} else {
			err = sleep(ctx, part)
		}
		if err != nil || ctx.Err() != nil {
			return false, v.why(ctx, err)
		}
		select {
		case <-v.news:
			return true, sleep(ctx, restless-time.Since(v.began))
		default:
		}
		if err := v.refresh(ctx); err != nil {
			return false, err
		}
	}
	return true, nil
}

// restless is how soon one round follows another, however often a server says that there is something.
const restless = time.Second

// sleep waits for so long, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// idle waits until the server tells of something (RFC 2177), or for so long.
func (v *visit) idle(ctx context.Context, d time.Duration) error {
	defer v.ask(maxTalk)()
	c, err := v.client.Idle()
	if err != nil {
		return fmt.Errorf("IDLE: %w", err)
	}
	v.wire.allow(d+v.poller.patience(), d+v.poller.patience(), maxTalk)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-v.news:
		v.hearAgain()
	case <-v.client.Closed():
	case <-ctx.Done():
	}
	v.ask(maxTalk)
	if err := errors.Join(c.Close(), c.Wait()); err != nil {
		return fmt.Errorf("IDLE: %w", err)
	}
	return nil
}

// hearAgain puts the news back that ended an IDLE.
func (v *visit) hearAgain() {
	select {
	case v.news <- struct{}{}:
	default:
	}
}
