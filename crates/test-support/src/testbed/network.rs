//! The network of a testbed: a bridge, and a link from it to each host.
//!
//! The kernel is the registry of what is taken. Testbed *n* claims its number by creating the
//! bridge `gwt<n>`, which fails when that exists; its hosts live in the namespaces `gwt<n>-1`,
//! `gwt<n>-2`… behind links of the same names, in the subnet 10.213.*n*.0/24. So testbeds that run
//! side by side never meet, and one can be removed by number alone.
//!
//! Beside that network, which everything uses that is not told otherwise, hosts have another, for
//! who wants to move guests there: the bridge `gwt<n>m`, links `gwt<n>m-1`…, 10.214.*n*.0/24.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::run;
use crate::wait::wait_for_blocking;

const PREFIX: &str = "gwt";
const NETNS_ROOT: &str = "/run/netns";
const KILL_DEADLINE: Duration = Duration::from_secs(20);

/// A claimed number, and the names and addresses that follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    number: u8,
}

impl Network {
    pub(super) fn from_number(number: u8) -> Self {
        Self { number }
    }

    pub(super) fn number(self) -> u8 {
        self.number
    }

    /// The testbeds' networks on this machine, whoever they belong to.
    pub(super) fn existing() -> Vec<Self> {
        let links = std::fs::read_dir("/sys/class/net")
            .into_iter()
            .flatten()
            .flatten();
        let number = |name: &str| name.strip_prefix(PREFIX)?.parse().ok();
        links
            .filter_map(|link| {
                Some(Self {
                    number: number(link.file_name().to_str()?)?,
                })
            })
            .collect()
    }

    /// Claims a free number. The bridge carries `owner`, the testbed's directory, as its alias,
    /// so that whoever finds it later can tell whose it is.
    pub(super) fn claim(owner: &Path) -> Result<Self> {
        for number in 1..=254 {
            let network = Self { number };
            let bridge = network.bridge();
            if exists(&bridge) || network.a_subnet_is_taken()? {
                continue;
            }
            if run(ip().args(["link", "add", &bridge, "type", "bridge"])).is_ok() {
                network
                    .set_up(owner)
                    .inspect_err(|_| drop(network.remove()))?;
                return Ok(network);
            }
        }
        bail!("no free network for a testbed: are old ones left? see `ip link show type bridge`")
    }

    fn set_up(self, owner: &Path) -> Result<()> {
        let (bridge, address) = (self.bridge(), format!("{}/24", self.gateway()));
        run(ip()
            .args(["link", "set", &bridge, "up", "alias"])
            .arg(owner))?;
        run(ip().args(["address", "add", &address, "dev", &bridge]))?;
        let migration = self.migration_bridge();
        run(ip().args(["link", "add", &migration, "type", "bridge"]))?;
        run(ip().args(["link", "set", &migration, "up"])).map(drop)
    }

    /// The directory of the testbed that claimed this network.
    pub(super) fn owner(self) -> Option<PathBuf> {
        let alias = Path::new("/sys/class/net")
            .join(self.bridge())
            .join("ifalias");
        let alias = std::fs::read_to_string(alias).ok()?;
        Some(PathBuf::from(alias.trim_end()))
    }

