package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// lockstep sends a volley as a client without PIPELINING does, which waits for the reply to each command: the common
// measuring clients and most of the peers are such.
func lockstep(ctx context.Context, v volley) (time.Duration, error) {
	var left atomic.Int64
	left.Store(int64(v.Count))
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for range v.Conns {
		g.Go(func() error { return lockstepOne(ctx, v, &left) })
	}
	err := g.Wait()
	return time.Since(start), err
}

func lockstepOne(ctx context.Context, v volley, left *atomic.Int64) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", v.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	r := bufio.NewReader(c)
	say := func(want, format string, args ...any) error {
		if _, err := fmt.Fprintf(c, format, args...); err != nil {
			return err
		}
		return hear(r, want)
	}
	if err := hear(r, "220"); err != nil {
		return err
	}
	if err := say("250", "EHLO bench.example\r\n"); err != nil {
		return err
	}
	data := append(append([]byte(nil), v.Data...), ".\r\n"...)
	for i := left.Add(-1); i >= 0 && ctx.Err() == nil; i = left.Add(-1) {
		if err := say("250", "MAIL FROM:<blast@bench.example>\r\n"); err != nil {
			return err
		}
		for n := range v.Recipients {
			if err := say("250", "RCPT TO:<m%d-%d@members.invalid>\r\n", i, n); err != nil {
				return err
			}
		}
		if err := say("354", "DATA\r\n"); err != nil {
			return err
		}
		if _, err := c.Write(data); err != nil {
			return err
		}
		if err := hear(r, "250"); err != nil {
			return err
		}
	}
	_, err = io.WriteString(c, "QUIT\r\n")
	return err
}
