package archive

import (
	"errors"
	"fmt"

	"listd/lists"
	"listd/store"
)

// OldPost is a post of an archive of before, made ready outside the transaction.
type OldPost struct {
	Entry
	Head []byte
	Body store.Body
}

// ErrUnread says that too many of a list's posts have not been read yet to know which mails it has: have a Follower catch
// up first.
var ErrUnread = errors.New("the archive has not been read yet")

// maxUnread is how many of them may be looked through in a transaction.
const maxUnread = 5000

// FileOld files posts of an archive of before behind those a list has, and says how many are new. What the list has by
// its Message-ID (or, without one, by its head) is passed over, and so is what readers would not see: filing twice is
// filing once. A few hundred at a time keep the transaction short; a Follower should catch up between.
func FileOld(tx *store.Tx, l lists.List, all []OldPost) (int, error) {
	if _, err := tx.LockList(l.ID); err != nil {
		return 0, fmt.Errorf("file old posts: %w", err)
	}
	fresh, err := unknown(tx, l.ID, all)
	if err != nil || len(fresh) == 0 {
		return 0, err
	}
	messages := make([]store.NewMessage, len(fresh))
	for i, p := range fresh {
		messages[i] = store.NewMessage{Head: p.Head, Body: p.Body}
	}
	ids, err := tx.AddMessages(messages)
	if err != nil {
		return 0, fmt.Errorf("file old posts: %w", err)
	}
	first, err := tx.TakeSeqs(l.ID, len(fresh))
	if err != nil {
		return 0, fmt.Errorf("file old posts: %w", err)
	}
	rows := make([]store.Post, len(fresh))
	for i, p := range fresh {
		rows[i] = store.Post{List: l.ID, Seq: first + lists.Seq(i), Message: ids[i], MsgID: p.MsgID, Subject: p.Subject, Author: p.Author,
			Date: p.Date, Size: p.Size, Origin: "imported", Announced: l.Policy.Kind == lists.Announcement}
	}
	if err := tx.AddPosts(rows); err != nil {
		return 0, fmt.Errorf("file old posts: %w", err)
	}
	return len(fresh), nil
}

// unknown are those posts that a list does not have.
func unknown(tx *store.Tx, l lists.ID, all []OldPost) ([]*OldPost, error) {
	a, err := tx.Archive(l)
	if err != nil {
		return nil, err
	}
	known := make(map[store.Hash]bool, len(all))
	hashes := make([]store.Hash, 0, len(all))
	for i := range all {
		if p := &all[i]; !p.Hidden {
			hashes = append(hashes, ident(p.MsgID, p.Head))
		}
	}
	idents, err := tx.Idents(l, hashes)
	if err != nil {
		return nil, err
	}
	for _, n := range idents {
		known[n.Hash] = n.Seq > 0
	}
	n, err := tx.Unread(l, a.Threaded, maxUnread+1, func(msgid string, head []byte) { known[ident(msgid, head)] = true })
	if err != nil {
		return nil, err
	}
	if n > maxUnread {
		return nil, ErrUnread
	}
	fresh, at := make([]*OldPost, 0, len(all)), 0
	for i := range all {
		p := &all[i]
		if p.Hidden {
			continue
		}
		if h := hashes[at]; !known[h] {
			known[h] = true
			fresh = append(fresh, p)
		}
		at++
	}
	return fresh, nil
}
