package web

import (
	"context"
	"sync"
	"time"

	"listd/archive"
	"listd/lists"
)

// counts remembers how many posts the months of an archive have: counting reads all of its index, and every page of a list
// asks. The zero value is ready.
type counts struct {
	mu  sync.Mutex
	now map[lists.ID]counted
}

type counted struct {
	months []archive.Month
	last   lists.Seq
	at     time.Time
}

// countedFor is how long what was counted stands while no post comes: removals and threads move it, too.
const countedFor = 30 * time.Second

// monthsOf are the months of an archive, latest first; nobody changes them.
func (s *Site) monthsOf(ctx context.Context, a *archive.Archive) ([]archive.Month, error) {
	now := s.Now()
	s.counts.mu.Lock()
	c, ok := s.counts.now[a.List.ID]
	s.counts.mu.Unlock()
	if ok && c.last == a.List.LastSeq && now.Sub(c.at) < countedFor {
		return c.months, nil
	}
	months, err := a.Months(ctx)
	if err != nil {
		return nil, err
	}
	s.counts.mu.Lock()
	defer s.counts.mu.Unlock()
	if s.counts.now == nil {
		s.counts.now = map[lists.ID]counted{}
	}
	s.counts.now[a.List.ID] = counted{months, a.List.LastSeq, now}
	return months, nil
}

func (v *visit) months() ([]archive.Month, error) { return v.monthsOf(v.r.Context(), v.a) }
