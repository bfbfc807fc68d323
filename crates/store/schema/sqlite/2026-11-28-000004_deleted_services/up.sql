-- What operators said of services that they deleted: one that gives a sign of life again keeps it.
CREATE TABLE deleted_services (
    host            TEXT NOT NULL,
    "binary"        TEXT NOT NULL,
    disabled        BOOLEAN NOT NULL,
    disabled_reason TEXT,
    forced_down     BOOLEAN NOT NULL,
    deleted_at      TIMESTAMP NOT NULL,
    PRIMARY KEY (host, "binary")
);
