//! Another authority in place of the one that there is, while everybody goes on.
//!
//! ```text
//!             ca.pem: trusted    ca.key: signs
//!   ────────  old                old
//!   begin     old, next          old             all have to learn whom to trust
//!   sign      old, next          next            all have to get another certificate
//!   finish    next               next
//! ```
//!
//! Each step may be repeated, and ends whole where it was broken off.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use godwit_core::time::Timestamp;

use super::make::{files_of_authority, make_authority, signing};
use crate::cli::Rotate;
use crate::keys::write;

/// What comes behind the first and the second step.
const ROUND: &str =
    "Now repeat `godwit certs issue` for everybody, and bring everybody what it made";

pub(super) fn rotate(step: &Rotate, now: Timestamp) -> Result<String> {
    match step {
        Rotate::Begin { directory, days } => begin(directory, *days, now),
        Rotate::Sign { directory } => sign(directory),
        Rotate::Finish { directory } => finish(directory),
    }
}

fn begin(directory: &Path, days: u32, now: Timestamp) -> Result<String> {
    let (trusted, _) = files_of_authority(directory);
    let (next, next_key) = next(directory);
    let signing_now = directory.join("signing.pem");
    if signing_now.exists() {
        ensure!(
            next.exists(),
            "the next authority signs already: `godwit certs rotate finish` comes first"
        );
        ensure!(
            read(&signing_now)? != read(&next)?,
            "`godwit certs rotate sign` was broken off, repeat it"
        );
    } else {
        let old = read(&trusted)?;
        if !next.exists() {
            make_authority(&next, &next_key, days, now)?;
        }
        write(&signing_now, &old, 0o644)?;
    }
    let both = read(&signing_now)? + &read(&next)?;
    write(&trusted, &both, 0o644)?;
    Ok(format!(
        "{} holds the next authority beside the one that signs. {ROUND}; then `godwit certs \
         rotate sign`",
        trusted.display()
    ))
}

fn sign(directory: &Path) -> Result<String> {
    let (_, key) = files_of_authority(directory);
    let (next, next_key) = next(directory);
    let signing_now = directory.join("signing.pem");
    if !next.exists() {
        if signing_now.exists() {
            bail!("the next authority signs already");
        }
        bail!("there is no next authority: `godwit certs rotate begin` makes one");
    }
    // Whoever trusts nobody but the old one would be alone.
    ensure!(
        signing_now.exists() && read(&files_of_authority(directory).0)?.contains(&*read(&next)?),
        "nobody was told of the next authority: `godwit certs rotate begin` was broken off, repeat it"
    );
    // Where this was broken off, the key may be in its place.
    if next_key.exists() || read(&signing_now)? != read(&next)? {
        write(&key, &read(&next_key)?, 0o600)?;
    }
    write(&signing_now, &read(&next)?, 0o644)?;
    remove(&next_key)?;
    // Without it the step is done.
    remove(&next)?;
    Ok(format!(
        "the next authority signs. {ROUND}; then `godwit certs rotate finish`"
    ))
}

fn finish(directory: &Path) -> Result<String> {
    let (trusted, _) = files_of_authority(directory);
    let Some(signing) = signing(directory) else {
        bail!("there is but one authority: `godwit certs rotate begin` makes another");
    };
    ensure!(
        !next(directory).0.exists(),
        "the former authority still signs: `godwit certs rotate sign` comes first"
    );
    write(&trusted, &read(&signing)?, 0o644)?;
    remove(&signing)?;
    Ok(format!(
        "{} holds the next authority alone. {ROUND}",
        trusted.display()
    ))
}

