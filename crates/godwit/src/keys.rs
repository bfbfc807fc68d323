//! The key pair that signs and verifies tokens.
//!
//! `up` makes one when its directory has none. Whoever runs the roles by themselves brings their
//! own, or lets Keystone issue the tokens and configures its public keys alone.

use std::fs::{OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use godwit_api::auth::signer::Signer;
use godwit_api::http::sealing::make_key;

/// Where a key pair lies.
#[derive(Clone, Debug)]
pub(crate) struct KeyFiles {
    /// Signs; PKCS#8 in PEM, readable by its owner alone.
    pub(crate) private: PathBuf,
    /// Verifies; PEM.
    pub(crate) public: PathBuf,
}

impl KeyFiles {
    /// The pair of the directory of `up`.
    pub(crate) fn below(directory: &Path) -> Self {
        Self {
            private: directory.join("token.key.pem"),
            public: directory.join("token.pub.pem"),
        }
    }

    /// Makes a pair for ES256 where there is none. The public key is written anew each time, so
    /// that the two always belong together.
    pub(crate) fn ensure(&self) -> Result<()> {
        if !self.private.exists() {
            let private = Signer::make_key().context("cannot make a key pair")?;
            write(&self.private, &private, 0o600)?;
        }
        write(
            &self.public,
            &signer(&self.private)?.public_key_pem(),
            0o644,
        )
    }
}

/// Makes a key that seals secrets of others, where there is none.
pub(crate) fn ensure_sealing_key(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let key = make_key().context("cannot make a key that seals")?;
    write(path, &key, 0o600)
}

/// What signs tokens with the private key at `path`.
pub(crate) fn signer(path: &Path) -> Result<Signer> {
    let pem = std::fs::read(path)
        .with_context(|| format!("cannot read the private key {}", path.display()))?;
    Signer::from_pem(&pem).with_context(|| path.display().to_string())
}

/// Writes beside the file and renames, so that a crash leaves the old one or the new one. Its mode
/// is this, whatever the process' mask takes from others.
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let beside = path.with_extension("new");
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&beside)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    })();
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_made_once_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let files = KeyFiles::below(directory.path());
        files.ensure().unwrap();
        let first = std::fs::read(&files.private).unwrap();
        let mode = std::fs::metadata(&files.private)
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_file(&files.public).unwrap();
        files.ensure().unwrap();
        assert_eq!(std::fs::read(&files.private).unwrap(), first);
        assert!(files.public.exists());
    }

    #[test]
    fn a_broken_key_is_named_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let files = KeyFiles::below(directory.path());
        std::fs::write(&files.private, "nonsense").unwrap();
        let error = files.ensure().unwrap_err().to_string();
        assert!(error.contains("token.key.pem"), "{error}");
        assert_eq!(std::fs::read_to_string(&files.private).unwrap(), "nonsense");
    }
}
