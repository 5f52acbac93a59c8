package mailauth_test

import (
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/authres"

	"listd/mail"
	"listd/mailauth"
)

func TestField(t *testing.T) {
	t.Parallel()
	records := published(t)
	records["_dmarc.example.com"] = "v=DMARC1; p=reject"
	records["example.com"] = "v=spf1 ip4:192.0.2.1 -all"
	m := signed(t, signer(t), odd()["plain"])
	r := verifier(zone(records)).Verify(t.Context(), from("ann@example.com", "192.0.2.1"), m)
	field := string(r.Field("lists.example.org"))
	got := strings.NewReplacer(tag(m, 0), "RSA", tag(m, 1), "ED").Replace(field)
	want := crlf(`Authentication-Results: lists.example.org;
	spf=pass smtp.mailfrom=example.com;
	dkim=pass header.d=example.com header.s=r1 header.a=rsa-sha256
	  header.b=RSA;
	dkim=pass header.d=example.com header.s=e1 header.a=ed25519-sha256
	  header.b=ED;
	dmarc=pass (p=REJECT) header.from=example.com
`)
	if got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// tag is the start of the signature of the n-th field, as the field shows it.
func tag(m mail.Message, n int) string {
	for f := range mail.Fields(m.Head) {
		if n == 0 {
			_, b, _ := strings.Cut(string(f.Raw), "\tb=")
			if b = b[:8]; strings.ContainsAny(b, "/=") {
				return `"` + b + `"`
			}
			return b
		}
		n--
	}
	return ""
}

// What strangers write into it stays in its place.
func TestFieldEscapes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		r    mailauth.Results
		want string
	}{
		"nothing": {mailauth.Results{}, "Authentication-Results: a.example; none\r\n"},
		"a reason": {mailauth.Results{SPF: mailauth.SPF{Result: mailauth.PermError, Domain: "b.example", Reason: "a \"b\" \\ c;\r\n d=\xff"}},
			"Authentication-Results: a.example;\r\n\tspf=permerror reason=\"a \\\"b\\\" \\\\ c;?? d=?\" smtp.mailfrom=b.example;\r\n\tdkim=none\r\n"},
		"a helo": {mailauth.Results{SPF: mailauth.SPF{Result: mailauth.None, Helo: true, Domain: "[192.0.2.1]"}},
			"Authentication-Results: a.example;\r\n\tspf=none smtp.helo=\"[192.0.2.1]\";\r\n\tdkim=none\r\n"},
		"a signature": {mailauth.Results{DKIM: []mailauth.Signature{{Result: mailauth.PermError, Algorithm: "x; dmarc=pass", Reason: "no"}}},
			"Authentication-Results: a.example;\r\n\tdkim=permerror reason=\"no\" header.a=\"x; dmarc=pass\"\r\n"},
		"testing": {mailauth.Results{DMARC: mailauth.DMARC{Result: mailauth.Fail, Author: "b.example", Domain: "b.example", Published: mailauth.Quarantine, Testing: true}},
			"Authentication-Results: a.example;\r\n\tdkim=none;\r\n\tdmarc=fail (p=QUARANTINE t=y) header.from=b.example\r\n"},
	} {
		if got := string(c.r.Field("a.example")); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	long := mailauth.Results{DKIM: []mailauth.Signature{{Result: mailauth.PermError, Algorithm: strings.Repeat("x;", 10_000), Reason: strings.Repeat("\"", 10_000)}}}
	for line := range strings.SplitSeq(string(long.Field("a.example")), "\r\n") {
		if len(line) > 998 {
			t.Errorf("a line of %d", len(line))
		}
	}
}

// Others can read it; this one keeps the quotes.
func TestFieldParses(t *testing.T) {
	t.Parallel()
	r := mailauth.Results{
		SPF:   mailauth.SPF{Result: mailauth.Fail, Domain: "b.example", Reason: "matched"},
		DKIM:  []mailauth.Signature{{Result: mailauth.Pass, Domain: "c.example", Selector: "s1", Algorithm: "rsa-sha256"}},
		DMARC: mailauth.DMARC{Result: mailauth.Fail, Author: "d.example"},
	}
	_, value, _ := strings.Cut(string(r.Field("a.example")), ":")
	id, all, err := authres.Parse(value)
	if err != nil || id != "a.example" || len(all) != 3 {
		t.Fatal(id, all, err)
	}
	if s, ok := all[0].(*authres.SPFResult); !ok || s.Value != authres.ResultFail || s.From != "b.example" || s.Reason != `"matched"` {
		t.Errorf("%+v", all[0])
	}
	if s, ok := all[1].(*authres.DKIMResult); !ok || s.Value != authres.ResultPass || s.Domain != "c.example" {
		t.Errorf("%+v", all[1])
	}
	if s, ok := all[2].(*authres.DMARCResult); !ok || s.Value != authres.ResultFail || s.From != "d.example" {
		t.Errorf("%+v", all[2])
	}
}
