package digest

import (
	"fmt"

	"listd/lists"
)

// roundWords are the words of a round-up in a language. footer has the list's address, and where to ask for help and to
// leave; posted has the numbers of posts and people, and who began.
type roundWords struct {
	announcements, threads, unanswered, archive, read string
	posts, conversations, people                      string
	one, posted, footer                               string
}

// meta tells who has taken part in a thread.
func (w roundWords) meta(posts, people int, by string) string {
	if posts == 1 {
		return fmt.Sprintf(w.one, by)
	}
	return fmt.Sprintf(w.posted, posts, people, by)
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
		"en": {"Announcements", "What we talked about", "Still without an answer", "Read it all in the archive", "Read the thread",
			"posts", "conversations", "people", "by %s", "%d posts by %d people, begun by %s",
			"You get this because you are a member of %s and have chosen the round-up. [Help](%s) · [Leave the list](%s)"},
		"de": {"Ankündigungen", "Worüber wir sprachen", "Noch ohne Antwort", "Alles im Archiv lesen", "Den Faden lesen",
			"Beiträge", "Gespräche", "Personen", "von %s", "%d Beiträge von %d Personen, begonnen von %s",
			"Sie bekommen dies, weil Sie Mitglied von %s sind und die Übersicht gewählt haben. [Hilfe](%s) · [Die Liste verlassen](%s)"},
		"fr": {"Annonces", "Nos conversations", "Encore sans réponse", "Tout lire dans les archives", "Lire le fil",
			"messages", "conversations", "personnes", "de %s", "%d messages de %d personnes, fil ouvert par %s",
			"Vous recevez ce résumé parce que vous êtes membre de %s et l’avez choisi. [Aide](%s) · [Quitter la liste](%s)"},
		"es": {"Anuncios", "De qué hemos hablado", "Aún sin respuesta", "Leerlo todo en el archivo", "Leer el hilo",
			"mensajes", "conversaciones", "personas", "de %s", "%d mensajes de %d personas, lo empezó %s",
			"Recibe este resumen porque es miembro de %s y lo ha elegido. [Ayuda](%s) · [Dejar la lista](%s)"},
	}
}
