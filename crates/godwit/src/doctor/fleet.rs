//! Conductors and agents, as the database knows them. Each agent is called, as a conductor does.

use godwit_core::time::Clock;
use godwit_rpc::agent::AgentPool;
use godwit_rpc::refusal::CallError;
use godwit_rpc::transport::Transport;
use godwit_store::{Host, ServiceBinary, Store, StoreError};
use tokio::task::JoinSet;

use super::report::Report;
use crate::clock::SystemClock;
use crate::config::Config;

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
        let client = pool.agent(&host.facts.name, &host.facts.agent_address);
        calls.spawn(async move {
            let answer = match client {
                Ok(client) => client.facts().await.map(drop),
                Err(error) => Err(error),
            };
            (host, answer)
        });
    }
    let mut answers = calls.join_all().await;
    answers.sort_by_key(|(host, _)| host.id);
    for (host, answer) in answers {
        say(&host, answer, report);
    }
}

fn say(host: &Host, answer: Result<(), CallError>, report: &mut Report) {
    let about = format!("agent {}", host.facts.name);
    let address = &host.facts.agent_address;
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
            format!("at {address}: {:#}", anyhow::Error::from(error)),
            "docs/alerts/agent-down.md",
        ),
    }
}
