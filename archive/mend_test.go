package archive_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"listd/archive"
	"listd/mail"
)

func TestMend(t *testing.T) {
	t.Parallel()
	const whole = "From: ann@example.org\nDate: Thu, 4 Mar 2004 12:00:00 +0000\nMessage-ID: <1@example.org>\n"
	sent := time.Date(2004, 3, 4, 12, 0, 0, 0, time.UTC)
	ann := mail.Address{Local: "ann", Domain: "example.org"}
	for _, c := range []struct {
		name, head string
		hints      archive.Hints
		top        string // what is put on top, behind MendedField
		odd        string // a part of what is noted
		date       time.Time
	}{
		{"nothing is odd", whole, archive.Hints{}, "", "", sent},
		{"a year that will come", strings.Replace(whole, "2004", "2099", 1), archive.Hints{}, "", "", sent.AddDate(95, 0, 0)},
		{"a year that no clock has", strings.Replace(whole, "2004", "2100", 1), archive.Hints{}, "", "wrong clock", time.Time{}},
		{"a day ahead is a wrong zone", strings.Replace(whole, "2004", "2031", 1), archive.Hints{Now: sent.AddDate(27, 0, -1).Add(1)}, "", "", sent.AddDate(27, 0, 0)},
		{"more is a wrong clock", strings.Replace(whole, "2004", "2031", 1), archive.Hints{Now: sent.AddDate(27, 0, -1), Received: sent},
			"Date: Thu, 04 Mar 2004 12:00:00 +0000\n", `wrong clock (Thu, 4 Mar 2031 12:00:00 +0000): that of the "From " line`, sent},
		{"a Received without a date", "Received: by x\nFrom: ann@example.org\nMessage-ID: <1@example.org>\n", archive.Hints{Before: sent},
			"Date: Thu, 04 Mar 2004 12:00:00 +0000\n", "no Date: that of the message before", sent},
		{"an ID without brackets", strings.Replace(whole, "<1@example.org>", "1@example.org", 1), archive.Hints{}, "", "", sent},
		{"an empty ID", strings.Replace(whole, "<1@example.org>", "<>", 1), archive.Hints{},
			"Message-ID: <xgydrd4usku3xi7qclp5kplllvb3uc4d@import.invalid>\n", "Message-ID cannot be read (<>)", sent},
		{"obscured", strings.Replace(whole, "ann@", `"Ann (x)" <ann at `, 1), archive.Hints{}, "", "no address", sent},
		{"obscured in brackets", strings.Replace(whole, "ann@example.org", `"Ann" <ann at example.org>`, 1), archive.Hints{}, "From: \"Ann\" <ann@example.org>\n", "for people", sent},
		{"obscured in another language", strings.Replace(whole, "ann@", "ann chez ", 1), archive.Hints{Obscured: true}, "From: ann@example.org\n", "for people", sent},
		{"prose", strings.Replace(whole, "ann@", "ann chez ", 1), archive.Hints{}, "", "nothing tells who wrote it", sent},
		{"obscured with a long name", strings.Replace(whole, "ann@example.org", "ann at example.org ("+strings.Repeat("x", 600)+")", 1), archive.Hints{}, "From: ann@example.org\n", "for people", sent},
		{"an encoded name", strings.Replace(whole, "ann@example.org", "=?utf-8?q?J=C3=BCrgen?=", 1), archive.Hints{From: ann}, "From: =?utf-8?q?J=C3=BCrgen?= <ann@example.org>\n", "has no address", sent},
		{"Content-Type without end", whole + "Content-Type: text/plain; charset=\"\n", archive.Hints{}, "", "", sent},
		{"a charset in capitals", whole + "Content-Type: text/plain; CHARSET=Shift_JIS\n", archive.Hints{}, "", "", sent},
		{"a charset of nowhere", whole + "Content-Type: text/plain; charset=unknown-8bit; format=flowed\n", archive.Hints{}, "", `charset "unknown-8bit"`, sent},
	} {
		m := mail.Message{Head: []byte(strings.ReplaceAll(c.head, "\n", "\r\n")), Body: []byte("x\r\n")}
		got, date, odd := archive.Mend(m, c.hints)
		if !date.Equal(c.date) {
			t.Errorf("%s: the date is %v, want %v", c.name, date, c.date)
		}
		if s := strings.Join(odd, "; "); !strings.Contains(s, c.odd) || (s == "") != (c.odd == "") {
			t.Errorf("%s: %q is noted, want %q", c.name, s, c.odd)
		}
		top, ok := bytes.CutSuffix(got.Head, m.Head)
		if !ok || !bytes.Equal(got.Body, m.Body) {
			t.Errorf("%s: what was there has changed: %q", c.name, got.Head)
		}
		_, put, _ := strings.Cut(strings.ReplaceAll(string(top), "\r\n", "\n"), "\n")
		if diff := cmp.Diff(c.top, put); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
		if again, _, _ := archive.Mend(got, c.hints); !bytes.Equal(again.Head, got.Head) {
			t.Errorf("%s: it is mended a second time: %q", c.name, again.Head)
		}
	}
}

// TestMendID finds a message again by the ID that was made for it.
func TestMendID(t *testing.T) {
	t.Parallel()
	id := func(head, body string, at time.Time) string {
		m, _, _ := archive.Mend(mail.Message{Head: []byte(head), Body: []byte(body)}, archive.Hints{Domain: "lists.example.org", Received: at})
		return mail.Get(m.Head, "Message-ID")
	}
	at := time.Date(2004, 3, 4, 12, 0, 0, 0, time.UTC)
	const head, date = "From: ann@example.org\r\nSubject: s\r\n", "Date: Thu, 4 Mar 2004 12:00:00 +0000\r\n"
	first := id(head+date, "x\r\n", at)
	if !strings.HasSuffix(first, "@lists.example.org>") {
		t.Errorf("the ID is %s", first)
	}
	for name, same := range map[string]string{
		"again":                          id(head+date, "x\r\n", at),
		"read by somebody in between":    id("Status: RO\r\n"+head+date+"X-Mozilla-Status: 0001\r\n", "x\r\n", at),
		"in another file":                id(head+date, "x\r\n", at.Add(time.Hour)),
		"with an empty line at its end":  id(head+date, "x\r\n\r\n", at),
		"with its fields in other order": id(date+head, "x\r\n", at),
	} {
		if same != first {
			t.Errorf("%s it has another ID: %s, first %s", name, same, first)
		}
	}
	undated := id(head, "x\r\n", at)
	for name, other := range map[string]string{
		"another body": id(head+date, "y\r\n", at), "another subject": id("From: ann@example.org\r\nSubject: t\r\n"+date, "x\r\n", at),
		"no date, and another time": id(head, "x\r\n", at.Add(time.Hour)), "another author": id("From: bob@example.org\r\n"+date, "x\r\n", at),
	} {
		if other == first || other == undated {
			t.Errorf("%s, and the ID is the same", name)
		}
	}
}
