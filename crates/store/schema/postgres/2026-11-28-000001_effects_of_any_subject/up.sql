-- Effects of any subject. The subject is named by its kind and its row; the words of kinds and
-- effects are checked when they are read, so that another one needs no other table.
ALTER TABLE effects DROP CONSTRAINT effects_effect_check;
-- For the release before this one, which knows no other subjects.
ALTER TABLE effects ALTER COLUMN migration_id DROP NOT NULL;
ALTER TABLE effects ADD COLUMN subject_kind TEXT NOT NULL DEFAULT 'migration';
ALTER TABLE effects ADD COLUMN subject_id BIGINT NOT NULL DEFAULT 0;
UPDATE effects SET subject_id = migration_id;
DROP INDEX effects_undone;
CREATE UNIQUE INDEX effects_by_subject ON effects (subject_kind, subject_id, sequence);
CREATE INDEX effects_undone ON effects (subject_kind, subject_id, sequence) WHERE done_at IS NULL;

-- What the release before this one inserts names its migration only.
CREATE FUNCTION effects_subject() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.subject_id := NEW.migration_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER effects_subject BEFORE INSERT ON effects
    FOR EACH ROW WHEN (NEW.subject_id = 0) EXECUTE FUNCTION effects_subject();
