//! Names of things. Newtypes, so that a server's id never lands where a migration's
//! was meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.hyphenated(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }
    };
}

uuid_id!(
    /// A server (Nova's "instance"); equal to the hypervisor's domain uuid.
    ServerUuid
);
uuid_id!(
    /// A migration, unique across every cell and for ever (the integer id is not).
    MigrationUuid
);
uuid_id!(
    /// A server group.
    ServerGroupUuid
);
uuid_id!(
    /// A plan.
    PlanUuid
);
uuid_id!(
    /// A run of a plan.
    RunUuid
);
uuid_id!(
    /// An operation of a plan, and of the plan's run.
    OperationUuid
);

/// The longest host name that Nova's schemas accept, in bytes.
pub const HOST_NAME_MAX: usize = 255;

/// The name of a compute service's host, as in `source_compute`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct HostName(String);

/// A host name was empty, too long, or held a character that Nova's schemas refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host name: 1 to 255 characters of a-z, A-Z, 0-9, '-', '.', '_'")]
pub struct InvalidHostName(pub String);

impl HostName {
    /// Checks `name` against the pattern of Nova's schemas (`contract: http.md §9`,
    /// `^[a-zA-Z0-9-._]*$`, 1 to 255 characters).
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidHostName> {
        let name = name.into();
        let fits = (1..=HOST_NAME_MAX).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
        if fits {
            Ok(Self(name))
        } else {
            Err(InvalidHostName(name))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for HostName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl TryFrom<String> for HostName {
    type Error = InvalidHostName;
    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(name)
    }
}

impl FromStr for HostName {
    type Err = InvalidHostName;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::new(name)
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_follow_novas_pattern() {
        for good in ["a", "host-1", "HOST_2.example.org", &"h".repeat(255)] {
            assert!(HostName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "höst", "a/b", &"h".repeat(256)] {
            assert!(HostName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_print_as_hyphenated_lower_case() {
        let id: MigrationUuid = "0CD6DE88DA984F7BB896794C5F1CFECD".parse().unwrap();
        assert_eq!(id.to_string(), "0cd6de88-da98-4f7b-b896-794c5f1cfecd");
    }
}
