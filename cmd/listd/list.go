package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"listd/lists"
	"listd/mail"
	"listd/roster"
	"listd/store"
)

func (a *app) listCommand() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "Create lists and settle what they do"}
	c.AddCommand(a.listCreate(), a.listLs(), a.listShow(), a.listSet(), a.listRename(), a.listRm(), a.listRule(), a.listFeeds())
	return c
}

func (a *app) listCreate() *cobra.Command {
	var title, kind string
	var owners, set []string
	c := &cobra.Command{
		Use:   "create LIST",
		Short: "Create a list",
		Example: `  listd list create pyug@lists.example.org --title "Python User Group" --owner you@example.org
  listd list create news@lists.example.org --kind announcement --owner you@example.org --set reply_to=explicit --set reply_to_address=info@example.org`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := listArg(args[0])
			if err != nil {
				return err
			}
			if err := lists.CheckAddress(addr); err != nil {
				return &usageError{err}
			}
			settings, err := a.keyValues(set, checkPolicy)
			if err != nil {
				return err
			}
			for key, value := range map[string]string{"title": title, "kind": kind} {
				if value == "" {
					continue
				}
				if err := checkPolicy(key, value); err != nil {
					return &usageError{err}
				}
				settings[key] = value
			}
			creation := roster.Creation{Address: addr, Settings: settings}
			if creation.Owners, err = addressArgs(owners); err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				_, warnings, err := t.books.Create(c.Context(), creation)
				if err != nil {
					return fmt.Errorf("%s: %w", addr, err)
				}
				a.warn(warnings)
				return a.printList(c.Context(), t, addr, func(w io.Writer) {
					fmt.Fprintf(w, "The list %s has been created.\n", addr)
					if len(owners) == 0 {
						fmt.Fprintf(w, "It has no owner yet: `listd member add %s you@example.org --role owner`\n", addr)
					}
				})
			})
		},
	}
	c.Flags().StringVar(&title, "title", "", "the list's name for people")
	c.Flags().StringVar(&kind, "kind", "", "discussion (the default) or announcement")
	c.Flags().StringArrayVar(&owners, "owner", nil, "who runs the list; may be given several times")
	c.Flags().StringArrayVar(&set, "set", nil, "a setting, key=value; may be given several times")
	return c
}

func (a *app) listLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "Show all lists",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), func(t *site) error {
				var all []listFacts
				if err := t.db.View(c.Context(), func(tx *store.Tx) error {
					all = nil
					found, err := tx.Lists()
					if err != nil {
						return err
					}
					for _, l := range found {
						f, err := gatherList(tx, l)
						if err != nil {
							return err
						}
						all = append(all, f)
					}
					return nil
				}); err != nil {
					return err
				}
				return a.print(objects(all, listFacts.object), func(w io.Writer) {
					if len(all) == 0 {
						fmt.Fprintln(w, "No lists yet: `listd list create ADDRESS --owner YOU` creates one.")
						return
					}
					table(w, "ADDRESS KIND MEMBERS POSTS TITLE", all, func(f listFacts) []string {
						return []string{f.list.Address.String(), string(f.list.Policy.Kind), number(f.members), number(f.list.LastSeq), f.list.Policy.Title}
					})
				})
			})
		},
	}
}

func (a *app) listShow() *cobra.Command {
	return &cobra.Command{
		Use:               "show LIST",
		Short:             "Show a list and its settings",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := listArg(args[0])
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error { return a.printList(c.Context(), t, addr, nil) })
		},
	}
}

// listFacts are a list and what is told of it.
type listFacts struct {
	list               lists.List
	members            int64
	owners, moderators []string
	was                []string // its former addresses
}

func gatherList(tx *store.Tx, l lists.List) (f listFacts, err error) {
	f = listFacts{list: l, owners: []string{}, moderators: []string{}, was: []string{}}
	if f.members, err = tx.CountMembers(l.ID); err != nil {
		return f, err
	}
	govern, err := tx.RoleHolders(l.ID, lists.Owner|lists.Moderator)
	if err != nil {
		return f, err
	}
	for _, m := range govern {
		if m.Roles.Has(lists.Owner) {
			f.owners = append(f.owners, m.Address.String())
		}
		if m.Roles.Has(lists.Moderator) {
			f.moderators = append(f.moderators, m.Address.String())
		}
	}
	old, err := tx.ListAliases(l.ID)
	for _, o := range old {
		f.was = append(f.was, o.String())
	}
	return f, err
}

