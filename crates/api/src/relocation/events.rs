//! `GET /events`: what happened, in one order, for readers that go on where they stopped: as a
//! list, or as a stream.

use std::collections::BTreeSet;

use godwit_core::event_type::{self, EventKind, KINDS};
use godwit_core::host::scope::ScopeKind;
use godwit_core::ids::{HostName, MigrationUuid, PlanUuid, RunUuid};
use godwit_store::{EventQuery, EventSubject, EventTypes};
use serde::Serialize;

use super::call::Call;
use super::page::{List, Page};
use super::params::{Params, number};
use super::problem::Problem;
use super::reply::Reply;
use super::routes::Answer;
use super::views::event::{EventView, FIELDS};
use super::visibility::Visibility;
use super::{rules, streams};
use crate::http::ids::read_uuid;

/// The keys of the query. How many there are in all is not to be had: that would be counted anew each
/// time, and there are the more the longer one looks back.
pub const KEYS: &[&str] = &["after", "subject", "types", "limit", "fields"];

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::EVENTS_LIST)?;
    let (page, sees) = (Page::read(&call.params, FIELDS)?, call.sees());
    let query = query(&call.params, page.limit, sees)?;
    // It is no use to a list, and malformed there as well.
    let seen = streams::last_seen(&call.headers)?;
    if streams::are_wanted(&call.headers) {
        if page.is_partial() {
            return Err(Problem::input("?fields", "A stream has whole events."));
        }
        return streams::open(call, query, seen).await;
    }
    let found = call.state.store.events_page(&query).await?;
    let last_position = found.last_position.to_string();
    let next = found.more.then(|| call.next("after", &last_position));
    let items = found.events.iter().map(|it| EventView::new(it, sees));
    if page.is_partial() {
        let items = items.map(|it| page.select(&it));
        return reply(items.collect::<Result<_, _>>()?, next, last_position);
    }
    reply(items.collect(), next, last_position)
}

fn reply<T: Serialize>(items: Vec<T>, next: Option<String>, last_position: String) -> Answer {
    Reply::json(&Events {
        list: List {
            items,
            next,
            total: None,
        },
        last_position,
    })
}

#[derive(Serialize)]
struct Events<T> {
    #[serde(flatten)]
    list: List<T>,
    /// Whoever goes on after it misses nothing, whether there was anything or not.
    last_position: String,
}

/// What a reader asks for, as far as it is seen.
fn query(params: &Params, limit: i64, sees: Visibility<'_>) -> Result<EventQuery, Problem> {
    let after = params.parse("after", "It is a position, or left out.", number)?;
    let subject = params.parse("subject", "It is KIND/ID.", subject)?;
    let expected = "They are types, or KIND.*, of those there are, each once.";
    let types = params.parse("types", expected, |text| {
        let named: Vec<&str> = text.split(',').collect();
        are_different(&named).then(|| types(&named)).flatten()
    })?;
    let (subject, nothing) = match subject {
        None => (None, false),
        Some(Subject::Of(subject)) => (Some(subject), false),
        Some(Subject::Other) => (None, true),
    };
    Ok(EventQuery {
        after,
        subject,
        types: match nothing {
            true => Some(EventTypes::default()),
            false => types,
        },
        project: sees.project.map(str::to_owned),
        hosts: sees.hosts,
        limit,
    })
}

/// What events are wanted of.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Subject {
    Of(EventSubject),
    /// Of a kind that has no events yet.
    Other,
}

fn subject(text: &str) -> Option<Subject> {
    let (kind, id) = text.split_once('/')?;
    if let Ok(scope) = kind.parse::<ScopeKind>() {
        let subject = EventSubject::Scope(scope, id.to_owned());
        return (!id.is_empty()).then_some(Subject::Of(subject));
    }
    let Ok(known) = kind.parse::<EventKind>() else {
        return (KINDS.contains(&kind) && !id.is_empty()).then_some(Subject::Other);
    };
    Some(Subject::Of(match known {
        EventKind::Migration => EventSubject::Migration(MigrationUuid(read_uuid(id)?)),
        EventKind::Host => EventSubject::Host(HostName::new(id).ok()?),
        EventKind::Discrepancy => EventSubject::Discrepancy(number(id)?),
        EventKind::Plan => EventSubject::Plan(PlanUuid(read_uuid(id)?)),
        EventKind::Run => EventSubject::Run(RunUuid(read_uuid(id)?)),
        EventKind::Maintenance => EventSubject::Maintenance(HostName::new(id).ok()?),
    }))
}

