package digest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

// Times of the day on which these round-ups are due at 18:00: after their draft, and after themselves.
var drafted, issued = time.Date(2031, 2, 3, 15, 0, 0, 0, time.UTC), time.Date(2031, 2, 3, 19, 0, 0, 0, time.UTC)

// threads has the archive put posts into threads.
func (h *house) threads(l lists.List) {
	h.Helper()
	h.must((&archive.Follower{DB: h.db, Log: h.desk.Log}).CatchUp(h.Context(), l.ID))
}

// wants has an organizer say a word about the round-up that waits, and returns its topics then.
func (h *house) wants(l lists.List, want lists.Curation) (topics []string) {
	h.Helper()
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
		all, err := tx.Curations(l.ID)
		if err != nil || len(all) != 1 {
			return fmt.Errorf("%d drafts, %w", len(all), err)
		}
		c, err := Curate(tx, all[0], want, "own@o.test")
		if err == nil {
			topics, err = Standing(tx, c)
		}
		return err
	}))
	return topics
}

// topics checks which topics each reader of a round-up was told of, in their order.
func (h *house) topics(l lists.List, want map[string]string) {
	h.Helper()
	got := map[string]string{}
	for _, g := range h.sent(l) {
		if !strings.Contains(g.subject, "Digest") {
			continue
		}
		h.view(func(tx *store.Tx) error {
			o, err := tx.Outgoing(g.id)
			if err != nil {
				return err
			}
			m, err := tx.Message(o.Message)
			var told []string
			for line := range strings.SplitSeq(mail.ReadBody(m, 1<<20).Text, "\n") {
				if t, ok := strings.CutPrefix(strings.TrimSpace(line), "* "); ok {
					told = append(told, t)
				}
			}
			for _, who := range g.to {
				got[who] = strings.Join(told, ", ")
			}
			return err
		})
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		h.Errorf("told of %v, want %v", got, want)
	}
}

func (h *house) stands(got []string, want ...string) {
	h.Helper()
	if !slices.Equal(got, want) {
		h.Errorf("stands as %q, want %q", got, want)
	}
}

// What comes after the draft stands behind what the draft has, in whose order nothing else changes.
func TestCurateBehind(t *testing.T) {
	engines(t, func(h *house) {
		l := h.create("dev@lists.test", "digest=daily 18:00 UTC")
		h.add(l, "a@a.test", lists.Roundup)
		h.work()
		for _, s := range []string{"one", "two", "three"} {
			h.post(l, s)
		}
		h.live(drafted, 30*time.Minute)
		h.post(l, "four")
		h.stands(h.wants(l, lists.Curation{First: []int{3}}), "3. one", "1. three", "2. two")
		h.live(issued, 30*time.Minute)
		h.topics(l, map[string]string{"a@a.test": "one, three, two, four"})
	})
}

// The draft is of what most readers get. What is dropped is dropped for those, too, who came when its thread was under way.
func TestCurateNewcomer(t *testing.T) {
	engines(t, func(h *house) {
		l := h.create("dev@lists.test", "digest=daily 18:00 UTC")
		h.add(l, "a@a.test", lists.Roundup)
		h.add(l, "b@a.test", lists.Roundup)
		h.work()
		h.post(l, "Our garden fence")
		h.post(l, "two")
		h.add(l, "late@a.test", lists.Roundup)
		h.post(l, "Re: Our garden fence")
		h.post(l, "three")
		h.threads(l)
		h.live(drafted, 30*time.Minute)
		h.stands(h.wants(l, lists.Curation{Drop: []int{1}}), "2. three", "3. two", "x 1. Our garden fence")
		h.live(issued, 30*time.Minute)
		h.topics(l, map[string]string{"a@a.test": "three, two", "b@a.test": "three, two", "late@a.test": "three"})
	})
}

// Numbers may be said twice, and the last word counts.
func TestCurateNumbers(t *testing.T) {
	engines(t, func(h *house) {
		l := h.create("dev@lists.test", "digest=daily 18:00 UTC")
		h.add(l, "a@a.test", lists.Roundup)
		h.work()
		for _, s := range []string{"one", "two", "three"} {
			h.post(l, s)
		}
		h.live(drafted, 30*time.Minute)
		for _, c := range []struct {
			want   lists.Curation
			stands string
		}{
			{lists.Curation{First: []int{2, 2}, Drop: []int{1, 1}}, "2. two|3. one|x 1. three"},
			{lists.Curation{First: []int{3}}, "3. one|2. two|x 1. three"},
			{lists.Curation{First: []int{1}}, "1. three|3. one|2. two"},
			{lists.Curation{Drop: []int{3}}, "1. three|2. two|x 3. one"},
			{lists.Curation{First: []int{2}, Drop: []int{2}}, "1. three|x 2. two|x 3. one"},
		} {
			if got := strings.Join(h.wants(l, c.want), "|"); got != c.stands {
				h.Errorf("%+v: %s, want %s", c.want, got, c.stands)
			}
		}
		h.must(h.db.View(h.Context(), func(tx *store.Tx) error {
			all, err := tx.Curations(l.ID)
			if err != nil {
				return err
			}
			for _, n := range []int{-1, 0, 4} {
				var none NoTopicError
				if _, err := Curate(tx, all[0], lists.Curation{Drop: []int{n}}, ""); !errors.As(err, &none) || none.Number != n || none.Topics != 3 {
					h.Errorf("number %d: %v", n, err)
				}
			}
			return nil
		}))
	})
}

// Each organizer gets one draft, whatever nodes and restarts there are.
func TestDraftOnce(t *testing.T) {
	engines(t, func(h *house) {
		l := h.create("dev@lists.test", "digest=daily 18:00 UTC")
		h.add(l, "a@a.test", lists.Roundup)
		_, err := h.books.Add(h.Context(), l.Address, []lists.Row{{Address: addr("own@o.test"), Roles: lists.Owner}, {Address: addr("mod@o.test"), Roles: lists.Moderator}}, nil)
		h.must(err)
		h.work()
		h.post(l, "one")
		h.live(issued, 10*time.Minute)
		var got []string
		h.view(func(tx *store.Tx) error {
			for id := store.OutgoingID(1); id < 100; id++ {
				if o, err := tx.Outgoing(id); err == nil && strings.Contains(o.Subject, "draft") {
					all, err := tx.DeliveriesOf(id, "", 10)
					if err != nil {
						return err
					}
					for _, d := range all {
						got = append(got, d.Rcpt)
					}
				}
			}
			return nil
		})
		slices.Sort(got)
		if !slices.Equal(got, []string{"mod@o.test", "own@o.test"}) {
			h.Errorf("drafts went to %q", got)
		}
	})
}
