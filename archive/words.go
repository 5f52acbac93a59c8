package archive

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"listd/mail"
)

// Bounds of what is indexed of a post, in bytes.
const (
	maxToken = 64        // of a token; what is longer is cut, here and in queries
	maxText  = 256 << 10 // of a text
	maxWords = 640 << 10 // of its tokens: some letters come apart into many, and those that stand in pairs count twice
)

// kind says how a token came about.
type kind uint8

const (
	kindWord kind = iota // letters and digits between others
	kindPair             // two neighbours in a script without spaces between words
	kindLast             // the last letter of a run of such
	kindLone             // a run of one letter
	kindSign             // a picture, each by itself
)

// tokenizer cuts texts into tokens: runs of letters, marks and digits, folded; everything else parts them, so that
// foo_bar, foo.bar and ann@example.org are each several tokens side by side. Scripts that do not part words (Han, Kana,
// Hangul, Thai and its neighbours) give each two letters that stand together, and the last one alone: then any part of a
// run is found as a phrase, and a letter alone by a prefix.
type tokenizer struct {
	// emit takes a token, which is its own until it returns, and where in the text it stands; false ends it all.
	emit func(token []byte, k kind, from, to int) bool

	token    []byte
	full     bool // the token has reached its bound
	from, to int
	run      []letter
	odd      bool // the run needs composing
	cut      bool // the run has given pairs already
	stop     bool
	covered  bool // what is scanned is an address
	cover    []byte
}

// covers begins a token of an address. So a word finds what readers see, and who must not see addresses cannot ask for one.
// No text has it in a token: it is for private use.
const covers = "\ue001"

// letter is one of a run, and where it stands.
type letter struct {
	r        rune
	from, to int
}

// maxRun is how many letters of a run wait to be composed.
const maxRun = 512

// folds are the bytes of ASCII that are part of words, in lower case, by their value; 0 for all others.
const folds = zeros16 + zeros16 + zeros16 + "0123456789" + "\x00\x00\x00\x00\x00\x00\x00" + alphabet +
	"\x00\x00\x00\x00\x00\x00" + alphabet + "\x00\x00\x00\x00\x00" + zeros16 + zeros16 + zeros16 + zeros16 + zeros16 + zeros16 + zeros16 + zeros16

const (
	alphabet = "abcdefghijklmnopqrstuvwxyz"
	zeros16  = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
)

// scan cuts a text; what is not UTF-8 parts words.
func (t *tokenizer) scan(text string) {
	at := 0
	for from, to := range mail.Spotted(text) {
		t.stretch(text, at, from)
		t.covered = true
		t.stretch(text, from, to)
		t.covered, at = false, to
	}
	t.stretch(text, at, len(text))
}

// stretch cuts a part of a text that ends between two words.
func (t *tokenizer) stretch(text string, i, end int) {
	for i < end && !t.stop {
		switch c := text[i]; {
		case folds[c] != 0:
			i = t.ascii(text, i)
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(text[i:])
			t.rune(r, text[i:i+n], i)
			i += n
		default:
			t.part()
			i++
		}
	}
	t.part()
}

// give gives a token; false if no other is wanted.
func (t *tokenizer) give(token []byte, k kind, from, to int) bool {
	if t.covered {
		t.cover = append(append(t.cover[:0], covers...), token...)
		token = t.cover
	}
	return t.emit(token, k, from, to)
}

// ascii takes the letters and digits at i and says what is behind them.
func (t *tokenizer) ascii(text string, i int) int {
	if len(t.run) > 0 {
		t.endRun()
	}
	if len(t.token) == 0 {
		t.from = i
	}
	token := t.token
	for ; i < len(text) && folds[text[i]] != 0; i++ {
		if len(token) < maxToken && !t.full {
			token = append(token, folds[text[i]])
		}
	}
	t.token, t.to = token, i
	return i
}

// rune takes a letter beyond ASCII: taken apart (NFKD), without the marks that may be left out.
func (t *tokenizer) rune(r rune, s string, at int) {
	switch {
	case r == utf8.RuneError:
		t.part()
	case unspaced(r):
		t.push(r, at, at+len(s))
	case ignored(r):
		if len(t.token) > 0 {
			t.to = at + len(s) // a mark belongs to the letter before it
		}
	default:
		parts := norm.NFKD.PropertiesString(s).Decomposition()
		if parts == nil {
			t.folded(r, at, at+len(s))
			return
		}
		for len(parts) > 0 {
			r, n := utf8.DecodeRune(parts)
			parts = parts[n:]
			switch {
			case unspaced(r):
				t.push(r, at, at+len(s))
			case !ignored(r):
				t.folded(r, at, at+len(s))
			}
		}
	}
}

