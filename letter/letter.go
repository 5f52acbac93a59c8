// Package letter makes the parts of a mail that a person reads: from a template, Markdown and data come a text and an HTML
// part that say the same, with styles inlined and pictures beside them. It also cuts encoded mails at the slots that
// differ for each recipient. It is pure: no clock, no files but the built-in templates, no network.
//
// Enter with BuiltIn and Render for a letter, Check for a template that a user has written, Markdown for a single text,
// Compile for a mail that many get.
//
// RFC 2045 section 6.7 (quoted-printable), RFC 2047, RFC 2392 (cid).
package letter

import (
	"fmt"
	"strings"
)

// Parts are what a letter consists of. Text is wrapped at 72 columns where words allow it, its lines end in LF. HTML refers to nothing
// outside but what its links name; its pictures are cid: URLs of Pictures (RFC 2392).
type Parts struct {
	Subject   string
	Preheader string // what mail programs show behind the subject; it stands in HTML, hidden
	Text      string
	HTML      string
	Pictures  []Picture
	Sections  []Section // of HTML, in order
}

// Picture is an image that travels with HTML. CID is its Content-ID without brackets and names its content: the same
// picture has the same CID in every letter.
type Picture struct {
	CID, Type string
	Data      []byte
	Alt       string
}

// Section is a heading with what follows it, or a card, and how many bytes of HTML it takes. What comes before the first of
// them has no name.
type Section struct {
	Name  string
	Bytes int
}

// MaxHTML is how many bytes of HTML a letter should have at most: Gmail shows no more than 102 KB of a message and hides
// the rest, the way to unsubscribe included, behind a link.
const MaxHTML = 100_000

// Limit tells which sections to drop, the last ones first, so that HTML has at most max bytes; none if it has. The section
// that has no name is never among them. What it returns is in the letter's order.
func (p Parts) Limit(max int) []Section {
	over, from := len(p.HTML)-max, len(p.Sections)
	for i := len(p.Sections) - 1; i >= 0 && over > 0; i-- {
		if p.Sections[i].Name == "" {
			break
		}
		over -= p.Sections[i].Bytes
		from = i
	}
	return p.Sections[from:]
}

// Render makes a letter of a template and data, which is a struct or a map[string]any of plain values: strings, numbers,
// bools, the blocks and Slots of this package, and structs, maps and slices of such. Only fields are read, methods
// are never called. Values are text wherever they stand: what is Markdown must have that type.
func Render(t Template, data any) (Parts, error) {
	p, err := render(t.Text, data)
	if err != nil {
		return Parts{}, fmt.Errorf("template %s: %w", t.Name, err)
	}
	return p, nil
}

func render(text string, data any) (Parts, error) {
	nodes, errs := parse(text)
	if len(errs) > 0 {
		return Parts{}, joinErrors(errs)
	}
	run := runner{root: data}
	if err := run.nodes(nodes, data); err != nil {
		return Parts{}, err
	}
	head, body, err := cutHead(run.out.String())
	if err != nil {
		return Parts{}, err
	}
	vals := values(run.values)
	p := Parts{Subject: vals.plain(head["Subject"]), Preheader: vals.plain(head["Preheader"])}
	if p.Subject == "" {
		return Parts{}, fmt.Errorf("the Subject is empty")
	}
	lang := vals.plain(head["Language"])
	body, foot := cutFooter(body)
	main, err := vals.blocks(body)
	if err != nil {
		return Parts{}, err
	}
	below, err := vals.blocks(foot)
	if err != nil {
		return Parts{}, err
	}
	s := sheet{vals: vals}
	s.letter(main, below)
	p.Text = s.String()
	g := newPage(vals, lang)
	p.HTML = g.letter(p.Subject, p.Preheader, main, below)
	p.Pictures, p.Sections = g.pictures, g.sections
	return p, g.err
}

// headKeys are the lines that may stand at the top of a template.
var headKeys = []string{"Subject", "Preheader", "Language"}

// cutHead takes the lines "Key: value" off the top of a text, up to the first empty line.
func cutHead(text string) (map[string]string, string, error) {
	text = strings.TrimLeft(text, "\n")
	head, body, _ := strings.Cut(text, "\n\n")
	out := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimRight(head, "\n"), "\n") {
		key, value, ok := strings.Cut(line, ":")
		if !ok || !isHeadKey(key) {
			return nil, "", fmt.Errorf("%q stands at the top, where only the lines %s: may be, up to an empty line", short(line), strings.Join(headKeys, ":, "))
		}
		out[key] = strings.TrimSpace(value)
	}
	return out, body, nil
}

func isHeadKey(s string) bool {
	for _, k := range headKeys {
		if s == k {
			return true
		}
	}
	return false
}

// cutFooter cuts a text at the line that begins a signature, "-- " (RFC 3676 section 4.3); editors that trim lines leave "--".
func cutFooter(text string) (body, foot string) {
	lines := strings.Split(text, "\n")
	for i, l := range lines {
		if strings.TrimRight(l, " ") == "--" {
			return strings.Join(lines[:i], "\n"), strings.Join(lines[i+1:], "\n")
		}
	}
	return text, ""
}

// short is the beginning of a text, for messages.
func short(s string) string {
	const max = 60
	if r := []rune(s); len(r) > max {
		return string(r[:max]) + "…"
	}
	return s
}
