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

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::failure::Failure;
use crate::cli::access::{Access, Secret};

/// Variables that say where to look, and nothing of a cloud.
const SELECTORS: &[&str] = &[
    "OS_CLOUD",
    "OS_CLOUD_NAME",
    "OS_REGION_NAME",
    "OS_CLIENT_CONFIG_FILE",
    "OS_CLIENT_SECURE_FILE",
    "OS_CLIENT_VENDOR_FILE",
    "OS_INTERFACE",
    "OS_ENDPOINT_TYPE",
    "OS_CACERT",
    "OS_CERT",
    "OS_KEY",
    "OS_IDENTITY_API_VERSION",
    "OS_COMPUTE_API_VERSION",
    "OS_VOLUME_API_VERSION",
    "OS_IMAGE_API_VERSION",
];

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

/// What this process is told by those who started it.
pub(super) struct Surroundings {
    pub(super) variables: BTreeMap<String, String>,
    /// Folders in which clouds.yaml may be, the first that counts first.
    pub(super) folders: Vec<PathBuf>,
}

impl Surroundings {
    pub(super) fn of_process() -> Self {
        let variables: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let home = variables.get("HOME").map(PathBuf::from);
        let configuration = variables.get("XDG_CONFIG_HOME").filter(|it| !it.is_empty());
        let configuration = configuration
            .map(PathBuf::from)
            .or_else(|| home.map(|home| home.join(".config")));
        let user = configuration.map(|it| it.join("openstack"));
        let folders = [
            Some(PathBuf::from(".")),
            user,
            Some("/etc/openstack".into()),
        ];
        Self {
            variables,
            folders: folders.into_iter().flatten().collect(),
        }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name)?;
        (!value.is_empty()).then_some(value)
    }

    /// The file that a variable names, else the first that is there.
    fn file(&self, variable: &str, stem: &str) -> Option<PathBuf> {
        if let Some(named) = self.variable(variable).map(PathBuf::from)
            && named.exists()
        {
            return Some(named);
        }
        let extensions = ["yaml", "yml", "json"];
        let files = self.folders.iter().flat_map(|folder| {
            extensions.map(|extension| folder.join(format!("{stem}.{extension}")))
        });
        files.into_iter().find(|file| file.exists())
    }

    /// The clouds of a file; none where there is no file.
    fn clouds(&self, variable: &str, stem: &str) -> Result<Map<String, Value>, Failure> {
        let Some(file) = self.file(variable, stem) else {
            return Ok(Map::new());
        };
        let text = std::fs::read_to_string(&file)
            .map_err(|error| Failure::Access(format!("cannot read {}: {error}", file.display())))?;
        clouds_of(&text, &file)
    }

    /// The variables of a cloud, by the names that clouds.yaml has for them.
    fn of_cloud(&self) -> Map<String, Value> {
        let mut found = Map::new();
        for (name, value) in &self.variables {
            let selects = SELECTORS.contains(&name.as_str());
            if let Some(name) = name.strip_prefix("OS_")
                && !selects
                && !value.is_empty()
            {
                found.insert(name.to_lowercase(), Value::from(value.as_str()));
            }
        }
        found
    }
}

