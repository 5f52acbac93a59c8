package archive

import (
	"crypto/sha1" // #nosec: it names, it proves nothing
	"hash/fnv"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// maxRefs is how many References count, the last of them: what is farther away has nothing to say.
const maxRefs = 50

// sheet is what the head of a post says about its place among others.
type sheet struct {
	seq     lists.Seq
	hidden  bool
	start   store.Place // the first place of its second
	place   store.Place // 0 if it is hidden
	own     store.Hash
	refs    []store.Hash // what it answers, the nearest last; never itself, none twice
	subject string       // without marks
	base    int64        // of the subject; 0: it says too little
	reply   bool         // its Subject has the mark of a reply
}

// readSheet reads a head. It cannot fail: a head that says nothing is a post alone.
func readSheet(l lists.List, p store.Post, head []byte) sheet {
	s := sheet{seq: p.Seq, hidden: p.Hidden, start: store.PlaceAt(l.ID, p.Date), own: ident(p.MsgID, head)}
	s.subject, s.reply = l.Policy.BaseSubject(p.Subject)
	if p.Removed.IsZero() {
		s.base = baseOf(l.ID, s.subject)
	}
	for _, id := range slices.Backward(references(head)) {
		h := store.Hash(hashOf(id))
		if h != s.own && !slices.Contains(s.refs, h) {
			s.refs = append(s.refs, h)
		}
	}
	slices.Reverse(s.refs)
	return s
}

// bySubject reports whether the Subject is all that says what a post answers.
func (s *sheet) bySubject() bool { return s.reply && s.base != 0 && !s.hidden && len(s.refs) == 0 }

// ident is what a post is known by: the hash of its Message-ID, or of its head if it has none.
func ident(msgid string, head []byte) store.Hash {
	if msgid == "" {
		return sha1.Sum(head)
	}
	return store.Hash(hashOf(msgid))
}

// references are the Message-IDs that a head names as what it answers, the nearest last (RFC 5322 section 3.6.4).
//
// QUIRK: In-Reply-To of old mail programs is a sentence, "Your message of Monday <id>", perhaps with an address in
// brackets of its own before the Message-ID; so only its last counts. It is no help to a mail that has References.
func references(head []byte) []string {
	refs := mail.MessageIDs(mail.Get(head, "References"))
	if len(refs) > 0 {
		return refs[max(0, len(refs)-maxRefs):]
	}
	value := mail.Get(head, "In-Reply-To")
	refs = mail.MessageIDs(value)
	if len(refs) == 0 || !strings.Contains(value, "<") && strings.ContainsAny(value, " \t") {
		return nil // words with an @ in a sentence are addresses
	}
	return refs[len(refs)-1:]
}

// idle are subjects that people find for anything.
var idle = map[string]bool{"question": true, "questions": true, "hello all": true, "hello everyone": true, "hello world": true,
	"hi all": true, "hi there": true, "no subject": true, "(no subject)": true, "help needed": true, "help please": true,
	"please help": true, "your mail": true, "your message": true, "test message": true, "a question": true, "quick question": true}

// baseOf is what threads of one subject have in common; 0 for a subject that says too little to tell threads by.
func baseOf(l lists.ID, subject string) int64 {
	folded := strings.ToLower(subject)
	if !strings.Contains(folded, " ") && utf8.RuneCountInString(folded) < 8 || idle[folded] {
		return 0
	}
	h := fnv.New64a()
	var id [8]byte
	for i := range id {
		id[i] = byte(l >> (8 * i))
	}
	_, _ = h.Write(id[:]) // never fails
	_, _ = h.Write([]byte(folded))
	return max(int64(h.Sum64()>>1), 1)
}

// subjectWindow is how far from a thread's last post an answer may be dated that names it by Subject only, and
// subjectSkew how far before its first: clocks are wrong.
const (
	subjectWindow = 10 * 24 * time.Hour
	subjectSkew   = 24 * time.Hour
)

// strand is a thread while a batch is woven into it.
type strand struct {
	store.Row
	into    *strand // it has become part of
	stored  bool    // its row is in the database
	changed bool
}

// now is the strand that s has become part of, or s.
func (s *strand) now() *strand {
	for s.into != nil {
		s = s.into
	}
	return s
}

// take counts a post that readers see.
func (s *strand) take(p *sheet) {
	s.Posts++
	if s.Start == 0 || p.place < s.Start {
		s.Start, s.First, s.Subject, s.Base = p.place, p.seq, p.subject, p.base
	}
	s.Last = max(s.Last, p.place)
	s.changed = true
}

// name is a Message-ID while a batch is woven.
type name struct {
	seq     lists.Seq // the post that has it
	parent  lists.Seq // of one that is not there
	below   bool      // others told that it answers something
	strand  *strand
	changed bool
}

// weave puts posts into threads. It is the decision: what there was before is given, and what comes of it is read off
// its fields.
//
// It departs from Jamie Zawinski's algorithm (message threading, step 1) where that trusts anybody: there, each pair of
// neighbours in anyone's References links two messages, so that one mail whose References name the first posts of fifty
// conversations makes one of them all. Here a post itself says which thread it belongs to, that of the nearest it answers
// that is known; and what nobody has met yet is taken at its word. But two threads that are there become one only by a
// post that others have answered before it came, and that answers one in the other: it is the link. So a thread that was
// cut by a lost post may stay cut although a later post knows better.
//
// Where others' References and a post's own disagree, both believe the post; but the algorithm then takes those who
// answered it along, from the thread that they were in, and here they stay.
type weave struct {
	list    lists.ID
	names   map[store.Hash]*name
	strands map[store.ThreadID]*strand
	byBase  map[int64][]*strand
	waiting map[store.Hash][]*store.Await
	above   func(lists.Seq) (map[lists.Seq]lists.Seq, error) // the parents of a post and of some above it

	posts   map[lists.Seq]*store.Post // of the batch, and others whose parent has changed
	awaits  []*store.Await            // new ones
	arrived []store.Hash
	parents map[lists.Seq]lists.Seq // what above has told
}

// add puts one post into its thread.
func (w *weave) add(p *sheet) error {
	own := w.names[p.own]
	again := own != nil && own.seq > 0 // a Message-ID that comes twice
	t := w.threadOf(p, own)
	parent := lists.Seq(0)
	if t == nil {
		if t = w.bySubject(p); t != nil {
			parent = t.First
		}
	}
	if t == nil {
		t = &strand{Row: store.Row{ID: store.ThreadFrom(w.list, p.seq)}, changed: true}
		w.strands[t.ID] = t
	}
	w.refer(p, t)
	if len(p.refs) == 0 && own != nil && !again {
		parent = own.parent // it does not say itself what it answers, but others have
	}
	row := &store.Post{Seq: p.seq, Place: p.place, Parent: parent}
	awaits := w.parent(p, t, row)
	switch {
	case own == nil:
		own = &name{strand: t, parent: row.Parent, changed: true}
		w.names[p.own] = own
	case !again:
		own.parent, own.changed = row.Parent, true
	}
	if p.hidden {
		// It is not there for readers; but who answers it belongs to its thread, and hangs on what it answered.
		return nil
	}
	row.Thread = t.ID // as it is now; see strand.now
	w.posts[p.seq] = row
	w.wait(awaits)
	t.take(p)
	w.byBase[t.Base] = append(w.byBase[t.Base], t)
	if again {
		return nil
	}
	own.seq, own.parent = p.seq, 0
	return w.adopt(p, row)
}

// threadOf is the thread that a post's head names, nil if it names none that is known. A post that was expected at the
// top of one thread and names another makes one of the two.
func (w *weave) threadOf(p *sheet, own *name) (t *strand) {
	for _, h := range slices.Backward(p.refs) {
		if n := w.names[h]; n != nil {
			t = n.strand.now()
			break
		}
	}
	switch {
	case own == nil, t != nil && own.seq > 0:
		return t
	case t == nil:
		return own.strand.now()
	}
	s := own.strand.now()
	if s != t && own.below {
		// Others' References have it below something of theirs, and it says otherwise: it must know. Who waited for it stays
		// where they are.
		own.strand = t
		w.arrived = append(w.arrived, p.own)
		delete(w.waiting, p.own)
		return t
	}
	return w.merge(t, s)
}

// merge makes two threads one. The larger stays: so a post is moved only as often as its thread has doubled.
func (w *weave) merge(a, b *strand) *strand {
	if a == b {
		return a
	}
	if b.Posts > a.Posts || b.Posts == a.Posts && b.ID < a.ID {
		a, b = b, a
	}
	a.Posts += b.Posts
	if a.Start == 0 || b.Start > 0 && b.Start < a.Start {
		a.Start, a.First, a.Subject, a.Base = b.Start, b.First, b.Subject, b.Base
		w.byBase[a.Base] = append(w.byBase[a.Base], a)
	}
	a.Last = max(a.Last, b.Last)
	a.changed, b.changed = true, true
	b.into, b.Posts, b.Start, b.Last, b.Base, b.Subject = a, 0, 0, 0, 0, ""
	return a
}

// bySubject is the thread of a post that answers but does not say what, as some programs' answers do: the latest of the
// same subject, if that says something and the thread is alive.
func (w *weave) bySubject(p *sheet) (best *strand) {
	if !p.bySubject() {
		return nil
	}
	at := p.place.Time()
	for _, s := range w.byBase[p.base] {
		if s.Base != p.base || s.Last == 0 || !strings.EqualFold(s.Subject, p.subject) {
			continue // it was merged, or has another first post by now
		}
		last := s.Last.Time()
		if s.Start.Time().After(at.Add(subjectSkew)) || last.Before(at.Add(-subjectWindow)) || last.After(at.Add(subjectWindow)) {
			continue
		}
		if best == nil || s.Last > best.Last {
			best = s
		}
	}
	return best
}

// refer notes the Message-IDs that a post of t refers to. One that nobody has met is said to answer the one before it.
func (w *weave) refer(p *sheet, t *strand) {
	at, parent := (*strand)(nil), lists.Seq(0)
	for _, h := range p.refs {
		n := w.names[h]
		if n == nil {
			n = &name{strand: t, changed: true}
			if at != nil {
				n.strand = at
			}
			w.names[h] = n
		}
		if s := n.strand.now(); s != at {
			at, parent = s, 0
		} else if n.seq == 0 && !n.below {
			n.below, n.changed = true, true
		}
		if n.seq == 0 && n.parent == 0 && parent != 0 {
			n.parent, n.changed = parent, true
		}
		switch {
		case n.seq > 0:
			parent = n.seq
		case n.parent > 0:
			parent = n.parent
		}
	}
}

// parent finds the nearest post of t that p says it answers, and for which nearer ones p waits. Where none that it names is
// there, what others have told of the nearest must do, until one comes.
func (w *weave) parent(p *sheet, t *strand, row *store.Post) (awaits []*store.Await) {
	distance := 0
	for _, h := range slices.Backward(p.refs) {
		distance++
		n := w.names[h]
		if n.strand.now() != t {
			continue
		}
		if n.seq > 0 {
			row.Parent, row.Far = n.seq, distance-1
			return awaits
		}
		awaits = append(awaits, &store.Await{Hash: h, Seq: p.seq, Distance: distance})
		if row.Parent == 0 {
			row.Parent, row.Far = n.parent, len(p.refs)
		}
	}
	return awaits
}

func (w *weave) wait(awaits []*store.Await) {
	for _, a := range awaits {
		w.waiting[a.Hash] = append(w.waiting[a.Hash], a)
	}
	w.awaits = append(w.awaits, awaits...)
}

// adopt makes the posts that waited for p its children. If p's own parent hangs on one of them, p has none: a circle has
// no beginning.
func (w *weave) adopt(p *sheet, row *store.Post) error {
	waiting := w.waiting[p.own]
	if len(waiting) == 0 {
		return nil
	}
	w.arrived = append(w.arrived, p.own)
	delete(w.waiting, p.own)
	children := make(map[lists.Seq]*store.Post, len(waiting))
	for _, a := range waiting {
		child := w.posts[a.Seq]
		if child == nil {
			child = &store.Post{Seq: a.Seq, Parent: a.Parent, Far: a.Far}
		}
		if child.Parent == 0 || a.Distance <= child.Far {
			children[a.Seq] = child
			child.Far = a.Distance - 1
		}
	}
	if circle, err := w.hangsOn(row.Parent, children); err != nil {
		return err
	} else if circle {
		row.Parent, row.Far = 0, 0
	}
	for seq, child := range children {
		child.Parent = p.seq
		w.posts[seq] = child
	}
	return nil
}

// maxClimb is how far up a thread is looked for a circle. What is deeper is taken for one.
const maxClimb = 20_000

// hangsOn reports whether seq is one of the posts or below one.
func (w *weave) hangsOn(seq lists.Seq, posts map[lists.Seq]*store.Post) (bool, error) {
	for range maxClimb {
		if seq == 0 || posts[seq] != nil {
			return seq != 0, nil
		}
		if p := w.posts[seq]; p != nil {
			seq = p.Parent
			continue
		}
		up, ok := w.parents[seq]
		if !ok {
			found, err := w.above(seq)
			if err != nil {
				return false, err
			}
			for at, parent := range found {
				w.parents[at] = parent
			}
			up = found[seq]
		}
		seq = up
	}
	return true, nil
}
