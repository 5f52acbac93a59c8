package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"listd/lists"
	"listd/mail"
	"listd/roster"
	"listd/store"
)

func (a *app) memberCommand() *cobra.Command {
	c := &cobra.Command{Use: "member", Short: "Who is on a list"}
	c.AddCommand(a.memberAdd(), a.memberRm(), a.memberSet(), a.memberShow(), a.memberLs(), a.memberImport(), a.memberExport())
	return c
}

func (a *app) memberAdd() *cobra.Command {
	var mode, role string
	c := &cobra.Command{
		Use:   "add LIST ADDRESS…",
		Short: "Add members to a list",
		Long: `add makes people members of a list. ADDRESS may be a whole "Name <name@example.org>". Who is a member already stays
as they are, but for a role they did not have.

Owners and moderators receive posts like everybody else, unless --mode is -.`,
		Example: `  listd member add pyug@lists.example.org ada@example.org "Grace <grace@example.com>"
  listd member add pyug@lists.example.org you@example.org --role owner
  listd member add pyug@lists.example.org office@example.org --role moderator --mode -`,
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			rows, err := memberRows(args[1:], mode, role)
			if err != nil {
				return &usageError{err}
			}
			return a.onList(c.Context(), args[0], func(t *site, l lists.List) error {
				for i := range rows {
					if rows[i].Roles.Has(lists.Subscriber) && rows[i].Mode == "" {
						rows[i].Mode = l.Policy.DefaultMode
					}
				}
				sum, err := t.books.Add(c.Context(), l.Address, rows, nil)
				if err != nil {
					return err
				}
				return a.printAdded(l, sum)
			})
		},
	}
	c.Flags().StringVar(&mode, "mode", "", "how they receive posts (default: the list's default_mode); - for owners and moderators who do not")
	c.Flags().StringVar(&role, "role", "member", "member, moderator or owner; owner+moderator is both")
	return c
}

// memberRows are people as arguments name them. A mode that is not given stays empty.
func memberRows(args []string, mode, role string) (rows []lists.Row, err error) {
	roles, err := lists.ParseRoles(role)
	if err != nil {
		return nil, err
	}
	var m lists.Mode
	switch {
	case mode != "-":
		roles |= lists.Subscriber
		if mode != "" {
			if m, err = lists.ParseMode(mode); err != nil {
				return nil, err
			}
		}
	case roles&(lists.Owner|lists.Moderator) == 0:
		return nil, errors.New("--mode - is for moderators and owners who do not receive posts: give a --role, too")
	default:
		roles &^= lists.Subscriber
	}
	for _, s := range args {
		boxes := mail.Mailboxes(s)
		if len(boxes) != 1 {
			return nil, fmt.Errorf("%q is no address: write one such as name@example.org, or \"Name <name@example.org>\"", s)
		}
		r := lists.Row{Address: boxes[0].Address, Mode: m, Roles: roles}
		if roles.Has(lists.Subscriber) {
			var named lists.Subscription
			if err := named.Set("name", boxes[0].Name); err != nil {
				return nil, fmt.Errorf("%s: %w", r.Address, err)
			}
			r.Name = named.Name
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// onList opens the site and has f work on the list that an argument names.
func (a *app) onList(ctx context.Context, arg string, f func(t *site, l lists.List) error) error {
	addr, err := listArg(arg)
	if err != nil {
		return err
	}
	return a.with(ctx, func(t *site) error {
		l, err := a.listAt(ctx, t, addr)
		if err != nil {
			return err
		}
		return f(t, l)
	})
}

// listAt is the list at an address.
func (a *app) listAt(ctx context.Context, t *site, addr mail.Address) (l lists.List, err error) {
	err = t.db.View(ctx, func(tx *store.Tx) (err error) {
		l, err = findList(tx, addr)
		return err
	})
	return l, err
}

func (a *app) printAdded(l lists.List, sum roster.Added) error {
	return a.print(object{{"list", l.Address.String()}, {"added", sum.New}, {"existing", sum.Existing}}, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s added", l.Address, count(sum.New, "member", "members"))
		if sum.Existing > 0 {
			fmt.Fprintf(w, ", %d there already, whose options stay as they are", sum.Existing)
		}
		fmt.Fprintln(w, ".")
	})
}

func (a *app) memberRm() *cobra.Command {
	return &cobra.Command{
		Use:               "rm LIST ADDRESS…",
		Short:             "Take members off a list, with their roles",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: a.complete(true, theLists, theMembers),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := listArg(args[0])
			if err != nil {
				return err
			}
			who, err := addressArgs(args[1:])
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				if err := t.books.Remove(c.Context(), addr, who); err != nil {
					return err
				}
				names := make([]string, len(who))
				for i, w := range who {
					names[i] = w.String()
				}
				return a.print(object{{"list", addr.String()}, {"removed", names}}, func(w io.Writer) {
					fmt.Fprintf(w, "%s: %s removed.\n", addr, count(len(who), "member", "members"))
				})
			})
		},
	}
}

