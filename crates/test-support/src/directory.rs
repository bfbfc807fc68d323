//! Directories for databases of tests.

use std::path::Path;

use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use tempfile::{Builder, TempDir};

/// Where Linux keeps files in memory.
const IN_MEMORY: &str = "/dev/shm";
/// What has to be free there, so that all tests at a time find room: 4 GiB.
const ROOM_BYTES: u64 = 4 << 30;

/// A directory of the caller's own, removed on drop; in memory where there is room.
///
/// Commits wait for their disk, and tests make very many of them. No test outlives its machine,
/// so none can tell a file that is on a disk from one that the kernel has in memory: what a killed
/// process had written is there afterwards in both.
///
/// # Errors
/// It cannot be made.
pub fn database_directory() -> std::io::Result<TempDir> {
    let mut builder = Builder::new();
    builder.prefix("godwit-test-");
    if has_room(Path::new(IN_MEMORY)) {
        builder.tempdir_in(IN_MEMORY)
    } else {
        builder.tempdir()
    }
}

fn has_room(directory: &Path) -> bool {
    statfs(directory).is_ok_and(|found| {
        let free = found
            .blocks_available()
            .saturating_mul(u64::try_from(found.block_size()).unwrap_or_default());
        found.filesystem_type() == TMPFS_MAGIC && free >= ROOM_BYTES
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_callers_own_and_goes_away() {
        let (one, other) = (database_directory().unwrap(), database_directory().unwrap());
        assert_ne!(one.path(), other.path());
        let path = one.path().to_owned();
        drop(one);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_memory_is_not_taken_for_it() {
        assert!(!has_room(Path::new("/proc")));
        assert!(!has_room(Path::new("/no/such/directory")));
    }
}
