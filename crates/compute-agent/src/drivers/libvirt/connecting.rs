//! Source: libvirt's own connection to the destination, while it is being made.
//!
//! libvirt remembers an abort, but looks for it only once it is connected; and the kernel goes on
//! for two minutes to reach a host that swallows every packet. Meanwhile the guest is not moved,
//! and cannot be by anybody else. So an aborted move also gives up the attempt to connect, by
//! `ss` of iproute2, which needs the agent's right to administer the network (`CAP_NET_ADMIN`). A
//! connection that exists is left to libvirt.

use std::net::IpAddr;

use tokio::process::Command;
use url::Url;

/// libvirt's ports for `qemu+tcp` and `qemu+tls`, where the URI names none.
const TCP_PORT: u16 = 16_509;
const TLS_PORT: u16 = 16_514;

/// Ends every attempt to connect to the libvirt at `uri`. That it could not be ended only means
/// waiting for the kernel.
pub(super) async fn give_up(uri: &str) {
    let Some((address, port)) = endpoint(uri) else {
        return;
    };
    let port = format!("= :{port}");
    let killed = Command::new("ss")
        .args(["--kill", "--no-header", "--numeric", "--tcp"])
        .args(["state", "syn-sent", "dst"])
        .arg(address.to_string())
        .args(["dport", &port])
        .kill_on_drop(true)
        .output()
        .await;
    match killed {
        Ok(output) if output.status.success() => {
            let said = String::from_utf8_lossy(&output.stdout);
            let ended = said.lines().count();
            tracing::debug!(uri, ended, "attempts to connect were given up");
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            tracing::info!(uri, %said, "an attempt to connect cannot be given up");
        }
        Err(error) => tracing::info!(uri, %error, "an attempt to connect cannot be given up"),
    }
}

/// Where libvirt connects to; `None` for a name, which only libvirt's resolver knows.
fn endpoint(uri: &str) -> Option<(IpAddr, u16)> {
    let url = Url::parse(uri).ok()?;
    let default = match url.scheme() {
        "qemu+tcp" => TCP_PORT,
        "qemu+tls" | "qemu" => TLS_PORT,
        _ => return None,
    };
    let host = url.host_str()?;
    let address = host.trim_matches(['[', ']']).parse().ok()?;
    Some((address, url.port().unwrap_or(default)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_are_given_up() {
        let at = |uri| endpoint(uri).map(|(address, port)| format!("{address} {port}"));
        assert_eq!(at("qemu+tcp://10.0.0.2/system").unwrap(), "10.0.0.2 16509");
        assert_eq!(at("qemu+tls://[fd00::2]/system").unwrap(), "fd00::2 16514");
        assert_eq!(at("qemu+tcp://10.0.0.2:99/system").unwrap(), "10.0.0.2 99");
        assert_eq!(at("qemu+tcp://host-2/system"), None);
        assert_eq!(at("qemu+ssh://10.0.0.2/system"), None);
        assert_eq!(at("nonsense"), None);
    }
}
