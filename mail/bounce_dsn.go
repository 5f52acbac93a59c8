package mail

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// statusGroup is what a delivery-status part says about one recipient (RFC 3464 section 2.3).
type statusGroup struct {
	original, final, actual           string
	action, status, diagnostic, extra string
}

func (g statusGroup) empty() bool { return g.original == "" && g.final == "" && g.actual == "" }

// statusGroups reads a delivery-status part, leniently: groups without an empty line between them are told apart by a
// field that comes again, and a line that is no field continues the one before.
func statusGroups(b []byte) (out []statusGroup) {
	var g statusGroup
	var last *string
	done := func() {
		if !g.empty() && len(out) < maxFailures {
			out = append(out, g)
		}
		g, last = statusGroup{}, nil
	}
	for f := range Fields(b) {
		if f.Name == "" {
			if line := oneLine(string(f.Raw[:min(len(f.Raw), 2000)]), 1000); line == "" {
				done()
			} else if last != nil && len(*last) < 2000 {
				*last += " " + line
			}
			continue
		}
		at := g.field(strings.ToLower(f.Name))
		if at == nil {
			last = nil
			continue
		}
		if *at != "" {
			if at != &g.original && at != &g.final {
				continue // of two that are alike the first counts
			}
			done()
			at = g.field(strings.ToLower(f.Name))
		}
		if *at = f.Value(); *at == "" {
			*at = " "
		}
		last = at
		if bytes.Contains(f.Raw, []byte("\n\r\n")) || bytes.Contains(f.Raw, []byte("\n\n")) {
			done()
		}
	}
	done()
	return out
}

// field is where a field's value goes, nil if nobody asks for it.
func (g *statusGroup) field(name string) *string {
	switch name {
	case "original-recipient":
		return &g.original
	case "final-recipient", "recipient": // QUIRK: drafts of RFC 1894 had the latter
		return &g.final
	case "x-actual-recipient":
		return &g.actual
	case "action":
		return &g.action
	case "status":
		return &g.status
	case "diagnostic-code":
		return &g.diagnostic
	case "x-supplementary-info", "x-notes", "x-error", "x-reason":
		return &g.extra
	}
	return nil
}

// kind is what became of the recipient. QUIRK: where Action is missing or unheard of, Status says it.
func (g statusGroup) kind() ReportKind {
	word := strings.ToLower(strings.TrimLeft(g.action, " "))
	switch {
	case strings.HasPrefix(word, "fail"), strings.HasPrefix(word, "expired"), strings.HasPrefix(word, "undeliver"), strings.HasPrefix(word, "reject"):
		return Bounce
	case strings.HasPrefix(word, "delay"):
		return Delayed
	case strings.HasPrefix(word, "deliver"):
		return Delivered
	case strings.HasPrefix(word, "relay"):
		return Relayed
	case strings.HasPrefix(word, "expand"):
		return Expanded
	}
	if s := statusCode(g.status); s != "" && s[0] == '2' {
		return Delivered
	}
	return Bounce
}

// address is the recipient that was written to, as well as it can be told.
func (g statusGroup) address() (Address, bool) {
	for _, v := range []string{g.original, g.final, g.actual} {
		if a, ok := typedAddress(v); ok {
			return a, true
		}
	}
	return Address{}, false
}

// typedAddress reads "rfc822; bob@example.org" (RFC 3464 section 2.3.1, RFC 6533 section 3). QUIRK: the type is often
// missing, and brackets, quotes, comments and the encoding of RFC 3461 are often left in.
func typedAddress(v string) (Address, bool) {
	kind, rest, ok := strings.Cut(v, ";")
	if ok && strings.IndexByte(kind, '@') < 0 {
		v = rest
		if strings.EqualFold(strings.TrimSpace(kind), "utf-8") {
			v = decodeUTF8Address(v)
		}
	}
	v = strings.Trim(v, " \t\"'")
	if strings.Contains(v, "+2B") || strings.Contains(v, "+3D") {
		v = strings.NewReplacer("+2B", "+", "+3D", "=").Replace(v) // RFC 3461 section 4: xtext
	}
	if !utf8.ValidString(v) {
		v, _ = toUTF8([]byte(v), "") // what is left of Latin-1 days
	}
	if a, err := parsePath(strings.Trim(v, "<>")); err == nil {
		return a, true
	}
	for _, s := range addressesIn(v) {
		return s.address, true
	}
	return Address{}, false
}

