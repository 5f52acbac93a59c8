package web

import (
	"net/http"

	"listd/lists"
)

func (s *Site) moderatePage(w http.ResponseWriter, r *http.Request) {
	v, err := s.Door.HeldByToken(r.Context(), r.PathValue("token"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.show(w, r, http.StatusOK, "moderate.html", "Decide: "+v.Subject, v)
}

// decisions are the buttons of the page.
var decisions = map[string]struct {
	ruling lists.Ruling
	said   string
}{
	"accept":  {lists.Ruling{Action: lists.Accept}, "It has been let through."},
	"always":  {lists.Ruling{Action: lists.Accept, Always: true}, "It has been let through, and what this sender posts passes from now on."},
	"reject":  {lists.Ruling{Action: lists.Reject}, "It has been sent back with your reason."},
	"discard": {lists.Ruling{Action: lists.Discard}, "It has been dropped without a word."},
	"ban":     {lists.Ruling{Action: lists.Discard, Ban: true}, "It has been dropped, and its sender may not post any more."},
}

func (s *Site) moderate(w http.ResponseWriter, r *http.Request) {
	what, err := formValue(r)
	d, known := decisions[what]
	if err != nil || !known {
		s.say(w, r, http.StatusBadRequest, "This is no form", "What was sent asks for nothing that this page does.", "Go back and press one of its buttons.")
		return
	}
	d.ruling.Reason = r.PostForm.Get("reason")
	if err := s.Door.SettleByToken(r.Context(), r.PathValue("token"), d.ruling, asker(r)); err != nil {
		s.fail(w, r, err)
		return
	}
	s.say(w, r, http.StatusOK, "Thank you", d.said, "The other moderators are told.")
}
