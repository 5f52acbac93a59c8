package mail_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"listd/mail"
)

func TestComposeDSN(t *testing.T) {
	t.Parallel()
	at := time.Date(2024, 5, 14, 9, 30, 0, 0, time.UTC)
	d := mail.DSN{
		From: mail.Mailbox{Name: "Mail Delivery System", Address: address(t, "mailer-daemon@lists.example.net")}, To: address(t, "ann@example.net"),
		Date: at, MessageID: "d1@lists.example.net", ReportingMTA: "lists.example.net", EnvID: "QQ+2B1", Arrived: at.Add(-time.Hour), Ret: "HDRS",
		Original: mail.Message{Head: []byte("From: ann@example.net\r\nTo: dev@lists.example.net\r\nSubject: Hello\r\nMessage-ID: <1@example.net>\r\n"), Body: []byte("secret\r\n--b\r\n")},
		Recipients: []mail.DSNRecipient{
			{Rcpt: mail.Rcpt{Address: address(t, "bob+x@example.org"), ORcpt: "rfc822;bob+2Bx@example.org"}, Action: mail.Bounce, Reply: *mail.Refuse(550, "5.1.1", "User unknown"), RemoteMTA: "mx.example.org"},
			{Rcpt: mail.Rcpt{Address: address(t, "carl@example.org")}, Action: mail.Bounce, Reply: *mail.Refuse(452, "4.2.2", "Mailbox\r\nfull")},
			{Rcpt: mail.Rcpt{Address: address(t, "dora@example.org")}, Action: mail.Delayed, RetryUntil: at.Add(time.Hour)},
			{Rcpt: mail.Rcpt{Address: address(t, "emil@example.org")}, Action: mail.Delivered},
			{Rcpt: mail.Rcpt{Address: address(t, "fritz@example.org")}, Action: mail.AutoReply}, // nothing to report
		},
	}
	m := mail.ComposeDSN(d, "b")
	r := mail.ReadReport(m)
	var got []string
	for _, f := range r.Failures {
		got = append(got, describeFailure(f))
	}
	if r.Kind != mail.Bounce || strings.Join(got, ", ") != "bob+x@example.org permanent no_user 5.1.1, carl@example.org temporary full 4.2.2" ||
		r.MessageID != "1@example.net" || len(r.OriginalTo) != 1 || r.OriginalTo[0].String() != "dev@lists.example.net" {
		t.Errorf("read back: %+v\n%s%s", r, m.Head, m.Body)
	}
	for _, want := range []string{"Original-Envelope-Id: QQ+1\r\n", "Original-Recipient: rfc822; bob+x@example.org\r\n", "Diagnostic-Code: smtp; 550 5.1.1 User unknown\r\n", "Remote-MTA: dns; mx.example.org\r\n",
		"Action: delayed\r\nStatus: 4.0.0\r\nWill-Retry-Until: Tue, 14 May 2024 10:30:00 +0000\r\n", "Action: delivered\r\nStatus: 2.0.0\r\n", "Content-Type: text/rfc822-headers\r\n", "Arrival-Date: Tue, 14 May 2024 08:30:00 +0000\r\n"} {
		if !bytes.Contains(m.Body, []byte(want)) {
			t.Errorf("%q is not in\n%s", want, m.Body)
		}
	}
	if bytes.Contains(m.Body, []byte("secret")) || bytes.Contains(m.Body, []byte("fritz")) {
		t.Errorf("too much is in\n%s", m.Body)
	}
	if mail.Automatic(mail.Envelope{From: address(t, "x@example.org")}, m.Head) == "" {
		t.Errorf("a report that does not say it is automatic:\n%s", m.Head)
	}
	d.Ret = "FULL"
	if m := mail.ComposeDSN(d, "b"); !bytes.Contains(m.Body, []byte("Content-Type: message/rfc822\r\n\r\nFrom: ann@example.net")) || !bytes.Contains(m.Body, []byte("secret")) {
		t.Errorf("RET=FULL returns no message:\n%s", m.Body)
	}
	d.Recipients = d.Recipients[2:4]
	if m := mail.ComposeDSN(d, "b"); bytes.Contains(m.Body, []byte("secret")) || mail.ReadReport(m).Kind != mail.Delayed {
		t.Errorf("nothing failed, and yet:\n%s", m.Body)
	}
}

// RFC 6533: addresses beyond ASCII.
func TestComposeDSNGlobal(t *testing.T) {
	t.Parallel()
	m := mail.ComposeDSN(mail.DSN{From: mail.Mailbox{Address: address(t, "mailer-daemon@example.net")}, To: address(t, "ann@example.net"), ReportingMTA: "example.net", Ret: "FULL",
		Original: mail.Message{Head: []byte("Subject: Grüße\r\n"), Body: []byte("x\r\n")},
		Recipients: []mail.DSNRecipient{{Rcpt: mail.Rcpt{Address: address(t, "jürgen@example.org"), ORcpt: `utf-8;j\x{FC}rgen@example.org`}, Action: mail.Bounce,
			Reply: *mail.Refuse(550, "5.6.7", "no SMTPUTF8")}}}, "b")
	r := mail.ReadReport(m)
	if len(r.Failures) != 1 || describeFailure(r.Failures[0]) != "jürgen@example.org permanent content 5.6.7" {
		t.Errorf("%+v\n%s%s", r, m.Head, m.Body)
	}
	for _, want := range []string{"Content-Type: message/global-delivery-status\r\n", "Content-Type: message/global\r\n", "Final-Recipient: utf-8; jürgen@example.org\r\n", "Original-Recipient: utf-8; jürgen@example.org\r\n"} {
		if !bytes.Contains(m.Body, []byte(want)) {
			t.Errorf("%q is not in\n%s", want, m.Body)
		}
	}
}

func address(t testing.TB, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
