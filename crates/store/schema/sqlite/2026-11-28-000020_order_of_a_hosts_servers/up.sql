-- Lists of one host's servers, in the order of lists.
DROP INDEX servers_by_host;
CREATE INDEX servers_by_host ON servers (host, created_at DESC, uuid) WHERE deleted_at IS NULL;

-- What the servers on a host take, summed up without looking at them.
CREATE INDEX servers_room ON servers (host, vcpus, memory_mb, disk_gb) WHERE deleted_at IS NULL;
