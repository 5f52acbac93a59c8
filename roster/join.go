package roster

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// Joiner is somebody who wishes to join.
type Joiner struct {
	Address mail.Address
	joinArg
	Confirmed bool // the address itself has said so
	Approved  bool // a moderator has
}

// joinArg is what is kept of a wish to join while it waits.
type joinArg struct {
	Name string     `json:",omitempty"`
	Mode lists.Mode `json:",omitempty"` // empty: the list's default
}

// NewJoiner is who wishes to join with a name and a mode, either of which may be empty.
func NewJoiner(a mail.Address, name string, mode lists.Mode) Joiner {
	return Joiner{Address: a, joinArg: joinArg{name, mode}}
}

// heldJoin and heldLeave are the kinds of what waits for a moderator beside posts.
const (
	heldJoin  = "subscription"
	heldLeave = "unsubscription"
)

// Join takes a wish to join one step on in the caller's transaction, and says which step that was. All it has to say
// goes to the address that would join, never to who asked: a stranger learns nothing.
func (b *Books) Join(tx *store.Tx, l lists.List, j Joiner, by Asker) (lists.Step, error) {
	l, err := tx.LockList(l.ID)
	if err != nil {
		return 0, err
	}
	cur, err := subscription(tx, l.ID, j.Address)
	if err != nil {
		return 0, err
	}
	step := l.Policy.Join(lists.Request{Banned: l.Policy.Ban(j.Address) != "", Confirmed: j.Confirmed, Approved: j.Approved}, cur)
	switch step {
	case lists.Confirm:
		return step, b.ask(tx, l, store.Confirmation{Kind: kindJoin, Address: j.Address}, j.joinArg, tokenLives, Notice{Name: "confirm_join"}, by)
	case lists.Already:
		return step, b.answer(tx, l, j.Address, "already_member", by)
	case lists.NotTaken:
		return step, b.answer(tx, l, j.Address, "join_refused", by)
	case lists.Approve:
		return step, b.askModerators(tx, l, heldJoin, j.Address, j.joinArg, by)
	}
	s := lists.NewSubscription(l)
	s.Address, s.Name = j.Address, j.Name
	if j.Mode != "" {
		s.Mode = j.Mode
	}
	if _, err := tx.AddSubscriptions(l.ID, []lists.Subscription{s}); err != nil {
		return step, err
	}
	if err := tx.AddConsent(j.Address, store.Consent{List: l.ID, Act: kindJoin, How: by.How, Source: by.Source}); err != nil {
		return step, err
	}
	if !l.Policy.Welcome {
		return step, nil
	}
	return step, b.welcome(tx, l, j.Address, by)
}

// subscription is the subscription of an address, nil if it has none.
func subscription(tx *store.Tx, l lists.ID, a mail.Address) (*lists.Subscription, error) {
	s, err := tx.Subscription(l, a)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &s, err
}

// welcome tells a new member what they need to know.
func (b *Books) welcome(tx *store.Tx, l lists.List, to mail.Address, by Asker) error {
	return b.Notify(tx, l, Notice{Name: "welcome", To: []mail.Address{to}, InReplyTo: by.Told, Trace: by.Source,
		Words: lists.Words{"who": to.String(), "description": l.Policy.Description}})
}

// answer sends an address a notice on an unproven word, as often as the caps let it.
func (b *Books) answer(tx *store.Tx, l lists.List, to mail.Address, name string, by Asker) error {
	may, err := b.mayAsk(tx, l, to, by)
	if err != nil || !may {
		return err
	}
	return b.Notify(tx, l, Notice{Name: name, To: []mail.Address{to}, InReplyTo: by.Told, Trace: by.Source,
		Words: lists.Words{"who": to.String()}})
}

// Part takes a wish to leave one step on in the caller's transaction; confirmed says that the address itself has said
// so. It goes as Join does.
func (b *Books) Part(tx *store.Tx, l lists.List, who mail.Address, confirmed bool, by Asker) (lists.Step, error) {
	l, err := tx.LockList(l.ID)
	if err != nil {
		return 0, err
	}
	cur, err := subscription(tx, l.ID, who)
	if err != nil {
		return 0, err
	}
	step := l.Policy.Leave(lists.Request{Confirmed: confirmed}, cur)
	switch step {
	case lists.Confirm:
		return step, b.ask(tx, l, store.Confirmation{Kind: kindLeave, Address: who}, nil, tokenLives, Notice{Name: "confirm_leave"}, by)
	case lists.Already:
		return step, b.answer(tx, l, who, "not_member", by)
	case lists.Approve:
		return step, b.askModerators(tx, l, heldLeave, who, joinArg{}, by)
	}
	return step, b.letGo(tx, l, *cur, by)
}

