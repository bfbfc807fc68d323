//! What every request passes before anything reads it: who calls, and in which version.

use semver::Version;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::identity::{PeerIdentity, Role};
use crate::refusal::Refusal;
use crate::transport::{CLAIM_HEADER, Caller};
use crate::version::{Speaks, VERSION_HEADER, agree};

/// Lets peers of one role through, if their version works with ours. Leaves their
/// [`PeerIdentity`] with the request.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    pub(crate) role: Role,
    pub(crate) speaks: Speaks,
}

impl Gate {
    fn admit(&self, request: &Request<()>) -> Result<PeerIdentity, Refusal> {
        let theirs: Version = header(request, VERSION_HEADER)?;
        agree(&self.speaks.version, &theirs)?;
        let peer = match request.extensions().get::<Caller>() {
            Some(Caller::Proved(identity)) => identity.clone(),
            Some(Caller::Unproved) => header(request, CLAIM_HEADER)?,
            None => return Err(Refusal::Forbidden("nobody knows who calls".to_owned())),
        };
        if peer.role == self.role {
            return Ok(peer);
        }
        let role = self.role;
        Err(Refusal::Forbidden(format!("{peer} is no {role}")))
    }
}

impl Interceptor for Gate {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        match self.admit(&request) {
            Ok(peer) => {
                request.extensions_mut().insert(peer);
                Ok(request)
            }
            Err(refusal) => {
                tracing::warn!(%refusal, "refused a request");
                Err(refusal.into())
            }
        }
    }
}

fn header<T>(request: &Request<()>, name: &'static str) -> Result<T, Refusal>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let malformed = |problem: String| Refusal::Malformed {
        field: name.to_owned(),
        problem,
    };
    let value = request
        .metadata()
        .get(name)
        .ok_or_else(|| malformed("missing".to_owned()))?;
    let text = value
        .to_str()
        .map_err(|error| malformed(error.to_string()))?;
    text.parse::<T>()
        .map_err(|error| malformed(error.to_string()))
}

/// Who sent a request that passed the gate.
pub(crate) fn peer_of<T>(request: &Request<T>) -> Result<PeerIdentity, Refusal> {
    let peer = request.extensions().get::<PeerIdentity>().cloned();
    peer.ok_or_else(|| Refusal::Forbidden("nobody knows who calls".to_owned()))
}
