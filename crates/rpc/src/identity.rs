//! Who is at the other end: `godwit://ROLE/NAME`, from the certificate.

use std::fmt;
use std::str::FromStr;

use godwit_core::words;

words!(
    /// What a peer is, as its certificate says it.
    Role, "role", {
        /// The agent of a hypervisor host; its name is the host's.
        Agent = "agent",
        /// A conductor.
        Conductor = "conductor",
        /// An API process.
        Api = "api",
        /// A person with a tool.
        Operator = "operator",
    }
);

/// A peer that proved who it is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PeerIdentity {
    /// What it is.
    pub role: Role,
    /// Which one of these.
    pub name: String,
}

impl PeerIdentity {
    /// An identity.
    pub fn new(role: Role, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { role, name }
    }
}

impl fmt::Display for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "godwit://{}/{}", self.role, self.name)
    }
}

/// Text that is not `godwit://ROLE/NAME`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not an identity of the form godwit://ROLE/NAME")]
pub struct InvalidIdentity(pub String);

impl FromStr for PeerIdentity {
    type Err = InvalidIdentity;

    fn from_str(uri: &str) -> Result<Self, Self::Err> {
        let parts = uri
            .strip_prefix("godwit://")
            .and_then(|rest| rest.split_once('/'));
        let identity = parts.and_then(|(role, name)| {
            let role: Role = role.parse().ok()?;
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
            (!name.is_empty() && name.bytes().all(plain)).then(|| Self::new(role, name))
        });
        identity.ok_or_else(|| InvalidIdentity(uri.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_read_back() {
        for role in Role::ALL {
            let identity = PeerIdentity::new(*role, "host-1.example.org");
            assert_eq!(identity.to_string().parse(), Ok(identity));
        }
    }

    #[test]
    fn anything_else_is_nobody() {
        for bad in [
            "",
            "godwit://",
            "godwit://agent",
            "godwit://agent/",
            "godwit://king/arthur",
            "godwit://agent/a/b",
            "godwit://agent/a b",
            "https://agent/host-1",
            "Godwit://agent/host-1",
        ] {
            assert!(bad.parse::<PeerIdentity>().is_err(), "{bad}");
        }
    }
}
