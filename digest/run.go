package digest

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/store"
	"listd/task"
)

// Step is the step of a run. It makes one part of an issue, or sends an issue that is whole to some of its readers, and
// comes again until no reader's cursor is left behind.
func (k *Desk) Step(ctx context.Context, t task.Task) (task.Commit, error) {
	var a run
	if err := json.Unmarshal(t.Arg, &a); err != nil {
		return nil, err
	}
	if len(t.Cursor) == 0 {
		return k.begin(a), nil
	}
	var at reached
	if err := json.Unmarshal(t.Cursor, &at); err != nil {
		return nil, err
	}
	var j *job
	err := k.DB.View(ctx, func(tx *store.Tx) error {
		l, err := tx.List(a.List)
		if err != nil {
			return err
		}
		if at.Readers == nil {
			if at.Readers, err = left(tx, l, turn{a.Mode, a.Schedule}, at.UpTo); err != nil || at.Readers == nil {
				return err
			}
		}
		if at.Skip {
			return nil
		}
		j, err = k.look(tx, l, turn{a.Mode, a.Schedule}, at.Readers.Language, at.Readers.After, at)
		return err
	})
	if err == nil && at.Skip && at.Readers != nil {
		return k.deliver(a.List, at, nil), nil
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && (j == nil || j.build == nil) {
		return func(context.Context, *store.Tx) (task.Next, error) { return task.Next{Done: true}, nil }, nil
	}
	if err != nil {
		return nil, err
	}
	if j.whole() {
		return k.deliver(a.List, at, j.out), nil
	}
	return k.make(ctx, j, true, at)
}

// deliver sends an issue that is whole, or nothing, to some of its readers, whose cursors move.
func (k *Desk) deliver(l lists.ID, at reached, out []store.Outgoing) task.Commit {
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		if _, err := tx.LockList(l); err != nil && !errors.Is(err, store.ErrNotFound) {
			return task.Next{}, err
		}
		n, err := tx.DeliverIssue(*at.Readers, at.UpTo, out, maxDeliver, k.Out.Relay)
		then := at
		if n < maxDeliver {
			then.Readers = nil
		}
		return task.Next{Cursor: then}, err
	}
}

// left are readers whose cursor is still behind, nil if there are none. Those who lack least come first, which are most:
// theirs is the issue whose number the others repeat.
func left(tx *store.Tx, l lists.List, t turn, upTo lists.Seq) (*store.Followers, error) {
	all, err := tx.FollowersOf(l.ID, t.mode)
	all = slices.DeleteFunc(all, func(f store.Followers) bool { return turnOf(l, f) != t || f.After >= upTo })
	if err != nil || len(all) == 0 {
		return nil, err
	}
	first := slices.MinFunc(all, func(x, y store.Followers) int {
		return cmp.Or(cmp.Compare(language(l, x.Language), language(l, y.Language)), -cmp.Compare(x.After, y.After))
	})
	return &first, nil
}

