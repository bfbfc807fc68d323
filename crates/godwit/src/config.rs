//! The one configuration file: YAML, a section for each role and for what they share.
//!
//! A key that nobody knows is refused with its line, because a misspelt limit that is silently
//! ignored is found only when it would have been needed. Secrets never stand in the file, only
//! the paths of files that hold them.

mod database;
mod identity;
mod simulated_agents;
mod traces;

use std::path::{Path, PathBuf};

#[cfg(feature = "libvirt")]
use anyhow::ensure;
use anyhow::{Context, Result, anyhow};
use godwit_api::config::{ApiConfig, AuthConfig, PolicyConfig};
use godwit_core::host::scope::beginning::Beginnings;
use godwit_core::retention::Retention;
use serde::Deserialize;

pub(crate) use self::database::{DatabaseConfig, refuse_password};
pub(crate) use self::identity::IdentityConfig;
pub(crate) use self::simulated_agents::SimulatedAgentsConfig;
pub(crate) use self::traces::TracesConfig;
use crate::logging::LogConfig;

/// The whole file. `docs/godwit.yaml` shows every key.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    pub(crate) log: LogConfig,
    database: Option<DatabaseConfig>,
    pub(crate) api: ApiConfig,
    /// Whose tokens are good.
    pub(crate) auth: AuthConfig,
    /// Who may do what.
    pub(crate) policy: PolicyConfig,
    pub(crate) identity: IdentityConfig,
    /// How long what is over is kept. API and conductor have it in their sections.
    retention: Retention,
    /// How hosts and scopes begin that are new. API and conductor have it from the store.
    pub(crate) allocation: Beginnings,
    pub(crate) conductor: godwit_conductor::Config,
    #[cfg(feature = "libvirt")]
    agent: Option<godwit_compute_agent::config::Config>,
    /// Of no use to a build without a driver for real hosts.
    #[cfg(not(feature = "libvirt"))]
    #[serde(rename = "agent")]
    _agent: serde::de::IgnoredAny,
    simulated_agents: Option<SimulatedAgentsConfig>,
    /// Telling events to a broker.
    #[cfg(feature = "notifications")]
    pub(crate) notifications: Option<godwit_notifications::Config>,
    #[cfg(not(feature = "notifications"))]
    pub(crate) notifications: Option<serde::de::IgnoredAny>,
    /// Recording what happens, as spans.
    pub(crate) traces: Option<TracesConfig>,
    #[serde(skip)]
    file: PathBuf,
}

impl Config {
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the configuration file {}", file.display()))?;
        Self::parse(&text, file)
    }

    fn parse(text: &str, file: &Path) -> Result<Self> {
        let config: Self = serde_saphyr::from_str(text)
            .map_err(|error| anyhow!("{}: {}", file.display(), error.without_snippet()))?;
        let mut config = Self {
            file: file.to_owned(),
            ..config
        };
        config.check()?;
        config.api.retention = config.retention;
        config.api.continue_traces = config.traces.as_ref().is_some_and(|it| it.continue_callers);
        config.api.allocation_ratios = config.conductor.allocation_ratios;
        config.conductor.retention = config.retention;
        Ok(config)
    }

    /// Looks at what concerns two sections.
    fn check(&self) -> Result<()> {
        #[cfg(feature = "libvirt")]
        if let (Some(agent), Some(kept)) = (&self.agent, self.retention.migrations) {
            ensure!(
                agent.pace.remember <= kept,
                "{}: `agent.pace.remember` cannot be longer than `retention.migrations`: what an \
                 agent remembers, it may ask about",
                self.file.display()
            );
        }
        Ok(())
    }

    /// The database, which every role but the agent needs.
    pub(crate) fn database(&self) -> Result<&DatabaseConfig> {
        self.section("database", self.database.as_ref())
    }

    /// The host that the agent serves.
    #[cfg(feature = "libvirt")]
    pub(crate) fn agent(&self) -> Result<&godwit_compute_agent::config::Config> {
        self.section("agent", self.agent.as_ref())
    }

    /// Where simulated hosts are served.
    pub(crate) fn simulated_agents(&self) -> Result<&SimulatedAgentsConfig> {
        self.section("simulated_agents", self.simulated_agents.as_ref())
    }

    fn section<'a, T>(&self, name: &str, section: Option<&'a T>) -> Result<&'a T> {
        section.with_context(|| format!("{} has no section `{name}`", self.file.display()))
    }
}

#[cfg(test)]
mod tests;
