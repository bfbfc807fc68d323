//! The loop of one run.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use godwit_core::ids::{OperationUuid, RunUuid};
use godwit_core::plan::options::Affinity;
use godwit_core::requester::Requester;
use godwit_core::run::RunState;
use godwit_core::time::Timestamp;
use godwit_core::trace::TraceContext;
use godwit_store::{ChangeNote, ClaimedOfRun, RunPart, RunRecord};
use tokio::time::Instant;
use tracing::info;

use super::queues::Place;
use super::room::{Awaited, Room};
use super::{begin, ends, hosts, progress, room};
use crate::context::Context;
use crate::effects::{Performed, Retry};

/// The longest that a run is left alone that nobody wakes, in intervals of looking.
const IDLE: u32 = 10;

/// Whoever drives a run.
pub(super) struct Driver<'a> {
    pub(super) ctx: &'a Arc<Context>,
    pub(super) run: RunUuid,
    /// Who asked for it.
    pub(super) by: Requester,
    /// How far its plan binds it by server groups.
    pub(super) affinity: Affinity,
    pub(super) trace: Option<TraceContext>,
    /// Since when a server was seen to be in use by somebody else whose operation might begin.
    pub(super) busy: HashMap<OperationUuid, Timestamp>,
    /// Those whose room it waits for.
    pub(super) awaited: Awaited,
    /// As it was read or written last.
    seen: Option<RunRecord>,
    /// When its progress is written next.
    shown: Option<Instant>,
}

/// The run has changed.
pub(super) enum Changed {
    /// It has begun.
    Whole(Box<RunRecord>),
    /// By steps of this driver.
    Part(Box<RunPart>),
    /// By somebody else, too.
    Otherwise,
}

impl Changed {
    pub(super) fn part(part: RunPart) -> Self {
        Self::Part(Box::new(part))
    }

    /// The run as it is by now; `None`: that has to be read.
    fn onto(self, before: RunRecord) -> Option<RunRecord> {
        match self {
            Self::Whole(record) => Some(*record),
            Self::Part(part) => part.onto(before),
            Self::Otherwise => None,
        }
    }
}

/// What came of a look at the run.
enum Turn {
    /// There is nothing left to do.
    Ended,
    /// It went on, so there may be more to do.
    WentOn,
    /// Until something happens there is nothing to do.
    Waits,
}

/// Drives it until it has ended.
pub(super) async fn perform(ctx: &Arc<Context>, claimed: &ClaimedOfRun) -> Performed {
    let (run, _) = claimed.subject;
    // Whatever becomes of this driver, nobody waits for its queues any longer.
    let _place = Place::of(ctx, run);
    let mut driver = Driver {
        ctx,
        run,
        by: Requester::default(),
        affinity: Affinity::default(),
        trace: claimed.trace,
        busy: HashMap::new(),
        awaited: Awaited::default(),
        seen: None,
        shown: None,
    };
    let mut woken = ctx.wake.of_runs();
    let look = ctx.config.poll_interval;
    let mut pause = look;
    loop {
        woken.mark_unchanged();
        match driver.turn().await? {
            Turn::Ended => break,
            Turn::WentOn => pause = look,
            Turn::Waits if ctx.turns.lets_go() => {
                return Err(Retry::because("another run has its turn"));
            }
            Turn::Waits => {
                // Also where nobody is left to wake it.
                let _ = tokio::time::timeout(pause, woken.changed()).await;
                pause = pause.saturating_mul(2).min(look.saturating_mul(IDLE));
            }
        }
    }
    // Others may have waited for its room.
    ctx.wake.runs();
    if let Some(record) = ctx.store.run_find(run, None).await? {
        info!(%run, state = %record.run.state, "a run has ended");
        ctx.metrics.runs.ended(&record);
    }
    Ok(())
}

impl Driver<'_> {
    pub(super) fn note(&self) -> ChangeNote {
        super::note(self.ctx, self.trace)
    }

    async fn turn(&mut self) -> Result<Turn, Retry> {
        let Some(mut record) = self.record().await? else {
            return Ok(Turn::Ended);
        };
        self.by.clone_from(&record.by);
        self.affinity = record.options.affinity;
        let next = match record.run.state {
            RunState::Pending => match room::look(self, &mut record).await? {
                Room::Claimed(record) => Some(Changed::Whole(record)),
                Room::Refused => return Ok(Turn::Ended),
                Room::Waits(_) => None,
            },
            RunState::Running | RunState::Cancelling => self.go_on(&record).await?,
            RunState::Completed | RunState::Partial | RunState::Failed | RunState::Cancelled => {
                return Ok(Turn::Ended);
            }
        };
        let Some(next) = next else {
            self.show(record).await?;
            return Ok(Turn::Waits);
        };
        self.seen = next.onto(record);
        Ok(Turn::WentOn)
    }

    /// One thing at a time, as each may change what is to be done.
    async fn go_on(&mut self, record: &RunRecord) -> Result<Option<Changed>, Retry> {
        if let Some(next) = ends::notice(self, record).await? {
            return Ok(Some(next));
        }
        if let Some(next) = hosts::advance(self, record).await? {
            return Ok(Some(next));
        }
        begin::some(self, record).await
    }

    /// The run as it is, read only where it has changed; `None`: there is none, or it has ended.
    async fn record(&mut self) -> Result<Option<RunRecord>, Retry> {
        let store = &self.ctx.store;
        let Some(version) = store.run_version(self.run).await? else {
            return Ok(None);
        };
        if version.state.is_terminal() {
            return Ok(None);
        }
        let is_seen = |it: &RunRecord| it.run.generation == version.generation;
        match self.seen.take().filter(is_seen) {
            Some(record) => Ok(Some(record)),
            None => Ok(store.run_find(self.run, None).await?),
        }
    }

    async fn show(&mut self, mut record: RunRecord) -> Result<(), Retry> {
        let now = Instant::now();
        if self.shown.is_none_or(|at| at <= now) {
            progress::write(self.ctx, &mut record).await?;
            self.shown = Some(now + self.pace());
        }
        self.seen = Some(record);
        Ok(())
    }

    fn pace(&self) -> Duration {
        self.ctx.config.progress_interval
    }
}
