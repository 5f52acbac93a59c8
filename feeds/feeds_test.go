package feeds_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"listd/feeds"
)

const (
	blog = `<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:atom="http://www.w3.org/2005/Atom">
<channel><title>Our blog</title><atom:link href="https://blog.example.org/feed/" rel="self" type="application/rss+xml"/><link>https://blog.example.org</link>
<item><title>Tea &amp; <![CDATA[code]]></title><link>https://blog.example.org/tea</link><pubDate>Mon, 03 Mar 2031 10:00:00 +0000</pubDate>
<guid isPermaLink="false">https://blog.example.org/?p=7</guid><description><![CDATA[<p>How to <b>brew</b>.</p><script>alert(1)</script>]]></description>
<content:encoded><![CDATA[<p>All of it</p>]]></content:encoded></item>
<item><title>Old</title><link>https://blog.example.org/old</link><pubDate>Mon, 03 Mar 2025 10:00:00 +0000</pubDate></item></channel></rss>`
	commits = `<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/"><id>tag:code.example.org</id>
<link type="text/html" rel="alternate" href="https://code.example.org/x/commits"/><link type="application/atom+xml" rel="self" href="https://code.example.org/x/commits.atom"/>
<title>Recent Commits to x</title><updated>2031-03-04T10:00:00Z</updated>
<entry><id>tag:code.example.org:Commit/1</id><link type="text/html" rel="alternate" href="https://code.example.org/x/1"/><title>
        Fix the thing
    </title><updated>2031-03-04T10:00:00Z</updated><author><name>ann</name><uri>https://code.example.org/ann</uri></author><content type="html">&lt;pre&gt;Fix the thing&lt;/pre&gt;</content></entry></feed>`
	podcast = `<rss version="2.0" xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel><title>Talks</title><link>https://talks.example.org</link>
<image><title>Logo</title><url>https://talks.example.org/x.png</url><link>https://other.example.org</link></image>
<item><title>Episode 1</title><enclosure url="https://talks.example.org/1.mp3" length="1" type="audio/mpeg"/><guid>https://talks.example.org/1</guid><pubDate>Tue, 04 Mar 2031 10:00:00 GMT</pubDate></item></channel></rss>`
	rdf = `<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel rdf:about="https://news.example.org"><title>News</title><link>https://news.example.org</link></channel>
<item rdf:about="https://news.example.org/1"><title>One</title><link>https://news.example.org/1</link><dc:date>2031-03-04T10:00:00+01:00</dc:date><description>Text</description></item></rdf:RDF>`
	wiki = `<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><id>https://wiki.example.org/w/api.php</id><title>Wiki - Recent changes [en]</title>
<link rel="self" type="application/atom+xml" href="https://wiki.example.org/w/api.php"/><link rel="alternate" type="text/html" href="https://wiki.example.org/wiki/Special:RecentChanges"/>
<entry><id>https://wiki.example.org/w/index.php?title=Tea&amp;diff=2</id><title>Tea</title><link rel="alternate" type="text/html" href="https://wiki.example.org/w/index.php?title=Tea&amp;diff=2"/><updated>2031-03-04T10:00:00Z</updated>
<summary type="html">&lt;p&gt;spelling&lt;/p&gt;&lt;table&gt;&lt;tr&gt;&lt;td&gt;−&lt;/td&gt;&lt;td&gt;old&lt;/td&gt;&lt;/tr&gt;&lt;/table&gt;</summary><author><name>ann</name></author></entry></feed>`
	meetings = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:7@example.org\r\nDTSTART:20310311T183000Z\r\nSUMMARY:Meeting\r\nURL:https://meet.example.org/7\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)

var from = time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC)

// told is a feed in lines.
func told(f feeds.Feed) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s <%s>\n", f.Title, f.URL)
	for _, i := range f.Items {
		fmt.Fprintf(&b, "%s | %s | %s | %s | %s | %s | %t\n", i.At.UTC().Format("Jan02 15:04"), i.ID, i.Title, i.URL, i.Summary, i.Audio, i.Event != nil)
	}
	return b.String()
}

func TestRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"a blog":    {blog, "Our blog <https://blog.example.org>\nMar03 10:00 | https://blog.example.org/?p=7 | Tea & code | https://blog.example.org/tea | How to brew. |  | false\n"},
		"commits":   {commits, "Recent Commits to x <https://code.example.org/x/commits>\nMar04 10:00 | tag:code.example.org:Commit/1 | Fix the thing | https://code.example.org/x/1 | Fix the thing |  | false\n"},
		"a podcast": {podcast, "Talks <https://talks.example.org>\nMar04 10:00 | https://talks.example.org/1 | Episode 1 | https://talks.example.org/1 |  | https://talks.example.org/1.mp3 | false\n"},
		"RSS 1.0":   {rdf, "News <https://news.example.org>\nMar04 09:00 | https://news.example.org/1 | One | https://news.example.org/1 | Text |  | false\n"},
		"meetings":  {meetings, " <>\nMar11 18:30 | 7@example.org | Meeting | https://meet.example.org/7 |  |  | true\n"},
		"Latin-1": {"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><rss><channel><title>Caf\xe9</title><item><title>x</title></item></channel></rss>",
			"Café <>\nJan01 00:00 | x | x |  |  |  | false\n"},
		"broken behind an item": {`<rss><channel><title>t</title><item><title>x</title></item><item><title>y</tit`, "t <>\nJan01 00:00 | x | x |  |  |  | false\n"},
		"addresses that are none": {`<rss><channel><title>t</title><link>javascript:alert(1)</link><item><title>x</title><link>data:text/html,x</link><enclosure type="audio/mp3" url="file:///etc/passwd"/></item></channel></rss>`,
			"t <>\nJan01 00:00 | x | x |  |  |  | false\n"},
		"control characters": {"<feed><title>a\u2028b\tc</title><entry><id>1\n2</id><title>x\ry</title></entry></feed>", "a b c <>\nJan01 00:00 | 1 2 | x y |  |  |  | false\n"},
		"XHTML in Atom": {`<feed xmlns="http://www.w3.org/2005/Atom"><title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">Our <b>planet</b></div></title><entry><id>tag:1</id><title type="xhtml"><div>Tea <em>and</em> cake</div></title>
<content type="xhtml"><div><script>no</script><p>One</p><p>Two <a href="/x">three</a>, 1 &lt; 2</p></div></content></entry></feed>`, "Our planet <>\nJan01 00:00 | tag:1 | Tea and cake |  | One Two three, 1 < 2 |  | false\n"},
		"HTML within RSS":       {`<rss><channel><title>t</title><item><title>Tea <i>now</i> or never</title></item></channel></rss>`, "t <>\nJan01 00:00 | Tea now or never | Tea now or never |  |  |  | false\n"},
		"text with angles":      {`<feed><title>t</title><entry><id>1</id><title>List&lt;int&gt; is back</title></entry></feed>`, "t <>\nJan01 00:00 | 1 | List<int> is back |  |  |  | false\n"},
		"a picture's title":     {`<rss xmlns:media="http://search.yahoo.com/mrss/"><channel><title>t</title><item><media:title>logo.png</media:title><title>x</title><media:content url="https://example.org/x.png"><media:title>y</media:title></media:content></item></channel></rss>`, "t <>\nJan01 00:00 | x | x |  |  |  | false\n"},
		"illegal characters":    {"<rss><channel><title>t</title><item><title>a\x08b</title></item><item><title>\u009bc\u202ed</title></item></channel></rss>", "t <>\nJan01 00:00 | a b | a b |  |  |  | false\nJan01 00:00 | c d | c d |  |  |  | false\n"},
		"not the UTF-8 it says": {"<?xml version=\"1.0\" encoding=\"utf-8\"?><rss><channel><title>Caf\xe9</title><item><title>x</title></item></channel></rss>", "Café <>\nJan01 00:00 | x | x |  |  |  | false\n"},
		"UTF-16":                {"\xff\xfe" + wide("<?xml version=\"1.0\" encoding=\"utf-16\"?><rss><channel><title>t</title><item><title>x</title></item></channel></rss>"), "t <>\nJan01 00:00 | x | x |  |  |  | false\n"},
		"a wiki's changes":      {wiki, "Wiki - Recent changes [en] <https://wiki.example.org/wiki/Special:RecentChanges>\nMar04 10:00 | https://wiki.example.org/w/index.php?title=Tea&diff=2 | Tea | https://wiki.example.org/w/index.php?title=Tea&diff=2 | spelling − old |  | false\n"},
		"relative links": {`<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title><link href="../"/><entry><id>1</id><title>x</title><link href="2031/x.html"/><link rel="enclosure" type="audio/mpeg" href="/x.mp3"/></entry><entry><id>2</id><title>y</title><link href="//other.example.org/y"/></entry><entry><id>3</id><title>z</title><link href="javascript:alert(1)"/></entry></feed>`,
			"t <https://at.example.org/>\nJan01 00:00 | 1 | x | https://at.example.org/blog/2031/x.html |  | https://at.example.org/x.mp3 | false\nJan01 00:00 | 2 | y | https://other.example.org/y |  |  | false\nJan01 00:00 | 3 | z |  |  |  | false\n"},
		"xml:base": {`<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://base.example.org/a/"><title>t</title><entry><id>1</id><title>x</title><link href="x"/></entry></feed>`, "t <>\nJan01 00:00 | 1 | x | https://base.example.org/a/x |  |  | false\n"},
		"nothing":  {`<rss><channel><title>t</title></channel></rss>`, "t <>\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := feeds.Read([]byte(c.text), "https://at.example.org/blog/feed.xml", from, from.AddDate(0, 1, 0))
			if err != nil {
				t.Fatal(err)
			}
			if got := told(f); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
		})
	}
}

// wide is a text of ASCII in UTF-16, little end first.
func wide(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.Write([]byte{c, 0})
	}
	return b.String()
}

func TestReadNot(t *testing.T) {
	t.Parallel()
	bomb := `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">` + strings.Repeat(`<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">`, 10) + `]><x><title>&b;</title></x>`
	for name, text := range map[string]string{
		"nothing": "", "a page": "<html><body><p>No</p></body></html>", "JSON": `{"version": "https://jsonfeed.org/version/1.1"}`,
		"deep": "<rss>" + strings.Repeat("<a>", 100_000), "a bomb": bomb, "noise": "\x00\xff\xfe",
	} {
		if _, err := feeds.Read([]byte(text), "", from, from.AddDate(0, 1, 0)); !errors.Is(err, feeds.ErrNoFeed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{blog, commits, podcast, rdf, meetings, "<feed><entry><title>&lt;b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		feed, err := feeds.Read(b, "https://at.example.org/", from, from.AddDate(0, 1, 0))
		if err != nil && !errors.Is(err, feeds.ErrNoFeed) {
			t.Error(err)
		}
		for _, i := range feed.Items {
			for _, s := range []string{i.Title, i.Summary, i.URL, i.Audio} {
				if strings.ContainsAny(s, "\x00\r\n\x7f") || len(s) > 6000 {
					t.Errorf("%q", s)
				}
			}
			if i.URL != "" && !strings.HasPrefix(i.URL, "http://") && !strings.HasPrefix(i.URL, "https://") {
				t.Errorf("%q", i.URL)
			}
		}
	})
}
