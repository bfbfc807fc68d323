//! How much space there is where a disk would be made.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statvfs::statvfs;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) struct Space {
    pub(in super::super) total: u64,
    /// What may be used, bytes; what is reserved is taken off.
    pub(in super::super) free: u64,
}

/// The space where `path` is or would be made.
pub(in super::super) fn space_at(path: &Path, reserved: u64) -> io::Result<Space> {
    let space = statvfs(existing(path))?;
    let unit = space.fragment_size();
    Ok(Space {
        total: unit * space.blocks(),
        free: (unit * space.blocks_available()).saturating_sub(reserved),
    })
}

/// A file system that has less space than is needed there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct Lack {
    /// One of the paths that lead there.
    pub(in super::super) path: PathBuf,
    pub(in super::super) need: u64,
    pub(in super::super) free: u64,
}

/// Are the needs, by path and bytes, met? Those on one file system add up.
pub(in super::super) fn lacking(
    needs: &[(PathBuf, u64)],
    reserved: u64,
) -> io::Result<Option<Lack>> {
    let mut by_device: BTreeMap<u64, (PathBuf, u64)> = BTreeMap::new();
    for (path, bytes) in needs {
        let device = existing(path).metadata()?.dev();
        let (_, need) = by_device.entry(device).or_insert((path.clone(), 0));
        *need = need.saturating_add(*bytes);
    }
    for (path, need) in by_device.into_values() {
        let free = space_at(&path, reserved)?.free;
        if need > free {
            return Ok(Some(Lack { path, need, free }));
        }
    }
    Ok(None)
}

/// The nearest of `path` and its ancestors that exists.
fn existing(path: &Path) -> &Path {
    let exists = path.ancestors().find(|ancestor| ancestor.exists());
    exists.unwrap_or(Path::new("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_known_before_the_directory_is() {
        let directory = tempfile::tempdir().unwrap();
        let there = space_at(directory.path(), 0).unwrap();
        let absent = space_at(&directory.path().join("a/b/disk"), 0).unwrap();
        assert_eq!(there.total, absent.total);
        assert_eq!(space_at(directory.path(), u64::MAX).unwrap().free, 0);
    }

    #[test]
    fn needs_on_one_file_system_add_up() {
        let directory = tempfile::tempdir().unwrap();
        let free = space_at(directory.path(), 0).unwrap().free;
        let part = free / 3 * 2;
        let (one, two) = (directory.path().join("a"), directory.path().join("b"));
        assert_eq!(lacking(&[(one.clone(), part)], 0).unwrap(), None);
        let lack = lacking(&[(one, part), (two, part)], 0).unwrap().unwrap();
        assert_eq!(lack.need, part * 2);
    }
}
