//! One effect of a migration, and whoever performs it.

use std::sync::Arc;

use godwit_core::discrepancy::{DiscrepancyKind, DiscrepancySubject};
use godwit_core::event::Event;
use godwit_core::ids::HostName;
use godwit_core::migration::Placement;
use godwit_core::server::VmState;
use godwit_rpc::agent::AgentClient;
use godwit_rpc::command::{Command, Rank};
use godwit_rpc::progress::Progress;
use godwit_rpc::refusal::{CallError, Refusal};
use godwit_store::{
    Actor, ClaimedOfMigration, CommitError, CommitNote, MigrationRecord, StoreError,
};
use serde_json::Value;
use tracing::warn;

use crate::context::{AskError, Context};
use crate::steps::Applied;
use crate::testimony::{Testimony, explain, hear};
use crate::translate;

/// It did not work and may work later: the effect is given back, with the reason.
#[derive(Debug)]
pub(crate) struct Retry {
    pub(crate) reason: String,
}

/// An agent took a later command of this migration than the last one there is: the database is
/// behind the agents, as after a restore. Nothing may be concluded from that.
pub(super) const OUTDATED: &str = "the agent has taken a command that this database does not know";

/// `Ok`: acknowledged, or no longer wanted.
pub(crate) type Performed = Result<(), Retry>;

impl Retry {
    pub(crate) fn because(reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { reason }
    }
}

macro_rules! retry_from {
    ($($error:ty),+) => {$(
        impl From<$error> for Retry {
            fn from(error: $error) -> Self {
                Self::because(explain(&error))
            }
        }
    )+};
}

retry_from!(StoreError, CommitError, CallError, AskError, Refusal);

/// An effect with the row that it is about.
pub(crate) struct Performer<'a> {
    pub(crate) ctx: &'a Arc<Context>,
    pub(crate) claimed: ClaimedOfMigration,
    pub(crate) record: MigrationRecord,
}

impl<'a> Performer<'a> {
    pub(super) fn new(
        ctx: &'a Arc<Context>,
        claimed: ClaimedOfMigration,
        record: MigrationRecord,
    ) -> Self {
        Self {
            ctx,
            claimed,
            record,
        }
    }

    /// How often this was tried before and given back.
    pub(super) fn attempts(&self) -> u32 {
        u32::try_from(self.claimed.attempts).unwrap_or(u32::MAX)
    }

    /// Was it given back as often as it may be?
    pub(super) fn is_last_attempt(&self) -> bool {
        self.attempts() >= self.ctx.config.attempts
    }

    /// What both hosts say of the guest.
    pub(super) async fn hear(&self) -> Result<Testimony, Retry> {
        let (server, destination) = (self.record.migration.server, &self.placement()?.host);
        Ok(hear(self.ctx, server, self.source(), destination).await?)
    }

    /// Looks at the row again; `false` when it no longer wants this.
    pub(super) async fn still_wanted(&mut self) -> Result<bool, Retry> {
        let found = self.ctx.store.migration_find(self.record.migration.uuid);
        let Some(record) = found.await? else {
            return Ok(false);
        };
        self.record = record;
        Ok(self.record.migration.phase.wants(self.claimed.subject.1))
    }

    pub(super) fn source(&self) -> &HostName {
        &self.record.migration.source_compute
    }

    /// Where the guest goes: known in every phase in which agents are told something, but for
    /// imported rows. A user may abort or confirm those, and then nobody can perform it.
    pub(super) fn placement(&self) -> Result<&Placement, Retry> {
        let placement = self.record.migration.placement.as_ref();
        placement.ok_or_else(not_placed)
    }

    /// Was the guest running when its cold move began?
    pub(super) fn ran(&self) -> bool {
        self.record.migration.request.was() == VmState::Active
    }

    pub(super) async fn source_agent(&self) -> Result<AgentClient, AskError> {
        self.ctx.agent(self.source()).await
    }

    pub(super) async fn destination_agent(&self) -> Result<AgentClient, Retry> {
        Ok(self.ctx.agent(&self.placement()?.host).await?)
    }

