package digest

import (
	"fmt"
	"strconv"
	"time"

	"listd/lists"
)

// reportWords are the words of a report in a language. preheader has the numbers of posts and authors; the footers have the
// list's address, that of members MinGroup, leave where to ask for help and to leave; day, hour and minute are units.
type reportWords struct {
	report, preheader                               string
	posts, threads, authors, members                string
	talk, postsByDay, first, delay, share           string
	top, unanswered                                 string
	membersByDay, joined, left, paused, resumed     string
	mode, pausedNow, others                         string
	deliveries, provider, sent, bounced             string
	moderation, held, released, refused             string
	few, quiet                                      string
	day, hour, minute                               string
	footerOwners, footerMembers, leave, threePeople string
}

// count is a number of people; what is withheld reads as less than MinGroup.
func (w reportWords) count(c Count) string {
	if c.Withheld {
		return "–"
	}
	if c.Few {
		return fmt.Sprintf(w.few, MinGroup)
	}
	return strconv.FormatInt(c.N, 10)
}

// duration is some seconds for people: the two largest units.
func (w reportWords) duration(seconds int64) string {
	m := (time.Duration(seconds)*time.Second + 30*time.Second) / time.Minute
	switch d, h := m/(24*60), m/60; {
	case d > 0:
		return fmt.Sprintf("%d %s %d %s", d, w.day, h%24, w.hour)
	case h > 0:
		return fmt.Sprintf("%d %s %d %s", h, w.hour, m%60, w.minute)
	}
	return fmt.Sprintf("%d %s", m, w.minute)
}

// intro is what a report says first.
func (w reportWords) intro(r Report) string {
	switch {
	case r.Posts == 0:
		return w.quiet
	case r.Share != nil:
		return fmt.Sprintf(w.threePeople, *r.Share)
	}
	return ""
}

// reportWordsOf are the words in a language, or in English.
func reportWordsOf(language string) reportWords {
	for _, lang := range lists.NoticeLanguages(language) {
		if w, ok := reportLanguages()[lang]; ok {
			return w
		}
	}
	return reportLanguages()["en"]
}

