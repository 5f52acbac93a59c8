-- +goose Up

-- Tokens of addresses in texts begin with a sign of their own by now: all words are written anew, by the follower.
INSERT INTO post_words (post_words) VALUES ('delete-all');
UPDATE archives SET indexed = 0;
