package roster

import (
	"encoding/hex"
	"fmt"
	"maps"
	"strings"

	"listd/letter"
	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/store"
)

// Notice is a text of lists/notices on its way to people.
type Notice struct {
	Name      string
	From      mail.Address // where a reply goes; zero: the owners
	To        []mail.Address
	Language  string      // of the reader; empty: the list's
	Words     lists.Words // beside the list's own addresses, which are always there
	InReplyTo string      // the Message-ID it is about, without brackets; empty for none
	Attach    []mail.Attachment
	Below     []Notice // whose texts follow; without a word of its own to say, the first of them takes its place
	Trace     string   // the ID of what it is about, for listd trace
}

// Notify sends a notice of a list in the caller's transaction. It has the null reverse-path and Auto-Submitted, so that
// no machine answers it (RFC 3834 section 5), and each reader has a copy of their own.
func (b *Books) Notify(tx *store.Tx, l lists.List, n Notice) error {
	d, id, err := b.draft(tx, l, &n)
	if err != nil {
		return err
	}
	for i, to := range n.To {
		d.To, d.MessageID = []mail.Mailbox{{Address: to}}, fmt.Sprintf("%s.%d@%s", id, i, b.Hostname)
		m := mail.Compose(d, "n"+id)
		message, err := tx.AddMessage(m.Head, store.PackBody(m.Body))
		if err != nil {
			return fmt.Errorf("notice %s: %w", n.Name, err)
		}
		if _, err := b.Out.Add(tx, queue.Outgoing{List: l.ID, Message: message, Priority: queue.Notice, Trace: n.Trace, Subject: d.Subject},
			queue.Audience{Addresses: n.To[i : i+1]}); err != nil {
			return fmt.Errorf("notice %s: %w", n.Name, err)
		}
	}
	return nil
}

// draft is a notice but for its reader, and the ID that its Message-ID is made of. What n leaves open is filled in.
func (b *Books) draft(tx *store.Tx, l lists.List, n *Notice) (d mail.Draft, id string, err error) {
	if n.Language == "" {
		n.Language = l.Policy.Language
	}
	said, err := fill(tx, l, *n)
	if err != nil {
		return d, "", err
	}
	page, err := said.page(n.Language)
	if err != nil {
		return d, "", fmt.Errorf("notice %s: %w", n.Name, err)
	}
	title := lists.WordsOf(l)["title"]
	if n.From.IsZero() {
		n.From = l.Owner()
	}
	chance := b.Chance()
	id = hex.EncodeToString(chance[:])
	kind := "auto-generated"
	var references []string
	if n.InReplyTo != "" {
		kind, references = "auto-replied", []string{n.InReplyTo}
	}
	d = mail.Draft{From: mail.Mailbox{Name: title, Address: n.From}, Subject: said.subject, Date: tx.Now,
		InReplyTo: n.InReplyTo, References: references, Text: said.text, HTML: page, Attachments: n.Attach}
	d.Fields = []mail.Field{
		{Name: "Auto-Submitted", Raw: mail.FormatField("Auto-Submitted", kind)},
		{Name: "List-Id", Raw: mail.FormatField("List-Id", "<"+l.ListID+">")},
		{Name: "X-Listd-Notice", Raw: mail.FormatField("X-Listd-Notice", n.Name)},
	}
	if n.Trace == "" {
		n.Trace = id
	}
	return d, id, nil
}

// said is what a notice says. The link, if it has one to press, stands in text in a line of its own.
type said struct{ subject, text, button, link string }

// fill is a notice with its words, and those below it.
func fill(tx *store.Tx, l lists.List, n Notice) (s said, err error) {
	all := append([]Notice{n}, n.Below...)
	if len(n.Below) > 0 && n.silent() {
		all = all[1:]
	}
	for i, one := range all {
		words := lists.WordsOf(l)
		maps.Copy(words, one.Words)
		raw, err := tx.NoticeText(l.ID, one.Name, n.Language)
		if err != nil {
			return s, err
		}
		subject, text, err := lists.FillNotice(one.Name, raw, words)
		if err != nil {
			return s, err
		}
		button, err := lists.NoticeButton(one.Name, raw, words)
		if err != nil {
			return s, err
		}
		if i == 0 {
			s.subject, s.text = subject, text
		} else {
			s.text += "\n" + text
		}
		if button != "" && s.button == "" && words["link"] != "" {
			s.button, s.link = button, words["link"]
		}
	}
	return s, nil
}

// page is the same in HTML, with a button in the link's place.
func (s said) page(language string) (string, error) {
	t, err := letter.BuiltIn("notice")
	if err != nil {
		return "", err
	}
	n := letter.Notice{Subject: s.subject, Language: language, Body: letter.Plain(s.text)}
	if before, after, ok := strings.Cut(s.text, "\n    "+s.link+"\n"); ok && s.button != "" {
		n.Body, n.Button, n.After = letter.Plain(before), letter.Button{Label: s.button, URL: s.link}, letter.Plain(after)
	}
	p, err := letter.Render(t, n)
	return p.HTML, err
}

// silent reports whether none of a notice's own words says anything.
func (n Notice) silent() bool {
	for _, w := range n.Words {
		if w != "" {
			return false
		}
	}
	return true
}
