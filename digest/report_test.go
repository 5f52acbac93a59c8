package digest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"listd/archive"
	"listd/lists"
	message "listd/mail"
	"listd/store"
	"listd/task"
)

// reporters has both nodes send reports too.
func (h *house) reporters() {
	for _, n := range h.nodes {
		n.Planners = append(n.Planners, h.desk.PlanReports)
		n.Steps[ReportKind] = h.desk.ReportStep
	}
}

// say files a post of somebody, as an answer perhaps, and has it threaded.
func (h *house) say(l lists.List, who, subject, answers string) string {
	h.Helper()
	h.posts++
	id := fmt.Sprintf("%d@example.org", h.posts)
	head := fmt.Sprintf("From: %s\r\nSubject: %s\r\nMessage-ID: <%s>\r\n", who, subject, id)
	if answers != "" {
		head += "In-Reply-To: <" + answers + ">\r\n"
	}
	m := message.Message{Head: []byte(head), Body: []byte("Words.\r\n")}
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
		l, err := tx.List(l.ID)
		if err != nil {
			return err
		}
		row, err := tx.AddMessage(m.Head, store.PackBody(m.Body))
		if err != nil {
			return err
		}
		_, err = archive.File(tx, l, archive.Describe(l, m, tx.Now), row)
		return err
	}))
	h.must((&archive.Follower{DB: h.db, Log: h.desk.Log}).CatchUp(h.Context(), l.ID))
	return id
}

// reports are a list's reports: "time Subject → readers".
func (h *house) reports(l lists.List) string {
	h.Helper()
	var out []string
	h.view(func(tx *store.Tx) error {
		out = nil
		for id, missing := store.OutgoingID(1), 0; missing < 100; id++ {
			o, err := tx.Outgoing(id)
			if err != nil {
				missing++
				continue
			}
			if o.List != l.ID || !regexp.MustCompile(` – \d{4}-`).MatchString(o.Subject) {
				continue
			}
			all, err := tx.DeliveriesOf(id, "", 1<<20)
			if err != nil {
				return err
			}
			var to []string
			for _, d := range all {
				to = append(to, d.Rcpt)
			}
			out = append(out, o.Created.Format("Jan02 15:04 ")+o.Subject+" → "+strings.Join(to, " "))
		}
		return nil
	})
	return strings.Join(out, "\n")
}

func TestReportOnce(t *testing.T) {
	engines(t, func(h *house) {
		h.reporters()
		l := h.create("dev@lists.test", "report=weekly", "digest=weekly sun 07:00 Pacific/Auckland")
		quiet := h.create("quiet@lists.test", "report=monthly")
		none := h.create("none@lists.test")
		for _, l := range []lists.List{l, quiet, none} {
			_, err := h.books.Add(h.Context(), l.Address, []lists.Row{{Address: addr("boss@a.test"), Roles: lists.Owner}}, nil)
			h.must(err)
		}
		h.add(l, "ann@a.test", lists.Each)
		h.say(none, "Ann <ann@a.test>", "Hello", "")
		h.imported(quiet)
		h.live(time.Date(2031, 2, 19, 0, 0, 0, 0, time.UTC), 5*time.Hour)
		h.say(l, "Ann <ann@a.test>", "Hello", "")
		h.live(time.Date(2031, 3, 8, 0, 0, 0, 0, time.UTC), 5*time.Hour)
		// The second and the fourth week had nothing in them.
		want := "Feb10 22:05 dev: report 2031-02-03 – 2031-02-09 → boss@a.test\nFeb24 22:05 dev: report 2031-02-17 – 2031-02-23 → boss@a.test"
		if got := regexp.MustCompile(`(?m)^(\w+) \d\d:\d\d`).ReplaceAllString(h.reports(l), "$1 22:05"); got != want {
			t := h.reports(l)
			h.Errorf("got\n%s\nwant\n%s", t, want)
		}
		if got := h.reports(quiet) + h.reports(none); got != "" {
			h.Errorf("nothing to tell, but: %s", got)
		}
	})
}

