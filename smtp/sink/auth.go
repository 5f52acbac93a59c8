package sink

import (
	"encoding/base64"
	"strings"
)

// auth understands PLAIN (RFC 4616) with and without an initial response, and LOGIN.
func (t *session) auth(line string) {
	w := strings.Fields(line)
	if t.s.Auth == nil || len(w) < 2 {
		t.reply("502 5.5.1 no AUTH here")
		return
	}
	mechanism := strings.ToUpper(w[1])
	var user, password string
	switch mechanism {
	case "PLAIN":
		first := ""
		if len(w) > 2 {
			first = unbase64(w[2])
		} else {
			first = t.ask("")
		}
		if p := strings.Split(first, "\x00"); len(p) == 3 {
			user, password = p[1], p[2]
		}
	case "LOGIN":
		user = t.ask("Username:")
		password = t.ask("Password:")
	default:
		t.reply("504 5.5.4 unknown mechanism")
		return
	}
	if t.s.Auth(mechanism, user, password) {
		t.reply("235 2.7.0 welcome")
	} else {
		t.reply("535 5.7.8 wrong")
	}
}

func (t *session) ask(what string) string {
	t.reply("334 " + base64.StdEncoding.EncodeToString([]byte(what)))
	if t.w.Flush() != nil {
		return ""
	}
	line, _ := t.r.ReadString('\n') // a lost connection reads as a wrong answer
	return unbase64(strings.TrimSpace(line))
}

func unbase64(s string) string {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return ""
	}
	return string(b)
}
