package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"listd/digest"
	"listd/lists"
	"listd/store"
)

func (a *app) listFeeds() *cobra.Command {
	now := false
	c := &cobra.Command{
		Use:   "feeds LIST",
		Short: "Show what became of the feeds that a list names for its round-up",
		Long: `A list's setting feeds names other places of the group's: a blog, a calendar, a podcast. The round-up tells what was new
there. Each is fetched every four hours as long as anybody reads a round-up of the list.`,
		Example: `  listd list set pyug@lists.example.org 'feeds=Blog=https://pyug.example.org/atom.xml, https://pyug.example.org/events.ics'
  listd list feeds pyug@lists.example.org --now`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			return a.onList(c.Context(), args[0], func(t *site, l lists.List) error {
				if now {
					n, err := t.desk().FetchNow(c.Context(), l.ID)
					if err != nil {
						return err
					}
					return a.print(object{{"list", l.Address.String()}, {"feeds", n}}, func(w io.Writer) {
						fmt.Fprintf(w, "%d to fetch; a running server begins within 5 seconds.\n", n)
					})
				}
				var all []store.Source
				if err := t.db.View(c.Context(), func(tx *store.Tx) (err error) {
					all, err = digest.Feeds(tx, l)
					return err
				}); err != nil {
					return err
				}
				return a.print(objects(all, func(s store.Source) object {
					return object{{"url", s.URL}, {"fetched", jsonTime(s.Fetched)}, {"tried", jsonTime(s.Tried)}, {"bytes", len(s.Body)}, {"error", s.Error}}
				}), func(w io.Writer) {
					if len(all) == 0 {
						fmt.Fprintf(w, "%s names no feeds; `listd list set %s feeds=URL` changes that.\n", l.Address, l.Address)
						return
					}
					table(w, "URL FETCHED BYTES ERROR", all, func(s store.Source) []string {
						fetched := "never"
						if !s.Fetched.IsZero() {
							fetched = clockTime(s.Fetched)
						}
						return []string{s.URL, fetched, number(len(s.Body)), s.Error}
					})
				})
			})
		},
	}
	c.Flags().BoolVar(&now, "now", false, "have them fetched now")
	return c
}
