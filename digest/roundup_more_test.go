package digest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"listd/feeds"
	"listd/letter"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

// ics is a calendar of events: UID, begin, summary and status of each.
func ics(events ...[4]string) string {
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\n")
	for _, e := range events {
		b.WriteString("BEGIN:VEVENT\r\nUID:" + e[0] + "\r\nDTSTAMP:20310101T000000Z\r\nDTSTART:" + e[1] + "\r\nSUMMARY:" + e[2] + "\r\nSTATUS:" + e[3] + "\r\nEND:VEVENT\r\n")
	}
	return b.String() + "END:VCALENDAR\r\n"
}

// invites is a post with a calendar beside its text.
func invites(calendar string) mail.Message {
	return mail.Message{Head: []byte("From: ann <ann@example.org>\r\nSubject: Come\r\nContent-Type: multipart/mixed; boundary=q\r\n"),
		Body: []byte("--q\r\n\r\nDo come.\r\n--q\r\nContent-Type: text/calendar; charset=utf-8\r\n\r\n" + calendar + "--q--\r\n")}
}

const atom = `<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>The &lt;b&gt; blog</title>
<link href="https://blog.example.org/"/><id>urn:x:1</id><updated>2031-02-01T00:00:00Z</updated>
<entry><title>Too old</title><id>urn:x:2</id><link href="https://blog.example.org/old"/><updated>2030-01-01T10:00:00Z</updated></entry>
<entry><title>How we built it &lt;script&gt;alert(1)&lt;/script&gt;</title><id>urn:x:3</id><link href="https://blog.example.org/new"/><updated>2031-02-01T10:00:00Z</updated></entry>
<entry><title>A trap</title><id>urn:x:4</id><link href="javascript:alert(1)"/><updated>2031-02-01T09:00:00Z</updated></entry></feed>`

// full is a week with all that a round-up can tell.
func full() Material {
	m := week("1|0|ann|Party|We meet, see https:§§party.example.org§2031§ (and https:§§lists.example.org§l§x).",
		"2|0|ben|Pinning versions|How do you pin versions? We use ranges for all libraries.",
		"2|2|cyn|Re: Pinning versions|> How do you pin versions?/We lock versions of all libraries, and update them once a week./It is documented at https:§§pin.example.org§how?x=1.",
		"2|2|dan|Re: Pinning versions|Locking versions works for libraries as well as for programs here. See https:§§pin.example.org§how?x=1",
		"3|0|eve|A bicycle|Does anybody run it on a bicycle?", "1|1|fay|Re: Party|I bring a cake and a second cake, and then a third.", "4|0|gus|Come|Do come.")
	calendars := map[lists.Seq]mail.Message{7: invites(ics([4]string{"a@x", "20310205T180000Z", "Meeting <b>one</b>", "CONFIRMED"},
		[4]string{"b@x", "20310206T180000Z", "Called off", "CANCELLED"}, [4]string{"c@x", "20300206T180000Z", "Long ago", "CONFIRMED"}))}
	load := m.Load
	m.Load = func(ctx context.Context, p store.Post) (mail.Message, error) {
		if c, ok := calendars[p.Seq]; ok {
			return c, nil
		}
		return load(ctx, p)
	}
	m.Named = []string{"Grace", "<i>Heidi</i>", "Ivan"}
	m.Sources = []Source{{lists.Feed{Label: "Our blog", URL: "https://blog.example.org/atom.xml"}, []byte(atom)}, {Feed: lists.Feed{URL: "https://never.example.org/"}},
		{lists.Feed{URL: "https://cal.example.org/x.ics"}, []byte(ics([4]string{"d@x", "20310204T180000Z", "From the calendar", "CONFIRMED"}))},
		{lists.Feed{URL: "https://broken.example.org/"}, []byte("<html>busy")}}
	return m
}

