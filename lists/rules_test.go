package lists

import (
	"fmt"
	"strings"
	"testing"

	"listd/mail"
)

// ruleCase is a post to pyug by Ana, who is a member, with what differs.
type ruleCase struct {
	name     string
	settings map[string]string
	head     string // fields before the usual ones
	subject  string // "-": no field; "": Hello
	to       string
	body     string
	from     string // the envelope's and the author; "-": the null reverse-path
	sender   *Member
	stranger bool // no member
	edit     func(*Case)

	rule   string // what decides; empty: accepted
	action Action
	says   string // in the reply or the reasons
}

func (r ruleCase) build(t *testing.T) *Case {
	t.Helper()
	or := func(s, def string) string {
		if s == "" {
			return def
		}
		return s
	}
	from := or(r.from, "ana@example.org")
	head := r.head + "From: Ana <" + from + ">\r\nTo: " + or(r.to, "pyug@lists.example.org") + "\r\n"
	if r.subject != "-" {
		head += "Subject: " + or(r.subject, "Hello") + "\r\n"
	}
	c := &Case{
		List:    pyug(t, r.settings),
		Message: mail.Message{Head: []byte(head), Body: []byte(or(r.body, "Hello all,\r\n\r\nsee you on Tuesday.\r\n"))},
		Sender:  r.sender,
	}
	if c.Sender == nil && !r.stranger {
		c.Sender = memberWith(Subscription{Posts: 5})
	}
	if r.from == "-" {
		from = "mailer-daemon@example.org"
	} else {
		c.Envelope.From = address1(t, from)
	}
	c.From = mail.Mailbox{Name: "Ana", Address: address1(t, from)}
	if r.edit != nil {
		r.edit(c)
	}
	return c
}

