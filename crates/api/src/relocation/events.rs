//! `GET /events`: what happened, in one order, for readers that go on where they stopped: as a
//! list, or as a stream.

use godwit_core::event_type::{EVENT_TYPES, KINDS};
use godwit_core::ids::MigrationUuid;
use godwit_store::EventQuery;
use serde::Serialize;

use super::call::Call;
use super::page::{List, limit};
use super::params::{Params, number};
use super::problem::Problem;
use super::reply::Reply;
use super::routes::Answer;
use super::views::event::EventView;
use super::visibility::Visibility;
use super::{rules, streams};
use crate::http::ids::read_uuid;

/// The keys of the query.
pub const KEYS: &[&str] = &["after", "subject", "types", "limit"];

/// The kind of subject that has events.
const MIGRATION: &str = "migration";

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_own(rules::EVENTS_LIST)?;
    let sees = call.sees();
    let query = query(&call.params, sees)?;
    if streams::are_wanted(&call.headers) {
        return streams::open(call, query).await;
    }
    let page = call.state.store.events_page(&query).await?;
    let last_position = page.last_position.to_string();
    let items = page.events.iter().map(|it| EventView::new(it, sees));
    Reply::json(&Events {
        list: List {
            items: items.collect(),
            next: page.more.then(|| call.next("after", &last_position)),
            total: None,
        },
        last_position,
    })
}

#[derive(Serialize)]
struct Events<'a> {
    #[serde(flatten)]
    list: List<EventView<'a>>,
    /// Whoever goes on after it misses nothing, whether there was anything or not.
    last_position: String,
}

/// What a reader asks for, as far as it is seen.
pub(crate) fn query(params: &Params, sees: Visibility<'_>) -> Result<EventQuery, Problem> {
    let after = params.parse("after", "It is a position, or left out.", number)?;
    let subject = params.parse("subject", "It is KIND/ID.", subject)?;
    let types = params.parse(
        "types",
        "They are types, or KIND.*, of those there are.",
        names,
    )?;
    let (migration, nothing) = match subject {
        None => (None, false),
        Some(Subject::Migration(uuid)) => (Some(uuid), false),
        Some(Subject::Other) => (None, true),
    };
    let names = match nothing {
        true => Some(Vec::new()),
        false => types.flatten(),
    };
    Ok(EventQuery {
        after,
        migration,
        names,
        project: sees.project.map(str::to_owned),
        limit: limit(params)?,
    })
}

/// What events are wanted of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Subject {
    Migration(MigrationUuid),
    /// Of a kind that has no events yet.
    Other,
}

fn subject(text: &str) -> Option<Subject> {
    let (kind, id) = text.split_once('/')?;
    if kind == MIGRATION {
        return Some(Subject::Migration(MigrationUuid(read_uuid(id)?)));
    }
    (KINDS.contains(&kind) && !id.is_empty()).then_some(Subject::Other)
}

/// The names of the events of migrations that are wanted; the inner `None`: all of them. The outer
/// one: something is no type.
pub(crate) fn names(text: &str) -> Option<Option<Vec<String>>> {
    let mut names = Vec::new();
    let mut all = false;
    for pattern in text.split(',') {
        match pattern.strip_suffix(".*") {
            Some(kind) if KINDS.contains(&kind) => all |= kind == MIGRATION,
            Some(_) => return None,
            None => {
                let known = EVENT_TYPES.iter().find(|it| it.name == pattern)?;
                let (_, name) = known.name.split_once('.')?;
                names.push(name.to_owned());
            }
        }
    }
    Some((!all).then_some(names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_names_or_kinds() {
        let some = |list: &[&str]| Some(Some(list.iter().map(|it| (*it).to_owned()).collect()));
        assert_eq!(names("migration.placed"), some(&["placed"]));
        assert_eq!(
            names("migration.placed,run.*,migration.booted"),
            some(&["placed", "booted"])
        );
        assert_eq!(names("migration.placed,migration.*"), Some(None));
        assert_eq!(names("run.*"), some(&[]));
        for bad in [
            "",
            "*",
            "migration",
            "migration.",
            "odd.*",
            "migration.odd",
            "run.*,",
            ".*",
        ] {
            assert_eq!(names(bad), None, "{bad}");
        }
    }

    #[test]
    fn subjects_are_a_kind_and_an_id() {
        let uuid = "0cd6de88-da98-4f7b-b896-794c5f1cfecd";
        let migration = Subject::Migration(uuid.parse().unwrap());
        assert_eq!(subject(&format!("migration/{uuid}")), Some(migration));
        assert_eq!(subject("host/host-1"), Some(Subject::Other));
        for bad in [
            "",
            "migration",
            "migration/",
            "migration/7",
            "host/",
            "odd/1",
        ] {
            assert_eq!(subject(bad), None, "{bad}");
        }
    }
}
