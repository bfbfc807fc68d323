//! The one configuration file: YAML, a section for each role and for what they share.
//!
//! A key that nobody knows is refused with its line, because a misspelt limit that is silently
//! ignored is found only when it would have been needed. Secrets never stand in the file, only
//! the paths of files that hold them.

mod database;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use serde::Deserialize;

pub(crate) use self::database::DatabaseConfig;
use crate::logging::LogConfig;

/// The whole file. `docs/godwit.yaml` shows every key.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    log: LogConfig,
    database: Option<DatabaseConfig>,
    #[serde(skip)]
    file: PathBuf,
}

impl Config {
    /// Reads `file`.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the configuration file {}", file.display()))?;
        let config: Self = serde_saphyr::from_str(&text)
            .map_err(|error| anyhow!("{}: {}", file.display(), error.without_snippet()))?;
        Ok(Self {
            file: file.to_owned(),
            ..config
        })
    }

    /// How to log.
    pub(crate) fn log(&self) -> &LogConfig {
        &self.log
    }

    /// The database, which every role but the agent needs.
    pub(crate) fn database(&self) -> Result<&DatabaseConfig> {
        self.section("database", self.database.as_ref())
    }

    fn section<'a, T>(&self, name: &str, section: Option<&'a T>) -> Result<&'a T> {
        section.with_context(|| format!("{} has no section `{name}`", self.file.display()))
    }
}
