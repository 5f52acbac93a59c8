package letter

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// The language of templates. What users write must reach no method, no file and no loop without an end, so it is not
// that of text/template but what is common to both: fields, conditions, and lists.

// Bounds of a template and of what becomes of it.
const (
	maxTemplate = 64 << 10 // bytes
	maxDepth    = 16       // of if and range within each other
	maxPath     = 8        // fields within each other
	maxOutput   = 1 << 20  // bytes, before values are filled in
	maxSteps    = 100_000  // tags and texts met on the way
	maxErrors   = 10       // that are told at once
)

// allowed tells who has written something else what would do.
const allowed = `allowed are {{.Field}}, {{or .Field "else"}}, {{if .Field}}, {{if not .Field}}, {{range .Items}}, {{else}}, {{end}}, {{"text"}} and {{/* comment */}}`

type nodeKind uint8

const (
	literal nodeKind = iota
	field
	cond
	loop
)

// node is a piece of a template.
type node struct {
	kind     nodeKind
	line     int
	text     string   // of a literal; of a field, what stands for an empty one
	path     []string // of all else
	root     bool     // path begins at the data, not at the item
	not      bool     // of a cond
	yes, alt []node
}

func (n node) name() string {
	s := "." + strings.Join(n.path, ".")
	if n.root {
		return "$" + s
	}
	return s
}

// lineError is something wrong in a line of a template.
type lineError struct {
	line int
	text string
}

func (e lineError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.text) }

func joinErrors(errs []error) error { return errors.Join(errs[:min(len(errs), maxErrors)]...) }

// open is an if or range that waits for its end.
type open struct {
	node
	inElse bool
}

// parser reads a template. The innermost open tag is the last.
type parser struct {
	text  string
	line  int
	stack []open
	errs  []error
}

func (p *parser) fail(format string, args ...any) {
	p.errs = append(p.errs, lineError{p.line, fmt.Sprintf(format, args...)})
}

// add puts a node where the innermost open tag has its content.
func (p *parser) add(n node) {
	top := &p.stack[len(p.stack)-1]
	if top.inElse {
		top.alt = append(top.alt, n)
	} else {
		top.yes = append(top.yes, n)
	}
}

// parse reads a template. What is wrong with it is told line by line.
func parse(text string) ([]node, []error) {
	if len(text) > maxTemplate {
		return nil, []error{fmt.Errorf("a template may have %d bytes, this one has %d", maxTemplate, len(text))}
	}
	text = foreign(text)
	p := parser{text: text, line: 1, stack: []open{{}}}
	lineBegins := true // rest does
	for rest := text; ; {
		before, after, ok := strings.Cut(rest, "{{")
		if !ok {
			p.literal(rest)
			break
		}
		body, next, closed := cutTag(after)
		if !closed {
			p.literal(before)
			p.fail("{{ without its }}")
			break
		}
		if standsAlone(body, before, next, lineBegins) {
			lineBegins = true
			p.literal(strings.TrimRight(before, " "))
			p.tag(body)
			if i := strings.IndexByte(next, '\n'); i >= 0 {
				p.line++
				next = next[i+1:]
			} else {
				next = ""
			}
		} else {
			lineBegins = false
			p.literal(before)
			p.tag(body)
		}
		rest = next
	}
	for _, o := range p.stack[1:] {
		p.errs = append(p.errs, lineError{o.line, "{{if}} or {{range}} without its {{end}}"})
	}
	return p.stack[0].yes, p.errs
}

// cutTag cuts a text at the }} that ends the tag it begins with; one in quotes or a comment does not.
func cutTag(s string) (body, rest string, ok bool) {
	if strings.HasPrefix(s, "/*") {
		body, rest, ok = strings.Cut(s, "*/}}")
		return body, rest, ok
	}
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\n':
			return "", "", false
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.HasPrefix(s[i:], "}}"):
			return s[:i], s[i+2:], true
		}
	}
	return "", "", false
}

// standsAlone reports whether a tag that writes nothing has a line for itself: then the line is not there either.
func standsAlone(tag, before, after string, begins bool) bool {
	word, _, _ := strings.Cut(strings.TrimSpace(tag), " ")
	switch {
	case word == "if", word == "else", word == "end", word == "range", strings.HasPrefix(tag, "/*"):
	default:
		return false
	}
	lead := strings.TrimRight(before, " ")
	tail, _, _ := strings.Cut(after, "\n")
	return (strings.HasSuffix(lead, "\n") || lead == "" && begins) && strings.TrimSpace(tail) == ""
}

func (p *parser) literal(s string) {
	if s != "" {
		p.add(node{kind: literal, line: p.line, text: s})
	}
	p.line += strings.Count(s, "\n")
}

