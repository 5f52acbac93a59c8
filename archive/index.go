package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"

	"listd/lists"
	"listd/mail"
	"listd/store"
)

// Indexer writes the words of posts by which Search finds them. What takes long, reading messages and cutting their texts,
// happens outside of transactions, on all cores, while the batch before is written; a batch and the archive's cursor
// commit together, so that several nodes may index the same list, and a crash costs a batch at most.
type Indexer struct {
	DB  *store.DB
	Log *slog.Logger // may be nil
}

// The size of a batch: posts, bytes of messages, and bytes of tokens. It bounds the transaction to about 50 ms. A round is
// what one call of Index does.
const (
	indexPosts  = 64
	indexBytes  = 4 << 20
	indexTokens = 192 << 10
	indexRound  = 2048 // posts
)

// After each batch the index is merged in steps of this many pages, for as many steps as it takes on average to keep up.
const (
	mergePages = 24
	mergeSteps = 6
)

// errMoved says that another has indexed these posts, or that one of the list was removed meanwhile.
var errMoved = errors.New("the archive has changed")

// Index takes in some posts of a list up to a number, all of which have their places, and moves the archive's cursor; again
// says that there are more. Hidden and removed posts get no words. Of a post that cannot be read the subject and the author
// are found. It fits Follower.Index.
func (x *Indexer) Index(ctx context.Context, l lists.List, upTo lists.Seq) (again bool, err error) {
	var a store.Archive
	if err := x.DB.View(ctx, func(tx *store.Tx) (err error) { a, err = tx.Archive(l.ID); return err }); err != nil {
		return false, err
	}
	from := a.Indexed
	if upTo = min(upTo, a.Threaded); from >= upTo {
		return false, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	batches, failed := make(chan portion, 1), make(chan error, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		defer close(batches)
		failed <- x.read(ctx, l.ID, from, min(upTo, from+indexRound), batches)
	})
	for b := range batches {
		if err := x.write(ctx, a, b); errors.Is(err, errMoved) {
			return true, nil
		} else if err != nil {
			return false, err
		}
		a.Indexed = b.to
	}
	return a.Indexed < upTo, <-failed
}

// portion is a run of posts made ready for the index.
type portion struct {
	to    lists.Seq // they reach up to here
	posts []readied
}

// readied is a post made ready.
type readied struct {
	post  store.Post
	words store.Words
	files int
}

