//! A migration as `/os-migrations` lists it.
//!
//! Such lists are long and asked for often. To understand each text of a row, only to write it
//! again, cost more than all the rest: here texts stay texts, and those of a row are in one piece.

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSqlRow};
use diesel::expression::{AppearsOnTable, SelectableExpression, ValidGrouping, is_aggregate};
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment};
use diesel::row::{Field, Row};
use diesel::sql_types::{BigInt, Nullable, Text};
use godwit_core::ids::ServerUuid;
use godwit_core::status::{MigrationKind, MigrationStatus};

use crate::columns::InPlace;
use crate::connection::MultiBackend;
use crate::schema::migrations;

/// What the API shows of a migration in a list of those of all servers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedMigration {
    /// Nova's integer id: unique in this database only.
    pub id: i64,
    /// The flavor before, by its database id; null for evacuations.
    pub old_flavor_id: Option<i64>,
    /// The flavor after, by its database id.
    pub new_flavor_id: Option<i64>,
    texts: String,
    /// Where each begins and ends in `texts`.
    places: [(u32, u32); COUNT],
}

/// Where a text is that is null: nowhere.
const NULL: (u32, u32) = (1, 0);

/// The first column that is shown as text.
const FIRST: usize = 3;

/// Diesel only compares these types with one another: each is read as what it is.
macro_rules! shown {
    ($name:ident) => {
        Nullable<Text>
    };
}

/// What is read of a row: the columns that are shown as text, behind those that are numbers.
macro_rules! columns {
    ($($name:ident),+ $(,)?) => {
        #[expect(non_camel_case_types, reason = "they are columns")]
        #[derive(Clone, Copy)]
        enum Place {
            $($name,)+
        }

        const COUNT: usize = [$(Place::$name),+].len();

        type Types = (
            BigInt,
            Nullable<BigInt>,
            Nullable<BigInt>,
            $(shown!($name),)+
        );

        const COLUMNS: &str = concat!(
            "migrations.id, migrations.old_instance_type_id, migrations.new_instance_type_id",
            $(", migrations.", stringify!($name)),+
        );

        impl ListedMigration {
            $(
                #[doc = concat!("What `", stringify!($name), "` is, unless null.")]
                pub fn $name(&self) -> Option<&str> {
                    self.text(Place::$name)
                }
            )+
        }
    };
}

columns! {
    uuid,
    instance_uuid,
    migration_type,
    status,
    source_compute,
    source_node,
    dest_compute,
    dest_node,
    dest_host,
    user_id,
    project_id,
    created_at,
    updated_at,
}

/// What a statement selects, in one piece: diesel would put it together column by column, three
/// times for each statement.
pub(super) struct Listed;

impl Expression for Listed {
    type SqlType = Types;
}

impl<DB: Backend> QueryFragment<DB> for Listed {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(COLUMNS);
        Ok(())
    }
}

impl ValidGrouping<()> for Listed {
    type IsAggregate = is_aggregate::No;
}

impl AppearsOnTable<migrations::table> for Listed {}
impl SelectableExpression<migrations::table> for Listed {}

impl ListedMigration {
    fn text(&self, place: Place) -> Option<&str> {
        let (begin, end) = self.places[place as usize];
        self.texts.get(begin as usize..end as usize)
    }

    /// Its server, if it is what Nova's API calls a live migration in progress.
    pub fn live_in_progress_of(&self) -> Option<ServerUuid> {
        if self.migration_type()? != MigrationKind::LiveMigration.as_str() {
            return None;
        }
        let status: MigrationStatus = self.status()?.parse().ok()?;
        let server = self.instance_uuid()?.parse().ok();
        server.filter(|_| status.is_in_progress())
    }
}

impl FromSqlRow<Types, MultiBackend> for ListedMigration {
    fn build_from_row<'a>(row: &impl Row<'a, MultiBackend>) -> deserialize::Result<Self> {
        let mut texts = String::with_capacity(384);
        let mut places = [NULL; COUNT];
        for (number, place) in places.iter_mut().enumerate() {
            let field = row.get(FIRST + number).ok_or("a column is missing")?;
            let Some(mut value) = field.value() else {
                continue;
            };
            let begin = u32::try_from(texts.len())?;
            // The last ones are instants.
            if number < Place::created_at as usize {
                texts.push_str(MultiBackend::text(&mut value)?);
            } else {
                MultiBackend::show_instant(value, &mut texts)?;
            }
            *place = (begin, u32::try_from(texts.len())?);
        }
        Ok(Self {
            id: row.get_value::<BigInt, _, usize>(0)?,
            old_flavor_id: row.get_value::<Nullable<BigInt>, _, usize>(1)?,
            new_flavor_id: row.get_value::<Nullable<BigInt>, _, usize>(2)?,
            texts,
            places,
        })
    }
}
