//! `/webhooks`: who wants to be called when something happens.
//!
//! ```text
//!   POST /webhooks ─► row, its secret sealed
//!   events ─► deliveries ─► calls, signed ─► delivered, or tried for a day
//! ```
//!
//! What a webhook is told was judged when it was made: what its maker saw, it may show.

pub mod deliver;
mod receiver;
mod secret;

use actix_web::http::StatusCode;
use actix_web::http::header::EntityTag;
use godwit_store::{NewWebhook, Webhook};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

use self::receiver::Address;
pub use self::secret::Secret;
use super::call::Call;
use super::etag;
use super::events;
use super::fields::members;
use super::page::Page;
use super::params::number;
use super::problem::{Code, Problem};
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
use super::views::webhook::{DELIVERY_FIELDS, DeliveryView, FIELDS, WebhookView};
use crate::http::ids::read_uuid;

/// The longest address.
const LONGEST_URL: usize = 2_048;

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::WEBHOOKS_LIST)?;
    let (page, sees) = (Page::read(&call.params, FIELDS)?, call.sees());
    let after = page.after(number)?.unwrap_or(0);
    let store = &call.state.store;
    let found = store
        .webhook_list(sees.project, after, page.limit + 1)
        .await?;
    let total = match page.with_total {
        true => Some(store.webhook_count(sees.project).await?),
        false => None,
    };
    call.page(
        &page,
        found,
        total,
        |it| it.id.to_string(),
        |it| page.select(&WebhookView::new(it, sees)),
    )
}

pub async fn show(call: &Call) -> Answer {
    call.caller.enforce_own(rules::WEBHOOKS_SHOW)?;
    let page = Page::read(&call.params, FIELDS)?;
    let found = find(call).await?;
    let reply = Reply::json(&page.select(&WebhookView::new(&found, call.sees()))?)?;
    Ok(reply.tagged(version(&found)))
}

/// 201 with the secret, which nobody is shown again.
pub async fn create(call: &Call) -> Answer {
    call.caller.enforce_own(rules::WEBHOOKS_CREATE)?;
    let state = &call.state;
    let Some(sealing) = &state.sealing else {
        let detail = "There is no key to seal secrets with. An operator has to configure one.";
        return Err(Problem::new(Code::Unavailable, detail));
    };
    let wanted = Wanted::read(&call.body)?;
    if !Address::of(&wanted.url).is_allowed(&state.callable).await {
        return Err(Problem::input("#/url", "It leads to what is not public."));
    }
    let secret = match wanted.secret {
        Some(secret) => secret,
        None => Secret::random().map_err(Problem::internal)?,
    };
    let (uuid, sees) = (state.ids.uuid(), call.sees());
    let new = NewWebhook {
        uuid,
        project_id: call.caller.project_id().unwrap_or_default().to_owned(),
        user_id: call.caller.user_id().map(str::to_owned),
        request_id: Some(call.request_id.clone()),
        url: wanted.url.into(),
        types: wanted.types,
        secret: sealing
            .seal(secret.text(), uuid)
            .map_err(Problem::internal)?,
        sees_hosts: sees.hosts,
        sees_project: sees.project.map(str::to_owned),
        at: state.clock.now(),
    };
    let most = state.config.quotas.webhooks;
    let made = state.store.webhook_create(new, most.into()).await?;
    let made = made.ok_or_else(|| {
        let detail = format!("A project may have {most} webhooks.");
        Problem::new(Code::QuotaExceeded, detail)
    })?;
    let view = WebhookView::new(&made, sees);
    let again = Reply::json(&view)?;
    let reply = Reply::json(&view.with_secret(secret.text()))?.kept_as(again);
    let address = call.address_of(&format!("/webhooks/{uuid}"));
    let reply = reply.made(StatusCode::CREATED, address);
    Ok(reply.tagged(version(&made)))
}

/// Of its version that was read, where `If-Match` names one.
pub async fn delete(call: &Call) -> Answer {
    call.caller.enforce_own(rules::WEBHOOKS_DELETE)?;
    let found = find(call).await?;
    // Nothing else changes a webhook, so none is changed behind this.
    etag::check(&call.headers, &version(&found))?;
    match call.state.store.webhook_delete(found.uuid).await? {
        true => Ok(Reply::empty()),
        false => Err(no_such_webhook()),
    }
}

pub async fn deliveries(call: &Call) -> Answer {
    call.caller.enforce_own(rules::WEBHOOKS_SHOW)?;
    let page = Page::read(&call.params, DELIVERY_FIELDS)?;
    let before = page.after(number)?;
    let (webhook, store) = (find(call).await?, &call.state.store);
    let found = store
        .webhook_deliveries(webhook.id, before, page.limit + 1)
        .await?;
    let total = match page.with_total {
        true => Some(store.webhook_delivery_count(webhook.id).await?),
        false => None,
    };
    call.page(
        &page,
        found,
        total,
        |it| it.position.to_string(),
        |it| page.select(&DeliveryView::new(it)),
    )
}

