package lists

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSchedule(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"daily":                             "daily",
		"DAILY 8:05 utc":                    "daily 08:05 UTC",
		"weekly Europe/Paris tue 18:30":     "weekly tue 18:30 Europe/Paris",
		"weekly":                            "weekly",
		"weekly Sun":                        "weekly sun",
		"monthly first-mon 08:00 UTC":       "monthly first-mon 08:00 UTC",
		"monthly last-sun 00:00 Asia/Tokyo": "monthly last-sun 00:00 Asia/Tokyo",
		"monthly 15":                        "monthly 15",
		"monthly 31 23:59":                  "monthly 31 23:59",
	} {
		s, err := ParseSchedule(in)
		if err != nil || s.String() != want {
			t.Errorf("%q: %q %v, want %q", in, s, err, want)
		}
		if again, err := ParseSchedule(want); err != nil || again != s {
			t.Errorf("%q is %+v, then %+v %v", in, s, again, err)
		}
	}
	for _, in := range []string{"", "  ", "hourly", "daily tue", "weekly tue wed", "weekly 15", "monthly fifth-mon", "monthly first", "monthly 0",
		"monthly 32", "monthly +3", "daily 24:00", "daily 08:00 09:00", "daily Local", "daily Europe/Nowhere", "daily ../etc/passwd",
		"daily /etc/localtime", "daily UTC UTC", "weekly tue\r\nX: y", "daily " + strings.Repeat("x", 200)} {
		if s, err := ParseSchedule(in); err == nil {
			t.Errorf("%q is %q", in, s)
		}
	}
}

func TestScheduleOr(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"", "weekly sun 08:00 Europe/London", "weekly sun 08:00 Europe/London"},
		{"weekly tue", "weekly sun 09:30 Europe/London", "weekly tue 09:30 Europe/London"},
		{"weekly", "weekly sun 09:30 Europe/London", "weekly sun 09:30 Europe/London"},
		{"weekly", "daily 09:30 Europe/London", "weekly mon 09:30 Europe/London"},
		{"daily UTC", "weekly sun 09:30 Europe/London", "daily 09:30 UTC"},
		{"monthly", "weekly sun", "monthly 1 08:00 UTC"},
		{"monthly 18:00", "monthly last-fri", "monthly last-fri 18:00 UTC"},
		{"daily", "", "daily 08:00 UTC"},
	} {
		s, _ := ParseSchedule(c[0])
		def, _ := ParseSchedule(c[1])
		got := s.Or(def)
		if got.String() != c[2] {
			t.Errorf("%q or %q is %q, want %q", c[0], c[1], got, c[2])
		}
		if want, err := ParseSchedule(c[2]); err != nil || got != want { // what a row has kept is the same again
			t.Errorf("%q is %+v, want %+v %v", got, got, want, err)
		}
	}
}

