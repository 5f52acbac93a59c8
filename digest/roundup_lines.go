package digest

import (
	"cmp"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"listd/letter"
	"listd/store"
)

// This file picks from what members wrote: beginnings, best lines, links.

// excerpt is the first question of a text with what leads to it, or else its beginning, cut at the end of a sentence or a
// word.
func excerpt(text string) string {
	text = oneLine(text, roundRead)
	if at := strings.Index(text, "? "); at >= 0 {
		begin := strings.LastIndexAny(text[:at], ".!") + 1
		if s := strings.TrimSpace(text[begin : at+1]); utf8.RuneCountInString(s) <= roundExcerpt && begin > roundExcerpt {
			return s
		}
	}
	if utf8.RuneCountInString(text) <= roundExcerpt {
		return text
	}
	cut := string([]rune(text)[:roundExcerpt])
	if at := strings.LastIndexAny(cut, ".!?"); at > len(cut)/2 {
		return cut[:at+1]
	}
	if at := strings.LastIndexByte(cut, ' '); at > 0 {
		cut = cut[:at]
	}
	return cut + " …"
}

// verbatim is a member's text as Markdown that says nothing but it (CommonMark section 2.4).
func verbatim(text string) letter.Markdown {
	var b strings.Builder
	for _, r := range text {
		if r < utf8.RuneSelf && strings.ContainsRune("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return letter.Markdown(b.String())
}

// line is a sentence of a post's.
type line struct {
	post  store.Post
	text  string
	words []string
	score float64
}

// A best line has this many characters.
const minLine, maxLine = 30, 220

// maxOwn is how much of a post is looked at for its best line, in bytes.
const maxOwn = 4 << 10

// bestLines are sentences of a thread's answers that say most of what is spoken of in it: those whose words others use
// too, weighed against their length. They are of different people, none of them the one who began, in the order they came.
func bestLines(t topic, texts readings) []line {
	var all []line
	used := map[string]int{} // how many posts have a word
	for i, p := range t.posts {
		text := texts[p.Seq].text
		if len(text) > maxOwn {
			text = strings.ToValidUTF8(text[:maxOwn], "")
		}
		here := map[string]bool{}
		for _, w := range longWords(text) {
			if !here[w] {
				here[w] = true
				used[w]++
			}
		}
		if i == 0 || strings.EqualFold(p.Author, t.posts[0].Author) {
			continue
		}
		for _, s := range sentences(text) {
			all = append(all, line{post: p, text: s, words: longWords(s)})
		}
	}
	for i, l := range all {
		for j, w := range l.words {
			if !slices.Contains(l.words[:j], w) {
				all[i].score += float64(used[w] - 1)
			}
		}
		all[i].score /= math.Sqrt(float64(len(l.words) + 1))
	}
	slices.SortStableFunc(all, func(a, b line) int { return -cmp.Compare(a.score, b.score) })
	var out []line
	for _, l := range all {
		if len(out) < roundLines && !slices.ContainsFunc(out, func(o line) bool { return strings.EqualFold(o.post.Author, l.post.Author) }) {
			out = append(out, l)
		}
	}
	slices.SortStableFunc(out, func(a, b line) int { return cmp.Compare(a.post.Seq, b.post.Seq) })
	return out
}

// sentences are those of a text that can stand alone: not too short, not too long, of words rather than signs, and
// without a link.
func sentences(text string) (out []string) {
	for par := range strings.SplitSeq(text, "\n\n") {
		par = oneLine(par, roundRead)
		for par != "" {
			end := sentenceEnd(par)
			s := strings.TrimSpace(par[:end])
			par = par[end:]
			n, letters := 0, 0
			for _, r := range s {
				n++
				if unicode.IsLetter(r) || r == ' ' {
					letters++
				}
			}
			if n >= minLine && n <= maxLine && letters*10 >= n*8 && !strings.Contains(s, "://") && !strings.HasSuffix(s, ":") {
				out = append(out, s)
			}
		}
	}
	return out
}

// sentenceEnd is where the first sentence of a line ends.
func sentenceEnd(s string) int {
	for i, r := range s {
		n := i + utf8.RuneLen(r)
		switch r {
		case '.', '!', '?':
			if n == len(s) || s[n] == ' ' {
				return n
			}
		case '。', '！', '？':
			return n
		}
	}
	return len(s)
}

// longWords are the words of a text that are long enough to mean something in any language that parts words.
func longWords(text string) []string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	return slices.DeleteFunc(words, func(w string) bool { return utf8.RuneCountInString(w) < 4 })
}

// links are what was shared most, then first.
func (m Material) links(w roundWords, topics []topic, texts readings) (out []letter.Link) {
	type shared struct {
		post   store.Post
		people map[string]bool
		url    string
	}
	at := map[string]int{}
	var all []shared
	for _, t := range topics {
		for _, p := range t.posts {
			for _, u := range linksIn(texts[p.Seq].text) {
				if m.URL != "" && strings.HasPrefix(u, m.URL+"/") {
					continue
				}
				i, known := at[u]
				if !known {
					i = len(all)
					at[u] = i
					all = append(all, shared{p, map[string]bool{}, u})
				}
				all[i].people[strings.ToLower(p.Author)] = true
			}
		}
	}
	slices.SortStableFunc(all, func(a, b shared) int {
		return cmp.Or(-cmp.Compare(len(a.people), len(b.people)), cmp.Compare(a.post.Seq, b.post.Seq))
	})
	for _, s := range all[:min(len(all), roundLinks)] {
		l := letter.Link{Title: shortURL(s.url), URL: s.url, Meta: fmt.Sprintf(w.one, m.author(s.post))}
		if n := len(s.people); n > 1 && !m.List.Policy.Anonymous {
			l.Meta = fmt.Sprintf(w.sharers, n)
		}
		out = append(out, l)
	}
	return out
}

// maxURL is how long a link is that a round-up repeats, in bytes; maxLinks how many of a post it looks at.
const maxURL, maxLinks = 400, 20

// linksIn are the web addresses in a text.
func linksIn(text string) (out []string) {
	for len(out) < maxLinks {
		at := strings.Index(text, "http")
		if at < 0 {
			break
		}
		text = text[at:]
		end := strings.IndexFunc(text, func(r rune) bool {
			return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("<>\"|\\^`{}", r)
		})
		if end < 0 {
			end = len(text)
		}
		u := strings.TrimRight(text[:end], ".,;:!?'*_]…")
		if strings.HasSuffix(u, ")") && !strings.Contains(u, "(") {
			u = strings.TrimRight(u, ").,")
		}
		if webURL(u) && !slices.Contains(out, u) {
			out = append(out, u)
		}
		text = text[max(end, len("http")):]
	}
	return out
}

// webURL reports whether a text is the address of a page that a round-up may link to.
func webURL(s string) bool {
	if len(s) > maxURL || !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.User == nil && strings.Contains(u.Hostname(), ".")
}

// shortURL is an address as people say it.
func shortURL(s string) string {
	_, s, _ = strings.Cut(s, "://")
	s, _, _ = strings.Cut(s, "?")
	s, _, _ = strings.Cut(s, "#")
	return oneLine(strings.TrimSuffix(strings.TrimPrefix(s, "www."), "/"), 70)
}
