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
		"last workday behind":   {[]string{vevent("DTSTART:20300131T183000Z\nRRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;UNTIL=20310330T000000Z\nSUMMARY:x")}, ""},
		"until, by its clock":   {[]string{vevent("DTSTART;TZID=America/New_York:20310301T220000\nRRULE:FREQ=DAILY;UNTIL=20310302T220000\nSUMMARY:x")}, "Mar02 03:00 UTC x 0s\nMar03 03:00 UTC x 0s\n"},
		"until, by its day":     {[]string{vevent("DTSTART;TZID=America/New_York:20310301T220000\nRRULE:FREQ=DAILY;UNTIL=20310302\nSUMMARY:x")}, "Mar02 03:00 UTC x 0s\nMar03 03:00 UTC x 0s\n"},
		"a period":              {[]string{vevent("DTSTART:20310303T100000Z\nRDATE;VALUE=PERIOD:20310312T110000Z/PT1H\nSUMMARY:x")}, "Mar03 10:00 UTC x 0s\nMar12 11:00 UTC x 0s\n"},
		"first of a week":       {[]string{vevent("DTSTART:20310305T100000Z\nRRULE:FREQ=WEEKLY;BYDAY=MO,WE;BYSETPOS=2;COUNT=2\nSUMMARY:x")}, "Mar05 10:00 UTC x 0s\nMar12 10:00 UTC x 0s\n"},
		"years later, by count": {[]string{vevent("DTSTART:20210304T100000Z\nRRULE:FREQ=YEARLY;COUNT=11\nSUMMARY:x"), vevent("DTSTART:20210305T100000Z\nRRULE:FREQ=YEARLY;COUNT=10\nSUMMARY:y")}, "Mar04 10:00 UTC x 0s\n"},
		"years later, by twos":  {[]string{vevent("DTSTART:20010411T100000Z\nRRULE:FREQ=WEEKLY;INTERVAL=26\nSUMMARY:x"), vevent("DTSTART:20210304T100000Z\nRRULE:FREQ=YEARLY;INTERVAL=2\nSUMMARY:y")}, "Mar04 10:00 UTC y 0s\nMar05 10:00 UTC x 0s\n"},
		"of Outlook, in summer": {[]string{"BEGIN:VTIMEZONE\nTZID:(UTC+01:00) Amsterdam\\, Berlin\nBEGIN:STANDARD\nDTSTART:16011028T030000\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nEND:STANDARD\n" +
			"BEGIN:DAYLIGHT\nDTSTART:16010325T020000\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nEND:DAYLIGHT\nEND:VTIMEZONE\n",
			vevent("DTSTART;TZID=\"(UTC+01:00) Amsterdam\\, Berlin\":20310304T183000\nSUMMARY:x"), vevent("DTSTART;TZID=\"(UTC+01:00) Amsterdam\\, Berlin\":20310404T183000\nSUMMARY:y")}, "Mar04 17:30 UTC x 0s\nApr04 16:30 UTC y 0s\n"},
		"a long way to a zone":  {[]string{vevent("DTSTART;TZID=/example.org/20260101/America/Argentina/Buenos_Aires:20310304T183000\nSUMMARY:x")}, "Mar04 21:30 UTC x 0s\n"},
		"behind many old ones":  {[]string{strings.Repeat(vevent("DTSTART:20200304T183000Z\nSUMMARY:old"), 2500), vevent("DTSTART:20310304T183000Z\nSUMMARY:new")}, "Mar04 18:30 UTC new 0s\n"},
		"signs that turn text":  {[]string{vevent("DTSTART:20310304T183000Z\nSUMMARY:a\u009bb\u202ec\u2066d")}, "Mar04 18:30 UTC abcd 0s\n"},
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
	// What is listed: each time is looked up in a zone, and each RDATE among the EXDATEs.
	for name, lines := range map[string]string{
		"zones of many parts": "RDATE;TZID=" + strings.Repeat("a/", 1500) + ":" + times(from, 300) + "\n",
		"no zone, many times": strings.Repeat("EXDATE;TZID=No/Where:"+times(from, 400)+"\n", 400),
		"RDATE and EXDATE":    strings.Repeat("RDATE:"+times(from, 400)+"\nEXDATE:"+times(from.AddDate(0, 0, 1), 400)+"\n", 400),
	} {
		if all, err := mail.ReadCalendar(calendarOf(vevent("DTSTART:20310301T000000Z\nSUMMARY:x\n"+lines)), from, from.AddDate(0, 1, 0)); err != nil || len(all) > 2000 {
			t.Errorf("%s: %d events, %v", name, len(all), err)
		}
	}
	deep := []byte("BEGIN:VCALENDAR\n" + strings.Repeat("BEGIN:VEVENT\n", 100_000))
	if all, err := mail.ReadCalendar(deep, from, from.AddDate(1, 0, 0)); err != nil || len(all) > 0 {
		t.Errorf("%d events, %v", len(all), err)
	}
}

// times are n of them, a second apart.
func times(from time.Time, n int) string {
	var all []string
	for i := range n {
		all = append(all, from.Add(time.Duration(i)*time.Second).Format("20060102T150405"))
	}
	return strings.Join(all, ",")
}

// The window of a round-up ends within a month: its last workday is not the window's.
func TestReadCalendarWithinPeriod(t *testing.T) {
	t.Parallel()
	from := time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC)
	b := calendarOf(vevent("DTSTART:20300131T183000Z\nRRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1\nSUMMARY:x"))
	if all, err := mail.ReadCalendar(b, from, from.AddDate(0, 0, 14)); err != nil || len(all) > 0 {
		t.Errorf("%+v, %v", all, err)
	}
	if all, err := mail.ReadCalendar(b, from.AddDate(0, 0, 28), from.AddDate(0, 0, 31)); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestReadCalendarURL(t *testing.T) {
	t.Parallel()
	from := time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC)
	for address, want := range map[string]string{
		"https://example.org/1?a=b": "https://example.org/1?a=b", "HTTP://example.org/": "http://example.org/", "javascript:alert(1)": "", "file:///etc/passwd": "",
		"https:///x": "", "https://example.org/a b": "", "mailto:ann@example.org": "",
	} {
		all, err := mail.ReadCalendar(calendarOf(vevent("DTSTART:20310304T183000Z\nURL:"+address)), from, from.AddDate(0, 1, 0))
		if err != nil || len(all) != 1 || all[0].URL != want {
			t.Errorf("%q: %+v, %v", address, all, err)
		}
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
			if strings.ContainsAny(e.Summary+e.Location+e.URL, "\x00\r\x7f") || e.URL != "" && !strings.HasPrefix(e.URL, "http") {
				t.Errorf("%+v", e)
			}
		}
	})
}
