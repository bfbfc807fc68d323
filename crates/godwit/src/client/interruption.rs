//! Ctrl-C: a command ends, and what goes on in the cloud goes on.

use std::io::{self, IsTerminal};

use super::failure::Failure;
use super::screen::Screen;

/// Ends when somebody interrupts the command; never, where that cannot be heard.
pub(super) async fn interrupted(screen: &Screen) -> Failure {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
    if io::stderr().is_terminal() {
        // Behind the ^C that the terminal shows.
        eprintln!();
    }
    Failure::Interrupted(match screen.waits_for() {
        Some(goes_on) => format!("interrupted; {goes_on}"),
        None => "interrupted".to_owned(),
    })
}
