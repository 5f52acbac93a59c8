package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// acceptMembers is how many receive what is posted to measure accepting: few, so that their deliveries hardly count.
const acceptMembers = 3

// accept measures how fast posts are made durable, nothing else going on: the queue is paused.
func (b *bench) accept(ctx context.Context) (err error) {
	s, err := b.newSite(ctx, "accept")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.list(ctx, "dev"); err != nil {
		return err
	}
	if _, err := s.join(ctx, "dev", acceptMembers); err != nil {
		return err
	}
	if err := s.command(ctx, "queue", "pause"); err != nil {
		return err
	}
	if err := s.serve(ctx); err != nil {
		return err
	}
	if _, err := s.load("dev", 1, 20, postBytes).run(ctx); err != nil { // uncounted
		return err
	}
	if err := s.profiling(true); err != nil {
		return err
	}
	for _, c := range []struct{ conns, posts int }{{1, b.size.accept1}, {8, b.size.accept8}} {
		var rates, p50, p99, cpus []float64
		for range b.size.rounds {
			before, err := s.cpu()
			if err != nil {
				return err
			}
			got, err := s.load("dev", c.conns, c.posts, postBytes).run(ctx)
			if err != nil {
				return err
			}
			after, err := s.cpu()
			if err != nil {
				return err
			}
			rates = append(rates, float64(got.posts)/got.seconds)
			p50, p99 = append(p50, percentile(got.latency, 0.50)), append(p99, percentile(got.latency, 0.99))
			cpus = append(cpus, 1000*(after-before)/float64(got.posts))
		}
		of := fmt.Sprintf("accept: %d posts of 2 KiB on %s", c.posts, plural(c.conns, "connection"))
		b.report.add(of, "accepted", "posts/s", nil, rates...)
		b.report.add(of, "half within", "ms", nil, p50...)
		b.report.add(of, "99% within", "ms", nil, p99...)
		b.report.add(of, "CPU of listd a post", "ms", nil, cpus...)
	}
	return s.profiling(false)
}

func plural(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// acceptBusy measures how long a post takes while a large list's deliveries go out.
func (b *bench) acceptBusy(ctx context.Context) (err error) {
	s, err := b.newSite(ctx, "accept-busy")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	for list, members := range map[string]int{"dev": b.size.huge, "few": acceptMembers} {
		if err := s.list(ctx, list); err != nil {
			return err
		}
		if _, err := s.join(ctx, list, members); err != nil {
			return err
		}
	}
	if err := s.serve(ctx); err != nil {
		return err
	}
	if _, err := s.load("few", 1, 20, postBytes).run(ctx); err != nil { // uncounted
		return err
	}
	if err := s.command(ctx, "queue", "wait", "--timeout", "30s"); err != nil {
		return err
	}
	before, err := s.sink.now()
	if err != nil {
		return err
	}
	if err := s.profiling(true); err != nil {
		return err
	}
	start := time.Now()
	if _, err := s.load("dev", 1, 1, postBytes).run(ctx); err != nil {
		return err
	}
	// The posts go on until as much has arrived as the large list has members: then it is under way all the time.
	var arrived atomic.Bool
	var wait error
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, wait = s.sink.wait(before.Recipients+int64(b.size.huge), deliverTime)
		arrived.Store(true)
	}()
	l := s.load("few", 8, 0, postBytes)
	l.until = arrived.Load
	got, err := l.run(ctx)
	<-done
	if err = errors.Join(err, wait); err != nil {
		return err
	}
	took := time.Since(start)
	if err := s.profiling(false); err != nil {
		return err
	}
	of := fmt.Sprintf("accept-busy: posts of 2 KiB on 8 connections while %d deliveries go out", b.size.huge)
	b.report.add(of, "99% within", "ms", below(50), percentile(got.latency, 0.99))
	b.report.add(of, "half within", "ms", nil, percentile(got.latency, 0.50))
	b.report.add(of, "longest", "ms", nil, percentile(got.latency, 1))
	b.report.add(of, "accepted meanwhile", "posts/s", nil, float64(got.posts)/got.seconds)
	b.report.add(of, "deliveries meanwhile", "deliveries/s", nil, float64(b.size.huge)/took.Seconds())
	return nil
}

// importing measures `listd member import`, from the command's start to its end.
func (b *bench) importing(ctx context.Context) error {
	for _, n := range []int{10000, b.size.joined} {
		var took []float64
		for range b.size.rounds {
			seconds, err := b.importOnce(ctx, n)
			if err != nil {
				return err
			}
			took = append(took, seconds)
		}
		var f *floor
		if n == 10000 {
			f = below(1)
		}
		b.report.add("import", fmt.Sprintf("%d members", n), "s", f, took...)
		if b.size.joined == n {
			break
		}
	}
	return nil
}

func (b *bench) importOnce(ctx context.Context, n int) (seconds float64, err error) {
	s, err := b.newSite(ctx, "import")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.list(ctx, "dev"); err != nil {
		return 0, err
	}
	took, err := s.join(ctx, "dev", n)
	return took.Seconds(), err
}
