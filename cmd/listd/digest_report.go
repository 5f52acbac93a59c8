package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"listd/digest"
	"listd/mail"
)

// previewReport prints the report of a list from a time until now; with --json its figures, named as in digest.Report.
func (a *app) previewReport(ctx context.Context, addr mail.Address, since string) error {
	return a.with(ctx, func(t *site) error {
		var from time.Time
		var err error
		if since != "" {
			if from, err = sinceArg(since, t.db.Now()); err != nil {
				return err
			}
		}
		l, err := a.listAt(ctx, t, addr)
		if err != nil {
			return err
		}
		m, r, err := t.desk().PreviewReport(ctx, l.ID, from)
		if errors.Is(err, digest.ErrNoReport) {
			return fmt.Errorf("%s: %w; such a report is not sent. --since looks further back", addr, err)
		}
		if err != nil {
			return err
		}
		return a.print(r, func(w io.Writer) { fmt.Fprintf(w, "%s\r\n%s", m.Head, m.Body) })
	})
}
