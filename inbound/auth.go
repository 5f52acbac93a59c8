package inbound

import (
	"context"
	"strings"

	"listd/lists"
	"listd/mail"
	"listd/mailauth"
)

// authenticate learns who vouches for a message, and puts our Authentication-Results in front of it in place of forged
// ones (RFC 8601 section 5). Without a Verifier nobody vouches for anything.
func (d *Door) authenticate(ctx context.Context, a *arrival, raw mail.Message) []byte {
	if d.Auth == nil {
		return raw.Head
	}
	a.auth = d.Auth.Verify(ctx, a.env, raw)
	head := mail.Without(raw.Head, func(f mail.Field) bool {
		if !f.Is("Authentication-Results") {
			return false
		}
		id, _, _ := strings.Cut(f.Value(), ";")
		id, _, _ = strings.Cut(strings.TrimSpace(id), " ")
		return strings.EqualFold(id, d.Hostname)
	})
	return append(a.auth.Field(d.Hostname), head...)
}

// munge says why From must give way to the list's address, in words for X-Listd-Decision; empty if it need not. It must
// where the author's domain would have the mail rejected downstream and no signature of the author's survives what the
// list does (RFC 7960). Domains of ours are exempt: we sign for them.
func (d *Door) munge(a *arrival, l lists.List, out mail.Message) string {
	r := a.auth
	if !r.WouldReject() && !(r.DMARC.Testing && r.DMARC.Published != mailauth.NoPolicy) || r.DMARC.Author == l.Address.Domain {
		return ""
	}
	policy := r.DMARC.Published.String()
	why := "From is the list's, since " + r.DMARC.Author + " publishes p=" + policy
	sig, ok := r.AuthorSignature()
	switch {
	case !ok:
		return why + " and no signature of its own vouches for the message"
	case !survives(sig, a.m, out):
		return why + " and what the list changes breaks its signature"
	}
	return ""
}

// survives reports whether a signature that verified still does: the body and all fields that it covers are the same.
func survives(sig mailauth.Signature, in, out mail.Message) bool {
	if len(in.Body) != len(out.Body) || len(in.Body) > 0 && &in.Body[0] != &out.Body[0] && string(in.Body) != string(out.Body) {
		return false
	}
	for _, name := range sig.Signed {
		before, after := mail.Values(in.Head, name), mail.Values(out.Head, name)
		if len(before) != len(after) {
			return false
		}
		for i := range before {
			if before[i] != after[i] {
				return false
			}
		}
	}
	return true
}
