//! Following whatever somebody names to its end.

use std::sync::Arc;

use godwit_core::ids::{HostName, RunUuid};
use serde_json::Value;

use super::api::Api;
use super::documents::{Maintenance, read};
use super::drain::outcome_of_drain;
use super::failure::{Failure, Outcome};
use super::follow::{Follow, MaintenanceOf, MigrationOf, RunOf, newest, outcome_of_run};
use super::screen::Screen;
use super::{names, show};

/// What a name stands for.
enum Subject {
    Run(String),
    Host(String),
    Server(String),
}

pub(super) async fn run(
    api: &Arc<Api>,
    screen: &Screen,
    named: &str,
    timeout: u64,
) -> Result<Outcome, Failure> {
    let mut follow = Follow::new(api, screen, timeout);
    match subject(api, named).await? {
        Subject::Run(run) => {
            let ended = follow.until_end(&mut RunOf::new(run)).await?;
            screen.answer(&ended, |screen| {
                show::run(screen, &read(&ended), &follow.names)
            });
            Ok(outcome_of_run(&ended))
        }
        Subject::Host(host) => watch_host(&mut follow, &host).await,
        Subject::Server(server) => watch_server(&mut follow, named, &server).await,
    }
}

async fn subject(api: &Api, named: &str) -> Result<Subject, Failure> {
    if let Ok(run) = named.parse::<RunUuid>() {
        let run = run.to_string();
        return match api.get(&["runs", &run], &[("fields", "id")]).await {
            Ok(_) => Ok(Subject::Run(run)),
            Err(failure) if failure.is_not_found() || failure.is_forbidden() => {
                Ok(Subject::Server(run))
            }
            Err(failure) => Err(failure),
        };
    }
    let server = names::server(api, named).await;
    if HostName::new(named).is_err() {
        return server.map(Subject::Server);
    }
    let host = api.get(&["hosts", named], &[("fields", "name")]).await;
    match (host, server) {
        (Ok(_), Ok(server)) => Err(Failure::Name(format!(
            "both a host and a server are called {named:?}; name the server by its UUID, {server}, or the host's run"
        ))),
        (Ok(_), Err(_)) => Ok(Subject::Host(named.to_owned())),
        (Err(failure), server) if failure.is_not_found() || failure.is_forbidden() => {
            server.map(Subject::Server)
        }
        (Err(failure), _) => Err(failure),
    }
}

async fn watch_server(
    follow: &mut Follow<'_>,
    named: &str,
    server: &str,
) -> Result<Outcome, Failure> {
    let Some(migration) = newest(follow.api, server).await? else {
        // Nobody has looked yet whether there is such a server.
        let path = ["servers", server];
        follow.api.get(&path, &[("fields", "id")]).await?;
        follow.screen.answer(&Value::Null, |screen| {
            screen.line(format_args!("{named} has never moved"));
        });
        return Ok(Outcome::Done);
    };
    let migration = migration["uuid"].as_str().unwrap_or_default();
    let mut subject = MigrationOf::new(named.to_owned(), migration.to_owned());
    let ended = follow.until_end(&mut subject).await?;
    follow.screen.answer(&ended, |_| ());
    Ok(MigrationOf::outcome(&ended))
}

async fn watch_host(follow: &mut Follow<'_>, host: &str) -> Result<Outcome, Failure> {
    let path = ["hosts", host, "maintenance"];
    let it: Maintenance = read(&follow.api.get(&path, &[]).await?);
    let is_leaving = matches!(it.state.as_str(), "leaving" | "none");
    let run = match it.run {
        Some(run) => outcome_of_run(&follow.until_end(&mut RunOf::new(run)).await?),
        None => Outcome::Done,
    };
    let maintenance = match run {
        Outcome::Done => {
            follow
                .until_end(&mut MaintenanceOf::new(host.to_owned()))
                .await?
        }
        _ => follow.api.get(&path, &[]).await?,
    };
    let it: Maintenance = read(&maintenance);
    follow
        .names
        .learn(follow.api, it.blockers.iter().map(|it| it.server.as_str()))
        .await;
    follow.screen.answer(&maintenance, |screen| {
        show::maintenance(screen, host, &it, &follow.names);
    });
    Ok(match is_leaving {
        true => run,
        false => outcome_of_drain(run, &it),
    })
}
