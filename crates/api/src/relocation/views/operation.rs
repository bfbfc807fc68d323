//! An operation of a plan, as it was planned.

use std::collections::HashSet;

use godwit_core::ids::{OperationUuid, ServerUuid};
use godwit_core::plan::Estimates;
use godwit_core::run::OperationKind;
use godwit_store::PlannedOperation;
use serde::Serialize;
use serde_json::{Value, json};

use crate::relocation::visibility::Visibility;

#[derive(Debug, Serialize)]
pub struct OperationView<'a> {
    id: OperationUuid,
    kind: OperationKind,
    server: ServerUuid,
    source: Option<String>,
    destination: Option<String>,
    /// Operations that have ended before it begins.
    after: Vec<&'a OperationUuid>,
    /// A host that somebody is done with before it begins.
    after_done: Option<String>,
    because: Vec<Value>,
    estimates: Estimates,
}

impl<'a> OperationView<'a> {
    pub fn new(planned: &'a PlannedOperation, owner: Option<&str>, sees: Visibility<'_>) -> Self {
        let end = |name: &str| end(planned.kind, name, owner, sees);
        let after_done = planned.after_done.as_ref();
        Self {
            id: planned.id,
            kind: planned.kind,
            server: planned.server,
            source: end(&planned.source),
            destination: end(&planned.destination),
            after: planned.after.iter().collect(),
            after_done: after_done.and_then(|host| sees.host(owner, host.as_str())),
            because: because(&planned.because, sees),
            estimates: planned.estimates,
        }
    }
}

impl OperationView<'_> {
    /// The same, of which only these are shown: of the others not even the ids.
    pub(super) fn among(mut self, shown: &HashSet<OperationUuid>) -> Self {
        self.after.retain(|it| shown.contains(it));
        self
    }

    /// The same, but it goes elsewhere by now, or goes as one of another kind.
    pub(super) fn towards(
        mut self,
        (kind, destination): (OperationKind, &str),
        owner: Option<&str>,
        sees: Visibility<'_>,
    ) -> Self {
        self.kind = kind;
        self.destination = end(kind, destination, owner, sees);
        self
    }
}

/// A host that an operation leads from or to; or a pool, which may be called after a host.
pub(super) fn end(
    kind: OperationKind,
    name: &str,
    owner: Option<&str>,
    sees: Visibility<'_>,
) -> Option<String> {
    match kind {
        OperationKind::Storage => sees.of_hosts(Some(name.to_owned())),
        OperationKind::Live
        | OperationKind::Cold
        | OperationKind::Evacuate
        | OperationKind::Shutdown
        | OperationKind::Start => sees.host(owner, name),
    }
}

/// What the planner says of it; of that only the codes to who may not see hosts.
fn because(because: &Value, sees: Visibility<'_>) -> Vec<Value> {
    let said = because.as_array().into_iter().flatten();
    match sees.hosts {
        true => said.cloned().collect(),
        false => said.map(|it| json!({ "code": it["code"] })).collect(),
    }
}
