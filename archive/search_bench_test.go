package archive_test

import (
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"listd/archive"
	"listd/lists"
	"listd/mail"
	"listd/store"
	"listd/store/pgtest"
)

var (
	benchMails = flag.Int("mails", 2000, "mails that BenchmarkIndex indexes")
	benchPosts = flag.Int("posts", 20_000, "posts that BenchmarkSearch looks through")
	benchAt    = flag.String("at", "", "the database of BenchmarkSearch, which is made if it is not there, and stays")
	benchPG    = flag.Bool("pg", false, "benchmark on PostgreSQL")
)

// vocabulary is 60,000 words, the frequent ones short, drawn as people draw theirs (Zipf).
type vocabulary struct {
	zipf *rand.Zipf
	*rand.Rand
	last *[100]string // Message-IDs of the letters of late
}

func newVocabulary(seed uint64) vocabulary {
	r := rand.New(rand.NewPCG(seed, 1))
	return vocabulary{rand.NewZipf(r, 1.07, 3, 60_000), r, new([100]string)}
}

func nthWord(i int) string {
	const consonants, vowels = "tnsrhldcmfpgwbvkjz", "eaiou"
	var b []byte
	for i++; i > 0; i /= 90 {
		b = append(b, consonants[i%18], vowels[i/18%5])
	}
	return string(b) + []string{"", "n", "s", "ing", "ly", "r"}[len(b)*int(b[0])%6]
}

// text is about n bytes of sentences, with lines and paragraphs.
func (v vocabulary) text(n int, prefix string) string {
	var b strings.Builder
	for line := prefix; b.Len() < n; {
		line += nthWord(int(v.zipf.Uint64()))
		switch v.IntN(12) {
		case 0:
			line += "."
		case 1:
			line += ","
		}
		if len(line) > 66 {
			b.WriteString(line + "\r\n")
			line = prefix
			continue
		}
		line += " "
	}
	return b.String()
}

// letter is a mail of about 4 KiB as lists have them: with the head of one that has come over two servers, an answer that
// quotes a third; two in three answer one of the last hundred, the others one that is not there.
func (v vocabulary) letter(n int, at time.Time) mail.Message {
	author := v.IntN(500)
	subject := strings.Join(strings.Fields(v.text(40, "")), " ")
	date, id, answers := at.Format(time.RFC1123Z), fmt.Sprintf("%016x.%d@example.com", v.Uint64(), n), fmt.Sprintf("%016x@example.com", v.Uint64())
	if known := v.last[v.IntN(len(v.last))]; known != "" && v.IntN(3) > 0 {
		answers = known
	}
	v.last[n%len(v.last)] = id
	head := fmt.Sprintf("Received: from mx%d.example.com (mx.example.com [192.0.2.%d]) by lists.example.org with ESMTPS id %016x\r\n"+
		"\tfor <dev@lists.example.org>; %s\r\n", v.IntN(9), v.IntN(250), v.Uint64(), date) +
		fmt.Sprintf("Received: from localhost by mx.example.com with ESMTPSA id %016x; %s\r\n", v.Uint64(), date) +
		fmt.Sprintf("Message-ID: <%s>\r\nDate: %s\r\nFrom: %s %s <%s%d@example.com>\r\nTo: dev@lists.example.org\r\nSubject: Re: %s\r\n",
			id, date, nthWord(author), nthWord(author+7000), nthWord(author), author, subject) +
		fmt.Sprintf("In-Reply-To: <%s>\r\nReferences: <%[1]s>\r\nUser-Agent: Example Mail 1.0\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n", answers)
	room := 4096 - len(head)
	body := v.text(room/3, "> ") + "\r\n" + v.text(room*2/3-100, "") + "\r\n-- \r\n" + nthWord(author) + "\r\n"
	return mail.Message{Head: []byte(head), Body: []byte(body)}
}

