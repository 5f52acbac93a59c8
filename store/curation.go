package store

import (
	"encoding/json"
	"errors"
	"time"

	"listd/lists"
)

// Curation is a round-up of a list and a schedule that organizers have been sent a draft of, and what they want of it.
type Curation struct {
	List        lists.ID
	Schedule    lists.Schedule // whole
	Due         time.Time      // when it goes out
	Topics      []lists.Seq    // the first posts of the draft's topics, by number
	Intro       string         // Markdown
	Drop, First []lists.Seq
	Verdict     lists.Curate // empty: nobody has said a word
	By          string       // whose word was the last
	Settled     bool         // it has gone out, or never will
}

// AddCuration stores that a draft is going out; false if one of the same round-up has.
func (tx *Tx) AddCuration(c Curation) (bool, error) {
	topics, err := json.Marshal(c.Topics)
	if err != nil {
		return false, err
	}
	n, err := tx.exec(`INSERT INTO curations (list_id, schedule, due_at, topics) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		c.List, c.Schedule.String(), millis(c.Due), string(topics))
	return n > 0, err
}

// SaveCuration writes what organizers want of a round-up.
func (tx *Tx) SaveCuration(c Curation) error {
	drop, err := json.Marshal(c.Drop)
	if err != nil {
		return err
	}
	first, err := json.Marshal(c.First)
	if err != nil {
		return err
	}
	_, err = tx.exec(`UPDATE curations SET intro = ?, dropped = ?, first = ?, verdict = ?, by_whom = ?, settled = ?
		WHERE list_id = ? AND schedule = ? AND due_at = ?`, c.Intro, string(drop), string(first), string(c.Verdict), c.By, b2i(c.Settled),
		c.List, c.Schedule.String(), millis(c.Due))
	return err
}

// Curation is the round-up of a list and a schedule at a time; ErrNotFound if there was no draft of it.
func (tx *Tx) Curation(l lists.ID, s lists.Schedule, due time.Time) (Curation, error) {
	all, err := tx.curations(`WHERE list_id = ? AND schedule = ? AND due_at = ?`, l, s.String(), millis(due))
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Curation{}, err
	}
	return all[0], nil
}

// Curations are those of a list that are not settled, by time.
func (tx *Tx) Curations(l lists.ID) ([]Curation, error) {
	return tx.curations(`WHERE list_id = ? AND settled = 0 ORDER BY due_at, schedule`, l)
}

func (tx *Tx) curations(where string, args ...any) (out []Curation, err error) {
	err = tx.each(`SELECT list_id, schedule, due_at, topics, intro, dropped, first, verdict, by_whom, settled FROM curations `+where, args,
		func(scan func(...any) error) error {
			var c Curation
			var schedule, topics, drop, first string
			var due int64
			if err := scan(&c.List, &schedule, &due, &topics, &c.Intro, &drop, &first, &c.Verdict, &c.By, &c.Settled); err != nil {
				return err
			}
			c.Due = fromMillis(due)
			err := errors.Join(json.Unmarshal([]byte(topics), &c.Topics), json.Unmarshal([]byte(drop), &c.Drop),
				json.Unmarshal([]byte(first), &c.First), c.Schedule.UnmarshalText([]byte(schedule)))
			out = append(out, c)
			return err
		})
	return out, err
}

// SweepCurations forgets those of before a time. Uses curations_by_age.
func (tx *Tx) SweepCurations(before time.Time) (int64, error) {
	return tx.exec(`DELETE FROM curations WHERE due_at < ?`, millis(before))
}
