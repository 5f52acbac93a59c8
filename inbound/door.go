// Package inbound is the door's brain: it decides about what comes in before it is accepted. What follows from a message
// is gathered (a View), decided (lists.Judge and lists.Prepare, pure), and recorded in one transaction; only then does
// the peer hear 250. What is refused is refused in the dialog, so that listd makes no backscatter.
//
// Enter with Door.Check and Door.Accept, which are smtp's Inbox, and with Door.Rule for what is held.
//
// RFC 5321 sections 3.6 (no relaying) and 4.4 (Received), RFC 3834 (answers), RFC 2142 (postmaster, abuse).
package inbound

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"listd/auth"
	"listd/lists"
	"listd/mail"
	"listd/mailauth"
	"listd/queue"
	"listd/roster"
	"listd/store"
)

// Door decides about what comes in. Its fields are set before use; it is safe for concurrent use.
type Door struct {
	DB       *store.DB
	Out      queue.Out
	Books    *roster.Books
	Minter   *lists.Minter
	Log      *slog.Logger
	Auth     *mailauth.Verifier // nil: nobody's word is checked
	Hostname string             // for Received and Message-ID
	Owner    mail.Address       // of the site: postmaster@, abuse@; zero: nobody yet
	MaxSize  int64              // bytes of a message
	Chance   func() [8]byte
	Room     func() error // whether the disk has room for more; nil: always. What it says is for the log

	guesses auth.Guesses
	turned  turned
}

// place is what an address of ours means.
type place struct {
	list     lists.List
	target   lists.Target
	site     bool // the site's owner, or
	commands bool // the site's own command address
}

// siteNames are read by the site's owner, in every domain of ours.
var siteNames = map[string]bool{"postmaster": true, "abuse": true, "hostmaster": true}

// siteCommands take commands over all lists, in every domain of ours; the last three because people's fingers know them.
var siteCommands = map[string]bool{"listd": true, "majordomo": true, "sympa": true, "listserv": true}

var (
	errRelay   = mail.Refuse(550, "5.7.1", "This server takes mail for its own lists only and relays for nobody; use the server your mail program is set up for")
	errUnknown = mail.Refuse(550, "5.1.1", "There is no such address here; check its spelling, or write to postmaster@ this domain")
)

// find is the place an address means, or the *mail.Reply that there is none.
func (d *Door) find(tx *store.Tx, a mail.Address) (place, error) {
	for _, t := range lists.Routes(a.Local) {
		l, err := tx.ListAt(mail.Address{Local: t.List, Domain: a.Domain})
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return place{}, err
		}
		if !built(t) {
			return place{}, errUnknown
		}
		return place{list: l, target: t}, nil
	}
	ours := a.Domain == d.Hostname
	if !ours {
		var err error
		if ours, err = tx.HasDomain(a.Domain); err != nil {
			return place{}, err
		}
	}
	switch {
	case !ours:
		return place{}, errRelay
	case siteNames[lower(a.Local)] && !d.Owner.IsZero():
		return place{site: true}, nil
	case siteCommands[lower(a.Local)]:
		return place{site: true, commands: true}, nil
	}
	return place{}, errUnknown
}

// built reports whether an address of a list leads anywhere: no token of these kinds is handed out.
func built(t lists.Target) bool {
	switch t.Kind {
	case lists.ToAnnounce:
		return false
	}
	return true
}

// Check is asked at RCPT: whether there is such a place, and whether it takes mail of that size at all.
func (d *Door) Check(ctx context.Context, env mail.Envelope, to mail.Rcpt) error {
	if d.MaxSize > 0 && env.Size > d.MaxSize {
		return tooLarge
	}
	if err := d.room(ctx); err != nil {
		return err
	}
	if slices.ContainsFunc(lists.Routes(to.Local), guessable) && d.guesses.Blocked(source(env), maxGuesses, d.DB.Now()) {
		return errGuessing // before anything is looked up
	}
	var p place
	err := d.DB.View(ctx, func(tx *store.Tx) (err error) {
		p, err = d.find(tx, to.Address)
		return err
	})
	if err != nil {
		return err
	}
	if p.site || p.target.Kind != lists.ToPost {
		return nil
	}
	pol := &p.list.Policy
	switch {
	case pol.Closed:
		return d.turn(p.list.ID, mail.Refuse(550, "5.2.1", "The list "+p.list.Address.String()+" is closed and takes no posts; questions go to "+p.list.Owner().String()))
	case pol.MaxSize > 0 && env.Size > pol.MaxSize:
		return d.turn(p.list.ID, tooLarge)
	case pol.Ban(env.From) != "":
		return d.turn(p.list.ID, mail.Refuse(550, "5.7.2", "You may not post to "+p.list.Address.String()+"; if you think this is a mistake, write to "+p.list.Owner().String()))
	}
	return nil
}

var tooLarge = mail.Refuse(552, "5.3.4", "This message is larger than we take; send a link instead of the file")

// room refuses while the disk is nearly full: before SQLite fails in the midst of something.
func (d *Door) room(ctx context.Context) error {
	if d.Room == nil {
		return nil
	}
	if err := d.Room(); err != nil {
		d.Log.LogAttrs(ctx, slog.LevelError, "mail waits with its senders", slog.Any("error", err))
		return mail.Refuse(452, "4.3.1", "There is no room for mail here just now; please try again later")
	}
	return nil
}

// lower folds ASCII.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
