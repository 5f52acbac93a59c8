package mailauth_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/foxcpp/go-mockdns"

	"listd/mail"
	"listd/mailauth"
)

// The examples of the RFCs: 6376 appendix A.2, 8463 appendix A.
func TestRFCExamples(t *testing.T) {
	t.Parallel()
	r := zone(map[string]string{
		"brisbane._domainkey.example.com":          "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB",
		"brisbane._domainkey.football.example.com": "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
		"test._domainkey.football.example.com":     "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
	})
	for file, want := range map[string]string{
		"testdata/rfc6376.eml": "example.com/brisbane pass",
		"testdata/rfc8463.eml": "football.example.com/brisbane pass; football.example.com/test pass",
	} {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got := verifier(r).Verify(t.Context(), mail.Envelope{}, message(string(raw)))
		if results(got.DKIM) != want {
			t.Errorf("%s: %s, want %s", file, results(got.DKIM), want)
		}
	}
}

// Signatures that go-msgauth has made.
func TestVerifyMsgauth(t *testing.T) {
	t.Parallel()
	k, v := keys(t), verifier(zone(published(t)))
	for i, key := range k {
		block, _ := pem.Decode(key.PEM())
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		for _, canonical := range []string{"simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed"} {
			head, body, _ := strings.Cut(canonical, "/")
			for name, m := range odd() {
				if name == "bare CR" || name == "space before colon" || len(m.Body) > 1<<16 {
					continue
				}
				var out bytes.Buffer
				err := dkim.Sign(&out, bytes.NewReader(whole(m)), &dkim.SignOptions{Domain: "example.com", Selector: []string{"r1", "e1"}[i],
					Signer: private.(crypto.Signer), HeaderCanonicalization: dkim.Canonicalization(head), BodyCanonicalization: dkim.Canonicalization(body)})
				if err != nil {
					t.Fatal(err)
				}
				if r := v.Verify(t.Context(), mail.Envelope{}, message(out.String())); len(r.DKIM) != 1 || r.DKIM[0].Result != mailauth.Pass {
					t.Errorf("%s of %s, %s: %s", key.Algorithm(), name, canonical, results(r.DKIM))
				}
			}
		}
	}
}

// Signatures that dkimpy has made.
func TestVerifyDkimpy(t *testing.T) {
	t.Parallel()
	var j job
	var about []string
	for i, key := range keys(t) {
		block, _ := pem.Decode(key.PEM())
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		text := string(key.PEM())
		if e, ok := private.(ed25519.PrivateKey); ok {
			text = base64.StdEncoding.EncodeToString(e.Seed())
		}
		all := odd()
		for _, canonical := range []string{"simple/simple", "relaxed/relaxed", "relaxed/simple"} {
			for _, name := range slices.Sorted(maps.Keys(all)) {
				if name == "two From" || name == "space before colon" || len(all[name].Body) > 1<<16 {
					continue // the first it refuses, the second it does not know
				}
				j.Sign = append(j.Sign, order{base64.StdEncoding.EncodeToString(whole(all[name])), "example.com", []string{"r1", "e1"}[i], text, key.Algorithm(), canonical})
				about = append(about, name+" "+canonical+" "+key.Algorithm())
			}
		}
	}
	v := verifier(zone(published(t)))
	for i, s := range dkimpy(t, j).Signed {
		raw, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		if r := v.Verify(t.Context(), mail.Envelope{}, message(string(raw))); len(r.DKIM) != 1 || r.DKIM[0].Result != mailauth.Pass {
			t.Errorf("%s: %s\n%q", about[i], results(r.DKIM), raw)
		}
	}
}

