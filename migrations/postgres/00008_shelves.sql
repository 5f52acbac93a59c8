-- +goose Up

-- Whether a post was an announcement of the list's when it was filed.
ALTER TABLE posts ADD COLUMN announced BIGINT NOT NULL DEFAULT 0;
CREATE INDEX posts_announced ON posts (list_id, seq) WHERE announced = 1 AND hidden = 0;

-- The digests of lists that can still be read, each part by a number of its own (uid), which only ascends: last_kept is the
-- last. It has the posts behind after_seq, up to last_seq.
ALTER TABLE lists ADD COLUMN last_kept BIGINT NOT NULL DEFAULT 0;
CREATE TABLE kept_issues (
    list_id    BIGINT NOT NULL REFERENCES lists ON DELETE CASCADE,
    uid        BIGINT NOT NULL,
    message_id BIGINT NOT NULL REFERENCES messages,
    size       BIGINT NOT NULL,
    after_seq  BIGINT NOT NULL,
    last_seq   BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (list_id, uid)
);
CREATE INDEX kept_issues_by_message ON kept_issues (message_id);
CREATE INDEX kept_issues_by_age ON kept_issues (at);

-- Which of them a user has read, as a set of numbers: 1:17,19.
CREATE TABLE seen_issues (
    user_id BIGINT NOT NULL REFERENCES users ON DELETE CASCADE,
    list_id BIGINT NOT NULL REFERENCES lists ON DELETE CASCADE,
    uids    TEXT NOT NULL,
    PRIMARY KEY (user_id, list_id)
);
