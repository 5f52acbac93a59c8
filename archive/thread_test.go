package archive

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"listd/lists"
	"listd/store"
)

// note is a mail by number, and what it refers to, the nearest last. truth is the conversation that it really belongs to.
type note struct {
	id    int
	refs  []int
	truth int
}

// ours are the threads of notes in the order in which they come, by note.
func ours(t *testing.T, notes []note) map[int]store.ThreadID {
	t.Helper()
	w := &weave{list: 1, names: map[store.Hash]*name{}, strands: map[store.ThreadID]*strand{}, byBase: map[int64][]*strand{},
		waiting: map[store.Hash][]*store.Await{}, posts: map[lists.Seq]*store.Post{}, parents: map[lists.Seq]lists.Seq{},
		above: func(lists.Seq) (map[lists.Seq]lists.Seq, error) { panic("all is known") }}
	hash := func(id int) (h store.Hash) {
		binary.BigEndian.PutUint64(h[:], uint64(id))
		return h
	}
	for i, n := range notes {
		s := &sheet{seq: lists.Seq(i + 1), place: store.PlaceAt(1, time.Unix(int64(1e9+n.id), 0)), own: hash(n.id)}
		for _, r := range n.refs {
			if r != n.id {
				s.refs = append(s.refs, hash(r))
			}
		}
		if err := w.add(s); err != nil {
			t.Fatal(err)
		}
	}
	out := map[int]store.ThreadID{}
	for i, n := range notes {
		p := w.posts[lists.Seq(i+1)]
		out[n.id] = w.strands[p.Thread].now().ID
		steps := 0
		for at := p.Parent; at != 0; at = w.posts[at].Parent {
			if steps++; steps > len(notes) {
				t.Fatalf("post %d is below itself: %v", i+1, notes)
			}
		}
	}
	return out
}

// container is one of the algorithm that https://www.jwz.org/doc/threading.html describes.
type container struct{ parent *container }

func (c *container) below(other *container) bool {
	for ; c != nil; c = c.parent {
		if c == other {
			return true
		}
	}
	return false
}

// theirs are the threads that that algorithm makes of notes (its steps 1 to 4: Subjects say nothing here).
func theirs(notes []note) map[int]*container {
	table := map[int]*container{}
	of := func(id int) *container {
		if table[id] == nil {
			table[id] = &container{}
		}
		return table[id]
	}
	for _, n := range notes {
		c := of(n.id)
		var last *container
		for _, r := range n.refs {
			rc := of(r)
			if last != nil && rc.parent == nil && !last.below(rc) {
				rc.parent = last
			}
			last = rc
		}
		c.parent = nil // what others have said of it counts no more
		if last != nil && !last.below(c) {
			c.parent = last
		}
	}
	out := map[int]*container{}
	for _, n := range notes {
		root := table[n.id]
		for root.parent != nil {
			root = root.parent
		}
		out[n.id] = root
	}
	return out
}

// conversations are n notes in conversations. Each names what it answers as mail programs do: all of it, the last three,
// or only the one.
func conversations(r *rand.Rand, n int) []note {
	whole := make([][]int, n) // what each answers, itself last
	out := make([]note, n)
	for i := range out {
		out[i] = note{id: i, truth: i}
		if i > 0 && r.IntN(4) > 0 {
			to := max(0, i-1-int(r.ExpFloat64()*6))
			out[i].truth = out[to].truth
			whole[i] = slices.Clone(whole[to])
			switch refs := whole[to]; r.IntN(4) {
			case 0:
				out[i].refs = refs[len(refs)-1:]
			case 1:
				out[i].refs = refs[max(0, len(refs)-3):]
			default:
				out[i].refs = refs
			}
		}
		whole[i] = append(whole[i], i)
	}
	return out
}

