package lists

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"listd/mail"
)

// Treatment is what one post's way through a list needs beside the list.
type Treatment struct {
	Munge     bool      // the author's domain would have the mail rejected (DMARC): From gives way where the list allows it
	Decision  string    // why it was munged, for X-Listd-Decision; empty for none
	Seq       Seq       // the post's number, for %d in the prefix and {seq} in the footer
	MessageID string    // "<…>", used if the post has none or the list is anonymous
	Date      time.Time // used if the post has none; zero: it goes without
	Hostname  string    // ours: Authentication-Results in its name are forged

	Archive, ArchivedAt string // where the list's archive and the post in it are read; empty for nowhere
}

// Prepare is the message as it leaves for the members: new fields in front, then the author's head less what must
// not pass through a list, then the body. Where the list has no prefix, no footer and nothing else that asks for
// a change, the rest of the head and the body are the author's, byte for byte. The notes are for the log: what was
// lost on the way, or could not be done.
//
// List-Unsubscribe names the address for everybody; the copy of one subscription replaces that field (compare
// UnsubscribeField) by its own.
func Prepare(l List, m mail.Message, t Treatment) (mail.Message, []string, error) {
	s := treatSender(l, m.Head, t)
	w := headWriter{l: l, t: t, sender: s}
	head := w.write(m.Head)
	out := entity{head, m.Body}
	notes := w.notes
	footed := l.Policy.Footer != ""
	if footed {
		var note string
		if out, note = addFooter(l, t.Seq, out); note != "" {
			notes, footed = append(notes, note), false
		}
	}
	if w.signed && !l.Policy.Anonymous {
		var lost []string
		if w.subject {
			lost = append(lost, "the subject prefix")
		}
		if s.from != nil {
			lost = append(lost, "the From of the list")
		}
		if footed {
			lost = append(lost, "the footer")
		}
		if len(lost) > 0 {
			notes = append(notes, "the author's DKIM signature is lost to "+strings.Join(lost, " and "))
		}
	}
	return mail.Message{Head: out.head, Body: out.body}, notes, nil
}

// headWriter writes the head of what leaves, in one pass over the author's.
type headWriter struct {
	l      List
	t      Treatment
	sender sender
	notes  []string

	signed  bool // there is a DKIM-Signature
	subject bool // the Subject has changed
}

// private are fields that tell the sender who has read, that carry a moderator's password (Mailman's Approved),
// or name hidden recipients.
var private = map[string]bool{
	"disposition-notification-to": true, "disposition-notification-options": true, "return-receipt-to": true,
	"return-receipt-requested": true, "x-confirm-reading-to": true, "read-receipt-to": true, "x-pmrqc": true,
	"approved": true, "approve": true, "x-approved": true, "x-approve": true, "bcc": true, "resent-bcc": true,
}

// kept are the fields of an anonymous list's posts: none says who wrote, or from where, or with what.
var kept = map[string]bool{
	"subject": true, "date": true, "in-reply-to": true, "references": true, "mime-version": true,
	"content-type": true, "content-transfer-encoding": true, "content-disposition": true, "content-language": true,
	"auto-submitted": true, "keywords": true, "x-loop": true,
}

// drops reports whether a field must not pass through the list.
func (w *headWriter) drops(name string, f mail.Field) bool {
	switch {
	case w.l.Policy.Anonymous && !kept[name]:
		return true
	case strings.HasPrefix(name, "list-"):
		// RFC 2369 section 5 and RFC 2919 section 6: those of another list, or forged, do not pass through.
		return true
	case name == "return-path", name == "errors-to", name == "precedence":
		return true
	case name == "authentication-results":
		// RFC 8601 section 5: only we speak in our name.
		id, _, _ := strings.Cut(f.Value(), ";")
		id, _, _ = strings.Cut(strings.TrimSpace(id), " ")
		return w.t.Hostname != "" && strings.EqualFold(id, w.t.Hostname)
	}
	return private[name]
}

