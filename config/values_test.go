package config_test

import (
	"testing"
	"time"

	"listd/config"
)

func TestSize(t *testing.T) {
	for _, c := range []struct {
		in    string
		want  config.Size
		shown string
	}{
		{"0", 0, "0"}, {"500", 500, "500"}, {"500B", 500, "500"}, {"1024", 1024, "1KiB"}, {"40KiB", 40 << 10, "40KiB"}, {"25MiB", 25 << 20, "25MiB"},
		{"25 mib", 25 << 20, "25MiB"}, {"1GiB", 1 << 30, "1GiB"}, {"1536MiB", 1536 << 20, "1536MiB"}, {"1024GiB", 1 << 40, "1024GiB"},
	} {
		var s config.Size
		if err := s.UnmarshalText([]byte(c.in)); err != nil || s != c.want || s.String() != c.shown {
			t.Errorf("%q is %d, %v, shown as %s; want %d, shown as %s", c.in, s, err, s, c.want, c.shown)
		}
	}
	for _, in := range []string{"", "MiB", " 1", "-1", "+1", "1.5MiB", "1MB", "25M", "1025GiB", "99999999999999999999", "1_000", "0x10"} {
		s := config.Size(7)
		if err := s.UnmarshalText([]byte(in)); err == nil || s != 7 {
			t.Errorf("%q is %d, %v; want an error", in, s, err)
		}
	}
}

func TestDuration(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		in    string
		want  time.Duration
		shown string
	}{
		{"0", 0, "0s"}, {"0d", 0, "0s"}, {"90s", 90 * time.Second, "1m30s"}, {"90m", 90 * time.Minute, "1h30m"}, {"5m", 5 * time.Minute, "5m"},
		{"12h", 12 * time.Hour, "12h"}, {"5d", 5 * day, "5d"}, {"1d12h", 36 * time.Hour, "1d12h"}, {"48h", 2 * day, "2d"},
		{"10s", 10 * time.Second, "10s"}, {"100ms", 100 * time.Millisecond, "100ms"}, {"1.5h", 90 * time.Minute, "1h30m"}, {"3650d", 3650 * day, "3650d"},
		{"1h0m10s", time.Hour + 10*time.Second, "1h0m10s"},
	} {
		var d config.Duration
		if err := d.UnmarshalText([]byte(c.in)); err != nil || time.Duration(d) != c.want || d.String() != c.shown {
			t.Errorf("%q is %v, %v, shown as %s; want %v, shown as %s", c.in, time.Duration(d), err, d, c.want, c.shown)
		}
	}
	for _, in := range []string{"", "5", "d", "-5m", "5d-1h", "5d+1h", "-0d", "+1h", "1h2d", "3651d", "3650d1s", "70000d", "1w", "5 d", "100000h"} {
		d := config.Duration(7)
		if err := d.UnmarshalText([]byte(in)); err == nil || d != 7 {
			t.Errorf("%q is %v, %v; want an error", in, d, err)
		}
	}
}
