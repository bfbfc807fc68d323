//! Plans for a fleet that somebody has written down.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use godwit_planner::fleet::{Fleet, FleetFile};
use godwit_planner::lint::lint;
use godwit_planner::plan::{Options, Wish, make};
use godwit_planner::simulate::{Conditions, Policy, simulate};

use crate::table::Table;

/// The most hosts that are drained, each in a plan of its own.
const DRAINS: usize = 100;

pub(super) fn measure(path: &Path) -> Result<Table> {
    let here = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {here}"))?;
    let file = FleetFile::parse(&text).with_context(|| format!("{here} is no fleet"))?;
    table(&Fleet::try_from(&file)?)
}

fn table(fleet: &Fleet) -> Result<Table> {
    let mut table = Table::new(
        "Drains of the hosts of a fleet file, each by itself",
        &[
            "host",
            "operations",
            "blocked",
            "planned in s",
            "makespan s",
            "over the bound",
        ],
    );
    // What cannot move is told, and the others are measured.
    let options = Options {
        allow_partial: true,
        ..Options::default()
    };
    for (_, host) in fleet.hosts().iter().take(DRAINS) {
        let wish = Wish::Host {
            host: host.host.name.clone(),
        };
        let begin = Instant::now();
        let plan = make(fleet, &wish, &options)?;
        let seconds = begin.elapsed().as_secs_f64();
        let found = lint(fleet, &wish, &options, &plan);
        ensure!(found.is_empty(), "the linter found {found:?}");
        let outcome = simulate(fleet, &plan, Policy::Budgets, &Conditions::default());
        let (makespan, bound) = (outcome.makespan_seconds, plan.lower_bound_seconds);
        table.row(vec![
            host.host.name.to_string(),
            plan.operations.len().to_string(),
            plan.blocked.len().to_string(),
            format!("{seconds:.4}"),
            format!("{makespan:.1}"),
            if bound > 0.0 {
                format!("{:.3}", makespan / bound)
            } else {
                "-".to_owned()
            },
        ]);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_of_a_file_are_drained() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fleet.yaml");
        let text = "
hosts:
  - {name: a, capacity: {vcpus: 8, memory_mib: 8192}}
  - {name: b, capacity: {vcpus: 8, memory_mib: 8192}}
servers: [{host: a, vcpus: 1, memory_mib: 4096}, {host: b, vcpus: 1, memory_mib: 4096}]
";
        std::fs::write(&path, text).unwrap();
        let table = measure(&path).unwrap().to_string();
        for host in ["a", "b"] {
            assert!(table.contains(&format!("| {host} | 1 | 0 |")), "{table}");
        }
        std::fs::write(&path, "hosts: [").unwrap();
        assert!(measure(&path).is_err());
    }
}
