package digest

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"listd/letter"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

// This file makes the round-up: what was talked about, for those who want to know that much. It owes nobody a post.

// How much a round-up tells.
const (
	roundThreads    = 8
	roundUnanswered = 6
	roundEvents     = 8
	roundLinks      = 8
	roundLines      = 2         // best lines of a thread
	roundExcerpt    = 280       // characters of a post
	roundRead       = 16 << 10  // bytes of a post's text that are looked at
	roundPosts      = 1000      // posts whose texts are
	roundCalendar   = 256 << 10 // bytes of a calendar in a post that are looked at
	roundCalendars  = 4 << 20   // of all
	roundCalendarsN = 50        // how many are: each may cost tenths of a second
	roundAhead      = 35 * 24 * time.Hour
)

// Changes are what an organizer wants of a round-up before it goes out. Drop and First name topics by their numbers: what
// is dropped is not told of, what is first comes first under its heading, in the order given.
type Changes struct {
	Intro string // Markdown
	Drop  []int
	First []int
}

// Roundup makes the newsletter of an issue's posts, as HTML and as text.
func Roundup(ctx context.Context, m Material) (mail.Message, error) {
	data, err := m.roundup(ctx)
	if err != nil {
		return mail.Message{}, err
	}
	return m.write(data)
}

// Topics are the first posts of a round-up's topics in the order of their numbers, which begin at 1: those that are told of
// as they are printed, whatever m.Changes wants of them, then the others.
func (m Material) Topics(ctx context.Context) ([]lists.Seq, error) {
	_, topics, err := m.topicsRead(ctx)
	var out []lists.Seq
	for _, t := range topics {
		out = append(out, t.posts[0].Seq)
	}
	return out, err
}

// topicsRead are the topics with their numbers, and what was read for them.
func (m Material) topicsRead(ctx context.Context) (readings, []topic, error) {
	topics := topicsOf(m.Posts)
	texts, err := m.read(ctx, topics)
	if err != nil {
		return nil, nil, err
	}
	return texts, numbered(topics, m.List.Policy.Kind, texts), nil
}

// roundup is what a round-up tells.
func (m Material) roundup(ctx context.Context) (letter.Roundup, error) {
	texts, topics, err := m.topicsRead(ctx)
	if err != nil {
		return letter.Roundup{}, err
	}
	w := roundWordsOf(m.Language)
	told := m.Changes.apply(topics)
	data := letter.Roundup{Title: lists.WordsOf(m.List)["title"], Period: m.period(), Language: m.Language, Intro: letter.Markdown(m.Changes.Intro),
		Words: w.RoundupWords, Preheader: m.preheader(told), Members: w.list(m.Named), Links: m.links(w, told, texts),
		Figures: m.figures(w, topics), Days: m.days(w),
		Footer: letter.Markdown(fmt.Sprintf(w.footer, m.List.Address, "mailto:"+m.List.Help().String(), "mailto:"+m.List.Leave().String()))}
	if m.archived() {
		data.Archive = m.archive()
	}
	for _, t := range told {
		switch {
		case t.kind == asked && len(data.Unanswered) < roundUnanswered:
			first := t.posts[0]
			data.Unanswered = append(data.Unanswered, letter.Link{Title: m.topicTitle(t), URL: m.threadLink(first), Meta: fmt.Sprintf(w.one, m.author(first))})
		case t.kind == announced && len(data.Announcements) < roundThreads:
			data.Announcements = append(data.Announcements, m.card(w, t, texts))
		case t.kind == talked && len(data.Threads) < roundThreads:
			data.Threads = append(data.Threads, m.card(w, t, texts))
		}
	}
	events, places := m.elsewhere(w)
	data.Places = places
	data.Events = m.events(w, append(m.calendars(told, texts), events...))
	return data, nil
}

// topicTitle is a topic's Subject, in a draft with its number.
func (m Material) topicTitle(t topic) string {
	if m.Numbered {
		return fmt.Sprintf("%d. %s", t.number, m.title(t.posts[0]))
	}
	return m.title(t.posts[0])
}

// card is a topic with what it begins with and its best lines.
func (m Material) card(w roundWords, t topic, texts readings) letter.Card {
	first := t.posts[0]
	c := letter.Card{Title: m.topicTitle(t), Meta: w.meta(len(t.posts), t.people, m.author(first)), Body: verbatim(excerpt(texts[first.Seq].text)),
		URL: m.threadLink(first), Link: w.read}
	for _, l := range bestLines(t, texts) {
		c.Body += "\n\n> "
		if !m.List.Policy.Anonymous {
			c.Body += verbatim(m.author(l.post)) + ": "
		}
		c.Body += verbatim(l.text)
	}
	return c
}

