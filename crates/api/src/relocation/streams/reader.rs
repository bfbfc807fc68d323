//! One stream, for one listener.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Bytes, Data};
use futures::StreamExt;
use futures::stream::BoxStream;
use godwit_store::{EventQuery, EventReadError};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::bearer::Bearer;
use super::feed::{Feed, Recent};
use super::{Place, Streams};
use crate::http::json;
use crate::http::state::ApiState;
use crate::relocation::call::Call;
use crate::relocation::problem::Problem;
use crate::relocation::views::event::EventView;

/// Events told at a time.
const AT_ONCE: usize = 1_000;

/// How often one looks whether the listener may still listen.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// How long nothing is said at most. Only who says something finds out that nobody listens.
const SILENCE: Duration = Duration::from_secs(5);

/// Says nothing, so that neither end nor anybody between them takes the stream for dead.
const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// Who reads for a listener.
pub(crate) struct Reader {
    state: Data<ApiState>,
    feed: Arc<Feed>,
    recent: watch::Receiver<Option<Recent>>,
    bearer: Bearer,
    query: EventQuery,
    /// All up to it that is wanted was told.
    position: i64,
    /// Has the database said that this position was ever given, and what follows it is kept?
    is_known: bool,
    /// Where a listener begins anew that has missed something.
    snapshot: String,
    check_at: Instant,
    /// Whether the listener may still listen is found out beside what is told: whoever knows may
    /// take their time, and those of a slow listener's token must not wait for the listener.
    check: Option<JoinHandle<Option<Bearer>>>,
    speak_at: Instant,
    _place: Place,
}

impl Reader {
    /// One that tells what follows `position`.
    pub(crate) fn new(
        call: &Call,
        query: EventQuery,
        position: i64,
        bearer: Bearer,
        place: Place,
    ) -> Self {
        let Streams { feed, .. } = &**call.streams;
        let now = Instant::now();
        Self {
            state: call.state.clone(),
            recent: feed.follow(),
            feed: Arc::clone(feed),
            bearer,
            query: EventQuery {
                limit: i64::try_from(AT_ONCE).unwrap_or(i64::MAX),
                ..query
            },
            position,
            is_known: false,
            snapshot: call.address_of("/snapshot"),
            check_at: now + CHECK_EVERY,
            check: None,
            // At once, so that the listener knows from when on it misses nothing.
            speak_at: now,
            _place: place,
        }
    }

    /// What is said, piece by piece.
    pub(crate) fn into_stream(self) -> BoxStream<'static, Result<Bytes, Infallible>> {
        let pieces = futures::stream::unfold(self, |mut reader| async move {
            let piece = reader.next().await?;
            Some((Ok(piece), reader))
        });
        pieces.boxed()
    }

    /// What is said next; `None`: nothing any more.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.check_at <= Instant::now() {
                self.begin_check();
            }
            if let Some(check) = self.check.take_if(|check| check.is_finished()) {
                self.bearer = check.await.ok().flatten()?;
            }
            if self.bearer.has_expired(&self.state) {
                return None;
            }
            let before = self.position;
            // What went wrong is in the log, and is tried again.
            let told = self.read().await.unwrap_or_default();
            if told.is_none() && self.position > before {
                continue;
            }
            let silent = || (self.speak_at <= Instant::now()).then_some(KEEP_ALIVE);
            if let Some(piece) = told.or_else(|| silent().map(Bytes::from_static)) {
                self.speak_at = Instant::now() + SILENCE;
                return Some(piece);
            }
            let until = self.check_at.min(self.speak_at);
            let check = &mut self.check;
            let checked = async {
                match check {
                    Some(check) => check.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.recent.changed() => if changed.is_err() {
                    return None;
                },
                checked = checked => {
                    self.bearer = checked.ok().flatten()?;
                    self.check = None;
                }
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Begins to find out whether the listener may still listen, unless that is under way.
    fn begin_check(&mut self) {
        self.check_at = Instant::now() + CHECK_EVERY;
        self.feed.ensure();
        if self.check.is_none() {
            let (bearer, state) = (self.bearer.clone(), self.state.clone());
            let check = async move { bearer.judged_again(&state).await };
            self.check = Some(tokio::spawn(check));
        }
    }

    /// Reads on; what is wanted of that.
    async fn read(&mut self) -> Result<Option<Bytes>, Problem> {
        let (position, is_known) = (self.position, self.is_known);
        let found = {
            let recent = self.recent.borrow_and_update();
            let recent = recent.as_ref().filter(|_| is_known);
            recent.and_then(|recent| recent.after(position, AT_ONCE))
        };
        let (events, until) = match found {
            Some(found) => found,
            None => {
                let query = EventQuery {
                    after: Some(position),
                    ..self.query.clone()
                };
                match self.state.store.events_page(&query).await {
                    Ok(page) => {
                        let events = page.events.into_iter().map(Arc::new);
                        (events.collect(), page.last_position)
                    }
                    Err(EventReadError::Expired(_)) => return Ok(Some(self.reset().await?)),
                    Err(EventReadError::Store(error)) => return Err(error.into()),
                }
            }
        };
        let sees = self.bearer.sees();
        let mut text = Vec::new();
        for event in events.iter().filter(|it| self.query.wants(it)) {
            text.extend_from_slice(format!("id: {}\ndata: ", event.position).as_bytes());
            json::write(&mut text, &EventView::new(event, sees)).map_err(Problem::internal)?;
            text.extend_from_slice(b"\n\n");
        }
        (self.position, self.is_known) = (until, true);
        Ok((!text.is_empty()).then(|| text.into()))
    }

    /// Says that something was missed, and goes on from now on.
    async fn reset(&mut self) -> Result<Bytes, Problem> {
        let position = self.state.store.events_end().await?;
        (self.position, self.is_known) = (position, true);
        let data = json!({ "snapshot": self.snapshot, "position": position.to_string() });
        Ok(format!("event: reset\ndata: {data}\n\n").into())
    }
}
