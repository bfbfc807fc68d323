//! Many transactions with one commit.
//!
//! SQLite has one writer, and every commit waits until the disk has it. So what is asked while a
//! commit is under way waits for its end, and is then committed together:
//!
//! ```text
//!   alone        work ─────────────► BEGIN  work  COMMIT
//!   under load   work, work, … ────► BEGIN  (work)  (work)  …  COMMIT
//! ```
//!
//! Each work has a savepoint of its own: one that fails is undone and harms no other. Nobody is
//! answered before the commit, whatever the answer is, so nothing that is said rests on a change
//! that was not durable. If the commit fails, all of them have failed.
//!
//! What a request waits for goes before what is done in the background, and with few others: it
//! is answered when the last of its commit is done.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::StoreError;
use crate::connection::Database;
use crate::pool::{Pool, WithAttempt};
use crate::work::{Answer, Answering, Done, End, Work};

/// Works in one commit at most: the first of them waits for the last.
const MOST: usize = 32;

/// Works of the background in one commit with works that requests wait for.
const BESIDE_REQUESTS: usize = 8;

/// Whom a transaction keeps waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Urgency {
    /// Whoever made a request.
    Request,
    /// Nobody in particular.
    Background,
}

/// The one writer of an SQLite database.
pub(crate) struct GroupCommit {
    pool: Pool,
    /// How long a work waits until it begins.
    patience: Duration,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    requests: VecDeque<(u64, Asked)>,
    background: VecDeque<(u64, Asked)>,
    /// The number of the next work.
    next: u64,
    /// Is somebody committing, who will look here again?
    is_served: bool,
}

impl Queue {
    fn len(&self) -> usize {
        self.requests.len() + self.background.len()
    }

    /// The works of the next commit. Some of the background are always among them.
    fn next_works(&mut self) -> Vec<Asked> {
        let requests = self.requests.len().min(MOST - BESIDE_REQUESTS);
        let room = if requests > 0 { BESIDE_REQUESTS } else { MOST };
        let background = self.background.len().min(room);
        let next = self.requests.drain(..requests);
        next.chain(self.background.drain(..background))
            .map(|(_, work)| work)
            .collect()
    }
}

/// What came of a work: a panic is handed on to whoever asked.
type Outcome = Result<Result<Answer, StoreError>, Box<dyn Any + Send>>;

/// Something to be done in a transaction, and whoever waits for its result.
struct Asked {
    work: Work,
    outcome: Option<Outcome>,
    asker: oneshot::Sender<Outcome>,
}

impl Asked {
    /// Does it, or undoes all of it. Fails where the transaction as a whole is lost.
    fn perform(&mut self, connection: &mut Database) -> Result<(), StoreError> {
        // Whoever asked may have gone meanwhile.
        if self.asker.is_closed() {
            return Ok(());
        }
        connection.begin_savepoint()?;
        let work = &mut self.work;
        let outcome = catch_unwind(AssertUnwindSafe(|| work(connection)));
        match &outcome {
            Ok(done) if done.end == End::Good => connection.release_savepoint()?,
            Ok(_) | Err(_) => connection.undo_savepoint()?,
        }
        self.outcome = Some(outcome.map(|done| done.answer));
        Ok(())
    }

    /// Answers: with the result, or that there is none because the transaction is lost.
    fn answer(self, committed: &Result<(), StoreError>) {
        let outcome = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Ok(Err(StoreError::Stopped)),
            (Err(error), _) => Ok(Err(error.of_the_transaction())),
        };
        // Who does not wait any longer needs no answer.
        let _ = self.asker.send(outcome);
    }
}

