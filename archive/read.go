package archive

import (
	"context"
	"crypto/sha1" // #nosec: it names, it proves nothing
	"encoding/base32"
	"errors"
	"strings"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// ErrNoPost says that an archive has no such post for its readers.
var ErrNoPost = errors.New("there is no such post")

func (a *Archive) view(ctx context.Context, f func(tx *store.Tx) error) error {
	return a.db.View(ctx, f)
}

// post is a row as a reader meets it.
func post(p store.Post) Post {
	return Post{Seq: p.Seq, MsgID: p.MsgID, Subject: p.Subject, Author: mailbox(p.Author), Date: p.Date, Filed: p.Filed, Size: p.Size,
		Parent: p.Parent, Files: p.Files, Imported: p.Origin != "posted", Removed: !p.Removed.IsZero(), thread: p.Thread, place: p.Place, message: p.Message}
}

// mailbox reads what Describe has written of an author: "Name <address>", or an address alone.
func mailbox(author string) (m mail.Mailbox) {
	address := author
	if at := strings.LastIndex(author, " <"); at >= 0 && strings.HasSuffix(author, ">") {
		m.Name, address = author[:at], author[at+2:len(author)-1]
	}
	m.Address, _ = mail.ParseAddress(address) // an author without an address is shown by name alone
	if m.Address.IsZero() && m.Name == "" {
		m.Name = author
	}
	return m
}

// Post is the post of a number.
func (a *Archive) Post(ctx context.Context, seq lists.Seq) (p Post, err error) {
	err = a.view(ctx, func(tx *store.Tx) error {
		row, err := tx.Post(a.List.ID, seq)
		if errors.Is(err, store.ErrNotFound) || err == nil && row.Hidden {
			return ErrNoPost
		}
		p = post(row)
		return err
	})
	return p, err
}

// Message is the stored message of a post, byte for byte; of a removed one a tombstone's.
func (a *Archive) Message(ctx context.Context, p Post) (m mail.Message, err error) {
	err = a.view(ctx, func(tx *store.Tx) (err error) { m, err = tx.Message(p.message); return err })
	return m, err
}

// After are up to limit posts behind a number, by number: what IMAP numbers and what a follower has not seen.
func (a *Archive) After(ctx context.Context, seq lists.Seq, limit int) (out []Post, err error) {
	err = a.view(ctx, func(tx *store.Tx) error {
		rows, err := tx.OpenPosts(a.List.ID, seq, limit)
		out = posts(rows)
		return err
	})
	return out, err
}

// Latest are up to limit posts, latest first, that came by mail: what a feed shows. Imported ones are old news.
func (a *Archive) Latest(ctx context.Context, limit int) (out []Post, err error) {
	err = a.view(ctx, func(tx *store.Tx) error {
		rows, err := tx.LatestPosts(a.List.ID, limit)
		out = posts(rows)
		return err
	})
	return out, err
}

func posts(rows []store.Post) []Post {
	out := make([]Post, len(rows))
	for i, r := range rows {
		out[i] = post(r)
	}
	return out
}

// ByHash is the post that Hash names, in any case; ErrNoPost if there is none.
func (a *Archive) ByHash(ctx context.Context, hash string) (seq lists.Seq, err error) {
	sum, err := base32.StdEncoding.DecodeString(strings.ToUpper(hash))
	if err != nil || len(sum) != sha1.Size {
		return 0, ErrNoPost
	}
	err = a.view(ctx, func(tx *store.Tx) error {
		seq, err = tx.SeqOf(a.List.ID, sum)
		if errors.Is(err, store.ErrNotFound) {
			return ErrNoPost
		}
		return err
	})
	return seq, err
}
