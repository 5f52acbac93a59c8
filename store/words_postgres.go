package store

import (
	"slices"
	"strconv"
	"strings"

	"listd/lists"
)

// tsv is the index of words in a tsvector.
type tsv struct{}

func (tsv) add(tx *Tx, all []Words) error {
	places, texts := make([]int64, len(all)), make([]string, len(all))
	for i, w := range all {
		places[i], texts[i] = int64(w.Place), vector(w)
	}
	_, err := tx.exec(`INSERT INTO post_words (place, words)
		SELECT place, CAST(words AS TSVECTOR) FROM UNNEST(CAST(? AS BIGINT[]), CAST(? AS TEXT[])) AS w (place, words) ORDER BY place
		ON CONFLICT (place) DO UPDATE SET words = excluded.words`, places, texts)
	return err
}

// Limits of a tsvector (PostgreSQL, section 12.11): positions above 16383 are 16383, and it has less than 1 MiB.
const (
	maxPosition = 16383
	maxVector   = 1_000_000
)

// vector is a tsvector in text: A the words of the subject, B of the author, C their own, D quoted ones and files. Side by
// side are words of one part only.
func vector(w Words) string {
	var b strings.Builder
	at, room := 1, maxVector
	for _, part := range []struct{ weight, text string }{{"A", w.Subject}, {"B", w.Author}, {"C", w.Own}, {"D", w.files()}, {"D", w.Quoted}} {
		for text := part.text; text != ""; {
			var token string
			token, text, _ = strings.Cut(text, " ")
			if token == "" {
				continue
			}
			if room -= len(token) + 6; room < 0 {
				return b.String()
			}
			b.WriteByte('\'')
			b.WriteString(token)
			b.WriteString("':")
			b.WriteString(strconv.Itoa(min(at, maxPosition)))
			b.WriteString(part.weight)
			b.WriteByte(' ')
			at++
		}
		at++
	}
	return b.String()
}

func (tsv) drop(tx *Tx, all []Place) error {
	places := make([]int64, len(all))
	for i, p := range all {
		places[i] = int64(p)
	}
	_, err := tx.exec(`DELETE FROM post_words WHERE place = ANY (CAST(? AS BIGINT[]))`, places)
	return err
}

func (tsv) some(tx *Tx, from, before Place, limit int) ([]Place, error) {
	return tx.places(`SELECT place FROM post_words WHERE place >= ? AND place < ? ORDER BY place LIMIT ?`, from, before, limit)
}

func (tsv) merge(*Tx, int) (bool, error) { return false, nil }

// newestRows is how many rows are looked at one by one before the index of words is asked: a word that is common is found
// there at once, while the index would have to give all rows that have it.
const newestRows = 300

// The posts of a range that match, by way of the index of words. Materialized, so that the planner, which knows nothing of
// how rare a word is, does not walk all posts backwards.
const indexed = `WITH w AS MATERIALIZED (SELECT w.place FROM post_words w WHERE w.words @@ CAST(? AS TSQUERY) AND w.place >= ? AND w.place < ?) `

func (x tsv) find(tx *Tx, f Find, limit int) (out []Place, err error) {
	query := x.query(f.Match)
	var seen int
	var last Place
	err = tx.each(`WITH w AS MATERIALIZED (SELECT place, words FROM post_words WHERE place >= ? AND place < ? ORDER BY place DESC LIMIT ?)
		SELECT w.place, w.words @@ CAST(? AS TSQUERY)
		FROM w ORDER BY w.place DESC`, []any{f.From, f.Before, newestRows, query}, func(scan func(...any) error) error {
		var matches bool
		err := scan(&last, &matches)
		if seen++; matches {
			out = append(out, last)
		}
		return err
	})
	if err != nil || len(out) >= limit || seen < newestRows {
		return out[:min(len(out), limit)], err
	}
	more, err := tx.places(indexed+`SELECT place FROM w ORDER BY place DESC LIMIT ?`, query, f.From, last, limit-len(out))
	return append(out, more...), err
}

func (x tsv) any(tx *Tx, f Find, limit int) ([]Place, error) {
	return tx.places(`SELECT place FROM post_words WHERE words @@ CAST(? AS TSQUERY) AND place >= ? AND place < ? LIMIT ?`,
		x.query(f.Match), f.From, f.Before, limit)
}

func (x tsv) count(tx *Tx, f Find, most int) (n int, err error) {
	err = tx.get(`SELECT COUNT(*) FROM (SELECT 1 FROM post_words w WHERE w.words @@ CAST(? AS TSQUERY) AND w.place >= ? AND w.place < ? LIMIT ?) w`,
		[]any{x.query(f.Match), f.From, f.Before, most}, &n)
	return n, err
}

func (x tsv) among(tx *Tx, m WordMatch, places []Place) ([]Place, error) {
	query := x.query(m)
	return tx.places(`SELECT place FROM post_words WHERE place IN `+placeholders(1, 50)+` AND words @@ CAST(? AS TSQUERY)`,
		append(padded(places, 50), query)...)
}

// rank weighs the newest posts with ts_rank, D to A, longer ones a little less. 8589934591 << 12 are the bits of a place's
// second.
func (x tsv) rank(tx *Tx, f Find, in []lists.ID, newest, limit int) ([]Place, error) {
	ids := make([]int64, len(in))
	for i, l := range in {
		ids[i] = int64(l)
	}
	query := x.query(f.Match)
	return tx.places(`SELECT place FROM (SELECT w.place, w.words FROM post_words w WHERE w.words @@ CAST(? AS TSQUERY)
			AND w.place >= ? AND w.place < ? AND w.place >> 45 = ANY (CAST(? AS BIGINT[]))
			AND w.place & 35184372084736 >= ? AND w.place & 35184372084736 < ?
			ORDER BY w.place & 35184372084736 DESC, w.place DESC LIMIT ?) n
		ORDER BY ts_rank('{0.05, 0.2, 0.4, 1}', words, CAST(? AS TSQUERY), 1) DESC, place DESC LIMIT ?`,
		query, PlaceAt(slices.Min(in), f.From.Time()), PlaceAt(slices.Max(in), f.Before.Time()), ids,
		int64(PlaceAt(0, f.From.Time())), int64(PlaceAt(0, f.Before.Time())), newest, query, limit)
}

// query is a tsquery. Tokens hold nothing that means something to it.
func (x tsv) query(m WordMatch) string {
	var b strings.Builder
	for i, group := range m.All {
		if i > 0 {
			b.WriteString(" & ")
		}
		x.either(&b, group)
	}
	if len(m.Not) > 0 {
		b.WriteString(" & !")
		x.either(&b, m.Not)
	}
	return b.String()
}

func (tsv) either(b *strings.Builder, terms []WordTerm) {
	b.WriteByte('(')
	for i, t := range terms {
		if i > 0 {
			b.WriteString(" | ")
		}
		b.WriteByte('(')
		for k, token := range t.Tokens {
			if k > 0 {
				b.WriteString(" <-> ")
			}
			b.WriteString("'" + token + "'")
			marks := [...]string{Anywhere: "", InSubject: "A", InAuthor: "B"}[t.Field]
			if t.Prefix && k == len(t.Tokens)-1 {
				marks += "*"
			}
			if marks != "" {
				b.WriteString(":" + marks)
			}
		}
		b.WriteByte(')')
	}
	b.WriteByte(')')
}