// LeaveNow ends one subscription of a list: its personal link or address is proof enough. Roles stay. It says who left,
// or store.ErrNotFound if nobody has this subscription any more.
func (b *Books) LeaveNow(tx *store.Tx, l lists.List, subscription int64, by Asker) (mail.Address, error) {
	l, err := tx.LockList(l.ID)
	if err != nil {
		return mail.Address{}, err
	}
	s, err := tx.SubscriptionByID(subscription)
	if err != nil {
		return mail.Address{}, err
	}
	if s.List != l.ID {
		return mail.Address{}, store.ErrNotFound
	}
	if err := b.letGo(tx, l, s, by); err != nil {
		return s.Address, err
	}
	return s.Address, b.Alive(tx, s.Address) // who leaves one list reads the mail of the others
}

// letGo ends a subscription and says goodbye, with a way back.
func (b *Books) letGo(tx *store.Tx, l lists.List, s lists.Subscription, by Asker) error {
	if err := tx.FanOutOne(s, b.Out.Relay); err != nil {
		return err
	}
	if err := tx.DeleteSubscription(s.ID); err != nil {
		return err
	}
	if err := tx.AddConsent(s.Address, store.Consent{List: l.ID, Act: kindLeave, How: by.How, Source: by.Source}); err != nil {
		return err
	}
	if !l.Policy.Goodbye {
		return nil
	}
	token, err := b.wait(tx, store.Confirmation{List: l.ID, Kind: kindUndo, Address: s.Address}, s, tokenLives)
	if err != nil {
		return err
	}
	return b.Notify(tx, l, Notice{Name: "goodbye", From: l.Confirm(token), To: []mail.Address{s.Address}, Language: s.Language,
		InReplyTo: by.Told, Trace: by.Source, Words: lists.Words{"who": s.Address.String(), "link": b.link("confirm", token),
			"expires": tx.Now.Add(tokenLives).Format("2 January 2006")}})
}

// comeBack restores a subscription that was ended by mistake, with its options.
func (b *Books) comeBack(tx *store.Tx, l lists.List, c store.Confirmation, by Asker) error {
	var s lists.Subscription
	if err := json.Unmarshal([]byte(c.Arg), &s); err != nil {
		return err
	}
	l, err := tx.LockList(l.ID)
	if err != nil {
		return err
	}
	if l.Policy.Ban(s.Address) != "" {
		return b.answer(tx, l, s.Address, "join_refused", by)
	}
	s.EachFrom = l.LastSeq
	if s.DigestSeq == 0 || s.State != lists.Active { // kept by an earlier listd, or paused; else they go on where they were
		s.DigestSeq = l.LastSeq
	}
	if _, err := tx.AddSubscriptions(l.ID, []lists.Subscription{s}); err != nil {
		return err
	}
	if err := tx.AddConsent(s.Address, store.Consent{List: l.ID, Act: kindJoin, How: by.How, Source: by.Source}); err != nil {
		return err
	}
	return b.welcome(tx, l, s.Address, by)
}

// joinWaits is how long a wish waits for a moderator.
const joinWaits = 14 * 24 * time.Hour

// askModerators holds a wish for the moderators and tells them and the address. Asking twice waits once.
func (b *Books) askModerators(tx *store.Tx, l lists.List, kind string, who mail.Address, arg joinArg, by Asker) error {
	waits, err := tx.HeldFor(l.ID, kind, who)
	if err != nil {
		return err
	}
	if waits {
		return b.answer(tx, l, who, "join_waits", by)
	}
	may, err := b.mayAsk(tx, l, who, by)
	if err != nil || !may {
		return err
	}
	raw, err := json.Marshal(arg)
	if err != nil {
		return err
	}
	message, err := tx.AddMessage([]byte("X-Listd-Request: "+kind+"\r\n"), store.PackBody(raw))
	if err != nil {
		return err
	}
	h := store.Held{List: l.ID, Message: message, Kind: kind, From: who, Sender: mail.Mailbox{Name: arg.Name, Address: who}.String(),
		Subject: kind, Rule: kind, Reasons: []string{"The list's owner wants moderators to decide about it."}, Trace: by.Source,
		Expires: tx.Now.Add(joinWaits)}
	if h.ID, err = tx.AddHeld(h); err != nil {
		return err
	}
	if err := b.TellModerators(tx, l, h, "held_"+kind, lists.Words{"who": who.String()}, nil); err != nil {
		return err
	}
	return b.Notify(tx, l, Notice{Name: "join_waits", To: []mail.Address{who}, InReplyTo: by.Told, Trace: by.Source,
		Words: lists.Words{"who": who.String()}})
}