func TestScheduleNext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ schedule, after, want string }{
		{"daily 08:00 UTC", "2031-02-03T07:59:59Z", "2031-02-03T08:00:00Z"},
		{"daily 08:00 UTC", "2031-02-03T08:00:00Z", "2031-02-04T08:00:00Z"},
		{"weekly tue 08:00 Europe/Paris", "2031-02-03T00:00:00Z", "2031-02-04T07:00:00Z"},
		{"weekly tue 08:00 Europe/Paris", "2031-04-01T07:00:00Z", "2031-04-08T06:00:00Z"},
		{"monthly first-mon 08:00 UTC", "2031-02-03T08:00:00Z", "2031-03-03T08:00:00Z"},
		{"monthly last-sun 08:00 UTC", "2031-02-03T08:00:00Z", "2031-02-23T08:00:00Z"},
		{"monthly fourth-fri 08:00 UTC", "2031-02-03T08:00:00Z", "2031-02-28T08:00:00Z"},
		{"monthly 31 08:00 UTC", "2031-02-03T08:00:00Z", "2031-02-28T08:00:00Z"},
		{"monthly 31 08:00 UTC", "2032-02-03T08:00:00Z", "2032-02-29T08:00:00Z"},
		{"monthly 15 08:00 UTC", "2031-12-15T08:00:00Z", "2032-01-15T08:00:00Z"},
		// Berlin goes from 02:00 to 03:00 on 30 March 2031, and from 03:00 back to 02:00 on 26 October.
		{"daily 02:30 Europe/Berlin", "2031-03-29T12:00:00Z", "2031-03-30T01:30:00Z"}, // 03:30 there
		{"daily 02:30 Europe/Berlin", "2031-03-30T01:30:00Z", "2031-03-31T00:30:00Z"},
		{"daily 02:00 Europe/Berlin", "2031-03-29T12:00:00Z", "2031-03-30T01:00:00Z"},
		{"daily 02:30 Europe/Berlin", "2031-10-25T12:00:00Z", "2031-10-26T00:30:00Z"},
		{"daily 02:30 Europe/Berlin", "2031-10-26T00:30:00Z", "2031-10-27T01:30:00Z"},
		// Lord Howe moves by half an hour; Apia had no 30 December 2011 at all.
		{"daily 02:15 Australia/Lord_Howe", "2031-10-04T12:00:00Z", "2031-10-04T15:45:00Z"},
		{"daily 08:00 Pacific/Apia", "2011-12-29T12:00:00Z", "2011-12-29T18:00:00Z"},
		{"daily 08:00 Pacific/Apia", "2011-12-29T18:00:00Z", "2011-12-30T18:00:00Z"},
		{"daily 08:00 Pacific/Apia", "2011-12-30T18:00:00Z", "2011-12-31T18:00:00Z"},
		{"daily 00:30 America/Sao_Paulo", "2017-10-14T12:00:00Z", "2017-10-15T03:30:00Z"}, // midnight did not exist
	} {
		s, err := ParseSchedule(c.schedule)
		after, _ := time.Parse(time.RFC3339, c.after)
		if got := s.Next(after).UTC().Format(time.RFC3339); err != nil || got != c.want {
			t.Errorf("%s after %s: %s %v, want %s", c.schedule, c.after, got, err, c.want)
		}
	}
}

// A year of any schedule has each of its local dates once, in order, and never waits for longer than it says.
func TestScheduleYear(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/Santiago", "Pacific/Chatham", "Asia/Gaza"}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"daily", "weekly wed", "monthly last-sun", "monthly 30"}).Draw(t, "often") +
			time.Date(2000, 1, 1, rapid.IntRange(0, 23).Draw(t, "hour"), 15*rapid.IntRange(0, 3).Draw(t, "quarter"), 0, 0, time.UTC).Format(" 15:04 ") +
			rapid.SampledFrom(zones).Draw(t, "zone")
		s, err := ParseSchedule(text)
		if err != nil {
			t.Fatal(err)
		}
		longest := map[Often]time.Duration{Daily: 25 * time.Hour, Weekly: 7*24*time.Hour + time.Hour, Monthly: 35*24*time.Hour + time.Hour}[s.Often]
		at := time.Unix(rapid.Int64Range(1.9e9, 2e9).Draw(t, "from"), 0)
		seen := map[string]bool{}
		for end := at.AddDate(1, 0, 0); at.Before(end); {
			next := s.Next(at)
			date := next.In(s.Zone()).Format(time.DateOnly)
			if !next.After(at) || next.Sub(at) > longest+time.Hour || seen[date] {
				t.Fatalf("%s: after %s comes %s", text, at.In(s.Zone()), next)
			}
			seen[date], at = true, next
		}
	})
}

