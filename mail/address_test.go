package mail_test

import (
	"strings"
	"testing"

	"listd/mail"
)

func TestParseAddress(t *testing.T) {
	t.Parallel()
	const l63 = "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc"
	longDomain := l63 + "." + l63 + "." + l63 + "." + l63 // 255 octets
	for in, want := range map[string]mail.Address{
		"a@example.org":                        {"a", "example.org"},
		"Ann.Other+tag@EXAMPLE.Org":            {"Ann.Other+tag", "example.org"},
		"!#$%&'*+-/=?^_`{|}~@example.org":      {"!#$%&'*+-/=?^_`{|}~", "example.org"},
		"a@localhost":                          {"a", "localhost"},
		"a@under_score.example.org":            {"a", "under_score.example.org"},
		"a@1.example.org":                      {"a", "1.example.org"},
		`"a b"@example.org`:                    {"a b", "example.org"},
		`"a@b"@example.org`:                    {"a@b", "example.org"},
		`"a> NOTIFY=NEVER"@example.org`:        {"a> NOTIFY=NEVER", "example.org"},
		`"a\"b\\c"@example.org`:                {`a"b\c`, "example.org"},
		`"plain"@example.org`:                  {"plain", "example.org"},
		`".a..b."@example.org`:                 {".a..b.", "example.org"},
		`"\a"@example.org`:                     {"a", "example.org"},
		`" "@example.org`:                      {" ", "example.org"},
		`"ä b"@example.org`:                    {"ä b", "example.org"},
		"jürgen@example.org":                   {"jürgen", "example.org"},
		"用户@example.org":                       {"用户", "example.org"},
		"a@münchen.example":                    {"a", "xn--mnchen-3ya.example"},
		"a@MÜNCHEN.example":                    {"a", "xn--mnchen-3ya.example"},
		"a@XN--MNCHEN-3YA.example":             {"a", "xn--mnchen-3ya.example"},
		"a@faß.example":                        {"a", "xn--fa-hia.example"}, // not transitional: fass is another domain
		"a@例え。example":                         {"a", "xn--r8jz45g.example"},
		"a@[192.0.2.1]":                        {"a", "[192.0.2.1]"},
		"a@[IPv6:2001:DB8::1]":                 {"a", "[IPv6:2001:db8::1]"},
		"a@[ipv6:2001:db8:0:0::1]":             {"a", "[IPv6:2001:db8::1]"},
		strings.Repeat("l", 64) + "@a.example": {strings.Repeat("l", 64), "a.example"},
		"a@" + longDomain:                      {"a", longDomain},
	} {
		got, err := mail.ParseAddress(in)
		if err != nil || got != want {
			t.Errorf("ParseAddress(%q) = %+v, %v; want %+v", in, got, err, want)
			continue
		}
		again, err := mail.ParseAddress(got.String())
		if err != nil || again != got {
			t.Errorf("ParseAddress(%q).String() = %q, which reads as %+v, %v", in, got, again, err)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	t.Parallel()
	const l63 = "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc"
	for _, in := range []string{
		"", "@", "a", "a@", "@example.org", "<>", "<a@example.org>", "a@b@example.org", " a@example.org", "a@example.org ",
		"a b@example.org", "a@exa mple.org", "a.@example.org", ".a@example.org", "a..b@example.org", "a(c)@example.org",
		"a@b> NOTIFY=NEVER", "a@b>", "a> SIZE=1@example.org", "<a@example.org", "a@example.org,b@example.org", "a@b;c",
		"a@example.org\r\nRCPT TO:<b@example.org>", "a\r\n@example.org", "a\n@example.org", "a\x00@example.org", "a@example.org\x00",
		"a@example.org\n", "a@exam\rple.org", "a\x7f@example.org", "a\t@example.org",
		`""@example.org`, `"a@example.org`, `"a"`, `"a"example.org`, `"a"b@example.org`, `a"b"@example.org`, `"a\`, `"a\"@example.org`,
		"\"a\nb\"@example.org", "\"a\\\nb\"@example.org", "\"a\x00\"@example.org", "\"\xff\"@example.org", "\xff@example.org", "\"a\\\x80\"@example.org",
		"a@.example.org", "a@example..org", "a@example.org.", "a@-x.org", "a@x-.org", "a@x.org-", "a@" + l63 + "x.org",
		"a@" + l63 + "." + l63 + "." + l63 + "." + l63 + ".x",
		"a@\xff.example", "a@＞.example", "a@ex／ample.org", "a@xn--é.example",
		"a@[192.0.2.1", "a@192.0.2.1]", "a@[192.0.2]", "a@[192.0.2.256]", "a@[2001:db8::1]", "a@[IPv6:192.0.2.1]", "a@[IPv6:fe80::1%eth0]",
		"a@[IPv6:]", "a@[]", "a@[x]", "a@[192.0.2.1] ", "a@[192.0.2.1]> NOTIFY=NEVER", "@a.example,@b.example:c@d.example",
		strings.Repeat("l", 65) + "@example.org", `"` + strings.Repeat("l", 65) + `"@example.org`, strings.Repeat("ü", 33) + "@example.org",
		strings.Repeat("a", 1<<20) + "@example.org", "a@" + strings.Repeat("b.", 1<<20),
	} {
		if got, err := mail.ParseAddress(in); err == nil {
			t.Errorf("ParseAddress(%.80q) = %+v, want an error", in, got)
		} else if len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("ParseAddress(%.80q): the error is not fit for a reply: %.200q", in, err)
		}
	}
}

func TestAddressString(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a         mail.Address
		str, path string
		utf8      bool
	}{
		{mail.Address{}, "", "<>", false},
		{mail.Address{Local: "a.b", Domain: "example.org"}, "a.b@example.org", "<a.b@example.org>", false},
		{mail.Address{Local: "a b>c", Domain: "example.org"}, `"a b>c"@example.org`, `<"a b>c"@example.org>`, false},
		{mail.Address{Local: `\"`, Domain: "example.org"}, `"\\\""@example.org`, `<"\\\""@example.org>`, false},
		{mail.Address{Local: "a..b", Domain: "example.org"}, `"a..b"@example.org`, `<"a..b"@example.org>`, false},
		{mail.Address{Local: "ü", Domain: "example.org"}, "ü@example.org", "<ü@example.org>", true},
	} {
		if c.a.String() != c.str || c.a.Path() != c.path || c.a.UTF8() != c.utf8 {
			t.Errorf("%+v: String %q, Path %q, UTF8 %v; want %q, %q, %v", c.a, c.a, c.a.Path(), c.a.UTF8(), c.str, c.path, c.utf8)
		}
	}
	if a := (mail.Address{Local: "a", Domain: "example.org"}).WithLocal("b c"); a.String() != `"b c"@example.org` {
		t.Errorf("WithLocal = %s", a)
	}
	if !(mail.Address{}).IsZero() || (mail.Address{Local: "a"}).IsZero() {
		t.Error("IsZero is for the null reverse-path only")
	}
}

func TestAddressKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"Ann@Example.org", "ann@example.ORG", true},
		{"ÄNN@example.org", "änn@example.org", true},
		{`"ann"@example.org`, "ann@example.org", true},
		{`"a b"@example.org`, `"A B"@example.org`, true},
		{"a@münchen.example", "A@xn--mnchen-3ya.example", true},
		{"a@[IPv6:2001:db8::1]", "a@[ipv6:2001:DB8:0::1]", true},
		{"ann@example.org", "ann@example.com", false},
		{"ann+x@example.org", "ann@example.org", false},
		{"\u212Aate@example.org", "kate@example.org", false}, // Kelvin sign
		{"\u0130an@example.org", "ian@example.org", false},   // dotted capital I
		{"\u017Fue@example.org", "sue@example.org", false},   // long s
		{"аnn@example.org", "ann@example.org", false},        // Cyrillic а
	} {
		a, err := mail.ParseAddress(c.a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := mail.ParseAddress(c.b)
		if err != nil {
			t.Fatal(err)
		}
		if (a.Key() == b.Key()) != c.same {
			t.Errorf("Key(%q) = %q, Key(%q) = %q; same should be %v", c.a, a.Key(), c.b, b.Key(), c.same)
		}
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	r := mail.Refuse(451, "4.7.1", "Later")
	if r.Error() != "451 4.7.1 Later" || !r.Temporary() || r.Permanent() || r.OK() {
		t.Errorf("Refuse = %v, temporary %v, permanent %v, OK %v", r, r.Temporary(), r.Permanent(), r.OK())
	}
	if r := mail.Refuse(550, "5.1.1", "No"); r.Temporary() || !r.Permanent() || r.OK() {
		t.Errorf("%v is permanent", r)
	}
	if r := mail.Refuse(250, "2.0.0", "Yes"); r.Temporary() || r.Permanent() || !r.OK() {
		t.Errorf("%v is OK", r)
	}
}

func TestMessageSize(t *testing.T) {
	t.Parallel()
	m := mail.Message{Head: []byte("A: b\r\n"), Body: []byte("ü\r\n")}
	if m.Size() != 12 || !m.EightBit() || m.UTF8Head() {
		t.Errorf("Size %d, EightBit %v, UTF8Head %v", m.Size(), m.EightBit(), m.UTF8Head())
	}
}
