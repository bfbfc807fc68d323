//! `godwit db discrepancies` and `godwit db repair`: what is open, and the safe ways out.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use godwit_api::ids::{Ids, RandomIds};
use godwit_core::repair::Repair;
use godwit_core::time::{Clock, Timestamp};
use godwit_store::{ActionNote, Discrepancy, RepairOffer, Store};
use serde_json::json;

use crate::clock::SystemClock;

/// Who instance actions say has repaired a server.
const ACTOR: &str = "godwit-db-repair";

/// Lists what is open, oldest first.
pub(crate) async fn list(store: &Store, as_json: bool) -> Result<ExitCode> {
    let open = store.discrepancy_list_open().await?;
    let uuids = open.iter().filter_map(|it| it.subject.server).collect();
    let names = store.server_names(uuids).await?;
    let now = SystemClock.now();
    if as_json {
        let lines: Vec<_> = open
            .iter()
            .map(|it| {
                let subject = &it.subject;
                json!({
                    "id": it.id,
                    "kind": subject.kind.as_str(),
                    "server": subject.server,
                    "server_name": subject.server.and_then(|server| names.get(&server)),
                    "migration": subject.migration,
                    "host": subject.host,
                    "detail": it.detail,
                    "opened_at": it.opened_at,
                    "age_seconds": now.since(it.opened_at).as_secs(),
                    "meaning": subject.kind.meaning(),
                })
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&lines)?);
        return Ok(ExitCode::SUCCESS);
    }
    for discrepancy in &open {
        println!("{}", described(discrepancy, now));
        println!("    {}", discrepancy.subject.kind.meaning());
    }
    if open.is_empty() {
        println!("no discrepancy is open");
    }
    Ok(ExitCode::SUCCESS)
}

/// One line about a discrepancy.
fn described(discrepancy: &Discrepancy, now: Timestamp) -> String {
    let subject = &discrepancy.subject;
    let part = |name: &str, value: Option<String>| {
        value.map_or_else(String::new, |value| format!(" {name} {value}"))
    };
    format!(
        "{}{}{}{}: {} (for {} s)",
        subject.kind,
        part("server", subject.server.map(|it| it.to_string())),
        part("migration", subject.migration.map(|it| it.to_string())),
        part("host", subject.host.as_ref().map(ToString::to_string)),
        discrepancy.detail,
        now.since(discrepancy.opened_at).as_secs(),
    )
}

/// Says what can be put right, and with `yes` does it.
pub(crate) async fn repair(store: &Store, yes: bool, down_time: Duration) -> Result<ExitCode> {
    let now = SystemClock.now();
    let offers = store.repairs_offered(now, down_time).await?;
    let note = ActionNote {
        request_id: format!("req-{}", RandomIds.uuid()),
        user_id: Some(ACTOR.to_owned()),
        project_id: None,
        trace: None,
        at: now,
    };
    let mut possible = 0;
    for offer in &offers {
        let subject = offer
            .server
            .map_or("no server".to_owned(), |it| it.to_string());
        println!("{subject} {}", offer.name.as_deref().unwrap_or(""));
        for discrepancy in &offer.discrepancies {
            println!("  {}", described(discrepancy, now));
        }
        possible += one(store, offer, yes, down_time, &note).await?;
    }
    match (offers.is_empty(), possible, yes) {
        (true, ..) => println!("there is nothing to repair"),
        (false, 0, _) => println!("the records allow no repair"),
        (false, _, false) => println!("nothing was changed: --yes does it"),
        (false, _, true) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// One server's repairs; how many there are.
async fn one(
    store: &Store,
    offer: &RepairOffer,
    yes: bool,
    down_time: Duration,
    note: &ActionNote,
) -> Result<usize> {
    let mut possible = 0;
    for (subject, why) in &offer.moot {
        possible += 1;
        let closing = subject.clone();
        let done = yes
            && store
                .discrepancy_close_moot(closing, down_time, note.at)
                .await?;
        println!("  {}: close {}, as {why}", said(yes, done), subject.kind);
    }
    match (&offer.repair, offer.server) {
        (Ok(repair), Some(server)) => {
            possible += 1;
            let done = yes
                && store
                    .server_repair(server, repair.clone(), down_time, note.clone())
                    .await?;
            println!("  {}: {}", said(yes, done), explained(repair));
        }
        (Err(why), _) if offer.moot.is_empty() => {
            println!("  no repair: {why}");
            for discrepancy in &offer.discrepancies {
                let kind = discrepancy.subject.kind;
                println!("  way out of {kind}: {}", kind.way_out());
            }
        }
        (Ok(_), None) | (Err(_), _) => {}
    }
    Ok(possible)
}

const fn said(yes: bool, done: bool) -> &'static str {
    match (yes, done) {
        (false, _) => "would",
        (true, true) => "done",
        (true, false) => "not done, the records have changed meanwhile",
    }
}

fn explained(repair: &Repair) -> String {
    match repair {
        Repair::ClearTask(task) => {
            format!("clear the task {task}: no migration works on the server")
        }
        Repair::Follow(host) => format!(
            "record the server on {host}: it is the one living host that executes it, and the \
             recorded one is declared dead"
        ),
        Repair::Recover(state) => {
            format!("make the server {state}: it executes on its recorded host and nowhere else")
        }
    }
}
