package digest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"listd/feeds"
	"listd/letter"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

// This file tells what is to come, and what was new in the group's other places.

// Source is a feed or calendar that a list names, as it was fetched last. Body is empty if it never was.
type Source struct {
	lists.Feed
	Body []byte
}

// roundItems is how many items of a place are told of, roundNamed how many new members.
const roundItems, roundNamed = 6, 50

// happening is an event, and the page of the post that told of it.
type happening struct {
	mail.Event
	link string
}

// calendarsIn are the calendars that travel with a message (RFC 6047), as mail programs send invitations and files; no more
// than left bytes of them, and no more than most.
func calendarsIn(m mail.Message, left, most int) (out [][]byte) {
	// Nearly no post has one: it need not be taken apart.
	if !hasFold(m.Head, "calendar") && !hasFold(m.Body, "text/calendar") && !hasFold(m.Body, ".ics") {
		return nil
	}
	root, err := mail.Parse(m, mail.MIMELimits{})
	if err != nil {
		return nil
	}
	var walk func(p *mail.Part)
	walk = func(p *mail.Part) {
		isFile := strings.HasSuffix(strings.ToLower(p.Params["name"]), ".ics")
		if p.Type == "text" && p.Subtype == "calendar" || p.Type == "application" && (p.Subtype == "ics" || isFile) {
			if len(p.Body) > 4*left {
				return // in no encoding would it be little enough
			}
			if text, err := p.Text(); err == nil && len(text) <= left && len(out) < most {
				left -= len(text)
				out = append(out, []byte(text))
			}
		}
		if p.Type == "message" {
			return // somebody else's
		}
		for _, c := range p.Children {
			walk(c)
		}
	}
	walk(root)
	return out
}

// hasFold reports whether b has a text in lower or upper case, or with capitals.
func hasFold(b []byte, text string) bool {
	return bytes.Contains(b, []byte(text)) || bytes.Contains(b, []byte(strings.ToUpper(text)))
}

// calendars are the events to come of which posts tell. What a later post says of one replaces what an earlier did, and a
// cancellation takes it away.
func (m Material) calendars(topics []topic, texts readings) (out []happening) {
	var posts []store.Post
	for _, t := range topics {
		for _, p := range t.posts {
			if len(texts[p.Seq].calendars) > 0 {
				posts = append(posts, p)
			}
		}
	}
	slices.SortFunc(posts, func(a, b store.Post) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, p := range posts {
		var events []mail.Event
		for _, c := range texts[p.Seq].calendars {
			some, err := mail.ReadCalendar(c, m.At, m.At.Add(roundAhead))
			if err == nil {
				events = append(events, some...)
			}
		}
		out = slices.DeleteFunc(out, func(h happening) bool {
			return slices.ContainsFunc(events, func(e mail.Event) bool {
				return e.UID == h.UID && e.UID != "" && (!e.Cancelled || e.Begin.Equal(h.Begin))
			})
		})
		for _, e := range events {
			if e.Cancelled {
				continue
			}
			if e.Summary == "" {
				e.Summary = m.title(p)
			}
			out = append(out, happening{e, m.link(p)})
		}
	}
	return out
}

// elsewhere is what is new in other places since the round-up's time began: events to come, and the rest by place.
func (m Material) elsewhere(w roundWords) (events []happening, places []letter.Place) {
	since := m.since()
	for _, s := range m.Sources {
		feed, err := feeds.Read(s.Body, s.URL, since, m.At.Add(roundAhead))
		if len(s.Body) == 0 || err != nil {
			continue // its owner sees why with listd list feeds
		}
		place := letter.Place{Title: cmp.Or(s.Label, oneLine(feed.Title, 100), shortURL(s.URL)), URL: webOnly(feed.URL)}
		items := slices.Clone(feed.Items)
		slices.SortStableFunc(items, func(a, b feeds.Item) int { return b.At.Compare(a.At) })
		for _, i := range items {
			switch {
			case i.Event != nil:
				if !i.Event.Cancelled && !i.Event.Begin.Before(m.At) {
					events = append(events, happening{*i.Event, webOnly(i.URL)})
				}
			case len(place.Items) < roundItems && !i.At.After(m.At):
				place.Items = append(place.Items, letter.Link{Title: cmp.Or(oneLine(i.Title, 150), oneLine(i.Summary, 150), shortURL(i.URL)),
					URL: webOnly(i.URL), Meta: w.day(i.At.In(m.Schedule.Zone())), Audio: webOnly(i.Audio)})
			}
		}
		if len(place.Items) > 0 {
			places = append(places, place)
		}
	}
	return events, places
}

// webOnly is an address that a round-up may link to, or empty.
func webOnly(s string) string {
	if !webURL(s) {
		return ""
	}
	return s
}

// events are those that come next, each once.
func (m Material) events(w roundWords, all []happening) (out []letter.Link) {
	slices.SortStableFunc(all, func(a, b happening) int { return byBegin(a.Event, b.Event) })
	seen := map[string]bool{}
	for _, h := range all {
		key := fmt.Sprint(h.UID, h.Begin.Unix())
		if h.UID == "" {
			key = fmt.Sprint(h.Summary, h.Begin.Unix())
		}
		if seen[key] || len(out) == roundEvents {
			continue
		}
		seen[key] = true
		meta := w.when(h.Event, m.Schedule.Zone())
		if place := oneLine(h.Location, 120); place != "" {
			meta += ", " + place
		}
		out = append(out, letter.Link{Title: oneLine(h.Summary, 150), URL: cmp.Or(webOnly(h.URL), h.link), Meta: meta})
	}
	return out
}

// when is the day and the time of an event, by the clock of where it takes place if its calendar says so; the day alone if
// it has all of it.
func (w roundWords) when(e mail.Event, zone *time.Location) string {
	if e.AllDay {
		return w.day(e.Begin)
	}
	at := e.Begin
	if at.Location() == time.UTC {
		at = at.In(zone)
	}
	return w.day(at) + " " + at.Format("15:04 MST")
}
