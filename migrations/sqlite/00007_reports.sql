-- +goose Up

-- What reports count and no other row remembers: who joined and left, what became of mail, by day (of UTC, from 1970). No
-- row is about a person. what is a mode or a domain, as the kind has it.
CREATE TABLE tallies (
    list_id INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    day     INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    what    TEXT NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (list_id, day, kind, what)
) WITHOUT ROWID;
CREATE INDEX tallies_by_day ON tallies (day);
