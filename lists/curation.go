package lists

import (
	"slices"
	"strconv"
	"strings"

	"listd/mail"
)

// Silence is what becomes of a round-up that no organizer says a word about.
type Silence string

// What becomes of it.
const (
	SilenceSends Silence = "send"
	SilenceHolds Silence = "hold"
)

// Curate is what becomes of a round-up by an organizer's word.
type Curate string

// What becomes of it. Without a word it is Silence's.
const (
	CurateSend Curate = "send" // at its time, or now if that is past
	CurateHold Curate = "hold" // until another word
	CurateSkip Curate = "skip" // it does not go out
)

// Curation is what an organizer wants of a round-up. What is zero stays as it is.
type Curation struct {
	Verdict     Curate
	Intro       string // Markdown
	Drop, First []int  // topics, by the numbers of the draft
}

// CurateKind is the kind of the confirmation by which an organizer's reply is known.
const CurateKind = "roundup"

// MaxIntro is how long an introduction is at most, in bytes; maxTopics how many numbers a reply may name.
const (
	MaxIntro  = 4000
	maxTopics = 50
)

// curateVerbs are the words that a reply may use, in the languages that notices have.
var curateVerbs = map[string]string{
	"ok": "send", "okay": "send", "send": "send", "yes": "send", "ja": "send", "senden": "send", "oui": "send", "envoyer": "send", "si": "send", "sí": "send", "enviar": "send",
	"hold": "hold", "wait": "hold", "warten": "hold", "attendre": "hold", "esperar": "hold",
	"skip": "skip", "auslassen": "skip", "sauter": "skip", "omitir": "skip",
	"drop": "drop", "streichen": "drop", "retirer": "drop", "quitar": "drop",
	"first": "first", "zuerst": "first", "premier": "first", "primero": "first",
}

// ReadCuration reads an organizer's reply to a draft: what stands above any quote. A line that is a word such as ok, hold or
// skip, or drop or first with numbers behind, says what to do; what other lines say is the introduction. Not ok if the
// reply says nothing, or two things at once.
func ReadCuration(m mail.Message) (c Curation, ok bool) {
	said := written(m, above)
	var intro []string
	for _, line := range said.lines {
		verb, numbers, isVerb := curateLine(line)
		switch {
		case !isVerb:
			intro = append(intro, line)
		case verb == "drop":
			c.Drop = append(c.Drop, numbers...)
		case verb == "first":
			c.First = append(c.First, numbers...)
		case c.Verdict != "" && c.Verdict != Curate(verb):
			return Curation{}, false
		default:
			c.Verdict = Curate(verb)
		}
	}
	c.Intro = withoutName(strings.TrimSpace(strings.Join(intro, "\n")), m)
	if said.cut || len(c.Drop) > maxTopics || len(c.First) > maxTopics || len(c.Intro) > MaxIntro {
		return Curation{}, false
	}
	return c, c.Verdict != "" || c.Intro != "" || len(c.Drop) > 0 || len(c.First) > 0
}

// withoutName is a text without the name below it that its author signs with: the one in From, or the first part of that.
func withoutName(text string, m mail.Message) string {
	authors := mail.Mailboxes(mail.Get(m.Head, "From"))
	if len(authors) != 1 || authors[0].Name == "" {
		return text
	}
	first, _, _ := strings.Cut(authors[0].Name, " ")
	at := strings.LastIndexByte(text, '\n')
	if last := strings.TrimSpace(text[at+1:]); strings.EqualFold(last, authors[0].Name) || strings.EqualFold(last, first) {
		return strings.TrimSpace(text[:max(at, 0)])
	}
	return text
}

// curateLine reads a line that says what to do. "First of all, hello" is none.
func curateLine(line string) (verb string, numbers []int, ok bool) {
	words := strings.FieldsFunc(strings.ToLower(unwrap(line)), func(r rune) bool { return strings.ContainsRune(" \t,;.!:#\u00a0", r) })
	if len(words) == 0 {
		return "", nil, false
	}
	verb = curateVerbs[words[0]]
	for _, w := range words[1:] {
		n, err := strconv.Atoi(w)
		if err != nil || n < 1 {
			return "", nil, false
		}
		if !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	takes := verb == "drop" || verb == "first"
	return verb, numbers, verb != "" && takes == (len(numbers) > 0)
}
