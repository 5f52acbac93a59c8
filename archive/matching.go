package archive

import (
	"context"
	"slices"
	"strings"
	"time"

	"listd/lists"
	"listd/store"
)

// Where is the part of a post in which words are looked for.
type Where = store.WordField

// The parts.
const (
	Anywhere  = store.Anywhere
	InSubject = store.InSubject
	InAuthor  = store.InAuthor
)

// maxMatching is how many posts Matching finds; the latest.
const maxMatching = 100_000

// Matching are the numbers of the posts that have some words side by side, of which the last may go on; the latest 100,000,
// in no order. Where there is no word in text, all posts match, and ok is false.
func (a *Archive) Matching(ctx context.Context, where Where, text string) (seqs []lists.Seq, ok bool, err error) {
	forms := Term{Field: where, Text: clip(text, maxQuery), Prefix: true}.forms(a.Addresses(), true)
	if len(forms[0].Tokens) == 0 {
		return nil, false, nil
	}
	for i, f := range forms {
		last := strings.TrimPrefix(f.Tokens[len(f.Tokens)-1], covers)
		forms[i].Prefix = f.Prefix && len(last) >= minPrefix
	}
	f := store.Find{Match: store.WordMatch{All: [][]store.WordTerm{forms}},
		From: store.PlaceAt(a.List.ID, time.Time{}), Before: store.EndOf(a.List.ID)}
	err = a.view(ctx, func(tx *store.Tx) error {
		seqs = seqs[:0]
		places, err := tx.FindWords(f, maxMatching)
		if err != nil {
			return err
		}
		for some := range slices.Chunk(places, 500) {
			found, err := tx.SeqsAt(some)
			if err != nil {
				return err
			}
			seqs = append(seqs, found...)
		}
		return nil
	})
	return seqs, true, err
}
