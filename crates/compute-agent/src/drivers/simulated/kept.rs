//! Where a world is kept: one file holds all of it, and a second one what changed since.
//!
//! A simulated world outlives its process, which may be killed at any moment. It need not outlive
//! the machine, whose guests would be gone with it: so a change is not synced.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use godwit_core::ids::ServerUuid;
use serde::{Deserialize, Serialize};

use super::fabric::FabricError;
use super::fleet::{Fleet, GuestSpec};
use super::world::World;
use crate::replace::replace;

/// All of a world, below its directory.
const WHOLE: &str = "simulated-world.json";
/// What changed since: a line for each change.
const CHANGES: &str = "simulated-world.changes";
/// So many changes for each guest, and these beside, are as much as reading the whole takes.
const FEW: usize = 1_000;

/// A line of the second file. It says what the guest is like from then on, so that reading a line
/// again that the first file knows already changes nothing.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Is(Box<GuestSpec>),
    Gone(ServerUuid),
}

#[derive(Debug)]
pub(super) struct Kept {
    whole: PathBuf,
    changes: File,
    /// How many the second file has, and how long it is, in bytes.
    lines: usize,
    length: u64,
}

impl Kept {
    /// The world kept in `directory`; `first` makes it when there is none yet.
    pub(super) fn open(
        directory: &Path,
        first: impl FnOnce() -> Fleet,
    ) -> Result<(Self, World), FabricError> {
        let whole = directory.join(WHOLE);
        let at_whole = |error| FabricError::Io(whole.clone(), error);
        let fleet = match std::fs::read(&whole) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| FabricError::Unreadable(whole.clone(), error))?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let fleet = first();
                save(&whole, &fleet).map_err(at_whole)?;
                fleet
            }
            Err(error) => return Err(at_whole(error)),
        };
        let mut world = World::new(fleet);
        let path = directory.join(CHANGES);
        let at_changes = |error| FabricError::Io(path.clone(), error);
        let changed = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(at_changes(error)),
        };
        for line in changed.split_inclusive('\n') {
            // The last one may have been cut off with the process that wrote it.
            let Some(line) = line.strip_suffix('\n') else {
                break;
            };
            let change = serde_json::from_str(line)
                .map_err(|error| FabricError::Unreadable(path.clone(), error))?;
            match change {
                Change::Is(guest) => world.guests.put(*guest),
                Change::Gone(server) => drop(world.guests.remove(server)),
            }
        }
        if !changed.is_empty() {
            save(&whole, &world.fleet()).map_err(at_whole)?;
        }
        world.guests.take_changed();
        let changes = OpenOptions::new().create(true).append(true).open(&path);
        let kept = Self {
            changes: changes.and_then(emptied).map_err(at_changes)?,
            whole,
            lines: 0,
            length: 0,
        };
        Ok((kept, world))
    }

    pub(super) fn keep(&mut self, world: &mut World) -> std::io::Result<()> {
        let changed = world.guests.take_changed();
        if changed.is_empty() {
            return Ok(());
        }
        let kept = self.append(world, &changed);
        if kept.is_err() {
            world.guests.give_back(changed);
        }
        kept
    }

    fn append(&mut self, world: &World, changed: &BTreeSet<ServerUuid>) -> std::io::Result<()> {
        if self.lines > FEW.max(world.guests.len()) {
            save(&self.whole, &world.fleet())?;
            self.changes.set_len(0)?;
            (self.lines, self.length) = (0, 0);
            return Ok(());
        }
        let mut text = Vec::new();
        for server in changed {
            let guest = world.guests.get(*server).cloned().map(Box::new);
            let change = guest.map_or(Change::Gone(*server), Change::Is);
            serde_json::to_writer(&mut text, &change)?;
            text.push(b'\n');
        }
        if let Err(error) = self.changes.write_all(&text) {
            // Half a line must not stand before the next one.
            self.changes.set_len(self.length)?;
            return Err(error);
        }
        self.lines = self.lines.saturating_add(changed.len());
        self.length = self.length.saturating_add(text.len() as u64);
        Ok(())
    }
}

fn emptied(file: File) -> std::io::Result<File> {
    file.set_len(0)?;
    Ok(file)
}

fn save(path: &Path, fleet: &Fleet) -> std::io::Result<()> {
    replace(path, &serde_json::to_vec(fleet)?)
}

#[cfg(test)]
mod tests {
    use godwit_test_support::fleet::rpc::owner;
    use godwit_test_support::fleet::{SERVER, host};

    use super::*;
    use crate::drivers::simulated::HostSpec;

    fn open(directory: &Path) -> (Kept, World) {
        let first = || Fleet {
            hosts: (0..3).map(|number| HostSpec::new(host(number))).collect(),
            guests: vec![GuestSpec::new(SERVER, "vm", owner(), host(0))],
            pools: Vec::new(),
        };
        Kept::open(directory, first).unwrap()
    }

    fn go(kept: &mut Kept, world: &mut World, to: usize) {
        world.change(SERVER, |guest| guest.host = host(to));
        kept.keep(world).unwrap();
    }

    #[test]
    fn a_change_is_kept_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let (mut kept, mut world) = open(directory.path());
        go(&mut kept, &mut world, 1);
        go(&mut kept, &mut world, 2);
        let path = directory.path().join(CHANGES);
        let text = std::fs::read(&path).unwrap();
        let first = text.iter().position(|byte| *byte == b'\n').unwrap();
        let all = text.len();
        for length in [0, 1, first, first + 1, first + 2, all - 1, all] {
            std::fs::write(directory.path().join(WHOLE), {
                let (_, world) = open(tempfile::tempdir().unwrap().path());
                serde_json::to_vec(&world.fleet()).unwrap()
            })
            .unwrap();
            std::fs::write(&path, &text[..length]).unwrap();
            let lines = text[..length].iter().filter(|byte| **byte == b'\n').count();
            let (_, world) = open(directory.path());
            assert_eq!(world.whereabouts(SERVER), Some(host(lines)));
        }
    }

    #[test]
    fn what_is_gone_stays_gone() {
        let directory = tempfile::tempdir().unwrap();
        let (mut kept, mut world) = open(directory.path());
        world.guests.remove(SERVER);
        kept.keep(&mut world).unwrap();
        let (_, world) = open(directory.path());
        assert_eq!(world.whereabouts(SERVER), None);
    }

    #[test]
    fn the_changes_are_never_many_more_than_the_guests() {
        let directory = tempfile::tempdir().unwrap();
        let (mut kept, mut world) = open(directory.path());
        for turn in 0..3 * FEW {
            go(&mut kept, &mut world, turn % 3);
            assert!(kept.lines <= FEW + 1);
        }
        let (_, world) = open(directory.path());
        assert_eq!(world.whereabouts(SERVER), Some(host((3 * FEW - 1) % 3)));
    }
}
