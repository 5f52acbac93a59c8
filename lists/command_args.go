package lists

import (
	"slices"
	"strings"
	"time"
)

// This file holds what may follow the verbs about people and their settings.

func (g grammar) join(c Command, args []string) []Command { return g.subscription(c, args, true) }

func (g grammar) leave(c Command, args []string) []Command { return g.subscription(c, args, false) }

// subscription reads [LIST] [address=]ADDRESS [digest=…] [Full Name] in the orders of Majordomo (LIST ADDRESS),
// Sympa (LIST Full Name) and Mailman (options).
func (g grammar) subscription(c Command, args []string, named bool) []Command {
	var words []string
	for _, w := range args {
		key, value, isOption := strings.Cut(w, "=")
		if !isOption || strings.Contains(key, "@") {
			words = append(words, w)
		} else if !c.option(key, value) {
			return nil
		}
	}
	words = g.meaning(words)
	n := len(words)
	words = g.takeList(&c, words, n > 1 && isAddress(words[1]))
	listed := len(words) < n
	var name []string
	for _, w := range words {
		a, ok := addressWord(w)
		mode := flagMode(w)
		switch {
		case !ok && named && mode != "" && c.Key == "": // "subscribe pyug digest"; a name has capitals
			c.Key, c.Value = "mode", mode
		case !ok:
			name = append(name, w)
		case c.Address.IsZero():
			c.Address = a
		case c.Address != a:
			return nil
		}
	}
	if len(name) > 0 {
		// Behind an address stands nothing but a name; in front of one it is written with capitals.
		if !named || !isName(name, listed) {
			return nil
		}
		c.Name = personName(name)
	}
	return []Command{c}
}

func isAddress(w string) bool {
	_, ok := addressWord(w)
	return ok
}

// option is one key=value of a join: Mailman's address= and digest=, and mode= as listd names it.
func (c *Command) option(key, value string) bool {
	value = strings.Trim(value, "\"'.,;!")
	switch strings.ToLower(key) {
	case "address", "addr", "email":
		if value == "" {
			return true // "address= ana@example.org": it is the next word
		}
		a, ok := addressWord(value)
		if ok {
			c.Address = a
		}
		return ok
	case "digest":
		mode, ok := digestValue([]string{value})
		if ok {
			c.Key, c.Value = "mode", mode
		}
		return ok
	case "mode", "delivery":
		mode, ok := modeValue([]string{value})
		if ok {
			c.Key, c.Value = "mode", mode
		}
		return ok
	}
	return false
}

// leaveOrRemove: ezmlm's "remove" is a wish to leave, an owner's "remove ADDRESS" is not.
func (g grammar) leaveOrRemove(c Command, args []string) []Command {
	if slices.ContainsFunc(args, isAddress) {
		return g.people(c, args)
	}
	c.Verb = VerbLeave
	return g.leave(c, args)
}

// people reads [LIST] ADDRESS… and, with one address, whose it is (Sympa's ADD).
func (g grammar) people(c Command, args []string) []Command {
	args = g.meaning(args)
	args = g.takeList(&c, args, len(args) > 1 && !isAddress(args[0]) && isAddress(args[1]))
	var name []string
	for _, w := range args {
		for w := range strings.SplitSeq(strings.TrimRight(w, ",;"), ",") { // "a@example.org,b@example.org"
			if a, ok := addressWord(w); !ok {
				name = append(name, w)
			} else if !slices.Contains(c.Args, a.String()) {
				c.Args = append(c.Args, a.String())
			}
		}
	}
	if len(c.Args) == 0 || len(name) > 0 && (len(c.Args) > 1 || !isName(name, true)) {
		return nil
	}
	c.Name = personName(name)
	return []Command{c}
}

// set reads [LIST|*] and settings with commas between them, and for owners "list [LIST] key=value".
func (g grammar) set(c Command, args []string) []Command {
	if len(args) > 1 && strings.EqualFold(args[0], "list") {
		if out := g.configure(c, args[1:]); out != nil {
			return out
		}
	}
	if len(args) > 1 && (g.names(args[0]) || args[0] == "*" || strings.EqualFold(args[0], "all")) {
		if c.List = ""; !g.names(args[0]) {
			c.List = "*"
		}
		return setItems(c, args[1:])
	}
	if out := setItems(c, args); out != nil {
		return out
	}
	rest := g.takeList(&c, args, true)
	if len(rest) == len(args) {
		return nil
	}
	return setItems(c, rest)
}

