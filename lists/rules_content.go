package lists

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"listd/mail"
)

// This file holds the rules about what is posted and to whom it is addressed.

// maxText is how much of a post's text the rules read.
const maxText = 64 << 10

// Subject is the post's Subject, decoded.
func (c *Case) Subject() string {
	if c.read&1 == 0 {
		c.subject = strings.TrimSpace(mail.DecodeWords(mail.Get(c.Message.Head, "Subject")))
		c.read |= 1
	}
	return c.subject
}

// Text is the first text of the post, its first maxText bytes; of HTML without its tags. Empty if it has none or
// cannot be read: then the rules about text have nothing to say.
func (c *Case) Text() string {
	if c.read&2 == 0 {
		c.read |= 2
		if p, err := c.parse(); err == nil {
			c.text = firstText(p, 0)
		}
	}
	return c.text
}

// parse takes the message apart, once.
func (c *Case) parse() (*mail.Part, error) {
	if c.read&4 == 0 {
		c.read |= 4
		c.root, c.broken = mail.Parse(c.Message, mail.MIMELimits{})
	}
	return c.root, c.broken
}

// unreadable holds what cannot be read: people look at it, and no member's program has to.
func unreadable(c *Case) Verdict {
	if mail.Author(c.Message.Head).Address.IsZero() {
		// RFC 5322 section 3.6: From is one of the two fields that must be there.
		return hold("The message does not say who wrote it: it has no From with an address.")
	}
	root, err := c.parse()
	switch {
	case err != nil:
		return hold("The message has too many parts, or too many within each other.")
	case root.Type == "multipart" && len(root.Children) == 0:
		return hold("The message says that it has several parts, and none can be found.")
	}
	return Verdict{}
}

func firstText(p *mail.Part, depth int) string {
	if p == nil || depth > 10 {
		return ""
	}
	if p.Type == "text" && p.Disposition != "attachment" && (p.Subtype == "plain" || p.Subtype == "html") {
		text, _ := p.Words(maxText)
		return text
	}
	for _, child := range p.Children {
		if text := firstText(child, depth+1); text != "" {
			return text
		}
	}
	return ""
}

// commands are what people write to a list when they want to reach the machine. Those with true are also a
// fair subject of a discussion and count only where the message says nothing else.
var commands = map[string]bool{
	"unsubscribe": false, "subscribe": false, "signoff": false, "unsub": false,
	"leave": true, "join": true, "help": true, "info": true, "stop": true, "remove": true, "confirm": true,
}

// fillers may stand beside a command without making it more than one.
var fillers = []string{"me", "please", "pls", "from", "to", "the", "this", "list", "mailing", "my", "email", "e-mail", "address"}

// command reports whether s is a command and nothing else, and whether only a message with nothing else is one.
func (c *Case) command(s string) (is, shy bool) {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return strings.ContainsRune(" \t\u00a0.,;:!*\"'", r) })
	if len(words) == 0 || len(words) > 8 {
		return false, false
	}
	for _, w := range words {
		if quiet, ok := commands[w]; ok && !is {
			is, shy = true, quiet
			continue
		}
		if !slices.Contains(fillers, w) && w != c.List.Name() && !strings.Contains(w, "@") {
			return false, false
		}
	}
	return is, shy
}

// administrivia catches a command sent to the list: its Subject, or the first line of a short text, is a command
// and nothing else. The sender gets an answer in private and the members are spared. Long texts pass whatever
// they begin with: people discuss how to unsubscribe, too.
func administrivia(c *Case) Verdict {
	if !c.List.Policy.Administrivia {
		return Verdict{}
	}
	const short = 5 // lines, with the name below
	lines := ownLines(c.Text(), short+1)
	subject, _ := c.unprefixed()
	is, shy := c.command(subject)
	fires := is && (len(lines) == 0 || !shy && len(lines) <= short)
	if !fires && len(lines) > 0 && len(lines) <= short {
		is, shy = c.command(lines[0])
		fires = is && (!shy || len(lines) == 1)
	}
	if !fires {
		return Verdict{}
	}
	return Verdict{Action: Discard, Answer: "administrivia",
		Reasons: []string{"The message is a command for the list server, not a post."}}
}

// ownLines are the lines that the author wrote, up to limit: not empty ones, not quotes, nothing from a signature
// or a quoted message on.
func ownLines(text string, limit int) (out []string) {
	for l := range strings.Lines(text) {
		cut := strings.TrimRight(l, "\r\n")
		if cut == "-- " || cut == "--" || strings.HasPrefix(cut, "-----Original") || strings.HasPrefix(cut, "____") {
			break
		}
		cut = strings.TrimSpace(strings.Trim(cut, "\u00a0"))
		switch {
		case cut == "" || cut[0] == '>':
			continue
		case strings.HasSuffix(cut, ":") && len(cut) > 12 && strings.ContainsAny(cut, "0123456789@"):
			// "On Tuesday at 18:30 Ana wrote:", in any language.
			return out
		}
		if out = append(out, cut); len(out) == limit {
			break
		}
	}
	return out
}

