// Package mailauth says who vouches for a message that comes in, and vouches for those that leave: it verifies SPF,
// DKIM and DMARC and signs with DKIM. It asks the DNS and knows nothing else of the world.
//
// Enter with Verifier.Verify for mail that arrives; with GenerateKeys, ParseKey and NewSigner for mail that leaves.
//
// RFC 6376, 7208, 8058, 8301, 8463, 8601, 9989.
package mailauth

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"listd/mail"
)

// Result is the outcome of a check, in the words of RFC 8601 section 2.7.
type Result string

// The results. ByPolicy is a DKIM signature that we do not take, whether or not it verifies.
const (
	None      Result = "none"
	Pass      Result = "pass"
	Fail      Result = "fail"
	SoftFail  Result = "softfail"
	Neutral   Result = "neutral"
	ByPolicy  Result = "policy"
	TempError Result = "temperror"
	PermError Result = "permerror"
)

// Policy is what a domain wants done with mail that fails DMARC (RFC 9989 section 4.7); the order is that of strictness.
type Policy uint8

// The policies.
const (
	NoPolicy Policy = iota
	Quarantine
	Reject
)

func (p Policy) String() string {
	switch p {
	case Quarantine:
		return "quarantine"
	case Reject:
		return "reject"
	}
	return "none"
}

// Results are what Verify found.
type Results struct {
	SPF   SPF
	DKIM  []Signature // in the order of the head, at most five
	DMARC DMARC
}

// SPF is whether the peer may send for the domain of the reverse-path.
type SPF struct {
	Result Result
	Domain string // of MAIL FROM; of HELO for the null reverse-path (RFC 7208 section 2.4)
	Helo   bool   // Domain is that of HELO
	Reason string // of a result that is neither pass nor none
}

// Signature is one DKIM-Signature field.
type Signature struct {
	Domain, Selector string // d= and s=, in lower case; empty if they are no names
	Algorithm        string // a=
	Result           Result
	Reason           string   // of a result that is not pass
	Signed           []string // names of the fields that h= covers, in lower case, each once
	Aligned          bool     // passes, and Domain is aligned with every author's domain
	WholeBody        bool     // there is no l=
	tag              string   // begins b=, to tell the signatures of a domain apart (RFC 6008)
}

// Covers reports whether the signature covers all fields of these names. That a field is covered which the message
// does not have means that none can be added.
func (s Signature) Covers(names ...string) bool {
	for _, n := range names {
		if !slices.Contains(s.Signed, strings.ToLower(n)) {
			return false
		}
	}
	return true
}

// DMARC is whether the domain of From vouches for the message, and what it wants done if it does not.
//
// A message has one author's domain. One with several From fields, or several domains in them, is exempt from RFC 9989
// (section 5.3.1), which would let a forger add a second author to escape the first one's policy. So here it passes only
// if it passes for each of them by the same means, and Policy is the strictest; more than four domains never pass.
type DMARC struct {
	Result    Result
	Author    string // the domain of From; of several the one whose policy is the strictest
	Domain    string // where the record was found; empty if there is none
	Policy    Policy // as it applies to Author: of p, sp or np, and none if the domain is testing (t=y)
	Published Policy // the same without regard to t: RFC 9989 section 4.7 leaves rewriting of From to us when testing
	Testing   bool
	Reason    string

	AlignedSPF, AlignedDKIM bool // a pass for a domain aligned with Author; found without a record, too
}

// AuthorVouched reports whether the domain of From vouches for the message: by an aligned DKIM signature, or by SPF.
func (r Results) AuthorVouched() bool { return r.DMARC.AlignedDKIM || r.DMARC.AlignedSPF }

// WouldReject reports whether the author's domain wants mail in its name rejected or quarantined where nothing vouches
// for it, whatever became of this one: that is what befalls it downstream if we break what vouches for it.
func (r Results) WouldReject() bool { return r.DMARC.Policy != NoPolicy }

// AuthorSignature is the first valid signature of the author's domain.
func (r Results) AuthorSignature() (Signature, bool) {
	for _, s := range r.DKIM {
		if s.Aligned {
			return s, true
		}
	}
	return Signature{}, false
}

// Verifier checks messages. Its zero value asks the system's resolver. It is for use by several goroutines at once and
// must not be copied.
type Verifier struct {
	Resolver Resolver
	Budget   time.Duration    // for all DNS of a message; 5 s
	Now      func() time.Time // time.Now

	cache cache
}

// Verify checks a message as it came. It never fails: what could not be learnt within the budget is a TempError.
func (v *Verifier) Verify(ctx context.Context, env mail.Envelope, m mail.Message) Results {
	budget := v.Budget
	if budget <= 0 {
		budget = 5 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	now := time.Now
	if v.Now != nil {
		now = v.Now
	}
	d := newDNS(v.Resolver, &v.cache, now)
	h := readHead(m.Head)
	authors := h.authors()

	// Side by side: a domain that answers slowly, or not at all, must not use up the time of the others.
	var r Results
	var walks []walk
	var wg sync.WaitGroup
	wg.Go(func() { r.SPF = checkSPF(ctx, d, env) })
	wg.Go(func() { r.DKIM = checkDKIM(ctx, d, h, m.Body, authors, now()) })
	wg.Go(func() { walks = walkAll(ctx, d, authors[:min(len(authors), maxAuthors)]) })
	wg.Wait()
	r.DMARC = evaluate(ctx, d, authors, walks, r.SPF, r.DKIM)
	return r
}

// head is a message's head, indexed.
type head struct {
	fields []mail.Field
	at     map[string][]int // of each name in lower case, top down
}

func readHead(raw []byte) head {
	h := head{at: map[string][]int{}}
	for f := range mail.Fields(raw) {
		if f.Name == "" {
			continue
		}
		name := strings.ToLower(f.Name)
		h.at[name] = append(h.at[name], len(h.fields))
		h.fields = append(h.fields, f)
	}
	return h
}

// authors are the domains of all From fields, each once; of too many, one too many.
func (h head) authors() (out []string) {
	for _, i := range h.at["from"] {
		for _, m := range mail.Mailboxes(h.fields[i].Value()) {
			if d := m.Address.Domain; len(out) <= maxAuthors && !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	}
	return out
}