    /// The bridge's own address: where services outside the hosts are reached from within.
    pub(super) fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.number, 254)
    }

    pub(super) fn address(self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 213, self.number, host)
    }

    /// A host's address on the network for migrations.
    pub(super) fn migration_address(self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 214, self.number, host)
    }

    /// Bytes that a host has sent and received, on the network that everything uses and on the
    /// one for migrations.
    pub(super) fn carried_bytes(self, host: u8) -> Result<(u64, u64)> {
        let carried = |link: &str| -> Result<u64> {
            let counters = Path::new("/sys/class/net").join(link).join("statistics");
            let mut bytes = 0;
            for counter in ["rx_bytes", "tx_bytes"] {
                let text = std::fs::read_to_string(counters.join(counter))?;
                bytes += text.trim().parse::<u64>()?;
            }
            Ok(bytes)
        };
        Ok((
            carried(&self.link(host))?,
            carried(&self.migration_link(host))?,
        ))
    }

    /// The name of a host's namespace, and of the bridge's end of its link.
    pub(super) fn link(self, host: u8) -> String {
        format!("{PREFIX}{}-{host}", self.number)
    }

    pub(super) fn namespace_path(self, host: u8) -> PathBuf {
        Path::new(NETNS_ROOT).join(self.link(host))
    }

    /// Makes a host's namespace, linked to the bridges, with a bridge for guests of its own.
    pub(super) fn add_host(self, host: u8) -> Result<()> {
        let (link, address) = (self.link(host), format!("{}/24", self.address(host)));
        let migration_address = format!("{}/24", self.migration_address(host));
        run(ip().args(["netns", "add", &link]))?;
        for (outside, inside, bridge) in [
            (link.clone(), UPLINK, self.bridge()),
            (
                self.migration_link(host),
                MIGRATION_UPLINK,
                self.migration_bridge(),
            ),
        ] {
            run(ip()
                .args(["link", "add", &outside, "type", "veth"])
                .args(["peer", "name", inside, "netns", &link]))?;
            run(ip().args(["link", "set", &outside, "master", &bridge, "up"]))?;
        }
        for command in [
            &["link", "set", "lo", "up"][..],
            &["link", "set", UPLINK, "up"],
            &["address", "add", &address, "dev", UPLINK],
            &["link", "set", MIGRATION_UPLINK, "up"],
            &[
                "address",
                "add",
                &migration_address,
                "dev",
                MIGRATION_UPLINK,
            ],
            &["link", "add", GUEST_BRIDGE, "type", "bridge"],
            &["link", "set", GUEST_BRIDGE, "up"],
        ] {
            run(ip().args(["-n", &link]).args(command))?;
        }
        Ok(())
    }

    pub(super) fn set_link(self, host: u8, up: bool) -> Result<()> {
        let state = if up { "up" } else { "down" };
        run(ip().args(["link", "set", &self.link(host), state])).map(drop)
    }

    /// Drops (or passes again) what one host sends to another; both directions need two calls.
    pub(super) fn set_route(self, from: u8, to: u8, open: bool) -> Result<()> {
        let (link, to) = (self.link(from), format!("{}/32", self.address(to)));
        let verb = if open { "del" } else { "add" };
        run(ip().args(["-n", &link, "route", verb, "blackhole", &to])).map(drop)
    }

    /// Limits what a host sends and receives to `rate` bytes per second each; `None` lifts it.
    pub(super) fn shape(self, host: u8, rate: Option<u64>) -> Result<()> {
        self.shape_link(host, UPLINK, &self.link(host), rate)
    }

    /// The same on the network for migrations.
    pub(super) fn shape_migration(self, host: u8, rate: Option<u64>) -> Result<()> {
        self.shape_link(host, MIGRATION_UPLINK, &self.migration_link(host), rate)
    }

    fn shape_link(self, host: u8, inside: &str, outside: &str, rate: Option<u64>) -> Result<()> {
        let namespace = self.link(host);
        for (namespace, device) in [(Some(&namespace), inside), (None, outside)] {
            let mut tc = Command::new("tc");
            if let Some(namespace) = namespace {
                tc.args(["-n", namespace]);
            }
            match rate {
                Some(rate) => {
                    let rate = format!("{rate}bps");
                    tc.args([
                        "qdisc", "replace", "dev", device, "root", "tbf", "rate", &rate,
                    ]);
                    tc.args(["burst", "256kb", "latency", "100ms"]);
                }
                None => {
                    tc.args(["qdisc", "del", "dev", device, "root"]);
                }
            }
            run(&mut tc)?;
        }
        Ok(())
    }

    /// The ids of all processes inside a host.
    pub(super) fn processes(self, host: u8) -> Result<Vec<Pid>> {
        let pids = run(ip().args(["netns", "pids", &self.link(host)]))?;
        Ok(pids
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .map(Pid::from_raw)
            .collect())
    }

    /// Kills what runs in the hosts, and removes their namespaces, all links and the bridge. What
    /// is gone already is no error.
    pub(super) fn remove(self) -> Result<()> {
        for host in self.existing_hosts() {
            wait_for_blocking("the processes of a host to end", KILL_DEADLINE, || {
                let pids = self.processes(host)?;
                for &pid in &pids {
                    // It may have ended by itself meanwhile.
                    let _ = kill(pid, Signal::SIGKILL);
                }
                Ok(pids.is_empty().then_some(()))
            })?;
            // The namespace is destroyed later, in the background; the links go at once.
            for link in [self.link(host), self.migration_link(host)] {
                delete_link(&link)?;
            }
            run(ip().args(["netns", "del", &self.link(host)]))?;
        }
        // The bridge by which the number is claimed goes last.
        delete_link(&self.migration_bridge())?;
        delete_link(&self.bridge())
    }

    fn existing_hosts(self) -> Vec<u8> {
        let prefix = format!("{}-", self.bridge());
        let names = std::fs::read_dir(NETNS_ROOT)
            .into_iter()
            .flatten()
            .flatten();
        names
            .filter_map(|n| n.file_name().to_str()?.strip_prefix(&prefix)?.parse().ok())
            .collect()
    }

    fn bridge(self) -> String {
        format!("{PREFIX}{}", self.number)
    }

    fn migration_bridge(self) -> String {
        format!("{PREFIX}{}m", self.number)
    }

    /// The bridge's end of a host's link to the network for migrations.
    fn migration_link(self, host: u8) -> String {
        format!("{}-{host}", self.migration_bridge())
    }

    /// Does the machine reach addresses of our subnets somewhere else?
    fn a_subnet_is_taken(self) -> Result<bool> {
        for network in [213, 214] {
            let subnet = format!("10.{network}.{}.0/24", self.number);
            let routes = run(ip().args(["-4", "route", "show", "root", &subnet]))?;
            if !routes.trim().is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn exists(link: &str) -> bool {
    Path::new("/sys/class/net").join(link).exists()
}

fn delete_link(link: &str) -> Result<()> {
    if exists(link) {
        run(ip().args(["link", "del", link]))?;
    }
    Ok(())
}

/// A host's end of its link.
const UPLINK: &str = "eth0";
/// A host's end of its link to the network for migrations.
pub(super) const MIGRATION_UPLINK: &str = "eth1";
/// The bridge inside each host that guests' network cards are plugged into.
pub(super) const GUEST_BRIDGE: &str = "guests";

fn ip() -> Command {
    Command::new("ip")
}