func (f listFacts) object() object {
	o := object{{"address", f.list.Address.String()}, {"list_id", f.list.ListID}, {"members", f.members}, {"posts", f.list.LastSeq},
		{"owners", f.owners}, {"moderators", f.moderators}, {"former_addresses", f.was}, {"created", jsonTime(f.list.Created)}}
	for _, key := range lists.Keys() {
		v, _ := f.list.Policy.Get(key) // it is a setting
		o = append(o, pair{key, v})
	}
	return o
}

// printList prints a list as --json wants it; for people what text writes, or everything.
func (a *app) printList(ctx context.Context, t *site, addr mail.Address, text func(io.Writer)) error {
	var f listFacts
	if err := t.db.View(ctx, func(tx *store.Tx) error {
		l, err := findList(tx, addr)
		if err != nil {
			return err
		}
		f, err = gatherList(tx, l)
		return err
	}); err != nil {
		return err
	}
	if text == nil {
		text = f.write
	}
	return a.print(f.object(), text)
}

// write shows a list to people; settings that are not as a new list has them are marked.
func (f listFacts) write(w io.Writer) {
	orNobody := func(all []string) string {
		if len(all) == 0 {
			return "nobody"
		}
		return strings.Join(all, ", ")
	}
	facts(w, [][2]string{{"address", f.list.Address.String()}, {"List-Id", f.list.ListID},
		{"former addresses", strings.Join(f.was, ", ")}, {"owners", orNobody(f.owners)}, {"moderators", orNobody(f.moderators)},
		{"members", number(f.members)}, {"posts", number(f.list.LastSeq)}, {"created", clockTime(f.list.Created)}})
	fmt.Fprintf(w, "\nSettings (* differs from the default):\n\n")
	differ := f.list.Policy.Settings()
	var rows [][2]string
	for _, key := range lists.Keys() {
		mark := "  "
		if _, ok := differ[key]; ok {
			mark = "* "
		}
		v, _ := f.list.Policy.Get(key) // it is a setting
		if v = strings.ReplaceAll(v, "\n", `\n`); v == "" {
			v = `""`
		}
		rows = append(rows, [2]string{mark + key, v})
	}
	facts(w, rows)
}

func (a *app) listSet() *cobra.Command {
	var help strings.Builder
	help.WriteString(`set changes settings of a list, all or none. A value may be read from a file: footer=@footer.txt.

The settings, each with what it may be; of words the first is the default:

`)
	for _, key := range lists.Keys() {
		fmt.Fprintf(&help, "  %s\n      %s\n", key, lists.Help(key))
	}
	return &cobra.Command{
		Use:   "set LIST key=value…",
		Short: "Change settings of a list",
		Long:  strings.TrimRight(help.String(), "\n"),
		Example: `  listd list set pyug@lists.example.org "subject_prefix=[pyug] " reply_to=list
  listd list set pyug@lists.example.org footer=@footer.txt
  listd list set pyug@lists.example.org bans=spammer@example.com,@example.net`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: a.complete(true, theLists, theSettings),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := listArg(args[0])
			if err != nil {
				return err
			}
			settings, err := a.keyValues(args[1:], checkPolicy)
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				l, err := t.books.Set(c.Context(), addr, settings)
				if err != nil {
					return err
				}
				return a.printList(c.Context(), t, l.Address, func(w io.Writer) {
					for _, key := range lists.Keys() {
						if _, ok := settings[key]; ok {
							v, _ := l.Policy.Get(key) // it is a setting
							fmt.Fprintf(w, "%s = %s\n", key, terminalSafe(v))
						}
					}
				})
			})
		},
	}
}

