//! Waiting for a condition, with a deadline.
//!
//! Tests never sleep for a guessed time: they probe until the state they need is there. A probe
//! that is not satisfied says what it saw by returning an error; when the deadline passes, the
//! last of these explains the failure, so a time-out in CI can be read without running it again.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Probes until `probe` answers `Ok(Some(value))`, and returns that value.
///
/// `Ok(None)` means "not yet", and so does an error, which also says what was seen instead:
///
/// ```
/// # use std::time::Duration;
/// # use godwit_test_support::wait_for;
/// # async fn example(status: impl AsyncFn() -> anyhow::Result<String>) -> anyhow::Result<()> {
/// wait_for("the migration to complete", Duration::from_secs(30), async || {
///     match status().await?.as_str() {
///         "completed" => Ok(Some(())),
///         other => anyhow::bail!("its status is {other}"),
///     }
/// })
/// .await
/// # }
/// ```
///
/// Time is tokio's, so a paused clock moves it. A probe that hangs is cut off at the deadline.
///
/// # Errors
/// The deadline passed; the error names `what` was awaited and the last thing seen.
pub async fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let mut pause = FIRST_PAUSE;
    let mut seen = None;
    let end = tokio::time::Instant::now() + deadline;
    loop {
        match tokio::time::timeout_at(end, probe()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => {}
            Ok(Err(error)) => seen = Some(error),
            Err(_) => return Err(overdue(what, deadline, seen, "the probe did not return")),
        }
        if tokio::time::Instant::now() + pause > end {
            return Err(overdue(what, deadline, seen, "the condition did not hold"));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// [`wait_for`] without a runtime: for set-up that runs processes and reads files.
///
/// A probe that hangs is not cut off.
///
/// # Errors
/// The deadline passed; the error names `what` was awaited and the last thing seen.
pub fn wait_for_blocking<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let mut pause = FIRST_PAUSE;
    let mut seen = None;
    let end = Instant::now() + deadline;
    loop {
        match probe() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(error) => seen = Some(error),
        }
        if Instant::now() + pause > end {
            return Err(overdue(what, deadline, seen, "the condition did not hold"));
        }
        #[expect(clippy::disallowed_methods, reason = "the pause between two probes")]
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn overdue(
    what: &str,
    deadline: Duration,
    seen: Option<anyhow::Error>,
    otherwise: &str,
) -> anyhow::Error {
    let seen = seen.unwrap_or_else(|| anyhow!("{otherwise}"));
    seen.context(format!(
        "waited {deadline:?} for {what}, in vain; last seen"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn returns_the_value_once_it_is_there() {
        let mut tries = 0;
        let value = wait_for("the fifth try", Duration::from_secs(9), async || {
            tries += 1;
            Ok((tries == 5).then_some(tries))
        });
        assert_eq!(value.await.unwrap(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn says_what_was_seen_last() {
        let mut tries = 0;
        let error = wait_for::<()>("calm", Duration::from_secs(1), async || {
            tries += 1;
            anyhow::bail!("storm {tries}")
        });
        let text = format!("{:#}", error.await.unwrap_err());
        assert_eq!(
            text,
            format!("waited 1s for calm, in vain; last seen: storm {tries}")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn cuts_off_a_probe_that_hangs() {
        let error = wait_for::<()>("an echo", Duration::from_secs(1), async || {
            std::future::pending().await
        });
        let text = format!("{:#}", error.await.unwrap_err());
        assert!(text.ends_with("the probe did not return"), "{text}");
    }

    #[test]
    fn blocking_gives_up_at_its_deadline() {
        let error = wait_for_blocking::<()>("calm", Duration::from_millis(20), || {
            anyhow::bail!("a storm")
        });
        let text = format!("{:#}", error.unwrap_err());
        assert_eq!(text, "waited 20ms for calm, in vain; last seen: a storm");
    }
}
