//! Carries the questions of `http:` and `https:` checks to the services they are for.
//!
//! Rules are evaluated without awaiting anything, so whoever evaluates one that asks waits on its
//! thread. The call itself runs on a thread of its own; [`Policy::asks`](super::Policy::asks)
//! tells the pipeline which requests must not be handled where others wait.

use std::sync::mpsc;
use std::time::Duration;

use godwit_policy::{RemoteCheck, RemoteFailure, RemoteQuestion};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use tokio::runtime::{Builder, Runtime};

use crate::http::config::{ContentType, RemoteConfig};
use crate::http::debug::debug_partly;
use crate::http::outgoing::{self, OutgoingError, Trust};

/// The longest answer that is read, in bytes. The one that allows has four.
const LONGEST_ANSWER: usize = 1 << 16;

/// How often a service may point elsewhere.
const MOST_REDIRECTS: usize = 10;

/// How much longer than the call's own time-out its outcome is awaited.
const GRACE: Duration = Duration::from_secs(1);

pub struct RemoteCaller {
    client: Client,
    content_type: ContentType,
    timeout: Duration,
    /// Where calls run; `None` once dropped.
    runtime: Option<Runtime>,
}

debug_partly!(RemoteCaller {
    content_type,
    timeout
});

impl RemoteCaller {
    /// Asks as `config` says.
    pub fn new(config: &RemoteConfig) -> Result<Self, OutgoingError> {
        let trust = Trust {
            ca: config.ca.as_deref(),
            own: config.cert.as_deref().zip(config.key.as_deref()),
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("policy-remote")
            .enable_all()
            .build()
            .map_err(|error| OutgoingError::Client(error.to_string()))?;
        Ok(Self {
            client: outgoing::client(trust, Policy::limited(MOST_REDIRECTS))?,
            content_type: config.content_type,
            timeout: config.timeout,
            runtime: Some(runtime),
        })
    }

    fn request(&self, question: &RemoteQuestion<'_>) -> RequestBuilder {
        let request = self.client.post(question.url).timeout(self.timeout);
        match self.content_type {
            ContentType::Form => request.form(&question.form()),
            ContentType::Json => request.json(&question.json()),
        }
    }
}

impl RemoteCheck for RemoteCaller {
    fn post(&self, question: &RemoteQuestion<'_>) -> Result<String, RemoteFailure> {
        let gone = || RemoteFailure("the service stops".to_owned());
        let runtime = self.runtime.as_ref().ok_or_else(gone)?;
        let (sender, receiver) = mpsc::sync_channel(1);
        let request = self.request(question);
        let call = runtime.spawn(async move {
            // Whoever asked may have given up.
            let _ = sender.send(answer(request).await);
        });
        receiver
            .recv_timeout(self.timeout + GRACE)
            .unwrap_or_else(|_| {
                call.abort();
                Err(RemoteFailure("no answer in time".to_owned()))
            })
    }
}

impl Drop for RemoteCaller {
    /// Waiting for calls under way is not allowed everywhere that this may be dropped.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The answer's body, whatever its status: a service that denies may well say so with one.
async fn answer(request: RequestBuilder) -> Result<String, RemoteFailure> {
    let failed = |error: reqwest::Error| RemoteFailure(outgoing::with_causes(&error.without_url()));
    let response = request.send().await.map_err(failed)?;
    let body = outgoing::body(response, LONGEST_ANSWER)
        .await
        .map_err(failed)?;
    let body = body.ok_or_else(|| RemoteFailure("the answer is too long".to_owned()))?;
    Ok(String::from_utf8_lossy(&body).into_owned())
}

#[cfg(test)]
mod tests;
