//! The command line, as an operator uses it who has a `clouds.yaml` and nothing else.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::godwit;

/// Somebody at a shell, not at a terminal.
#[derive(Clone, Debug)]
pub struct Operator {
    clouds: PathBuf,
    cloud: &'static str,
}

/// What a command ended with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Its exit status; `None`: it was killed.
    pub code: Option<i32>,
    /// What it said on standard output.
    pub said: String,
    /// And on standard error.
    pub complained: String,
}

impl Operator {
    /// Who uses this file, as a user of the development identity.
    pub fn new(clouds: PathBuf, cloud: &'static str) -> Self {
        Self { clouds, cloud }
    }

    /// Runs `godwit …` to its end.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn run(&self, arguments: &[&str]) -> Result<Answer> {
        let output = Command::new(godwit()?)
            .args(arguments)
            .args(["--os-cloud", self.cloud])
            .env("OS_CLIENT_CONFIG_FILE", &self.clouds)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run godwit {}", arguments.join(" ")))?;
        Ok(Answer {
            code: output.status.code(),
            said: String::from_utf8(output.stdout)?,
            complained: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// What `godwit … --json` prints.
    ///
    /// # Errors
    /// It fails, in whatever way; the error says how.
    pub fn json(&self, arguments: &[&str]) -> Result<Value> {
        let answer = self.run(&[arguments, &["--json"]].concat())?;
        ensure!(
            answer.code == Some(0),
            "godwit {}: {answer:?}",
            arguments.join(" ")
        );
        Ok(serde_json::from_str(&answer.said)?)
    }
}