/// Is each there once?
pub(crate) fn are_different(named: &[&str]) -> bool {
    let mut seen = BTreeSet::new();
    named.iter().all(|it| seen.insert(*it))
}

/// The types that these name; `None`: one is no type.
pub(crate) fn types(named: &[&str]) -> Option<EventTypes> {
    let mut types = EventTypes::default();
    for name in named {
        match name.strip_suffix(".*") {
            // Some kinds have no events yet.
            Some(kind) if KINDS.contains(&kind) => types.kinds.extend(kind.parse::<EventKind>()),
            Some(_) => return None,
            None => {
                let known = event_type::all().find(|it| it.name() == *name)?;
                types.names.push(known.name());
            }
        }
    }
    Some(types)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_names_or_kinds() {
        let read = |text: &str| {
            let named: Vec<&str> = text.split(',').collect();
            types(&named)
        };
        let some = |kinds: &[EventKind], names: &[&str]| {
            Some(EventTypes {
                kinds: kinds.to_vec(),
                names: names.iter().map(|it| (*it).to_owned()).collect(),
            })
        };
        assert_eq!(read("migration.placed"), some(&[], &["migration.placed"]));
        assert_eq!(
            read("migration.placed,relocation.*,host.down"),
            some(&[], &["migration.placed", "host.down"])
        );
        assert_eq!(
            read("migration.placed,migration.*,host.*"),
            some(
                &[EventKind::Migration, EventKind::Host],
                &["migration.placed"]
            )
        );
        assert_eq!(read("relocation.*"), some(&[], &[]));
        assert_eq!(read("run.*"), some(&[EventKind::Run], &[]));
        for bad in [
            "",
            "*",
            "migration",
            "migration.",
            "odd.*",
            "migration.odd",
            "host.placed",
            "run.*,",
            ".*",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert!(are_different(&["host.*", "host.down"]));
        assert!(!are_different(&["host.*", "run.*", "host.*"]));
    }

    #[test]
    fn subjects_are_a_kind_and_an_id() {
        let uuid = "0cd6de88-da98-4f7b-b896-794c5f1cfecd";
        let migration = EventSubject::Migration(uuid.parse().unwrap());
        let host = EventSubject::Host(HostName::new("host-1").unwrap());
        for (text, expected) in [
            (format!("migration/{uuid}"), migration),
            ("host/host-1".to_owned(), host),
            (
                "zone/east 1".to_owned(),
                EventSubject::Scope(ScopeKind::Zone, "east 1".to_owned()),
            ),
            ("discrepancy/7".to_owned(), EventSubject::Discrepancy(7)),
            (
                format!("plan/{uuid}"),
                EventSubject::Plan(uuid.parse().unwrap()),
            ),
            (
                format!("run/{uuid}"),
                EventSubject::Run(uuid.parse().unwrap()),
            ),
            (
                "maintenance/host-1".to_owned(),
                EventSubject::Maintenance(HostName::new("host-1").unwrap()),
            ),
        ] {
            assert_eq!(subject(&text), Some(Subject::Of(expected)), "{text}");
        }
        assert_eq!(subject("relocation/x"), Some(Subject::Other));
        for bad in [
            "",
            "migration",
            "migration/",
            "migration/7",
            "host/",
            "cluster/",
            "cluster",
            "host/a b",
            "discrepancy/x",
            "run/x",
            "plan/",
            "relocation/",
            "odd/1",
        ] {
            assert_eq!(subject(bad), None, "{bad}");
        }
    }
}
