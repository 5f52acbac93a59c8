package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"listd/digest"
	"listd/lists"
	"listd/store"
)

func (a *app) textCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "text",
		Short: "The texts of notices, and your own in their place",
		Long: `Notices are texts with slots in braces, in English, German, French and Spanish. A list, or the whole site, may have its
own in their place, for each language: first a list's own is looked for, then the site's, then the one listd brings.

The texts roundup and report are no notices but letters: Markdown with fields, parts and conditions, which "listd text show site
roundup" shows. They need no translation, since their headings come with the data. A notice begins with a line Subject: and,
where its link is to be a button in HTML, a line Button: with what stands on it.`,
	}
	c.AddCommand(a.textLs(), a.textShow(), a.textSet(), a.textReset())
	return c
}

// textOf is whose texts an argument names: a list's, or 0 for the site's.
func textOf(ctx context.Context, t *site, a *app, arg string) (lists.ID, error) {
	if arg == "site" {
		return 0, nil
	}
	addr, err := listArg(arg)
	if err != nil {
		return 0, err
	}
	l, err := a.listAt(ctx, t, addr)
	return l.ID, err
}

// textNames are the texts that there may be own ones of.
func textNames() []string { return append(lists.Notices(), digest.Texts()...) }

// noticeArg is the name of a text.
func noticeArg(name string) error {
	if !slices.Contains(textNames(), name) {
		return usage("there is no notice %q; there are %s", name, strings.Join(textNames(), ", "))
	}
	return nil
}

// builtInText is a text as listd brings it.
func builtInText(name, language string) (string, error) {
	if slices.Contains(digest.Texts(), name) {
		return digest.BuiltInText(name)
	}
	return lists.NoticeText(name, language)
}

// checkText says what is wrong with a text that is to take its place, or nil.
func checkText(name, text string) error {
	if slices.Contains(digest.Texts(), name) {
		return digest.CheckText(name, text)
	}
	return lists.CheckNotice(name, text)
}

func (a *app) textLs() *cobra.Command {
	return &cobra.Command{
		Use:               "ls LIST|site",
		Short:             "Show the notices there are, and which are your own",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			return a.with(c.Context(), func(t *site) error {
				of, err := textOf(c.Context(), t, a, args[0])
				if err != nil {
					return err
				}
				own := map[string][]string{}
				if err := t.db.View(c.Context(), func(tx *store.Tx) error {
					clear(own)
					all, err := tx.Texts(of)
					for _, o := range all {
						own[o.Name] = append(own[o.Name], o.Language)
					}
					return err
				}); err != nil {
					return err
				}
				return a.print(objects(textNames(), func(name string) object {
					return object{{"name", name}, {"own", append([]string{}, own[name]...)}}
				}), func(w io.Writer) {
					table(w, "NAME OWN", textNames(), func(name string) []string { return []string{name, strings.Join(own[name], " ")} })
				})
			})
		},
	}
}

func (a *app) textShow() *cobra.Command {
	language := "en"
	c := &cobra.Command{
		Use:               "show LIST|site NAME",
		Short:             "Print a text, yours or the one listd brings",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.complete(false, theLists, words(textNames()...)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := noticeArg(args[1]); err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				of, err := textOf(c.Context(), t, a, args[0])
				if err != nil {
					return err
				}
				var text string
				err = t.db.View(c.Context(), func(tx *store.Tx) (err error) {
					text, err = tx.Text(of, args[1], language)
					return err
				})
				if errors.Is(err, store.ErrNotFound) {
					text, err = builtInText(args[1], language)
				}
				if err != nil {
					return err
				}
				return a.print(object{{"name", args[1]}, {"language", language}, {"text", text}}, func(w io.Writer) { fmt.Fprint(w, text) })
			})
		},
	}
	c.Flags().StringVar(&language, "language", language, "a language tag such as de or pt-BR")
	return c
}

func (a *app) textSet() *cobra.Command {
	language := "en"
	c := &cobra.Command{
		Use:   "set LIST|site NAME FILE",
		Short: "Put a text of your own in place of a notice; - is standard input",
		Example: `  listd text show site welcome > welcome.txt
  listd text set pyug@lists.example.org welcome welcome.txt`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: a.complete(false, theLists, words(textNames()...)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := noticeArg(args[1]); err != nil {
				return err
			}
			content, err := a.readFile(args[2])
			if err != nil {
				return err
			}
			text := strings.ReplaceAll(string(content), "\r\n", "\n")
			if err := checkText(args[1], text); err != nil {
				return fmt.Errorf("%s: %w", args[2], err)
			}
			return a.setText(c.Context(), args[0], args[1], language, text)
		},
	}
	c.Flags().StringVar(&language, "language", language, "a language tag such as de or pt-BR")
	return c
}

func (a *app) textReset() *cobra.Command {
	language := "en"
	c := &cobra.Command{
		Use:               "reset LIST|site NAME",
		Short:             "Go back to the text listd brings",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.complete(false, theLists, words(textNames()...)),
		RunE: func(c *cobra.Command, args []string) error {
			if err := noticeArg(args[1]); err != nil {
				return err
			}
			return a.setText(c.Context(), args[0], args[1], language, "")
		},
	}
	c.Flags().StringVar(&language, "language", language, "a language tag such as de or pt-BR")
	return c
}

// setText sets a text, or takes it away if it is empty.
func (a *app) setText(ctx context.Context, whose, name, language, text string) error {
	return a.with(ctx, func(t *site) error {
		of, err := textOf(ctx, t, a, whose)
		if err != nil {
			return err
		}
		err = t.db.Update(ctx, func(tx *store.Tx) error { return tx.SetText(of, name, language, text) })
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("%s has no text of its own for %s in %s; `listd text ls %s` shows those it has", whose, name, language, whose)
		}
		if err != nil {
			return err
		}
		return a.print(object{{"name", name}, {"language", language}, {"own", text != ""}}, func(w io.Writer) {
			if text == "" {
				fmt.Fprintf(w, "%s: %s (%s) is the text listd brings again.\n", whose, name, language)
			} else {
				fmt.Fprintf(w, "%s: %s (%s) is your own from now on.\n", whose, name, language)
			}
		})
	})
}
