-- What a move takes of the links of its hosts, in bytes a second. Null: only a slot.
ALTER TABLE slots ADD COLUMN bytes_per_second BIGINT;

-- What one stream from or to a host was seen to achieve, in bytes a second. Null: nobody has seen one.
ALTER TABLE hosts ADD COLUMN stream_bytes_per_second BIGINT;

-- When a move away from a host began last that is of no run.
ALTER TABLE hosts ADD COLUMN moved_at TIMESTAMP;
