-- +goose Up
-- Times are milliseconds since 1970 (UTC). Keys of addresses are folded to lower case.

CREATE TABLE site (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE lists (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    local      TEXT NOT NULL,
    domain     TEXT NOT NULL,
    list_id    TEXT NOT NULL,
    settings   TEXT NOT NULL,
    last_seq   INTEGER NOT NULL DEFAULT 0,
    version    INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL,
    UNIQUE (domain, local)
);

CREATE TABLE list_aliases (
    domain  TEXT NOT NULL,
    local   TEXT NOT NULL,
    list_id INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    PRIMARY KEY (domain, local)
) WITHOUT ROWID;
CREATE INDEX list_aliases_by_list ON list_aliases (list_id);

-- Who governs a list; bits as in lists.Roles.
CREATE TABLE roles (
    list_id INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    key     TEXT NOT NULL,
    address TEXT NOT NULL,
    roles   INTEGER NOT NULL,
    PRIMARY KEY (list_id, key)
) WITHOUT ROWID;

CREATE TABLE subscriptions (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    list_id    INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    address    TEXT NOT NULL,
    key        TEXT NOT NULL,
    domain     TEXT NOT NULL,
    name       TEXT NOT NULL DEFAULT '',
    mode       TEXT NOT NULL,
    state      TEXT NOT NULL DEFAULT 'active',
    each_from  INTEGER NOT NULL DEFAULT 0,
    action     INTEGER NOT NULL DEFAULT 0,
    own_posts  INTEGER NOT NULL DEFAULT 1,
    duplicates INTEGER NOT NULL DEFAULT 1,
    ack        INTEGER NOT NULL DEFAULT 0,
    language   TEXT NOT NULL DEFAULT '',
    posts      INTEGER NOT NULL DEFAULT 0,
    joined_at  INTEGER NOT NULL,
    UNIQUE (list_id, key)
);
CREATE INDEX subscriptions_by_mode ON subscriptions (list_id, mode, id);
CREATE INDEX subscriptions_by_key ON subscriptions (key);

-- A body is stored once. Its first 256 KiB lie in its row, what follows in body_chunks; each piece is a zstd
-- frame of its own where that is smaller (packed = 1).
CREATE TABLE bodies (
    id      INTEGER PRIMARY KEY,
    hash    BLOB NOT NULL UNIQUE,
    size    INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    packed  INTEGER NOT NULL,
    data    BLOB NOT NULL
);
CREATE TABLE body_chunks (
    body_id INTEGER NOT NULL REFERENCES bodies ON DELETE CASCADE,
    n       INTEGER NOT NULL,
    packed  INTEGER NOT NULL,
    data    BLOB NOT NULL,
    PRIMARY KEY (body_id, n)
);

CREATE TABLE messages (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    body_id INTEGER NOT NULL REFERENCES bodies,
    head    BLOB NOT NULL
);
CREATE INDEX messages_by_body ON messages (body_id);

CREATE TABLE posts (
    list_id    INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    seq        INTEGER NOT NULL,
    message_id INTEGER NOT NULL REFERENCES messages,
    msgid      TEXT NOT NULL,
    subject    TEXT NOT NULL,
    author     TEXT NOT NULL,
    date       INTEGER NOT NULL,
    filed_at   INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    hidden     INTEGER NOT NULL DEFAULT 0,
    origin     TEXT NOT NULL DEFAULT 'posted',
    PRIMARY KEY (list_id, seq)
) WITHOUT ROWID;
CREATE INDEX posts_by_message ON posts (message_id);

-- What came in for a list and what became of it; the fingerprint makes twice once, the rest is for listd trace.
CREATE TABLE intake (
    id          INTEGER PRIMARY KEY,
    list_id     INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    fingerprint BLOB NOT NULL,
    trace       TEXT NOT NULL,
    msgid       TEXT NOT NULL,
    sender      TEXT NOT NULL,
    outcome     TEXT NOT NULL,
    rule        TEXT NOT NULL DEFAULT '',
    seq         INTEGER NOT NULL DEFAULT 0,
    outgoing_id INTEGER NOT NULL DEFAULT 0,
    at          INTEGER NOT NULL,
    UNIQUE (list_id, fingerprint)
);
CREATE INDEX intake_by_msgid ON intake (msgid);
CREATE INDEX intake_by_age ON intake (at);

CREATE TABLE held (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    list_id    INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    message_id INTEGER NOT NULL REFERENCES messages,
    kind       TEXT NOT NULL,
    env_from   TEXT NOT NULL,
    sender     TEXT NOT NULL,
    subject    TEXT NOT NULL,
    rule       TEXT NOT NULL,
    reasons    TEXT NOT NULL,
    trace      TEXT NOT NULL,
    at         INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX held_by_list ON held (list_id, id);
CREATE INDEX held_by_expiry ON held (expires_at);
CREATE INDEX held_by_message ON held (message_id);

-- When a notice of a kind last went to somebody: a stranger hears of a held post at most once a day.
CREATE TABLE noticed (
    list_id INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    key     TEXT NOT NULL,
    notice  TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (list_id, key, notice)
) WITHOUT ROWID;

CREATE TABLE outgoing (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    list_id     INTEGER,
    seq         INTEGER NOT NULL DEFAULT 0,
    message_id  INTEGER NOT NULL REFERENCES messages,
    env_from    TEXT NOT NULL,
    personal    INTEGER NOT NULL,
    priority    INTEGER NOT NULL,
    trace       TEXT NOT NULL,
    subject     TEXT NOT NULL DEFAULT '',
    created_at  INTEGER NOT NULL,
    give_up_at  INTEGER NOT NULL,
    fanned_to   INTEGER NOT NULL DEFAULT -1
);
CREATE INDEX outgoing_by_message ON outgoing (message_id);
CREATE INDEX outgoing_by_trace ON outgoing (trace);
CREATE INDEX outgoing_by_age ON outgoing (created_at);
CREATE INDEX outgoing_unfanned ON outgoing (list_id) WHERE fanned_to >= 0;

CREATE TABLE deliveries (
    id              INTEGER PRIMARY KEY,
    outgoing_id     INTEGER NOT NULL REFERENCES outgoing ON DELETE CASCADE,
    subscription_id INTEGER NOT NULL,
    rcpt            TEXT NOT NULL,
    destination     TEXT NOT NULL,
    priority        INTEGER NOT NULL,
    state           TEXT NOT NULL DEFAULT 'due',
    next_at         INTEGER NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    claim           INTEGER NOT NULL DEFAULT 0,
    holder          INTEGER NOT NULL DEFAULT 0,
    code            INTEGER NOT NULL DEFAULT 0,
    reply           TEXT NOT NULL DEFAULT '',
    settled_at      INTEGER NOT NULL DEFAULT 0,
    UNIQUE (outgoing_id, rcpt)
);
CREATE INDEX deliveries_due ON deliveries (destination, priority, next_at, id) WHERE state = 'due';

CREATE TABLE tasks (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    key        TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL,
    arg        TEXT NOT NULL DEFAULT '',
    cursor     TEXT NOT NULL DEFAULT '',
    state      TEXT NOT NULL DEFAULT 'due',
    next_at    INTEGER NOT NULL,
    attempts   INTEGER NOT NULL DEFAULT 0,
    claim      INTEGER NOT NULL DEFAULT 0,
    error      TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL
);
CREATE INDEX tasks_due ON tasks (next_at, id) WHERE state = 'due';
