package lists

import "strings"

// forwardMarks are those of the marks that say that somebody passes a mail on: no answer to it.
var forwardMarks = map[string]bool{
	"fw": true, "fwd": true, "wg": true, "tr": true, "rv": true, "enc": true, "doorst": true, "pd": true, "vb": true, "vl": true,
	"i": true, "ilt": true, "rtr": true, "trs": true, "fs": true, "továbbítás": true, "πρθ": true,
	"转发": true, "轉寄": true, "転送": true, "전달": true,
}

// BaseSubject is a Subject without the marks of replies and forwards and the list's prefix before it, its white space
// made single spaces. reply says that the first of the marks is a reply's.
func (p Policy) BaseSubject(subject string) (base string, reply bool) {
	rest, marks := strings.TrimSpace(subject), 0
	for rest != "" {
		if n := prefixAt(rest, p.SubjectPrefix); n > 0 {
			rest = trimLeftSpace(rest[n:])
			continue
		}
		n := replyMark(rest)
		if n == 0 {
			break
		}
		if marks++; marks == 1 {
			word, _, _ := strings.Cut(strings.ToLower(rest[:n]), ":")
			word, _, _ = strings.Cut(word, "：")
			if at := strings.IndexAny(word, "[(^*"); at > 0 {
				word = word[:at]
			}
			reply = !forwardMarks[strings.TrimSpace(word)]
		}
		rest = trimLeftSpace(rest[n:])
	}
	return strings.Join(strings.Fields(rest), " "), reply
}
