// Package digest makes issues of what a list has posted, and sends them to the members whose mode collects posts. An
// edition is a list in a mode by a schedule in a language; an issue of it has the posts behind its readers' cursor, which
// moves in the transaction that adds their deliveries: nobody misses a post, and nobody has one twice.
//
// Enter with Desk, whose Plan and steps task runs. How the mail of a mode looks is a Builder's affair.
//
// RFC 2046 section 5.1.5 (multipart/digest), RFC 1153 (the plain digest).
package digest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/store"
	"listd/task"
)

// Desk makes and sends issues. The fields are set before use; a Desk is safe for concurrent use.
type Desk struct {
	DB       *store.DB
	Out      queue.Out
	Log      *slog.Logger
	Hostname string                 // for Message-ID
	URL      string                 // of the web pages, without a final slash; empty: there are none
	Chance   func() [8]byte         // for IDs and boundaries
	Builders map[lists.Mode]Builder // nil: Builders()
	Fetcher  Fetcher                // of feeds; nil: none are fetched
}

// Builder makes one part of an issue. It writes no row, and may be called again for the same part.
type Builder func(ctx context.Context, m Material) (mail.Message, error)

// Builders are those of the modes that collect posts.
func Builders() map[lists.Mode]Builder {
	return map[lists.Mode]Builder{lists.Digest: MIME, lists.Plain: Plain, lists.Index: Index, lists.Roundup: Roundup}
}

// Material is what a part of an issue is made of.
type Material struct {
	List        lists.List
	Mode        lists.Mode
	Schedule    lists.Schedule // whole
	Language    string
	Volume      int
	Number      int
	Part, Parts int    // from 1
	First       int    // the number of its first post within the issue, from 1
	ID          string // new for each message: letters and digits
	At          time.Time
	Text        string // the notice digest in the language, as the list has it
	Hostname    string
	URL         string       // of the pages, without a final slash; empty: there are none
	Posts       []store.Post // by number
	Load        func(context.Context, store.Post) (mail.Message, error)

	// What a round-up has beside its posts.
	Since    time.Time // when the last issue was made, or would have been; zero: when the first post came
	Named    []string  // new members who agreed to be named
	Sources  []Source  // the list's feeds
	Template string    // in place of the built-in one; empty: that
	Changes  Changes
	Numbered bool // with the numbers of topics
}

// Kind is the kind of the task that sends the issues of a list, a mode and a schedule.
const Kind = "digest"

// run is what such a task is told. After is set if it was made because much waits behind that number.
type run struct {
	List     lists.ID
	Mode     lists.Mode
	Schedule lists.Schedule // whole
	After    *lists.Seq     `json:",omitempty"`
	Due      time.Time      `json:",omitzero"` // by the schedule; zero if it is out of turn
}

// reached is the cursor of a run: issues go up to UpTo and are of the day At. Readers are whose issue is under way.
type reached struct {
	UpTo    lists.Seq
	At      time.Time
	Readers *store.Followers `json:",omitempty"`
	Due     time.Time        `json:",omitzero"`  // of the draft that organizers have had a word about
	Skip    bool             `json:",omitempty"` // there is no issue: readers' cursors move without one
}

// The sizes of one step.
const (
	maxDeliver = 5000    // members whose cursors move in one transaction
	maxPart    = 4 << 20 // bytes of posts in one mail, unless the list says otherwise
	maxPosts   = 1000    // posts in one mail
	reuse      = 24 * time.Hour
	issuesKept = 90 * 24 * time.Hour
)

func (k *Desk) builder(m lists.Mode) Builder {
	if k.Builders != nil {
		return k.Builders[m]
	}
	return Builders()[m]
}

// turn is one way of collecting that somebody in a list has chosen.
type turn struct {
	mode     lists.Mode
	schedule lists.Schedule // whole
}

func turnOf(l lists.List, f store.Followers) turn {
	return turn{f.Mode, f.Schedule.Or(l.Policy.Digest)}
}

// key names a run, so that it is one: digest/LIST/MODE/SCHEDULE/ and what it is for.
func (t turn) key(l lists.List, what string, at time.Time, after *lists.Seq) task.Key {
	arg := run{List: l.ID, Mode: t.mode, Schedule: t.schedule, After: after}
	if after == nil {
		arg.Due = at
	}
	return task.Key{Kind: Kind, Name: fmt.Sprintf("%s/%s/%s/%s", l.ListID, t.mode, t.schedule, what), At: at, Arg: arg}
}