// TellModerators tells each moderator and owner of something that waits for them, each with a token of their own: the
// first answer counts.
func (b *Books) TellModerators(tx *store.Tx, l lists.List, h store.Held, notice string, words lists.Words, attach []mail.Attachment) error {
	governors, err := b.governors(tx, l, lists.Owner|lists.Moderator)
	if err != nil {
		return err
	}
	lives := tokenLives
	if !h.Expires.IsZero() {
		lives = h.Expires.Sub(tx.Now)
	}
	id := strconv.FormatInt(int64(h.ID), 10)
	for _, g := range governors {
		token, err := b.wait(tx, store.Confirmation{List: l.ID, Kind: kindHeld, Address: g}, id, lives)
		if err != nil {
			return err
		}
		w := lists.Words{"id": id, "sender": h.Sender, "reasons": strings.Join(h.Reasons, "\n"), "link": b.link("moderate", token),
			"moderate": l.Moderate(token).String(), "expires": ""}
		if !h.Expires.IsZero() {
			w["expires"] = h.Expires.Format("2 January 2006")
		}
		for k, v := range words {
			w[k] = v
		}
		if err := b.Notify(tx, l, Notice{Name: notice, From: l.Moderate(token), To: []mail.Address{g}, Words: w, Trace: h.Trace,
			Attach: attach}); err != nil {
			return err
		}
	}
	return nil
}

// TellHandled tells the moderators other than who decided that something is settled, and ends their tokens.
func (b *Books) TellHandled(tx *store.Tx, l lists.List, h store.Held, who mail.Address, name, action string) error {
	id, err := json.Marshal(strconv.FormatInt(int64(h.ID), 10))
	if err != nil {
		return err
	}
	told, err := tx.ConfirmationsAbout(l.ID, kindHeld, string(id))
	if err != nil {
		return err
	}
	if err := tx.DropConfirmationsAbout(l.ID, kindHeld, string(id)); err != nil {
		return err
	}
	var others []mail.Address
	for _, t := range told {
		if t.Key() != who.Key() {
			others = append(others, t)
		}
	}
	return b.Notify(tx, l, Notice{Name: "handled", To: others, Trace: h.Trace,
		Words: lists.Words{"sender": h.Sender, "subject": h.Subject, "by": name, "action": action}})
}

// Moderator is who holds a moderation token, and what it is about; ErrToken if it means nothing any more. It is not used
// up: what waits can be settled once, whoever comes first.
func (b *Books) Moderator(tx *store.Tx, token string) (who mail.Address, held store.HeldID, err error) {
	c, err := tx.Confirmation(lists.HashToken(token))
	if errors.Is(err, store.ErrNotFound) || err == nil && c.Kind != kindHeld {
		return who, 0, ErrToken
	}
	if err != nil {
		return who, 0, err
	}
	var id string
	if err := json.Unmarshal([]byte(c.Arg), &id); err != nil {
		return who, 0, err
	}
	n, err := strconv.ParseInt(id, 10, 64)
	return c.Address, store.HeldID(n), err
}

// SettleRequest does what a moderator decided about a held wish, which the caller has taken out of what waits.
func (b *Books) SettleRequest(tx *store.Tx, l lists.List, h store.Held, arg []byte, accept bool, reason string, by Asker) error {
	var j joinArg
	if err := json.Unmarshal(arg, &j); err != nil {
		return err
	}
	switch {
	case !accept && reason == "":
		return nil
	case !accept:
		return b.Notify(tx, l, Notice{Name: "request_rejected", To: []mail.Address{h.From}, Trace: h.Trace,
			Words: lists.Words{"who": h.From.String(), "reasons": reason}})
	case h.Kind == heldJoin:
		_, err := b.Join(tx, l, Joiner{Address: h.From, joinArg: j, Confirmed: true, Approved: true}, by)
		return err
	case h.Kind == heldLeave:
		s, err := subscription(tx, l.ID, h.From)
		if err != nil || s == nil {
			return err
		}
		return b.letGo(tx, l, *s, by)
	}
	return fmt.Errorf("a held request of the kind %q", h.Kind)
}

// Invite asks an address whether it wants to join; a member who governs asks in the list's name.
func (b *Books) Invite(tx *store.Tx, l lists.List, who mail.Address, name string, owner mail.Address, by Asker) (lists.Step, error) {
	cur, err := subscription(tx, l.ID, who)
	if err != nil {
		return 0, err
	}
	if cur != nil {
		return lists.Already, nil
	}
	return lists.Confirm, b.ask(tx, l, store.Confirmation{Kind: kindInvite, Address: who}, joinArg{Name: name}, tokenLives,
		Notice{Name: "invitation", Words: lists.Words{"by": owner.String(), "description": l.Policy.Description}}, by)
}

// AddByOwner makes an address a member on its owner's word, and says whether it was none.
func (b *Books) AddByOwner(tx *store.Tx, l lists.List, who mail.Address, name string, owner mail.Address, by Asker) (bool, error) {
	by.How = "owner " + owner.String()
	step, err := b.Join(tx, l, Joiner{Address: who, joinArg: joinArg{Name: name}, Confirmed: true, Approved: true}, by)
	return step == lists.Do, err
}

// RemoveByOwner takes an address off a list on its owner's word.
func (b *Books) RemoveByOwner(tx *store.Tx, l lists.List, who mail.Address, by Asker) (lists.Step, error) {
	s, err := subscription(tx, l.ID, who)
	if err != nil || s == nil {
		return lists.Already, err
	}
	return lists.Do, b.letGo(tx, l, *s, by)
}