// tag reads what stands between {{ and }}.
func (p *parser) tag(body string) {
	defer func() { p.line += strings.Count(body, "\n") }() // of a comment
	trimmed := strings.TrimSpace(body)
	word, rest, _ := strings.Cut(trimmed, " ")
	rest = strings.TrimSpace(rest)
	switch {
	case strings.HasPrefix(body, "/*"):
	case strings.HasPrefix(trimmed, `"`):
		if s, err := strconv.Unquote(trimmed); err != nil {
			p.fail("{{%s}} is no text in quotes", short(trimmed))
		} else {
			p.add(node{kind: field, line: p.line, text: s})
		}
	case word == "if" || word == "range":
		p.open(word, rest)
	case trimmed == "else":
		if top := &p.stack[len(p.stack)-1]; len(p.stack) == 1 || top.inElse {
			p.fail("{{else}} without its {{if}} or {{range}}")
		} else {
			top.inElse = true
		}
	case trimmed == "end":
		if len(p.stack) == 1 {
			p.fail("{{end}} without its {{if}} or {{range}}")
			return
		}
		n := p.stack[len(p.stack)-1].node
		p.stack = p.stack[:len(p.stack)-1]
		p.add(n)
	case word == "or":
		name, text, _ := strings.Cut(rest, " ")
		alt, err := strconv.Unquote(strings.TrimSpace(text))
		if n, ok := p.path(name); ok && err != nil {
			p.fail(`{{%s}}: want {{or .Field "text"}}`, short(trimmed))
		} else if ok {
			n.text = alt
			p.add(n)
		}
	default:
		if n, ok := p.path(trimmed); ok {
			p.add(n)
		}
	}
}

func (p *parser) open(word, rest string) {
	kind, not := loop, false
	if word == "if" {
		kind = cond
		if after, ok := strings.CutPrefix(rest, "not "); ok {
			rest, not = strings.TrimSpace(after), true
		}
	}
	n, ok := p.path(rest)
	if n.kind, n.not = kind, not; !ok {
		n.path = nil
	}
	if len(p.stack) > maxDepth {
		p.fail("more than %d {{if}} and {{range}} within each other", maxDepth)
	}
	p.stack = append(p.stack, open{node: n})
}

// path reads .A.B, $.A.B, or a dot alone.
func (p *parser) path(s string) (node, bool) {
	n := node{kind: field, line: p.line}
	s, n.root = strings.CutPrefix(s, "$")
	after, ok := strings.CutPrefix(s, ".")
	if ok && after != "" {
		n.path = strings.Split(after, ".")
	}
	for _, name := range n.path {
		ok = ok && isName(name)
	}
	if !ok || len(n.path) > maxPath {
		p.fail("{{%s}} is not understood; %s", short(s), allowed)
		return n, false
	}
	return n, true
}

func isName(s string) bool {
	for i, c := range []byte(s) {
		if letter := c|0x20 >= 'a' && c|0x20 <= 'z'; !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != ""
}

// runner writes what a template says about data. In place of each value it writes a mark: no value is ever read as
// Markdown or as a component.
type runner struct {
	root   any
	out    strings.Builder
	values []any
	steps  int
}

var errTooLong = fmt.Errorf("the template makes more than %d bytes, or more than %d steps, of its data", maxOutput, maxSteps)

func (r *runner) nodes(all []node, dot any) error {
	for _, n := range all {
		if r.steps++; r.steps > maxSteps || r.out.Len() > maxOutput {
			return errTooLong
		}
		if err := r.node(n, dot); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) node(n node, dot any) error {
	if n.kind == literal {
		r.out.WriteString(n.text)
		return nil
	}
	if n.kind == field && n.path == nil && !n.root && n.text != "" {
		r.value(n.text)
		return nil
	}
	from := dot
	if n.root {
		from = r.root
	}
	v, err := lookUp(from, n.path)
	if err != nil {
		return lineError{n.line, fmt.Sprintf("%s: %v", n.name(), err)}
	}
	switch n.kind {
	case cond:
		if truth(v) != n.not {
			return r.nodes(n.yes, dot)
		}
		return r.nodes(n.alt, dot)
	case loop:
		return r.loop(n, v, dot)
	}
	return r.field(n, v)
}

func (r *runner) field(n node, v any) error {
	if s, ok := v.(Slot); ok && n.text != "" {
		s.Fallback = n.text
		v = s
	} else if n.text != "" && !truth(v) {
		v = n.text
	}
	if !showable(v) {
		return lineError{n.line, fmt.Sprintf("%s is %s: name a field of it, or use it in {{range}} or {{if}}", n.name(), describe(v))}
	}
	r.value(v)
	return nil
}

func (r *runner) loop(n node, v any, dot any) error {
	list := reflect.ValueOf(v)
	if v == nil {
		return r.nodes(n.alt, dot)
	}
	if list.Kind() != reflect.Slice && list.Kind() != reflect.Array {
		return lineError{n.line, fmt.Sprintf("%s is %s, no list for {{range}}", n.name(), describe(v))}
	}
	if list.Len() == 0 {
		return r.nodes(n.alt, dot)
	}
	for i := range list.Len() {
		if err := r.nodes(n.yes, list.Index(i).Interface()); err != nil {
			return err
		}
	}
	return nil
}

// value keeps a value, and writes its mark.
func (r *runner) value(v any) {
	r.out.WriteRune(valueOpens)
	r.out.WriteString(strconv.Itoa(len(r.values)))
	r.out.WriteRune(valueEnds)
	r.values = append(r.values, v)
}
