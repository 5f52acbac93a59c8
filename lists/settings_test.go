package lists

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"listd/mail"
)

// values has, for each setting, a value unlike the default in its canonical form, and one that is refused.
var values = map[string][2]string{
	"title":                        {"Python User Group, Größe", "a\rb"},
	"description":                  {"All about Python", "a\x00b"},
	"kind":                         {"announcement", "party"},
	"language":                     {"pt-BR", "in english"},
	"advertised":                   {"no", "perhaps"},
	"subscription":                 {"confirm_then_moderate", "closed"},
	"unsubscription":               {"open", "never"},
	"welcome":                      {"no", "2"},
	"goodbye":                      {"no", "2"},
	"roster":                       {"public", "none"},
	"default_mode":                 {"roundup", "weekly"},
	"posting":                      {"anyone", "everyone"},
	"member_action":                {"hold", "defer"},
	"nonmember_action":             {"discard", "bounce"},
	"first_posts_moderated":        {"3", "-1"},
	"emergency":                    {"yes", "maybe"},
	"require_explicit_destination": {"no", ""},
	"aliases":                      {"a@example.org, b@example.org", "nobody"},
	"max_recipients":               {"0", "many"},
	"max_message_size":             {"40KiB", "40 apples"},
	"administrivia":                {"no", "2"},
	"notify_held":                  {"no", "2"},
	"notify_moderators":            {"no", "2"},
	"hold_expires":                 {"12h", "soon"},
	"closed":                       {"yes", "2"},
	"no_subject":                   {"reject", "discard"},
	"quoted_digest":                {"accept", "discard"},
	"bans":                         {"spam@example.net, @example.com", "@"},
	"accept_senders":               {"friend@example.net", "@"},
	"header_rules":                 {"hold X-Spam-Flag: ^yes\ndiscard Subject: a|b: c", "hold X-Spam: ("},
	"subject_prefix":               {"[pyug %d]", "%d %d"},
	"footer":                       {"-- \n{title} {leave}\n{", "{nobody}"},
	"reply_to":                     {"explicit", "sender"},
	"reply_to_address":             {"office@example.org", "office"},
	"reply_to_strip":               {"yes", "2"},
	"from":                         {"never", "wrap"},
	"anonymous":                    {"yes", "2"},
	"personalize":                  {"none", "some"},
	"list_headers":                 {"no", "2"},
	"complaint":                    {"pause", "ignore"},
	"bounce_processing":            {"no", "2"},
	"bounce_threshold":             {"3", "-1"},
	"bounce_stale_after":           {"14d", "soon"},
	"bounce_warnings":              {"1", "often"},
	"bounce_warning_interval":      {"3d", "soon"},
	"munge_domains":                {"a.example, b.example", "a@b"},
	"roundup_lead":                 {"6h", "soon"},
	"roundup_silence":              {"hold", "wait"},
	"digest":                       {"monthly first-mon 18:30 Europe/Paris", "hourly"},
	"digest_posts":                 {"50", "-1"},
	"digest_size":                  {"40KiB", "big"},
	"digest_volume":                {"monthly", "hourly"},
	"report":                       {"monthly", "daily"},
	"report_to":                    {"members", "all"},
	"feeds":                        {"https://example.org/a?b=c, Our blog=https://blog.example.org/atom.xml", "ftp://example.org/x"},
	"archive":                      {"none", "owners"},
	"archive_addresses":            {"shown", "some"},
}

func TestSettings(t *testing.T) {
	t.Parallel()
	all := DefaultPolicy()
	for _, key := range Keys() {
		good, bad := values[key][0], values[key][1]
		if good == "" {
			t.Errorf("%s is not tested", key)
			continue
		}
		p := DefaultPolicy()
		if before, ok := p.Get(key); !ok || before == good {
			t.Errorf("%s: default %q, %v", key, before, ok)
		}
		if err := p.Set(key, bad); err == nil || !strings.HasPrefix(err.Error(), key+": ") {
			t.Errorf("%s=%s: error %v", key, bad, err)
		}
		if !reflect.DeepEqual(p, DefaultPolicy()) {
			t.Errorf("%s=%s changed the policy", key, bad)
		}
		if err := p.Set(key, good); err != nil {
			t.Error(err)
		}
		if got, _ := p.Get(key); got != good {
			t.Errorf("%s: got %q, want %q", key, got, good)
		}
		if s := p.Settings(); len(s) != 1 || s[key] != good {
			t.Errorf("%s: Settings() = %v", key, s)
		}
		if err := all.Set(key, good); err != nil {
			t.Error(err)
		}
		if h := Help(key); !strings.HasSuffix(h, ")") || strings.Contains(h, "\n") {
			t.Errorf("%s: help %q", key, h)
		}
	}
	if len(values) != len(Keys()) {
		t.Errorf("%d settings, %d tested", len(Keys()), len(values))
	}
	again, err := Load(all.Settings())
	if err != nil || !reflect.DeepEqual(again.Settings(), all.Settings()) || len(all.Settings()) != len(values) {
		t.Errorf("%v: %v is not %v", err, again.Settings(), all.Settings())
	}
}

// A line break in a setting would begin a header field of the attacker's choice.
func TestSettingsRefuseLineBreaks(t *testing.T) {
	t.Parallel()
	for _, key := range Keys() {
		if key == "footer" || key == "header_rules" {
			continue // texts of several lines; neither becomes a field
		}
		for _, breaker := range []string{"\r\nBcc: x@example.net", "\nX: y", "\r", "\x00", "\u2028", "\u202e"} {
			for _, v := range []string{values[key][0] + breaker, values[key][0][:1] + breaker + values[key][0][1:]} {
				p := DefaultPolicy()
				if err := p.Set(key, v); err == nil {
					t.Errorf("%s takes %q", key, v)
				}
			}
		}
	}
	p := DefaultPolicy()
	for _, v := range []string{"a\x07b", "a\rb", "\x1b[31m"} {
		if p.Set("footer", v) == nil {
			t.Errorf("footer takes %q", v)
		}
	}
	if p.Set("header_rules", "hold Subject: a\rb") == nil || p.Set("header_rules", "accept : x") == nil {
		t.Error("header_rules takes a broken rule")
	}
}

