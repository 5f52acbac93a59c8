package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"listd/config"
	"listd/lists"
	"listd/mail"
	"listd/roster"
	"listd/store"
)

// completion is a cobra.Command's ValidArgsFunction.
type completion = func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

// source lists what may stand next; args stand before it.
type source func(tx *store.Tx, args []string) ([]string, error)

// complete offers the nth argument from the nth source; the last goes on for ever if more.
func (a *app) complete(more bool, sources ...source) completion {
	return func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		n := len(args)
		if n >= len(sources) {
			if !more {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			n = len(sources) - 1
		}
		var all []string
		if err := a.look(c, func(tx *store.Tx) (err error) {
			all, err = sources[n](tx, args)
			return err
		}); err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		directive := cobra.ShellCompDirectiveNoFileComp
		var out []string
		for _, s := range all {
			if strings.HasPrefix(s, begun) {
				out = append(out, s)
			}
			if strings.HasSuffix(s, "=") {
				directive |= cobra.ShellCompDirectiveNoSpace
			}
		}
		return out, directive
	}
}

// look reads the site for a completion, which must not be what creates it.
func (a *app) look(c *cobra.Command, f func(*store.Tx) error) error {
	path, err := config.Find(a.config, os.Getenv("LISTD_CONFIG"))
	if err != nil {
		return err
	}
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(cfg.Database); !cfg.Postgres() && errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return a.with(c.Context(), func(t *site) error { return t.db.View(c.Context(), f) })
}

// theLists are the addresses of all lists.
func theLists(tx *store.Tx, _ []string) (out []string, err error) {
	all, err := tx.Lists()
	for _, l := range all {
		out = append(out, l.Address.String())
	}
	return out, err
}

// theMembers are those of the list that is the first argument.
func theMembers(tx *store.Tx, args []string) (out []string, err error) {
	addr, err := mail.ParseAddress(args[0])
	if err != nil {
		return nil, err
	}
	all, err := roster.AllMembers(tx, addr)
	for _, m := range all {
		out = append(out, m.Address.String())
	}
	return out, err
}

// theSettings are those of lists, ready for a value.
func theSettings(*store.Tx, []string) (out []string, err error) { return forValues(lists.Keys()), nil }

// theOptions are the settings of members, ready for a value.
func theOptions(*store.Tx, []string) (out []string, err error) {
	return forValues(append(lists.MemberKeys(), "role")), nil
}

func forValues(keys []string) (out []string) {
	for _, k := range keys {
		out = append(out, k+"=")
	}
	return out
}

// theHeld are the numbers of what is held.
func theHeld(tx *store.Tx, _ []string) (out []string, err error) {
	all, err := tx.HeldOf(0, 100)
	for _, h := range all {
		out = append(out, number(h.ID)+"\t"+oneLine(h.Sender+": "+h.Subject))
	}
	return out, err
}

// theDeliveries are the numbers of those that have not left.
func theDeliveries(tx *store.Tx, _ []string) (out []string, err error) {
	all, err := tx.Undelivered(100)
	for _, d := range all {
		out = append(out, number(d.ID)+"\t"+oneLine(d.Rcpt))
	}
	return out, err
}

// theTasks are the numbers of all that are not done.
func theTasks(tx *store.Tx, _ []string) (out []string, err error) {
	all, err := tx.Tasks(100)
	for _, t := range all {
		out = append(out, number(t.ID)+"\t"+oneLine(t.Key))
	}
	return out, err
}

func words(all ...string) source {
	return func(*store.Tx, []string) ([]string, error) { return all, nil }
}

// completeFirst offers the first argument from a source; the others are files.
func (a *app) completeFirst(first source) completion {
	return func(c *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return a.complete(false, first)(c, args, begun)
	}
}
