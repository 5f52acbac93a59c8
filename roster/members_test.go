package roster

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

func TestAdd(t *testing.T) {
	sqlite(t, func(h *house) {
		h.create("dev@lists.test")
		rows := []string{"ada@a.test", "tim@c.test none", "own@o.test - owner", "eva@d.test each moderator"}
		if n := h.add("dev@lists.test", rows...); n != (Added{New: 4}) {
			h.Errorf("added %+v", n)
		}
		want := []string{"ada@a.test member each", "eva@d.test moderator each", "own@o.test owner", "tim@c.test member none"}
		h.has("dev@lists.test", want...)
		version := h.at("dev@lists.test").Version
		if n := h.add("dev@lists.test", rows...); n != (Added{Existing: 4}) {
			h.Errorf("added once more %+v", n)
		}
		h.has("dev@lists.test", want...)
		if now := h.at("dev@lists.test").Version; now == version {
			h.Log("roles were set anew, and the version has not moved")
		}
		// Who is there stays as they are, but for a role they did not have.
		if n := h.add("dev@lists.test", "ADA@a.test none", "tim@c.test each owner", "max@d.test"); n != (Added{New: 1, Existing: 2}) {
			h.Errorf("added %+v", n)
		}
		h.has("dev@lists.test", "ada@a.test member each", "eva@d.test moderator each", "max@d.test member each", "own@o.test owner", "tim@c.test owner none")
		_, err := h.books.Add(h.Context(), addr("nobody@lists.test"), parse(rows), nil)
		h.refuses(err, ErrNoList, "")
		_, err = h.books.Add(h.Context(), addr("nobody@lists.test"), nil, nil)
		h.refuses(err, ErrNoList, "") // an empty file is no reason to say nothing
		if n := h.add("dev@lists.test"); n != (Added{}) {
			h.Errorf("nobody added is %+v", n)
		}
	})
}

// TestImport: a long file is written in chunks; broken off, it completes when it is done again.
func TestImport(t *testing.T) {
	engines(t, func(h *house) {
		h.create("dev@lists.test")
		const n = 2*importChunk + 100
		var rows []lists.Row
		for i := range n {
			rows = append(rows, lists.Row{Address: addr(fmt.Sprintf("m%05d@d%d.test", i, i%50)), Mode: lists.Each, Roles: lists.Subscriber})
		}
		// The second transaction finds the list gone for a moment: the first chunk stays.
		var steps []int
		_, err := h.books.Add(h.Context(), addr("dev@lists.test"), rows, func(done int) {
			steps = append(steps, done)
			if len(steps) == 1 {
				_, err := h.books.Rename(h.Context(), addr("dev@lists.test"), addr("x@lists.test"))
				h.must(err)
				h.must(h.db.Update(h.Context(), func(tx *store.Tx) error { return nil }))
			}
		})
		h.must(err) // by its old address it is found all the same
		if diff := cmp.Diff([]int{importChunk, 2 * importChunk, n}, steps); diff != "" {
			h.Error(diff)
		}
		h.must(h.books.Remove(h.Context(), addr("x@lists.test"), []mail.Address{addr("m00007@d7.test"), addr("m04099@d49.test")}))
		sum, err := h.books.Add(h.Context(), addr("x@lists.test"), rows, nil)
		h.must(err)
		if sum != (Added{New: 2, Existing: n - 2}) {
			h.Errorf("once more: %+v", sum)
		}
		if all := h.all("x@lists.test"); len(all) != n {
			h.Errorf("there are %d members of %d", len(all), n)
		}
		exported, err := h.books.Export(h.Context(), addr("x@lists.test"))
		h.must(err)
		slices.SortFunc(rows, func(a, b lists.Row) int { return cmpStrings(a.Address.Key(), b.Address.Key()) })
		if diff := cmp.Diff(rows, exported); diff != "" {
			h.Errorf("exported (-want +got):\n%s", diff[:min(len(diff), 1000)])
		}
	})
}

