package mail

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// repeat is a rule by which an event takes place again (RFC 5545 section 3.3.10), of those that name days: rules within
// a day are no meetings.
type repeat struct {
	freq            string // DAILY, WEEKLY, MONTHLY or YEARLY
	interval, count int    // count 0: without end
	until           time.Time
	months, days    []int // BYMONTH, BYMONTHDAY
	weekdays        []weekday
	positions       []int // BYSETPOS
	weekBegin       time.Weekday
}

// weekday is a day of the week, or the nth of a month or year, from its end if nth is negative.
type weekday struct {
	nth int
	day time.Weekday
}

var weekdayNames = []string{"SU", "MO", "TU", "WE", "TH", "FR", "SA"}

// repeatOf reads the RRULE of what begins at begin; false if it is none that is followed here.
func (c *calendar) repeatOf(s string, begin time.Time) (r repeat, ok bool) {
	r = repeat{interval: 1, weekBegin: time.Monday}
	for p := range strings.SplitSeq(strings.ToUpper(s), ";") {
		k, v, _ := strings.Cut(p, "=")
		switch k {
		case "FREQ":
			r.freq = v
		case "INTERVAL":
			r.interval, _ = strconv.Atoi(v)
		case "COUNT":
			if r.count, _ = strconv.Atoi(v); r.count < 1 {
				return r, false
			}
		case "UNTIL":
			t, allDay, ok := c.time(contentLine{value: v})
			if !ok {
				return r, false
			}
			if !strings.HasSuffix(v, "Z") {
				// QUIRK: it should be in UTC, but where no zone is named, that of the event is meant.
				t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, begin.Location())
			}
			if allDay {
				t = t.AddDate(0, 0, 1).Add(-time.Second)
			}
			r.until = t
		case "BYMONTH":
			r.months = numbers(v)
		case "BYMONTHDAY":
			r.days = numbers(v)
		case "BYSETPOS":
			r.positions = numbers(v)
		case "WKST":
			r.weekBegin = time.Weekday(max(0, slices.Index(weekdayNames, v)))
		case "BYDAY":
			for d := range strings.SplitSeq(v, ",") {
				at := slices.Index(weekdayNames, d[max(0, len(d)-2):])
				if at < 0 {
					return r, false
				}
				n, _ := strconv.Atoi(d[:len(d)-2])
				if r.weekdays = append(r.weekdays, weekday{n, time.Weekday(at)}); len(r.weekdays) > 100 {
					return r, false
				}
			}
		case "BYHOUR", "BYMINUTE", "BYSECOND", "BYWEEKNO", "BYYEARDAY":
			return r, false
		}
	}
	known := slices.Contains([]string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}, r.freq)
	return r, known && r.interval > 0 && r.interval < 10_000
}

// numbers are those of a list, at most 100.
func numbers(s string) (out []int) {
	for n := range strings.SplitSeq(s, ",") {
		if i, err := strconv.Atoi(n); err == nil && len(out) < 100 {
			out = append(out, i)
		}
	}
	return out
}

