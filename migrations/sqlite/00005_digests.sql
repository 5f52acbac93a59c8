-- +goose Up

-- Up to which post (a Seq) somebody whose mode collects posts has had everything, one by one or in issues.
ALTER TABLE subscriptions ADD COLUMN digest_seq INTEGER NOT NULL DEFAULT 0;
UPDATE subscriptions SET digest_seq = (SELECT last_seq FROM lists WHERE lists.id = subscriptions.list_id);

-- Those whom issues go to. Queries repeat the condition: a value that is bound proves nothing to SQLite.
CREATE INDEX subscriptions_by_edition ON subscriptions (list_id, mode, schedule, language, digest_seq, id)
    WHERE mode IN ('digest', 'index', 'plain', 'roundup') AND state = 'active';

-- An edition is a list in a mode by a schedule in a language, none of them left to the list. volume and number are those of
-- its last issue, last_seq is how far that went.
CREATE TABLE editions (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    list_id   INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    mode      TEXT NOT NULL,
    schedule  TEXT NOT NULL,
    language  TEXT NOT NULL,
    volume    INTEGER NOT NULL DEFAULT 0,
    number    INTEGER NOT NULL DEFAULT 0,
    last_seq  INTEGER NOT NULL DEFAULT 0,
    issued_at INTEGER NOT NULL DEFAULT 0,
    UNIQUE (list_id, mode, schedule, language)
);

-- An issue has the posts behind after_seq, up to up_to; a large one comes in parts, each with the posts up to its last_seq.
CREATE TABLE issues (
    edition_id  INTEGER NOT NULL REFERENCES editions ON DELETE CASCADE,
    after_seq   INTEGER NOT NULL,
    up_to       INTEGER NOT NULL,
    part        INTEGER NOT NULL,
    parts       INTEGER NOT NULL,
    volume      INTEGER NOT NULL,
    number      INTEGER NOT NULL,
    last_seq    INTEGER NOT NULL,
    posts       INTEGER NOT NULL,
    outgoing_id INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (edition_id, after_seq, up_to, part)
) WITHOUT ROWID;
CREATE INDEX issues_by_age ON issues (at);
