package web

import (
	"compress/gzip"
	"html/template"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"listd/archive"
	"listd/lists"
	"listd/mail"
)

// raster are the pictures that browsers show and that can carry nothing else to run.
var raster = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true}

// sandboxed is the policy of what came by mail and is shown as it is: it may do nothing.
const sandboxed = "default-src 'none'; sandbox"

func partPath(post string, f mail.File) string {
	return post + "/part/" + strings.ReplaceAll(url.PathEscape(f.Path), "%2F", "/")
}

// message is a post and its message, for who may have them.
func (v *visit) message(seq lists.Seq) (archive.Post, mail.Message, bool) {
	p, err := v.a.Post(v.r.Context(), seq)
	var m mail.Message
	if err == nil {
		m, err = v.a.Message(v.r.Context(), p)
	}
	if err != nil {
		v.closed(v.w, v.r, err)
	}
	return p, m, err == nil
}

// raw is a message as it is stored, which the browser is told to show as text, whatever it looks like.
func (v *visit) raw(seq lists.Seq) {
	if !v.forWhole() || !v.turn(v.downloads) {
		return
	}
	defer v.done()
	_, m, ok := v.message(seq)
	if !ok {
		return
	}
	h := v.w.Header()
	h.Set("Content-Security-Policy", sandboxed)
	h.Set("X-Robots-Tag", "noindex")
	h.Set("Content-Disposition", contentDisposition("inline", seqText(seq)+".eml"))
	v.deliver("text/plain; charset=utf-8", m.Head, []byte("\r\n"), m.Body)
}

// deliver answers with bytes that may be many, and that are not kept by others.
func (v *visit) deliver(kind string, pieces ...[]byte) {
	h, size := v.w.Header(), 0
	for _, p := range pieces {
		size += len(p)
	}
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "private, max-age=600")
	h.Add("Vary", "Cookie")
	h.Set("Content-Length", strconv.Itoa(size))
	_ = http.NewResponseController(v.w).SetWriteDeadline(time.Now().Add(downloadFor)) // a server without one needs none
	for _, p := range pieces {
		if _, err := v.w.Write(p); err != nil {
			return // the reader has gone
		}
	}
}

// downloadFor is how long an attachment, or each piece of a collection, may take to be sent.
const downloadFor = 5 * time.Minute

// part is an attachment. Pictures are shown if they are what they say; everything else is for saving, so that nothing
// that came by mail runs as if it were ours. What is text keeps secrets as pages do.
func (v *visit) part(seq lists.Seq, path string) {
	if !v.turn(v.downloads) {
		return
	}
	defer v.done()
	_, m, ok := v.message(seq)
	if !ok {
		return
	}
	kind, name, data, ok := mail.OpenPart(m, path)
	if !ok || strings.HasPrefix(kind, "multipart/") {
		v.nothing()
		return
	}
	if !v.keep.whole && (strings.HasPrefix(kind, "message/") || kind == "text/rfc822-headers") {
		v.closed(v.w, v.r, archive.ErrSignIn) // it has everybody's addresses in its head
		return
	}
	h := v.w.Header()
	h.Set("Content-Security-Policy", sandboxed)
	h.Set("Cross-Origin-Resource-Policy", "same-site")
	h.Set("X-Robots-Tag", "noindex")
	how, out := "attachment", "application/octet-stream"
	switch sniffed := http.DetectContentType(data); {
	case raster[sniffed]:
		how, out = "inline", sniffed
	case kind == "text/plain":
		out = "text/plain"
	case kind == "application/pdf":
		out = kind
	}
	if !v.keep.whole {
		data = v.keep.bytes(data)
	}
	h.Set("Content-Disposition", contentDisposition(how, v.keep.text(name)))
	v.deliver(out, data)
}

// bytes is content without the domains of addresses, if it is text; pictures and programs are left as they are.
func (d discretion) bytes(b []byte) []byte {
	if len(b) > 2 && len(b)%2 == 0 && (b[0] == 0xff && b[1] == 0xfe || b[0] == 0xfe && b[1] == 0xff) {
		units := make([]uint16, len(b)/2)
		for i := range units {
			lo, hi := b[2*i], b[2*i+1]
			if b[0] == 0xfe {
				lo, hi = hi, lo
			}
			units[i] = uint16(lo) | uint16(hi)<<8
		}
		b = []byte(string(utf16.Decode(units)))
	}
	for i, c := range b[:min(len(b), 4096)] {
		if c == 0 || c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b && utf8.RuneStart(b[i]) {
			return b // no text
		}
	}
	return []byte(d.text(string(b)))
}

