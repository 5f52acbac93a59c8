package digest

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// This file counts what a report tells, and keeps from members what would be about a few of them.

// MinGroup is of how many people a number must be at least that members are told: what is about fewer is withheld, or told
// with others.
const MinGroup = 5

// Count is a number of people, or of what people did. Few says that it is withheld, being from 1 to 4; Withheld, that
// somebody else could be reckoned from it. In JSON it is null then.
type Count struct {
	N        int64
	Few      bool
	Withheld bool
}

// MarshalJSON writes the number, or null.
func (c Count) MarshalJSON() ([]byte, error) {
	if c.Few || c.Withheld {
		return []byte("null"), nil
	}
	return json.Marshal(c.N)
}

// Report is what happened in a list in [From, To). What is of people is as who gets it may see it.
type Report struct {
	List       string           `json:"list"`
	For        lists.ReportTo   `json:"for"`
	From       time.Time        `json:"from"`
	To         time.Time        `json:"to"`
	Posts      int              `json:"posts"`
	Threads    int              `json:"threads"` // that were posted to
	Authors    Count            `json:"authors"`
	First      Count            `json:"first_time_posters"`
	Delay      *int64           `json:"answer_delay"`      // seconds, the median; nil: no thread that began had an answer
	Share      *int             `json:"top_three_percent"` // of the posts; nil: too few authors
	Days       []ReportDay      `json:"days"`
	Members    Count            `json:"members"` // at the end
	Joined     Count            `json:"joined"`
	Left       Count            `json:"left"`
	Paused     Count            `json:"paused"`
	Resumed    Count            `json:"resumed"`
	Modes      []ReportMode     `json:"modes"`
	Providers  []ReportProvider `json:"providers"`
	Held       Count            `json:"held"`
	Released   Count            `json:"released"`
	Refused    Count            `json:"refused"` // rejected, discarded or expired after they were taken
	Top        []ReportThread   `json:"top_threads"`
	Unanswered []ReportThread   `json:"unanswered"`
}

// ReportDay is a day of UTC: its posts, and the members at its end, of which members are told nothing.
type ReportDay struct {
	Day     string `json:"day"`
	Posts   int    `json:"posts"`
	Members *int64 `json:"members"`
}

// ReportMode is a mode: who is in it now, paused ones among them, and who joined and left in it, of which members are told
// nothing. The empty mode is all others.
type ReportMode struct {
	Mode    lists.Mode `json:"mode"`
	Members int64      `json:"members"`
	Paused  *int64     `json:"paused"`
	Joined  *int64     `json:"joined"`
	Left    *int64     `json:"left"`
}

// ReportProvider is a domain of members' addresses, and what became of the copies to it. The empty name is all others.
type ReportProvider struct {
	Name    string `json:"provider"`
	Members int64  `json:"members"`
	Sent    int64  `json:"sent"`
	Bounced Count  `json:"bounced"`
}

// ReportThread is a thread; URL is empty if it has no page.
type ReportThread struct {
	Subject string `json:"subject"`
	Posts   int    `json:"posts"`
	URL     string `json:"url"`
}

// How many of each a report names.
const reportProviders, reportThreads = 10, 5

// facts are the rows that a report is made of.
type facts struct {
	posts           []store.Post
	before          []string // authors of earlier posts
	tallies         []store.Tally
	logged          []store.Tally
	modes, domains  []store.MemberCount
	material        Material
	asked, talkedOf []topic
}

// Figures are the numbers of a list and a time, as the list's report_to may see them. ErrNoReport if there are none.
func (k *Desk) Figures(ctx context.Context, l lists.List, from, to time.Time) (Report, error) {
	var f facts
	if err := k.DB.View(ctx, func(tx *store.Tx) (err error) {
		f = facts{}
		f.tallies, err = tx.Tallies(l.ID, from, tx.Now.Add(24*time.Hour))
		if err != nil {
			return err
		}
		after, err := tx.LastSeqBefore(l.ID, from)
		if err != nil {
			return err
		}
		upTo, err := tx.LastSeqBefore(l.ID, to)
		if err != nil {
			return err
		}
		if f.posts, err = tx.DigestPosts(l.ID, after, upTo, 1<<20); err != nil || !f.eventful(to) {
			return err
		}
		if f.before, err = tx.Authors(l.ID, after); err != nil {
			return err
		}
		if f.logged, err = tx.LoggedDeliveries(l.ID, from, to); err != nil {
			return err
		}
		if f.modes, err = tx.MembersByMode(l.ID); err != nil {
			return err
		}
		f.domains, err = tx.MembersByDomain(l.ID)
		return err
	}); err != nil {
		return Report{}, err
	}
	if !f.eventful(to) {
		return Report{}, ErrNoReport
	}
	f.material = Material{List: l, URL: k.URL, Posts: f.posts, Load: (&ahead{db: k.DB, posts: f.posts}).load}
	if _, topics, err := f.material.topicsRead(ctx); err == nil {
		for _, t := range topics {
			if t.kind == asked {
				f.asked = append(f.asked, t)
			} else if len(t.posts) > 1 {
				f.talkedOf = append(f.talkedOf, t)
			}
		}
	} else {
		return Report{}, err
	}
	return f.report(l, from, to), nil
}

