-- Server groups. The same change as for PostgreSQL; see schema/README.md.

-- A group that was deleted stays, so that domains that still name it do not bring it back.
CREATE TABLE server_groups (
    id                  INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    uuid                TEXT NOT NULL UNIQUE,
    name                TEXT NOT NULL,
    project_id          TEXT NOT NULL,
    user_id             TEXT NOT NULL,
    policy              TEXT NOT NULL,
    max_server_per_host BIGINT,
    created_at          TIMESTAMP NOT NULL,
    deleted_at          TIMESTAMP
);
CREATE INDEX server_groups_by_project ON server_groups (project_id, id);

-- A server is in one group at most. It may be gone, or not be here yet.
CREATE TABLE server_group_members (
    id          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    group_id    BIGINT NOT NULL REFERENCES server_groups (id),
    server_uuid TEXT NOT NULL UNIQUE,
    origin      TEXT NOT NULL,
    created_at  TIMESTAMP NOT NULL
);
CREATE INDEX server_group_members_by_group ON server_group_members (group_id, id);

-- The group whose rule was asked when the migration was placed.
ALTER TABLE migrations ADD COLUMN placed_in_group BIGINT;
