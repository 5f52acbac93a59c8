package digest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"listd/lists"
	"listd/store"
)

// letters are the round-ups of a list that somebody gets: when, whom, and what of its posts they name.
func (h *house) letters(l lists.List) (out []string) {
	h.Helper()
	for _, g := range h.sent(l) {
		if len(g.to) > 0 && len(g.seqs) == 0 {
			out = append(out, fmt.Sprintf("%s %v", g.at.Format("Jan02 15:04"), g.to))
		}
	}
	return out
}

// word has somebody want something of the round-up that waits.
func (h *house) word(l lists.List, want lists.Curation) (err error) {
	h.Helper()
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
		all, e := tx.Curations(l.ID)
		if e != nil || len(all) == 0 {
			err = ErrNoDraft
			return e
		}
		_, err = Curate(tx, all[0], want, "own@a.test")
		return nil
	}))
	return err
}

// standing is what the round-up that waits is like.
func (h *house) standing(l lists.List) (out []string) {
	h.Helper()
	h.view(func(tx *store.Tx) error {
		all, err := tx.Curations(l.ID)
		if err != nil || len(all) == 0 {
			return err
		}
		out, err = Standing(tx, all[0])
		return err
	})
	return out
}

// One draft, however many nodes; it waits as long as it is held, and goes as it is wanted; one that is skipped never goes.
func TestCurate(t *testing.T) {
	engines(t, func(h *house) {
		at := func(day, hour int) time.Time { return time.Date(2031, 2, day, hour, 0, 0, 0, time.UTC) }
		l := h.create("dev@lists.test", "digest=weekly sun 08:00 UTC", "roundup_lead=4h")
		h.add(l, "week@a.test", lists.Roundup)
		h.work()
		h.post(l, "one")
		h.post(l, "two")
		h.live(at(9, 3), time.Hour)
		if err := h.word(l, lists.Curation{Verdict: lists.CurateSkip}); !errors.Is(err, ErrNoDraft) {
			t.Errorf("before there is a draft: %v", err)
		}
		h.live(at(9, 5), time.Hour)
		if got := h.standing(l); !slices.Equal(got, []string{"1. two", "2. one"}) {
			t.Errorf("the draft has %q", got)
		}
		h.post(l, "three")
		var none NoTopicError
		if err := h.word(l, lists.Curation{Drop: []int{1}, First: []int{3}}); !errors.As(err, &none) || none.Number != 3 || none.Topics != 2 {
			t.Errorf("a number that there is none of: %v", err)
		}
		if err := h.word(l, lists.Curation{Drop: []int{2, 1}}); !errors.Is(err, ErrNothingLeft) {
			t.Errorf("without any topic: %v", err)
		}
		h.must(h.word(l, lists.Curation{Verdict: lists.CurateHold, Drop: []int{2, 1}, Intro: "Come and see."}))
		h.must(h.word(l, lists.Curation{First: []int{2}}))
		if got := h.standing(l); !slices.Equal(got, []string{"2. one", "x 1. two"}) {
			t.Errorf("it is %q", got)
		}
		h.live(at(9, 12), time.Hour)
		if got := h.letters(l); len(got) > 0 {
			t.Errorf("while it is held %q go out", got)
		}
		h.must(h.word(l, lists.Curation{Verdict: lists.CurateSend}))
		h.live(at(9, 14), time.Hour)
		want := []string{"Feb09 13:05 [week@a.test]"}
		if got := h.letters(l); !slices.Equal(got, want) {
			t.Errorf("%q went out, want %q", got, want)
		}
		if err := h.word(l, lists.Curation{Verdict: lists.CurateSkip}); !errors.Is(err, ErrNoDraft) {
			t.Errorf("when it has gone out: %v", err)
		}

		h.post(l, "four")
		h.live(at(16, 5), time.Hour)
		h.must(h.word(l, lists.Curation{Verdict: lists.CurateSkip}))
		h.live(at(17, 0), time.Hour)
		h.post(l, "five")
		h.live(at(23, 9), time.Hour)
		want = append(want, "Feb23 08:05 [week@a.test]")
		if got := h.letters(l); !slices.Equal(got, want) {
			t.Errorf("%q went out, want %q", got, want)
		}
	})
}

// Where silence holds, nothing goes out that no organizer has seen: it is in the next.
func TestCurateUnseen(t *testing.T) {
	engines(t, func(h *house) {
		at := func(day, hour int) time.Time { return time.Date(2031, 2, day, hour, 0, 0, 0, time.UTC) }
		l := h.create("dev@lists.test", "digest=weekly sun 08:00 UTC", "roundup_lead=4h", "roundup_silence=hold")
		h.add(l, "week@a.test", lists.Roundup)
		h.work()
		h.live(at(9, 5), time.Hour) // there was nothing to show
		h.post(l, "one")
		h.live(at(16, 5), time.Hour)
		if got := h.letters(l); len(got) > 0 {
			t.Errorf("unseen %q go out", got)
		}
		if got := h.standing(l); !slices.Equal(got, []string{"1. one"}) {
			t.Errorf("the draft has %q", got)
		}
		h.must(h.word(l, lists.Curation{Verdict: lists.CurateSend}))
		h.live(at(16, 9), time.Hour)
		if got := h.letters(l); !slices.Equal(got, []string{"Feb16 08:05 [week@a.test]"}) {
			t.Errorf("%q went out", got)
		}
	})
}
