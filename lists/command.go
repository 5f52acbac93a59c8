package lists

import (
	"slices"
	"strings"

	"listd/mail"
)

// Verb is what a command asks for.
type Verb string

// The verbs. What several systems call by several words has one verb here; the words are in the table verbs.
const (
	VerbHelp      Verb = "help"      // Args: a topic
	VerbLists     Verb = "lists"     // which lists there are
	VerbInfo      Verb = "info"      // what a list is about
	VerbJoin      Verb = "join"      // Address, Name; Key "mode" with its Value, if one is asked for
	VerbLeave     Verb = "leave"     // List "*": every list. Args: the token of an address that leaves at once
	VerbConfirm   Verb = "confirm"   // Args: the token; with auth also what it is for, in List and Address
	VerbCancel    Verb = "cancel"    // Args: the token of a confirmation that the reply declines
	VerbWhich     Verb = "which"     // which lists an address is on
	VerbWho       Verb = "who"       // the roster; Args: delivery=… and mode=… as written
	VerbSet       Verb = "set"       // a member setting: Key and Value; List "*": on every list
	VerbConfigure Verb = "configure" // a list setting: Key and Value
	VerbShow      Verb = "show"      // the member settings
	VerbMe        Verb = "me"        // all that is known of the sender
	VerbForget    Verb = "forget"    // and its deletion
	VerbPassword  Verb = "password"  // an app password: Value its label; Key "remove" takes it back
	VerbInvite    Verb = "invite"    // Args: addresses; Name, if it is one
	VerbGet       Verb = "get"       // Args: numbers of posts, or ranges such as 3-9
	VerbIndex     Verb = "index"     // Args: perhaps a range
	VerbLast      Verb = "last"      // the last post
	VerbAdd       Verb = "add"       // Args: addresses; Name, if it is one
	VerbRemove    Verb = "remove"    // Args: addresses. From who governs nothing it means leave
	VerbStats     Verb = "stats"     // a list in numbers
	VerbHeld      Verb = "held"      // what waits for a moderator
	VerbAccept    Verb = "accept"    // Args: numbers of held messages
	VerbReject    Verb = "reject"    // Args: numbers; Value: why
	VerbDiscard   Verb = "discard"   // Args: numbers
	VerbEcho      Verb = "echo"      // Args: words
	verbEnd       Verb = "end"       // nothing further is read
)

// Command is one command as a mail gives it. Who may give it is not asked here.
type Command struct {
	Verb       Verb
	List       string       // a local part or an address, in lower case; "*" for all; empty for the list the address names
	Address    mail.Address // zero: the sender
	Name       string       // of whom Address, or the sender, is
	Key, Value string
	Args       []string
	Line       string // the line that says so, without what is not seen; empty if the address says it
}

// same reports whether two commands ask for the same, in whatever words.
func (c Command) same(d Command) bool {
	return c.Verb == d.Verb && c.List == d.List && c.Address == d.Address && c.Name == d.Name &&
		c.Key == d.Key && c.Value == d.Value && slices.Equal(c.Args, d.Args)
}

// Commands are what a mail asks for.
type Commands struct {
	List    []Command
	Unknown []string // lines that were not understood, each once, clipped
	Cut     bool     // there was more than is read of one mail
}

// What is read of one mail. Who has more to say sends another.
const (
	maxCommands    = 25
	maxUnknown     = 10
	maxUnknownLine = 120 // bytes shown of a line that was not understood
	maxCommandLine = 500 // bytes; a longer line is prose
)

// ReadCommands reads the commands of a mail: what the address says, or the lines of Subject and text. A Target
// without a List is the site's own address, where commands name their list. The prefix is the list's own, which a
// reply may have in its Subject. Whether a machine sent the mail is not asked here: see mail.Automatic.
func ReadCommands(t Target, m mail.Message, prefix string) Commands {
	g := grammar{list: t.List}
	if t.List == "" || t.Kind == ToRequest {
		return g.readMail(m, prefix)
	}
	var c Command
	switch t.Kind {
	case ToHelp:
		c.Verb = VerbHelp
	case ToInfo:
		c.Verb = VerbInfo
	case ToLeave:
		c.Verb = VerbLeave
	case ToConfirm:
		if c.Verb = VerbConfirm; !ReadConfirm(m) {
			c.Verb = VerbCancel
		}
	case ToJoin:
		c.Verb = VerbJoin
		if t.Token != "" { // somebody asks for another: the answer goes to that address, whatever the text says
			a, err := mail.ParseAddress(t.Token)
			if err != nil || strings.ContainsFunc(t.Token, forbidden) {
				return Commands{Unknown: []string{clipLine(visible(t.Token), maxUnknownLine)}}
			}
			c.Address = a
			return Commands{List: []Command{c}}
		}
		g.joinOptions(&c, m, prefix)
	default:
		return Commands{}
	}
	if t.Token != "" {
		c.Args = []string{t.Token}
	}
	return Commands{List: []Command{c}}
}

