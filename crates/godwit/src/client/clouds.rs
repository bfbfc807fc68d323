//! Whom to ask, and as whom: `clouds.yaml`, `OS_*` and options, as os-client-config reads them.
//!
//! ```text
//!   --os-cloud, OS_CLOUD ─► that cloud of clouds.yaml, with secure.yaml
//!   neither, but OS_AUTH_URL and others ─► what they say
//!   nothing, and there is one cloud ─► that one
//! ```
//!
//! Options win over either. Libraries that read these files bring a second cryptography and a hundred
//! crates with them, for the services of a whole cloud.

mod said;
mod surroundings;

use std::path::PathBuf;

use serde_json::{Map, Value};

use self::said::Said;
pub(super) use self::surroundings::Surroundings;
use super::failure::Failure;
use crate::cli::access::{Access, Secret};

/// How somebody says who they are.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum LogIn {
    Password {
        user: Named,
        password: Secret,
        scope: Scope,
    },
    Token {
        token: Secret,
        scope: Scope,
    },
    ApplicationCredential {
        credential: Named,
        /// Of whom a credential is that is named, and not by its id.
        user: Named,
        secret: Secret,
    },
    /// A token that is shown to the service as it is, which is at this address.
    Given {
        token: Secret,
        endpoint: String,
    },
}

/// By an id, or by a name in a domain.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Named {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) domain_id: Option<String>,
    pub(super) domain_name: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    Nothing,
    System,
    Project(Named),
    Domain {
        id: Option<String>,
        name: Option<String>,
    },
}

/// All that has to be known of a cloud.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Cloud {
    pub(super) auth_url: Option<String>,
    pub(super) log_in: LogIn,
    pub(super) region: Option<String>,
    pub(super) interface: String,
    pub(super) cacert: Option<PathBuf>,
    pub(super) client_certificate: Option<(PathBuf, PathBuf)>,
    pub(super) verify: bool,
    /// Where the service is, whatever the catalog says.
    pub(super) endpoint: Option<String>,
}

/// What stands in `over` wins, deep down.
fn merge(into: &mut Value, over: Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (key, value) in over {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, over) => *into = over,
    }
}

/// The cloud that is meant.
pub(super) fn find(access: &Access, around: &Surroundings) -> Result<Cloud, Failure> {
    let mut said = said(access, around)?;
    merge(&mut said, options(access));
    let said = Said(said);
    let log_in = said.log_in()?;
    let auth_url = match &log_in {
        LogIn::Given { .. } => None,
        _ => Some(said.wanted(&["auth_url"])?),
    };
    let file = |key: &str, variable: &str| {
        let named = said
            .get(&[key])
            .or_else(|| around.variable(variable).map(str::to_owned));
        named.map(PathBuf::from)
    };
    let interface = said.get(&["interface", "endpoint_type"]).or_else(|| {
        let variables = ["OS_INTERFACE", "OS_ENDPOINT_TYPE"];
        variables
            .iter()
            .find_map(|it| around.variable(it))
            .map(str::to_owned)
    });
    let interface = interface.unwrap_or_else(|| "public".to_owned());
    let insecure = said.truth("insecure").unwrap_or_default();
    // Over what a cloud says: the variable chooses, as --os-region-name does.
    let region = around
        .variable("OS_REGION_NAME")
        .filter(|_| access.os_region_name.is_none());
    Ok(Cloud {
        auth_url,
        log_in,
        region: region.map(str::to_owned).or_else(|| said.region()),
        interface: interface.trim_end_matches("URL").to_owned(),
        cacert: file("cacert", "OS_CACERT"),
        client_certificate: file("cert", "OS_CERT").zip(file("key", "OS_KEY")),
        verify: !insecure && said.truth("verify") != Some(false),
        endpoint: said.get(&["relocation_endpoint_override"]),
    })
}

/// What files or variables say of the cloud that is meant.
fn said(access: &Access, around: &Surroundings) -> Result<Value, Failure> {
    let of_options = access.os_auth_url.is_some() || access.os_endpoint.is_some();
    let named = access
        .os_cloud
        .as_deref()
        .or_else(|| around.variable("OS_CLOUD"));
    let of_variables = around.of_cloud();
    if named.is_none() && (of_options || !of_variables.is_empty()) {
        return Ok(Value::Object(of_variables));
    }
    let mut clouds = Value::Object(around.clouds("OS_CLIENT_CONFIG_FILE", "clouds")?);
    let secure = around.clouds("OS_CLIENT_SECURE_FILE", "secure")?;
    merge(&mut clouds, Value::Object(secure));
    let clouds = clouds.as_object().cloned().unwrap_or_default();
    let names = || {
        clouds
            .keys()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let found = match (named, clouds.len()) {
        (Some(named), _) => clouds.get(named).ok_or_else(|| match clouds.is_empty() {
            true => format!("there is no cloud {named:?}, as there is no clouds.yaml"),
            false => format!("there is no cloud {named:?} in clouds.yaml: there are {}", names()),
        }),
        (None, 0) => Err("nobody says which cloud: there are no OS_* variables, and no clouds.yaml \
             here, in ~/.config/openstack or in /etc/openstack (OS_CLIENT_CONFIG_FILE names another)"
            .to_owned()),
        (None, 1) => clouds.values().next().ok_or_else(String::new),
        (None, _) => Err(format!("which cloud? --os-cloud or OS_CLOUD says it: {}", names())),
    };
    found.cloned().map_err(Failure::Access)
}

/// Options, by the names that clouds.yaml has for them.
fn options(access: &Access) -> Value {
    let secret = |secret: &Option<Secret>| secret.as_ref().map(|it| it.0.clone());
    let auth = [
        ("auth_url", access.os_auth_url.clone()),
        ("endpoint", access.os_endpoint.clone()),
        ("username", access.os_username.clone()),
        ("user_domain_name", access.os_user_domain_name.clone()),
        ("password", secret(&access.os_password)),
        ("token", secret(&access.os_token)),
        ("project_name", access.os_project_name.clone()),
        ("project_domain_name", access.os_project_domain_name.clone()),
        ("system_scope", access.os_system_scope.clone()),
    ];
    let cacert = access.os_cacert.as_ref();
    let by_token = access.os_token.as_ref().map(|_| match &access.os_endpoint {
        Some(_) => "admin_token".to_owned(),
        None => "token".to_owned(),
    });
    let beside = [
        ("auth_type", access.os_auth_type.clone().or(by_token)),
        ("region_name", access.os_region_name.clone()),
        ("interface", access.os_interface.clone()),
        ("cacert", cacert.map(|it| it.display().to_string())),
        ("insecure", access.insecure.then(|| "true".to_owned())),
    ];
    let said = |(key, value): (&str, Option<String>)| Some((key.to_owned(), Value::from(value?)));
    let mut all: Map<String, Value> = beside.into_iter().filter_map(said).collect();
    let mut auth: Map<String, Value> = auth.into_iter().filter_map(said).collect();
    // Who is named is not who had the id.
    for (named, id) in [("username", "user_id"), ("project_name", "project_id")] {
        if auth.contains_key(named) {
            auth.insert(id.to_owned(), Value::Null);
        }
    }
    all.insert("auth".to_owned(), Value::Object(auth));
    Value::Object(all)
}

#[cfg(test)]
mod tests;
