// Command listd is a mailing list and announcement server: one program, one database.
//
// Its commands wire the rooms together and call the work floor, as every door does; they decide nothing. Configuration
// and flags are read here and nowhere else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // a static binary on an empty machine has no zone files

	"github.com/spf13/cobra"
)

// version is set by the linker: -ldflags "-X main.version=…".
var version = "devel"

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// The exit codes scripts rely on.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// run is the whole program. SIGINT and SIGTERM end what it does in good order; a second one ends it at once.
func run(args []string, in io.Reader, out, errs io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root := newRoot(&app{in: in, out: out, errs: errs})
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var usage *usageError
	code := exitFailed
	if errors.As(err, &usage) || strings.HasPrefix(err.Error(), "unknown command") {
		code = exitUsage
	}
	if !errors.Is(err, errQuiet) {
		fmt.Fprintf(errs, "listd: %v\n", err)
	}
	return code
}

// usageError is a call that cannot be understood, as against one that failed.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// errQuiet ends with exit code 1 when all has been said.
var errQuiet = errors.New("said already")

// app is what all commands share.
type app struct {
	in        io.Reader
	out, errs io.Writer
	config    string // --config
	json      bool   // --json
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "listd",
		Short: "A mailing list and announcement server",
		Long: `listd carries a group's mail: members write to a list, and every member gets it.

To see it work, without any configuration:   listd demo
To set up a site:                            listd init --domain lists.example.org
Then, in the folder of its listd.toml:       listd list create pyug@lists.example.org --owner you@example.org
                                             listd member import pyug@lists.example.org members.csv
                                             listd serve`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("listd {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%w; see `%s --help`", err, c.CommandPath())
	})
	root.PersistentFlags().StringVar(&a.config, "config", "", "the configuration (default $LISTD_CONFIG, ./listd.toml or /etc/listd/listd.toml)")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON for programs")
	root.AddCommand(a.demoCommand(), a.initCommand(), a.domainCommand(), a.keyCommand(), a.textCommand(), a.userCommand(), a.archiveCommand(), a.serveCommand(), a.listCommand(), a.memberCommand(), a.heldCommand(),
		a.mailboxCommand(), a.queueCommand(), a.digestCommand(), a.taskCommand(), a.bounceCommand(), a.traceCommand())
	for _, c := range root.Commands() {
		strictArgs(c)
	}
	return root
}

// strictArgs makes wrong arguments usage errors, in a command and all below it. A command that only groups others and
// is given none shows its help and fails.
func strictArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usage("%w; see `%s --help`", err, c.CommandPath())
			}
			return nil
		}
	}
	if c.RunE == nil && c.HasSubCommands() {
		c.RunE = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			if err := c.Help(); err != nil {
				return err
			}
			return &usageError{errQuiet}
		}
	}
	for _, sub := range c.Commands() {
		strictArgs(sub)
	}
}

// unknownCommand names the command that was meant, or where all are shown.
func unknownCommand(c *cobra.Command, name string) error {
	hint := fmt.Sprintf("see `%s --help`", c.CommandPath())
	c.SuggestionsMinimumDistance = 2
	if near := c.SuggestionsFor(name); len(near) > 0 {
		hint = fmt.Sprintf("did you mean `%s %s`?", c.CommandPath(), near[0])
	}
	return usage("unknown command %q for %q; %s", name, c.CommandPath(), hint)
}
