package roster

import (
	"encoding/hex"
	"fmt"
	"maps"

	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/store"
)

// Notice is a text of lists/notices on its way to people.
type Notice struct {
	Name      string
	To        []mail.Address
	Language  string      // of the reader; empty: the list's
	Words     lists.Words // beside the list's own addresses, which are always there
	InReplyTo string      // the Message-ID it is about, without brackets; empty for none
	Attach    []mail.Attachment
	Trace     string // the ID of what it is about, for listd trace
}

// Notify sends a notice of a list in the caller's transaction. It has the null reverse-path and Auto-Submitted, so that
// no machine answers it (RFC 3834 section 5), and each reader has a copy of their own.
func (b *Books) Notify(tx *store.Tx, l lists.List, n Notice) error {
	if n.Language == "" {
		n.Language = l.Policy.Language
	}
	words := lists.Words{"list": l.Name(), "address": l.Post().String(), "owner": l.Owner().String(),
		"join": l.Join().String(), "leave": l.Leave().String(), "help": l.Help().String()}
	maps.Copy(words, n.Words)
	subject, text, err := lists.Notice(n.Name, n.Language, words)
	if err != nil {
		return err
	}
	chance := b.Chance()
	id := hex.EncodeToString(chance[:])
	kind := "auto-generated"
	var references []string
	if n.InReplyTo != "" {
		kind, references = "auto-replied", []string{n.InReplyTo}
	}
	name := l.Policy.Title
	if name == "" {
		name = l.Name()
	}
	d := mail.Draft{From: mail.Mailbox{Name: name, Address: l.Owner()}, Subject: subject, Date: tx.Now,
		InReplyTo: n.InReplyTo, References: references, Text: text, Attachments: n.Attach}
	d.Fields = []mail.Field{
		{Name: "Auto-Submitted", Raw: mail.FormatField("Auto-Submitted", kind)},
		{Name: "List-Id", Raw: mail.FormatField("List-Id", "<"+l.ListID+">")},
		{Name: "X-Listd-Notice", Raw: mail.FormatField("X-Listd-Notice", n.Name)},
	}
	if n.Trace == "" {
		n.Trace = id
	}
	for i, to := range n.To {
		d.To, d.MessageID = []mail.Mailbox{{Address: to}}, fmt.Sprintf("%s.%d@%s", id, i, b.Hostname)
		m := mail.Compose(d, "n"+id)
		message, err := tx.AddMessage(m.Head, store.PackBody(m.Body))
		if err != nil {
			return fmt.Errorf("notice %s: %w", n.Name, err)
		}
		if _, err := b.Out.Add(tx, queue.Outgoing{List: l.ID, Message: message, Priority: queue.Notice, Trace: n.Trace, Subject: subject},
			queue.Audience{Addresses: n.To[i : i+1]}); err != nil {
			return fmt.Errorf("notice %s: %w", n.Name, err)
		}
	}
	return nil
}
