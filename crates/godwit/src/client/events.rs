//! What happened, and what happens.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::api::Api;
use super::failure::{Failure, Outcome};
use super::screen::Screen;
use super::show;
use super::stream::{Heard, Listener};
use crate::cli::client::Events;

pub(super) async fn run(
    api: &Arc<Api>,
    screen: &Screen,
    asked: &Events,
) -> Result<Outcome, Failure> {
    let about = [("subject", &asked.subject), ("types", &asked.types)];
    let about = about
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.clone()?)));
    let about: Vec<(&str, String)> = about.collect();
    if asked.follow {
        let query = about
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value));
        let listener = Listener::start(Arc::clone(api), query.collect(), asked.after.clone());
        return follow(screen, listener, asked.patience.timeout).await;
    }
    let limit = asked.limit.to_string();
    let mut query = vec![("limit", limit.as_str())];
    query.extend(about.iter().map(|(key, value)| (*key, value.as_str())));
    query.extend(asked.after.as_deref().map(|after| ("after", after)));
    let page = api.get(&["events"], &query).await?;
    screen.answer(&page, |screen| {
        let events = page["items"].as_array().map_or(&[][..], Vec::as_slice);
        if events.is_empty() {
            screen.line("none");
        }
        for event in events {
            screen.line(show::event(event));
        }
        if let (true, Some(last)) = (page["next"].is_string(), page["last_position"].as_str()) {
            screen.line(format_args!("there are more: --after {last}"));
        }
    });
    Ok(Outcome::Done)
}

async fn follow(screen: &Screen, mut listener: Listener, timeout: u64) -> Result<Outcome, Failure> {
    let now = Instant::now();
    let deadline = now.checked_add(Duration::from_secs(timeout)).unwrap_or(now);
    while !screen.is_closed() {
        let heard = tokio::select! {
            () = sleep_until(deadline) => {
                let over = format!("{timeout} s of following are over");
                return Err(Failure::TimedOut(over));
            }
            heard = listener.next() => heard,
        };
        match heard {
            Some(Heard::Event(event)) => tell(screen, &event),
            Some(Heard::Missed) => screen.line("events were missed that are kept no longer"),
            Some(Heard::Lost(why)) => screen.line(format_args!("{why}; listening again")),
            Some(Heard::Listening) => {}
            Some(Heard::Deaf(failure)) => return Err(failure),
            None => return Ok(Outcome::Failed),
        }
    }
    Ok(Outcome::Done)
}

fn tell(screen: &Screen, event: &Value) {
    match screen.is_for_programs() {
        true => screen.one_of_many(event),
        false => screen.line(show::event(event)),
    }
}