    /// This effect's place among the commands of its migration.
    pub(super) fn rank(&self) -> Rank {
        Rank {
            sequence: self.claimed.sequence,
            epoch: self.claimed.lease.epoch,
        }
    }

    /// Sorts an agent's answer to this effect's command.
    pub(super) fn answer<T>(&self, answer: Result<T, CallError>) -> Result<Answer, Retry> {
        Answer::of(self.rank(), answer)
    }

    /// An agent's answer to a command that nothing can have outrun: done, or refused for good.
    pub(super) fn told<T>(
        &self,
        answer: Result<T, CallError>,
    ) -> Result<Result<(), Refusal>, Retry> {
        match self.answer(answer)? {
            Answer::Acknowledged => Ok(Ok(())),
            Answer::Superseded => Err(Retry::because(OUTDATED)),
            Answer::Refused(refusal) => Ok(Err(refusal)),
        }
    }

    /// What agents are told of the move, and of this effect's place in it.
    pub(super) fn command(&self) -> Result<Command, Retry> {
        translate::command(&self.record, self.rank()).ok_or_else(not_placed)
    }

    /// Applies the event that this effect led to, and ticks the effect off in the same
    /// transaction.
    pub(super) async fn conclude(&self, event: Event, detail: Value) -> Result<Applied, Retry> {
        let note = CommitNote {
            performed: Some(self.claimed.lease),
            ..self.ctx.note(&self.record, detail)
        };
        self.write(event, note).await
    }

    /// [`Self::conclude`], where it does not matter whether the event still applied.
    pub(super) async fn done(&self, event: Event, detail: Value) -> Performed {
        self.conclude(event, detail).await.map(drop)
    }

    /// Applies an event that an agent told while the effect goes on.
    pub(super) async fn relay(&self, event: Event) -> Result<Applied, Retry> {
        let note = self.agents_note();
        self.write(event, note).await
    }

    /// Applies what an agent told of how the move ended, with its last figures; nothing is left to
    /// follow then.
    pub(super) async fn relay_end(
        &self,
        event: Event,
        progress: Option<&Progress>,
    ) -> Result<Applied, Retry> {
        let note = CommitNote {
            progress: progress.map(translate::progress),
            performed: Some(self.claimed.lease),
            ..self.agents_note()
        };
        self.write(event, note).await
    }

    async fn write(&self, event: Event, note: CommitNote) -> Result<Applied, Retry> {
        let uuid = self.record.migration.uuid;
        Ok(self.ctx.apply(uuid, event, note).await?)
    }

    /// For what the source's agent told.
    fn agents_note(&self) -> CommitNote {
        CommitNote {
            actor: Actor::Agent(self.source().clone()),
            ..self.ctx.note(&self.record, Value::Null)
        }
    }

    /// Writes something worth knowing into the event log. That it could not be written is no
    /// reason to do anything else.
    pub(super) async fn remark(&self, name: &'static str, detail: Value) {
        let (migration, at) = (self.record.migration.uuid, self.ctx.now());
        let appended =
            self.ctx
                .store
                .migration_event_append(migration, name, Actor::Conductor, detail, at);
        if let Err(error) = appended.await {
            warn!(%error, name, "the event log could not be written");
        }
    }

    /// Opens a discrepancy about this migration and one of its hosts, unless it is open.
    pub(super) async fn open_discrepancy(
        &self,
        kind: DiscrepancyKind,
        host: Option<&HostName>,
        why: &str,
    ) {
        let (subject, at) = (self.subject(kind, host), self.ctx.now());
        match self
            .ctx
            .store
            .discrepancy_open(subject, self.claimed.lease, why.to_owned(), at)
            .await
        {
            Ok(true) => {
                warn!(%kind, host = host.map(tracing::field::display), why, "a discrepancy opened")
            }
            Ok(false) => {}
            Err(error) => warn!(%error, %kind, why, "a discrepancy could not be opened"),
        }
    }

    /// What the hosts said does not allow to go on; that is somebody's to know.
    pub(super) async fn wait(&self, testimony: Testimony) -> Retry {
        let silent = testimony.silent(&self.record);
        let kind = match silent {
            Some(_) => DiscrepancyKind::HostSilent,
            None => DiscrepancyKind::Overdue,
        };
        self.held_up(kind, silent, testimony.describe()).await
    }