func (a *app) memberSet() *cobra.Command {
	var help strings.Builder
	help.WriteString("set changes settings of a member, all or none.\n\nThe settings, each with what it may be:\n\n")
	for _, key := range lists.MemberKeys() {
		fmt.Fprintf(&help, "  %s\n      %s\n", key, lists.MemberHelp(key))
	}
	help.WriteString("  role\n      what the member may do; a role that is not named is taken away (member, moderator, owner, or owner+moderator)")
	return &cobra.Command{
		Use:   "set LIST ADDRESS key=value…",
		Short: "Change settings of a member",
		Long:  help.String(),
		Example: `  listd member set pyug@lists.example.org ada@example.org mode=none
  listd member set pyug@lists.example.org ada@example.org role=moderator own_posts=no`,
		Args:              cobra.MinimumNArgs(3),
		ValidArgsFunction: a.complete(true, theLists, theMembers, theOptions),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := listArg(args[0])
			if err != nil {
				return err
			}
			who, err := addressArg(args[1])
			if err != nil {
				return err
			}
			settings, err := a.keyValues(args[2:], checkMember)
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				m, err := t.books.SetMember(c.Context(), addr, who, settings)
				if err != nil {
					return err
				}
				o := memberObject(m)
				return a.print(o, func(w io.Writer) {
					for _, p := range o {
						if _, ok := settings[p.key]; ok {
							fmt.Fprintf(w, "%s = %s\n", p.key, oneLine(fmt.Sprint(p.value)))
						}
					}
				})
			})
		},
	}
}

// checkMember says what is wrong with a setting of a member.
func checkMember(key, value string) error {
	if key == "role" {
		_, err := lists.ParseRoles(value)
		return err
	}
	var s lists.Subscription
	return s.Set(key, value)
}

func (a *app) memberShow() *cobra.Command {
	return &cobra.Command{
		Use:               "show LIST ADDRESS",
		Short:             "Show a member and their settings",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.complete(false, theLists, theMembers),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := listArg(args[0])
			if err != nil {
				return err
			}
			who, err := addressArg(args[1])
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				var m lists.Member
				var agreed []store.Consent
				var st roster.Standing
				if err := t.db.View(c.Context(), func(tx *store.Tx) error {
					agreed = nil
					l, err := findList(tx, addr)
					if err != nil {
						return err
					}
					if m, err = tx.Member(l.ID, who); errors.Is(err, store.ErrNotFound) {
						err = fmt.Errorf("%s %w", who, roster.ErrNoMember)
					}
					if err != nil {
						return err
					}
					if m.Sub != nil {
						if st, err = t.books.Standing(tx, l, *m.Sub); err != nil {
							return err
						}
					}
					all, err := tx.Consents(who)
					for _, c := range all {
						if c.List == l.ID {
							agreed = append(agreed, c)
						}
					}
					return err
				}); err != nil {
					return err
				}
				o := memberObject(m)
				if m.Sub != nil {
					o = append(o, pair{"bounce_score", st.Score}, pair{"bounces", objects(st.History, bounceObject)})
				}
				o = append(o, pair{"consents", objects(agreed, consentObject)})
				return a.print(o, func(w io.Writer) {
					facts(w, memberFacts(o, m, agreed, st))
				})
			})
		},
	}
}

