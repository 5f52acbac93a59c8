package archive

import (
	"errors"
	"fmt"
	"strings"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// removedSubject is what stands where a post was.
const removedSubject = "(removed)"

// Remove takes a post out of the archive, as its owner wishes; why is shown to readers, and may be empty. What it said is
// deleted in every form: its message, what left of it, its words, and the bytes of its body unless another message has
// the same. Its number, its place in its thread and its Message-ID stay, so that no link breaks and no answer is orphaned.
//
// What is still due to members goes out, since it was accepted; due says how many outgoings that are. Their content is
// swept with the rest of the queue's when they are settled. ErrNoPost if there is no such post; one that was removed
// before stays as it is.
func Remove(tx *store.Tx, l lists.List, seq lists.Seq, why string) (due int, err error) {
	if err := tx.CountRemoval(l.ID); errors.Is(err, store.ErrNotFound) {
		return 0, ErrNoPost
	} else if err != nil {
		return 0, fmt.Errorf("remove: %w", err)
	}
	p, err := tx.Post(l.ID, seq)
	if errors.Is(err, store.ErrNotFound) {
		return 0, ErrNoPost
	}
	if err != nil || !p.Removed.IsZero() {
		return 0, err
	}
	old, err := tx.Message(p.Message)
	if err != nil {
		return 0, fmt.Errorf("remove: %w", err)
	}
	stone := tombstone(l, p, old.Head, why)
	message, err := tx.AddMessage(stone.Head, store.PackBody(stone.Body))
	if err != nil {
		return 0, fmt.Errorf("remove: %w", err)
	}
	gone, err := tx.DropKept(l.ID, Span{First: seq, Last: seq})
	if err != nil {
		return 0, fmt.Errorf("remove: %w", err)
	}
	gone = append(gone, p.Message)
	p.Message, p.Subject, p.Author, p.Size = message, removedSubject, l.Owner().String(), stone.Size()
	if err := tx.ReplacePost(p); err != nil {
		return 0, fmt.Errorf("remove: %w", err)
	}
	if p.Place > 0 {
		if err := tx.DropWords(p.Place); err != nil {
			return 0, fmt.Errorf("remove: %w", err)
		}
	}
	sent, err := tx.CopiesOf(l.ID, seq)
	if err != nil {
		return 0, fmt.Errorf("remove: %w", err)
	}
	for _, s := range sent {
		if s.Due {
			due++
			continue
		}
		gone = append(gone, s.Message)
		if err := tx.ReplaceOutgoing(s.Outgoing, message, removedSubject); err != nil {
			return 0, fmt.Errorf("remove: %w", err)
		}
	}
	for _, id := range gone {
		if _, err := tx.DropMessage(id); err != nil {
			return 0, fmt.Errorf("remove: %w", err)
		}
	}
	return due, nil
}

// tombstone is the message that stands where a post was: with its date and its links to others, and nothing that it said.
func tombstone(l lists.List, p store.Post, head []byte, why string) mail.Message {
	text := "This message was removed by the list's owner.\n"
	if why = strings.TrimSpace(clip(why, 500)); why != "" {
		text += "\nReason: " + why + "\n"
	}
	d := mail.Draft{From: mail.Mailbox{Name: l.Policy.Title, Address: l.Owner()}, To: []mail.Mailbox{{Address: l.Address}},
		Subject: removedSubject, MessageID: p.MsgID, Date: p.Date, Text: text}
	for f := range mail.Fields(head) {
		if f.Is("References") || f.Is("In-Reply-To") {
			// As a post's own, but only what is a Message-ID: the rest of an old In-Reply-To is a sentence with names.
			ids := references(f.Raw)
			if len(ids) > 0 {
				d.Fields = append(d.Fields, mail.Field{Name: f.Name, Raw: mail.FormatField(f.Name, "<"+strings.Join(ids, "> <")+">")})
			}
		}
	}
	return mail.Compose(d, "removed")
}
