package mail

import (
	"encoding/binary"
	"strings"
)

// pattern is a phrase in lower case with single blanks, at least four bytes long. An ellipsis in it stands for up to
// maxGap bytes of anything but the end of a paragraph.
type pattern struct {
	pieces []string
	id     int
}

const maxGap = 120

// matcher finds many phrases in one walk over a text.
type matcher struct {
	seen [1 << 10]uint64 // which hashes of four bytes begin a phrase
	from map[uint32][]pattern
}

// newMatcher compiles groups of phrases; a phrase's id is its group's index.
func newMatcher(groups ...[]string) *matcher {
	m := &matcher{from: map[uint32][]pattern{}}
	for id, phrases := range groups {
		for _, p := range phrases {
			pieces := strings.Split(p, "…")
			start := binary.LittleEndian.Uint32([]byte(pieces[0][:4]))
			h := mix(start)
			m.seen[h>>6] |= 1 << (h & 63)
			m.from[start] = append(m.from[start], pattern{pieces, id})
		}
	}
	return m
}

func mix(u uint32) uint32 { return u * 0x9e3779b1 >> 16 }

// each tells where phrases stand in s, in order of their beginnings, until visit returns false.
func (m *matcher) each(s string, visit func(id, start, end int) bool) {
	if len(s) < 4 {
		return
	}
	u := uint32(s[0])<<8 | uint32(s[1])<<16 | uint32(s[2])<<24
	for i := 0; i+4 <= len(s); i++ {
		u = u>>8 | uint32(s[i+3])<<24
		h := mix(u)
		if m.seen[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for _, p := range m.from[u] {
			if n := p.match(s[i:]); n > 0 && !visit(p.id, i, i+n) {
				return
			}
		}
	}
}

// match is how long the phrase at the start of s is, 0 if it does not stand there.
func (p pattern) match(s string) int {
	if !strings.HasPrefix(s, p.pieces[0]) {
		return 0
	}
	at := len(p.pieces[0])
	for _, piece := range p.pieces[1:] {
		window := s[at:min(len(s), at+maxGap+len(piece))]
		if nl := strings.IndexByte(window, '\n'); nl >= 0 {
			window = window[:nl]
		}
		i := strings.Index(window, piece)
		if i < 0 {
			return 0
		}
		at += i + len(piece)
	}
	return at
}

// begins reports whether s begins with a phrase.
func (m *matcher) begins(s string) bool {
	if len(s) < 4 {
		return false
	}
	u := uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
	if h := mix(u); m.seen[h>>6]&(1<<(h&63)) == 0 {
		return false
	}
	for _, p := range m.from[u] {
		if p.match(s) > 0 {
			return true
		}
	}
	return false
}