// memberFacts are a member's for people.
func memberFacts(o object, m lists.Member, agreed []store.Consent, st roster.Standing) (rows [][2]string) {
	for _, p := range o {
		switch {
		case p.key == "bounces":
			rows = append(rows, bounceRows(st)...)
		case p.key == "consents":
			name := "consent"
			for _, c := range agreed {
				rows = append(rows, [2]string{name, fmt.Sprintf("%s, %s by %s (%s)", clockTime(c.At), c.Act, c.How, c.Source)})
				name = ""
			}
		case p.value == nil:
			rows = append(rows, [2]string{p.key, ""})
		case p.key == "joined" && m.Sub != nil:
			rows = append(rows, [2]string{p.key, clockTime(m.Sub.Joined)})
		default:
			rows = append(rows, [2]string{p.key, fmt.Sprint(p.value)})
		}
	}
	return rows
}

func bounceObject(b store.Bounce) object {
	return object{{"at", jsonTime(b.At)}, {"class", b.Class.String()}, {"permanent", b.Permanent}, {"source", b.Source}, {"state", string(b.State)},
		{"reply", b.Reply}}
}

// bounceRows tell people what failed, the newest first, and what has come of it.
func bounceRows(st roster.Standing) (rows [][2]string) {
	if st.Stage == lists.Probing {
		rows = append(rows, [2]string{"probe", "on its way; if it bounces, mail is paused"})
	}
	if st.Stage == lists.Paused {
		rows = append(rows, [2]string{"warnings", fmt.Sprintf("%d sent, next step %s", st.Warned, clockTime(st.Next))})
	}
	for i, b := range st.History {
		name := ""
		if i == 0 {
			name = "bounces"
		}
		rows = append(rows, [2]string{name, fmt.Sprintf("%s, %s (%s, by %s): %s", clockTime(b.At), b.Class, b.State, b.Source, b.Reply)})
	}
	return rows
}

func consentObject(c store.Consent) object {
	return object{{"at", jsonTime(c.At)}, {"act", c.Act}, {"how", c.How}, {"source", c.Source}}
}

// memberObject is a member as --json shows them. Who governs and does not receive has the mode -, and no options.
func memberObject(m lists.Member) object {
	o := object{{"address", m.Address.String()}, {"name", ""}, {"role", m.Roles.String()}, {"mode", "-"}, {"state", ""}}
	if m.Sub == nil {
		return o
	}
	o[1].value, o[3].value, o[4].value = m.Sub.Name, string(m.Sub.Mode), string(m.Sub.State)
	for _, key := range lists.MemberKeys() {
		if key != "name" && key != "mode" {
			v, _ := m.Sub.Get(key) // it is a setting
			o = append(o, pair{key, v})
		}
	}
	return append(o, pair{"posts", m.Sub.Posts}, pair{"joined", jsonTime(m.Sub.Joined)})
}

