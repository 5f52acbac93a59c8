package mailauth_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/foxcpp/go-mockdns"

	"listd/mail"
	"listd/mailauth"
)

func mx(hosts ...string) (out []net.MX) {
	for i, h := range hosts {
		out = append(out, net.MX{Host: h, Pref: uint16(i)})
	}
	return out
}

func TestSPF(t *testing.T) {
	t.Parallel()
	r := zone(map[string]string{
		"mx.example.com":         "v=spf1 a -all",
		"example.com":            "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all",
		"soft.example.com":       "v=spf1 ~all",
		"neutral.example.com":    "v=spf1 ?all",
		"empty.example.com":      "v=spf1",
		"include.example.com":    "v=spf1 include:example.com ~all",
		"redirect.example.com":   "v=spf1 redirect=example.com",
		"gone.example.com":       "v=spf1 include:nowhere.example.com -all",
		"bad.example.com":        "v=spf1 ip4:nothing -all",
		"word.example.com":       "v=spf1 please -all",
		"loop.example.com":       "v=spf1 include:loop.example.com -all",
		"ring.example.com":       "v=spf1 redirect=gnir.example.com",
		"gnir.example.com":       "v=spf1 redirect=ring.example.com",
		"waits.example.com":      "v=spf1 include:broken.example.com -all",
		"mailbox.example.com":    "v=spf1 mx -all",
		"user.example.com":       "v=spf1 exists:%{l}.users.example.com -all",
		"other.example.com":      "hello",
		"capital.example.com":    "V=SPF1 IP4:192.0.2.1 -ALL",
		"oversize.example.com":   "v=spf1 " + strings.Repeat("ip4:198.51.100.1 ", 3_800) + "ip4:192.0.2.1 -all",
		"void.example.com":       "v=spf1 a:v1.example.com a:v2.example.com a:v3.example.com ip4:192.0.2.1 -all",
		"xn--mnster-3ya.example": "v=spf1 ip4:192.0.2.1 -all",
	})
	var many strings.Builder
	for i := range 11 {
		fmt.Fprintf(&many, " include:i%d.example.com", i)
		r.Zones[fmt.Sprintf("i%d.example.com.", i)] = mockdns.Zone{TXT: []string{"v=spf1 -all"}}
	}
	r.Zones["many.example.com."] = mockdns.Zone{TXT: []string{"v=spf1" + many.String() + " +all"}}
	r.Zones["ptr.example.com."] = mockdns.Zone{TXT: []string{"v=spf1 ptr -all"}}
	r.Zones["1.2.0.192.in-addr.arpa."] = mockdns.Zone{PTR: []string{"host.ptr.example.com."}}
	r.Zones["host.ptr.example.com."] = mockdns.Zone{A: []string{"192.0.2.1"}}
	r.Zones["two.example.com."] = mockdns.Zone{TXT: []string{"v=spf1 +all", "v=spf1 -all"}}
	r.Zones["broken.example.com."] = mockdns.Zone{Err: broken()}
	r.Zones["odd.example.com."] = mockdns.Zone{Err: fmt.Errorf("an error of no known kind")}
	z := r.Zones["mx.example.com."]
	z.A = []string{"192.0.2.9"}
	r.Zones["mx.example.com."] = z
	z = r.Zones["mailbox.example.com."]
	z.MX = mx("mx.example.com.")
	r.Zones["mailbox.example.com."] = z
	r.Zones["ann.users.example.com."] = mockdns.Zone{A: []string{"127.0.0.2"}}

	for name, c := range map[string]struct {
		from, ip, helo string
		want           string
	}{
		"pass":                  {"a@example.com", "192.0.2.1", "", "pass example.com"},
		"pass, IPv6":            {"a@example.com", "2001:db8::1", "", "pass example.com"},
		"pass, mapped":          {"a@example.com", "::ffff:192.0.2.1", "", "pass example.com"},
		"fail":                  {"a@example.com", "198.51.100.1", "", "fail example.com"},
		"softfail":              {"a@soft.example.com", "192.0.2.1", "", "softfail soft.example.com"},
		"neutral":               {"a@neutral.example.com", "192.0.2.1", "", "neutral neutral.example.com"},
		"empty record":          {"a@empty.example.com", "192.0.2.1", "", "neutral empty.example.com"},
		"no record":             {"a@other.example.com", "192.0.2.1", "", "none other.example.com"},
		"no domain":             {"a@nowhere.example.com", "192.0.2.1", "", "none nowhere.example.com"},
		"include":               {"a@include.example.com", "192.0.2.1", "", "pass include.example.com"},
		"redirect":              {"a@redirect.example.com", "192.0.2.1", "", "pass redirect.example.com"},
		"mx":                    {"a@mailbox.example.com", "192.0.2.9", "", "pass mailbox.example.com"},
		"macro":                 {"ann@user.example.com", "192.0.2.1", "", "pass user.example.com"},
		"macro, other":          {"bob@user.example.com", "192.0.2.1", "", "fail user.example.com"},
		"at sign in quotes":     {`"x@example.com"@fail.example.com`, "192.0.2.1", "", "none fail.example.com"},
		"capitals":              {"a@capital.example.com", "192.0.2.1", "", "pass capital.example.com"},
		"U-labels":              {"a@Münster.example", "192.0.2.1", "", "pass xn--mnster-3ya.example"},
		"oversize":              {"a@oversize.example.com", "192.0.2.1", "", "pass oversize.example.com"},
		"include of nothing":    {"a@gone.example.com", "192.0.2.1", "", "permerror gone.example.com"},
		"bad address":           {"a@bad.example.com", "192.0.2.1", "", "permerror bad.example.com"},
		"bad word":              {"a@word.example.com", "192.0.2.1", "", "permerror word.example.com"},
		"ptr":                   {"a@ptr.example.com", "192.0.2.1", "", "pass ptr.example.com"},
		"ptr, no name":          {"a@ptr.example.com", "192.0.2.2", "", "fail ptr.example.com"},
		"two records":           {"a@two.example.com", "192.0.2.1", "", "permerror two.example.com"},
		"loop":                  {"a@loop.example.com", "192.0.2.1", "", "permerror loop.example.com"},
		"ring":                  {"a@ring.example.com", "192.0.2.1", "", "permerror ring.example.com"},
		"eleven includes":       {"a@many.example.com", "192.0.2.1", "", "permerror many.example.com"},
		"three voids":           {"a@void.example.com", "192.0.2.1", "", "permerror void.example.com"},
		"DNS broken":            {"a@broken.example.com", "192.0.2.1", "", "temperror broken.example.com"},
		"DNS broken oddly":      {"a@odd.example.com", "192.0.2.1", "", "temperror odd.example.com"},
		"included DNS broken":   {"a@waits.example.com", "192.0.2.1", "", "temperror waits.example.com"},
		"null, HELO":            {"", "192.0.2.9", "mx.example.com", "pass mx.example.com helo"},
		"null, HELO in capital": {"", "192.0.2.9", "MX.Example.COM", "pass mx.example.com helo"},
		"null, HELO fails":      {"", "192.0.2.8", "mx.example.com", "fail mx.example.com helo"},
		"null, HELO literal":    {"", "192.0.2.9", "[192.0.2.9]", "none [192.0.2.9] helo"},
		"null, HELO no name":    {"", "192.0.2.9", "x y", "none  helo"},
		"null, HELO one label":  {"", "192.0.2.9", "localhost", "none localhost helo"},
		"null, no HELO":         {"", "192.0.2.9", "", "none  helo"},
		"literal":               {"a@[192.0.2.1]", "192.0.2.1", "", "none [192.0.2.1]"},
		"no peer":               {"a@example.com", "", "", " "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := from(c.from, c.ip)
			env.Peer.Helo = c.helo
			s := verifier(r).Verify(t.Context(), env, mail.Message{}).SPF
			got := string(s.Result) + " " + s.Domain
			if s.Helo {
				got += " helo"
			}
			if got != c.want {
				t.Errorf("%s, want %s (%s)", got, c.want, s.Reason)
			}
			if (s.Reason == "") != (s.Result == mailauth.Pass || s.Result == mailauth.None || s.Result == "" || s.Domain == "empty.example.com") {
				t.Errorf("%s for %q", s.Result, s.Reason)
			}
		})
	}
}

