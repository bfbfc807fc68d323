//! Discrepancies: what the records and the hypervisors disagree about, until it is resolved.

mod event;
mod explained;

pub use self::event::DiscrepancyEvent;
use crate::ids::{HostName, MigrationUuid, ServerUuid};
use crate::migration::Migration;
use crate::recovery::End;
use crate::status::words;

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
        /// A migration ended while its source could not be cleaned.
        SourceNotClean = "source_not_clean",
        /// A migration ended while its destination could not be cleaned.
        DestinationNotClean = "destination_not_clean",
        /// A move ended, and its guest runs nowhere.
        GuestNowhere = "guest_nowhere",
        /// A move cannot be judged before a silent host is heard.
        HostSilent = "host_silent",
    }
);

impl DiscrepancyKind {
    /// The end of the move where something is left, if it is about that: such a discrepancy is
    /// closed once the host is clean.
    pub const fn leftover_at(self) -> Option<End> {
        match self {
            Self::SourceNotClean => Some(End::Source),
            Self::DestinationNotClean => Some(End::Destination),
            Self::SeenTwice
            | Self::SeenNowhere
            | Self::SeenElsewhere
            | Self::MovedByHand
            | Self::Overdue
            | Self::GuestNowhere
            | Self::HostSilent => None,
        }
    }
}

/// What a discrepancy is about. At most one is open for the same subject.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct DiscrepancySubject {
    pub kind: DiscrepancyKind,
    pub server: Option<ServerUuid>,
    pub migration: Option<MigrationUuid>,
    pub host: Option<HostName>,
}

impl DiscrepancySubject {
    /// About a server, whatever moves it.
    pub const fn of_server(
        kind: DiscrepancyKind,
        server: ServerUuid,
        host: Option<HostName>,
    ) -> Self {
        Self {
            kind,
            server: Some(server),
            migration: None,
            host,
        }
    }

    /// About a migration, and the host where it has left something; `None` if that would be the
    /// destination of one that was not placed.
    pub fn of_migration(kind: DiscrepancyKind, migration: &Migration) -> Option<Self> {
        Some(Self {
            kind,
            server: Some(migration.server),
            migration: Some(migration.uuid),
            host: match kind.leftover_at() {
                Some(End::Source) => Some(migration.source_compute.clone()),
                Some(End::Destination) => Some(migration.destination()?.clone()),
                None => None,
            },
        })
    }

    /// The subject as one text, by which an open discrepancy is unique.
    pub fn key(&self) -> String {
        fn part<T: ToString>(part: &Option<T>) -> String {
            part.as_ref().map_or_else(|| "-".to_owned(), T::to_string)
        }
        let (server, migration) = (part(&self.server), part(&self.migration));
        format!("{}/{server}/{migration}/{}", self.kind, part(&self.host))
    }
}