/// The next authority, while it does not sign.
fn next(directory: &Path) -> (PathBuf, PathBuf) {
    (directory.join("next.pem"), directory.join("next.key"))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::make::{authority, issue};
    use super::*;
    use crate::cli::{Bearer, IssueCertificate};
    use godwit_rpc::transport::TlsFiles;
    use tempfile::TempDir;

    /// An authority, and one who has a certificate of it.
    struct Site(TempDir);

    impl Site {
        fn new() -> Self {
            let site = Self(tempfile::tempdir().unwrap());
            authority(&site.authority(), 3_650, now()).unwrap();
            assert!(site.issues());
            site
        }

        fn authority(&self) -> PathBuf {
            self.0.path().join("authority")
        }

        fn files(&self) -> TlsFiles {
            let out = self.0.path().join("out");
            TlsFiles {
                ca: out.join("ca.pem"),
                cert: out.join("host-1.pem"),
                key: out.join("host-1.key"),
            }
        }

        /// Was another certificate made?
        fn issues(&self) -> bool {
            let read = || fs::read(self.files().cert).ok();
            let before = read();
            let wanted = IssueCertificate {
                role: Bearer::Agent,
                name: "host-1".parse().unwrap(),
                addresses: vec!["192.0.2.1".to_owned()],
                authority: self.authority(),
                out: self.0.path().join("out"),
                days: 365,
            };
            issue(&wanted, now()).unwrap();
            read() != before
        }

        fn begin(&self) -> Result<String> {
            begin(&self.authority(), 3_650, now())
        }

        /// How many authorities are trusted where certificates are made, and by who has one.
        fn trusted(&self) -> (usize, usize) {
            let count = |path: &Path| read(path).unwrap().matches("BEGIN CERTIFICATE").count();
            (
                count(&self.authority().join("ca.pem")),
                count(&self.files().ca),
            )
        }

        fn left(&self) -> Vec<String> {
            let files = fs::read_dir(self.authority()).unwrap();
            let mut names: Vec<String> = files
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    fn now() -> Timestamp {
        let noon = Timestamp::from_micros(1_767_182_400_000_000).unwrap();
        noon.plus(Duration::from_secs(86_400))
    }

    /// Would those who trust `ca` believe a certificate?
    fn believes(ca: &Path, files: &TlsFiles) -> bool {
        let files = TlsFiles {
            ca: ca.to_owned(),
            ..files.clone()
        };
        files.verify_at(now()).is_ok()
    }

    #[test]
    fn at_each_step_everybody_believes_everybody() {
        let site = Site::new();
        let before = site.0.path().join("before.pem");
        fs::copy(site.files().ca, &before).unwrap();

        site.begin().unwrap();
        assert!(!site.issues(), "it is still good");
        assert_eq!(site.trusted(), (2, 2));
        assert!(believes(&before, &site.files()), "who was not told yet");

        let between = site.0.path().join("between.pem");
        fs::copy(site.files().ca, &between).unwrap();
        let old = site.files();
        let copied = |file: &Path, name: &str| {
            let copy = site.0.path().join(name);
            fs::copy(file, &copy).unwrap();
            copy
        };
        let old = TlsFiles {
            cert: copied(&old.cert, "old.pem"),
            key: copied(&old.key, "old.key"),
            ca: between.clone(),
        };
        sign(&site.authority()).unwrap();
        assert!(site.issues(), "it is of the former authority");
        assert!(!site.issues());
        assert_eq!(site.trusted(), (2, 2));
        assert!(believes(&between, &site.files()));
        assert!(believes(&site.files().ca, &old), "who has no other yet");

        finish(&site.authority()).unwrap();
        assert!(!site.issues());
        assert_eq!(site.trusted(), (1, 1));
        assert!(believes(&site.files().ca, &site.files()));
        assert!(!believes(&site.files().ca, &old));
        assert!(!believes(&before, &site.files()));
        assert_eq!(site.left(), ["ca.key", "ca.pem"]);
        // And once more.
        site.begin().unwrap();
        sign(&site.authority()).unwrap();
        assert!(site.issues());
    }

    #[test]
    fn steps_come_one_after_the_other() {
        let site = Site::new();
        let directory = site.authority();
        let says = |made: Result<String>, text: &str| {
            let error = made.unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        };
        says(sign(&directory), "rotate begin");
        says(finish(&directory), "rotate begin");
        site.begin().unwrap();
        let both = read(&directory.join("ca.pem")).unwrap();
        site.begin().unwrap();
        assert_eq!(read(&directory.join("ca.pem")).unwrap(), both);
        says(finish(&directory), "rotate sign");
        sign(&directory).unwrap();
        says(sign(&directory), "signs already");
        says(site.begin(), "rotate finish");
        finish(&directory).unwrap();
        says(finish(&directory), "rotate begin");
    }

    #[test]
    fn what_was_broken_off_is_gone_on_with() {
        let site = Site::new();
        let directory = site.authority();
        let file = |name: &str| directory.join(name);
        // The next authority was made, and nobody was told.
        make_authority(&file("next.pem"), &file("next.key"), 3_650, now()).unwrap();
        sign(&directory).unwrap_err();
        let next = read(&file("next.pem")).unwrap();
        site.begin().unwrap();
        assert!(read(&file("ca.pem")).unwrap().ends_with(&next));
        // The key was put in its place, and nothing else.
        fs::copy(file("next.key"), file("ca.key")).unwrap();
        sign(&directory).unwrap();
        assert!(site.issues());
        // All but the last file was removed.
        fs::write(file("next.pem"), &next).unwrap();
        site.begin().unwrap_err();
        sign(&directory).unwrap();
        assert!(!site.issues());
        finish(&directory).unwrap();
        assert_eq!(read(&file("ca.pem")).unwrap(), next);
    }
}