func cmpStrings(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

func TestRemove(t *testing.T) {
	sqlite(t, func(h *house) {
		h.create("dev@lists.test")
		h.add("dev@lists.test", "ada@a.test", "tim@c.test each owner", "own@o.test - owner", "eva@d.test")
		err := h.books.Remove(h.Context(), addr("dev@lists.test"), []mail.Address{addr("ada@a.test"), addr("nobody@x.test")})
		h.refuses(err, ErrNoMember, "nobody@x.test")
		h.has("dev@lists.test", "ada@a.test member each", "eva@d.test member each", "own@o.test owner", "tim@c.test owner each")
		version := h.at("dev@lists.test").Version
		h.must(h.books.Remove(h.Context(), addr("dev@lists.test"), []mail.Address{addr("ADA@a.test"), addr("tim@c.test"), addr("own@o.test")}))
		h.has("dev@lists.test", "eva@d.test member each")
		if h.at("dev@lists.test").Version == version {
			h.Error("roles have gone, and a verdict that leaned on them would stand")
		}
		h.refuses(h.books.Remove(h.Context(), addr("nobody@lists.test"), nil), ErrNoList, "")
	})
}

// TestSetMember: all options or none; a role takes away those it does not name.
func TestSetMember(t *testing.T) {
	sqlite(t, func(h *house) {
		h.create("dev@lists.test", "default_mode=none")
		h.add("dev@lists.test", "ada@a.test", "own@o.test - owner")
		h.must(h.set("dev@lists.test", "ada@a.test", "role=moderator", "own_posts=no", "name=Ada"))
		if s := h.subscription("dev@lists.test", "ada@a.test"); s.OwnPosts || s.Name != "Ada" || s.Mode != lists.Each {
			h.Errorf("set is %+v", s)
		}
		h.has("dev@lists.test", "ada@a.test moderator each", "own@o.test owner")
		h.refuses(h.set("dev@lists.test", "ada@a.test", "role=owner", "ack=maybe"), nil, "ack")
		h.refuses(h.set("dev@lists.test", "ada@a.test", "role=king"), nil, "king")
		h.refuses(h.set("dev@lists.test", "ada@a.test", "name=x", "zzz=1"), nil, "zzz")
		h.refuses(h.set("dev@lists.test", "nobody@x.test", "ack=yes"), ErrNoMember, "nobody@x.test")
		h.refuses(h.set("dev@lists.test", "own@o.test", "ack=yes"), nil, "listd member add")
		h.has("dev@lists.test", "ada@a.test moderator each", "own@o.test owner")
		if s := h.subscription("dev@lists.test", "ada@a.test"); s.Name != "Ada" || s.Ack {
			h.Errorf("after refusals it is %+v", s)
		}
		h.must(h.set("dev@lists.test", "ada@a.test", "role=member"))
		h.must(h.set("dev@lists.test", "own@o.test", "role=member+owner", "ack=yes"))
		h.has("dev@lists.test", "ada@a.test member each", "own@o.test owner none")
	})
}

// TestFrom: who joins, or comes to mode each, gets the posts after the list's last, and none that is still on its way.
func TestFrom(t *testing.T) {
	engines(t, func(h *house) {
		h.create("dev@lists.test")
		h.add("dev@lists.test", "ada@a.test", "tim@c.test none")
		first := h.post("dev@lists.test") // nobody has a row yet
		h.unfinished(first)
		h.add("dev@lists.test", "new@n.test", "also@n.test none")
		h.must(h.set("dev@lists.test", "tim@c.test", "mode=each"))
		if s := h.subscription("dev@lists.test", "new@n.test"); s.EachFrom != 1 {
			h.Errorf("who joins after post 1 has each_from %d", s.EachFrom)
		}
		if s := h.subscription("dev@lists.test", "tim@c.test"); s.EachFrom != 1 {
			h.Errorf("who comes to mode each after post 1 has each_from %d", s.EachFrom)
		}
		h.must(h.set("dev@lists.test", "ada@a.test", "ack=yes", "mode=each"))
		if s := h.subscription("dev@lists.test", "ada@a.test"); s.EachFrom != 0 {
			h.Errorf("who stays in mode each has each_from %d", s.EachFrom)
		}
		h.fan(first)
		if got := h.rcpts(first); got != "ada@a.test" {
			h.Errorf("post 1 goes to %q", got)
		}
		second := h.post("dev@lists.test")
		h.fan(second)
		if got := h.rcpts(second); got != "ada@a.test new@n.test tim@c.test" {
			h.Errorf("post 2 goes to %q", got)
		}
	})
}

// unfinished marks an outgoing as one whose fan-out has yet to reach anybody.
func (h *house) unfinished(id store.OutgoingID) {
	h.Helper()
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) error { return tx.SetFanned(id, 0) }))
}

