-- The networks that a host is on, as JSON, by its agent's word. Null: it has never said, as agents of
-- the release before.
ALTER TABLE hosts ADD COLUMN links TEXT;

-- What a server was last seen to change of its memory, in bytes a second, while it was moved. Null:
-- nobody has measured it yet.
ALTER TABLE servers ADD COLUMN dirty_bytes_per_second BIGINT;
