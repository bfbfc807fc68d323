//! Reading the journal disk: a ring of sectors, each a record of `guest/journal.c`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use anyhow::{Context, Result};

use super::Report;

pub(super) const SECTOR: usize = 512;
const MAGIC: u32 = 0x4a57_5447;
/// Magic, guest, and the eight numbers of its status.
const WORDS: usize = 10;
/// A sector that the guest rewrites while it is read may seem damaged at first.
const TRIES: u32 = 3;

/// The newest round of the ring, as far as it has not been overwritten, oldest record first.
#[derive(Clone, Debug, Default)]
pub(super) struct Journal {
    pub(super) reports: Vec<Report>,
    /// The counter that the first of them must have.
    pub(super) start: u32,
    /// Sectors that hold neither nothing nor a record that belongs there.
    pub(super) damaged: Vec<u32>,
}

impl Journal {
    /// Reads a journal of `slots` sectors, which may be written meanwhile.
    ///
    /// A first pass finds the newest record. From there the records are read backwards until one
    /// that the guest, by now a round further, has overwritten: what the guest does meanwhile
    /// never looks like a gap.
    pub(super) fn read(path: &Path, slots: u32) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let mut journal = Self::default();
        let mut newest: Option<u32> = None;
        for slot in 0..slots {
            match read_slot(&file, slot, slots)? {
                Slot::Blank => {}
                Slot::Record(report) => newest = newest.max(Some(report.counter)),
                Slot::Damaged => journal.damaged.push(slot),
            }
        }
        let Some(newest) = newest else {
            return Ok(journal);
        };
        let oldest = newest.saturating_sub(slots - 1).max(1);
        journal.start = oldest;
        for counter in (oldest..=newest).rev() {
            match read_slot(&file, counter % slots, slots)? {
                Slot::Record(report) if report.counter == counter => journal.reports.push(report),
                Slot::Record(report) if report.counter > newest => {
                    journal.start = counter + 1;
                    break;
                }
                // The gap shows between those around it.
                Slot::Record(_) | Slot::Blank | Slot::Damaged => {}
            }
        }
        journal.reports.reverse();
        Ok(journal)
    }
}

enum Slot {
    Blank,
    Record(Report),
    Damaged,
}

fn read_slot(file: &File, slot: u32, slots: u32) -> Result<Slot> {
    let mut sector = [0; SECTOR];
    for _ in 0..TRIES {
        file.read_exact_at(&mut sector, u64::from(slot) * SECTOR as u64)
            .context("the journal is too short")?;
        if sector.iter().all(|&byte| byte == 0) {
            return Ok(Slot::Blank);
        }
        if let Some(report) = decode(&sector).filter(|report| report.counter % slots == slot) {
            return Ok(Slot::Record(report));
        }
    }
    Ok(Slot::Damaged)
}

fn decode(sector: &[u8; SECTOR]) -> Option<Report> {
    let mut words = sector
        .as_chunks::<4>()
        .0
        .iter()
        .map(|word| u32::from_le_bytes(*word));
    let words: [u32; WORDS + 1] = std::array::from_fn(|_| words.next().unwrap_or_default());
    let [fields @ .., sum] = words;
    if fields[0] != MAGIC || sum != sum_of(&fields) {
        return None;
    }
    Some(Report {
        guest: fields[1],
        boot: fields[2],
        epoch: fields[3],
        counter: fields[4],
        wrong: fields[5],
        conflicts: fields[6],
        errors: fields[7],
        scans: fields[8],
        dirtied: fields[9],
    })
}

fn sum_of(words: &[u32; WORDS]) -> u32 {
    words
        .iter()
        .fold(0_u32, |sum, word| sum.rotate_left(1) ^ word)
}

/// What the guest would write.
#[cfg(test)]
pub(super) fn encode(report: &Report) -> [u8; SECTOR] {
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
    } = *report;
    let fields = [
        MAGIC, guest, boot, epoch, counter, wrong, conflicts, errors, scans, dirtied,
    ];
    let mut sector = [0; SECTOR];
    for (place, word) in sector
        .chunks_mut(4)
        .zip(fields.into_iter().chain([sum_of(&fields)]))
    {
        place.copy_from_slice(&word.to_le_bytes());
    }
    sector
}
