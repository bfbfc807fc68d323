//! `godwit` itself as a client, of people whom a Keystone knows.

use std::process::Output;

use anyhow::{Context, Result, ensure};
use godwit_test_support::keystone::Scope;
use serde_json::Value;

use super::Cloud;
use crate::process::run_in;

const SECRET: &str = "a-password-that-is-not-hers";

impl Cloud {
    /// A command that stands where clouds.yaml is, with the number that it is to end with.
    async fn says(
        &self,
        number: i32,
        variables: &[(&str, &str)],
        arguments: &[&str],
    ) -> Result<String> {
        let output = run_in(self.directory.path(), variables, arguments).await?;
        let said = said(&output);
        ensure!(
            output.status.code() == Some(number),
            "{arguments:?}: {} {said}",
            output.status
        );
        Ok(said)
    }
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|it| String::from_utf8_lossy(it).into_owned())
        .concat()
}

#[tokio::test]
async fn a_host_is_emptied_by_an_administrator_of_a_keystone() -> Result<()> {
    let cloud = Cloud::new().await?;
    // Such a cloud knows the compute service alone, or the service by its own type as well.
    let native = cloud.compute.replace("/v2.1", "/relocation/v1");
    for is_registered in [false, true] {
        if is_registered {
            let keystone = &cloud.keystone;
            keystone.register("relocation", "godwit", &native).await?;
        }
        let hosts = ["--os-cloud", "admin", "hosts", "--json"];
        let hosts: Value = serde_json::from_str(&cloud.says(0, &[], &hosts).await?)?;
        let hosts = hosts["items"].as_array().context("no list")?;
        assert_eq!(hosts.len(), 3, "{hosts:?}");
    }
    let as_admin = [("OS_CLOUD", "admin")];
    let check = ["drain", "host-1", "--check", "--json"];
    let check: Value = serde_json::from_str(&cloud.says(0, &as_admin, &check).await?)?;
    let movable = check["movable"].as_array().map_or(0, Vec::len);
    assert!(movable > 0, "{check}");
    let drain = ["drain", "host-1", "--yes", "--wait", "--timeout", "55"];
    let drained = cloud.says(0, &as_admin, &drain).await?;
    assert!(drained.contains("host-1: in_maintenance"), "{drained}");
    let left = cloud.says(0, &as_admin, &["undrain", "host-1"]).await?;
    assert!(left.contains("host-1 is left"), "{left}");

    // Members of a project see their servers, and no hosts.
    let refused = cloud.says(1, &[], &["--os-cloud", "member", "hosts"]);
    assert!(refused.await?.contains("403 forbidden"));
    let plan = [
        "--os-cloud",
        "manager",
        "plan",
        "create",
        "--server",
        "vm-2",
    ];
    let plan = cloud.says(0, &[], &plan).await?;
    assert!(plan.contains("(server): ready"), "{plan}");
    assert!(!plan.contains("host-"), "{plan}");
    Ok(())
}

#[tokio::test]
async fn a_password_a_token_and_an_application_credential_open_the_same_door() -> Result<()> {
    let cloud = Cloud::new().await?;
    let url = ("OS_AUTH_URL", cloud.keystone.url());
    let password = [
        url,
        ("OS_USERNAME", "admin"),
        ("OS_PASSWORD", "admin"),
        ("OS_PROJECT_NAME", "admin"),
        ("OS_USER_DOMAIN_ID", "default"),
        ("OS_PROJECT_DOMAIN_ID", "default"),
    ];
    let scope = Scope::Project("admin");
    let issued = cloud.keystone.log_in("admin", scope).await?;
    let token = [
        url,
        ("OS_AUTH_TYPE", "token"),
        ("OS_TOKEN", &issued),
        ("OS_PROJECT_NAME", "admin"),
        ("OS_PROJECT_DOMAIN_ID", "default"),
    ];
    let credential = cloud.keystone.application_credential("admin", "admin");
    let (id, secret) = credential.await?;
    let by_variables = [
        url,
        ("OS_AUTH_TYPE", "v3applicationcredential"),
        ("OS_APPLICATION_CREDENTIAL_ID", &id),
        ("OS_APPLICATION_CREDENTIAL_SECRET", &secret),
    ];
    std::fs::rename(
        cloud.directory.path().join("clouds.yaml"),
        cloud.directory.path().join("people.yaml"),
    )?;
    for variables in [&password[..], &token, &by_variables] {
        let hosts = cloud.says(0, variables, &["hosts"]).await?;
        assert!(hosts.contains("host-3"), "{hosts}");
    }
    let wrong = [&password[..2], &[("OS_PASSWORD", SECRET)], &password[3..]].concat();
    let refused = cloud.says(1, &wrong, &["hosts"]).await?;
    assert!(!refused.contains(SECRET), "{refused}");

    let auth = format!(
        "auth_url: '{}', application_credential_id: {id}, application_credential_secret: {secret}",
        cloud.keystone.url(),
    );
    let file =
        format!("clouds: {{night: {{auth_type: v3applicationcredential, auth: {{{auth}}}}}}}");
    std::fs::write(cloud.directory.path().join("clouds.yaml"), file)?;
    let check = ["--os-cloud", "night", "drain", "host-2", "--check"];
    let checked = cloud.says(0, &[], &check).await?;
    assert!(checked.starts_with("host-2: "), "{checked}");
    Ok(())
}
