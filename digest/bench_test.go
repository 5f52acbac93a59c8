package digest

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

// BenchmarkWeek sends a week of 5,000 posts to 20,000 members in 40 schedules: every part of every issue is made once, and
// memory does not grow with them.
func BenchmarkWeek(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		h := newHouse(b, sqlite(b))
		l := h.create("dev@lists.test", "digest=weekly sun 08:00 UTC")
		modes := []lists.Mode{lists.Digest, lists.Plain, lists.Index, lists.Digest}
		for i := range 40 {
			var schedule lists.Schedule
			h.must(schedule.UnmarshalText(fmt.Appendf(nil, "weekly %s %02d:00 UTC", []string{"wed", "thu"}[i/20], i%20)))
			subs := make([]lists.Subscription, 500)
			for j := range subs {
				subs[j] = lists.NewSubscription(l)
				subs[j].Address, subs[j].Mode, subs[j].Schedule = addr(fmt.Sprintf("m%d-%d@a.test", i, j)), modes[i%4], schedule
			}
			h.must(h.db.Update(b.Context(), func(tx *store.Tx) error { _, err := tx.AddSubscriptions(l.ID, subs); return err }))
		}
		h.plan(0)
		h.week(l, 5000)
		made := map[string]int{}
		var peak uint64
		var mu sync.Mutex
		h.desk.Builders = map[lists.Mode]Builder{}
		for mode, build := range Builders() {
			h.desk.Builders[mode] = func(ctx context.Context, m Material) (mail.Message, error) {
				out, err := build(ctx, m)
				var s runtime.MemStats
				runtime.ReadMemStats(&s)
				mu.Lock()
				defer mu.Unlock()
				made[fmt.Sprint(m.Mode, m.Schedule, m.Posts[0].Seq)]++
				peak = max(peak, s.HeapInuse)
				return out, err
			}
		}
		b.StartTimer()
		wednesday := h.clock.Now().Truncate(24 * time.Hour)
		for wednesday.Weekday() != time.Wednesday {
			wednesday = wednesday.AddDate(0, 0, 1)
		}
		for i := range 40 { // the hours at which something is due
			h.clock.set(wednesday.AddDate(0, 0, i/20).Add(time.Duration(i%20) * time.Hour))
			h.plan(0)
		}
		var both sync.WaitGroup // a node runs two tasks at once
		for node := range h.nodes {
			both.Go(func() {
				for did := true; did; {
					var err error
					if did, err = h.nodes[node].RunOne(b.Context()); err != nil {
						b.Error(err)
					}
				}
			})
		}
		both.Wait()
		b.StopTimer()
		parts, readers := 0, 0
		for key, n := range made {
			parts += n
			if n != 1 {
				b.Fatalf("%s was made %d times", key, n)
			}
		}
		for _, g := range h.sent(l) {
			readers += len(g.to)
		}
		if parts < 200 || readers < 100_000 {
			b.Fatalf("%d parts, %d deliveries", parts, readers)
		}
		b.ReportMetric(float64(parts), "mails")
		b.ReportMetric(float64(readers), "deliveries")
		b.ReportMetric(float64(peak>>20), "MiB-heap")
		b.StartTimer()
	}
}

// week files posts as a week has them, 3 KiB each.
func (h *house) week(l lists.List, n int) {
	h.Helper()
	text := strings.Repeat("All work and no play makes for a long line of text in a post.\r\n", 48)
	for at := 0; at < n; at += 250 {
		h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
			l, err := tx.List(l.ID)
			if err != nil {
				return err
			}
			for i := range 250 {
				m := mail.Message{Head: fmt.Appendf(nil, "From: Ann Li <ann@example.org>\r\nSubject: post %d\r\nMessage-ID: <%d@example.org>\r\n", at+i, at+i),
					Body: fmt.Appendf(nil, "Post %d.\r\n%s", at+i, text)}
				id, err := tx.AddMessage(m.Head, store.PackBody(m.Body))
				if err != nil {
					return err
				}
				if _, err := archive.File(tx, l, archive.Describe(l, m, tx.Now), id); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}
