//! Server groups, from the tables of Nova's API database. They are known by their uuids alone, so
//! the numbers of Nova's rows are not kept; servers that are not here yet may be members.

use std::collections::HashMap;

use diesel::prelude::*;
use godwit_core::ids::{ServerGroupUuid, ServerUuid};
use godwit_core::server_group::Policy;
use godwit_core::time::Timestamp;
use serde::Deserialize;

use super::ImportError;
use super::columns::Moment;
use super::dump::{Dump, DumpError};
use super::report::{Reason, TableReport, because};
use crate::columns::text;
use crate::connection::Database;
use crate::schema::{server_group_members, server_groups};
use crate::server_groups::{Origin, insert, put_member};
use crate::{NewServerGroup, StoreError};

#[derive(Debug, Deserialize)]
struct GroupRow {
    created_at: Option<Moment>,
    id: i64,
    uuid: ServerGroupUuid,
    name: Option<String>,
    user_id: Option<String>,
    project_id: Option<String>,
}

#[derive(Debug, Deserialize)]
struct PolicyRow {
    group_id: i64,
    policy: Option<String>,
    /// JSON within the JSON.
    rules: Option<String>,
}

#[derive(Debug, Deserialize)]
struct MemberRow {
    created_at: Option<Moment>,
    group_id: i64,
    instance_uuid: Option<ServerUuid>,
}

/// Nova has kept the number as it was asked for: as one, or as text.
#[derive(Debug, Default, Deserialize)]
struct Rules {
    max_server_per_host: Option<Number>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u32),
    Text(String),
}

type Rule = (Policy, Option<u32>);

/// The policies by Nova's numbers of their groups; of several, the first counts.
fn policies(dump: &Dump) -> Result<HashMap<i64, PolicyRow>, DumpError> {
    let mut policies = HashMap::new();
    if let Some(mut rows) = dump.rows("instance_group_policy")? {
        while let Some((_, row)) = rows.next::<PolicyRow>()? {
            policies.entry(row.group_id).or_insert(row);
        }
    }
    Ok(policies)
}

fn rule(row: Option<&PolicyRow>, group: ServerGroupUuid) -> Result<Rule, Reason> {
    let word = row.and_then(|row| row.policy.as_deref());
    let word = word.ok_or_else(|| because("it has no policy", group))?;
    let policy = word
        .parse()
        .map_err(|_| because("its policy is not Nova's", word))?;
    let rules = row.and_then(|row| row.rules.as_deref());
    let wrong = || because("its rules are not Nova's", rules.unwrap_or_default());
    let read: Rules = match rules.filter(|rules| !rules.is_empty()) {
        Some(rules) => serde_json::from_str(rules).map_err(|_| wrong())?,
        None => Rules::default(),
    };
    let most = match read.max_server_per_host {
        Some(Number::Number(most)) => Some(most),
        Some(Number::Text(most)) => Some(most.trim().parse().map_err(|_| wrong())?),
        None => None,
    };
    Ok((policy, most))
}

fn make(row: GroupRow, (policy, most): Rule, now: Timestamp) -> Result<NewServerGroup, Reason> {
    let (Some(project_id), Some(user_id)) = (row.project_id, row.user_id) else {
        return Err(because("it has no owner", row.uuid));
    };
    Ok(NewServerGroup {
        uuid: row.uuid,
        name: row.name.unwrap_or_default(),
        project_id,
        user_id,
        policy,
        max_server_per_host: most,
        by: None,
        at: row.created_at.map_or(now, |Moment(at)| at),
    })
}

/// The groups, and our numbers of them by Nova's.
fn groups(
    connection: &mut Database,
    dump: &Dump,
    now: Timestamp,
) -> Result<(TableReport, HashMap<i64, i64>), ImportError> {
    let mut report = TableReport::of("instance_groups");
    let mut ours = HashMap::new();
    let policies = policies(dump)?;
    let Some(mut rows) = dump.rows("instance_groups")? else {
        return Ok((report, ours));
    };
    report.file = Some(rows.file.clone());
    while let Some((line, row)) = rows.next::<GroupRow>()? {
        let (novas, uuid) = (row.id, row.uuid);
        let rule = rule(policies.get(&novas), uuid);
        match rule.and_then(|rule| make(row, rule, now)) {
            Ok(new) if insert(connection, &new)? => report.brought += 1,
            Ok(_) => report.present += 1,
            Err(reason) => {
                report.skip(line, reason);
                continue;
            }
        }
        if let Some(id) = find(connection, uuid)? {
            ours.insert(novas, id);
        }
    }
    Ok((report, ours))
}

/// A group that was deleted here takes no members any more.
fn find(connection: &mut Database, uuid: ServerGroupUuid) -> Result<Option<i64>, StoreError> {
    Ok(server_groups::table
        .filter(server_groups::uuid.eq(text(uuid)))
        .filter(server_groups::deleted_at.is_null())
        .select(server_groups::id)
        .first(connection)
        .optional()?)
}

/// The group that a server is in here.
fn group_of(connection: &mut Database, server: ServerUuid) -> Result<Option<i64>, StoreError> {
    Ok(server_group_members::table
        .filter(server_group_members::server_uuid.eq(text(server)))
        .select(server_group_members::group_id)
        .first(connection)
        .optional()?)
}

fn members(
    connection: &mut Database,
    dump: &Dump,
    ours: &HashMap<i64, i64>,
    now: Timestamp,
) -> Result<TableReport, ImportError> {
    let mut report = TableReport::of("instance_group_member");
    let Some(mut rows) = dump.rows("instance_group_member")? else {
        return Ok(report);
    };
    report.file = Some(rows.file.clone());
    while let Some((line, row)) = rows.next::<MemberRow>()? {
        let Some(server) = row.instance_uuid else {
            report.skip(line, because("it names no server", row.group_id));
            continue;
        };
        let Some(group) = ours.get(&row.group_id) else {
            report.skip(line, because("its group is not here", server));
            continue;
        };
        match group_of(connection, server)? {
            Some(known) if known == *group => report.present += 1,
            Some(_) => report.skip(line, because("its server is in another group", server)),
            None => {
                let at = row.created_at.map_or(now, |Moment(at)| at);
                put_member(connection, *group, server, Origin::Recorded, at)?;
                report.brought += 1;
            }
        }
    }
    Ok(report)
}

pub(super) fn import(
    connection: &mut Database,
    dump: &Dump,
    now: Timestamp,
) -> Result<(TableReport, TableReport), ImportError> {
    let (groups, ours) = groups(connection, dump, now)?;
    let members = members(connection, dump, &ours, now)?;
    Ok((groups, members))
}
