package lists

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Schedule says when issues go out: daily, weekly on a day, or monthly on a day or on the n-th of a weekday, at an hour
// of a zone. What it leaves open another Schedule fills in; see Or.
type Schedule struct {
	Often   Often
	Weekday time.Weekday // of weekly, and of monthly with Nth
	Nth     int          // of monthly: 1 to 4, or -1 for the last Weekday; 0: Day counts
	Day     int          // of monthly: 1 to 31, in a shorter month its last
	on      bool         // the day is said
	at      bool         // the time is said
	minute  int          // of the day
	zone    string       // of the IANA database; empty: not said
}

// Often is how often a Schedule comes round.
type Often string

// How often.
const (
	Daily   Often = "daily"
	Weekly  Often = "weekly"
	Monthly Often = "monthly"
)

// The words of the n-th weekday.
var nths = map[string]int{"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}

// defaultSchedule is that of a list nobody has set one for.
var defaultSchedule = Schedule{Often: Weekly, Weekday: time.Sunday, on: true, at: true, minute: 8 * 60, zone: "Europe/London"}

const scheduleForm = "a schedule such as daily 08:00 Europe/London, weekly tue 18:30 Europe/Paris, monthly first-mon 08:00 UTC or monthly 15 08:00 UTC"

var errSchedule = errors.New("want " + scheduleForm)

// maxSchedule bounds the text of a schedule, in bytes.
const maxSchedule = 100

// ParseSchedule reads a Schedule: how often, then a day, a time and a zone in any order, each of which may be missing.
func ParseSchedule(text string) (s Schedule, err error) {
	words := strings.Fields(text)
	if len(text) > maxSchedule || len(words) == 0 || strings.ContainsFunc(text, forbidden) {
		return s, errSchedule
	}
	switch s.Often = Often(strings.ToLower(words[0])); s.Often {
	case Daily, Weekly, Monthly:
	default:
		return Schedule{}, fmt.Errorf("%q: %w", words[0], errSchedule)
	}
	for _, w := range words[1:] {
		switch clock, err := time.Parse("15:04", w); {
		case err == nil && !s.at:
			s.at, s.minute = true, clock.Hour()*60+clock.Minute()
		case err == nil:
			return Schedule{}, errSchedule
		case !s.on && s.day(strings.ToLower(w)):
			s.on = true
		case s.zone == "":
			if s.zone, err = parseZone(w); err != nil {
				return Schedule{}, err
			}
		default:
			return Schedule{}, fmt.Errorf("%q: %w", w, errSchedule)
		}
	}
	return s, nil
}

// day reads the day of a schedule that has one.
func (s *Schedule) day(w string) bool {
	switch s.Often {
	case Weekly:
		i := slices.Index(weekdays, w)
		s.Weekday = weekdayAt(i)
		return i >= 0
	case Monthly:
		if nth, day, ok := strings.Cut(w, "-"); ok {
			i := slices.Index(weekdays, day)
			s.Nth, s.Weekday = nths[nth], weekdayAt(i)
			return s.Nth != 0 && i >= 0
		}
		n, err := strconv.Atoi(w)
		if err != nil || n < 1 || n > 31 || !digitsOnly(w) {
			return false
		}
		s.Day = n
		return true
	}
	return false
}

// weekdayAt is the day at a place in weekdays, which begin with Monday.
func weekdayAt(i int) time.Weekday { return time.Weekday((i + 1) % 7) }

// parseZone takes a name of the IANA database, or UTC. Local would mean another time on each node.
func parseZone(name string) (string, error) {
	if strings.EqualFold(name, "UTC") {
		return "UTC", nil
	}
	if z, err := time.LoadLocation(name); err == nil && strings.Contains(name, "/") {
		return z.String(), nil
	}
	return "", fmt.Errorf("%q is neither a day, a time nor a time zone such as Europe/Paris or UTC", name)
}

// String is the schedule as ParseSchedule reads it, in one form only.
func (s Schedule) String() string {
	if s.IsZero() {
		return ""
	}
	out := string(s.Often)
	if s.on {
		switch {
		case s.Often == Weekly:
			out += " " + weekdays[(s.Weekday+6)%7]
		case s.Often == Monthly && s.Nth != 0:
			for word, nth := range nths {
				if nth == s.Nth {
					out += " " + word + "-" + weekdays[(s.Weekday+6)%7]
				}
			}
		case s.Often == Monthly:
			out += " " + strconv.Itoa(s.Day)
		}
	}
	if s.at {
		out += fmt.Sprintf(" %02d:%02d", s.minute/60, s.minute%60)
	}
	if s.zone != "" {
		out += " " + s.zone
	}
	return out
}

// MarshalText writes what String says.
func (s Schedule) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Schedule) UnmarshalText(b []byte) (err error) {
	if *s = (Schedule{}); len(b) > 0 {
		*s, err = ParseSchedule(string(b))
	}
	return err
}

