//! Where new ids come from, so that tests can name them, and how ids are read.

use godwit_core::ids::MigrationUuid;
use uuid::Uuid;

pub trait Ids: Send + Sync + 'static {
    fn uuid(&self) -> Uuid;

    /// A new password of twelve characters, none of which looks like another.
    fn password(&self) -> String {
        const CHARACTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        // Of a random uuid's sixteen bytes two are not random throughout, the middle ones.
        let bytes = self.uuid().into_bytes();
        let random = bytes[..6].iter().chain(&bytes[10..]);
        random
            .map(|byte| char::from(CHARACTERS[usize::from(byte % 32)]))
            .collect()
    }

    fn migration(&self) -> MigrationUuid {
        MigrationUuid(self.uuid())
    }
}

/// Reads a uuid as servers and migrations are named: in groups with dashes, in any case.
pub fn read_uuid(text: &str) -> Option<Uuid> {
    // The parser alone would also accept braces, a URN, and no dashes.
    (text.len() == 36)
        .then(|| Uuid::parse_str(text).ok())
        .flatten()
}

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
