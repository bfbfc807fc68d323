//! The collector that traces are sent to.

use super::report::Report;
use crate::config::Config;

const ABOUT: &str = "traces";

#[cfg(feature = "traces")]
pub(super) async fn look(config: &Config, report: &mut Report) {
    let Some(section) = config.traces.clone() else {
        return;
    };
    let tried = tokio::task::spawn_blocking(move || crate::traces::try_out(&section)).await;
    match tried.map_err(anyhow::Error::from).flatten() {
        Ok(()) => report.good(ABOUT, "the collector takes what it is sent"),
        Err(error) => report.wrong(
            ABOUT,
            format!("{error:#}"),
            "is it up, and does it take OTLP over HTTP? Nothing else waits for it",
        ),
    }
}

#[cfg(not(feature = "traces"))]
pub(super) async fn look(config: &Config, report: &mut Report) {
    if config.traces.is_some() {
        report.wrong(
            ABOUT,
            "this godwit was built without them, so no role would start",
            "build it with `--features traces`",
        );
    }
}
