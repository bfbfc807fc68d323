//! Reading the serial log that one host keeps of a guest.

use std::path::Path;

use anyhow::{Context, Result};

use super::Report;

/// What one host logged of one guest.
#[derive(Clone, Debug)]
pub struct SerialLog {
    pub epoch: u32,
    /// The status lines, in the order in which they were printed.
    pub lines: Vec<Report>,
    /// Pieces of lines. A hand-over in the middle of a line leaves its head in one host's log and
    /// its tail in the other's.
    pub fragments: usize,
}

impl SerialLog {
    /// Reads a log; one that does not exist is empty.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(epoch: u32, path: &Path) -> Result<Self> {
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self::parse(epoch, &String::from_utf8_lossy(&bytes))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(Self::parse(epoch, ""))
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    pub(super) fn parse(epoch: u32, text: &str) -> Self {
        let mut log = Self {
            epoch,
            lines: Vec::new(),
            fragments: 0,
        };
        // What follows the last line break is a line that is being printed.
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in complete.split('\n').filter(|line| !line.is_empty()) {
            // After the head of a line that ended elsewhere, the next begins without a break.
            let start = line.rfind("guest=").unwrap_or(0);
            match parse_line(&line[start..]) {
                Some(report) => {
                    log.lines.push(report);
                    log.fragments += usize::from(start > 0);
                }
                None => log.fragments += 1,
            }
        }
        log
    }
}

/// A whole and undamaged status line.
fn parse_line(line: &str) -> Option<Report> {
    let (text, sum) = line.rsplit_once(" sum=")?;
    let expected = text.bytes().fold(0, |sum, byte| sum ^ byte);
    if u8::from_str_radix(sum, 16) != Ok(expected) {
        return None;
    }
    let mut words = text.split(' ');
    let mut number = |name: &str| -> Option<u32> {
        words
            .next()?
            .strip_prefix(name)?
            .strip_prefix('=')?
            .parse()
            .ok()
    };
    Some(Report {
        guest: number("guest")?,
        boot: number("boot")?,
        epoch: number("epoch")?,
        counter: number("counter")?,
        wrong: number("wrong")?,
        conflicts: number("conflicts")?,
        errors: number("errors")?,
        scans: number("scans")?,
        dirtied: number("dirty")?,
    })
}

/// What the guest would print.
#[cfg(test)]
pub(super) fn line(report: &Report) -> String {
    let Report {
        guest,
        boot,
        epoch,
        counter,
        wrong,
        conflicts,
        errors,
        scans,
        dirtied,
    } = report;
    let text = format!(
        "guest={guest} boot={boot} epoch={epoch} counter={counter} wrong={wrong} \
         conflicts={conflicts} errors={errors} scans={scans} dirty={dirtied}"
    );
    let sum = text.bytes().fold(0, |sum, byte| sum ^ byte);
    format!("{text} sum={sum:02x}\n")
}
