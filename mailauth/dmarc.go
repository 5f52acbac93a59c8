package mailauth

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// record is a DMARC Policy Record (RFC 9989 section 4.7).
type record struct {
	p, sp, np   Policy
	adkim, aspf bool // strict
	psd         byte // y, n or u
	test        bool
	ignored     bool // a policy in it cannot be read and nobody wants reports: it asks for nothing (section 4.10.1)
}

// parseRecord reads a TXT record; false if it is none of DMARC. What is wrong in it counts as not being there, but for
// policies.
func parseRecord(txt string) (record, bool) {
	version, rest, _ := strings.Cut(txt, ";")
	tag, value, _ := strings.Cut(version, "=")
	if !strings.EqualFold(trim(tag), "v") || trim(value) != "DMARC1" {
		return record{}, false
	}
	values := map[string]string{}
	for item := range strings.SplitSeq(rest, ";") {
		name, v, ok := strings.Cut(item, "=")
		if name = strings.ToLower(trim(name)); ok && slices.Contains([]string{"p", "sp", "np", "adkim", "aspf", "psd", "t", "rua"}, name) {
			if _, twice := values[name]; !twice {
				values[name] = strings.ToLower(trim(v))
			}
		}
	}
	r := record{adkim: values["adkim"] == "s", aspf: values["aspf"] == "s", psd: 'u', test: values["t"] == "y"}
	if v := values["psd"]; v == "y" || v == "n" {
		r.psd = v[0]
	}
	valid := true
	policy := func(name string, otherwise Policy) Policy {
		switch v, there := values[name]; {
		case v == "reject":
			return Reject
		case v == "quarantine":
			return Quarantine
		case v == "none":
			return NoPolicy
		case there:
			valid = false
		}
		return otherwise
	}
	r.p = policy("p", NoPolicy)
	r.sp = policy("sp", r.p)
	r.np = policy("np", r.sp)
	if !valid {
		r.p, r.sp, r.np = NoPolicy, NoPolicy, NoPolicy
		r.ignored = !wantsReports(values["rua"])
	}
	return r, true
}

func trim(s string) string { return strings.Trim(s, " \t\r\n") }

// wantsReports reports whether there is a URI in a list of them.
func wantsReports(rua string) bool {
	for uri := range strings.SplitSeq(rua, ",") {
		scheme, rest, ok := strings.Cut(trim(uri), ":")
		if ok && rest != "" && scheme != "" && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") == "" {
			return true
		}
	}
	return false
}

// walk is what RFC 9989's DNS Tree Walk (section 4.10) from a domain has found.
type walk struct {
	domain string
	found  []found // from the longest name to the shortest
	err    error   // some name on the way was not answered for
}

type found struct {
	domain string
	record
}

// walkTree asks at a domain and at those above it, at most eight, up to a record that says whether it is a public
// suffix's.
func walkTree(ctx context.Context, d *dns, domain string) walk {
	w := walk{domain: domain}
	for at := domain; at != ""; at = parent(at) {
		txt, err := d.LookupTXT(ctx, "_dmarc."+at)
		if err != nil && !isNotFound(err) {
			w.err = err
			return w
		}
		if r, ok := single(txt); ok {
			w.found = append(w.found, found{at, r})
			if r.psd != 'u' {
				return w
			}
		}
	}
	return w
}

// single is the one DMARC record of those at a name. Several are none (section 4.10, steps 2 and 6).
func single(txt []string) (r record, ok bool) {
	n := 0
	for _, t := range txt {
		if got, is := parseRecord(t); is {
			r = got
			n++
		}
	}
	return r, n == 1
}

// parent is the next name of a walk: without its first label, and of a long one with the last seven; "" at the end.
func parent(domain string) string {
	for {
		_, above, _ := strings.Cut(domain, ".")
		if domain = above; strings.Count(domain, ".") < 7 {
			return domain
		}
	}
}

// org is the Organizational Domain (RFC 9989 section 4.10.2).
func (w walk) org() string {
	for _, f := range w.found {
		switch {
		case f.psd == 'n':
			return f.domain
		case f.psd == 'y' && f.domain != w.domain:
			return labelBelow(w.domain, f.domain)
		}
	}
	if n := len(w.found); n > 0 {
		return w.found[n-1].domain
	}
	return w.domain
}

// labelBelow is the domain one label below above, towards domain.
func labelBelow(domain, above string) string {
	rest := strings.TrimSuffix(domain, "."+above)
	return rest[strings.LastIndexByte(rest, '.')+1:] + "." + above
}

// policy is the record that applies: the domain's own, that of its Organizational Domain, or that of the public suffix
// above (section 4.10.1).
func (w walk) policy() (found, bool) {
	n := len(w.found)
	switch {
	case n == 0:
		return found{}, false
	case w.found[0].domain == w.domain:
		return w.found[0], true
	case w.err != nil:
		return found{}, false
	}
	org := w.org()
	for _, f := range w.found {
		if f.domain == org {
			return f, true
		}
	}
	return w.found[n-1], true // psd=y
}

// maxAuthors is how many domains of From are asked for.
const maxAuthors = 4

