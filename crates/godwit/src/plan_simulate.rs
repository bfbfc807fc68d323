//! `godwit plan simulate`: what the service would plan for a fleet that is in a file, and how that
//! would go.
//!
//! ```text
//!   fleet file ──► Fleet ─┐
//!                         ├──► plan ──► simulated, linted ──► document or tables
//!   body of POST /plans ──┘
//! ```

mod document;
mod tables;

use std::collections::BTreeSet;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use godwit_api::relocation::plans;
use godwit_core::ids::ServerUuid;
use godwit_core::plan::Options;
use godwit_core::plan::request::Target;
use godwit_core::time::Clock as _;
use godwit_facts::planning::{Homes, Wanted};
use godwit_planner::fleet::{Fleet, FleetFile};
use godwit_planner::lint::lint;
use godwit_planner::plan::make;
use godwit_planner::simulate::{Conditions, Policy, simulate};

use self::document::Document;
use crate::cli::plan_simulate::PlanSimulate;
use crate::clock::SystemClock;
use crate::simulated::fleet::file;

/// There can be no such plan.
const REFUSED: u8 = 1;
/// Some servers, or all, cannot move.
const BLOCKED: u8 = 3;

/// What came of it.
enum Simulated {
    Planned(Box<Document>),
    Refused(String),
}

pub(crate) fn run(options: &PlanSimulate) -> Result<ExitCode> {
    let described = file::read(&options.fleet)?;
    let body = serde_json::from_str(&options.plan).context("--plan is no JSON")?;
    let (target, wanted) = plans::asked(&body).map_err(|wrong| anyhow!("--plan: {wrong}"))?;
    let document = match simulated(&described, &target, &wanted)? {
        Simulated::Planned(document) => document,
        Simulated::Refused(why) => {
            eprintln!("godwit: {why}");
            return Ok(ExitCode::from(REFUSED));
        }
    };
    let mut out = std::io::stdout().lock();
    if options.json {
        serde_json::to_writer_pretty(&mut out, &document)?;
        writeln!(out)?;
    } else {
        tables::print(&mut out, &document, &described)?;
    }
    Ok(ExitCode::from(document.exit_code()))
}

/// # Errors
/// What is wrong with the request.
fn simulated(file: &FleetFile, target: &Target, options: &Options) -> Result<Simulated> {
    if matches!(target, Target::Pool { .. }) {
        return Ok(refused("disks are not moved between pools yet"));
    }
    let fleet = Fleet::try_from(file)?;
    let wanted = Wanted {
        target,
        options,
        homes: &Homes::default(),
    };
    if let Some(unknown) = unknown(&fleet, target) {
        return Ok(refused(unknown));
    }
    let wrong = options.check(target, &servers(&fleet, target), SystemClock.now());
    if let Err(wrong) = wrong {
        let wrong: Vec<_> = wrong.iter().map(ToString::to_string).collect();
        return Err(anyhow!("--plan: {}", wrong.join("; ")));
    }
    let asked = match wanted.ask(&fleet) {
        Ok(asked) => asked,
        Err(reasons) => {
            let document = Document::impossible(target, reasons);
            return Ok(Simulated::Planned(Box::new(document)));
        }
    };
    let Some(wish) = asked.wish else {
        return Ok(refused("nothing is there to be moved"));
    };
    let plan = match make(&fleet, &wish, &asked.options) {
        Ok(plan) => plan,
        Err(error) => return Ok(refused(error.to_string())),
    };
    let found = lint(&fleet, &wish, &asked.options, &plan);
    if let Some(finding) = found.first() {
        return Ok(refused(format!("the plan breaks a rule: {}", finding.text)));
    }
    let outcome = simulate(&fleet, &plan, Policy::Executed, &Conditions::default());
    let document = Document::new(target, plan, outcome);
    Ok(Simulated::Planned(Box::new(document)))
}

fn refused(why: impl Into<String>) -> Simulated {
    Simulated::Refused(why.into())
}

/// What is named that the file does not have.
fn unknown(fleet: &Fleet, target: &Target) -> Option<String> {
    let mut servers = target.servers().iter();
    let server = servers.find(|it| fleet.server_no(**it).is_none());
    let host = match target {
        Target::Server(_, destination) => destination.as_ref(),
        Target::Host(host) | Target::Maintenance(host) | Target::ReturnHome(host) => Some(host),
        Target::Rolling { hosts, .. } => hosts.iter().find(|it| fleet.host_no(it).is_none()),
        Target::Servers(_) | Target::Pool { .. } => None,
    };
    let host = host.filter(|it| fleet.host_no(it).is_none());
    let server = server.map(|server| format!("the fleet has no server {server}"));
    server.or_else(|| host.map(|host| format!("the fleet has no host {host}")))
}

/// Those that the target names, or that its hosts have.
fn servers(fleet: &Fleet, target: &Target) -> BTreeSet<ServerUuid> {
    let hosts = match target {
        Target::Server(server, _) => return BTreeSet::from([*server]),
        Target::Servers(servers) => return servers.iter().copied().collect(),
        Target::Host(host) | Target::Maintenance(host) | Target::ReturnHome(host) => {
            std::slice::from_ref(host)
        }
        Target::Rolling { hosts, .. } => hosts,
        Target::Pool { .. } => &[],
    };
    let known = hosts.iter().filter_map(|host| fleet.host_no(host));
    let servers = known.flat_map(|host| fleet.servers_on(host));
    servers.map(|no| fleet.servers()[*no].need.server).collect()
}

#[cfg(test)]
mod tests;
