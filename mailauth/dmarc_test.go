package mailauth_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foxcpp/go-mockdns"
	"golang.org/x/net/publicsuffix"

	"listd/mail"
	"listd/mailauth"
)

// ask verifies a message without a body whose From is this.
func ask(t *testing.T, r mailauth.Resolver, env mail.Envelope, from string) mailauth.DMARC {
	t.Helper()
	return verifier(r).Verify(t.Context(), env, mail.Message{Head: []byte("From: " + from + "\r\n")}).DMARC
}

// show is a DMARC in short: the result, where the record was found, and the policy.
func show(m mailauth.DMARC) string {
	s := string(m.Result)
	if m.Domain != "" {
		s += " " + m.Domain + " " + m.Policy.String()
	}
	if m.AlignedSPF {
		s += " SPF"
	}
	if m.AlignedDKIM {
		s += " DKIM"
	}
	return s
}

// What of a record applies to whom. Nothing vouches for the messages.
func TestPolicies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		record string // of example.com
		from   string // x@example.com
		want   string
	}{
		"reject":                  {record: "v=DMARC1; p=reject", want: "fail example.com reject"},
		"quarantine":              {record: "v=DMARC1; p=quarantine", want: "fail example.com quarantine"},
		"none":                    {record: "v=DMARC1; p=none", want: "fail example.com none"},
		"no blanks":               {record: "v=DMARC1;p=reject;", want: "fail example.com reject"},
		"blanks":                  {record: "v = DMARC1 ;\tp = reject ; ", want: "fail example.com reject"},
		"capitals":                {record: "V=DMARC1; P=Reject", want: "fail example.com reject"},
		"any order":               {record: "v=DMARC1; rua=mailto:a@example.com; p=reject", want: "fail example.com reject"},
		"version not first":       {record: "p=reject; v=DMARC1", want: "none"},
		"version in small":        {record: "v=dmarc1; p=reject", want: "none"},
		"version 10":              {record: "v=DMARC10; p=reject", want: "none"},
		"empty":                   {record: "", want: "none"},
		"something else":          {record: "v=spf1 -all", want: "none"},
		"no policy":               {record: "v=DMARC1", want: "fail example.com none"},
		"no policy, with sp":      {record: "v=DMARC1; sp=reject", from: "x@a.example.com", want: "fail example.com reject"},
		"unknown policy":          {record: "v=DMARC1; p=burn", want: "none example.com none"},
		"unknown with reports":    {record: "v=DMARC1; p=burn; rua=mailto:a@example.com", want: "fail example.com none"},
		"unknown with bad rua":    {record: "v=DMARC1; p=burn; rua=nobody", want: "none example.com none"},
		"unknown sp":              {record: "v=DMARC1; p=reject; sp=burn", want: "none example.com none"},
		"unknown np with reports": {record: "v=DMARC1; p=reject; np=; rua=mailto:a@example.com,x", want: "fail example.com none"},
		"twice p":                 {record: "v=DMARC1; p=quarantine; p=none", want: "fail example.com quarantine"},
		"unknown tags":            {record: "v=DMARC1; p=reject; pct=0; zz=1; =; ;x", want: "fail example.com reject"},
		"testing":                 {record: "v=DMARC1; p=reject; t=y", want: "fail example.com none"},
		"not testing":             {record: "v=DMARC1; p=reject; t=n", want: "fail example.com reject"},
		"sp, the domain itself":   {record: "v=DMARC1; p=reject; sp=none", want: "fail example.com reject"},
		"sp, below":               {record: "v=DMARC1; p=reject; sp=quarantine", from: "x@mail.example.com", want: "fail example.com quarantine"},
		"p, below":                {record: "v=DMARC1; p=reject", from: "x@mail.example.com", want: "fail example.com reject"},
		"np, exists":              {record: "v=DMARC1; p=none; np=reject", from: "x@mail.example.com", want: "fail example.com none"},
		"np, has an MX":           {record: "v=DMARC1; p=none; np=reject", from: "x@mx.example.com", want: "fail example.com none"},
		"np, exists not":          {record: "v=DMARC1; p=none; np=reject", from: "x@gone.example.com", want: "fail example.com reject"},
		"np, nothing at it":       {record: "v=DMARC1; p=none; np=reject", from: "x@text.example.com", want: "fail example.com reject"},
		"np, DNS broken":          {record: "v=DMARC1; p=none; np=reject", from: "x@broken.example.com", want: "fail example.com none"},
		"np over sp":              {record: "v=DMARC1; p=none; sp=quarantine; np=reject", from: "x@gone.example.com", want: "fail example.com reject"},
		"sp for np":               {record: "v=DMARC1; p=none; sp=quarantine", from: "x@gone.example.com", want: "fail example.com quarantine"},
		"oversize":                {record: "v=DMARC1; p=reject; " + strings.Repeat("x=y; ", 13_000), want: "fail example.com reject"},
		"oversize value":          {record: "v=DMARC1; p=reject; rua=" + strings.Repeat("mailto:a@example.com,", 3_000), want: "fail example.com reject"},
		"8 bit":                   {record: "v=DMARC1; p=reject; x=\xff\xfe", want: "fail example.com reject"},
		"U-labels":                {record: "v=DMARC1; p=reject", from: "x@Münster.example", want: "fail xn--mnster-3ya.example reject"},
		"literal":                 {record: "v=DMARC1; p=reject", from: "x@[192.0.2.1]", want: "none"},
		"one label":               {record: "v=DMARC1; p=reject", from: "x@localhost", want: "none"},
		"no author":               {record: "v=DMARC1; p=reject", from: "nobody", want: "permerror"},
		"empty group":             {record: "v=DMARC1; p=reject", from: "undisclosed:;", want: "permerror"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := zone(map[string]string{"_dmarc.example.com": c.record, "_dmarc.xn--mnster-3ya.example": c.record, "text.example.com": "hello"})
			r.Zones["mail.example.com."] = mockdns.Zone{A: []string{"192.0.2.1"}}
			r.Zones["mx.example.com."] = mockdns.Zone{MX: mx("mail.example.com.")}
			r.Zones["broken.example.com."] = mockdns.Zone{Err: broken()}
			from := c.from
			if from == "" {
				from = "x@example.com"
			}
			m := ask(t, r, mail.Envelope{}, from)
			if got := show(m); got != c.want {
				t.Errorf("%s, want %s (%+v)", got, c.want, m)
			}
			if name == "testing" && (!m.Testing || m.Published != mailauth.Reject) {
				t.Errorf("%+v", m)
			}
		})
	}
}

