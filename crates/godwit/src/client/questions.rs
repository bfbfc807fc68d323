//! Questions that change nothing: which hosts there are, where a server could go, why not.

use godwit_core::reason::ReasonCode;
use serde_json::{Value, json};

use super::api::Api;
use super::documents::{Candidate, read};
use super::failure::{Failure, Outcome};
use super::screen::Screen;
use super::{drain, names, show};

pub(super) async fn hosts(api: &Api, screen: &Screen) -> Result<Outcome, Failure> {
    let list = api.list(&["hosts"], &[]).await?;
    screen.answer(&list, |screen| show::hosts(screen, &list));
    Ok(Outcome::Done)
}

pub(super) async fn candidates(
    api: &Api,
    screen: &Screen,
    server: &str,
) -> Result<Outcome, Failure> {
    let list = candidates_of(api, server).await?;
    screen.answer(&list, |screen| show::candidates(screen, &list));
    Ok(Outcome::Done)
}

async fn candidates_of(api: &Api, server: &str) -> Result<Value, Failure> {
    let server = names::server(api, server).await?;
    api.list(&["servers", &server, "candidates"], &[]).await
}

pub(super) async fn why_not(
    api: &Api,
    screen: &Screen,
    subject: &str,
    host: Option<&str>,
) -> Result<Outcome, Failure> {
    let Some(host) = host else {
        let hint = || format!("of a server it is asked with a host: godwit why-not {subject} HOST");
        let checked = drain::check(api, screen, subject).await;
        return checked.map_err(|failure| failure.with_hint("not-found", hint));
    };
    let list = candidates_of(api, subject).await?;
    let found = list["items"].as_array().into_iter().flatten();
    let Some(candidate) = found.into_iter().find(|it| it["host"] == host) else {
        // It is there already, or nowhere.
        api.get(&["hosts", host], &[("fields", "name")]).await?;
        let candidate = &its_own(host);
        screen.answer(candidate, |screen| {
            show::why_not(screen, subject, &read(candidate));
        });
        return Ok(Outcome::Blocked);
    };
    let it: Candidate = read(candidate);
    screen.answer(candidate, |screen| show::why_not(screen, subject, &it));
    Ok(match it.suitable {
        true => Outcome::Done,
        false => Outcome::Blocked,
    })
}

/// Its own host is no candidate of a server. This is what the API would say of it.
fn its_own(host: &str) -> Value {
    json!({
        "host": host, "suitable": false, "score": null, "facts_at": null,
        "reasons": [{
            "code": ReasonCode::IsSource.as_str(), "text": ReasonCode::IsSource.meaning(),
            "evidence": {}, "fix": null,
        }],
    })
}
