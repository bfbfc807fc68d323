//! Which storage is really shared.
//!
//! An operator's word that two hosts share a directory is not enough: a file system that is not
//! mounted leaves an empty directory behind that looks just like it. So the pool's id, which is
//! what makes two hosts' storage the same, contains what only the storage itself can know: the
//! content of a small file that the first agent to come leaves there. Hosts whose mounts differ
//! then report different pools, and disks are copied, or the move refused, instead of lost.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use godwit_rpc::facts::Pool;
use nix::sys::statvfs::statvfs;
use uuid::Uuid;

use super::super::config::SharedStorage;

/// The file that tells one storage from another.
const MARK: &str = ".godwit-storage";

#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct SeenPool {
    pub(in super::super) pool: Pool,
    prefix: Prefix,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Prefix {
    /// Files below these directories, which are the same one by two names.
    Directory {
        named: PathBuf,
        real: PathBuf,
    },
    Name(String),
}

/// Looks at all configured storage now; what cannot be verified is left out, and said so.
pub(in super::super) fn observe(configured: &[SharedStorage]) -> Vec<SeenPool> {
    let seen = configured.iter().filter_map(|storage| match look(storage) {
        Ok(pool) => Some(pool),
        Err(error) => {
            tracing::warn!(id = %storage.id, path = %storage.path, %error,
                "shared storage cannot be verified; it does not count as shared");
            None
        }
    });
    seen.collect()
}

/// The id of the pool that `path` lies in.
pub(in super::super) fn pool_of<'a>(pools: &'a [SeenPool], path: &str) -> Option<&'a str> {
    let within = pools.iter().filter_map(|seen| {
        let length = seen.prefix.length_within(path)?;
        Some((length, seen.pool.id.as_str()))
    });
    within.max_by_key(|(length, _)| *length).map(|(_, id)| id)
}

impl Prefix {
    /// How much of `path` is this prefix; `None` when it begins otherwise.
    fn length_within(&self, path: &str) -> Option<usize> {
        match self {
            Self::Directory { named, real } => {
                let within = |path: &Path| path.starts_with(named) || path.starts_with(real);
                let path = Path::new(path);
                let found = within(path) || fs::canonicalize(path).is_ok_and(|path| within(&path));
                found.then(|| real.as_os_str().len())
            }
            Self::Name(prefix) => path.starts_with(prefix.as_str()).then_some(prefix.len()),
        }
    }
}

fn look(storage: &SharedStorage) -> io::Result<SeenPool> {
    let directory = Path::new(&storage.path);
    if !directory.is_dir() {
        if directory.is_absolute() && !directory.starts_with("/dev") {
            return Err(io::Error::new(io::ErrorKind::NotFound, "no such directory"));
        }
        // What is no directory carries its own name: block devices by path, network disks.
        return Ok(SeenPool {
            pool: Pool {
                id: storage.id.clone(),
                capacity_bytes: 0,
                free_bytes: 0,
                kind: None,
                local: false,
            },
            prefix: Prefix::Name(storage.path.clone()),
        });
    }
    let mark = mark_of(directory)?;
    let space = statvfs(directory)?;
    Ok(SeenPool {
        pool: Pool {
            id: format!("{}@{mark}", storage.id),
            capacity_bytes: space.fragment_size() * space.blocks(),
            free_bytes: space.fragment_size() * space.blocks_available(),
            kind: None,
            local: false,
        },
        prefix: Prefix::Directory {
            named: directory.to_owned(),
            real: fs::canonicalize(directory)?,
        },
    })
}

/// The storage's mark; left there if it has none. Hosts may do so at the same time: a link is
/// made of a finished file, and only one of them can be first.
fn mark_of(directory: &Path) -> io::Result<Uuid> {
    let path = directory.join(MARK);
    match read_mark(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "nobody has to name this id, it only has to differ"
    )]
    let mark = Uuid::new_v4();
    let draft = directory.join(format!("{MARK}.{mark}"));
    let mut file = fs::File::create_new(&draft)?;
    let linked = file
        .write_all(mark.to_string().as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&draft, &path));
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => read_mark(&path),
    }
}

fn read_mark(path: &Path) -> io::Result<Uuid> {
    let text = fs::read_to_string(path)?;
    let mark = text.trim().parse();
    mark.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(id: &str, path: &Path) -> SharedStorage {
        SharedStorage {
            id: id.into(),
            path: path.to_str().unwrap().into(),
        }
    }

    #[test]
    fn who_sees_the_same_bytes_reports_the_same_pool() {
        let (shared, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let one = observe(&[storage("nfs", shared.path())]);
        let two = observe(&[storage("nfs", shared.path())]);
        let unmounted = observe(&[storage("nfs", other.path())]);
        assert_eq!(one[0].pool.id, two[0].pool.id);
        assert_ne!(one[0].pool.id, unmounted[0].pool.id);
        assert!(one[0].pool.id.starts_with("nfs@"));
        assert!(one[0].pool.free_bytes <= one[0].pool.capacity_bytes);
    }

    #[test]
    fn nothing_but_the_mark_is_left_behind() {
        let shared = tempfile::tempdir().unwrap();
        observe(&[storage("nfs", shared.path())]);
        let names: Vec<_> = fs::read_dir(shared.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, [MARK]);
    }

    #[test]
    fn a_disk_belongs_to_the_innermost_pool() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("fast");
        fs::create_dir(&inner).unwrap();
        let pools = observe(&[storage("slow", outer.path()), storage("fast", &inner)]);
        let pool = |path: PathBuf| pool_of(&pools, path.to_str().unwrap()).map(str::to_owned);
        assert!(pool(inner.join("a/disk")).unwrap().starts_with("fast@"));
        assert!(
            pool(outer.path().join("disk"))
                .unwrap()
                .starts_with("slow@")
        );
        assert_eq!(pool(outer.path().with_file_name("elsewhere")), None);
    }

    #[test]
    fn a_link_to_a_pool_is_the_pool() {
        let outer = tempfile::tempdir().unwrap();
        let (real, link) = (outer.path().join("real"), outer.path().join("link"));
        fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        fs::write(real.join("disk"), "").unwrap();
        let pools = observe(&[storage("nfs", &real)]);
        assert!(pool_of(&pools, link.join("disk").to_str().unwrap()).is_some());
    }

    #[test]
    fn what_is_no_file_is_known_by_its_name() {
        let ceph = SharedStorage {
            id: "ceph".into(),
            path: "rbd:vms/".into(),
        };
        let pools = observe(&[ceph]);
        assert_eq!(pool_of(&pools, "rbd:vms/a_disk"), Some("ceph"));
        assert_eq!(pool_of(&pools, "rbd:images/a"), None);
    }

    #[test]
    fn storage_that_is_not_there_is_not_shared() {
        let outer = tempfile::tempdir().unwrap();
        assert_eq!(observe(&[storage("nfs", &outer.path().join("absent"))]), []);
    }
}
