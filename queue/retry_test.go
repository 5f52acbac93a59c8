package queue

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"listd/mail"
	"listd/store"
)

func TestDelay(t *testing.T) {
	t.Parallel()
	for _, e := range []struct {
		attempt int
		chance  float64
		want    time.Duration
	}{
		{1, 0.5, 5 * time.Minute},
		{2, 0.5, 15 * time.Minute},
		{3, 0.5, 30 * time.Minute},
		{4, 0.5, time.Hour},
		{5, 0.5, 2 * time.Hour},
		{6, 0.5, 4 * time.Hour},
		{7, 0.5, 4 * time.Hour},
		{1000, 0.5, 4 * time.Hour},
		{0, 0.5, 5 * time.Minute}, // there is no attempt before the first
		{-1, 0.5, 5 * time.Minute},
		{1, 0, 4 * time.Minute},
		{1, 0.75, 5*time.Minute + 30*time.Second},
		{6, 0, 4*time.Hour - 48*time.Minute},
	} {
		if got := Delay(e.attempt, e.chance); got.Round(time.Millisecond) != e.want {
			t.Errorf("Delay(%d, %v) = %v, want %v", e.attempt, e.chance, got, e.want)
		}
	}
}

func TestOutcome(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	far := now.Add(5 * 24 * time.Hour)
	for _, e := range []struct {
		name    string
		attempt int
		reply   *mail.Reply
		giveUp  time.Time
		state   store.DeliveryState
		next    time.Time
	}{
		{"taken", 1, mail.Refuse(250, "2.0.0", "ok"), far, store.Sent, time.Time{}},
		{"taken after its time", 9, mail.Refuse(250, "2.0.0", "ok"), now.Add(-time.Hour), store.Sent, time.Time{}},
		{"refused for good", 1, mail.Refuse(550, "5.1.1", "no"), far, store.Failed, time.Time{}},
		{"refused for now", 1, mail.Refuse(451, "4.7.1", "later"), far, store.Due, now.Add(5 * time.Minute)},
		{"refused for now again", 3, mail.Refuse(451, "4.7.1", "later"), far, store.Due, now.Add(30 * time.Minute)},
		{"neither", 1, mail.Refuse(354, "0.0.0", "go ahead"), far, store.Due, now.Add(5 * time.Minute)},
		{"no SMTP at all", 1, mail.Refuse(99, "0.0.0", ""), far, store.Due, now.Add(5 * time.Minute)},
		{"the last chance", 1, mail.Refuse(451, "4.7.1", "later"), now.Add(5 * time.Minute), store.Due, now.Add(5 * time.Minute)},
		{"too late by then", 1, mail.Refuse(451, "4.7.1", "later"), now.Add(5*time.Minute - 1), store.Failed, time.Time{}},
	} {
		c := store.Claimed{ID: 3, Claim: 4, Attempt: e.attempt}
		want := store.Settled{ID: 3, Claim: 4, State: e.state, Next: e.next, Code: e.reply.Code, Reply: replyText(*e.reply)}
		if e.state == store.Failed {
			want.Class, want.Permanent = mail.Policy, false
			if e.reply.Code == 550 {
				want.Class, want.Permanent = mail.NoUser, true
			}
		}
		if diff := cmp.Diff(want, Outcome(c, *e.reply, now, e.giveUp, 0.5)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", e.name, diff)
		}
	}
}

func TestReplyText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"ok":                        "4.7.1 ok",
		"two\r\nlines\tand\x1b[31m": "4.7.1 two  lines and [31m",
		"Grüße \xff":                "4.7.1 Grüße ?",
		strings.Repeat("x", 1000):   "4.7.1 " + strings.Repeat("x", 494),
		strings.Repeat("é", 1000):   "4.7.1 " + strings.Repeat("é", 247),
	} {
		if got := replyText(*mail.Refuse(451, "4.7.1", text)); got != want {
			t.Errorf("replyText(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for _, e := range []struct {
		in   string
		n    int
		want string
	}{
		{"plain", 5, "plain"},
		{"plain", 4, "plai"},
		{"plain", 0, ""},
		{"", 3, ""},
		{"aé", 2, "a"},
		{"aé", 3, "aé"},
		{"日本", 5, "日"},
		{"日本", 2, ""},
		{"a\u0085b\x7f", 10, "a b "},
		{"\xff\xfe", 10, "?"},
	} {
		if got := clean(e.in, e.n); got != e.want {
			t.Errorf("clean(%q, %d) = %q, want %q", e.in, e.n, got, e.want)
		}
	}
}