func (w *headWriter) write(head []byte) []byte {
	rest := make([]byte, 0, len(head)+200)
	s := &w.sender
	var seen struct{ from, replyTo, cc, subject, id, date bool }
	var low [64]byte
	for f := range mail.Fields(head) {
		name := string(appendLower(low[:0], f.Name))
		if name == "dkim-signature" {
			w.signed = true
		}
		if name != "from" && w.drops(name, f) {
			continue
		}
		raw := f.Raw
		switch name {
		case "from":
			if s.from != nil {
				if seen.from {
					continue
				}
				raw = s.from
			}
			seen.from = true
		case "subject":
			if !seen.subject {
				raw = w.subjectField(raw)
			}
			seen.subject = true
		case "reply-to":
			if s.stripReply || seen.replyTo && s.replyTo != nil {
				continue
			}
			if s.replyTo != nil {
				raw = s.replyTo
			}
			seen.replyTo = true
		case "cc":
			if !seen.cc && len(s.cc) > 0 {
				raw = appendCc(raw, s.cc)
			}
			seen.cc = true
		case "message-id":
			seen.id = true
		case "date":
			seen.date = true
		}
		rest = append(rest, raw...)
	}
	front := w.front(len(rest))
	if !seen.subject {
		front = append(front, w.subjectField(nil)...)
	}
	if !seen.from {
		front = append(front, s.from...)
	}
	if !seen.replyTo {
		front = append(front, s.replyTo...)
	}
	if !seen.cc && len(s.cc) > 0 {
		front = append(front, mail.FormatField("Cc", joinMailboxes(s.cc))...)
	}
	if !seen.id && w.t.MessageID != "" {
		front = append(front, "Message-ID: "+w.t.MessageID+"\r\n"...)
	}
	if !seen.date && !w.t.Date.IsZero() {
		front = append(front, "Date: "+w.t.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700")+"\r\n"...)
	}
	return append(front, rest...)
}

// subjectField is the Subject with the list's prefix; raw itself if it stays.
func (w *headWriter) subjectField(raw []byte) []byte {
	if w.l.Policy.SubjectPrefix == "" {
		return raw
	}
	if out := prefixedSubject(raw, w.l.Policy.SubjectPrefix, w.t.Seq); out != nil {
		w.subject = true
		return out
	}
	return raw
}

// front are the list's own fields: RFC 2919, RFC 2369, and two that machines know. X-Loop is there because the
// next list on the way drops our List-Id and keeps X-Loop. size is how many bytes will follow.
func (w *headWriter) front(size int) []byte {
	l := &w.l
	b := make([]byte, 0, 768+size)
	if l.Policy.Title == "" {
		b = append(append(append(b, "List-Id: <"...), l.label()...), ">\r\n"...)
	} else {
		b = append(b, mail.FormatField("List-Id", mail.EncodePhrase(l.Policy.Title)+" <"+l.label()+">")...)
	}
	if l.Policy.ListHeaders {
		b = appendMailto(b, "List-Help", l.Help())
		b = appendMailto(b, "List-Subscribe", l.Join())
		b = append(b, UnsubscribeField(l.Leave())...)
		if l.Policy.OwnersOnly() {
			b = append(b, "List-Post: NO\r\n"...) // RFC 2369 section 3.4
		} else {
			b = appendMailto(b, "List-Post", l.Post())
		}
		b = appendMailto(b, "List-Owner", l.Owner())
		if w.t.Archive != "" {
			b = append(append(append(b, "List-Archive: <"...), w.t.Archive...), ">\r\n"...)
		}
	}
	if w.t.ArchivedAt != "" {
		b = append(append(append(b, "Archived-At: <"...), w.t.ArchivedAt...), ">\r\n"...)
	}
	b = append(b, "Precedence: list\r\nX-Loop: "...)
	b = append(append(b, l.Post().String()...), "\r\n"...)
	if l.Policy.Anonymous {
		b = append(append(append(b, "To: "...), l.Post().String()...), "\r\n"...)
	}
	if w.t.Decision != "" {
		b = append(b, mail.FormatField("X-Listd-Decision", w.t.Decision)...)
	}
	return append(b, w.sender.author...)
}

// UnsubscribeField is the List-Unsubscribe field (RFC 2369 section 3.2) with this address to leave.
func UnsubscribeField(leave mail.Address) []byte {
	return appendMailto(make([]byte, 0, 120), "List-Unsubscribe", leave)
}

func appendMailto(b []byte, name string, a mail.Address) []byte {
	b = append(append(b, name...), ": <mailto:"...)
	return append(append(b, a.String()...), ">\r\n"...)
}

func appendLower(b []byte, s string) []byte {
	for i := range len(s) {
		b = append(b, lower(s[i]))
	}
	return b
}

// freeBoundary is a boundary that does not occur in the entity. It comes from the head alone, so that the same
// post prepared twice is the same.
func freeBoundary(e entity) string {
	sum := sha256.Sum256(e.head)
	for {
		b := "listd-" + hex.EncodeToString(sum[:8])
		if !bytes.Contains(e.body, []byte(b)) && !bytes.Contains(e.head, []byte(b)) {
			return b
		}
		sum = sha256.Sum256(sum[:])
	}
}
