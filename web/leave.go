package web

import (
	"errors"
	"mime"
	"net/http"

	"listd/auth"
	"listd/lists"
	"listd/roster"
)

// leavePage asks, and acts only on a press of its buttons: mail scanners follow links.
func (s *Site) leavePage(w http.ResponseWriter, r *http.Request) {
	p, err := s.Books.Personal(r.Context(), r.PathValue("token"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, "leave.html", "Leave "+p.List.Name()+"?", leaveData(p))
}

type leaving struct {
	Name, Address, Who, Owner string
	Paused                    bool
	Roundup                   bool // there is such a mode
}

func leaveData(p roster.Personal) leaving {
	name := p.List.Policy.Title
	if name == "" {
		name = p.List.Name()
	}
	_, err := lists.ParseMode(string(lists.Roundup))
	return leaving{name, p.List.Address.String(), p.Subscription.Address.String(), p.List.Owner().String(),
		!p.Subscription.Receives(), err == nil}
}

// leave is RFC 8058's one-click, and what the page's buttons do. It needs no cookie and redirects nowhere (section 3.1).
// A provider that asks twice, or after the member has left, is told that all is well.
func (s *Site) leave(w http.ResponseWriter, r *http.Request) {
	what, err := formValue(r)
	if err != nil {
		s.say(w, r, http.StatusBadRequest, "This is no form", "What was sent could not be read.", "Open the link in a browser and press a button there.")
		return
	}
	ctx, token := r.Context(), r.PathValue("token")
	var p roster.Personal
	var title, text, more string
	switch what {
	case "pause":
		p, err = s.Books.SetByLink(ctx, token, map[string]string{"mode": string(lists.None)})
		title, text, more = "Paused", "You stay a member and get no mail from the list.", "To get mail again, open this link once more."
	case "resume":
		p, err = s.Books.SetByLink(ctx, token, map[string]string{"mode": string(lists.Each)})
		title, text = "Welcome back", "You get the list's mail again, from the next post on."
	case "roundup":
		p, err = s.Books.SetByLink(ctx, token, map[string]string{"mode": string(lists.Roundup), "schedule": "weekly"})
		title, text = "Once a week from now on", "Instead of each post you get the weekly round-up."
	case "One-Click", "leave":
		p, err = s.Books.LeaveByLink(ctx, token, asker(r))
		title, text, more = "You have left", "You get no more mail from the list.", "A goodbye is on its way to you; it carries a link to come back."
		if errors.Is(err, roster.ErrToken) && what == "One-Click" {
			s.guesses.Miss(auth.Place(addressOf(r)), 1, s.Now())
			s.say(w, r, http.StatusOK, "You are not on this list", "There is nothing left to leave.", "")
			return
		}
	default:
		s.say(w, r, http.StatusBadRequest, "This is no form", "What was sent asks for nothing that this page does.", "Open the link in a browser and press a button there.")
		return
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.say(w, r, http.StatusOK, title, p.List.Address.String()+": "+text, more)
}

// formValue is what a form asks for: the one-click pair of RFC 8058, or the value of a button. Both encodings of a body
// are read (section 3.1).
func formValue(r *http.Request) (string, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err != nil && r.Header.Get("Content-Type") != "":
		return "", err
	case kind == "multipart/form-data":
		if err := r.ParseMultipartForm(maxBody); err != nil {
			return "", err
		}
	default:
		if err := r.ParseForm(); err != nil {
			return "", err
		}
	}
	if v := r.PostForm.Get("List-Unsubscribe"); v != "" {
		return v, nil
	}
	return r.PostForm.Get("do"), nil
}
