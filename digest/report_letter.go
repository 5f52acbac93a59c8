package digest

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"listd/letter"
	"listd/lists"
	"listd/mail"
)

// This file writes reports.

// reportDraft is the mail of a report, as members get it.
func (m Material) reportDraft(r Report) (mail.Draft, error) {
	parts, err := render(ReportText, m.Template, m.reportData(r))
	if err != nil {
		return mail.Draft{}, err
	}
	d := m.draft()
	d.Subject, d.Text, d.HTML = parts.Subject, parts.Text, parts.HTML
	for _, p := range parts.Pictures {
		d.Attachments = append(d.Attachments, mail.Attachment{Type: p.Type, CID: p.CID, Body: p.Data})
	}
	return d, nil
}

// reportData is what the template is given.
func (m Material) reportData(r Report) letter.Report {
	w := reportWordsOf(m.Language)
	last := r.To.Add(-time.Nanosecond)
	out := letter.Report{Title: lists.WordsOf(m.List)["title"], Period: w.report + " " + r.From.Format(time.DateOnly) + " – " + last.Format(time.DateOnly),
		Language: m.Language, Preheader: fmt.Sprintf(w.preheader, r.Posts, w.count(r.Authors)), Intro: letter.Markdown(w.intro(r)),
		Figures: letter.Figures{{Value: strconv.Itoa(r.Posts), Label: w.posts},
			{Value: w.count(r.Authors), Label: w.authors}, {Value: w.count(r.Members), Label: w.members}}}
	out.Footer = letter.Markdown(fmt.Sprintf(w.footerOwners, verbatim(m.List.Address.String())))
	if r.For == lists.ReportMembers {
		out.Footer = letter.Markdown(fmt.Sprintf(w.footerMembers, verbatim(m.List.Address.String()), MinGroup) +
			fmt.Sprintf(" "+w.leave, "mailto:"+m.List.Help().String(), "mailto:"+m.List.Leave().String()))
	}
	section := func(title string, text letter.Markdown, blocks ...letter.Block) {
		out.Sections = append(out.Sections, letter.ReportSection{Title: title, Text: text, Blocks: blocks})
	}
	if r.Posts > 0 {
		section(w.talk, "", letter.Chart{Kind: letter.BarChart, Caption: w.postsByDay, Labels: dayLabels(r.Days), Values: values(r.Days, func(d ReportDay) float64 { return float64(d.Posts) })},
			letter.Numbers{Rows: w.talkRows(r)})
	}
	if len(r.Top) > 0 {
		section(w.top, threadLines(r.Top, w))
	}
	if len(r.Unanswered) > 0 {
		section(w.unanswered, threadLines(r.Unanswered, w))
	}
	section(strings.ToUpper(w.members[:1])+w.members[1:], "", w.memberBlocks(r)...)
	if len(r.Providers) > 0 {
		n := letter.Numbers{Head: []string{w.provider, w.members, w.sent, w.bounced}}
		for _, p := range r.Providers {
			n.Rows = append(n.Rows, []string{cmp.Or(p.Name, w.others), num(p.Members), num(p.Sent), w.count(p.Bounced)})
		}
		section(w.deliveries, "", n)
	}
	if r.Held != (Count{}) || r.Refused != (Count{}) || r.Released != (Count{}) {
		section(w.moderation, "", letter.Numbers{Rows: [][]string{{w.held, w.count(r.Held)}, {w.released, w.count(r.Released)}, {w.refused, w.count(r.Refused)}}})
	}
	return out
}

func num(n int64) string { return strconv.FormatInt(n, 10) }

func numOr(n *int64) string {
	if n == nil {
		return "–"
	}
	return num(*n)
}

// dayLabels are the days of a chart: a week's by month and day, a longer time's by the day alone.
func dayLabels(days []ReportDay) (out []string) {
	for _, d := range days {
		if len(days) > 8 && len(days) <= 31 {
			out = append(out, d.Day[8:])
			continue
		}
		out = append(out, d.Day[5:])
	}
	return out
}

func values(days []ReportDay, of func(ReportDay) float64) (out []float64) {
	for _, d := range days {
		out = append(out, of(d))
	}
	return out
}

// threadLines is a list of threads, with links where they have a page.
func threadLines(all []ReportThread, w reportWords) (out letter.Markdown) {
	for _, t := range all {
		line := verbatim(t.Subject)
		if t.URL != "" {
			line = "[" + line + "](<" + letter.Markdown(t.URL) + ">)"
		}
		out += "- " + line
		if t.Posts > 1 {
			out += letter.Markdown(fmt.Sprintf(" · %d %s", t.Posts, w.posts))
		}
		out += "\n"
	}
	return out
}

func (w reportWords) talkRows(r Report) [][]string {
	rows := [][]string{{w.threads, strconv.Itoa(r.Threads)}, {w.first, w.count(r.First)}}
	if r.Delay != nil {
		rows = append(rows, []string{w.delay, w.duration(*r.Delay)})
	}
	if r.Share != nil {
		rows = append(rows, []string{w.share, fmt.Sprintf("%d %%", *r.Share)})
	}
	return rows
}

func (w reportWords) memberBlocks(r Report) (out []letter.Block) {
	if n := len(r.Days); n > 1 && r.Days[0].Members != nil {
		out = append(out, letter.Chart{Kind: letter.LineChart, Caption: w.membersByDay, Labels: dayLabels(r.Days),
			Values: values(r.Days, func(d ReportDay) float64 { return float64(*d.Members) })})
	}
	out = append(out, letter.Numbers{Rows: [][]string{{w.joined, w.count(r.Joined)}, {w.left, w.count(r.Left)},
		{w.paused, w.count(r.Paused)}, {w.resumed, w.count(r.Resumed)}}})
	n := letter.Numbers{Head: []string{w.mode, w.members}}
	if r.For == lists.ReportOwners {
		n.Head = append(n.Head, w.pausedNow, w.joined, w.left)
	}
	for _, m := range r.Modes {
		row := []string{cmp.Or(string(m.Mode), w.others), num(m.Members)}
		if r.For == lists.ReportOwners {
			row = append(row, numOr(m.Paused), numOr(m.Joined), numOr(m.Left))
		}
		n.Rows = append(n.Rows, row)
	}
	if len(n.Rows) > 0 {
		out = append(out, n)
	}
	return out
}
