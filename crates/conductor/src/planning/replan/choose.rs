//! Which other destination an operation gets, of those that its plan permits.

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::ids::HostName;
use godwit_core::plan::request::Target as PlanTarget;
use godwit_core::reason::{Evidence, Reason, ReasonCode, Rejection};
use godwit_core::run::rolling::Preference;
use godwit_core::run::{Operation, OperationKind, Run};
use godwit_planner::candidates::candidates;
use godwit_planner::inventory::{Host, Need, Target};
use godwit_store::NewDestination;

/// Why there is no other destination for it, nor another way to the one it has, that its plan permits;
/// `None`: there may be one.
pub(super) fn why_not_replaced(
    target: &PlanTarget,
    run: &Run,
    operation: &Operation,
) -> Option<Reason> {
    if operation.kind == OperationKind::Storage {
        let text = format!("its disks go to {}, or nowhere", operation.destination);
        return Some(Reason::new(ReasonCode::NotNamed, text));
    }
    let only = only_destination(target)?;
    (!operation.goes_cold(run.fallback)).then(|| not_named(only))
}

/// The best of the hosts that the operation was not sent to before, and that the plan leaves alone; one
/// of a rolling maintenance whose turn is to come only where no other does. Where the plan permits it, a
/// server that cannot be moved there while it runs goes cold: at once to the same host, if that is what
/// it failed for. `ends` says whether a live move to a host would come to an end.
pub(super) fn choose(
    hosts: &[Host],
    need: &Need,
    (target, run): (&PlanTarget, &Run),
    operation: &Operation,
    ends: impl Fn(&Host) -> bool,
) -> Result<NewDestination, Vec<Reason>> {
    let goes_cold = operation.goes_cold(run.fallback);
    let tried = tried(run, operation);
    let only = only_destination(target).map(|_| operation.destination.as_str());
    let permitted = |host: &&Host| {
        let name = host.name.as_str();
        let again = goes_cold && name == operation.destination;
        only.is_none_or(|only| only == name)
            && (again || !tried.contains(name))
            && !is_emptied(target, &host.name)
    };
    let may_go_cold = operation.may_go_cold(run.fallback);
    let mut rejected = Vec::new();
    for hosts in by_preference(hosts.iter().filter(permitted), run) {
        let (fitting, others) = candidates(&hosts, need, &Target::Any);
        let host = |name: &HostName| hosts.iter().find(|it| it.name == *name);
        let mut live = fitting.iter().filter_map(host);
        let live = live.find(|it| !may_go_cold || !goes_cold && ends(it));
        let (best, kind) = match live {
            Some(best) => (Some(best), operation.kind),
            None => (fitting.first().and_then(host), OperationKind::Cold),
        };
        if let Some(best) = best {
            return Ok(NewDestination {
                host: best.name.clone(),
                capacity: best.capacity,
                size: need.room_at(&best.pools),
                kind,
            });
        }
        rejected.extend(others);
    }
    Err(each_once(rejected, need))
}

/// The one host that the plan's servers go to, if that was asked for.
const fn only_destination(target: &PlanTarget) -> Option<&HostName> {
    match target {
        PlanTarget::Server(_, Some(host)) | PlanTarget::ReturnHome(host) => Some(host),
        PlanTarget::Server(_, None)
        | PlanTarget::Servers(_)
        | PlanTarget::Host(_)
        | PlanTarget::Maintenance(_)
        | PlanTarget::Rolling { .. }
        | PlanTarget::Pool { .. } => None,
    }
}

/// Those that stay as they are, and then those of a rolling maintenance whose turn is to come.
fn by_preference<'a>(hosts: impl Iterator<Item = &'a Host>, run: &Run) -> [Vec<Host>; 2] {
    let (mut lasting, mut passing) = (Vec::new(), Vec::new());
    for host in hosts {
        let rolling = run.rolling.as_ref();
        match rolling.map_or(Some(Preference::Lasting), |it| it.preference(&host.name)) {
            Some(Preference::Lasting) => lasting.push(host.clone()),
            Some(Preference::Passing) => passing.push(host.clone()),
            None => {}
        }
    }
    [lasting, passing]
}

/// Does the plan empty this host for good? Those of a rolling maintenance have their turns.
fn is_emptied(target: &PlanTarget, host: &HostName) -> bool {
    match target {
        PlanTarget::Host(it) | PlanTarget::Maintenance(it) => it == host,
        PlanTarget::Server(..)
        | PlanTarget::Servers(_)
        | PlanTarget::Rolling { .. }
        | PlanTarget::Pool { .. }
        | PlanTarget::ReturnHome(_) => false,
    }
}

/// Where the operation was to go, and was sent to before.
fn tried<'a>(run: &'a Run, operation: &'a Operation) -> BTreeSet<&'a str> {
    let revisions = run.revisions.iter();
    let before = revisions.filter(|it| it.operation == operation.id);
    let before = before.flat_map(|it| [it.from.as_str(), it.to.as_str()]);
    before.chain([operation.destination.as_str()]).collect()
}

/// Each reason once, of the first host by name that has it; but not of the server's own.
fn each_once(rejected: Vec<Rejection>, need: &Need) -> Vec<Reason> {
    let mut found: BTreeMap<ReasonCode, Reason> = BTreeMap::new();
    for rejection in rejected.into_iter().filter(|it| it.host != need.source) {
        for reason in rejection.reasons {
            let text = format!("{}: {}", rejection.host, reason.text);
            let of_host = Reason { text, ..reason };
            found.entry(of_host.code).or_insert(of_host);
        }
    }
    if found.is_empty() {
        let text = "there is no other host";
        return vec![Reason::new(ReasonCode::Unknown, text)];
    }
    found.into_values().collect()
}

fn not_named(only: &HostName) -> Reason {
    let named_host = only.clone();
    let text = format!("it goes to {only}, or nowhere");
    Reason::new(ReasonCode::NotNamed, text).shown_by(Evidence::Named { named_host })
}
