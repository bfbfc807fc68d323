//! Putting it together, and running it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use godwit_core::ids::HostName;
use godwit_core::time::Clock;
use godwit_rpc::agent::AgentPool;
use godwit_rpc::conductor::ConductorServer;
use godwit_rpc::transport::Service;
use godwit_rpc::version::Speaks;
use godwit_store::Store;
use prometheus::{Gauge, Registry};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use uuid::Uuid;

use crate::backoff::Jitter;
use crate::config::Config;
use crate::context::Context;
use crate::enrolment::Enrolment;
use crate::fencing::DeclaredDead;
use crate::fleet::Fleets;
use crate::lease::Leases;
use crate::links::Unknown;
use crate::metrics::Metrics;
use crate::progress::ProgressBoard;
use crate::runs::{Queues, RunTurns};
use crate::wake::Wake;
use crate::{
    admission, cleaning, deadlines, effects, fencing, gauges, lease, liveness, maintenance,
    planning, progress, pruning, reconcile, runs, silence,
};

/// How long the loops may take to stop; then they are cut off, as by a crash.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Making a plan keeps a processor busy: half of them are left to everything else.
fn planners() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    processors.div_ceil(2)
}

pub struct Parts {
    /// Its name, as `os-services` shows it.
    pub name: HostName,
    pub store: Store,
    /// How agents are reached; its deadlines are those of [`Config::calls`].
    pub agents: Arc<AgentPool>,
    pub clock: Arc<dyn Clock>,
    /// Where the randomness of pauses comes from.
    pub jitter: Arc<Jitter>,
    pub ids: Arc<dyn Fn() -> Uuid + Send + Sync>,
    pub config: Config,
    /// The bell that others ring when they have written something.
    pub wake: Wake,
}

pub struct Conductor {
    pub(crate) ctx: Arc<Context>,
}

/// A loop ended that never ends: a bug. The process should end too, and be started again.
#[derive(Debug, thiserror::Error)]
#[error("the conductor's {0} loop has died")]
pub struct LoopDied(&'static str);

impl Conductor {
    /// A conductor that does nothing yet. Its metrics go to `registry`.
    pub fn new(parts: Parts, registry: &Registry) -> prometheus::Result<Self> {
        let Parts {
            name,
            store,
            agents,
            clock,
            jitter,
            ids,
            config,
            wake,
        } = parts;
        let ctx = Context {
            owner: format!("{name}/{}", ids()),
            name,
            store,
            agents,
            born: clock.now(),
            clock,
            jitter,
            ids,
            config,
            metrics: Metrics::register(registry)?,
            wake,
            leases: Leases::default(),
            progress: ProgressBoard::default(),
            dead: DeclaredDead::default(),
            fleets: Fleets::default(),
            queues: Queues::default(),
            unknown_links: Unknown::default(),
            turns: RunTurns::default(),
            planners: Arc::new(Semaphore::new(planners())),
        };
        Ok(Self { ctx: Arc::new(ctx) })
    }

    /// The gauge of how long the oldest event has been waiting that this kind of reader has not
    /// taken, for whoever tells it events beside this conductor. That of webhooks is the
    /// conductor's own to set.
    pub fn delivery_age(&self, reader: &str) -> Gauge {
        let ages = &self.ctx.metrics.delivery_age;
        ages.with_label_values(&[reader])
    }

    /// What agents call, to be served by [`godwit_rpc::transport::serve`].
    pub fn service(&self) -> Service {
        let enrolment = Enrolment {
            ctx: Arc::clone(&self.ctx),
        };
        ConductorServer::service(Arc::new(enrolment), Speaks::default())
    }

    /// Runs until `stop`, and then gives its leases back. Dropped before that, it ends at once,
    /// as by a crash; nothing is lost then either.
    pub fn run(self, stop: CancellationToken) -> BoxFuture<'static, Result<(), LoopDied>> {
        // An async function is compiled for each crate that awaits it, with all it reaches;
        // in a box it is compiled here, once.
        Box::pin(self.run_loops(stop))
    }

    async fn run_loops(self, stop: CancellationToken) -> Result<(), LoopDied> {
        info!(conductor = %self.ctx.name, owner = self.ctx.owner, "conducting");
        let mut loops = JoinSet::new();
        macro_rules! spawn {
            ($name:literal, $run:path) => {{
                let (ctx, stop) = (Arc::clone(&self.ctx), stop.clone());
                loops.spawn(async move {
                    $run(&ctx, &stop).await;
                    $name
                });
            }};
        }
        spawn!("effects", effects::run);
        spawn!("leases", lease::keep);
        spawn!("admission", admission::run);
        spawn!("deadlines", deadlines::run);
        spawn!("liveness", liveness::run);
        spawn!("reconciliation", reconcile::run);
        spawn!("fencing", fencing::run);
        spawn!("cleaning", cleaning::run);
        spawn!("progress", progress::write);
        spawn!("gauges", gauges::run);
        spawn!("pruning", pruning::run);
        spawn!("silence", silence::run);
        spawn!("planning", planning::run);
        spawn!("runs", runs::run);
        spawn!("maintenance", maintenance::run);

        let died = tokio::select! {
            () = stop.cancelled() => None,
            ended = loops.join_next() => Some(match ended {
                Some(Ok(name)) => name,
                Some(Err(error)) => {
                    error!(%error, "a loop of the conductor panicked");
                    "panicking"
                }
                None => "only",
            }),
        };
        if let Some(name) = died
            && !stop.is_cancelled()
        {
            return Err(LoopDied(name));
        }
        let all = async { while loops.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WITHIN, all).await.is_err() {
            info!("the conductor is cut off");
        }
        Ok(())
    }
}
