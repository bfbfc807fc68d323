//! Real guests that move through Godwit, and the same guests moved by libvirt's own call.
//!
//! ```text
//!   ours    POST ─► API ─► database ─► conductor ─► agent ─► libvirt ─► … ─► `completed`
//!   bare                                            virsh ─► libvirt ─► … ─► it returns
//! ```
//!
//! One guest goes to and fro between two hosts, now through Godwit and now past it, each way as
//! often by either. What libvirt is told is the same: live, peer to peer, with leave to switch
//! to post-copy, as fast as it goes, with the same downtime permitted.

mod bare;
mod ours;
mod witness;

use std::time::Duration;

use anyhow::{Result, bail};
use godwit_test_support::testbed::{GuestSpec, Host, Load};
use serde_json::json;
use system_tests::deployment::{Deployment, Options};

use self::ours::Client;
use self::witness::Witness;
use crate::table::{Table, median, ratio};

/// How long anything may take that is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came of one move. All since it was asked for.
#[derive(Clone, Copy)]
struct Move {
    /// Until the status was `running`; of a bare move, until memory flowed.
    running: Duration,
    /// Until QEMU at the source began to send memory.
    flowing: Duration,
    /// Until it was over and known to be.
    whole: Duration,
}

/// A kind of guest.
struct Case {
    name: &'static str,
    spec: GuestSpec,
}

fn cases() -> [Case; 2] {
    let load = |memory_mib| Load {
        memory_mib,
        ..Load::default()
    };
    let guest = |name, load| GuestSpec {
        load,
        ..GuestSpec::new(name)
    };
    [
        Case {
            name: "idle, 512 MiB",
            spec: guest("idle", load(512).dirtying(1)),
        },
        Case {
            name: "busy, 512 MiB, dirties 32 MiB/s",
            spec: guest("busy", load(512).dirtying(32)),
        },
    ]
}

/// Moves each kind of guest so many times by either.
pub(crate) fn measure(rounds: u32) -> Result<[Table; 2]> {
    let mut figures = Table::new(
        "A live migration: two libvirt hosts, shared storage, emulated guests",
        &["guest", "of libvirt's own", "Godwit ms", "libvirt ms"],
    );
    let mut stations = Table::new(
        "Where Godwit's time goes: ms since POST, by the event log",
        &["guest", "ms"],
    );
    // Both sides hand over as soon as 300 ms would do, which is what libvirt does untold.
    let downtime = json!({"libvirt": {"downtime": {"milliseconds": 900, "steps": 3}}});
    for case in cases() {
        let options = Options {
            agent: downtime.clone(),
            ..Options::default()
        };
        let deployment = Deployment::temporary(&options)?;
        let pairs = pairs(&deployment, &case, rounds)?;
        for row in comparison(case.name, &pairs) {
            figures.row(row);
        }
        for (event, after) in course(&pairs) {
            stations.row(vec![
                format!("{}: `{event}`", case.name),
                format!("{:.0}", median(after)),
            ]);
        }
    }
    Ok([figures, stations])
}

/// A move through Godwit, its event log, and a bare move.
struct Pair {
    ours: Move,
    log: Vec<(String, Duration)>,
    bare: Move,
}

fn pairs(deployment: &Deployment, case: &Case, rounds: u32) -> Result<Vec<Pair>> {
    let [first, second] = deployment.testbed().hosts() else {
        bail!("there are two hosts");
    };
    let guest = deployment
        .testbed()
        .create_guest(first, case.spec.clone())?;
    let client = Client::new(deployment)?;
    client.await_at_rest(&guest, first)?;
    let witness = Witness::of(deployment.testbed().hosts())?;
    let through = |to: &Host| {
        let moved = client.migrate(&guest, to, &witness)?;
        client.await_at_rest(&guest, to)?;
        anyhow::Ok(moved)
    };
    let past = |from: &Host, to: &Host| {
        let moved = bare::migrate(&guest, from, to, &witness)?;
        client.await_at_rest(&guest, to)?;
        anyhow::Ok(moved)
    };
    let mut pairs = Vec::new();
    // The first round pays for connections, caches and statements, and does not count.
    for round in 0..=rounds {
        let ((ours, log), bare) = if round % 2 == 0 {
            (through(second)?, past(second, first)?)
        } else {
            let bare = past(first, second)?;
            (through(first)?, bare)
        };
        if round > 0 {
            pairs.push(Pair { ours, log, bare });
        }
    }
    Ok(pairs)
}

/// One figure of a move.
type Figure = fn(&Move) -> Duration;

/// What is compared.
const COMPARED: [(&str, Figure); 3] = [
    ("until `running` (of libvirt: until memory flows)", |it| {
        it.running
    }),
    ("until memory flows", |it| it.flowing),
    ("the whole move", |it| it.whole),
];

fn comparison(guest: &str, pairs: &[Pair]) -> impl Iterator<Item = Vec<String>> {
    COMPARED.iter().map(move |(what, of)| {
        let milliseconds = |it: &Move| of(it).as_secs_f64() * 1_000.0;
        let ours: Vec<f64> = pairs.iter().map(|it| milliseconds(&it.ours)).collect();
        let bare: Vec<f64> = pairs.iter().map(|it| milliseconds(&it.bare)).collect();
        let ratios = ours.iter().zip(&bare).map(|(ours, bare)| ours / bare);
        vec![
            format!("{guest}: {what}"),
            ratio(ratios.collect()),
            format!("{:.0}", median(ours)),
            format!("{:.0}", median(bare)),
        ]
    })
}

/// The events of Godwit's moves, in order, each with how long after the POST it was.
fn course(pairs: &[Pair]) -> Vec<(String, Vec<f64>)> {
    let mut course: Vec<(String, Vec<f64>)> = Vec::new();
    for (event, after) in pairs.iter().flat_map(|pair| &pair.log) {
        let after = after.as_secs_f64() * 1_000.0;
        match course.iter_mut().find(|(known, _)| known == event) {
            Some((_, all)) => all.push(after),
            None => course.push((event.clone(), vec![after])),
        }
    }
    course
}
