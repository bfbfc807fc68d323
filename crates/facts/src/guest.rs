//! A server that may have to go somewhere else.

use godwit_core::migration::{ColdRequest, EvacuationRequest, LiveRequest, Request};
use godwit_core::plan::options::Affinity;
use godwit_core::server::PowerState;
use godwit_core::server_group::Membership;
use godwit_planner::inventory::Need;
use godwit_store::{Hardware, HostLoad, Server};

use crate::Fleet;

/// A server with all that decides where it could go.
#[derive(Clone, PartialEq, Debug)]
pub struct Guest {
    pub server: Server,
    pub hardware: Hardware,
    pub group: Option<Membership>,
}

impl Guest {
    /// Does it execute, though it may stand still?
    pub(crate) fn runs(&self) -> bool {
        match self.server.power_state {
            PowerState::Running | PowerState::Paused => true,
            PowerState::NoState
            | PowerState::Shutdown
            | PowerState::Crashed
            | PowerState::Suspended => false,
        }
    }

    /// How it would be moved off `source` as things are; `None`: nobody answers there, and nobody
    /// has declared that host dead.
    fn request(&self, fleet: &Fleet, source: Option<&HostLoad>) -> Option<Request> {
        let was = self.server.vm_state;
        match source {
            Some(source) if fleet.is_up(source) => Some(match self.runs() {
                true => Request::Live(LiveRequest::of_plan()),
                false => Request::Cold(ColdRequest {
                    host: None,
                    was,
                    affinity: Affinity::Strict,
                }),
            }),
            Some(source) if source.host.service.forced_down => Some(self.evacuation()),
            Some(_) | None => None,
        }
    }

    fn evacuation(&self) -> Request {
        Request::Evacuation(EvacuationRequest {
            host: None,
            forced: false,
            was: self.server.vm_state,
            end_stopped: false,
            affinity: Affinity::Strict,
        })
    }

    /// What it needs of a destination, and whether it can leave where it is at all; `None`: it is
    /// nowhere.
    pub(crate) fn need(&self, fleet: &Fleet) -> Option<(Need, bool)> {
        let source = self.server.host.as_ref()?;
        let request = self.request(fleet, fleet.host(source));
        let leaves = request.is_some();
        // It is what can be done once somebody has.
        let request = request.unwrap_or_else(|| self.evacuation());
        let mut need = fleet.need(&self.server, &self.hardware, source, &request);
        need.group.clone_from(&self.group);
        Some((need, leaves))
    }
}
