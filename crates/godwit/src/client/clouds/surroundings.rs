//! What a process is told of clouds: its variables, and the files that it finds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::client::failure::Failure;

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

/// What this process is told by those who started it.
pub(in crate::client) struct Surroundings {
    pub(in crate::client) variables: BTreeMap<String, String>,
    /// Folders in which clouds.yaml may be, the first that counts first.
    pub(in crate::client) folders: Vec<PathBuf>,
}

impl Surroundings {
    pub(in crate::client) fn of_process() -> Self {
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

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
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
    pub(super) fn clouds(&self, variable: &str, stem: &str) -> Result<Map<String, Value>, Failure> {
        let Some(file) = self.file(variable, stem) else {
            return Ok(Map::new());
        };
        let text = std::fs::read_to_string(&file)
            .map_err(|error| Failure::Access(format!("cannot read {}: {error}", file.display())))?;
        clouds_of(&text, &file)
    }

    /// The variables of a cloud, by the names that clouds.yaml has for them.
    pub(super) fn of_cloud(&self) -> Map<String, Value> {
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
