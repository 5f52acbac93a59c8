package web

import (
	"encoding/json"
	"encoding/xml"
	"slices"
	"time"

	"listd/archive"
	"listd/lists"
)

// How many posts a feed has, how much text of each, and how many bytes of messages are read for it.
const (
	postsInFeed = 30
	textInFeed  = 16 << 10
	readForFeed = 4 << 20
)

// atomFeed is RFC 4287's feed, with the thread extension's in-reply-to (RFC 4685).
type atomFeed struct {
	XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	ID      string      `xml:"id"`
	Title   string      `xml:"title"`
	Sub     string      `xml:"subtitle,omitempty"`
	Updated string      `xml:"updated"`
	Links   []atomLink  `xml:"link"`
	Entries []atomEntry `xml:"entry"`
}

type atomLink struct {
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr,omitempty"`
	Href string `xml:"href,attr"`
}

type atomEntry struct {
	ID        string     `xml:"id"`
	Title     string     `xml:"title"`
	Author    atomPerson `xml:"author"`
	Published string     `xml:"published"`
	Updated   string     `xml:"updated"`
	Link      atomLink   `xml:"link"`
	ReplyTo   *atomReply `xml:"http://purl.org/syndication/thread/1.0 in-reply-to"`
	Content   atomText   `xml:"content"`
}

type atomPerson struct {
	Name string `xml:"name"`
}

type atomReply struct {
	Ref  string `xml:"ref,attr"`
	Href string `xml:"href,attr"`
}

type atomText struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

// jsonFeed is JSON Feed 1.1 (jsonfeed.org).
type jsonFeed struct {
	Version     string     `json:"version"`
	Title       string     `json:"title"`
	Home        string     `json:"home_page_url"`
	URL         string     `json:"feed_url"`
	Description string     `json:"description,omitempty"`
	Language    string     `json:"language,omitempty"`
	Items       []jsonItem `json:"items"`
}

type jsonItem struct {
	ID        string       `json:"id"`
	URL       string       `json:"url"`
	Title     string       `json:"title"`
	HTML      string       `json:"content_html"`
	Published string       `json:"date_published"`
	Authors   []jsonAuthor `json:"authors"`
	Files     []jsonFile   `json:"attachments,omitempty"`
}

type jsonAuthor struct {
	Name string `json:"name"`
}

type jsonFile struct {
	URL   string `json:"url"`
	Type  string `json:"mime_type"`
	Title string `json:"title,omitempty"`
}

// feed is what both kinds tell.
type feed struct {
	title, about, home, self string
	posts                    []archive.Post
}

func (v *visit) latest(name string) (feed, error) {
	e := entryOf(v.a)
	posts, err := v.a.Latest(v.r.Context(), postsInFeed)
	return feed{e.Name, e.About, v.base() + v.path, v.base() + v.path + name, posts}, err
}

// ofThread are the latest posts of a thread.
func (v *visit) ofThread(seq lists.Seq, name string) (feed, error) {
	t, nodes, _, err := v.a.Thread(v.r.Context(), seq, maxThreadPage*postsOnPage)
	home := v.base() + v.path + "t/" + seqText(t.First) + "/"
	f := feed{v.subject(t.Subject), "", home, home + name, nil}
	for _, n := range nodes {
		f.posts = append(f.posts, n.Post)
	}
	slices.SortFunc(f.posts, func(a, b archive.Post) int { return b.Date.Compare(a.Date) })
	f.posts = f.posts[:min(len(f.posts), postsInFeed)]
	return f, err
}

func (v *visit) atom()                        { v.feed(v.latest("new.atom"))(v.sendAtom) }
func (v *visit) jsonFeed()                    { v.feed(v.latest("feed.json"))(v.sendJSONFeed) }
func (v *visit) threadAtom(seq lists.Seq)     { v.feed(v.ofThread(seq, "new.atom"))(v.sendAtom) }
func (v *visit) threadFeed(seq lists.Seq)     { v.feed(v.ofThread(seq, "feed.json"))(v.sendJSONFeed) }
func (v *visit) when(t time.Time) string      { return t.UTC().Format(time.RFC3339) }
func (v *visit) permalink(s lists.Seq) string { return v.base() + v.path + seqText(s) }

// feed gives a feed to who writes it, or tells the reader why there is none.
func (v *visit) feed(f feed, err error) func(send func(feed, []article)) {
	return func(send func(feed, []article)) {
		if err != nil {
			v.closed(v.w, v.r, err)
			return
		}
		var all []article
		var read int64
		for _, p := range f.posts {
			a := v.head(p)
			if read += p.Size; read <= readForFeed {
				if err := v.fill(&a, p, reading{keep: v.keep, plain: true}, textInFeed); err != nil {
					v.closed(v.w, v.r, err)
					return
				}
			} else {
				read -= p.Size
			}
			all = append(all, a)
		}
		send(f, all)
	}
}

func (v *visit) sendAtom(f feed, all []article) {
	out := atomFeed{ID: f.home, Title: f.title, Sub: f.about, Updated: v.when(v.a.List.Created),
		Links: []atomLink{{"self", "application/atom+xml", f.self}, {"alternate", "text/html", f.home}}}
	for i, a := range all {
		if i == 0 {
			out.Updated = v.when(f.posts[0].Filed)
		}
		e := atomEntry{ID: v.permalink(a.Seq), Title: a.Subject, Author: atomPerson{a.Author}, Published: v.when(a.Date), Updated: v.when(f.posts[i].Filed),
			Link: atomLink{"alternate", "text/html", v.permalink(a.Seq)}, Content: atomText{"html", string(a.Text)}}
		if a.Parent > 0 {
			e.ReplyTo = &atomReply{v.permalink(a.Parent), v.permalink(a.Parent)}
		}
		out.Entries = append(out.Entries, e)
	}
	v.done()
	v.sendXML(v.w, v.r, "application/atom+xml; charset=utf-8", out, v.public())
}

func (v *visit) sendJSONFeed(f feed, all []article) {
	out := jsonFeed{Version: "https://jsonfeed.org/version/1.1", Title: f.title, Home: f.home, URL: f.self, Description: f.about,
		Language: v.a.List.Policy.Language, Items: []jsonItem{}}
	for _, a := range all {
		i := jsonItem{ID: v.permalink(a.Seq), URL: v.permalink(a.Seq), Title: a.Subject, HTML: string(a.Text), Published: v.when(a.Date),
			Authors: []jsonAuthor{{a.Author}}}
		for _, f := range a.Files {
			i.Files = append(i.Files, jsonFile{v.base() + f.Path, f.Type, f.Name})
		}
		out.Items = append(out.Items, i)
	}
	b, err := json.Marshal(out)
	if err != nil {
		v.closed(v.w, v.r, err)
		return
	}
	v.send("application/feed+json; charset=utf-8", b)
}
