package inbound

import (
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
	}{
		{"no policy", none, "a.test", nil, footed, ""},
		{"a policy, and a signature that survives", reject, "a.test", sig("from", "subject"), plain, ""},
		{"the prefix breaks it", reject, "a.test", sig("from", "subject"), prefixed, "breaks its signature"},
		{"a Subject that is not covered may change", reject, "a.test", sig("from"), prefixed, ""},
		{"the footer breaks it", reject, "a.test", sig("from"), footed, "breaks its signature"},
		{"it covers that there is no List-Id", reject, "a.test", sig("from", "list-id"), plain, "breaks its signature"},
		{"no signature", mailauth.Quarantine, "a.test", nil, plain, "p=quarantine and no signature"},
		{"ours", reject, "lists.test", nil, footed, ""},
	} {
		a := &arrival{m: in}
		a.auth.DKIM = c.sigs
		a.auth.DMARC = mailauth.DMARC{Author: c.author, Policy: c.policy, Published: c.policy}
		got := (&Door{}).munge(a, lists.List{Address: addr("dev@lists.test")}, c.out)
		if c.says == "" && got != "" || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q, want %q", c.name, got, c.says)
		}
	}
}

// TestProof: what a mail proves about who gives its commands.
func TestProof(t *testing.T) {
	t.Parallel()
	now := mustDate(t, "Mon, 03 Feb 2031 04:00:00 +0000")
	head := "From: ada@a.test\r\nTo: dev-request@lists.test\r\nDate: Mon, 03 Feb 2031 03:00:00 +0000\r\nMessage-ID: <1@a.test>\r\n"
	all := []string{"from", "to", "date"}
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
		{"To is not covered", head, []string{"from", "date"}, false, false, vouched},
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

func mustDate(t *testing.T, s string) time.Time {
	t.Helper()
	d, err := mail.ParseDate(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
