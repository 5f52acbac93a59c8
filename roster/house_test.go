package roster

import (
	"encoding/binary"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"listd/lists"
	"listd/mail"
	"listd/queue"
	"listd/store"
	"listd/store/fresh"
	"listd/store/pgtest"
)

var update = flag.Bool("update", false, "rewrite what testdata wants")

func TestMain(m *testing.M) { pgtest.Main(m) }

// house is a site on a real database.
type house struct {
	*testing.T
	db    *store.DB
	books *Books
	shift duration // of the clock
}

// duration is one that a test moves while others read it.
type duration struct{ atomic.Int64 }

func (d *duration) Load() time.Duration { return time.Duration(d.Int64.Load()) }

// sqlite runs a test on SQLite: one in which the engines have no part of their own.
func sqlite(t *testing.T, test func(h *house)) {
	t.Parallel()
	test(newHouse(t))
}

// engines runs a test on both.
func engines(t *testing.T, test func(h *house)) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(newHouse(t))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(open(t, fresh.Postgres(t)))
	})
}

func newHouse(t *testing.T) *house { return open(t, fresh.SQLite(t)) }

func open(t *testing.T, url string) *house {
	t.Helper()
	h := &house{T: t}
	now := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	db, err := store.Open(t.Context(), store.Options{URL: url, Clock: func() time.Time { return now.Add(h.shift.Load()) }})
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
	var n atomic.Uint64
	h.db, h.books = db, &Books{DB: db, Out: queue.Out{Relay: true}, Hostname: "mx.test", Chance: func() (b [8]byte) {
		binary.BigEndian.PutUint64(b[:], n.Add(1))
		return b
	}}
	return h
}

func addr(s string) mail.Address {
	a, err := mail.ParseAddress(s)
	if err != nil {
		panic(err) // the test's own constant
	}
	return a
}

// must ends the test at an error.
func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// refuses wants an error of a kind, or with these words.
func (h *house) refuses(err, kind error, words string) {
	h.Helper()
	if err == nil || kind != nil && !errors.Is(err, kind) || !strings.Contains(err.Error(), words) {
		h.Errorf("the error is %v, want %v with %q", err, kind, words)
	}
}

func (h *house) create(address string, settings ...string) lists.List {
	h.Helper()
	l, _, err := h.books.Create(h.Context(), Creation{Address: addr(address), Settings: pairs(settings)})
	h.must(err)
	return l
}

func pairs(settings []string) map[string]string {
	out := map[string]string{}
	for _, s := range settings {
		k, v, _ := strings.Cut(s, "=")
		out[k] = v
	}
	return out
}

// add adds rows such as "ada@a.test", "tim@c.test none", "own@o.test - owner".
func (h *house) add(list string, rows ...string) Added {
	h.Helper()
	n, err := h.books.Add(h.Context(), addr(list), parse(rows), nil)
	h.must(err)
	return n
}

func parse(rows []string) (out []lists.Row) {
	for _, s := range rows {
		w := append(strings.Fields(s), "each", "member")
		r := lists.Row{Address: addr(w[0]), Mode: lists.Mode(w[1]), Roles: lists.Subscriber}
		if w[1] == "-" {
			r.Mode, r.Roles = "", 0
		}
		roles, err := lists.ParseRoles(w[2])
		if err == nil && w[2] != "member" {
			r.Roles |= roles
		}
		out = append(out, r)
	}
	return out
}

func (h *house) set(list, who string, options ...string) error {
	_, err := h.books.SetMember(h.Context(), addr(list), addr(who), pairs(options))
	return err
}

// all are a list's members as "address roles mode", in the order of their addresses.
func (h *house) all(list string) (out []string) {
	h.Helper()
	h.view(func(tx *store.Tx) error {
		members, err := AllMembers(tx, addr(list))
		for _, m := range members {
			s := m.Address.String() + " " + m.Roles.String()
			if m.Sub != nil {
				s += " " + string(m.Sub.Mode)
			}
			out = append(out, s)
		}
		return err
	})
	return out
}

func (h *house) has(list string, want ...string) {
	h.Helper()
	if diff := cmp.Diff(want, h.all(list)); diff != "" {
		h.Errorf("the members of %s (-want +got):\n%s", list, diff)
	}
}

func (h *house) view(f func(*store.Tx) error) {
	h.Helper()
	h.must(h.db.View(h.Context(), f))
}

func (h *house) at(address string) (l lists.List) {
	h.Helper()
	h.view(func(tx *store.Tx) (err error) {
		l, err = tx.ListAt(addr(address))
		return err
	})
	return l
}

func (h *house) subscription(list, who string) (s lists.Subscription) {
	h.Helper()
	l := h.at(list)
	h.view(func(tx *store.Tx) (err error) {
		s, err = tx.Subscription(l.ID, addr(who))
		return err
	})
	return s
}

// post begins the fan-out of a list's next post as a long list has it: nobody has a row yet.
func (h *house) post(list string) (id store.OutgoingID) {
	h.Helper()
	l := h.at(list)
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
		seq, err := tx.TakeSeq(l.ID, l.Version)
		if err != nil {
			return err
		}
		m, err := tx.AddMessage([]byte("Subject: x\r\n"), store.PackBody([]byte("x\r\n")))
		if err != nil {
			return err
		}
		id, err = tx.AddOutgoing(store.Outgoing{List: l.ID, Seq: seq, Message: m, From: l.Bounces(), Priority: queue.Post, GiveUp: tx.Now.Add(time.Hour)})
		return err
	}))
	return id
}

// fan ends the fan-out of an outgoing.
func (h *house) fan(id store.OutgoingID) {
	h.Helper()
	h.must(h.db.Update(h.Context(), func(tx *store.Tx) error {
		o, err := tx.Outgoing(id)
		if err != nil {
			return err
		}
		if _, _, err := tx.FanOut(o, 0, 1000, nil, true); err != nil {
			return err
		}
		return tx.SetFanned(id, -1)
	}))
}

// rcpts are who has a row of an outgoing.
func (h *house) rcpts(id store.OutgoingID) string {
	h.Helper()
	var out []string
	h.view(func(tx *store.Tx) error {
		all, err := tx.DeliveriesOf(id, "", 1000)
		for _, d := range all {
			out = append(out, d.Rcpt)
		}
		return err
	})
	slices.Sort(out)
	return strings.Join(out, " ")
}

// pageOf is the HTML of a notice, which has tests of its own.
var pageOf = regexp.MustCompile(`(?s)(Content-Type: text/html[^\r]*\r\n[^\r]*\r\n\r\n)<!DOCTYPE html>.*?</html>\r\n(\r\n--)`)

// golden compares a mail with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = pageOf.ReplaceAllString(got, "$1(the same as a page)\r\n$2")
	path := filepath.Join("testdata", name)
	if *update {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
