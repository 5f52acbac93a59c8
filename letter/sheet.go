package letter

import (
	"strconv"
	"strings"
)

// sheet writes the text part.
type sheet struct {
	strings.Builder
	vals  values
	links []string // by their footnote, the first is [1]
	// before stands at the beginning of each line: the marks of quotes, the indents of lists. next is what stands there once.
	before, next string
	tight        bool // no empty line is due before the next block
}

// maxLinkWidth is how long a link may be that stands in the text itself.
const maxLinkWidth = 40

// width is how many columns there are for a line.
func (s *sheet) width() int { return max(textWidth, columns(s.before)+20) }

// gap begins a block: an empty line is before it, unless it is the first.
func (s *sheet) gap() {
	if s.Len() > 0 && !s.tight {
		s.WriteString(strings.TrimRight(s.before, " "))
		endLine(&s.Builder)
	}
	s.tight = false
}

// take is what stands before the first line of a block.
func (s *sheet) take() string {
	first := s.before
	if s.next != "" {
		first, s.next = s.next, ""
	}
	return first
}

// para writes a text, broken at its spaces.
func (s *sheet) para(text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	s.gap()
	wrap(&s.Builder, s.take(), s.before, text, s.width())
}

// lines writes lines as they are.
func (s *sheet) lines(all []string) {
	if len(all) == 0 {
		return
	}
	s.gap()
	for _, l := range all {
		s.WriteString(strings.TrimRight(s.take()+l, " "))
		endLine(&s.Builder)
	}
}

// heading underlines the first two levels.
func (s *sheet) heading(text string, level int) {
	if strings.TrimSpace(text) == "" {
		return
	}
	s.para(text)
	if level <= 2 {
		rule := "="
		if level == 2 {
			rule = "-"
		}
		n := min(max(columns(text), 3), textWidth-columns(s.before))
		s.tight = true
		s.lines([]string{strings.Repeat(rule, max(3, n))})
	}
}

// within writes blocks behind marks of their own: first before the first line, then rest.
func (s *sheet) within(first, rest string, write func()) {
	before := s.before
	s.next, s.before = s.take()+first, before+rest
	write()
	s.before, s.next = before, ""
}

// footnote is the number of a link.
func (s *sheet) footnote(to string) string {
	for i, l := range s.links {
		if l == to {
			return "[" + strconv.Itoa(i+1) + "]"
		}
	}
	s.links = append(s.links, to)
	return "[" + strconv.Itoa(len(s.links)) + "]"
}

// footnotes writes the links, each in a line that nothing breaks.
func (s *sheet) footnotes() {
	var all []string
	for i, l := range s.links {
		all = append(all, "["+strconv.Itoa(i+1)+"] "+l)
	}
	s.lines(all)
	s.links = nil
}

// letter writes the whole text.
func (s *sheet) letter(main, foot []Block) {
	s.blocks(main)
	if len(foot) > 0 {
		below := sheet{vals: s.vals, links: s.links, tight: true}
		below.blocks(foot)
		s.links = below.links
		s.footnotes()
		// RFC 3676 section 4.3: what is below is no part of a reply.
		s.WriteString("\n-- \n" + below.String())
		return
	}
	s.footnotes()
}

func (s *sheet) blocks(all []Block) {
	for _, b := range all {
		b.sheet(s)
	}
}

// table writes rows in columns; the cells of right-hand columns end together. What is wider than the line is written
// cell by cell.
func (s *sheet) table(head []string, rows [][]string, right []bool) {
	all := rows
	if len(head) > 0 {
		all = append([][]string{head}, rows...)
	}
	var widths []int
	for _, r := range all {
		for i, c := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(c))
		}
	}
	total := -2
	for _, w := range widths {
		total += w + 2
	}
	if total > s.width()-columns(s.before) {
		s.tall(head, rows)
		return
	}
	var lines []string
	for n, r := range all {
		var b strings.Builder
		for i, c := range r {
			if i > 0 {
				b.WriteString("  ")
			}
			b.WriteString(pad(c, widths[i], i < len(right) && right[i]))
		}
		lines = append(lines, b.String())
		if n == 0 && len(head) > 0 {
			var rule []string
			for _, w := range widths {
				rule = append(rule, strings.Repeat("-", w))
			}
			lines = append(lines, strings.Join(rule, "  "))
		}
	}
	s.lines(lines)
}

// tall writes a table that is too wide: each row is a list of its cells.
func (s *sheet) tall(head []string, rows [][]string) {
	for _, r := range rows {
		s.gap()
		mark := "* "
		for i, c := range r {
			if c == "" {
				continue
			}
			if i < len(head) && head[i] != "" {
				c = head[i] + ": " + c
			}
			wrap(&s.Builder, s.take()+mark, s.before+"  ", c, s.width())
			mark = "  "
		}
	}
}
