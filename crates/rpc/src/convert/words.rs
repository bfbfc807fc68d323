//! Enumerations. A zero is a sender that forgot; a number of a later minor version must not
//! arrive, because both sides use only what the lower one knows.

use godwit_core::host::link::LinkRole;
use godwit_core::migration::{BlockMigration, StorageMode};
use godwit_core::power::PowerAction;
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;

use super::{Refusal, malformed, proto};
use crate::command::{ForceMeans, MoveKind};

/// A native enumeration that has a wire form.
pub(super) trait Word: Copy {
    type Wire: TryFrom<i32> + Into<i32>;
    fn to_wire(self) -> Self::Wire;
    fn from_wire(wire: Self::Wire) -> Option<Self>;
}

pub(super) fn send<T: Word>(word: T) -> i32 {
    word.to_wire().into()
}

pub(super) fn read<T: Word>(field: &'static str, number: i32) -> Result<T, Refusal> {
    let word = T::Wire::try_from(number).ok().and_then(T::from_wire);
    word.ok_or_else(|| malformed(field, format_args!("{number} means nothing")))
}

macro_rules! word {
    ($native:ident = $wire:path { $($variant:ident),+ }) => {
        impl Word for $native {
            type Wire = $wire;
            fn to_wire(self) -> $wire {
                match self { $(Self::$variant => <$wire>::$variant,)+ }
            }
            fn from_wire(wire: $wire) -> Option<Self> {
                match wire {
                    $(<$wire>::$variant => Some(Self::$variant),)+
                    <$wire>::Unspecified => None,
                }
            }
        }
    };
}

word!(StorageMode = proto::StorageMode { Shared, Copied });
word!(BlockMigration = proto::BlockMigration { Auto, Yes, No });
word!(
    MoveKind = proto::MoveKind {
        Live,
        Cold,
        Evacuation
    }
);
word!(
    PowerAction = proto::PowerAction {
        Stop,
        Start,
        SoftReboot,
        HardReboot
    }
);
word!(
    LinkRole = proto::LinkRole {
        Migration,
        Management,
        Storage
    }
);
word!(ForceMeans = proto::ForceMeans { PostCopy, Pause });
word!(
    Sighting = proto::Sighting {
        Unreachable,
        Absent,
        Inactive,
        Incoming,
        Executing,
        Moving,
        HandedOver
    }
);
word!(
    PowerState = proto::PowerState {
        NoState,
        Running,
        Paused,
        Shutdown,
        Crashed,
        Suspended
    }
);
