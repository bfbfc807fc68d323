//! `GET /migrations`: every migration that is or was, the newest first.

use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Timestamp;
use godwit_policy::Target;
use godwit_store::{MigrationDetail, MigrationFilter, MigrationKey, MigrationPage};

use super::call::Call;
use super::page::Page;
use super::params::{number, words};
use super::problem::{Code, Problem};
use super::reply::Reply;
use super::routes::Answer;
use super::rules;
use super::views::migration::{FIELDS, MigrationView, kind};
use super::visibility::Visibility;
use crate::http::ids::read_uuid;

/// The keys of a list's query.
pub const KEYS: &[&str] = &[
    "limit",
    "marker",
    "fields",
    "with_total",
    "server",
    "host",
    "status",
    "kind",
    "project",
];

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::MIGRATIONS_LIST)?;
    let (page, sees) = (Page::read(&call.params, FIELDS)?, call.sees());
    let after = page.after(place)?;
    let Some(filter) = filter(call, sees)? else {
        let total = page.with_total.then_some(0);
        return call.list(Vec::<()>::new(), None, total);
    };
    let store = &call.state.store;
    let one_more = MigrationPage {
        limit: page.limit + 1,
        after,
        // Reasons are made of it too.
        timeline: page.wants("timeline") || page.wants("reasons"),
    };
    let found = store.migration_detail_list(&filter, one_more).await?;
    let total = match page.with_total {
        true => Some(store.migration_count(&filter).await?),
        false => None,
    };
    call.page(&page, found, total, marker, |it| {
        page.select(&MigrationView::new(it, sees))
    })
}

pub async fn show(call: &Call) -> Answer {
    call.caller.enforce_own(rules::MIGRATIONS_SHOW)?;
    let page = Page::read(&call.params, FIELDS)?;
    let (sees, no_such) = (call.sees(), || Problem::not_found("such migration"));
    let key = key(&call.ids.id).ok_or_else(no_such)?;
    let found = call.state.store.migration_detail(key, sees.project).await?;
    let detail = found.ok_or_else(no_such)?;
    let target = Target::of_project(detail.server_project_id.as_deref());
    call.caller.enforce(rules::MIGRATIONS_SHOW, &target)?;
    Reply::json(&page.select(&MigrationView::new(&detail, sees))?)
}

/// Reads a uuid, or Nova's number.
fn key(text: &str) -> Option<MigrationKey> {
    let uuid = read_uuid(text).map(|uuid| MigrationKey::Uuid(MigrationUuid(uuid)));
    uuid.or_else(|| number(text).map(MigrationKey::Id))
}

/// Where a page ends: when its last migration was created, in microseconds, and its number.
fn marker(last: &MigrationDetail) -> String {
    let record = &last.record;
    format!("{:x}-{:x}", record.created_at.as_micros(), record.id)
}

fn place(marker: &str) -> Option<(Timestamp, i64)> {
    let hex = |digits| i64::from_str_radix(digits, 16).ok();
    let (at, id) = marker.split_once('-')?;
    Some((Timestamp::from_micros(hex(at)?)?, hex(id)?))
}

/// What the query asks for; `None` where the caller sees nothing of it.
fn filter(call: &Call, sees: Visibility<'_>) -> Result<Option<MigrationFilter>, Problem> {
    let params = &call.params;
    let server = params.parse("server", "It is a uuid.", read_uuid)?;
    let host = params.parse("host", "It is no host's name.", |text| {
        HostName::new(text).ok().map(String::from)
    })?;
    if host.is_some() && !sees.hosts {
        let detail = format!("Policy does not allow {}.", rules::HOSTS_SEE);
        return Err(Problem::new(Code::Forbidden, detail));
    }
    let statuses = words(MigrationStatus::ALL.iter().map(|it| it.as_str()));
    let status = params.parse("status", &statuses, |text| {
        text.parse::<MigrationStatus>().ok()
    })?;
    let kinds = words(MigrationKind::ALL.iter().map(|it| kind(*it)));
    let named = params.parse("kind", &kinds, |text| {
        MigrationKind::ALL.iter().find(|it| kind(**it) == text)
    })?;
    let asked = params.get("project");
    if let (Some(asked), Some(own)) = (asked, sees.project)
        && asked != own
    {
        return Ok(None);
    }
    Ok(Some(MigrationFilter {
        status: status.map(|it| it.as_str().to_owned()),
        host,
        migration_type: named.map(|it| it.as_str().to_owned()),
        server: server.map(ServerUuid),
        server_project_id: sees.project.or(asked).map(str::to_owned),
        ..MigrationFilter::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_back() {
        let at = Timestamp::from_micros(1_795_176_000_000_001).unwrap();
        assert_eq!(place("660b26ad7d001-2a").unwrap().1, 42);
        let text = format!("{:x}-{:x}", at.as_micros(), 7);
        assert_eq!(place(&text).unwrap(), (at, 7));
        for bad in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "x-1",
            "1-x",
            "7fffffffffffffff-1",
            "1-2-3",
        ] {
            assert!(place(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_migration_is_named_by_its_uuid_or_its_number() {
        let uuid = "0cd6de88-da98-4f7b-b896-794c5f1cfecd";
        assert_eq!(key(uuid), Some(MigrationKey::Uuid(uuid.parse().unwrap())));
        assert_eq!(key("17"), Some(MigrationKey::Id(17)));
        for bad in ["", "x", "-1", "0cd6de88da984f7bb896794c5f1cfecd"] {
            assert_eq!(key(bad), None, "{bad}");
        }
    }
}
