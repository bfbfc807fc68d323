//! `GET /limits`: a project may use as much as there is; what it does use is counted.

use godwit_policy::Target;

use super::paging::unstorable;
use super::{Answer, Call, Reply, rules};
use crate::nova::views::limits::Limits;
use godwit_store::ProjectUsage;

/// Shows them: the caller's own project's, or another's.
pub async fn show(call: &Call) -> Answer {
    call.caller.enforce_global(rules::LIMITS)?;
    let project = match call.query.last("tenant_id") {
        Some(other) => {
            call.caller
                .enforce(rules::LIMITS_OF_OTHERS, &Target::of_project(Some(other)))?;
            Some(other)
        }
        None => call.caller.project_id(),
    };
    let usage = match project.filter(|project| !unstorable(project)) {
        Some(project) => call.state.store.project_usage(project).await?,
        None => ProjectUsage::default(),
    };
    Reply::document("limits", &Limits::new(usage, call.version))
}
