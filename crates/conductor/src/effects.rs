//! The outbox: effects are claimed by lease, performed, and ticked off.
//!
//! An effect may be performed twice (whoever held it died before ticking it off), late, or when
//! the row has moved on. So each one first looks whether its row still wants it, and every
//! command carries the effect's number and the lease's epoch, by which agents tell old from
//! new. What goes wrong in a way that may pass gives the effect back with a pause; what cannot
//! pass is an event like any other.
//!
//! - [`outbox`]: the loop. It knows leases, and no subject.
//! - [`live`], [`cold`] and [`evacuation`]: what is done for one kind of migration.
//! - [`power`]: what is done for a server.
//! - The other files: what several kinds of migration share.

mod boot;
mod cold;
mod evacuation;
mod finish;
mod follow;
mod live;
mod outbox;
mod performer;
mod power;
mod prepare;
mod roll_back;
mod schedule;
mod start;
mod withdraw;

use std::sync::Arc;

use godwit_core::effect::{Effect, RunEffect, Subject};
use godwit_core::event::Event;
use godwit_core::phase::Phase;
use godwit_store::{Claimed, ClaimedOfMigration};
use serde_json::Value;
use tracing::field::{Empty, display};
use tracing::{Span, info_span};

pub(crate) use self::outbox::run;
use self::performer::Performer;
pub(crate) use self::performer::{Performed, Retry};
use crate::context::Context;
use crate::{planning, runs};

/// Performs one effect, as far as its subject still wants it.
async fn perform(ctx: &Arc<Context>, claimed: &Claimed) -> Performed {
    match claimed.subject {
        Subject::Migration(uuid, effect) => of_migration(ctx, claimed.about((uuid, effect))).await,
        Subject::Server(uuid, action) => power::perform(ctx, claimed.about((uuid, action))).await,
        Subject::Plan(uuid, effect) => planning::perform(ctx, claimed.about((uuid, effect))).await,
        Subject::Run(uuid, effect) => runs::perform(ctx, claimed.about((uuid, effect))).await,
    }
}

/// Effects of which so many are performed at one time, whatever is done of the others.
///
/// Moves are followed and runs driven for as long as they last, guests take their time to power off,
/// and plans wait for each other, so they must not take the permits of what is done in a moment. And
/// runs wait for moves, so these must not lack a permit that a run has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Share {
    Brief,
    Moves,
    Runs,
    Actions,
}

const fn share(subject: Subject) -> Share {
    match subject {
        Subject::Migration(_, Effect::Watch) => Share::Moves,
        Subject::Run(_, RunEffect::Drive) => Share::Runs,
        Subject::Server(..) | Subject::Plan(..) => Share::Actions,
        Subject::Migration(..) | Subject::Run(..) => Share::Brief,
    }
}

fn span(claimed: &Claimed) -> Span {
    let span = info_span!(
        "effect",
        migration = Empty,
        server = Empty,
        plan = Empty,
        run = Empty,
        effect = claimed.subject.verb(),
        sequence = claimed.sequence,
        epoch = claimed.lease.epoch,
        request_id = Empty,
    );
    match claimed.subject {
        Subject::Migration(uuid, _) => span.record("migration", display(uuid)),
        Subject::Server(uuid, _) => span.record("server", display(uuid)),
        Subject::Plan(uuid, _) => span.record("plan", display(uuid)),
        Subject::Run(uuid, _) => span.record("run", display(uuid)),
    };
    // Below the request itself, whoever performed what came before: their spans are lost with them.
    godwit_telemetry::continue_from(&span, claimed.trace);
    span
}

async fn of_migration(ctx: &Arc<Context>, claimed: ClaimedOfMigration) -> Performed {
    let (uuid, effect) = claimed.subject;
    let Some(record) = ctx.store.migration_find(uuid).await? else {
        return Ok(());
    };
    let phase = record.migration.phase;
    if !phase.wants(effect) {
        return Ok(());
    }
    Span::current().record("request_id", record.request_id.as_deref());
    let mut performer = Performer::new(ctx, claimed, record);
    // What only one kind of migration wants has one performer.
    match (effect, phase) {
        (Effect::Schedule, _) => schedule::perform(&performer).await,
        // Nothing has begun, so nobody has to be asked.
        (Effect::Cancel, _) => performer.done(Event::CancelledUnstarted, Value::Null).await,
        (Effect::Prepare, _) => prepare::perform(&performer).await,
        (Effect::Start, _) => start::perform(&performer).await,
        (Effect::Watch, _) => follow::perform(&mut performer).await,
        (Effect::Abort, _) => live::abort::perform(&performer).await,
        (Effect::ForceComplete, _) => live::force_complete::perform(&performer).await,
        (Effect::Boot, Phase::Cold(_)) => cold::boot::perform(&performer).await,
        (Effect::Boot, _) => evacuation::boot::perform(&performer).await,
        (Effect::Finish, Phase::Cold(_)) => cold::finish::perform(&performer).await,
        (Effect::Finish, _) => finish::perform(&performer, live::is_nowhere).await,
        (Effect::Withdraw, Phase::Cold(_)) => cold::withdraw::perform(&performer).await,
        (Effect::Withdraw, _) => evacuation::withdraw::perform(&performer).await,
        (Effect::RollBack, Phase::Cold(_)) => cold::roll_back::perform(&performer).await,
        (Effect::RollBack, _) => live::roll_back::perform(&performer).await,
    }
}
