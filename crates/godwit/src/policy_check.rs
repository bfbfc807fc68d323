//! `godwit policy check`: what would the service decide?

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use godwit_api::config::RemoteConfig;
use godwit_api::policy::{self, RemoteCaller};
use godwit_policy::{Credentials, Decision, Enforcer, Settings, Target, registry};
use serde_json::Value;

use crate::cli::PolicyCheck;

/// Answers with 0 when allowed and 1 when denied; the reason goes to standard output.
pub(crate) fn run(question: &PolicyCheck) -> Result<ExitCode> {
    let overrides = policy::read_file(&question.policy)?;
    let remote = Arc::new(RemoteCaller::new(&RemoteConfig::default())?);
    let enforcer =
        Enforcer::new(registry::NOVA, &overrides, &Settings::default()).with_remote(remote);
    for finding in enforcer.findings() {
        eprintln!("note: {finding}");
    }
    let credentials = credentials(&question.credentials, &enforcer)?;
    let target = target(&question.target)?;
    let denied = match enforcer.decide(&question.rule, &credentials, &target) {
        Decision::Allowed => {
            println!("allowed by {}", question.rule);
            return Ok(ExitCode::SUCCESS);
        }
        Decision::Denied { rule, fault: None } => rule,
        Decision::Denied {
            rule,
            fault: Some(fault),
        } => format!("{rule}: {fault}"),
        Decision::WrongScope { rule, scope } => {
            format!("{rule}: it is not for tokens of scope {scope}")
        }
    };
    println!("denied by {denied}");
    Ok(ExitCode::from(1))
}

/// Whether they are an administrator's is for the rules to say, not for the one who asks.
fn credentials(json: &str, enforcer: &Enforcer) -> Result<Credentials> {
    let attributes = serde_json::from_str(json).context("--credentials is not JSON")?;
    let credentials = Credentials::from_json(attributes).context("--credentials")?;
    let is_admin = enforcer.is_admin(&credentials);
    Ok(credentials.with_is_admin(is_admin))
}

fn target(json: &str) -> Result<Target> {
    match serde_json::from_str(json).context("--target is not JSON")? {
        Value::Object(values) => Ok(Target::from(values)),
        _ => bail!("--target must be a JSON object"),
    }
}
