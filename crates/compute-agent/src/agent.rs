//! The agent: one process, or a part of one, for one host.
//!
//! ```text
//!   conductor ──commands──► AgentService ──► Worker (one a server) ──► Driver
//!                            │               │ ▲ journal first
//!                            │               ▼ │
//!                            ├──watch── Follower (one a move) ◄─ progress ─ Driver
//!                            │               │ outcome to the journal
//!   conductor ◄───reports────┼───────── Reporter
//!   conductor ◄─enrolment────┴───────── Enroller ──leftovers──► Worker
//! ```
//!
//! - [`service`]: the service that conductors call. Refuses what is not for this host; hands
//!   commands to the worker of their server.
//! - [`worker`]: one step of one server at a time; an abort or a roll-back stops the step that
//!   it makes pointless. [`steps`] says what each step does around the driver's, [`power`] what
//!   is done to a server that goes nowhere.
//! - [`follower`]: follows a started move to its end, and aborts it when nothing moves.
//! - [`reporter`]: reports outcomes to any conductor until one has acknowledged them.
//! - [`enroller`]: registers, sends heartbeats and inventories, cleans up leftovers.

mod conductors;
mod enroller;
mod follower;
mod leftovers;
mod power;
mod reporter;
mod service;
mod shared;
mod state;
mod steps;
mod worker;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use godwit_core::ids::HostName;
use godwit_core::time::Clock;
use godwit_rpc::agent::AgentServer;
use godwit_rpc::transport::{Address, ListenError, Listener, ServeError, Transport, serve};
use godwit_rpc::version::Speaks;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::config::Pace;
use crate::driver::Driver;
use crate::holds::Holds;
use crate::journal::{Journal, JournalError};
use crate::metrics::Metrics;

use conductors::Conductors;
use service::AgentService;
use shared::Shared;

/// What an agent is made of.
pub struct Parts {
    /// The host's name, which its certificate says too.
    pub host: HostName,
    pub driver: Arc<dyn Driver>,
    /// How it is called and calls.
    pub transport: Transport,
    /// Where it serves; port 0 picks a free one. Means nothing within one process.
    pub listen: SocketAddr,
    /// The name or IP address under which conductors reach it, if not that of `listen`.
    pub advertise: Option<String>,
    pub conductors: Vec<Address>,
    pub journal: PathBuf,
    pub pace: Pace,
    pub holds: Holds,
    pub clock: Arc<dyn Clock>,
    /// Names this run of the agent; never used before.
    pub boot_id: Uuid,
    pub metrics: Metrics,
    /// What it understands of the protocol: of this release all, but in tests of two.
    pub speaks: Speaks,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the journal cannot be used")]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error("the listening socket has no address")]
    Address(#[source] std::io::Error),
    #[error("the agent listens on {0}, which is no address that others can call: set `advertise`")]
    Unreachable(SocketAddr),
    #[error("the certificate is for {found}, and this is the agent of host {host}")]
    Somebody {
        /// Who the transport says it is.
        found: String,
        host: HostName,
    },
}

/// An agent that is ready to run.
pub struct Agent {
    shared: Arc<Shared>,
    listener: Listener,
    conductors: Conductors,
    address: Address,
}

impl Agent {
    /// Opens the journal and the door.
    pub async fn open(parts: Parts) -> Result<Self, OpenError> {
        let identity = parts.transport.identity();
        if *identity != shared::identity_of(&parts.host) {
            return Err(OpenError::Somebody {
                found: identity.to_string(),
                host: parts.host,
            });
        }
        let listener = parts.transport.listen(parts.listen).await?;
        let advertise = parts.advertise.as_deref();
        let address = listener.address(advertise).map_err(OpenError::Address)?;
        if matches!(address, Address::Tls { .. })
            && advertise.is_none()
            && parts.listen.ip().is_unspecified()
        {
            return Err(OpenError::Unreachable(parts.listen));
        }
        let journal = Journal::open(&parts.journal, parts.driver.guests_outlive())?;
        Ok(Self {
            conductors: Conductors::new(&parts),
            address,
            listener,
            shared: Arc::new(Shared::new(parts, journal)),
        })
    }

    /// Where conductors will call it.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Runs until `stop`. What is under way on the hypervisor goes on without it. Dropped, it
    /// ends at once, as if killed.
    ///
    /// # Errors
    /// [`ServeError`] when nobody can call it any more.
    pub fn run(self, stop: CancellationToken) -> BoxFuture<'static, Result<(), ServeError>> {
        // Boxed, it is compiled here and not for each crate that awaits it.
        Box::pin(self.run_all(stop))
    }

    async fn run_all(self, stop: CancellationToken) -> Result<(), ServeError> {
        let Self {
            shared,
            listener,
            conductors,
            address,
        } = self;
        let _ends_everything = shared.stop.clone().drop_guard();
        follower::resume(&shared);
        let service = Arc::new(AgentService::new(&shared));
        let service = AgentServer::service(service, shared.speaks.clone());
        let background = async {
            tokio::join!(
                reporter::report_outcomes(&shared, &conductors),
                enroller::enrol(&shared, &conductors, &address),
                shared::prune(&shared),
            )
        };
        tokio::select! {
            served = serve(listener, service, stop) => served,
            _ = background => Ok(()),
        }
    }
}
