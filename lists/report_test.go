package lists

import (
	"testing"
	"time"
)

func TestReportEvery(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		every           ReportEvery
		at, begins, end string
	}{
		{ReportWeekly, "2031-02-03T00:00:00Z", "2031-02-03", "2031-02-10"}, // a Monday
		{ReportWeekly, "2031-02-09T23:59:59Z", "2031-02-03", "2031-02-10"},
		{ReportWeekly, "2031-01-01T00:00:00+02:00", "2030-12-30", "2031-01-06"},
		{ReportWeekly, "2031-03-30T12:00:00Z", "2031-03-24", "2031-03-31"}, // clocks change in Europe
		{ReportMonthly, "2032-02-29T12:00:00Z", "2032-02-01", "2032-03-01"},
		{ReportMonthly, "2031-12-31T23:00:00-02:00", "2032-01-01", "2032-02-01"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		begin := c.every.Begin(at)
		if got := begin.Format(time.DateOnly); got != c.begins {
			t.Errorf("%s of %s begins %s, want %s", c.every, c.at, got, c.begins)
		}
		if got := c.every.End(begin).Format(time.DateOnly); got != c.end {
			t.Errorf("%s of %s ends %s, want %s", c.every, c.at, got, c.end)
		}
	}
	if !ReportNone.Begin(time.Now()).IsZero() {
		t.Error("no report has a beginning")
	}
}
