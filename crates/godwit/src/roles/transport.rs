//! How a role proves who it is to the others.

use anyhow::{Context, Result, bail};
use godwit_rpc::identity::{PeerIdentity, Role};
use godwit_rpc::transport::{Tls, TlsFiles, Transport};

/// The transport of the party in `role`. Its name is the one in its certificate, which has to
/// be `name` where that is given; without a certificate it is `name`, or else `otherwise`.
pub(crate) fn transport(
    section: &str,
    role: Role,
    name: Option<&str>,
    otherwise: impl FnOnce() -> Result<String>,
    tls: Option<TlsFiles>,
    insecure_loopback: bool,
) -> Result<Transport> {
    match (tls, insecure_loopback) {
        (Some(_), true) => bail!("`{section}` has both `tls` and `insecure_loopback`"),
        (None, false) => bail!("`{section}` has neither `tls` nor `insecure_loopback`"),
        (None, true) => {
            let name = name.map_or_else(otherwise, |name| Ok(name.to_owned()))?;
            Ok(Transport::Loopback(PeerIdentity::new(role, name)))
        }
        (Some(files), false) => {
            let tls = match name {
                Some(name) => Tls::load_as(&files, &PeerIdentity::new(role, name)),
                None => Tls::load(&files),
            };
            let tls = tls.with_context(|| format!("the certificate of `{section}`"))?;
            let found = tls.identity();
            if found.role != role {
                bail!("the certificate of `{section}` is for {found}, which is no {role}");
            }
            Ok(Transport::Tls(tls))
        }
    }
}
