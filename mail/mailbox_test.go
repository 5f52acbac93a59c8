package mail_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"listd/mail"
)

func TestMailboxes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{ // each: name|address
		"":                                      nil,
		"a@example.org":                         {"|a@example.org"},
		"a@example.org, b@example.org":          {"|a@example.org", "|b@example.org"},
		"a@example.org; b@example.org;":         {"|a@example.org", "|b@example.org"},
		",,a@example.org,,;,":                   {"|a@example.org"},
		"Ann Other <a@example.org>":             {"Ann Other|a@example.org"},
		`"Other, Ann" <a@example.org>`:          {"Other, Ann|a@example.org"},
		`"Ann \"A\" \\ Other" <a@example.org>`:  {`Ann "A" \ Other|a@example.org`},
		"Ann\t  Other\t<a@example.org>":         {"Ann Other|a@example.org"},
		"John Q. Public <a@example.org>":        {"John Q. Public|a@example.org"},
		"<a@example.org>":                       {"|a@example.org"},
		"< a@example.org >":                     {"|a@example.org"},
		"<@x.example,@y.example:a@example.org>": {"|a@example.org"},
		"a @ example.org":                       {"|a@example.org"},
		"a(x)@(y)example.org":                   {"x|a@example.org"},
		"undisclosed-recipients:;":              nil,
		"Team: a@example.org, Bea <b@example.org>; c@x.example":               {"|a@example.org", "Bea|b@example.org", "|c@x.example"},
		"A group: ; B: a@example.org;":                                        {"|a@example.org"},
		"a@example.org (Ann Other)":                                           {"Ann Other|a@example.org"},
		`a@example.org (Ann \(A\) (nested, too))`:                             {"Ann (A) (nested, too)|a@example.org"},
		"(comment, with comma) a@example.org":                                 {"comment, with comma|a@example.org"},
		"Ann (at work) <a@example.org>":                                       {"Ann|a@example.org"},
		`"Ann (at work)" <a@example.org>`:                                     {"Ann (at work)|a@example.org"},
		"Foo foo@example.org":                                                 {"Foo|foo@example.org"},
		"=?utf-8?q?J=C3=BCrgen?= <a@example.org>":                             {"Jürgen|a@example.org"},
		"=?utf-8?b?SsO8cmdlbg==?= =?iso-8859-1?q?_M=FCller?= <a@example.org>": {"Jürgen Müller|a@example.org"},
		"\"=?utf-8?q?J=C3=BCrgen?=\" <a@example.org>":                         {"Jürgen|a@example.org"},
		"=?utf-8?q?Ann=2C_b=40x=2Eexample?= <a@example.org>":                  {"Ann, b@x.example|a@example.org"},
		"=?utf-8?q?Ann=0D=0ABcc:_x?= <a@example.org>":                         {"Ann Bcc: x|a@example.org"},
		"J\xfcrgen <a@example.org>":                                           {"Jürgen|a@example.org"},
		`"a b"@example.org`:                                                   {`|"a b"@example.org`},
		`"a(b)c"@example.org`:                                                 {`|"a(b)c"@example.org`},
		`"a @ b"@example.org`:                                                 {`|"a @ b"@example.org`},
		`"a,b" <"c;d"@example.org>`:                                           {`a,b|"c;d"@example.org`},
		"a@[192.0.2.1], b@[IPv6:2001:db8::1]":                                 {"|a@[192.0.2.1]", "|b@[IPv6:2001:db8::1]"},
		"not an address, a@example.org, <>, <x>, @":                           {"|a@example.org"},
		"broken <a@example.org, b@example.org":                                {"|b@example.org"},
		`broken " quote <a@example.org>, b@example.org`:                       {"broken quote|a@example.org", "|b@example.org"},
		"broken ( comment <a@example.org>, b@example.org":                     {"broken ( comment|a@example.org", "|b@example.org"},
		"broken ) comment <a@example.org>":                                    {"broken ) comment|a@example.org"},
		"broken [ literal <a@example.org>":                                    {"broken [ literal|a@example.org"},
		"Foo <bar <a@example.org>":                                            {"Foo <bar|a@example.org"},
		"Foo <at work> <a@example.org>":                                       {"Foo <at work>|a@example.org"},
		// What stands in quotes or comments must not become the author.
		`<a@example.org> "x <evil@example.com>"`:                {"|a@example.org"},
		`Ann <a@example.org> (see <evil@example.com>)`:          {"Ann|a@example.org"},
		`"evil@example.com <evil@example.com>" <a@example.org>`: {"evil@example.com <evil@example.com>|a@example.org"},
		"(<evil@example.com>) a@example.org":                    {"<evil@example.com>|a@example.org"},
		"a@example.org(x)com":                                   nil,
	} {
		var got []string
		for _, m := range mail.Mailboxes(in) {
			got = append(got, m.Name+"|"+m.Address.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("Mailboxes(%q)\n got %q\nwant %q", in, got, want)
		}
	}
}

