package digest

import (
	"fmt"
	"strings"
	"time"

	"listd/letter"
	"listd/lists"
)

// roundWords are the words of a round-up in a language. footer has the list's address, and where to ask for help and to
// leave; posted has the numbers of posts and people, and who began.
type roundWords struct {
	letter.RoundupWords
	read                         string
	posts, conversations, people string
	one, posted, sharers         string
	byDay, byWeek, and           string
	weekdays                     string // from Sunday
	footer                       string
}

// meta tells who has taken part in a thread.
func (w roundWords) meta(posts, people int, by string) string {
	if posts == 1 {
		return fmt.Sprintf(w.one, by)
	}
	return fmt.Sprintf(w.posted, posts, people, by)
}

// weekday is what a day is called, in short.
func (w roundWords) weekday(t time.Time) string { return strings.Fields(w.weekdays)[t.Weekday()] }

// day is a day for people.
func (w roundWords) day(t time.Time) string { return w.weekday(t) + " " + t.Format(time.DateOnly) }

// list is an enumeration.
func (w roundWords) list(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " " + w.and + " " + names[n-1]
	}
	return strings.Join(names, "")
}

// roundWordsOf are the words in a language, or in English.
func roundWordsOf(language string) roundWords {
	for _, lang := range lists.NoticeLanguages(language) {
		if w, ok := roundLanguages()[lang]; ok {
			return w
		}
	}
	return roundLanguages()["en"]
}

func roundLanguages() map[string]roundWords {
	return map[string]roundWords{
		"en": {letter.RoundupWords{Announcements: "Announcements", Events: "What is coming up", Threads: "What we talked about", Unanswered: "Still without an answer",
			Members: "New among us", Links: "Links you shared", Numbers: "In numbers", Places: "Elsewhere", Listen: "listen", Archive: "Read it all in the archive"},
			"Read the thread", "posts", "conversations", "people", "by %s", "%d posts by %d people, begun by %s", "by %d people",
			"Posts by day", "Posts by week", "and", "Sun Mon Tue Wed Thu Fri Sat",
			"You get this because you are a member of %s and have chosen the round-up. [Help](%s) · [Leave the list](%s)"},
		"de": {letter.RoundupWords{Announcements: "Ankündigungen", Events: "Was ansteht", Threads: "Worüber wir sprachen", Unanswered: "Noch ohne Antwort",
			Members: "Neu bei uns", Links: "Geteilte Links", Numbers: "In Zahlen", Places: "Anderswo", Listen: "anhören", Archive: "Alles im Archiv lesen"},
			"Den Faden lesen", "Beiträge", "Gespräche", "Personen", "von %s", "%d Beiträge von %d Personen, begonnen von %s", "von %d Personen",
			"Beiträge nach Tagen", "Beiträge nach Wochen", "und", "So Mo Di Mi Do Fr Sa",
			"Sie bekommen dies, weil Sie Mitglied von %s sind und die Übersicht gewählt haben. [Hilfe](%s) · [Die Liste verlassen](%s)"},
		"fr": {letter.RoundupWords{Announcements: "Annonces", Events: "À venir", Threads: "Nos conversations", Unanswered: "Encore sans réponse",
			Members: "Nouveaux parmi nous", Links: "Liens partagés", Numbers: "En chiffres", Places: "Ailleurs", Listen: "écouter", Archive: "Tout lire dans les archives"},
			"Lire le fil", "messages", "conversations", "personnes", "de %s", "%d messages de %d personnes, fil ouvert par %s", "de %d personnes",
			"Messages par jour", "Messages par semaine", "et", "dim. lun. mar. mer. jeu. ven. sam.",
			"Vous recevez ce résumé parce que vous êtes membre de %s et l’avez choisi. [Aide](%s) · [Quitter la liste](%s)"},
		"es": {letter.RoundupWords{Announcements: "Anuncios", Events: "Lo que viene", Threads: "De qué hemos hablado", Unanswered: "Aún sin respuesta",
			Members: "Nuevos entre nosotros", Links: "Enlaces compartidos", Numbers: "En cifras", Places: "En otros lugares", Listen: "escuchar", Archive: "Leerlo todo en el archivo"},
			"Leer el hilo", "mensajes", "conversaciones", "personas", "de %s", "%d mensajes de %d personas, lo empezó %s", "de %d personas",
			"Mensajes por día", "Mensajes por semana", "y", "dom lun mar mié jue vie sáb",
			"Recibe este resumen porque es miembro de %s y lo ha elegido. [Ayuda](%s) · [Dejar la lista](%s)"},
	}
}
