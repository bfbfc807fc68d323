-- Requests that named a key and made something: what they were, and what they were answered. A row
-- comes with what it made, in one transaction, and is kept for a day.
CREATE TABLE idempotency_keys (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user_id     TEXT NOT NULL,
    project_id  TEXT NOT NULL,
    route       TEXT NOT NULL,
    "key"       TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    answer      TEXT NOT NULL,
    -- Until then the answer is only what was promised.
    open_until  TIMESTAMP,
    created_at  TIMESTAMP NOT NULL,
    UNIQUE (user_id, project_id, route, "key")
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
