package mail

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// spot is an address and where it stands in a text.
type spot struct {
	address    Address
	start, end int
}

// maxSpots bounds the addresses of one line.
const maxSpots = 200

// addressesIn finds what reads like name@domain.tld in a text. Each @ looks at most 320 bytes around itself.
func addressesIn(s string) (out []spot) {
	for at := 0; len(out) < maxSpots; {
		i := strings.IndexByte(s[at:], '@')
		if i < 0 {
			return out
		}
		i += at
		at = i + 1
		start, end := localStart(s, i), domainEnd(s, i+1)
		if start == i || end == i+1 || len(out) > 0 && start < out[len(out)-1].end {
			continue
		}
		a, err := ParseAddress(s[start:end])
		if err != nil || strings.IndexByte(a.Domain, '.') < 0 && a.Domain[0] != '[' {
			continue
		}
		out = append(out, spot{a, start, end})
		at = end
	}
	return out
}

// localStart is where the local part before the @ at i begins.
func localStart(s string, i int) int {
	low := max(0, i-maxLocal-2)
	if i > 1 && s[i-1] == '"' {
		for j := i - 2; j >= low; j-- {
			if s[j] == '"' && (j == 0 || s[j-1] != '\\') {
				return j
			}
		}
		return i
	}
	j := i
	for j > low && (atext(s[j-1]) || s[j-1] == '.' || s[j-1] >= utf8.RuneSelf) {
		j--
	}
	if j < i && s[j] >= utf8.RuneSelf { // where no blank stands before it, as in Chinese, ASCII begins it
		for k := j; k < i; {
			r, n := utf8.DecodeRuneInString(s[k:])
			if k += n; strings.ContainsRune("　：，。、（）「」《》【】“”‘’«»„·•", r) || r == utf8.RuneError {
				j = k
			}
		}
		if first := strings.IndexFunc(s[j:i], func(r rune) bool { return r < utf8.RuneSelf }); first > 0 && cjk(s[j:j+first]) {
			j += first
		}
	}
	for j < i && strings.IndexByte("'`=*|./{", s[j]) >= 0 {
		j++
	}
	if k := strings.LastIndexByte(s[j:i], '='); k >= 0 && strings.EqualFold(s[j:j+k], "smtp") {
		j += k + 1
	}
	return j
}

// cjk reports whether s is written without blanks between words.
func cjk(s string) bool {
	for _, r := range s {
		if r < 0x2e80 {
			return false
		}
	}
	return true
}

// domainEnd is where the domain that begins at i ends.
func domainEnd(s string, i int) int {
	if i < len(s) && s[i] == '[' {
		if j := strings.IndexByte(s[i:min(len(s), i+60)], ']'); j > 0 {
			return i + j + 1
		}
		return i
	}
	j := i
	for j < len(s) && j < i+maxDomain {
		c := s[j]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[j:])
			if r == utf8.RuneError || r > 0x2000 && r < 0x3040 || r >= 0xff00 || r == '\u00a0' || r == '«' || r == '»' {
				break
			}
			j += n
			continue
		}
		if !digit(c) && !letter(c) && c != '.' && c != '-' && c != '_' {
			break
		}
		j++
	}
	if plain := strings.IndexFunc(s[i:j], func(r rune) bool { return r >= 0x2e80 }); plain > 0 { // bob@example.org不存在
		j = i + plain
	}
	for j > i && strings.IndexByte(".-_", s[j-1]) >= 0 {
		j--
	}
	return j
}

// line is a line of a report's own words.
type line struct {
	text   string // without its end
	low    string // in lower case, blanks single, trimmed
	indent int
	at     int // where low begins in words.all
	spots  []spot
}

// words are a report's own words.
type words struct {
	n      *notice
	lines  []line
	all    string // the lines' low ones; paragraphs end with \n, lines within them with a blank
	opens  []opening
	kinds  [lastOpener]bool
	cands  []Address       // whom it says it could not deliver to, once failing has looked
	taken  map[string]bool // the candidates' keys
	done   bool
	about  map[string][]int // lines by address
	common *string          // what shared found
}

