package lists

import (
	"slices"
	"strings"

	"listd/mail"
)

// This file reads what people answer to a question of ours: a moderator's verdict, a yes or no to a confirmation.

// Ruling is what a moderator's reply says about a held message.
type Ruling struct {
	Action Action // Accept, Reject or Discard
	Always bool   // with Accept: and all further posts of the sender
	Ban    bool   // with Discard: and the sender may not post again
	Reason string // of a Reject, for the sender; lines are parted by \n
}

// maxReason bounds what a moderator gives as the reason, in bytes.
const maxReason = 2000

// rulingRow is one line of the table of moderators' words. mild words begin a sentence too ("no problem"): what
// follows them is a reason only behind a colon.
type rulingRow struct {
	action Action
	ban    bool
	mild   bool
	words  string
}

// rulings are the words of English, German, French and Spanish.
var rulings = []rulingRow{
	{Accept, false, true, "ok okay yes y ja oui sí si vale gut genehmigt"},
	{Accept, false, false, "accept accepted approve approved allow pass release annehmen freigeben akzeptieren accepter approuver aceptar aprobar d'accord +1 👍"},
	{Reject, false, true, "no n nein non"},
	{Reject, false, false, "reject rejected refuse deny ablehnen zurückweisen refuser rejeter rechazar"},
	{Discard, false, false, "discard drop delete spam junk verwerfen löschen supprimer jeter descartar borrar eliminar"},
	{Discard, true, false, "ban block sperren bannir bloquear"},
}

// alwaysWords make an Accept hold for the sender's further posts.
var alwaysWords = []string{"always", "immer", "toujours", "siempre"}

// rulingFillers may follow a verb without changing what it says.
var rulingFillers = []string{"please", "thanks", "thank", "you", "bitte", "danke", "merci", "gracias", "it", "this", "one", "post", "message", "for", "me", "from"}

// ReadVerdict reads a moderator's reply: the verb stands in the first line above any quote. The Subject is not read:
// it is the one we wrote. Not ok if that line says nothing clear; then the message stays held and the moderator is
// asked again.
func ReadVerdict(m mail.Message) (Ruling, bool) {
	lines := written(m, above).lines
	for len(lines) > 1 && (lines[0] == "" || greets(lines[0])) {
		lines = lines[1:]
	}
	if len(lines) == 0 || len(lines[0]) > maxReason || strings.HasSuffix(lines[0], "?") {
		return Ruling{}, false
	}
	words := strings.Fields(unwrap(lines[0]))
	if len(words) == 0 {
		return Ruling{}, false
	}
	verb, rest := cutVerb(words)
	row, ok := rulingOf(verb)
	if !ok {
		return Ruling{}, false
	}
	r := Ruling{Action: row.action, Ban: row.ban}
	if row.action == Reject {
		colon := strings.HasSuffix(words[0], ":") || len(words) > 1 && words[1] == ":" || strings.Contains(words[0], ":")
		if row.mild && !colon && !fillersOnly(rest, nil) {
			return Ruling{}, false
		}
		if row.mild && !colon {
			rest = nil
		}
		r.Reason = reason(strings.Join(rest, " "), lines[1:])
		return r, true
	}
	// "ok, but not before Tuesday" is no yes; "discard, this is spam" is clear. Two verbs say it twice: "yes, accept".
	if len(rest) > 0 && row.action == Accept {
		if second, ok := rulingOf(strings.ToLower(strings.Trim(rest[0], ".,;:!"))); ok && second.action == Accept {
			rest = rest[1:]
		}
	}
	r.Always = slices.ContainsFunc(rest, isAlways) && row.action == Accept
	if row.action == Accept && !fillersOnly(rest, isAlways) {
		return Ruling{}, false
	}
	return r, true
}

// cutVerb parts the first word, which may have its reason attached ("no:why"), from the rest.
func cutVerb(words []string) (verb string, rest []string) {
	first, tail, _ := strings.Cut(words[0], ":")
	rest = words[1:]
	if tail != "" {
		rest = append([]string{tail}, rest...)
	} else if len(rest) > 0 && rest[0] == ":" {
		rest = rest[1:]
	}
	return strings.ToLower(strings.Trim(first, ".,;!*\"'")), rest
}

func rulingOf(word string) (row rulingRow, ok bool) {
	for _, row := range rulings {
		if hasWord(row.words, word) {
			return row, true
		}
	}
	return row, false
}

func isAlways(w string) bool {
	return slices.Contains(alwaysWords, strings.ToLower(strings.Trim(w, ".,;:!")))
}

// fillersOnly reports whether words add nothing, but for those that also accepts.
func fillersOnly(words []string, also func(string) bool) bool {
	for _, w := range words {
		if t := strings.ToLower(strings.Trim(w, ".,;:!-")); t != "" && !slices.Contains(rulingFillers, t) && (also == nil || !also(w)) {
			return false
		}
	}
	return true
}

// reason is the rest of the first line and what follows, up to where the moderator takes leave.
func reason(first string, lines []string) string {
	all := []string{first}
	for _, l := range lines {
		if closes(l) {
			break
		}
		all = append(all, l)
	}
	s := strings.TrimSpace(strings.Join(all, "\n"))
	for len(s) > maxReason {
		cut := strings.LastIndexAny(s[:maxReason], " \n")
		if cut <= 0 {
			return strings.ToValidUTF8(s[:maxReason], "")
		}
		s = strings.TrimSpace(s[:cut])
	}
	return s
}

// declines are what people answer who did not ask, anywhere in a line, in lower case. They say what it is that was
// not done or not wanted: "do not" alone is in the small print below many a company's mail.
var declines = []string{"not me", "wasn't me", "was not me", "did not ask", "did not request", "did not sign", "did not subscribe", "did not do", "did not want", "didn't",
	"do not want", "don't want", "dont want", "do not subscribe", "do not add", "do not confirm", "do not send", "don't subscribe", "don't add", "don't send",
	"never asked", "never requested", "never subscribed", "never signed", "please stop", "please cancel", "remove me", "wrong address", "this is spam",
	"ich nicht", "nicht ich", "nicht angefordert", "nicht bestellt", "nicht angemeldet", "nicht gewollt", "nicht von mir", "will nicht", "möchte nicht", "bitte nicht", "kein interesse",
	"pas moi", "pas demandé", "ne veux pas", "ne souhaite pas", "pas inscrit", "no fui", "no he sido", "no quiero", "no lo pedí", "no he pedido", "non sono stat", "non voglio"}

// declining words begin a line that declines.
var declining = []string{"no", "nein", "non", "nope", "nee", "nej", "não", "nie", "нет", "いいえ", "stop", "stopp", "cancel", "spam", "unsubscribe", "leave",
	"abbrechen", "annuler", "cancelar", "annulla"}

// ReadConfirm reports whether a reply to a confirmation confirms. Any does, an empty one too, unless the first lines
// above the quote say otherwise.
func ReadConfirm(m mail.Message) bool {
	for i, l := range written(m, above).lines {
		low := strings.ToLower(l)
		first, rest, _ := strings.Cut(low, " ")
		switch {
		case i >= 20 || closes(l):
			return true
		case slices.Contains(declining, strings.Trim(first, ".,;:!")) && !strings.HasPrefix(rest, "problem"),
			slices.ContainsFunc(declines, func(d string) bool { return strings.Contains(low, d) }):
			return false
		}
	}
	return true
}
