package archive

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"listd/store"
)

// Bounds of a query: what is more is not looked for, and named.
const (
	maxQuery    = 1 << 10 // bytes of words and lists
	maxTyped    = 4 << 10 // bytes in all
	maxTerms    = 64
	maxOrs      = 8
	maxPrefixes = 4
	minPrefix   = 3 // bytes
)

// Wanted is a query understood: words that all must be there, "phrases", alternatives with OR, what must not be there
// with -, beginnings with *, from: and subject:, list:, date: with a year, month, day or a range of them such as
// 2026-01..2026-03, before: and after:, has:attachment. Everything else is words.
type Wanted struct {
	All   [][]Term  // of each, one at least
	Not   []Term    // none
	Lists []string  // addresses or their local parts, in lower case; any of them. None: all lists
	From  time.Time // dates in [From, To), UTC; zero: without end
	To    time.Time
	Files bool // with attachments only

	odd []string
}

// Odd is what of the query was not understood, or was too much.
func (w Wanted) Odd() []string { return w.odd }

// Term is a word or several side by side.
type Term struct {
	Field  store.WordField
	Text   string // as typed
	Prefix bool   // the last word may go on
}

// ParseQuery understands a query as well as can be; nothing is an error.
func ParseQuery(text string) Wanted {
	p := queryParser{}
	if len(text) > maxTyped {
		p.refuse(text[maxTyped:])
		text = text[:maxTyped]
	}
	text = strings.ToValidUTF8(text, " ")
	for text != "" {
		var t typed
		if t, text = nextTyped(text); t.text != "" || t.quoted {
			p.take(t)
		}
	}
	if p.or {
		p.refuse("OR")
	}
	return p.Wanted
}

// typed is a piece of a query.
type typed struct {
	minus  bool
	field  string // with the colon, in lower case, if it is one of ours
	text   string
	quoted bool
	star   bool
}

// quotes are those that people and their telephones type.
const quotes = "\"“”„«»"

// nextTyped cuts the next piece off. What parts pieces is blanks, control characters and parentheses; a quote that is not
// closed ends with the query.
func nextTyped(s string) (t typed, rest string) {
	s = strings.TrimLeftFunc(s, parts)
	if r, ok := strings.CutPrefix(s, "-"); ok {
		t.minus, s = true, r
	}
	if colon := strings.IndexByte(s, ':'); colon > 0 {
		switch f := strings.ToLower(s[:colon]); f {
		case "from", "subject", "list", "date", "before", "after", "has":
			t.field, s = f, s[colon+1:]
		}
	}
	if r, n := utf8.DecodeRuneInString(s); n > 0 && strings.ContainsRune(quotes, r) {
		t.quoted = true
		s = s[n:]
		end := strings.IndexAny(s, quotes)
		if end < 0 {
			t.text = s
			return t, ""
		}
		t.text = s[:end]
		_, n = utf8.DecodeRuneInString(s[end:])
		s = s[end+n:]
		if r, ok := strings.CutPrefix(s, "*"); ok {
			t.star, s = true, r
		}
		return t, s
	}
	end := strings.IndexFunc(s, func(r rune) bool { return parts(r) || strings.ContainsRune(quotes, r) })
	if end < 0 {
		end = len(s)
	}
	t.text, s = s[:end], s[end:]
	if w := strings.TrimRight(t.text, "*"); w != t.text {
		t.text, t.star = w, true
		if w == "" {
			t.text = "*"
		}
	}
	return t, s
}

// parts reports whether a character lies between the pieces of a query.
func parts(r rune) bool {
	return r <= ' ' || r == 0x7f || r == '(' || r == ')' || r == 0xa0 || r == 0x3000
}

// queryParser puts a Wanted together.
type queryParser struct {
	Wanted
	or       bool // the next term is an alternative to the one before
	not      bool // the next term must not be there
	positive bool // the last thing taken was a term of All
	terms    int
	ors      int
	prefixes int
	size     int // of words and lists
}

