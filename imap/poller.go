package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"listd/inbound"
	"listd/mail"
)

// Inbox decides about what is fetched, as it does about what comes by SMTP.
type Inbox interface {
	// Accept takes a message for all of env.To, or refuses it. What it took is durable when it returns, and so is that
	// env.Source was taken: a second Accept of it answers 250 and does nothing.
	Accept(ctx context.Context, env mail.Envelope, data io.Reader) ([]mail.Reply, error)
}

// Poller fetches the mail of groups that have a mailbox at a provider and no MX of their own. Each message goes to Inbox;
// what becomes of it moves the mailbox's cursor in the same transaction, and its server is told afterwards, again and
// again until it has been. Its fields are set before Run.
//
// A cursor means nothing under another UIDVALIDITY (RFC 9051 section 2.3.1.1), as after a mailbox was restored, or moved
// to another server. Then, and when a mailbox is seen for the first time, what lies there is its stock: of that no message
// is taken that is \Seen or has one of our keywords. What has lost its flags and came within a week is known by its
// Message-ID and body, and not distributed again (see inbound). Only a message that lost its flags and is older than that
// is taken twice; and one that came just before, and was read by somebody before us, is not taken.
type Poller struct {
	Accounts []Account
	Inbox    Inbox
	Ledger   *inbound.Ledger
	Ours     func(context.Context, []mail.Address) ([]mail.Address, error) // those that lead somewhere here
	Log      *slog.Logger
	Holder   int64 // of leases: another number in each process
	MaxSize  int64 // bytes of a message; a larger one is not fetched

	// Dial opens connections; nil: the system does.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Reserve waits until a message of so many bytes may be in memory; nil: it always may.
	Reserve func(ctx context.Context, bytes int64) (release func(), err error)
	// Patience is how long a server may say nothing; 0: a minute.
	Patience time.Duration
}

// Account is a mailbox at a provider.
type Account struct {
	Name     string // in logs, and of its row
	Addr     string // host:port
	Implicit bool   // TLS from the first byte (RFC 8314); else STARTTLS
	Clear    bool   // neither: for a server on this machine
	TLS      *tls.Config
	User     string
	Password func() (string, error)
	Folder   string

	List   mail.Address // what all of it goes to; zero: to whom each message was sent
	Plus   mail.Address // local+dev-request@… stands for dev-request@Domain; zero: no such addresses
	Domain string

	Done Done
	To   string // the folder of Move
	Poll time.Duration
}

// Place is which mailbox it is, whatever its name.
func (a Account) Place() string { return a.Addr + "/" + a.User + "/" + a.Folder }

// Done is what becomes of a message in its mailbox when it has been taken.
type Done uint8

// What may become of a message. One that is refused is never deleted: it stays for people to find, with the keyword
// $ListdRefused and \Flagged, and is moved where others are moved.
const (
	Flag   Done = iota // \Seen and $Listd
	Move               // to another folder
	Delete             // for good
)

// The keywords of what was taken and what was refused (RFC 9051 section 2.3.2: a server may keep none).
const (
	keywordTaken   = "$Listd"
	keywordRefused = "$ListdRefused"
)

// Run fetches until ctx ends.
func (p *Poller) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, a := range p.Accounts {
		wg.Go(func() { p.follow(ctx, a) })
	}
	wg.Wait()
}

// pauses are those between visits that fail, the last one for ever. A wrong password waits the longest from the first:
// providers shut out who tries too often.
var pauses = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute}

// pause is how long to wait after so many failures in a row.
func pause(failures int, err error) time.Duration {
	if errors.Is(err, errSignIn) {
		return pauses[len(pauses)-1]
	}
	return pauses[min(max(failures, 1), len(pauses))-1]
}

// follow visits a mailbox for as long as ctx lasts.
func (p *Poller) follow(ctx context.Context, a Account) {
	log := p.Log.With(slog.String("mailbox", a.Name))
	for failures := 0; ctx.Err() == nil; {
		good, err := p.visit(ctx, a, true)
		if ctx.Err() != nil {
			return
		}
		wait := a.Poll
		switch {
		case err == nil, errors.Is(err, inbound.ErrLease):
			failures = 0 // another node has it: look again later
		default:
			if good {
				failures = 0
			}
			failures++
			wait = pause(failures, err)
			log.LogAttrs(ctx, slog.LevelWarn, "mailbox not fetched", slog.Any("error", err), slog.Duration("again_in", wait))
		}
		if sleep(ctx, wait) != nil {
			return
		}
	}
}

// Fetch takes once all there is. It is what Run does again and again.
func (p *Poller) Fetch(ctx context.Context, a Account) error {
	_, err := p.visit(ctx, a, false)
	return err
}

// visit fetches from a mailbox over one connection: once, or for as long as that lasts. good: at least once it had all.
func (p *Poller) visit(ctx context.Context, a Account, stay bool) (good bool, err error) {
	if _, err = p.Ledger.Lease(ctx, a.Name, a.Place(), p.Holder); err != nil {
		return false, err
	}
	defer func() {
		problem := ""
		if err != nil && ctx.Err() == nil {
			problem = err.Error()
		}
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if e := p.Ledger.Release(late, a.Name, p.Holder, problem); e != nil && !errors.Is(e, inbound.ErrLease) {
			err = errors.Join(err, e)
		}
	}()
	v, err := p.open(ctx, a)
	if err != nil {
		return false, err
	}
	defer v.close()
	if err := v.selectFolder(false); err != nil {
		return false, err
	}
	m, err := p.Ledger.Sight(ctx, a.Name, p.Holder, v.validity, v.last)
	if err != nil {
		return false, err
	}
	for v.at = m; ; {
		if err := v.round(ctx); err != nil {
			return good, err
		}
		good = true
		if err := p.Ledger.Rest(ctx, a.Name, p.Holder); err != nil || !stay {
			return good, err
		}
		if again, err := v.wait(ctx); err != nil || !again {
			return good, err
		}
	}
}

// Standing is what Probe finds.
type Standing struct {
	Messages int64 // in the folder
	Waiting  int64 // that the next visit takes, as far as can be told from outside
	Idle     bool  // the server tells of mail as it comes (RFC 2177)
	Move     bool  // it can move (RFC 6851)
	Keywords bool  // it keeps our keywords
}

// Probe signs in and looks. It changes nothing, there or here. from is how far the mailbox has been fetched; zero: never.
func (p *Poller) Probe(ctx context.Context, a Account, from inbound.Mailbox) (Standing, error) {
	v, err := p.open(ctx, a)
	if err != nil {
		return Standing{}, err
	}
	defer v.close()
	if err := v.selectFolder(true); err != nil {
		return Standing{}, err
	}
	if from.Place != a.Place() || from.Validity != v.validity {
		from = inbound.Mailbox{Validity: v.validity, Stock: v.last}
	}
	v.at = from
	s := Standing{Messages: v.messages, Idle: v.idles, Move: v.moves, Keywords: v.keeps}
	s.Waiting, err = v.count(ctx)
	return s, err
}
