-- Up to which position events have expired: who would go on from before it is told so. One row.
-- What has expired stays in the logs of migrations until these are removed, and the last position
-- never expires, as the next one follows from it.
CREATE TABLE events_expired (
    id       BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    position BIGINT NOT NULL
);
INSERT INTO events_expired (id, position) VALUES (1, 0);

-- What has ended, the longest ago first. What another database brought along is not removed.
CREATE INDEX migrations_by_end ON migrations (ended_at, id)
    WHERE NOT imported AND ended_at IS NOT NULL;