func (a *app) listRename() *cobra.Command {
	return &cobra.Command{
		Use:   "rename LIST NEW",
		Short: "Give a list another address",
		Long: `rename gives a list another address. Mail to the old one still reaches it, and its List-Id stays, so that the
filters of its members go on to work.`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			from, err := listArg(args[0])
			if err != nil {
				return err
			}
			to, err := listArg(args[1])
			if err != nil {
				return err
			}
			if err := lists.CheckAddress(to); err != nil {
				return &usageError{err}
			}
			return a.with(c.Context(), func(t *site) error {
				warnings, err := t.books.Rename(c.Context(), from, to)
				if err != nil {
					return err
				}
				a.warn(warnings)
				return a.printList(c.Context(), t, to, func(w io.Writer) {
					fmt.Fprintf(w, "%s is now %s. Mail to the old address still reaches it.\n", from, to)
				})
			})
		},
	}
}

func (a *app) listRm() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:               "rm LIST",
		Short:             "Remove a list with all that it has",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := listArg(args[0])
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				var f listFacts
				if err := t.db.View(c.Context(), func(tx *store.Tx) error {
					l, err := findList(tx, addr)
					if err == nil {
						f, err = gatherList(tx, l)
					}
					return err
				}); err != nil {
					return err
				}
				if err := a.confirm(yes, fmt.Sprintf("This removes %s with its %s and %s, for good.", f.list.Address,
					count(f.members, "member", "members"), count(f.list.LastSeq, "post", "posts"))); err != nil {
					return err
				}
				if err := t.books.Delete(c.Context(), addr); err != nil {
					return err
				}
				return a.print(object{{"removed", f.list.Address.String()}}, func(w io.Writer) {
					fmt.Fprintf(w, "The list %s has been removed.\n", f.list.Address)
				})
			})
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func (a *app) listRule() *cobra.Command {
	return &cobra.Command{
		Use:   "rule LIST add 'Header: regexp' hold|reject|discard|accept | LIST ls | LIST rm N",
		Short: "What becomes of a post whose header field fits a pattern",
		Long: `Rules are asked in their order. Each has the name of a header field and a regular expression (RE2, any case), which
may fit any part of its value; .* fits all. hold and its reasons add up; reject, discard and accept end it.`,
		Example: `  listd list rule pyug@lists.example.org add 'X-Spam-Flag: ^yes' hold
  listd list rule pyug@lists.example.org ls
  listd list rule pyug@lists.example.org rm 1`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) >= 2 {
				want, ok := map[string]int{"add": 4, "ls": 2, "rm": 3}[args[1]]
				switch {
				case !ok:
					return fmt.Errorf("%q: want add, ls or rm", args[1])
				case len(args) == want:
					return nil
				}
			}
			return fmt.Errorf("want LIST add 'Header: regexp' ACTION, LIST ls, or LIST rm N")
		},
		ValidArgsFunction: a.complete(false, theLists, words("add", "ls", "rm")),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := listArg(args[0])
			if err != nil {
				return err
			}
			change := func(*site) error { return nil }
			switch args[1] {
			case "add":
				r, err := lists.ParseHeaderRule(args[2], args[3])
				if err != nil {
					return &usageError{err}
				}
				change = func(t *site) error { return t.books.AddRule(c.Context(), addr, r) }
			case "rm":
				n, err := strconv.Atoi(args[2])
				if err != nil {
					return usage("%q is no number; `listd list rule %s ls` numbers the rules", args[2], addr)
				}
				change = func(t *site) error { return t.books.RemoveRule(c.Context(), addr, n) }
			}
			return a.with(c.Context(), func(t *site) error {
				if err := change(t); err != nil {
					return err
				}
				return a.printRules(c.Context(), t, addr)
			})
		},
	}
}

func (a *app) printRules(ctx context.Context, t *site, addr mail.Address) error {
	var l lists.List
	if err := t.db.View(ctx, func(tx *store.Tx) (err error) {
		l, err = findList(tx, addr)
		return err
	}); err != nil {
		return err
	}
	type row struct {
		n int
		r lists.HeaderRule
	}
	var rows []row
	for i, r := range l.Policy.HeaderRules {
		rows = append(rows, row{i + 1, r})
	}
	return a.print(objects(rows, func(r row) object {
		return object{{"n", r.n}, {"action", r.r.Action.String()}, {"rule", r.r.String()}}
	}), func(w io.Writer) {
		if len(rows) == 0 {
			fmt.Fprintf(w, "%s has no header rules.\n", l.Address)
			return
		}
		table(w, "N ACTION RULE", rows, func(r row) []string { return []string{number(r.n), r.r.Action.String(), r.r.String()} })
	})
}
