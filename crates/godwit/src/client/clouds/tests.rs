use super::*;

const CLOUDS: &str = "
clouds:
  one:
    auth: {auth_url: http://k, username: u, project_id: 12345, user_domain_name: D}
    region_name: R1
    interface: internalURL
    cacert: /ca.pem
  two:
    auth_type: v3applicationcredential
    auth: {auth_url: http://k/v3, application_credential_id: c, application-credential-secret: s}
    verify: false
    regions: [{name: R7}, R8]
";
const SECURE: &str = "clouds: {one: {auth: {password: secret}}}";

/// A folder with these files, and a process with these variables in it.
fn around(files: &[(&str, &str)], variables: &[(&str, &str)]) -> (tempfile::TempDir, Surroundings) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let of = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let surroundings = Surroundings {
        variables: variables.iter().map(of).collect(),
        folders: vec![folder.path().to_owned()],
    };
    (folder, surroundings)
}

fn named(cloud: &str) -> Access {
    Access {
        os_cloud: Some(cloud.to_owned()),
        ..Access::default()
    }
}

fn refused(access: &Access, around: &Surroundings) -> String {
    find(access, around).unwrap_err().to_string()
}

#[test]
fn a_cloud_is_read_with_its_secrets_from_beside_it() {
    let (_folder, around) = around(&[("clouds.yaml", CLOUDS), ("secure.yaml", SECURE)], &[]);
    let cloud = find(&named("one"), &around).unwrap();
    let LogIn::Password {
        user,
        password,
        scope,
    } = &cloud.log_in
    else {
        panic!("{cloud:?}");
    };
    assert_eq!(password.0, "secret");
    assert_eq!(user.name.as_deref(), Some("u"));
    assert_eq!(user.domain_name.as_deref(), Some("D"));
    let Scope::Project(project) = scope else {
        panic!("{scope:?}");
    };
    assert_eq!(project.id.as_deref(), Some("12345"));
    assert_eq!(cloud.region.as_deref(), Some("R1"));
    assert_eq!(cloud.interface, "internal");
    assert_eq!(cloud.cacert, Some("/ca.pem".into()));
    assert!(cloud.verify);
    let shown = format!("{cloud:?}");
    assert!(!shown.contains("\"secret\""), "{shown}");

    let cloud = find(&named("two"), &around).unwrap();
    assert!(matches!(&cloud.log_in, LogIn::ApplicationCredential { .. }));
    assert!(!cloud.verify);
    assert_eq!(cloud.region.as_deref(), Some("R7"));
}

#[test]
fn a_named_cloud_wins_over_variables_and_an_option_over_it() {
    let variables = [
        ("OS_CLOUD", "one"),
        ("OS_USERNAME", "other"),
        ("OS_PASSWORD", "other"),
        ("OS_AUTH_URL", "http://other"),
        ("OS_REGION_NAME", "R2"),
    ];
    let files = [("clouds.yaml", CLOUDS), ("secure.yaml", SECURE)];
    let (_folder, around) = around(&files, &variables);
    let cloud = find(&Access::default(), &around).unwrap();
    assert_eq!(cloud.auth_url.as_deref(), Some("http://k"));
    assert_eq!(cloud.region.as_deref(), Some("R2"));
    let access = Access {
        os_username: Some("me".to_owned()),
        os_project_name: Some("p".to_owned()),
        os_region_name: Some("R3".to_owned()),
        ..Access::default()
    };
    let cloud = find(&access, &around).unwrap();
    assert_eq!(cloud.region.as_deref(), Some("R3"));
    let LogIn::Password { user, scope, .. } = &cloud.log_in else {
        panic!("{cloud:?}");
    };
    assert_eq!(user.name.as_deref(), Some("me"));
    let Scope::Project(project) = scope else {
        panic!("{scope:?}");
    };
    assert_eq!(
        (project.id.as_deref(), project.name.as_deref()),
        (None, Some("p"))
    );
}

#[test]
fn variables_alone_are_a_cloud() {
    let variables = [
        ("OS_AUTH_URL", "http://k"),
        ("OS_USERNAME", "u"),
        ("OS_PASSWORD", "p"),
        ("OS_SYSTEM_SCOPE", "all"),
        ("OS_ENDPOINT_TYPE", "adminURL"),
        ("OS_CACERT", "/ca"),
    ];
    let (_folder, around) = around(&[("clouds.yaml", CLOUDS)], &variables);
    let cloud = find(&Access::default(), &around).unwrap();
    assert!(matches!(
        &cloud.log_in,
        LogIn::Password {
            scope: Scope::System,
            ..
        }
    ));
    assert_eq!(cloud.interface, "admin");
    assert_eq!(cloud.cacert, Some("/ca".into()));
}

#[test]
fn a_token_may_be_shown_to_keystone_or_to_the_service() {
    let (_folder, surroundings) = around(&[], &[("OS_AUTH_URL", "http://k"), ("OS_TOKEN", "t")]);
    let cloud = find(&Access::default(), &surroundings).unwrap();
    assert!(matches!(&cloud.log_in, LogIn::Token { .. }));
    let access = Access {
        os_endpoint: Some("http://g".to_owned()),
        os_token: Some(Secret("t".to_owned())),
        ..Access::default()
    };
    let (_folder, surroundings) = around(&[], &[]);
    let cloud = find(&access, &surroundings).unwrap();
    assert!(matches!(&cloud.log_in, LogIn::Given { endpoint, .. } if endpoint == "http://g"));
}

#[test]
fn the_only_cloud_needs_no_name_and_of_many_one_has_to_be_named() {
    let one = "clouds: {a: {auth: {auth_url: u, username: u, password: p}}}";
    let (_folder, surroundings) = around(&[("clouds.yml", one)], &[]);
    find(&Access::default(), &surroundings).unwrap();
    let (_folder, surroundings) = around(&[("clouds.yaml", CLOUDS)], &[]);
    let said = refused(&Access::default(), &surroundings);
    assert!(said.contains("one, two"), "{said}");
    let said = refused(&named("three"), &surroundings);
    assert!(
        said.contains("three") && said.contains("one, two"),
        "{said}"
    );
}

#[test]
fn what_is_missing_is_named() {
    let (_folder, surroundings) = around(&[], &[]);
    let said = refused(&Access::default(), &surroundings);
    assert!(said.contains("clouds.yaml"), "{said}");
    let (_folder, surroundings) = around(&[("clouds.yaml", CLOUDS)], &[]);
    let said = refused(&named("one"), &surroundings);
    assert!(said.contains("OS_PASSWORD"), "{said}");
}

#[test]
fn a_file_that_is_no_yaml_is_refused_without_its_passwords() {
    let text = "clouds: {a: {auth: {password: hunter2, ]}}}";
    let (_folder, surroundings) = around(&[("clouds.yaml", text)], &[]);
    let said = refused(&named("a"), &surroundings);
    assert!(
        said.contains("clouds.yaml") && !said.contains("hunter2"),
        "{said}"
    );
}