    /// Opens a discrepancy because of what keeps this from being performed, and gives it back.
    pub(super) async fn held_up(
        &self,
        kind: DiscrepancyKind,
        host: Option<&HostName>,
        why: String,
    ) -> Retry {
        self.open_discrepancy(kind, host, &why).await;
        Retry::because(why)
    }

    /// Closes what is open because the move could not be followed.
    pub(super) async fn followed(&self) {
        let hosts = [Some(self.source()), self.record.migration.destination()];
        let silent = hosts.map(|host| self.subject(DiscrepancyKind::HostSilent, host));
        let overdue = self.subject(DiscrepancyKind::Overdue, None);
        let subjects = silent.into_iter().chain([overdue]).collect();
        let (why, at) = ("the move is being followed".to_owned(), self.ctx.now());
        let closed = self.ctx.store.discrepancies_close(subjects, why, at);
        if let Err(error) = closed.await {
            warn!(%error, "discrepancies could not be closed");
        }
    }

    fn subject(&self, kind: DiscrepancyKind, host: Option<&HostName>) -> DiscrepancySubject {
        DiscrepancySubject {
            kind,
            server: Some(self.record.migration.server),
            migration: Some(self.record.migration.uuid),
            host: host.cloned(),
        }
    }
}

fn not_placed() -> Retry {
    Retry::because("the migration was not placed")
}

/// What an agent's answer to a command means to whoever sent it.
#[derive(Debug)]
pub(super) enum Answer {
    /// It was taken, now or before.
    Acknowledged,
    /// A later effect of the same migration came first: this one is pointless.
    Superseded,
    /// The agent looked into it, and the answer is final.
    Refused(Refusal),
}

impl Answer {
    /// Sorts the answer to a command of this rank. What may pass is given back; so is a command
    /// that was refused because somebody else now performs the same effect: that is for them to
    /// conclude.
    pub(super) fn of<T>(rank: Rank, answer: Result<T, CallError>) -> Result<Self, Retry> {
        match answer {
            Ok(_) => Ok(Self::Acknowledged),
            Err(CallError::Refused(Refusal::Stale { newest }))
                if newest.sequence > rank.sequence =>
            {
                Ok(Self::Superseded)
            }
            Err(CallError::Refused(
                refusal @ (Refusal::NoJob
                | Refusal::TooLate
                | Refusal::UnknownServer(_)
                | Refusal::UnknownMigration(_)
                | Refusal::Failed(_)),
            )) => Ok(Self::Refused(refusal)),
            Err(
                error @ (CallError::Refused(
                    Refusal::Stale { .. }
                    | Refusal::Incompatible { .. }
                    | Refusal::Forbidden(_)
                    | Refusal::Unavailable(_)
                    | Refusal::Malformed { .. },
                )
                | CallError::Overdue(_)
                | CallError::Unreachable(_)
                | CallError::Protocol(_)),
            ) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stale(sequence: i64, epoch: i64) -> Result<(), CallError> {
        let newest = Rank { sequence, epoch };
        Err(Refusal::Stale { newest }.into())
    }

    #[test]
    fn an_effect_that_another_performs_is_not_concluded_here() {
        let rank = Rank {
            sequence: 3,
            epoch: 1,
        };
        assert!(matches!(Answer::of(rank, Ok(())), Ok(Answer::Acknowledged)));
        assert!(matches!(
            Answer::of(rank, stale(4, 1)),
            Ok(Answer::Superseded)
        ));
        assert!(Answer::of(rank, stale(3, 2)).is_err());
    }

    #[test]
    fn only_what_cannot_pass_is_final() {
        let rank = Rank {
            sequence: 1,
            epoch: 1,
        };
        let of = |refusal: Refusal| Answer::of::<()>(rank, Err(refusal.into()));
        assert!(matches!(of(Refusal::NoJob), Ok(Answer::Refused(_))));
        assert!(of(Refusal::Unavailable("busy".to_owned())).is_err());
        let unreachable = CallError::Unreachable("gone".to_owned());
        assert!(Answer::of::<()>(rank, Err(unreachable)).is_err());
    }
}