// fits reports whether there is room for a word or a list.
func (p *queryParser) fits(s string) bool {
	if p.size+len(s) > maxQuery {
		return false
	}
	p.size += len(s)
	return true
}

// refuse names what is not looked for.
func (p *queryParser) refuse(what string) {
	if what = clip(strings.TrimSpace(strings.ToValidUTF8(what, "")), 60); what != "" && len(p.odd) < 10 {
		p.odd = append(p.odd, what)
	}
}

func (p *queryParser) take(t typed) {
	if !t.quoted && t.field == "" && !t.minus {
		switch t.text {
		case "AND", "&", "&&":
			return
		case "OR", "|", "||":
			if !p.positive {
				p.refuse("OR")
			}
			p.or = p.positive
			return
		case "NOT":
			p.not = true
			return
		}
	}
	t.minus = t.minus || p.not
	p.not = false
	switch t.field {
	case "", "from", "subject":
		p.term(t)
	default:
		if p.or {
			p.refuse("OR")
		}
		p.or, p.positive = false, false
		if t.minus || !p.filter(t.field, t.text) {
			p.refuse(t.String())
		}
	}
}

func (t typed) String() string {
	s := t.text
	if t.field != "" {
		s = t.field + ":" + s
	}
	if t.minus {
		s = "-" + s
	}
	if t.star && t.text != "*" {
		s += "*"
	}
	return s
}

// term takes words. Those that hold nothing to look for are named, unless they are mere signs between others.
func (p *queryParser) term(t typed) {
	term := Term{Text: strings.Join(strings.FieldsFunc(t.text, func(r rune) bool { return r <= ' ' || r == 0x7f }), " ")}
	switch t.field {
	case "from":
		term.Field = store.InAuthor
	case "subject":
		term.Field = store.InSubject
	}
	tokens, prefix := term.tokens()
	if len(tokens) == 0 {
		if t.field != "" || t.star || t.quoted && t.text != "" {
			p.refuse(t.String())
		}
		return
	}
	if p.terms == maxTerms || !p.fits(term.Text) {
		p.refuse(t.String())
		return
	}
	if t.star && len(tokens[len(tokens)-1]) >= minPrefix {
		term.Prefix, prefix = true, true
	} else if t.star {
		p.refuse(t.String())
	}
	if prefix {
		if p.prefixes++; p.prefixes > maxPrefixes {
			p.refuse(t.String())
			return
		}
	}
	p.terms++
	if p.or && t.minus {
		p.refuse("OR")
		p.or = false
	}
	switch {
	case t.minus:
		p.Not = append(p.Not, term)
		p.positive = false
	case p.or:
		p.or = false
		if p.ors++; p.ors > maxOrs {
			p.refuse("OR " + t.String())
			return
		}
		last := len(p.All) - 1
		p.All[last] = append(p.All[last], term)
	default:
		p.All = append(p.All, []Term{term})
		p.positive = true
	}
}

// tokens are what to look for, side by side; prefix says that the last may go on. A letter alone of a script without spaces
// is the beginning of a pair; and a run may go on behind the query.
func (t Term) tokens() (out []string, prefix bool) {
	var end kind
	tk := tokenizer{emit: func(token []byte, k kind, _, _ int) bool {
		out, end = append(out, string(token)), k
		return len(out) < maxTerms
	}}
	tk.scan(t.Text)
	if len(out) > 0 && end == kindLast {
		out = out[:len(out)-1]
	}
	return out, len(out) > 0 && (t.Prefix || end == kindLone)
}

// forms are what a term may stand as in the index: as words, and, for readers who see whole addresses, as part of one, if
// that is wanted. A term that is one itself stands only so, and who must not see it finds nothing.
func (t Term) forms(whole, parts bool) []store.WordTerm {
	tokens, prefix := t.tokens()
	plain := make([]string, len(tokens))
	for i, token := range tokens {
		plain[i] = strings.TrimPrefix(token, covers)
	}
	as := func(tokens []string) store.WordTerm {
		return store.WordTerm{Field: t.Field, Tokens: tokens, Prefix: prefix}
	}
	switch {
	case len(tokens) == 0 || !whole:
		return []store.WordTerm{as(plain)}
	case !slices.Equal(plain, tokens):
		return []store.WordTerm{as(tokens)}
	case !parts:
		return []store.WordTerm{as(plain)}
	}
	covered := make([]string, len(plain))
	for i, token := range plain {
		covered[i] = covers + token
	}
	return []store.WordTerm{as(plain), as(covered)}
}

