package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	postBytes = 2048
	dialogs   = 8 // connections of the bare client: as many as listd has by default
	posting   = 4 // connections posts come in by
	// deliverTime bounds one round.
	deliverTime = 4 * time.Minute
)

// job is posts of 2 KiB to a list with prefix and footer.
type job struct {
	name           string
	posts, members int
	mode           string // personalize
	pipelined      *floor // of the ratio to the bare client
	lockstep       *floor // of the ratio to the same without PIPELINING
	cpu            *floor // ms a delivery
}

func (b *bench) deliverNone(ctx context.Context) error {
	return b.deliver(ctx, job{name: "deliver-none", posts: b.size.posts, members: b.size.members, mode: "none", lockstep: atLeast(0.40)})
}

func (b *bench) deliverFull(ctx context.Context) error {
	return b.deliver(ctx, job{name: "deliver-full", posts: b.size.posts, members: b.size.members, mode: "full", pipelined: atLeast(0.60),
		cpu: below(0.15)})
}

func (b *bench) manyNone(ctx context.Context) error {
	return b.deliver(ctx, job{name: "many-none", posts: b.size.fewPosts, members: b.size.many, mode: "none"})
}

func (b *bench) manyFull(ctx context.Context) error {
	return b.deliver(ctx, job{name: "many-full", posts: b.size.fewPosts, members: b.size.many, mode: "full"})
}

// round is one measuring of a job.
type round struct {
	seconds float64 // from the first post's beginning to the last delivery
	cpu     float64 // listd's, in seconds
	got     taken   // the sink's, in this round
}

// deliver measures a job between volleys of the bare client, which sends as many transactions with as many recipients
// and bytes to the same sink. Of the volleys before and after, the better counts.
func (b *bench) deliver(ctx context.Context, j job) (err error) {
	s, err := b.newSite(ctx, j.name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.list(ctx, "dev", "personalize="+j.mode); err != nil {
		return err
	}
	if _, err := s.join(ctx, "dev", j.members); err != nil {
		return err
	}
	if err := s.serve(ctx); err != nil {
		return err
	}
	warm, err := s.round(ctx, 1, j.members) // uncounted; it shows what a post becomes
	if err != nil {
		return err
	}
	fast := volley{Addr: s.sink.addr, Conns: dialogs, Count: int(warm.got.Transactions) * j.posts,
		Recipients: j.members / int(warm.got.Transactions), Data: text(int(warm.got.Bytes / warm.got.Transactions))}
	slow := fast
	slow.Lockstep = true
	if err := s.profiling(true); err != nil {
		return err
	}
	values := map[string][]float64{}
	add := func(name string, v float64) { values[name] = append(values[name], v) }
	deliveries := float64(j.posts * j.members)
	for range b.size.rounds {
		var raw [4]volley
		var r round
		for i, v := range []volley{slow, fast, {}, fast, slow} {
			switch {
			case i < 2:
				raw[i], err = s.raw(ctx, v)
			case i == 2:
				r, err = s.round(ctx, j.posts, j.members)
			default:
				raw[i-1], err = s.raw(ctx, v)
			}
			if err != nil {
				return err
			}
		}
		rate := deliveries / r.seconds
		sent := float64(fast.Count * fast.Recipients)
		pipelined, stepwise := sent/min(raw[1].Seconds, raw[2].Seconds), sent/min(raw[0].Seconds, raw[3].Seconds)
		add("rate", rate)
		add("pipelined", pipelined)
		add("lockstep", stepwise)
		add("to pipelined", rate/pipelined)
		add("to lockstep", rate/stepwise)
		add("cpu", 1000*r.cpu/deliveries)
		add("raw cpu", 1000*min(raw[1].CPU, raw[2].CPU)/sent)
		add("fill", deliveries/float64(r.got.Transactions))
		b.logf("%s: %.0f deliveries/s, %.3f CPU ms each; the bare client before and after: %.0f/s and %.0f/s, without PIPELINING %.0f/s and %.0f/s",
			j.name, rate, 1000*r.cpu/deliveries, sent/raw[1].Seconds, sent/raw[2].Seconds, sent/raw[0].Seconds, sent/raw[3].Seconds)
	}
	if err := s.profiling(false); err != nil {
		return err
	}
	of := fmt.Sprintf("%s: %d posts of 2 KiB to %d members", j.name, j.posts, j.members)
	b.report.add(of, "ratio to the bare client", "", j.pipelined, values["to pipelined"]...)
	b.report.add(of, "ratio to it without PIPELINING", "", j.lockstep, values["to lockstep"]...)
	b.report.add(of, "CPU of listd a delivery", "ms", j.cpu, values["cpu"]...)
	b.report.add(of, "listd", "deliveries/s", nil, values["rate"]...)
	b.report.add(of, "bare client", "deliveries/s", nil, values["pipelined"]...)
	b.report.add(of, "bare client without PIPELINING", "deliveries/s", nil, values["lockstep"]...)
	b.report.add(of, "CPU of the bare client a delivery", "ms", nil, values["raw cpu"]...)
	b.report.add(of, "recipients of a transaction", "", nil, values["fill"]...)
	return nil
}

// raw has the bare client send the same to the same sink.
func (s *site) raw(ctx context.Context, v volley) (volley, error) {
	before, err := s.sink.now()
	if err != nil {
		return v, err
	}
	if v, err = blast(ctx, v); err != nil {
		return v, err
	}
	_, err = s.sink.wait(before.Recipients+int64(v.Count*v.Recipients), time.Second)
	return v, err
}

// round posts to dev, waits until all has arrived, and counts.
func (s *site) round(ctx context.Context, posts, members int) (r round, err error) {
	before, err := s.sink.now()
	if err != nil {
		return r, err
	}
	cpu, err := s.cpu()
	if err != nil {
		return r, err
	}
	want := before.Recipients + int64(posts*members)
	start := time.Now()
	if _, err := s.load("dev", min(posting, posts), posts, postBytes).run(ctx); err != nil {
		return r, fmt.Errorf("post: %w", err)
	}
	if _, err = s.sink.wait(want, deliverTime); err != nil {
		return r, err
	}
	r.seconds = time.Since(start).Seconds()
	// What is settled after the last delivery belongs to its cost; and what came twice would come now.
	if err := s.command(ctx, "queue", "wait", "--timeout", "30s"); err != nil {
		return r, err
	}
	after, err := s.cpu()
	if err != nil {
		return r, err
	}
	now, err := s.sink.now()
	if err != nil {
		return r, err
	}
	if now.Recipients != want {
		return r, fmt.Errorf("%d deliveries arrived, %d were due", now.Recipients-before.Recipients, posts*members)
	}
	r.cpu = after - cpu
	r.got = taken{Transactions: now.Transactions - before.Transactions, Recipients: now.Recipients - before.Recipients,
		Bytes: now.Bytes - before.Bytes, CPU: now.CPU - before.CPU}
	return r, nil
}

// load is posts to one of the site's lists.
func (s *site) load(list string, conns, count, size int) load {
	return load{addr: s.addr(), from: poster, to: list + "@" + domain, conns: conns, count: count, size: size}
}
