//! The policy in force: the registered rules and an operator's files, read again when the
//! files change.
//!
//! A file that turns out unreadable while the service runs changes nothing: the rules in force
//! stay, and the log says why. At the start it is an error.

mod files;
mod remote;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use godwit_policy::{Enforcer, Overrides, RemoteCheck, Settings, registry};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};
use tracing::{Instrument, Span};

pub use self::files::{PolicyFileError, read_file};
use self::files::{Stamp, read_all, stamp_all};
pub use self::remote::RemoteCaller;
use crate::http::config::PolicyConfig;
use crate::http::debug::debug_partly;
use crate::http::outgoing::OutgoingError;
use crate::http::route::Route;

/// A set of rules, and which one it is.
#[derive(Debug)]
pub struct Policy {
    pub enforcer: Enforcer,
    /// Grows with every set, so that what was decided under another one can be told.
    pub edition: u64,
    /// Is there a registered rule that asks another service? Mostly not, and then nobody has to
    /// look rule by rule.
    asks: bool,
}

impl Policy {
    fn new(enforcer: Enforcer, edition: u64) -> Self {
        Self {
            asks: registry::RULES
                .iter()
                .any(|default| enforcer.asks_remote(default.name)),
            enforcer,
            edition,
        }
    }

    /// May a request on `route` wait for another service's decision?
    pub fn asks(&self, route: &Route) -> bool {
        let mut rules = route.all_rules();
        self.asks && (self.asks_who_is_admin() || rules.any(|rule| self.enforcer.asks_remote(rule)))
    }

