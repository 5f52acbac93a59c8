package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written as 25MiB.
type Size int64

// maxSize is beyond what any limit of ours can mean.
const maxSize = 1 << 40

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String writes s in the largest unit that leaves a whole number; UnmarshalText reads it back.
func (s Size) String() string {
	for _, u := range sizeUnits[:3] {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

// MarshalText writes what String does.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a whole number with a unit, KiB, MiB or GiB in any case, or none for bytes.
func (s *Size) UnmarshalText(text []byte) error {
	digits, unit := string(text), int64(1)
	for _, u := range sizeUnits {
		if at := len(digits) - len(u.name); at > 0 && strings.EqualFold(digits[at:], u.name) {
			digits, unit = strings.TrimRight(digits[:at], " "), u.bytes
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || int64(n) > maxSize/unit {
		return fmt.Errorf("%q: want a size such as 500KiB or 25MiB, at most 1024GiB", text)
	}
	*s = Size(int64(n) * unit)
	return nil
}

// Duration is a length of time, written as 5d, 90m or 1d12h.
type Duration time.Duration

const (
	day         = 24 * time.Hour // as RFC 5321 counts days: no clock change is worth a bounce
	maxDuration = 3650 * day
)

// String writes d in days and what package time makes of the rest; UnmarshalText reads it back.
func (d Duration) String() string {
	days, rest := time.Duration(d)/day, time.Duration(d)%day
	var b strings.Builder
	if days != 0 {
		fmt.Fprintf(&b, "%dd", days)
	}
	if rest != 0 || days == 0 {
		s := rest.String()
		if strings.HasSuffix(s, "m0s") {
			s = s[:len(s)-2]
		}
		if strings.HasSuffix(s, "h0m") {
			s = s[:len(s)-2]
		}
		b.WriteString(s)
	}
	return b.String()
}

// MarshalText writes what String does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads days, then hours, minutes and seconds as time.ParseDuration does. It takes no negative time.
func (d *Duration) UnmarshalText(text []byte) error {
	wrong := fmt.Errorf("%q: want a time such as 90s, 5m, 12h or 5d, at most ten years", text)
	var sum time.Duration
	days, rest, found := strings.Cut(string(text), "d")
	if found {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return wrong
		}
		sum = time.Duration(n) * day
	} else {
		rest = days
	}
	if rest != "" || !found {
		r, err := time.ParseDuration(rest)
		if err != nil || r < 0 || strings.ContainsAny(rest, "+-") || r > maxDuration {
			return wrong
		}
		sum += r
	}
	if sum > maxDuration {
		return wrong
	}
	*d = Duration(sum)
	return nil
}