func (g grammar) configure(c Command, args []string) []Command {
	if !strings.Contains(args[0], "=") && len(args) > 1 && !strings.HasPrefix(args[1], "=") {
		args = g.takeList(&c, args, true)
	}
	key, value, ok := strings.Cut(strings.Join(args, " "), "=")
	key = strings.ToLower(strings.TrimSpace(key))
	if !ok || key == "" || len(key) > 40 || strings.Trim(key, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return nil
	}
	c.Verb, c.Key, c.Value = VerbConfigure, key, strings.TrimSpace(value)
	return []Command{c}
}

// setItems makes a Command of each setting; none if one of them is not understood.
func setItems(c Command, args []string) (out []Command) {
	text := strings.Join(args, " ")
	items := strings.Split(text, ",")
	if key, _, _ := strings.Cut(strings.ReplaceAll(text, "=", " "), " "); strings.EqualFold(key, "name") {
		items = []string{text} // a name may have commas
	}
	for _, item := range items {
		words := strings.Fields(item)
		if len(words) == 0 {
			continue
		}
		got := setItem(words)
		if len(got) == 0 {
			return nil
		}
		for _, kv := range got {
			c.Key, c.Value = kv[0], kv[1]
			out = append(out, c)
		}
	}
	return out
}

// setFlag is a word that is a key and its value at once.
type setFlag struct{ words, key, value string }

// setFlags are the words of Sympa and Majordomo 2. What listd does not have is not here (conceal, notice, urlize):
// who sets it must hear that nothing came of it.
func setFlags() []setFlag {
	return []setFlag{
		{"each mail normal regular", "mode", "each"},
		{"digest mime", "mode", "digest"},
		{"plain digestplain", "mode", "plain"},
		{"roundup round-up", "mode", "roundup"},
		{"index summary", "mode", "index"},
		{"announcements announce", "mode", "announcements"},
		{"none nomail", "mode", "none"},
		{"not_me noselfcopy", "own_posts", "no"},
		{"selfcopy", "own_posts", "yes"},
		{"eliminatecc", "duplicates", "no"},
		{"noeliminatecc", "duplicates", "yes"},
	}
}

// setKey is a word that wants a value behind it.
type setKey struct {
	words, key string
	value      func(args []string) (string, bool)
}

func setKeys() []setKey {
	return []setKey{
		{"mode delivery", "mode", modeValue},
		{"digest", "mode", digestValue},
		{"own-posts own_posts myposts", "own_posts", yesValue},
		{"ack", "ack", yesValue},
		{"duplicates", "duplicates", yesValue},
		{"named", "named", yesValue},
		{"name", "name", nameValue},
		{"language lang", "language", languageValue},
		{"address email", "address", addressValue},
		{"schedule", "schedule", scheduleValue},
		{"vacation vacation_until nomail", "vacation_until", vacationValue},
	}
}

// setItem reads one setting; two where a mode comes with its schedule ("digest weekly tue").
func setItem(words []string) [][2]string {
	if key, value, ok := strings.Cut(words[0], "="); ok {
		words = append([]string{key, value}, words[1:]...)
		if value == "" {
			words = slices.Delete(words, 1, 2)
		}
	}
	word, rest := strings.ToLower(strings.TrimRight(words[0], ".;:!")), words[1:]
	for _, k := range setKeys() {
		if len(rest) > 0 && hasWord(k.words, word) {
			if v, ok := k.value(rest); ok {
				return [][2]string{{k.key, v}}
			}
		}
	}
	if v, ok := scheduleValue(words); ok {
		return [][2]string{{"schedule", v}}
	}
	if span, ok := strings.CutPrefix(word, "nomail-"); ok && len(rest) == 0 { // Majordomo 2
		if v, ok := vacationValue([]string{span}); ok {
			return [][2]string{{"vacation_until", v}}
		}
	}
	for _, f := range setFlags() {
		if !hasWord(f.words, word) {
			continue
		}
		out := [][2]string{{f.key, f.value}}
		if len(rest) == 0 {
			return out
		}
		if v, ok := scheduleValue(rest); ok && f.key == "mode" {
			return append(out, [2]string{"schedule", v})
		}
	}
	return nil
}

func hasWord(words, word string) bool {
	for w := range strings.FieldsSeq(words) {
		if w == word {
			return true
		}
	}
	return false
}

// oneWord is the only argument, in lower case and without punctuation; empty if there are others.
func oneWord(args []string) string {
	if len(args) != 1 {
		return ""
	}
	return strings.ToLower(trimWord(args[0]))
}

func yesValue(args []string) (string, bool) {
	switch oneWord(args) {
	case "on", "yes", "true":
		return "yes", true
	case "off", "no", "false":
		return "no", true
	}
	return "", false
}

