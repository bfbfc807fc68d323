//! Logs: to standard error, since standard output belongs to `ready`.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use serde::Deserialize;
use tracing::Subscriber;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    pub(crate) format: Format,
    /// What is logged: directives as in `info,godwit_conductor=debug`. The environment variable
    /// `GODWIT_LOG` overrides it.
    pub(crate) filter: String,
}

/// How a line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// One JSON object a line, for machines.
    Json,
    Pretty,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: Format::Json,
            filter: "info".to_owned(),
        }
    }
}

impl LogConfig {
    /// What `up` and the tools use.
    pub(crate) fn for_people(filter: &str) -> Self {
        Self {
            format: Format::Pretty,
            filter: filter.to_owned(),
        }
    }
}

/// Starts logging, once a process.
pub(crate) fn start(config: &LogConfig) -> Result<()> {
    let started = tracing_subscriber::registry()
        .with(filter(config)?)
        .with(lines(config.format))
        .try_init();
    // The error is an opaque box; all it can say is that logging was started before.
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}

/// The same beside something that looks at all spans, whatever is logged of them.
#[cfg(feature = "traces")]
pub(crate) fn start_beside<L>(config: &LogConfig, other: L) -> Result<()>
where
    L: Layer<tracing_subscriber::Registry> + Send + Sync,
{
    use tracing_subscriber::Registry;
    use tracing_subscriber::layer::Layered;

    let lines = lines::<Layered<L, Registry>>(config.format).with_filter(filter(config)?);
    let started = tracing_subscriber::registry()
        .with(other)
        .with(lines)
        .try_init();
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}

/// What is logged. A filter that could also look into spans would have to do so for every request.
fn filter(config: &LogConfig) -> Result<Targets> {
    let directives = std::env::var("GODWIT_LOG").unwrap_or_else(|_| config.filter.clone());
    directives
        .parse()
        .with_context(|| format!("{directives:?} says nothing about what to log"))
}

/// How it is logged.
fn lines<S>(format: Format) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(true)
            .boxed(),
        Format::Pretty => lines
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .compact()
            .boxed(),
    }
}
