package store

import (
	"errors"
	"time"
)

// TaskID names a task.
type TaskID int64

// Task is a row of tasks: work that takes long or waits for the clock.
type Task struct {
	ID       TaskID
	Key      string // what makes the work one, e.g. "fanout/17"
	Kind     string
	Arg      string // JSON, never changes
	Cursor   string // JSON, how far it is
	State    string // due, done, aside
	Next     time.Time
	Attempts int   // failures in a row
	Claim    int64 // saving needs it
	Error    string
	Created  time.Time
}

const taskColumns = `id, key, kind, arg, cursor, state, next_at, attempts, claim, error, created_at`

func (tx *Tx) tasksWhere(query string, args ...any) (out []Task, err error) {
	err = tx.each(query, args, func(scan func(...any) error) error {
		var t Task
		var next, created int64
		err := scan(&t.ID, &t.Key, &t.Kind, &t.Arg, &t.Cursor, &t.State, &next, &t.Attempts, &t.Claim, &t.Error, &created)
		t.Next, t.Created = fromMillis(next), fromMillis(created)
		out = append(out, t)
		return err
	})
	return out, err
}

// AddTask adds a task unless its key is there: once is once.
func (tx *Tx) AddTask(t Task) error {
	if t.Next.IsZero() {
		t.Next = tx.Now
	}
	_, err := tx.exec(`INSERT INTO tasks (key, kind, arg, cursor, next_at, created_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, t.Key, t.Kind, t.Arg, t.Cursor, millis(t.Next), tx.Now.UnixMilli())
	tx.woken |= Tasks
	return err
}

// ClaimTask takes the task that has been due longest and postpones it to until; ErrNotFound if none is due. A claim is
// odd while its step is under way: SaveTask makes it even. Uses tasks_due.
func (tx *Tx) ClaimTask(until time.Time) (Task, error) {
	all, err := tx.tasksWhere(`UPDATE tasks SET next_at = ?, claim = claim + 1 + claim % 2 WHERE id = (SELECT id FROM tasks
		WHERE state = 'due' AND next_at <= ? ORDER BY next_at, id LIMIT 1 `+tx.db.dialect.skipLocked()+`)
		RETURNING `+taskColumns, until.UnixMilli(), tx.Now.UnixMilli())
	if err != nil || len(all) == 0 {
		return Task{}, orNotFound(err)
	}
	return all[0], nil
}

// SaveTask writes how far a claimed task is; ErrNotFound if the claim is another's by now.
func (tx *Tx) SaveTask(t Task) error {
	n, err := tx.exec(`UPDATE tasks SET cursor = ?, state = ?, next_at = ?, attempts = ?, error = ?, claim = claim + 1
		WHERE id = ? AND claim = ?`,
		t.Cursor, t.State, millis(t.Next), t.Attempts, t.Error, t.ID, t.Claim)
	if t.State == "due" {
		tx.woken |= Tasks
	}
	return errors.Join(err, ifErr(err == nil && n == 0, ErrNotFound))
}

// TakeBackTasks makes tasks that were in a step due now: see TakeBack.
func (tx *Tx) TakeBackTasks() error {
	_, err := tx.exec(`UPDATE tasks SET next_at = ? WHERE state = 'due' AND claim % 2 = 1`, tx.Now.UnixMilli())
	return err
}

// NextTask is when the next task is due; zero if there is none.
func (tx *Tx) NextTask() (time.Time, error) {
	var at int64
	err := tx.get(`SELECT COALESCE(MIN(next_at), 0) FROM tasks WHERE state = 'due'`, nil, &at)
	return fromMillis(at), err
}

// Tasks are all tasks that are not done, those set aside first.
func (tx *Tx) Tasks(limit int) ([]Task, error) {
	return tx.tasksWhere(`SELECT `+taskColumns+` FROM tasks WHERE state <> 'done' ORDER BY state, next_at, id LIMIT ?`, limit)
}

// RetryTask makes a task due now that was set aside or waits after a failure.
func (tx *Tx) RetryTask(id TaskID) error {
	n, err := tx.exec(`UPDATE tasks SET state = 'due', next_at = ?, attempts = 0, error = '' WHERE id = ? AND state <> 'done'`,
		tx.Now.UnixMilli(), id)
	tx.woken |= Tasks
	return errors.Join(err, ifErr(err == nil && n == 0, ErrNotFound))
}

// HasTask reports whether a task has this key, done or not.
func (tx *Tx) HasTask(key string) (bool, error) {
	var n int
	err := tx.get(`SELECT COUNT(*) FROM tasks WHERE key = ?`, []any{key}, &n)
	return n > 0, err
}

// SweepTasks forgets tasks that are done and were made before: their keys must not be able to recur.
func (tx *Tx) SweepTasks(before time.Time) (int64, error) {
	return tx.exec(`DELETE FROM tasks WHERE state = 'done' AND created_at < ?`, millis(before))
}
