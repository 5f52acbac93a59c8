-- +goose Up

-- What waits for somebody's word. The token itself is in their mail only.
CREATE TABLE confirmations (
    hash       BLOB NOT NULL PRIMARY KEY,
    list_id    INTEGER REFERENCES lists ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    key        TEXT NOT NULL,
    address    TEXT NOT NULL,
    arg        TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX confirmations_by_key ON confirmations (key, kind, created_at);
CREATE INDEX confirmations_by_list ON confirmations (list_id, kind);
CREATE INDEX confirmations_by_expiry ON confirmations (expires_at);

-- Who agreed to what, when and how: evidence outlives the membership, not a wish to be forgotten.
CREATE TABLE consents (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    list_id INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    key     TEXT NOT NULL,
    act     TEXT NOT NULL,
    how     TEXT NOT NULL,
    source  TEXT NOT NULL,
    at      INTEGER NOT NULL
);
CREATE INDEX consents_by_key ON consents (key, list_id, id);

-- What was sent on somebody's word to whom, for the caps on floods.
CREATE TABLE asked (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    key    TEXT NOT NULL,
    source TEXT NOT NULL,
    at     INTEGER NOT NULL
);
CREATE INDEX asked_by_key ON asked (key, at);
CREATE INDEX asked_by_source ON asked (source, at);
CREATE INDEX asked_by_age ON asked (at);

ALTER TABLE subscriptions ADD COLUMN schedule TEXT NOT NULL DEFAULT '';
ALTER TABLE subscriptions ADD COLUMN vacation_until INTEGER NOT NULL DEFAULT 0;
CREATE INDEX subscriptions_on_vacation ON subscriptions (vacation_until) WHERE vacation_until > 0;

-- Texts that replace the built-in notices; list_id 0 is the site's.
CREATE TABLE texts (
    list_id  INTEGER NOT NULL,
    name     TEXT NOT NULL,
    language TEXT NOT NULL,
    text     TEXT NOT NULL,
    PRIMARY KEY (list_id, name, language)
) WITHOUT ROWID;

-- DKIM keys of our domains (RFC 6376, 8463); private is PKCS #8.
CREATE TABLE dkim_keys (
    domain     TEXT NOT NULL,
    selector   TEXT NOT NULL,
    private    BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (domain, selector)
) WITHOUT ROWID;