// The tree walk of RFC 9989 section 4.10 and its examples in appendix B.4, by who passes SPF.
func TestTreeWalk(t *testing.T) {
	t.Parallel()
	const plain, psd, own = "v=DMARC1; p=quarantine; sp=reject", "v=DMARC1; p=none; sp=reject; psd=y", "v=DMARC1; p=reject; psd=n"
	for name, c := range map[string]struct {
		records map[string]string
		author  string
		mail    string // the domain of MAIL FROM, which passes SPF
		want    string
	}{
		"the same":                     {map[string]string{"example.com": plain}, "example.com", "example.com", "pass example.com quarantine SPF"},
		"the same, no record":          {nil, "example.com", "example.com", "none SPF"},
		"below, no record":             {nil, "example.com", "a.example.com", "none"},
		"B.4.1":                        {map[string]string{"example.com": plain, "signing.example.com": plain}, "example.com", "signing.example.com", "pass example.com quarantine SPF"},
		"B.4.2":                        {map[string]string{"example.com": plain, "signing.example.com": plain}, "a.b.c.d.e.f.g.h.i.j.k.example.com", "signing.example.com", "pass example.com reject SPF"},
		"B.4.2, itself":                {map[string]string{"example.com": plain}, "a.b.c.d.e.f.g.h.i.j.k.example.com", "example.com", "pass example.com reject SPF"},
		"B.4.3":                        {map[string]string{"bank.example": psd, "giant.bank.example": plain}, "giant.bank.example", "mail.giant.bank.example", "pass giant.bank.example quarantine SPF"},
		"B.4.3, other":                 {map[string]string{"bank.example": psd, "giant.bank.example": plain}, "giant.bank.example", "mail.mega.bank.example", "fail giant.bank.example quarantine"},
		"psd=y only":                   {map[string]string{"com": psd}, "a.mail.example.com", "example.com", "pass com reject SPF"},
		"psd=y, other":                 {map[string]string{"com": psd}, "a.mail.example.com", "example.org", "fail com reject"},
		"psd=y, sibling":               {map[string]string{"com": psd}, "example.com", "other.com", "fail com reject"},
		"psd=y itself":                 {map[string]string{"bank.example": psd}, "bank.example", "bank.example", "pass bank.example none SPF"},
		"psd=y itself, below":          {map[string]string{"bank.example": psd}, "bank.example", "giant.bank.example", "fail bank.example none"},
		"psd=y, suffix vouches":        {map[string]string{"bank.example": psd, "giant.bank.example": plain}, "giant.bank.example", "bank.example", "fail giant.bank.example quarantine"},
		"psd=n between":                {map[string]string{"mail.example.com": own, "example.com": plain}, "a.mail.example.com", "mail.example.com", "pass mail.example.com reject SPF"},
		"psd=n between, above":         {map[string]string{"mail.example.com": own, "example.com": plain}, "a.mail.example.com", "example.com", "fail mail.example.com reject"},
		"psd=n between, sibling":       {map[string]string{"mail.example.com": own, "example.com": plain}, "a.mail.example.com", "b.mail.example.com", "pass mail.example.com reject SPF"},
		"record of a top level":        {map[string]string{"com": plain}, "example.com", "other.com", "pass com reject SPF"},
		"highest wins":                 {map[string]string{"mail.example.com": own[:20], "example.com": plain}, "a.mail.example.com", "example.com", "pass example.com reject SPF"},
		"own policy, org above":        {map[string]string{"mail.example.com": "v=DMARC1; p=none", "example.com": plain}, "mail.example.com", "other.example.com", "pass mail.example.com none SPF"},
		"seven labels, then skipped":   {map[string]string{"b.c.d.e.f.g.example.com": own, "example.com": plain}, "mail.a.b.c.d.e.f.g.example.com", "b.c.d.e.f.g.example.com", "fail example.com reject"},
		"strict, below":                {map[string]string{"example.com": plain + "; aspf=s"}, "example.com", "a.example.com", "fail example.com quarantine"},
		"strict, the same":             {map[string]string{"example.com": plain + "; aspf=s"}, "example.com", "example.com", "pass example.com quarantine SPF"},
		"strict below the record":      {map[string]string{"example.com": plain + "; aspf=s"}, "a.example.com", "example.com", "fail example.com reject"},
		"adkim does not bear on SPF":   {map[string]string{"example.com": plain + "; adkim=s"}, "example.com", "a.example.com", "pass example.com quarantine SPF"},
		"ends alike":                   {map[string]string{"example.com": plain}, "example.com", "badexample.com", "fail example.com quarantine"},
		"policy of nobody":             {map[string]string{"example.com": "v=DMARC1; p=x"}, "example.com", "example.com", "none example.com none SPF"},
		"_dmarc with odd psd":          {map[string]string{"com": plain + "; psd=x", "example.com": plain}, "example.com", "other.com", "pass example.com quarantine SPF"},
		"author below, record above 2": {map[string]string{"example.com": plain}, "a.b.example.com", "c.d.example.com", "pass example.com reject SPF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := zone(nil)
			for domain, txt := range c.records {
				r.Zones["_dmarc."+domain+"."] = mockdns.Zone{TXT: []string{txt}}
			}
			r.Zones[c.mail+"."] = mockdns.Zone{TXT: []string{"v=spf1 ip4:192.0.2.1 -all"}}
			env := from("x@"+c.mail, "192.0.2.1")
			if got := show(ask(t, r, env, "x@"+c.author)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// The names that are asked, of RFC 9989 sections 4.10 and 5.1.7: no more than eight.
func TestTreeWalkQueries(t *testing.T) {
	t.Parallel()
	for author, want := range map[string]string{
		"a.b.c.d.e.f.g.h.i.j.mail.example.com": "a.b.c.d.e.f.g.h.i.j.mail.example.com g.h.i.j.mail.example.com h.i.j.mail.example.com i.j.mail.example.com j.mail.example.com mail.example.com example.com com",
		"mail.a.b.c.d.e.f.g.example.com":       "mail.a.b.c.d.e.f.g.example.com c.d.e.f.g.example.com d.e.f.g.example.com e.f.g.example.com f.g.example.com g.example.com example.com com",
		"1.2.3.4.5.6.example.com":              "1.2.3.4.5.6.example.com 2.3.4.5.6.example.com 3.4.5.6.example.com 4.5.6.example.com 5.6.example.com 6.example.com example.com com",
		"a.mail.example.org":                   "a.mail.example.org mail.example.org",
		"example.net":                          "example.net net",
		strings.Repeat("a.", 100) + "example":  strings.Repeat("a.", 100) + "example a.a.a.a.a.a.example a.a.a.a.a.example a.a.a.a.example a.a.a.example a.a.example a.example example",
	} {
		c := &counting{Resolver: zone(map[string]string{"_dmarc.mail.example.org": "v=DMARC1; psd=n"})}
		ask(t, c, mail.Envelope{}, "x@"+author)
		var asked []string
		for _, a := range c.asked {
			asked = append(asked, strings.TrimPrefix(a, "_dmarc."))
		}
		if got := strings.Join(asked, " "); got != want {
			t.Errorf("%s: %s", author, got)
		}
	}
}

// Where every organization has a record and no suffix has one, the walk finds what the public suffix list knows.
func TestTreeWalkAgainstSuffixes(t *testing.T) {
	t.Parallel()
	for _, author := range []string{"example.com", "mail.example.com", "a.b.example.co.uk", "example.co.jp", "www.city.kawasaki.jp", "x.y.example.github.io", "deep.a.b.c.example.com.au"} {
		org, err := publicsuffix.EffectiveTLDPlusOne(author)
		if err != nil {
			t.Fatal(err)
		}
		r := zone(map[string]string{"_dmarc." + org: "v=DMARC1; p=reject", "other." + org: "v=spf1 ip4:192.0.2.1 -all"})
		if got := show(ask(t, r, from("x@other."+org, "192.0.2.1"), "x@"+author)); got != "pass "+org+" reject SPF" {
			t.Errorf("%s: %s", author, got)
		}
	}
}

// Records that are several, and a DNS that does not answer.
func TestDMARCErrors(t *testing.T) {
	t.Parallel()
	reject := mockdns.Zone{TXT: []string{"v=DMARC1; p=reject"}}
	for name, c := range map[string]struct {
		zones map[string]mockdns.Zone
		mail  string
		want  string
	}{
		"two records":             {map[string]mockdns.Zone{"_dmarc.a.example.com.": {TXT: []string{"v=DMARC1; p=reject", "v=DMARC1; p=none"}}}, "", "none"},
		"two records, one above":  {map[string]mockdns.Zone{"_dmarc.a.example.com.": {TXT: []string{"v=DMARC1; p=none", "v=DMARC1; p=none"}}, "_dmarc.example.com.": reject}, "", "fail example.com reject"},
		"one among others":        {map[string]mockdns.Zone{"_dmarc.a.example.com.": {TXT: []string{"x", "v=DMARC1; p=reject", "v=DMARC2; p=none"}}}, "", "fail a.example.com reject"},
		"a thousand":              {map[string]mockdns.Zone{"_dmarc.a.example.com.": {TXT: slices.Repeat([]string{"v=DMARC1; p=reject"}, 1000)}}, "", "none"},
		"first broken":            {map[string]mockdns.Zone{"_dmarc.a.example.com.": {Err: broken()}, "_dmarc.example.com.": reject}, "", "temperror"},
		"above broken":            {map[string]mockdns.Zone{"_dmarc.a.example.com.": reject, "_dmarc.example.com.": {Err: broken()}}, "", "fail a.example.com reject"},
		"above broken, the same":  {map[string]mockdns.Zone{"_dmarc.a.example.com.": reject, "_dmarc.example.com.": {Err: broken()}}, "a.example.com", "pass a.example.com reject SPF"},
		"above broken, sibling":   {map[string]mockdns.Zone{"_dmarc.a.example.com.": reject, "_dmarc.example.com.": {Err: broken()}}, "b.example.com", "temperror a.example.com reject"},
		"above broken, stranger":  {map[string]mockdns.Zone{"_dmarc.a.example.com.": reject, "_dmarc.example.com.": {Err: broken()}}, "example.org", "fail a.example.com reject"},
		"voucher broken":          {map[string]mockdns.Zone{"_dmarc.example.com.": reject, "_dmarc.b.example.com.": {Err: broken()}}, "b.example.com", "temperror example.com reject"},
		"SPF broken":              {map[string]mockdns.Zone{"_dmarc.example.com.": reject, "b.example.com.": {Err: broken()}}, "b.example.com", "temperror example.com reject"},
		"SPF broken, stranger":    {map[string]mockdns.Zone{"_dmarc.example.com.": reject, "example.org.": {Err: broken()}}, "example.org", "fail example.com reject"},
		"SPF broken, strict":      {map[string]mockdns.Zone{"_dmarc.a.example.com.": {TXT: []string{"v=DMARC1; p=reject; aspf=s"}}, "b.example.com.": {Err: broken()}}, "b.example.com", "fail a.example.com reject"},
		"CNAME to a record":       {map[string]mockdns.Zone{"_dmarc.a.example.com.": {CNAME: "dmarc.example.net."}, "dmarc.example.net.": reject}, "", "fail a.example.com reject"},
		"CNAME to nothing":        {map[string]mockdns.Zone{"_dmarc.a.example.com.": {CNAME: "dmarc.example.net."}}, "", "none"},
		"psd=y without policy":    {map[string]mockdns.Zone{"_dmarc.com.": {TXT: []string{"v=DMARC1; psd=y"}}}, "", "fail com none"},
		"psd=y, org has a record": {map[string]mockdns.Zone{"_dmarc.com.": {TXT: []string{"v=DMARC1; psd=y; p=none"}}, "_dmarc.example.com.": reject}, "", "fail example.com reject"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := zone(nil)
			if c.mail != "" {
				r.Zones[c.mail+"."] = mockdns.Zone{TXT: []string{"v=spf1 ip4:192.0.2.1 -all"}}
			}
			for name, z := range c.zones {
				r.Zones[name] = z
			}
			env := mail.Envelope{}
			if c.mail != "" {
				env = from("x@"+c.mail, "192.0.2.1")
			}
			if got := show(ask(t, r, env, "x@a.example.com")); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// Several authors: the strictest reading.
func TestAuthors(t *testing.T) {
	t.Parallel()
	r := zone(map[string]string{
		"_dmarc.example.com": "v=DMARC1; p=quarantine", "_dmarc.example.org": "v=DMARC1; p=reject", "_dmarc.example.net": "v=DMARC1; p=none",
		"example.com": "v=spf1 ip4:192.0.2.1 -all", "example.info": "v=spf1 ip4:192.0.2.1 -all",
	})
	for head, want := range map[string]string{
		"From: a@example.com\r\n":                                                          "pass example.com quarantine SPF",
		"From: a@example.com, b@example.com\r\n":                                           "pass example.com quarantine SPF",
		"From: a@example.com\r\nFrom: b@example.com\r\n":                                   "pass example.com quarantine SPF",
		"From: a@example.com, b@example.org\r\n":                                           "fail example.org reject",
		"From: b@example.org, a@example.com\r\n":                                           "fail example.org reject",
		"From: a@example.com\r\nFROM : b@example.org\r\n":                                  "fail example.org reject",
		"From: a@example.com, b@example.net\r\n":                                           "fail example.com quarantine",
		"From: a@example.com, b@example.info\r\n":                                          "none example.com quarantine",
		"From: g: a@example.com, b@example.org;\r\n":                                       "fail example.org reject",
		"From: \"x@example.org\" <a@example.com>\r\n":                                      "pass example.com quarantine SPF",
		"From: a@x1.example, b@x2.example, c@x3.example\r\n":                               "none",
		"From: a@x1.example, a@x2.example, a@x3.example, a@x4.example, a@example.com\r\n":  "permerror",
		"From: a@example.org, a@x2.example, a@x3.example, a@x4.example, a@example.com\r\n": "fail example.org reject",
		"Subject: none\r\n":                                                                "permerror",
		"":                                                                                 "permerror",
	} {
		got := verifier(r).Verify(t.Context(), from("a@example.com", "192.0.2.1"), mail.Message{Head: []byte(head)})
		if show(got.DMARC) != want {
			t.Errorf("%q: %s, want %s", head, show(got.DMARC), want)
		}
		if got.AuthorVouched() != strings.Contains(want, "SPF") || got.WouldReject() != (strings.Contains(want, "reject") || strings.Contains(want, "quarantine")) {
			t.Errorf("%q: vouched %v, would reject %v", head, got.AuthorVouched(), got.WouldReject())
		}
	}
}

// Signatures and their alignment.
func TestAlignedSignatures(t *testing.T) {
	t.Parallel()
	s := signer(t) // of example.com
	for name, c := range map[string]struct {
		author, record string // of example.com
		want           string
	}{
		"the same":         {"ann@example.com", "v=DMARC1; p=reject", "pass example.com reject DKIM"},
		"below":            {"ann@a.example.com", "v=DMARC1; p=reject; sp=quarantine", "pass example.com quarantine DKIM"},
		"below, strict":    {"ann@a.example.com", "v=DMARC1; p=reject; adkim=s", "fail example.com reject"},
		"same, strict":     {"ann@example.com", "v=DMARC1; p=reject; adkim=s", "pass example.com reject DKIM"},
		"another":          {"ann@example.org", "v=DMARC1; p=reject", "none"},
		"no record":        {"ann@example.com", "", "none DKIM"},
		"no record, below": {"ann@a.example.com", "", "none"},
		"two authors":      {"ann@example.com, bob@example.org", "v=DMARC1; p=reject", "none example.com reject"},
	} {
		records := published(t)
		records["_dmarc.example.com"] = c.record
		m := signed(t, s, mail.Message{Head: []byte("From: " + c.author + "\r\n"), Body: []byte("x\r\n")})
		r := verifier(zone(records)).Verify(t.Context(), mail.Envelope{}, m)
		if show(r.DMARC) != c.want {
			t.Errorf("%s: %s, want %s", name, show(r.DMARC), c.want)
		}
		if _, ok := r.AuthorSignature(); ok != r.DMARC.AlignedDKIM || ok != r.AuthorVouched() {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// Answers are remembered for minutes, those that there is nothing for one; failures are not.
func TestCache(t *testing.T) {
	t.Parallel()
	r := zone(map[string]string{"_dmarc.example.com": "v=DMARC1; p=reject"})
	c := &counting{Resolver: r}
	now := noon()
	v := &mailauth.Verifier{Resolver: c, Now: func() time.Time { return now }}
	asked := func(want int, from string) {
		t.Helper()
		c.asked = nil
		v.Verify(t.Context(), mail.Envelope{}, mail.Message{Head: []byte("From: " + from + "\r\n")})
		if len(c.asked) != want {
			t.Errorf("asked for %v, want %d", c.asked, want)
		}
	}
	asked(2, "x@example.com")
	asked(0, "y@EXAMPLE.com")
	asked(1, "x@a.example.com")
	now = now.Add(2 * time.Minute)
	asked(1, "x@example.com") // _dmarc.com, which there is not
	now = now.Add(4 * time.Minute)
	asked(2, "x@example.com")
	r.Zones["_dmarc.example.net."] = mockdns.Zone{Err: broken()}
	asked(1, "x@example.net")
	asked(1, "x@example.net")
	for i := range 10_000 { // more than it keeps
		v.Verify(t.Context(), mail.Envelope{}, mail.Message{Head: fmt.Appendf(nil, "From: x@d%d.example\r\n", i)})
	}
	asked(2, "x@example.com")
	r.Zones["_dmarc.example.org."] = mockdns.Zone{TXT: []string{"v=DMARC1; p=reject; x=" + strings.Repeat("x", 5000)}}
	asked(2, "x@example.org")
	asked(1, "x@example.org") // too long to be kept
}