// opening is an opener's phrase in the text, by lines.
type opening struct{ kind, first, last int }

const maxWordLines = 20000

// ownWords cuts the text at the returned message and finds the phrases that open something.
func (n *notice) ownWords() *words {
	w := readLines(n, n.text)
	if len(w.opens) == 0 && n.html != "" {
		if h := readLines(n, textOfHTML(n.html)); len(h.opens) > 0 {
			return h
		}
	}
	return w
}

func readLines(n *notice, text string) *words {
	w := &words{n: n}
	var all strings.Builder
	all.Grow(min(len(text), 8<<10))
	rest, at := text, 0
	for rest != "" && len(w.lines) < maxWordLines {
		var raw string
		raw, rest, _ = strings.Cut(rest, "\n")
		raw = strings.TrimRight(raw, " \t\r\u00a0")
		l := line{text: raw, low: folded(raw[:min(len(raw), 4000)]), at: all.Len()}
		if endOfOwn(l, rest) && !(all.Len() == 0 && leadIn(rest)) {
			w.takeReturned(text[at:])
			break
		}
		at = len(text) - len(rest)
		l.indent = len(raw) - len(strings.TrimLeft(raw, " \t"))
		if strings.IndexByte(raw, '@') >= 0 {
			l.spots = addressesIn(raw)
		}
		switch {
		case l.low == "":
			all.WriteByte('\n')
		default:
			all.WriteString(l.low)
			all.WriteByte(' ')
		}
		w.lines = append(w.lines, l)
	}
	w.all = all.String()
	w.findOpenings()
	return w
}

// endOfOwn reports whether the returned message begins with a line: by words that say so, or like a head.
func endOfOwn(l line, rest string) bool {
	if l.low == "" {
		return false
	}
	bare := strings.Trim(l.low, "-=*_#+<>.:~ \t")
	if len(bare) < 100 && originalMarks.begins(bare) && strings.IndexByte(bare, '@') < 0 {
		return strings.IndexByte("-=*_#<+>", l.low[0]) >= 0 || strings.HasSuffix(l.low, ":") || headSoon(rest)
	}
	for _, m := range originalHeads {
		if strings.HasPrefix(l.low, m) && len(l.text) > 0 && l.text[0]|0x20 == m[0] {
			next, _, _ := strings.Cut(rest, "\n")
			return strings.HasPrefix(next, " ") || strings.HasPrefix(next, "\t") || fieldName([]byte(next)) != ""
		}
	}
	return false
}

// leadIn reports whether a few fields of the message, with which a report begins, are followed by what the report says.
func leadIn(rest string) bool {
	for range 8 {
		var next string
		next, rest, _ = strings.Cut(rest, "\n")
		if next = strings.TrimSpace(next); next == "" {
			next, _, _ = strings.Cut(strings.TrimLeft(rest, " \t\r\n"), "\n")
			said := false
			openers.each(folded(next[:min(len(next), 300)]), func(id, _, _ int) bool {
				said = said || id == openFail || id == openInline
				return !said
			})
			return said
		}
		if fieldName([]byte(next)) == "" {
			return false
		}
	}
	return false
}

// headSoon reports whether one of the next lines is a field that heads have.
func headSoon(rest string) bool {
	for range 6 {
		var next string
		next, rest, _ = strings.Cut(rest, "\n")
		switch strings.ToLower(fieldName([]byte(strings.TrimLeft(next[:min(len(next), 200)], " \t>")))) {
		case "received", "return-path", "from", "to", "subject", "date", "message-id", "mime-version", "delivered-to", "dkim-signature", "content-type", "x-mailer":
			return true
		}
	}
	return false
}

