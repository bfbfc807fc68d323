//! Issuing tokens: for tools, and for the development identity.

use std::path::PathBuf;

use serde::Deserialize;

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IdentityConfig {
    /// Does the API serve the development identity? Its passwords are known to everybody, so it
    /// listens on loopback addresses only. Default false: clients log in at Keystone.
    pub(crate) development: bool,
    /// Serve it on any address: whoever reaches it can be anybody. For containers, whose own
    /// loopback nobody else reaches. Default false.
    pub(crate) beyond_loopback: bool,
    /// The file with the private key that signs tokens, PKCS#8 PEM. `token issue` needs it, and
    /// the development identity; nothing else does.
    pub(crate) private_key: Option<PathBuf>,
    /// How long a token of the development identity lasts, in seconds. Default 3600.
    pub(crate) token_lifetime: u64,
}

impl Default for IdentityConfig {
    fn default() -> Self {
        Self {
            development: false,
            beyond_loopback: false,
            private_key: None,
            token_lifetime: 3_600,
        }
    }
}
