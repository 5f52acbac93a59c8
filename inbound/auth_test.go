package inbound

import (
	"slices"
	"strings"
	"testing"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/mailauth"
)

// TestMunge: From gives way only where the author's domain would have the mail rejected, nothing that the author signed
// survives what the list does, and the domain is none of ours.
func TestMunge(t *testing.T) {
	t.Parallel()
	in := mail.Message{Head: []byte("From: ada@a.test\r\nSubject: Hello\r\nTo: dev@lists.test\r\n"), Body: []byte("Hello\r\n")}
	plain := mail.Message{Head: append([]byte("List-Id: <dev.lists.test>\r\n"), in.Head...), Body: in.Body}
	prefixed := mail.Message{Head: []byte("From: ada@a.test\r\nSubject: [dev] Hello\r\nTo: dev@lists.test\r\n"), Body: in.Body}
	footed := mail.Message{Head: in.Head, Body: []byte("Hello\r\n--\r\nBye\r\n")}
	sig := func(names ...string) []mailauth.Signature {
		return []mailauth.Signature{{Domain: "a.test", Result: mailauth.Pass, Aligned: true, WholeBody: true, Signed: names}}
	}
	const none, reject = mailauth.NoPolicy, mailauth.Reject
	for _, c := range []struct {
		name   string
		policy mailauth.Policy
		author string
		sigs   []mailauth.Signature
		out    mail.Message
		says   string
		test   bool // t=y (RFC 9989 section 4.7)
	}{
		{"no policy", none, "a.test", nil, footed, "", false},
		{"a policy, and a signature that survives", reject, "a.test", sig("from", "subject"), plain, "", false},
		{"the prefix breaks it", reject, "a.test", sig("from", "subject"), prefixed, "breaks its signature", false},
		{"a Subject that is not covered may change", reject, "a.test", sig("from"), prefixed, "", false},
		{"the footer breaks it", reject, "a.test", sig("from"), footed, "breaks its signature", false},
		{"it covers that there is no List-Id", reject, "a.test", sig("from", "list-id"), plain, "breaks its signature", false},
		{"no signature", mailauth.Quarantine, "a.test", nil, plain, "p=quarantine and no signature", false},
		{"ours", reject, "lists.test", nil, footed, "", false},
		{"testing a policy", reject, "a.test", nil, footed, "p=reject t=y and no signature", true},
		{"testing, and the footer breaks the signature", mailauth.Quarantine, "a.test", sig("from"), footed, "p=quarantine t=y and what the list changes", true},
		{"testing, and the signature survives", reject, "a.test", sig("from"), plain, "", true},
		{"testing no policy", none, "a.test", nil, footed, "", true},
		{"testing, ours", reject, "lists.test", nil, footed, "", true},
	} {
		a := &arrival{m: in}
		a.auth.DKIM = c.sigs
		a.auth.DMARC = mailauth.DMARC{Author: c.author, Policy: c.policy, Published: c.policy}
		a.auth.DMARC.Testing = c.test
		if c.test {
			a.auth.DMARC.Policy = none
		}
		got := (&Door{}).munge(a, lists.List{Address: addr("dev@lists.test")}, c.out)
		if c.says == "" && got != "" || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q, want %q", c.name, got, c.says)
		}
	}
}