// TestLeaving: who leaves mode each, in whichever way, while a post is on its way gets that post first.
func TestLeaving(t *testing.T) {
	engines(t, func(h *house) {
		for i, leave := range []func(list string) error{
			func(list string) error { return h.set(list, "ada@a.test", "mode=none") },
			func(list string) error {
				return h.books.Remove(h.Context(), addr(list), []mail.Address{addr("ada@a.test")})
			},
			func(list string) error {
				s := h.subscription(list, "ada@a.test")
				return h.db.Update(h.Context(), func(tx *store.Tx) error {
					_, err := h.books.Leave(tx, s.List, s.ID)
					return err
				})
			},
		} {
			list := fmt.Sprintf("l%d@lists.test", i)
			h.create(list)
			h.add(list, "ada@a.test", "tim@c.test")
			ended := h.post(list)
			h.fan(ended)
			on := h.post(list)
			h.unfinished(on)
			h.must(leave(list))
			if got := h.rcpts(on); got != "ada@a.test" {
				h.Errorf("way %d: of the post on its way there are rows for %q", i, got)
			}
			if got := h.rcpts(ended); got != "ada@a.test tim@c.test" {
				h.Errorf("way %d: of the post that had gone there are rows for %q", i, got)
			}
			h.fan(on)
			if got := h.rcpts(on); got != "ada@a.test tim@c.test" {
				h.Errorf("way %d: the post goes to %q", i, got)
			}
			next := h.post(list)
			h.fan(next)
			if got := h.rcpts(next); got != "tim@c.test" {
				h.Errorf("way %d: the next post goes to %q", i, got)
			}
		}
	})
}

func TestLeave(t *testing.T) {
	sqlite(t, func(h *house) {
		h.create("dev@lists.test")
		h.create("ops@lists.test")
		h.add("dev@lists.test", "ada@a.test each moderator")
		h.add("ops@lists.test", "ada@a.test")
		s := h.subscription("dev@lists.test", "ada@a.test")
		leave := func(list string) (who mail.Address, err error) {
			l := h.at(list)
			err = h.db.Update(h.Context(), func(tx *store.Tx) (err error) {
				who, err = h.books.Leave(tx, l.ID, s.ID)
				return err
			})
			return who, err
		}
		if _, err := leave("ops@lists.test"); !errors.Is(err, store.ErrNotFound) {
			h.Errorf("with another list's subscription: %v", err)
		}
		if who, err := leave("dev@lists.test"); err != nil || who != addr("ada@a.test") {
			h.Errorf("Leave: %s, %v", who, err)
		}
		if _, err := leave("dev@lists.test"); !errors.Is(err, store.ErrNotFound) {
			h.Errorf("once more: %v", err)
		}
		h.has("dev@lists.test", "ada@a.test moderator")
		h.has("ops@lists.test", "ada@a.test member each")
	})
}
