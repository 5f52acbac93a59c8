// Package web serves pages to people and one-click to their mail providers. It needs no JavaScript, and sets a cookie for
// those alone who sign in. Whoever has a token may do what it is for. A GET shows, and never acts, since mail scanners
// follow links; what is shown of a mail has lost whatever could act on its own.
//
// Enter with Site.Handler. RFC 2369 section 3.2, RFC 8058 (one-click), RFC 9110, RFC 4287 (Atom), RFC 6265 (cookies).
package web

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"path"
	"strings"
	"time"

	"listd/archive"
	"listd/auth"
	"listd/inbound"
	"listd/roster"
)

// Site is what the pages are about. Its fields are set before Handler.
type Site struct {
	Books    *roster.Books
	Door     *inbound.Door
	Library  *archive.Library // nil: no archives are shown
	Users    *auth.Users      // nil: nobody can sign in
	Hostname string
	Log      *slog.Logger
	Now      func() time.Time

	guesses   auth.Guesses
	counts    counts
	reading   chan struct{} // pages that are being made
	downloads chan struct{}
}

//go:embed pages
var files embed.FS

var pages = template.Must(template.ParseFS(files, "pages/*.html"))

// Handler is all of the site's pages.
func (s *Site) Handler() http.Handler {
	s.reading, s.downloads = make(chan struct{}, pagesAtOnce), make(chan struct{}, downloadsAtOnce)
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", s.home)
	m.HandleFunc("GET /l/{list}/{rest...}", s.inList)
	m.HandleFunc("GET /m/{hash}", s.byHash)
	m.HandleFunc("GET /archives/list/{list}/{kind}/{hash}/{$}", s.hyperkitty)
	m.HandleFunc("GET /archives/list/{list}/{$}", s.hyperkittyList)
	m.HandleFunc("GET /search", s.searchAll)
	m.HandleFunc("GET /robots.txt", s.robots)
	m.HandleFunc("GET /sitemap.xml", s.sitemap)
	m.HandleFunc("GET /api/{rest...}", s.api)
	s.signInPages(m)
	s.accountPages(m)
	m.HandleFunc("GET /", s.elsewhere)
	m.HandleFunc("GET /style.css", s.asset("style.css"))
	m.HandleFunc("GET /icon.svg", s.asset("icon.svg"))
	m.HandleFunc("GET /favicon.ico", s.asset("icon.svg")) // browsers ask for it where no page names another
	m.HandleFunc("GET /leave/{token}", s.guarded(s.leavePage))
	m.HandleFunc("POST /leave/{token}", s.guarded(s.leave))
	m.HandleFunc("GET /confirm/{token}", s.guarded(s.confirmPage))
	m.HandleFunc("POST /confirm/{token}", s.guarded(s.confirm))
	m.HandleFunc("GET /moderate/{token}", s.guarded(s.moderatePage))
	m.HandleFunc("POST /moderate/{token}", s.guarded(s.moderate))
	return s.wrap(m)
}

// maxBody bounds what a form may carry, in bytes.
const maxBody = 64 << 10

// wrap gives every answer its protective fields, bounds what is read, and survives a panic.
func (s *Site) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // the address of a page is its token
		h.Set("X-Robots-Tag", "noindex")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.Log.LogAttrs(r.Context(), slog.LevelError, "panic in a page", slog.Any("panic", p))
				http.Error(w, "Something went wrong on our side; please try again later.", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func (s *Site) show(w http.ResponseWriter, r *http.Request, status int, name, title string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, page{Title: title, Hostname: s.Hostname, Data: data}); err != nil {
		s.Log.LogAttrs(r.Context(), slog.LevelError, "page", slog.String("name", name), slog.Any("error", err))
		http.Error(w, "Something went wrong on our side; please try again later.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the reader may be gone
}

// message is the page that says one thing.
type message struct{ Text, More string }

func (s *Site) say(w http.ResponseWriter, r *http.Request, status int, title, text, more string) {
	s.show(w, r, status, "message.html", title, message{text, more})
}

// fail answers an error: what a token no longer means is the reader's to know, all else is ours.
func (s *Site) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, roster.ErrToken):
		s.guesses.Miss(auth.Place(addressOf(r)), 1, s.Now())
		s.say(w, r, http.StatusNotFound, "This link has done its work",
			"Nothing waits behind this link: it was used already, it has expired, or it was cut off on its way to you.",
			"If you meant to join or leave a list, write to its address; the mails of the list say how.")
	case errors.Is(err, inbound.ErrSettled):
		s.say(w, r, http.StatusConflict, "Handled already", "Somebody has decided about this already.", "There is nothing left to do.")
	case errors.Is(err, context.Canceled):
	default:
		s.logError(r, err)
		s.say(w, r, http.StatusInternalServerError, "Trouble on our side", "This did not work, and it is not your fault.", "Please try again later.")
	}
}

func (s *Site) logError(r *http.Request, err error) {
	s.Log.LogAttrs(r.Context(), slog.LevelError, "page", slog.String("path", r.Pattern), slog.Any("error", err))
}

// maxGuesses is how many links that lead nowhere one place may follow within auth.GuessWindow.
const maxGuesses = 30

// guarded refuses those who guess: a token is found in a mail, not by trying.
func (s *Site) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if wait := s.guesses.Blocked(auth.Place(addressOf(r)), maxGuesses, s.Now()); wait {
			w.Header().Set("Retry-After", "600")
			s.say(w, r, http.StatusTooManyRequests, "Please wait", "Too many links from your address did not lead anywhere.", "Try again in ten minutes.")
			return
		}
		next(w, r)
	}
}

// addressOf is who asks. Behind a proxy on this machine it is whom the proxy names last.
func addressOf(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, _ := netip.ParseAddr(host) // the zero Addr stands for nobody in particular
	ip = ip.Unmap()
	if !ip.IsLoopback() {
		return ip
	}
	all := r.Header.Values("X-Forwarded-For")
	if len(all) == 0 {
		return ip
	}
	last := all[len(all)-1]
	if via, err := netip.ParseAddr(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])); err == nil {
		return via.Unmap()
	}
	return ip
}

// asker is the evidence of what somebody did on a page.
func asker(r *http.Request) roster.Asker {
	ip := addressOf(r).String()
	return roster.Asker{How: "link", Source: ip, Origin: ip}
}

// asset serves a file that belongs to the pages.
func (s *Site) asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=86400")
		w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
		http.ServeFileFS(w, r, files, "pages/"+name)
	}
}
