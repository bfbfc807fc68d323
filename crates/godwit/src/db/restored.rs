//! `godwit db restored`: what a database has to be told after a restore from a backup.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use godwit_core::ids::HostName;
use godwit_core::time::{Clock, Timestamp};
use godwit_store::{Restored, Restoring, Store};

use crate::clock::SystemClock;

const DAY: Duration = Duration::from_secs(86_400);

/// Tells it, and says what it means. `remember` is how many days agents remember what they did.
pub(crate) async fn run(store: &Store, dead: &[HostName], remember: u32) -> Result<ExitCode> {
    for host in dead {
        let known = store.host_find(host).await?.is_some();
        ensure!(known, "the backup knows no host {host}");
    }
    let now = SystemClock.now();
    let told = Restoring {
        at: now,
        dead: dead.iter().cloned().collect::<BTreeSet<_>>(),
        remember: DAY * remember,
    };
    let done = store.restored(told).await?;
    print!("{}", said(&done, now));
    Ok(ExitCode::SUCCESS)
}

fn said(done: &Restored, now: Timestamp) -> String {
    let mut lines = vec![match done.last_sign {
        Some(sign) => {
            let hours = now.since(sign).as_secs() / 3_600;
            format!("the last sign of life in the backup is of {sign}, {hours} hours ago")
        }
        None => "there is no sign of life in the backup".to_owned(),
    }];
    for host in &done.not_dead {
        lines.push(format!(
            "{host} was declared dead, and is not any more; if it is dead, say so (--dead {host})"
        ));
    }
    for host in &done.awaited {
        lines.push(format!(
            "{host} has to show what it has before anything is evacuated"
        ));
    }
    for migration in &done.history {
        lines.push(format!(
            "migration {migration} is history: agents may have forgotten what they did for it"
        ));
    }
    if !done.history.is_empty() {
        lines.push("`godwit db repair` clears the tasks of their servers".to_owned());
    }
    lines.push("conductors may be started".to_owned());
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_means() {
        let now = SystemClock.now();
        let host = |name: &str| HostName::new(name).unwrap();
        let mut done = Restored {
            last_sign: Some(now.minus(DAY)),
            awaited: vec![host("host-1")],
            not_dead: vec![],
            history: vec![],
        };
        let text = said(&done, now);
        assert!(
            text.contains(", 24 hours ago\nhost-1 has to show"),
            "{text}"
        );
        assert!(text.ends_with("\nconductors may be started\n"), "{text}");
        done.not_dead = vec![host("host-2")];
        let text = said(&done, now);
        assert!(text.contains("(--dead host-2)"), "{text}");
    }
}