// What is wrong with a signature or its key, and what we say to it.
func TestSignatureResults(t *testing.T) {
	t.Parallel()
	m := signed(t, signer(t), odd()["plain"])
	var rsaOnly []byte
	for f := range mail.Fields(m.Head) {
		if !bytes.Contains(f.Raw, []byte("ed25519")) {
			rsaOnly = append(rsaOnly, f.Raw...)
		}
	}
	m.Head = rsaOnly
	good := published(t)["r1._domainkey.example.com"]
	at := func(change func(r *mockdns.Resolver)) *mockdns.Resolver {
		r := zone(published(t))
		change(r)
		return r
	}
	record := func(txt ...string) *mockdns.Resolver {
		return at(func(r *mockdns.Resolver) { r.Zones["r1._domainkey.example.com."] = mockdns.Zone{TXT: txt} })
	}
	for name, c := range map[string]struct {
		zone     *mockdns.Resolver
		old, new string // in the head
		want     string
	}{
		"as it is":   {want: "pass"},
		"no key":     {zone: zone(nil), want: "permerror no key is published"},
		"DNS broken": {zone: at(func(r *mockdns.Resolver) { r.Zones["r1._domainkey.example.com."] = mockdns.Zone{Err: broken()} }), want: "temperror the DNS does not answer"},
		"DNS broken oddly": {zone: at(func(r *mockdns.Resolver) {
			r.Zones["r1._domainkey.example.com."] = mockdns.Zone{Err: fmt.Errorf("odd")}
		}), want: "temperror the DNS does not answer"},
		"revoked":            {zone: record("v=DKIM1; p="), want: "permerror the key has been revoked"},
		"no p=":              {zone: record("v=DKIM1"), want: "permerror no key: there is no p="},
		"other version":      {zone: record("v=DKIM2; p=AAAA"), want: "permerror no key: another version"},
		"no base64":          {zone: record("v=DKIM1; p=!!!"), want: "permerror p= is no base64"},
		"no RSA":             {zone: record("v=DKIM1; p=AAAA"), want: "permerror p= is no RSA key"},
		"no Ed25519":         {zone: record("v=DKIM1; k=ed25519; p=AAAA"), want: "permerror p= is no Ed25519 key"},
		"Ed25519 for RSA":    {zone: record(published(t)["e1._domainkey.example.com"]), want: "permerror the key is for another algorithm"},
		"unknown kind":       {zone: record("v=DKIM1; k=dsa; p=AAAA"), want: "permerror a key of an unknown kind"},
		"for sha1":           {zone: record(good + "; h=sha1"), want: "permerror the key is not for sha256"},
		"for sha1, too":      {zone: record(good + "; h=sha1:sha256"), want: "pass"},
		"for telephones":     {zone: record(good + "; s=tel"), want: "permerror the key is not for mail"},
		"for mail":           {zone: record(good + "; s=tel:email"), want: "pass"},
		"no version":         {zone: record(strings.TrimPrefix(good, "v=DKIM1; ")), want: "pass"},
		"testing":            {zone: record(good + "; t=y"), want: "pass"},
		"strict":             {zone: record(good + "; t=y:s"), want: "pass"},
		"many records":       {zone: record("v=spf1 -all", "x", good, good), want: "pass"},
		"many odd records":   {zone: record(append(slices.Repeat([]string{"x"}, 200), good)...), want: "permerror no key: a tag has no value"},
		"768 bits":           {zone: record(keyOf(768)), want: "policy a key of 768 bits"},
		"oversize key":       {zone: record(keyOf(300_000)), want: "policy a key of 300000 bits"},
		"oversize record":    {zone: record(strings.Repeat("x", 65_000)), want: "permerror no key: a tag has no value"},
		"other key":          {zone: record(keyOf(2048)), want: "fail the head has been changed, or the signature is forged"},
		"rsa-sha1":           {old: "a=rsa-sha256", new: "a=rsa-sha1", want: "policy rsa-sha1 proves nothing (RFC 8301)"},
		"unknown algorithm":  {old: "a=rsa-sha256", new: "a=rsa-md5", want: "permerror unknown algorithm"},
		"l=":                 {old: "v=1;", new: "v=1; l=5;", want: "policy l= leaves the end of the body open to anyone"},
		"version 2":          {old: "v=1;", new: "v=2;", want: "permerror no version 1"},
		"twice":              {old: "v=1;", new: "v=1; v=1;", want: "permerror v= is there twice"},
		"no tag":             {old: "v=1;", new: "v=1; x;", want: "permerror a tag has no value"},
		"odd tag":            {old: "v=1;", new: "v=1; 1x=2;", want: "permerror what is no tag in a list of tags"},
		"unknown tag":        {old: "v=1;", new: "v=1; zz=2;", want: "fail the head has been changed, or the signature is forged"},
		"From not covered":   {old: "to:from:from:to", new: "to:frog:frog:to", want: "permerror From is not covered"},
		"only once":          {old: "to:from:from:to", new: "to:from:to", want: "fail the head has been changed, or the signature is forged"},
		"i= elsewhere":       {old: "v=1;", new: "v=1; i=@example.org;", want: "permerror i= is not within d="},
		"i= nearly within":   {old: "v=1;", new: "v=1; i=@badexample.com;", want: "permerror i= is not within d="},
		"strict, i= below":   {zone: record(good + "; t=s"), old: "v=1;", new: "v=1; i=@a.example.com;", want: "permerror the key is not for the domain of i="},
		"canonicalization":   {old: "c=relaxed/relaxed", new: "c=relaxed/nowsp", want: "permerror unknown canonicalization"},
		"query":              {old: "v=1;", new: "v=1; q=carrier/pigeon;", want: "permerror no way to ask for the key that we know"},
		"expired":            {old: "v=1;", new: "v=1; x=1772366401;", want: "fail expired"},
		"x= before t=":       {old: "v=1;", new: "v=1; x=1;", want: "permerror x= is before t="},
		"x= far away":        {old: "v=1;", new: "v=1; x=99999999999999999999999;", want: "fail the head has been changed, or the signature is forged"},
		"x= is no time":      {old: "v=1;", new: "v=1; x=-1;", want: "permerror x= is no time"},
		"other body hash":    {old: "bh=", new: "bh=A", want: "permerror a hash or a signature that is no base64"},
		"no body hash":       {old: "bh=", new: "bx=", want: "fail the body has been changed"},
		"no signature":       {old: "b=", new: "bb=", want: "permerror a hash or a signature that is no base64"},
		"no domain":          {old: "d=example.com", new: "d=", want: "permerror no domain or no selector"},
		"odd domain":         {old: "d=example.com", new: "d=exa mple.com/x", want: "permerror no domain or no selector"},
		"other domain":       {old: "d=example.com", new: "d=example.net", want: "permerror no key is published"},
		"too many tags":      {old: "v=1;", new: "v=1; " + manyTags(), want: "permerror too many tags"},
		"h= of many":         {old: "h=", new: "h=" + strings.Repeat("a:", 100_000), want: "fail the head has been changed, or the signature is forged"},
		"domain in capitals": {old: "d=example.com", new: "d=EXAMPLE.com", want: "fail the head has been changed, or the signature is forged"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := c.zone
			if r == nil {
				r = zone(published(t))
			}
			in := m
			if c.old != "" {
				if in.Head = bytes.Replace(m.Head, []byte(c.old), []byte(c.new), 1); bytes.Equal(in.Head, m.Head) {
					t.Fatalf("there is no %q in %q", c.old, m.Head)
				}
			}
			v := verifier(r)
			v.Now = func() time.Time { return noon().Add(time.Hour) }
			got := v.Verify(t.Context(), mail.Envelope{}, in).DKIM
			if len(got) != 1 {
				t.Fatal(got)
			}
			if said := strings.TrimSpace(string(got[0].Result) + " " + got[0].Reason); said != c.want {
				t.Errorf("%q, want %q", said, c.want)
			}
			if (got[0].Result == mailauth.Pass) != got[0].Aligned || got[0].Domain != "" && got[0].WholeBody == (name == "l=") {
				t.Errorf("%+v", got[0])
			}
		})
	}
}

