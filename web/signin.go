package web

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"listd/auth"
	"listd/mail"
)

// sessionFor is how long a browser keeps a session's cookie; the session itself ends no later.
const sessionFor = 30 * 24 * time.Hour

// signInPages are the way in and out. A form of another site must not sign anybody in or out.
func (s *Site) signInPages(m *http.ServeMux) {
	if s.Users == nil {
		return
	}
	ours := http.NewCrossOriginProtection()
	m.HandleFunc("GET /signin", s.signInPage)
	m.Handle("POST /signin", ours.Handler(s.guarded(s.askSignIn)))
	m.HandleFunc("GET /signin/{token}", s.guarded(s.linkPage))
	m.Handle("POST /signin/{token}", ours.Handler(s.guarded(s.signIn)))
	m.Handle("POST /signout", ours.Handler(http.HandlerFunc(s.signOut)))
}

// signInData is what the page that asks for an address shows.
type signInData struct {
	To, Address, Wrong string
	Wanted             bool // they came from a page that they may not see
}

func (s *Site) signInPage(w http.ResponseWriter, r *http.Request) {
	to := safePath(r.URL.Query().Get("to"))
	s.show(w, r, http.StatusOK, "signin.html", "Sign in", signInData{To: to, Wanted: to != "/"})
}

// askSignIn has a link mailed. Everybody is told the same: who is known here is nobody's business.
func (s *Site) askSignIn(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.say(w, r, http.StatusBadRequest, "This is no form", "What was sent could not be read.", "")
		return
	}
	typed, to := strings.TrimSpace(r.PostForm.Get("address")), safePath(r.PostForm.Get("to"))
	address, err := mail.ParseAddress(typed)
	if err != nil || address.Domain == "" {
		s.show(w, r, http.StatusBadRequest, "signin.html", "Sign in", signInData{To: to, Address: clipText(typed, 200), Wrong: "This is no e-mail address. One looks like ann@example.org."})
		return
	}
	if s.Books.URL == "" {
		s.say(w, r, http.StatusServiceUnavailable, "Not yet", "This site does not know its own address, so it can mail no links.", "Whoever runs it sets http.url in listd.toml.")
		return
	}
	if err := s.Books.AskSignIn(r.Context(), address, to, asker(r)); err != nil {
		s.Log.LogAttrs(r.Context(), slog.LevelError, "ask for a sign-in link", slog.Any("error", err))
	}
	s.say(w, r, http.StatusOK, "Look into your mail", "If "+address.String()+" is known here, a link is on its way to it. Open it in this browser; it works once, within an hour.",
		"Nothing comes? Then the address is on none of our lists, or it was asked for too often just now.")
}

func (s *Site) linkPage(w http.ResponseWriter, r *http.Request) {
	who, to, err := s.Users.Link(r.Context(), r.PathValue("token"))
	if err != nil {
		s.noLink(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, "signlink.html", "Sign in", struct{ Who, To string }{who.String(), safePath(to)})
}

func (s *Site) signIn(w http.ResponseWriter, r *http.Request) {
	secret, who, to, err := s.Users.SignIn(r.Context(), r.PathValue("token"))
	if err != nil {
		s.noLink(w, r, err)
		return
	}
	if err := s.Books.SeenAlive(r.Context(), who.Address); err != nil {
		s.Log.LogAttrs(r.Context(), slog.LevelError, "forget the bounces of who has signed in", slog.Any("error", err))
	}
	http.SetCookie(w, s.cookie(r, secret, int(sessionFor.Seconds())))
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, safePath(to), http.StatusSeeOther)
}

func (s *Site) noLink(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, auth.ErrUnknown) {
		s.fail(w, r, err)
		return
	}
	s.guesses.Miss(auth.Place(addressOf(r)), 1, s.Now())
	s.say(w, r, http.StatusNotFound, "This link has done its work", "It was used already, it has expired, or it was cut off on its way to you.", "Ask for another one on the page Sign in.")
}

// cookie carries a session's secret. A page of another site cannot send it with a form, and no script can read it.
func (s *Site) cookie(r *http.Request, secret string, age int) *http.Cookie {
	return &http.Cookie{Name: cookie, Value: secret, Path: "/", MaxAge: age, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: r.TLS != nil || strings.HasPrefix(s.base(), "https://")}
}

func (s *Site) signOut(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookie); err == nil && len(c.Value) <= 200 {
		if err := s.Users.End(r.Context(), c.Value); err != nil {
			s.fail(w, r, err)
			return
		}
	}
	http.SetCookie(w, s.cookie(r, "", -1))
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// safePath is a path of this site, as it was given or the front page: what an address says must not lead elsewhere.
func safePath(p string) string {
	const longest = 1000
	u, err := url.Parse(p)
	if err != nil || len(p) > longest || !strings.HasPrefix(p, "/") || u.Scheme != "" || u.Host != "" || u.User != nil ||
		strings.HasPrefix(p, "//") || strings.ContainsAny(p, "\\\t\r\n\x00") || strings.HasPrefix(u.Path, "//") || strings.Contains(u.Path, `\`) {
		return "/"
	}
	return p
}

func clipText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