// eventful reports whether anything happened before to. Copies are none: they are of posts, or of reports.
func (f facts) eventful(to time.Time) bool {
	return len(f.posts) > 0 || slices.ContainsFunc(f.tallies, func(t store.Tally) bool {
		return t.Day.Before(to) && t.Kind != store.TallySent && t.Kind != store.TallyFailed
	})
}

// sum is how often something happened before to.
func (f facts) sum(k store.TallyKind, what func(string) bool, to time.Time) (n int64) {
	for _, t := range f.tallies {
		if t.Kind == k && t.Day.Before(to) && (what == nil || what(t.What)) {
			n += t.N
		}
	}
	return n
}

func (f facts) report(l lists.List, from, to time.Time) Report {
	r := Report{List: l.Address.String(), For: l.Policy.ReportTo, From: from.UTC(), To: to.UTC(), Posts: len(f.posts)}
	all := func(k store.TallyKind) Count { return Count{N: f.sum(k, nil, to)} }
	r.Joined, r.Left, r.Paused, r.Resumed = all(store.TallyJoined), all(store.TallyLeft), all(store.TallyPaused), all(store.TallyResumed)
	r.Held, r.Released = all(store.TallyHeld), all(store.TallyReleased)
	for _, k := range []store.TallyKind{store.TallyRefused, store.TallyRejected, store.TallyDiscarded, store.TallyExpired} {
		r.Refused.N += f.sum(k, nil, to)
	}
	f.authors(&r)
	f.threads(&r, l)
	f.days(&r)
	f.byMode(&r)
	f.byProvider(&r)
	if r.For == lists.ReportMembers {
		r.forMembers()
	}
	return r
}

// authorKey is who wrote a post: an address as it is compared, or what there is.
func authorKey(author string) string {
	text := author
	if at := strings.LastIndexByte(text, '<'); at >= 0 && strings.HasSuffix(text, ">") {
		text = text[at+1 : len(text)-1]
	}
	if a, err := mail.ParseAddress(text); err == nil {
		return a.Key()
	}
	return strings.ToLower(author)
}

func (f facts) authors(r *Report) {
	known := map[string]bool{}
	for _, a := range f.before {
		known[authorKey(a)] = true
	}
	wrote := map[string]int{}
	for _, p := range f.posts {
		wrote[authorKey(p.Author)]++
	}
	var each []int
	for who, n := range wrote {
		each = append(each, n)
		if !known[who] {
			r.First.N++
		}
	}
	r.Authors.N = int64(len(each))
	if len(each) < MinGroup {
		return
	}
	slices.Sort(each)
	top := 0
	for _, n := range each[len(each)-3:] {
		top += n
	}
	percent := (100*top + len(f.posts)/2) / len(f.posts)
	r.Share = &percent
}

// threads tells of threads, and how long it took until somebody else answered those that began.
func (f facts) threads(r *Report, l lists.List) {
	type begun struct {
		first    store.Post
		who      string
		answered bool
		began    bool
	}
	threads := map[store.ThreadID]*begun{}
	var delays []int64
	for _, p := range f.posts {
		t := threads[p.Thread]
		if t == nil || p.Thread == 0 {
			r.Threads++
			threads[p.Thread] = &begun{first: p, who: authorKey(p.Author), began: p.Thread == store.ThreadFrom(l.ID, p.Seq)}
			continue
		}
		if t.began && !t.answered && authorKey(p.Author) != t.who {
			t.answered = true
			delays = append(delays, int64(p.Filed.Sub(t.first.Filed)/time.Second))
		}
	}
	if n := len(delays); n > 0 {
		slices.Sort(delays)
		median := (delays[(n-1)/2] + delays[n/2]) / 2
		r.Delay = &median
	}
	slices.SortStableFunc(f.talkedOf, byPosts)
	tell := func(topics []topic) []ReportThread {
		out := []ReportThread{}
		for _, t := range topics[:min(reportThreads, len(topics))] {
			out = append(out, ReportThread{f.material.title(t.posts[0]), len(t.posts), f.material.threadLink(t.posts[0])})
		}
		return out
	}
	r.Top, r.Unanswered = tell(f.talkedOf), tell(f.asked)
}

// days tells of each day, the members at its end counted back from now.
func (f facts) days(r *Report) {
	now := int64(0)
	for _, m := range f.modes {
		now += m.N
	}
	change := map[string]int64{}
	for _, t := range f.tallies {
		switch t.Kind {
		case store.TallyJoined:
			change[t.Day.Format(time.DateOnly)] += t.N
		case store.TallyLeft:
			change[t.Day.Format(time.DateOnly)] -= t.N
		}
	}
	posts := map[string]int{}
	for _, p := range f.posts {
		posts[p.Filed.UTC().Format(time.DateOnly)]++
	}
	y, m, d := r.From.Date()
	for at := time.Date(y, m, d, 0, 0, 0, 0, time.UTC); at.Before(r.To); at = at.AddDate(0, 0, 1) {
		day := at.Format(time.DateOnly)
		r.Days = append(r.Days, ReportDay{Day: day, Posts: posts[day]})
	}
	// Of what is younger than the report's time the count is freed first.
	known := map[string]bool{}
	for _, day := range r.Days {
		known[day.Day] = true
	}
	for day, n := range change {
		if !known[day] {
			now -= n
		}
	}
	for i := len(r.Days) - 1; i >= 0; i-- {
		n := now
		r.Days[i].Members = &n
		now -= change[r.Days[i].Day]
	}
	if n := len(r.Days); n > 0 {
		r.Members.N = *r.Days[n-1].Members
	}
}