// keyOf is the record of a key with so many bits that nobody has the private half of.
func keyOf(bits uint) string {
	n := new(big.Int).Lsh(big.NewInt(1), bits-1)
	n.Add(n, big.NewInt(12345))
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: 65537})
	if err != nil {
		panic(err)
	}
	return "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(der)
}

func manyTags() string {
	var b strings.Builder
	for i := range 100 {
		fmt.Fprintf(&b, "x%d=1; ", i)
	}
	return b.String()
}

// A bare RSAPublicKey is what RFC 6376 says.
func TestBareRSAKey(t *testing.T) {
	t.Parallel()
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := dkim.Sign(&out, bytes.NewReader(whole(odd()["plain"])), &dkim.SignOptions{Domain: "example.com", Selector: "s", Signer: k}); err != nil {
		t.Fatal(err)
	}
	r := zone(map[string]string{"s._domainkey.example.com": "p=" + base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&k.PublicKey))})
	if got := verifier(r).Verify(t.Context(), mail.Envelope{}, message(out.String())).DKIM; results(got) != "example.com/s pass" {
		t.Error(results(got))
	}
}

// A message that has been through many hands: the author's signature is looked at, wherever it is.
func TestManySignatures(t *testing.T) {
	t.Parallel()
	m := signed(t, signer(t), odd()["plain"])
	for i := range 300 {
		m.Head = append(fmt.Appendf(nil, "DKIM-Signature: v=1; a=rsa-sha256; d=x%d.example.net; s=s;\r\n h=from; bh=AAAA; b=AAAA\r\n", i), m.Head...)
	}
	c := &counting{Resolver: zone(published(t))}
	r := verifier(c).Verify(t.Context(), mail.Envelope{}, m)
	if len(r.DKIM) != 5 || r.DKIM[3].Result != mailauth.Pass || r.DKIM[4].Result != mailauth.Pass || r.DKIM[0].Domain != "x299.example.net" {
		t.Error(results(r.DKIM))
	}
	if s, ok := r.AuthorSignature(); !ok || s.Algorithm != "rsa-sha256" {
		t.Errorf("%+v", s)
	}
	if len(c.asked) > 10 {
		t.Errorf("%d queries: %v", len(c.asked), c.asked)
	}
}

