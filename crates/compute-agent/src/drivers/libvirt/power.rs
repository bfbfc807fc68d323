//! Powering a guest off: first as its user would, then by force.

use std::time::Duration;

use godwit_core::ids::ServerUuid;
use tokio::time::Instant;
use virt::error::Error;

use super::Host;
use super::connection::Live;
use super::inventory::known;
use super::sys::DomainState;
use super::witness::Witness;
use crate::driver::DriverError;

/// How often one looks whether it is off.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Host {
    /// Returns when the guest is off, or not here at all. It gets `limit` to shut down by
    /// itself; one that does not execute instructions gets none.
    pub(super) async fn power_off(
        &self,
        server: ServerUuid,
        limit: Duration,
    ) -> Result<(), DriverError> {
        let forced_at = Instant::now() + limit;
        let given_up_at = forced_at + self.config.call_timeout();
        let mut asked = false;
        while let Some(seen) = self.look(server).await? {
            match seen.state {
                DomainState::Off | DomainState::Saved => return Ok(()),
                DomainState::Unknown => {
                    return Err(DriverError::Unavailable(
                        "the domain cannot be judged".into(),
                    ));
                }
                DomainState::Running
                | DomainState::Paused(_)
                | DomainState::Asleep
                | DomainState::Crashed => {}
            }
            let now = Instant::now();
            if now >= given_up_at {
                return Err(DriverError::Unavailable(format!(
                    "{server} does not power off"
                )));
            }
            if now >= forced_at || !listens(seen) {
                self.connection
                    .call(move |live| destroy(live, server))
                    .await?;
            } else if !asked {
                asked = true;
                // A guest without ACPI does not hear it, and is forced in the end.
                let told = self.connection.call(move |live| shut_down(live, server));
                if let Err(error) = told.await {
                    tracing::info!(%server, %error, "the guest cannot be told to shut down");
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }
}

fn listens(seen: Witness) -> bool {
    seen.state == DomainState::Running
}

fn shut_down(live: &Live, server: ServerUuid) -> Result<(), Error> {
    live.connect.lookup_domain_by_uuid(server.0)?.shutdown()
}

/// One that has just gone is no error.
fn destroy(live: &Live, server: ServerUuid) -> Result<(), Error> {
    let Some(domain) = known(live.connect.lookup_domain_by_uuid(server.0))? else {
        return Ok(());
    };
    match domain.destroy() {
        Err(_) if !known(domain.is_active())?.unwrap_or(false) => Ok(()),
        destroyed => destroyed,
    }
}