// BenchmarkIndex indexes -mails mails of 4 KiB, and then puts the same texts into a bare FTS5 table of the engine's
// defaults, on the same disk, in transactions of as many rows.
//
//	go test ./archive -run XXX -bench Index$ -benchtime 1x -mails 20000
func BenchmarkIndex(b *testing.B) {
	for b.Loop() {
		url := filepath.Join(b.TempDir(), "listd.db")
		if *benchPG {
			url = pgtest.URL(b)
		}
		d := newDesk(b, url)
		l := d.list("dev")
		v := newVocabulary(7)
		var mbox, messages int64
		at := day(1)
		for done := 0; done < *benchMails; {
			d.update(func(tx *store.Tx) error {
				now, err := tx.List(l.ID)
				if err != nil {
					return err
				}
				for range min(100, *benchMails-done) {
					at = at.Add(time.Duration(v.IntN(4000)) * time.Second)
					m := v.letter(done, at)
					id, err := tx.AddMessage(m.Head, store.PackBody(m.Body))
					if err != nil {
						return err
					}
					if _, err := archive.File(tx, now, archive.Describe(now, m, at), id); err != nil {
						return err
					}
					mbox += m.Size() + 60
					done++
				}
				return nil
			})
		}
		messages = int64(*benchMails)
		f := archive.Follower{DB: d.db}
		if err := f.CatchUp(b.Context(), l.ID); err != nil {
			b.Fatal(err)
		}
		before := d.size(url)
		start, cpu := time.Now(), used()
		for again := true; again; {
			var err error
			if again, err = d.ix.Index(b.Context(), l, lists.Seq(messages)); err != nil {
				b.Fatal(err)
			}
		}
		took, cpu := time.Since(start), used()-cpu
		after := d.size(url)
		start = time.Now()
		if err := d.ix.Tidy(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds(), "tidy-s")
		b.ReportMetric(float64(d.size(url)-before)/float64(mbox), "tidy-index/mbox")
		b.ReportMetric(float64(messages)/took.Seconds(), "mails/s")
		b.ReportMetric(float64(messages)/cpu.Seconds(), "mails/cpu-s")
		b.ReportMetric(float64(after)/float64(mbox), "size/mbox")
		b.ReportMetric(float64(after-before)/float64(mbox), "index/mbox")
		if !*benchPG {
			bare, bareCPU := d.bare(b, int(messages))
			b.ReportMetric(float64(messages)/bare.Seconds(), "bare/s")
			b.ReportMetric(float64(messages)/bareCPU.Seconds(), "bare/cpu-s")
			b.ReportMetric(bare.Seconds()/took.Seconds(), "of-bare")
		}
	}
}

// used is the time that the process has computed.
func used() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r) // it is there on every system that the tests run on
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// size is the size of a database in bytes, the pages that are free too.
func (d *desk) size(url string) (n int64) {
	if *benchPG {
		return 1
	}
	raw, err := sql.Open("sqlite", "file:"+url)
	if err != nil {
		d.Fatal(err)
	}
	defer raw.Close()
	var free int64
	if err := raw.QueryRow(`SELECT page_count * page_size, freelist_count * page_size FROM pragma_page_count, pragma_page_size, pragma_freelist_count`).Scan(&n, &free); err != nil {
		d.Fatal(err)
	}
	rows, err := raw.Query(`SELECT name, SUM(pgsize), SUM(unused) FROM dbstat GROUP BY name HAVING SUM(pgsize) > 100000 ORDER BY 2 DESC`)
	if err != nil {
		d.Fatal(err)
	}
	defer rows.Close()
	d.Logf("free: %d bytes", free)
	for rows.Next() {
		var name string
		var size, unused int64
		if err := rows.Scan(&name, &size, &unused); err != nil {
			d.Fatal(err)
		}
		d.Logf("%s: %d bytes, %d of them unused", name, size, unused)
	}
	return n
}

