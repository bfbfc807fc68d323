//! The parts of a process: they run together, and stop together.

use std::time::Duration;

use actix_web::dev::Server;
use anyhow::{Context, Result, anyhow};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long the parts may take to stop. What is cut off then is what a crash would have cut off,
/// and is picked up at the next start.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long requests under way may take once the process is to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct Supervisor {
    stop: CancellationToken,
    parts: JoinSet<(String, Result<()>)>,
}

impl Supervisor {
    /// Nobody yet; all will run until `stop`.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self {
            stop,
            parts: JoinSet::new(),
        }
    }

    /// Is cancelled when the parts shall stop.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a part that lasts until it is told to stop.
    pub(crate) fn spawn(
        &mut self,
        name: impl Into<String>,
        part: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        let name = name.into();
        self.parts.spawn(async move { (name, part.await) });
    }

    /// Runs an HTTP server; told to stop, it answers the requests under way first.
    pub(crate) fn serve(&mut self, name: impl Into<String>, server: Server) {
        let stop = self.stop();
        self.spawn(name, async move {
            let handle = server.handle();
            let mut serving = tokio::spawn(server);
            tokio::select! {
                ended = &mut serving => return Ok(ended??),
                () = stop.cancelled() => {}
            }
            if tokio::time::timeout(LAST_REQUESTS, handle.stop(true))
                .await
                .is_err()
            {
                handle.stop(false).await;
            }
            Ok(serving.await??)
        });
    }

    /// Waits until something succeeds, unless a part ends before or all shall stop.
    pub(crate) async fn while_running<T>(
        &mut self,
        wanted: impl Future<Output = Result<T>>,
    ) -> Result<Option<T>> {
        tokio::select! {
            // Looked at first: a part that ended because it was told to is no surprise.
            biased;
            () = self.stop.cancelled() => Ok(None),
            done = wanted => done.map(Some),
            ended = self.parts.join_next(), if !self.parts.is_empty() => Err(too_early(ended)),
        }
    }

    /// Runs until all shall stop, or until a part ends by itself: then the others are stopped,
    /// and that is an error, for whoever supervises the process to start it again.
    pub(crate) async fn run(mut self) -> Result<()> {
        let forever = std::future::pending::<Result<()>>();
        let outcome = self.while_running(forever).await;
        self.dismiss().await;
        outcome.map(drop)
    }

    /// Stops what runs; bounded.
    pub(crate) async fn dismiss(mut self) {
        self.stop.cancel();
        let all = async {
            while let Some(ended) = self.parts.join_next().await {
                if let Ok((name, Err(error))) = ended {
                    tracing::warn!(part = name, error = format!("{error:#}"), "stopped badly");
                }
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("some parts did not stop in time and are cut off");
            self.parts.abort_all();
        }
    }
}

fn too_early(ended: Option<Result<(String, Result<()>), tokio::task::JoinError>>) -> anyhow::Error {
    match ended {
        Some(Ok((name, Ok(())))) => anyhow!("{name} ended by itself"),
        Some(Ok((name, Err(error)))) => error.context(format!("{name} failed")),
        Some(Err(panic)) => anyhow::Error::from(panic).context("a part of the process panicked"),
        None => anyhow!("there is nothing to run"),
    }
}

/// Opens a door, or says which address it cannot have.
pub(crate) fn bind(address: std::net::SocketAddr) -> Result<std::net::TcpListener> {
    std::net::TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_stop_when_told_to() {
        let stop = CancellationToken::new();
        let mut supervisor = Supervisor::new(stop.clone());
        for name in ["a", "b"] {
            let stop = supervisor.stop();
            supervisor.spawn(name, async move {
                stop.cancelled().await;
                Ok(())
            });
        }
        stop.cancel();
        supervisor.run().await.unwrap();
    }

    #[tokio::test]
    async fn one_that_ends_stops_the_others_and_is_named() {
        let mut supervisor = Supervisor::new(CancellationToken::new());
        let stop = supervisor.stop();
        let watched = stop.clone();
        supervisor.spawn("steady", async move {
            stop.cancelled().await;
            Ok(())
        });
        supervisor.spawn("weak", async { anyhow::bail!("no heart") });
        let error = format!("{:#}", supervisor.run().await.unwrap_err());
        assert_eq!(error, "weak failed: no heart");
        assert!(watched.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_does_not_stop_is_cut_off() {
        let stop = CancellationToken::new();
        let mut supervisor = Supervisor::new(stop.clone());
        supervisor.spawn("deaf", std::future::pending());
        stop.cancel();
        let begin = tokio::time::Instant::now();
        supervisor.run().await.unwrap();
        assert_eq!(begin.elapsed(), PATIENCE);
    }

    #[test]
    fn an_address_in_use_is_named() {
        let first = bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = first.local_addr().unwrap();
        let error = format!("{:#}", bind(address).unwrap_err());
        assert!(error.contains(&address.to_string()), "{error}");
    }
}