// folded takes a letter that does not come apart.
func (t *tokenizer) folded(r rune, from, to int) {
	if pictures(r) {
		t.part()
		t.stop = t.stop || !t.give([]byte(string(r)), kindSign, from, to)
		return
	}
	if !unicode.In(r, unicode.L, unicode.M, unicode.N) {
		t.part()
		return
	}
	if len(t.run) > 0 {
		t.endRun()
	}
	if len(t.token) == 0 {
		t.from = from
	}
	t.to = to
	if t.full {
		return
	}
	n := len(t.token)
	if s := spelled(r); s != "" {
		t.token = append(t.token, s...)
	} else {
		t.token = utf8.AppendRune(t.token, unicode.ToLower(r))
	}
	if len(t.token) > maxToken {
		t.token, t.full = t.token[:n], true
	}
}

// spelled are letters that Unicode does not take apart, though people leave out what distinguishes them.
func spelled(r rune) string {
	switch r {
	case 'ß', 'ẞ':
		return "ss"
	case 'æ', 'Æ':
		return "ae"
	case 'œ', 'Œ':
		return "oe"
	case 'ø', 'Ø':
		return "o"
	case 'đ', 'Đ', 'ð', 'Ð':
		return "d"
	case 'ħ', 'Ħ':
		return "h"
	case 'ł', 'Ł':
		return "l"
	case 'ŧ', 'Ŧ':
		return "t"
	case 'þ', 'Þ':
		return "th"
	case 'ı':
		return "i"
	case 'ς':
		return "σ"
	}
	return ""
}

// ignored are marks that may be left out where they can be written at all (accents, the vowels of Arabic and Hebrew), and
// what is not seen. The vowel signs of India are letters like others.
func ignored(r rune) bool {
	switch {
	case r < 0x300:
		return r == 0xad
	case r >= 0x0300 && r <= 0x036f, r >= 0x0483 && r <= 0x0489, r >= 0x0591 && r <= 0x05bd, r == 0x05bf,
		r == 0x05c1, r == 0x05c2, r == 0x05c4, r == 0x05c5, r == 0x05c7, r >= 0x0610 && r <= 0x061a, r == 0x061c, r == 0x0640,
		r >= 0x064b && r <= 0x065f, r == 0x0670, r >= 0x06d6 && r <= 0x06dc, r >= 0x06df && r <= 0x06e4, r == 0x06e7, r == 0x06e8,
		r >= 0x06ea && r <= 0x06ed, r >= 0x0730 && r <= 0x074a:
		return true
	case r >= 0x1ab0 && r <= 0x1aff, r >= 0x1dc0 && r <= 0x1dff, r >= 0x200c && r <= 0x200f, r >= 0x202a && r <= 0x202e,
		r >= 0x2060 && r <= 0x2069, r >= 0x20d0 && r <= 0x20ff, r >= 0xfe00 && r <= 0xfe0f, r >= 0xfe20 && r <= 0xfe2f,
		r == 0xfeff, r >= 0x1f3fb && r <= 0x1f3ff, r >= 0xe0000 && r <= 0xe01ef:
		return true
	}
	return false
}

// unspaced are letters of scripts that put no spaces between words, and what composes them.
func unspaced(r rune) bool {
	switch {
	case r < 0x0e01:
		return false
	case r < 0x1100:
		return r <= 0x0e4e && r != 0x0e3f || r >= 0x0e81 && r <= 0x0ecd || r >= 0x1000 && r <= 0x109f && (r < 0x1040 || r > 0x104f)
	case r <= 0x11ff, r >= 0x1780 && r <= 0x17d3: // Hangul letters, Khmer
		return true
	case r < 0x2e80:
		return false
	case r <= 0x2fd5, r >= 0x3005 && r <= 0x3007, r >= 0x3031 && r <= 0x3035, r >= 0x303b && r <= 0x303c, r >= 0x3041 && r <= 0x309a,
		r >= 0x309d && r <= 0x309f, r >= 0x30a1 && r <= 0x30fa, r >= 0x30fc && r <= 0x318e, r >= 0x31a0 && r <= 0x31bf,
		r >= 0x31f0 && r <= 0x31ff, r >= 0x3400 && r <= 0x4dbf, r >= 0x4e00 && r <= 0x9fff, r >= 0xa960 && r <= 0xa97c,
		r >= 0xac00 && r <= 0xd7fb, r >= 0xf900 && r <= 0xfaff, r >= 0xff66 && r <= 0xffdc, r >= 0x1b000 && r <= 0x1b16f,
		r >= 0x20000 && r <= 0x323af:
		return true
	}
	return false
}

