//! A database that does not answer, or not in time.

use std::time::Duration;

use anyhow::Result;
use godwit_test_support::wait_for_blocking;

use crate::simulated::Simulated;

/// How long it may take to get locks that others want as well.
const LOCKED: Duration = Duration::from_secs(60);

/// Holds locks that everybody waits for who asks about servers, and all that a conductor does.
///
/// # Errors
/// They are not had in time.
pub fn locked(deployment: &Simulated) -> Result<std::process::Child> {
    let begin = || {
        deployment.sql(
            "BEGIN;
             LOCK TABLE servers, services, effects, migrations IN ACCESS EXCLUSIVE MODE;
             SELECT pg_sleep(120);",
        )
    };
    let held = format!(
        "DO $$ BEGIN
             IF (SELECT COUNT(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
                 WHERE datname = '{}' AND mode = 'AccessExclusiveLock' AND granted) < 4
             THEN RAISE EXCEPTION 'not all are locked'; END IF;
         END $$",
        deployment.database_name()
    );
    let mut lock = begin()?;
    wait_for_blocking("the locks", LOCKED, || {
        // Others have locks as well, and who ends a deadlock may be we.
        if lock.try_wait()?.is_some() {
            lock = begin()?;
        }
        deployment.sql_elsewhere(&held).map(Some)
    })?;
    Ok(lock)
}

/// Gives them up again. A client that is killed leaves its session at work, so the session is ended.
///
/// # Errors
/// The server does not answer.
pub fn unlock(deployment: &Simulated, mut lock: std::process::Child) -> Result<()> {
    deployment.sql_elsewhere(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE query LIKE '%pg_sleep(120)%' AND pid <> pg_backend_pid()",
    )?;
    lock.wait()?;
    Ok(())
}

/// Lets nobody have a connection to the database, not even those who have one, or everybody again.
///
/// # Errors
/// The server does not answer.
pub fn open_database(deployment: &Simulated, open: bool) -> Result<()> {
    let database = deployment.database_name();
    deployment.sql_elsewhere(&format!(
        "ALTER DATABASE {database} ALLOW_CONNECTIONS {open}"
    ))?;
    deployment.sql_elsewhere(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    ))
}
