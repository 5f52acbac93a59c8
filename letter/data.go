package letter

import (
	"fmt"
	"strings"
)

// Roundup is the data of the template "roundup": what happened on a list in a while, told as a newsletter. What is empty
// has no heading either.
type Roundup struct {
	Title, Period       string // of the list; "23 to 29 March 2026"
	Preheader, Language string
	Intro               Markdown // by a person
	Announcements       []Card
	Events              []Link // to come, by their beginning
	Threads             []Card
	Unanswered          []Link
	Members             string // the names of new ones who agreed to be named
	Links               []Link // that were shared
	Figures             Figures
	Days                Bars    // posts of each
	Places              []Place // other places of the group's
	Archive             string  // a URL
	Words               RoundupWords
	Footer              Markdown // why one gets this, and how to stop it
}

// RoundupWords are the headings of a Roundup in its language.
type RoundupWords struct {
	Announcements, Events, Threads, Unanswered, Members, Links, Numbers, Places string
	Listen, Archive                                                             string
}

// Link is a thing to read in a line of a list. All but Title may be empty; Audio is the URL of what can be listened to.
type Link struct{ Title, URL, Meta, Audio string }

// Place is another place of a group's, as its blog, and what was new there.
type Place struct {
	Title, URL string
	Items      []Link
}

// Report is the data of the template "report": numbers for who runs a list.
type Report struct {
	Title, Period       string
	Preheader, Language string
	Intro               Markdown
	Figures             Figures
	Sections            []ReportSection
	Footer              Markdown
}

// ReportSection is a heading with a text and what shows it.
type ReportSection struct {
	Title  string
	Text   Markdown
	Blocks []Block
}

// Notice is the data of the template "notice": a mail of the machine's, with a button where there is something to
// confirm, between two texts. A Button without a URL is none.
type Notice struct {
	Subject, Preheader, Language string
	Body                         Plain
	Button                       Button
	After                        Plain
	Footer                       Markdown
}

// Shape is an example of the data of a built-in template, for Check.
func Shape(name string) (any, error) {
	card := []Card{{Title: "A thread", Meta: "3 posts", Body: "What it says.", URL: "https://lists.example.org/1", Link: "Read"}}
	switch name {
	case "roundup":
		link := []Link{{Title: "A thing to read", URL: "https://lists.example.org/2", Meta: "by somebody", Audio: "https://lists.example.org/2.ogg"}}
		return Roundup{Title: "A list", Period: "a week", Preheader: "What is new", Language: "en", Intro: "Hello.", Announcements: card, Events: link,
			Threads: card, Unanswered: link, Members: "Ann and Ben", Links: link, Figures: Figures{{Value: "3", Label: "posts"}},
			Days: Bars{Caption: "Posts", Bars: []Bar{{"Monday", 3}}}, Places: []Place{{"A blog", "https://blog.example.org/", link}},
			Archive: "https://lists.example.org/", Words: RoundupWords{"Announcements", "Events", "Threads", "Without an answer", "New", "Links", "Numbers",
				"Elsewhere", "Listen", "Read more"}, Footer: "Why."}, nil
	case "report":
		return Report{Title: "A list", Period: "a month", Preheader: "Its numbers", Language: "en", Intro: "Hello.", Figures: Figures{{Value: "3", Label: "posts"}},
			Sections: []ReportSection{{"Posts", "Each week:", []Block{Numbers{Head: []string{"Week", "Posts"}, Rows: [][]string{{"1", "3"}}}}}}, Footer: "Why."}, nil
	case "notice":
		return Notice{Subject: "A notice", Preheader: "What it is about", Language: "en", Body: "Hello.", Button: Button{"Confirm", "https://lists.example.org/3"}, After: "Goodbye.", Footer: "Why."}, nil
	}
	_, err := BuiltIn(name)
	if err == nil {
		err = fmt.Errorf("template %s: no example of its data is known", name)
	}
	return nil, err
}

// Write is a template of what a person has written: a subject, a text in Markdown with fields and components, small print
// below. All but subject and body may be empty.
func Write(subject, preheader, language, body, footer string) Template {
	line := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	text := "Subject: " + line(subject) + "\nPreheader: " + line(preheader) + "\nLanguage: " + line(language) + "\n\n" + body
	if strings.TrimSpace(footer) != "" {
		text += "\n-- \n" + footer
	}
	return Template{Name: "written", Version: 1, Text: text}
}
