package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"listd/store"
)

func (a *app) taskCommand() *cobra.Command {
	c := &cobra.Command{Use: "task", Short: "Work that takes long or waits for the clock"}
	c.AddCommand(a.taskLs(), a.taskRetry())
	return c
}

// maxTasks bounds what task ls shows.
const maxTasks = 10_000

func (a *app) taskLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "Show what is to be done; aside is what failed five times",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), func(t *site) error {
				var all []store.Task
				if err := t.db.View(c.Context(), func(tx *store.Tx) (err error) {
					all, err = tx.Tasks(maxTasks)
					return err
				}); err != nil {
					return err
				}
				return a.print(objects(all, func(t store.Task) object {
					return object{{"id", t.ID}, {"key", t.Key}, {"kind", t.Kind}, {"state", t.State}, {"next", jsonTime(t.Next)},
						{"attempts", t.Attempts}, {"error", t.Error}, {"cursor", t.Cursor}, {"created", jsonTime(t.Created)}}
				}), func(w io.Writer) {
					if len(all) == 0 {
						fmt.Fprintln(w, "No tasks.")
						return
					}
					table(w, "ID TASK STATE NEXT FAILURES ERROR", all, func(t store.Task) []string {
						return []string{number(t.ID), t.Key, t.State, clockTime(t.Next), number(t.Attempts), shorten(t.Error, 100)}
					})
				})
			})
		},
	}
}

func (a *app) taskRetry() *cobra.Command {
	return &cobra.Command{
		Use:               "retry ID",
		Short:             "Do a task now that was set aside or waits after a failure",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.complete(false, theTasks),
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := idArgs[store.TaskID](args, "listd task ls")
			if err != nil {
				return err
			}
			return a.with(c.Context(), func(t *site) error {
				err := t.db.Update(c.Context(), func(tx *store.Tx) error { return tx.RetryTask(ids[0]) })
				if errors.Is(err, store.ErrNotFound) {
					return fmt.Errorf("%d: no task with this number is to be done; `listd task ls` shows those that are", ids[0])
				}
				if err != nil {
					return err
				}
				return a.print(object{{"retried", ids[0]}}, func(w io.Writer) {
					fmt.Fprintf(w, "Task %d is due now; a running server begins within 5 seconds.\n", ids[0])
				})
			})
		},
	}
}
