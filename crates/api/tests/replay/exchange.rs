//! A recorded exchange.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::answer::Answer;

/// A request, and what Nova answered.
#[derive(Debug, Deserialize)]
pub(crate) struct Exchange {
    /// Its number; exchanges are in the order of these.
    pub(crate) n: u32,
    /// What was being tried.
    group: String,
    who: Option<String>,
    microversion: Option<String>,
    pub(crate) request: Request,
    pub(crate) response: Answer,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With the query, exactly as it was sent.
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<String>,
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            n, group, request, ..
        } = self;
        let Request {
            method, path, body, ..
        } = request;
        let who = self.who.as_deref().unwrap_or("nobody");
        let version = self.microversion.as_deref().unwrap_or("no version");
        let body = body.as_deref().unwrap_or_default();
        write!(f, "{n} {group}: {who}, {version}: {method} {path} {body}")
    }
}

/// Where the recordings lie: `GODWIT_CONTRACT`, or the project's own.
pub(crate) fn contract() -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/contract");
    std::env::var_os("GODWIT_CONTRACT").map_or_else(own, PathBuf::from)
}

/// All exchanges, in order.
pub(crate) fn recorded() -> Vec<Exchange> {
    let file = contract().join("exchanges.jsonl");
    let text = std::fs::read_to_string(file).unwrap();
    let exchanges: Vec<Exchange> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(!exchanges.is_empty(), "recordings are missing");
    assert!(exchanges.is_sorted_by_key(|exchange| exchange.n));
    exchanges
}
