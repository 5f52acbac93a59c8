package mail

import (
	"strings"
	"unicode/utf8"
)

// cleanText is a text with LF for every line end, without other control characters than tabs, and at most max bytes of
// it. A terminal may show it.
func cleanText(s string, max int) string {
	s = cutText(s, max)
	at := 0 // what lies before is in b
	var b strings.Builder
	for i := 0; i < len(s); {
		c, size, put := s[i], 1, ""
		if c >= ' ' && c < 0x7f || c == '\n' || c == '\t' {
			i++
			continue
		}
		switch {
		case c == '\r':
			if put = "\n"; strings.HasPrefix(s[i+1:], "\n") {
				put = ""
			}
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			if size = n; r == '\u2028' || r == '\u2029' || r == '\u0085' {
				put = "\n"
			} else if r >= 0xa0 && r != '\uFEFF' {
				i += n
				continue
			}
		}
		if b.Cap() == 0 {
			b.Grow(len(s))
		}
		b.WriteString(s[at:i])
		b.WriteString(put)
		i += size
		at = i
	}
	if at == 0 {
		return s
	}
	b.WriteString(s[at:])
	return b.String()
}

// cutText is at most max bytes of s, whole characters.
func cutText(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max]
}

// trimLines takes off empty lines above, and white space below; the last line has its end.
func trimLines(s string) string {
	for {
		line, rest, ok := strings.Cut(s, "\n")
		if !ok || strings.TrimSpace(line) != "" {
			break
		}
		s = rest
	}
	end := len(strings.TrimRight(s, " \t\n\u00a0"))
	if end == 0 {
		return ""
	}
	if s[end:] == "\n" {
		return s
	}
	return s[:end] + "\n"
}

// cleanLine is a text in one line of at most max bytes, with single blanks.
func cleanLine(s string, max int) string {
	s = cleanText(s, max*4)
	return cutText(strings.Join(strings.Fields(s), " "), max)
}

// flowed reports whether a plain text has its paragraphs in lines that belong together (RFC 3676).
func (p *Part) flowed() bool { return strings.EqualFold(p.Params["format"], "flowed") }

// unflow puts the paragraphs of a flowed text together (RFC 3676 section 4): a line that ends in a space goes on in the
// next of the same quote depth. Quotes are marked by "> ", ">> " and so on.
func (p *Part) unflow(text string) string {
	delSp := strings.EqualFold(p.Params["delsp"], "yes")
	var b strings.Builder
	b.Grow(len(text))
	open, last := false, 0
	for line := range strings.SplitSeq(text, "\n") {
		rest := strings.TrimLeft(line, ">")
		depth := len(line) - len(rest)
		stuffed := strings.HasPrefix(rest, " ")
		rest = strings.TrimPrefix(rest, " ")
		flows := strings.HasSuffix(rest, " ") && rest != "-- "
		if open && (depth != last || rest == "-- ") {
			open = false
			b.WriteByte('\n')
		}
		if !open && depth > 0 {
			b.WriteString(line[:depth])
			if b.WriteByte(' '); rest == "" {
				flows = false
			}
		} else if !open && stuffed && strings.HasPrefix(rest, ">") {
			b.WriteString("  ") // not a quote, though it begins like one (section 4.4)
		}
		if flows && delSp {
			rest = rest[:len(rest)-1]
		}
		b.WriteString(rest)
		if open, last = flows, depth; !open {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// enriched is the text of text/enriched (RFC 1896): commands in angle brackets, << for one, and line ends that count
// only where there are two. rich is its elder text/richtext (RFC 1341), where no line end counts.
func enriched(s string, rich bool) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	var b strings.Builder
	inParam := false
	for s != "" {
		i := strings.IndexAny(s, "<\n")
		if i < 0 {
			i = len(s)
		}
		if !inParam {
			b.WriteString(s[:i])
		}
		if s = s[i:]; s == "" {
			break
		}
		if s[0] == '\n' {
			n := len(s) - len(strings.TrimLeft(s, "\n"))
			if s = s[n:]; n == 1 || rich {
				b.WriteByte(' ')
			} else {
				b.WriteString(strings.Repeat("\n", min(n-1, maxBreaks)))
			}
			continue
		}
		if strings.HasPrefix(s, "<<") && !rich {
			b.WriteByte('<')
			s = s[2:]
			continue
		}
		command, _, ok := strings.Cut(s[1:min(len(s), 62)], ">")
		if !ok { // RFC 1896: commands have at most 60 characters
			b.WriteByte('<')
			s = s[1:]
			continue
		}
		s = s[1+len(command)+1:]
		switch strings.ToLower(command) {
		case "param":
			inParam = true
		case "/param":
			inParam = false
		case "nl", "paragraph", "/paragraph":
			b.WriteByte('\n')
		case "lt":
			b.WriteByte('<')
		}
	}
	return b.String()
}

// invitation is what text/calendar says of its first event (RFC 5545): what, when, where, and why.
func invitation(s string) string {
	s = strings.NewReplacer("\n ", "", "\n\t", "").Replace(cleanText(s, len(s))) // section 3.1
	said := map[string]string{}
	in := false
	for line := range strings.SplitSeq(s, "\n") {
		name, value, _ := strings.Cut(line, ":")
		name, _, _ = strings.Cut(name, ";")
		switch name = strings.ToUpper(name); {
		case !in:
			in = name == "BEGIN" && strings.EqualFold(value, "VEVENT")
		case said[name] == "":
			said[name] = strings.NewReplacer(`\n`, "\n", `\N`, "\n", `\,`, ",", `\;`, ";", `\\`, `\`).Replace(value)
		}
		if in && name == "END" && strings.EqualFold(value, "VEVENT") {
			break
		}
	}
	var b strings.Builder
	for _, name := range []string{"SUMMARY", "DTSTART", "DTEND", "LOCATION", "DESCRIPTION"} {
		v := said[name]
		if strings.HasPrefix(name, "DT") {
			v = calendarTime(v)
		}
		if v != "" && name == "DESCRIPTION" {
			b.WriteByte('\n')
		}
		if v != "" {
			b.WriteString(v + "\n")
		}
	}
	return b.String()
}

// calendarTime is a time as people read it: 20250110T090000Z is 2025-01-10 09:00 UTC.
func calendarTime(s string) string {
	day, clock, timed := strings.Cut(s, "T")
	if len(day) != 8 || strings.Trim(day+clock, "0123456789Z") != "" {
		return s
	}
	day = day[:4] + "-" + day[4:6] + "-" + day[6:]
	if !timed || len(clock) < 4 {
		return day
	}
	day += " " + clock[:2] + ":" + clock[2:4]
	if strings.HasSuffix(clock, "Z") {
		day += " UTC"
	}
	return day
}
