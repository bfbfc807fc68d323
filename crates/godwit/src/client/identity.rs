//! Logging in: what a token opens, and where.

mod catalog;

use std::time::Duration;

use reqwest::{Certificate, Client, Identity, Url};
use serde_json::{Value, json};

use self::catalog::{Endpoints, address, native};
use super::clouds::{Cloud, LogIn, Named, Scope};
use super::failure::{Failure, Problem};
use crate::cli::access::Secret;

const CONNECT: Duration = Duration::from_secs(10);
/// Between two pieces of an answer. A stream says something every five seconds.
const SILENCE: Duration = Duration::from_secs(60);

/// What somebody may use who has logged in.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    pub(super) token: Secret,
    /// The native API.
    pub(super) relocation: Url,
    /// Nova's API, if there is one.
    pub(super) compute: Option<Url>,
}

/// A client that goes nowhere but where it is sent: whom an answer names must not get the token.
pub(super) fn http_client(cloud: &Cloud) -> Result<Client, Failure> {
    // reqwest is built without any cryptography. Another client may have installed the same before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("godwit/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .tls_danger_accept_invalid_certs(!cloud.verify);
    let unusable = |what: &str, error: reqwest::Error| {
        Failure::Access(format!("{what} cannot be used: {error}"))
    };
    if let Some(file) = &cloud.cacert {
        let certificates = Certificate::from_pem_bundle(&read(file)?);
        let certificates = certificates.map_err(|it| unusable(&file.display().to_string(), it))?;
        builder = builder.tls_certs_only(certificates);
    }
    if let Some((certificate, key)) = &cloud.client_certificate {
        let mut pem = read(certificate)?;
        pem.push(b'\n');
        pem.extend(read(key)?);
        let own = Identity::from_pem(&pem);
        let own = own.map_err(|it| unusable(&certificate.display().to_string(), it))?;
        builder = builder.identity(own);
    }
    builder.build().map_err(|error| unusable("TLS", error))
}

fn read(file: &std::path::Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file)
        .map_err(|error| Failure::Access(format!("cannot read {}: {error}", file.display())))
}

pub(super) async fn log_in(http: &Client, cloud: &Cloud) -> Result<Grant, Failure> {
    if let LogIn::Given { token, endpoint } = &cloud.log_in {
        let endpoint = cloud.endpoint.as_ref().unwrap_or(endpoint);
        return Ok(Grant {
            token: token.clone(),
            relocation: native(&address(endpoint)?),
            compute: None,
        });
    }
    let auth_url = cloud.auth_url.as_deref().unwrap_or_default();
    let address = tokens_of(auth_url)?;
    let request = http.post(address.clone()).json(&body(&cloud.log_in));
    let response = request.send().await;
    let response = response.map_err(|error| Failure::unreachable(&address, error))?;
    let (status, token) = (
        response.status(),
        response.headers().get("x-subject-token").cloned(),
    );
    let text = response.bytes().await;
    let text = text.map_err(|error| Failure::unreachable(&address, error))?;
    let document: Value = serde_json::from_slice(&text).unwrap_or_default();
    if !status.is_success() {
        let said = document["error"]["message"].as_str().unwrap_or_default();
        return Err(Failure::from(Box::new(Problem {
            title: format!("{address} does not let you log in"),
            status: status.as_u16(),
            detail: said.to_owned(),
            ..Problem::default()
        })));
    }
    let token = token.and_then(|it| it.to_str().ok().map(str::to_owned));
    let token = token.ok_or_else(|| Failure::garbled(&address, "there is no token in it"))?;
    let catalog = document["token"]["catalog"].as_array();
    let endpoints = Endpoints {
        catalog: catalog.map_or(&[], Vec::as_slice),
        cloud,
    };
    Ok(Grant {
        token: Secret(token),
        relocation: endpoints.relocation()?,
        compute: endpoints.of("compute").and_then(|it| Url::parse(it).ok()),
    })
}

/// Where a Keystone issues tokens, however much of that its address says.
fn tokens_of(auth_url: &str) -> Result<Url, Failure> {
    let base = auth_url.trim_end_matches('/');
    let base = base.strip_suffix("/v2.0").unwrap_or(base);
    let base = base.strip_suffix("/v3").unwrap_or(base);
    address(&format!("{base}/v3/auth/tokens"))
}

/// What is said to Keystone.
fn body(log_in: &LogIn) -> Value {
    let (identity, scope) = match log_in {
        LogIn::Password {
            user,
            password,
            scope,
        } => {
            let mut user = by_name(user);
            user["password"] = json!(password.0);
            let identity = json!({ "methods": ["password"], "password": { "user": user } });
            (identity, scope_of(scope))
        }
        LogIn::Token { token, scope } => {
            let identity = json!({ "methods": ["token"], "token": { "id": token.0 } });
            (identity, scope_of(scope))
        }
        LogIn::ApplicationCredential {
            credential,
            user,
            secret,
        } => {
            let mut own = json!({ "secret": secret.0 });
            if let Some(id) = &credential.id {
                own["id"] = json!(id);
            } else {
                own["name"] = json!(credential.name);
                own["user"] = by_name(user);
            }
            let methods = ["application_credential"];
            (
                json!({ "methods": methods, "application_credential": own }),
                None,
            )
        }
        LogIn::Given { .. } => (Value::Null, None),
    };
    let mut auth = json!({ "identity": identity });
    if let Some(scope) = scope {
        auth["scope"] = scope;
    }
    json!({ "auth": auth })
}

fn by_name(named: &Named) -> Value {
    if let Some(id) = &named.id {
        return json!({ "id": id });
    }
    let domain = match &named.domain_name {
        Some(name) => json!({ "name": name }),
        None => json!({ "id": named.domain_id }),
    };
    json!({ "name": named.name, "domain": domain })
}

fn scope_of(scope: &Scope) -> Option<Value> {
    match scope {
        Scope::Nothing => None,
        Scope::System => Some(json!({ "system": { "all": true } })),
        Scope::Project(project) => Some(json!({ "project": by_name(project) })),
        Scope::Domain { id: Some(id), .. } => Some(json!({ "domain": { "id": id } })),
        Scope::Domain { name, .. } => Some(json!({ "domain": { "name": name } })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keystone_is_found_with_or_without_its_version() {
        for given in [
            "http://k/identity",
            "http://k/identity/",
            "http://k/identity/v3",
        ] {
            let tokens = tokens_of(given).unwrap();
            assert_eq!(tokens.as_str(), "http://k/identity/v3/auth/tokens");
        }
        tokens_of("keystone").unwrap_err();
        tokens_of("ftp://k").unwrap_err();
    }

    #[test]
    fn an_application_credential_is_not_scoped() {
        let log_in = LogIn::ApplicationCredential {
            credential: Named {
                id: Some("c".to_owned()),
                ..Named::default()
            },
            user: Named::default(),
            secret: Secret("s".to_owned()),
        };
        let auth = body(&log_in);
        assert_eq!(
            auth["auth"],
            json!({"identity": {
                "methods": ["application_credential"],
                "application_credential": {"secret": "s", "id": "c"},
            }})
        );
        assert!(
            !format!("{log_in:?}").contains("\"s\""),
            "a secret is shown"
        );
    }
}
