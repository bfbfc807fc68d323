-- Lists of one host's servers, in the order of lists.
DROP INDEX servers_by_host;
CREATE INDEX servers_by_host ON servers (host, created_at DESC, uuid) WHERE deleted_at IS NULL;