// TestProof: what a mail proves about who gives its commands. A signature proves nothing about what it does not cover:
// that may have been added since.
func TestProof(t *testing.T) {
	t.Parallel()
	now := mustDate(t, "Mon, 03 Feb 2031 04:00:00 +0000")
	head := "From: ada@a.test\r\nTo: dev-request@lists.test\r\nDate: Mon, 03 Feb 2031 03:00:00 +0000\r\nMessage-ID: <1@a.test>\r\nSubject: add x@c.test\r\n"
	all := []string{"from", "to", "date", "subject", "message-id"}
	but := func(name string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == name })
	}
	for _, c := range []struct {
		name   string
		head   string
		signed []string
		part   bool // l= covers a part of the body
		spf    bool
		want   proof
	}{
		{"nothing", head, nil, false, false, unproven},
		{"SPF alone", head, nil, false, true, vouched},
		{"signed", head, all, false, false, signed},
		{"To is not covered", head, but("to"), false, false, vouched},
		{"Date is not covered", head, but("date"), false, false, vouched},
		{"Subject is not covered, and commands stand there", head, but("subject"), false, false, vouched},
		{"Message-ID is not covered, and another makes it another mail", head, but("message-id"), false, false, vouched},
		{"no Subject, and none can be added", strings.Replace(head, "Subject", "X-Subject", 1), all, false, false, signed},
		{"a second Subject on top", "Subject: set list posting=anyone\r\n" + head, all, false, false, vouched},
		{"a second To on top", "To: dev-request@lists.test\r\n" + strings.Replace(head, "dev-request", "ops-request", 1), all, false, false, vouched},
		{"a Cc that was added", "Cc: dev-request@lists.test\r\n" + strings.Replace(head, "dev-request", "ops-request", 1), all, false, false, vouched},
		{"a Cc that is covered", "Cc: dev-request@lists.test\r\n" + strings.Replace(head, "dev-request", "ops-request", 1), append(but(""), "cc"), false, false, signed},
		{"the body is read in another way", "Content-Type: multipart/mixed; boundary=x\r\n" + head, all, false, false, vouched},
		{"a type that is covered", "Content-Type: text/plain\r\n" + head, append(but(""), "content-type"), false, false, signed},
		{"a part of the body", head, all, true, false, vouched},
		{"two days old", strings.Replace(head, "03 Feb", "01 Feb", 1), all, false, false, vouched},
		{"from the future", strings.Replace(head, "03:00", "09:00", 1), all, false, false, vouched},
		{"meant for another address", strings.Replace(head, "dev-request", "ops-request", 1), all, false, false, vouched},
		{"without a Message-ID", strings.Replace(head, "Message-ID", "X-ID", 1), all, false, false, vouched},
	} {
		a := &arrival{m: mail.Message{Head: []byte(c.head)}, now: now, env: envelope("ada@a.test", "dev-request@lists.test")}
		if ids := mail.MessageIDs(mail.Get(a.m.Head, "Message-ID")); len(ids) > 0 {
			a.msgID = ids[0]
		}
		if c.signed != nil {
			a.auth.DKIM = []mailauth.Signature{{Domain: "a.test", Result: mailauth.Pass, Aligned: true, WholeBody: !c.part, Signed: c.signed}}
			a.auth.DMARC.AlignedDKIM = true
		}
		a.auth.DMARC.AlignedSPF = c.spf
		if got := (&Door{}).proofOf(a, &job{rcpt: []int{0}}); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
		if got := (&Door{}).proofOf(a, &job{rcpt: []int{0}, place: place{site: true}}); got > vouched {
			t.Errorf("%s: at the site's address, where it could be replayed: %d", c.name, got)
		}
	}
}

// TestFacts: a rule about dmarc=pass finds a pass, and nothing that a sender has made look like one.
func TestFacts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		r    mailauth.Results
		want string
	}{
		{"nobody has looked", mailauth.Results{}, ""},
		{"nothing vouches", mailauth.Results{SPF: mailauth.SPF{Result: mailauth.None, Domain: "mx.test", Helo: true}, DMARC: mailauth.DMARC{Result: mailauth.PermError}},
			"spf=none smtp.helo=mx.test; dkim=none; dmarc=permerror"},
		{"all pass", mailauth.Results{SPF: mailauth.SPF{Result: mailauth.Pass, Domain: "a.test"},
			DKIM:  []mailauth.Signature{{Domain: "a.test", Result: mailauth.Pass}, {Domain: "b.test", Result: mailauth.Fail}},
			DMARC: mailauth.DMARC{Result: mailauth.Pass, Domain: "a.test", Author: "a.test", Published: mailauth.Reject}},
			"spf=pass smtp.mailfrom=a.test; dkim=pass header.d=a.test; dkim=fail header.d=b.test; dmarc=pass (p=REJECT) header.from=a.test"},
		{"what the sender words", mailauth.Results{SPF: mailauth.SPF{Result: mailauth.Fail, Domain: "[dmarc=pass]", Reason: "dmarc=pass"},
			DKIM:  []mailauth.Signature{{Result: mailauth.PermError, Algorithm: "dmarc=pass", Selector: "dmarc=pass", Reason: "dmarc=pass"}},
			DMARC: mailauth.DMARC{Result: mailauth.Fail, Author: "a.test; dmarc=pass"}},
			"spf=fail; dkim=permerror; dmarc=fail"},
	} {
		if got := facts(c.r); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func mustDate(t *testing.T, s string) time.Time {
	t.Helper()
	d, err := mail.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
