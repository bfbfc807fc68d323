//! Files that are replaced as a whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// Writes `contents` beside the file at `path` and renames: after a kill at any instant the file is
/// the old one or the new one, and when this returns the new one is on the disk. What a kill leaves
/// has the extension `new`.
pub(crate) fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    // Whoever was writing the same may have been given up, and be writing still.
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let beside = path.with_extension(format!("{number}.new"));
    let written = write(&beside, contents).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What matters is why.
        let _ = fs::remove_file(&beside);
    }
    written?;
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn write(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_leaves_all_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.json");
        replace(&path, b"first").unwrap();
        replace(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");

        // A file takes no directory's place.
        let taken = directory.path().join("taken.json");
        fs::create_dir(&taken).unwrap();
        replace(&taken, b"third").unwrap_err();
        assert!(taken.is_dir());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