// filter takes what is no words; false if it makes no sense.
func (p *queryParser) filter(field, value string) bool {
	value = strings.ToLower(strings.TrimSpace(value))
	switch field {
	case "list":
		if value == "" || strings.ContainsAny(value, " \t") || !p.fits(value) {
			return false
		}
		p.Lists = append(p.Lists, value)
		return true
	case "has":
		switch value {
		case "attachment", "attachments", "file", "files":
			p.Files = true
			return true
		}
		return false
	case "date":
		from, to, ok := strings.Cut(value, "..")
		if !ok {
			to = from
		}
		return p.dates(from, to)
	case "before":
		start, _, ok := period(value)
		if ok {
			p.narrow(time.Time{}, start)
		}
		return ok
	}
	start, _, ok := period(value)
	if ok {
		p.narrow(start, time.Time{})
	}
	return ok
}

// dates takes a range, both ends included; an end that is left out is open.
func (p *queryParser) dates(from, to string) bool {
	var start, end time.Time
	ok := from != "" || to != ""
	if ok && from != "" {
		start, _, ok = period(from)
	}
	if ok && to != "" {
		_, end, ok = period(to)
	}
	if ok {
		p.narrow(start, end)
	}
	return ok
}

// lastYear is the last that has an end: before it ends a Place does.
const lastYear = 2240

func (p *queryParser) narrow(from, to time.Time) {
	if to.Year() > lastYear {
		to = time.Time{}
	}
	if from.After(p.From) {
		p.From = from
	}
	if !to.IsZero() && (p.To.IsZero() || to.Before(p.To)) {
		p.To = to
	}
}

// period is a year, a month or a day: from its start to its end, which is the start of the next. Years that a Place has.
func period(s string) (start, end time.Time, ok bool) {
	for _, p := range []struct {
		layout              string
		years, months, days int
	}{{"2006", 1, 0, 0}, {"2006-01", 0, 1, 0}, {"2006-1", 0, 1, 0}, {"2006-01-02", 0, 0, 1}, {"2006-1-2", 0, 0, 1}} {
		if t, err := time.Parse(p.layout, s); err == nil && t.Year() >= 1970 && t.Year() <= lastYear {
			return t, t.AddDate(p.years, p.months, p.days), true
		}
	}
	return time.Time{}, time.Time{}, false
}

// String is a query that is understood the same.
func (w Wanted) String() string {
	var out []string
	for _, group := range w.All {
		for i, t := range group {
			if i > 0 {
				out = append(out, "OR")
			}
			out = append(out, t.String())
		}
	}
	for _, t := range w.Not {
		out = append(out, "-"+t.String())
	}
	for _, l := range w.Lists {
		out = append(out, "list:"+guarded(l))
	}
	if !w.From.IsZero() {
		out = append(out, "after:"+w.From.Format(time.DateOnly))
	}
	if !w.To.IsZero() {
		out = append(out, "before:"+w.To.Format(time.DateOnly))
	}
	if w.Files {
		out = append(out, "has:attachment")
	}
	return strings.Join(out, " ")
}

// String is a term that is understood the same.
func (t Term) String() string {
	s := guarded(t.Text)
	if t.Prefix {
		s += "*"
	}
	return [...]string{store.Anywhere: "", store.InSubject: "subject:", store.InAuthor: "from:"}[t.Field] + s
}

// guarded puts quotes around what could mean something else without.
func guarded(s string) string {
	for _, r := range s {
		if r >= utf8.RuneSelf || !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r == '.' || r == '@' || r == '_') {
			return `"` + s + `"`
		}
	}
	return s
}
