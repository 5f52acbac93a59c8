package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
)

// The answers of /api, which api.html documents. Names are added, never changed.
type (
	apiList struct {
		Address     string     `json:"address"`
		Title       string     `json:"title"`
		Description string     `json:"description"`
		URL         string     `json:"url"`
		Archive     string     `json:"archive"`
		Joining     string     `json:"subscription"`
		Last        *time.Time `json:"last_activity,omitempty"`
		Posts       int        `json:"posts"`
	}
	apiPerson struct {
		Name    string `json:"name"`
		Address string `json:"address,omitempty"`
	}
	apiThread struct {
		First   lists.Seq `json:"first"`
		Subject string    `json:"subject"`
		Author  apiPerson `json:"author"`
		Posts   int       `json:"posts"`
		People  int       `json:"people"`
		Started time.Time `json:"started"`
		Last    time.Time `json:"last"`
		URL     string    `json:"url"`
	}
	apiPost struct {
		Seq      lists.Seq `json:"seq"`
		Subject  string    `json:"subject"`
		Author   apiPerson `json:"author"`
		Date     time.Time `json:"date"`
		Parent   lists.Seq `json:"parent,omitempty"`
		Depth    *int      `json:"depth,omitempty"`
		Size     int64     `json:"size"`
		Hash     string    `json:"message_id_hash,omitempty"`
		MsgID    string    `json:"message_id,omitempty"`
		Removed  bool      `json:"removed,omitempty"`
		Imported bool      `json:"imported,omitempty"`
		Files    []apiFile `json:"attachments,omitempty"`
		Text     *string   `json:"text,omitempty"`
		Snippet  string    `json:"snippet,omitempty"`
		List     string    `json:"list,omitempty"`
		URL      string    `json:"url"`
	}
	apiFile struct {
		Name string `json:"name"`
		Type string `json:"type"`
		Size int    `json:"size"`
		URL  string `json:"url"`
	}
	apiPage struct {
		Lists   []apiList   `json:"lists,omitempty"`
		Thread  *apiThread  `json:"thread,omitempty"`
		Threads []apiThread `json:"threads,omitempty"`
		Posts   []apiPost   `json:"posts,omitempty"`
		Post    *apiPost    `json:"post,omitempty"`
		List    *apiList    `json:"list,omitempty"`
		Total   *int        `json:"total,omitempty"`
		Many    bool        `json:"more_than_total,omitempty"`
		Odd     []string    `json:"not_understood,omitempty"`
		Next    string      `json:"next,omitempty"`
	}
)

// api answers with JSON what the pages show.
func (s *Site) api(w http.ResponseWriter, r *http.Request) {
	p := strings.Split(strings.TrimSuffix(r.PathValue("rest"), "/"), "/")
	switch {
	case p[0] == "":
		s.showPublic(w, r, "api.html", s.page(r, "The archives for programs", s.base()))
	case s.Library == nil:
		s.refuseAPI(w, r, archive.ErrNoArchive)
	case len(p) == 1 && p[0] == "lists":
		s.apiLists(w, r)
	case len(p) == 1 && p[0] == "search":
		s.apiSearch(w, r)
	case len(p) >= 2 && p[0] == "lists":
		a, err := s.open(r, p[1])
		if err != nil {
			s.refuseAPI(w, r, err)
			return
		}
		v := &visit{Site: s, w: w, r: r, a: a, keep: discretionOf(a.List, a.Addresses()), path: listPath(a.List)}
		if !v.turn(s.reading) {
			return
		}
		defer v.done()
		out, err := v.apiPage(p[2:])
		if err != nil {
			s.refuseAPI(w, r, err)
			return
		}
		v.done()
		s.sendJSON(w, r, out, v.public())
	default:
		s.refuseAPI(w, r, archive.ErrNoPost)
	}
}

