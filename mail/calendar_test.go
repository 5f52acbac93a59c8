package mail_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"listd/mail"
)

func calendarOf(events ...string) []byte {
	return []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + strings.ReplaceAll(strings.Join(events, ""), "\n", "\r\n") + "END:VCALENDAR\r\n")
}

func vevent(lines string) string { return "BEGIN:VEVENT\n" + lines + "\nEND:VEVENT\n" }

func TestReadCalendar(t *testing.T) {
	t.Parallel()
	from := time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC)
	to := from.AddDate(0, 2, 0)
	for name, c := range map[string]struct {
		events []string
		want   string
	}{
		"one": {[]string{vevent("UID:1\nDTSTART:20310304T183000Z\nDTEND:20310304T203000Z\nSUMMARY:Meeting\\, with tea\nLOCATION:Room 1\\nBehind\nURL:https://example.org/1")},
			"Mar04 18:30 UTC Meeting, with tea @Room 1\nBehind 2h0m0s\n"},
		"folded":          {[]string{vevent("UID:1\nDTSTART:20310304T183000Z\nSUMMARY:A long\n  line of\n\t two")}, "Mar04 18:30 UTC A long line of two 0s\n"},
		"a zone":          {[]string{vevent("DTSTART;TZID=Europe/Paris:20310304T183000\nDURATION:PT1H30M\nSUMMARY:x")}, "Mar04 17:30 UTC x 1h30m0s\n"},
		"of Windows":      {[]string{vevent("DTSTART;TZID=\"W. Europe Standard Time\":20310404T183000\nSUMMARY:x")}, "Apr04 16:30 UTC x 0s\n"},
		"of its own":      {[]string{"BEGIN:VTIMEZONE\nTZID:Ours\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0300\nTZOFFSETTO:+0300\nEND:STANDARD\nEND:VTIMEZONE\n", vevent("DTSTART;TZID=Ours:20310304T183000\nSUMMARY:x")}, "Mar04 15:30 UTC x 0s\n"},
		"a day":           {[]string{vevent("DTSTART;VALUE=DATE:20310304\nSUMMARY:x")}, "Mar04 all day x 24h0m0s\n"},
		"outside":         {[]string{vevent("DTSTART:20310228T235959Z\nSUMMARY:x"), vevent("DTSTART:20310501T000000Z\nSUMMARY:x")}, ""},
		"cancelled":       {[]string{"METHOD:CANCEL\n", vevent("DTSTART:20310304T183000Z\nSUMMARY:x")}, "Mar04 18:30 UTC x 0s cancelled\n"},
		"by status":       {[]string{vevent("DTSTART:20310304T183000Z\nSTATUS:CANCELLED\nSUMMARY:x")}, "Mar04 18:30 UTC x 0s cancelled\n"},
		"without a time":  {[]string{vevent("SUMMARY:x"), vevent("DTSTART:yesterday\nSUMMARY:y")}, ""},
		"order":           {[]string{vevent("DTSTART:20310305T183000Z\nSUMMARY:b"), vevent("DTSTART:20310304T183000Z\nSUMMARY:a")}, "Mar04 18:30 UTC a 0s\nMar05 18:30 UTC b 0s\n"},
		"an alarm within": {[]string{vevent("DTSTART:20310304T183000Z\nSUMMARY:x\nBEGIN:VALARM\nDTSTART:20310101T000000Z\nSUMMARY:no\nEND:VALARM")}, "Mar04 18:30 UTC x 0s\n"},
		"second Tuesday":  {[]string{vevent("DTSTART;TZID=Europe/London:20300108T183000\nRRULE:FREQ=MONTHLY;BYDAY=2TU\nSUMMARY:x")}, "Mar11 18:30 UTC x 0s\nApr08 17:30 UTC x 0s\n"},
		"last Friday":     {[]string{vevent("DTSTART:20300125T183000Z\nRRULE:FREQ=MONTHLY;BYDAY=-1FR\nSUMMARY:x")}, "Mar28 18:30 UTC x 0s\nApr25 18:30 UTC x 0s\n"},
		"last workday":    {[]string{vevent("DTSTART:20300131T183000Z\nRRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1\nSUMMARY:x")}, "Mar31 18:30 UTC x 0s\nApr30 18:30 UTC x 0s\n"},
		"two weeks":       {[]string{vevent("DTSTART:20310303T100000Z\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;COUNT=5\nSUMMARY:x")}, "Mar03 10:00 UTC x 0s\nMar05 10:00 UTC x 0s\nMar17 10:00 UTC x 0s\nMar19 10:00 UTC x 0s\nMar31 10:00 UTC x 0s\n"},
		"until":           {[]string{vevent("DTSTART:20310225T100000Z\nRRULE:FREQ=DAILY;UNTIL=20310302\nSUMMARY:x")}, "Mar01 10:00 UTC x 0s\nMar02 10:00 UTC x 0s\n"},
		"a year":          {[]string{vevent("DTSTART:20100404T100000Z\nRRULE:FREQ=YEARLY\nSUMMARY:x")}, "Apr04 10:00 UTC x 0s\n"},
		"never":           {[]string{vevent("DTSTART:20300230T100000Z\nRRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30\nSUMMARY:x")}, ""},
		"one is left out": {[]string{vevent("DTSTART:20310303T100000Z\nRRULE:FREQ=WEEKLY;COUNT=3\nEXDATE:20310310T100000Z\nRDATE:20310312T110000Z\nSUMMARY:x")}, "Mar03 10:00 UTC x 0s\nMar12 11:00 UTC x 0s\nMar17 10:00 UTC x 0s\n"},
		"one is moved": {[]string{vevent("UID:1\nDTSTART:20310303T100000Z\nRRULE:FREQ=WEEKLY;COUNT=2\nSUMMARY:x"), vevent("UID:1\nRECURRENCE-ID:20310310T100000Z\nDTSTART:20310311T120000Z\nSUMMARY:later")},
			"Mar03 10:00 UTC x 0s\nMar11 12:00 UTC later 0s\n"},
		"hours are no meetings": {[]string{vevent("DTSTART:20310303T100000Z\nRRULE:FREQ=SECONDLY\nSUMMARY:x")}, "Mar03 10:00 UTC x 0s\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, err := mail.ReadCalendar(calendarOf(c.events...), from, to)
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			for _, e := range all {
				when := e.Begin.UTC().Format("Jan02 15:04 UTC")
				if e.AllDay {
					when = e.Begin.Format("Jan02") + " all day"
				}
				fmt.Fprintf(&b, "%s %s", when, e.Summary)
				if e.Location != "" {
					b.WriteString(" @" + e.Location)
				}
				fmt.Fprintf(&b, " %s", e.End.Sub(e.Begin))
				if e.Cancelled {
					b.WriteString(" cancelled")
				}
				b.WriteString("\n")
			}
			if b.String() != c.want {
				t.Errorf("got\n%swant\n%s", b.String(), c.want)
			}
		})
	}
	if _, err := mail.ReadCalendar([]byte("BEGIN:VCARD\r\n"), from, to); !errors.Is(err, mail.ErrNoCalendar) {
		t.Errorf("a card: %v", err)
	}
}

