//! Who asked for a change.

use godwit_core::requester::Requester;
use serde::Serialize;

use crate::relocation::visibility::Visibility;

#[derive(Clone, Debug, Serialize)]
pub struct RequesterView<'a> {
    user: Option<&'a str>,
    project: Option<&'a str>,
    request_id: Option<&'a str>,
}

impl<'a> RequesterView<'a> {
    pub fn new(requester: &'a Requester, sees: Visibility<'_>) -> Self {
        let Requester {
            user,
            project,
            request_id,
        } = requester;
        let (user, project) = (user.as_deref(), project.as_deref());
        Self::of(user, project, request_id.as_deref(), sees)
    }

    /// Of a user and a project that are written down apart.
    pub(super) fn of(
        user: Option<&'a str>,
        project: Option<&'a str>,
        request_id: Option<&'a str>,
        sees: Visibility<'_>,
    ) -> Self {
        Self {
            user: sees.of_project(project, user),
            project: sees.of_project(project, project),
            request_id,
        }
    }
}
