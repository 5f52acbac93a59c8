package archive

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"listd/store"
)

// Bounds of a snippet, in characters.
const (
	maxSnippet = 240
	leadIn     = 60 // of what stands before the first mark
	maxMarks   = 2000
)

// Piece is a piece of a snippet; Mark says that it was looked for.
type Piece struct {
	Text string
	Mark bool
}

// mark is where in a text something stands that was looked for.
type mark struct {
	from, to int
	runes    int // characters before it
	term     int
}

// snippet is a passage of a post where most of what was looked for stands close together: of its author's own words if there
// is any, else of what is quoted; without any, how it begins.
func snippet(own, quoted string, m marker) []Piece {
	own = tidy(own)
	text, marks := own, m.marks(own)
	if len(marks) == 0 {
		if quoted = tidy(quoted); own == "" {
			text = quoted
		}
		if at := m.marks(quoted); len(at) > 0 {
			text, marks = quoted, at
		}
	}
	first, end := densest(marks)
	return pieces(text, marks, first, end)
}

// tidy is a text in one line, without what is not seen.
func tidy(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	space := false
	for _, r := range s {
		switch {
		case unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		case unicode.IsControl(r) || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == utf8.RuneError:
			continue // what turns the direction of writing would turn the page
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	return b.String()
}

// marker finds in texts what a query looks for.
type marker struct {
	terms  [][]string
	prefix []bool
	ends   map[string][]int // the terms that end with a token
	loose  []int            // the terms with a prefix
	depth  int              // tokens of the longest
}

func newMarker(all [][]store.WordTerm) marker {
	m := marker{ends: map[string][]int{}}
	for _, group := range all {
		for _, t := range group {
			if t.Field != store.Anywhere {
				continue
			}
			n, last := len(m.terms), t.Tokens[len(t.Tokens)-1]
			m.terms, m.prefix = append(m.terms, t.Tokens), append(m.prefix, t.Prefix)
			m.depth = max(m.depth, len(t.Tokens))
			if t.Prefix {
				m.loose = append(m.loose, n)
			} else {
				m.ends[last] = append(m.ends[last], n)
			}
		}
	}
	return m
}

// marks are where in a text the terms stand, in order.
func (m marker) marks(text string) (out []mark) {
	if len(m.terms) == 0 {
		return nil
	}
	type at struct {
		token string
		from  int
	}
	last := make([]at, 0, 2*m.depth) // the tokens before, as many as matter
	tk := tokenizer{emit: func(token []byte, _ kind, from, to int) bool {
		if len(last) == cap(last) {
			last = last[:copy(last, last[len(last)-m.depth+1:])]
		}
		last = append(last, at{string(token), from})
		check := func(n int) {
			term := m.terms[n]
			if len(last) < len(term) {
				return
			}
			tail := last[len(last)-len(term):]
			for i, want := range term {
				if tail[i].token != want && !(m.prefix[n] && i == len(term)-1 && strings.HasPrefix(tail[i].token, want)) {
					return
				}
			}
			out = append(out, mark{from: tail[0].from, to: to, term: n})
		}
		for _, n := range m.ends[string(token)] {
			check(n)
		}
		for _, n := range m.loose {
			check(n)
		}
		return len(out) < maxMarks
	}}
	tk.scan(text)
	slices.SortStableFunc(out, func(a, b mark) int { return a.from - b.from })
	byte, runes := 0, 0
	for i := range out {
		runes += utf8.RuneCountInString(text[byte:out[i].from])
		byte, out[i].runes = out[i].from, runes
	}
	return out
}

// densest are the marks [first, end) of a passage with the most different terms, and of those with the most marks.
func densest(marks []mark) (first, end int) {
	best := 0
	count := map[int]int{} // of each term within [i, j)
	for i, j := 0, 0; i < len(marks); i++ {
		for ; j < len(marks) && marks[j].runes-marks[i].runes <= maxSnippet-leadIn-40; j++ {
			count[marks[j].term]++
		}
		if score := 100*len(count) + min(j-i, 20); score > best {
			best, first, end = score, i, j
		}
		if count[marks[i].term]--; count[marks[i].term] == 0 {
			delete(count, marks[i].term)
		}
	}
	return first, end
}

// pieces cuts the passage around marks [first, end) out of a text.
func pieces(text string, marks []mark, first, end int) (out []Piece) {
	from := 0
	room := maxSnippet
	if first < end {
		from = back(text, marks[first].from, leadIn)
	}
	if from > 0 {
		room--
	}
	to := forth(text, from, room)
	if to < len(text) {
		to = forth(text, from, room-1)
		if space := strings.LastIndexByte(text[from:to], ' '); space > (to-from)*3/4 {
			to = from + space
		}
	}
	add := func(s string, marked bool) {
		if s != "" {
			out = append(out, Piece{s, marked})
		}
	}
	at, lead, trail := from, "", ""
	if from > 0 {
		lead = "…"
	}
	if to < len(text) {
		trail = "…"
	}
	for i := first; i < len(marks) && marks[i].from < to; i++ {
		if marks[i].from < at && marks[i].to <= at {
			continue // it lies within the last
		}
		start, stop := max(marks[i].from, at), min(marks[i].to, to)
		if n := len(out); n > 0 && out[n-1].Mark && start == at && lead == "" {
			out[n-1].Text += text[start:stop] // they overlap
		} else {
			add(lead+text[at:start], false)
			add(text[start:stop], true)
			lead = ""
		}
		at = stop
	}
	add(lead+text[at:to]+trail, false)
	return out
}

// back is up to n characters before a place, at the beginning of a word if there is one.
func back(text string, at, n int) int {
	from := at
	for ; n > 0 && from > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(text[:from])
		from -= size
	}
	if from > 0 {
		if space := strings.IndexByte(text[from:at], ' '); space >= 0 {
			from += space + 1
		}
	}
	return from
}

// forth is n characters behind a place.
func forth(text string, at, n int) int {
	for ; n > 0 && at < len(text); n-- {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}
