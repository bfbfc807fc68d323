//! `godwit policy check`, as a person or a script calls it.

use std::path::Path;
use std::process::{Command, Output};

fn check(policy: &Path, rule: &str, credentials: &str, target: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_godwit"))
        .args(["policy", "check", "--policy"])
        .arg(policy)
        .args([
            "--rule",
            rule,
            "--credentials",
            credentials,
            "--target",
            target,
        ])
        .output()
        .unwrap()
}

fn policy(text: &str) -> tempfile::TempPath {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, text).unwrap();
    file.into_temp_path()
}

const LIST: &str = "os_compute_api:servers:migrations:index";
const SHOW: &str = "os_compute_api:servers:migrations:show";
const MANAGER: &str =
    r#"{"user_id": "u", "project_id": "p", "roles": ["manager", "member", "reader"]}"#;
const ADMIN: &str = r#"{"user_id": "u", "project_id": "q", "roles": ["Admin"]}"#;

#[test]
fn the_defaults_stand_where_the_file_is_silent() {
    let file = policy("# nothing\n");
    for (rule, credentials, target, code) in [
        (LIST, MANAGER, r#"{"project_id": "p"}"#, 0),
        (LIST, MANAGER, r#"{"project_id": "q"}"#, 1),
        (SHOW, MANAGER, r#"{"project_id": "p"}"#, 1),
        (SHOW, ADMIN, r#"{"project_id": "p"}"#, 0),
        ("no:such:rule", ADMIN, "{}", 1),
    ] {
        let output = check(&file, rule, credentials, target);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{rule} {credentials} {target}: {output:?}"
        );
    }
}

#[test]
fn the_file_overrides_what_it_names() {
    let file = policy(&format!(
        "\"{SHOW}\": \"rule:project_manager_or_admin\"\n\"mine\": \"user_id:u\"\n"
    ));
    let on = r#"{"project_id": "p"}"#;
    assert_eq!(check(&file, SHOW, MANAGER, on).status.code(), Some(0));
    assert_eq!(check(&file, "mine", MANAGER, on).status.code(), Some(0));
}

/// Who is an administrator is computed from the rules; nobody is one by saying so.
#[test]
fn is_admin_is_computed() {
    let file = policy("\"context_is_admin\": \"role:boss\"\n\"only\": \"is_admin:True\"\n");
    let boss = r#"{"roles": ["boss"]}"#;
    let liar = r#"{"roles": ["admin"], "is_admin": true}"#;
    assert_eq!(check(&file, "only", boss, "{}").status.code(), Some(0));
    assert_eq!(check(&file, "only", liar, "{}").status.code(), Some(1));
}

#[test]
fn a_token_of_the_wrong_scope_is_denied() {
    let file = policy("");
    let system = r#"{"system_scope": "all", "roles": ["admin"]}"#;
    let output = check(&file, LIST, system, "{}");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("system"));
}

#[test]
fn what_cannot_be_asked_is_neither_answer() {
    let file = policy("");
    let broken = policy("a: [\n");
    for output in [
        check(&file, LIST, "{", "{}"),
        check(&file, LIST, "[]", "{}"),
        check(&file, LIST, "{}", "7"),
        check(&broken, LIST, "{}", "{}"),
        check(Path::new("/nonexistent/policy.yaml"), LIST, "{}", "{}"),
    ] {
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stderr.starts_with(b"godwit: "), "{output:?}");
    }
}
