//! Something that runs like a process of its own: on its own runtime, so that it can be killed
//! with everything that it ever spawned.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::JoinHandle;

use godwit_rpc::transport::{Listener, Transport};
use godwit_test_support::wait_for;
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

use crate::cluster::PATIENCE;

/// A process of a test. Dropped, it is killed.
pub(crate) struct Process {
    killed: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts what `run` makes; the token asks it to stop, which a kill does not.
    pub(crate) fn start<F, T>(run: F) -> Self
    where
        F: FnOnce(CancellationToken) -> T + Send + 'static,
        T: Future<Output = ()>,
    {
        let killed = CancellationToken::new();
        let token = killed.clone();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = token.cancelled() => {}
                    () = run(CancellationToken::new()) => {}
                }
            });
            runtime.shutdown_background();
        });
        Self {
            killed,
            thread: Some(thread),
        }
    }

    /// Ends it at once: nothing it does gets any further, but for a statement that the database
    /// is already performing.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.killed.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("a process of the test panicked");
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

pub(crate) async fn listen(transport: &Transport) -> Listener {
    listen_again(transport).await;
    transport.listen(any_port()).await.unwrap()
}

/// A process that was killed may take a moment to let go of its name.
pub(crate) async fn listen_again(transport: &Transport) {
    wait_for("the name to be free", PATIENCE, async || {
        drop(transport.listen(any_port()).await?);
        Ok(Some(()))
    })
    .await
    .unwrap();
}

fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}
