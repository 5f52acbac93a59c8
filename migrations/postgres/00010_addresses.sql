-- +goose Up

-- Tokens of addresses in texts begin with a sign of their own by now: all words are written anew, by the follower.
TRUNCATE post_words;
UPDATE archives SET indexed = 0;
