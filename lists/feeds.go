package lists

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Feed is another place of a group's, of which the round-up tells: the address of an Atom or RSS feed or of a calendar, and
// what the place is called; without a Label as it calls itself.
type Feed struct{ Label, URL string }

// Bounds of feeds: each is fetched every few hours.
const (
	maxFeeds   = 10
	maxFeedURL = 500
	maxLabel   = 60
)

// String is the form that the setting has: URL or Label=URL.
func (f Feed) String() string {
	if f.Label == "" {
		return f.URL
	}
	return f.Label + "=" + f.URL
}

// parseFeed reads URL or Label=URL. Where a URL may not lead is for who fetches it to say: a name tells nothing before it
// is looked up.
func parseFeed(s string) (f Feed, err error) {
	f.URL = s
	if label, rest, ok := strings.Cut(s, "="); ok && !strings.Contains(label, ":") {
		f.Label, f.URL = strings.TrimSpace(label), strings.TrimSpace(rest)
	}
	if err := checkLine(f.Label, maxLabel); err != nil {
		return f, fmt.Errorf("the name of a place: %w", err)
	}
	u, err := url.Parse(f.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return f, fmt.Errorf("%q is no address of a feed: want https://…, or Name=https://…", s)
	case u.User != nil:
		return f, errors.New("an address with a password in it would be shown to whoever sees the settings: it is not allowed")
	case len(f.URL) > maxFeedURL || strings.ContainsAny(f.URL, " \"<>"):
		return f, fmt.Errorf("%q is too long, or has blanks, quotes or angle brackets in it", s)
	}
	return f, nil
}

func feedList(key, help string, field func(*Policy) *[]Feed) setting {
	return setting{key, help, fmt.Sprintf("at most %d addresses of Atom, RSS or iCalendar, URL or Name=URL, with commas between them, or empty", maxFeeds),
		func(p *Policy) string {
			var words []string
			for _, f := range *field(p) {
				words = append(words, f.String())
			}
			return strings.Join(words, ", ")
		},
		func(p *Policy, v string) error {
			words, err := items(v, maxFeeds)
			var out []Feed
			known := map[string]bool{}
			for _, w := range words {
				f, err := parseFeed(w)
				if err != nil {
					return err
				}
				if !known[f.URL] {
					known[f.URL] = true
					out = append(out, f)
				}
			}
			if err == nil {
				*field(p) = out
			}
			return err
		}}
}