func (a *app) memberLs() *cobra.Command {
	return &cobra.Command{
		Use:               "ls LIST",
		Short:             "Show the members of a list, with those who run it",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := listArg(args[0])
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				var all []lists.Member
				var scores map[int64]float64
				if err := t.db.View(c.Context(), func(tx *store.Tx) (err error) {
					if all, err = roster.AllMembers(tx, addr); err != nil {
						return err
					}
					scores, err = roster.Scores(tx, addr)
					return err
				}); err != nil {
					return err
				}
				return a.print(objects(all, func(m lists.Member) object {
					o := memberObject(m)
					if m.Sub != nil {
						o = append(o, pair{"bounce_score", scores[m.Sub.ID]})
					}
					return o
				}), func(w io.Writer) {
					if len(all) == 0 {
						fmt.Fprintf(w, "%s has no members yet: `listd member add %s ADDRESS` or `listd member import %s FILE` adds some.\n", addr, addr, addr)
						return
					}
					table(w, "ADDRESS NAME ROLE MODE STATE", all, func(m lists.Member) []string {
						cells := []string{m.Address.String(), "", m.Roles.String(), "-", "-"}
						if m.Sub != nil {
							cells[1], cells[3], cells[4] = m.Sub.Name, string(m.Sub.Mode), string(m.Sub.State)
						}
						return cells
					})
				})
			})
		},
	}
}

func (a *app) memberImport() *cobra.Command {
	return &cobra.Command{
		Use:   "import LIST FILE",
		Short: "Add the members that a file names; - is standard input",
		Long: `import adds the members that a file names. The file is CSV with a line of column names (address, name, mode, role; in
any order, with commas, semicolons or tabs between them), or has an address or "Name <address>" a line. Lines that begin
with # are passed over.

If a line cannot be read, every such line is named and nothing is imported. Who is a member already stays as they are,
so that an import that was broken off can be run again.`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			content, err := a.readFile(args[1])
			if err != nil {
				return err
			}
			return a.onList(c.Context(), args[0], func(t *site, l lists.List) error {
				rows, bad := lists.ReadMembers(bytes.NewReader(content), l.Policy.DefaultMode)
				if len(bad) > 0 {
					for _, b := range bad {
						fmt.Fprintf(a.errs, "%s: %s\n", args[1], terminalSafe(b.Error()))
					}
					return fmt.Errorf("%s cannot be read: nothing was imported; mend the file and import it again", count(len(bad), "line", "lines"))
				}
				if len(rows) == 0 {
					return fmt.Errorf("%s names no members: put an address on each line", args[1])
				}
				sum, err := t.books.Add(c.Context(), l.Address, rows, a.progress(len(rows)))
				if err != nil {
					return fmt.Errorf("%s were added: %w; run the import again to complete it", count(sum.New, "member", "members"), err)
				}
				return a.printAdded(l, sum)
			})
		},
	}
}

// readFile reads a file, or standard input for -.
func (a *app) readFile(path string) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(a.in)
	}
	return os.ReadFile(path)
}

// progress shows at a terminal how far an import is; nil elsewhere.
func (a *app) progress(rows int) func(done int) {
	if _, ok := terminal(a.errs); !ok {
		return nil
	}
	bar := progressbar.NewOptions(rows, progressbar.OptionSetWriter(a.errs), progressbar.OptionSetDescription("members"),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
	return func(done int) { _ = bar.Set(done) } // a bar that cannot be drawn is no reason to stop
}

func (a *app) memberExport() *cobra.Command {
	return &cobra.Command{
		Use:               "export LIST",
		Short:             "Write the members of a list as CSV, which import reads",
		Example:           `  listd member export pyug@lists.example.org > members.csv`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(false, theLists),
		RunE: func(c *cobra.Command, args []string) error {
			addr, err := listArg(args[0])
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				rows, err := t.books.Export(c.Context(), addr)
				if err != nil {
					return err
				}
				if a.json {
					return a.print(objects(rows, rowObject), nil)
				}
				return lists.WriteMembers(a.out, rows)
			})
		},
	}
}

func rowObject(r lists.Row) object {
	mode := string(r.Mode)
	if !r.Roles.Has(lists.Subscriber) {
		mode = "-"
	}
	return object{{"address", r.Address.String()}, {"name", r.Name}, {"mode", mode}, {"role", r.Roles.String()}}
}