func TestRoundupWhole(t *testing.T) {
	t.Parallel()
	text, page, _ := parts(t, full())
	for _, want := range []string{"How do you pin versions? We use ranges for all libraries.",
		"> cyn: We lock versions of all libraries, and update them once a week.\n", "> dan: Locking versions works for libraries as well as for programs\n  > here.\n",
		"* From the calendar, Tue 2031-02-04 18:00 GMT\n", "* Meeting <b>one</b> [1], Wed 2031-02-05 18:00 GMT\n",
		"Grace, <i>Heidi</i> and Ivan", "pin.example.org/how <https://pin.example.org/how?x=1>, by 2 people", "party.example.org/2031", "Our blog",
		"<https://blog.example.org/new>, Sat 2031-02-01", "Posts by day", "Mon 27  1  #"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for _, bad := range []string{"Called off", "Long ago", "Too old", "lists.example.org/l/x <", "broken.example", "never.example", "> How do you pin"} {
		if strings.Contains(text+page, bad) {
			t.Errorf("%q is in\n%s", bad, text)
		}
	}
	for _, bad := range []string{"<script", "<i>", "<b>one", "javascript:", "src=\"http"} {
		if strings.Contains(page, bad) {
			t.Errorf("%q is in the page", bad)
		}
	}
	var at []int
	for _, heading := range []string{"What is coming up", "What we talked about", "Still without", "New among us", "Links you shared", "In numbers", "Elsewhere"} {
		at = append(at, strings.Index(text, heading))
	}
	if at[0] < 0 || !slices.IsSorted(at) {
		t.Errorf("headings at %v", at)
	}
}

// What a later post says of an event counts.
func TestRoundupCalendars(t *testing.T) {
	t.Parallel()
	on, off := "CONFIRMED", "CANCELLED"
	for name, c := range map[string]struct {
		posts [][4]string
		want  string
	}{
		"one":               {[][4]string{{"a", "20310205T180000Z", "A", on}}, "A"},
		"twice the same":    {[][4]string{{"a", "20310205T180000Z", "A", on}, {"a", "20310205T180000Z", "A", on}}, "A"},
		"moved":             {[][4]string{{"a", "20310205T180000Z", "A", on}, {"a", "20310207T180000Z", "A later", on}}, "A later"},
		"called off":        {[][4]string{{"a", "20310205T180000Z", "A", on}, {"a", "20310205T180000Z", "A", off}}, ""},
		"another's":         {[][4]string{{"a", "20310206T180000Z", "A", on}, {"b", "20310205T180000Z", "B", on}, {"c", "20310206T180000Z", "C", off}}, "B A"},
		"over":              {[][4]string{{"a", "20310101T180000Z", "A", on}}, ""},
		"too far away":      {[][4]string{{"a", "20311201T180000Z", "A", on}}, ""},
		"on again":          {[][4]string{{"a", "20310205T180000Z", "A", off}, {"a", "20310205T180000Z", "A", on}}, "A"},
		"nothing but a UID": {[][4]string{{"a", "20310205T180000Z", "", on}}, "Come"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lines []string
			for range c.posts {
				lines = append(lines, "1|0|ann|Come|x")
			}
			m := week(lines...)
			m.Load = func(_ context.Context, p store.Post) (mail.Message, error) {
				return invites(ics(c.posts[p.Seq-1])), nil
			}
			data, err := m.roundup(t.Context())
			var got []string
			for _, e := range data.Events {
				got = append(got, e.Title)
			}
			if s := strings.Join(got, " "); s != c.want || err != nil {
				t.Errorf("got %q, %v", s, err)
			}
		})
	}
}

