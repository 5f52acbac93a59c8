package mail

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxParams bounds what is read of one Content-Type or Content-Disposition.
const maxParams = 200

// parseParams reads the value of Content-Type or Content-Disposition (RFC 2045 section 5.1, RFC 2183, RFC 2231): the
// type in lower case, "" if there is none, and its parameters, their names in lower case. It is lenient, since what
// other programs can read in a broken field must not be hidden from us: the first of two alike counts, and values
// need no quotes.
func parseParams(value string) (kind string, params map[string]string) {
	var p paramCutter
	kind, value = p.cut(value)
	kind, _, _ = strings.Cut(kind, "(")
	kind = strings.ToLower(strings.TrimSpace(kind))
	params = map[string]string{}
	long := map[string][]section{}
	for n := 0; value != "" && n < maxParams; n++ {
		var pair string
		pair, value = p.cut(value)
		k, v, ok := strings.Cut(pair, "=")
		k = strings.ToLower(strings.TrimSpace(k))
		if !ok || !token(k) {
			continue
		}
		k, star, extended := strings.Cut(k, "*")
		v = paramValue(k, v)
		if s, ok := parseSection(star, v); extended && ok {
			long[k] = append(long[k], s)
		} else if _, twice := params[k]; !extended && !twice {
			params[k] = v
		}
	}
	for k, all := range long {
		if v, ok := joinSections(all); ok {
			params[k] = v
		}
	}
	return kind, params
}

// paramCutter cuts a value into parameters. A quote that is never closed is nothing to go by, nor are those behind it.
type paramCutter struct{ unclosed bool }

// cut cuts at the first semicolon outside quotes.
func (p *paramCutter) cut(s string) (param, rest string) {
	quoted := false
	for i := 0; i < len(s) && !p.unclosed; i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case s[i] == '\\' && quoted:
			i++
		case s[i] == ';' && !quoted:
			return s[:i], s[i+1:]
		}
	}
	if !quoted && !p.unclosed {
		return s, ""
	}
	p.unclosed = true
	param, rest, _ = strings.Cut(s, ";")
	return param, rest
}

// paramValue is a parameter's value without its quotes or a comment behind it.
func paramValue(name, v string) string {
	v = strings.TrimSpace(v)
	in, quoted := strings.CutPrefix(v, `"`)
	if !quoted {
		// QUIRK: names of files stand there with blanks and brackets, and no quotes.
		if i := strings.IndexAny(v, " \t"); i >= 0 && name != "filename" && name != "name" {
			v = v[:i]
		}
		return v
	}
	var b strings.Builder
	for i := 0; i < len(in) && in[i] != '"'; i++ {
		// QUIRK: "C:\dir\file" is meant as it stands.
		if in[i] == '\\' && i+1 < len(in) && (in[i+1] == '"' || in[i+1] == '\\') {
			i++
		}
		b.WriteByte(in[i])
	}
	return b.String()
}

// section is a piece of a parameter that is written in several, or in another charset (RFC 2231 sections 3 and 4).
type section struct {
	n       int
	encoded bool
	value   string
}

// parseSection reads what stands behind the first * of a parameter's name: "", "0", "0*".
func parseSection(star, value string) (section, bool) {
	if star == "" {
		return section{0, true, value}, true
	}
	number, encoded := strings.CutSuffix(star, "*")
	n, err := strconv.Atoi(number)
	return section{n, encoded, value}, err == nil && n >= 0
}

// joinSections puts sections together up to the first that is missing.
func joinSections(all []section) (string, bool) {
	slices.SortStableFunc(all, func(a, b section) int { return a.n - b.n })
	var b []byte
	charset, next := "", 0
	for _, s := range all {
		if s.n < next {
			continue // twice
		}
		if s.n > next {
			break
		}
		next++
		if s.encoded && s.n == 0 {
			if name, rest, ok := strings.Cut(s.value, "'"); ok {
				if _, text, ok := strings.Cut(rest, "'"); ok {
					charset, s.value = name, text
				}
			}
		}
		if s.encoded {
			b = append(b, unpercent(s.value)...)
		} else {
			b = append(b, s.value...)
		}
	}
	out, _ := toUTF8(b, charset) // of an unknown charset, as well as can be
	return out, next > 0
}

func unpercent(s string) []byte {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return b
}

// token is RFC 2045 section 5.1.
func token(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// formatParam writes a parameter: as a token, quoted, or as RFC 2231 wants it where it is not ASCII or too long.
func formatParam(name, value string) string {
	const longest, piece = 200, 60
	value = strings.ToValidUTF8(value, "\uFFFD")
	if len(value) <= longest && plainText(value) {
		if token(value) {
			return name + "=" + value
		}
		return name + "=" + quote(value)
	}
	var parts []string
	part := "utf-8''"
	for _, r := range value {
		if len(part) > piece {
			parts, part = append(parts, part), ""
		}
		for _, c := range utf8.AppendRune(nil, r) {
			if s := string(rune(c)); token(s) && strings.IndexByte("*'%", c) < 0 { // attribute-char
				part += s
			} else {
				part += "%" + string("0123456789ABCDEF"[c>>4]) + string("0123456789ABCDEF"[c&15])
			}
		}
	}
	if parts == nil {
		return name + "*=" + part
	}
	parts = append(parts, part)
	for i, p := range parts {
		parts[i] = name + "*" + strconv.Itoa(i) + "*=" + p
	}
	return strings.Join(parts, "; ")
}

// quote writes a quoted-string (RFC 5322 section 3.2.4).
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