// joinOptions reads what may stand in a mail to an address that joins: Mailman's "digest=mime", with or without
// the verb before it, in Subject or in the first line.
func (g grammar) joinOptions(c *Command, m mail.Message, prefix string) {
	lines := []string{g.subject(m, prefix)}
	w := written(m, everywhere)
	for _, l := range w.lines {
		if l != "" {
			lines = append(lines, l)
			break
		}
	}
	for _, l := range lines {
		words := strings.Fields(l)
		if len(words) > 0 && verbOf(words[0]) == VerbJoin {
			words = words[1:]
		}
		got, ok := *c, len(words) > 0
		for _, w := range words {
			key, value, isOption := strings.Cut(w, "=")
			ok = ok && isOption && got.option(key, value)
		}
		if ok {
			*c = got
			return
		}
	}
}

// readMail reads Subject and text of a mail to an address that takes commands.
func (g grammar) readMail(m mail.Message, prefix string) (out Commands) {
	subject := g.subject(m, prefix)
	fromSubject, known := g.read(subject)
	if out.List = fromSubject; len(fromSubject) == 0 && known {
		subject, known = "", false // "Stop" as a Subject ends nothing
	}
	g.readText(&out, m, known)
	if !known && subject != "" && len(out.List) == 0 {
		out.Unknown = slices.Insert(out.Unknown, 0, clipLine(subject, maxUnknownLine))
		if slices.Contains(out.Unknown[1:], out.Unknown[0]) || len(out.Unknown) > maxUnknown {
			out.Unknown = out.Unknown[1:]
		}
	}
	return out
}

// noSubjects are what programs write for a Subject that was left out.
var noSubjects = []string{"no subject", "none", "kein betreff", "ohne betreff", "sans objet", "aucun objet", "sin asunto",
	"nessun oggetto", "geen onderwerp", "inget ämne", "brak tematu", "sem assunto", "без темы", "無題", "无主题"}

// subject is the Subject as a line, without the list's prefix and the marks of replies.
func (g grammar) subject(m mail.Message, prefix string) string {
	s := mail.Get(m.Head, "Subject")
	s = visible(mail.DecodeWords(s[:min(len(s), 4*maxCommandLine)]))
	s = strings.TrimSpace(strings.ReplaceAll(s, "\n", " ")) // an encoded U+2028
	for s != "" {
		n := prefixAt(s, prefix)
		if n == 0 {
			n = replyMark(s)
		}
		if n == 0 {
			break
		}
		s = strings.TrimSpace(s[n:])
	}
	if slices.Contains(noSubjects, strings.ToLower(strings.Trim(s, "()<>[] "))) {
		return ""
	}
	return s
}

// readText reads the lines of the text. A letter is not read as forty errors: the first line of prose ends it, and
// once something was understood, so does the first line of another paragraph that is no command, which is somebody's
// name. known says that the Subject was a command: then prose below it is a letter and no error at all.
func (g grammar) readText(out *Commands, m mail.Message, known bool) {
	w := written(m, everywhere)
	fresh := true // a paragraph begins
	for _, l := range w.lines {
		if l == "" {
			fresh = true
			continue
		}
		got, ok := g.read(l)
		switch {
		case ok && len(got) == 0: // "end"
			return
		case ok:
			if !out.add(got) {
				out.Cut = true
				return
			}
			known = true
		case greets(l):
		case closes(l), known && fresh && !startsWithVerb(l):
			return
		default:
			if u := clipLine(l, maxUnknownLine); !slices.Contains(out.Unknown, u) {
				out.Unknown = append(out.Unknown, u)
			}
			if prose(l) || len(out.Unknown) == maxUnknown {
				return
			}
		}
		fresh = false
	}
	out.Cut = w.cut
}

// add adds commands, once where Subject and text say the same; false if there are too many.
func (c *Commands) add(more []Command) bool {
	for _, m := range more {
		if n := len(c.List); n > 0 && c.List[n-1].same(m) {
			continue
		}
		if len(c.List) == maxCommands {
			return false
		}
		c.List = append(c.List, m)
	}
	return true
}

// prose reports whether a line that is no command is one of a letter: then the next is another. A short line that
// begins with a verb is rather a command with a mistake in it.
func prose(l string) bool {
	n := len(strings.Fields(l))
	return n > 6 || n > 3 && !startsWithVerb(l)
}

func startsWithVerb(l string) bool {
	first, _, _ := strings.Cut(l, " ")
	return verbOf(first) != ""
}
