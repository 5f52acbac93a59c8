package lists

import (
	"strings"

	"listd/mail"
)

// sender is what becomes of the fields that say who wrote and where replies go. A nil slice leaves the author's
// field as it lies.
type sender struct {
	from       []byte
	replyTo    []byte
	stripReply bool           // remove Reply-To
	cc         []mail.Mailbox // to add to Cc
	author     []byte         // RFC 9057: who wrote, where From does not say it any more
}

// munges reports whether From gives way to the list's address.
func (l List) munges(t Treatment) bool {
	switch l.Policy.From {
	case FromMunge:
		return true
	case FromNever:
		return false
	}
	return t.Munge
}

// treatSender decides about From, Reply-To and Cc.
//
// RFC 7960 section 4.1.3.3: the munged From keeps the author's name, and nothing in it that looks like an
// address. The address goes where a reply still finds it: into Reply-To, or into Cc when replies go elsewhere.
func treatSender(l List, head []byte, t Treatment) (s sender) {
	var authors []mail.Mailbox
	if l.Policy.Anonymous {
		s.from = mail.FormatField("From", mail.Mailbox{Name: l.displayName(), Address: l.Post()}.String())
	} else if authors = mail.Mailboxes(mail.Get(head, "From")); !l.munges(t) && len(authors) > 0 {
		authors = nil
	} else {
		if len(authors) > 0 && authors[0].Address.Key() == l.Post().Key() {
			authors = nil // it left a list of ours with this From; there is nothing to hide or to name
		} else {
			name := viaName(authors) + " via " + l.Name()
			s.from = mail.FormatField("From", mail.Mailbox{Name: name, Address: l.Post()}.String())
			if mail.Get(head, "Author") == "" && len(authors) > 0 {
				s.author = mail.FormatField("Author", joinMailboxes(authors))
			}
		}
	}
	s.treatReply(l, head, authors)
	return s
}

func (l List) displayName() string {
	if l.Policy.Title != "" {
		return l.Policy.Title
	}
	return l.Name()
}

// viaName is the author's name for a munged From.
func viaName(authors []mail.Mailbox) string {
	if len(authors) == 0 {
		return "Somebody"
	}
	name, _, _ := strings.Cut(authors[0].Name, "@")
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if forbidden(r) {
			return -1
		}
		return r
	}, name))
	if name == "" {
		name = authors[0].Address.Local
	}
	return name
}

// treatReply sets Reply-To. authors are who must be reachable although From does not name them.
func (s *sender) treatReply(l List, head []byte, authors []mail.Mailbox) {
	p := &l.Policy
	if len(authors) == 0 && !p.Anonymous && (p.ReplyTo == ReplyPoster || p.ReplyTo == ReplyNone) {
		s.stripReply = p.ReplyToStrip
		return
	}
	var own []mail.Mailbox
	if !p.ReplyToStrip && !p.Anonymous {
		own = mail.Mailboxes(mail.Get(head, "Reply-To"))
	}
	var where mail.Address
	switch {
	case p.ReplyTo == ReplyExplicit:
		where = p.ReplyToAddress
	case p.ReplyTo == ReplyList, p.Anonymous:
		where = l.Post()
	}
	switch {
	case !where.IsZero():
		s.cc = unreachable(authors, own, head)
		to := mail.Mailbox{Address: where}
		if len(lacking([]mail.Mailbox{to}, own)) > 0 {
			s.replyTo = mail.FormatField("Reply-To", joinMailboxes(append(own, to)))
		}
	case p.ReplyTo == ReplyNone:
		s.cc = unreachable(authors, own, head)
		s.stripReply = p.ReplyToStrip
	case len(own) == 0 && len(authors) > 0:
		s.replyTo = mail.FormatField("Reply-To", joinMailboxes(authors))
	default:
		s.stripReply = p.ReplyToStrip
	}
}

// unreachable are the authors whom neither their own Reply-To nor To or Cc names.
func unreachable(authors, own []mail.Mailbox, head []byte) []mail.Mailbox {
	out := lacking(authors, own)
	for f := range mail.Fields(head) {
		if len(out) > 0 && (f.Is("To") || f.Is("Cc")) {
			out = lacking(out, mail.Mailboxes(f.Value()))
		}
	}
	return out
}

// lacking are those of want that are not among have.
func lacking(want, have []mail.Mailbox) (out []mail.Mailbox) {
	for _, w := range want {
		found := false
		for _, h := range have {
			found = found || h.Address.Key() == w.Address.Key()
		}
		if !found {
			out = append(out, w)
		}
	}
	return out
}

func joinMailboxes(boxes []mail.Mailbox) string {
	words := make([]string, len(boxes))
	for i, b := range boxes {
		words[i] = b.String()
	}
	return strings.Join(words, ", ")
}

// appendCc is the Cc field as it lies with further people behind its own.
func appendCc(raw []byte, people []mail.Mailbox) []byte {
	value := strings.TrimRight(mail.Field{Raw: raw}.Value(), ", ")
	if value == "" {
		return mail.FormatField("Cc", joinMailboxes(people))
	}
	out := append([]byte(nil), strings.TrimRight(string(raw), ", \t\r\n")...)
	for _, p := range people {
		out = append(out, ",\r\n "+p.String()...)
	}
	return append(out, "\r\n"...)
}