func reportLanguages() map[string]reportWords {
	return map[string]reportWords{
		"en": {report: "report", preheader: "%d posts by %s people", posts: "posts", threads: "threads", authors: "authors", members: "members",
			talk: "Posts", postsByDay: "Posts by day", first: "Posted for the first time", delay: "Until the first answer (median)",
			share: "Of the posts, by the three who wrote most", top: "The longest threads", unanswered: "Questions without an answer",
			membersByDay: "Members by day", joined: "joined", left: "left", paused: "were paused", resumed: "came back from a pause",
			mode: "mode", pausedNow: "paused now", others: "others", deliveries: "Mail to members", provider: "provider", sent: "delivered", bounced: "bounced",
			moderation: "Moderation", held: "held", released: "released", refused: "rejected, discarded or expired", few: "fewer than %d",
			quiet: "Nobody has posted in this time.", day: "d", hour: "h", minute: "min", threePeople: "Three people wrote %d %% of the posts.",
			footerOwners:  "You get this because you are an owner of %s. Days are those of UTC; it names nobody.",
			footerMembers: "You get this because you are a member of %s, whose owners share its numbers. Days are those of UTC; numbers about fewer than %d people are withheld.",
			leave:         "[Help](%s) · [Leave the list](%s)"},
		"de": {report: "Bericht", preheader: "%d Beiträge von %s Personen", posts: "Beiträge", threads: "Fäden", authors: "Schreibende", members: "Mitglieder",
			talk: "Beiträge", postsByDay: "Beiträge nach Tagen", first: "Schrieben zum ersten Mal", delay: "Bis zur ersten Antwort (Median)",
			share: "Anteil der drei, die am meisten schrieben", top: "Die längsten Fäden", unanswered: "Fragen ohne Antwort",
			membersByDay: "Mitglieder nach Tagen", joined: "beigetreten", left: "ausgetreten", paused: "pausiert", resumed: "aus der Pause zurück",
			mode: "Modus", pausedNow: "jetzt pausiert", others: "andere", deliveries: "Post an Mitglieder", provider: "Anbieter", sent: "zugestellt", bounced: "unzustellbar",
			moderation: "Moderation", held: "angehalten", released: "freigegeben", refused: "abgelehnt, verworfen oder verfallen", few: "weniger als %d",
			quiet: "In dieser Zeit hat niemand geschrieben.", day: "T", hour: "h", minute: "min", threePeople: "Drei Personen schrieben %d %% der Beiträge.",
			footerOwners:  "Sie bekommen dies, weil Ihnen die Liste %s gehört. Tage sind die der UTC; niemand wird genannt.",
			footerMembers: "Sie bekommen dies, weil Sie Mitglied von %s sind und ihre Eigentümer die Zahlen teilen. Tage sind die der UTC; Zahlen über weniger als %d Personen fehlen.",
			leave:         "[Hilfe](%s) · [Die Liste verlassen](%s)"},
		"fr": {report: "rapport", preheader: "%d messages de %s personnes", posts: "messages", threads: "fils", authors: "auteurs", members: "membres",
			talk: "Messages", postsByDay: "Messages par jour", first: "Ont écrit pour la première fois", delay: "Jusqu’à la première réponse (médiane)",
			share: "Part des trois qui ont le plus écrit", top: "Les fils les plus longs", unanswered: "Questions sans réponse",
			membersByDay: "Membres par jour", joined: "arrivés", left: "partis", paused: "mis en pause", resumed: "revenus de pause",
			mode: "mode", pausedNow: "en pause", others: "autres", deliveries: "Courrier aux membres", provider: "fournisseur", sent: "remis", bounced: "refusés",
			moderation: "Modération", held: "retenus", released: "libérés", refused: "rejetés, écartés ou expirés", few: "moins de %d",
			quiet: "Personne n’a écrit pendant ce temps.", day: "j", hour: "h", minute: "min", threePeople: "Trois personnes ont écrit %d %% des messages.",
			footerOwners:  "Vous recevez ceci parce que vous êtes propriétaire de %s. Les jours sont ceux d’UTC ; personne n’est nommé.",
			footerMembers: "Vous recevez ceci parce que vous êtes membre de %s, dont les propriétaires partagent les chiffres. Les jours sont ceux d’UTC ; les nombres sur moins de %d personnes manquent.",
			leave:         "[Aide](%s) · [Quitter la liste](%s)"},
		"es": {report: "informe", preheader: "%d mensajes de %s personas", posts: "mensajes", threads: "hilos", authors: "autores", members: "miembros",
			talk: "Mensajes", postsByDay: "Mensajes por día", first: "Escribieron por primera vez", delay: "Hasta la primera respuesta (mediana)",
			share: "Parte de los tres que más escribieron", top: "Los hilos más largos", unanswered: "Preguntas sin respuesta",
			membersByDay: "Miembros por día", joined: "llegaron", left: "se fueron", paused: "en pausa", resumed: "volvieron de la pausa",
			mode: "modo", pausedNow: "ahora en pausa", others: "otros", deliveries: "Correo a los miembros", provider: "proveedor", sent: "entregados", bounced: "devueltos",
			moderation: "Moderación", held: "retenidos", released: "liberados", refused: "rechazados, descartados o caducados", few: "menos de %d",
			quiet: "Nadie ha escrito en este tiempo.", day: "d", hour: "h", minute: "min", threePeople: "Tres personas escribieron el %d %% de los mensajes.",
			footerOwners:  "Recibe esto porque la lista %s es suya. Los días son los de UTC; no se nombra a nadie.",
			footerMembers: "Recibe esto porque es miembro de %s, cuyos dueños comparten sus cifras. Los días son los de UTC; faltan los números sobre menos de %d personas.",
			leave:         "[Ayuda](%s) · [Dejar la lista](%s)"},
	}
}
