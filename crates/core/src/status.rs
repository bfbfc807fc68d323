//! Every status a migration can show (`contract: state-machine.md §1`), and the sets
//! that the API and the store ask about. They are listed here and nowhere else.

/// A word from outside (a row, a message) is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a {kind}")]
pub struct UnknownWord {
    /// What was expected, such as "migration status".
    pub kind: &'static str,
    /// What came.
    pub word: String,
}

/// An enum whose variants are words: text in rows and answers, an enum here.
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $kind:literal, { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every variant, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word as rows and answers spell it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::status::UnknownWord;
            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($text => Ok(Self::$variant),)+
                    other => Err($crate::status::UnknownWord { kind: $kind, word: other.to_owned() }),
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub use words;

words!(
    /// What the `status` of a migration can say.
    MigrationStatus, "migration status", {
        /// The request is durable; a destination is being chosen.
        Accepted = "accepted",
        /// Placed; waits for a slot at its source and its destination.
        Queued = "queued",
        /// The destination is being made ready.
        Preparing = "preparing",
        /// The hypervisor moves the guest.
        Running = "running",
        /// The guest already executes at the destination, its memory still follows.
        RunningPostCopy = "running (post-copy)",
        /// Cold and resize: chosen, not begun.
        PreMigrating = "pre-migrating",
        /// Cold and resize: the source works.
        Migrating = "migrating",
        /// Cold and resize: the source is done.
        PostMigrating = "post-migrating",
        /// Cold and resize: waits for its confirmation.
        Finished = "finished",
        /// Cold and resize.
        Confirming = "confirming",
        /// Cold and resize; terminal.
        Confirmed = "confirmed",
        /// Cold and resize.
        Reverting = "reverting",
        /// Cold and resize; terminal.
        Reverted = "reverted",
        /// Evacuation: rebuilt on the destination, leftovers at the source remain.
        Done = "done",
        /// Terminal: the guest is on its destination.
        Completed = "completed",
        /// Terminal: aborted; the guest is on its source.
        Cancelled = "cancelled",
        /// Terminal: rolled back; the guest is on its source.
        Failed = "failed",
        /// Terminal: never began, or ended where nobody may guess.
        Error = "error",
    }
);

impl MigrationStatus {
    /// What Nova's server-migrations API calls in progress (`contract: migrations.md §1`).
    /// It leaves out `accepted` and `running (post-copy)`, on purpose here: that API is
    /// byte for byte Nova's.
    pub const IN_PROGRESS: &'static [Self] = &[
        Self::Queued,
        Self::Preparing,
        Self::Running,
        Self::PostMigrating,
    ];

    /// Is this among [`Self::IN_PROGRESS`]?
    pub fn is_in_progress(self) -> bool {
        Self::IN_PROGRESS.contains(&self)
    }

    /// Will nothing ever change this record's status again? Evacuation's `done` will
    /// become `completed`, so it is not terminal.
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Confirmed
            | Self::Reverted
            | Self::Completed
            | Self::Cancelled
            | Self::Failed
            | Self::Error => true,
            Self::Accepted
            | Self::Queued
            | Self::Preparing
            | Self::Running
            | Self::RunningPostCopy
            | Self::PreMigrating
            | Self::Migrating
            | Self::PostMigrating
            | Self::Finished
            | Self::Confirming
            | Self::Reverting
            | Self::Done => false,
        }
    }

    /// Is the server free of it? True of every terminal status, and of an evacuation's `done`:
    /// what is left of that one concerns the dead host alone. A row in such a status has its
    /// time of end, no deadline, and neither claim nor slots.
    pub const fn has_ended(self) -> bool {
        self.is_terminal() || matches!(self, Self::Done)
    }

    /// Is nothing being done to the server? It has ended, or waits for its confirmation. What it
    /// left shut off at its source is still there until it is terminal.
    pub const fn is_at_rest(self) -> bool {
        self.has_ended() || matches!(self, Self::Finished)
    }
}

words!(
    /// Nova's `migration_type`.
    MigrationKind, "migration type", {
        /// The guest keeps running.
        LiveMigration = "live-migration",
        /// Cold: the guest is off while it moves.
        Migration = "migration",
        /// Cold, with another flavor.
        Resize = "resize",
        /// The source is dead; the guest is rebuilt elsewhere.
        Evacuation = "evacuation",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_reads_back() {
        for status in MigrationStatus::ALL {
            assert_eq!(
                status.as_str().parse::<MigrationStatus>().as_ref(),
                Ok(status)
            );
        }
        assert!(
            "RUNNING".parse::<MigrationStatus>().is_err(),
            "Nova's words are case sensitive"
        );
    }

    #[test]
    fn nothing_in_progress_is_terminal() {
        assert!(
            MigrationStatus::IN_PROGRESS
                .iter()
                .all(|status| !status.is_terminal())
        );
    }
}
