//! This machine as a hypervisor host.

use std::path::Path;
use std::time::Duration;

use godwit_compute_agent::config::Config as AgentConfig;
use godwit_compute_agent::driver::Driver as _;
use godwit_compute_agent::drivers::libvirt::LibvirtDriver;
use godwit_compute_agent::holds::Holds;
use godwit_core::time::Clock;
use godwit_rpc::Deadlines;
use godwit_rpc::conductor::ConductorClient;
use godwit_rpc::transport::Transport;
use godwit_rpc::version::Speaks;
use tokio::time::timeout;

use super::certificates;
use super::report::Report;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::roles::agent::transport_of;

/// How long the hypervisor may take to say what its host has.
const PATIENCE: Duration = Duration::from_secs(30);
/// What lets QEMU's user fetch memory as it is needed.
const SWITCH: &str = "/proc/sys/vm/unprivileged_userfaultfd";
const DEVICE: &str = "/dev/userfaultfd";

pub(super) async fn look(config: &Config, report: &mut Report) {
    let Ok(settings) = config.agent() else {
        return report.good("hypervisor", "no agent is configured here");
    };
    let made = transport_of(settings);
    let now = SystemClock.now();
    let transport = certificates::look("agent", made, settings.tls.as_ref(), now, report);
    if let Some(transport) = transport {
        conductors(settings, &transport, report).await;
    }
    journal(&settings.state_dir, report);
    hypervisor(settings, report).await;
    if settings.libvirt.permit_post_copy {
        let switch = std::fs::read_to_string(SWITCH).unwrap_or_default();
        post_copy(&switch, Path::new(DEVICE).exists(), report);
    }
}

/// Any one will do, so that one that answers is enough.
async fn conductors(settings: &AgentConfig, transport: &Transport, report: &mut Report) {
    let mut answered = 0;
    for address in &settings.conductors {
        let about = format!("conductor at {address}");
        let (deadlines, speaks) = (Deadlines::default(), Speaks::default());
        let client = ConductorClient::new(transport, address.clone(), deadlines, speaks);
        match client.hello().await {
            Ok(_) => {
                answered += 1;
                report.good(about, "it answers");
            }
            Err(error) => report.odd(
                about,
                format!("{:#}", anyhow::Error::from(error)),
                "is it up, and may this machine reach it?",
            ),
        }
    }
    if answered == 0 {
        let text = "none answers: the agent cannot register";
        report.wrong("conductors", text, "docs/alerts/no-agent-heard.md");
    }
}

fn journal(directory: &Path, report: &mut Report) {
    let shown = directory.display();
    match std::fs::read_dir(directory) {
        Ok(_) => report.good("journal", format!("{shown} is there")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => report.odd(
            "journal",
            format!("there is no {shown} yet"),
            "the agent makes it when it starts first; on a host that had one, something is lost",
        ),
        Err(error) => report.wrong(
            "journal",
            format!("{shown}: {error}"),
            "give `agent.state_dir` to the agent's user",
        ),
    }
}

async fn hypervisor(settings: &AgentConfig, report: &mut Report) {
    const ABOUT: &str = "hypervisor";
    let advice = "may the agent's user use libvirt's socket read-write? What libvirt has to be told \
                  is at the head of crates/compute-agent/src/drivers/libvirt/mod.rs";
    let host = settings.host.clone();
    let driver = match LibvirtDriver::new(host, settings.libvirt.clone(), Holds::default()) {
        Ok(driver) => driver,
        Err(error) => {
            let text = format!("{:#}", anyhow::Error::from(error));
            return report.wrong(ABOUT, text, advice);
        }
    };
    match timeout(PATIENCE, driver.facts()).await {
        Ok(Ok(_)) => report.good(ABOUT, "libvirt says what this host has"),
        Ok(Err(error)) => report.wrong(ABOUT, error.to_string(), advice),
        Err(_) => report.wrong(ABOUT, format!("no answer within {PATIENCE:?}"), advice),
    }
}

fn post_copy(switch: &str, device: bool, report: &mut Report) {
    const ABOUT: &str = "post-copy";
    if switch.trim() == "1" || device {
        report.good(ABOUT, "memory can be fetched as it is needed");
    } else {
        report.wrong(
            ABOUT,
            "QEMU's user may not use userfaultfd",
            "`sysctl vm.unprivileged_userfaultfd=1`, or forbid it: `agent.libvirt.permit_post_copy: \
             false`",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn post_copy_needs_one_of_two() {
        for (switch, device, bad) in [
            ("1\n", false, false),
            ("0\n", true, false),
            ("0\n", false, true),
            ("", false, true),
        ] {
            let mut report = Report::default();
            post_copy(switch, device, &mut report);
            assert_eq!(report.is_bad(), bad, "{report}");
        }
    }

    #[test]
    fn a_journal_that_cannot_be_read_is_wrong_and_one_that_is_not_there_odd() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        for (path, said, bad) in [
            (directory.path(), "good ", false),
            (&*directory.path().join("none"), "odd ", false),
            (&*file, "wrong", true),
        ] {
            let mut report = Report::default();
            journal(path, &mut report);
            assert!(report.to_string().starts_with(said), "{report}");
            assert_eq!(report.is_bad(), bad, "{report}");
        }
    }
}
