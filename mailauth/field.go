package mailauth

import (
	"fmt"
	"strings"
)

// Field is the Authentication-Results field (RFC 8601) that tells these results in the name of a host, which is ours:
// fields that others have written in its name must be gone.
func (r Results) Field(hostname string) []byte {
	f := folder{line: "Authentication-Results: " + pvalue(hostname)}
	if r.SPF.Result != "" {
		what := "smtp.mailfrom"
		if r.SPF.Helo {
			what = "smtp.helo"
		}
		f.method("spf", r.SPF.Result, r.SPF.Reason)
		f.property(what, r.SPF.Domain)
	}
	for _, s := range r.DKIM {
		f.method("dkim", s.Result, s.Reason)
		f.property("header.d", s.Domain)
		f.property("header.s", s.Selector)
		f.property("header.a", s.Algorithm)
		f.property("header.b", s.tag) // RFC 6008
	}
	if len(r.DKIM) == 0 && (r.SPF.Result != "" || r.DMARC.Result != "") {
		f.method("dkim", None, "")
	}
	if m := r.DMARC; m.Result != "" {
		f.method("dmarc", m.Result, m.Reason)
		if m.Domain != "" {
			// A comment, as everybody writes it: readers look for the policy here.
			p := strings.ToUpper(m.Published.String())
			if m.Testing {
				p += " t=y"
			}
			f.add(fmt.Sprintf("(p=%s)", p))
		}
		f.property("header.from", m.Author)
	}
	if !f.any {
		f.out.WriteString(f.line + "; none")
		f.line = ""
	}
	return []byte(f.out.String() + f.line + "\r\n")
}

// folder writes a structured field in lines of 78 where it can.
type folder struct {
	out  strings.Builder
	line string
	any  bool
}

func (f *folder) method(name string, r Result, reason string) {
	f.out.WriteString(f.line + ";\r\n")
	f.any = true
	f.line = "\t" + name + "=" + pvalue(string(r))
	if reason != "" {
		f.add("reason=" + quoted(reason))
	}
}

func (f *folder) property(name, value string) {
	if value != "" {
		f.add(name + "=" + pvalue(value))
	}
}

func (f *folder) add(word string) {
	if len(f.line)+1+len(word) > 77 {
		f.out.WriteString(f.line + "\r\n")
		f.line = "\t  " + word
		return
	}
	f.line += " " + word
}

// pvalue is a value as it can stand in the field: a token (RFC 2045 section 5.1) or a quoted-string.
func pvalue(s string) string {
	if s == "" {
		return `""`
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, s[i]) >= 0 {
			return quoted(s)
		}
	}
	return s
}

// maxValue bounds what others have written, so that the line they stand in stays within 998 octets.
const maxValue = 300

// quoted is a quoted-string. What is no printable ASCII becomes a question mark.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range min(len(s), maxValue) {
		switch c := s[i]; {
		case c < ' ' || c >= 0x7f:
			b.WriteByte('?')
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
