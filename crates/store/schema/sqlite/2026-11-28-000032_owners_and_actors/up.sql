-- Whose server a migration is of, which need not be the project that asked for it: a project's
-- lists walk an index. A server never changes hands. Null where there is no such server.
ALTER TABLE migrations ADD COLUMN server_project_id TEXT;
UPDATE migrations SET server_project_id =
    (SELECT project_id FROM servers WHERE servers.uuid = migrations.instance_uuid);
CREATE INDEX migrations_by_server_project ON migrations (server_project_id, created_at, id);

-- What the release before this one inserts, and what comes from another database, does not say.
CREATE TRIGGER migrations_server_project AFTER INSERT ON migrations
    WHEN NEW.server_project_id IS NULL
BEGIN
    UPDATE migrations SET server_project_id =
        (SELECT project_id FROM servers WHERE uuid = NEW.instance_uuid)
    WHERE id = NEW.id;
END;

-- Who asked for it, where somebody did.
ALTER TABLE events ADD COLUMN user_id TEXT;
ALTER TABLE events ADD COLUMN project_id TEXT;