func TestMailboxesMany(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 10500 {
		fmt.Fprintf(&b, "\"User, %d\" <u%d@example.org>,\r\n ", i, i)
	}
	start := time.Now()
	got := mail.Mailboxes(b.String())
	if len(got) != 10000 || got[9999].Name != "User, 9999" {
		t.Errorf("%d mailboxes, want the first 10000", len(got))
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestMailboxString(t *testing.T) {
	t.Parallel()
	a := mail.Address{Local: "a", Domain: "example.org"}
	for name, want := range map[string]string{
		"": "a@example.org", "  ": "a@example.org", "Ann Other": "Ann Other <a@example.org>", "Other, Ann": `"Other, Ann" <a@example.org>`,
		`A "B" \`: `"A \"B\" \\" <a@example.org>`, "Jürgen": "=?utf-8?q?J=C3=BCrgen?= <a@example.org>",
		"a\r\nBcc: b": "=?utf-8?q?a__Bcc=3A_b?= <a@example.org>", "=?utf-8?q?x?=": "=?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <a@example.org>",
	} {
		if got := (mail.Mailbox{Name: name, Address: a}).String(); got != want {
			t.Errorf("String of %q = %q, want %q", name, got, want)
		}
	}
}

// Whatever the name, what is written reads as the same one mailbox: no name can add a recipient.
func TestMailboxRoundTrip(t *testing.T) {
	t.Parallel()
	special := rapid.SampledFrom([]rune(" ,;:<>@()[]\"\\.=?_-aZ9üß用😀\u200d\u0301"))
	rapid.Check(t, func(t *rapid.T) {
		name := strings.Join(strings.Fields(rapid.OneOf(rapid.StringOf(special), rapid.String()).Draw(t, "name")), " ")
		name = strings.Join(strings.FieldsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")
		local := rapid.StringMatching(`[a-z ,;:<>@()"\\.=?]{1,20}`).Draw(t, "local")
		m := mail.Mailbox{Name: name, Address: mail.Address{Local: local, Domain: "example.org"}}
		raw := mail.FormatField("To", m.String()+", "+m.String())
		got := mail.Mailboxes(mail.Field{Raw: raw}.Value())
		if len(got) != 2 || got[0] != m || got[1] != m {
			t.Fatalf("%q reads as %+v, want twice %+v", raw, got, m)
		}
	})
}

func TestAuthor(t *testing.T) {
	t.Parallel()
	for head, want := range map[string]string{
		"From: Ann <a@example.org>\r\n":                                            "Ann|a@example.org",
		"To: b@example.org\r\nFROM: a@example.org, b@example.org\r\n":              "|a@example.org",
		"From: nobody\r\nFrom: a@example.org\r\n":                                  "|a@example.org",
		"From:\r\n =?utf-8?q?J=C3=BC?=\r\n =?utf-8?q?rgen?=\r\n <a@x.example>\r\n": "Jürgen|a@x.example",
		"Subject: x\r\n": "|",
		"":               "|",
	} {
		m := mail.Author([]byte(head))
		if got := m.Name + "|" + m.Address.String(); got != want {
			t.Errorf("Author(%q) = %q, want %q", head, got, want)
		}
	}
}

func TestMessageIDs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 490)
	for in, want := range map[string][]string{
		"": nil, "<>": nil, "< >": nil, "nothing here": nil,
		"<a@b>":                            {"a@b"},
		"<a@b> <c@d>\t<e@f>":               {"a@b", "c@d", "e@f"},
		"<a@b>,<c@d>;(x)<e@f>":             {"a@b", "c@d", "e@f"},
		"<a@\r\n b>":                       {"a@b"},
		"Message of Monday <a@b> from Ann": {"a@b"},
		"<no-at-sign>":                     {"no-at-sign"},
		"<<a@b>>":                          {"a@b"},
		"<x <a@b>":                         {"a@b"},
		"<a@b> <c@d":                       {"a@b"},
		"a@b, c@d;e@f":                     {"a@b", "c@d", "e@f"},
		"a@b>":                             {"a@b>"},
		"<" + long + "@b>":                 {long + "@b"},
		"<" + long + "@toolongforanid>":    nil,
		"<a\x00b@c> <d\x1b@e> <f@g>":       {"f@g"},
		"<\xe9@b>":                         {"é@b"},
		"<é@b>":                            {"é@b"},
	} {
		if got := mail.MessageIDs(in); !slices.Equal(got, want) {
			t.Errorf("MessageIDs(%.60q) = %q, want %q", in, got, want)
		}
	}
	if n := len(mail.MessageIDs(strings.Repeat("<a@b> ", 5000))); n != 1000 {
		t.Errorf("%d of 5000 IDs in brackets, want 1000", n)
	}
	if n := len(mail.MessageIDs(strings.Repeat("a@b ", 5000))); n != 1000 {
		t.Errorf("%d of 5000 IDs, want 1000", n)
	}
}
