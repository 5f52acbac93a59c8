package lists

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"listd/mail"
)

// grammar reads the lines of mail to one address.
type grammar struct {
	list string // the list the address names, in lower case; empty at the site's address
}

// verbRow is one line of the table of verbs. read makes the commands of a line that begins with one of the words;
// none if what follows is no argument of the verb: then the line is prose.
type verbRow struct {
	verb  Verb
	words string
	read  func(g grammar, c Command, args []string) []Command
}

// verbTable has the words of Mailman, Majordomo, ezmlm, Sympa and LISTSERV, and of Sympa's abbreviations those that
// mean one thing: HEL is help and not held, DIS may be discard or distribute and is neither.
func verbTable() []verbRow {
	return []verbRow{
		{VerbHelp, "help hel sos ?", grammar.help},
		{VerbLists, "lists lis", grammar.bare},
		{VerbInfo, "info inf faq intro", grammar.onList},
		{VerbJoin, "join subscribe sub", grammar.join},
		{VerbLeave, "leave unsubscribe unsub uns signoff sig", grammar.leave},
		{VerbRemove, "remove", grammar.leaveOrRemove},
		{VerbConfirm, "confirm con", grammar.confirm},
		{VerbConfirm, "auth aut", grammar.auth},
		{VerbWhich, "which whi query status", grammar.which},
		{VerbWho, "who review rev recipients showdist", grammar.who},
		{VerbWho, "list", grammar.listOrLists},
		{VerbSet, "set", grammar.set},
		{VerbSet, "vacation", grammar.vacation},
		{VerbShow, "show", grammar.onList},
		{VerbMe, "me", grammar.bare},
		{VerbForget, "forget", grammar.forget},
		{VerbPassword, "password", grammar.password},
		{VerbInvite, "invite inv", grammar.people},
		{VerbGet, "get", grammar.numbers},
		{VerbIndex, "index ind", grammar.index},
		{VerbLast, "last las", grammar.onList},
		{VerbAdd, "add", grammar.people},
		{VerbRemove, "del delete", grammar.people},
		{VerbStats, "stats", grammar.onList},
		{VerbHeld, "held modindex mod", grammar.onList},
		{VerbAccept, "accept approve distribute", grammar.numbers},
		{VerbReject, "reject rej", grammar.reject},
		{VerbDiscard, "discard", grammar.numbers},
		{VerbEcho, "echo", grammar.echo},
		{verbEnd, "end quit qui stop", grammar.bare},
	}
}

// rowOf is the line of the table that has a word; ok if there is one.
func rowOf(word string) (row verbRow, ok bool) {
	word = strings.ToLower(strings.Trim(word, "*_\"'`.,;:!"))
	if word == "" || len(word) > 16 {
		return row, false
	}
	for _, row := range verbTable() {
		for w := range strings.FieldsSeq(row.words) {
			if w == word {
				return row, true
			}
		}
	}
	return row, false
}

// verbOf is the verb of a word; empty if it is none.
func verbOf(word string) Verb {
	row, _ := rowOf(word)
	return row.verb
}

// read reads a line. ok if it is understood; then no commands mean that it ends the mail.
func (g grammar) read(line string) (out []Command, ok bool) {
	if line == "" || len(line) > maxCommandLine {
		return nil, false
	}
	asked := strings.HasSuffix(line, "?") && line != "?" && strings.Contains(line, " ")
	words := strings.Fields(unwrap(line))
	opener := openerOf(words)
	if words = words[opener:]; len(words) == 0 || asked && opener < 2 {
		return nil, false
	}
	row, ok := rowOf(words[0])
	if !ok {
		return nil, false
	}
	// After "I would like to" only what one asks of a list is a command: "I would like to add" begins a letter.
	if opener > 1 && row.verb != VerbJoin && row.verb != VerbLeave {
		return nil, false
	}
	out = row.read(g, Command{Verb: row.verb, Line: line}, words[1:])
	if len(out) > 0 && out[0].Verb == verbEnd {
		return nil, true
	}
	return out, len(out) > 0
}

// openers may stand before a verb; Mailman tries the second word when it does not know the first. Only these: "never
// unsubscribe me" is no command.
var openers = []string{"i would like to", "i'd like to", "i want to", "i wish to", "could you please", "can you please", "would you please",
	"could you", "can you", "please can you", "please could you", "hi please", "hello please", "please", "pls", "plz", "kindly", "bitte", "hi", "hello",
	"por favor", "svp", "command", "cmd"}

// openerOf is how many words of an opener a line begins with.
func openerOf(words []string) int {
	for _, o := range openers {
		n := strings.Count(o, " ") + 1
		if len(words) <= n {
			continue
		}
		begins, i := true, 0
		for w := range strings.FieldsSeq(o) {
			begins = begins && strings.EqualFold(strings.TrimRight(words[i], ",:!"), w)
			i++
		}
		if begins {
			return n
		}
	}
	return 0
}

