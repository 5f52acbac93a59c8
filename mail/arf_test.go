package mail_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"listd/mail"
)

func TestReadComplaint(t *testing.T) {
	t.Parallel()
	c, ok := mail.ReadComplaint(readReportFile(t, "arf_abuse.eml"))
	if !ok || c.Type != "abuse" || c.UserAgent != "Provider/1.0" || c.From.String() != "dev-bounces@lists.example.net" || len(c.To) != 1 || c.To[0].String() != "bob@example.org" ||
		!c.Arrived.Equal(time.Date(2024, 5, 14, 7, 30, 12, 0, time.UTC)) || c.Source.String() != "192.0.2.1" || c.MessageID != "20240514073000.4711@example.net" || c.Incidents != 1 {
		t.Errorf("%v, %+v", ok, c)
	}
	c, ok = mail.ReadComplaint(readReportFile(t, "arf_jmrp.eml"))
	if !ok || c.Type != "abuse" || len(c.To) != 1 || c.To[0].String() != "bob@hotmail.example" || c.MessageID != "20240514073000.4711@example.net" {
		t.Errorf("JMRP: %v, %+v", ok, c)
	}
	c, ok = mail.ReadComplaint(readReportFile(t, "arf_authfailure.eml"))
	if !ok || c.Type != "auth-failure" || c.AuthFailed != "dmarc" {
		t.Errorf("auth-failure: %v, %+v", ok, c)
	}
	for _, name := range []string{"postfix_01.eml", "mdn_read.eml", "post_plain.eml", "person_forward_attached.eml", "dmarc_aggregate.eml"} {
		if c, ok := mail.ReadComplaint(readReportFile(t, name)); ok {
			t.Errorf("%s is the complaint %+v", name, c)
		}
	}
}

// Real reports are not as RFC 5965 wants them.
func TestReadComplaintShapes(t *testing.T) {
	t.Parallel()
	const head = "From: fbl@provider.example\r\nSubject: FW: Meeting\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=A\r\n"
	for _, c := range []struct {
		name, fields, returned string
		want                   string
	}{
		{"several recipients", "Feedback-Type: Abuse\r\nOriginal-Rcpt-To: bob@example.org\r\nOriginal-Rcpt-To: <carl@example.org>\r\nOriginal-Rcpt-To: BOB@example.org\r\n", "", "abuse 1 bob@example.org carl@example.org"},
		{"no type", "User-Agent: x\r\n", "", "other 1"},
		{"redacted", "Feedback-Type: abuse\r\nOriginal-Rcpt-To: redacted\r\nIncidents: 12\r\n", "", "abuse 12"},
		{"AOL's draft", "Feedback-Type: abuse\r\nVersion: 0.1\r\nRemoval-Recipient: bob@example.org\r\n", "", "abuse 1 bob@example.org"},
		{"null sender", "Feedback-Type: not-spam\r\nOriginal-Mail-From: <>\r\n", "", "not-spam 1"},
		{"CFBL", "Feedback-Type: abuse\r\n", "CFBL-Feedback-ID: 4711:abc\r\nFeedback-ID: x:y\r\nMessage-ID: <1@example.net>\r\n", "abuse 1 id=4711:abc 1@example.net"},
		{"Feedback-ID", "Feedback-Type: abuse\r\n", "Feedback-ID: x:y\r\n", "abuse 1 id=x:y"},
	} {
		body := "--A\r\nContent-Type: message/feedback-report\r\n\r\n" + c.fields + "\r\n--A\r\nContent-Type: text/rfc822-headers\r\n\r\n" + c.returned + "\r\n--A--\r\n"
		got, ok := mail.ReadComplaint(mail.Message{Head: []byte(head), Body: []byte(body)})
		said := []string{got.Type, strconv.Itoa(got.Incidents)}
		for _, a := range got.To {
			said = append(said, a.String())
		}
		if got.FeedbackID != "" {
			said = append(said, "id="+got.FeedbackID)
		}
		if got.MessageID != "" {
			said = append(said, got.MessageID)
		}
		if s := strings.Join(said, " "); !ok || s != c.want {
			t.Errorf("%s: %v, %q, want %q", c.name, ok, s, c.want)
		}
	}
}
