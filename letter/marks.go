package letter

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Marks are noncharacters, which Unicode keeps out of interchange: what comes from outside loses them, and so
// whatever stands between two of them is ours.
const (
	valueOpens = '\uFDD0'
	valueEnds  = '\uFDD1'
	slotOpens  = '\uFDD2'
	slotEnds   = '\uFDD3'
)

func isMark(r rune) bool { return r >= 0xFDD0 && r <= 0xFDEF }

// Slot is a value that differs for each recipient: a letter that is rendered with it has a mark in its place, which Compile
// finds. Fallback stands for who has none. A name is ASCII letters, digits and _, a letter first.
type Slot struct{ Name, Fallback string }

// Encoder says what a slot's value is made fit for, beside the transfer encoding of the place where it stands.
type Encoder byte

const (
	AsText     Encoder = 't'
	AsHTML     Encoder = 'h' // text within HTML
	AsURL      Encoder = 'u' // one component of a URL: all but unreserved characters are escaped (RFC 3986 section 2.3)
	AsLink     Encoder = 'l' // a whole URL, http, https or mailto; another one is replaced by the fallback
	AsLinkHTML Encoder = 'a' // the same in an attribute
	AsWord     Encoder = 'w' // an encoded-word (RFC 2047); Compile takes it for slots in fields like Subject
)

// Mark is what stands for a slot until Compile: it survives every transfer encoding but base64.
func (s Slot) Mark(as Encoder) string {
	return string(slotOpens) + string(rune(as)) + s.Name + "." + hex.EncodeToString([]byte(cleanText(s.Fallback))) + string(slotEnds)
}

// values are what the marks of a text stand for.
type values []any

// expand replaces each mark by what show makes of its value; at is where it stands in s.
func (v values) expand(s string, show func(value any, at int) string) string {
	if !strings.ContainsRune(s, valueOpens) {
		return s
	}
	var b strings.Builder
	at := 0
	for {
		before, after, ok := strings.Cut(s[at:], string(valueOpens))
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		digits, _, ok := strings.Cut(after, string(valueEnds))
		if n, err := strconv.Atoi(digits); ok && err == nil && n >= 0 && n < len(v) {
			b.WriteString(show(v[n], at+len(before)))
			at += len(digits) + len(string(valueEnds))
		}
		at += len(before) + len(string(valueOpens))
	}
}

// plain is a text with its values, in one line.
func (v values) plain(s string) string {
	return strings.Join(strings.Fields(v.text(s, AsText)), " ")
}

// text is a text with its values, slots marked for an encoder.
func (v values) text(s string, as Encoder) string {
	return v.expand(s, func(value any, _ int) string {
		if slot, ok := value.(Slot); ok {
			return slot.Mark(as)
		}
		return plainValue(value)
	})
}

// link is the destination of a link with its values: one that begins it may be all of it, others are components. It is
// empty if it is none that a letter may have.
func (v values) link(s string, html bool) string {
	whole := AsLink
	if html {
		whole = AsLinkHTML
	}
	return safeURL(v.expand(s, func(value any, at int) string {
		slot, isSlot := value.(Slot)
		switch {
		case isSlot && at == 0:
			return slot.Mark(whole)
		case isSlot:
			return slot.Mark(AsURL)
		case at == 0:
			return plainValue(value)
		}
		return url.PathEscape(plainValue(value))
	}))
}

// safeURL is a URL that a letter may link to: http, https or mailto, absolute since a mail has no base. Else it is
// empty. A slot that begins it is looked at when it is filled.
func safeURL(s string) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
	if strings.HasPrefix(s, string(slotOpens)) {
		return s
	}
	scheme, rest, ok := strings.Cut(s, ":")
	switch strings.ToLower(scheme) {
	case "http", "https":
		ok = ok && strings.HasPrefix(rest, "//") && len(rest) > 2
	case "mailto":
		ok = ok && rest != ""
	default:
		ok = false
	}
	if !ok {
		return ""
	}
	return s
}

// foreignURL is what safeURL makes of a value.
func foreignURL(s string) string { return safeURL(oneLine(s)) }

// components are what may stand behind ::: at the beginning of a line.
func components() []string { return []string{"button", "card", "small"} }

// cutDirective reads a line ":::" or "::: name argument".
func cutDirective(line string) (name, arg string, ok bool) {
	rest, ok := strings.CutPrefix(line, ":::")
	if !ok {
		return "", "", false
	}
	name, arg, _ = strings.Cut(strings.TrimSpace(rest), " ")
	return name, strings.TrimSpace(arg), true
}

// blocks takes a text apart: Markdown, components, and the values that are blocks.
func (v values) blocks(text string) ([]Block, error) {
	var out []Block
	var md []string
	flush := func() {
		if s := strings.Join(md, "\n"); strings.TrimSpace(s) != "" {
			out = append(out, marked{s, v, true})
		}
		md = nil
	}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if found, ok := v.alone(lines[i]); ok {
			flush()
			out = append(out, found...)
			continue
		}
		name, arg, ok := cutDirective(lines[i])
		if !ok {
			md = append(md, lines[i])
			continue
		}
		flush()
		end := i + 1
		for end < len(lines) && strings.TrimSpace(lines[end]) != ":::" {
			end++
		}
		b, err := v.component(name, arg, lines[min(i+1, len(lines)):end])
		if err != nil {
			return nil, err
		}
		out = append(out, b)
		i = end
	}
	flush()
	return out, nil
}

// alone finds the blocks of a line that consists of one value.
func (v values) alone(line string) (out []Block, ok bool) {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, string(valueOpens)) || strings.Count(line, string(valueOpens)) != 1 || !strings.HasSuffix(line, string(valueEnds)) {
		return nil, false
	}
	v.expand(line, func(value any, _ int) string {
		out, ok = blocksOf(value)
		return ""
	})
	return out, ok
}

// component makes a block of what stands between ::: name and :::.
func (v values) component(name, arg string, lines []string) (Block, error) {
	switch name {
	case "button":
		return linked{label: strings.Join(lines, " "), to: arg, vals: v}, nil
	case "small":
		return small{text: strings.Join(lines, " "), vals: v}, nil
	case "card":
		c := card{vals: v}
		for i, l := range lines {
			key, value, ok := strings.Cut(l, ":")
			switch value = strings.TrimSpace(value); {
			case strings.TrimSpace(l) == "":
				c.body = strings.Join(lines[i+1:], "\n")
				return c, nil
			case ok && key == "title":
				c.title = value
			case ok && key == "meta":
				c.meta = value
			case ok && key == "url":
				c.to = value
			case ok && key == "link":
				c.link = value
			default:
				return nil, fmt.Errorf("::: card: %q is none of title:, meta:, url: and link:, which stand at its top up to an empty line", short(v.plain(l)))
			}
		}
		return c, nil
	}
	return nil, fmt.Errorf("there is no component ::: %s; there are %s", short(v.plain(name)), strings.Join(components(), ", "))
}
