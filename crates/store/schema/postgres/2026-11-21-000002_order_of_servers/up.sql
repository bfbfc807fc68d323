-- Lists of servers: the newest first, and what is equally old by its uuid.
DROP INDEX servers_by_age;
DROP INDEX servers_by_project;
CREATE INDEX servers_by_age ON servers (created_at DESC, uuid);
CREATE INDEX servers_by_project ON servers (project_id, created_at DESC, uuid);
