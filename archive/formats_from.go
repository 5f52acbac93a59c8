package archive

import (
	"bytes"
	"strings"
	"time"

	"listd/mail"
)

// sender is what a "From " line says: who, as written, and when.
type sender struct {
	who []byte
	at  time.Time
}

// maxFromLine bounds a "From " line, in bytes. fromAhead is what must be in memory to judge one with the line behind it.
const (
	maxFromLine = 1000
	fromAhead   = maxFromLine + 200
)

// parseFromLine reads a line that begins with "From " and has a date at its end: asctime's (RFC 4155), with a zone
// before or behind the year, without seconds, or RFC 5322's. A time without zone is taken for UTC.
func parseFromLine(line []byte) (sender, bool) {
	line = bytes.TrimRight(line, "\r\n\x00 \t")
	if len(line) > maxFromLine || !bytes.HasPrefix(line, []byte("From ")) {
		return sender{}, false
	}
	line = line[len("From "):]
	if c := line[len(line)-1]; c < '0' || c > '9' {
		line, _, _ = bytes.Cut(line, []byte(" remote from ")) // RFC 976 section 2.3
	}
	var words [9][]byte // from the last back to the day's name
	rest := line
	for i := range words {
		rest = bytes.TrimRight(rest, " \t")
		start := bytes.LastIndexAny(rest, " \t") + 1
		word := rest[start:]
		rest = rest[:start]
		if i >= 3 && dayName(word) {
			at, ok := parseFromDate(words[:i])
			return sender{who: bytes.TrimSpace(rest), at: at}, ok
		}
		if words[i] = word; start == 0 {
			break
		}
	}
	return sender{}, false
}

func dayName(w []byte) bool {
	w = bytes.TrimSuffix(w, []byte(","))
	if len(w) != 3 {
		return false
	}
	switch string([]byte{w[0] | 0x20, w[1] | 0x20, w[2] | 0x20}) {
	case "mon", "tue", "wed", "thu", "fri", "sat", "sun":
		return true
	}
	return false
}

func monthName(w []byte) time.Month {
	const names = "janfebmaraprmayjunjulaugsepoctnovdec"
	if len(w) != 3 {
		return 0
	}
	for i := 0; i < len(names); i += 3 {
		if w[0]|0x20 == names[i] && w[1]|0x20 == names[i+1] && w[2]|0x20 == names[i+2] {
			return time.Month(i/3 + 1)
		}
	}
	return 0
}

// parseFromDate reads a date's words behind the day's name, in reverse. Their order is not heeded: what each is shows by
// itself.
func parseFromDate(words [][]byte) (time.Time, bool) {
	var month time.Month
	day, year, hour, minute, second := -1, -1, -1, 0, 0
	zone := ""
	for _, w := range words {
		n, number := digits(w)
		switch m := monthName(w); {
		case m != 0 && month == 0:
			month = m
		case number && len(w) == 4 && year < 0:
			year = n
		case number && len(w) <= 2 && day < 0:
			day = n
		case hour < 0 && bytes.IndexByte(w, ':') > 0:
			var ok bool
			if hour, minute, second, ok = clock(w); !ok {
				return time.Time{}, false
			}
		case bytes.HasPrefix(w, []byte("(")): // a zone's name as a comment
		case zone == "" && len(w) <= 6 && (w[0] == '+' || w[0] == '-' || w[0]|0x20 >= 'a' && w[0]|0x20 <= 'z'):
			zone = string(w)
		default:
			return time.Time{}, false
		}
	}
	if month == 0 || day < 1 || day > 31 || year < 0 || hour < 0 {
		return time.Time{}, false
	}
	t := time.Date(year, month, day, hour, minute, min(second, 59), 0, time.UTC)
	if zone != "" && zone != "+0000" {
		z, err := mail.ParseDate(t.Format("2 Jan 2006 15:04:05 ") + zone)
		return z, err == nil
	}
	return t, true
}