// A signature that covers other signatures does not cover itself.
func TestCoversSignatures(t *testing.T) {
	t.Parallel()
	block, _ := pem.Decode(keys(t)[0].PEM())
	private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	m := signed(t, signer(t), odd()["plain"])
	var out bytes.Buffer
	err = dkim.Sign(&out, bytes.NewReader(whole(m)), &dkim.SignOptions{Domain: "example.com", Selector: "r1", Signer: private.(crypto.Signer),
		HeaderCanonicalization: "relaxed", HeaderKeys: []string{"From", "DKIM-Signature", "DKIM-Signature", "DKIM-Signature"}})
	if err != nil {
		t.Fatal(err)
	}
	r := verifier(zone(published(t))).Verify(t.Context(), mail.Envelope{}, message(out.String()))
	if results(r.DKIM) != "example.com/r1 pass; example.com/r1 pass; example.com/e1 pass" {
		t.Error(results(r.DKIM))
	}
}

// One domain that does not answer takes its own result and nobody else's.
func TestSilentDNS(t *testing.T) {
	t.Parallel()
	m := signed(t, signer(t), odd()["plain"])
	records := published(t)
	records["example.com"] = "v=spf1 ip4:192.0.2.1 -all"
	records["_dmarc.example.com"] = "v=DMARC1; p=reject"
	for name, c := range map[string]struct {
		slow string
		want string
	}{
		"none":       {"nothing", "pass, pass, pass, pass reject"},
		"all":        {"", "temperror, temperror, temperror, temperror none"},
		"SPF":        {" example.com.", "temperror, pass, pass, pass reject"},
		"a key":      {" r1.", "pass, temperror, pass, pass reject"},
		"both keys":  {"._domainkey.", "pass, temperror, temperror, pass reject"},
		"policy":     {" _dmarc.example.com.", "pass, pass, pass, temperror none"},
		"the parent": {" _dmarc.com.", "pass, pass, pass, pass reject"},
		"vouchers":   {"example.com. but _dmarc", "temperror, temperror, temperror, temperror reject"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				v := verifier(silent{zone(records), func(name string) bool {
					if c.slow == "example.com. but _dmarc" {
						return strings.HasSuffix(name, "example.com.") && !strings.HasPrefix(name, "_dmarc")
					}
					return strings.Contains(" "+name, c.slow)
				}})
				r := v.Verify(t.Context(), from("ann@example.com", "192.0.2.1"), m)
				got := fmt.Sprintf("%s, %s, %s, %s %s", r.SPF.Result, r.DKIM[0].Result, r.DKIM[1].Result, r.DMARC.Result, r.DMARC.Policy)
				if got != c.want {
					t.Errorf("%s, want %s\n%+v", got, c.want, r)
				}
				if d := time.Since(start); d > 5*time.Second {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
}

// Who gives up gets what is known.
func TestCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	v := verifier(silent{zone(nil), func(string) bool { return true }})
	r := v.Verify(ctx, from("ann@example.com", "192.0.2.1"), signed(t, signer(t), odd()["plain"]))
	if r.SPF.Result != mailauth.TempError || r.DKIM[0].Result != mailauth.TempError || r.DMARC.Result != mailauth.TempError {
		t.Errorf("%+v", r)
	}
}
