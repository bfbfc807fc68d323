//! What happens, read once for all streams of this process, and only while there are some.
//!
//! Readers are told that there is something new, and find the newest events here. One that is
//! further behind reads from the database itself until it is not.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use godwit_store::{EventPage, EventQuery, EventReadError, PositionedEvent, Store};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

/// How often the database is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// How long it is left alone after it could not be read.
const PAUSE: Duration = Duration::from_secs(1);

/// Events read at a time.
const AT_ONCE: i64 = 1_000;

/// Events that are kept for readers.
const KEPT: usize = 4_096;

/// The newest events, and who reads them.
pub(crate) struct Feed {
    store: Store,
    /// `None`: not known.
    recent: watch::Sender<Option<Recent>>,
    /// Does somebody read?
    is_read: Mutex<bool>,
}

/// All events between two positions.
pub(crate) struct Recent {
    events: VecDeque<Arc<PositionedEvent>>,
    /// Behind which it begins.
    since: i64,
    /// Up to which it goes.
    until: i64,
}

/// Events, and how far was looked for them.
pub(crate) type Found = (Vec<Arc<PositionedEvent>>, i64);

impl Recent {
    fn behind(position: i64) -> Self {
        Self {
            events: VecDeque::new(),
            since: position,
            until: position,
        }
    }

    fn add(&mut self, page: EventPage) {
        self.until = page.last_position;
        self.events.extend(page.events.into_iter().map(Arc::new));
        while self.events.len() > KEPT {
            if let Some(first) = self.events.pop_front() {
                self.since = first.position;
            }
        }
    }

    /// What follows a position, at most so many; `None` if that is not all here. Who knows more
    /// than is here has nothing to learn.
    pub(crate) fn after(&self, position: i64, most: usize) -> Option<Found> {
        if position < self.since {
            return None;
        }
        let first = self.events.partition_point(|it| it.position <= position);
        let found: Vec<_> = self.events.range(first..).take(most).cloned().collect();
        let until = match found.last() {
            Some(last) if found.len() == most => last.position,
            Some(_) | None => self.until.max(position),
        };
        Some((found, until))
    }
}

impl Feed {
    pub(crate) fn new(store: Store) -> Arc<Self> {
        Arc::new(Self {
            store,
            recent: watch::Sender::new(None),
            is_read: Mutex::new(false),
        })
    }

    /// The newest events from now on.
    pub(crate) fn follow(self: &Arc<Self>) -> watch::Receiver<Option<Recent>> {
        let followed = self.recent.subscribe();
        self.ensure();
        followed
    }

    /// Sees to it that somebody reads. Whoever did may have gone with its runtime.
    pub(crate) fn ensure(self: &Arc<Self>) {
        let was_read = std::mem::replace(&mut *self.lock(), true);
        // Behind the lock: a runtime that is ending drops what is spawned, which takes the lock.
        if !was_read {
            let reading = Reading {
                feed: Some(Arc::clone(self)),
            };
            tokio::spawn(reading.run());
        }
    }

    /// Reads on; says whether there is more.
    async fn look(&self) -> Result<bool, EventReadError> {
        let known = self.recent.borrow().as_ref().map(|recent| recent.until);
        let Some(known) = known else {
            let end = self.store.events_end().await?;
            self.recent.send_replace(Some(Recent::behind(end)));
            return Ok(false);
        };
        let query = EventQuery::after(known, AT_ONCE);
        let page = match self.store.events_page(&query).await {
            // The database is another one by now. Readers find that out for themselves.
            Err(EventReadError::Expired(_)) => {
                self.recent.send_replace(None);
                return Ok(false);
            }
            page => page?,
        };
        let more = page.more;
        if !page.events.is_empty() {
            self.recent.send_modify(|recent| {
                if let Some(recent) = recent {
                    recent.add(page);
                }
            });
        }
        Ok(more)
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.is_read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who reads for all.
struct Reading {
    /// `None` once it has ended.
    feed: Option<Arc<Feed>>,
}

impl Reading {
    async fn run(mut self) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while let Some(feed) = self.wanted() {
            match feed.look().await {
                Ok(true) => {}
                Ok(false) => {
                    ticks.tick().await;
                }
                Err(error) => {
                    tracing::warn!(%error, "events cannot be read for those who follow them");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// The feed, unless nobody follows it: then this ends, under one lock, so that nobody begins
    /// to follow in between.
    fn wanted(&mut self) -> Option<Arc<Feed>> {
        let feed = self.feed.take()?;
        let mut is_read = feed.lock();
        if feed.recent.receiver_count() == 0 {
            *is_read = false;
            feed.recent.send_replace(None);
            return None;
        }
        drop(is_read);
        self.feed = Some(Arc::clone(&feed));
        Some(feed)
    }
}

impl Drop for Reading {
    /// One that is dropped on its way, with its runtime or by a panic, is not taken for somebody
    /// who reads.
    fn drop(&mut self) {
        if let Some(feed) = &self.feed {
            *feed.lock() = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use godwit_core::time::Timestamp;
    use godwit_store::{LoggedEvent, SubjectEvent};

    use super::*;

    fn page(positions: std::ops::RangeInclusive<i64>) -> EventPage {
        let last_position = *positions.end();
        let event = |position| PositionedEvent {
            position,
            event: LoggedEvent::Discrepancy {
                id: 1,
                server_project_id: None,
                line: SubjectEvent {
                    sequence: 1,
                    at: Timestamp::from_micros(0).unwrap(),
                    name: "opened".to_owned(),
                    actor: "conductor".to_owned(),
                    request_id: None,
                    user_id: None,
                    project_id: None,
                    detail: serde_json::Value::Null,
                },
            },
        };
        EventPage {
            events: positions.map(event).collect(),
            last_position,
            more: false,
        }
    }

    fn after(recent: &Recent, position: i64, most: usize) -> Option<(Vec<i64>, i64)> {
        let (found, until) = recent.after(position, most)?;
        Some((found.iter().map(|it| it.position).collect(), until))
    }

    #[test]
    fn what_is_here_is_told_and_what_is_not_is_known() {
        let mut recent = Recent::behind(5);
        assert_eq!(after(&recent, 4, 9), None);
        assert_eq!(after(&recent, 5, 9), Some((vec![], 5)));
        assert_eq!(after(&recent, 7, 9), Some((vec![], 7)), "read elsewhere");
        recent.add(page(6..=8));
        assert_eq!(after(&recent, 4, 9), None);
        assert_eq!(after(&recent, 5, 9), Some((vec![6, 7, 8], 8)));
        assert_eq!(after(&recent, 5, 2), Some((vec![6, 7], 7)));
        assert_eq!(after(&recent, 7, 2), Some((vec![8], 8)));
        assert_eq!(after(&recent, 8, 2), Some((vec![], 8)));
    }

    #[test]
    fn the_oldest_go_first() {
        let mut recent = Recent::behind(0);
        let most = i64::try_from(KEPT).unwrap();
        recent.add(page(1..=most));
        assert!(recent.after(0, 1).is_some());
        recent.add(page(most + 1..=most + 3));
        assert_eq!(after(&recent, 2, 1), None);
        assert_eq!(after(&recent, 3, 1), Some((vec![4], 4)));
    }
}
