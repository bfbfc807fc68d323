//! The conductors, any of which will do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use godwit_rpc::Deadlines;
use godwit_rpc::conductor::ConductorClient;
use godwit_rpc::refusal::CallError;

use super::{Address, Pace, Speaks, Transport};

pub(super) struct Conductors {
    clients: Vec<(Address, ConductorClient)>,
    /// Who answered last is asked first.
    first: AtomicUsize,
    retry_first: Duration,
    retry_longest: Duration,
}

impl Conductors {
    pub(super) fn new(transport: &Transport, addresses: &[Address], pace: &Pace) -> Self {
        let client = |address: &Address| {
            let (deadlines, speaks) = (Deadlines::default(), Speaks::default());
            let client = ConductorClient::new(transport, address.clone(), deadlines, speaks);
            (address.clone(), client)
        };
        Self {
            clients: addresses.iter().map(client).collect(),
            first: AtomicUsize::new(0),
            retry_first: pace.retry_first,
            retry_longest: pace.retry_longest,
        }
    }

    /// Asks one after the other until one answers; a refusal that would not pass is an answer.
    /// `None` when nobody did.
    pub(super) async fn ask<T, F: Future<Output = Result<T, CallError>>>(
        &self,
        call: impl Fn(ConductorClient) -> F,
    ) -> Option<Result<T, CallError>> {
        let first = self.first.load(Ordering::Relaxed);
        for step in 0..self.clients.len() {
            let index = first.wrapping_add(step) % self.clients.len();
            let (address, client) = &self.clients[index];
            match call(client.clone()).await {
                Err(error) if error.refusal().is_none_or(|refusal| refusal.is_passing()) => {
                    tracing::debug!(%address, %error, "a conductor does not answer");
                }
                answer => {
                    self.first.store(index, Ordering::Relaxed);
                    return Some(answer);
                }
            }
        }
        None
    }

    /// The pause after so many attempts in a row at which nobody answered.
    pub(super) fn pause(&self, attempts: u32) -> Duration {
        let doubled = self.retry_first.saturating_mul(1 << attempts.min(16));
        doubled.min(self.retry_longest)
    }
}
