-- Effects of any subject. The subject is named by its kind and its row; the words of kinds and
-- effects are checked when they are read, so that another one needs no other table.
CREATE TABLE new_effects (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- For the release before this one, which knows no other subjects.
    migration_id BIGINT REFERENCES migrations (id),
    sequence     BIGINT NOT NULL CHECK (sequence >= 1),
    effect       TEXT NOT NULL,
    created_at   TIMESTAMP NOT NULL,
    not_before   TIMESTAMP NOT NULL,
    attempts     BIGINT NOT NULL DEFAULT 0,
    lease_owner  TEXT,
    lease_epoch  BIGINT NOT NULL DEFAULT 0,
    lease_until  TIMESTAMP,
    last_error   TEXT,
    done_at      TIMESTAMP,
    outcome      TEXT CHECK (outcome IN ('done', 'superseded')),
    subject_kind TEXT NOT NULL DEFAULT 'migration',
    subject_id   BIGINT NOT NULL DEFAULT 0,
    UNIQUE (migration_id, sequence),
    CHECK ((done_at IS NULL) = (outcome IS NULL))
);
INSERT INTO new_effects
    SELECT id, migration_id, sequence, effect, created_at, not_before, attempts, lease_owner,
           lease_epoch, lease_until, last_error, done_at, outcome, 'migration', migration_id
    FROM effects;
DROP TABLE effects;
ALTER TABLE new_effects RENAME TO effects;
CREATE UNIQUE INDEX effects_by_subject ON effects (subject_kind, subject_id, sequence);
CREATE INDEX effects_undone ON effects (subject_kind, subject_id, sequence) WHERE done_at IS NULL;
CREATE INDEX effects_ready ON effects (not_before) WHERE done_at IS NULL;
CREATE INDEX effects_leased ON effects (lease_owner) WHERE done_at IS NULL;

-- What the release before this one inserts names its migration only.
CREATE TRIGGER effects_subject AFTER INSERT ON effects WHEN NEW.subject_id = 0
BEGIN
    UPDATE effects SET subject_id = NEW.migration_id WHERE id = NEW.id;
END;
