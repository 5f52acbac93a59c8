package lists

import (
	"fmt"
	"strings"
	"time"
)

// memberSetting is one line of the table of what a member may set.
type memberSetting struct {
	key, help, allowed string
	get                func(*Subscription) string
	set                func(*Subscription, string) error
}

// memberSettings stand in the order of the plan.
var memberSettings = []memberSetting{
	{"mode", "how the member receives posts", orList(modes),
		func(s *Subscription) string { return string(s.Mode) },
		func(s *Subscription, v string) (err error) {
			mode, err := ParseMode(v)
			if err == nil {
				s.Mode, s.State, s.Vacation = mode, Active, time.Time{}
			}
			return err
		}},
	{"vacation_until", "the day until which the member gets nothing", "a day such as 2026-12-31, or empty",
		func(s *Subscription) string {
			if s.Vacation.IsZero() {
				return ""
			}
			return s.Vacation.Format(time.DateOnly)
		},
		func(s *Subscription, v string) error {
			if v == "" {
				s.State, s.Vacation = Active, time.Time{}
				return nil
			}
			day, err := time.Parse(time.DateOnly, v)
			if err != nil {
				return fmt.Errorf("%q: want a day such as 2026-12-31", v)
			}
			s.State, s.Vacation = PausedSelf, day
			return nil
		}},
	{"action", "what becomes of the member's posts, whatever the list's member_action; defer leaves it to that",
		"defer, accept, hold, reject or discard",
		func(s *Subscription) string { return s.Action.String() },
		func(s *Subscription, v string) error { return s.Action.UnmarshalText([]byte(v)) }},
	{"schedule", "when issues of a digest go to the member; what it does not say is as the list has it", scheduleForm + ", or empty for the list's",
		func(s *Subscription) string { return s.Schedule.String() },
		func(s *Subscription, v string) error {
			if strings.TrimSpace(v) == "" {
				s.Schedule = Schedule{}
				return nil
			}
			schedule, err := ParseSchedule(v)
			if err == nil {
				s.Schedule = schedule
			}
			return err
		}},
	memberYesNo("own_posts", "whether the member gets copies of their own posts", func(s *Subscription) *bool { return &s.OwnPosts }),
	memberYesNo("ack", "whether the member gets a receipt for each of their posts", func(s *Subscription) *bool { return &s.Ack }),
	memberYesNo("duplicates", "whether the member gets the list's copy of a post that names them in To or Cc",
		func(s *Subscription) *bool { return &s.Duplicates }),
	{"language", "the language of notices to the member", "a language tag, or empty for the list's",
		func(s *Subscription) string { return s.Language },
		func(s *Subscription, v string) error {
			if v != "" {
				if err := checkLanguage(v); err != nil {
					return err
				}
			}
			s.Language = v
			return nil
		}},
	memberYesNo("named", "whether a round-up may name the member among the new ones", func(s *Subscription) *bool { return &s.Named }),
	{"name", "the member's name", fmt.Sprintf("text, at most %d bytes", maxNameBytes),
		func(s *Subscription) string { return s.Name },
		func(s *Subscription, v string) error {
			err := checkLine(v, maxNameBytes)
			if err == nil {
				s.Name = strings.TrimSpace(v)
			}
			return err
		}},
}

func memberYesNo(key, help string, field func(*Subscription) *bool) memberSetting {
	return memberSetting{key, help, "yes or no",
		func(s *Subscription) string { return formatYes(*field(s)) },
		func(s *Subscription, v string) error { return parseYes(field(s), v) }}
}

// NewSubscription is the subscription of somebody who has set nothing yet.
func NewSubscription(l List) Subscription {
	return Subscription{List: l.ID, Mode: l.Policy.DefaultMode, State: Active, EachFrom: l.LastSeq, DigestSeq: l.LastSeq, OwnPosts: true, Duplicates: true}
}

// MemberKeys are the names of all member settings, in the order they are documented in.
func MemberKeys() []string {
	keys := make([]string, len(memberSettings))
	for i, s := range memberSettings {
		keys[i] = s.key
	}
	return keys
}

// MemberHelp is a member setting's meaning and allowed values in a line; empty for no setting.
func MemberHelp(key string) string {
	for _, s := range memberSettings {
		if s.key == key {
			return s.help + " (" + s.allowed + ")"
		}
	}
	return ""
}

// Set sets one member setting from its text form. The error says what is allowed; s is then unchanged.
func (s *Subscription) Set(key, value string) error {
	for _, m := range memberSettings {
		if m.key == key {
			if err := m.set(s, value); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			return nil
		}
	}
	return fmt.Errorf("there is no member setting %q: there are %s and role", key, strings.Join(MemberKeys(), ", "))
}

// Get is one member setting in its text form; false if there is no such setting.
func (s Subscription) Get(key string) (string, bool) {
	for _, m := range memberSettings {
		if m.key == key {
			return m.get(&s), true
		}
	}
	return "", false
}

// Receives reports whether posts, or announcements alone, go to the subscription one by one.
func (s Subscription) Receives() bool {
	return (s.Mode == Each || s.Mode == Announcements) && s.State == Active
}