fn clouds_of(text: &str, file: &Path) -> Result<Map<String, Value>, Failure> {
    // A snippet could show a password.
    let document: Value = serde_saphyr::from_str(text).map_err(|error| {
        let error = error.without_snippet();
        Failure::Access(format!("{}: {error}", file.display()))
    })?;
    match document.get("clouds") {
        Some(Value::Object(clouds)) => Ok(clouds.clone()),
        None | Some(Value::Null) => Ok(Map::new()),
        Some(_) => Err(Failure::Access(format!(
            "{}: `clouds` has to be a mapping",
            file.display()
        ))),
    }
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

/// What is said of one cloud.
struct Said(Value);

impl Said {
    /// A key of `auth`, or beside it, however it is spelt.
    fn get(&self, keys: &[&str]) -> Option<String> {
        let found = keys.iter().find_map(|key| {
            let dashed = key.replace('_', "-");
            let places = [self.0.get("auth"), Some(&self.0)];
            let mut places = places.into_iter().flatten();
            places.find_map(|it| {
                it.get(key)
                    .or_else(|| it.get(&dashed))
                    .filter(|it| !it.is_null())
            })
        })?;
        match found {
            Value::String(text) => Some(text.clone()),
            // An id of digits, as YAML reads it.
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
        .filter(|text| !text.is_empty())
    }

    fn truth(&self, key: &str) -> Option<bool> {
        let text = self.get(&[key])?;
        Some(matches!(
            text.to_lowercase().as_str(),
            "true" | "1" | "yes" | "on"
        ))
    }

    fn wanted(&self, keys: &[&str]) -> Result<String, Failure> {
        let name = keys.first().copied().unwrap_or_default();
        self.get(keys).ok_or_else(|| {
            Failure::Access(format!("nobody says `{name}` (OS_{})", name.to_uppercase()))
        })
    }

    fn named(&self, subject: &str, id: &[&str], name: &[&str]) -> Named {
        let of_domain = |what: &str| {
            let own = format!("{subject}_domain_{what}");
            let default = format!("default_domain_{what}");
            self.get(&[&own, &format!("domain_{what}"), &default])
        };
        let (mut domain_id, domain_name) = (of_domain("id"), of_domain("name"));
        if domain_id.is_none() && domain_name.is_none() {
            domain_id = self
                .get(&["default_domain"])
                .or_else(|| Some("default".to_owned()));
        }
        Named {
            id: self.get(id),
            name: self.get(name),
            domain_id,
            domain_name,
        }
    }

    fn scope(&self) -> Scope {
        if self.get(&["system_scope"]).is_some() {
            return Scope::System;
        }
        let project = self.named(
            "project",
            &["project_id", "tenant_id"],
            &["project_name", "tenant_name"],
        );
        if project.id.is_some() || project.name.is_some() {
            return Scope::Project(project);
        }
        let (id, name) = (self.get(&["domain_id"]), self.get(&["domain_name"]));
        match id.is_some() || name.is_some() {
            true => Scope::Domain { id, name },
            false => Scope::Nothing,
        }
    }

    fn log_in(&self) -> Result<LogIn, Failure> {
        let secret = |keys: &[&str]| self.wanted(keys).map(Secret);
        let user = || self.named("user", &["user_id"], &["username", "user_name"]);
        match self.auth_type().as_str() {
            "password" | "v3password" => {
                let user = user();
                if user.id.is_none() && user.name.is_none() {
                    self.wanted(&["username"])?;
                }
                Ok(LogIn::Password {
                    user,
                    password: secret(&["password"])?,
                    scope: self.scope(),
                })
            }
            "token" | "v3token" => Ok(LogIn::Token {
                token: secret(&["token", "auth_token"])?,
                scope: self.scope(),
            }),
            "v3applicationcredential" | "application_credential" => {
                let credential = Named {
                    id: self.get(&["application_credential_id"]),
                    name: self.get(&["application_credential_name"]),
                    ..Named::default()
                };
                if credential.id.is_none() && credential.name.is_none() {
                    self.wanted(&["application_credential_id"])?;
                }
                Ok(LogIn::ApplicationCredential {
                    credential,
                    user: user(),
                    secret: secret(&["application_credential_secret"])?,
                })
            }
            "admin_token" => Ok(LogIn::Given {
                token: secret(&["token"])?,
                endpoint: self.wanted(&["endpoint", "url"])?,
            }),
            other => Err(Failure::Access(format!(
                "there is no way here to log in by {other:?}: there are password, token, \
                 v3applicationcredential and admin_token"
            ))),
        }
    }

    /// Who says nothing means what the rest fits.
    fn auth_type(&self) -> String {
        let said = self.get(&["auth_type"]);
        let has = |key| self.get(&[key]).is_some();
        match said.as_deref() {
            Some(said) if said != "password" || has("password") => said.to_owned(),
            _ if has("application_credential_secret") => "v3applicationcredential".to_owned(),
            _ if has("token") && has("endpoint") && !has("auth_url") => "admin_token".to_owned(),
            _ if has("token") && !has("password") => "token".to_owned(),
            _ => "password".to_owned(),
        }
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
        region: region
            .map(str::to_owned)
            .or_else(|| said.get(&["region_name"])),
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
