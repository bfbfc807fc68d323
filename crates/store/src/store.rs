//! The one handle to the database.

use std::fmt;
use std::sync::Arc;

use godwit_core::host::scope::beginning::Beginnings;
use godwit_core::ids::{HostName, MigrationUuid};

use crate::connection::Database;
use crate::error::{OrNothing, TransactionError};
use crate::gather::Gather;
use crate::group_commit::{GroupCommit, Urgency};
use crate::hosts::{self, Agent};
use crate::migrations::{self, ById, InProgress};
use crate::open::PoolState;
use crate::pool::{Pool, WithAttempt};
use crate::work::{Answer, Answering, Done, End, Work, erased, result_of};
use crate::{KeyedWrite, MigrationRecord, StoreError, dialect};

/// How often a transaction is run again when the database asks for it.
const CONFLICTS: u32 = 10;

/// The database. Cheap to clone; all clones share one pool of connections.
#[derive(Clone)]
pub struct Store {
    pools: Arc<Pools>,
    urgency: Urgency,
    /// What the next transaction writes as well.
    keyed: Option<Arc<KeyedWrite>>,
    pub(crate) lookups: Arc<Lookups>,
    /// How hosts and scopes begin that are new.
    pub(crate) beginnings: Beginnings,
}

pub(crate) struct Pools {
    pub(crate) readers: Pool,
    pub(crate) writers: Writers,
}

/// How transactions that write get to the database.
pub(crate) enum Writers {
    /// SQLite has one writer.
    One(Arc<GroupCommit>),
    /// PostgreSQL has many, which are the readers too, and gathers commits by itself.
    Many(Pool),
}

impl Pools {
    /// Runs one transaction: see [`Store::write`] and [`Store::write_statement`].
    fn write(&self, urgency: Urgency, size: Size, mut work: Work) -> Answering<'_> {
        let pool = match &self.writers {
            Writers::One(writer) => return writer.run(urgency, work),
            Writers::Many(pool) => pool,
        };
        let work: WithAttempt = Box::new(move |connection, attempt| {
            let mut conflicts = 0;
            loop {
                let result = match size {
                    Size::Statement => Ok(work(connection)),
                    Size::Statements => connection
                        .write(|connection| {
                            attempt.began = true;
                            let done = work(connection);
                            match done.end {
                                End::Good => Ok(done),
                                End::Failed | End::Conflict | End::Lost => Err(Undone::Work(done)),
                            }
                        })
                        .or_else(Undone::into_result),
                };
                if End::of_either(&result) != End::Conflict || conflicts == CONFLICTS {
                    return result;
                }
                conflicts += 1;
            }
        });
        pool.run(urgency, work)
    }
}

/// What a transaction has of statements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Size {
    /// One, which is a transaction by itself.
    Statement,
    /// Any number.
    Statements,
}

enum Undone {
    Work(Done),
    Database(StoreError),
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self::Database(error)
    }
}

impl Undone {
    /// What there is to say of it: the work's own result, if it came to one.
    fn into_result(self) -> Result<Done, StoreError> {
        match self {
            Self::Work(done) => Ok(done),
            Self::Database(error) => Err(error),
        }
    }
}

/// What so many ask for that they are answered together.
pub(crate) struct Lookups {
    pub(crate) in_progress: Arc<InProgress>,
    pub(crate) by_id: Arc<ById>,
    pub(crate) by_uuid: Arc<Gather<MigrationUuid, MigrationRecord>>,
    pub(crate) agents: Arc<Gather<HostName, Agent>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    pub(crate) fn new(pools: Pools, beginnings: Beginnings) -> Self {
        Self {
            beginnings,
            lookups: Arc::new(Lookups {
                in_progress: Gather::new(&pools.readers, Urgency::Request, migrations::in_progress),
                by_id: Gather::new(&pools.readers, Urgency::Request, migrations::by_id),
                by_uuid: Gather::new(&pools.readers, Urgency::Background, migrations::by_uuid),
                agents: Gather::new(&pools.readers, Urgency::Background, hosts::agents),
            }),
            pools: Arc::new(pools),
            urgency: Urgency::Background,
            keyed: None,
        }
    }

