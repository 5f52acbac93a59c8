package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"listd/archive"
	"listd/mail"
)

func (a *app) bounceCommand() *cobra.Command {
	c := &cobra.Command{Use: "bounce", Short: "Mail that did not arrive"}
	c.AddCommand(a.bounceExplain())
	return c
}

func (a *app) bounceExplain() *cobra.Command {
	return &cobra.Command{
		Use:   "explain FILE…",
		Short: "Show what listd reads in a bounce; - is standard input",
		Long: `explain shows what listd reads in a report of non-delivery: which addresses failed, whether for good, why, and the words
that said so. FILE is one mail, or an mbox of many. It needs no site and changes nothing.

The classes are no_user, no_host, full, policy, spam, size, auth, content, relay, network and unknown. What is policy,
spam, size, auth, content or relay is never charged to a member.`,
		Example: `  listd bounce explain bounce.eml
  listd bounce explain --json bounces.mbox`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var out object
			var all []explained
			failed := false
			for _, name := range args {
				content, err := a.readFile(name)
				if err != nil {
					return err
				}
				mails, err := explain(name, content)
				if err != nil {
					fmt.Fprintf(a.errs, "listd: %s\n", terminalSafe(err.Error()))
					failed = true
				}
				addresses := []object{}
				for _, m := range mails {
					addresses = append(addresses, objects(m.report.Failures, failureObject)...)
				}
				out = append(out, pair{name, addresses})
				all = append(all, mails...)
			}
			if err := a.print(out, func(w io.Writer) {
				for _, m := range all {
					m.write(w)
				}
			}); err != nil {
				return err
			}
			if failed {
				return errQuiet
			}
			return nil
		},
	}
}

// explained is what one mail says.
type explained struct {
	place  string
	report mail.Report
}

// explain reads the mails of a file. A file that is no collection is one mail, whatever it looks like.
func explain(name string, content []byte) (out []explained, err error) {
	var broken []error
	for old, err := range archive.ReadOld(filepath.Base(name), bytes.NewReader(content), archive.ReadOptions{Max: 64 << 20, AsFound: true}) {
		var skip *archive.SkipError
		switch {
		case errors.As(err, &skip):
			broken = append(broken, fmt.Errorf("%s: %w", name, err))
		case err == nil:
			out = append(out, explained{old.Place, mail.ReadReport(old.Message)})
		}
	}
	if len(out) > 0 {
		return out, errors.Join(broken...)
	}
	m, err := mail.Read(bytes.NewReader(content), mail.Limits{Size: 64 << 20}, mail.Mend)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return []explained{{filepath.Base(name), mail.ReadReport(m)}}, nil
}

func failureObject(f mail.Failure) object {
	return object{{"address", f.Address.String()}, {"permanent", f.Permanent}, {"class", f.Class.String()}, {"status", f.Status}, {"why", f.Why}}
}

// write shows what a mail says to people.
func (m explained) write(w io.Writer) {
	kind := m.report.Kind.String()
	if m.report.Kind == mail.NotReport {
		kind = "no report"
	}
	fmt.Fprintf(w, "%s: %s\n", oneLine(m.place), kind)
	for _, f := range m.report.Failures {
		how := "temporary"
		if f.Permanent {
			how = "permanent"
		}
		status := ""
		if f.Status != "" {
			status = ", " + f.Status
		}
		fmt.Fprintf(w, "  %s  %s, %s%s\n      %s\n", oneLine(f.Address.String()), how, f.Class, oneLine(status), oneLine(f.Why))
	}
}
