//! Who asks, and what policy allows them.

use std::sync::Arc;

use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;
use godwit_policy::{Decision, Target, UnregisteredRule};
use godwit_store::ActionNote;

use crate::http::auth::{Decided, Principal};
use crate::http::policy::Policy;
use crate::http::route::Route;

/// The bearer of a good token, on a route and under one set of rules.
pub struct Caller {
    principal: Arc<Principal>,
    decided: Arc<Decided>,
    policy: Arc<Policy>,
    route: &'static Route,
}

/// Policy does not allow it, or cannot say.
#[derive(Debug)]
pub enum Refusal {
    /// The rule that is named to the caller.
    Denied(String),
    Failed(UnregisteredRule),
}

impl Caller {
    /// Decides whether this is an administrator, which may take asking another service.
    pub(crate) fn new(
        principal: Arc<Principal>,
        policy: Arc<Policy>,
        route: &'static Route,
    ) -> Self {
        Self {
            decided: principal.decided(&policy),
            principal,
            policy,
            route,
        }
    }

    pub(crate) fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    pub(crate) fn route(&self) -> &'static Route {
        self.route
    }

    /// Which set of rules it is.
    pub(crate) fn edition(&self) -> u64 {
        self.policy.edition
    }

    pub fn is_admin(&self) -> bool {
        self.decided.is_admin
    }

    pub fn user_id(&self) -> Option<&str> {
        self.principal.user_id.as_deref()
    }

    pub fn project_id(&self) -> Option<&str> {
        self.principal.project_id.as_deref()
    }

    /// Who asks, as it is written down with what changes.
    pub(crate) fn requester(&self, request_id: &str) -> Requester {
        Requester {
            user: self.user_id().map(str::to_owned),
            project: self.project_id().map(str::to_owned),
            request_id: Some(request_id.to_owned()),
        }
    }

    /// The same, with its trace and the present.
    pub(crate) fn note(&self, request_id: &str, at: Timestamp) -> ActionNote {
        ActionNote {
            request_id: request_id.to_owned(),
            user_id: self.user_id().map(str::to_owned),
            project_id: self.project_id().map(str::to_owned),
            trace: godwit_telemetry::current(),
            at,
        }
    }

    /// Is what belongs to every project visible? To a token for the whole system it is, and every
    /// rule then refuses it, as in Nova.
    pub fn sees_every_project(&self) -> bool {
        self.is_admin() || self.principal.is_system
    }

    /// Refuses unless `rule` allows the caller to act on `target`.
    pub fn enforce(&self, rule: &'static str, target: &Target) -> Result<(), Refusal> {
        debug_assert!(
            self.route.all_rules().any(|named| named == rule),
            "{rule} is not among {:?}'s rules",
            self.route
        );
        let credentials = &self.decided.credentials;
        let decision = self.policy.enforcer.enforce(rule, credentials, target);
        match decision.map_err(Refusal::Failed)? {
            Decision::Allowed => Ok(()),
            Decision::Denied { rule, fault } => {
                if let Some(fault) = fault {
                    tracing::warn!(rule, %fault, "a policy rule could not be evaluated");
                }
                Err(Refusal::Denied(rule))
            }
            Decision::WrongScope { rule, .. } => Err(Refusal::Denied(rule)),
        }
    }

    /// [`Self::enforce`] for what belongs to nobody in particular.
    pub fn enforce_own(&self, rule: &'static str) -> Result<(), Refusal> {
        self.enforce(rule, self.principal.own())
    }

    /// [`Self::enforce`] for what is not of any project.
    pub fn enforce_global(&self, rule: &'static str) -> Result<(), Refusal> {
        self.enforce(rule, &Target::empty())
    }

    /// Does `rule` allow it? For rules that only change what an answer shows.
    pub fn permits(&self, rule: &'static str, target: &Target) -> bool {
        self.enforce(rule, target).is_ok()
    }

    /// [`Self::permits`] for what belongs to nobody in particular.
    pub fn permits_own(&self, rule: &'static str) -> bool {
        self.permits(rule, self.principal.own())
    }
}
