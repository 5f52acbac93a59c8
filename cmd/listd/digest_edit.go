package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"listd/digest"
	"listd/lists"
	"listd/store"
)

func (a *app) digestEdit() *cobra.Command {
	var want lists.Curation
	intro := ""
	verdicts := map[lists.Curate]*bool{lists.CurateSend: new(bool), lists.CurateHold: new(bool), lists.CurateSkip: new(bool)}
	c := &cobra.Command{
		Use:   "edit LIST",
		Short: "Change the next round-up, or see what it is like",
		Long: `Change the round-up that organizers have been sent a draft of: what they can do by a reply. Numbers are those of the
draft. A draft is made some hours before a round-up is due: the list's setting roundup_lead. Where drafts of several
schedules wait, the next one is meant.`,
		Example: `  listd digest edit pyug@lists.example.org
  listd digest edit pyug@lists.example.org --drop 3 --first 5 --intro hello.md --ok`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			for v, set := range verdicts {
				if *set {
					want.Verdict = v
				}
			}
			if intro != "" {
				text, err := a.readFile(intro)
				if err != nil {
					return err
				}
				want.Intro = string(text)
			}
			return a.onList(c.Context(), args[0], func(t *site, l lists.List) error {
				var now store.Curation
				var topics []string
				act := t.db.Update
				if want.Verdict == "" && want.Intro == "" && len(want.Drop)+len(want.First) == 0 {
					act = t.db.View
				}
				err := act(c.Context(), func(tx *store.Tx) error {
					all, err := tx.Curations(l.ID)
					if err != nil {
						return err
					}
					if len(all) == 0 {
						return digest.ErrNoDraft
					}
					now = all[0]
					if want.Verdict != "" || want.Intro != "" || len(want.Drop)+len(want.First) > 0 {
						if now, err = digest.Curate(tx, now, want, "listd digest edit"); err != nil {
							return err
						}
					}
					topics, err = digest.Standing(tx, now)
					return err
				})
				if errors.Is(err, digest.ErrNoDraft) {
					lead, _ := l.Policy.Get("roundup_lead")
					return fmt.Errorf("%s: %w; one is made roundup_lead (%s) before a round-up is due, if somebody reads it and somebody has posted",
						l.Address, err, lead)
				}
				if err != nil {
					return err
				}
				return a.printCuration(l, now, topics)
			})
		},
	}
	c.Flags().StringVar(&intro, "intro", "", "a file with its introduction, in Markdown; - for the standard input")
	c.Flags().IntSliceVar(&want.Drop, "drop", nil, "leave these topics out")
	c.Flags().IntSliceVar(&want.First, "first", nil, "these topics come first")
	c.Flags().BoolVar(verdicts[lists.CurateSend], "ok", false, "it goes out at its time, or now if that is past")
	c.Flags().BoolVar(verdicts[lists.CurateHold], "hold", false, "it waits until somebody says ok")
	c.Flags().BoolVar(verdicts[lists.CurateSkip], "skip", false, "it does not go out")
	c.MarkFlagsMutuallyExclusive("ok", "hold", "skip")
	return c
}

func (a *app) printCuration(l lists.List, c store.Curation, topics []string) error {
	verdict := string(c.Verdict)
	if verdict == "" {
		verdict = string(l.Policy.RoundupSilence)
	}
	return a.print(object{{"list", l.Address.String()}, {"schedule", c.Schedule.String()}, {"due", jsonTime(c.Due)}, {"verdict", verdict},
		{"by", c.By}, {"intro", c.Intro}, {"topics", slices.Clone(topics)}}, func(w io.Writer) {
		at := c.Due.In(c.Schedule.Zone()).Format("2006-01-02 15:04 MST")
		switch lists.Curate(verdict) {
		case lists.CurateSend:
			fmt.Fprintf(w, "The round-up goes out at %s", at)
		case lists.CurateHold:
			fmt.Fprintf(w, "The round-up of %s waits until somebody says ok", at)
		case lists.CurateSkip:
			fmt.Fprintf(w, "The round-up of %s does not go out", at)
		}
		if c.By != "" {
			fmt.Fprintf(w, " (%s)", c.By)
		}
		fmt.Fprintln(w, ".")
		if c.Intro != "" {
			fmt.Fprintf(w, "\n%s\n\n", c.Intro)
		}
		for _, t := range topics {
			fmt.Fprintf(w, "  %s\n", t)
		}
	})
}