// contentDisposition is RFC 6266's field. The name is without anything that could end the field or lead elsewhere.
func contentDisposition(how, name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	if s := mime.FormatMediaType(how, map[string]string{"filename": name}); s != "" {
		return s
	}
	return how
}

// htmlData is what the page of a mail's HTML shows.
type htmlData struct {
	Subject, Author, Back string
	Date                  time.Time
	Content               template.HTML
	Blocked               int
}

// htmlPage shows the HTML of a post: the harmless part of it, on a page that may load nothing but the mail's own pictures.
func (v *visit) htmlPage(seq lists.Seq) {
	p, m, ok := v.message(seq)
	if !ok {
		return
	}
	body := mail.ReadBody(m, textOfPost)
	if len(body.HTML) == 0 {
		v.nothing()
		return
	}
	d := htmlData{Subject: v.subject(p.Subject), Author: v.keep.who(p.Author), Date: p.Date, Back: v.path + seqText(seq)}
	pictures := map[string]string{}
	for _, f := range body.Files {
		if f.ContentID != "" && strings.HasPrefix(f.Type, "image/") {
			pictures[f.ContentID] = partPath(d.Back, f)
		}
	}
	c := cleaning{keep: v.keep, picture: func(cid string) string { return pictures[cid] }}
	d.Content = template.HTML(c.clean(string(body.HTML))) // #nosec: that is what clean is for
	d.Blocked = c.blocked
	sandbox := "sandbox"
	if v.a.List.Policy.Archive != lists.ArchivePublic {
		// Without the cookie the mail's pictures would stay away. Nothing can run there either: there are no scripts.
		sandbox = "sandbox allow-same-origin"
	}
	h := v.w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "+sandbox)
	h.Set("X-Robots-Tag", "noindex")
	v.show("html.html", page{Title: d.Subject, Hostname: v.Hostname, Data: d})
}

// threadMbox and monthMbox are collections to read with a mail program.
func (v *visit) threadMbox(seq lists.Seq) {
	if !v.forWhole() {
		return
	}
	t, nodes, _, err := v.a.Thread(v.r.Context(), seq, maxThreadPage*postsOnPage)
	if err != nil {
		v.closed(v.w, v.r, err)
		return
	}
	v.mbox("thread-"+seqText(t.First), func(write func(archive.Post) error) error {
		for _, n := range nodes {
			if err := write(n.Post); err != nil {
				return err
			}
		}
		return nil
	})
}

func (v *visit) monthMbox(at time.Time) {
	if !v.forWhole() {
		return
	}
	v.mbox(at.Format("2006-01"), func(write func(archive.Post) error) error {
		const atOnce = 200
		var last *archive.Post
		for {
			posts, err := v.a.Range(v.r.Context(), at, at.AddDate(0, 1, 0), last, atOnce)
			if err != nil {
				return err
			}
			for _, p := range posts {
				if err := write(p); err != nil {
					return err
				}
			}
			if len(posts) < atOnce {
				return nil
			}
			last = &posts[len(posts)-1]
		}
	})
}

// mbox streams posts. An error in the midst of it breaks the connection off, so that what came is not taken for all.
func (v *visit) mbox(name string, each func(write func(archive.Post) error) error) {
	if !v.turn(v.downloads) {
		return
	}
	defer v.done()
	h := v.w.Header()
	h.Set("Content-Type", "application/gzip")
	h.Set("Content-Disposition", contentDisposition("attachment", v.a.List.Name()+"-"+name+".mbox.gz"))
	h.Set("Cache-Control", "private, no-cache")
	h.Set("X-Robots-Tag", "noindex")
	if v.r.Method == http.MethodHead {
		return
	}
	z := gzip.NewWriter(v.w)
	out, deadline := archive.NewMboxWriter(z), http.NewResponseController(v.w)
	err := each(func(p archive.Post) error {
		m, err := v.a.Message(v.r.Context(), p)
		if err != nil {
			return err
		}
		_ = deadline.SetWriteDeadline(time.Now().Add(downloadFor)) // a server without one needs none
		return out.Write(m, p.Author.Address, p.Filed)
	})
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		v.Log.LogAttrs(v.r.Context(), slog.LevelDebug, "mbox", slog.Any("error", err))
		panic(http.ErrAbortHandler)
	}
}
