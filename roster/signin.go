package roster

import (
	"context"
	"errors"

	"listd/auth"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

// AskSignIn mails a sign-in link to an address that is known here. Whoever asks learns nothing of whether it is. to is the
// page they wanted.
func (b *Books) AskSignIn(ctx context.Context, who mail.Address, to string, by Asker) error {
	if b.URL == "" {
		return nil
	}
	return b.DB.Update(ctx, func(tx *store.Tx) error {
		known, err := auth.Known(tx, who)
		if err != nil || !known {
			return err
		}
		l, language, err := listOf(tx, who)
		if err != nil || l.ID == 0 {
			return err
		}
		may, err := b.mayAsk(tx, l, who, by)
		if err != nil || !may {
			return err
		}
		token := b.token()
		expires, err := auth.AddLink(tx, token, who, to)
		if err != nil {
			return err
		}
		return b.Notify(tx, l, Notice{Name: "sign_in", To: []mail.Address{who}, Language: language, Trace: by.Source, Words: lists.Words{
			"who": who.String(), "link": b.link("signin", token), "expires": expires.Format("15:04 UTC"), "site": b.Hostname}})
	})
}

// listOf is a list to write to an address from, one of its own if it has any, and the language it reads.
func listOf(tx *store.Tx, who mail.Address) (l lists.List, language string, err error) {
	subs, err := tx.SubscriptionsOf(who)
	if err != nil {
		return l, "", err
	}
	if len(subs) > 0 {
		l, err = tx.List(subs[0].List)
		return l, subs[0].Language, err
	}
	all, err := tx.Lists()
	for _, l := range all {
		if r, err := tx.Roles(l.ID, who); err != nil || r != 0 {
			return l, "", err
		}
	}
	if len(all) > 0 {
		l = all[0]
	}
	return l, "", err
}

// NewPassword makes an app password for an address that has given its word, and mails it there: it is shown nowhere else.
func (b *Books) NewPassword(tx *store.Tx, l lists.List, who mail.Address, label string, by Asker) error {
	users := auth.Users{DB: b.DB, Chance: b.Chance}
	password, err := users.NewPassword(tx, who, label)
	if err != nil {
		return err
	}
	return b.Notify(tx, l, Notice{Name: "app_password", To: []mail.Address{who}, InReplyTo: by.Told, Trace: by.Source, Words: lists.Words{
		"who": who.String(), "password": password, "label": label, "site": b.Hostname}})
}

// DropPassword takes app passwords of a label back, and says whether there were any.
func (b *Books) DropPassword(tx *store.Tx, who mail.Address, label string) (bool, error) {
	u, err := tx.UserAt(who)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	n, err := tx.DropAppPasswords(u.ID, label)
	return n > 0, err
}
