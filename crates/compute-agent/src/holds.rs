//! Moments that tests can hold open.
//!
//! What happens when a conductor dies just before a hand-over cannot be tested by being quick.
//! So the rare moments have names, and a configuration may give any of them a file: while the
//! file exists, the moment lasts. Without a configuration a hold point costs one look into an
//! empty map.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::driver::DriverError;
use godwit_core::failure::FailureCode;

/// How often a held moment looks whether its file is gone.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A hold longer than this is a forgotten file, and fails the step.
pub const LONGEST_HOLD: Duration = Duration::from_secs(600);

/// The moments. The agent passes all of them around its driver's steps, but for
/// [`HoldPoint::BeforeHandover`], which only the driver can hold.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldPoint {
    /// Destination, before anything is made.
    BeforePrepare,
    /// Destination, all is ready but nobody knows yet.
    Prepared,
    /// Source, journalled but not begun.
    BeforeStart,
    /// Source, the job runs but nobody knows yet.
    Started,
    /// Source, the guest is about to stop here. The driver keeps the job from ending.
    BeforeHandover,
    /// Destination, before the guest is defined and started.
    BeforeBoot,
    /// Destination, the guest was started but nobody knows yet.
    Booted,
    /// Either side, before the guest is given up.
    BeforeWithdraw,
    /// Either side, before the clean-up of a success.
    BeforeFinish,
    /// Either side, before the clean-up of a failure.
    BeforeRollback,
    /// A server's power is about to be changed: journalled but not begun.
    BeforePower,
    /// A server was powered off to be rebooted, and is not on yet.
    PoweredOff,
    /// A server's power was changed but nobody knows yet.
    Powered,
}

/// The configured holds. Cheap to clone.
#[derive(Clone, Default, Debug)]
pub struct Holds(Arc<BTreeMap<HoldPoint, PathBuf>>);

impl Holds {
    /// Holds by their files.
    pub fn new(files: BTreeMap<HoldPoint, PathBuf>) -> Self {
        Self(Arc::new(files))
    }

    /// Is this moment held right now? For drivers that hold one without waiting in it.
    pub async fn is_held(&self, point: HoldPoint) -> bool {
        match self.0.get(&point) {
            // Whatever else goes wrong with the file, it does not hold anybody up.
            Some(file) => tokio::fs::try_exists(file).await.unwrap_or(false),
            None => false,
        }
    }

    /// Waits while the moment is held.
    ///
    /// # Errors
    /// [`DriverError::Cancelled`] as soon as `cancel` is; a failure after [`LONGEST_HOLD`].
    pub async fn pass(
        &self,
        point: HoldPoint,
        cancel: &CancellationToken,
    ) -> Result<(), DriverError> {
        let released = async {
            while self.is_held(point).await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(DriverError::Cancelled),
            passed = tokio::time::timeout(LONGEST_HOLD, released) => passed.map_err(|_| {
                DriverError::failed(
                    FailureCode::TimedOut,
                    format!("{point:?} was held for longer than {LONGEST_HOLD:?}."),
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held() -> (tempfile::TempDir, PathBuf, Holds) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hold");
        std::fs::write(&file, "").unwrap();
        let holds = Holds::new([(HoldPoint::Prepared, file.clone())].into());
        (directory, file, holds)
    }

    #[tokio::test]
    async fn a_moment_lasts_as_long_as_its_file() {
        let (_directory, file, holds) = held();
        let never = CancellationToken::new();
        holds.pass(HoldPoint::Started, &never).await.unwrap();

        let passing = tokio::spawn({
            let holds = holds.clone();
            async move {
                holds
                    .pass(HoldPoint::Prepared, &CancellationToken::new())
                    .await
            }
        });
        assert!(holds.is_held(HoldPoint::Prepared).await);
        assert!(!passing.is_finished());
        std::fs::remove_file(file).unwrap();
        passing.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_held_moment_can_be_cancelled() {
        let (_directory, _file, holds) = held();
        let cancel = CancellationToken::new();
        cancel.cancel();
        assert_eq!(
            holds.pass(HoldPoint::Prepared, &cancel).await,
            Err(DriverError::Cancelled)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_forgotten_file_fails_the_step() {
        let (_directory, _file, holds) = held();
        let never = CancellationToken::new();
        let error = holds.pass(HoldPoint::Prepared, &never).await.unwrap_err();
        assert!(
            matches!(error, DriverError::Failed(failure) if failure.code == FailureCode::TimedOut)
        );
    }
}
