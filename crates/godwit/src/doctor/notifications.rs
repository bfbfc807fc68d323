//! The broker that events are told to.

use super::report::Report;
use crate::config::Config;

const ABOUT: &str = "notifications";

#[cfg(feature = "notifications")]
pub(super) async fn look(config: &Config, report: &mut Report) {
    use godwit_notifications::Broker;

    let Some(section) = &config.notifications else {
        return;
    };
    let broker = match Broker::new(section) {
        Ok(broker) => broker,
        Err(error) => {
            let text = format!("{:#}", anyhow::Error::from(error));
            return report.wrong(ABOUT, text, "see `notifications` in docs/godwit.yaml");
        }
    };
    match broker.try_out().await {
        Ok(()) => report.good(
            ABOUT,
            "the broker answers, and lets this machine and user in",
        ),
        Err(error) => report.wrong(
            ABOUT,
            format!("{:#}", anyhow::Error::from(error)),
            "is it up, and does it let this user into the virtual host? See docs/notifications.md",
        ),
    }
}

#[cfg(not(feature = "notifications"))]
pub(super) async fn look(config: &Config, report: &mut Report) {
    if config.notifications.is_some() {
        report.wrong(
            ABOUT,
            "this godwit was built without them, so no conductor would start",
            "build it with `--features notifications`",
        );
    }
}
