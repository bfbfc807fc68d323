//! The fleet, loaded for as many as ask at one time.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
pub(crate) use godwit_facts::Fleet;
use godwit_store::StoreError;

use crate::context::Context;

/// A whole fleet for as many as ask at one time. It takes as long to load as it is large, and those
/// who want to place a server come in crowds; so who asks while one is being loaded waits for the
/// next one, together with all others who do. What anybody is given was loaded after they asked.
#[derive(Default)]
pub(crate) struct Fleets {
    next: Mutex<Option<Loading>>,
    /// Held by the one load under way.
    turn: Arc<tokio::sync::Mutex<()>>,
}

type Loading = Shared<BoxFuture<'static, Result<Arc<Fleet>, Arc<StoreError>>>>;

impl Fleets {
    pub(crate) async fn load(ctx: &Arc<Context>) -> Result<Arc<Fleet>, Arc<StoreError>> {
        let loading = {
            let mut next = ctx
                .fleets
                .next
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            next.get_or_insert_with(|| Self::next(Arc::downgrade(ctx)).boxed().shared())
                .clone()
        };
        loading.await
    }

    /// What is kept in the context must not keep the context.
    async fn next(ctx: Weak<Context>) -> Result<Arc<Fleet>, Arc<StoreError>> {
        let ctx = ctx.upgrade().ok_or_else(|| Arc::new(StoreError::Stopped))?;
        let turn = Arc::clone(&ctx.fleets.turn).lock_owned().await;
        // From here on it would be too old for whoever asks.
        ctx.fleets
            .next
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let loaded = Fleet::load(&ctx.store, ctx.basis()).await;
        drop(turn);
        loaded.map(Arc::new).map_err(Arc::new)
    }
}
