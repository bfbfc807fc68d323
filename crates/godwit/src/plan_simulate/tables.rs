//! A plan as people read it.

use std::collections::HashMap;
use std::io::{Result, Write};

use godwit_core::ids::ServerUuid;
use godwit_core::reason::Reason;
use godwit_planner::fleet::FleetFile;
use godwit_planner::plan::Operation;
use godwit_planner::table::{Number as _, OperationNo};

use super::document::Document;

const NONE: &str = "-";

/// The servers' names in the file.
struct Names(HashMap<ServerUuid, String>);

impl Names {
    fn of(&self, server: ServerUuid) -> String {
        let known = self.0.get(&server);
        known.map_or_else(|| server.to_string(), Clone::clone)
    }
}

pub(super) fn print(out: &mut impl Write, document: &Document, file: &FleetFile) -> Result<()> {
    let numbers = 0..file.servers.len();
    let names = Names(
        numbers
            .map(|at| (file.id_of(at), file.name_of(at)))
            .collect(),
    );
    writeln!(
        out,
        "{} plan: {}, {} operations, {} servers blocked",
        document.kind,
        document.state,
        document.operations.len(),
        document.blocked.len()
    )?;
    let operations = document.operations.rows().iter();
    let rows = operations.map(|it| row(it, &names)).collect();
    table(
        out,
        [
            "#", "Kind", "Server", "From", "To", "After", "Seconds", "Pause",
        ],
        rows,
    )?;
    for reason in &document.reasons {
        writeln!(out, "{}", because(reason))?;
    }
    for blocked in &document.blocked {
        let name = names.of(blocked.server);
        for reason in &blocked.reasons {
            writeln!(out, "blocked: {name}: {}", because(reason))?;
        }
    }
    if let Some(estimate) = document.makespan_seconds {
        let simulated = document.simulated_makespan_seconds;
        let simulated = simulated.map_or_else(|| "for ever".to_owned(), |it| format!("{it:.1} s"));
        writeln!(
            out,
            "makespan: {simulated} when simulated; between {:.1} s and {:.1} s in 90 % of all cases",
            estimate.low, estimate.high
        )?;
    }
    if let Some(bound) = document.lower_bound_seconds {
        let over = document.simulated_makespan_seconds.filter(|_| bound > 0.0);
        let over = over.map_or_else(String::new, |it| {
            format!("; this is {:.3} of it", it / bound)
        });
        writeln!(out, "bound: no schedule takes less than {bound:.1} s{over}")?;
    }
    Ok(())
}

fn row(operation: &Operation, names: &Names) -> [String; 8] {
    let number = |it: &OperationNo| it.at().to_string();
    let after: Vec<_> = operation.after.iter().map(number).collect();
    let destination = operation.destination.as_ref();
    let estimates = operation.estimates;
    [
        number(&operation.id),
        operation.kind.to_string(),
        names.of(operation.server),
        operation.source.to_string(),
        destination.map_or_else(|| NONE.to_owned(), ToString::to_string),
        if after.is_empty() {
            NONE.to_owned()
        } else {
            after.join(",")
        },
        format!("{:.1}", estimates.seconds.mid),
        format!("{:.3}", estimates.downtime_seconds.mid),
    ]
}

/// A reason, and what would make it go away.
fn because(reason: &Reason) -> String {
    let fix = reason.fix.as_ref();
    let fix = fix.map_or_else(String::new, |fix| format!(" ({})", fix.text));
    format!("{}: {}{fix}", reason.code, reason.text)
}

/// Columns as wide as what is in them; nothing where there are no rows.
fn table<const N: usize>(
    out: &mut impl Write,
    head: [&str; N],
    rows: Vec<[String; N]>,
) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let head = head.map(str::to_owned);
    let all: Vec<_> = std::iter::once(head).chain(rows).collect();
    let mut widths = [0; N];
    for row in &all {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in &all {
        let cells = row.iter().zip(widths);
        let cells: Vec<_> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}