// modeValue takes Mailman 2's "delivery on" too.
func modeValue(args []string) (string, bool) {
	w := oneWord(args)
	switch yes, _ := yesValue(args); yes {
	case "yes":
		return string(Each), true
	case "no":
		return string(None), true
	}
	mode := flagMode(w)
	return mode, mode != ""
}

// flagMode is the mode of a word, which is in lower case; empty if it is none.
func flagMode(w string) string {
	for _, f := range setFlags() {
		if f.key == "mode" && hasWord(f.words, w) {
			return f.value
		}
	}
	return ""
}

// digestValue is Mailman's: no, mime or plain.
func digestValue(args []string) (string, bool) {
	switch yes, _ := yesValue(args); {
	case yes == "no":
		return string(Each), true
	case yes == "yes", oneWord(args) == "mime":
		return string(Digest), true
	case oneWord(args) == "plain":
		return string(Plain), true
	}
	return "", false
}

func nameValue(args []string) (string, bool) {
	name := personName(args)
	return name, name != ""
}

func languageValue(args []string) (string, bool) {
	w := trimWord(strings.Join(args, " "))
	return w, checkLanguage(w) == nil
}

func addressValue(args []string) (string, bool) {
	a, ok := addressWord(args[0])
	if !ok || len(args) > 2 || len(args) == 2 && !isAddress(args[1]) {
		return "", false
	}
	return a.String(), true
}

var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// scheduleValue reads "weekly tue 08:00 Europe/Paris" and its like: how often, then a day, a time and a zone in any
// order, each at most once. Whether there is such a zone is not known here.
func scheduleValue(args []string) (string, bool) {
	often := strings.ToLower(trimWord(args[0]))
	if often != "daily" && often != "weekly" && often != "monthly" {
		return "", false
	}
	var day, at, zone string
	for _, w := range args[1:] {
		w = strings.TrimRight(w, ".,;!")
		low := strings.ToLower(w)
		clock, err := time.Parse("15:04", low)
		switch {
		case low == "at" || low == "on":
		case at == "" && err == nil:
			at = " " + clock.Format("15:04")
		case day == "" && often == "weekly" && len(low) > 2 && slices.Contains(weekdays, low[:3]) && strings.HasPrefix(weekdayOf(low[:3]), low):
			day = " " + low[:3]
		case day == "" && often == "monthly" && (&Schedule{Often: Monthly}).day(low):
			day = " " + low
		case zone == "" && (low == "utc" || strings.Contains(w, "/")) && strings.Trim(low, "abcdefghijklmnopqrstuvwxyz0123456789/_+-") == "":
			zone = " " + w
		default:
			return "", false
		}
	}
	return often + day + at + zone, true
}

func weekdayOf(short string) string {
	switch short {
	case "tue":
		return "tuesday"
	case "wed":
		return "wednesday"
	case "thu":
		return "thursday"
	case "sat":
		return "saturday"
	}
	return short + "day"
}

// vacation reads [LIST|*] and until when.
func (g grammar) vacation(c Command, args []string) []Command {
	if len(args) > 1 {
		if _, ok := vacationValue(args); !ok {
			args = g.takeList(&c, args, true)
		}
	}
	v, ok := vacationValue(args)
	if !ok {
		return nil
	}
	c.Verb, c.Key, c.Value = VerbSet, "vacation_until", v
	return []Command{c}
}

// days are the forms of a date that mean one day to everybody.
var days = []string{"2006-01-02", "2006/01/02", "2.1.2006", "2 January 2006", "2 Jan 2006", "January 2 2006", "Jan 2 2006"}

// vacationValue is the first day back as 2006-01-02, a time from today such as +14d, or nothing for off.
func vacationValue(args []string) (string, bool) {
	if len(args) > 1 && (strings.EqualFold(args[0], "until") || strings.EqualFold(args[0], "till") || strings.EqualFold(args[0], "for")) {
		args = args[1:]
	}
	switch w := oneWord(args); {
	case w == "off", w == "end", w == "no", w == "none":
		return "", true
	case len(w) > 1 && (w[len(w)-1] == 'd' || w[len(w)-1] == 'w') && digitsOnly(w[:len(w)-1]) && len(w) < 5:
		return "+" + w, true
	}
	text := strings.TrimRight(strings.ReplaceAll(strings.Join(args, " "), ",", ""), ".;!")
	for _, form := range days {
		if day, err := time.Parse(form, text); err == nil && day.Year() >= 2000 {
			return day.Format(time.DateOnly), true
		}
	}
	return "", false
}
