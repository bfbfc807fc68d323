-- How far the events were made into what one kind of reader is told, and who does that at the moment:
-- whoever holds the lease, until it ends.
CREATE TABLE notification_cursors (
    reader      TEXT NOT NULL PRIMARY KEY,
    position    BIGINT NOT NULL,
    holder      TEXT,
    lease_until TIMESTAMP
);
