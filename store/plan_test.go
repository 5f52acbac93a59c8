package store

import (
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"listd/store/pgtest"
)

var deferredRows = flag.Int("deferred", 20_000, "deferred rows in the queue that must cost a claim nothing")

// watched keeps the statements that run.
type watched struct {
	queryer
	ran []ranQuery
}

type ranQuery struct {
	text string
	args []any
}

func (w *watched) query(query string, args []any) (*sql.Rows, error) {
	w.ran = append(w.ran, ranQuery{query, args})
	return w.queryer.query(query, args)
}

// crowded is a queue with many deferred rows of a busy destination and 10 due ones elsewhere.
func crowded(t testing.TB, url string, deferred int) *DB {
	t.Helper()
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	db, err := Open(t.Context(), Options{URL: url, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(t.Context(), func(tx *Tx) error {
		m, err := tx.AddMessage([]byte("A: b\r\n"), PackBody(nil))
		if err != nil {
			return err
		}
		o, err := tx.AddOutgoing(Outgoing{Message: m, Priority: 1, FannedTo: -1})
		if err != nil {
			return err
		}
		big := db.dialect.bigint()
		for _, e := range []struct {
			n      int
			domain string
			next   time.Time
		}{{deferred, "busy.example", now.Add(time.Hour)}, {10, "due.example", now}, {10, "busy.example", now}} {
			if _, err := tx.exec(`WITH RECURSIVE n (i) AS (SELECT `+big+` UNION ALL SELECT i + 1 FROM n WHERE i < ?)
				INSERT INTO deliveries (outgoing_id, subscription_id, rcpt, destination, priority, next_at)
				SELECT `+big+`, i, 'user' || i || '@' || CAST(? AS TEXT), CAST(? AS TEXT), 1, `+big+` FROM n WHERE i <= ?`,
				int64(e.next.Sub(now)), int64(e.next.Sub(now))+int64(e.n)-1, int64(o), e.domain, e.domain, millis(e.next),
				int64(e.next.Sub(now))+int64(e.n)-1); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return db
}

// claimOnce is what a worker asks of the queue again and again.
func claimOnce(tx *Tx) error {
	if _, err := tx.Lanes(nil, 100); err != nil {
		return err
	}
	claimed, err := tx.Claim(Lane{Destination: "busy.example", Priority: 1}, 5, 7, tx.Now.Add(time.Minute))
	if err == nil && len(claimed) != 5 {
		err = fmt.Errorf("%d rows were claimed", len(claimed))
	}
	return err
}

// TestPlan holds Lanes and Claim to deliveries_due: without it 90,000 due rows of one destination cost the claim of
// another 200 ms each.
func TestPlan(t *testing.T) {
	t.Parallel()
	for _, e := range []struct {
		engine  string
		url     func(testing.TB) string
		explain string
		analyze string
	}{
		{"SQLite", func(t testing.TB) string { return filepath.Join(t.TempDir(), "listd.db") }, `EXPLAIN QUERY PLAN `, ``},
		{"Postgres", func(t testing.TB) string { return pgtest.URL(t) }, `EXPLAIN `, `ANALYZE deliveries`},
	} {
		t.Run(e.engine, func(t *testing.T) {
			t.Parallel()
			db := crowded(t, e.url(t), 5000)
			if err := db.Update(t.Context(), func(tx *Tx) error {
				if e.analyze != "" {
					if _, err := tx.exec(e.analyze); err != nil {
						return err
					}
				}
				w := &watched{queryer: tx.q}
				tx.q = w
				if err := claimOnce(tx); err != nil {
					return err
				}
				if len(w.ran) < 3 {
					t.Errorf("only %d statements were seen", len(w.ran))
				}
				tx.q = w.queryer
				for _, q := range w.ran {
					var plan []string
					if err := tx.each(e.explain+q.text, q.args, func(scan func(...any) error) error {
						line := make([]any, 1)
						if e.engine == "SQLite" {
							line = make([]any, 4)
						}
						to := make([]any, len(line))
						for i := range line {
							to[i] = &line[i]
						}
						err := scan(to...)
						plan = append(plan, fmt.Sprint(line[len(line)-1]))
						return err
					}); err != nil {
						return err
					}
					text := strings.Join(plan, "\n")
					if !strings.Contains(text, "deliveries_due") {
						t.Errorf("deliveries_due is not used:\n%s\n%s", q.text, text)
					}
					for _, bad := range []string{"SCAN deliveries\n", "Seq Scan on deliveries", "USE TEMP B-TREE", "Sort Key"} {
						if strings.Contains(text+"\n", bad) {
							t.Errorf("the plan has %q:\n%s\n%s", bad, q.text, text)
						}
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// errUndo has a claim rolled back, so that the next finds the same.
var errUndo = errors.New("undo")

// BenchmarkClaim shows what deferred rows cost a claim: both parts should take about as long. The number of rows is
// -deferred's.
func BenchmarkClaim(b *testing.B) {
	for _, n := range []int{1, *deferredRows} {
		b.Run(fmt.Sprintf("deferred=%d", n), func(b *testing.B) {
			db := crowded(b, filepath.Join(b.TempDir(), "listd.db"), n)
			for b.Loop() {
				if err := db.Update(b.Context(), func(tx *Tx) error {
					if err := claimOnce(tx); err != nil {
						return err
					}
					return errUndo
				}); !errors.Is(err, errUndo) {
					b.Fatal(err)
				}
			}
		})
	}
}