func walkAll(ctx context.Context, d *dns, domains []string) []walk {
	out := make([]walk, len(domains))
	var wg sync.WaitGroup
	for i, name := range domains {
		wg.Go(func() {
			if out[i].domain = name; !strings.HasPrefix(name, "[") {
				out[i] = walkTree(ctx, d, name)
			}
		})
	}
	wg.Wait()
	return out
}

// evaluate is RFC 9989 section 5.3 over what is known by now. It marks the aligned ones of the signatures.
func evaluate(ctx context.Context, d *dns, authors []string, walks []walk, spf SPF, sigs []Signature) DMARC {
	if len(walks) == 0 {
		return DMARC{Result: PermError, Reason: "no author"}
	}
	for i := range sigs {
		sigs[i].Aligned = sigs[i].Result == Pass
	}
	a := alignment{d: d, orgs: map[string]walk{}}
	var all DMARC
	for i, w := range walks {
		m := a.author(ctx, w, spf, sigs)
		if i == 0 {
			all = m
			continue
		}
		bySPF, byDKIM := all.AlignedSPF && m.AlignedSPF, all.AlignedDKIM && m.AlignedDKIM
		result := worse(all.Result, m.Result)
		if m.Policy > all.Policy {
			all = m
		}
		all.Result, all.AlignedSPF, all.AlignedDKIM = result, bySPF, byDKIM
	}
	if all.AlignedDKIM = slices.ContainsFunc(sigs, func(s Signature) bool { return s.Aligned }); len(walks) > 1 &&
		all.Result == Pass && !all.AlignedSPF && !all.AlignedDKIM {
		all.Result, all.Reason = Fail, "no one vouches for all authors"
	}
	if len(authors) > len(walks) {
		all.Result, all.AlignedSPF, all.AlignedDKIM = worse(all.Result, PermError), false, false
		all.Reason = "too many authors"
		for i := range sigs {
			sigs[i].Aligned = false
		}
	}
	return all
}

// worse is the result of two that says less for the message.
func worse(a, b Result) Result {
	order := []Result{Pass, None, PermError, TempError, Fail}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// alignment answers whether domains belong together.
type alignment struct {
	d    *dns
	orgs map[string]walk
}

// author is DMARC for one domain of From. A signature that is not aligned with it loses its mark.
func (a *alignment) author(ctx context.Context, w walk, spf SPF, sigs []Signature) DMARC {
	m := DMARC{Author: w.domain, Result: None}
	f, ok := w.policy()
	if ok {
		m.Domain, m.Testing = f.domain, f.test
		m.Published = a.published(ctx, f, w.domain)
		if !m.Testing {
			m.Policy = m.Published
		}
	}
	unknown := false
	check := func(r Result, domain string, strict bool) bool {
		if r != Pass && r != TempError || domain == "" {
			return false
		}
		is, err := a.aligned(ctx, w, domain, strict, r == Pass)
		unknown = unknown || err || is && r == TempError
		return is && r == Pass
	}
	m.AlignedSPF = check(spf.Result, spf.Domain, f.aspf)
	for i := range sigs {
		is := check(sigs[i].Result, sigs[i].Domain, f.adkim)
		sigs[i].Aligned = sigs[i].Aligned && is
		m.AlignedDKIM = m.AlignedDKIM || is
	}
	switch {
	case !ok && w.err != nil:
		m.Result, m.Reason = TempError, "the DNS does not answer for the policy"
	case !ok:
	case f.ignored:
		m.Reason = "the record has an unknown policy"
	case m.AlignedSPF || m.AlignedDKIM:
		m.Result = Pass
	case unknown: // section 5.3.2: then it cannot be known that it fails
		m.Result, m.Reason = TempError, "the DNS does not answer for what may be aligned"
	default:
		m.Result = Fail
	}
	return m
}

// published is the policy of the record for a domain (section 4.10.1).
func (a *alignment) published(ctx context.Context, f found, domain string) Policy {
	switch {
	case f.domain == domain:
		return f.p
	case f.sp != f.np && !a.d.exists(ctx, domain):
		return f.np
	}
	return f.sp
}

// aligned reports whether a domain is aligned with the author's (section 4.10.2); err, that it may be. For a domain
// that brings no pass, is says only that it can be, and nothing is asked.
func (a *alignment) aligned(ctx context.Context, w walk, domain string, strict, passed bool) (is, err bool) {
	if domain == w.domain {
		return true, false
	}
	if strict || !within(domain, roof(w)) {
		return false, false
	}
	if w.err != nil || !passed {
		return !passed, passed
	}
	other, ok := a.orgs[domain]
	if !ok {
		other = walkTree(ctx, a.d, domain)
		a.orgs[domain] = other
	}
	return other.err == nil && other.org() == w.org(), other.err != nil
}

// roof is the Organizational Domain, below which all must lie that is aligned; while it is not known, the last two
// labels.
func roof(w walk) string {
	if w.err == nil {
		return w.org()
	}
	labels := strings.Split(w.domain, ".")
	return strings.Join(labels[max(len(labels)-2, 0):], ".")
}
