package letter_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"listd/letter"
)

var (
	update = flag.Bool("update", false, "rewrite testdata")
	out    = flag.String("out", "", "a folder to write the samples to, to be looked at")
)

func roundup() letter.Roundup {
	return letter.Roundup{
		Title: "Python user group", Period: "23 to 29 March 2026", Language: "en",
		Preheader: "Meeting on Thursday, a talk about asyncio, and three questions without an answer",
		Intro: "Hello all,\n\nthis week we talked about **packaging** a lot, and *Thursday* is the " +
			"[monthly meeting](https://lists.example.org/pyug/events/2026-04-02-monthly-meeting) again. Bring a question, or an answer.",
		Figures: letter.Figures{{"34", "posts", "9 more than last week"}, {"12", "people wrote", "3 for the first time"}, {"6 h", "until the first answer", ""}},
		Announcements: []letter.Card{
			{Title: "Meeting on 2 April: asyncio without tears", Meta: "Thursday, 19:00 · Library, room 2", URL: "https://lists.example.org/pyug/412",
				Body: "Ann shows how she took a crawler from threads to tasks, and what broke on the way. Then pizza.", Link: "Say that you come"},
		},
		Threads: []letter.Card{
			{Title: "How do you pin dependencies?", Meta: "14 posts by 7 people, begun by bob", URL: "https://lists.example.org/pyug/401",
				Body: "> We gave up on ranges and lock everything. Updates come once a week, in one go.\n\nMost agree; carol warns of libraries that do the same.", Link: "Read the thread"},
			{Title: "型ヒントについて: typing in a code base of ten years", Meta: "6 posts by 4 people, begun by carol", URL: "https://lists.example.org/pyug/398",
				Body: "Where to begin? With `mypy --strict` for new files only, says dave.", Link: "Read the thread"},
			{Title: "Room for the summer party", Meta: "5 posts by 5 people, begun by dave", URL: "https://lists.example.org/pyug/405", Body: "The garden behind the library is free on *20 June*."},
		},
		Unanswered: []letter.Link{
			{Title: "Does anybody run Python on a bicycle computer?", URL: "https://lists.example.org/pyug/403", Meta: "by erin, on Tuesday"},
			{Title: "Charset of old mbox files", Meta: "by frank, on Saturday"},
		},
		Events: []letter.Link{
			{Title: "Monthly meeting", URL: "https://pyug.example.org/meeting", Meta: "Thu 2026-04-02 19:00, Library, room 2"},
			{Title: "Summer party", Meta: "Sat 2026-06-20"},
		},
		Members: "Grace, Heidi and Ivan",
		Links:   []letter.Link{{Title: "packaging.python.org/en/latest", URL: "https://packaging.python.org/en/latest/", Meta: "bob, carol"}},
		Days:    letter.Bars{Caption: "Posts by day", Bars: []letter.Bar{{"Mon", 3}, {"Tue", 9}, {"Wed", 7}, {"Thu", 6}, {"Fri", 5}, {"Sat", 0}, {"Sun", 4}}},
		Places: []letter.Place{
			{Title: "Blog", URL: "https://pyug.example.org/blog", Items: []letter.Link{{Title: "What we learnt in March", URL: "https://pyug.example.org/blog/7", Meta: "Wed 2026-03-25"}}},
			{Title: "Podcast", Items: []letter.Link{{Title: "Episode 12: wheels", URL: "https://pod.example.org/12", Meta: "Fri 2026-03-27", Audio: "https://pod.example.org/12.mp3"}}},
		},
		Archive: "https://lists.example.org/pyug/archive/2026/13",
		Words:   letter.RoundupWords{"Announcements", "What is coming up", "What we talked about", "Still without an answer", "New among us", "Links", "This week in numbers", "Elsewhere", "listen", "Read it all in the archive"},
		Footer: "You get this round-up once a week because you are a member of pyug@lists.example.org. " +
			"[Change what you get](https://lists.example.org/pyug/options) or [leave the list](https://lists.example.org/pyug/leave).",
	}
}

func report() letter.Report {
	weeks := []string{"5 Jan", "12 Jan", "19 Jan", "26 Jan", "2 Feb", "9 Feb", "16 Feb", "23 Feb", "2 Mar", "9 Mar", "16 Mar", "23 Mar"}
	return letter.Report{
		Title: "pyug in the first quarter", Period: "January to March 2026", Language: "en", Preheader: "312 members, 391 posts; two addresses bounce",
		Intro:   "More people wrote than in any quarter before. What needs a look: *mail to one provider is slow*.",
		Figures: letter.Figures{{"312", "members", "+18"}, {"391", "posts", "+22 %"}, {"99.4 %", "delivered", ""}},
		Sections: []letter.ReportSection{
			{Title: "Posts", Text: "Each week:", Blocks: []letter.Block{
				letter.Chart{Kind: letter.BarChart, Labels: weeks, Values: []float64{21, 30, 28, 35, 41, 33, 26, 38, 47, 31, 27, 34}}}},
			{Title: "Members", Text: "At the end of each week:", Blocks: []letter.Block{
				letter.Chart{Kind: letter.LineChart, Labels: weeks, Values: []float64{294, 295, 295, 298, 301, 300, 302, 305, 305, 308, 311, 312}},
				letter.Chart{Kind: letter.Spark, Caption: "Members", Values: []float64{294, 295, 295, 298, 301, 300, 302, 305, 305, 308, 311, 312}}}},
			{Title: "Where it goes", Blocks: []letter.Block{
				letter.Bars{Unit: "members", Bars: []letter.Bar{{"mail.example.com", 141}, {"example.net", 88}, {"université.example", 40}, {"their own", 43}, {"none", 0}}},
				letter.Numbers{Caption: "Deliveries", Head: []string{"Provider", "Sent", "Deferred", "Failed"},
					Rows: [][]string{{"mail.example.com", "55,131", "12", "0"}, {"example.net", "34,408", "1,904", "2"}, {"université.example", "15,640", "0", "0"}}}}},
		},
		Footer: "You get this report once a quarter because you run pyug@lists.example.org. `set report off` to pyug-request@lists.example.org stops it.",
	}
}