func TestReportAt(t *testing.T) {
	t.Parallel()
	for zone, want := range map[string]string{"UTC": "2031-04-01T08:00:00Z", "Europe/London": "2031-04-01T07:00:00Z", "Pacific/Auckland": "2031-04-01T19:00:00Z",
		"America/New_York": "2031-04-01T12:00:00Z", "Asia/Singapore": "2031-04-01T00:00:00Z"} {
		s, err := lists.ParseSchedule("weekly sun 08:00 " + zone)
		if err != nil {
			t.Fatal(err)
		}
		l := lists.List{Policy: lists.Policy{Digest: s}}
		if got := reportAt(l, time.Date(2031, 4, 1, 0, 0, 0, 0, time.UTC)).UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", zone, got, want)
		}
	}
}

func TestReportToMembers(t *testing.T) {
	engines(t, func(h *house) {
		h.reporters()
		l := h.create("dev@lists.test", "report=monthly", "report_to=members", "digest=weekly sun 07:00 UTC")
		for i := range 6 {
			h.add(l, fmt.Sprintf("m%d@big.test", i), lists.Each)
		}
		h.add(l, "de@small.test", lists.Digest, "language=de")
		h.add(l, "none@small.test", lists.None)
		h.add(l, "gone@secret.test", lists.Each)
		h.must(h.books.Remove(h.Context(), l.Address, []message.Address{addr("gone@secret.test")}))
		h.say(l, "Ann <ann@a.test>", "Hello", "")
		h.live(time.Date(2031, 3, 2, 0, 0, 0, 0, time.UTC), 12*time.Hour)
		got := h.reports(l)
		for _, want := range []string{"Mar01 16:05 dev: Bericht 2031-02-01 – 2031-02-28 → de@small.test",
			"Mar01 16:05 dev: report 2031-02-01 – 2031-02-28 → m0@big.test m1@big.test m2@big.test m3@big.test m4@big.test m5@big.test"} {
			if !strings.Contains(got, want) {
				h.Errorf("no %q in\n%s", want, got)
			}
		}
		if strings.Count(got, "→") != 2 {
			h.Error(got)
		}
		list := l
		h.view(func(tx *store.Tx) (err error) { list, err = tx.List(l.ID); return err })
		r, err := h.desk.Figures(h.Context(), list, time.Date(2031, 2, 1, 0, 0, 0, 0, time.UTC), time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC))
		h.must(err)
		text, err := json.Marshal(r)
		h.must(err)
		for _, secret := range []string{"small.test", "secret.test", "digest"} {
			if bytes.Contains(text, []byte(secret)) {
				h.Errorf("%q in %s", secret, text)
			}
		}
		if !r.Left.Withheld || !r.Joined.Withheld || !r.Authors.Few || fmt.Sprint(r.Providers) != fmt.Sprint([]ReportProvider{{Members: 8}}) {
			h.Errorf("%s", text)
		}
	})
}

