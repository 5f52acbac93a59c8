package web

import (
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
)

// What a thread's page shows at most: posts, bytes of stored messages that are read for it, bytes of text of each post,
// and bytes of HTML. Posts beyond are shown without their text, each with a link to its own page.
const (
	postsOnPage   = 200
	readForPage   = 8 << 20
	textInThread  = 32 << 10
	pageRoom      = 2 << 20
	maxThreadPage = 10_000 / postsOnPage
	maxIndent     = 8
)

// article is a post on a page.
type article struct {
	Seq       lists.Seq
	Path      string
	Subject   string // empty where it is the thread's
	Author    string
	Email     string // empty for strangers
	Face      face
	Date      time.Time
	Indent    int
	Parent    lists.Seq
	ParentWho string
	Text      template.HTML
	Closed    bool // too much to show here
	Cut       bool // there is more text
	Removed   bool
	HTML      string // the path of its HTML, if it has some
	Files     []file
	Odd       []string
	Reply     string
	Hash      string
}

// file is an attachment.
type file struct {
	Name, Path, Type, Size string
	Picture                bool
}

// threadData is what the page of a thread shows.
type threadData struct {
	Articles         []article
	Posts, People    int
	Started, Last    time.Time
	Days             bool // it took more than one
	From, To         int
	Next, Prev       string
	Older            *line // the thread that was busy before this one
	Expand, Collapse string
	Mbox, Atom       string
}

func (v *visit) threadPage(seq lists.Seq) {
	number, ok := pageNumber(v.r.URL.Query().Get("page"))
	if !ok {
		v.nothing()
		return
	}
	ctx := v.r.Context()
	t, nodes, more, err := v.a.Thread(ctx, seq, number*postsOnPage)
	if err != nil {
		v.closed(v.w, v.r, err)
		return
	}
	if t.First != seq {
		v.done()
		http.Redirect(v.w, v.r, v.path+"t/"+seqText(t.First)+"/#p"+seqText(seq), http.StatusFound)
		return
	}
	from := (number - 1) * postsOnPage
	if from >= len(nodes) && number > 1 {
		v.nothing()
		return
	}
	here := v.path + "t/" + seqText(t.First) + "/"
	d := threadData{Posts: t.Posts, People: t.People, Started: t.Started, Last: t.Last, Days: t.Started.UTC().YearDay() != t.Last.UTC().YearDay() || t.Last.Sub(t.Started) > 24*time.Hour, From: from + 1, To: len(nodes), Atom: here + "new.atom"}
	if more && number < maxThreadPage {
		d.Next = here + "?page=" + strconv.Itoa(number+1)
	}
	if number > 1 {
		d.Prev = here + "?page=" + strconv.Itoa(number-1)
	}
	expand := v.r.URL.Query().Get("expand") == "1"
	d.Expand, d.Collapse = expandLinks(here, number, expand)
	if v.a.Addresses() {
		d.Mbox = here + "mbox.gz"
	}
	if d.Articles, err = v.articles(nodes[from:], nodes, t.Subject, expand); err != nil {
		v.closed(v.w, v.r, err)
		return
	}
	if !slices.ContainsFunc(d.Articles, func(a article) bool { return folds(a.Text) }) {
		d.Expand, d.Collapse = "", ""
	}
	older, err := v.a.Threads(ctx, t.Last, 1)
	if err != nil {
		v.closed(v.w, v.r, err)
		return
	}
	if len(older) > 0 {
		l := v.line(older[0])
		d.Older = &l
	}
	p := v.page(v.subject(t.Subject), d, link{"Threads", v.path + "threads"})
	p.FeedBase = here
	p.Canonical = v.base() + here
	if number > 1 {
		p.Canonical = v.base() + here + "?page=" + strconv.Itoa(number)
	}
	if expand {
		v.w.Header().Set("X-Robots-Tag", "noindex")
	}
	v.show("thread.html", p)
}