// fillWords say nothing beside a verb.
var fillWords = []string{"me", "please", "pls", "from", "to", "the", "this", "that", "your", "our", "list", "mailing", "mailinglist", "my", "email", "e-mail",
	"mail", "address", "for", "of", "on", "now", "with", "immediately", "thanks", "thank", "you", "it", "all", "lists", "off"}

// notNames are words that no name and no list begins with, whatever its case: marketing says Join Us.
var notNames = []string{"us", "now", "today", "here", "if", "and", "or", "in", "is", "are", "was", "will", "can", "be", "at", "by", "we", "they", "he", "she",
	"i", "a", "an", "as", "so", "but", "not", "no", "yes", "any", "by", "everyone", "anyone", "free", "new", "more", "it's", "requests", "command", "commands"}

func filler(w string) bool {
	return slices.Contains(fillWords, strings.ToLower(strings.TrimRight(w, ".,;:!?")))
}

func noName(w string) bool {
	w = strings.ToLower(strings.Trim(w, ".,;:!?"))
	return slices.Contains(notNames, w) || slices.Contains(fillWords, w)
}

// meaning leaves out the fillers. What names the list of the address is none.
func (g grammar) meaning(args []string) []string {
	var out []string
	for _, w := range args {
		if !filler(w) || g.names(w) {
			out = append(out, w)
		}
	}
	return out
}

// names reports whether a word is the local part of the list that the address names.
func (g grammar) names(w string) bool {
	return g.list != "" && strings.EqualFold(trimWord(w), g.list)
}

// trimWord is a word without what people and programs put around it.
func trimWord(w string) string { return strings.Trim(w, "<>()[]\"'`.,;:!?") }

// listWord reads a list: a local part, or a whole address, in lower case.
func listWord(w string) (string, bool) {
	if a, ok := addressWord(w); ok {
		return strings.ToLower(a.String()), validName(strings.ToLower(a.Local))
	}
	w = strings.ToLower(trimWord(w))
	return w, len(w) <= maxName && validName(w) && !noName(w)
}

// addressWord reads an address as people and programs write it: in brackets, with mailto:, or twice, as programs
// do that turn a link into text: a@b<mailto:a@b>, a@b[mailto:a@b], [a@b](mailto:a@b).
func addressWord(w string) (mail.Address, bool) {
	if !strings.Contains(w, "@") || len(w) > maxCommandLine {
		return mail.Address{}, false
	}
	w = strings.TrimRight(w, ".,;:!?\"'")
	low := strings.ToLower(w)
	for _, link := range []string{"<mailto:", "[mailto:", "](mailto:", "<http", "]<mailto:"} {
		if i := indexFold(low, link); i > 0 && len(low) == len(w) {
			w, low = w[:i], low[:i]
		}
	}
	w = strings.TrimLeft(w, "<([")
	if n := len("mailto:"); len(w) > n && strings.EqualFold(w[:n], "mailto:") {
		w = w[n:]
	}
	if i := strings.IndexAny(w, ">])?"); i > 0 {
		w = w[:i] // the bracket's end, or a mailto's ?subject=
	}
	a, err := mail.ParseAddress(strings.TrimRight(strings.Trim(w, "'`"), ".,;:"))
	if err != nil || strings.ContainsFunc(a.String(), forbidden) {
		return mail.Address{}, false
	}
	return a, true
}

// takeList takes the list from the front of the arguments. At a list's address another list's name counts only where
// other says that what follows needs one.
func (g grammar) takeList(c *Command, args []string, other bool) []string {
	if len(args) == 0 {
		return args
	}
	w, ok := listWord(args[0])
	switch {
	case args[0] == "*":
		c.List = "*"
	case g.names(args[0]):
	case ok && strings.Contains(w, "@") && g.list != "" && strings.HasPrefix(w, g.list+"@"):
		c.List = w
	case ok && (g.list == "" || other && !strings.Contains(w, "@")):
		c.List = w
	default:
		return args
	}
	return args[1:]
}

// bare is for verbs that stand alone.
func (g grammar) bare(c Command, args []string) []Command {
	for _, w := range args {
		if !strings.EqualFold(strings.TrimRight(w, ".!"), "please") {
			return nil
		}
	}
	return []Command{c}
}

// onList is for verbs that take at most a list. At a list's address another list is named by its whole address:
// "info wanted" begins a letter.
func (g grammar) onList(c Command, args []string) []Command {
	args = g.meaning(args)
	if w, ok := listWord(strings.Join(args, " ")); ok && len(args) == 1 && strings.Contains(w, "@") {
		c.List = w
		return []Command{c}
	}
	if args = g.takeList(&c, args, false); len(args) > 0 {
		return nil
	}
	return []Command{c}
}

// listOrLists: at the site's address nobody can mean the members of no list.
func (g grammar) listOrLists(c Command, args []string) []Command {
	if g.list == "" && len(args) == 0 {
		c.Verb = VerbLists
		return []Command{c}
	}
	return g.who(c, args)
}

func (g grammar) help(c Command, args []string) []Command {
	for _, w := range g.meaning(args) {
		if v := verbOf(w); v != "" && len(c.Args) == 0 {
			c.Args = []string{string(v)}
		} else if !g.names(w) {
			return nil
		}
	}
	return []Command{c}
}