    /// Does another service decide who is an administrator?
    pub fn asks_who_is_admin(&self) -> bool {
        self.asks && self.enforcer.asks_remote(registry::CONTEXT_IS_ADMIN)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error(transparent)]
    File(#[from] PolicyFileError),
    #[error("`policy.remote`: {0}")]
    Remote(#[source] OutgoingError),
}

/// Why something was not done on such a thread.
#[derive(Debug)]
pub(crate) enum BlockingError {
    /// Too many wait already.
    Crowded,
    Failed(JoinError),
}

pub struct PolicySource {
    config: PolicyConfig,
    remote: Option<Arc<dyn RemoteCheck>>,
    /// Requests that may wait for other services.
    slots: Arc<Semaphore>,
    current: ArcSwap<Policy>,
    editions: AtomicU64,
    last_look: Mutex<LastLook>,
}

#[derive(Debug)]
struct LastLook {
    at: Instant,
    stamps: Vec<Stamp>,
}

debug_partly!(PolicySource { config });

impl PolicySource {
    /// Reads the files.
    ///
    /// # Errors
    /// [`PolicyError`] when a file cannot be read or is no policy file, or when other services
    /// cannot be asked as configured.
    pub fn open(config: PolicyConfig) -> Result<Self, PolicyError> {
        let remote = RemoteCaller::new(&config.remote).map_err(PolicyError::Remote)?;
        let remote: Arc<dyn RemoteCheck> = Arc::new(remote);
        // Stamped before reading: a change in between is then seen as one.
        let stamps = stamp_all(&config);
        let enforcer = enforcer(&config, Some(&remote))?;
        Ok(Self::new(config, Some(remote), enforcer, stamps))
    }

    pub fn defaults() -> Self {
        let config = PolicyConfig::default();
        let enforcer = Enforcer::new(registry::RULES, &Overrides::default(), &settings(&config));
        Self::new(config, None, enforcer, Vec::new())
    }

    fn new(
        config: PolicyConfig,
        remote: Option<Arc<dyn RemoteCheck>>,
        enforcer: Enforcer,
        stamps: Vec<Stamp>,
    ) -> Self {
        Self {
            current: ArcSwap::from_pointee(Policy::new(enforcer, 0)),
            editions: AtomicU64::new(1),
            last_look: Mutex::new(LastLook {
                at: Instant::now(),
                stamps,
            }),
            slots: Arc::new(Semaphore::new(config.remote.requests_at_once)),
            remote,
            config,
        }
    }

    /// The rules as the files say them now.
    pub fn current(&self) -> Arc<Policy> {
        self.look();
        self.current.load_full()
    }

    /// Does work; if it `asks` another service, on a thread where waiting for that stops nobody else.
    pub(crate) async fn perform<F: Future<Output: Send + 'static>>(
        &self,
        asks: bool,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> Result<F::Output, BlockingError> {
        match asks {
            true => self.on_blocking_thread(work).await,
            false => Ok(work().await),
        }
    }

    async fn on_blocking_thread<F: Future<Output: Send + 'static>>(
        &self,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> Result<F::Output, BlockingError> {
        let slots = Arc::clone(&self.slots);
        let slot = slots
            .try_acquire_owned()
            .map_err(|_| BlockingError::Crowded)?;
        let (runtime, span) = (Handle::current(), Span::current());
        let done = spawn_blocking(move || {
            let _slot = slot;
            runtime.block_on(async { work().await }.instrument(span))
        });
        done.await.map_err(BlockingError::Failed)
    }

    /// Looks whether a file changed, unless that was done just now or somebody else does it.
    fn look(&self) {
        if self.config.file.is_none() && self.config.directories.is_empty() {
            return;
        }
        let mut last_look = match self.last_look.try_lock() {
            Ok(last_look) => last_look,
            Err(std::sync::TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned),
            Err(std::sync::TryLockError::WouldBlock) => return,
        };
        let now = Instant::now();
        if now.duration_since(last_look.at) < self.config.check_interval {
            return;
        }
        last_look.at = now;
        let stamps = stamp_all(&self.config);
        if stamps == last_look.stamps {
            return;
        }
        last_look.stamps = stamps;
        match enforcer(&self.config, self.remote.as_ref()) {
            Ok(enforcer) => {
                let edition = self.editions.fetch_add(1, Ordering::Relaxed);
                self.current.store(Arc::new(Policy::new(enforcer, edition)));
                tracing::info!(edition, "the policy files changed and were read again");
            }
            Err(error) => tracing::error!(%error, "the policy files changed; the old rules stay"),
        }
    }
}

fn settings(config: &PolicyConfig) -> Settings {
    Settings {
        enforce_new_defaults: config.enforce_new_defaults,
        default_rule: config.default_rule.clone(),
    }
}

fn enforcer(
    config: &PolicyConfig,
    remote: Option<&Arc<dyn RemoteCheck>>,
) -> Result<Enforcer, PolicyFileError> {
    let overrides = read_all(config)?;
    let enforcer = Enforcer::new(registry::RULES, &overrides, &settings(config));
    for finding in enforcer.findings() {
        tracing::warn!(%finding, "policy");
    }
    Ok(match remote {
        Some(remote) => enforcer.with_remote(Arc::clone(remote)),
        None => enforcer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use godwit_policy::{Credentials, Identity, Target};
    use std::fs;
    use std::time::Duration;

    fn allows(source: &PolicySource, rule: &str) -> bool {
        let credentials = Credentials::from(Identity::default()).with_is_admin(false);
        let policy = source.current();
        let decision = policy
            .enforcer
            .enforce(rule, &credentials, &Target::empty());
        decision.unwrap().is_allowed()
    }

    const RULE: &str = "os_compute_api:servers:show";

    #[test]
    fn a_changed_file_counts_at_once_and_a_broken_one_never() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("policy.yaml");
        let config = PolicyConfig {
            file: Some(file.clone()),
            check_interval: Duration::ZERO,
            ..PolicyConfig::default()
        };
        let source = PolicySource::open(config.clone()).unwrap();
        assert!(!allows(&source, RULE), "the default needs a role");
        for (text, expected) in [
            (format!("'{RULE}': '@'\n"), true),
            ("a: [".to_owned(), true),
            ("{}".to_owned(), false),
            (format!("\"{RULE}\": \"@\"\n# again"), true),
        ] {
            fs::write(&file, &text).unwrap();
            assert_eq!(allows(&source, RULE), expected, "{text}");
        }
        fs::remove_file(&file).unwrap();
        assert!(
            !allows(&source, RULE),
            "without the file the default counts again"
        );
        fs::write(&file, "- a").unwrap();
        assert!(PolicySource::open(config).is_err());
    }

    #[test]
    fn files_of_directories_override_in_the_order_of_their_names() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, check: &str| {
            let text = format!("'{RULE}': '{check}'");
            fs::write(directory.path().join(name), text).unwrap();
        };
        write("10-first.yaml", "@");
        write(".hidden.yaml", "!");
        let config = PolicyConfig {
            directories: vec![directory.path().to_owned()],
            check_interval: Duration::ZERO,
            ..PolicyConfig::default()
        };
        let source = PolicySource::open(config).unwrap();
        assert!(allows(&source, RULE));
        write("20-second.yaml", "!");
        assert!(
            !allows(&source, RULE),
            "a new file in the directory is seen"
        );
    }
}