func TestVolume(t *testing.T) {
	t.Parallel()
	day := func(s string) time.Time {
		at, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, c := range []struct {
		v    Volume
		a, b string
		want bool
	}{
		{VolumeYearly, "2031-01-01", "2031-12-31", true}, {VolumeYearly, "2031-12-31", "2032-01-01", false},
		{VolumeQuarterly, "2031-01-01", "2031-03-31", true}, {VolumeQuarterly, "2031-03-31", "2031-04-01", false},
		{VolumeMonthly, "2031-01-01", "2031-01-31", true}, {VolumeMonthly, "2031-01-31", "2032-01-31", false},
		{VolumeWeekly, "2031-12-29", "2032-01-04", true}, {VolumeWeekly, "2032-01-04", "2032-01-05", false},
		{VolumeNever, "2031-01-01", "2051-01-01", true},
	} {
		if c.v.Same(day(c.a), day(c.b)) != c.want {
			t.Errorf("%s: %s and %s", c.v, c.a, c.b)
		}
	}
}

func TestTurn(t *testing.T) {
	t.Parallel()
	const last = 20
	for _, c := range []struct {
		name          string
		before, after Subscription
		each, digest  Seq // afterwards; each_from was 5, the cursor 10
		issue         bool
	}{
		{"each to digest", Subscription{Mode: Each}, Subscription{Mode: Digest}, 5, last, false},
		{"digest to each", Subscription{Mode: Digest}, Subscription{Mode: Each}, last, last, true},
		{"index to announcements", Subscription{Mode: Index}, Subscription{Mode: Announcements}, last, last, true},
		{"digest to plain", Subscription{Mode: Digest}, Subscription{Mode: Plain}, 5, 10, false},
		{"digest to round-up", Subscription{Mode: Digest}, Subscription{Mode: Roundup}, 5, last, true},
		{"round-up to digest", Subscription{Mode: Roundup}, Subscription{Mode: Digest}, 5, 10, false},
		{"round-up to each", Subscription{Mode: Roundup}, Subscription{Mode: Each}, last, last, false},
		{"digest to none", Subscription{Mode: Digest}, Subscription{Mode: None}, 5, last, false},
		{"none to digest", Subscription{Mode: None}, Subscription{Mode: Digest}, 5, last, false},
		{"digest pauses", Subscription{Mode: Digest}, Subscription{Mode: Digest, State: PausedSelf}, 5, last, false},
		{"digest comes back", Subscription{Mode: Digest, State: PausedSelf}, Subscription{Mode: Digest}, 5, last, false},
		{"digest comes back to each", Subscription{Mode: Digest, State: PausedSelf}, Subscription{Mode: Each}, last, last, false},
		{"digest stays", Subscription{Mode: Digest}, Subscription{Mode: Digest, Name: "Ann"}, 5, 10, false},
		{"each stays", Subscription{Mode: Each}, Subscription{Mode: Each, Name: "Ann"}, 5, 10, false},
	} {
		for _, s := range []*Subscription{&c.before, &c.after} {
			s.EachFrom, s.DigestSeq, s.ID, s.List, s.Language = 5, 10, 3, 4, "de"
			if s.State == "" {
				s.State = Active
			}
		}
		got := c.after.Turn(c.before, last)
		if c.after.EachFrom != c.each || c.after.DigestSeq != c.digest || (got != nil) != c.issue {
			t.Errorf("%s: %d %d %v", c.name, c.after.EachFrom, c.after.DigestSeq, got)
		}
		if got != nil && *got != (LastIssue{List: 4, Subscription: 3, Mode: c.before.Mode, Language: "de", After: 10, UpTo: last}) {
			t.Errorf("%s: %+v", c.name, *got)
		}
		c.before.DigestSeq = last
		if c.after.Turn(c.before, last) != nil {
			t.Errorf("%s: an issue without posts", c.name)
		}
	}
}

// Members write schedules in mails: whatever is taken has one form, and comes round.
func FuzzSchedule(f *testing.F) {
	for _, s := range []string{"daily", "weekly tue 08:00 Europe/Paris", "monthly last-sun 23:59 UTC", "monthly 31 Asia/Kolkata"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(text)
		if err != nil {
			return
		}
		if again, err := ParseSchedule(s.String()); err != nil || again != s {
			t.Fatalf("%q is %q, which is %q %v", text, s, again, err)
		}
		at := time.Date(2031, 3, 29, 12, 0, 0, 0, time.UTC)
		if next := s.Or(Schedule{}).Next(at); !next.After(at) || next.Sub(at) > 40*24*time.Hour {
			t.Fatalf("%q: %s", text, next)
		}
	})
}
