//! A served API on the imported rows, at the hour of the recordings.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use godwit_api::auth::jwt::JwtAuthenticator;
use godwit_api::auth::keys::KeySet;
use godwit_api::auth::revocation::Revocations;
use godwit_api::config::{ApiConfig, AuthConfig, PolicyConfig};
use godwit_api::ids::RandomIds;
use godwit_api::observability::HttpMetrics;
use godwit_api::policy::PolicySource;
use godwit_api::{ApiState, Parts, serve};
use godwit_core::time::Clock;
use godwit_store::{Dump, Store, StoreOptions};
use godwit_test_support::clock::TestClock;
use godwit_test_support::token::TokenKey;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper_util::rt::TokioIo;
use prometheus::Registry;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::answer::Answer;
use crate::exchange::{Exchange, contract};

/// Where Nova was served, so that links come out the same.
const NOVA: &str = "127.0.0.1:18774";
/// Where its Keystone was.
const KEYSTONE: &str = "http://127.0.0.1:15000/";

/// Seconds since 1970 at 2026-11-21T12:00:00Z: every heartbeat is old by then.
const NOW: i64 = 1_795_262_400;

/// A served API.
pub(crate) struct Stage {
    address: SocketAddr,
    tokens: BTreeMap<String, String>,
}

/// A token for everybody who took part. Somebody else's, such as `bogus`, is none.
fn tokens(key: &TokenKey) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(contract().join("users.json")).unwrap();
    let users: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let token = |user: &Value| {
        let mut claims = json!({"sub": user["user_id"], "roles": user["roles"], "exp": NOW + 3600});
        for scope in ["project_id", "system_scope"] {
            if let Some(value) = user.get(scope) {
                claims[scope] = value.clone();
            }
        }
        key.sign(&claims).unwrap()
    };
    let token = |(name, user): (String, Value)| (name, token(&user));
    users.into_iter().map(token).collect()
}

impl Stage {
    /// Imports the rows into the database at `url`, and serves them.
    pub(crate) async fn set(url: &str) -> Self {
        let options = StoreOptions::default();
        Store::upgrade(url, &options).await.unwrap();
        let store = Store::open(url, options).await.unwrap();
        let dump = Dump::open(&contract().join("nova")).unwrap();
        let clock: Arc<dyn Clock> = Arc::new(TestClock::new(NOW));
        store.import(dump, clock.now()).await.unwrap();

        let key = TokenKey::new().unwrap();
        let keys = KeySet::default()
            .with_pem("test", key.public_pem().as_bytes())
            .unwrap();
        let revoked = Arc::new(Revocations::default());
        let verifier = JwtAuthenticator::new(keys, 100, Arc::clone(&clock), revoked);
        let parts = Parts {
            store,
            policy: PolicySource::open(PolicyConfig::default()).unwrap(),
            authenticator: Arc::new(verifier),
            clock,
            ids: Arc::new(RandomIds),
            wake: Arc::new(|| {}),
            metrics: HttpMetrics::register(&Registry::new()).unwrap(),
        };
        let config = ApiConfig {
            workers: Some(1),
            ..ApiConfig::default()
        };
        let auth = AuthConfig {
            www_authenticate_uri: Some(KEYSTONE.to_owned()),
            ..AuthConfig::default()
        };
        let state = ApiState::new(config, &auth, parts).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, server) = serve(listener, state, None).unwrap();
        tokio::spawn(server);
        let tokens = tokens(&key);
        Self { address, tokens }
    }

    /// Sends a recorded request. Not through a client that would tidy up its path.
    pub(crate) async fn ask(&self, exchange: &Exchange) -> Answer {
        let request = &exchange.request;
        let mut head = hyper::Request::builder()
            .method(request.method.as_str())
            .uri(&request.path)
            .header(HOST, NOVA);
        for (name, value) in &request.headers {
            let value = HeaderValue::from_str(&self.with_token(value)).unwrap();
            head = head.header(name, value);
        }
        let body = Bytes::from(request.body.clone().unwrap_or_default());
        let request = head.body(Full::new(body)).unwrap();

        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(body.to_vec()).unwrap();
        Answer::new(status, headers, text)
    }

    /// A header with the token of whom it names.
    fn with_token(&self, value: &str) -> String {
        let name = value
            .strip_prefix("{{TOKEN:")
            .and_then(|rest| rest.strip_suffix("}}"));
        match name {
            None => value.to_owned(),
            Some(name) => self
                .tokens
                .get(name)
                .cloned()
                .unwrap_or_else(|| name.to_owned()),
        }
    }
}
