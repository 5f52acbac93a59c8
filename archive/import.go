package archive

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"time"

	"listd/lists"
	"listd/store"
)

// Importer takes collections of old mail into a list's archive.
type Importer struct {
	DB     *store.DB
	Follow *Follower // puts what is filed into threads; its Index may be nil, and words follow later

	// Progress is told after each chunk how far the collection has been read; may be nil.
	Progress func(Imported)
}

// Imported is what an import has come to.
type Imported struct {
	Read    int   // messages
	New     int   // of them filed
	Known   int   // the list had them already, or has no place for them
	Skipped int   // pieces that are no message
	Offset  int64 // bytes of the collection; see Old.Offset

	Odd []Oddity // what was odd, each kind once, in the order of their coming
}

// Oddity is one kind of what was odd, or skipped.
type Oddity struct {
	What  string
	Count int
	Where string // the first of them: file and line
}

// The size of a chunk: posts and bytes of their messages, which bound the transaction and the memory.
const (
	importPosts = 250
	importBytes = 4 << 20
	maxOddities = 200
)

// Import files the messages of a collection, in chunks of a transaction each: a server goes on accepting meanwhile, and an
// import that was broken off and is run again passes over what it has filed. An error is the database's, or the end of a
// collection that cannot be read; what was filed before stays.
func (im *Importer) Import(ctx context.Context, l lists.List, collection iter.Seq2[Old, error]) (sum Imported, err error) {
	if err := im.threads(ctx, l); err != nil {
		return sum, err
	}
	odd := map[string]int{}
	note := func(what, where string) {
		i, known := odd[what]
		if !known {
			if len(sum.Odd) == maxOddities {
				return
			}
			i = len(sum.Odd)
			odd[what] = i
			sum.Odd = append(sum.Odd, Oddity{What: what, Where: where})
		}
		sum.Odd[i].Count++
	}
	var chunk []Old
	var bytes int64
	for old, err := range collection {
		if skip := (*SkipError)(nil); errors.As(err, &skip) {
			sum.Skipped++
			note("skipped: "+skip.Why, skip.Place)
			continue
		}
		if err != nil {
			return sum, errors.Join(fmt.Errorf("%s: %w", old.Place, err), im.file(ctx, l, chunk, &sum))
		}
		sum.Read++
		sum.Offset = old.Offset
		for _, what := range old.Odd {
			note(what, old.Place)
		}
		chunk = append(chunk, old)
		if bytes += old.Message.Size(); len(chunk) < importPosts && bytes < importBytes {
			continue
		}
		if err := im.file(ctx, l, chunk, &sum); err != nil {
			return sum, err
		}
		chunk, bytes = nil, 0
	}
	return sum, im.file(ctx, l, chunk, &sum)
}

// file files a chunk and puts it into threads.
func (im *Importer) file(ctx context.Context, l lists.List, chunk []Old, sum *Imported) error {
	if len(chunk) == 0 {
		return nil
	}
	posts := ready(l, chunk, im.DB.Now())
	for {
		var fresh int
		err := im.DB.Update(ctx, func(tx *store.Tx) (err error) { fresh, err = FileOld(tx, l, posts); return err })
		if errors.Is(err, ErrUnread) { // others post meanwhile
			if err := im.threads(ctx, l); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		sum.New, sum.Known = sum.New+fresh, sum.Known+len(chunk)-fresh
		break
	}
	if im.Progress != nil {
		im.Progress(*sum)
	}
	return im.threads(ctx, l)
}

// threads has all that was filed of a list put into threads, without its words.
func (im *Importer) threads(ctx context.Context, l lists.List) error {
	f := *im.Follow
	f.Index = nil
	return f.CatchUp(ctx, l.ID)
}

// ready makes a chunk ready outside the transaction, on all cores.
func ready(l lists.List, chunk []Old, now time.Time) []OldPost {
	out := make([]OldPost, len(chunk))
	var wg sync.WaitGroup
	n := runtime.GOMAXPROCS(0)
	for worker := range n {
		wg.Go(func() {
			for i := worker; i < len(chunk); i += n {
				m := chunk[i].Message
				e := Describe(l, m, now)
				if d := chunk[i].Received; e.Date.Equal(now) && !d.IsZero() {
					e.Date = d // it has no Date of its own
				}
				out[i] = OldPost{Entry: e, Head: m.Head, Body: store.PackBody(m.Body)}
			}
		})
	}
	wg.Wait()
	return out
}