// pairs counts the pairs of notes that only one of two ways of grouping holds together.
func pairs[A, B comparable](notes []note, a func(int) A, b func(int) B) (onlyA, onlyB int) {
	for i, x := range notes {
		for _, y := range notes[:i] {
			switch inA, inB := a(x.id) == a(y.id), b(x.id) == b(y.id); {
			case inA && !inB:
				onlyA++
			case inB && !inA:
				onlyB++
			}
		}
	}
	return onlyA, onlyB
}

// TestJWZ holds the threads against Jamie Zawinski's. They are the same where every post is there, in whatever order the
// posts come, and then they are the conversations. Where posts are lost and the mail is honest, ours are parts of theirs:
// some pairs of posts are together in theirs alone, since only a third post's References know that they belong together.
// Where References are forged, each holds some together that do not belong together.
func TestJWZ(t *testing.T) {
	t.Parallel()
	const archives, size = 50, 100
	for _, e := range []struct {
		name        string
		lost        int // of 100
		forged      int // of 100: further References, to anything
		shuffled    bool
		honest      bool   // nobody holds together what does not belong together
		ours, their int    // pairs of one alone, in all archives
		wrong       [2]int // pairs that do not belong together, in ours and in theirs
	}{
		{name: "whole, in order", honest: true},
		{name: "whole, in any order", shuffled: true, honest: true},
		{name: "lost, in order", lost: 20, honest: true, their: 2879},
		{name: "lost, in any order", lost: 20, shuffled: true, honest: true, their: 1631},
		{name: "half lost, in any order", lost: 50, shuffled: true, honest: true, their: 1141},
		{name: "forged, in order", forged: 5, ours: 157, their: 10115, wrong: [2]int{6071, 14798}},
		{name: "forged, in any order", forged: 5, shuffled: true, ours: 8144, their: 6893, wrong: [2]int{9979, 9375}},
		{name: "forged and lost, in any order", lost: 20, forged: 5, shuffled: true, ours: 4016, their: 4425, wrong: [2]int{5676, 5579}},
	} {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			ourPairs, theirPairs, wrong := 0, 0, [2]int{}
			for seed := range uint64(archives) {
				r := rand.New(rand.NewPCG(seed, 1))
				notes := conversations(r, size)
				for i := range notes {
					if r.IntN(100) < e.forged {
						refs := slices.Clone(notes[i].refs)
						for range 1 + r.IntN(4) {
							refs = append(refs, r.IntN(i+1))
						}
						notes[i].refs = refs
					}
				}
				notes = slices.DeleteFunc(notes, func(note) bool { return r.IntN(100) < e.lost })
				if e.shuffled {
					r.Shuffle(len(notes), func(i, j int) { notes[i], notes[j] = notes[j], notes[i] })
				}
				us, them, truth := ours(t, notes), theirs(notes), map[int]int{}
				for _, n := range notes {
					truth[n.id] = n.truth
				}
				a := func(id int) store.ThreadID { return us[id] }
				b := func(id int) *container { return them[id] }
				c := func(id int) int { return truth[id] }
				x, y := pairs(notes, a, b)
				ourPairs, theirPairs = ourPairs+x, theirPairs+y
				x, missed := pairs(notes, a, c)
				y, _ = pairs(notes, b, c)
				wrong[0], wrong[1] = wrong[0]+x, wrong[1]+y
				if e.lost == 0 && e.forged == 0 && missed > 0 {
					t.Errorf("archive %d: %d pairs of one conversation are apart", seed, missed)
				}
			}
			if e.honest && wrong != [2]int{} {
				t.Errorf("%v pairs do not belong together", wrong)
			}
			if ourPairs != e.ours || theirPairs != e.their || !e.honest && wrong != e.wrong {
				t.Errorf("%d pairs are together in ours alone, %d in theirs alone, wrong are %v; want %d, %d, %v", ourPairs, theirPairs, wrong, e.ours, e.their, e.wrong)
			}
		})
	}
}

