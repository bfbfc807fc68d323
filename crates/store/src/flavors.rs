//! Flavors: sizes of servers. Adopted servers bring theirs along.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use crate::among::{among, load_all};
use crate::columns::{Json, storable};
use crate::connection::{Database, on_backend};
use crate::prepared::Prepare as _;
use crate::schema::flavors;
use crate::{Store, StoreError};

/// What a flavor says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flavor {
    /// Its database id, as `old_instance_type_id` shows it.
    pub id: i64,
    /// Its id in the API.
    pub flavorid: String,
    /// Its sizes and its name.
    pub spec: FlavorSpec,
    /// Extra specs.
    pub extra_specs: BTreeMap<String, String>,
}

/// A flavor's name and sizes.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct FlavorSpec {
    pub name: String,
    pub vcpus: i64,
    pub memory_mb: i64,
    pub root_gb: i64,
    pub ephemeral_gb: i64,
    pub swap_mb: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = flavors)]
pub(crate) struct FlavorRow {
    id: i64,
    flavorid: String,
    name: String,
    vcpus: i64,
    memory_mb: i64,
    root_gb: i64,
    ephemeral_gb: i64,
    swap_mb: i64,
    extra_specs: Json<BTreeMap<String, String>>,
}

impl From<FlavorRow> for Flavor {
    fn from(row: FlavorRow) -> Self {
        Self {
            id: row.id,
            flavorid: row.flavorid,
            spec: FlavorSpec {
                name: row.name,
                vcpus: row.vcpus,
                memory_mb: row.memory_mb,
                root_gb: row.root_gb,
                ephemeral_gb: row.ephemeral_gb,
                swap_mb: row.swap_mb,
            },
            extra_specs: row.extra_specs.0,
        }
    }
}

/// Flavors by their database ids: of many servers there are few.
pub(crate) fn flavors_by_id(
    connection: &mut Database,
    ids: impl IntoIterator<Item = i64>,
) -> QueryResult<HashMap<i64, Flavor>> {
    let ids: Vec<i64> = BTreeSet::from_iter(ids).into_iter().collect();
    let rows: Vec<FlavorRow> = on_backend!(connection, |backend| load_all!(backend, ids, |ids| {
        flavors::table
            .filter(among(flavors::id, ids))
            .select(FlavorRow::as_select())
    }));
    let flavors = rows.into_iter().map(|row| (row.id, Flavor::from(row)));
    Ok(flavors.collect())
}

/// The id of a flavor of this name and these sizes, made if need be. `flavorid` is what it
/// would like to be called in the API; where a flavor of other sizes is called so already,
/// its sizes are added to the name.
pub(crate) fn ensure(
    connection: &mut Database,
    flavorid: &str,
    spec: &FlavorSpec,
) -> Result<i64, StoreError> {
    let same = flavors::table
        .filter(flavors::name.eq(&spec.name))
        .filter(flavors::vcpus.eq(spec.vcpus))
        .filter(flavors::memory_mb.eq(spec.memory_mb))
        .filter(flavors::root_gb.eq(spec.root_gb))
        .filter(flavors::ephemeral_gb.eq(spec.ephemeral_gb))
        .filter(flavors::swap_mb.eq(spec.swap_mb))
        .order(flavors::id)
        .select(flavors::id);
    if let Some(id) = same.first(connection).optional()? {
        return Ok(id);
    }
    let FlavorSpec {
        vcpus,
        memory_mb,
        root_gb,
        ephemeral_gb,
        swap_mb,
        ..
    } = spec;
    let sized = format!("{flavorid}-{vcpus}-{memory_mb}-{root_gb}-{ephemeral_gb}-{swap_mb}");
    let named = format!("{sized}-{}", spec.name);
    for wanted in [flavorid, &sized, &named] {
        // Another transaction may be making the same flavor.
        let made = sql_query(
            "INSERT INTO flavors (flavorid, name, vcpus, memory_mb, root_gb, ephemeral_gb,
                                  swap_mb, extra_specs)
             VALUES ($1, $2, $3, $4, $5, $6, $7, '{}')
             ON CONFLICT (flavorid) DO NOTHING",
        )
        .bind::<Text, _>(wanted)
        .bind::<Text, _>(&spec.name)
        .bind::<BigInt, _>(vcpus)
        .bind::<BigInt, _>(memory_mb)
        .bind::<BigInt, _>(root_gb)
        .bind::<BigInt, _>(ephemeral_gb)
        .bind::<BigInt, _>(swap_mb)
        .prepared()
        .execute(connection)?;
        if made == 1 {
            break;
        }
        if let Some(id) = same.first(connection).optional()? {
            return Ok(id);
        }
    }
    Ok(same.first(connection)?)
}

impl Store {
    /// All flavors, by id.
    pub async fn flavor_list(&self) -> Result<Vec<Flavor>, StoreError> {
        self.read(|connection| {
            let rows: Vec<FlavorRow> = flavors::table
                .select(FlavorRow::as_select())
                .order(flavors::id)
                .load(connection)?;
            Ok(rows.into_iter().map(Flavor::from).collect())
        })
        .await
    }

    /// A flavor by its id in the API.
    pub async fn flavor_find(&self, flavorid: &str) -> Result<Option<Flavor>, StoreError> {
        if !storable(flavorid) {
            return Ok(None);
        }
        let flavorid = flavorid.to_owned();
        self.read(move |connection| {
            let row: Option<FlavorRow> = flavors::table
                .filter(flavors::flavorid.eq(&flavorid))
                .select(FlavorRow::as_select())
                .first(connection)
                .optional()?;
            Ok(row.map(Flavor::from))
        })
        .await
    }
}
