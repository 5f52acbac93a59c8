-- +goose Up

-- Round-ups that organizers have been sent a draft of, and what they want of them. topics, dropped and first are the first
-- posts of topics, as lists of Seq in JSON.
CREATE TABLE curations (
    list_id  INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    schedule TEXT NOT NULL,
    due_at   INTEGER NOT NULL,
    topics   TEXT NOT NULL,
    intro    TEXT NOT NULL DEFAULT '',
    dropped  TEXT NOT NULL DEFAULT '[]',
    first    TEXT NOT NULL DEFAULT '[]',
    verdict  TEXT NOT NULL DEFAULT '',
    by_whom  TEXT NOT NULL DEFAULT '',
    settled  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (list_id, schedule, due_at)
) WITHOUT ROWID;
CREATE INDEX curations_by_age ON curations (due_at);