// unprefixed is the Subject without the list's prefix and the marks of replies, and whether there was such a mark.
func (c *Case) unprefixed() (rest string, reply bool) {
	rest = c.Subject()
	for {
		if n := prefixAt(rest, c.List.Policy.SubjectPrefix); n > 0 {
			rest = trimLeftSpace(rest[n:])
		} else if n := replyMark(rest); n > 0 {
			rest, reply = trimLeftSpace(rest[n:]), true
		} else {
			return rest, reply
		}
	}
}

// quotedDigest finds a reply that quotes a whole digest, or still has its Subject: nobody knows what it answers.
func quotedDigest(c *Case) Verdict {
	act := c.List.Policy.QuotedDigest
	subject, reply := c.unprefixed()
	if act == Accept || !(reply && digestSubject(subject)) && quotedSeparators(c.Text()) < 2 && !digestEnds(c.Text()) {
		return Verdict{}
	}
	return do(act, "The message quotes a whole digest or has its Subject.",
		fmt.Sprintf("Your message to %s quotes a whole digest or has its Subject. "+
			"Quote only what you answer, give it a Subject, and send it again.", c.List.Address))
}

// digestSubject knows the Subjects of RFC 1153 and of Mailman, which ours are, too.
func digestSubject(s string) bool {
	s = strings.ToLower(s)
	_, after, ok := strings.Cut(s, "digest")
	if !ok {
		return false
	}
	after = strings.TrimLeft(after, ", ")
	after, ok = strings.CutPrefix(after, "v")
	return ok && (strings.Contains(after, "issue") || strings.Contains(after, "#")) && strings.ContainsAny(after, "0123456789")
}

// quotedSeparators counts the lines of 30 hyphens that part a digest's messages (RFC 1153), where they are quoted.
func quotedSeparators(text string) (n int) {
	for l := range strings.Lines(text) {
		if l[0] != '>' {
			continue
		}
		if strings.Trim(strings.TrimSpace(l), "> ") == strings.Repeat("-", 30) {
			n++
		}
	}
	return n
}

// digestEnds finds the end of a digest (RFC 1153), quoted or with nothing before it as some programs quote: who has that
// has quoted all of it. Below the posts of a MIME digest there is nothing else to know it by.
func digestEnds(text string) bool {
	end := false
	for l := range strings.Lines(text) {
		l = strings.Trim(strings.TrimSpace(l), "> ")
		if end && len(l) > 8 && strings.Trim(l, "*") == "" {
			return true
		}
		end = strings.HasPrefix(l, "End of ") && strings.Contains(l, " Digest")
	}
	return false
}

// implicitDestination holds a post that names the list nowhere: mostly spam, or a list in Bcc.
func implicitDestination(c *Case) Verdict {
	p := &c.List.Policy
	if !p.ExplicitDestination {
		return Verdict{}
	}
	ours := []mail.Address{c.List.Address, c.List.Announce()}
	ours = append(append(ours, c.Aliases...), p.Aliases...)
	for f := range mail.Fields(c.Message.Head) {
		if !f.Is("To") && !f.Is("Cc") && !f.Is("Resent-To") && !f.Is("Resent-Cc") {
			continue
		}
		// QUIRK: the bytes are searched, not the addresses parsed: a list named in a broken field is named.
		for _, a := range ours {
			if namesAddress(f.Raw, []byte(a.String())) {
				return Verdict{}
			}
		}
	}
	return hold("The message does not name %s in To or Cc.", c.List.Address)
}

// namesAddress finds an address that is not part of a longer one.
func namesAddress(raw, address []byte) bool {
	for at := 0; ; {
		i := indexFold(raw[at:], address)
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(address)
		if (start == 0 || !addressByte(raw[start-1])) && (end == len(raw) || !addressByte(raw[end])) {
			return true
		}
		at = start + 1
	}
}

func addressByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= utf8.RuneSelf ||
		c != 0 && strings.IndexByte("!#$%&'*+-/=?^_`{|}~.@", c) >= 0
}

func maxRecipients(c *Case) Verdict {
	limit := c.List.Policy.MaxRecipients
	if limit == 0 || c.governs() {
		return Verdict{}
	}
	n := 0
	for f := range mail.Fields(c.Message.Head) {
		if f.Is("To") || f.Is("Cc") {
			n += len(mail.Mailboxes(f.Value()))
		}
	}
	if n <= limit {
		return Verdict{}
	}
	return hold("The message is addressed to %d people; the list takes %d at most without a moderator.", n, limit)
}

func noSubject(c *Case) Verdict {
	act := c.List.Policy.NoSubject
	if act == Accept {
		return Verdict{}
	}
	if rest, _ := c.unprefixed(); rest != "" {
		return Verdict{}
	}
	return do(act, "The message has no Subject.",
		fmt.Sprintf("Your message to %s has no Subject. Give it one and send it again.", c.List.Address))
}
