//! What a request names, looked up. What the caller may not see counts as unknown.

use std::collections::{BTreeSet, HashMap};

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::plan::Options;
use godwit_core::plan::request::Target;
use godwit_policy::Target as PolicyTarget;
use godwit_store::ServerPlace;

use crate::relocation::call::Call;
use crate::relocation::problem::{Code, InputError, Problem};

/// What is known of what a request names.
pub(super) struct Named {
    /// Those of its servers that there are, and that the caller sees.
    pub(super) servers: BTreeSet<ServerUuid>,
    /// Hosts or pools that servers or disks are to leave, as far as they are known.
    pub(super) sources: Vec<String>,
}

/// Looks up what `target` names; `options` may name servers as well.
///
/// # Errors
/// `invalid-input` with every name that is unknown; `forbidden`, where the caller empties hosts
/// and does not see all that is there; `quota-exceeded`.
pub(super) async fn look_up(
    call: &Call,
    rule: &'static str,
    (target, options): (&Target, &Options),
) -> Result<Named, Problem> {
    let most = call.state.config.quotas.servers_a_plan;
    let named = target.servers();
    if named.len() > most {
        return Err(too_many(most));
    }
    let of_constraints = options.constraints.iter().flat_map(|it| it.servers());
    let all: BTreeSet<ServerUuid> = named.iter().copied().chain(of_constraints).collect();
    let places = visible(call, rule, all).await?;
    let mut errors: Vec<InputError> = (0_usize..)
        .zip(named)
        .filter(|(_, server)| !places.contains_key(server))
        .map(|(place, _)| unknown(format!("#/servers/{place}"), "server"))
        .collect();
    errors.extend(unknown_hosts(call, target).await?);
    errors.extend(unknown_pools(call, target).await?);
    if !errors.is_empty() {
        return Err(Problem::inputs(errors));
    }
    if empties(target) && call.sees().project.is_some() {
        let detail = "Only who sees the servers of every project may empty hosts and pools.";
        return Err(Problem::new(Code::Forbidden, detail));
    }
    let emptied = target.emptied().iter().cloned();
    let on_hosts = call.state.store.servers_on(emptied).await?;
    if usize::try_from(on_hosts).is_ok_and(|on_hosts| on_hosts > most) {
        return Err(too_many(most));
    }
    Ok(Named {
        sources: sources(target, &places),
        servers: of_target(target, &places),
    })
}

fn too_many(most: usize) -> Problem {
    let detail = format!("A plan may be about {most} servers.");
    Problem::new(Code::QuotaExceeded, detail)
}

/// Is it about whatever is somewhere?
pub(super) const fn empties(target: &Target) -> bool {
    match target {
        Target::Server(..) | Target::Servers(_) => false,
        Target::Host(_)
        | Target::Maintenance(_)
        | Target::Rolling { .. }
        | Target::Pool { .. }
        | Target::ReturnHome(_) => true,
    }
}

/// Those servers that there are and that the caller sees, if `rule` allows him to act on them.
async fn visible(
    call: &Call,
    rule: &'static str,
    servers: BTreeSet<ServerUuid>,
) -> Result<HashMap<ServerUuid, ServerPlace>, Problem> {
    let own = call.sees().project;
    let mut places = call.state.store.server_places(servers).await?;
    places.retain(|_, it| !it.is_deleted && own.is_none_or(|own| own == it.project));
    let projects: BTreeSet<&str> = places.values().map(|it| it.project.as_str()).collect();
    for project in projects {
        let target = PolicyTarget::of_project(Some(project));
        call.caller.enforce(rule, &target)?;
    }
    Ok(places)
}

fn unknown(pointer: String, what: &str) -> InputError {
    InputError {
        pointer,
        detail: format!("There is no such {what}."),
    }
}

/// Hosts that a target names, each with its place in the body.
fn hosts(target: &Target) -> Vec<(String, &HostName)> {
    match target {
        Target::Server(_, Some(host)) => vec![("#/destination".to_owned(), host)],
        Target::Host(host) | Target::Maintenance(host) | Target::ReturnHome(host) => {
            vec![("#/host".to_owned(), host)]
        }
        Target::Rolling { hosts, .. } => {
            let places = (0_usize..).map(|place| format!("#/hosts/{place}"));
            places.zip(hosts).collect()
        }
        Target::Server(_, None) | Target::Servers(_) | Target::Pool { .. } => Vec::new(),
    }
}

async fn unknown_hosts(call: &Call, target: &Target) -> Result<Vec<InputError>, Problem> {
    let named = hosts(target);
    let known = match call.sees().hosts {
        true => {
            let names = named.iter().map(|(_, host)| (*host).clone());
            call.state.store.hosts_known(names).await?
        }
        false => BTreeSet::new(),
    };
    let unknowns = named.into_iter().filter(|(_, host)| !known.contains(*host));
    Ok(unknowns
        .map(|(pointer, _)| unknown(pointer, "host"))
        .collect())
}

async fn unknown_pools(call: &Call, target: &Target) -> Result<Vec<InputError>, Problem> {
    let Target::Pool { pool, to } = target else {
        return Ok(Vec::new());
    };
    let reached = match call.sees().hosts {
        true => call.state.store.host_pools().await?,
        false => Vec::new(),
    };
    let all = reached.iter().flat_map(|(_, pools)| pools);
    let known: BTreeSet<&str> = all.map(|it| it.id.as_str()).collect();
    let named = [("#/pool", pool), ("#/to", to)].into_iter();
    let unknowns = named.filter(|(_, name)| !known.contains(name.as_str()));
    Ok(unknowns
        .map(|(pointer, _)| unknown(pointer.to_owned(), "pool"))
        .collect())
}

/// Of the servers that were looked up those that the plan is about. Which disks a pool has is seen
/// when the plan is made.
fn of_target(target: &Target, places: &HashMap<ServerUuid, ServerPlace>) -> BTreeSet<ServerUuid> {
    let left: BTreeSet<&HostName> = match target {
        Target::Server(..) | Target::Servers(_) => {
            return target.servers().iter().copied().collect();
        }
        Target::Pool { .. } | Target::ReturnHome(_) => return places.keys().copied().collect(),
        Target::Host(host) | Target::Maintenance(host) => BTreeSet::from([host]),
        Target::Rolling { hosts, .. } => hosts.iter().collect(),
    };
    let leaves = |place: &ServerPlace| place.host.as_ref().is_some_and(|it| left.contains(it));
    let leaving = places.iter().filter(|(_, place)| leaves(place));
    leaving.map(|(server, _)| *server).collect()
}

/// Hosts or pools that are left, each once.
fn sources(target: &Target, places: &HashMap<ServerUuid, ServerPlace>) -> Vec<String> {
    match target {
        Target::Server(..) | Target::Servers(_) => {
            let places = target.servers().iter().filter_map(|it| places.get(it));
            let hosts: BTreeSet<&HostName> = places.filter_map(|it| it.host.as_ref()).collect();
            hosts.into_iter().map(HostName::to_string).collect()
        }
        Target::Host(host) | Target::Maintenance(host) => vec![host.to_string()],
        Target::Rolling { hosts, .. } => hosts.iter().map(HostName::to_string).collect(),
        Target::Pool { pool, .. } => vec![pool.clone()],
        Target::ReturnHome(_) => Vec::new(),
    }
}