// A calendar that would take for ever is read in moments: the days that are looked at are bounded.
func TestReadCalendarBounded(t *testing.T) {
	t.Parallel()
	from := time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC)
	many := calendarOf(strings.Repeat(vevent("DTSTART:19010101T000000Z\nRRULE:FREQ=DAILY\nSUMMARY:x"), 3000))
	all, err := mail.ReadCalendar(many, from, from.AddDate(100, 0, 0))
	if err != nil || len(all) > 2000 {
		t.Errorf("%d events, %v", len(all), err)
	}
	deep := []byte("BEGIN:VCALENDAR\n" + strings.Repeat("BEGIN:VEVENT\n", 100_000))
	if all, err := mail.ReadCalendar(deep, from, from.AddDate(1, 0, 0)); err != nil || len(all) > 0 {
		t.Errorf("%d events, %v", len(all), err)
	}
}

func FuzzReadCalendar(f *testing.F) {
	f.Add(calendarOf(vevent("DTSTART;TZID=Europe/Paris:20310304T183000\nRRULE:FREQ=MONTHLY;BYDAY=-1FR,2TU;BYSETPOS=1\nEXDATE:20310310T100000Z\nSUMMARY:x")))
	f.Add([]byte("BEGIN:VCALENDAR\nBEGIN:VTIMEZONE\nTZID:x\nTZOFFSETTO:+0100\nEND:VTIMEZONE\nEND:VEVENT\nBEGIN:VEVENT\nDTSTART;TZID=x:20310304T183000\nEND:VEVENT"))
	f.Fuzz(func(t *testing.T, b []byte) {
		from := time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC)
		all, err := mail.ReadCalendar(b, from, from.AddDate(0, 1, 0))
		if err != nil && !errors.Is(err, mail.ErrNoCalendar) {
			t.Error(err)
		}
		for _, e := range all {
			if e.Begin.Before(from) || !e.Begin.Before(from.AddDate(0, 1, 0)) {
				t.Errorf("an event at %s", e.Begin)
			}
			if strings.ContainsAny(e.Summary+e.Location+e.URL, "\x00\r\x7f") {
				t.Errorf("%+v", e)
			}
		}
	})
}
