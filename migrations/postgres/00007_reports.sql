-- +goose Up

-- What reports count and no other row remembers: who joined and left, what became of mail, by day (of UTC, from 1970). No
-- row is about a person. what is a mode or a domain, as the kind has it.
CREATE TABLE tallies (
    list_id BIGINT NOT NULL REFERENCES lists ON DELETE CASCADE,
    day     BIGINT NOT NULL,
    kind    TEXT NOT NULL,
    what    TEXT NOT NULL,
    n       BIGINT NOT NULL,
    PRIMARY KEY (list_id, day, kind, what)
);
CREATE INDEX tallies_by_day ON tallies (day);
