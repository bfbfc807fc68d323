//! The files of a dump, read a line at a time.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::de::DeserializeOwned;

/// The longest line, in bytes. Nova's widest columns hold 16 MiB between them only in theory.
const LONGEST_LINE: usize = 16 << 20;

/// The tables without which a dump is none.
const REQUIRED: [&str; 4] = ["services", "compute_nodes", "instances", "migrations"];

/// The tables that are read where they are there.
const OPTIONAL: [&str; 8] = [
    "flavors",
    "instance_actions",
    "instance_actions_events",
    "instance_system_metadata",
    "block_device_mapping",
    "instance_groups",
    "instance_group_policy",
    "instance_group_member",
];

const ENDINGS: [&str; 2] = [".jsonl", ".jsonl.gz"];

/// A directory with a file for each table, `TABLE.jsonl` or `TABLE.jsonl.gz`: JSON Lines, one
/// row a line, in Nova's own column names.
#[derive(Clone, Debug)]
pub struct Dump {
    directory: PathBuf,
}

/// Why a dump cannot be read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum DumpError {
    #[error("{directory} has neither {table}.jsonl nor {table}.jsonl.gz")]
    Missing {
        directory: String,
        table: &'static str,
    },
    #[error("{directory} has both {table}.jsonl and {table}.jsonl.gz; which is it?")]
    Twice {
        directory: String,
        table: &'static str,
    },
    #[error("{file}:{line}: cannot be read: {reason}")]
    Unreadable {
        file: String,
        line: u64,
        reason: String,
    },
    /// A line is no row of its table.
    #[error("{file}:{line}: {reason}")]
    NotARow {
        file: String,
        line: u64,
        reason: String,
    },
}

impl Dump {
    /// The dump in `directory`.
    ///
    /// # Errors
    /// A required table is missing, or a table is there twice.
    pub fn open(directory: &Path) -> Result<Self, DumpError> {
        let dump = Self {
            directory: directory.to_owned(),
        };
        for table in REQUIRED {
            if dump.file(table)?.is_none() {
                return Err(DumpError::Missing {
                    directory: directory.display().to_string(),
                    table,
                });
            }
        }
        Ok(dump)
    }

    fn file(&self, table: &'static str) -> Result<Option<PathBuf>, DumpError> {
        let plain = self.directory.join(format!("{table}.jsonl"));
        let packed = self.directory.join(format!("{table}.jsonl.gz"));
        match (plain.exists(), packed.exists()) {
            (false, false) => Ok(None),
            (true, false) => Ok(Some(plain)),
            (false, true) => Ok(Some(packed)),
            (true, true) => Err(DumpError::Twice {
                directory: self.directory.display().to_string(),
                table,
            }),
        }
    }

    /// The files of tables that nobody reads.
    pub(super) fn unread(&self) -> Result<Vec<String>, DumpError> {
        let unreadable = |error: std::io::Error| DumpError::Unreadable {
            file: self.directory.display().to_string(),
            line: 0,
            reason: error.to_string(),
        };
        let mut unread = Vec::new();
        for entry in std::fs::read_dir(&self.directory).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let name = name.to_string_lossy().into_owned();
            let table = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
            let known = |table: &str| REQUIRED.contains(&table) || OPTIONAL.contains(&table);
            if table.is_some_and(|table| !known(table)) {
                unread.push(name);
            }
        }
        unread.sort_unstable();
        Ok(unread)
    }

    /// The rows of a table; `None` if the dump has no such table.
    pub(super) fn rows(&self, table: &'static str) -> Result<Option<Rows>, DumpError> {
        let Some(path) = self.file(table)? else {
            return Ok(None);
        };
        let name = path.display().to_string();
        let file = File::open(&path).map_err(|error| DumpError::Unreadable {
            file: name.clone(),
            line: 1,
            reason: error.to_string(),
        })?;
        let packed = path.extension().is_some_and(|it| it == "gz");
        let reader: Box<dyn BufRead> = if packed {
            Box::new(BufReader::new(MultiGzDecoder::new(file)))
        } else {
            Box::new(BufReader::new(file))
        };
        Ok(Some(Rows {
            file: name,
            reader,
            line: 0,
            text: Vec::new(),
        }))
    }
}

/// The rows of one table, in the order of the file.
pub(super) struct Rows {
    /// Where they are read from.
    pub(super) file: String,
    reader: Box<dyn BufRead>,
    line: u64,
    text: Vec<u8>,
}

impl Rows {
    /// The next row and the number of its line; empty lines are passed over.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<(u64, T)>, DumpError> {
        loop {
            self.text.clear();
            self.line += 1;
            let most = LONGEST_LINE as u64 + 1;
            let read = self
                .reader
                .by_ref()
                .take(most)
                .read_until(b'\n', &mut self.text)
                .map_err(|error| DumpError::Unreadable {
                    file: self.file.clone(),
                    line: self.line,
                    reason: error.to_string(),
                })?;
            if read == 0 {
                return Ok(None);
            }
            if self.text.len() > LONGEST_LINE {
                return Err(self.not_a_row(format!("longer than {LONGEST_LINE} bytes")));
            }
            if self.text.trim_ascii().is_empty() {
                continue;
            }
            if holds_nul(&self.text) {
                return Err(self.not_a_row("a NUL, which PostgreSQL cannot hold".to_owned()));
            }
            let row = serde_json::from_slice(&self.text)
                .map_err(|error| self.not_a_row(explained(&error)))?;
            return Ok(Some((self.line, row)));
        }
    }

    fn not_a_row(&self, reason: String) -> DumpError {
        DumpError::NotARow {
            file: self.file.clone(),
            line: self.line,
            reason,
        }
    }
}

/// What is wrong with a line; the line that serde counts is always its first.
fn explained(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let text = said.split(" at line ").next().unwrap_or(&said);
    format!("column {}: {text}", error.column())
}

/// Is there an escaped NUL in this JSON? A bare one is no JSON.
fn holds_nul(text: &[u8]) -> bool {
    const NUL: &[u8] = b"u0000";
    let escaped = |at: usize| {
        let slashes = text[..at].iter().rev().take_while(|byte| **byte == b'\\');
        slashes.count() % 2 == 1
    };
    text.windows(NUL.len())
        .enumerate()
        .any(|(at, window)| window == NUL && escaped(at))
}
