package lists

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"listd/mail"
)

// This file makes lines of the table of settings, one function for each type of value.

// checkLine refuses what must not come into a header field: control characters, above all CR and LF, and the
// separators of lines and directions that a reader's screen obeys.
func checkLine(s string, limit int) error {
	switch {
	case len(s) > limit:
		return fmt.Errorf("%d bytes are too long: at most %d", len(s), limit)
	case !utf8.ValidString(s):
		return errors.New("this is not UTF-8")
	case strings.ContainsFunc(s, forbidden):
		return errors.New("control characters and line breaks are not allowed")
	}
	return nil
}

func forbidden(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' ||
		r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

func line(key, help string, limit int, field func(*Policy) *string) setting {
	return setting{key, help, fmt.Sprintf("text, at most %d bytes", limit),
		func(p *Policy) string { return *field(p) },
		func(p *Policy, v string) error {
			if err := checkLine(v, limit); err != nil {
				return err
			}
			*field(p) = strings.TrimSpace(v)
			return nil
		}}
}

func prefix(key, help string, field func(*Policy) *string) setting {
	s := line(key, help, maxPrefix, field)
	set := s.set
	s.set = func(p *Policy, v string) error {
		if strings.Count(v, "%d") > 1 {
			return errors.New("%d may stand once")
		}
		return set(p, v)
	}
	return s
}

// language takes the form of a tag (RFC 5646 section 2.1), not the list of languages: which texts there are is
// asked when one is needed, and English is there.
func language(key, help string, field func(*Policy) *string) setting {
	return setting{key, help, "en, or another language tag",
		func(p *Policy) string { return *field(p) },
		func(p *Policy, v string) error {
			if err := checkLanguage(v); err != nil {
				return err
			}
			*field(p) = v
			return nil
		}}
}

func checkLanguage(v string) error {
	for part := range strings.SplitSeq(v, "-") {
		if part == "" || len(part) > 8 || strings.ContainsFunc(part, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
		}) {
			return fmt.Errorf("%q is no language: want a tag such as en or pt-BR", v)
		}
	}
	return nil
}

func yesNo(key, help string, field func(*Policy) *bool) setting {
	def := DefaultPolicy()
	allowed := "no or yes"
	if *field(&def) {
		allowed = "yes or no"
	}
	return setting{key, help, allowed,
		func(p *Policy) string { return formatYes(*field(p)) },
		func(p *Policy, v string) error { return parseYes(field(p), v) }}
}

func formatYes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// parseYes sets b, or leaves it as it is.
func parseYes(b *bool, v string) error {
	switch strings.ToLower(v) {
	case "yes", "true", "on", "1":
		*b = true
	case "no", "false", "off", "0":
		*b = false
	default:
		return fmt.Errorf("%q: want yes or no", v)
	}
	return nil
}

func choice[T ~string](key, help string, field func(*Policy) *T, values ...T) setting {
	return setting{key, help, orList(values),
		func(p *Policy) string { return string(*field(p)) },
		func(p *Policy, v string) error {
			i := slices.IndexFunc(values, func(w T) bool { return strings.EqualFold(string(w), v) })
			if i < 0 {
				return fmt.Errorf("%q: want %s", v, orList(values))
			}
			*field(p) = values[i]
			return nil
		}}
}

func action(key, help string, field func(*Policy) *Action, values ...Action) setting {
	words := make([]string, len(values))
	for i, a := range values {
		words[i] = a.String()
	}
	return setting{key, help, orList(words),
		func(p *Policy) string { return field(p).String() },
		func(p *Policy, v string) error {
			a, err := ParseAction(v)
			if err != nil || !slices.Contains(values, a) {
				return fmt.Errorf("%q: want %s", v, orList(words))
			}
			*field(p) = a
			return nil
		}}
}

func number(key, help string, field func(*Policy) *int) setting {
	return setting{key, help, "a number, 0 or more",
		func(p *Policy) string { return strconv.Itoa(*field(p)) },
		func(p *Policy, v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 || n > maxNumber {
				return fmt.Errorf("%q: want a number from 0 to %d", v, maxNumber)
			}
			*field(p) = n
			return nil
		}}
}

// sizeUnits are those of IEC 80000-13, the largest first.
var sizeUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

func size(key, help string, field func(*Policy) *int64) setting {
	return setting{key, help, "a size such as 0, 40KiB or 25MiB",
		func(p *Policy) string { return formatSize(*field(p)) },
		func(p *Policy, v string) error {
			n, err := parseSize(v)
			if err != nil {
				return err
			}
			*field(p) = n
			return nil
		}}
}