// write is the mail of a round-up, which has no more HTML than mail programs show.
func (m Material) write(data letter.Roundup) (mail.Message, error) {
	parts, err := render(RoundupText, m.Template, data)
	for err == nil && len(parts.HTML) > letter.MaxHTML && shorten(&data) {
		parts, err = render(RoundupText, m.Template, data)
	}
	if err != nil {
		return mail.Message{}, err
	}
	d := m.draft()
	d.Subject, d.Text, d.HTML = parts.Subject, parts.Text, parts.HTML
	if footer := m.List.FooterText(m.Posts[len(m.Posts)-1].Seq); footer != "" {
		d.Text += "\n" + footer
	}
	for _, p := range parts.Pictures {
		d.Attachments = append(d.Attachments, mail.Attachment{Type: p.Type, CID: p.CID, Body: p.Data})
	}
	return mail.Compose(d, m.ID), nil
}

// shorten takes something out of a round-up that is too long, what is missed least first; false if nothing is left that
// could be.
func shorten(data *letter.Roundup) bool {
	switch n := len(data.Places); {
	case n > 0:
		data.Places = data.Places[:n-1]
	case len(data.Links) > 0:
		data.Links = nil
	case len(data.Members) > 0:
		data.Members = ""
	case len(data.Unanswered) > 0:
		data.Unanswered = data.Unanswered[:len(data.Unanswered)-1]
	case len(data.Threads) > 0:
		data.Threads = data.Threads[:len(data.Threads)-1]
	case len(data.Events) > 0:
		data.Events = data.Events[:len(data.Events)-1]
	case len(data.Announcements) > 0:
		data.Announcements = data.Announcements[:len(data.Announcements)-1]
	default:
		return false
	}
	return true
}

// since is when the time of a round-up begins: at the last one, or at its first post if that is older.
func (m Material) since() time.Time {
	if first := m.Posts[0].Filed; m.Since.IsZero() || first.Before(m.Since) {
		return first
	}
	return m.Since
}

// period is when the first and the last of the posts came, in the edition's time.
func (m Material) period() string {
	zone := m.Schedule.Zone()
	from, to := m.Posts[0].Filed.In(zone).Format(time.DateOnly), m.Posts[len(m.Posts)-1].Filed.In(zone).Format(time.DateOnly)
	if from == to {
		return from
	}
	return from + " – " + to
}

func (m Material) figures(w roundWords, topics []topic) letter.Figures {
	return letter.Figures{{Value: fmt.Sprint(len(m.Posts)), Label: w.posts}, {Value: fmt.Sprint(len(topics)), Label: w.conversations},
		{Value: fmt.Sprint(people(m.Posts)), Label: w.people}}
}

// maxDays is how many bars the posts of days have at most; beyond, each is a week.
const maxDays = 14

// days are the posts of each day, or week; none if all are of one.
func (m Material) days(w roundWords) letter.Bars {
	zone := m.Schedule.Zone()
	midnight := func(t time.Time) time.Time {
		y, mo, d := t.In(zone).Date()
		return time.Date(y, mo, d, 0, 0, 0, 0, time.UTC) // a day has 24 hours there
	}
	first, last := midnight(m.Posts[0].Filed), midnight(m.Posts[len(m.Posts)-1].Filed)
	width, caption := 24*time.Hour, w.byDay
	if last.Sub(first) >= maxDays*width {
		width, caption = 7*24*time.Hour, w.byWeek
	}
	n := int(last.Sub(first)/width) + 1
	if n < 2 || n > 4*maxDays {
		return letter.Bars{}
	}
	out := letter.Bars{Caption: caption, Bars: make([]letter.Bar, n)}
	for i := range out.Bars {
		if at := first.Add(time.Duration(i) * width); width > 24*time.Hour {
			out.Bars[i].Label = at.Format(time.DateOnly)
		} else {
			out.Bars[i].Label = w.weekday(at) + at.Format(" 2")
		}
	}
	for _, p := range m.Posts {
		if i := int(midnight(p.Filed).Sub(first) / width); i >= 0 && i < n { // clocks may have gone back
			out.Bars[i].Value++
		}
	}
	return out
}

// preheader is what mail programs show beside the Subject: what the busiest threads are about.
func (m Material) preheader(topics []topic) string {
	var out []string
	for _, t := range topics[:min(3, len(topics))] {
		out = append(out, oneLine(m.title(t.posts[0]), 60))
	}
	return strings.Join(out, " · ")
}

// threadLink is the page of a post's thread; empty if it has none.
func (m Material) threadLink(p store.Post) string {
	if m.link(p) == "" {
		return ""
	}
	return m.archive() + fmt.Sprintf("t/%d/", p.Seq)
}

// byBegin orders events.
func byBegin(a, b mail.Event) int {
	return cmp.Or(a.Begin.Compare(b.Begin), strings.Compare(a.Summary, b.Summary))
}
