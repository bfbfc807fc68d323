-- Which operation of a run has started a migration: also once that operation has started another one.
ALTER TABLE migrations ADD COLUMN operation_uuid TEXT;
UPDATE migrations
SET operation_uuid =
        (SELECT o.uuid FROM operations o WHERE o.migration_uuid = migrations.uuid)
WHERE uuid IN (SELECT o.migration_uuid FROM operations o WHERE o.migration_uuid IS NOT NULL);

-- What an operation is carried out as, where that is not what was planned.
ALTER TABLE operations ADD COLUMN carried_out_as TEXT;

-- Since when a run has lacked room that moves of no run hold.
ALTER TABLE runs ADD COLUMN short_since TIMESTAMP;