// TestInOrder puts large threads in order, whatever parents they say they have.
func TestInOrder(t *testing.T) {
	t.Parallel()
	limbs := func(n int, parent func(i int) int) (out []store.Limb) {
		for i := range n {
			out = append(out, store.Limb{Seq: lists.Seq(i + 1), Parent: lists.Seq(parent(i + 1))})
		}
		return out
	}
	const n = 50_000
	for name, e := range map[string]struct {
		limbs []store.Limb
		depth func(i int) int
	}{
		"a chain":       {limbs(n, func(i int) int { return i - 1 }), func(i int) int { return min(i, maxDepth) }},
		"one answered":  {limbs(n, func(i int) int { return min(i-1, 1) }), func(i int) int { return min(i, 1) }},
		"none answered": {limbs(n, func(int) int { return 0 }), func(int) int { return 0 }},
		"a circle":      {limbs(n, func(i int) int { return i%n + 1 }), nil},
		"itself":        {limbs(n, func(i int) int { return i }), func(int) int { return 0 }},
		"not there":     {limbs(n, func(int) int { return n + 7 }), func(int) int { return 0 }},
	} {
		start := time.Now()
		nodes := inOrder(e.limbs)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: %v", name, took)
		}
		seen := map[lists.Seq]bool{}
		for i, node := range nodes {
			if seen[node.Seq] || node.Depth > maxDepth || e.depth != nil && (node.Depth != e.depth(i) || int(node.Seq) != i+1) {
				t.Fatalf("%s: at %d is post %d, depth %d", name, i, node.Seq, node.Depth)
			}
			seen[node.Seq] = true
		}
		if len(nodes) != n {
			t.Errorf("%s: %d nodes", name, len(nodes))
		}
	}
}

func TestPlace(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Time{time.Unix(0, 0), time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC), time.Unix(1<<33-1, 0)} {
		for _, within := range []store.Place{0, 1, 4095} {
			p := store.PlaceAt(7, at) + within
			if got := p.Time(); !got.Equal(at) {
				t.Errorf("the time of %v is %v", at, got)
			}
			if got := store.PlaceOf(7, p.Instant()); got != p {
				t.Errorf("%v and %d is %d and back %d", at, within, p, got)
			}
			if p < store.PlaceAt(7, time.Time{}) || p >= store.EndOf(7) {
				t.Errorf("%d is no place of its list", p)
			}
		}
	}
	if store.PlaceOf(7, time.Unix(5, 999_999_999)) != store.PlaceAt(7, time.Unix(6, 0)) {
		t.Error("what is behind the last of a second is not the next second")
	}
}

// FuzzSheet reads any head: bounded, none twice, never itself.
func FuzzSheet(f *testing.F) {
	for _, s := range []string{"", "References: <a@b> <c@d>\r\n", "In-Reply-To: \"Ann <ann@example.org>\"'s message <1@b>\r\n",
		"In-Reply-To: a@b\r\nReferences:\r\n", "References: <\xff>\r\n <a@b\r\n\t><<c>> a@b, d@e\r\n", "In-Reply-To: by ann@example.org\r\n"} {
		f.Add("a@b", []byte(s))
	}
	f.Fuzz(func(t *testing.T, id string, head []byte) {
		s := readSheet(lists.List{ID: 1}, store.Post{Seq: 1, MsgID: id, Subject: string(head)}, head)
		if len(s.refs) > maxRefs || slices.Contains(s.refs, s.own) {
			t.Errorf("%d References, among them its own ID: %v", len(s.refs), slices.Contains(s.refs, s.own))
		}
		slices.SortFunc(s.refs, func(a, b store.Hash) int { return slices.Compare(a[:], b[:]) })
		if len(slices.Compact(s.refs)) != len(s.refs) {
			t.Error("a Message-ID comes twice")
		}
		again := readSheet(lists.List{ID: 1}, store.Post{Seq: 1, MsgID: id, Subject: s.subject}, head)
		if again.subject != s.subject || again.reply || again.base != s.base {
			t.Errorf("%q is read again as %q", s.subject, again.subject)
		}
	})
}