// apiStatus are what errors mean to a program.
func (s *Site) refuseAPI(w http.ResponseWriter, r *http.Request, err error) {
	status, text := http.StatusInternalServerError, "trouble on our side; try again later"
	switch {
	case errors.Is(err, archive.ErrSignIn):
		status, text = http.StatusUnauthorized, err.Error()
	case errors.Is(err, archive.ErrMembers):
		status, text = http.StatusForbidden, err.Error()
	case errors.Is(err, archive.ErrNoArchive), errors.Is(err, archive.ErrNoPost):
		status, text = http.StatusNotFound, err.Error()
	case errors.Is(err, errAsked):
		status, text = http.StatusBadRequest, err.Error()
	default:
		s.logError(r, err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": text}) // the program may be gone
}

// errAsked says that an address asks for what cannot be.
var errAsked = errors.New("after, before and limit are numbers")

func (s *Site) sendJSON(w http.ResponseWriter, r *http.Request, v any, public bool) {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		s.refuseAPI(w, r, err)
		return
	}
	w.Header().Set("Access-Control-Allow-Origin", "*") // of what strangers see: no cookie comes along
	if !public {
		w.Header().Del("Access-Control-Allow-Origin")
	}
	s.send(w, r, "application/json; charset=utf-8", append(b, '\n'), public)
}

func (s *Site) apiLists(w http.ResponseWriter, r *http.Request) {
	all, err := s.directory(r)
	if err != nil {
		s.refuseAPI(w, r, err)
		return
	}
	out := struct {
		Lists []apiList `json:"lists"`
	}{[]apiList{}}
	for _, e := range all {
		out.Lists = append(out.Lists, s.apiList(e))
	}
	s.sendJSON(w, r, out, s.reader(r).Stranger())
}

func (s *Site) apiList(e entry) apiList {
	l := apiList{Address: e.Address, Title: e.Name, Description: e.About, URL: s.base() + e.Path, Archive: "public", Joining: e.Joining, Posts: e.Posts}
	if e.Private {
		l.Archive = "members"
	}
	if !e.Last.IsZero() {
		at := e.Last.UTC().Truncate(time.Second)
		l.Last = &at
	}
	return l
}

// apiPage is what a path below a list means.
func (v *visit) apiPage(p []string) (any, error) {
	limit, err := number(v.r, "limit", 50, 200)
	if err != nil {
		return nil, err
	}
	switch {
	case len(p) == 0:
		return v.apiList1()
	case len(p) == 1 && p[0] == "threads":
		return v.apiThreads(limit)
	case len(p) == 1 && p[0] == "posts":
		return v.apiPosts(limit)
	case len(p) == 1 && p[0] == "search":
		ask := askedOf(v.r)
		found, err := v.a.Search(v.r.Context(), ask.q, ask.cursor, hitsOnPage)
		return v.Site.apiFound(found), err
	case len(p) == 2 && p[0] == "threads":
		return v.apiThread(p[1], limit)
	case len(p) == 2 && p[0] == "posts":
		return v.apiPost(p[1])
	}
	return nil, archive.ErrNoPost
}

func (v *visit) apiList1() (any, error) {
	e := entryOf(v.a)
	months, err := v.months()
	if err != nil {
		return nil, err
	}
	for _, m := range months {
		e.Posts += m.Posts
	}
	l := v.Site.apiList(e)
	return apiPage{List: &l}, nil
}

// number is a number in the address of a page.
func number(r *http.Request, key string, unset, most int64) (int64, error) {
	s := r.URL.Query().Get(key)
	if s == "" {
		return unset, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, errAsked
	}
	return min(n, most), nil
}

func (v *visit) person(m mail.Mailbox) apiPerson {
	p := apiPerson{Name: v.keep.who(m)}
	if v.keep.whole && !m.Address.IsZero() {
		p.Address = m.Address.String()
	}
	return p
}

func (v *visit) thread(t archive.Thread) apiThread {
	return apiThread{First: t.First, Subject: v.keep.text(t.Subject), Author: v.person(t.Author), Posts: t.Posts, People: t.People,
		Started: t.Started.UTC(), Last: t.Last.UTC(), URL: v.base() + v.path + "t/" + seqText(t.First) + "/"}
}

func (v *visit) post(p archive.Post) apiPost {
	out := apiPost{Seq: p.Seq, Subject: v.keep.text(p.Subject), Author: v.person(p.Author), Date: p.Date.UTC(), Parent: p.Parent, Size: p.Size,
		Removed: p.Removed, Imported: p.Imported, URL: v.permalink(p.Seq)}
	if p.MsgID != "" {
		out.Hash = archive.Hash(p.MsgID)
	}
	if v.keep.whole {
		out.MsgID = p.MsgID
	}
	return out
}

func (v *visit) apiThreads(limit int64) (any, error) {
	at, err := number(v.r, "before", 0, 1<<62)
	if err != nil {
		return nil, err
	}
	var before time.Time
	if at > 0 {
		before = time.UnixMicro(at)
	}
	all, err := v.a.Threads(v.r.Context(), before, int(limit))
	out := apiPage{Threads: []apiThread{}}
	for _, t := range all {
		out.Threads = append(out.Threads, v.thread(t))
	}
	if n := len(all); n > 0 && n == int(limit) {
		out.Next = v.base() + "/api/lists/" + v.a.List.Address.String() + "/threads?limit=" + strconv.Itoa(n) + "&before=" + strconv.FormatInt(all[n-1].Last.UnixMicro(), 10)
	}
	return out, err
}

func (v *visit) apiPosts(limit int64) (any, error) {
	after, err := number(v.r, "after", 0, 1<<32-1)
	if err != nil {
		return nil, err
	}
	all, err := v.a.After(v.r.Context(), lists.Seq(after), int(limit))
	out := apiPage{Posts: []apiPost{}}
	for _, p := range all {
		out.Posts = append(out.Posts, v.post(p))
	}
	if n := len(all); n > 0 && n == int(limit) {
		out.Next = v.base() + "/api/lists/" + v.a.List.Address.String() + "/posts?limit=" + strconv.Itoa(n) + "&after=" + seqText(all[n-1].Seq)
	}
	return out, err
}

func (v *visit) apiThread(name string, limit int64) (any, error) {
	seq, ok := parseSeq(name)
	if !ok {
		return nil, archive.ErrNoPost
	}
	t, nodes, more, err := v.a.Thread(v.r.Context(), seq, int(limit))
	if err != nil {
		return nil, err
	}
	whole := v.thread(t)
	out := apiPage{Thread: &whole, Many: more}
	for _, n := range nodes {
		p := v.post(n.Post)
		depth := n.Depth
		p.Depth = &depth
		out.Posts = append(out.Posts, p)
	}
	return out, nil
}

func (v *visit) apiPost(name string) (any, error) {
	seq, ok := parseSeq(name)
	if !ok {
		return nil, archive.ErrNoPost
	}
	p, err := v.a.Post(v.r.Context(), seq)
	if err != nil {
		return nil, err
	}
	m, err := v.a.Message(v.r.Context(), p)
	if err != nil {
		return nil, err
	}
	body, out := mail.ReadBody(m, textOfPost), v.post(p)
	text := v.keep.text(body.Text)
	out.Text = &text
	for _, f := range body.Files[:min(len(body.Files), maxFilesShown)] {
		out.Files = append(out.Files, apiFile{v.keep.text(f.Name), f.Type, f.Size, v.base() + partPath(v.path+seqText(seq), f)})
	}
	return apiPage{Post: &out}, nil
}

func (s *Site) apiSearch(w http.ResponseWriter, r *http.Request) {
	ask := askedOf(r)
	v := &visit{Site: s, w: w, r: r}
	if !v.turn(s.reading) {
		return
	}
	found, err := s.Library.Search(r.Context(), s.reader(r), ask.q, ask.cursor, hitsOnPage)
	if v.done(); err != nil {
		s.refuseAPI(w, r, err)
		return
	}
	s.sendJSON(w, r, s.apiFound(found), s.reader(r).Stranger())
}

func (s *Site) apiFound(found archive.Result) apiPage {
	out := apiPage{Posts: []apiPost{}, Total: &found.Total, Many: found.Many, Odd: found.Odd, Next: found.Next}
	for _, h := range found.Hits {
		v := &visit{Site: s, a: h.Archive, keep: discretionOf(h.Archive.List, h.Archive.Addresses()), path: listPath(h.Archive.List)}
		p := v.post(h.Post)
		p.List = h.Archive.List.Address.String()
		for _, piece := range v.keep.pieces(h.Snippet) {
			p.Snippet += piece.Text
		}
		out.Posts = append(out.Posts, p)
	}
	return out
}
