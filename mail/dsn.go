package mail

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// DSN is a delivery status notification of our own (RFC 3461, 3464), about one message and some of its recipients.
type DSN struct {
	From         Mailbox // who reports; the report's own reverse-path is <> all the same (RFC 3461 section 6.1)
	To           Address // the reverse-path of the message it is about
	Date         time.Time
	MessageID    string // of the report, without brackets
	ReportingMTA string // our host's name
	EnvID        string // as MAIL FROM gave it; empty if it did not
	Arrived      time.Time
	Recipients   []DSNRecipient
	Ret          string  // RFC 3461's RET: FULL returns the whole message when something failed, all else its head
	Original     Message // the message it is about
}

// DSNRecipient is what became of one recipient.
type DSNRecipient struct {
	Rcpt
	Action      ReportKind // Bounce, Delayed, Delivered, Relayed or Expanded
	Reply       Reply      // the last one; a zero Code if nobody spoke
	RemoteMTA   string     // who said so; empty if it was us
	LastAttempt time.Time
	RetryUntil  time.Time // of Delayed
}

// actions are RFC 3464 section 2.3.3's words.
var actions = map[ReportKind]string{Bounce: "failed", Delayed: "delayed", Delivered: "delivered", Relayed: "relayed", Expanded: "expanded"}

// ComposeDSN writes a report: what happened in plain words, the fields for machines, the message or its head. boundary is
// as for Compose. An address beyond ASCII makes it RFC 6533's message/global-delivery-status.
func ComposeDSN(d DSN, boundary string) Message {
	worst, wide := Expanded, !ascii(d.Original.Head)
	for _, r := range d.Recipients {
		if _, known := actions[r.Action]; known {
			worst = min(worst, r.Action)
		}
		wide = wide || r.UTF8()
	}
	global := "" // the subtypes' beginning
	if wide {
		global = "global-"
	}
	returned := part{head: FormatField("Content-Type", "text/rfc822-headers"), body: d.Original.Head, eightBit: !ascii(d.Original.Head)}
	if wide {
		returned.head = FormatField("Content-Type", "message/global-headers")
	}
	if strings.EqualFold(d.Ret, "FULL") && worst == Bounce {
		kind := "message/rfc822"
		if wide {
			kind = "message/global"
		}
		whole := append(append(bytes.Clone(d.Original.Head), "\r\n"...), d.Original.Body...)
		returned = part{head: FormatField("Content-Type", kind), body: whole, eightBit: !ascii(whole)}
	}
	if returned.eightBit {
		returned.head = append(returned.head, "Content-Transfer-Encoding: 8bit\r\n"...)
	}
	status := part{head: FormatField("Content-Type", "message/"+global+"delivery-status"), body: d.fields(wide)}
	if status.eightBit = !ascii(status.body); status.eightBit {
		status.head = append(status.head, "Content-Transfer-Encoding: 8bit\r\n"...)
	}
	all := multipart("report; report-type=delivery-status", boundary, textPart("plain", d.text()), status, returned)

	var head bytes.Buffer
	head.Write(FormatField("From", d.From.String()))
	head.Write(FormatField("To", d.To.Path()))
	head.Write(FormatField("Subject", dsnSubjects[worst]))
	head.Write(FormatField("Date", d.Date.Format("Mon, 02 Jan 2006 15:04:05 -0700")))
	head.Write(FormatField("Message-ID", "<"+d.MessageID+">"))
	if ids := MessageIDs(Get(d.Original.Head, "Message-ID")); len(ids) > 0 {
		head.Write(FormatField("References", "<"+ids[0]+">"))
	}
	head.WriteString("Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n")
	head.Write(all.head)
	return Message{Head: head.Bytes(), Body: all.body}
}

var dsnSubjects = map[ReportKind]string{Bounce: "Your message could not be delivered", Delayed: "Your message is delayed; it is still being tried",
	Delivered: "Your message was delivered", Relayed: "Your message was passed on", Expanded: "Your message was sent to a list"}