func (f facts) byMode(r *Report) {
	at := map[lists.Mode]*ReportMode{}
	row := func(m lists.Mode) *ReportMode {
		if at[m] == nil {
			at[m] = &ReportMode{Mode: m, Paused: new(int64), Joined: new(int64), Left: new(int64)}
		}
		return at[m]
	}
	for _, c := range f.modes {
		row(c.Mode).Members += c.N
		if c.State != lists.Active {
			*row(c.Mode).Paused += c.N
		}
	}
	for _, t := range f.tallies {
		switch {
		case !t.Day.Before(r.To):
		case t.Kind == store.TallyJoined:
			*row(lists.Mode(t.What)).Joined += t.N
		case t.Kind == store.TallyLeft:
			*row(lists.Mode(t.What)).Left += t.N
		}
	}
	r.Modes = []ReportMode{}
	for _, m := range at {
		r.Modes = append(r.Modes, *m)
	}
	slices.SortFunc(r.Modes, func(a, b ReportMode) int {
		return cmp.Or(-cmp.Compare(a.Members, b.Members), strings.Compare(string(a.Mode), string(b.Mode)))
	})
}

func (f facts) byProvider(r *Report) {
	at := map[string]*ReportProvider{}
	row := func(domain string) *ReportProvider {
		domain = strings.ToLower(domain)
		if at[domain] == nil {
			at[domain] = &ReportProvider{Name: domain}
		}
		return at[domain]
	}
	for _, c := range f.domains {
		row(c.Domain).Members += c.N
	}
	for _, t := range append(slices.Clone(f.logged), f.tallies...) {
		switch {
		case !t.Day.Before(r.To): // those of the log have no day
		case t.Kind == store.TallySent:
			row(t.What).Sent += t.N
		case t.Kind == store.TallyBounced:
			row(t.What).Bounced.N += t.N
		}
	}
	var all []ReportProvider
	for _, p := range at {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b ReportProvider) int {
		return cmp.Or(-cmp.Compare(a.Members, b.Members), -cmp.Compare(a.Sent, b.Sent), strings.Compare(a.Name, b.Name))
	})
	least := int64(0)
	if r.For == lists.ReportMembers {
		least = MinGroup
	}
	shown := shownBy(len(all), reportProviders, least, func(i int) int64 { return all[i].Members })
	r.Providers = slices.Clone(all[:shown])
	var others ReportProvider
	for _, p := range all[shown:] {
		others.Members, others.Sent, others.Bounced.N = others.Members+p.Members, others.Sent+p.Sent, others.Bounced.N+p.Bounced.N
	}
	if shown < len(all) && others.Members >= least {
		r.Providers = append(r.Providers, others)
	}
}

// shownBy is how many of n groups, the largest first, may be told by name: none smaller than least, and so that the others
// together are not smaller either, since who knows the sum could tell theirs.
func shownBy(n, most int, least int64, size func(int) int64) int {
	shown := 0
	for shown < min(n, most) && size(shown) >= least {
		shown++
	}
	for ; shown > 0; shown-- {
		var others int64
		for i := shown; i < n; i++ {
			others += size(i)
		}
		if shown == n || others >= least {
			break
		}
	}
	return shown
}

// forMembers takes out what is about fewer than MinGroup people.
func (r *Report) forMembers() {
	for _, c := range []*Count{&r.Authors, &r.First, &r.Members, &r.Joined, &r.Left, &r.Paused, &r.Resumed, &r.Held, &r.Released, &r.Refused} {
		c.withhold()
	}
	if r.Joined.Few || r.Left.Few { // who knows the members of the last report could tell one from the other
		r.Joined, r.Left = Count{Withheld: true}, Count{Withheld: true}
	}
	for i := range r.Providers {
		r.Providers[i].Bounced.withhold()
	}
	for i := range r.Days {
		r.Days[i].Members = nil
	}
	shown := shownBy(len(r.Modes), len(r.Modes), MinGroup, func(i int) int64 { return r.Modes[i].Members })
	others := ReportMode{}
	for _, m := range r.Modes[shown:] {
		others.Members += m.Members
	}
	r.Modes = r.Modes[:shown:shown]
	if others.Members >= MinGroup {
		r.Modes = append(r.Modes, others)
	}
	for i := range r.Modes {
		r.Modes[i].Paused, r.Modes[i].Joined, r.Modes[i].Left = nil, nil, nil
	}
}

func (c *Count) withhold() {
	if c.N > 0 && c.N < MinGroup {
		*c = Count{Few: true}
	}
}
