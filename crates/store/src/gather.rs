//! Lookups that many make at one time, answered by one query.
//!
//! Finding a row takes microseconds; to get a thread, a connection and the database's ear for
//! it takes many times as long. So what is asked while a query is under way waits for its end,
//! and is then answered together:
//!
//! ```text
//!   alone        key ───────────────► query of one
//!   under load   key, key, key, … ──► query of many
//! ```
//!
//! An answer is never older than its question: a query begins after all its keys have come.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::StoreError;
use crate::among::MOST;
use crate::connection::Database;
use crate::group_commit::Urgency;
use crate::pool::Pool;
use crate::work::{erased, result_of};

/// Finds what there is of some keys, [`MOST`] of them at most.
type Find<K, V> = fn(&mut Database, &[K]) -> Result<HashMap<K, V>, StoreError>;

/// One kind of lookup.
pub(crate) struct Gather<K, V> {
    pool: Pool,
    urgency: Urgency,
    find: Find<K, V>,
    /// More rounds at one time would only make each of them shorter.
    most_rounds: usize,
    questions: Mutex<Questions<K, V>>,
}

struct Questions<K, V> {
    open: Vec<Question<K, V>>,
    /// How many are answering now.
    rounds: usize,
}

struct Question<K, V> {
    key: K,
    asker: oneshot::Sender<Result<Option<V>, StoreError>>,
}

impl<K, V> Gather<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    pub(crate) fn new(pool: &Pool, urgency: Urgency, find: Find<K, V>) -> Arc<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Self {
            pool: pool.clone(),
            urgency,
            find,
            most_rounds: processors.div_ceil(2),
            questions: Mutex::new(Questions {
                open: Vec::new(),
                rounds: 0,
            }),
        })
    }

    pub(crate) async fn get(self: &Arc<Self>, key: K) -> Result<Option<V>, StoreError> {
        let (asker, answer) = oneshot::channel();
        if let Some(round) = self.ask(Question { key, asker }) {
            tokio::spawn(round.run());
        }
        // Nobody is left to answer only when the process ends.
        answer.await.unwrap_or(Err(StoreError::Stopped))
    }

    /// Adds a question; the round that is to be begun for it, unless there are enough.
    fn ask(self: &Arc<Self>, question: Question<K, V>) -> Option<Round<K, V>> {
        let mut questions = self.questions();
        questions.open.push(question);
        if questions.rounds == self.most_rounds {
            return None;
        }
        questions.rounds += 1;
        Some(Round {
            gather: Some(Arc::clone(self)),
        })
    }

    async fn answer(&self, questions: Vec<Question<K, V>>) {
        let keys = questions.iter().map(|question| question.key.clone());
        let keys = keys.collect();
        let found = self.look(keys).await;
        for Question { key, asker } in questions {
            let answer = match &found {
                Ok(found) => Ok(found.get(&key).cloned()),
                Err(error) => match error.of_the_database() {
                    Some(error) => Err(error),
                    // One row that cannot be read must not hide the others.
                    None => self
                        .look(vec![key.clone()])
                        .await
                        .map(|mut found| found.remove(&key)),
                },
            };
            // Who does not wait any longer needs no answer.
            let _ = asker.send(answer);
        }
    }

    async fn look(&self, keys: Vec<K>) -> Result<HashMap<K, V>, StoreError> {
        let find = self.find;
        let look = move |connection: &mut Database| find(connection, &keys);
        result_of(self.pool.read(self.urgency, erased(look)).await)
    }
}

impl<K, V> Gather<K, V> {
    fn questions(&self) -> MutexGuard<'_, Questions<K, V>> {
        self.questions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A gather, and what it is asked.
type Taken<K, V> = (Arc<Gather<K, V>>, Vec<Question<K, V>>);

/// Somebody who answers questions until there are none.
struct Round<K, V> {
    /// `None` once it has ended.
    gather: Option<Arc<Gather<K, V>>>,
}

impl<K, V> Round<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    async fn run(mut self) {
        while let Some((gather, questions)) = self.next() {
            gather.answer(questions).await;
        }
    }

    /// Takes questions, or ends: under one lock, so that none comes in between.
    fn next(&mut self) -> Option<Taken<K, V>> {
        let gather = self.gather.take()?;
        let mut questions = gather.questions();
        if questions.open.is_empty() {
            questions.rounds -= 1;
            return None;
        }
        let count = questions.open.len().min(MOST);
        let taken = questions.open.drain(..count).collect();
        drop(questions);
        self.gather = Some(Arc::clone(&gather));
        Some((gather, taken))
    }
}

impl<K, V> Drop for Round<K, V> {
    /// A round that is dropped on its way, with its runtime or by a panic, leaves no question
    /// that waits for ever.
    fn drop(&mut self) {
        if let Some(gather) = &self.gather {
            let mut questions = gather.questions();
            questions.rounds -= 1;
            if questions.rounds == 0 {
                questions.open.clear();
            }
        }
    }
}
