package mail

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Complaint is a feedback report (RFC 5965, 6650): a recipient's provider says what that recipient thinks of a message.
// What is not said is zero.
type Complaint struct {
	Type       string // of Feedback-Type, in lower case: "abuse", "fraud", "virus", "not-spam", "auth-failure" (RFC 6591), "opt-out", "other", …
	UserAgent  string
	From       Address    // Original-Mail-From
	To         []Address  // Original-Rcpt-To, or who complains by another field's word; often redacted away
	Arrived    time.Time  // Arrival-Date or Received-Date, in UTC
	Source     netip.Addr // Source-IP
	Incidents  int        // how many this report stands for; at least 1
	Domains    []string   // Reported-Domain
	AuthFailed string     // Auth-Failure (RFC 6591)
	Head       []byte     // of the message complained about, as it was returned
	MessageID  string     // of that message, without brackets
	FeedbackID string     // its CFBL-Feedback-ID (RFC 9477), else its Feedback-ID
}

// ReadComplaint reads a feedback report; false if m is none. Microsoft's JMRP sends the message complained about with no
// report beside it, as "abuse". Only as much is looked at as ReadReport does.
func ReadComplaint(m Message) (Complaint, bool) {
	n := newNotice(m)
	c := Complaint{Incidents: 1, Head: n.returned}
	switch {
	case n.feedback != nil && (n.top == "multipart/report" || !n.listed && !n.reply):
		b, _ := n.feedback.Decoded() // what is malformed is read as far as it makes sense
		c.readFields(b)
		if c.Type == "" {
			c.Type = "other"
		}
	case n.jmrp():
		c.Type = "abuse"
	default:
		return Complaint{}, false
	}
	c.readReturned()
	return c, true
}

// jmrp knows a complaint by Microsoft's program, which is a message/rfc822 and no more.
func (n *notice) jmrp() bool {
	return len(n.returned) > 0 && !n.listed && !n.reply && (strings.HasPrefix(n.subject, "complaint about message from") ||
		Get(n.returned, "X-HmXmrOriginalRecipient") != "" && strings.Contains(n.subject, "complaint"))
}

// complained reports whether the notice is a recipient's complaint: neither praise nor a receiver's word on DKIM and SPF.
func (n *notice) complained() bool {
	if n.feedback == nil {
		return n.jmrp()
	}
	if n.listed && n.top != "multipart/report" {
		return false
	}
	b, _ := n.feedback.Decoded()
	kind := strings.ToLower(Get(b, "Feedback-Type"))
	return kind != "auth-failure" && kind != "not-spam" && kind != "dmarc"
}

// readFields reads the fields of message/feedback-report (RFC 5965 section 3). QUIRK: empty lines between them.
func (c *Complaint) readFields(b []byte) {
	b = b[:min(len(b), maxReportHead)]
	for f := range Fields(b) {
		v := f.Value()
		switch strings.ToLower(f.Name) {
		case "feedback-type":
			kind, _, _ := strings.Cut(strings.ToLower(v), ";")
			if c.Type == "" {
				c.Type = oneLine(kind, 40)
			}
		case "user-agent":
			c.UserAgent = oneLine(v, 200)
		case "original-mail-from":
			if a, ok := typedAddress(v); ok && c.From.IsZero() {
				c.From = a
			}
		case "original-rcpt-to", "original-recipient", "removal-recipient":
			c.addTo(v)
		case "arrival-date", "received-date":
			if t, err := ParseDate(v); err == nil && c.Arrived.IsZero() {
				c.Arrived = t
			}
		case "source-ip":
			if ip, err := netip.ParseAddr(strings.Trim(v, "[] ")); err == nil {
				c.Source = ip.Unmap()
			}
		case "incidents":
			if n, err := strconv.Atoi(v); err == nil && n > 0 {
				c.Incidents = n
			}
		case "reported-domain":
			if d, err := parseDomain(strings.TrimSpace(v)); err == nil && len(c.Domains) < 100 {
				c.Domains = append(c.Domains, d)
			}
		case "auth-failure":
			c.AuthFailed = oneLine(strings.ToLower(v), 40)
		}
	}
}

func (c *Complaint) addTo(v string) {
	a, ok := typedAddress(v)
	if !ok || len(c.To) >= 100 {
		return
	}
	for _, have := range c.To {
		if have.Key() == a.Key() {
			return
		}
	}
	c.To = append(c.To, a)
}

// readReturned reads what the returned head adds.
func (c *Complaint) readReturned() {
	if len(c.Head) == 0 {
		return
	}
	other := ""
	for f := range Fields(c.Head) {
		switch strings.ToLower(f.Name) {
		case "message-id":
			if ids := MessageIDs(f.Value()); len(ids) > 0 && c.MessageID == "" {
				c.MessageID = ids[0]
			}
		case "cfbl-feedback-id":
			c.FeedbackID = oneLine(f.Value(), 500)
		case "feedback-id":
			other = oneLine(f.Value(), 500)
		case "x-hmxmroriginalrecipient":
			if len(c.To) == 0 {
				c.addTo(f.Value())
			}
		case "x-originating-ip", "x-sid-pra":
			if ip, err := netip.ParseAddr(string(bytes.Trim([]byte(f.Value()), "[] "))); err == nil && !c.Source.IsValid() {
				c.Source = ip.Unmap()
			}
		}
	}
	if c.FeedbackID == "" {
		c.FeedbackID = other
	}
}