// Plan has each way of collecting run at the next instant of its schedule. The task is made before that, and so stands
// for it however long nobody was there to do it. Where much waits already, as the list has it, it has it run now.
func (k *Desk) Plan(_ context.Context, tx *store.Tx, now time.Time) (keys []task.Key, err error) {
	all, err := tx.Followers()
	if err != nil {
		return nil, err
	}
	var l lists.List
	planned := map[turn]bool{}
	for _, f := range all {
		if f.List != l.ID {
			if l, err = tx.List(f.List); err != nil {
				return nil, err
			}
			clear(planned)
		}
		t := turnOf(l, f)
		if k.builder(t.mode) == nil {
			continue
		}
		if !planned[t] {
			planned[t] = true
			at := t.schedule.Next(now)
			keys = append(keys, t.key(l, at.Format(time.DateOnly), at, nil))
			if t.mode == lists.Roundup && l.Policy.RoundupLead > 0 {
				keys = append(keys, t.draftKey(l, at))
			}
		}
		if many, err := much(tx, l, f.After); err != nil {
			return nil, err
		} else if many {
			keys = append(keys, t.key(l, "after-"+strconv.FormatUint(uint64(f.After), 10), now, &f.After))
		}
	}
	return keys, nil
}

// much reports whether more waits behind a number than the list lets wait for the clock.
func much(tx *store.Tx, l lists.List, after lists.Seq) (bool, error) {
	p := &l.Policy
	if p.DigestPosts == 0 && p.DigestSize == 0 || after >= l.LastSeq {
		return false, nil
	}
	posts, bytes, err := tx.DigestWaits(l.ID, after, l.LastSeq)
	return p.DigestPosts > 0 && posts >= p.DigestPosts || p.DigestSize > 0 && bytes >= p.DigestSize, err
}

// Send has all ways of collecting of a list run now, or those of one mode, and says how many there are.
func (k *Desk) Send(ctx context.Context, l lists.ID, mode lists.Mode) (n int, err error) {
	err = k.DB.Update(ctx, func(tx *store.Tx) error {
		n = 0
		l, err := tx.List(l)
		if err != nil {
			return err
		}
		all, err := tx.FollowersOf(l.ID)
		if err != nil {
			return err
		}
		sent := map[turn]bool{}
		for _, f := range all {
			t := turnOf(l, f)
			if sent[t] || k.builder(t.mode) == nil || mode != "" && t.mode != mode {
				continue
			}
			sent[t] = true
			n++
			key := t.key(l, "now-"+strconv.FormatInt(tx.Now.UnixMilli(), 36), time.Time{}, nil)
			if t.mode == lists.Roundup {
				if err := sendNow(tx, l.ID, t, &key); err != nil {
					return err
				}
			}
			if err := task.Add(tx, key); err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// begin fixes how far a run goes. The list's lock makes sure that all posts up to there are filed.
func (k *Desk) begin(a run) task.Commit {
	return func(ctx context.Context, tx *store.Tx) (task.Next, error) {
		l, err := tx.LockList(a.List)
		if errors.Is(err, store.ErrNotFound) {
			return task.Next{Done: true}, nil
		}
		if err != nil {
			return task.Next{}, err
		}
		if _, err := tx.SweepIssues(tx.Now.Add(-issuesKept), 1000); err != nil {
			return task.Next{}, err
		}
		if _, err := tx.SweepKept(tx.Now.Add(-issuesKept), 1000); err != nil {
			return task.Next{}, err
		}
		if _, err := tx.SweepCurations(tx.Now.Add(-curationKept)); err != nil {
			return task.Next{}, err
		}
		if a.After != nil {
			// Another node, or the clock, may have been faster.
			found := false
			all, err := tx.FollowersOf(l.ID, a.Mode)
			for _, f := range all {
				found = found || turnOf(l, f) == turn{a.Mode, a.Schedule} && f.After == *a.After
			}
			if err != nil || !found {
				return task.Next{Done: true}, err
			}
		}
		on := reached{UpTo: l.LastSeq, At: tx.Now}
		if a.Mode == lists.Roundup && !a.Due.IsZero() {
			return k.ruled(ctx, tx, l, a, on)
		}
		return task.Next{Cursor: on}, nil
	}
}

// Upcoming is an edition that somebody reads, and when its next issue is due.
type Upcoming struct {
	store.Edition
	Members int
	Next    time.Time
}

// Editions are those of a list that somebody reads, by mode, schedule and language.
func Editions(tx *store.Tx, l lists.List) (out []Upcoming, err error) {
	all, err := tx.FollowersOf(l.ID)
	if err != nil {
		return nil, err
	}
	for _, f := range all {
		t := turnOf(l, f)
		e, err := tx.Edition(l.ID, t.mode, t.schedule, language(l, f.Language))
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(out, func(u Upcoming) bool { return u.Edition == e })
		if at < 0 {
			at = len(out)
			out = append(out, Upcoming{Edition: e, Next: t.schedule.Next(tx.Now)})
		}
		out[at].Members += f.Members
	}
	slices.SortFunc(out, func(a, b Upcoming) int {
		return cmp.Or(cmp.Compare(a.Mode, b.Mode), cmp.Compare(a.Schedule.String(), b.Schedule.String()), cmp.Compare(a.Language, b.Language))
	})
	return out, nil
}
