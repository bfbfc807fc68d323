//! `godwit up`, as a newcomer starts it and with a large fleet: how soon it serves, and what it
//! takes at rest.

use std::time::Duration;

use anyhow::Result;

use crate::Effort;
use crate::godwit::Godwit;
use crate::table::{Table, median};

/// How long it is left alone before it counts as being at rest.
const REST: Duration = Duration::from_secs(10);

/// Hosts and servers; two more servers come with any.
const FLEETS: [(&str, &str); 2] = [("3", "12"), ("200", "5000")];

/// Measures it with each fleet.
pub(crate) async fn measure(effort: Effort) -> Result<Table> {
    let mut table = Table::new(
        "`godwit up`",
        &[
            "hosts, servers",
            "start to `ready`, empty directory",
            "start to `ready`, again",
            "resident memory at rest",
        ],
    );
    for (hosts, servers) in FLEETS {
        let fleet = ["--hosts", hosts, "--servers", servers];
        let (mut first, mut again) = (Vec::new(), Vec::new());
        let mut resident = Vec::new();
        for _ in 0..effort.rounds {
            let directory = tempfile::tempdir()?;
            let up = Godwit::up(directory.path(), &fleet).await?;
            first.push(up.took().as_secs_f64() * 1_000.0);
            up.stop().await?;
            let up = Godwit::up(directory.path(), &fleet).await?;
            again.push(up.took().as_secs_f64() * 1_000.0);
            if resident.is_empty() {
                tokio::time::sleep(REST).await;
                resident.push(up.resident_mib()?);
            }
            up.stop().await?;
        }
        table.row(vec![
            format!("{hosts}, {servers}"),
            format!("{:.0} ms", median(first)),
            format!("{:.0} ms", median(again)),
            format!("{:.1} MiB", median(resident)),
        ]);
    }
    Ok(table)
}
