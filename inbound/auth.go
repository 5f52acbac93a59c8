package inbound

import (
	"context"
	"slices"
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
	if domain := mail.Author(a.m.Head).Address.Domain; domain != l.Address.Domain && l.Policy.MungesDomain(domain) {
		return mungedBefore(domain)
	}
	if !r.WouldReject() && !(r.DMARC.Testing && r.DMARC.Published != mailauth.NoPolicy) || r.DMARC.Author == l.Address.Domain {
		return ""
	}
	policy := r.DMARC.Published.String()
	if r.DMARC.Testing {
		policy += " t=y" // RFC 9989 section 4.7: not to be applied, but a From is to be rewritten as if it were
	}
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

// commandFields are what commands, their author, their day and their address are read from: first those that a command
// must have, or must be known not to have.
var commandFields = []string{"from", "to", "date", "subject", "message-id", "cc", "content-type", "content-transfer-encoding"}

// seals reports whether a signature covers all that a command is read from. A field that it does not cover may have been
// added on the way, and so may a second one above the one that it covers (RFC 6376 section 8.15).
func seals(sig mailauth.Signature, head []byte) bool {
	if !sig.Aligned || !sig.WholeBody || !sig.Covers(commandFields[:5]...) {
		return false
	}
	var seen []string
	for f := range mail.Fields(head) {
		name := strings.ToLower(f.Name)
		if !slices.Contains(commandFields, name) {
			continue
		}
		if slices.Contains(seen, name) || !sig.Covers(name) {
			return false
		}
		seen = append(seen, name)
	}
	return true
}

// facts are what our checks have found, as rules of a list read it: our Authentication-Results without what the sender
// words himself (reasons, selectors, tags), so that a rule about dmarc=pass finds a pass and nothing that looks like one.
func facts(r mailauth.Results) string {
	if r.SPF.Result == "" && r.DMARC.Result == "" {
		return ""
	}
	about := func(word, property, domain string) string {
		if domain == "" || strings.ContainsFunc(domain, func(c rune) bool { return c <= ' ' || strings.ContainsRune(`"();=\`, c) }) {
			return word
		}
		return word + " " + property + "=" + domain
	}
	var out []string
	if r.SPF.Result != "" {
		from := "smtp.mailfrom"
		if r.SPF.Helo {
			from = "smtp.helo"
		}
		out = append(out, about("spf="+string(r.SPF.Result), from, r.SPF.Domain))
	}
	for _, s := range r.DKIM {
		out = append(out, about("dkim="+string(s.Result), "header.d", s.Domain))
	}
	if len(r.DKIM) == 0 {
		out = append(out, "dkim="+string(mailauth.None))
	}
	dmarc := "dmarc=" + string(r.DMARC.Result)
	if r.DMARC.Domain != "" {
		dmarc += " (p=" + strings.ToUpper(r.DMARC.Published.String()) + ")"
	}
	return strings.Join(append(out, about(dmarc, "header.from", r.DMARC.Author)), "; ")
}
