//! Logs: to standard error, since standard output belongs to `ready`.

use std::io::IsTerminal;

use anyhow::{Context, Result};
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// The section `log`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    /// How a line looks.
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
    /// For people.
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
    let directives = std::env::var("GODWIT_LOG").unwrap_or_else(|_| config.filter.clone());
    let filter = EnvFilter::try_new(&directives)
        .with_context(|| format!("{directives:?} says nothing about what to log"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match config.format {
        Format::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(true)
            .try_init(),
        Format::Pretty => builder
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .compact()
            .try_init(),
    };
    // The error is an opaque box; all it can say is that logging was started before.
    started.map_err(|error| anyhow::anyhow!("cannot start logging: {error}"))
}