// IsZero reports whether nothing is said at all.
func (s Schedule) IsZero() bool { return s.Often == "" }

// Or is the schedule with what it leaves open taken from another one, and in the end Monday, the first of the month,
// 08:00 and UTC.
func (s Schedule) Or(def Schedule) Schedule {
	if s.IsZero() {
		s = def
	}
	if !s.on && s.Often == def.Often {
		s.Weekday, s.Nth, s.Day, s.on = def.Weekday, def.Nth, def.Day, def.on
	}
	switch {
	case !s.on && s.Often == Weekly:
		s.Weekday, s.on = time.Monday, true
	case !s.on && s.Often == Monthly:
		s.Day, s.on = 1, true
	}
	if !s.at {
		s.at, s.minute = true, 8*60
		if def.at {
			s.minute = def.minute
		}
	}
	if s.zone == "" {
		s.zone = "UTC"
		if def.zone != "" {
			s.zone = def.zone
		}
	}
	return s
}

// Zone is where the schedule's clock hangs; UTC if nothing is said.
func (s Schedule) Zone() *time.Location {
	if z, err := time.LoadLocation(s.zone); err == nil { // an empty name is UTC
		return z
	}
	return time.UTC // a zone that this machine's database has no longer
}

// Next is the first instant of a whole schedule (see Or) after another one.
func (s Schedule) Next(after time.Time) time.Time {
	zone := s.Zone()
	y, m, d := after.In(zone).Date()
	// From the day before: a local time that does not exist may come to be on the day behind it.
	for i := -1; i <= 400; i++ {
		date := time.Date(y, m, d+i, 0, 0, 0, 0, time.UTC)
		if !s.isOn(date) {
			continue
		}
		if t := localTime(date.Add(time.Duration(s.minute)*time.Minute), zone); t.After(after) {
			return t
		}
	}
	return after.AddDate(1, 0, 0) // a schedule has a day in any 400
}

// isOn reports whether the schedule's day is this one.
func (s Schedule) isOn(date time.Time) bool {
	last := time.Date(date.Year(), date.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	switch {
	case s.Often == Daily:
		return true
	case s.Often == Weekly:
		return date.Weekday() == s.Weekday
	case s.Nth > 0:
		return date.Weekday() == s.Weekday && (date.Day()-1)/7 == s.Nth-1
	case s.Nth < 0:
		return date.Weekday() == s.Weekday && date.Day()+7 > last
	}
	return date.Day() == min(max(s.Day, 1), last)
}

// localTime is when clocks in a zone show this, which is written as if it were UTC. What they show twice is the first
// time; what they skip is as long after the last hour before the gap as it would have been.
func localTime(shown time.Time, zone *time.Location) time.Time {
	_, before := shown.Add(-26 * time.Hour).In(zone).Zone() // no zone is farther from UTC, and a day apart none changes twice
	_, behind := shown.Add(26 * time.Hour).In(zone).Zone()
	early := shown.Add(-time.Duration(max(before, behind)) * time.Second)
	late := shown.Add(-time.Duration(min(before, behind)) * time.Second)
	for _, t := range []time.Time{early, late} {
		if _, at := t.In(zone).Zone(); t.Add(time.Duration(at) * time.Second).Equal(shown) {
			return t.In(zone)
		}
	}
	return shown.Add(-time.Duration(before) * time.Second).In(zone)
}

// Volume is how often the issues of a list are counted from 1 again.
type Volume string

// How often a new volume begins.
const (
	VolumeYearly    Volume = "yearly"
	VolumeQuarterly Volume = "quarterly"
	VolumeMonthly   Volume = "monthly"
	VolumeWeekly    Volume = "weekly"
	VolumeNever     Volume = "never"
)

// Same reports whether two instants fall into one volume, by the calendar of their zones.
func (v Volume) Same(a, b time.Time) bool {
	year, month := a.Year() == b.Year(), a.Month() == b.Month()
	switch v {
	case VolumeYearly:
		return year
	case VolumeQuarterly:
		return year && (a.Month()-1)/3 == (b.Month()-1)/3
	case VolumeMonthly:
		return year && month
	case VolumeWeekly:
		ay, aw := a.ISOWeek()
		by, bw := b.ISOWeek()
		return ay == by && aw == bw
	}
	return true
}

// schedule is a setting that is a whole Schedule, since nobody else fills it in.
func schedule(key, help string, field func(*Policy) *Schedule) setting {
	return setting{key, help, scheduleForm,
		func(p *Policy) string { return field(p).String() },
		func(p *Policy, v string) error {
			s, err := ParseSchedule(v)
			if err != nil {
				return err
			}
			*field(p) = s.Or(Schedule{})
			return nil
		}}
}