// password reads "password", "password new LABEL" and "password remove LABEL".
func (g grammar) password(c Command, args []string) []Command {
	if len(args) == 0 {
		return []Command{c}
	}
	label := strings.Join(args[1:], " ")
	switch strings.ToLower(args[0]) {
	case "remove", "delete":
		c.Key = "remove"
	case "new":
	default:
		return nil
	}
	if len(args) > 5 || len(label) > 60 || c.Key != "" && label == "" {
		return nil
	}
	c.Value = label
	return []Command{c}
}

func (g grammar) forget(c Command, args []string) []Command {
	if len(args) == 0 || !strings.EqualFold(trimWord(args[0]), "me") {
		return nil
	}
	return g.bare(c, args[1:])
}

// confirm takes a token of ours, which cannot be mistaken for a word: "confirm receipt" begins a letter.
func (g grammar) confirm(c Command, args []string) []Command {
	if len(args) != 1 {
		return nil
	}
	token := strings.ToLower(trimWord(args[0]))
	if !validToken(token) || len(token) < 16 {
		return nil
	}
	c.Args = []string{token}
	return []Command{c}
}

// auth is Majordomo's and Sympa's: a token, and the command it is for.
func (g grammar) auth(c Command, args []string) []Command {
	if len(args) == 0 || g.confirm(c, args[:1]) == nil {
		return nil
	}
	out := g.confirm(c, args[:1])
	if len(args) == 1 {
		return out
	}
	row, ok := rowOf(args[1])
	if !ok || row.verb != VerbJoin && row.verb != VerbLeave {
		return nil
	}
	what := row.read(g, Command{Verb: row.verb}, args[2:])
	if len(what) != 1 {
		return nil
	}
	out[0].List, out[0].Address = what[0].List, what[0].Address
	return out
}

// whichWords make the question longer and no other.
var whichWords = []string{"list", "lists", "am", "i", "on", "subscribed", "to", "please"}

func (g grammar) which(c Command, args []string) []Command {
	for i, w := range args {
		a, ok := addressWord(w)
		switch {
		case ok && (c.Address.IsZero() || c.Address == a):
			c.Address = a
		case i == 0 && g.names(w), slices.Contains(whichWords, strings.ToLower(trimWord(w))):
		default:
			return nil
		}
	}
	return []Command{c}
}

// who takes Mailman's delivery= and mode= too.
func (g grammar) who(c Command, args []string) []Command {
	var rest []string
	for _, w := range args {
		if k, v, ok := strings.Cut(strings.ToLower(w), "="); ok && (k == "delivery" || k == "mode") && validName(v) {
			c.Args = append(c.Args, k+"="+v)
			continue
		}
		rest = append(rest, w)
	}
	return g.onList(c, rest)
}

func (g grammar) echo(c Command, args []string) []Command {
	c.Args = args
	return []Command{c}
}

// postNumber reads a post's number or a range of them.
func postNumber(w string) (string, bool) {
	w = strings.TrimLeft(strings.TrimRight(w, ".,;:!"), "#")
	a, b, isRange := strings.Cut(w, "-")
	return w, digitsOnly(a) && (!isRange || digitsOnly(b))
}

func digitsOnly(s string) bool {
	return s != "" && len(s) <= 10 && strings.Trim(s, "0123456789") == ""
}

// numbers is for verbs that take numbers, a list before them.
func (g grammar) numbers(c Command, args []string) []Command {
	if len(args) == 0 {
		return nil
	}
	if _, ok := postNumber(args[0]); !ok {
		args = g.takeList(&c, args, len(args) > 1)
	}
	for _, w := range args {
		n, ok := postNumber(w)
		if !ok {
			return nil
		}
		c.Args = append(c.Args, n)
	}
	if len(c.Args) == 0 {
		return nil
	}
	return []Command{c}
}

func (g grammar) index(c Command, args []string) []Command {
	if out := g.numbers(c, args); out != nil {
		return out
	}
	return g.onList(c, args)
}

// reject takes a reason behind the numbers: "reject 12: off topic".
func (g grammar) reject(c Command, args []string) []Command {
	for i, w := range args {
		if !strings.HasSuffix(w, ":") {
			continue
		}
		c.Value = strings.Join(args[i+1:], " ")
		return g.numbers(c, args[:i+1])
	}
	return g.numbers(c, args)
}

// isName reports whether words are a person's name rather than the rest of a sentence. A name in lower case is one
// only behind a list: sure.
func isName(words []string, sure bool) bool {
	if len(words) == 0 || len(words) > 6 {
		return false
	}
	for _, w := range words {
		if noName(w) || strings.ContainsFunc(w, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsMark(r) && !strings.ContainsRune(".-'\"(),", r)
		}) {
			return false
		}
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(words[0], "\"'("))
	return !unicode.IsLower(first) || sure && len(words) <= 3
}

func personName(words []string) string {
	name := strings.Trim(strings.Join(words, " "), "\"', ")
	if checkLine(name, maxNameBytes) != nil {
		return ""
	}
	return name
}
