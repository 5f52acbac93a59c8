package mailauth_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/foxcpp/go-mockdns"

	"listd/mail"
	"listd/mailauth"
)

// Any message, from anybody, with any record in the DNS: the results make sense, and few questions are asked.
func FuzzVerify(f *testing.F) {
	for _, file := range []string{"testdata/rfc6376.eml", "testdata/rfc8463.eml"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		m := message(string(raw))
		f.Add(m.Head, m.Body, "joe@football.example.com", "mx.example.com", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
	}
	f.Add([]byte("From: a@b.example, c@d.example\r\nDKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=x; h=from:dkim-signature; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA; c=relaxed/relaxed\r\n"), []byte{}, "a@b.example", "x", "v=DMARC1; p=reject; psd=y")
	f.Add([]byte("From : <a@b.example>\nDKIM-Signature:;\n"), []byte("\n\n"), "", "b.example", "v=spf1 include:%{d} exists:%{l}.%{i} redirect=%{h}")
	f.Fuzz(func(t *testing.T, head, body []byte, sender, helo, record string) {
		env := from("", "192.0.2.1")
		env.From, _ = mail.ParseAddress(sender)
		env.Peer.Helo = helo
		c := &counting{Resolver: everywhere{&mockdns.Resolver{}, record}}
		r := verifier(c).Verify(t.Context(), env, mail.Message{Head: head, Body: body})
		if len(r.DKIM) > 5 || r.SPF.Result == "" || r.DMARC.Result == "" {
			t.Errorf("%+v", r)
		}
		// Four authors, five signatures and SPF, eight names each, and eleven of SPF.
		if len(c.asked) > 5+11+10*8 {
			t.Errorf("%d questions: %v", len(c.asked), c.asked)
		}
		for _, s := range r.DKIM {
			if s.Result == "" || s.Aligned && s.Result != mailauth.Pass || (s.Reason == "") != (s.Result == mailauth.Pass) {
				t.Errorf("%+v", s)
			}
		}
		if _, ok := r.AuthorSignature(); ok && !r.AuthorVouched() || r.DMARC.Result == mailauth.Pass && !r.AuthorVouched() {
			t.Errorf("%+v", r)
		}
		field := r.Field(helo)
		n := 0
		for f := range mail.Fields(field) {
			if n++; n > 1 || !f.Is("Authentication-Results") || strings.ContainsAny(f.Value(), "\r\n\x00") || bytes.ContainsFunc(f.Raw, func(r rune) bool { return r >= 0x7f }) {
				t.Errorf("%q", field)
			}
		}
	})
}

// everywhere has the same record at every name.
type everywhere struct {
	*mockdns.Resolver
	record string
}

func (e everywhere) LookupTXT(context.Context, string) ([]string, error) {
	return []string{e.record}, nil
}

// Any record: nothing vouches, and what it asks for is one of three things.
func FuzzDMARCRecord(f *testing.F) {
	for _, s := range []string{"v=DMARC1; p=reject", "v=DMARC1;p=none;sp=quarantine;np=reject;t=y;psd=n", "v = DMARC1 ; p = quarantine ; rua = mailto:a@b", "v=DMARC1; p=x; rua=,,:", "v=DMARC1;;=;p", "v=DMARC1; P=REJECT; p=none; adkim=s; aspf=S"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, record string) {
		r := zone(map[string]string{"_dmarc.example.com": record})
		for _, author := range []string{"x@example.com", "x@a.example.com"} {
			m := verifier(r).Verify(t.Context(), mail.Envelope{}, mail.Message{Head: []byte("From: " + author + "\r\n")}).DMARC
			if m.Result != mailauth.Fail && m.Result != mailauth.None || m.Policy > mailauth.Reject || m.AlignedSPF || m.AlignedDKIM {
				t.Errorf("%q: %+v", record, m)
			}
			lower := strings.ToLower(record)
			if m.Policy == mailauth.Reject && !strings.Contains(lower, "reject") || m.Policy == mailauth.Quarantine && !strings.Contains(lower, "quarantine") ||
				m.Domain != "" && !strings.Contains(record, "DMARC1") || m.Result == mailauth.Fail && m.Domain == "" {
				t.Errorf("%q: %+v", record, m)
			}
		}
	})
}