// LastStep is the step that sends somebody who has left a digest what they are still owed.
func (k *Desk) LastStep(ctx context.Context, t task.Task) (task.Commit, error) {
	var a lists.LastIssue
	if err := json.Unmarshal(t.Arg, &a); err != nil {
		return nil, err
	}
	var j *job
	err := k.DB.View(ctx, func(tx *store.Tx) error {
		l, err := tx.List(a.List)
		if err == nil {
			j, err = k.look(tx, l, turn{a.Mode, a.Schedule.Or(l.Policy.Digest)}, a.Language, a.After, reached{UpTo: a.UpTo, At: tx.Now})
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) || err == nil && (j.build == nil || j.parts == 0) {
		return func(context.Context, *store.Tx) (task.Next, error) { return task.Next{Done: true}, nil }, nil
	}
	if err != nil {
		return nil, err
	}
	if !j.whole() {
		return k.make(ctx, j, false, nil)
	}
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		err := tx.DeliverLast(a.Subscription, j.out, k.Out.Relay)
		if errors.Is(err, store.ErrNotFound) {
			err = nil // they have left altogether
		}
		return task.Next{Done: true}, err
	}, nil
}

// job is an issue that is being made: what there is of it, and what its next part is.
type job struct {
	build   Builder // nil: nobody makes this mode
	m       Material
	edition store.Edition
	wanted  *store.Curation  // by organizers; nil: nothing
	issue   store.Issue      // the next part, as far as it is known
	parts   int              // 0: there are no posts, and no issue
	out     []store.Outgoing // of the parts that are made
}

func (j *job) whole() bool { return len(j.out) == j.parts }

// language is a member's, or else the list's.
func language(l lists.List, chosen string) string { return cmp.Or(chosen, l.Policy.Language) }

// look sees how far an issue is.
func (k *Desk) look(tx *store.Tx, l lists.List, t turn, chosen string, after lists.Seq, at reached) (*job, error) {
	j := &job{build: k.builder(t.mode)}
	var err error
	if j.edition, err = tx.Edition(l.ID, t.mode, t.schedule, language(l, chosen)); err != nil {
		return nil, err
	}
	made, err := tx.Issues(j.edition.ID, after, at.UpTo, tx.Now.Add(-reuse))
	if err != nil {
		return nil, err
	}
	for i, p := range made {
		o, err := tx.Outgoing(p.Outgoing)
		if p.Part != i+1 || errors.Is(err, store.ErrNotFound) {
			made = made[:i] // the others are too old, and are made anew
			break
		}
		if err != nil {
			return nil, err
		}
		j.out = append(j.out, o)
	}
	return j, k.proceed(tx, l, t, j, made, after, at)
}

// proceed says what the next part of an issue is, of which some are made.
func (k *Desk) proceed(tx *store.Tx, l lists.List, t turn, j *job, made []store.Issue, after lists.Seq, at reached) error {
	from, first := after, 1
	for _, p := range made {
		from, first, j.parts = p.LastSeq, first+p.Posts, p.Parts
	}
	if len(made) > 0 && j.whole() {
		return nil
	}
	j.issue = store.Issue{After: after, UpTo: at.UpTo, Part: len(made) + 1}
	if len(made) == 0 {
		j.issue.Volume, j.issue.Number = next(j.edition, l.Policy.DigestVolume, at)
	} else {
		j.issue.Volume, j.issue.Number = made[0].Volume, made[0].Number
	}
	cuts, err := cut(tx, l, t.mode, from, at.UpTo, len(made) > 0)
	if err != nil || len(cuts) == 0 {
		j.parts = len(made) // what was to follow has been removed meanwhile
		return err
	}
	if len(made) == 0 {
		j.parts = len(cuts)
	}
	last := cuts[0]
	if j.issue.Part == j.parts {
		last = at.UpTo // if posts have been removed meanwhile, parts are fewer, never more
	}
	j.issue.Parts, j.issue.LastSeq = j.parts, last
	j.m = Material{List: l, Mode: t.mode, Schedule: t.schedule, Language: j.edition.Language, Volume: j.issue.Volume, Number: j.issue.Number,
		Part: j.issue.Part, Parts: j.parts, First: first, At: at.At, Hostname: k.Hostname, URL: k.URL}
	if j.m.Posts, err = tx.DigestPosts(l.ID, from, last, 1<<20); err != nil {
		return err
	}
	j.issue.Posts = len(j.m.Posts)
	j.m.Load = (&ahead{db: k.DB, posts: j.m.Posts}).load
	if j.m.Text, err = tx.NoticeText(l.ID, "digest", j.edition.Language); err != nil {
		return err
	}
	if !at.Due.IsZero() {
		c, err := tx.Curation(l.ID, t.schedule, at.Due)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if c, err = asPosted(tx, c, j.m.Posts); err != nil {
			return err
		}
		j.wanted = &c
	}
	return j.m.gather(tx, j.edition.Issued)
}

// priority of issues: they wait for posts, not posts for them.
const priority = queue.Announcement

// next is the volume and number of an issue. One that has nothing behind the edition's last repeats its number.
func next(e store.Edition, v lists.Volume, at reached) (volume, number int) {
	zone := e.Schedule.Zone()
	switch {
	case e.Number == 0:
		return 1, 1
	case at.UpTo <= e.LastSeq:
		return e.Volume, e.Number
	case !v.Same(e.Issued.In(zone), at.At.In(zone)):
		return e.Volume + 1, 1
	}
	return e.Volume, e.Number + 1
}

// cut is where an issue of the posts in (after, upTo] is cut into mails: the last post of each, or of the first only.
func cut(tx *store.Tx, l lists.List, mode lists.Mode, after, upTo lists.Seq, first bool) (out []lists.Seq, err error) {
	most := int64(maxPart)
	if l.Policy.DigestSize > 0 {
		most = l.Policy.DigestSize
	}
	var size int64
	var posts int
	for {
		some, err := tx.DigestSizes(l.ID, after, upTo, maxPosts)
		if err != nil {
			return nil, err
		}
		for _, p := range some {
			if mode == lists.Index || mode == lists.Roundup {
				p.Size = 0 // a line or two
			}
			if len(out) == 0 || posts == maxPosts && mode != lists.Roundup || size+p.Size > most {
				if first && len(out) == 1 {
					return out, nil
				}
				out, size, posts = append(out, 0), 0, 0
			}
			size, posts, after = size+p.Size, posts+1, p.Seq
			out[len(out)-1] = p.Seq
		}
		if len(some) < maxPosts {
			return out, nil
		}
	}
}

// make makes the next part of an issue. regular says that the edition goes on from it.
func (k *Desk) make(ctx context.Context, j *job, regular bool, cursor any) (task.Commit, error) {
	chance := k.Chance()
	j.m.ID = "d" + hex.EncodeToString(chance[:])
	start := k.DB.Now()
	var err error
	if j.m.Changes, err = j.m.curated(ctx, j.wanted); err != nil {
		return nil, err
	}
	m, err := j.build(ctx, j.m)
	if err != nil {
		return nil, err
	}
	body := store.PackBody(m.Body)
	k.Log.LogAttrs(ctx, slog.LevelInfo, "issue made", slog.String("list", j.m.List.Address.String()), slog.String("mode", string(j.m.Mode)),
		slog.String("schedule", j.m.Schedule.String()), slog.Int("volume", j.m.Volume), slog.Int("issue", j.m.Number), slog.Int("part", j.m.Part),
		slog.Int("posts", len(j.m.Posts)), slog.Int64("bytes", m.Size()), slog.Duration("took", k.DB.Now().Sub(start)))
	return func(_ context.Context, tx *store.Tx) (task.Next, error) {
		if _, err := tx.LockList(j.m.List.ID); err != nil {
			return task.Next{}, err
		}
		e := j.edition
		now, err := tx.Edition(e.List, e.Mode, e.Schedule, e.Language)
		if err != nil {
			return task.Next{}, err
		}
		if now != e {
			return task.Next{Cursor: cursor}, nil // another issue has taken its number: look again
		}
		if regular && j.issue.UpTo > e.LastSeq {
			e.Volume, e.Number, e.LastSeq, e.Issued = j.issue.Volume, j.issue.Number, j.issue.UpTo, j.m.At
		}
		if e != now || e.ID == 0 {
			if e.ID, err = tx.SaveEdition(e); err != nil {
				return task.Next{}, err
			}
		}
		i := j.issue
		i.Edition = e.ID
		if i.Outgoing, err = k.add(tx, j.m, m, body); err != nil {
			return task.Next{}, err
		}
		if regular {
			if err := keep(tx, j, i.Outgoing, m.Size()); err != nil {
				return task.Next{}, err
			}
		}
		return task.Next{Cursor: cursor}, tx.AddIssue(i)
	}, nil
}

// add stores a part as an outgoing that has no deliveries yet.
func (k *Desk) add(tx *store.Tx, m Material, out mail.Message, body store.Body) (store.OutgoingID, error) {
	message, err := tx.AddMessage(out.Head, body)
	if err != nil {
		return 0, err
	}
	return k.Out.Add(tx, queue.Outgoing{List: m.List.ID, Message: message, From: m.List.Bounces(), Personal: m.List.Policy.Personalize == lists.PersonalFull,
		Priority: priority, Trace: m.ID, Subject: m.subject()}, queue.Audience{})
}

// ahead loads posts that are asked for in their order, several in one View.
type ahead struct {
	db    *store.DB
	posts []store.Post
	have  map[lists.Seq]mail.Message
}

// How much is loaded at once: so many posts, and no more bytes beyond the first.
const aheadPosts, aheadBytes = 64, 1 << 20

// load reads a post's message.
func (a *ahead) load(ctx context.Context, p store.Post) (mail.Message, error) {
	if m, ok := a.have[p.Seq]; ok {
		delete(a.have, p.Seq)
		return m, nil
	}
	some := []store.Post{p}
	at, _ := slices.BinarySearchFunc(a.posts, p.Seq, func(q store.Post, seq lists.Seq) int { return cmp.Compare(q.Seq, seq) })
	var bytes int64
	for _, q := range a.posts[min(at+1, len(a.posts)):] {
		if bytes += q.Size; len(some) == aheadPosts || bytes > aheadBytes {
			break
		}
		some = append(some, q)
	}
	var first mail.Message
	err := a.db.View(ctx, func(tx *store.Tx) error {
		a.have = map[lists.Seq]mail.Message{}
		for i, q := range some {
			m, err := tx.Message(q.Message)
			switch {
			case i == 0 && err != nil:
				return err
			case i == 0:
				first = m
			case err == nil: // else who asks for it will hear
				a.have[q.Seq] = m
			}
		}
		return nil
	})
	return first, err
}

// Preview is the mail that a list's own edition in a mode would be now, its first part if there are several: with the
// posts since a time, or if that is zero, those behind the edition's last issue. ErrNoPosts if there are none.
func (k *Desk) Preview(ctx context.Context, l lists.ID, mode lists.Mode, since time.Time) (mail.Message, error) {
	var j *job
	err := k.DB.View(ctx, func(tx *store.Tx) error {
		l, err := tx.List(l)
		if err != nil {
			return err
		}
		t := turn{mode, l.Policy.Digest.Or(lists.Schedule{})}
		e, err := tx.Edition(l.ID, t.mode, t.schedule, l.Policy.Language)
		if err != nil {
			return err
		}
		after := e.LastSeq
		if !since.IsZero() {
			if after, err = tx.LastSeqBefore(l.ID, since); err != nil {
				return err
			}
		}
		j = &job{build: k.builder(mode), edition: e}
		at := reached{UpTo: l.LastSeq, At: tx.Now}
		if c, err := pending(tx, l.ID, t.schedule); err != nil {
			return err
		} else if c != nil && mode == lists.Roundup {
			at.Due = c.Due
		}
		err = k.proceed(tx, l, t, j, nil, after, at)
		if err == nil && len(j.m.Posts) == 0 {
			err = ErrNoPosts
		}
		return err
	})
	if err != nil {
		return mail.Message{}, err
	}
	if j.build == nil {
		return mail.Message{}, ErrNoBuilder
	}
	chance := k.Chance()
	j.m.ID = "d" + hex.EncodeToString(chance[:])
	if j.m.Changes, err = j.m.curated(ctx, j.wanted); err != nil {
		return mail.Message{}, err
	}
	return j.build(ctx, j.m)
}

// Why there is nothing to look at.
var (
	ErrNoPosts   = errors.New("nobody has posted since then")
	ErrNoBuilder = errors.New("nothing makes issues of this mode yet")
)
