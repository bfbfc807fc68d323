//! Logging in: what a token opens, and where.

use std::time::Duration;

use reqwest::{Certificate, Client, Identity, Url};
use serde_json::{Value, json};

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

fn address(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text)
        .ok()
        .filter(|it| matches!(it.scheme(), "http" | "https"));
    url.ok_or_else(|| Failure::Access(format!("{text:?} is no address of a service")))
}

/// Where a Keystone issues tokens, however much of that its address says.
fn tokens_of(auth_url: &str) -> Result<Url, Failure> {
    let base = auth_url.trim_end_matches('/');
    let base = base.strip_suffix("/v2.0").unwrap_or(base);
    let base = base.strip_suffix("/v3").unwrap_or(base);
    address(&format!("{base}/v3/auth/tokens"))
}

/// The native API of a service at this address, which may be that of Nova's.
fn native(service: &Url) -> Url {
    let mut native = service.clone();
    if !native
        .path()
        .trim_end_matches('/')
        .ends_with("/relocation/v1")
    {
        native.set_path("/relocation/v1");
    }
    native.set_query(None);
    native
}

struct Endpoints<'a> {
    catalog: &'a [Value],
    cloud: &'a Cloud,
}

impl<'a> Endpoints<'a> {
    fn relocation(&self) -> Result<Url, Failure> {
        if let Some(said) = &self.cloud.endpoint {
            return address(said);
        }
        if let Some(known) = self.of("relocation") {
            return address(known);
        }
        let compute = self.of("compute").ok_or_else(|| {
            let region = self.cloud.region.as_deref();
            let region = region.map_or_else(String::new, |it| format!(" in the region {it}"));
            Failure::Access(format!(
                "the catalog has neither a service of the type relocation nor one of the type \
                 compute{region}, with the interface {}",
                self.cloud.interface
            ))
        })?;
        Ok(native(&address(compute)?))
    }

    /// The address of a service, where the cloud's region and interface have one.
    fn of(&self, kind: &str) -> Option<&'a str> {
        let services = self.catalog.iter().filter(|it| it["type"] == kind);
        let endpoints = services.flat_map(|it| it["endpoints"].as_array().into_iter().flatten());
        let is_there = |endpoint: &&Value| {
            let region = self.cloud.region.as_deref();
            let in_region =
                |region| endpoint["region_id"] == region || endpoint["region"] == region;
            endpoint["interface"] == self.cloud.interface.as_str() && region.is_none_or(in_region)
        };
        endpoints.into_iter().find(is_there)?["url"].as_str()
    }
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

    fn cloud(region: Option<&str>, interface: &str) -> Cloud {
        Cloud {
            auth_url: None,
            log_in: LogIn::Token {
                token: Secret("t".to_owned()),
                scope: Scope::Nothing,
            },
            region: region.map(str::to_owned),
            interface: interface.to_owned(),
            cacert: None,
            client_certificate: None,
            verify: true,
            endpoint: None,
        }
    }

    fn service(kind: &str, region: &str, interface: &str, url: &str) -> Value {
        let endpoint = json!({"interface": interface, "region_id": region, "url": url});
        json!({"type": kind, "endpoints": [endpoint]})
    }

    fn found(catalog: &[Value], cloud: &Cloud) -> Result<String, String> {
        let endpoints = Endpoints { catalog, cloud };
        let found = endpoints.relocation();
        found.map(|it| it.to_string()).map_err(|it| it.to_string())
    }

    #[test]
    fn the_service_is_found_by_region_and_interface() {
        let catalog = [
            service("relocation", "one", "public", "http://a/relocation/v1"),
            service("relocation", "two", "public", "http://b/relocation/v1"),
            service("relocation", "two", "internal", "http://c/x/relocation/v1"),
        ];
        let find = |region, interface| found(&catalog, &cloud(region, interface)).unwrap();
        assert_eq!(find(None, "public"), "http://a/relocation/v1");
        assert_eq!(find(Some("two"), "public"), "http://b/relocation/v1");
        assert_eq!(find(Some("two"), "internal"), "http://c/x/relocation/v1");
    }

    #[test]
    fn without_one_it_is_where_compute_is() {
        let catalog = [service(
            "compute",
            "one",
            "public",
            "https://n:8774/v2.1/abc",
        )];
        assert_eq!(
            found(&catalog, &cloud(None, "public")).unwrap(),
            "https://n:8774/relocation/v1"
        );
        let error = found(&catalog, &cloud(Some("two"), "admin")).unwrap_err();
        assert!(error.contains("two") && error.contains("admin"), "{error}");
    }

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
