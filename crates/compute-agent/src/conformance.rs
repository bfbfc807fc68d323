//! What every driver has to pass.
//!
//! The cases are the promises of [`crate::driver`], one after the other, each against two hosts
//! and a guest of its own that a [`Harness`] sets up: in memory for the simulated driver, with
//! real daemons for libvirt. A case only uses the trait, and the few things that a driver cannot
//! do itself: what users, operators and bad luck do.
//!
//! ```ignore
//! mod conformance {
//!     godwit_compute_agent::conformance_tests!(#[tokio::test] MyHarness::new());
//! }
//! ```

mod cases;
mod cold;
mod faults;
mod power;
mod testbed;

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use godwit_core::ids::ServerUuid;
use godwit_rpc::command::Side;

use crate::driver::Driver;

pub use testbed::{Broken, MemoryStateStore};

/// What a harness itself runs into.
pub type HarnessError = Box<dyn Error + Send + Sync>;

/// The guest that a case needs.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Setup {
    /// It changes memory faster than the link carries it: its move never converges by itself.
    /// Otherwise its move takes a few seconds at most.
    pub busy: bool,
    /// It has a disk on storage that only its own host reaches. Otherwise all is shared.
    pub local_disk: bool,
    pub post_copy: bool,
}

/// What happens to hosts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostFault {
    /// The link between the two hosts is cut.
    CutLink,
    /// And healed.
    HealLink,
    /// The process that receives the guest is killed at the destination.
    KillIncoming,
    /// The hypervisor's service at the source is killed and comes back.
    RestartService,
    /// The source loses its power, with all that runs on it.
    LosePower,
    /// And gets it back: its service answers, its guests are off.
    ReturnPower,
    /// As RestartService, in the moment in which the guest is stopped to be handed over.
    RestartServiceAtHandover,
}

#[async_trait]
pub trait Harness: Send + Sync {
    /// Two hosts, and a guest that executes on the first.
    async fn set_up(&self, setup: Setup) -> Result<Box<dyn Fixture>, HarnessError>;
}

#[async_trait]
pub trait Fixture: Send + Sync {
    fn server(&self) -> ServerUuid;

    fn driver(&self, side: Side) -> Arc<dyn Driver>;

    /// The process that holds the source's driver is killed and comes back; what the hypervisor
    /// does goes on.
    async fn restart_agent(&mut self) -> Result<(), HarnessError>;

    /// The user pauses the guest on its source.
    async fn pause_guest(&self) -> Result<(), HarnessError>;

    /// The user powers the guest off, on its source.
    async fn power_off_guest(&self) -> Result<(), HarnessError>;

    /// Something happens. `false`: it cannot be made to happen here, and the case is void.
    async fn inject(&self, fault: HostFault) -> Result<bool, HarnessError>;

    /// Verifies by other means than the driver's that the guest is well on this side, that it
    /// executes nowhere else, and never did at the same time.
    async fn verify(&self, side: Side) -> Result<(), HarnessError>;
}

/// Makes a test of each case. The first argument is the attribute that makes a test of an async
/// function, the second an expression that makes the [`Harness`].
#[macro_export]
macro_rules! conformance_tests {
    (#[$test:meta] $harness:expr) => {
        $crate::conformance_tests! { @each #[$test] $harness;
            a_guest_is_seen_where_it_is,
            a_guest_moves,
            a_guest_moves_with_its_disks,
            a_paused_guest_moves_and_stays_paused,
            storage_is_decided_by_where_disks_lie,
            what_does_not_fit_is_refused,
            strangers_are_refused,
            a_preparation_can_be_repeated_and_undone,
            a_start_never_begins_a_second_move,
            an_abort_leaves_the_guest_as_it_was,
            a_busy_guest_is_forced_by_post_copy,
            a_busy_guest_is_forced_by_pausing,
            without_a_move_there_is_nothing_to_steer,
            clean_up_spares_what_executes,
            a_move_outlives_its_agent,
            a_cut_link_fails_a_move,
            a_killed_destination_fails_a_move,
            a_restarted_service_tells_no_lies,
            a_stopped_guest_is_resumed_on_proof_only,
            a_cold_move_powers_off_here_and_on_there,
            a_cold_move_is_undone,
            a_cold_move_outlives_its_agent,
            a_guest_that_cannot_be_booted_goes_on_at_its_source,
            a_guest_that_is_off_stays_off,
            a_guest_is_never_booted_while_it_executes,
            nothing_is_withdrawn_without_proof,
            a_guest_is_evacuated_and_its_source_gives_it_up,
            a_guest_is_powered_off_and_on_where_it_is,
            a_guest_is_cut_off,
            a_guest_that_moves_is_not_powered_off,
            strangers_are_not_powered,
        }
    };
    (@each #[$test:meta] $harness:expr; $($case:ident,)+) => {$(
        #[$test]
        async fn $case() {
            let harness = $harness;
            if let Err(broken) = $crate::conformance::run::$case(&harness).await {
                panic!("{broken}");
            }
        }
    )+};
}

/// The cases, for [`conformance_tests!`](crate::conformance_tests) and whoever runs one alone.
pub mod run {
    pub use super::cases::*;
    pub use super::cold::*;
    pub use super::faults::*;
    pub use super::power::*;
}