// composes reports whether a letter may have another form (NFKC): letters of Hangul, voice marks, halves of width.
func composes(r rune) bool {
	return r == 0x0e33 || r == 0x0eb3 || r >= 0x1100 && r <= 0x11ff || r >= 0x2e80 && r <= 0x2fd5 || r == 0x3099 || r == 0x309a || r == 0x309f ||
		r == 0x30ff || r >= 0x3131 && r <= 0x318e || r >= 0xa960 && r <= 0xa97c || r >= 0xd7b0 && r <= 0xfaff || r >= 0xff66 && r <= 0xffdc ||
		r >= 0x2f800 && r <= 0x2fa1f || r >= 0x1025 && r <= 0x102e
}

// pictures are signs that people look for: emoji, and what was there before them.
func pictures(r rune) bool {
	return r >= 0x2600 && r <= 0x27bf || r >= 0x1f000 && r <= 0x1faff
}

func (t *tokenizer) push(r rune, from, to int) {
	if len(t.token) > 0 {
		t.endWord()
	}
	t.odd = t.odd || composes(r)
	t.run = append(t.run, letter{r, from, to})
	if len(t.run) >= maxRun {
		t.compose()
		t.pairs()
		if n := len(t.run); n > 0 {
			t.run, t.cut = append(t.run[:0], t.run[n-1]), true
		}
	}
}

// part ends what is under way.
func (t *tokenizer) part() {
	if len(t.token) > 0 {
		t.endWord()
	}
	if len(t.run) > 0 {
		t.endRun()
	}
}

func (t *tokenizer) endWord() {
	if !t.stop {
		t.stop = !t.give(t.token, kindWord, t.from, t.to)
	}
	t.token, t.full = t.token[:0], false
}

func (t *tokenizer) endRun() {
	t.compose()
	t.pairs()
	if n := len(t.run); n > 0 && !t.stop {
		l, k := t.run[n-1], kindLast
		if n == 1 && !t.cut {
			k = kindLone
		}
		t.stop = !t.give(utf8.AppendRune(t.token[:0], l.r), k, l.from, l.to)
	}
	t.run, t.cut = t.run[:0], false
}

func (t *tokenizer) pairs() {
	for i := 1; i < len(t.run) && !t.stop; i++ {
		a, b := t.run[i-1], t.run[i]
		t.stop = !t.give(utf8.AppendRune(utf8.AppendRune(t.token[:0], a.r), b.r), kindPair, a.from, b.to)
	}
}

// compose puts the run into its composed form.
func (t *tokenizer) compose() {
	if !t.odd {
		return
	}
	t.odd = false
	var s strings.Builder
	at := make([]int, 0, len(t.run)) // where each letter stands in s
	for _, l := range t.run {
		at = append(at, s.Len())
		s.WriteRune(l.r)
	}
	old := append([]letter(nil), t.run...)
	t.run = t.run[:0]
	var it norm.Iter
	it.InitString(norm.NFKC, s.String())
	for i := 0; !it.Done(); {
		composed := it.Next()
		end := i + 1
		for end < len(at) && at[end] < it.Pos() {
			end++
		}
		for _, r := range string(composed) {
			if unspaced(r) {
				t.run = append(t.run, letter{r, old[i].from, old[end-1].to})
			}
		}
		i = min(end, len(old)-1)
	}
}

// tokens are the tokens of a text, a space between two.
func tokens(text string) string {
	if len(text) > maxText {
		text = text[:maxText]
	}
	out := make([]byte, 0, len(text)+len(text)/8)
	t := tokenizer{emit: func(token []byte, _ kind, _, _ int) bool {
		if len(out)+1+len(token) > maxWords {
			return false
		}
		if len(out) > 0 {
			out = append(out, ' ')
		}
		out = append(out, token...)
		return true
	}}
	t.scan(text)
	return string(out)
}
