package digest

import (
	"fmt"
	"slices"

	"listd/lists"
	"listd/store"
)

// keep has readers of the archive find a digest there, if it is the list's own: by its schedule, in its language. Each post
// is kept once: an issue for those who had fallen behind is not, and of the issues of one run the one that begins earliest
// takes the place of others, which readers who lack less got before it. One with a post that its author keeps out of
// archives is not kept.
func keep(tx *store.Tx, j *job, sent store.OutgoingID, size int64) error {
	l, posts := j.m.List, j.m.Posts
	if j.m.Mode != lists.Digest || j.m.Language != l.Policy.Language || j.m.Schedule != l.Policy.Digest.Or(lists.Schedule{}) ||
		slices.ContainsFunc(posts, func(p store.Post) bool { return p.Hidden }) {
		return nil
	}
	first, last := posts[0].Seq, j.issue.LastSeq
	if before, err := tx.KeptUpTo(l.ID, j.m.At); err != nil || first <= before {
		return err
	}
	if _, err := tx.DropKept(l.ID, store.SeqRange{First: first, Last: last}); err != nil {
		return err
	}
	o, err := tx.Outgoing(sent)
	if err != nil {
		return fmt.Errorf("keep an issue: %w", err)
	}
	_, err = tx.KeepIssue(store.KeptIssue{List: l.ID, Message: o.Message, Size: size, After: first - 1, Last: last})
	return err
}
