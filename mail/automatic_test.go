package mail_test

import (
	"testing"

	"listd/mail"
)

func TestAutomatic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, head, want string }{
		{"", "Subject: Hello\r\n", "null sender"},
		{"mailer-daemon", "", "sender mailer-daemon"},
		{"MAILER-DAEMON", "", "sender mailer-daemon"},
		{"NoReply", "", "sender noreply"},
		{"LISTSERV", "", "sender listserv"},
		{"dev-request", "", "sender -request"},
		{"dev-owner", "", "sender -owner"},
		{"dev-bounces", "", "sender -bounces"},
		{"dev-bounces+k3x", "", "sender of a list"},
		{"bounces+k3x", "", "sender of a list"},
		{"owner-dev", "", "sender of a list"},
		{"ann", "Auto-Submitted: auto-generated\r\n", "Auto-Submitted: auto-generated"},
		{"ann", "auto-submitted:\r\n Auto-Replied; owner-email=\"x@example.org\"\r\n", "Auto-Submitted: auto-replied"},
		{"ann", "Auto-Submitted: auto-notified (x)\r\n", "Auto-Submitted: auto-notified"},
		{"ann", "Auto-Submitted: x-other\r\n", "Auto-Submitted: x-other"},
		{"ann", "Precedence: bulk\r\n", "Precedence: bulk"},
		{"ann", "Precedence: JUNK\r\n", "Precedence: junk"},
		{"ann", "Precedence: list\r\n", "Precedence: list"},
		{"ann", "Precedence: auto_reply\r\n", "Precedence: auto_reply"},
		{"ann", "X-Autoreply: yes\r\n", "X-Autoreply"},
		{"ann", "X-Auto-Response-Suppress: DR, OOF, AutoReply\r\n", "X-Auto-Response-Suppress"},
		{"ann", "X-Auto-Response-Suppress: All\r\n", "X-Auto-Response-Suppress"},
		{"ann", "List-Id: <dev.example.org>\r\n", "List-Id"},
		{"ann", "List-Unsubscribe: <mailto:x@example.org>\r\n", "List-Unsubscribe"}, // RFC 5230 section 4.6: List-*
		{"ann", "X-Loop: x\r\n", "X-Loop"},
		{"ann", "Feedback-ID: 1\r\n", "Feedback-ID"},
		{"ann", "Content-Type: multipart/report; report-type=disposition-notification; boundary=x\r\nSubject: Read: confirm abc\r\n", "a report"},
		{"ann", "Subject: Out of Office: holidays\r\n", "Subject of an absence"},
		{"ann", "Subject: =?utf-8?q?R=C3=A9ponse_automatique_=3A_x?=\r\n", "Subject of an absence"},
		{"ann", "Subject: Automatische Antwort: x\r\n", "Subject of an absence"},
		{"ann", "Subject: =?utf-8?b?6Ieq5YuV6L+U5L+h?=\r\n", "Subject of an absence"},

		// These only look so.
		{"ann", "", ""},
		{"ann", "Auto-Submitted: no\r\n", ""},
		{"ann", "Auto-Submitted: NO (a person wrote it)\r\n", ""},
		{"ann", "Auto-Submitted: no; x=y\r\n", ""},
		{"ann", "Auto-Submitted:\r\n", ""},
		{"ann", "Precedence: first-class\r\n", ""},
		{"ann", "Precedence: special-delivery\r\n", ""},
		{"ann", "X-Autoreply: no\r\n", ""},
		{"ann", "X-Auto-Response-Suppress: DR, RN, NRN\r\n", ""},
		{"ann", "Listing: x\r\nX-List-Id: x\r\n", ""},
		{"ann", "Subject: Re: Out of office politics\r\n", ""},
		{"ann", "Subject: I am out of office\r\n", ""},
		{"ann", "X-Note: Auto-Submitted: auto-replied\r\n", ""},
		{"ann", "Content-Type: multipart/mixed; boundary=report\r\n", ""},
		{"owner", "", ""},
		{"request", "", ""},
		{"bouncer", "", ""},
		{"postmaster-general", "", ""},
	} {
		env := mail.Envelope{From: mail.Address{Local: c.from, Domain: "example.org"}}
		if c.from == "" {
			env.From = mail.Address{}
		}
		if got := mail.Automatic(env, []byte(c.head)); got != c.want {
			t.Errorf("Automatic(%q, %q) = %q, want %q", c.from, c.head, got, c.want)
		}
	}
}
