-- Who wants to be called when something happens. What a call may show was judged when it was made:
-- hosts by name, and one project's things or (null) all. Everything up to the position was looked at.
CREATE TABLE webhooks (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uuid         TEXT NOT NULL UNIQUE,
    project_id   TEXT NOT NULL,
    user_id      TEXT,
    url          TEXT NOT NULL,
    types        TEXT NOT NULL,
    -- Sealed.
    secret       TEXT NOT NULL,
    sees_hosts   BOOLEAN NOT NULL,
    sees_project TEXT,
    position     BIGINT NOT NULL,
    created_at   TIMESTAMP NOT NULL
);
CREATE INDEX webhooks_by_project ON webhooks (project_id, id);

-- What each is told: one row an event, which comes with the position that it makes the webhook's.
CREATE TABLE webhook_deliveries (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uuid        TEXT NOT NULL UNIQUE,
    webhook_id  BIGINT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    position    BIGINT NOT NULL,
    event_type  TEXT NOT NULL,
    subject     TEXT NOT NULL,
    body        TEXT NOT NULL,
    state       TEXT NOT NULL,
    attempts    BIGINT NOT NULL,
    not_before  TIMESTAMP NOT NULL,
    give_up_at  TIMESTAMP NOT NULL,
    -- Until then somebody is trying.
    lease_until TIMESTAMP,
    -- Of the last attempt.
    status      BIGINT,
    error       TEXT,
    created_at  TIMESTAMP NOT NULL,
    ended_at    TIMESTAMP,
    UNIQUE (webhook_id, position)
);
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (webhook_id, subject, position)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_by_end ON webhook_deliveries (ended_at);
