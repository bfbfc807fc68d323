-- Since when a host has to show what it has: the database was restored from a backup, and what
-- happened since is not known here.
ALTER TABLE hosts ADD COLUMN restored_at TIMESTAMP;
