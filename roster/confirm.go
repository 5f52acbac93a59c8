package roster

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// Asker is who asks for something: the evidence that is kept, and what floods are counted by.
type Asker struct {
	How    string // mail, link, command line
	Source string // the trace of a message, or an IP address
	Origin string // who is behind it as far as can be told: the peer's address, or the envelope's sender
	Told   string // the Message-ID of the mail that asked, without brackets; empty if none did
}

// The kinds of confirmation.
const (
	kindJoin    = "join"
	kindInvite  = "invite"
	kindLeave   = "leave"
	kindUndo    = "undo"
	kindAddress = "address"
	kindForget  = "forget"
	kindCommand = "command"
	kindHeld    = "held"
	kindBounced = "bounced"
)

// How long a token waits for its reply.
const (
	tokenLives   = 7 * 24 * time.Hour
	commandLives = 24 * time.Hour
)

// ErrToken says that nothing waits for a token: it was used, has expired, or never was. Which of them is nobody's to know.
var ErrToken = errors.New("nothing waits for this confirmation; it was used already, or it has expired")

// The caps on what a stranger can have us send, in a day: to one address, on the word of one source, and in all.
const (
	maxAskedKey    = 4
	maxAskedSource = 40
	maxAskedAll    = 2000
	askedWithin    = 24 * time.Hour
)

// mayAsk counts a mail that goes out on an unproven word, and says whether it may. When a cap is reached the owner is
// told once a day.
func (b *Books) mayAsk(tx *store.Tx, l lists.List, to mail.Address, by Asker) (bool, error) {
	n, err := tx.Asked(to.Key(), by.Origin, tx.Now.Add(-askedWithin))
	if err != nil {
		return false, err
	}
	if n.Key < maxAskedKey && (n.Source < maxAskedSource || by.Origin == "") && n.All < maxAskedAll {
		return true, tx.Ask(to.Key(), by.Origin)
	}
	first, err := tx.Notice(l.ID, "", "flood", askedWithin)
	if err != nil || !first {
		return false, err
	}
	owners, err := b.governors(tx, l, lists.Owner)
	if err != nil {
		return false, err
	}
	return false, b.Notify(tx, l, Notice{Name: "flood", To: owners, Words: lists.Words{"sender": by.Origin, "reasons": to.String()}})
}

// governors are the addresses of those who have one of these roles.
func (b *Books) governors(tx *store.Tx, l lists.List, roles lists.Roles) ([]mail.Address, error) {
	all, err := tx.RoleHolders(l.ID, roles)
	var out []mail.Address
	for _, m := range all {
		out = append(out, m.Address)
	}
	return out, err
}

// token makes a new token of 100 bits.
func (b *Books) token() string {
	var random [13]byte
	one, two := b.Chance(), b.Chance()
	copy(random[:8], one[:])
	copy(random[8:], two[:])
	return lists.RandomToken(random)
}

// wait stores a confirmation and returns its token.
func (b *Books) wait(tx *store.Tx, c store.Confirmation, arg any, lives time.Duration) (string, error) {
	raw, err := json.Marshal(arg)
	if err != nil {
		return "", err
	}
	token := b.token()
	c.Hash, c.Arg, c.Expires = lists.HashToken(token), string(raw), tx.Now.Add(lives)
	return token, tx.AddConfirmation(c)
}

// link is a page about a token; empty without web pages.
func (b *Books) link(page, token string) string {
	if b.URL == "" {
		return ""
	}
	return b.URL + "/" + page + "/" + token
}

// ask mails a question to whose word is needed. A reply to it, or a press on the button behind its link, is the answer.
func (b *Books) ask(tx *store.Tx, l lists.List, c store.Confirmation, arg any, lives time.Duration, n Notice, by Asker) error {
	may, err := b.mayAsk(tx, l, c.Address, by)
	if err != nil || !may {
		return err
	}
	c.List = l.ID
	token, err := b.wait(tx, c, arg, lives)
	if err != nil {
		return err
	}
	words := lists.Words{"who": c.Address.String(), "link": b.link("confirm", token), "token": token,
		"expires": tx.Now.Add(lives).Format("2 January 2006")}
	for k, v := range n.Words {
		words[k] = v
	}
	n.Words, n.From, n.To, n.InReplyTo, n.Trace = words, l.Confirm(token), []mail.Address{c.Address}, by.Told, by.Source
	return b.Notify(tx, l, n)
}

// Waiting is what a token would do, for the page that asks.
type Waiting struct {
	List    lists.List
	Kind    string // join, invite, leave, undo, bounced, address, forget, command
	Address mail.Address
	Detail  string // the new address, or the commands
	Site    bool   // of commands: they were written to the site's address
}

// Waiting looks at a token without using it up; ErrToken if nothing waits for it.
func (b *Books) Waiting(tx *store.Tx, token string) (w Waiting, err error) {
	c, err := tx.Confirmation(lists.HashToken(token))
	if errors.Is(err, store.ErrNotFound) || err == nil && c.List == 0 {
		return w, ErrToken // what is no list's, such as a way to sign in, is not answered here
	}
	if err != nil {
		return w, err
	}
	w.Kind, w.Address = c.Kind, c.Address
	switch c.Kind {
	case kindAddress:
		var arg addressArg
		err = json.Unmarshal([]byte(c.Arg), &arg)
		w.Detail = arg.New
	case kindCommand:
		var arg commandArg
		err = json.Unmarshal([]byte(c.Arg), &arg)
		w.Detail, w.Site = strings.Join(arg.Lines, "\n"), arg.Site
	}
	if err != nil {
		return w, err
	}
	w.List, err = tx.List(c.List)
	return w, err
}

// Confirmed is what a token has done.
type Confirmed struct {
	Waiting
	Step lists.Step // of a join or a leave
	Half bool       // of an address: the other one's word is still missing
}

// Confirm uses a token up and does what it was for; ErrToken if nothing waits for it. A command is the caller's to carry
// out: it stands in Detail.
func (b *Books) Confirm(tx *store.Tx, token string, by Asker) (r Confirmed, err error) {
	if r.Waiting, err = b.Waiting(tx, token); err != nil {
		return r, err
	}
	c, err := tx.TakeConfirmation(lists.HashToken(token))
	if errors.Is(err, store.ErrNotFound) {
		return r, ErrToken
	}
	if err != nil {
		return r, err
	}
	if err := b.Alive(tx, c.Address); err != nil {
		return r, err
	}
	switch c.Kind {
	case kindJoin, kindInvite:
		var arg joinArg
		if err := json.Unmarshal([]byte(c.Arg), &arg); err != nil {
			return r, err
		}
		if err := tx.DropConfirmations(c.List, c.Kind, c.Address); err != nil {
			return r, err
		}
		r.Step, err = b.Join(tx, r.List, Joiner{Address: c.Address, joinArg: arg, Confirmed: true, Approved: c.Kind == kindInvite}, by)
	case kindLeave:
		if err := tx.DropConfirmations(c.List, kindLeave, c.Address); err != nil {
			return r, err
		}
		r.Step, err = b.Part(tx, r.List, c.Address, true, by)
	case kindBounced:
		err = b.bouncedBack(tx, r.List, c, by)
	case kindUndo:
		err = b.comeBack(tx, r.List, c, by)
	case kindAddress:
		r.Half, err = b.confirmAddress(tx, r.List, c, by)
	case kindForget:
		err = b.forget(tx, r.List, c.Address, by)
	case kindCommand:
	default:
		err = fmt.Errorf("a confirmation of the kind %q", c.Kind)
	}
	return r, err
}
