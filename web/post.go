package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
)

// What the page of a post shows at most: bytes of text; posts of its thread that are looked at, and that are named around it.
const (
	textOfPost   = 512 << 10
	outlineReads = 1000
	outlineShown = 12 // before it, and behind
)

// step is a post in the outline of its thread.
type step struct {
	Path, Author string
	Date         time.Time
	Indent       int
	Here         bool
}

// postData is what the page of a post shows.
type postData struct {
	article
	Thread             string // the path of its thread's page
	Posts, Number      int    // its thread has so many, and it is the one with this number; 0: far behind
	Outline            []step
	Above, Below       int // posts of the thread that the outline leaves out
	Prev, Next         string
	Earlier, Later     string // by date
	Raw                string
	To, Cc             string
	Permalink          string
	Expand, Collapse   string
	InThread, Imported bool
	AtMonth, Month     string
}

func (v *visit) postPage(seq lists.Seq) {
	ctx := v.r.Context()
	p, err := v.a.Post(ctx, seq)
	if err != nil {
		v.closed(v.w, v.r, err)
		return
	}
	m, err := v.a.Message(ctx, p)
	if err != nil {
		v.closed(v.w, v.r, err)
		return
	}
	expand := v.r.URL.Query().Get("expand") == "1"
	d := postData{article: v.head(p), Imported: p.Imported}
	body := mail.ReadBody(m, textOfPost)
	v.shown(&d.article, body, reading{keep: v.keep, expand: expand}, textOfPost)
	if folds(d.Text) {
		d.Expand, d.Collapse = expandLinks(d.Path, 1, expand)
	}
	d.Reply = v.replyLink(p, body.Text)
	d.To, d.Cc = v.recipients(m.Head, "To"), v.recipients(m.Head, "Cc")
	if d.Hash != "" {
		d.Permalink = v.base() + "/m/" + d.Hash
	}
	if v.a.Addresses() {
		d.Raw = d.Path + "/raw"
	}
	at := p.Date.UTC()
	d.AtMonth, d.Month = v.path+monthPath(at.Year(), at.Month()), at.Format("January 2006")
	if err := v.place(&d, p); err != nil {
		v.closed(v.w, v.r, err)
		return
	}
	title := d.Subject
	d.Subject = ""
	page := v.page(title, d, link{d.Month, d.AtMonth}, link{"Thread", d.Thread})
	if expand {
		v.w.Header().Set("X-Robots-Tag", "noindex")
	}
	v.w.Header().Set("Last-Modified", p.Filed.UTC().Format(http.TimeFormat))
	v.show("post.html", page)
}

// place says where a post stands in its thread, and by date.
func (v *visit) place(d *postData, p archive.Post) error {
	ctx := v.r.Context()
	t, nodes, _, err := v.a.Thread(ctx, p.Seq, outlineReads)
	if err != nil {
		return err
	}
	d.Thread, d.Posts = v.path+"t/"+seqText(t.First)+"/", t.Posts
	at := slices.IndexFunc(nodes, func(n archive.Node) bool { return n.Seq == p.Seq })
	if at >= 0 {
		d.Number = at + 1
		if page := at/postsOnPage + 1; page > 1 {
			d.Thread += fmt.Sprintf("?page=%d", page)
		}
		d.Thread += "#p" + seqText(p.Seq)
		if at > 0 {
			d.Prev = v.path + seqText(nodes[at-1].Seq)
		}
		if at+1 < len(nodes) {
			d.Next = v.path + seqText(nodes[at+1].Seq)
		}
		from, to := max(0, at-outlineShown), min(len(nodes), at+outlineShown+1)
		d.Above, d.Below = from, t.Posts-to
		for _, n := range nodes[from:to] {
			d.Outline = append(d.Outline, step{v.path + seqText(n.Seq), v.keep.who(n.Author), n.Date, min(n.Depth, maxIndent), n.Seq == p.Seq})
		}
		if parent := slices.IndexFunc(nodes, func(n archive.Node) bool { return n.Seq == p.Parent }); parent >= 0 {
			d.ParentWho = v.keep.who(nodes[parent].Author)
		} else {
			d.Parent = 0
		}
	}
	return v.byDate(d, p)
}

// byDate finds the posts before and after a post. An archive is read forward only; what came before is looked for in ever
// longer spans of time, none of which has many posts.
func (v *visit) byDate(d *postData, p archive.Post) error {
	const most = 300
	ctx := v.r.Context()
	later, err := v.a.Range(ctx, p.Date, p.Date.AddDate(200, 0, 0), &p, 1)
	if err != nil {
		return err
	}
	if len(later) > 0 {
		d.Later = v.path + seqText(later[0].Seq)
	}
	for _, span := range []time.Duration{time.Hour, 24 * time.Hour, 30 * 24 * time.Hour, 50 * 365 * 24 * time.Hour} {
		before, err := v.a.Range(ctx, p.Date.Add(-span), p.Date.Add(time.Second), nil, most)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(before, func(o archive.Post) bool { return o.Seq == p.Seq })
		if at > 0 {
			d.Earlier = v.path + seqText(before[at-1].Seq)
		}
		if at != 0 {
			break // found, or too many
		}
	}
	return nil
}

// recipients is who a message is for, as far as it may be seen.
func (v *visit) recipients(head []byte, field string) string {
	const most = 30
	all := mail.Mailboxes(mail.Get(head, field))
	var out []string
	for i, m := range all {
		if i == most {
			out = append(out, plural(len(all)-most, "other"))
			break
		}
		switch {
		case v.keep.text(m.Address.String()) == m.Address.String() && m.Name != "":
			out = append(out, m.Name+" <"+m.Address.String()+">")
		case v.keep.text(m.Address.String()) == m.Address.String():
			out = append(out, m.Address.String())
		default:
			out = append(out, v.keep.who(m))
		}
	}
	return v.keep.text(strings.Join(out, ", "))
}

// quotedInReply bounds the quotation that a reply begins with, in bytes: the programs that links like this are given to cut
// long ones, or refuse them.
const quotedInReply = 1200

// replyLink answers a post to its list, in a mail program (RFC 6068 section 6.1 allows In-Reply-To); empty where readers
// cannot post.
func (v *visit) replyLink(p archive.Post, text string) string {
	l := v.a.List
	if l.Policy.Closed || l.Policy.OwnersOnly() && !v.a.Owner || p.Removed {
		return ""
	}
	subject := v.keep.text(p.Subject)
	if _, reply := l.Policy.BaseSubject(subject); !reply {
		subject = "Re: " + subject
	}
	fields := []string{"Subject", subject}
	if p.MsgID != "" {
		fields = append(fields, "In-Reply-To", "<"+p.MsgID+">")
	}
	if quote := v.quote(p, text); quote != "" {
		fields = append(fields, "body", quote)
	}
	return mailto(l.Post(), fields...)
}

// quote is the author's words with marks before each line.
func (v *visit) quote(p archive.Post, text string) string {
	own := strings.TrimSpace(mail.OwnWords(text))
	if own == "" {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "On %s, %s wrote:\r\n", p.Date.UTC().Format("2 Jan 2006"), v.keep.who(p.Author))
	for line := range strings.SplitSeq(v.keep.text(own), "\n") {
		if b.Len()+len(line) > quotedInReply {
			b.WriteString("> […]\r\n")
			break
		}
		b.WriteString("> " + line + "\r\n")
	}
	return b.String() + "\r\n"
}
