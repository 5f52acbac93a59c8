package roster

import (
	"regexp"
	"strings"
	"testing"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

func TestCreate(t *testing.T) {
	sqlite(t, func(h *house) {
		l, warnings, err := h.books.Create(h.Context(), Creation{Address: addr("dev@lists.test"),
			Settings: pairs([]string{"title=The Devs", "reply_to=explicit", "reply_to_address=info@lists.test"}), Owners: []mail.Address{addr("own@own.test"), addr("two@own.test")}})
		h.must(err)
		if len(warnings) != 0 || l.ListID != "dev.lists.test" || l.Policy.Title != "The Devs" || l.ID == 0 {
			h.Errorf("created is %+v, with the warnings %q", l, warnings)
		}
		h.has("dev@lists.test", "own@own.test owner", "two@own.test owner")
		_, _, err = h.books.Create(h.Context(), Creation{Address: addr("dev@lists.test")})
		h.refuses(err, ErrTaken, "listd list show")
		for _, c := range []struct{ address, settings, words string }{
			{"dev-owner@lists.test", "", "-owner"},
			{"postmaster@lists.test", "", "site"},
			{"x@lists.test", "titel=x", `did you mean "title"`},
			{"x@lists.test", "posting=nobody", "posting"},
			{"x@lists.test", "reply_to=explicit", "reply_to_address"}, // no setting is wrong, but both together
		} {
			_, _, err := h.books.Create(h.Context(), Creation{Address: addr(c.address), Settings: pairs(strings.Fields(c.settings)), Owners: []mail.Address{addr("x@own.test")}})
			h.refuses(err, nil, c.words)
		}
		h.view(func(tx *store.Tx) error {
			all, err := tx.Lists()
			if len(all) != 1 {
				h.Errorf("there are %d lists", len(all))
			}
			return err
		})
	})
}

// TestShadow: a list's own address wins over another's command address, and whoever creates it is told.
func TestShadow(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create("python@lists.test")
	_, warnings, err := h.books.Create(t.Context(), Creation{Address: addr("python-announce@lists.test")})
	h.must(err)
	if len(warnings) != 1 || !strings.Contains(warnings[0], "announce address of the list python@lists.test") {
		t.Errorf("the warnings are %q", warnings)
	}
	h.create("ops@lists.test")
	warnings, err = h.books.Rename(t.Context(), addr("ops@lists.test"), addr("python-info@lists.test"))
	h.must(err)
	if len(warnings) != 1 || !strings.Contains(warnings[0], "info address") {
		t.Errorf("the warnings are %q", warnings)
	}
	if _, warnings, err = h.books.Create(t.Context(), Creation{Address: addr("python-announce@else.test")}); err != nil || len(warnings) != 0 {
		t.Errorf("in another domain: %q, %v", warnings, err)
	}
}

func TestRename(t *testing.T) {
	engines(t, func(h *house) {
		h.create("old@lists.test", "title=Old")
		h.create("other@lists.test")
		h.add("old@lists.test", "ada@a.test")
		before := h.at("old@lists.test")
		_, err := h.books.Rename(h.Context(), addr("old@lists.test"), addr("other@lists.test"))
		h.refuses(err, ErrTaken, "other@lists.test")
		_, err = h.books.Rename(h.Context(), addr("old@lists.test"), addr("x-request@lists.test"))
		h.refuses(err, nil, "-request")
		_, err = h.books.Rename(h.Context(), addr("nobody@lists.test"), addr("x@lists.test"))
		h.refuses(err, ErrNoList, "listd list ls")
		for range 2 { // the second changes nothing
			_, err = h.books.Rename(h.Context(), addr("old@lists.test"), addr("new@lists.test"))
			h.must(err)
		}
		after := h.at("old@lists.test")
		if after.Address != addr("new@lists.test") || after.ListID != "old.lists.test" || after.ID != before.ID || after.Version != before.Version+1 {
			h.Errorf("renamed is %+v", after)
		}
		h.has("new@lists.test", "ada@a.test member each")
		// By its old address it is still found, and another list cannot take that.
		_, _, err = h.books.Create(h.Context(), Creation{Address: addr("old@lists.test")})
		h.refuses(err, ErrTaken, "")
		_, err = h.books.Rename(h.Context(), addr("new@lists.test"), addr("old@lists.test")) // and back
		h.must(err)
		if l := h.at("new@lists.test"); l.Address != addr("old@lists.test") {
			h.Errorf("renamed back is %+v", l)
		}
	})
}

func TestDelete(t *testing.T) {
	sqlite(t, func(h *house) {
		h.create("dev@lists.test")
		h.add("dev@lists.test", "ada@a.test", "tim@c.test")
		id := h.post("dev@lists.test")
		h.fan(id)
		h.must(h.books.Delete(h.Context(), addr("dev@lists.test")))
		h.refuses(h.books.Delete(h.Context(), addr("dev@lists.test")), ErrNoList, "")
		if got := h.rcpts(id); got != "ada@a.test tim@c.test" {
			h.Errorf("of what was on its way there goes out %q", got)
		}
		h.create("dev@lists.test")
		h.has("dev@lists.test")
	})
}

// TestSet: all settings or none.
func TestSet(t *testing.T) {
	sqlite(t, func(h *house) {
		h.create("dev@lists.test")
		before := h.at("dev@lists.test")
		l, err := h.books.Set(h.Context(), addr("dev@lists.test"), pairs([]string{"title=A", "posting=anyone"}))
		h.must(err)
		if l.Policy.Title != "A" || h.at("dev@lists.test").Version != before.Version+1 {
			h.Errorf("set is %+v", l)
		}
		for _, bad := range [][]string{{"title=B", "posting=nobody"}, {"description=B", "zzz=1"}, {"title=B", "reply_to=explicit"}} {
			if _, err := h.books.Set(h.Context(), addr("dev@lists.test"), pairs(bad)); err == nil {
				h.Errorf("%q is taken", bad)
			}
		}
		if now := h.at("dev@lists.test"); now.Policy.Title != "A" || now.Policy.Description != "" || now.Version != before.Version+1 {
			h.Errorf("after refusals the list is %+v", now)
		}
		_, err = h.books.Set(h.Context(), addr("nobody@lists.test"), nil)
		h.refuses(err, ErrNoList, "nobody@lists.test")
	})
}

func TestHeaderRules(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.create("dev@lists.test")
	for i, field := range []string{"X-One", "X-Two", "X-Three"} {
		h.must(h.books.AddRule(t.Context(), addr("dev@lists.test"), lists.HeaderRule{Field: field, Pattern: regexp.MustCompile("x"), Action: lists.Hold}))
		if l := h.at("dev@lists.test"); len(l.Policy.HeaderRules) != i+1 || l.Policy.HeaderRules[i].Field != field {
			t.Fatalf("the rules are %+v", l.Policy.HeaderRules)
		}
	}
	h.must(h.books.RemoveRule(t.Context(), addr("dev@lists.test"), 2))
	if r := h.at("dev@lists.test").Policy.HeaderRules; len(r) != 2 || r[0].Field != "X-One" || r[1].Field != "X-Three" {
		t.Errorf("the rules are %+v", r)
	}
	for _, n := range []int{-1, 0, 3} {
		h.refuses(h.books.RemoveRule(t.Context(), addr("dev@lists.test"), n), nil, "2 header rules")
	}
}

// TestNotify is one notice in full, and what every notice must have.
func TestNotify(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	owners := []mail.Address{addr("own@own.test"), addr("two@own.test")}
	l, _, err := h.books.Create(t.Context(), Creation{Address: addr("dev@lists.test"), Settings: map[string]string{"title": "Zäune, Wände"}, Owners: owners})
	h.must(err)
	h.must(h.db.Update(t.Context(), func(tx *store.Tx) error {
		return h.books.Notify(tx, l, Notice{Name: "ack", To: owners[:1], InReplyTo: "x@a.test", Trace: "abc", Language: "xx",
			Words:  lists.Words{"subject": "Bcc: victim@v.test\r\nX: y"},
			Attach: []mail.Attachment{{Name: "a.txt", Type: "text/plain", Body: []byte("Hello.\n")}}})
	}))
	ids := map[string]bool{}
	var all []store.Delivery
	h.view(func(tx *store.Tx) error {
		all, err = tx.Undelivered(10)
		for i, d := range all {
			o, err := tx.Outgoing(d.Outgoing)
			if err != nil {
				return err
			}
			m, err := tx.Message(o.Message)
			if err != nil {
				return err
			}
			ids[mail.Get(m.Head, "Message-ID")] = true
			auto := mail.Get(m.Head, "Auto-Submitted")
			if !o.From.IsZero() || auto != "auto-generated" && auto != "auto-replied" || mail.Get(m.Head, "To") != d.Rcpt || mail.Get(m.Head, "Bcc") != "" {
				t.Errorf("notice %d is from <%s>:\n%s", i, o.From, m.Head)
			}
			if mail.Automatic(mail.Envelope{From: addr("x@x.test")}, m.Head) == "" {
				t.Errorf("notice %d would be answered", i)
			}
			if i == 0 {
				golden(t, "list_created.eml", string(m.Head)+"\r\n"+string(m.Body))
			}
			if i == 2 {
				golden(t, "ack.eml", string(m.Head)+"\r\n"+string(m.Body))
			}
			if want := "abc"; i == 2 && o.Trace != want || o.Trace == "" {
				t.Errorf("notice %d has the trace %q", i, o.Trace)
			}
		}
		return err
	})
	if len(all) != 3 || len(ids) != 3 {
		t.Errorf("%d notices have %d Message-IDs", len(all), len(ids))
	}
	err = h.db.Update(t.Context(), func(tx *store.Tx) error {
		return h.books.Notify(tx, l, Notice{Name: "no such", To: owners})
	})
	h.refuses(err, nil, "no such")
}
