//! `godwit token issue`: a token for whoever holds the private key.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use godwit_api::auth::claims::Claims;
use godwit_api::development_identity::{User, project_named, user_named};
use godwit_api::ids::{Ids, RandomIds};
use godwit_core::time::Clock;

use crate::cli::Issue;
use crate::clock::SystemClock;
use crate::deployment::{self, Resolved};
use crate::keys;

/// What an administrator is when nobody says otherwise: the roles that Keystone's `admin` implies.
const ADMINISTRATOR: &[&str] = &["admin", "manager", "member", "reader"];

pub(crate) fn run(issue: &Issue) -> Result<ExitCode> {
    let (key, development) = match deployment::resolve(&issue.deployment)? {
        Resolved::Data(directory) => (directory.keys().private, true),
        Resolved::Config(config) => {
            let key = config.identity.private_key.clone();
            let key = key.context("no `identity.private_key` is configured")?;
            (key, config.identity.development)
        }
    };
    let signer = keys::signer(&key)?;
    println!("{}", signer.sign(&claims(issue, development))?);
    Ok(ExitCode::SUCCESS)
}

/// Names of the development identity stand for its ids; everything else is an id.
fn claims(issue: &Issue, development: bool) -> Claims {
    let name = issue.user.as_deref().unwrap_or("admin");
    let known = user_named(name).filter(|_| development);
    let now = SystemClock.now();
    let mut claims = Claims::lasting(now, now.plus(Duration::from_secs(issue.ttl)));
    claims.sub = Some(known.map_or_else(|| name.to_owned(), User::id));
    claims.user_domain_id = Some("default".to_owned());
    claims.jti = Some(RandomIds.uuid().simple().to_string());
    claims.roles = roles(issue, known);
    if issue.system {
        claims.system_scope = Some("all".to_owned());
        return claims;
    }
    let own = known.map_or("admin", |user| user.project.name);
    let project = issue.project.as_deref().unwrap_or(own);
    let known = project_named(project).filter(|_| development);
    claims.project_id = Some(known.map_or_else(|| project.to_owned(), |project| project.id()));
    claims.project_domain_id = Some("default".to_owned());
    claims
}

fn roles(issue: &Issue, known: Option<User>) -> Vec<String> {
    if !issue.roles.is_empty() {
        return issue.roles.clone();
    }
    let roles = match known {
        Some(user) if issue.system => user.system_roles,
        Some(user) => user.roles,
        // Nobody in particular was named, so it is for the operator who holds the key.
        None if issue.user.is_none() => ADMINISTRATOR,
        None => &[],
    };
    roles.iter().map(|role| (*role).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command, Token};
    use clap::Parser;

    fn issued(arguments: &str, development: bool) -> Claims {
        let line = format!("godwit token issue {arguments}");
        let cli = Cli::parse_from(line.split_whitespace());
        let Command::Token(Token::Issue(issue)) = cli.command else {
            panic!("not `token issue`");
        };
        claims(&issue, development)
    }

    #[test]
    fn names_of_the_development_identity_are_its_ids() {
        let demo = project_named("demo").unwrap().id();
        let member = user_named("member").unwrap();
        let claims = issued("--user member", true);
        assert_eq!(claims.sub, Some(member.id()));
        assert_eq!(claims.project_id, Some(demo.clone()));
        assert_eq!(claims.roles, ["member", "reader"]);

        let claims = issued("--project demo --role reader", true);
        assert_eq!(claims.project_id, Some(demo));
        assert_eq!(claims.roles, ["reader"]);
    }

    #[test]
    fn elsewhere_they_are_ids() {
        let claims = issued("--user member --project demo", false);
        assert_eq!(claims.sub.as_deref(), Some("member"));
        assert_eq!(claims.project_id.as_deref(), Some("demo"));
        assert_eq!(claims.roles, [""; 0]);
    }

    #[test]
    fn without_a_word_it_is_for_an_administrator() {
        for development in [true, false] {
            assert_eq!(issued("", development).roles, ADMINISTRATOR);
            let system = issued("--system", development);
            assert_eq!(system.roles, ADMINISTRATOR);
            assert_eq!(system.system_scope.as_deref(), Some("all"));
            assert_eq!(system.project_id, None);
        }
    }
}
