package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// idle measures a server that has nothing to do.
func (b *bench) idle(ctx context.Context) (err error) {
	s, err := b.newSite(ctx, "idle")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.list(ctx, "dev"); err != nil {
		return err
	}
	if _, err := s.join(ctx, "dev", b.size.members); err != nil {
		return err
	}
	if err := s.serve(ctx); err != nil {
		return err
	}
	cpu, err := s.cpu()
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(b.size.watched):
	}
	now, _, err := s.memory()
	if err != nil {
		return err
	}
	after, err := s.cpu()
	if err != nil {
		return err
	}
	b.report.add("idle", "memory", "MB", below(40), now)
	b.report.add("idle", "CPU", "ms/s", nil, 1000*(after-cpu)/b.size.watched.Seconds())
	return nil
}

// hugeList measures one post to very many, personal and shared, and to a tenth of them: what grows faster than the list?
func (b *bench) hugeList(ctx context.Context) error {
	for _, mode := range []string{"full", "none"} {
		var cpus []float64
		for _, n := range []int{b.size.huge / 10, b.size.huge} {
			r, peak, err := b.onePost(ctx, mode, n)
			if err != nil {
				return err
			}
			of := fmt.Sprintf("huge: one post to %d members, personalize=%s", n, mode)
			var f *floor
			if n == b.size.huge {
				f = below(200)
			}
			b.report.add(of, "peak memory", "MB", f, peak)
			b.report.add(of, "listd", "deliveries/s", nil, float64(n)/r.seconds)
			b.report.add(of, "CPU of listd a delivery", "ms", nil, 1000*r.cpu/float64(n))
			cpus = append(cpus, r.cpu/float64(n))
		}
		b.report.add(fmt.Sprintf("huge: %d against %d members, personalize=%s", b.size.huge, b.size.huge/10, mode),
			"CPU a delivery, as a ratio", "", nil, cpus[1]/cpus[0])
	}
	return nil
}

func (b *bench) onePost(ctx context.Context, mode string, members int) (r round, peak float64, err error) {
	s, err := b.newSite(ctx, fmt.Sprintf("huge-%s-%d", mode, members))
	if err != nil {
		return r, 0, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.list(ctx, "dev", "personalize="+mode); err != nil {
		return r, 0, err
	}
	if _, err := s.join(ctx, "dev", members); err != nil {
		return r, 0, err
	}
	if err := s.serve(ctx); err != nil {
		return r, 0, err
	}
	if err := s.profiling(true); err != nil {
		return r, 0, err
	}
	if r, err = s.round(ctx, 1, members); err != nil {
		return r, 0, err
	}
	if err := s.profiling(false); err != nil {
		return r, 0, err
	}
	_, peak, err = s.memory()
	return r, peak, err
}

// attachments measures many large posts at once. Who is asked to come again comes again.
func (b *bench) attachments(ctx context.Context) (err error) {
	s, err := b.newSite(ctx, "attachments")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.list(ctx, "dev"); err != nil {
		return err
	}
	if _, err := s.join(ctx, "dev", 1); err != nil {
		return err
	}
	if err := s.serve(ctx); err != nil {
		return err
	}
	before, err := s.sink.now()
	if err != nil {
		return err
	}
	n := b.size.attachments
	l := s.load("dev", n, n, 0)
	l.prepared, l.patient = noise(b.size.attachmentBytes), true
	start := time.Now()
	got, err := l.run(ctx)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, s.log())
	}
	if _, err := s.sink.wait(before.Recipients+int64(n), deliverTime); err != nil {
		return err
	}
	_, peak, err := s.memory()
	if err != nil {
		return err
	}
	of := fmt.Sprintf("attachments: %d connections with a post of %d MB each", n, b.size.attachmentBytes>>20)
	b.report.add(of, "peak memory", "MB", below(200), peak)
	b.report.add(of, "all delivered after", "s", nil, time.Since(start).Seconds())
	b.report.add(of, "asked to come again (452)", "times", nil, float64(got.refused))
	return nil
}

// largePost measures a large post to many: its bytes are held once, however many dialogs carry them.
func (b *bench) largePost(ctx context.Context) (err error) {
	s, err := b.newSite(ctx, "large")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.list(ctx, "dev"); err != nil {
		return err
	}
	if _, err := s.join(ctx, "dev", b.size.largeMembers); err != nil {
		return err
	}
	if err := s.serve(ctx); err != nil {
		return err
	}
	before, err := s.sink.now()
	if err != nil {
		return err
	}
	l := s.load("dev", 1, 1, 0)
	l.prepared = noise(b.size.largeBytes)
	cpu, err := s.cpu()
	if err != nil {
		return err
	}
	start := time.Now()
	if _, err := l.run(ctx); err != nil {
		return err
	}
	if _, err := s.sink.wait(before.Recipients+int64(b.size.largeMembers), deliverTime); err != nil {
		return err
	}
	took := time.Since(start).Seconds()
	after, err := s.cpu()
	if err != nil {
		return err
	}
	_, peak, err := s.memory()
	if err != nil {
		return err
	}
	of := fmt.Sprintf("large: a post of %d MB to %d members", b.size.largeBytes>>20, b.size.largeMembers)
	b.report.add(of, "peak memory", "MB", below(200), peak)
	b.report.add(of, "sent", "MB/s", nil, float64(b.size.largeBytes)*float64(b.size.largeMembers)/1e6/took)
	b.report.add(of, "CPU of listd a delivery", "ms", nil, 1000*(after-cpu)/float64(b.size.largeMembers))
	return nil
}

// noise is n bytes of base64 lines that no compressor makes much smaller, as an attached picture is.
func noise(n int) []byte {
	random := rand.NewChaCha8([32]byte{})
	raw := make([]byte, 57)
	line := make([]byte, base64.StdEncoding.EncodedLen(len(raw))+2)
	var b bytes.Buffer
	b.Grow(n + len(line))
	for b.Len() < n {
		_, _ = random.Read(raw) // it never fails
		base64.StdEncoding.Encode(line, raw)
		copy(line[len(line)-2:], "\r\n")
		b.Write(line)
	}
	return b.Bytes()
}
