//! The rules of plans, runs and maintenance.

use super::{Rule, rule};

/// The states of a run that has ended.
macro_rules! ended {
    () => {
        "('completed', 'partial', 'failed', 'cancelled')"
    };
}

/// The states of an operation that has not.
macro_rules! open {
    () => {
        "('waiting', 'running')"
    };
}

/// A rule that the log of each row has as many lines as the row says.
macro_rules! gapless {
    ($kind:literal, $table:literal, $name:literal) => {
        concat!(
            "SELECT '",
            $kind,
            " ' || t.",
            $name,
            " || ' has gaps in its log: ' || CAST(COUNT(e.sequence) AS TEXT) || ' of '
                    || CAST(t.event_sequence AS TEXT) AS what
             FROM ",
            $table,
            " t LEFT JOIN events e ON e.subject_kind = '",
            $kind,
            "' AND e.subject_id = t.id
             GROUP BY t.id, t.",
            $name,
            ", t.event_sequence
             HAVING COALESCE(MAX(e.sequence), 0) <> t.event_sequence
                 OR COUNT(e.sequence) <> t.event_sequence"
        )
    };
}

/// A rule that what a row says of its subject is of one that there is.
macro_rules! of_something {
    ($what:literal, $rows:literal, $kind:literal, $table:literal) => {
        concat!(
            "SELECT '",
            $what,
            " ' || CAST(x.id AS TEXT) || ' is of no ",
            $kind,
            "' AS what FROM ",
            $rows,
            " x WHERE x.subject_kind = '",
            $kind,
            "' AND NOT EXISTS (SELECT 1 FROM ",
            $table,
            " t WHERE t.id = x.subject_id)"
        )
    };
}

pub(in crate::invariants) const RULES: &[Rule] = &[
    // P2: every accepted intent is carried on to its end.
    rule(
        "P2",
        "SELECT 'plan ' || p.uuid || ' is initializing, and nobody makes it' AS what
         FROM plans p
         WHERE p.state = 'initializing' AND p.deleted_at IS NULL AND NOT EXISTS (
             SELECT 1 FROM effects e
             WHERE e.subject_kind = 'plan' AND e.subject_id = p.id AND e.done_at IS NULL)",
    ),
    rule(
        "P2",
        "SELECT 'run ' || r.uuid || ' is ' || r.state || ', and nobody drives it' AS what
         FROM runs r
         WHERE r.ended_at IS NULL AND r.planned AND NOT EXISTS (
             SELECT 1 FROM effects e
             WHERE e.subject_kind = 'run' AND e.subject_id = r.id AND e.effect = 'drive'
               AND e.done_at IS NULL)",
    ),
    rule(
        "P2",
        "SELECT 'run ' || r.uuid || ' is not planned, and its plan is ' || p.state AS what
         FROM runs r JOIN plans p ON p.id = r.plan_id
         WHERE r.ended_at IS NULL AND NOT r.planned AND p.state <> 'initializing'",
    ),
    rule(
        "P2",
        concat!(
            "SELECT 'run ' || uuid || ' is ' || state
                    || CASE WHEN ended_at IS NULL THEN ' without' ELSE ' with' END
                    || ' a time of its end' AS what
             FROM runs WHERE (ended_at IS NOT NULL) <> (state IN ",
            ended!(),
            ")"
        ),
    ),
    rule(
        "P2",
        concat!(
            "SELECT 'operation ' || o.uuid || ' is ' || o.state || ', and its run is ' || r.state
                    AS what
             FROM operations o JOIN runs r ON r.plan_id = o.plan_id
             WHERE o.state IN ",
            open!(),
            " AND r.state IN ",
            ended!()
        ),
    ),
    rule(
        "P2",
        "SELECT 'operation ' || o.uuid || ' runs, and its run is ' || r.state AS what
         FROM operations o JOIN runs r ON r.plan_id = o.plan_id
         WHERE o.state = 'running' AND r.state NOT IN ('running', 'cancelling')",
    ),
    rule(
        "P2",
        "SELECT 'operation ' || uuid || ' is ' || state || ' and has started no migration' AS what
         FROM operations
         WHERE state IN ('running', 'completed') AND kind IN ('live', 'cold', 'evacuate')
           AND migration_uuid IS NULL",
    ),
    rule("P2", of_something!("effect", "effects", "plan", "plans")),
    rule("P2", of_something!("effect", "effects", "run", "runs")),
    // A run works for a host until that has heard of its end.
    rule(
        "P2",
        concat!(
            "SELECT 'run ' || r.uuid || ' has ended, and ' || r.host || ' will not hear of it' AS what
             FROM runs r JOIN maintenances m ON m.host = r.host
             WHERE r.state IN ",
            ended!(),
            " AND (m.work LIKE '%' || r.uuid || '%' OR m.beside LIKE '%' || r.uuid || '%')
             AND NOT EXISTS (
                 SELECT 1 FROM effects e
                 WHERE e.subject_kind = 'run' AND e.subject_id = r.id
                   AND e.effect = 'report_end' AND e.done_at IS NULL)"
        ),
    ),
    rule(
        "P2",
        "SELECT 'the maintenance of ' || host || ' is ' || state || ', and nobody holds it' AS what
         FROM maintenances
         WHERE state IN ('entering', 'empty', 'in_maintenance') AND holders = '[]'
            OR state IN ('none', 'leaving') AND holders <> '[]'",
    ),
    // P10: what a run holds is freed exactly once, with its end.
    rule(
        "P10",
        "SELECT 'run ' || r.uuid || ' is ' || r.state || ' and holds room on ' || c.host AS what
         FROM run_claims c JOIN runs r ON r.id = c.run_id
         WHERE r.state NOT IN ('running', 'cancelling')",
    ),
    // P11: events are gapless and end where the row is. Those of maintenance expire by themselves.
    rule("P11", gapless!("plan", "plans", "uuid")),
    rule("P11", gapless!("run", "runs", "uuid")),
    rule("P11", of_something!("event", "events", "plan", "plans")),
    rule("P11", of_something!("event", "events", "run", "runs")),
    rule(
        "P11",
        of_something!("event", "events", "maintenance", "maintenances"),
    ),
    // P12: every wait has a deadline.
    rule(
        "P12",
        "SELECT 'plan ' || uuid || ' is ' || state || ' without a deadline' AS what
         FROM plans
         WHERE deleted_at IS NULL AND due_at IS NULL
           AND (state = 'initializing' OR state = 'ready' AND NOT has_run)",
    ),
];