// written is an announcement with all that Markdown has, and slots.
func written() (letter.Template, any) {
	return letter.Write("Summer meeting, {{.Name}}!", "Where, when, what to bring", "en", `# Summer meeting

Dear {{or .Name "friend"}},

the summer meeting is on **20 June**. The [programme]({{.Site}}/programme) is there; ~~30~~ 40 of us have said that they come.

::: button {{.RSVP}}
I shall be there
:::

## What to bring

1. Something to eat, for two
2. Something to sit on
   - a chair
   - or a blanket, `+"`wool`"+` is best
3. {{range .Things}}{{.}}, {{end}}and good weather

| When  | What       | Seats |
|:------|:-----------|------:|
| 14:00 | Workshops  |    40 |
| 18:00 | 夕食 (grill) |   120 |

> It was the best day of the year.
> > Of any year.

`+"```\nimport this\n    if weather.rain: raise Umbrella(\"<b>\")\n```"+`

---

{{if .Late}}
Too late? Write to <listd@example.org>.
{{else}}
See you! https://lists.example.org/pyug
{{end}}
`, "[Leave]({{.Leave}}) the list."), map[string]any{
			"Name": letter.Slot{Name: "name", Fallback: "friend"}, "Site": "https://lists.example.org/pyug/summer-meeting-2026",
			"RSVP": letter.Slot{Name: "rsvp", Fallback: "https://lists.example.org/rsvp"}, "Leave": letter.Slot{Name: "leave", Fallback: "https://lists.example.org/leave"},
			"Things": []string{"A hat", "a book"}, "Late": false,
		}
}

func samples(t *testing.T) map[string]letter.Parts {
	t.Helper()
	all := map[string]letter.Parts{}
	add := func(name string, tmpl letter.Template, data any) {
		p, err := letter.Render(tmpl, data)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = p
	}
	builtIn := func(name string) letter.Template {
		tmpl, err := letter.BuiltIn(name)
		if err != nil {
			t.Fatal(err)
		}
		return tmpl
	}
	add("roundup", builtIn("roundup"), roundup())
	add("report", builtIn("report"), report())
	tmpl, data := written()
	add("written", tmpl, data)
	add("notice", builtIn("notice"), letter.Notice{Subject: "Confirm that you want to join pyug", Preheader: "One click, and you are in", Language: "en",
		Body:   "Somebody, you perhaps, wants bob@example.com to get the mail of pyug@lists.example.org.\n\nIf it was you, press the button, or reply to this mail:\n\n    pyug-confirm+kx3@lists.example.org",
		Button: letter.Button{Label: "Yes, I want to join", URL: "https://lists.example.org/confirm/kx3"},
		After:  "If not, do nothing.",
		Footer: "Sent by lists.example.org because somebody typed your address."})
	arabic := roundup()
	arabic.Language, arabic.Title, arabic.Period = "ar", "مجموعة بايثون", "٢٣ إلى ٢٩ مارس"
	add("arabic", builtIn("roundup"), arabic)
	return all
}

// TestSamples holds the text of the samples, and the structure of their HTML, against testdata.
func TestSamples(t *testing.T) {
	t.Parallel()
	for name, p := range samples(t) {
		golden(t, name+".txt", "Subject: "+p.Subject+"\n\n"+p.Text)
		golden(t, name+".outline", outline(t, p.HTML))
		if *out == "" {
			continue
		}
		page := p.HTML
		for i, pic := range p.Pictures {
			file := name + string(rune('a'+i)) + ".png"
			write(t, filepath.Join(*out, file), string(pic.Data))
			page = strings.ReplaceAll(page, "cid:"+pic.CID, file)
		}
		write(t, filepath.Join(*out, name+".html"), page)
		// As Outlook's apps show it in the dark.
		write(t, filepath.Join(*out, name+"-ogsc.html"), strings.Replace(page, "<html", `<html data-ogsc data-ogsb`, 1))
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		write(t, path, got)
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; see with -update and git diff. Got:\n%s", path, got)
	}
}

// outline is the structure of a page: elements within each other with what is not style, and texts.
func outline(t *testing.T, page string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	var walk func(n *html.Node, depth int)
	walk = func(n *html.Node, depth int) {
		indent := strings.Repeat(" ", max(depth, 0))
		switch n.Type {
		case html.TextNode:
			if s := strings.Join(strings.Fields(strings.Trim(n.Data, "\u2007\u034f \n")), " "); s != "" && n.Parent.Data != "style" {
				b.WriteString(indent + "“" + s + "”\n")
			}
		case html.ElementNode:
			b.WriteString(indent + n.Data)
			for _, a := range n.Attr {
				switch a.Key {
				case "role", "class", "href", "alt", "lang", "dir", "align", "scope":
					b.WriteString(" " + a.Key + "=" + a.Val)
				}
			}
			b.WriteByte('\n')
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c, depth+1)
		}
	}
	walk(root, -1)
	return b.String()
}
