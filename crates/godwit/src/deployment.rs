//! Where a tool finds a service's things: by a configuration file, or in a directory of `up`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::cli::{DEFAULT_DATA, Deployment};
use crate::config::Config;
use crate::up::DataDirectory;

/// What the command line said, read.
#[derive(Debug)]
pub(crate) enum Resolved {
    Config(Box<Config>),
    /// A directory of `up`, which exists.
    Data(DataDirectory),
}

/// The configuration file when nobody names one.
const CONFIG_VARIABLE: &str = "GODWIT_CONFIG";

/// Reads the configuration file, or finds the directory. What the command line says wins over
/// the environment, so the variable is not clap's to read: it would contradict `--data`.
pub(crate) fn resolve(deployment: &Deployment) -> Result<Resolved> {
    let from_environment = || std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from);
    match (
        &deployment.data,
        deployment.config.clone().or_else(from_environment),
    ) {
        (None, Some(file)) => Ok(Resolved::Config(Box::new(Config::read(&file)?))),
        (data, _) => {
            let path = data.as_deref().unwrap_or(Path::new(DEFAULT_DATA));
            let directory = DataDirectory::at(path)?;
            if !directory.path().is_dir() {
                bail!(
                    "there is no directory {}; `godwit up` makes one, `--config` names a file \
                     instead",
                    directory.path().display()
                );
            }
            Ok(Resolved::Data(directory))
        }
    }
}
