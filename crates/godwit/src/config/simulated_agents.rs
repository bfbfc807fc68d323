//! Agents of simulated hosts, for deployments of separate processes without hypervisors.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use godwit_rpc::transport::{Address, TlsFiles};
use serde::{Deserialize, Serialize};

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SimulatedAgentsConfig {
    /// The conductors, tried in turn; any one will do.
    pub(crate) conductors: Vec<Address>,
    /// The address that all agents serve at, each on a free port.
    pub(crate) listen: IpAddr,
    /// The name or IP address under which conductors reach them; their certificates have to be
    /// valid for it. Default: `listen`, which must then be a particular one.
    #[serde(default)]
    pub(crate) advertise: Option<String>,
    /// Where metrics and health of all of them are served. Default: nowhere.
    #[serde(default)]
    pub(crate) metrics: Option<SocketAddr>,
    /// Certificates. Absent only with `insecure_loopback`.
    #[serde(default)]
    pub(crate) tls: Option<CertificateDirectory>,
    /// No certificates; loopback addresses only. For development.
    #[serde(default)]
    pub(crate) insecure_loopback: bool,
    /// Where the simulated world and the agents' journals are kept.
    pub(crate) state_dir: PathBuf,
}

/// Where the certificates of many parties are.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateDirectory {
    /// The authority that signs everybody's certificates, PEM.
    ca: PathBuf,
    /// Holds `HOST.pem` and `HOST.key` of every host.
    directory: PathBuf,
}

impl CertificateDirectory {
    pub(crate) fn files_of(&self, host: &str) -> TlsFiles {
        TlsFiles {
            ca: self.ca.clone(),
            cert: self.directory.join(format!("{host}.pem")),
            key: self.directory.join(format!("{host}.key")),
        }
    }
}
