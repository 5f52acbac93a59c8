package web

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"listd/auth"
)

// accountPages are where somebody who has signed in makes passwords for their mail programs.
func (s *Site) accountPages(m *http.ServeMux) {
	if s.Users == nil {
		return
	}
	ours := http.NewCrossOriginProtection()
	m.HandleFunc("GET /account", s.accountPage)
	m.Handle("POST /account", ours.Handler(http.HandlerFunc(s.account)))
}

// accountData is what the page shows: passwords by their labels, and one that was just made, this once.
type accountData struct {
	Who       string
	Passwords []accountPassword
	Made, For string
	Wrong     string
}

type accountPassword struct {
	Label      string
	Made, Used time.Time
}

// maxLabel is how long a password's label may be, in bytes.
const maxLabel = 60

// user is who has signed in; who has not is sent to where one does.
func (s *Site) user(w http.ResponseWriter, r *http.Request) (auth.User, bool) {
	if c, err := r.Cookie(cookie); err == nil {
		u, err := s.Users.Session(r.Context(), c.Value)
		if err == nil {
			return u, true
		}
		if !errors.Is(err, auth.ErrUnknown) {
			s.fail(w, r, err)
			return u, false
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, "/signin?to=/account", http.StatusSeeOther)
	return auth.User{}, false
}

func (s *Site) accountPage(w http.ResponseWriter, r *http.Request) {
	if u, ok := s.user(w, r); ok {
		s.showAccount(w, r, u, accountData{})
	}
}

func (s *Site) showAccount(w http.ResponseWriter, r *http.Request, u auth.User, d accountData) {
	all, err := s.Users.Passwords(r.Context(), u)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	d.Who = u.Address.String()
	for _, p := range all {
		d.Passwords = append(d.Passwords, accountPassword{p.Label, p.Created, p.Used})
	}
	s.show(w, r, http.StatusOK, "account.html", "Passwords for mail programs", d)
}

// account makes a password, or takes one back.
func (s *Site) account(w http.ResponseWriter, r *http.Request) {
	u, ok := s.user(w, r)
	if !ok {
		return
	}
	if err := r.ParseForm(); err != nil {
		s.say(w, r, http.StatusBadRequest, "This is no form", "What was sent could not be read.", "")
		return
	}
	label := strings.Join(strings.Fields(strings.ToValidUTF8(r.PostForm.Get("label"), "")), " ")
	var d accountData
	var err error
	switch {
	case r.PostForm.Get("do") == "remove":
		err = s.Users.Forget(r.Context(), u, r.PostForm.Get("label"))
	case label == "" || len(label) > maxLabel || strings.ContainsFunc(label, func(r rune) bool { return r < ' ' || r == 0x7f }):
		d.Wrong = "Say what it is for in a few words, such as Thunderbird."
	default:
		d.For = label
		if d.Made, err = s.Users.MakePassword(r.Context(), u, label); errors.Is(err, auth.ErrPasswords) {
			d.Wrong, err = "You have as many as one may have. Remove one first.", nil
		}
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.showAccount(w, r, u, d)
}
