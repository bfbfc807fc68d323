//! Flavors. Servers refer to them by database id, and a flavor of the same name may be here
//! under another one.

use godwit_core::resources::Resources;
use std::collections::HashMap;

use diesel::prelude::*;
use serde::Deserialize;

use super::ImportError;
use super::batch::{Incoming, Key, Target, new_row, transfer};
use super::columns::Life;
use super::dump::Dump;
use super::report::{Reason, TableReport, because};
use crate::StoreError;
use crate::connection::Database;
use crate::flavors::{FlavorSpec, ensure};
use crate::schema::flavors;

#[derive(Debug, Deserialize)]
struct Row {
    #[serde(flatten)]
    life: Life,
    id: i64,
    flavorid: String,
    name: String,
    memory_mb: i64,
    vcpus: i64,
    #[serde(default)]
    swap: i64,
    root_gb: Option<i64>,
    ephemeral_gb: Option<i64>,
}

const TARGET: Target = Target {
    table: "flavors",
    source: "flavors",
    key: Key::Unique("flavorid"),
};

pub(super) struct Sizes {
    ours: HashMap<i64, i64>,
}

impl Sizes {
    /// Our flavor for a server that Nova gave the flavor `id`. Where nothing is known of that
    /// one, the server's own sizes make one.
    pub(super) fn of(
        &mut self,
        connection: &mut Database,
        id: Option<i64>,
        room: Resources,
        ephemeral_gb: i64,
    ) -> Result<i64, StoreError> {
        if let Some(ours) = id.and_then(|id| self.ours.get(&id)) {
            return Ok(*ours);
        }
        let name = id.map_or_else(|| "nova".to_owned(), |id| format!("nova-{id}"));
        let spec = FlavorSpec {
            name: name.clone(),
            vcpus: room.vcpus,
            memory_mb: room.memory_mb,
            root_gb: room.disk_gb - ephemeral_gb,
            ephemeral_gb,
            swap_mb: 0,
        };
        let ours = ensure(connection, &name, &spec)?;
        if let Some(id) = id {
            self.ours.insert(id, ours);
        }
        Ok(ours)
    }
}

fn make(row: &Row) -> Result<Incoming, Reason> {
    if row.life.is_deleted() {
        return Err(because("it is deleted", &row.flavorid));
    }
    let new = new_row! {
        id: row.id,
        flavorid: row.flavorid,
        name: row.name,
        vcpus: row.vcpus,
        memory_mb: row.memory_mb,
        root_gb: row.root_gb.unwrap_or_default(),
        ephemeral_gb: row.ephemeral_gb.unwrap_or_default(),
        swap_mb: row.swap,
        extra_specs: "{}",
    };
    Ok(Incoming::new(row.id, &row.flavorid, new))
}

pub(super) fn import(
    connection: &mut Database,
    dump: &Dump,
) -> Result<(TableReport, Sizes), ImportError> {
    let mut called = Vec::new();
    let report = transfer(connection, dump, &TARGET, |_, row: Row| {
        let incoming = make(&row);
        if incoming.is_ok() {
            called.push((row.id, row.flavorid));
        }
        Ok(incoming)
    })?;
    let here: Vec<(String, i64)> = flavors::table
        .select((flavors::flavorid, flavors::id))
        .load(connection)
        .map_err(StoreError::from)?;
    let here: HashMap<_, _> = here.into_iter().collect();
    let ours = called
        .into_iter()
        .filter_map(|(id, flavorid)| Some((id, *here.get(&flavorid)?)));
    let ours = ours.collect();
    Ok((report, Sizes { ours }))
}