/// 202 with the delivery, which is tried once more whatever became of it.
pub async fn redeliver(call: &Call) -> Answer {
    call.caller.enforce_own(rules::WEBHOOKS_REDELIVER)?;
    if !matches!(&call.body, Value::Null) {
        members(&call.body, &[])?;
    }
    let (webhook, now) = (find(call).await?, call.state.clock.now());
    let no_such = || Problem::not_found("such delivery");
    let delivery = read_uuid(&call.ids.delivery).ok_or_else(no_such)?;
    let store = &call.state.store;
    let found = store.webhook_redeliver(webhook.id, delivery, now).await?;
    let reply = Reply::json(&DeliveryView::new(&found.ok_or_else(no_such)?))?;
    let address = call.address_of(&format!("/webhooks/{}/deliveries", webhook.uuid));
    Ok(reply.made(StatusCode::ACCEPTED, address))
}

fn no_such_webhook() -> Problem {
    Problem::not_found("such webhook")
}

/// A webhook is made and deleted, and never anything else: it has one version.
fn version(webhook: &Webhook) -> EntityTag {
    etag::of_generation(webhook.created_at.as_micros())
}

/// The webhook that the path names.
async fn find(call: &Call) -> Result<Webhook, Problem> {
    let uuid: Uuid = read_uuid(&call.ids.id).ok_or_else(no_such_webhook)?;
    let store = &call.state.store;
    let found = store.webhook_find(uuid, call.sees().project).await?;
    found.ok_or_else(no_such_webhook)
}

/// What somebody asks for.
#[derive(Debug)]
struct Wanted {
    url: Url,
    types: Vec<String>,
    secret: Option<Secret>,
}

impl Wanted {
    fn read(body: &Value) -> Result<Self, Problem> {
        let members = members(body, &["url", "types", "secret"])?;
        let url = members.get("url").and_then(Value::as_str);
        let url = url.and_then(url_of).ok_or_else(|| {
            Problem::input("#/url", "It is an http or https URL, without a user in it.")
        })?;
        let types = members.get("types").and_then(types_of).ok_or_else(|| {
            let detail = "They are types, or KIND.*, of those there are, each once; at least one.";
            Problem::input("#/types", detail)
        })?;
        let secret = match members.get("secret") {
            None | Some(Value::Null) => None,
            Some(given) => Some(given.as_str().and_then(Secret::read).ok_or_else(|| {
                let detail = "It is whsec_ and 24 to 64 bytes in base64.";
                Problem::input("#/secret", detail)
            })?),
        };
        Ok(Self { url, types, secret })
    }
}

fn url_of(text: &str) -> Option<Url> {
    let url = (text.len() <= LONGEST_URL).then(|| Url::parse(text).ok())??;
    let good = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    good.then_some(url)
}

fn types_of(value: &Value) -> Option<Vec<String>> {
    let types: Option<Vec<String>> = value
        .as_array()?
        .iter()
        .map(|it| Some(it.as_str()?.to_owned()))
        .collect();
    let types = types.filter(|types| !types.is_empty())?;
    let named: Vec<&str> = types.iter().map(String::as_str).collect();
    events::types(&named)?;
    events::are_different(&named).then_some(types)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_may_be_asked_for() {
        let good =
            json!({"url": "https://example.org/hook?x=1", "types": ["migration.*", "run.*"]});
        let wanted = Wanted::read(&good).unwrap();
        assert_eq!(wanted.url.as_str(), "https://example.org/hook?x=1");
        assert_eq!(wanted.types, ["migration.*", "run.*"]);
        assert!(wanted.secret.is_none());
        for (name, value) in [
            ("url", json!(null)),
            ("url", json!("example.org")),
            ("url", json!("ftp://example.org/")),
            ("url", json!("https://me:secret@example.org/")),
            (
                "url",
                json!(format!("https://example.org/{}", "x".repeat(2_048))),
            ),
            ("types", json!("migration.*")),
            ("types", json!([])),
            ("types", json!(["odd.*"])),
            ("types", json!(["migration.placed,migration.booted"])),
            ("types", json!(["host.*", "run.*", "host.*"])),
            ("secret", json!("x")),
            ("secret", json!(7)),
            ("odd", json!(1)),
        ] {
            let mut body = good.clone();
            body[name] = value;
            let problem = Wanted::read(&body).unwrap_err();
            assert_eq!(problem.code(), Code::InvalidInput, "{body}");
        }
        assert!(Wanted::read(&json!([])).is_err() && Wanted::read(&Value::Null).is_err());
    }
}