// decodeUTF8Address is RFC 6533 section 3's \x{HEX}.
func decodeUTF8Address(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, `\x{`)
		b.WriteString(before)
		hex, after, closed := strings.Cut(rest, "}")
		if !ok || !closed {
			b.WriteString(rest)
			return b.String()
		}
		if n, err := strconv.ParseUint(hex, 16, 32); err == nil && n < utf8.MaxRune {
			b.WriteRune(rune(n))
		}
		s = after
	}
}

// statusCode is the RFC 3463 code at the start of a Status field; empty if there is none. QUIRK: some write it behind
// words, or as "5.0".
func statusCode(v string) string {
	_, e := findCodes(v)
	return e
}

// readStatus reads all delivery-status parts. It has no answer if they name nobody.
func (n *notice) readStatus(own *words) (Report, bool) {
	var r Report
	var kinds [Expanded + 1]bool
	var lost []statusGroup // failures without an address
	set := newFailureSet(&r)
	for _, part := range n.status {
		for _, g := range statusGroups(part) {
			kind := g.kind()
			kinds[kind] = true
			if kind != Bounce {
				continue
			}
			if a, ok := g.address(); ok && set.known(a) {
				continue
			} else if ok {
				set.add(n.statusFailure(a, g, own))
			} else {
				lost = append(lost, g)
			}
		}
	}
	if len(r.Failures) == 0 && len(lost) > 0 {
		// QUIRK: "Final-Recipient: LOCAL; bob" and its like; the text may tell the whole address.
		for _, a := range own.failing(2) {
			set.add(n.statusFailure(a, lost[min(len(r.Failures), len(lost)-1)], own))
		}
	}
	for _, k := range []ReportKind{Bounce, Delayed, Delivered, Relayed, Expanded} {
		if kinds[k] {
			r.Kind = k
			return r, true
		}
	}
	return r, false
}

// statusFailure puts a group and the report's words about its address together.
func (n *notice) statusFailure(a Address, g statusGroup, own *words) Failure {
	diagnostic := g.diagnostic
	if kind, rest, ok := strings.Cut(diagnostic, ";"); ok && len(kind) < 30 && strings.IndexByte(strings.TrimSpace(kind), ' ') < 0 {
		diagnostic = rest
	}
	diagnostic = oneLine(diagnostic, 2*maxWhy)
	if d := strings.ToLower(diagnostic); g.extra != "" && (d == "" || d == "null") {
		diagnostic = oneLine(g.extra, 2*maxWhy)
	}
	f := failure(a, statusCode(g.status), diagnostic)
	if f.Class == Unknown && diagnostic == "" { // QUIRK: "Status: 550 user unknown", "5.0.0 (user unknown)"
		f.Code, _ = findCodes(g.status)
		f.Permanent, f.Class = Classify(f.Code, f.Status, g.status)
	}
	if f.Class == Unknown || genericStatus(f.Status) || diagnostic == "" {
		if why := own.reason(a); why != "" {
			g := failure(a, f.Status, why)
			if g.Class != Unknown && (f.Class == Unknown || f.Why == "") {
				f.Class = g.Class
			}
			if f.Why == "" {
				f.Why = g.Why
			}
			if f.Code == 0 {
				f.Code = g.Code
			}
			if f.Status == "" || genericStatus(f.Status) && g.Status != "" && g.Status[0] == f.Status[0] {
				f.Status = g.Status
			}
		}
	}
	return f
}

// failure judges the words about one address. What the words say more exactly than status does counts.
func failure(a Address, status, why string) Failure {
	code, enhanced := findCodes(why)
	if status == "" || genericStatus(status) && enhanced != "" {
		status = enhanced
	}
	f := Failure{Address: a, Status: status, Code: code, Why: oneLine(strings.ToValidUTF8(why, "\uFFFD"), maxWhy)}
	f.Permanent, f.Class = Classify(code, status, why)
	return f
}

// failureSet keeps failures in order, no address twice: of two, the one that says more.
type failureSet struct {
	r  *Report
	at map[string]int
}

func newFailureSet(r *Report) failureSet { return failureSet{r, map[string]int{}} }

// known reports whether an address is there with its class, so that nothing can be added.
func (s failureSet) known(a Address) bool {
	i, ok := s.at[a.Key()]
	return ok && s.r.Failures[i].Class != Unknown
}

func (s failureSet) add(f Failure) {
	key := f.Address.Key()
	i, twice := s.at[key]
	switch {
	case !twice && len(s.r.Failures) < maxFailures:
		s.at[key] = len(s.r.Failures)
		s.r.Failures = append(s.r.Failures, f)
	case twice && s.r.Failures[i].Class == Unknown && f.Class != Unknown:
		s.r.Failures[i] = f
	}
}
