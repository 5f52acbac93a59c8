package store

import "listd/lists"

// Moved is where a page of an archive of before has gone.
type Moved struct {
	Path string // with its slash, and without a host
	List lists.ID
	Seq  lists.Seq
}

// SetMoved keeps where pages have gone; what was said of them before counts no more.
func (tx *Tx) SetMoved(all []Moved) error {
	for _, m := range all {
		if _, err := tx.exec(`INSERT INTO moved_pages (path, list_id, seq) VALUES (?, ?, ?)
			ON CONFLICT (path) DO UPDATE SET list_id = excluded.list_id, seq = excluded.seq`, m.Path, m.List, m.Seq); err != nil {
			return err
		}
	}
	return nil
}

// MovedPage is where a page has gone; ErrNotFound if nobody said.
func (tx *Tx) MovedPage(path string) (m Moved, err error) {
	m.Path = path
	err = tx.get(`SELECT list_id, seq FROM moved_pages WHERE path = ?`, []any{path}, &m.List, &m.Seq)
	return m, err
}