// text says it to people.
func (d DSN) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "This is the mail system at %s.\n", d.ReportingMTA)
	if s := oneLine(DecodeWords(Get(d.Original.Head, "Subject")), 200); s != "" {
		fmt.Fprintf(&b, "It is about your message %q.\n", s)
	}
	for _, k := range []ReportKind{Bounce, Delayed, Delivered, Relayed, Expanded} {
		first := true
		for _, r := range d.Recipients {
			if r.Action != k {
				continue
			}
			if first {
				b.WriteString("\n" + dsnWords[k] + "\n")
				first = false
			}
			b.WriteString("\n<" + r.String() + ">")
			if r.Reply.Code != 0 {
				who := "We"
				if r.RemoteMTA != "" {
					who = r.RemoteMTA
				}
				fmt.Fprintf(&b, ":\n    %s said: %s", who, oneLine(r.Reply.Error(), 800))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

var dsnWords = map[ReportKind]string{
	Bounce:    "It could not be delivered to the following addresses, and will not be tried again:",
	Delayed:   "It has not yet been delivered to the following addresses. It is still being tried; you need not send it again:",
	Delivered: "It was delivered to:",
	Relayed:   "It was passed on to a server that does not report delivery, for:",
	Expanded:  "It was delivered to a list and sent to its members:",
}

// fields are RFC 3464 section 2's.
func (d DSN) fields(wide bool) []byte {
	var b bytes.Buffer
	b.Write(FormatField("Reporting-MTA", "dns; "+d.ReportingMTA))
	if d.EnvID != "" {
		b.Write(FormatField("Original-Envelope-Id", decodeXtext(d.EnvID)))
	}
	if !d.Arrived.IsZero() {
		b.Write(FormatField("Arrival-Date", d.Arrived.Format(time.RFC1123Z)))
	}
	for _, r := range d.Recipients {
		action, known := actions[r.Action]
		if !known {
			continue
		}
		b.WriteString("\r\n")
		if kind, address, ok := strings.Cut(r.ORcpt, ";"); ok {
			address = decodeXtext(address)
			if wide && strings.EqualFold(kind, "utf-8") {
				address = decodeUTF8Address(address)
			}
			b.Write(FormatField("Original-Recipient", kind+"; "+address))
		}
		kind := "rfc822"
		if r.UTF8() {
			kind = "utf-8"
		}
		b.Write(FormatField("Final-Recipient", kind+"; "+r.String()))
		b.Write(FormatField("Action", action))
		b.Write(FormatField("Status", r.status()))
		if r.RemoteMTA != "" {
			b.Write(FormatField("Remote-MTA", "dns; "+r.RemoteMTA))
		}
		if r.Reply.Code != 0 {
			b.Write(FormatField("Diagnostic-Code", "smtp; "+oneLine(r.Reply.Error(), 800)))
		}
		if !r.LastAttempt.IsZero() {
			b.Write(FormatField("Last-Attempt-Date", r.LastAttempt.Format(time.RFC1123Z)))
		}
		if r.Action == Delayed && !r.RetryUntil.IsZero() {
			b.Write(FormatField("Will-Retry-Until", r.RetryUntil.Format(time.RFC1123Z)))
		}
	}
	return b.Bytes()
}

// status is the enhanced code; where the reply has none that agrees with the action, the general one (RFC 3463 section 2).
func (r DSNRecipient) status() string {
	e, want := r.Reply.Enhanced, 2
	switch r.Action {
	case Bounce:
		if want = 5; r.Reply.Temporary() || r.Reply.Code == 0 && e[0] == 4 {
			want = 4
		}
	case Delayed:
		want = 4
	}
	if e[0] != want {
		e = [3]int{want, 0, 0}
	}
	return fmt.Sprintf("%d.%d.%d", e[0], e[1], e[2])
}

// decodeXtext is RFC 3461 section 4's +HH. What is no such thing stands for itself.
func decodeXtext(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '+' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0 {
			b.WriteByte(byte(unhex(s[i+1])<<4 | unhex(s[i+2])))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
