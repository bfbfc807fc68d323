//! The commands that are clients of `/relocation/v1`.
//!
//! ```text
//!   clouds.yaml, OS_* ─► Keystone ─► token, catalog ─► /relocation/v1 ─► tables, or JSON
//! ```
//!
//! They know of the service what it tells everybody, and open nothing of it beside that.

mod api;
mod clouds;
mod documents;
mod drain;
mod events;
mod failure;
mod follow;
mod identity;
mod interruption;
mod names;
mod plan;
mod progress;
mod questions;
mod run;
mod screen;
mod show;
mod stream;
mod watch;

use std::sync::Arc;

use self::api::Api;
use self::failure::{Failure, Outcome};
use self::interruption::interrupted;
use self::screen::Screen;
use crate::cli::access::Access;
use crate::cli::client::plan::Plan;
use crate::cli::client::{Client, Output, Run};

/// Does what was asked for; the answer is what the program ends with.
pub(crate) async fn run(command: &Client, access: &Access) -> std::process::ExitCode {
    let screen = Screen::new(output(command).json);
    let outcome = tokio::select! {
        outcome = asked(command, access, &screen) => outcome,
        failure = interrupted(&screen) => Err(failure),
    };
    let outcome = outcome.unwrap_or_else(|failure| {
        eprintln!("godwit: {failure}");
        failure.outcome()
    });
    outcome.into()
}

async fn asked(command: &Client, access: &Access, screen: &Screen) -> Result<Outcome, Failure> {
    if let Client::Drain(drain) = command {
        drain::is_asked_for(drain)?;
    }
    let api = Arc::new(Api::log_in(access).await?);
    match command {
        Client::Drain(asked) => drain::drain(&api, screen, asked).await,
        Client::Undrain(asked) => drain::undrain(&api, screen, asked).await,
        Client::Plan(command) => plan::run(&api, screen, command).await,
        Client::Run(command) => run::run(&api, screen, command).await,
        Client::Candidates { server, .. } => questions::candidates(&api, screen, server).await,
        Client::WhyNot { subject, host, .. } => {
            let host = host.as_ref().map(|it| it.as_str());
            questions::why_not(&api, screen, subject, host).await
        }
        Client::Watch {
            subject, patience, ..
        } => watch::run(&api, screen, subject, patience.timeout).await,
        Client::Hosts { .. } => questions::hosts(&api, screen).await,
        Client::Events(asked) => events::run(&api, screen, asked).await,
    }
}

/// How the command's answer is wanted.
fn output(command: &Client) -> Output {
    match command {
        Client::Drain(asked) => asked.output,
        Client::Undrain(asked) => asked.output,
        Client::Events(asked) => asked.output,
        Client::Candidates { output, .. }
        | Client::WhyNot { output, .. }
        | Client::Watch { output, .. }
        | Client::Hosts { output } => *output,
        Client::Plan(command) => match command {
            Plan::Create(asked) => asked.output,
            Plan::List(asked) => asked.output,
            Plan::Show { output, .. } | Plan::Run { output, .. } | Plan::Remake { output, .. } => {
                *output
            }
            Plan::Delete { .. } => Output { json: false },
        },
        Client::Run(command) => match command {
            Run::List(asked) => asked.output,
            Run::Show { output, .. }
            | Run::Cancel { output, .. }
            | Run::Skip { output, .. }
            | Run::HostDone { output, .. } => *output,
        },
    }
}
