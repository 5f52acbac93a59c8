-- +goose Up

-- How far a list's archive has been read into threads and words (both a Seq); epoch is its UIDVALIDITY. removals counts
-- the posts that were taken out: who read one before must not write what it said behind that.
CREATE TABLE archives (
    list_id  INTEGER NOT NULL PRIMARY KEY REFERENCES lists ON DELETE CASCADE,
    epoch    INTEGER NOT NULL,
    threaded INTEGER NOT NULL DEFAULT 0,
    indexed  INTEGER NOT NULL DEFAULT 0,
    removals INTEGER NOT NULL DEFAULT 0
);

-- What reading a post found out. place orders the posts of a list by date, then Seq, and is unique for all lists: the
-- list's ID, the second, a number within it (18, 33 and 12 bits). It is the row of the post's words, too. Until a post
-- has been read, its place is NULL, and the indexes do not know it: filing writes none of them. A hidden post never has one.
-- (Not 0: of place > 0 AND place >= ? SQLite takes the first for the lower bound, and walks through all before the second.)
-- parent is the nearest post that it answers, far how many that are not there lie between.
ALTER TABLE posts ADD COLUMN place INTEGER;
ALTER TABLE posts ADD COLUMN thread INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posts ADD COLUMN parent INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posts ADD COLUMN far INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posts ADD COLUMN files INTEGER NOT NULL DEFAULT 0;
ALTER TABLE posts ADD COLUMN removed_at INTEGER NOT NULL DEFAULT 0;
CREATE INDEX posts_by_place ON posts (place, thread) WHERE place IS NOT NULL;
CREATE INDEX posts_by_thread ON posts (thread, place, parent) WHERE place IS NOT NULL;
CREATE INDEX posts_by_mail ON posts (list_id, seq) WHERE place IS NOT NULL AND origin = 'posted' AND removed_at = 0;
CREATE INDEX posts_hidden ON posts (filed_at) WHERE hidden = 1;

-- id is the list's ID and the Seq of the post that began the thread (31 and 32 bits). merged names the thread that it has
-- become part of: message_ids go on naming this one. base is a hash of list and subject, 0 if that says too little;
-- first_place and last_place are 0 while no reader sees a post of it.
CREATE TABLE threads (
    id          INTEGER PRIMARY KEY,
    list_id     INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    merged      INTEGER NOT NULL DEFAULT 0,
    posts       INTEGER NOT NULL,
    first_seq   INTEGER NOT NULL,
    first_place INTEGER NOT NULL,
    last_place  INTEGER NOT NULL,
    base        INTEGER NOT NULL,
    subject     TEXT NOT NULL
);
CREATE INDEX threads_by_last ON threads (list_id, last_place) WHERE last_place > 0;
CREATE INDEX threads_by_base ON threads (base, id) WHERE base <> 0;

-- Message-IDs that posts have (seq > 0) or only refer to, by their SHA-1, which old permalinks carry too; a post without
-- one goes by its head's. parent is the post that one which is not there answers, as far as others have told; below says
-- that they told of any, there or not.
CREATE TABLE message_ids (
    list_id INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    hash    BLOB NOT NULL,
    thread  INTEGER NOT NULL,
    seq     INTEGER NOT NULL DEFAULT 0,
    parent  INTEGER NOT NULL DEFAULT 0,
    below   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (list_id, hash)
) WITHOUT ROWID;

-- Posts whose parent may still come: distance is 1 for the one it answers itself.
CREATE TABLE awaited (
    list_id  INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    hash     BLOB NOT NULL,
    seq      INTEGER NOT NULL,
    distance INTEGER NOT NULL,
    PRIMARY KEY (list_id, hash, seq)
) WITHOUT ROWID;

-- The words of posts, tokens made in Go; nothing is stored but the index itself. A row stands for a place: its number is
-- that without the last 12 bits where these are zero, which makes the index a fifth smaller, and else the place with the
-- sign bit set. own comes first since the index says nothing of the first column. Merging is done in steps by whoever
-- writes words, since automerge would hold up the writer.
CREATE VIRTUAL TABLE post_words USING fts5(own, quoted, subject, author, files, content = '', contentless_delete = 1, tokenize = 'ascii');
INSERT INTO post_words (post_words, rank) VALUES ('automerge', 0);
INSERT INTO post_words (post_words, rank) VALUES ('crisismerge', 1900);
INSERT INTO post_words (post_words, rank) VALUES ('usermerge', 16);

-- Who signs in. key is the folded address.
CREATE TABLE users (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    key        TEXT NOT NULL UNIQUE,
    address    TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE TABLE sessions (
    hash       BLOB NOT NULL PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE TABLE app_passwords (
    hash       BLOB NOT NULL PRIMARY KEY,
    user_id    INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    label      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    used_at    INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX app_passwords_by_user ON app_passwords (user_id);

-- Which posts a user has read, as a set of numbers: 1:17,19.
CREATE TABLE seen (
    user_id INTEGER NOT NULL REFERENCES users ON DELETE CASCADE,
    list_id INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    seqs    TEXT NOT NULL,
    PRIMARY KEY (user_id, list_id)
) WITHOUT ROWID;

-- How far a mailbox at a provider has been fetched: of the UIDs under this UIDVALIDITY, all up to uid are done but those
-- in unsettled. place is server, user and folder: another one is another mailbox. Of the messages up to stock, which lay
-- there when the UIDVALIDITY was first seen, those are old that somebody has read. holder fetches, until its lease ends.
CREATE TABLE mailboxes (
    name      TEXT NOT NULL PRIMARY KEY,
    place     TEXT NOT NULL,
    validity  INTEGER NOT NULL,
    stock     INTEGER NOT NULL,
    uid       INTEGER NOT NULL,
    unsettled TEXT NOT NULL,
    holder    INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    error     TEXT NOT NULL
) WITHOUT ROWID;

-- Where the pages of an archive of before have gone: the old path, and the post it showed.
CREATE TABLE moved_pages (
    path    TEXT NOT NULL PRIMARY KEY,
    list_id INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    seq     INTEGER NOT NULL
) WITHOUT ROWID;