impl GroupCommit {
    /// A writer with the one connection of `pool`.
    pub(crate) fn new(pool: Pool, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            pool,
            patience,
            queue: Mutex::default(),
        })
    }

    /// Runs `work` in a transaction; an error of any kind undoes what it did.
    pub(crate) fn run<'a>(self: &'a Arc<Self>, urgency: Urgency, work: Work) -> Answering<'a> {
        Box::pin(self.perform(urgency, work))
    }

    async fn perform(self: &Arc<Self>, urgency: Urgency, work: Work) -> Result<Answer, StoreError> {
        let (asker, mut answer) = oneshot::channel();
        let asked = Asked {
            work,
            outcome: None,
            asker,
        };
        let (number, serving) = self.enqueue(urgency, asked);
        // Behind the lock: a runtime that is ending drops what is spawned, which takes the lock.
        if let Some(serving) = serving {
            tokio::spawn(serving.run());
        }
        let answered = match tokio::time::timeout(self.patience, &mut answer).await {
            Ok(answered) => answered,
            Err(_) if self.withdraw(number) => {
                return Err(StoreError::Busy(self.patience));
            }
            // It has begun; then only its end says what became of it.
            Err(_) => answer.await,
        };
        match answered {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            // Nobody is left to answer only when the process ends.
            Err(_) => Err(StoreError::Stopped),
        }
    }

    /// Adds a work, and says its number; whoever is to serve the queue, unless somebody does.
    fn enqueue(self: &Arc<Self>, urgency: Urgency, work: Asked) -> (u64, Option<Serving>) {
        let mut queue = self.queue();
        let number = queue.next;
        queue.next += 1;
        match urgency {
            Urgency::Request => queue.requests.push_back((number, work)),
            Urgency::Background => queue.background.push_back((number, work)),
        }
        let serving = (!queue.is_served).then(|| Serving {
            writer: Some(Arc::clone(self)),
        });
        queue.is_served = true;
        (number, serving)
    }

    /// Takes back a work that has not begun.
    fn withdraw(&self, number: u64) -> bool {
        let mut queue = self.queue();
        let Queue {
            requests,
            background,
            ..
        } = &mut *queue;
        [requests, background].into_iter().any(|waiting| {
            let place = waiting.iter().position(|(other, _)| *other == number);
            place.and_then(|place| waiting.remove(place)).is_some()
        })
    }

    /// How many have not begun.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.queue().len()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Performs works with one commit, and answers them.
fn commit(connection: &mut Database, mut works: Vec<Asked>) {
    let committed = connection.write(|connection| {
        works
            .iter_mut()
            .try_for_each(|work| work.perform(connection))
    });
    for work in works {
        work.answer(&committed);
    }
}

/// Somebody who commits until there is nothing to do.
struct Serving {
    /// `None` once it has ended.
    writer: Option<Arc<GroupCommit>>,
}

impl Serving {
    async fn run(mut self) {
        while let Some(writer) = self.writer.take() {
            self.writer = Some(Arc::clone(&writer));
            let works = Arc::clone(&writer);
            let serve: WithAttempt = Box::new(move |connection, attempt| {
                loop {
                    let next = works.queue().next_works();
                    if next.is_empty() {
                        return Ok(Done::nothing());
                    }
                    attempt.began = true;
                    commit(connection, next);
                }
            });
            let served = writer.pool.run(Urgency::Request, serve);
            let served = served.await.map(drop);
            let mut queue = writer.queue();
            // There was no connection.
            if served.is_err() {
                while queue.len() > 0 {
                    let works = queue.next_works();
                    works.into_iter().for_each(|work| work.answer(&served));
                }
            }
            // Under the same lock, so that none comes in between.
            if queue.len() == 0 {
                queue.is_served = false;
                self.writer = None;
            }
        }
    }
}

impl Drop for Serving {
    /// One that is dropped on its way, with its runtime, leaves nobody who waits for ever.
    fn drop(&mut self) {
        if let Some(writer) = &self.writer {
            let mut queue = writer.queue();
            *queue = Queue {
                next: queue.next,
                ..Queue::default()
            };
        }
    }
}

#[cfg(test)]
mod tests;