    /// A handle whose transactions begin before those of others: for what somebody who made a
    /// request waits for.
    #[must_use]
    pub fn for_requests(&self) -> Self {
        Self {
            urgency: Urgency::Request,
            ..self.clone()
        }
    }

    /// A handle whose next transaction writes this as well.
    pub(crate) fn with_key(&self, write: Arc<KeyedWrite>) -> Self {
        Self {
            keyed: Some(write),
            ..self.clone()
        }
    }

    /// Runs queries that change nothing. Each sees the latest commit, and two of them need not
    /// see the same.
    pub(crate) async fn read<T: Send + 'static, E: TransactionError>(
        &self,
        work: impl FnMut(&mut Database) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        result_of(self.pools.readers.read(self.urgency, erased(work)).await)
    }

    /// Runs queries that change nothing and all see the same.
    pub(crate) async fn read_snapshot<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        use diesel::Connection as _;
        self.read(move |connection| {
            connection.transaction(|connection| {
                dialect::snapshot(connection)?;
                work(connection)
            })
        })
        .await
    }

    /// Runs one transaction, again where the database asks for that; `work` must not change
    /// anything but the database. An error of any kind rolls it back.
    pub(crate) async fn write<T: Send + 'static, E: TransactionError>(
        &self,
        work: impl FnMut(&mut Database) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        result_of(self.perform(Size::Statements, erased(work)).await)
    }

    /// [`Self::write`] where `work` may find nothing to do. `None` rolls back as well: the key of a
    /// request is kept with what it made, and that is nothing.
    pub(crate) async fn write_some<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&mut Database) -> Result<Option<T>, StoreError> + Send + 'static,
    ) -> Result<Option<T>, StoreError> {
        let work = move |connection: &mut Database| work(connection)?.ok_or(OrNothing::Nothing);
        match self.write(work).await {
            Ok(done) => Ok(Some(done)),
            Err(OrNothing::Nothing) => Ok(None),
            Err(OrNothing::Store(error)) => Err(error),
        }
    }

    /// [`Self::write`] where `work` is one statement, which may be executed twice: it needs
    /// nobody who begins and commits a transaction for it.
    pub(crate) async fn write_statement<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        result_of(self.perform(Size::Statement, erased(work)).await)
    }

    async fn perform(&self, size: Size, work: Work) -> Result<Answer, StoreError> {
        match self.keyed.as_ref().filter(|keyed| keyed.is_open()) {
            None => self.pools.write(self.urgency, size, work).await,
            // The key is a statement more.
            Some(keyed) => {
                let work = keyed.before(work);
                let answer = self.pools.write(self.urgency, Size::Statements, work);
                let answer = answer.await;
                keyed.ended(&answer);
                answer
            }
        }
    }

    /// Does whoever writes wait for all others who do?
    pub(crate) fn has_one_writer(&self) -> bool {
        matches!(self.pools.writers, Writers::One(_))
    }

    /// How many transactions wait for SQLite's writer.
    #[cfg(test)]
    pub(crate) fn waiting_to_write(&self) -> usize {
        match &self.pools.writers {
            Writers::One(writer) => writer.waiting(),
            Writers::Many(_) => 0,
        }
    }

    /// Is the database there? For readiness.
    pub async fn ping(&self) -> Result<(), StoreError> {
        use diesel::connection::SimpleConnection;
        self.read(|connection| Ok(connection.batch_execute("SELECT 1")?))
            .await
    }

    /// What time the database has, in whole seconds since 1970. Nothing that is recorded is
    /// measured by it: each process has a clock.
    pub async fn clock(&self) -> Result<i64, StoreError> {
        self.read(|connection| Ok(dialect::clock(connection)?))
            .await
    }

    /// The pool of connections; on SQLite that of the readers.
    pub fn pool(&self) -> PoolState {
        self.pools.readers.state()
    }
}