func formatSize(n int64) string {
	if n != 0 {
		for _, u := range sizeUnits[:3] {
			if n%u.bytes == 0 {
				return strconv.FormatInt(n/u.bytes, 10) + u.name
			}
		}
	}
	return strconv.FormatInt(n, 10)
}

func parseSize(v string) (int64, error) {
	digits, unit := v, int64(1)
	for _, u := range sizeUnits {
		if len(v) > len(u.name) && strings.EqualFold(v[len(v)-len(u.name):], u.name) {
			digits, unit = strings.TrimSpace(v[:len(v)-len(u.name)]), u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > 1<<40/unit {
		return 0, fmt.Errorf("%q: want a size such as 40KiB or 25MiB", v)
	}
	return n * unit, nil
}

// timeUnits are what owners think in, the largest first.
var timeUnits = []struct {
	name string
	span time.Duration
}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}

func duration(key, help string, field func(*Policy) *time.Duration) setting {
	return setting{key, help, "a time such as 14d or 12h",
		func(p *Policy) string { return formatTime(*field(p)) },
		func(p *Policy, v string) error {
			d, err := parseTime(v)
			if err != nil {
				return err
			}
			*field(p) = d
			return nil
		}}
}

func formatTime(d time.Duration) string {
	for _, u := range timeUnits {
		if d != 0 && d%u.span == 0 {
			return strconv.FormatInt(int64(d/u.span), 10) + u.name
		}
	}
	return "0"
}

func parseTime(v string) (time.Duration, error) {
	if v == "0" {
		return 0, nil
	}
	for _, u := range timeUnits {
		digits, ok := strings.CutSuffix(v, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 32)
		if err == nil && n >= 0 && time.Duration(n) <= 3650*24*time.Hour/u.span {
			return time.Duration(n) * u.span, nil
		}
	}
	return 0, fmt.Errorf("%q: want a time such as 14d, 12h or 0, at most ten years", v)
}

func address(key, help string, field func(*Policy) *mail.Address) setting {
	return setting{key, help, "an address, or empty",
		func(p *Policy) string { return field(p).String() },
		func(p *Policy, v string) error {
			a, err := parseSettingAddress(v)
			if err != nil {
				return err
			}
			*field(p) = a
			return nil
		}}
}

func parseSettingAddress(v string) (a mail.Address, err error) {
	if v == "" {
		return a, nil
	}
	if err := checkLine(v, 320); err != nil {
		return a, err
	}
	if a, err = mail.ParseAddress(v); err != nil {
		return a, fmt.Errorf("%q is no address: want one such as name@example.org", v)
	}
	return a, nil
}

// items cuts a value at its commas. No address that a list needs has a comma in it.
func items(v string, limit int) ([]string, error) {
	if strings.ContainsFunc(v, forbidden) {
		return nil, errors.New("control characters and line breaks are not allowed")
	}
	var out []string
	for s := range strings.SplitSeq(v, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
		if len(out) > limit {
			return nil, fmt.Errorf("too many: at most %d", limit)
		}
	}
	return out, nil
}

func addresses(key, help string, limit int, field func(*Policy) *[]mail.Address) setting {
	return setting{key, help, "addresses, with commas between them",
		func(p *Policy) string {
			var words []string
			for _, a := range *field(p) {
				words = append(words, a.String())
			}
			return strings.Join(words, ", ")
		},
		func(p *Policy, v string) error {
			words, err := items(v, limit)
			var out []mail.Address
			for _, w := range words {
				a, err := parseSettingAddress(w)
				if err != nil {
					return err
				}
				out = append(out, a)
			}
			if err == nil {
				*field(p) = out
			}
			return err
		}}
}

func bans(key, help string, field func(*Policy) *[]Ban) setting {
	return setting{key, help, "addresses or @domains, with commas between them",
		func(p *Policy) string {
			var words []string
			for _, b := range *field(p) {
				words = append(words, string(b))
			}
			return strings.Join(words, ", ")
		},
		func(p *Policy, v string) error {
			words, err := items(v, maxBans)
			var out []Ban
			for _, w := range words {
				b, err := parseBan(w)
				if err != nil {
					return err
				}
				if !slices.Contains(out, b) {
					out = append(out, b)
				}
			}
			if err == nil {
				*field(p) = out
			}
			return err
		}}
}