// read makes the posts in (from, upTo] ready, in batches.
func (x *Indexer) read(ctx context.Context, l lists.ID, from, upTo lists.Seq, to chan<- portion) error {
	for from < upTo {
		var posts []store.Post
		var messages []mail.Message
		if err := x.DB.View(ctx, func(tx *store.Tx) (err error) {
			posts, messages, err = load(tx, l, from, upTo)
			return err
		}); err != nil {
			if posts, messages, err = x.loadOneByOne(ctx, posts, err); err != nil {
				return err
			}
		}
		done := upTo
		if len(posts) > 0 {
			done = posts[len(posts)-1].Seq
		}
		ready := x.prepare(ctx, posts, messages)
		for len(ready) > 0 {
			n, size := 0, 0
			for n < len(ready) && (n == 0 || size < indexTokens) {
				w := ready[n].words
				size += len(w.Own) + len(w.Quoted) + len(w.Subject) + len(w.Author) + len(w.Files)
				n++
			}
			b := portion{to: ready[n-1].post.Seq, posts: ready[:n]}
			select {
			case to <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
			from, ready = b.to, ready[n:]
		}
		if len(posts) == 0 { // there are numbers without posts, once
			select {
			case to <- portion{to: done}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		from = done
	}
	return nil
}

// load reads posts and their messages, as many as a batch holds. Of those that readers do not see it reads none.
func load(tx *store.Tx, l lists.ID, from, upTo lists.Seq) (posts []store.Post, messages []mail.Message, err error) {
	found, err := tx.PostsAfter(l, from, indexPosts)
	if err != nil {
		return nil, nil, err
	}
	var size int64
	for i, p := range found {
		if p.Seq > upTo || i > 0 && size+p.Size > indexBytes {
			break
		}
		var m mail.Message
		if seen(p) {
			size += p.Size
			if m, err = tx.Message(p.Message); err != nil {
				return found, nil, fmt.Errorf("post %d: %w", p.Seq, err)
			}
		}
		posts, messages = append(posts, p), append(messages, m)
	}
	return posts, messages, nil
}

// seen reports whether readers may find a post.
func seen(p store.Post) bool { return p.Place > 0 && !p.Hidden && p.Removed.IsZero() }

// loadOneByOne reads messages each in a transaction of its own after one failed: to tell one that cannot be read, which must
// not hold up the others, from a database that cannot be read at all, which fails the next transaction too. Of what cannot
// be read there is an empty message.
func (x *Indexer) loadOneByOne(ctx context.Context, posts []store.Post, cause error) ([]store.Post, []mail.Message, error) {
	if len(posts) == 0 || ctx.Err() != nil {
		return nil, nil, cause
	}
	posts = posts[:min(len(posts), 8)]
	messages := make([]mail.Message, len(posts))
	for i, p := range posts {
		if !seen(p) {
			continue
		}
		err := x.DB.View(ctx, func(tx *store.Tx) (err error) { messages[i], err = tx.Message(p.Message); return err })
		if err == nil {
			continue
		}
		messages[i] = mail.Message{}
		if e := x.DB.View(ctx, func(tx *store.Tx) error { _, err := tx.Post(p.List, p.Seq); return err }); e != nil {
			return nil, nil, err
		}
		x.complain(ctx, p, err)
	}
	return posts, messages, nil
}

func (x *Indexer) complain(ctx context.Context, p store.Post, err error) {
	if x.Log != nil {
		x.Log.LogAttrs(ctx, slog.LevelError, "a post cannot be indexed", slog.Int64("list", int64(p.List)), slog.Int("seq", int(p.Seq)), slog.Any("error", err))
	}
}

// prepare cuts the texts of messages into tokens, on all cores.
func (x *Indexer) prepare(ctx context.Context, posts []store.Post, messages []mail.Message) []readied {
	out := make([]readied, len(posts))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(posts)) {
		wg.Go(func() {
			for i := range next {
				out[i] = x.one(ctx, posts[i], messages[i])
			}
		})
	}
	for i := range posts {
		next <- i
	}
	close(next)
	wg.Wait()
	return out
}

// one makes a post ready. What goes wrong with its message, which strangers have made, leaves its subject and author.
func (x *Indexer) one(ctx context.Context, p store.Post, m mail.Message) (out readied) {
	out = readied{post: p}
	if !seen(p) {
		return out
	}
	out.words = store.Words{Subject: tokens(p.Subject), Author: tokens(authorText(p.Author))}
	defer func() {
		if e := recover(); e != nil {
			x.complain(ctx, p, fmt.Errorf("panic: %v", e))
		}
	}()
	own, quoted, names, files := texts(m)
	out.words.Own, out.words.Quoted, out.words.Files = tokens(own), tokens(quoted), tokens(names)
	out.files, out.words.Attached = files, files > 0
	return out
}

// authorText is what an author is found by: the mailbox, and where it has no name, the part before the @, which is shown to
// all.
func authorText(author string) string {
	if strings.Contains(author, "<") {
		return author
	}
	local, _, _ := strings.Cut(author, "@")
	return local + " " + author
}

// texts are what is found of a message: what its author wrote, what is quoted, the names of files; and how many are
// attached, not counting pictures in its text.
func texts(m mail.Message) (own, quoted, names string, files int) {
	b := mail.ReadBody(m, maxText)
	var o, q, n strings.Builder
	for _, block := range mail.Blocks(b.Text) {
		switch {
		case block.Signature:
		case block.Depth > 0:
			q.WriteString(block.Text + "\n")
		default:
			o.WriteString(block.Text + "\n")
		}
	}
	for _, f := range b.Files {
		n.WriteString(f.Name + "\n")
		if !f.Inline || !strings.HasPrefix(f.Type, "image/") {
			files++
		}
	}
	return o.String(), q.String(), n.String(), files
}

// write writes a batch and moves the cursor, then merges the index a little.
func (x *Indexer) write(ctx context.Context, a store.Archive, b portion) error {
	if err := x.DB.Update(ctx, func(tx *store.Tx) error { return record(tx, a, b) }); err != nil {
		return err
	}
	for range mergeSteps {
		var more bool
		if err := x.DB.Update(ctx, func(tx *store.Tx) (err error) { more, err = tx.MergeWords(mergePages); return err }); err != nil {
			return err
		}
		if !more {
			break
		}
	}
	return nil
}

// record writes a batch, unless a post was removed since it was read. Who removes one waits for us, or we for them.
func record(tx *store.Tx, a store.Archive, b portion) error {
	moved, err := tx.MoveIndexed(a, b.to)
	if err != nil {
		return err
	}
	if !moved {
		return errMoved
	}
	open, err := tx.OpenPlaces(a.List, a.Indexed, b.to)
	if err != nil {
		return err
	}
	words, files := make([]store.Words, 0, len(b.posts)), map[lists.Seq]int{}
	var gone []store.Place
	for _, p := range b.posts {
		place, ok := open[p.post.Seq]
		switch {
		case ok:
			p.words.Place = place
			words = append(words, p.words)
			if p.files != p.post.Files {
				files[p.post.Seq] = p.files
			}
		case p.post.Place > 0:
			gone = append(gone, p.post.Place) // it may have words of before
		}
	}
	if err := tx.DropWords(gone...); err != nil {
		return err
	}
	if len(files) > 0 {
		if err := tx.SetFiles(a.List, files); err != nil {
			return err
		}
	}
	return tx.AddWords(words)
}

// Reindex writes the words of all posts of a list anew, in steps; meanwhile those of before are found.
func (x *Indexer) Reindex(ctx context.Context, l lists.List) error {
	var upTo lists.Seq
	if err := x.DB.Update(ctx, func(tx *store.Tx) error {
		a, err := tx.OpenArchive(l.ID)
		if err != nil {
			return err
		}
		upTo = a.Threaded
		_, err = tx.MoveIndexed(a, 0)
		return err
	}); err != nil {
		return fmt.Errorf("reindex %s: %w", l.Address, err)
	}
	for again := true; again; {
		var err error
		if again, err = x.Index(ctx, l, upTo); err != nil {
			return fmt.Errorf("reindex %s: %w", l.Address, err)
		}
	}
	return x.Tidy(ctx)
}

// Tidy merges the whole index into one piece, in short steps: worth its time after an import, since that is smaller (by a
// tenth, or more if there are few posts) and faster to search. PostgreSQL needs none.
func (x *Indexer) Tidy(ctx context.Context) error {
	for pages, more := -mergePages, true; more; pages = mergePages {
		if err := x.DB.Update(ctx, func(tx *store.Tx) (err error) { more, err = tx.MergeWords(pages); return err }); err != nil {
			return fmt.Errorf("tidy the index of words: %w", err)
		}
	}
	return nil
}
