//! Brings up Godwit on real libvirt hosts on this machine, and takes it down again.
//! `scripts/real-hosts` builds what it needs and runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use godwit_test_support::testbed::{GuestSpec, Storage};
use godwit_test_support::wait_for_blocking;
use system_tests::deployment::{Deployment, Options};
use system_tests::process::Lifetime;

const DEADLINE: Duration = Duration::from_secs(60);

/// Godwit on real hypervisors on this machine.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring it up in DIR, and leave it there.
    Up {
        /// Everything is below it; it is made if need be.
        dir: PathBuf,
        /// How many hosts.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=3))]
        hosts: u8,
    },
    /// Take down what is in DIR; nothing of it is left.
    Down {
        /// As for `up`.
        dir: PathBuf,
    },
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Up { dir, hosts } => up(&dir, hosts),
        Command::Down { dir } => down(&dir),
    }
}

fn up(dir: &Path, hosts: u8) -> Result<()> {
    let options = Options {
        hosts,
        ..Options::default()
    };
    let deployment = Deployment::up(dir, &options, Lifetime::Kept)?;
    let testbed = deployment.testbed();
    let names = ["guest-1", "guest-2", "guest-3", "guest-4"];
    for (index, name) in names.iter().enumerate() {
        let host = &testbed.hosts()[index % testbed.hosts().len()];
        let storage = if index == 3 {
            Storage::Local
        } else {
            Storage::Shared
        };
        let guest = testbed.create_guest(
            host,
            GuestSpec {
                storage,
                ..GuestSpec::new(name)
            },
        )?;
        testbed.await_line(&guest, host, DEADLINE, |_| true)?;
    }
    let mut sdk = deployment.sdk("admin")?;
    wait_for_blocking("the guests to be known", DEADLINE, || {
        let all = serde_json::json!({"all_projects": true});
        let servers = sdk.call("compute.servers", serde_json::json!([]), all)?;
        let known = servers.as_array().map_or(0, Vec::len);
        ensure!(known == names.len(), "{known} are");
        Ok(Some(()))
    })?;
    let day = ["token", "issue", "--ttl", "86400", "--config"];
    let token = deployment.godwit(&day, "api")?;
    fs::write(deployment.directory().join("admin.token"), token.trim_end())?;
    println!("ready {}", deployment.url());
    let directory = deployment.directory().display();
    println!("a token: {directory}/admin.token");
    println!(
        "clients: OS_CLIENT_CONFIG_FILE={directory}/clouds.yaml openstack --os-cloud admin server list --all-projects"
    );
    println!("serial output: {directory}/host-*/log/*.serial.log");
    deployment.keep()
}

fn down(dir: &Path) -> Result<()> {
    if !dir.exists() {
        println!("there is nothing in {}", dir.display());
        return Ok(());
    }
    Deployment::down(dir)
}
