package mail

import (
	"bytes"
	"iter"
	"strings"
)

// Field is one header field as it lies in a head.
type Field struct {
	Name string // as written
	Raw  []byte // name, colon, value with its folds, and the final CRLF
}

// Is reports whether the field has this name, in any case.
func (f Field) Is(name string) bool { return strings.EqualFold(f.Name, name) }

// Value is the field's value, unfolded (RFC 5322 section 2.2.3) and trimmed; encoded words stay as they are.
func (f Field) Value() string {
	_, v, _ := bytes.Cut(f.Raw, []byte{':'})
	v = bytes.TrimSpace(v)
	if bytes.IndexByte(v, '\n') < 0 && bytes.IndexByte(v, '\r') < 0 {
		return string(v)
	}
	var b strings.Builder
	b.Grow(len(v))
	for line := range bytes.FieldsFuncSeq(v, func(r rune) bool { return r == '\r' || r == '\n' }) {
		b.Write(line)
	}
	return b.String()
}

// Fields yields the fields of a head in order. A line that is no field and continues none is yielded with an
// empty Name, so that whoever writes the fields back loses nothing.
func Fields(head []byte) iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for len(head) > 0 {
			end := 0
			for {
				nl := bytes.IndexByte(head[end:], '\n')
				if nl < 0 {
					end = len(head)
					break
				}
				end += nl + 1
				if end == len(head) || head[end] != ' ' && head[end] != '\t' {
					break
				}
			}
			raw := head[:end:end]
			head = head[end:]
			if !yield(Field{Name: fieldName(raw), Raw: raw}) {
				return
			}
		}
	}
}

// fieldName is RFC 5322 section 3.6.8's field-name, with the obsolete space before the colon; empty if raw is no field.
func fieldName(raw []byte) string {
	colon := bytes.IndexByte(raw, ':')
	if colon < 1 {
		return ""
	}
	name := bytes.TrimRight(raw[:colon], " \t")
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return ""
		}
	}
	return string(name)
}

// Get is the unfolded value of the first field of this name; empty if there is none.
func Get(head []byte, name string) string {
	for f := range Fields(head) {
		if f.Is(name) {
			return f.Value()
		}
	}
	return ""
}

// Values are the unfolded values of all fields of this name, in order.
func Values(head []byte, name string) []string {
	var out []string
	for f := range Fields(head) {
		if f.Is(name) {
			out = append(out, f.Value())
		}
	}
	return out
}

// Without is head less the fields that drop accepts; it is asked once for each, in order. The head itself is returned
// if there are none.
func Without(head []byte, drop func(Field) bool) []byte {
	out, copied, at := head, false, 0
	for f := range Fields(head) {
		switch gone := drop(f); {
		case gone && !copied:
			out = append(make([]byte, 0, len(head)), head[:at]...)
			copied = true
		case !gone && copied:
			out = append(out, f.Raw...)
		}
		at += len(f.Raw)
	}
	return out
}
