-- Runs of others that empty the host beside the one that is written as its work, as JSON. Null: none.
ALTER TABLE maintenances ADD COLUMN beside TEXT;

-- Who has cancelled the run that worked for it, so that nothing begins by itself. Null: nobody.
ALTER TABLE maintenances ADD COLUMN cancelled_by TEXT;
