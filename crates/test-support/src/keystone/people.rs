//! Who there is: those of the development identity, under the same names, and the service user.

use std::collections::HashMap;
use std::fmt::Write;

use anyhow::{Context, Result};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Administrator, Keystone};

/// The administrator of the system, whom `keystone-manage bootstrap` makes.
pub(super) const ADMINISTRATOR: &str = "admin";

/// The only region, which comes with Keystone's own endpoints.
pub(super) const REGION: &str = "RegionOne";

/// Project, user and role: the administrator, the service user, and those who use the service.
/// Roles bring those that they imply, as Keystone has it.
const ASSIGNED: [(&str, &str, &str); 6] = [
    ("admin", ADMINISTRATOR, "admin"),
    ("service", "godwit", "service"),
    ("demo", "manager", "manager"),
    ("demo", "member", "member"),
    ("demo", "reader", "reader"),
    ("lab", "stranger", "member"),
];

/// Makes all who are not there yet. The administrator also becomes the domain's.
pub(super) async fn arrive(keystone: &Keystone) -> Result<()> {
    let admin = Administrator(keystone);
    let mut projects = ids(&admin, "projects").await?;
    let (mut users, roles) = (ids(&admin, "users").await?, ids(&admin, "roles").await?);
    for (project, user, role) in ASSIGNED {
        if !projects.contains_key(project) {
            let body = json!({"project": {"name": project, "domain_id": "default"}});
            let id = admin.create("/projects", &body).await?;
            projects.insert(project.to_owned(), id);
        }
        if !users.contains_key(user) {
            let body = json!({"user": {"name": user, "password": user, "domain_id": "default"}});
            let id = admin.create("/users", &body).await?;
            users.insert(user.to_owned(), id);
        }
        let user_id = &users[user];
        let role_id = roles.get(role).with_context(|| format!("no role {role}"))?;
        let mut places = vec![format!("/projects/{}", projects[project])];
        if user == ADMINISTRATOR {
            places.push("/domains/default".to_owned());
        }
        for place in places {
            let path = format!("{place}/users/{user_id}/roles/{role_id}");
            admin.send(Method::PUT, &path, None).await?;
        }
    }
    Ok(())
}

/// Names and ids of what there is.
async fn ids(admin: &Administrator<'_>, collection: &str) -> Result<HashMap<String, String>> {
    let answer = admin
        .send(Method::GET, &format!("/{collection}"), None)
        .await?;
    let listed: Value = serde_json::from_str(&answer.text().await?)?;
    let items = listed[collection].as_array().context("no list")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(items
        .iter()
        .map(|item| (text(&item["name"]), text(&item["id"])))
        .collect())
}

impl Keystone {
    /// A `clouds.yaml` with a cloud for each user, named like them.
    pub fn clouds_yaml(&self) -> String {
        let mut text = String::from("clouds:\n");
        for (project, user, _) in ASSIGNED {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "  {user}:\n    auth:\n      auth_url: {url}\n      username: {user}\n      \
                 password: {user}\n      project_name: {project}\n      \
                 user_domain_name: Default\n      project_domain_name: Default\n    \
                 region_name: {REGION}\n    identity_api_version: 3\n",
                url = self.url(),
            );
        }
        text
    }
}
