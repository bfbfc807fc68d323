//! The file by which clients log in.

use std::fmt::Write;

use super::directory::{DOMAIN, USERS};

/// A `clouds.yaml` with a cloud for each user, for a service at `base`, such as
/// `http://127.0.0.1:8774`.
pub fn clouds_yaml(base: &str) -> String {
    let mut text = String::from("clouds:\n");
    for user in USERS {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "  {name}:\n    auth:\n      auth_url: {base}/identity\n      username: {name}\n      \
             password: {name}\n      project_name: {project}\n      user_domain_name: {domain}\n      \
             project_domain_name: {domain}\n    region_name: RegionOne\n    \
             identity_api_version: 3\n",
            name = user.name,
            project = user.project.name,
            domain = DOMAIN.name,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_yaml_with_a_cloud_for_each_user() {
        let text = clouds_yaml("http://127.0.0.1:8774");
        let clouds: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        for user in USERS {
            let auth = &clouds["clouds"][user.name]["auth"];
            assert_eq!(auth["auth_url"], "http://127.0.0.1:8774/identity");
            assert_eq!(auth["password"], user.name);
            assert_eq!(auth["project_name"], user.project.name);
        }
    }
}
