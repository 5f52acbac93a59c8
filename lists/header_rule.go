package lists

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"listd/mail"
)

// HeaderRule says what becomes of a post with a header field that fits a pattern.
type HeaderRule struct {
	Field   string
	Pattern *regexp.Regexp // RE2: linear in the value, whatever the pattern
	Action  Action
}

const (
	maxHeaderRules = 100
	maxPattern     = 500
	maxMatched     = 16 << 10 // bytes of a field's value that are looked at

	// Owners do not expect "spam" to miss "SPAM".
	anyCase = "(?i)"
)

// ParseHeaderRule reads a rule as an owner writes it: "Field: regexp", and what becomes of the post.
func ParseHeaderRule(pattern, action string) (HeaderRule, error) {
	a, err := ParseAction(action)
	if err != nil || a == Defer {
		return HeaderRule{}, fmt.Errorf("%q: want hold, reject, discard or accept", action)
	}
	field, expr, ok := strings.Cut(pattern, ":")
	field, expr = strings.TrimSpace(field), strings.TrimSpace(expr)
	switch {
	case !ok || !validField(field):
		return HeaderRule{}, fmt.Errorf("%q: want a header field's name, a colon and a regular expression", pattern)
	case expr == "":
		return HeaderRule{}, errors.New("the regular expression is empty: use .* for any value")
	}
	if err := checkLine(expr, maxPattern); err != nil {
		return HeaderRule{}, err
	}
	re, err := regexp.Compile(anyCase + expr)
	if err != nil {
		return HeaderRule{}, fmt.Errorf("the regular expression: %w", err)
	}
	return HeaderRule{Field: field, Pattern: re, Action: a}, nil
}

// validField is RFC 5322 section 3.6.8's field-name.
func validField(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == ':' {
			return false
		}
	}
	return s != "" && len(s) <= 76
}

// String is the rule's pattern as ParseHeaderRule takes it, without its action.
func (r HeaderRule) String() string {
	return r.Field + ": " + strings.TrimPrefix(r.Pattern.String(), anyCase)
}

// Fits reports whether a field of the head fits the pattern, decoded or as it lies.
func (r HeaderRule) Fits(head []byte) bool {
	for f := range mail.Fields(head) {
		if !f.Is(r.Field) {
			continue
		}
		v := f.Value()
		v = v[:min(len(v), maxMatched)]
		if r.Pattern.MatchString(v) {
			return true
		}
		if strings.Contains(v, "=?") && r.Pattern.MatchString(mail.DecodeWords(v)) {
			return true
		}
	}
	return false
}

// headerRules keeps a rule a line: the action, a space, and the rule as its owner wrote it.
func headerRules(key, help string, field func(*Policy) *[]HeaderRule) setting {
	return setting{key, help, "a line each: ACTION FIELD: REGEXP",
		func(p *Policy) string {
			var b strings.Builder
			for i, r := range *field(p) {
				if i > 0 {
					b.WriteByte('\n')
				}
				b.WriteString(r.Action.String() + " " + r.String())
			}
			return b.String()
		},
		func(p *Policy, v string) error {
			var out []HeaderRule
			for line := range strings.SplitSeq(v, "\n") {
				if line = strings.TrimSpace(line); line == "" {
					continue
				}
				action, pattern, _ := strings.Cut(line, " ")
				r, err := ParseHeaderRule(pattern, action)
				if err != nil {
					return err
				}
				out = append(out, r)
			}
			if len(out) > maxHeaderRules {
				return fmt.Errorf("%d rules are too many: at most %d", len(out), maxHeaderRules)
			}
			*field(p) = out
			return nil
		}}
}
