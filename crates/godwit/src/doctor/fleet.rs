//! Conductors and agents, as the database knows them. Each agent is called, as a conductor does.

use std::time::Duration;

use godwit_core::time::{Clock, Timestamp};
use godwit_rpc::agent::{AgentClient, AgentPool};
use godwit_rpc::refusal::CallError;
use godwit_rpc::transport::Transport;
use godwit_store::{Host, ServiceBinary, Store, StoreError};
use tokio::task::JoinSet;

use super::database::KEEP_CLOCKS_TOGETHER;
use super::report::Report;
use crate::clock::SystemClock;
use crate::config::Config;

/// What an agent saw is compared with when it was recorded, by the clocks of two machines: one that
/// is further off than this is believed too late, or too early.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);

pub(super) async fn look(
    config: &Config,
    conductor: Option<&Transport>,
    store: &Store,
    report: &mut Report,
) {
    let looked = look_at_all(config, conductor, store, report).await;
    if let Err(error) = looked {
        report.wrong("database", error.to_string(), "look into its log");
    }
}

async fn look_at_all(
    config: &Config,
    conductor: Option<&Transport>,
    store: &Store,
    report: &mut Report,
) -> Result<(), StoreError> {
    conductors(config, store, report).await?;
    let open = store.discrepancy_list_open().await?.len();
    if open > 0 {
        report.odd(
            "discrepancies",
            format!("{open} are open"),
            "`godwit db discrepancies` says which, and `godwit db repair` what may be put right",
        );
    }
    let hosts = store.host_list().await?;
    if hosts.is_empty() {
        report.odd(
            "agents",
            "none has ever registered",
            "start `godwit agent` on the hypervisor hosts; docs/alerts/no-agent-heard.md",
        );
    }
    if let Some(transport) = conductor {
        call(transport, config.conductor.calls, hosts, report).await;
    }
    Ok(())
}

async fn conductors(config: &Config, store: &Store, report: &mut Report) -> Result<(), StoreError> {
    let (now, down_time) = (SystemClock.now(), config.conductor.service_down_time);
    let all = store.service_list().await?;
    let conductors = all
        .iter()
        .filter(|it| it.binary == ServiceBinary::Conductor);
    let (up, down): (Vec<_>, Vec<_>) = conductors.partition(|it| it.is_up(now, down_time));
    for service in &down {
        report.odd(
            format!("conductor {}", service.host),
            "it has not been heard",
            "start it, if it is meant to be; others do its work",
        );
    }
    for service in &up {
        let text = format!("it was heard, and is version {}", service.version);
        report.good(format!("conductor {}", service.host), text);
    }
    if up.is_empty() {
        report.wrong(
            "conductors",
            "none is heard: nothing moves",
            "docs/alerts/no-conductor.md",
        );
    }
    Ok(())
}

/// Calls every agent where it said that it listens, all at once.
async fn call(
    transport: &Transport,
    deadlines: godwit_rpc::Deadlines,
    hosts: Vec<Host>,
    report: &mut Report,
) {
    let pool = AgentPool::new(transport.clone(), deadlines);
    let mut calls = JoinSet::new();
    for host in hosts {
        let client = pool.agent(&host.facts.name, &host.agent.address);
        calls.spawn(async move {
            let answer = match client {
                Ok(client) => ask(&client).await,
                Err(error) => Err(error),
            };
            (host, answer)
        });
    }
    let mut answers = calls.join_all().await;
    answers.sort_by_key(|(host, _)| host.id);
    for (host, answer) in &answers {
        say(host, answer.as_ref().map(|_| ()), report);
    }
    let told = answers
        .iter()
        .filter_map(|(host, answer)| Some((host.facts.name.as_str(), answer.as_ref().ok()?)));
    clocks(told, report);
}

/// When an agent looked at its host, by its own clock, and when it did so by this machine's.
struct Told {
    theirs: Timestamp,
    asked: Timestamp,
    answered: Timestamp,
}

/// Has the agent look at its host, over a connection that is there already: what takes its time then
/// is the looking.
async fn ask(agent: &AgentClient) -> Result<Told, CallError> {
    agent.facts().await?;
    let asked = SystemClock.now();
    let theirs = agent.inventory().await?.observed_at;
    Ok(Told {
        theirs,
        asked,
        answered: SystemClock.now(),
    })
}

/// Says which agents' clocks are certainly off. Whatever may be due to a slow answer is not.
fn clocks<'a>(told: impl Iterator<Item = (&'a str, &'a Told)>, report: &mut Report) {
    let (mut looked_at, mut off) = (false, false);
    for (host, told) in told {
        looked_at = true;
        let behind = told.asked.since(told.theirs);
        let ahead = told.theirs.since(told.answered);
        let apart = behind.max(ahead);
        if apart <= CLOCKS_DIFFER {
            continue;
        }
        off = true;
        let which = if ahead > behind { "ahead of" } else { "behind" };
        let text = format!(
            "it is {:.1} seconds {which} this machine's",
            apart.as_secs_f64()
        );
        report.wrong(format!("clock of agent {host}"), text, KEEP_CLOCKS_TOGETHER);
    }
    if looked_at && !off {
        report.good("clocks of agents", "they go with this machine's");
    }
}

fn say(host: &Host, answer: Result<(), &CallError>, report: &mut Report) {
    let about = format!("agent {}", host.facts.name);
    let address = &host.agent.address;
    match (answer, host.service.forced_down) {
        (Ok(()), false) => {
            let disabled = if host.service.disabled {
                ", and is disabled"
            } else {
                ""
            };
            let version = &host.service.version;
            let text = format!("it answers at {address}, is version {version}{disabled}");
            report.good(about, text);
        }
        (Ok(()), true) => report.odd(
            about,
            "it answers though it is declared dead (forced_down)",
            "once its guests that were evacuated are gone from it: `openstack compute service set \
             --up HOST nova-compute`",
        ),
        (Err(_), true) => report.good(about, "it is declared dead, and silent"),
        (Err(error), false) => report.wrong(
            about,
            format!("at {address}: {:#}", anyhow::Error::from(error.clone())),
            "docs/alerts/agent-down.md",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000 + milliseconds * 1_000).unwrap()
    }

    /// What is said of an agent that was asked at 10 and answered at 12 seconds.
    fn said(theirs: i64) -> (String, bool) {
        let told = Told {
            theirs: at(theirs),
            asked: at(10_000),
            answered: at(12_000),
        };
        let mut report = Report::default();
        clocks([("host-1", &told)].into_iter(), &mut report);
        (report.to_string(), report.is_bad())
    }

    #[test]
    fn a_clock_that_is_off_by_more_than_a_second_is_wrong() {
        for theirs in [9_000, 10_000, 11_000, 12_000, 13_000] {
            let (text, bad) = said(theirs);
            assert!(!bad && text.contains("they go with"), "{theirs}: {text}");
        }
        for (theirs, says) in [
            (8_900, "1.1 seconds behind this machine's"),
            (13_100, "1.1 seconds ahead of this machine's"),
            (-3_590_000, "3600.0 seconds behind this machine's"),
        ] {
            let (text, bad) = said(theirs);
            assert!(bad && text.contains(says), "{text}");
            assert!(text.contains("chrony"), "it says what to do: {text}");
        }
    }

    #[test]
    fn of_nobody_nothing_is_said() {
        let mut report = Report::default();
        clocks(std::iter::empty(), &mut report);
        assert_eq!(report.to_string(), "nothing is wrong\n");
    }
}
