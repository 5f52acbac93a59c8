package web

import (
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"listd/archive"
	"listd/auth"
	"listd/lists"
	"listd/mail"
	"listd/store"
)

var benchPosts = flag.Int("posts", 20_000, "posts of the archive that BenchmarkPages reads")

// BenchmarkPages reads pages of an archive of -posts posts of 2 KiB, ten to a thread and some two hours apart, each as a
// visitor who has never been there, and tells each kind's 95th percentile.
//
//	go test ./web -run XXX -bench Pages -benchtime 1x -posts 300000
func BenchmarkPages(b *testing.B) {
	db, err := store.Open(b.Context(), store.Options{URL: filepath.Join(b.TempDir(), "listd.db"), Clock: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := db.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	months := fill(b, db, r)
	site := &Site{Library: &archive.Library{DB: db}, Users: &auth.Users{DB: db}, Hostname: "lists.test", Log: slog.New(slog.DiscardHandler), Now: time.Now}
	pages := site.Handler()
	for _, c := range []struct {
		name string
		path func() string
	}{
		{"thread", func() string { return fmt.Sprintf("/l/dev@lists.test/t/%d/", r.IntN(*benchPosts/10)*10+1) }},
		{"month", func() string { return "/l/dev@lists.test/" + months[r.IntN(len(months))] + "/" }},
		{"post", func() string { return fmt.Sprintf("/l/dev@lists.test/%d", 1+r.IntN(*benchPosts)) }},
		{"list", func() string { return "/l/dev@lists.test/" }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				for range 200 {
					w, q := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, c.path(), nil)
					start := time.Now()
					pages.ServeHTTP(w, q)
					took = append(took, time.Since(start))
					if w.Code != http.StatusOK {
						b.Fatalf("%s: %d", q.URL, w.Code)
					}
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
		})
	}
}

// fill files posts and threads them, and returns the months that they are of, as paths have them.
func fill(b *testing.B, db *store.DB, r *rand.Rand) (months []string) {
	update := func(f func(tx *store.Tx) error) {
		if err := db.Update(b.Context(), f); err != nil {
			b.Fatal(err)
		}
	}
	l := lists.List{Address: mail.Address{Local: "dev", Domain: "lists.test"}, ListID: "dev.lists.test", Policy: lists.DefaultPolicy()}
	update(func(tx *store.Tx) (err error) {
		id, err := tx.CreateList(l)
		if err == nil {
			l, err = tx.List(id)
		}
		return err
	})
	at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	line := "Somebody has written a line about something that others will answer in turn.\r\n"
	for n := 0; n < *benchPosts; {
		update(func(tx *store.Tx) error {
			for range min(500, *benchPosts-n) {
				at = at.Add(time.Duration(1+r.IntN(14_000)) * time.Second)
				first := n / 10 * 10
				head := fmt.Sprintf("From: Member %d <m%d@example.org>\r\nDate: %s\r\nSubject: Thread %d\r\nMessage-ID: <%d@example.org>\r\n",
					n%500, n%500, at.Format(time.RFC1123Z), first, n)
				if n > first {
					head += fmt.Sprintf("In-Reply-To: <%d@example.org>\r\n", first+r.IntN(n-first))
				}
				m := mail.Message{Head: []byte(head), Body: []byte(fmt.Sprintf("Post %d.\r\n", n) + strings.Repeat(line, 6) + strings.Repeat("> "+line, 18))}
				id, err := tx.AddMessage(m.Head, store.PackBody(m.Body))
				if err != nil {
					return err
				}
				if _, err := archive.File(tx, l, archive.Describe(l, m, at), id); err != nil {
					return err
				}
				if month := at.Format("2006-01"); !slices.Contains(months, month) {
					months = append(months, month)
				}
				n++
			}
			return nil
		})
	}
	if err := (&archive.Follower{DB: db}).CatchUp(b.Context(), l.ID); err != nil {
		b.Fatal(err)
	}
	return months
}
