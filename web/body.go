package web

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"listd/mail"
)

// reading is how the text of a post is shown.
type reading struct {
	keep   discretion
	expand bool // long quotations are open
	plain  bool // for a feed: nothing folds
}

// foldAbove is how many quoted lines are shown as they are; more fold into one.
const foldAbove = 6

// run is a run of blocks of one kind.
type run struct {
	blocks []mail.Block
	kind   runKind
}

type runKind uint8

const (
	written runKind = iota
	quotation
	signed
)

// html is a body's text as HTML. Everything in it went through escape.
func (r reading) html(text string) template.HTML {
	var b bytes.Buffer
	for _, run := range runs(mail.Blocks(r.keep.text(text))) {
		switch run.kind {
		case written:
			for _, block := range run.blocks {
				r.prose(&b, block.Text)
			}
		case signed:
			b.WriteString(`<div class="sig" dir="auto">`)
			for _, block := range run.blocks {
				r.lines(&b, strings.Trim(block.Text, "\n"))
			}
			b.WriteString("</div>\n")
		case quotation:
			r.quotation(&b, run.blocks)
		}
	}
	return template.HTML(b.String()) // #nosec: made above
}

func runs(blocks []mail.Block) (out []run) {
	for _, b := range blocks {
		kind := written
		switch {
		case b.Depth > 0:
			kind = quotation
		case b.Signature:
			kind = signed
		}
		if strings.TrimSpace(b.Text) == "" && kind != quotation {
			continue
		}
		if n := len(out); n > 0 && out[n-1].kind == kind {
			out[n-1].blocks = append(out[n-1].blocks, b)
		} else {
			out = append(out, run{[]mail.Block{b}, kind})
		}
	}
	return out
}

func (r reading) quotation(b *bytes.Buffer, blocks []mail.Block) {
	lines := 0
	for _, q := range blocks {
		lines += strings.Count(strings.TrimRight(q.Text, "\n"), "\n") + 1
	}
	folds := lines > foldAbove && !r.plain
	if folds {
		open := ""
		if r.expand {
			open = " open"
		}
		said := ""
		if said, blocks = attribution(blocks); said != "" {
			said = `<bdi>` + escape(said) + "</bdi> "
		}
		fmt.Fprintf(b, "<details class=\"quote\"%s><summary>%s%d quoted lines</summary>", open, said, lines)
	}
	for _, q := range blocks {
		if text := strings.Trim(q.Text, "\n"); text != "" {
			fmt.Fprintf(b, "<blockquote class=\"q%d\" dir=\"auto\">", min(q.Depth, 4))
			r.lines(b, text)
			b.WriteString("</blockquote>\n")
		}
	}
	if folds {
		b.WriteString("</details>\n")
	}
}

// attribution takes a line such as "On Tuesday Ann wrote:" off the quotation that it begins.
func attribution(blocks []mail.Block) (said string, rest []mail.Block) {
	const longest = 200
	first, more, _ := strings.Cut(strings.TrimLeft(blocks[0].Text, "\n"), "\n")
	if first = strings.TrimSpace(first); !strings.HasSuffix(first, ":") || len(first) > longest {
		return "", blocks
	}
	rest = slices.Clone(blocks)
	rest[0].Text = more
	return first, rest
}

// prose writes paragraphs, and what must keep its columns in a fixed width.
func (r reading) prose(b *bytes.Buffer, text string) {
	var patch []string
	for _, p := range paragraphs(text) {
		if len(patch) > 0 && continues(p) || beginsPatch(p) {
			patch = append(patch, p)
			continue
		}
		r.patch(b, patch)
		patch = nil
		if columns(p) {
			b.WriteString(`<pre tabindex="0">`)
			r.lines(b, p)
			b.WriteString("</pre>\n")
			continue
		}
		b.WriteString(`<p dir="auto">`)
		r.lines(b, p)
		b.WriteString("</p>\n")
	}
	r.patch(b, patch)
}

// paragraphs cuts at empty lines; the lines of a patch stay together.
func paragraphs(text string) (out []string) {
	var at, start int
	flush := func(end int) {
		if p := strings.Trim(text[start:end], "\n"); strings.TrimSpace(p) != "" {
			out = append(out, p)
		}
	}
	for at < len(text) {
		end := strings.IndexByte(text[at:], '\n')
		if end < 0 {
			break
		}
		if strings.TrimSpace(text[at:at+end]) == "" && (end == 0 || text[at] != ' ') { // " " is an empty line of a patch
			flush(at)
			start = at + end + 1
		}
		at += end + 1
	}
	flush(len(text))
	return out
}

