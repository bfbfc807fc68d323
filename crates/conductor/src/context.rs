//! What all parts of a conductor share.

use std::sync::Arc;
use std::time::Duration;

use godwit_core::ids::HostName;
use godwit_core::time::{Clock, Timestamp};
use godwit_facts::Basis;
use godwit_rpc::agent::{AgentClient, AgentPool};
use godwit_rpc::refusal::CallError;
use godwit_store::{Actor, CommitNote, Host, MigrationRecord, Store, StoreError};
use serde_json::Value;
use uuid::Uuid;

use crate::backoff::Jitter;
use crate::config::Config;
use crate::fencing::DeclaredDead;
use crate::fleet::Fleets;
use crate::lease::Leases;
use crate::links::Unknown;
use crate::metrics::Metrics;
use crate::progress::ProgressBoard;
use crate::runs::{Queues, RunTurns};
use crate::wake::Wake;

pub(crate) type Ids = dyn Fn() -> Uuid + Send + Sync;

pub(crate) struct Context {
    pub(crate) name: HostName,
    /// This run of this conductor, as the holder of leases.
    pub(crate) owner: String,
    pub(crate) store: Store,
    pub(crate) agents: Arc<AgentPool>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) jitter: Arc<Jitter>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) config: Config,
    pub(crate) metrics: Metrics,
    pub(crate) wake: Wake,
    pub(crate) leases: Leases,
    pub(crate) progress: ProgressBoard,
    pub(crate) dead: DeclaredDead,
    pub(crate) fleets: Fleets,
    pub(crate) queues: Queues,
    pub(crate) unknown_links: Unknown,
    pub(crate) turns: RunTurns,
    /// So many plans are made at one time.
    pub(crate) planners: Arc<tokio::sync::Semaphore>,
    pub(crate) born: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("no host {0} has ever registered")]
    Unknown(HostName),
    #[error("{0}")]
    Call(HostName, #[source] CallError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Context {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The pause before another attempt, after `attempts` in vain.
    pub(crate) fn pause(&self, attempts: u32) -> Duration {
        self.config.retries.pause(attempts, (self.jitter)())
    }

    /// What the store's rows are read by at this moment.
    pub(crate) fn basis(&self) -> Basis {
        Basis {
            now: self.now(),
            down_time: self.config.service_down_time,
            ratios: self.config.allocation_ratios,
        }
    }

    pub(crate) fn is_up(&self, host: &Host, now: Timestamp) -> bool {
        host.service.is_up(now, self.config.service_down_time)
    }

    /// Has this conductor not run long enough yet to tell a dead agent from one that could not
    /// report because no conductor was there?
    pub(crate) fn is_young(&self, now: Timestamp) -> bool {
        now.since(self.born) < self.config.service_down_time
    }

    /// For an event that this conductor concluded from `record`.
    pub(crate) fn note(&self, record: &MigrationRecord, detail: Value) -> CommitNote {
        CommitNote {
            request_id: record.request_id.clone(),
            detail,
            ..CommitNote::new(Actor::Conductor, self.now())
        }
    }

    /// The client of a registered host. Nothing is sent yet.
    pub(crate) async fn agent(&self, host: &HostName) -> Result<AgentClient, AskError> {
        let address = self.store.host_address(host).await?;
        let address = address.ok_or_else(|| AskError::Unknown(host.clone()))?;
        self.agents
            .agent(host, &address)
            .map_err(|error| AskError::Call(host.clone(), error))
    }
}