// instants are when an event takes place: at begin, and by its rule, without its EXDATEs and with its RDATEs. What lies
// outside the time that is asked for may be among them. The days that are looked at, and the times that are listed, are
// bounded for the whole calendar.
func (c *calendar) instants(v component, begin time.Time) []time.Time {
	out := []time.Time{begin}
	if r, ok := c.repeatOf(v.one("RRULE").value, begin); ok && v.one("RECURRENCE-ID").value == "" {
		out = c.follow(r, begin)
	}
	for _, l := range v["RDATE"] {
		out = append(out, c.times(l)...)
	}
	not := map[int64]bool{}
	for _, l := range v["EXDATE"] {
		for _, t := range c.times(l) {
			not[t.Unix()] = true
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	out = slices.CompactFunc(out, time.Time.Equal)
	return slices.DeleteFunc(out, func(t time.Time) bool { return not[t.Unix()] })
}

// times are those of a line that lists some.
func (c *calendar) times(l contentLine) (out []time.Time) {
	for s := range strings.SplitSeq(l.value, ",") {
		if c.listed++; c.listed > maxListed {
			break
		}
		s, _, _ = strings.Cut(s, "/") // of a PERIOD, its beginning
		if t, _, ok := c.time(contentLine{l.params, s}); ok {
			out = append(out, t)
		}
	}
	return out
}

// follow looks at each day up to c.to. The clock's time of day stays what it is at begin, through summer time, too.
func (c *calendar) follow(r repeat, begin time.Time) (out []time.Time) {
	y, m, d := begin.Date()
	count := 0
	var period []time.Time // instants of the period that is under way, for BYSETPOS
	last := -1
	add := func(at time.Time) (more bool) {
		if at.Before(begin) || !r.until.IsZero() && at.After(r.until) {
			return r.until.IsZero() || !at.After(r.until)
		}
		if count++; !at.Before(c.from) {
			out = append(out, at)
		}
		return r.count == 0 || count < r.count
	}
	flush := func() (more bool) {
		more = true
		for i, at := range period {
			if more && (slices.Contains(r.positions, i+1) || slices.Contains(r.positions, i-len(period))) {
				more = add(at)
			}
		}
		period = period[:0]
		return more
	}
	for i := r.start(begin, c.from); ; i++ {
		day := time.Date(y, m, d+i, 0, 0, 0, 0, time.UTC)
		at := time.Date(y, m, d+i, begin.Hour(), begin.Minute(), begin.Second(), 0, begin.Location())
		n := r.period(begin, day)
		// With BYSETPOS the last period counts to its end.
		if c.looked++; c.looked > maxLooked || !at.Before(c.to) && (len(r.positions) == 0 || n != last) {
			break
		}
		if len(r.positions) > 0 && n != last {
			if !flush() {
				return out
			}
			last = n
		}
		if n%r.interval != 0 || !r.on(begin, day) {
			continue
		}
		if len(r.positions) > 0 {
			period = append(period, at)
		} else if !add(at) {
			return out
		}
	}
	flush()
	return out
}

// start is the day, counted from begin, that is looked at first. With BYSETPOS the first period counts from its beginning;
// without COUNT nothing that is more than a year before from matters, since a period's number is known without those before.
func (r repeat) start(begin, from time.Time) (day int) {
	if len(r.positions) > 0 {
		switch r.freq {
		case "WEEKLY":
			day = -((int(begin.Weekday()) - int(r.weekBegin) + 7) % 7)
		case "MONTHLY":
			day = 1 - begin.Day()
		case "YEARLY":
			day = 1 - begin.YearDay()
		}
	}
	if r.count == 0 {
		day = max(day, int(from.Sub(begin)/(24*time.Hour))-400)
	}
	return day
}

// period is the number of a day's day, week, month or year since begin.
func (r repeat) period(begin, day time.Time) int {
	y, m, d := begin.Date()
	switch r.freq {
	case "MONTHLY":
		return (day.Year()-y)*12 + int(day.Month()-m)
	case "YEARLY":
		return day.Year() - y
	}
	first := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	if r.freq == "WEEKLY" {
		first = first.AddDate(0, 0, -((int(first.Weekday()) - int(r.weekBegin) + 7) % 7))
		return int(day.Sub(first).Hours()) / 24 / 7
	}
	return int(day.Sub(first).Hours()) / 24
}

// on reports whether a day of a period is one of those that the rule names; if it names none, those like begin's.
func (r repeat) on(begin, day time.Time) bool {
	if len(r.months) > 0 && !slices.Contains(r.months, int(day.Month())) {
		return false
	}
	if len(r.days) > 0 {
		length := time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
		if !slices.Contains(r.days, day.Day()) && !slices.Contains(r.days, day.Day()-length-1) {
			return false
		}
	}
	if len(r.weekdays) > 0 {
		return slices.ContainsFunc(r.weekdays, func(w weekday) bool { return w.day == day.Weekday() && (w.nth == 0 || r.isNth(w.nth, day)) })
	}
	if len(r.days) > 0 {
		return true
	}
	switch r.freq {
	case "WEEKLY":
		return day.Weekday() == begin.Weekday()
	case "MONTHLY":
		return day.Day() == begin.Day()
	case "YEARLY":
		return day.Day() == begin.Day() && (len(r.months) > 0 || day.Month() == begin.Month())
	}
	return true
}

// isNth reports whether a day is the nth of its weekday in its month; of a yearly rule that names no months, in its year.
func (r repeat) isNth(n int, day time.Time) bool {
	before, length := day.Day()-1, time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	if r.freq == "YEARLY" && len(r.months) == 0 {
		before, length = day.YearDay()-1, time.Date(day.Year(), 12, 31, 0, 0, 0, 0, time.UTC).YearDay()
	}
	if n > 0 {
		return before/7+1 == n
	}
	return (length-1-before)/7+1 == -n
}
