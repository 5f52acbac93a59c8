package digest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

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
	roundExcerpt    = 280      // characters of a post
	roundRead       = 16 << 10 // bytes of a post's text that are looked at for them
)

// topic is a thread as a round-up sees it: its posts of the time, and who wrote them.
type topic struct {
	posts  []store.Post
	people int
}

// topicsOf are the threads of some posts, those with most people first, then with most posts, then the latest. Posts that
// their authors keep out of archives are none of it.
func topicsOf(posts []store.Post) []topic {
	at := map[store.ThreadID]int{}
	var out []topic
	for _, p := range posts {
		if p.Hidden {
			continue
		}
		i, known := at[p.Thread]
		if !known || p.Thread == 0 {
			i = len(out)
			at[p.Thread] = i
			out = append(out, topic{})
		}
		out[i].posts = append(out[i].posts, p)
	}
	for i := range out {
		out[i].people = people(out[i].posts)
	}
	slices.SortStableFunc(out, func(a, b topic) int {
		return cmp.Or(-cmp.Compare(a.people, b.people), -cmp.Compare(len(a.posts), len(b.posts)), -cmp.Compare(a.posts[0].Seq, b.posts[0].Seq))
	})
	return out
}

// people is how many have written some posts.
func people(posts []store.Post) int {
	who := map[string]bool{}
	for _, p := range posts {
		who[strings.ToLower(p.Author)] = true
	}
	return len(who)
}

// Roundup makes the newsletter of an issue's posts, as HTML and as text.
func Roundup(ctx context.Context, m Material) (mail.Message, error) {
	w := roundWordsOf(m.Language)
	topics := topicsOf(m.Posts)
	data := letter.Roundup{Title: lists.WordsOf(m.List)["title"], Period: m.period(), Language: m.Language,
		Figures: m.figures(w, topics),
		Words:   letter.RoundupWords{Announcements: w.announcements, Threads: w.threads, Unanswered: w.unanswered, Archive: w.archive},
		Footer:  letter.Markdown(fmt.Sprintf(w.footer, m.List.Address, "mailto:"+m.List.Help().String(), "mailto:"+m.List.Leave().String()))}
	if m.archived() {
		data.Archive = m.archive()
	}
	var cards []letter.Card
	for _, t := range topics {
		first := t.posts[0]
		lines, err := m.lines(ctx, first)
		if err != nil {
			return mail.Message{}, err
		}
		question := first.Parent == 0 && len(t.posts) == 1 && (strings.Contains(lines, "?") || strings.HasSuffix(strings.TrimSpace(first.Subject), "?"))
		switch {
		case question && m.List.Policy.Kind != lists.Announcement && len(data.Unanswered) < roundUnanswered:
			data.Unanswered = append(data.Unanswered, letter.Link{Title: m.title(first), URL: m.threadLink(first), Meta: m.author(first)})
		case len(cards) < roundThreads:
			cards = append(cards, letter.Card{Title: m.title(first), Meta: w.meta(len(t.posts), t.people, m.author(first)), Body: verbatim(lines),
				URL: m.threadLink(first), Link: w.read})
		}
		if len(cards) == roundThreads && len(data.Unanswered) == roundUnanswered {
			break
		}
	}
	if m.List.Policy.Kind == lists.Announcement {
		data.Announcements = cards
	} else {
		data.Threads = cards
	}
	data.Preheader = m.preheader(topics)
	return m.write(data)
}

// write is the mail of a round-up.
func (m Material) write(data letter.Roundup) (mail.Message, error) {
	t, err := letter.BuiltIn("roundup")
	if err != nil {
		return mail.Message{}, err
	}
	parts, err := letter.Render(t, data)
	if err != nil {
		return mail.Message{}, fmt.Errorf("round-up: %w", err)
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

// lines are what a post's author asks, or begins with: own words, no quotes and no signature.
func (m Material) lines(ctx context.Context, p store.Post) (string, error) {
	raw, err := m.Load(ctx, p)
	if err != nil {
		return "", err
	}
	return excerpt(mail.OwnWords(mail.ReadBody(raw, roundRead).Text)), nil
}

// excerpt is the first question of a text with what leads to it, or else its beginning, cut at the end of a sentence or a
// word.
func excerpt(text string) string {
	text = oneLine(text, roundRead)
	if at := strings.Index(text, "? "); at >= 0 {
		begin := strings.LastIndexAny(text[:at], ".!") + 1
		if s := strings.TrimSpace(text[begin : at+1]); utf8.RuneCountInString(s) <= roundExcerpt && begin > roundExcerpt {
			return s
		}
	}
	if utf8.RuneCountInString(text) <= roundExcerpt {
		return text
	}
	cut := string([]rune(text)[:roundExcerpt])
	if at := strings.LastIndexAny(cut, ".!?"); at > len(cut)/2 {
		return cut[:at+1]
	}
	if at := strings.LastIndexByte(cut, ' '); at > 0 {
		cut = cut[:at]
	}
	return cut + " …"
}

// verbatim is a member's text as Markdown that says nothing but it (CommonMark section 2.4).
func verbatim(text string) letter.Markdown {
	var b strings.Builder
	for _, r := range text {
		if r < utf8.RuneSelf && strings.ContainsRune("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return letter.Markdown(b.String())
}
