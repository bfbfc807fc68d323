//! A recorded exchange.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
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

/// All recordings, each of which begins with the imported rows; its exchanges are in order.
pub(crate) fn recordings() -> Vec<Vec<Exchange>> {
    let files = ["exchanges.jsonl", "more.jsonl.gz"].map(|name| contract().join(name));
    let recorded: Vec<Vec<Exchange>> = files
        .iter()
        .filter(|file| file.exists())
        .map(|file| read(file))
        .collect();
    let all = recorded.iter().flatten();
    assert!(all.is_sorted_by(|one, other| one.n < other.n));
    assert!(!recorded.is_empty(), "recordings are missing");
    recorded
}

fn read(path: &Path) -> Vec<Exchange> {
    let file = File::open(path).unwrap();
    let packed = path.extension().is_some_and(|it| it == "gz");
    let mut reader: Box<dyn Read> = match packed {
        true => Box::new(GzDecoder::new(file)),
        false => Box::new(file),
    };
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let exchanges = text.lines().map(|line| serde_json::from_str(line).unwrap());
    exchanges.collect()
}
