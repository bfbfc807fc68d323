//! Who makes something happen, as its events have it.

use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;

use super::super::Actor;
use crate::{ActionNote, ChangeNote};

/// Who made something happen, and when.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) actor: Actor,
    pub(super) request_id: Option<String>,
    pub(super) user_id: Option<String>,
    pub(super) project_id: Option<String>,
    pub(crate) at: Timestamp,
}

impl Cause {
    /// It follows from something else.
    pub(crate) const fn by(actor: Actor, at: Timestamp) -> Self {
        Self {
            actor,
            request_id: None,
            user_id: None,
            project_id: None,
            at,
        }
    }

    /// Of a change that is noted like this.
    pub(crate) fn noted(note: &ChangeNote) -> Self {
        Self {
            actor: note.actor.clone(),
            request_id: note.by.request_id.clone(),
            user_id: note.by.user.clone(),
            project_id: note.by.project.clone(),
            at: note.at,
        }
    }

    /// Somebody asked for it, through the API.
    pub(crate) fn requested(by: &Requester, at: Timestamp) -> Self {
        Self {
            actor: Actor::Api,
            request_id: by.request_id.clone(),
            user_id: by.user.clone(),
            project_id: by.project.clone(),
            at,
        }
    }

    /// The same, as actions are noted.
    pub(crate) fn asked(note: &ActionNote) -> Self {
        Self {
            actor: Actor::Api,
            request_id: Some(note.request_id.clone()),
            user_id: note.user_id.clone(),
            project_id: note.project_id.clone(),
            at: note.at,
        }
    }
}
