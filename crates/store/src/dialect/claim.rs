//! The claim of the outbox, in either database's way.

use std::sync::LazyLock;

use godwit_core::effect::{Effect, RunEffect, SubjectKind};

use super::words;
use crate::connection::Database;

/// Which effects are claimed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Claimable {
    /// All that may be performed.
    All,
    /// Those with which a migration begins.
    Beginnings,
}

fn claim_statements(skip_locked: &str) -> [String; 2] {
    [Claimable::All, Claimable::Beginnings].map(|of| claim_statement(of, skip_locked))
}

/// The claim of the outbox. The order rules are those of [`Effect`] and [`RunEffect`], and of other
/// subjects' effects simply one after the other; skipping what another conductor is claiming right now
/// keeps them from waiting for each other.
///
/// What goes on is claimed before what begins: when thousands of moves are asked for at once,
/// those under way would else wait, in every step, until the last of all has been placed.
fn claim_statement(of: Claimable, skip_locked: &str) -> String {
    let effects = |wanted: fn(&Effect) -> bool| {
        let effects = Effect::ALL.iter().copied().filter(wanted);
        words(effects.map(Effect::as_str))
    };
    let overtaking = effects(|effect| effect.overtakes());
    let passable = effects(|effect| !effect.blocks_later());
    let of_runs = |wanted: fn(&RunEffect) -> bool| {
        let effects = RunEffect::ALL.iter().copied().filter(wanted);
        words(effects.map(RunEffect::as_str))
    };
    let overtaking_of_runs = of_runs(|effect| effect.overtakes());
    let passable_of_runs = of_runs(|effect| !effect.blocks_later());
    let (migration, server) = (SubjectKind::Migration, SubjectKind::Server);
    let (plan, run) = (SubjectKind::Plan, SubjectKind::Run);
    // What only a later release knows is its own. Written so that no index is chosen for it.
    let known = words(SubjectKind::ALL.iter().map(|kind| kind.as_str()));
    // One word, as the index has it.
    let begins = format!("mine.effect = {}", effects(|effect| effect.begins()));
    let (only, order) = match of {
        Claimable::All => (String::new(), format!("{begins}, ")),
        // In the words by which the index is found.
        Claimable::Beginnings => (format!("AND ({begins}) = TRUE"), String::new()),
    };
    format!(
        "UPDATE effects
         SET lease_owner = $1, lease_until = $2, lease_epoch = lease_epoch + 1
         WHERE id IN (
             SELECT mine.id FROM effects AS mine
             WHERE mine.done_at IS NULL
               AND mine.subject_kind || '' IN ({known})
               {only}
               AND mine.not_before <= $3
               AND (mine.lease_until IS NULL OR mine.lease_until <= $3)
               AND (mine.subject_kind = '{migration}' AND mine.effect IN ({overtaking})
                   OR mine.subject_kind = '{run}' AND mine.effect IN ({overtaking_of_runs})
                   OR NOT EXISTS (
                   SELECT 1 FROM effects AS earlier
                   WHERE earlier.subject_kind = mine.subject_kind
                     AND earlier.subject_id = mine.subject_id
                     AND earlier.sequence < mine.sequence
                     AND earlier.done_at IS NULL
                     AND NOT (earlier.subject_kind = '{migration}'
                         AND earlier.effect IN ({passable}))
                     AND NOT (earlier.subject_kind = '{run}'
                         AND earlier.effect IN ({passable_of_runs}))))
             ORDER BY {order}mine.id
             LIMIT $4
             {skip_locked})
         RETURNING id, lease_epoch AS epoch, subject_kind AS kind, sequence, effect AS verb,
             attempts, created_at,
             COALESCE(trace_parent,
                 (SELECT began.trace_parent FROM effects AS began
                  WHERE effects.subject_kind = '{migration}'
                    AND began.subject_kind = '{migration}'
                    AND began.subject_id = effects.subject_id AND began.sequence = 1))
                 AS trace_parent,
             (SELECT uuid FROM migrations
              WHERE effects.subject_kind = '{migration}' AND migrations.id = effects.subject_id)
                 AS migration,
             (SELECT uuid FROM servers
              WHERE effects.subject_kind = '{server}' AND servers.id = effects.subject_id)
                 AS server,
             (SELECT uuid FROM plans
              WHERE effects.subject_kind = '{plan}' AND plans.id = effects.subject_id)
                 AS plan,
             (SELECT uuid FROM runs
              WHERE effects.subject_kind = '{run}' AND runs.id = effects.subject_id)
                 AS run"
    )
}

/// Leases effects, and returns those that were had, with their subjects: `$1` is the owner, `$2`
/// until when, `$3` the present, `$4` how many at most.
pub(crate) fn claim_effects(connection: &Database, of: Claimable) -> &'static str {
    static SQLITE: LazyLock<[String; 2]> = LazyLock::new(|| claim_statements(""));
    #[cfg(feature = "postgres")]
    static POSTGRES: LazyLock<[String; 2]> =
        LazyLock::new(|| claim_statements("FOR UPDATE OF mine SKIP LOCKED"));
    let statements = match connection {
        Database::Sqlite(_) => &*SQLITE,
        #[cfg(feature = "postgres")]
        Database::Postgres(_) => &*POSTGRES,
    };
    &statements[of as usize]
}

#[cfg(test)]
mod tests {
    use super::super::query_plan;
    use super::*;

    #[tokio::test]
    async fn effects_are_claimed_without_a_look_at_those_that_were_done() {
        let (_directory, mut connection) = query_plan::empty().await;
        for of in [Claimable::All, Claimable::Beginnings] {
            let plan = query_plan::explain(&mut connection, &claim_statement(of, ""));
            let walked = plan.iter().find(|line| line.contains("mine")).unwrap();
            assert!(walked.contains("INDEX effects_to_claim"), "{plan:?}");
            assert!(!plan.iter().any(|line| line.contains("B-TREE")), "{plan:?}");
            let traced = plan.iter().find(|line| line.contains("began")).unwrap();
            assert!(traced.contains("INDEX effects_by_subject"), "{plan:?}");
        }
    }
}
