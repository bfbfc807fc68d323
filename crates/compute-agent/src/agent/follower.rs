//! Follows a started move to its end.
//!
//! The last look is kept where watchers find it; the end goes to the journal first. A move that
//! sends nothing for too long is aborted: the hypervisor alone would wait for ever. In a trace the
//! span here is the hypervisor's job, in as many pieces as processes have followed it.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::{self, BoxStream};
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::MigrationUuid;
use godwit_rpc::command::MoveKind;
use godwit_rpc::progress::{Ended, Outcome, Progress, WatchEvent};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span, info, warn};

use super::shared::{Raised, Shared};
use crate::driver::{DriverError, Job, JobState};
use crate::journal::{Entry, JournalError, RecordedOutcome};

/// The last look at a move. Sent again at every look, so that watchers hear that we live.
#[derive(Clone, Default, Debug)]
pub(super) struct View {
    progress: Option<Progress>,
    post_copy: bool,
    /// The last that watchers hear.
    end: Option<WatchEvent>,
}

pub(super) struct Followed {
    view: watch::Receiver<View>,
    /// Something was done about the move: look at once.
    nudge: Arc<Notify>,
}

/// Follows every move that an earlier process of this agent may have begun.
pub(super) fn resume(shared: &Arc<Shared>) {
    for entry in shared.journal.select(Entry::is_open) {
        follow(shared, &entry);
    }
}

/// Follows a move, if nobody does yet; if somebody does, has it looked at now.
pub(super) fn follow(shared: &Arc<Shared>, entry: &Entry) -> watch::Receiver<View> {
    let migration = entry.what.migration;
    let mut moves = shared.moves();
    if let Some(followed) = moves.get(&migration)
        && followed.view.has_changed().is_ok()
    {
        followed.nudge.notify_one();
        return followed.view.clone();
    }
    let (sender, view) = watch::channel(View::default());
    let nudge = Arc::new(Notify::new());
    let followed = Followed {
        view: view.clone(),
        nudge: nudge.clone(),
    };
    moves.insert(migration, followed);
    let follower = Follower {
        shared: shared.clone(),
        job: shared.job(entry),
        entry: entry.clone(),
        view: sender,
        nudge,
        moved: Instant::now(),
        bytes: 0,
        stalled: false,
    };
    let server = entry.what.server;
    // Below nothing that is open: whatever step begins to follow it would not end before it does.
    let span = tracing::info_span!(parent: None, "job", %migration, %server, outcome = Empty);
    // What the journal says, as `entry` may be older than the job.
    let begun = shared.journal.find(migration).and_then(|it| it.trace);
    godwit_telemetry::continue_from(&span, begun);
    shared.spawn(follower.follow().instrument(span));
    view
}

/// Records how a move ended, for ever, and has it reported.
pub(super) async fn conclude(
    shared: &Shared,
    entry: &Entry,
    ended: Ended,
) -> Result<(), JournalError> {
    let at = shared.now();
    let outcome = ended.outcome.as_str();
    let change = |entry: &mut Entry| {
        entry.outcome.get_or_insert(RecordedOutcome {
            ended,
            at,
            acknowledged: false,
        });
    };
    shared
        .journal
        .amend(entry.what.migration, at, change)
        .await?;
    shared.metrics.outcomes.with_label_values(&[outcome]).inc();
    shared.outcome_recorded.notify_one();
    Ok(())
}

/// What a watcher hears of a migration.
pub(super) fn watch(
    shared: &Arc<Shared>,
    migration: MigrationUuid,
) -> BoxStream<'static, WatchEvent> {
    let entry = shared.journal.find(migration);
    let recorded = entry.as_ref().and_then(|entry| entry.outcome.clone());
    match (entry, recorded) {
        (_, Some(recorded)) => stream::iter([WatchEvent::Ended(recorded.ended)]).boxed(),
        (Some(entry), None) if entry.is_open() => events(follow(shared, &entry)),
        (Some(_) | None, None) => stream::iter([WatchEvent::Unknown]).boxed(),
    }
}