// takeReturned reads the head of a message that is returned within the text.
func (w *words) takeReturned(s string) {
	if w.n.returned != nil {
		return
	}
	s = s[:min(len(s), maxReportHead)]
	for tries := 0; tries < 12 && s != ""; tries++ {
		if name := fieldName([]byte(firstOf(s))); name != "" && !strings.Contains(strings.ToLower(name), "original") && !strings.HasPrefix(name, "Content-") {
			h, _ := cutHead([]byte(s))
			w.n.returned = h
			return
		}
		_, s, _ = strings.Cut(s, "\n")
		s = strings.TrimLeft(s, " \t")
	}
}

func firstOf(s string) string {
	l, _, _ := strings.Cut(s, "\n")
	return l
}

func (w *words) findOpenings() {
	i := 0
	openers.each(w.all, func(id, start, end int) bool {
		for i+1 < len(w.lines) && w.lines[i+1].at <= start {
			i++
		}
		first := i
		last := first
		for last+1 < len(w.lines) && w.lines[last+1].at < end {
			last++
		}
		w.kinds[id] = true
		w.opens = append(w.opens, opening{id, first, last})
		return len(w.opens) < 1000
	})
}

// first is the number of the first line with an opener of one of the kinds, counted without empty ones, -1 if there is none.
func (w *words) first(kinds ...int) int {
	for _, o := range w.opens {
		if slices.Contains(kinds, o.kind) {
			n := 0
			for _, l := range w.lines[:o.first] {
				if l.low != "" {
					n++
				}
			}
			return n
		}
	}
	return -1
}

// delayed reports whether the words warn of a delay only.
func (w *words) delayed() bool {
	if w.kinds[openWarning] {
		return true
	}
	d, f := w.first(openDelay), w.first(openFail, openInline)
	return d >= 0 && (f < 0 || d <= f)
}

// readWords reads a report that has no structure to go by.
func (n *notice) readWords(w *words) (Report, bool) {
	trust := n.trust(w)
	if trust == 0 || (n.absent || n.challenge) && !n.bounced {
		return Report{}, false
	}
	if n.delay || w.delayed() {
		return Report{Kind: Delayed}, true
	}
	if s, f := w.first(openSuccess), w.first(openFail, openInline); s >= 0 && (f < 0 || s <= f) {
		return Report{Kind: Delivered}, true
	}
	r := Report{Kind: Bounce}
	set := newFailureSet(&r)
	for _, a := range w.failing(trust) {
		if f := w.failure(a); f.Class != Unknown || f.Code != 0 || trust == 2 || n.nullPath {
			set.add(f)
		}
	}
	if len(r.Failures) == 0 && !(trust == 2 && (n.bounced || w.kinds[openFail] || w.kinds[openInline])) {
		return Report{}, false
	}
	return r, true
}

// trust is how far the words may be read: 0 not at all, 1 where they begin like a report, 2 for a mail system's own.
func (n *notice) trust(w *words) int {
	first := w.first(openFail, openInline, openDelay, openWarning)
	switch {
	case n.daemon && n.person && !n.bounced && !n.nullPath && !n.auto && n.top != "multipart/report":
		if first >= 0 && first < 6 {
			return 1
		}
		return 0
	case n.daemon, n.nullPath && n.bounced, n.top == "multipart/report" && !n.receipt:
		return 2
	case n.replied && !n.nullPath && !n.bounced:
		return 0
	case n.nullPath && first >= 0 && first < 20, n.bounced && first >= 0 && first < 4, first >= 0 && first < 2 && greetings.begins(w.greeting()):
		return 1
	}
	return 0
}

// greeting is the first line of the words.
func (w *words) greeting() string {
	for _, l := range w.lines {
		if l.low != "" {
			return strings.TrimLeft(l.low, "- ")
		}
	}
	return ""
}

// failuresOf are the failures of X-Failed-Recipients.
func (w *words) failuresOf(all []Address) []Failure {
	var r Report
	set := newFailureSet(&r)
	for _, a := range all {
		set.add(w.failure(a))
	}
	return r.Failures
}

func (w *words) failure(a Address) Failure { return failure(a, "", w.reason(a)) }