func TestReportFigures(t *testing.T) {
	engines(t, func(h *house) {
		l := h.create("dev@lists.test", "report=monthly")
		h.add(l, "ann@a.test", lists.Each)
		h.add(l, "ben@a.test", lists.Digest)
		h.say(l, "Old Hand <OLD@a.test>", "Before", "")
		h.clock.set(time.Date(2031, 3, 3, 10, 0, 0, 0, time.UTC))
		h.add(l, "cy@b.test", lists.Each)
		q := h.say(l, "Ann <ann@a.test>", "Tabs or spaces?", "")
		h.say(l, "Ann <ann@a.test>", "Re: Tabs or spaces?", q) // answers herself
		h.clock.set(time.Date(2031, 3, 3, 13, 0, 0, 0, time.UTC))
		h.say(l, "Ben <ben@a.test>", "Re: Tabs or spaces?", q)
		h.say(l, "old@a.test", "Re: Tabs or spaces?", q)
		h.clock.set(time.Date(2031, 3, 5, 0, 0, 0, 0, time.UTC))
		h.say(l, "Cy <cy@b.test>", "Is anybody there?", "")
		second := h.say(l, "Di <di@b.test>", "Lunch", "")
		h.clock.set(time.Date(2031, 3, 5, 1, 0, 0, 0, time.UTC))
		h.say(l, "Ed <ed@b.test>", "Re: Lunch", second)
		h.imported(l)
		h.must(h.books.Remove(h.Context(), l.Address, []message.Address{addr("cy@b.test")}))
		h.clock.set(time.Date(2031, 4, 2, 0, 0, 0, 0, time.UTC))
		h.add(l, "later@b.test", lists.Each)
		list := l
		h.view(func(tx *store.Tx) (err error) { list, err = tx.List(l.ID); return err })
		r, err := h.desk.Figures(h.Context(), list, time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC), time.Date(2031, 4, 1, 0, 0, 0, 0, time.UTC))
		h.must(err)
		delay, share := int64(-1), -1
		if r.Delay != nil && r.Share != nil {
			delay, share = *r.Delay, *r.Share
		}
		got := fmt.Sprintf("posts %d threads %d authors %d first %d delay %d share %d joined %d left %d members %d",
			r.Posts, r.Threads, r.Authors.N, r.First.N, delay, share, r.Joined.N, r.Left.N, r.Members.N)
		// Old has posted before; the share is of ann 2 and two of those with 1, of 7.
		if want := "posts 7 threads 3 authors 6 first 5 delay 7200 share 57 joined 1 left 1 members 2"; got != want {
			h.Errorf("got  %s\nwant %s", got, want)
		}
		if got := fmt.Sprint(r.Top, r.Unanswered); got != "[{Tabs or spaces? 4 } {Lunch 2 }] [{Is anybody there? 1 }]" {
			h.Error(got)
		}
		var curve []int64
		for _, d := range r.Days {
			curve = append(curve, *d.Members)
		}
		if len(curve) != 31 || fmt.Sprint(curve[:6]) != "[2 2 3 3 2 2]" || curve[30] != 2 {
			h.Error(curve)
		}
		if _, err := h.desk.Figures(h.Context(), list, time.Date(2031, 5, 1, 0, 0, 0, 0, time.UTC), time.Date(2031, 6, 1, 0, 0, 0, 0, time.UTC)); err != ErrNoReport {
			h.Error(err)
		}
	})
}

// What is told by name is of five people at least, and so is what is left over.
func TestShownBy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		sizes []int64
		most  int
		least int64
		want  int
	}{
		{[]int64{9, 7, 5}, 10, 5, 3}, {[]int64{9, 7, 4}, 10, 5, 1}, {[]int64{9, 7, 4, 1}, 10, 5, 2}, {[]int64{9, 4}, 10, 5, 0},
		{[]int64{4, 4}, 10, 5, 0}, {[]int64{9, 7, 6}, 2, 5, 2}, {[]int64{3, 1}, 10, 0, 2}, {[]int64{3, 1}, 1, 0, 1}, {nil, 10, 5, 0},
	} {
		if got := shownBy(len(c.sizes), c.most, c.least, func(i int) int64 { return c.sizes[i] }); got != c.want {
			t.Errorf("%v: %d, want %d", c.sizes, got, c.want)
		}
	}
}

// sampleReport is a report with something in each part.
func sampleReport(to lists.ReportTo) Report {
	delay, share, zero := int64(5400), 71, int64(0)
	r := Report{List: "dev@lists.test", For: to, From: time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2031, 4, 1, 0, 0, 0, 0, time.UTC),
		Posts: 42, Threads: 9, Authors: Count{N: 11}, First: Count{N: 2}, Delay: &delay, Share: &share, Members: Count{N: 130}, Joined: Count{N: 7}, Left: Count{N: 3},
		Modes:     []ReportMode{{lists.Each, 101, &zero, &zero, &zero}, {lists.Digest, 29, &zero, &zero, &zero}},
		Providers: []ReportProvider{{"big.test", 90, 3780, Count{N: 6}}, {"", 40, 1600, Count{N: 1}}}, Held: Count{N: 2}, Released: Count{N: 1}, Refused: Count{N: 1},
		Top: []ReportThread{{"Tabs [or] <spaces>", 12, "https://lists.test/l/dev@lists.test/t/3/"}}, Unanswered: []ReportThread{{"Is *anybody* there?", 1, ""}}}
	for i := range 31 {
		n := int64(126 + i/7)
		r.Days = append(r.Days, ReportDay{r.From.AddDate(0, 0, i).Format(time.DateOnly), (i * 7) % 5, &n})
	}
	if to == lists.ReportMembers {
		r.forMembers()
	}
	return r
}