fn events(mut view: watch::Receiver<View>) -> BoxStream<'static, WatchEvent> {
    view.mark_changed();
    let watching = (Some(view), false);
    let events = stream::unfold(watching, |(view, post_copy_sent)| async move {
        let mut view = view?;
        view.changed().await.ok()?;
        let now = view.borrow_and_update().clone();
        let mut events = Vec::with_capacity(2);
        if now.post_copy && !post_copy_sent {
            events.push(WatchEvent::PostCopyStarted);
        }
        let going_on = now.end.is_none();
        events.extend(now.end.or(now.progress.map(WatchEvent::Progress)));
        let rest = (going_on.then_some(view), post_copy_sent || now.post_copy);
        Some((stream::iter(events), rest))
    });
    events.flatten().boxed()
}

struct Follower {
    shared: Arc<Shared>,
    entry: Entry,
    job: Job,
    view: watch::Sender<View>,
    nudge: Arc<Notify>,
    moved: Instant,
    bytes: u64,
    stalled: bool,
}

impl Follower {
    async fn follow(mut self) {
        let _counted = Raised::new(&self.shared.metrics.moves);
        let end = self.until_end().await;
        self.view.send_modify(|view| view.end = Some(end));
        // Forgotten only now, so that whoever looks for it finds this or what the journal recorded.
        self.shared.moves().remove(&self.entry.what.migration);
    }

    async fn until_end(&mut self) -> WatchEvent {
        let mut ticks = tokio::time::interval(self.shared.pace.progress_interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut changes = self.shared.driver.changes();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.nudge.notified() => {}
                // Perhaps it is this move that came to its end.
                Ok(()) = changes.changed() => {}
            }
            match self.look().await {
                Ok(JobState::Moving {
                    progress,
                    post_copy,
                }) => {
                    self.view.send_modify(|view| {
                        view.progress = Some(progress);
                        view.post_copy |= post_copy;
                    });
                    self.watch_for_stalls(&progress, post_copy).await;
                }
                Ok(JobState::Ended(ended)) => {
                    let ended = self.explain(ended);
                    Span::current().record("outcome", ended.outcome.as_str());
                    info!(outcome = ended.outcome.as_str(), "the move ended");
                    match conclude(&self.shared, &self.entry, ended.clone()).await {
                        Ok(()) => return WatchEvent::Ended(ended),
                        // Not reported before it is recorded; the driver will say it again.
                        Err(error) => warn!(%error, "the outcome cannot be written down"),
                    }
                }
                Ok(JobState::NoJob) => {
                    info!("the move is gone");
                    return WatchEvent::Unknown;
                }
                Err(error) => {
                    info!(%error, "the move cannot be looked at");
                    self.view.send_modify(|_| {});
                }
            }
        }
    }

    async fn look(&self) -> Result<JobState, DriverError> {
        let progress = self.shared.driver.progress(&self.job);
        self.shared.ask(progress).await
    }

    async fn watch_for_stalls(&mut self, progress: &Progress, post_copy: bool) {
        let limit = self.shared.pace.stall_timeout;
        let bytes = progress.bytes_moved();
        // A guest that powers off moves nothing meanwhile, and its driver keeps the time.
        let cold = self.entry.what.kind != MoveKind::Live;
        if bytes != self.bytes || post_copy || cold {
            (self.bytes, self.moved) = (bytes, Instant::now());
            return;
        }
        if limit.is_zero() || self.moved.elapsed() < limit {
            return;
        }
        if !self.stalled {
            warn!(bytes, "no byte moved for {limit:?}: aborting");
            self.shared.metrics.stalls.inc();
        }
        self.stalled = true;
        // Again after another such time, should it not take.
        self.moved = Instant::now();
        let step = self.shared.pace.step_timeout;
        let aborted = tokio::time::timeout(step, self.shared.driver.abort(&self.job)).await;
        if let Ok(Err(error)) = aborted {
            warn!(%error, "the stalled move cannot be aborted");
        }
    }

    /// A move that we aborted for its stall was not cancelled by anybody.
    fn explain(&self, ended: Ended) -> Ended {
        let detail = match (&ended.outcome, self.stalled) {
            (Outcome::Cancelled, true) => String::new(),
            (Outcome::Failed(failure), true) => format!(" {}", failure.message),
            (Outcome::HandedOver | Outcome::Stopped | Outcome::Lost(_), _) | (_, false) => {
                return ended;
            }
        };
        let limit = self.shared.pace.stall_timeout.as_secs_f64();
        let message = format!("No byte moved for {limit} seconds.{detail}");
        Ended {
            outcome: Outcome::Failed(Failure::new(FailureCode::Stalled, message)),
            ..ended
        }
    }
}
