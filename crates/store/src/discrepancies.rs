//! Open questions: what the rows and the hypervisors disagree about, until it is resolved.

use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::time::Timestamp;
use godwit_core::transition::Doubt;
use godwit_core::words;

use crate::{Store, StoreError};

words!(
    /// What is odd.
    DiscrepancyKind, "discrepancy kind", {
        /// Two hosts execute the server, and no move explains it.
        SeenTwice = "seen_twice",
        /// No host has the server, though its recorded host was heard.
        SeenNowhere = "seen_nowhere",
        /// The server is on another host than recorded, and it is not clear whether it moved.
        SeenElsewhere = "seen_elsewhere",
        /// Somebody moved the server behind the service's back; the record followed. Opened
        /// and closed at once, so that it is on record.
        MovedByHand = "moved_by_hand",
        /// A move should have ended and nobody can say that it did.
        Overdue = "overdue",
        /// A migration ended while its destination could not be cleaned.
        DestinationNotClean = "destination_not_clean",
        /// A move ended, and its guest runs nowhere.
        GuestNowhere = "guest_nowhere",
        /// A move cannot be judged before a silent host is heard.
        HostSilent = "host_silent",
    }
);

impl From<Doubt> for DiscrepancyKind {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Overdue => Self::Overdue,
            Doubt::DestinationNotClean => Self::DestinationNotClean,
            Doubt::GuestNowhere => Self::GuestNowhere,
        }
    }
}

/// What a discrepancy is about. At most one is open for the same subject.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DiscrepancySubject {
    /// What is odd.
    pub kind: DiscrepancyKind,
    /// About which server.
    pub server: Option<ServerUuid>,
    /// About which migration.
    pub migration: Option<MigrationUuid>,
    /// Where.
    pub host: Option<HostName>,
}

/// A discrepancy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Discrepancy {
    /// Its number.
    pub id: i64,
    /// What it is about.
    pub subject: DiscrepancySubject,
    /// For people.
    pub detail: String,
    /// Since when.
    pub opened_at: Timestamp,
    /// Until when; `None` while open.
    pub closed_at: Option<Timestamp>,
    /// Why it was closed.
    pub closed_because: Option<String>,
}

impl Store {
    /// Opens a discrepancy; `false` if one is open for the subject already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn discrepancy_open(
        &self,
        subject: DiscrepancySubject,
        detail: String,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        unimplemented!("{subject:?} {detail} {at}")
    }

    /// Closes the open discrepancy of a subject; `false` if there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn discrepancy_close(
        &self,
        subject: DiscrepancySubject,
        because: String,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        unimplemented!("{subject:?} {because} {at}")
    }

    /// Open discrepancies, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn discrepancy_list_open(&self) -> Result<Vec<Discrepancy>, StoreError> {
        unimplemented!()
    }
}