// Whole names: a resolver with a search list must not find example.com.example.org.
func TestRootedNames(t *testing.T) {
	t.Parallel()
	z := zone(map[string]string{"example.com": "v=spf1 a mx exists:%{i}.example.com include:other.example.com -all", "other.example.com": "v=spf1 -all"})
	for _, name := range []string{"example.com.", "192.0.2.1.example.com."} {
		at := z.Zones[name]
		at.A, at.MX = []string{"192.0.2.7"}, mx("mx.example.com.")
		z.Zones[name] = at
	}
	c := &rooted{Resolver: z}
	v := verifier(c)
	v.Verify(t.Context(), from("ann@example.com", "192.0.2.1"), signed(t, signer(t), odd()["plain"]))
	if len(c.not) > 0 || c.asked < 3 {
		t.Errorf("of %d, asked for %q", c.asked, c.not)
	}
}

type rooted struct {
	mailauth.Resolver
	asked int
	not   []string
}

func (c *rooted) LookupIPAddr(ctx context.Context, name string) ([]net.IPAddr, error) {
	c.asked++
	if !strings.HasSuffix(name, ".") {
		c.not = append(c.not, name)
	}
	return c.Resolver.LookupIPAddr(ctx, name)
}

func (c *rooted) LookupMX(ctx context.Context, name string) ([]*net.MX, error) {
	c.asked++
	if !strings.HasSuffix(name, ".") {
		c.not = append(c.not, name)
	}
	return c.Resolver.LookupMX(ctx, name)
}
