package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"listd/config"
	"listd/digest"
	"listd/feeds"
	"listd/lists"
	"listd/smtp"
	"listd/store"
)

func (a *app) digestCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "digest",
		Short: "Issues for members who do not want every post by itself",
		Long: `Members in the modes digest, plain and index get a list's posts in issues: by the list's schedule, or one of their own.
A digest is a mail with each post attached as it was written, a plain digest one text (RFC 1153), an index names the posts.
In the mode roundup they get a letter of what was talked about, which owners and moderators see some hours before.`,
	}
	c.AddCommand(a.digestPreview(), a.digestSend(), a.digestEdit(), a.digestSchedule())
	return c
}

// digestMode is a mode by its word here, where the mode digest goes by its format too.
func digestMode(word string) (lists.Mode, error) {
	if strings.EqualFold(word, "mime") {
		return lists.Digest, nil
	}
	m := lists.Mode(strings.ToLower(word))
	if digest.Builders()[m] == nil {
		return "", usage("%q is no kind of digest: want mime, plain, index or roundup", word)
	}
	return m, nil
}

// sinceArg is a time as people write it: a day, an instant, or so long ago, as 7d.
func sinceArg(s string, now time.Time) (time.Time, error) {
	for _, form := range []string{time.DateOnly, "2006-01-02 15:04", time.RFC3339} {
		if t, err := time.Parse(form, s); err == nil {
			return t, nil
		}
	}
	var d config.Duration
	if err := d.UnmarshalText([]byte(s)); err == nil && d > 0 {
		return now.Add(-time.Duration(d)), nil
	}
	return time.Time{}, usage("%q is no time: want a day such as 2026-12-31, an instant such as 2026-12-31T08:00:00Z, or so long ago, as 7d", s)
}

func (a *app) digestPreview() *cobra.Command {
	mode, since := "mime", ""
	c := &cobra.Command{
		Use:   "preview LIST",
		Short: "Print the issue that would go out now",
		Example: `  listd digest preview pyug@lists.example.org --mode plain
  listd digest preview pyug@lists.example.org --since 7d > issue.eml
  listd digest preview pyug@lists.example.org --mode report --json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := listArg(args[0])
			if err != nil {
				return err
			}
			if strings.EqualFold(mode, "report") {
				return a.previewReport(c.Context(), addr, since)
			}
			m, err := digestMode(mode)
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				var from time.Time
				if since != "" {
					if from, err = sinceArg(since, t.db.Now()); err != nil {
						return err
					}
				}
				l, err := a.listAt(c.Context(), t, addr)
				if err != nil {
					return err
				}
				issue, err := t.desk().Preview(c.Context(), l.ID, m, from)
				if errors.Is(err, digest.ErrNoPosts) {
					return fmt.Errorf("%s: %w; an issue without posts is not sent. --since looks further back", addr, err)
				}
				if err != nil {
					return err
				}
				text := string(issue.Head) + "\r\n" + string(issue.Body)
				return a.print(object{{"list", addr.String()}, {"mode", m}, {"message", text}}, func(w io.Writer) { fmt.Fprint(w, text) })
			})
		},
	}
	c.Flags().StringVar(&mode, "mode", mode, "mime, plain, index, roundup or report")
	c.Flags().StringVar(&since, "since", since, "with the posts since then: 2026-12-31, or 7d (default: since the last issue)")
	return c
}

func (a *app) digestSend() *cobra.Command {
	mode := ""
	c := &cobra.Command{
		Use:               "send LIST",
		Short:             "Send out now what waits for the next issue",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			var m lists.Mode
			if mode != "" {
				var err error
				if m, err = digestMode(mode); err != nil {
					return err
				}
			}
			return a.onList(c.Context(), args[0], func(t *site, l lists.List) error {
				n, err := t.desk().Send(c.Context(), l.ID, m)
				if err != nil {
					return err
				}
				return a.print(object{{"list", l.Address.String()}, {"editions", n}}, func(w io.Writer) {
					if n == 0 {
						fmt.Fprintf(w, "Nobody in %s gets issues of this kind; `listd member set %s ADDRESS mode=digest` changes that.\n", l.Address, l.Address)
						return
					}
					fmt.Fprintf(w, "%d to send; a running server begins within 5 seconds. Where nothing was posted, nothing is sent.\n", n)
				})
			})
		},
	}
	c.Flags().StringVar(&mode, "mode", mode, "mime, plain, index or roundup only")
	return c
}

func (a *app) digestSchedule() *cobra.Command {
	return &cobra.Command{
		Use:   "schedule LIST [SCHEDULE]",
		Short: "Show when issues go out and to how many, or set the list's schedule",
		Long: `Without a schedule this shows when the next issues go out. With one it is set as the list's, as by
listd list set LIST digest=…: for all members who have not set one of their own.`,
		Example: `  listd digest schedule pyug@lists.example.org
  listd digest schedule pyug@lists.example.org weekly sun 08:00 Europe/London
  listd digest schedule pyug@lists.example.org monthly first-mon 18:30 Europe/Paris`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := listArg(args[0])
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				if len(args) > 1 {
					if _, err := t.books.Set(c.Context(), addr, map[string]string{"digest": strings.Join(args[1:], " ")}); err != nil {
						return err
					}
				}
				l, err := a.listAt(c.Context(), t, addr)
				if err != nil {
					return err
				}
				return a.printEditions(c.Context(), t, l)
			})
		},
	}
}

// printEditions prints who gets issues of a list, and when.
func (a *app) printEditions(ctx context.Context, t *site, l lists.List) error {
	var all []digest.Upcoming
	if err := t.db.View(ctx, func(tx *store.Tx) (err error) {
		all, err = digest.Editions(tx, l)
		return err
	}); err != nil {
		return err
	}
	own := l.Policy.Digest
	return a.print(object{{"list", l.Address.String()}, {"digest", own.String()}, {"next", jsonTime(own.Next(t.db.Now()))},
		{"editions", objects(all, func(e digest.Upcoming) object {
			return object{{"mode", e.Mode}, {"schedule", e.Schedule.String()}, {"language", e.Language}, {"members", e.Members},
				{"volume", e.Volume}, {"issue", e.Number}, {"next", jsonTime(e.Next)}}
		})}}, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s; next %s\n", l.Address, own, clockTime(own.Next(t.db.Now())))
		if len(all) == 0 {
			fmt.Fprintln(w, "Nobody gets issues of it.")
			return
		}
		table(w, "MODE SCHEDULE LANGUAGE MEMBERS LAST NEXT", all, func(e digest.Upcoming) []string {
			last := "none"
			if e.Number > 0 {
				last = fmt.Sprintf("Vol %d, Issue %d", e.Volume, e.Number)
			}
			return []string{string(e.Mode), e.Schedule.String(), e.Language, number(e.Members), last, clockTime(e.Next)}
		})
	})
}

// desk is what makes issues.
func (t *site) desk() *digest.Desk {
	return &digest.Desk{DB: t.db, Out: t.out, Log: t.log, Hostname: t.cfg.Hostname, URL: strings.TrimSuffix(t.cfg.HTTP.URL, "/"), Chance: chance,
		Fetcher: &feeds.Fetcher{Resolver: smtp.NewResolver(t.cfg.DNS.Resolver), Agent: "listd/" + version, Near: t.cfg.Feeds.AllowPrivate}}
}
