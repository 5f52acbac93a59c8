package imap

import (
	"slices"
	"strconv"
	"strings"

	"listd/archive"
	"listd/lists"
)

// set is a set of posts: spans in order that neither touch nor overlap. Whoever reads a list reads most of it, so it is short.
type set struct{ spans []archive.Span }

// maxSpans bounds a set that somebody makes on purpose; beyond it the oldest gaps count as read.
const maxSpans = 5000

// parseSet reads what String wrote.
func parseSet(s string) (out set) {
	for part := range strings.SplitSeq(s, ",") {
		from, to, isRange := strings.Cut(part, ":")
		if !isRange {
			to = from
		}
		first, err1 := strconv.ParseUint(from, 10, 32)
		last, err2 := strconv.ParseUint(to, 10, 32)
		if err1 == nil && err2 == nil {
			out.add(archive.Span{First: lists.Seq(first), Last: lists.Seq(last)})
		}
	}
	return out
}

// String is the set as it is kept: 1:17,19.
func (s set) String() string {
	var b strings.Builder
	for i, sp := range s.spans {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatUint(uint64(sp.First), 10))
		if sp.Last != sp.First {
			b.WriteString(":" + strconv.FormatUint(uint64(sp.Last), 10))
		}
	}
	return b.String()
}

// has reports whether a post is in the set.
func (s set) has(uid uint32) bool {
	i := s.from(lists.Seq(uid))
	return i < len(s.spans) && s.spans[i].First <= lists.Seq(uid)
}

// from is the first span that ends at or behind a post.
func (s set) from(seq lists.Seq) int {
	i, _ := slices.BinarySearchFunc(s.spans, seq, func(sp archive.Span, seq lists.Seq) int {
		if sp.Last < seq {
			return -1
		}
		return 1
	})
	return i
}

// add puts the posts of a span in.
func (s *set) add(n archive.Span) {
	if n.First > n.Last {
		return
	}
	i := s.from(n.First - min(n.First, 1)) // one that ends right before it touches it
	j := i
	for ; j < len(s.spans) && s.spans[j].First <= n.Last+min(1, ^lists.Seq(0)-n.Last); j++ {
		n.First, n.Last = min(n.First, s.spans[j].First), max(n.Last, s.spans[j].Last)
	}
	s.spans = slices.Replace(s.spans, i, j, n)
	s.bound()
}

func (s *set) bound() {
	if n := len(s.spans) - maxSpans; n > 0 {
		s.spans = slices.Replace(s.spans, 0, n+1, archive.Span{First: s.spans[0].First, Last: s.spans[n].Last})
	}
}

// remove takes the posts of a span out.
func (s *set) remove(n archive.Span) {
	if n.First > n.Last {
		return
	}
	i := s.from(n.First)
	j := i
	var left []archive.Span
	for ; j < len(s.spans) && s.spans[j].First <= n.Last; j++ {
		if sp := s.spans[j]; sp.First < n.First {
			left = append(left, archive.Span{First: sp.First, Last: n.First - 1})
		}
		if sp := s.spans[j]; sp.Last > n.Last {
			left = append(left, archive.Span{First: n.Last + 1, Last: sp.Last})
		}
	}
	s.spans = slices.Replace(s.spans, i, j, left...)
	s.bound()
}
