//! A request that has come as far as its handler: authenticated, routed, of a version, its
//! query valid. What it may see and do is still to be asked, and [`Guarded`] makes sure that
//! it is.

use actix_web::web::Data;
use godwit_core::ids::ServerUuid;
use godwit_core::requester::Requester;
use godwit_policy::Target;
use godwit_store::{ActionNote, MigrationSummary, OfServer, Server};
use serde_json::Value;
use uuid::Uuid;

use crate::http::caller::Caller;
pub use crate::http::ids::read_uuid;
use crate::http::query::Query;
use crate::http::state::ApiState;
use crate::nova::error::ApiError;
use crate::nova::links::Links;
use crate::nova::microversion::Microversion;
use crate::nova::schema::Format;

/// What the path names, as the caller wrote it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PathIds {
    pub server: String,
    pub migration: String,
    pub key: String,
    pub id: String,
}

/// A request on its way to its handler.
pub struct Call {
    pub state: Data<ApiState>,
    pub caller: Caller,
    pub version: Microversion,
    pub ids: PathIds,
    /// Its query: valid, and without what the handler shall not see.
    pub query: Query,
    /// Valid by its schema; of an action the value of the one member. Null where there is none.
    pub body: Value,
    pub links: Links,
    pub request_id: String,
}

impl Call {
    /// The server that the path names, if the caller may know of it.
    pub async fn server(&self) -> Result<Guarded<Server>, ApiError> {
        let (store, uuid, visible) = (&self.state.store, self.server_uuid()?, self.visibility()?);
        self.guarded(store.server_find_visible(uuid, visible).await?)
    }

    /// The same for what outlives its server.
    pub async fn server_even_deleted(&self) -> Result<Guarded<Server>, ApiError> {
        let (store, uuid, visible) = (&self.state.store, self.server_uuid()?, self.visibility()?);
        self.guarded(store.server_find_deleted_too(uuid, visible).await?)
    }

    fn guarded(&self, found: Option<Server>) -> Result<Guarded<Server>, ApiError> {
        let server = found.ok_or_else(|| self.no_such_server())?;
        Ok(Guarded::of_project(&server.project_id.clone(), server))
    }

    /// The server that the path names, if `rule` allows the caller to act on it.
    pub async fn allowed_server(&self, rule: &'static str) -> Result<Server, ApiError> {
        Ok(self.server().await?.allow(self, rule)?.resource)
    }

    /// Who asks.
    pub fn requester(&self) -> Requester {
        self.caller.requester(&self.request_id)
    }

    /// What an action says of the request that asked for it.
    pub fn note(&self) -> ActionNote {
        self.caller.note(&self.request_id, self.state.clock.now())
    }

    /// The live migrations in progress of the server that the path names, if the caller may
    /// know of it.
    pub async fn server_migrations(&self) -> Result<Guarded<Vec<MigrationSummary>>, ApiError> {
        let (store, uuid, visible) = (&self.state.store, self.server_uuid()?, self.visibility()?);
        let found = store
            .migrations_in_progress_for_server(uuid, visible)
            .await?;
        self.of_server(found)
    }

    /// The migration that the path names, if there is one and the caller may know of the server
    /// that the path names.
    pub async fn server_migration(&self) -> Result<Guarded<Option<MigrationSummary>>, ApiError> {
        let Some(id) = self.migration_id() else {
            let Guarded { target, .. } = self.server().await?;
            return Ok(Guarded {
                resource: None,
                target,
            });
        };
        let (store, uuid, visible) = (&self.state.store, self.server_uuid()?, self.visibility()?);
        let found = store.migration_shown_for_server(uuid, id, visible).await?;
        self.of_server(found)
    }

    fn of_server<T>(&self, found: Option<OfServer<T>>) -> Result<Guarded<T>, ApiError> {
        let OfServer { project_id, found } = found.ok_or_else(|| self.no_such_server())?;
        Ok(Guarded::of_project(&project_id, found))
    }

    /// 404 for the server that the path names.
    pub fn no_such_server(&self) -> ApiError {
        ApiError::no_such_server(&self.ids.server)
    }

    /// The path's migration id, if it is written as a number is.
    pub fn migration_id(&self) -> Option<i64> {
        let id: i64 = self.ids.migration.parse().ok()?;
        (id.to_string() == self.ids.migration).then_some(id)
    }

    fn server_uuid(&self) -> Result<ServerUuid, ApiError> {
        read_uuid(&self.ids.server)
            .map(ServerUuid)
            .ok_or_else(|| self.no_such_server())
    }

    /// Whose servers the caller sees: with `None` everybody's.
    fn visibility(&self) -> Result<Option<&str>, ApiError> {
        if self.caller.sees_every_project() {
            return Ok(None);
        }
        self.caller
            .project_id()
            .map(Some)
            .ok_or_else(|| self.no_such_server())
    }
}

/// Reads a uuid as loosely as Nova reads those of services and hypervisors: with its dashes or
/// without, in any case.
pub fn read_uuid_like(text: &str) -> Option<Uuid> {
    let form = Format::Uuid.matches(text);
    form.then(|| Uuid::parse_str(text).ok()).flatten()
}

/// Something of a project's that is visible to the caller, before policy was asked about it.
#[derive(Debug)]
#[must_use]
pub struct Guarded<T> {
    resource: T,
    target: Target,
}

impl Guarded<Server> {
    /// The same for rules that may also look at who made the server.
    pub fn with_user(self) -> Self {
        let target = self.target.with("user_id", self.resource.user_id.as_str());
        Self { target, ..self }
    }
}

impl<T> Guarded<T> {
    pub(crate) fn of_project(project_id: &str, resource: T) -> Self {
        let target = Target::of_project(Some(project_id));
        Self { resource, target }
    }

    /// Refuses unless `rule` allows the caller to act on it.
    pub fn allow(self, call: &Call, rule: &'static str) -> Result<Allowed<T>, ApiError> {
        call.caller.enforce(rule, &self.target)?;
        Ok(Allowed {
            resource: self.resource,
            target: self.target,
        })
    }
}

/// Something that policy allowed the caller to act on.
#[derive(Debug)]
pub struct Allowed<T> {
    pub resource: T,
    pub target: Target,
}
