//! What keeps a server from being moved while it runs, or from being moved at all without its host.

use godwit_core::host::hypervisor;
use godwit_core::reason::{ApiRequest, Change, ChangeKind};
use serde_json::json;

use super::{Evidence, Reason, ReasonCode, agent_up};
use crate::inventory::{Host, Need, Stream};

/// Hypervisors that do not move what runs. Of two types the types are what is wrong.
pub(crate) fn moves_no_guests(host: &Host, need: &Need) -> Option<Reason> {
    let here = &host.hypervisor_type;
    if !need.live || *here != need.hypervisor_type || hypervisor::moves_live(here) {
        return None;
    }
    let text = format!("{here} does not move servers that run");
    let evidence = Evidence::Hypervisor {
        hypervisor_type: here.clone(),
    };
    let (fix, stop) = stopped(need);
    let reason = Reason::new(ReasonCode::HypervisorUnsupported, text);
    Some(reason.shown_by(evidence).fixed_by(fix, stop))
}

/// A server that changes its memory faster than a stream of `rate` bytes per second carries it.
pub(crate) fn never_converges(need: &Need, stream: Stream, rate: u64) -> Reason {
    let dirty = stream.dirty_bytes_per_second;
    let text =
        format!("the server dirties {dirty} bytes per second, and a stream there carries {rate}");
    let (fix, stop) = stopped(need);
    Reason::new(ReasonCode::NeverConverges, text)
        .shown_by(Evidence::Convergence {
            dirty_bytes_per_second: dirty,
            stream_bytes_per_second: rate,
        })
        .fixed_by(fix, stop)
}

/// A server is shut down, so that it is moved cold.
pub(crate) fn stopped(need: &Need) -> (String, Change) {
    let server = need.server;
    let stop = Change {
        kind: ChangeKind::PowerState,
        target: server.to_string(),
        from: json!("running"),
        to: json!("shutdown"),
        request: Some(ApiRequest {
            method: "POST",
            path: format!("/v2.1/servers/{server}/action"),
            body: json!({ "os-stop": null }),
        }),
    };
    let text = format!("Shut server {server} down, so that it is moved cold.");
    (text, stop)
}

/// Disks that are on the source alone, where they cannot be copied.
pub(crate) fn local_storage(need: &Need) -> Reason {
    let (host, local_gib) = (&need.source, need.local_gib());
    let evidence = Evidence::LocalDisks {
        host: host.clone(),
        local_gib,
    };
    let text = format!("{local_gib} GiB of its disks are on {host} alone");
    let reason = Reason::new(ReasonCode::LocalStorage, text).shown_by(evidence);
    if !need.source_is_dead {
        return reason;
    }
    let (fix, back) = agent_up(host);
    reason.fixed_by(fix, back)
}
