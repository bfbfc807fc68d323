//! Where new ids come from, so that tests can name them.

use godwit_core::ids::MigrationUuid;
use uuid::Uuid;

/// Makes ids that nobody has had.
pub trait Ids: Send + Sync + 'static {
    /// A new uuid.
    fn uuid(&self) -> Uuid;

    /// The uuid of a new migration.
    fn migration(&self) -> MigrationUuid {
        MigrationUuid(self.uuid())
    }
}

/// Random ids.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the API's ids are made"
    )]
    fn uuid(&self) -> Uuid {
        Uuid::new_v4()
    }
}
