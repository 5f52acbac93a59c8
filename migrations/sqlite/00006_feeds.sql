-- +goose Up

-- Whether a round-up may name somebody among the new members: it is theirs to say.
ALTER TABLE subscriptions ADD COLUMN named INTEGER NOT NULL DEFAULT 0;
CREATE INDEX subscriptions_by_named ON subscriptions (list_id, joined_at) WHERE named = 1;

-- What the feeds and calendars of a list's setting said when they were fetched last, and what went wrong since then. body
-- is a zstd frame.
CREATE TABLE feeds (
    list_id    INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    url        TEXT NOT NULL,
    etag       TEXT NOT NULL DEFAULT '',
    modified   TEXT NOT NULL DEFAULT '',
    body       BLOB NOT NULL,
    fetched_at INTEGER NOT NULL DEFAULT 0,
    tried_at   INTEGER NOT NULL DEFAULT 0,
    error      TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (list_id, url)
);
