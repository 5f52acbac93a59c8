package web

import (
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"listd/archive"
	"listd/auth"
	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/roster"
	"listd/store"
	"listd/store/fresh"
)

// house is a site on a real database, and its pages.
type house struct {
	*testing.T
	db    *store.DB
	site  *Site
	pages http.Handler
	now   atomic.Int64
}

// evening is when the house's clock begins.
var evening = time.Date(2031, 3, 4, 18, 30, 0, 0, time.UTC)

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{T: t}
	h.now.Store(evening.UnixMilli())
	clock := func() time.Time { return time.UnixMilli(h.now.Load()).UTC() }
	db, err := store.Open(t.Context(), store.Options{URL: fresh.SQLite(t), Clock: clock})
	h.must(err)
	h.db = db
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	h.must(db.Migrate(t.Context()))
	var n atomic.Uint64
	chance := func() (b [8]byte) { binary.BigEndian.PutUint64(b[:], n.Add(1)); return b }
	books := &roster.Books{DB: db, Out: queue.Out{Relay: true}, Hostname: "mx.test", URL: "https://lists.test", Chance: chance}
	h.site = &Site{Books: books, Library: &archive.Library{DB: db}, Users: &auth.Users{DB: db, Chance: chance}, Hostname: "lists.test",
		Log: slog.New(slog.DiscardHandler), Now: clock}
	h.pages = h.site.Handler()
	return h
}

// must ends the test at an error.
func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func address(s string) mail.Address {
	a, err := mail.ParseAddress(s)
	if err != nil {
		panic(err) // the test's own constant
	}
	return a
}

// create makes a list with settings such as "archive=members".
func (h *house) create(at string, settings ...string) lists.List {
	h.Helper()
	set := map[string]string{}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		set[k] = v
	}
	l, _, err := h.site.Books.Create(h.Context(), roster.Creation{Address: address(at), Settings: set})
	h.must(err)
	return l
}

// letter is a plain mail, its lines ended as in the wire's form.
func letter(from, subject, id, more, body string) string {
	return "From: " + from + "\n" + "To: Dev <dev@lists.test>\nSubject: " + subject + "\nMessage-ID: <" + id + ">\n" + more + "\n" + body
}

// post files mails a minute apart, and has the archive followed.
func (h *house) post(at string, mails ...string) {
	h.Helper()
	var l lists.List
	for _, raw := range mails {
		h.now.Add(time.Minute.Milliseconds())
		m, err := mail.Read(strings.NewReader(strings.ReplaceAll(strings.ReplaceAll(raw, "\r\n", "\n"), "\n", "\r\n")), mail.Limits{}, mail.Mend)
		h.must(err)
		body := store.PackBody(m.Body)
		h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
			if l, err = tx.ListAt(address(at)); err != nil {
				return err
			}
			id, err := tx.AddMessage(m.Head, body)
			if err != nil {
				return err
			}
			_, err = archive.File(tx, l, archive.Describe(l, m, tx.Now), id)
			return err
		}))
	}
	x := archive.Indexer{DB: h.db}
	f := archive.Follower{DB: h.db, Index: x.Index}
	h.must(f.CatchUp(h.Context(), l.ID))
}

// member makes somebody a member of a list.
func (h *house) member(list, who string) {
	h.Helper()
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
		l, err := tx.ListAt(address(list))
		if err != nil {
			return err
		}
		_, err = tx.AddSubscriptions(l.ID, []lists.Subscription{{List: l.ID, Address: address(who), Mode: lists.Each, State: lists.Active}})
		return err
	}))
}

// link is the token of a link to sign in.
func (h *house) link(who, to string) string {
	h.Helper()
	token := lists.RandomToken([13]byte{byte(len(who)), who[0], byte(len(to))})
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
		_, err := auth.AddLink(tx, token, address(who), to)
		return err
	}))
	return token
}

// session signs somebody in.
func (h *house) session(who string) string {
	h.Helper()
	token := h.link(who, "/")
	secret, _, _, err := h.site.Users.SignIn(h.Context(), token)
	h.must(err)
	return secret
}

// answer is what came back.
type answer struct {
	*http.Response
	text string
}

// get asks for a page; fields are a name and a value each, and "as" has a session's secret.
func (h *house) get(path string, fields ...string) answer {
	h.Helper()
	return h.ask(httptest.NewRequest(http.MethodGet, path, nil), fields...)
}

func (h *house) ask(r *http.Request, fields ...string) answer {
	h.Helper()
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "as" {
			r.AddCookie(&http.Cookie{Name: cookie, Value: fields[i+1]})
		} else {
			r.Header.Set(fields[i], fields[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.pages.ServeHTTP(w, r)
	b, err := io.ReadAll(w.Result().Body)
	h.must(err)
	return answer{w.Result(), string(b)}
}

// page wants a page that is there.
func (h *house) page(path string, fields ...string) answer {
	h.Helper()
	a := h.get(path, fields...)
	if a.StatusCode != http.StatusOK {
		h.Fatalf("GET %s: %s\n%s", path, a.Status, a.text)
	}
	return a
}

// has wants all of these in the text.
func (h *house) has(a answer, wants ...string) {
	h.Helper()
	for _, w := range wants {
		if !strings.Contains(a.text, w) {
			h.Errorf("there is no %q in\n%s", w, a.text)
		}
	}
}

func (h *house) lacks(a answer, not ...string) {
	h.Helper()
	for _, w := range not {
		if strings.Contains(a.text, w) {
			h.Errorf("there is a %q in\n%s", w, a.text)
		}
	}
}

// dialogue is a list with a thread of three posts and one apart.
func (h *house) dialogue(at string) {
	h.Helper()
	h.post(at,
		letter("Ann <ann@example.org>", "Lunch on Friday?", "1@example.org", "", "Shall we meet at noon? Write to ann@example.org.\n\n-- \nAnn, ann@example.org\n"),
		letter("Bob <bob@example.net>", "Re: Lunch on Friday?", "2@example.net", "In-Reply-To: <1@example.org>\n", "On Tue, Ann <ann@example.org> wrote:\n> Shall we meet at noon?\n\nGladly.\n"),
		letter("eve@example.com", "A patch from eve@example.com", "3@example.com", "", "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new <b>\n"),
		letter("Ann <ann@example.org>", "Re: Lunch on Friday?", "4@example.org", "In-Reply-To: <2@example.net>\n", fmt.Sprintf("%s\nSee you.\n", strings.Repeat("> quoted\n", 20))))
}