func TestSettingsErrors(t *testing.T) {
	t.Parallel()
	p := DefaultPolicy()
	for key, want := range map[string]string{
		"subject-prefix": `did you mean "subject_prefix"?`, "Title": `"title"`, "non_member_action": `"nonmember_action"`,
		"max_size": `"max_message_size"`, "replyto": `"reply_to"`, "xyzzy_frobnicate": "listd list set --help",
	} {
		if err := p.Set(key, "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", key, err, want)
		}
	}
	if err := p.Set("from", "wrap"); err == nil || !strings.Contains(err.Error(), "as-needed, munge or never") {
		t.Error(err)
	}
	if _, ok := p.Get("nothing"); ok || Help("nothing") != "" {
		t.Error("there is no such setting")
	}
	if _, err := Load(map[string]string{"kind": "party"}); err == nil {
		t.Error("Load takes a bad value")
	}
	if p.Set("reply_to", "explicit") != nil || p.Check() == nil {
		t.Error("explicit without an address passes Check")
	}
	if p.Set("reply_to_address", "x@example.org") != nil || p.Check() != nil {
		t.Error("Check fails with an address")
	}
}

// A newer listd's settings survive an older one's save.
func TestLoadKeepsUnknown(t *testing.T) {
	t.Parallel()
	p, err := Load(map[string]string{"someday": "weekly", "title": "T"})
	if err != nil || p.Set("title", "") != nil {
		t.Fatal(err)
	}
	if s := p.Settings(); len(s) != 1 || s["someday"] != "weekly" {
		t.Errorf("got %v", s)
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"max_message_size", "1024", "1KiB"}, {"max_message_size", "2mib", "2MiB"}, {"max_message_size", "3 KiB", "3KiB"},
		{"max_message_size", "100B", "100"}, {"max_message_size", "1GiB", "1GiB"},
		{"hold_expires", "336h", "14d"}, {"hold_expires", "90m", "90m"}, {"hold_expires", "0", "0"}, {"hold_expires", "61s", "61s"},
		{"advertised", "NO", "no"}, {"advertised", "false", "no"}, {"advertised", "on", "yes"},
		{"posting", "Owners", "owners"}, {"title", "  T  ", "T"}, {"bans", "A@Example.org,a@example.org, @EXAMPLE.com", "a@example.org, @example.com"},
		{"aliases", "", ""}, {"footer", "a\r\nb\n\n", "a\nb"}, {"header_rules", "\n hold A: b \n", "hold A: b"}, {"header_rules", "reject A:(?i)b", "reject A: (?i)b"},
	} {
		p := DefaultPolicy()
		if err := p.Set(c[0], c[1]); err != nil {
			t.Error(err)
		}
		if got, _ := p.Get(c[0]); got != c[2] {
			t.Errorf("%s=%q: got %q, want %q", c[0], c[1], got, c[2])
		}
	}
	p := DefaultPolicy()
	for _, c := range [][2]string{{"max_message_size", "99999999999GiB"}, {"max_message_size", "KiB"}, {"hold_expires", "99999999d"},
		{"hold_expires", "d"}, {"title", strings.Repeat("x", 300)}, {"first_posts_moderated", "99999999999999999999"},
		{"title", "\xff"}, {"header_rules", strings.Repeat("hold A: b\n", 200)}, {"footer", strings.Repeat("x", 600)},
		{"bans", strings.Repeat("@a.example, ", 3000)}, {"header_rules", "hold A: " + strings.Repeat("x", 600)}} {
		if p.Set(c[0], c[1]) == nil {
			t.Errorf("%s takes %.40q", c[0], c[1])
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal([]any{Hold, Each})
	if err != nil || string(b) != `["hold","each"]` {
		t.Errorf("%s %v", b, err)
	}
	var a Action
	if err := json.Unmarshal([]byte(`"Reject"`), &a); err != nil || a != Reject {
		t.Error(a, err)
	}
	var m Mode
	if err := json.Unmarshal([]byte(`"weekly"`), &m); err == nil {
		t.Error("a mode that is none is taken")
	}
	if err := json.Unmarshal([]byte(`"NONE"`), &m); err != nil || m != None {
		t.Error(m, err)
	}
	if Action(9).String() != "action(9)" || Kind(99).String() != "unknown" {
		t.Error("words for what is no word")
	}
	for r, want := range map[Roles]string{Subscriber: "member", Owner: "owner", Owner | Subscriber: "owner", Moderator | Owner: "owner+moderator", Moderator: "moderator", 0: ""} {
		if r.String() != want {
			t.Errorf("%d: %s, want %s", r, r, want)
		}
	}
}

func TestBan(t *testing.T) {
	t.Parallel()
	p := pyug(t, map[string]string{"bans": "spam@example.net, @bad.example"}).Policy
	for a, want := range map[mail.Address]Ban{
		{Local: "SPAM", Domain: "example.net"}: "spam@example.net", {Local: "x", Domain: "bad.example"}: "@bad.example",
		{Local: "x", Domain: "not.bad.example"}: "", {Local: "x", Domain: "example.net"}: "", {}: "",
	} {
		if got := p.Ban(a); got != want {
			t.Errorf("%s: %q, want %q", a, got, want)
		}
	}
}