// bare puts the texts of the mails into a table of FTS5 as it is.
func (d *desk) bare(b *testing.B, n int) (took, cpu time.Duration) {
	path := filepath.Join(b.TempDir(), "bare.db")
	raw, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-16384)&_pragma=wal_autocheckpoint(4000)")
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close()
	raw.SetMaxOpenConns(1)
	if _, err := raw.Exec(`CREATE VIRTUAL TABLE bare USING fts5(subject, author, own, content = '')`); err != nil {
		b.Fatal(err)
	}
	v := newVocabulary(7)
	at := day(1)
	for done := 0; done < n; {
		var rows []mail.Message
		for range min(64, n-done-len(rows)) {
			at = at.Add(time.Duration(v.IntN(4000)) * time.Second)
			rows = append(rows, v.letter(done, at))
		}
		start, c := time.Now(), used()
		tx, err := raw.Begin()
		if err != nil {
			b.Fatal(err)
		}
		for _, m := range rows {
			done++
			if _, err := tx.Exec(`INSERT INTO bare (rowid, subject, author, own) VALUES (?, ?, ?, ?)`, done, mail.Get(m.Head, "Subject"), mail.Get(m.Head, "From"), string(m.Body)); err != nil {
				b.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
		took, cpu = took+time.Since(start), cpu+used()-c
	}
	return took, cpu
}

// BenchmarkSearch searches -posts posts of some 700 bytes, and tells each kind of search's 95th percentile.
//
//	go test ./archive -run XXX -bench Search$ -benchtime 1x -posts 300000 -at /tmp/search.db
func BenchmarkSearch(b *testing.B) {
	url := filepath.Join(b.TempDir(), "listd.db")
	if *benchPG {
		url = pgtest.URL(b)
	} else if *benchAt != "" {
		url = *benchAt
	}
	d := newDesk(b, url)
	var l lists.List
	if err := d.db.View(b.Context(), func(tx *store.Tx) (err error) {
		l, err = tx.ListAt(mail.Address{Local: "dev", Domain: "lists.example.org"})
		return err
	}); err != nil {
		l = d.list("dev")
		d.fill(l, *benchPosts)
	}
	a := d.open(l)
	v := newVocabulary(8)
	pick := func(from, to int) string { return nthWord(from + v.IntN(to-from)) }
	for _, c := range []struct {
		name  string
		query func() string
	}{
		{"common", func() string { return pick(0, 20) }},
		{"two common", func() string { return pick(0, 20) + " " + pick(0, 20) }},
		{"middling", func() string { return pick(200, 1000) }},
		{"rare", func() string { return pick(20_000, 60_000) }},
		{"phrase", func() string { return `"` + pick(0, 60) + " " + pick(0, 60) + `"` }},
		{"rare phrase", func() string { return `"` + pick(0, 20) + " " + pick(2000, 5000) + `"` }},
		{"subject", func() string { return "subject:" + pick(0, 1000) }},
		{"from", func() string { return "from:" + pick(0, 500) }},
		{"common and rare", func() string { return pick(0, 20) + " " + pick(10_000, 60_000) }},
		{"not", func() string { return pick(0, 20) + " -" + pick(0, 20) }},
		{"or", func() string { return pick(0, 20) + " OR " + pick(200, 1000) }},
		{"beginning", func() string { return pick(1000, 5000)[:4] + "*" }},
		{"files", func() string { return "has:attachment " + pick(0, 20) }},
		{"dates", func() string { return pick(0, 20) + " date:2031" }},
	} {
		for _, q := range []archive.Query{{}, {Group: true}, {ByRank: true}} {
			name := c.name + map[bool]string{true: ", ranked"}[q.ByRank] + map[bool]string{true: ", grouped"}[q.Group]
			b.Run(name, func(b *testing.B) {
				var took []time.Duration
				hits, cpu := 0, used()
				for b.Loop() {
					for range 20 {
						q.Text = c.query()
						start := time.Now()
						res, err := a.Search(b.Context(), q, "", 20)
						if err != nil {
							b.Fatal(err)
						}
						took = append(took, time.Since(start))
						hits += len(res.Hits)
					}
				}
				b.ReportMetric(float64((used()-cpu).Microseconds())/1000/float64(len(took)), "cpu-ms")
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
				b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
				b.ReportMetric(float64(hits)/float64(len(took)), "hits")
			})
		}
	}
}

// fill files posts with words, in the order of their dates, some two hours apart, ten to a thread.
func (d *desk) fill(l lists.List, n int) {
	v := newVocabulary(7)
	at := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	var message store.MessageID
	d.update(func(tx *store.Tx) (err error) {
		if _, err := tx.OpenArchive(l.ID); err != nil {
			return err
		}
		message, err = tx.AddMessage([]byte("Subject: s\r\n"), store.PackBody([]byte(v.text(700, ""))))
		return err
	})
	for seq := lists.Seq(1); int(seq) <= n; {
		d.update(func(tx *store.Tx) error {
			var posts []store.Post
			var words []store.Words
			for range 200 {
				at = at.Add(time.Duration(1+v.IntN(7000)) * time.Second)
				p := store.Post{List: l.ID, Seq: seq, Message: message, Origin: "posted", Date: at, Place: store.PlaceAt(l.ID, at),
					Thread: store.ThreadFrom(l.ID, (seq-1)/10*10+1)}
				if err := tx.AddPost(p); err != nil {
					return err
				}
				posts = append(posts, p)
				words = append(words, store.Words{Place: p.Place, Subject: plainWords(v.text(40, "")), Author: nthWord(v.IntN(500)) + " example org",
					Own: plainWords(v.text(500, "")), Quoted: plainWords(v.text(200, "")), Attached: seq%50 == 0})
				seq++
			}
			if err := tx.SetThreaded(l.ID, posts); err != nil {
				return err
			}
			return tx.AddWords(words)
		})
		for range 4 {
			d.update(func(tx *store.Tx) error { _, err := tx.MergeWords(24); return err })
		}
	}
}

// plainWords are the tokens of a text of the vocabulary.
func plainWords(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r < 'a' || r > 'z' }), " ")
}
