package mail

import "strings"

// Block is a run of lines that one person wrote: Depth says how often it was quoted since, 0 being the author's own
// words. Lines are without the marks of quotes, and a Text does not end in a line end. Signature says that it stands
// below "-- ", or is what programs and lists put below; its delimiter is not there.
type Block struct {
	Depth     int
	Text      string
	Signature bool
}

// Blocks cuts a text, such as Body.Text, into what its author wrote and what is quoted: by > or |, below a line like
// "On Tuesday Ann wrote:", or as Outlook does, below the head of the message that is answered. Such a line belongs to
// the quote. Empty lines between blocks are in none.
func Blocks(text string) []Block {
	c := blockCutter{lines: strings.Split(text, "\n")}
	for i := 0; i < len(c.lines); {
		i += c.take(i)
	}
	c.end()
	return c.out
}

// OwnWords is what the author of a text wrote: no quotes, no signature.
func OwnWords(text string) string {
	own, _ := splitWords(text)
	return own
}

// splitWords parts the author's words from quotes. Signatures are neither.
func splitWords(text string) (own, quoted string) {
	var o, q strings.Builder
	for _, b := range Blocks(text) {
		to := &o
		if b.Depth > 0 {
			to = &q
		}
		if !b.Signature {
			if to.Len() > 0 {
				to.WriteByte('\n')
			}
			to.WriteString(b.Text + "\n")
		}
	}
	return o.String(), q.String()
}

// SearchText is what a search finds a message by: the words of its author, those that are quoted, and the names that
// the sender gave to files, a line each. It reads as much as ReadBody with the same max.
func SearchText(m Message, max int) (own, quoted, files string) {
	b := readBody(m, max, false)
	own, quoted = splitWords(b.Text)
	var names strings.Builder
	for _, f := range b.Files {
		if !f.made {
			names.WriteString(f.Name + "\n")
		}
	}
	return own, quoted, names.String()
}

// maxDepth is how deep a Block is at most.
const maxDepth = 50

// blockCutter cuts a text into blocks.
type blockCutter struct {
	lines []string
	out   []Block

	base      int  // the depth of lines that nothing marks: what Outlook quotes
	signature bool // such lines are one
	last      int  // the depth of the last line that was not empty, without base
	heading   bool // that line says that a quoted message follows

	now     Block
	text    strings.Builder
	blanks  int // empty lines since the last of now
	tails   int // how often shortTail was asked
	prompts int // lines before this one that look like a quote are what a program shows
	checked int // lines before this one were looked at for that
}

// take takes the lines at i into blocks and says how many they were.
func (c *blockCutter) take(i int) int {
	l := strings.TrimRight(c.lines[i], " \t\r")
	if l == "" {
		c.blanks++
		return 1
	}
	depth, l := c.quoteDepth(i, l)
	if depth > 0 {
		c.signature = false
		c.put(c.base+depth, l, false)
		c.last, c.heading = depth, false
		return 1
	}
	n := c.special(i, l)
	if n == 0 {
		c.put(c.base, l, c.signature)
		c.last, c.heading, n = 0, false, 1
	}
	return n
}

// special takes lines that are more than text; 0 if they are not.
func (c *blockCutter) special(i int, l string) int {
	if n := headLines(c.lines[i:], c.heading); n > 0 && (c.heading || !c.patchHead(i)) {
		return c.quoteFrom(i, n, !c.heading)
	}
	switch {
	case announcesQuote(l) && quoteFollows(c.lines[i+1:]):
		c.signature = false
		c.put(c.base+1, l, false)
		c.last, c.heading = 1, false
		return 1
	case announcesQuote(l), ruled(l) && headLines(c.after(i), true) > 0:
		n := c.quoteFrom(i, 1, true)
		c.heading = true
		return n
	case l == "-----BEGIN PGP SIGNED MESSAGE-----":
		return c.machine(i, func(l string) bool { return strings.TrimSpace(l) == "" }, 5)
	case l == "-----BEGIN PGP SIGNATURE-----":
		return c.machine(i, func(l string) bool { return strings.HasPrefix(l, "-----END PGP SIGNATURE-----") }, 100)
	case l == "--" && (strings.TrimRight(c.lines[i], "\r") == "-- " || c.shortTail(i)):
		c.end()
		c.signature, c.last, c.heading = true, 0, false
		return 1
	case strings.HasPrefix(l, footerRule) && strings.Trim(l, "_") == "" && c.shortTail(i):
		c.signature = true
		return 0
	case !c.signature && c.paragraphEnds(i) && byProgram(l):
		c.put(c.base, l, true)
		c.last, c.heading = 0, false
		return 1
	}
	n := attribution(c.lines[i:])
	if n == 0 {
		return 0
	}
	if quoteFollows(c.lines[i+n:]) {
		c.signature = false
		for _, l := range c.lines[i : i+n] {
			c.put(c.base+1, strings.TrimSpace(l), false)
		}
		c.last, c.heading = 1, false
		return n
	}
	if !surelyAttribution(c.lines[i : i+n]) {
		return 0
	}
	return c.quoteFrom(i, n, true)
}

