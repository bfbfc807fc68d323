//! What a client of either service does for every call: greet first, name the version, keep
//! the deadline, and make one kind of error of all that can go wrong.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use godwit_core::seconds;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::convert::Native;
use crate::convert::refusal::refusal_of;
use crate::proto::{HelloReply, HelloRequest};
use crate::refusal::CallError;
use crate::transport::{Address, CLAIM_HEADER, Expect, Transport};
use crate::version::{Speaks, VERSION_HEADER};

/// How long each kind of call may take: seconds, in a configuration. A call that is cut off may have
/// been performed, and is repeated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Deadlines {
    /// Greetings, facts, heartbeats, reports. Default 5.
    #[serde(with = "seconds")]
    pub brief: Duration,
    /// Inventories and pre-checks: the hypervisor is asked. Default 20.
    #[serde(with = "seconds")]
    pub inquiry: Duration,
    /// Commands that return as soon as the hypervisor took them. Default 20.
    #[serde(with = "seconds")]
    pub command: Duration,
    /// Preparing, finishing, rolling back: they return when it is done. Over it the agent goes
    /// on, and the same command sent again joins in. Default 60.
    #[serde(with = "seconds")]
    pub work: Duration,
    /// The longest silence of a watched move; then its agent is taken for dead. Default 10.
    #[serde(with = "seconds")]
    pub silence: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            brief: Duration::from_secs(5),
            inquiry: Duration::from_secs(20),
            command: Duration::from_secs(20),
            work: Duration::from_secs(60),
            silence: Duration::from_secs(10),
        }
    }
}

pub(crate) struct Session {
    speaks: Speaks,
    version: AsciiMetadataValue,
    claim: Option<AsciiMetadataValue>,
    agreed: Mutex<Option<Speaks>>,
    pub(crate) deadlines: Deadlines,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("speaks", &self.speaks)
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(crate) fn open(
        transport: &Transport,
        address: Address,
        expect: Expect,
        deadlines: Deadlines,
        speaks: Speaks,
    ) -> (Self, Channel) {
        let ascii = |text: String| {
            AsciiMetadataValue::try_from(text)
                .expect("versions and identities are made of letters, digits and . - + _ : /")
        };
        let claim = match transport {
            Transport::Loopback(identity) => Some(ascii(identity.to_string())),
            Transport::Tls(_) | Transport::Local(..) => None,
        };
        let session = Self {
            version: ascii(speaks.version.to_string()),
            claim,
            speaks,
            agreed: Mutex::new(None),
            deadlines,
        };
        (session, transport.dial(address, expect))
    }

    /// What both sides understand, learned at the first call over this session and again when
    /// the peer may have become another.
    pub(crate) async fn greet<F: Future<Output = Result<Response<HelloReply>, Status>>>(
        &self,
        hello: impl FnOnce(Request<HelloRequest>) -> F,
    ) -> Result<Speaks, CallError> {
        let mut agreed = self.agreed.lock().await;
        if let Some(speaks) = &*agreed {
            return Ok(speaks.clone());
        }
        let greeting = HelloRequest {
            rpc_version: self.speaks.version.to_string(),
            capabilities: self.speaks.capabilities.iter().cloned().collect(),
        };
        let within = self.deadlines.brief;
        let reply = answer(within, hello(self.request(greeting, Some(within)))).await?;
        let theirs = Speaks {
            version: reply.rpc_version.parse().map_err(protocol)?,
            capabilities: reply.capabilities.into_iter().collect(),
        };
        let speaks = self.speaks.agree(&theirs)?;
        *agreed = Some(speaks.clone());
        Ok(speaks)
    }

    pub(crate) fn request<T>(&self, message: T, deadline: Option<Duration>) -> Request<T> {
        let mut request = Request::new(message);
        if let Some(deadline) = deadline {
            request.set_timeout(deadline);
        }
        let metadata = request.metadata_mut();
        metadata.insert(VERSION_HEADER, self.version.clone());
        if let Some(claim) = &self.claim {
            metadata.insert(CLAIM_HEADER, claim.clone());
        }
        request
    }

    pub(crate) async fn call<Q: Native, A: Native, F>(
        &self,
        deadline: Duration,
        message: Q,
        send: impl FnOnce(Request<Q::Wire>) -> F,
    ) -> Result<A, CallError>
    where
        F: Future<Output = Result<Response<A::Wire>, Status>>,
    {
        let request = self.request(message.to_wire(), Some(deadline));
        A::from_wire(self.answer(deadline, send(request)).await?).map_err(protocol)
    }

    /// Waits for an answer; after a break the next call greets again.
    pub(crate) async fn answer<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CallError> {
        let answered = answer(deadline, call).await;
        if matches!(answered, Err(CallError::Unreachable(_))) {
            *self.agreed.lock().await = None;
        }
        answered
    }
}

async fn answer<T>(
    deadline: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, CallError> {
    match tokio::time::timeout(deadline, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(call_error(&status, deadline)),
        Err(_) => Err(CallError::Overdue(deadline)),
    }
}

pub(crate) fn protocol(problem: impl fmt::Display) -> CallError {
    CallError::Protocol(problem.to_string())
}

/// What a status means to a caller. Our own refusals are in its details; the rest is the
/// transport's, and a status that something broke underneath says so in its source.
pub(crate) fn call_error(status: &Status, deadline: Duration) -> CallError {
    if let Some(refusal) = refusal_of(status) {
        return CallError::Refused(refusal);
    }
    let broke = status.source().is_some();
    match status.code() {
        Code::DeadlineExceeded => CallError::Overdue(deadline),
        Code::Cancelled if causes(status).any(|cause| cause.is::<tonic::TimeoutExpired>()) => {
            CallError::Overdue(deadline)
        }
        Code::Unavailable | Code::Cancelled | Code::Unknown | Code::Aborted => {
            CallError::Unreachable(explain(status))
        }
        Code::Internal if broke => CallError::Unreachable(explain(status)),
        Code::Ok
        | Code::Internal
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => protocol(explain(status)),
    }
}

fn causes(status: &Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let mut next = status.source();
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// The causes of a status in one line; tonic says "transport error" and keeps the rest below.
fn explain(status: &Status) -> String {
    let mut text = status.message().to_owned();
    for cause in causes(status) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}
