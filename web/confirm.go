package web

import (
	"net/http"
	"strings"

	"listd/lists"
	"listd/roster"
)

// question is what a confirmation's page asks.
type question struct {
	Title, Text, Detail, Button string
}

func ask(w roster.Waiting) question {
	name, who := w.List.Address.String(), w.Address.String()
	switch w.Kind {
	case "join", "invite":
		return question{"Join " + w.List.Name() + "?", "Press the button, and " + who + " becomes a member of " + name + ".", w.List.Policy.Description, "Join"}
	case "leave":
		return question{"Leave " + w.List.Name() + "?", "Press the button, and " + who + " leaves " + name + ".", "", "Leave"}
	case "undo":
		return question{"Come back to " + w.List.Name() + "?", "Press the button, and " + who + " is a member of " + name + " again, as before.", "", "Come back"}
	case "bounced":
		return question{"Get mail from " + w.List.Name() + " again?", "Press the button, and " + who + " gets the mail of " + name + " again, from the next post on.", "", "Come back"}
	case "address":
		return question{"Change your address?", "Press the button, and " + who + " agrees that the memberships move. Both addresses must agree.", "New address: " + w.Detail, "Change it"}
	case "forget":
		return question{"Forget " + who + "?", "Press the button, and " + who + " leaves every list of this server, and what it keeps about the address is deleted. Posts stay in the archives.", "", "Forget me"}
	}
	return question{"Are these commands yours?", "Press the button, and they are carried out for " + who + ".", w.Detail, "Yes, carry them out"}
}

func (s *Site) confirmPage(w http.ResponseWriter, r *http.Request) {
	waiting, err := s.Books.WaitingByLink(r.Context(), r.PathValue("token"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	q := ask(waiting)
	s.show(w, r, http.StatusOK, "confirm.html", q.Title, q)
}

func (s *Site) confirm(w http.ResponseWriter, r *http.Request) {
	done, err := s.Door.ConfirmByLink(r.Context(), r.PathValue("token"), asker(r))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	title, text := outcome(done)
	s.say(w, r, http.StatusOK, title, text, "")
}

// outcome says what a confirmation has done.
func outcome(c roster.Confirmed) (title, text string) {
	name, who := c.List.Address.String(), c.Address.String()
	switch {
	case c.Kind == "join" && c.Step == lists.Approve:
		return "A moderator looks at it", "Thank you. The moderators of " + name + " decide about new members; you will hear from them."
	case c.Kind == "join" && c.Step == lists.NotTaken:
		return "Not possible", name + " does not take " + who + " as a member. Questions go to " + c.List.Owner().String() + "."
	case c.Kind == "join", c.Kind == "invite", c.Kind == "undo":
		return "Welcome", who + " is a member of " + name + "."
	case c.Kind == "bounced":
		return "Welcome back", who + " gets the mail of " + name + " again, from the next post on."
	case c.Kind == "leave" && c.Step == lists.Approve:
		return "A moderator looks at it", "Thank you. The moderators of " + name + " will take you off."
	case c.Kind == "leave":
		return "You have left", who + " gets no more mail from " + name + "."
	case c.Kind == "address" && c.Half:
		return "One more step", "Thank you. The other address has been asked, too; when it agrees, all memberships move."
	case c.Kind == "address":
		return "Done", "All memberships have moved."
	case c.Kind == "forget":
		return "Forgotten", who + " is on no list of this server any more."
	}
	return "Done", "The commands have been carried out:\n" + strings.TrimSpace(c.Detail) + "\nTheir results come by mail."
}