// quoteFrom takes n lines as the beginning of a quote to which all lines belong that follow; one deeper than before.
func (c *blockCutter) quoteFrom(i, n int, deeper bool) int {
	if deeper {
		c.base++
	}
	c.signature = false
	for _, l := range c.lines[i : i+n] {
		if l = strings.TrimSpace(l); l != "" {
			c.put(c.base, l, false)
		}
	}
	c.last, c.heading = 0, false
	return n
}

// machine takes lines that no person wrote, up to one that ends them, at most so many.
func (c *blockCutter) machine(i int, ends func(string) bool, most int) int {
	n := 1
	c.put(c.base, c.lines[i], true)
	for ; i+n < len(c.lines) && n < most; n++ {
		l := c.lines[i+n]
		if strings.TrimSpace(l) != "" {
			c.put(c.base, strings.TrimRight(l, " \t\r"), true)
		}
		if ends(l) {
			return n + 1
		}
	}
	return n
}

// put adds a line to the block it belongs to.
func (c *blockCutter) put(depth int, l string, signature bool) {
	depth = min(depth, maxDepth)
	if strings.TrimSpace(l) == "" { // a quoted empty line
		c.blanks++
		return
	}
	if c.text.Len() > 0 && (c.now.Depth != depth || c.now.Signature != signature) {
		c.end()
	}
	if c.text.Len() == 0 {
		c.now = Block{Depth: depth, Signature: signature}
	} else {
		c.text.WriteByte('\n')
		for range c.blanks {
			c.text.WriteByte('\n')
		}
	}
	c.blanks = 0
	c.text.WriteString(l)
}

// end ends the block.
func (c *blockCutter) end() {
	if c.text.Len() > 0 {
		c.now.Text = c.text.String()
		c.out = append(c.out, c.now)
		c.text.Reset()
	}
	c.blanks = 0
}

// quoteDepth is how deep a line is quoted, and the line without the marks.
func (c *blockCutter) quoteDepth(i int, l string) (depth int, rest string) {
	switch {
	case l[0] == '>' || strings.HasPrefix(l, " >"):
		if strings.HasPrefix(l, ">From ") && c.last == 0 && (i+1 == len(c.lines) || !strings.HasPrefix(c.lines[i+1], ">")) {
			return 0, l[1:] // QUIRK: mbox files escape it so (RFC 4155)
		}
		if c.prompt(i, l) {
			return 0, l
		}
		rest = strings.TrimPrefix(l, " ")
		for strings.HasPrefix(rest, ">") || depth > 0 && strings.HasPrefix(rest, " >") {
			rest = strings.TrimPrefix(strings.TrimPrefix(rest, " "), ">")
			depth++
		}
		return depth, strings.TrimPrefix(rest, " ")
	case c.last == 0:
		return 0, l // bars make tables, initials prompts, unless a quote was announced
	case l[0] == '|':
		for rest = l; strings.HasPrefix(rest, "|"); depth++ {
			rest = strings.TrimPrefix(rest[1:], " ")
		}
		if strings.Contains(rest, "|") {
			return 0, l
		}
		return depth, rest
	}
	if n := initials(l); n > 0 {
		return 1, strings.TrimPrefix(l[n:], " ")
	}
	return 0, l
}

// prompt reports whether a line that begins with >>> is what a Python interpreter shows: nothing announces a quote, and
// none of another depth is around it.
func (c *blockCutter) prompt(i int, l string) bool {
	if i < c.checked {
		return i < c.prompts
	}
	if c.last > 0 || l != ">>>" && !strings.HasPrefix(l, ">>> ") {
		return false
	}
	end, all := i, true
	for ; end < len(c.lines) && strings.HasPrefix(c.lines[end], ">"); end++ {
		rest, ok := strings.CutPrefix(c.lines[end], ">>>")
		all = all && ok && !strings.HasPrefix(rest, ">") && !strings.HasPrefix(rest, " >")
	}
	if c.checked = end; all {
		c.prompts = end
	}
	return all
}

// after are the lines behind i, less an empty one.
func (c *blockCutter) after(i int) []string {
	if i++; i < len(c.lines) && strings.TrimSpace(c.lines[i]) == "" {
		i++
	}
	return c.lines[min(i, len(c.lines)):]
}

// paragraphEnds reports whether no line of text follows directly.
func (c *blockCutter) paragraphEnds(i int) bool {
	return i+1 == len(c.lines) || strings.TrimSpace(c.lines[i+1]) == "" || c.lines[i+1][0] == '>'
}

// patchHead reports whether the line before i is the first of a patch as git writes it: its head quotes nobody.
func (c *blockCutter) patchHead(i int) bool {
	return i > 0 && strings.HasPrefix(c.lines[i-1], "From ")
}

// shortTail reports whether only few lines follow, up to the end or a quote.
func (c *blockCutter) shortTail(i int) bool {
	const few, most = 12, 50
	if c.tails++; c.tails > most {
		return false // nobody signs so often
	}
	for n, l := range c.lines[i+1:] {
		if strings.HasPrefix(l, ">") || announcesQuote(l) || attribution(c.lines[i+1+n:]) > 0 {
			return true
		}
		if n >= few && strings.TrimSpace(strings.Join(c.lines[i+1+n:min(i+4+n, len(c.lines))], "")) != "" {
			return false
		}
		if n >= few {
			return true
		}
	}
	return true
}
