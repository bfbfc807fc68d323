//! Which versions of the protocol work together.
//!
//! A rolling upgrade has two releases side by side, never three. So: the same major version,
//! minors at most one apart, and both sides then use only what the lower minor knows.
//! Capabilities are for what a release may or may not have switched on.

use std::collections::BTreeSet;

use semver::Version;

use crate::refusal::Refusal;

/// The protocol's version. A test fails when the protocol changed and this did not.
pub const RPC_VERSION: Version = Version::new(2, 1, 0);

/// The metadata key under which every call names its sender's version.
pub const VERSION_HEADER: &str = "godwit-rpc-version";

/// What one side speaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Speaks {
    /// Its version.
    pub version: Version,
    /// What it can do beyond its version.
    pub capabilities: BTreeSet<String>,
}

impl Default for Speaks {
    fn default() -> Self {
        Self {
            version: RPC_VERSION,
            capabilities: BTreeSet::new(),
        }
    }
}

impl Speaks {
    /// What both sides understand.
    ///
    /// # Errors
    /// [`Refusal::Incompatible`] when `theirs` is of another major, or more than one minor away.
    pub fn agree(&self, theirs: &Self) -> Result<Self, Refusal> {
        agree(&self.version, &theirs.version).map(|version| Self {
            version,
            capabilities: self
                .capabilities
                .intersection(&theirs.capabilities)
                .cloned()
                .collect(),
        })
    }
}

/// The version that both sides understand.
///
/// # Errors
/// [`Refusal::Incompatible`]; see [`Speaks::agree`].
pub fn agree(ours: &Version, theirs: &Version) -> Result<Version, Refusal> {
    if ours.major == theirs.major && ours.minor.abs_diff(theirs.minor) <= 1 {
        Ok(ours.min(theirs).clone())
    } else {
        Err(Refusal::Incompatible {
            ours: ours.clone(),
            theirs: theirs.clone(),
        })
    }
}

/// Is what came with `since` understood by two sides that agreed on a version?
///
/// # Errors
/// [`Refusal::Incompatible`] when the older one does not know it.
pub(crate) fn require(agreed: Version, since: Version) -> Result<(), Refusal> {
    if agreed < since {
        return Err(Refusal::Incompatible {
            ours: agreed,
            theirs: since,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_work_together_on_what_the_older_knows() {
        let (old, new) = (Version::new(1, 3, 7), Version::new(1, 4, 0));
        assert_eq!(agree(&old, &new), Ok(old.clone()));
        assert_eq!(agree(&new, &old), Ok(old));
    }

    #[test]
    fn the_oldest_agent_is_one_minor_behind() {
        let (major, minor) = godwit_core::host::agent::OLDEST;
        let oldest = Version::new(major, minor, 0);
        assert!(agree(&RPC_VERSION, &oldest).is_ok());
        if let Some(before) = minor.checked_sub(1) {
            assert!(agree(&RPC_VERSION, &Version::new(major, before, 0)).is_err());
        }
    }

    #[test]
    fn others_do_not() {
        for (ours, theirs) in [
            (Version::new(1, 4, 0), Version::new(1, 2, 0)),
            (Version::new(1, 2, 0), Version::new(1, 4, 0)),
            (Version::new(1, 0, 0), Version::new(2, 0, 0)),
            (Version::new(2, 0, 0), Version::new(1, 0, 0)),
        ] {
            assert_eq!(
                agree(&ours, &theirs),
                Err(Refusal::Incompatible {
                    ours: ours.clone(),
                    theirs: theirs.clone()
                })
            );
        }
    }

    #[test]
    fn who_does_not_know_a_verb_is_not_asked_for_it() {
        let (agreed, since) = (Version::new(2, 0, 3), Version::new(2, 1, 0));
        assert_eq!(require(agreed.clone(), Version::new(2, 0, 0)), Ok(()));
        assert_eq!(
            require(agreed.clone(), since.clone()),
            Err(Refusal::Incompatible {
                ours: agreed,
                theirs: since,
            })
        );
    }

    #[test]
    fn capabilities_are_what_both_have() {
        let speaks = |capabilities: &[&str]| Speaks {
            capabilities: capabilities.iter().map(|name| (*name).to_owned()).collect(),
            ..Speaks::default()
        };
        let agreed = speaks(&["a", "b"]).agree(&speaks(&["b", "c"])).unwrap();
        assert_eq!(agreed.capabilities, BTreeSet::from(["b".to_owned()]));
    }

    /// What the fingerprint covers: the protocol, not what is said about it.
    fn descriptors() -> Vec<u8> {
        let services = ["godwit/v1/agent.proto", "godwit/v1/conductor.proto"];
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
        let mut files = protox::compile(services, [directory]).unwrap();
        for file in &mut files.file {
            file.source_code_info = None;
        }
        prost::Message::encode_to_vec(&files)
    }

    /// `proto/FINGERPRINT` holds the version and the hash of the protocol it stands for.
    #[test]
    fn a_changed_protocol_has_a_changed_version() {
        use sha2::{Digest, Sha256};

        let now = hex::encode(Sha256::digest(descriptors()));
        let noted = include_str!("../proto/FINGERPRINT");
        let (version, hash) = noted.trim().split_once(' ').unwrap();
        let version: Version = version.parse().unwrap();
        if hash == now {
            assert_eq!(
                version, RPC_VERSION,
                "proto/FINGERPRINT: the version moved on alone"
            );
        } else {
            assert!(
                version < RPC_VERSION,
                "the protocol changed, RPC_VERSION did not. Raise it (the minor when fields or \
                 methods were added, the major when others changed) and write the line \
                 \"{{version}} {now}\" to proto/FINGERPRINT"
            );
            panic!("note the new protocol: write \"{RPC_VERSION} {now}\" to proto/FINGERPRINT");
        }
    }
}
