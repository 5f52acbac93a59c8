-- +goose Up

-- What failed on the way to a subscription, as we heard it in our own dialog or read it in a report. state: new until it
-- is read, then counted, frozen (a provider's fault, not the member's), or past (before the member showed up again).
-- Of one delivery there is one. outgoing_id 0: a report that names none.
CREATE TABLE bounces (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription_id INTEGER NOT NULL REFERENCES subscriptions ON DELETE CASCADE,
    outgoing_id     INTEGER NOT NULL,
    destination     TEXT NOT NULL,
    class           TEXT NOT NULL,
    permanent       INTEGER NOT NULL,
    proven          INTEGER NOT NULL,
    source          TEXT NOT NULL,
    reply           TEXT NOT NULL,
    state           TEXT NOT NULL DEFAULT 'new',
    at              INTEGER NOT NULL
);
CREATE UNIQUE INDEX bounces_once ON bounces (outgoing_id, subscription_id) WHERE outgoing_id > 0;
CREATE INDEX bounces_new ON bounces (id) WHERE state = 'new';
CREATE INDEX bounces_by_subscription ON bounces (subscription_id, id);
CREATE INDEX bounces_by_destination ON bounces (destination, at);
CREATE INDEX bounces_by_age ON bounces (at);

-- What the failures of a subscription have come to. halves are half points; day is one since 1970.
CREATE TABLE bounce_scores (
    subscription_id INTEGER NOT NULL PRIMARY KEY REFERENCES subscriptions ON DELETE CASCADE,
    halves          INTEGER NOT NULL,
    day             INTEGER NOT NULL,
    today           INTEGER NOT NULL,
    last_at         INTEGER NOT NULL,
    stage           TEXT NOT NULL,
    probe_id        INTEGER NOT NULL,
    warned          INTEGER NOT NULL,
    next_at         INTEGER NOT NULL
);
CREATE INDEX bounce_scores_due ON bounce_scores (next_at) WHERE next_at > 0;

-- Many members at one destination that failed the same way within an hour; '*' is all destinations.
CREATE TABLE bounce_incidents (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    destination TEXT NOT NULL,
    class       TEXT NOT NULL,
    permanent   INTEGER NOT NULL,
    began_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    told_at     INTEGER NOT NULL
);
CREATE INDEX bounce_incidents_by_destination ON bounce_incidents (destination, class, permanent, last_at);
CREATE INDEX subscriptions_by_domain ON subscriptions (domain);

-- What a list's owners will read in the next summary.
CREATE TABLE bounce_news (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    list_id    INTEGER NOT NULL REFERENCES lists ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    text       TEXT NOT NULL,
    message_id INTEGER REFERENCES messages,
    at         INTEGER NOT NULL
);
CREATE INDEX bounce_news_by_list ON bounce_news (list_id, id);
CREATE INDEX bounce_news_by_message ON bounce_news (message_id) WHERE message_id IS NOT NULL;

-- Posts whose author was refused by members' providers, and what was sent in their place; 0: nothing.
CREATE TABLE remedies (
    outgoing_id INTEGER NOT NULL PRIMARY KEY,
    resent_id   INTEGER NOT NULL,
    at          INTEGER NOT NULL
);
CREATE INDEX remedies_by_resent ON remedies (resent_id);
CREATE INDEX remedies_by_age ON remedies (at);

-- Mail that was taken for somebody and sent on: whom to tell if it does not arrive (RFC 3461), and how. rcpt is the
-- address it was written to.
CREATE TABLE forwards (
    outgoing_id INTEGER NOT NULL PRIMARY KEY REFERENCES outgoing ON DELETE CASCADE,
    env_from    TEXT NOT NULL,
    rcpt        TEXT NOT NULL,
    orcpt       TEXT NOT NULL,
    ret         TEXT NOT NULL,
    env_id      TEXT NOT NULL,
    at          INTEGER NOT NULL
);
