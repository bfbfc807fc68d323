//! `GET /events` as a stream (`text/event-stream`): what happens, told to who listens, and told on
//! from where a listener was cut off.
//!
//! ```text
//!   database ──► feed ──► reader ──► listener
//!      │                   ▲ │
//!      └── what is older ──┘ └── token, policy: still as at the beginning?
//! ```

mod bearer;
mod feed;
mod reader;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::http::header::{self, HeaderMap};
use godwit_store::{EventQuery, Store};

use self::bearer::Bearer;
use self::feed::Feed;
use self::reader::Reader;
use super::call::Call;
use super::params::number;
use super::problem::{Code, Problem};
use super::reply::Reply;
use super::routes::Answer;
use crate::http::debug::debug_partly;

/// The type of such answers.
pub(crate) const TYPE: &str = "text/event-stream";

const LAST_EVENT_ID: &str = "last-event-id";

/// The streams of this process.
pub struct Streams {
    feed: Arc<Feed>,
    open: Arc<Open>,
}

/// How many are open, by project.
#[derive(Default)]
struct Open(Mutex<HashMap<String, usize>>);

impl Open {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of those that a project may have open, until it is dropped.
pub(crate) struct Place {
    open: Arc<Open>,
    project: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        if let Some(count) = open.get_mut(&self.project) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.project);
            }
        }
    }
}

debug_partly!(Streams {});

impl Streams {
    /// None yet. Events are read from `store` while there are some.
    pub(crate) fn new(store: Store) -> Self {
        Self {
            feed: Feed::new(store),
            open: Arc::default(),
        }
    }

    /// One more of a project that may have `most`.
    fn enter(&self, project: &str, most: usize) -> Result<Place, Problem> {
        let mut open = self.open.lock();
        let count = open.entry(project.to_owned()).or_default();
        if *count >= most {
            let detail = format!("A project may have {most} streams open.");
            return Err(Problem::new(Code::QuotaExceeded, detail));
        }
        *count += 1;
        Ok(Place {
            open: Arc::clone(&self.open),
            project: project.to_owned(),
        })
    }
}

/// Does the request want a stream? Who accepts anything gets a list.
pub(crate) fn are_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT);
    let mut ranges = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    ranges.any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let named = parts.next().is_some_and(|it| it.eq_ignore_ascii_case(TYPE));
        named && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// The last position that a listener has seen, where it was cut off.
///
/// # Errors
/// `invalid-input`.
pub(crate) fn last_seen(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let position = value.to_str().ok().and_then(number);
    let malformed = || Problem::input("Last-Event-ID", "It is the id of an event.");
    position.map(Some).ok_or_else(malformed)
}

/// Begins a stream of what `query` asks for: behind the event that was `seen` last, behind the
/// position that the query names, or from now on.
pub(crate) async fn open(call: &Call, query: EventQuery, seen: Option<i64>) -> Answer {
    let seen = seen.or(query.after);
    let project = call.caller.project_id().unwrap_or_default();
    let place = call
        .streams
        .enter(project, call.state.config.quotas.streams)?;
    let position = match seen {
        Some(position) => position,
        None => call.state.store.events_end().await?,
    };
    let bearer = Bearer::of(call);
    let reader = Reader::new(call, query, position, bearer, place);
    Ok(Reply::stream(TYPE, reader.into_stream()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            let name = HeaderName::from_static(name);
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_stream_is_for_who_asks_for_one() {
        for good in [
            &["text/event-stream"][..],
            &["application/json", "Text/Event-Stream"],
            &["application/json;q=0.5, text/event-stream; q=0.9"],
        ] {
            assert!(are_wanted(&headers("accept", good)), "{good:?}");
        }
        for other in [
            &[][..],
            &["*/*"],
            &["text/*"],
            &["text/event-streams"],
            &["text/event-stream;q=0, */*"],
        ] {
            assert!(!are_wanted(&headers("accept", other)), "{other:?}");
        }
    }

    #[test]
    fn what_was_seen_is_a_position() {
        let seen = |values: &[&'static str]| last_seen(&headers(LAST_EVENT_ID, values));
        assert_eq!(seen(&[]), Ok(None));
        assert_eq!(seen(&["7"]), Ok(Some(7)));
        for bad in ["", "-1", "x", "1 "] {
            assert_eq!(seen(&[bad]).unwrap_err().code(), Code::InvalidInput);
        }
    }

    #[test]
    fn a_place_is_free_again_when_its_stream_is_gone() {
        let open = Arc::new(Open::default());
        let enter = |project: &str| {
            *open.lock().entry(project.to_owned()).or_default() += 1;
            Place {
                open: Arc::clone(&open),
                project: project.to_owned(),
            }
        };
        let (first, second, other) = (enter("a"), enter("a"), enter("b"));
        assert_eq!(open.lock().get("a"), Some(&2));
        drop((first, other));
        assert_eq!(open.lock().get("a"), Some(&1));
        drop(second);
        assert!(open.lock().is_empty());
    }
}
