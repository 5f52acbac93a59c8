// Package archive keeps what lists have said: it files a post in the transaction that accepts it.
//
// Enter with File. RFC 5322 (Message-ID, Date), RFC 5064 (what a permalink will name).
package archive

import (
	"errors"
	"fmt"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// ErrChanged says that a list's settings, roles or rules have changed since the verdict about a post was made: gather
// and decide again.
var ErrChanged = errors.New("the list has changed meanwhile")

// Entry is what a reader sees of a post without opening it, taken from its head before the transaction.
type Entry struct {
	MsgID   string // without brackets
	Subject string // decoded, at most 500 bytes
	Author  string // header form, decoded, at most 300 bytes
	Date    time.Time
	Size    int64
	Hidden  bool // the list has no archive, or the author does not want to be in it
}

// Describe makes the Entry of a message received at now. A Date that is missing, or that lies in the future or before
// e-mail, is now.
func Describe(l lists.List, m mail.Message, now time.Time) Entry {
	e := Entry{Size: m.Size(), Date: now, Hidden: l.Policy.Archive == lists.ArchiveNone}
	author := mail.Author(m.Head)
	e.Author = clip(author.Address.String(), 300)
	if author.Name != "" {
		e.Author = clip(author.Name+" <"+author.Address.String()+">", 300)
	}
	e.Subject = clip(mail.DecodeWords(mail.Get(m.Head, "Subject")), 500)
	if ids := mail.MessageIDs(mail.Get(m.Head, "Message-ID")); len(ids) > 0 {
		e.MsgID = ids[0]
	}
	if d, err := mail.ParseDate(mail.Get(m.Head, "Date")); err == nil && d.Year() > 1970 && d.Before(now.Add(24*time.Hour)) {
		e.Date = d
	}
	if v := mail.Get(m.Head, "X-No-Archive"); v == "yes" || v == "Yes" || v == "YES" {
		e.Hidden = true
	}
	return e
}

// File files a post that a verdict about l accepted, and returns its Seq: the list's row is locked from here to the end
// of the transaction, which orders the list's posts. ErrChanged if l is not the list's state any more.
func File(tx *store.Tx, l lists.List, e Entry, message store.MessageID) (lists.Seq, error) {
	seq, err := tx.TakeSeq(l.ID, l.Version)
	if errors.Is(err, store.ErrNotFound) {
		return 0, ErrChanged
	}
	if err != nil {
		return 0, fmt.Errorf("take seq: %w", err)
	}
	err = tx.AddPost(store.Post{List: l.ID, Seq: seq, Message: message, MsgID: e.MsgID, Subject: e.Subject, Author: e.Author,
		Date: e.Date, Size: e.Size, Hidden: e.Hidden, Origin: "posted", Announced: l.Policy.Kind == lists.Announcement})
	if err != nil {
		return 0, fmt.Errorf("file: %w", err)
	}
	return seq, nil
}

// clip bounds text to n bytes of whole characters, without control characters.
func clip(s string, n int) string {
	out := make([]rune, 0, min(len(s), n))
	size := 0
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		if size += len(string(r)); size > n {
			break
		}
		out = append(out, r)
	}
	return string(out)
}
