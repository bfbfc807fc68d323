//! Waiting for the end of something, and telling what happens meanwhile.
//!
//! ```text
//!   stream ── an event ──┐
//!   clock ─── a while ───┼─► look ─► tell what has changed ─► ended?
//!   deadline ────────────┘
//! ```

mod maintenance;
mod migration;
mod plan;
mod run;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::api::Api;
use super::documents::{Event, read};
use super::failure::Failure;
use super::names::Names;
use super::screen::Screen;
use super::stream::{Heard, Listener};

pub(super) use self::maintenance::MaintenanceOf;
pub(super) use self::migration::{MigrationOf, newest};
pub(super) use self::plan::MakingOf;
pub(super) use self::run::{RunOf, outcome_of_run};

/// How often one looks although nothing was heard: where bars move, where events tell what matters,
/// and where there are none.
const BARS: Duration = Duration::from_secs(1);
const EVENTS: Duration = Duration::from_secs(5);
const DEAF: Duration = Duration::from_secs(2);

/// What waits have in common.
pub(super) struct Follow<'a> {
    pub(super) api: &'a Arc<Api>,
    pub(super) screen: &'a Screen,
    pub(super) names: Names,
    deadline: Instant,
    timeout: u64,
}

/// Something that ends.
pub(super) trait Subject {
    /// As events name it: KIND/ID.
    fn event_subject(&self) -> String;

    /// What goes on although nobody waits for it, and the command that shows it.
    fn goes_on(&self) -> String;

    /// How it is now.
    async fn look(&mut self, api: &Api) -> Result<Value, Failure>;

    /// Tells what has changed; `events` were heard since.
    async fn tell(&mut self, document: &Value, events: &[Event], follow: &mut Follow<'_>);

    fn has_ended(&self, document: &Value) -> bool;
}

/// Why one looks again.
enum Woken {
    Heard(Option<Heard>),
    While,
    Deadline,
}

impl<'a> Follow<'a> {
    /// Waits for so many seconds from now, whatever for.
    pub(super) fn new(api: &'a Arc<Api>, screen: &'a Screen, timeout: u64) -> Self {
        let now = Instant::now();
        let deadline = now.checked_add(Duration::from_secs(timeout)).unwrap_or(now);
        Self {
            api,
            screen,
            names: Names::default(),
            deadline,
            timeout,
        }
    }

    /// The document of a subject that has ended.
    pub(super) async fn until_end<S: Subject>(
        &mut self,
        subject: &mut S,
    ) -> Result<Value, Failure> {
        self.screen.wait_for(subject.goes_on());
        let query = vec![("subject".to_owned(), subject.event_subject())];
        let mut listener = Some(Listener::start(Arc::clone(self.api), query, None));
        let (mut events, mut is_cut_off, mut has_looked) = (Vec::new(), false, false);
        loop {
            let looked = timeout_at(self.deadline, subject.look(self.api)).await;
            match looked.map_err(|_| self.late(subject))? {
                Ok(document) => {
                    (is_cut_off, has_looked) = (false, true);
                    subject
                        .tell(&document, &std::mem::take(&mut events), self)
                        .await;
                    if subject.has_ended(&document) {
                        return Ok(document);
                    }
                }
                Err(failure) if has_looked && may_pass(&failure) => {
                    if !std::mem::replace(&mut is_cut_off, true) {
                        self.screen.line(format_args!("{failure}; trying again"));
                    }
                }
                Err(failure) => return Err(failure),
            }
            match self.woken(listener.as_mut()).await {
                Woken::Deadline => return Err(self.late(subject)),
                Woken::While => {}
                Woken::Heard(heard) => {
                    let more = std::iter::from_fn(|| listener.as_mut()?.heard_already());
                    let heard: Vec<Heard> = heard.into_iter().chain(more).collect();
                    if heard.iter().any(|it| matches!(it, Heard::Deaf(_))) || heard.is_empty() {
                        listener = None;
                    }
                    events.extend(heard.iter().filter_map(event));
                }
            }
        }
    }

    async fn woken(&self, listener: Option<&mut Listener>) -> Woken {
        let pause = match (&listener, self.screen.has_bars()) {
            (_, true) => BARS,
            (Some(_), false) => EVENTS,
            (None, false) => DEAF,
        };
        let heard = async {
            match listener {
                Some(listener) => listener.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep_until(self.deadline) => Woken::Deadline,
            heard = heard => Woken::Heard(heard),
            () = sleep_until(Instant::now() + pause) => Woken::While,
        }
    }

    fn late(&self, subject: &impl Subject) -> Failure {
        let goes_on = subject.goes_on();
        Failure::TimedOut(format!(
            "it has not ended after {} s; {goes_on}",
            self.timeout
        ))
    }
}

fn may_pass(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable { .. } => true,
        Failure::Problem(problem) => problem.status >= 500,
        Failure::Usage(_)
        | Failure::Access(_)
        | Failure::Garbled { .. }
        | Failure::Name(_)
        | Failure::TimedOut(_)
        | Failure::Interrupted(_) => false,
    }
}

fn event(heard: &Heard) -> Option<Event> {
    match heard {
        Heard::Event(event) => Some(read(event)),
        Heard::Missed | Heard::Lost(_) | Heard::Listening | Heard::Deaf(_) => None,
    }
}