func digits(w []byte) (n int, ok bool) {
	if len(w) == 0 || len(w) > 4 {
		return 0, false
	}
	for _, c := range w {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// clock reads 12:00:00 or 12:00.
func clock(w []byte) (hour, minute, second int, ok bool) {
	h, rest, _ := bytes.Cut(w, []byte(":"))
	m, s, seconds := bytes.Cut(rest, []byte(":"))
	hour, okHour := digits(h)
	minute, okMinute := digits(m)
	okSecond := !seconds
	if seconds {
		second, okSecond = digits(s)
	}
	return hour, minute, second, okHour && okMinute && okSecond && hour < 24 && minute < 60 && second <= 60
}

// plain reports whether who is what stands in "From " lines: nothing, one word, "ann at example.org", or a local part in
// quotes. A line of prose is none of them.
func (s sender) plain() bool {
	if bytes.HasPrefix(s.who, []byte(`"`)) {
		return bytes.Contains(s.who, []byte(`"@`)) || bytes.Contains(s.who, []byte(`" at `))
	}
	return !bytes.ContainsAny(s.who, " \t") || s.obscured()
}

// obscured reports whether who is written "ann at example.org", in whatever language "at" is.
func (s sender) obscured() bool {
	w := bytes.Fields(s.who)
	return len(w) == 3 && len(w[1]) <= 10 && bytes.IndexByte(w[2], '.') > 0
}

// address is who it was; zero if the line does not say.
func (s sender) address() mail.Address {
	who := string(s.who)
	if local, domain, ok := cutObscured(who, true); ok {
		who = local + "@" + domain
	}
	a, err := mail.ParseAddress(strings.Trim(who, "<>"))
	if err != nil || a.Domain == "xxx" { // QUIRK: Google's exports: a number and @xxx
		return mail.Address{}
	}
	return a
}

// cutObscured reads an address that an archive wrote for people: "ann at example.org", "ann(a)example.org"; with any, in
// other languages too: Pipermail writes "at" in that of the list.
func cutObscured(s string, any bool) (local, domain string, ok bool) {
	if len(s) > 500 || strings.Contains(s, "@") {
		return "", "", false
	}
	w := strings.Fields(s)
	switch {
	case len(w) == 3 && (any || strings.EqualFold(w[1], "at")):
		local, domain = w[0], w[2]
	case len(w) == 1 && strings.Count(w[0], "(a)") == 1:
		local, domain, _ = strings.Cut(w[0], "(a)")
	}
	if _, err := mail.ParseAddress(local + "@" + domain); err != nil || !strings.Contains(domain, ".") {
		return "", "", false
	}
	return local, domain, true
}

// headLine is the name of the field with which b begins; false if it does not begin with one.
func headLine(b []byte) ([]byte, bool) {
	b = b[:min(len(b), 100)]
	for i, c := range b {
		switch {
		case c == ':':
			return bytes.TrimRight(b[:i], " \t"), i > 0
		case c == ' ' || c == '\t':
			if rest := bytes.TrimLeft(b[i:], " \t"); i == 0 || len(rest) == 0 || rest[0] != ':' {
				return nil, false
			}
		case c < ' ' || c >= 0x7f:
			return nil, false
		}
	}
	return nil, false
}

// usualField reports whether a name is one with which heads begin, rather than any word before a colon.
func usualField(name []byte) bool {
	if len(name) > 2 && name[1] == '-' && name[0]|0x20 == 'x' {
		return true
	}
	switch strings.ToLower(string(name)) {
	case "return-path", "received", "from", "to", "cc", "date", "subject", "message-id", "reply-to", "sender", "delivered-to",
		"envelope-to", "delivery-date", "mime-version", "content-type", "content-transfer-encoding", "content-length", "in-reply-to",
		"references", "status", "errors-to", "precedence", "organization", "lines", "path", "newsgroups", "approved", "via",
		"dkim-signature", "domainkey-signature", "arc-seal", "authentication-results", "received-spf", "list-id", "list-post",
		"list-unsubscribe", "resent-from", "resent-date", "resent-to", "archived-at", "user-agent", "importance":
		return true
	}
	return false
}