func address1(t testing.TB, s string) mail.Address {
	t.Helper()
	a, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func memberWith(s Subscription) *Member { return &Member{Roles: Subscriber, Sub: &s} }

var (
	moderatorOnly = &Member{Roles: Moderator}
	newcomer      = memberWith(Subscription{Posts: 1})
)

// found is a case in which the checks have found this.
func found(auth string) func(*Case) { return func(c *Case) { c.Auth = auth } }

func set(kv ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(kv); i += 2 {
		m[kv[i]] = kv[i+1]
	}
	return m
}

var ruleCases = []ruleCase{
	{name: "a member's post"},
	{name: "a moderator who does not receive", sender: moderatorOnly},

	{name: "own List-Id", head: "List-Id: PyUG\r\n <PYUG.lists.example.org>\r\n", rule: "loop", action: Reject, says: "been through"},
	{name: "other List-Id", head: "List-Id: <other.example.org>\r\nX-Loop: other@example.org\r\n"},
	{name: "own X-Loop", head: "X-Loop: pyug@lists.example.org\r\n", rule: "loop", action: Reject, says: "been through"},
	{name: "101 hops", head: strings.Repeat("Received: x\r\n", 101), rule: "loop", action: Reject, says: "101 servers"},
	{name: "100 hops", head: strings.Repeat("Received: x\r\n", 100)},

	{name: "banned by the site", edit: func(c *Case) { c.Banned = "@example.org" }, rule: "banned", action: Reject, says: "pyug-owner@"},
	{name: "banned by address", settings: set("bans", "ana@example.org"), rule: "banned", action: Reject, says: "may not post"},
	{name: "banned by domain", settings: set("bans", "@example.org"), rule: "banned", action: Reject},
	{name: "banned envelope", settings: set("bans", "@bad.example"), edit: func(c *Case) { c.Envelope.From.Domain = "bad.example" }, rule: "banned", action: Reject},
	{name: "no parts", head: "Content-Type: multipart/mixed; boundary=b\r\n", body: "x\r\n", rule: "unreadable", action: Hold, says: "several parts"},
	{name: "too many parts", head: "Content-Type: multipart/mixed; boundary=b\r\n", body: strings.Repeat("--b\r\n\r\nx\r\n", 1001), rule: "unreadable", action: Hold, says: "too many parts"},
	{name: "another is banned", settings: set("bans", "ben@example.org, @example.net")},

	{name: "closed", settings: set("closed", "yes"), sender: moderatorOnly, rule: "closed", action: Reject, says: "closed"},

	{name: "a bounce", from: "-", rule: "automatic", action: Reject, says: "bounces"},
	{name: "vacation", head: "Auto-Submitted: auto-replied (vacation)\r\nAuto-Submitted: Auto-Replied; x=y\r\n", rule: "automatic", action: Discard},
	{name: "autoreply", head: "X-Autoreply: yes\r\n", rule: "automatic", action: Discard},
	{name: "precedence", head: "Precedence: auto_reply\r\n", rule: "automatic", action: Discard},
	{name: "a script's post", head: "Auto-Submitted: auto-generated\r\nPrecedence: bulk\r\nX-Autoreply: no\r\n"},

	{name: "emergency", settings: set("emergency", "yes", "header_rules", "accept Subject: ."), sender: moderatorOnly, rule: "emergency", action: Hold, says: "every post"},

	{name: "header rule holds", settings: set("header_rules", "hold X-Spam-Flag: ^yes"), head: "x-spam-flag: YES\r\n", rule: "header_rule", action: Hold, says: "X-Spam-Flag"},
	{name: "header rule rejects", settings: set("header_rules", "reject Subject: hell"), rule: "header_rule", action: Reject, says: "Subject"},
	{name: "header rule discards encoded", settings: set("header_rules", "discard Subject: größe"), subject: "=?utf-8?q?Gr=C3=B6=C3=9Fe?=", rule: "header_rule", action: Discard},
	{name: "header rule accepts", settings: set("header_rules", "accept Subject: ^hello$\nreject Subject: .", "member_action", "reject"), rule: "header_rule", action: Accept},
	{name: "header rule accepts after a hold", settings: set("header_rules", "hold To: pyug\naccept Subject: ."), rule: "header_rule", action: Hold},
	{name: "header rule about what was found", settings: set("header_rules", "hold authentication-results: dmarc=fail"),
		edit: found("spf=none; dkim=none; dmarc=fail (p=REJECT) header.from=example.org"), rule: "header_rule", action: Hold, says: "authentication-results"},
	{name: "header rule and an accusation in another's name", settings: set("header_rules", "reject Authentication-Results: dmarc=fail"),
		head: "Authentication-Results: mx.example.net; dmarc=fail\r\n", edit: found("spf=pass; dkim=none; dmarc=pass")},
	{name: "header rule and a lie", settings: set("header_rules", "accept Authentication-Results: dmarc=pass", "member_action", "reject"),
		head: "Authentication-Results: mx.example.net; dmarc=pass\r\n", edit: found("spf=none; dkim=none; dmarc=fail"), rule: "member", action: Reject},
	{name: "header rule where nobody has looked", settings: set("header_rules", "reject Authentication-Results: ."), head: "Authentication-Results: mx.example.net; dmarc=fail\r\n"},
	{name: "header rule silent", settings: set("header_rules", "reject X-Spam-Flag: yes\nhold Subject: ^x")},

	{name: "unsubscribe as subject", subject: "Unsubscribe", body: "\r\n", rule: "administrivia", action: Discard},
	{name: "unsubscribe with a name below", subject: "unsubscribe me please", body: "Thanks\r\nAna\r\n", rule: "administrivia", action: Discard},
	{name: "unsubscribe in a reply", subject: "Re: Hello", body: "unsubscribe\r\n\r\nOn Tue, 3 Nov 2026 Ben wrote:\r\n> a\r\n> b\r\n", rule: "administrivia", action: Discard},
	{name: "unsubscribe from the list", body: "Please unsubscribe me from this list.\r\n-- \r\nAna\r\n", rule: "administrivia", action: Discard},
	{name: "subscribe by a stranger", stranger: true, body: "subscribe pyug\r\n", rule: "administrivia", action: Discard},
	{name: "unsubscribe in HTML", head: "Content-Type: text/html\r\n", body: "<html><head><title>x</title><style>p{}</style></head><body><div>Unsubscribe</div><br></body></html>\r\n", rule: "administrivia", action: Discard},
	{name: "help alone", subject: "help", body: "\r\n", rule: "administrivia", action: Discard},
	{name: "help is a subject", subject: "Help", body: "My program does not start.\r\n"},
	{name: "how to unsubscribe", subject: "How do I unsubscribe?", body: "I have looked at the page and found no way.\r\n"},
	{name: "a text on unsubscribe", subject: "unsubscribe", body: strings.Repeat("A line about the matter.\r\n", 8)},
	{name: "administrivia is off", settings: set("administrivia", "no"), subject: "unsubscribe", body: "\r\n"},

	{name: "digest subject", subject: "Re: pyug Digest, Vol 3, Issue 5", rule: "quoted_digest", action: Hold, says: "digest"},
	{name: "1153 subject", settings: set("quoted_digest", "reject"), subject: "AW: pyug Digest V1 #5", rule: "quoted_digest", action: Reject, says: "Quote only"},
	{name: "digest subject behind the prefix", settings: set("subject_prefix", "[pyug]"), subject: "[pyug] Re: pyug Digest, Vol 3, Issue 5 (1/2)", rule: "quoted_digest", action: Hold},
	{name: "digest announced", subject: "pyug Digest, Vol 3, Issue 5 has a bug"},
	{name: "digest's end quoted", body: "Yes!\r\n\r\n> pyug Digest, Vol 3, Issue 5, 2031-02-03\r\n> \r\n> End of pyug Digest, Vol 3, Issue 5\r\n> **********************************\r\n", rule: "quoted_digest", action: Hold},
	{name: "digest's end unmarked", body: "Yes!\r\n\r\nFrom: pyug-request\r\n\r\nEnd of pyug Digest, Vol 3, Issue 5\r\n**********************************\r\n", rule: "quoted_digest", action: Hold},
	{name: "digest's end talked about", body: "What does \"End of pyug Digest\" mean?\r\nEnd of pyug Digest\r\nsays mine.\r\n"},
	{name: "digest quoted", body: "I agree\r\n" + strings.Repeat("> ------------------------------\r\n>\r\n> Message: 1\r\n", 3), rule: "quoted_digest", action: Hold},
	{name: "digest may be quoted", settings: set("quoted_digest", "accept"), subject: "Re: pyug Digest, Vol 3, Issue 5"},
	{name: "a book's digest", subject: "Re: Reader's Digest, volume on Python"},

	{name: "too big", settings: set("max_message_size", "1KiB"), body: strings.Repeat("x\r\n", 500), rule: "max_size", action: Reject, says: "2 KiB and pyug@lists.example.org takes at most 1 KiB"},
	{name: "big enough", settings: set("max_message_size", "2KiB"), body: strings.Repeat("x\r\n", 500)},
	{name: "too big for the site", sender: moderatorOnly, edit: func(c *Case) { c.SiteMaxSize = 100 }, rule: "max_size", action: Reject, says: "100 bytes"},
	{name: "moderators may send more", settings: set("max_message_size", "1KiB"), sender: moderatorOnly, body: strings.Repeat("x\r\n", 500)},

	{name: "implicit destination", to: "ben@example.org", rule: "implicit_destination", action: Hold, says: "To or Cc"},
	{name: "part of a longer address", to: "x.pyug@lists.example.org, pyug@lists.example.org.net", rule: "implicit_destination", action: Hold},
	{name: "in Cc", to: "ben@example.org", head: "Cc: \"Py, UG\" <PYUG@Lists.example.org>\r\n"},
	{name: "in a broken field", to: "<<pyug@lists.example.org"},
	{name: "an alias of the policy", settings: set("aliases", "group@example.org"), to: "group@example.org"},
	{name: "an alias of the list", to: "old@lists.example.org", edit: func(c *Case) { c.Aliases = []mail.Address{{Local: "old", Domain: "lists.example.org"}} }},
	{name: "implicit is fine", settings: set("require_explicit_destination", "no"), to: "ben@example.org"},

	{name: "11 recipients", to: "pyug@lists.example.org" + strings.Repeat(", a@example.org", 10), rule: "max_recipients", action: Hold, says: "11 people"},
	{name: "10 recipients", to: "pyug@lists.example.org" + strings.Repeat(", a@example.org", 9)},
	{name: "any number", settings: set("max_recipients", "0"), to: "pyug@lists.example.org" + strings.Repeat(", a@example.org", 50)},
	{name: "a moderator writes to many", sender: moderatorOnly, to: "pyug@lists.example.org" + strings.Repeat(", a@example.org", 50)},

	{name: "no subject is fine", subject: "-"},
	{name: "no subject held", settings: set("no_subject", "hold"), subject: "-", rule: "no_subject", action: Hold, says: "no Subject"},
	{name: "only a prefix", settings: set("no_subject", "reject", "subject_prefix", "[pyug]"), subject: "Re: [pyug] ", rule: "no_subject", action: Reject, says: "send it again"},
	{name: "a subject", settings: set("no_subject", "reject")},

	{name: "moderated list", settings: set("member_action", "hold"), rule: "member", action: Hold},
	{name: "moderated list, a moderator", settings: set("member_action", "hold"), sender: moderatorOnly},
	{name: "moderated member", sender: memberWith(Subscription{Action: Discard}), rule: "member", action: Discard},
	{name: "refused member", sender: memberWith(Subscription{Action: Reject}), rule: "member", action: Reject, says: "do not take posts"},
	{name: "trusted member of a moderated list", settings: set("member_action", "reject"), sender: memberWith(Subscription{Action: Accept})},

	{name: "second post of two moderated", settings: set("first_posts_moderated", "2"), sender: newcomer, rule: "first_posts", action: Hold, says: "first 2 posts"},
	{name: "second post of one moderated", settings: set("first_posts_moderated", "1"), sender: newcomer},
	{name: "first post of a trusted member", settings: set("first_posts_moderated", "2"), sender: memberWith(Subscription{Action: Accept})},
	{name: "first post of an owner", settings: set("first_posts_moderated", "1"), sender: &Member{Roles: Owner | Subscriber, Sub: &Subscription{}}},

	{name: "stranger", stranger: true, rule: "nonmember", action: Hold, says: "not a member"},
	{name: "stranger rejected", stranger: true, settings: set("nonmember_action", "reject"), rule: "nonmember", action: Reject, says: "pyug-join@"},
	{name: "stranger discarded", stranger: true, settings: set("nonmember_action", "discard"), rule: "nonmember", action: Discard},
	{name: "stranger accepted", stranger: true, settings: set("nonmember_action", "accept")},
	{name: "anyone", stranger: true, settings: set("posting", "anyone", "nonmember_action", "reject")},

	{name: "announcement by a member", settings: set("kind", "announcement"), rule: "announcement", action: Reject, says: "owners and moderators"},
	{name: "announcement by a stranger", stranger: true, settings: set("posting", "owners"), rule: "announcement", action: Reject},
	{name: "announcement by a moderator", settings: set("kind", "announcement"), sender: moderatorOnly},
	{name: "announcement by a trusted member", settings: set("posting", "owners"), sender: memberWith(Subscription{Action: Accept})},
	{name: "announcement on an anyone list", stranger: true, settings: set("kind", "announcement", "posting", "anyone"), rule: "announcement", action: Reject},
}

func TestJudge(t *testing.T) {
	t.Parallel()
	fired := map[string]bool{}
	for _, r := range ruleCases {
		want := r.action
		if r.rule == "" {
			want = Accept
		}
		v := Judge(Rules(), r.build(t))
		if v.Action != want || v.Rule != r.rule {
			t.Errorf("%s: %v by %q %q, want %v by %q", r.name, v.Action, v.Rule, v.Reasons, want, r.rule)
			continue
		}
		said := strings.Join(v.Reasons, " ")
		if v.Action == Reject {
			if v.Reply == nil || !v.Reply.Permanent() || v.Reply.Enhanced[0] != 5 || len(v.Reply.Text) > 400 {
				t.Errorf("%s: reply %v", r.name, v.Reply)
				continue
			}
			said += v.Reply.Text
		}
		if !strings.Contains(said, r.says) || v.Action != Accept && len(v.Reasons) == 0 {
			t.Errorf("%s: says %q, want %q", r.name, said, r.says)
		}
		if (v.Answer != "") != (r.rule == "administrivia") {
			t.Errorf("%s: answer %q", r.name, v.Answer)
		}
		fired[v.Rule] = true
	}
	for _, r := range Rules() {
		if !fired[r.Name] {
			t.Errorf("no case in which %s fires", r.Name)
		}
	}
}

// A moderator sees every reason to hold, and an Accept later on lifts none of them.
func TestJudgeAddsUp(t *testing.T) {
	t.Parallel()
	c := ruleCase{stranger: true, to: "ben@example.org", settings: set("no_subject", "hold"), subject: "-"}.build(t)
	v := Judge(Rules(), c)
	if v.Action != Hold || v.Rule != "implicit_destination" || len(v.Reasons) != 3 {
		t.Errorf("got %+v", v)
	}
	is := func(v Verdict) Rule { return Rule{v.Action.String(), func(*Case) Verdict { return v }} }
	for _, r := range []struct {
		rules []Action
		want  string
	}{
		{nil, "accept "}, {[]Action{Defer, Defer}, "accept "}, {[]Action{Accept, Reject}, "accept accept"}, {[]Action{Hold, Accept, Reject}, "hold hold"},
		{[]Action{Hold, Reject}, "reject reject"}, {[]Action{Hold, Discard, Accept}, "discard discard"}, {[]Action{Hold, Defer}, "hold hold"},
	} {
		var rules []Rule
		for _, a := range r.rules {
			rules = append(rules, is(Verdict{Action: a}))
		}
		v := Judge(rules, c)
		if got := fmt.Sprint(v.Action, " ", v.Rule); got != r.want {
			t.Errorf("%v: %q, want %q", r.rules, got, r.want)
		}
	}
}

// Broken MIME is no reason to stop, and no rule may panic over it.
func TestJudgeOddMail(t *testing.T) {
	t.Parallel()
	for _, c := range []ruleCase{
		{head: "Content-Type: multipart/mixed; boundary=b\r\n", body: "--b\r\n\r\nx"},
		{head: "Content-Type: text/plain; charset=nowhere\r\nContent-Transfer-Encoding: base64\r\n", body: "@@@@\r\n"},
		{head: "Content-Type: text/html\r\n", body: "<<<>&#x;<style>\r\n"},
		{subject: "=?x?q?=?=", to: "pyug@lists.example.org,,,;:"},
	} {
		if v := Judge(Rules(), c.build(t)); v.Action != Accept {
			t.Errorf("%q: %+v", c.head, v)
		}
	}
}

func BenchmarkJudge(b *testing.B) {
	p := DefaultPolicy()
	l := List{Address: mail.Address{Local: "pyug", Domain: "lists.example.org"}, Policy: p}
	m := readStrict(b, benchMail())
	rules := Rules()
	ana := mail.Address{Local: "ana", Domain: "example.org"}
	b.ReportAllocs()
	for b.Loop() {
		c := Case{List: l, Message: m, Envelope: mail.Envelope{From: ana}, From: mail.Mailbox{Address: ana}, Sender: newcomer}
		if v := Judge(rules, &c); v.Action != Accept {
			b.Fatal(v)
		}
	}
}