// beginsPatch reports whether a paragraph has the beginning of a unified diff.
func beginsPatch(p string) bool {
	return strings.HasPrefix(p, "diff --git ") || strings.Contains(p, "\ndiff --git ") || strings.HasPrefix(p, "@@ -") ||
		strings.Contains(p, "\n@@ -") || strings.HasPrefix(p, "--- ") && strings.Contains(p, "\n+++ ")
}

// continues reports whether a paragraph looks like more of a patch.
func continues(p string) bool {
	switch p[0] {
	case ' ', '+', '-', '@', '\\':
		return !strings.HasPrefix(p, "- ") || strings.Contains(p, "\n+")
	}
	return strings.HasPrefix(p, "diff ") || strings.HasPrefix(p, "index ")
}

// columns reports whether a paragraph has been set in a fixed width: most of its lines are indented, or have gaps.
func columns(p string) bool {
	fixed, lines := 0, 0
	for line := range strings.SplitSeq(p, "\n") {
		lines++
		text := strings.TrimLeft(line, " ")
		if strings.HasPrefix(line, "\t") || len(line)-len(text) >= 4 || strings.Contains(text, "   ") || strings.Contains(text, "\t") ||
			strings.HasPrefix(text, "|") || strings.HasPrefix(text, "+--") || strings.ContainsAny(text, "│─┌└") || strings.HasPrefix(line, "$ ") || strings.HasPrefix(line, ">>> ") {
			fixed++
		}
	}
	return fixed*2 >= lines
}

// patch writes the paragraphs of a unified diff, each line by what it says.
func (r reading) patch(b *bytes.Buffer, paragraphs []string) {
	if len(paragraphs) == 0 {
		return
	}
	b.WriteString(`<pre class="diff" tabindex="0">`)
	for line := range strings.SplitSeq(strings.Join(paragraphs, "\n\n"), "\n") {
		class := ""
		switch {
		case strings.HasPrefix(line, "+++ "), strings.HasPrefix(line, "--- "), strings.HasPrefix(line, "diff "), strings.HasPrefix(line, "index "):
			class = "file"
		case strings.HasPrefix(line, "@@"):
			class = "hunk"
		case strings.HasPrefix(line, "+"):
			class = "add"
		case strings.HasPrefix(line, "-"):
			class = "del"
		}
		if class == "" {
			b.WriteString(escape(line) + "\n")
		} else {
			b.WriteString(`<span class="` + class + `">` + escape(line) + "\n</span>") // a line of its own to its edge
		}
	}
	b.WriteString("</pre>\n")
}

// lines writes text as it stands, with its links.
func (r reading) lines(b *bytes.Buffer, text string) {
	for text != "" {
		at := linkAt(text)
		if at < 0 {
			break
		}
		b.WriteString(escape(text[:at]))
		link := linkOf(text[at:])
		text = text[at+len(link):]
		if u, err := url.Parse(link); err != nil || u.Host == "" || strings.Contains(link, "@…") {
			b.WriteString(escape(link))
			continue
		}
		b.WriteString(`<a href="` + escape(link) + `" rel="nofollow noopener noreferrer ugc">` + escape(link) + `</a>`)
	}
	b.WriteString(escape(text))
}

// linkAt is where the next link to the web begins, -1 if there is none.
func linkAt(s string) int {
	for at := 0; ; {
		i := strings.Index(s[at:], "://")
		if i < 0 {
			return -1
		}
		end := at + i
		start := end
		for start > at && (s[start-1] >= 'a' && s[start-1] <= 'z' || s[start-1] >= 'A' && s[start-1] <= 'Z') && end-start < 6 {
			start--
		}
		if scheme := strings.ToLower(s[start:end]); scheme == "http" || scheme == "https" {
			return start
		}
		at = end + 3
	}
}

// linkOf is the link that s begins with. A sign of punctuation at its end is the sentence's.
func linkOf(s string) string {
	const longest = 2000
	end := strings.IndexFunc(s[:min(len(s), longest)], func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune("<>\"“”«»‘’`", r)
	})
	if end < 0 {
		end = min(len(s), longest)
	}
	for end > 0 {
		r, size := utf8.DecodeLastRuneInString(s[:end])
		closing := r == ')' && strings.Count(s[:end], "(") < strings.Count(s[:end], ")") || r == ']' && !strings.Contains(s[:end], "[")
		if !closing && !strings.ContainsRune(".,;:!?'*…", r) {
			break
		}
		if size == 0 || end-size < len("http://") {
			break
		}
		end -= size
	}
	return s[:end]
}

// face is what stands for a picture of somebody: a letter, and one of twelve colors.
type face struct {
	Letter string
	Color  int
}

const faceColors = 12

func faceOf(name string) face {
	h := fnv.New32a()
	_, _ = h.Write([]byte(strings.ToLower(name))) // a hash takes everything
	for _, r := range name {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return face{string(unicode.ToUpper(r)), int(h.Sum32() % faceColors)}
		}
	}
	return face{"?", 0}
}
