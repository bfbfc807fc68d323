//! `godwit doctor`: looks at everything that a configuration names, and says what is wrong and what
//! to do. It changes nothing.
//!
//! ```text
//!   configuration ─► certificates, access rules, tokens
//!        │           database, its clock ─► conductors, agents: each is called, and its clock read
//!        └─────────► this host's hypervisor, the conductors that its agent calls
//! ```
//!
//! It knows what the roles on this machine know, as long as it is run as their user.

#[cfg(feature = "libvirt")]
mod agent;
mod certificates;
mod database;
mod fleet;
mod notifications;
mod report;
mod traces;

use std::path::Path;
use std::process::ExitCode;

use godwit_api::auth::AuthError;
use godwit_api::config::AuthConfig;
use godwit_api::policy::PolicySource;

use self::report::Report;
use crate::config::Config;
use crate::login::LogIn;

/// Answers 1 when something is wrong.
pub(crate) async fn run(file: &Path) -> ExitCode {
    let mut report = Report::default();
    match Config::read(file) {
        Ok(config) => {
            let text = format!("{} can be read", file.display());
            report.good("configuration", text);
            examine(&config, &mut report).await;
        }
        Err(error) => report.wrong(
            "configuration",
            format!("{error:#}"),
            "docs/godwit.yaml shows every key; whoever runs the roles has to be able to read it",
        ),
    }
    print!("{report}");
    if report.is_bad() {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    }
}

async fn examine(config: &Config, report: &mut Report) {
    let conductor = certificates::of_conductor(config, report);
    if let Ok(database) = config.database() {
        policy(config, report);
        tokens(config, report).await;
        if let Some(store) = database::look(database, report).await {
            fleet::look(config, conductor.as_ref(), &store, report).await;
        }
    } else {
        let text = "none is configured, so there is no API and no conductor here";
        report.good("database", text);
    }
    notifications::look(config, report).await;
    traces::look(config, report).await;
    #[cfg(feature = "libvirt")]
    agent::look(config, report).await;
}

fn policy(config: &Config, report: &mut Report) {
    match PolicySource::open(config.policy.clone()) {
        Ok(_) => report.good("access rules", "they can be read"),
        Err(error) => report.wrong(
            "access rules",
            format!("{:#}", anyhow::Error::from(error)),
            "docs/access.md says how they are written; `godwit policy check` tries them",
        ),
    }
}

/// Tries a token that is none. Whoever can say so can check tokens: Keystone is asked.
async fn tokens(config: &Config, report: &mut Report) {
    const ABOUT: &str = "tokens";
    if config.auth == AuthConfig::default() && !config.identity.development {
        return report.odd(
            ABOUT,
            "nobody's are good here; an API would not start, and a conductor needs none",
            "say in `auth` whose are good, if an API is to run with this file",
        );
    }
    let log_in = match LogIn::configured(config) {
        Ok(log_in) => log_in,
        Err(error) => {
            let text = format!("{error:#}");
            return report.wrong(ABOUT, text, "see `auth` and `identity` in docs/godwit.yaml");
        }
    };
    match log_in.authenticator().authenticate("godwit-doctor").await {
        Err(AuthError::Unavailable(reason)) => report.wrong(
            ABOUT,
            reason,
            "see `auth.keystone`, and docs/keystone.md for what its user may have to do",
        ),
        Err(AuthError::Invalid(_)) | Ok(_) => report.good(ABOUT, "they can be checked"),
    }
}
