//! A host as the native API holds it for maintenance and releases it, waited for from outside.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use godwit_test_support::wait_for_blocking;
use reqwest::Method;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::native::Native;
use crate::simulated::Simulated;

/// How long a host may take to be emptied, or to get its servers back.
const EMPTIED: Duration = Duration::from_secs(60);

/// A host, and an administrator who holds it.
#[derive(Debug)]
pub struct Maintained<'a> {
    native: Native,
    runtime: Runtime,
    host: &'a str,
}

impl<'a> Maintained<'a> {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// There is no token.
    pub fn new(deployment: &Simulated, host: &'a str) -> Result<Self> {
        Ok(Self {
            native: deployment.native("admin")?,
            runtime: Runtime::new()?,
            host,
        })
    }

    fn path(&self) -> String {
        format!("/relocation/v1/hosts/{}/maintenance", self.host)
    }

    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        self.runtime.block_on(self.native.call(method, path, body))
    }

    /// Holds it, as `wanted` says.
    ///
    /// # Errors
    /// As [`Native::call`].
    pub fn hold(&self, wanted: &Value) -> Result<()> {
        self.call(Method::POST, &self.path(), Some(wanted))
            .map(drop)
    }

    /// Releases it; `return_home` is a word of the API.
    ///
    /// # Errors
    /// As [`Native::call`].
    pub fn release(&self, return_home: &str) -> Result<()> {
        let path = format!("{}?return_home={return_home}", self.path());
        self.call(Method::DELETE, &path, None).map(drop)
    }

    /// Waits until its maintenance is in this state.
    ///
    /// # Errors
    /// It is not in time.
    pub fn gets(&self, state: &str) -> Result<()> {
        wait_for_blocking(&format!("{} to be {state}", self.host), EMPTIED, || {
            let is = self.call(Method::GET, &self.path(), None)?;
            ensure!(is["state"] == state, "{is}");
            Ok(Some(()))
        })
    }
}

/// A time so many seconds from now, as the API reads it.
///
/// # Errors
/// This machine has no `date`.
pub fn after(seconds: u64) -> Result<String> {
    let date = Command::new("date")
        .args(["-u", "+%Y-%m-%dT%H:%M:%SZ", "-d"])
        .arg(format!("{seconds} seconds"))
        .output()?;
    ensure!(date.status.success(), "{date:?}");
    Ok(String::from_utf8(date.stdout)?.trim().to_owned())
}