func pageNumber(s string) (int, bool) {
	if s == "" {
		return 1, true
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && n <= maxThreadPage
}

// folds reports whether a text has quotations that fold.
func folds(text template.HTML) bool { return strings.Contains(string(text), "<details") }

// expandLinks open and close all quotations of a page; one of them is empty.
func expandLinks(path string, number int, expand bool) (open, shut string) {
	page := ""
	if number > 1 {
		page = "page=" + strconv.Itoa(number)
	}
	switch {
	case expand && page == "":
		return "", path
	case expand:
		return "", path + "?" + page
	case page == "":
		return path + "?expand=1", ""
	}
	return path + "?" + page + "&expand=1", ""
}

// articles are posts with their text, as far as there is room. all are the posts of the thread up to here.
func (v *visit) articles(nodes, all []archive.Node, subject string, expand bool) ([]article, error) {
	who := make(map[lists.Seq]string, len(all))
	for _, n := range all {
		who[n.Seq] = v.keep.who(n.Author)
	}
	out := make([]article, 0, len(nodes))
	var read int64
	made := 0
	for _, n := range nodes {
		a := v.head(n.Post)
		a.Indent, a.ParentWho = min(n.Depth, maxIndent), who[n.Parent]
		if n.Parent == 0 || a.ParentWho == "" {
			a.Parent = 0
		}
		if base, _ := v.a.List.Policy.BaseSubject(n.Subject); base == subject {
			a.Subject = ""
		}
		if read += n.Size; read > readForPage || made > pageRoom {
			read -= n.Size
			a.Closed = true
			out = append(out, a)
			continue
		}
		if err := v.fill(&a, n.Post, reading{keep: v.keep, expand: expand}, textInThread); err != nil {
			return nil, err
		}
		made += len(a.Text)
		out = append(out, a)
	}
	return out, nil
}

// head is what is known of a post without its message.
func (v *visit) head(p archive.Post) article {
	a := article{Seq: p.Seq, Path: v.path + seqText(p.Seq), Subject: v.subject(p.Subject), Author: v.keep.who(p.Author), Date: p.Date, Parent: p.Parent,
		Removed: p.Removed, Reply: v.replyLink(p, "")}
	a.Face = faceOf(a.Author)
	if v.keep.whole && p.Author.Name != "" && !p.Author.Address.IsZero() {
		a.Email = p.Author.Address.String()
	}
	if p.MsgID != "" {
		a.Hash = archive.Hash(p.MsgID)
	}
	return a
}

// fill reads a post's message.
func (v *visit) fill(a *article, p archive.Post, how reading, most int) error {
	m, err := v.a.Message(v.r.Context(), p)
	if err != nil {
		return err
	}
	v.shown(a, mail.ReadBody(m, most), how, most)
	return nil
}

// shown shows a body.
func (v *visit) shown(a *article, body mail.Body, how reading, most int) {
	a.Text = how.html(body.Text)
	a.Cut = len(body.Text) >= most-4 // a character may not have fitted
	for _, o := range body.Odd {
		a.Odd = append(a.Odd, v.keep.text(o))
	}
	if len(body.HTML) > 0 {
		a.HTML = a.Path + "/html"
	}
	for i, f := range body.Files {
		if i == maxFilesShown {
			break
		}
		a.Files = append(a.Files, file{Name: v.keep.text(f.Name), Path: partPath(a.Path, f), Type: f.Type, Size: sizeText(int64(f.Size)),
			Picture: raster[f.Type] && f.Size <= maxPicture})
	}
}

// How many attachments of a post are listed, and how large a picture may be to be shown at once, in bytes.
const (
	maxFilesShown = 100
	maxPicture    = 1 << 20
)

// sizeText is a size as people say it.
func sizeText(n int64) string {
	switch {
	case n < 1024:
		return plural(int(n), "byte")
	case n < 1<<20:
		return strconv.FormatInt((n+512)>>10, 10) + " KB"
	}
	return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MB"
}
