//! Disk images: what they build on, and making them.
//!
//! `qemu-img` does the work: QEMU's own formats are read and written by QEMU's own tool. It is
//! always told the format, never asked to guess one: a guest that can write to a raw disk could
//! make it look like anything.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::process::Command;

/// Parts of an image that its fingerprint looks at, and how long each is, bytes.
const SAMPLES: u64 = 64;
const SAMPLE: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub(in super::super) enum ImageError {
    #[error("{0}")]
    Refused(String),
    #[error("qemu-img did not end within {0:?}")]
    Overdue(Duration),
    /// A file or the tool cannot be used.
    #[error("{path}: {error}")]
    Io { path: PathBuf, error: io::Error },
}

impl ImageError {
    fn io(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        Self::Io { path, error }
    }

    pub(in super::super) fn is_full(&self) -> bool {
        match self {
            Self::Refused(text) => text.contains("No space left"),
            Self::Overdue(_) => false,
            Self::Io { error, .. } => matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in super::super) struct Image {
    pub(in super::super) filename: PathBuf,
    pub(in super::super) format: String,
    /// How large a guest believes it is.
    pub(in super::super) virtual_size: u64,
}

/// The image at `path` and all that it builds on, the top first.
pub(in super::super) async fn chain(
    path: &Path,
    format: &str,
    deadline: Duration,
) -> Result<Vec<Image>, ImageError> {
    // Force-share: an image below a linked clone is open in QEMU, which only reads it.
    let options = [
        "info",
        "--force-share",
        "--backing-chain",
        "--output=json",
        "-f",
        format,
    ];
    let output = qemu_img(
        options
            .map(OsStr::new)
            .into_iter()
            .chain([path.as_os_str()]),
        deadline,
    );
    serde_json::from_slice(&output.await?)
        .map_err(|error| ImageError::Refused(format!("qemu-img says nonsense: {error}")))
}

/// A digest that tells whether two hosts have the same chain under the same names: of every
/// image the name, format, size, and samples of its bytes. Reads little, since images are large
/// and equal names nearly always mean equal images; it is to catch those that differ.
pub(in super::super) fn fingerprint(chain: &[Image]) -> Result<String, ImageError> {
    let mut digest = Sha256::new();
    for image in chain {
        let path = &image.filename;
        let failed = |error| ImageError::io(path, error);
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        digest.update(path.as_os_str().as_encoded_bytes());
        digest.update([0]);
        digest.update(image.format.as_bytes());
        digest.update([0]);
        digest.update(image.virtual_size.to_le_bytes());
        digest.update(length.to_le_bytes());
        for offset in sample_offsets(length) {
            let mut sample = [0; SAMPLE];
            let read = read_at(&file, &mut sample, offset).map_err(failed)?;
            digest.update(sample.get(..read).unwrap_or_default());
        }
    }
    let digest = digest.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Evenly spread, the beginning and the end included; the whole of a small file.
fn sample_offsets(length: u64) -> impl Iterator<Item = u64> {
    let sample = SAMPLE as u64;
    let last = length.saturating_sub(sample);
    let count = SAMPLES.min(length.div_ceil(sample));
    (0..count).map(move |n| match count {
        1 => 0,
        _ => last / (count - 1) * n + last % (count - 1) * n / (count - 1),
    })
}

fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        let rest = buffer.get_mut(filled..).unwrap_or_default();
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// What a disk to be made looks like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct Blank {
    pub(in super::super) path: PathBuf,
    /// `qcow2` or `raw`.
    pub(in super::super) format: String,
    /// How large the guest believes it is.
    pub(in super::super) virtual_bytes: u64,
    /// The path and format of what it is a linked clone of.
    pub(in super::super) backing: Option<(String, String)>,
}

impl Blank {
    /// Makes it; what exists is never overwritten.
    pub(in super::super) async fn create(&self, deadline: Duration) -> Result<(), ImageError> {
        let failed = |error| ImageError::io(&self.path, error);
        // Only whoever runs the guest reads its disks; libvirt hands the file over to it.
        let mut new = tokio::fs::OpenOptions::new();
        let file = new
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.path)
            .await;
        let file = file.map_err(failed)?;
        if self.format == "raw" {
            return file.set_len(self.virtual_bytes).await.map_err(failed);
        }
        let size = self.virtual_bytes.to_string();
        let mut arguments = vec!["create", "--quiet", "-f", self.format.as_str()];
        if let Some((backing, format)) = &self.backing {
            arguments.extend(["-b", backing, "-F", format]);
        }
        let before = arguments.into_iter().map(OsStr::new);
        let after = [self.path.as_os_str(), OsStr::new(&size)];
        qemu_img(before.chain(after), deadline).await.map(drop)
    }
}

async fn qemu_img(
    arguments: impl Iterator<Item = &OsStr>,
    deadline: Duration,
) -> Result<Vec<u8>, ImageError> {
    let mut command = Command::new("qemu-img");
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(deadline, command.output())
        .await
        .map_err(|_| ImageError::Overdue(deadline))?
        .map_err(|error| ImageError::io(Path::new("qemu-img"), error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(ImageError::Refused(said.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_reach_from_the_beginning_to_the_end() {
        for length in [0, 1, 4095, 4096, 4097, 1 << 20, (1 << 40) + 7] {
            let offsets: Vec<_> = sample_offsets(length).collect();
            assert!(offsets.len() as u64 <= SAMPLES);
            assert!(offsets.is_sorted());
            if length > 0 {
                assert_eq!(offsets.first(), Some(&0));
                let last = offsets.last().unwrap();
                assert_eq!(
                    (last + SAMPLE as u64).max(length),
                    last + SAMPLE as u64,
                    "{length}"
                );
            }
        }
    }

    #[test]
    fn a_differing_image_has_another_fingerprint() {
        let directory = tempfile::tempdir().unwrap();
        let image = Image {
            filename: directory.path().join("base"),
            format: "raw".into(),
            virtual_size: 1 << 20,
        };
        let print = |content: &[u8]| {
            std::fs::write(&image.filename, content).unwrap();
            fingerprint(std::slice::from_ref(&image)).unwrap()
        };
        let mut content = vec![7_u8; 1 << 16];
        let one = print(&content);
        assert_eq!(one, print(&content));
        content[40_000] ^= 1;
        assert_ne!(one, print(&content));
        content.push(7);
        let longer = print(&content);
        assert_ne!(one, longer);
    }

    #[tokio::test]
    async fn what_exists_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let blank = Blank {
            path: directory.path().join("disk"),
            format: "raw".into(),
            virtual_bytes: 8192,
            backing: None,
        };
        blank.create(Duration::from_secs(5)).await.unwrap();
        assert_eq!(std::fs::metadata(&blank.path).unwrap().len(), 8192);
        let again = blank.create(Duration::from_secs(5)).await.unwrap_err();
        assert!(matches!(again, ImageError::Io { .. }), "{again}");
    }

    /// Needs `qemu-img`.
    #[tokio::test]
    async fn real_linked_clone_keeps_its_chain() {
        let directory = tempfile::tempdir().unwrap();
        let deadline = Duration::from_secs(30);
        let base = Blank {
            path: directory.path().join("base"),
            format: "raw".into(),
            virtual_bytes: 1 << 20,
            backing: None,
        };
        base.create(deadline).await.unwrap();
        let clone = Blank {
            path: directory.path().join("clone"),
            format: "qcow2".into(),
            virtual_bytes: 2 << 20,
            backing: Some((base.path.to_str().unwrap().into(), "raw".into())),
        };
        clone.create(deadline).await.unwrap();
        let chain = chain(&clone.path, "qcow2", deadline).await.unwrap();
        let sizes: Vec<_> = chain.iter().map(|image| image.virtual_size).collect();
        assert_eq!(sizes, [2 << 20, 1 << 20]);
        assert_eq!(chain[1].filename, base.path);
        assert_eq!(chain[1].format, "raw");
    }
}
