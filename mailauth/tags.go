package mailauth

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// tag is one of a tag-list (RFC 6376 section 3.2); from and to are where its value lies, white space included.
type tag struct {
	name     string
	from, to int
}

// maxTags bounds a tag-list. Fifteen are known.
const maxTags = 64

// readTags reads a tag-list.
func readTags(list []byte) ([]tag, error) {
	var tags []tag
	for at := 0; at < len(list); {
		end := len(list)
		if i := bytes.IndexByte(list[at:], ';'); i >= 0 {
			end = at + i
		}
		item := list[at:end]
		eq := bytes.IndexByte(item, '=')
		switch {
		case eq >= 0:
			t := tag{name: compact(item[:eq]), from: at + eq + 1, to: end}
			if !tagName(t.name) {
				return nil, errors.New("what is no tag in a list of tags")
			}
			for _, other := range tags {
				if other.name == t.name {
					return nil, fmt.Errorf("%s= is there twice", t.name)
				}
			}
			if tags = append(tags, t); len(tags) > maxTags {
				return nil, errors.New("too many tags")
			}
		case compact(item) != "" || end < len(list): // only the last may be empty
			return nil, errors.New("a tag has no value")
		}
		at = end + 1
	}
	return tags, nil
}

func tagName(s string) bool {
	for i := range len(s) {
		if c := lower(s[i]); (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && c != '_') {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// value is that of a tag, without any white space, and whether there is the tag.
func value(list []byte, tags []tag, name string) (string, bool) {
	for _, t := range tags {
		if t.name == name {
			return compact(list[t.from:t.to]), true
		}
	}
	return "", false
}

// compact is b without white space.
func compact(b []byte) string {
	if !bytes.ContainsAny(b, " \t\r\n") {
		return string(b)
	}
	var s strings.Builder
	s.Grow(len(b))
	for _, c := range b {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			s.WriteByte(c)
		}
	}
	return s.String()
}

// name reports whether s, in lower case, can be a domain or a selector of a signature: letters, digits, hyphens, and
// underscores since the world has them.
func name(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