func TestReportMail(t *testing.T) {
	t.Parallel()
	l := lists.List{Address: addr("dev@lists.test"), ListID: "dev.lists.test", Policy: lists.DefaultPolicy()}
	for _, lang := range []string{"en", "de", "fr", "es", "xx"} {
		for _, to := range []lists.ReportTo{lists.ReportOwners, lists.ReportMembers} {
			m := Material{List: l, Mode: lists.Roundup, Language: lang, Hostname: "mx.test", ID: "r1"}
			d, err := m.reportDraft(sampleReport(to))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(d.Text+d.HTML, "%!") || strings.Contains(d.HTML, "<img src=\"http") {
				t.Errorf("%s: %s", lang, d.Text)
			}
			pictures := 2
			if to == lists.ReportMembers {
				pictures = 1 // nothing that shows how members came and went
			}
			if len(d.Attachments) != pictures {
				t.Errorf("%s to %s: %d pictures", lang, to, len(d.Attachments))
			}
			if few := fmt.Sprintf(reportWordsOf(lang).few, MinGroup); strings.Contains(d.Text, few) != (to == lists.ReportMembers) {
				t.Errorf("%s to %s: %q", lang, to, d.Text)
			}
			if !strings.Contains(d.Text, "71") || !strings.Contains(d.Text, "Tabs [or] <spaces>") || !strings.Contains(d.Text, "Is *anybody* there?") {
				t.Errorf("%s: %s", lang, d.Text)
			}
			raw := message.Compose(d, m.ID)
			parsed, err := mail.ReadMessage(bytes.NewReader(slices.Concat(raw.Head, []byte("\r\n"), raw.Body)))
			if err != nil || parsed.Header.Get("Auto-Submitted") != "auto-generated" {
				t.Errorf("%v %v", parsed, err)
			}
		}
	}
}

// A list's own template takes the place of the built-in one.
func TestReportTemplate(t *testing.T) {
	t.Parallel()
	m := Material{List: lists.List{Address: addr("dev@lists.test"), ListID: "dev.lists.test", Policy: lists.DefaultPolicy()}, Language: "en", Hostname: "mx.test", ID: "r1",
		Template: "Subject: {{.Title}} in numbers\n\n{{range .Sections}}## {{.Title}}\n{{range .Blocks}}\n{{.}}\n{{end}}{{end}}\n"}
	if err := CheckText(ReportText, m.Template); err != nil {
		t.Fatal(err)
	}
	d, err := m.reportDraft(sampleReport(lists.ReportOwners))
	if err != nil || d.Subject != "dev in numbers" || !strings.Contains(d.Text, "Mail to members") || strings.Contains(d.Text, "The longest threads\n\n*") {
		t.Errorf("%v: %s\n%s", err, d.Subject, d.Text)
	}
	if err := CheckText(ReportText, "Subject: x\n\n{{.Threads}}\n"); err == nil {
		t.Error("a field of the round-up passes")
	}
}

// Every language has a word for everything.
func TestReportWords(t *testing.T) {
	t.Parallel()
	for lang, w := range reportLanguages() {
		for _, word := range strings.Split(strings.Trim(fmt.Sprintf("%q", w), "{}"), `" "`) {
			if word == "" || word == `"` {
				t.Errorf("%s: a word is missing in %q", lang, w)
			}
		}
	}
	w := reportWordsOf("de-AT")
	for seconds, want := range map[int64]string{0: "0 min", 89: "1 min", 3600: "1 h 0 min", 100_000: "1 T 3 h"} {
		if got := w.duration(seconds); got != want {
			t.Errorf("%d: %q, want %q", seconds, got, want)
		}
	}
}

var _ task.Step = (*Desk)(nil).ReportStep
