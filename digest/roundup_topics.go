package digest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// This file says what a round-up is about: its topics, their order and their numbers, and what is read of them.

// topicKind is under which heading a topic stands.
type topicKind uint8

const (
	talked    topicKind = iota // a conversation
	announced                  // in a list that only announces
	asked                      // a question that nobody has answered
)

// topic is a thread as a round-up sees it: its posts of the time, and how many wrote them.
type topic struct {
	posts  []store.Post
	people int
	kind   topicKind
	number int // from 1; 0: not yet known
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

// reading is what is known of a post that was read.
type reading struct {
	text      string // its author's own words, or some of them
	calendars [][]byte
}

// readings are those that were, by number.
type readings map[lists.Seq]reading

// read reads what topics begin with, then the rest of them, as far as a round-up reads.
func (m Material) read(ctx context.Context, topics []topic) (readings, error) {
	var posts []store.Post
	for _, t := range topics[:min(len(topics), roundPosts/2)] {
		posts = append(posts, t.posts[0])
	}
	for _, t := range topics {
		posts = append(posts, t.posts[1:min(len(t.posts), 1+max(0, roundPosts-len(posts)))]...)
	}
	slices.SortFunc(posts, func(a, b store.Post) int { return cmp.Compare(a.Seq, b.Seq) })
	out, left, most := readings{}, roundCalendars, roundCalendarsN
	for _, p := range posts {
		raw, err := m.Load(ctx, p)
		if err != nil {
			return nil, err
		}
		r := reading{text: mail.OwnWords(mail.ReadBody(raw, roundRead).Text), calendars: calendarsIn(raw, min(left, roundCalendar), most)}
		for _, c := range r.calendars {
			left -= len(c)
			most--
		}
		out[p.Seq] = r
	}
	return out, nil
}

// numbered gives topics their kinds and numbers: first those that there is room for, as they are printed, then the others.
func numbered(topics []topic, kind lists.ListKind, texts readings) []topic {
	for i := range topics {
		topics[i].kind = kindOf(topics[i], kind, texts)
	}
	var shown, rest []topic
	for _, k := range []topicKind{announced, talked, asked} {
		room := roundThreads
		if k == asked {
			room = roundUnanswered
		}
		for _, t := range topics {
			if t.kind != k {
				continue
			}
			if room--; room >= 0 {
				shown = append(shown, t)
			} else {
				rest = append(rest, t)
			}
		}
	}
	out := append(shown, rest...)
	for i := range out {
		out[i].number = i + 1
	}
	return out
}

// kindOf is under which heading a topic stands. A question is a post that asks, begins a thread and is alone in it.
func kindOf(t topic, kind lists.ListKind, texts readings) topicKind {
	first := t.posts[0]
	switch {
	case kind == lists.Announcement:
		return announced
	case len(t.posts) == 1 && first.Parent == 0 && (strings.HasSuffix(strings.TrimSpace(first.Subject), "?") || strings.Contains(excerpt(texts[first.Seq].text), "?")):
		return asked
	}
	return talked
}

// apply are topics as an organizer wants them. A number that there is none of changes nothing.
func (c Changes) apply(topics []topic) []topic {
	rank := func(t topic) int {
		if i := slices.Index(c.First, t.number); i >= 0 {
			return i
		}
		return len(c.First)
	}
	out := slices.DeleteFunc(slices.Clone(topics), func(t topic) bool { return slices.Contains(c.Drop, t.number) })
	slices.SortStableFunc(out, func(a, b topic) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}