func TestRoundupChanges(t *testing.T) {
	t.Parallel()
	m := week("1|0|ann|One|x", "1|1|ben|Re: One|x", "2|0|ann|Two|x", "2|2|ben|Re: Two|x", "2|2|cyn|Re: Two|x", "3|0|eve|Three?|x", "4|0|ann|Four|x", "5|0|fay|Five?|x")
	topics, err := m.Topics(t.Context())
	if want := []lists.Seq{3, 1, 7, 8, 6}; err != nil || !slices.Equal(topics, want) {
		t.Fatalf("topics %v, want %v; %v", topics, want, err)
	}
	told := func(c Changes) string {
		m := m
		m.Changes, m.Numbered = c, true
		data, err := m.roundup(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, c := range data.Threads {
			out = append(out, c.Title)
		}
		for _, l := range data.Unanswered {
			out = append(out, l.Title)
		}
		return strings.Join(out, ", ")
	}
	for _, c := range []struct {
		Changes
		want string
	}{
		{Changes{}, "1. Two, 2. One, 3. Four, 4. Five?, 5. Three?"},
		{Changes{Drop: []int{1, 5, 99, 0, -1}}, "2. One, 3. Four, 4. Five?"},
		{Changes{First: []int{3, 5}}, "3. Four, 1. Two, 2. One, 5. Three?, 4. Five?"},
		{Changes{First: []int{2, 7}, Drop: []int{2}}, "1. Two, 3. Four, 4. Five?, 5. Three?"},
		{Changes{Drop: []int{1, 2, 3, 4, 5}}, ""},
	} {
		if got := told(c.Changes); got != c.want {
			t.Errorf("%v: %q, want %q", c.Changes, got, c.want)
		}
	}
	m.Changes.Intro = "Hello *all*, <script>no</script>"
	if text, page, _ := parts(t, m); !strings.Contains(text, "Hello _all_,") || strings.Contains(page, "<script") {
		t.Errorf("introduction:\n%s", text)
	}
	if text, _, _ := parts(t, m); strings.Contains(text, "1. Two") {
		t.Errorf("numbers without a draft:\n%s", text)
	}
}

// A round-up has no more HTML than mail programs show, whatever members write.
func TestRoundupShort(t *testing.T) {
	t.Parallel()
	var lines []string
	for i := range 300 {
		lines = append(lines, fmt.Sprintf("%d|0|a%d|%s?|%s https:§§%s.example§%d", i/3+1, i, strings.Repeat("&", 190), strings.Repeat("'<\"&'", 400), strings.Repeat("x", 50), i))
	}
	m := week(lines...)
	for i := range 10 {
		items := ""
		for j := range 30 {
			items += fmt.Sprintf(`<entry><title>%s</title><id>urn:x:%d</id><link href="https://blog.example.org/%d?%s"/><updated>2031-02-01T10:00:00Z</updated></entry>`,
				strings.Repeat("&amp;", 150), j, j, strings.Repeat("&amp;", 300))
		}
		m.Sources = append(m.Sources, Source{lists.Feed{Label: fmt.Sprint("Place ", i), URL: "https://blog.example.org/"},
			[]byte(`<feed xmlns="http://www.w3.org/2005/Atom"><title>x</title><id>urn:x:0</id><updated>2031-02-01T10:00:00Z</updated>` + items + `</feed>`)})
	}
	for range 50 {
		m.Named = append(m.Named, strings.Repeat("'", 100))
	}
	text, page, _ := parts(t, m)
	if len(page) > letter.MaxHTML || !strings.Contains(text, "dev-leave@lists.example.org") {
		t.Errorf("a page of %d bytes", len(page))
	}
	if len(text) < 1000 {
		t.Errorf("nothing is left:\n%s", text)
	}
}

// A list's own template takes the place of the built-in one, and does no harm when it fits no more.
func TestRoundupTemplate(t *testing.T) {
	t.Parallel()
	m := full()
	m.Template = "Subject: News of {{.Title}}\n\n{{range .Threads}}\n- {{.Title}}\n{{end}}\n"
	if err := CheckText(RoundupText, m.Template); err != nil {
		t.Fatal(err)
	}
	text, page, head := parts(t, m)
	if s := mail.Get(head, "Subject"); s != "News of dev" || !strings.Contains(text, "* Pinning versions") || strings.Contains(page, "Elsewhere") {
		t.Errorf("%s\n%s", s, text)
	}
	m.Template = "Subject: {{.Gone}}\n\n{{.Gone}}\n"
	if err := CheckText(RoundupText, m.Template); err == nil {
		t.Error("a field that there is not passes")
	}
	if text, _, _ = parts(t, m); !strings.Contains(text, "What we talked about") {
		t.Errorf("without the built-in one:\n%s", text)
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"see https://a.example/b, and <https://c.example/d>.":                    "https://a.example/b https://c.example/d",
		"(https://a.example/b) [x](http://a.example/c)":                          "https://a.example/b http://a.example/c",
		"https://a.example/b_(c)":                                                "https://a.example/b_(c)",
		"https://ann:secret@a.example/ http://localhost/ httpx http:// https://": "",
		"http https://a.example":                                                 "https://a.example",
		"https://a.example\x1b[31m":                                              "https://a.example",
		"https://a.example https://a.example":                                    "https://a.example",
		"javascript:alert(1) ftp://a.example":                                    "",
	} {
		if got := strings.Join(linksIn(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := len(linksIn(strings.Repeat("https://a.example/ http", 100_000))); got != 1 {
		t.Errorf("%d links", got)
	}
}

func TestSentences(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"Hi Ann!\n\nWe lock versions of all of our libraries. Works.": "We lock versions of all of our libraries.",
		"See https://a.example/ for what we do about it here.":        "",
		"    if x { y = z; } else { a[b] = c + d*e; } // 12345":       "",
		"The result is as follows, and it surprised us:":              "",
		strings.Repeat("a long word ", 30) + ".":                      "",
		"Version 3.11 is the one that we have been using for a year.": "Version 3.11 is the one that we have been using for a year.",
	} {
		if got := strings.Join(sentences(text), "|"); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// pressAgency answers for feeds.
type pressAgency struct {
	sync.Mutex
	body  string
	tag   string
	err   error
	asked []string
}

func (p *pressAgency) Fetch(_ context.Context, url string, was feeds.State) ([]byte, feeds.State, error) {
	p.Lock()
	defer p.Unlock()
	p.asked = append(p.asked, url+" "+was.ETag)
	if p.err != nil {
		return nil, was, p.err
	}
	if was.ETag == p.tag {
		return nil, was, feeds.ErrUnchanged
	}
	return []byte(p.body), feeds.State{ETag: p.tag}, nil
}

// Feeds are fetched once by two nodes, every four hours, for lists whose round-up somebody reads.
func TestFetch(t *testing.T) {
	engines(t, func(h *house) {
		press := &pressAgency{body: strings.ReplaceAll(atom, "2031-02-01T", "2031-02-06T"), tag: "one"}
		h.desk.Fetcher = press
		l := h.create("dev@lists.test", "digest=weekly mon 10:00 UTC", "feeds=Our blog=https://blog.example.org/a, https://b.example.org/b")
		h.create("other@lists.test", "feeds=https://nobody.example.org/")
		h.add(l, "mime@a.test", lists.Digest)
		h.live(h.clock.Now().Add(5*time.Hour), time.Hour)
		if len(press.asked) != 0 {
			h.Fatalf("asked for nobody: %v", press.asked)
		}
		h.add(l, "weekly@a.test", lists.Roundup)
		asked := func(want ...string) {
			h.Helper()
			if !slices.Equal(press.asked, want) {
				h.Errorf("asked %q, want %q", press.asked, want)
			}
			press.asked = nil
		}
		h.live(h.clock.Now().Add(2*time.Hour), 20*time.Minute)
		asked("https://blog.example.org/a ", "https://b.example.org/b ")
		h.live(h.clock.Now().Add(4*time.Hour), 20*time.Minute)
		asked("https://blog.example.org/a one", "https://b.example.org/b one")
		sources := func() (all []store.Source) {
			h.Helper()
			h.view(func(tx *store.Tx) (err error) { all, err = tx.Sources(l.ID); return err })
			return all
		}
		was := sources()
		press.err = errors.New("no\nroute")
		h.live(h.clock.Now().Add(4*time.Hour), time.Hour)
		press.err, press.tag = nil, "two"
		good := press.body
		if all := sources(); len(all) != 2 || string(all[1].Body) != press.body || all[1].Error != "no route" || !all[0].Fetched.Equal(was[0].Fetched) {
			h.Errorf("after a failure: %+v", all)
		}
		press.body = "busy"
		h.live(h.clock.Now().Add(4*time.Hour), time.Hour)
		if all := sources(); string(all[0].Body) != good || all[0].ETag != "one" || all[0].Error == "" {
			h.Errorf("after nonsense: %+v", all)
		}
		press.asked = nil

		// What was there last is in the round-up; imported posts are not.
		_, err := h.books.Set(h.Context(), l.Address, map[string]string{"feeds": "Our blog=https://blog.example.org/a"})
		h.must(err)
		h.add(l, "new@a.test", lists.None, "name=Nina", "named=yes")
		h.add(l, "shy@a.test", lists.None, "name=Shy")
		h.post(l, "one")
		h.imported(l)
		h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
			return tx.SetText(l.ID, RoundupText, "en", "Subject: Mine\n\n{{range .Threads}}\n- {{.Title}}\n{{end}}\n\nNew: {{.Members}}\n\n{{range .Places}}\n## {{.Title}}\n{{range .Items}}\n- {{.Title}}\n{{end}}\n{{end}}\n")
		}))
		h.live(h.clock.Now().AddDate(0, 0, 8), 6*time.Hour)
		if n := len(sources()); n != 1 {
			h.Errorf("%d feeds", n)
		}
		var texts []string
		for _, g := range h.sent(l) {
			h.view(func(tx *store.Tx) error {
				o, err := tx.Outgoing(g.id)
				if err != nil || !slices.Contains(g.to, "weekly@a.test") {
					return err
				}
				m, err := tx.Message(o.Message)
				texts = append(texts, mail.Get(m.Head, "Subject")+"\n"+mail.ReadBody(m, 0).Text)
				return err
			})
		}
		if len(texts) != 1 || !strings.Contains(texts[0], "Mine\n* one\n\nNew: Nina\n\nOur blog\n") || !strings.Contains(texts[0], "* How we built it") || strings.Contains(texts[0], "old") {
			h.Errorf("sent %q", texts)
		}
	})
}

// However many calendars a mail brings, few are read: each may cost tenths of a second.
func TestRoundupCalendarsBounded(t *testing.T) {
	t.Parallel()
	part := "--q\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n"
	m := mail.Message{Head: []byte("Content-Type: multipart/mixed; boundary=q\r\n"), Body: []byte(strings.Repeat(part, 80) + "--q--\r\n")}
	for most, want := range map[int]int{roundCalendarsN: 50, 3: 3, 0: 0} {
		if got := len(calendarsIn(m, 1<<20, most)); got != want {
			t.Errorf("%d calendars are read, want %d", got, want)
		}
	}
}
