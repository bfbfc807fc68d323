//! Powering a server off and on where it is: `os-stop`, `os-start`, `reboot`.
//!
//! ```text
//!              asked           at its host           done             failed
//!   stop       powering-off ─────────────────────► stopped           as it was
//!   start      powering-on ──────────────────────► active            as it was
//!   reboot     rebooting ─► reboot_started ──────► active    active if it runs, else error
//!   (hard)     rebooting_hard ─► reboot_started_hard
//! ```
//!
//! States, tasks and words are Nova's (`nova/compute/api.py`, `nova/compute/manager.py`). Two
//! things differ. Nova calls a reboot that failed over a running guest a success; here its action
//! has failed. And where Nova waits for ever for a host that is dead, an action here has a
//! deadline: then its task ends, and what the guest does is for the next inventory to say.

use crate::begin::NotFree;
use crate::failure::{Failure, FailureCode};
use crate::instance_action::ActionName;
use crate::server::{FaultChange, PowerState, ServerPatch, ServerState, TaskState, VmState};
use crate::status::{MigrationStatus, words};

words!(
    /// What is done to the power of a server. Also the verb of its effect in the outbox.
    PowerAction, "power action", {
        /// `os-stop`: off, as its user would, and then by force.
        Stop = "power_off",
        /// `os-start`: on.
        Start = "power_on",
        /// `reboot` of type SOFT: off as a stop, and on again.
        SoftReboot = "soft_reboot",
        /// `reboot` of type HARD: off by force, and on, whatever it did before.
        HardReboot = "hard_reboot",
    }
);

/// Why a server's state does not permit an action. In this order, as Nova asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// It is not what it has to be.
    VmState(VmState),
    /// Something is being done to it.
    Task(TaskState),
    /// It never ran.
    NeverLaunched,
}

impl PowerAction {
    /// What Nova's texts call it: `Cannot 'stop' instance …`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Start => "start",
            Self::SoftReboot | Self::HardReboot => "reboot",
        }
    }

    /// What `os-instance-actions` calls it.
    pub const fn instance_action(self) -> ActionName {
        match self {
            Self::Stop => ActionName::Stop,
            Self::Start => ActionName::Start,
            Self::SoftReboot | Self::HardReboot => ActionName::Reboot,
        }
    }

    /// The one step of its instance action.
    pub const fn event(self) -> &'static str {
        match self {
            Self::Stop => "compute_stop_instance",
            Self::Start => "compute_start_instance",
            Self::SoftReboot | Self::HardReboot => "compute_reboot_instance",
        }
    }

    /// What a server has to be.
    pub const fn vm_states(self) -> &'static [VmState] {
        use VmState as V;
        match self {
            Self::Stop => &[V::Active, V::Error],
            Self::Start => &[V::Stopped],
            Self::SoftReboot => &[V::Active],
            Self::HardReboot => &[V::Active, V::Stopped, V::Paused, V::Suspended, V::Error],
        }
    }

    /// What may be done to the server already. Nova's `ALLOW_REBOOT`: a hard reboot cuts short
    /// what hangs, but not another hard one that has reached its host.
    pub const fn tasks(self) -> &'static [TaskState] {
        use TaskState as T;
        match self {
            Self::Stop | Self::Start | Self::SoftReboot => &[],
            Self::HardReboot => &[
                T::Rebooting,
                T::RebootPending,
                T::RebootStarted,
                T::Resuming,
                T::RebootingHard,
                T::Unpausing,
                T::Pausing,
                T::Suspending,
            ],
        }
    }

    /// The server's task once it is asked for.
    pub const fn task(self) -> TaskState {
        match self {
            Self::Stop => TaskState::PoweringOff,
            Self::Start => TaskState::PoweringOn,
            Self::SoftReboot => TaskState::Rebooting,
            Self::HardReboot => TaskState::RebootingHard,
        }
    }

    /// The server's task while its host is at it. Nova shows `reboot_pending` in between for as
    /// long as its host reads a few rows; here nothing lies in between.
    pub const fn task_at_host(self) -> TaskState {
        match self {
            Self::Stop => TaskState::PoweringOff,
            Self::Start => TaskState::PoweringOn,
            Self::SoftReboot => TaskState::RebootStarted,
            Self::HardReboot => TaskState::RebootStartedHard,
        }
    }

    /// Does the server, whose task this is, still wait for the action? Somebody may have reset
    /// its state, or evacuated it.
    pub fn is_wanted(self, task: Option<TaskState>) -> bool {
        task == Some(self.task()) || task == Some(self.task_at_host())
    }

    /// Does it make a guest execute? Then it must be certain that the guest executes nowhere
    /// else.
    pub const fn starts_guest(self) -> bool {
        match self {
            Self::Stop => false,
            Self::Start | Self::SoftReboot | Self::HardReboot => true,
        }
    }

    /// Does a server permit it that is this, and once ran or not?
    ///
    /// # Errors
    /// The first [`Obstacle`].
    pub fn check(
        self,
        vm_state: VmState,
        task: Option<TaskState>,
        launched: bool,
    ) -> Result<(), Obstacle> {
        if !self.vm_states().contains(&vm_state) {
            return Err(Obstacle::VmState(vm_state));
        }
        if let Some(task) = task.filter(|task| !self.tasks().contains(task)) {
            return Err(Obstacle::Task(task));
        }
        if !launched {
            return Err(Obstacle::NeverLaunched);
        }
        Ok(())
    }

    /// What its deadline says.
    pub fn overdue(self) -> Failure {
        let name = self.name();
        Failure::new(
            FailureCode::TimedOut,
            format!("The host did not {name} the server in time."),
        )
    }
}

/// What becomes of a server that an action is asked of. `unfinished` is the status of its migration
/// that is not over, if there is one.
///
/// # Errors
/// It is recorded nowhere, or the migration is at work.
pub fn begin(
    action: PowerAction,
    server: &ServerState,
    unfinished: Option<MigrationStatus>,
) -> Result<ServerPatch, NotFree> {
    if server.host.is_none() {
        return Err(NotFree::NoHost);
    }
    match unfinished.filter(|status| !status.is_at_rest()) {
        Some(status) => Err(NotFree::Unfinished(status)),
        None => Ok(ServerPatch::begun(server, action.task())),
    }
}

/// How an action ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The host did it, and saw this.
    Done(PowerState),
    /// The host tried, or looked into it, and saw this.
    Failed(Failure, PowerState),
    /// Nobody knows what the host did, if anything.
    Unknown(Failure),
}

/// What an outcome means for the server, whose task is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ending {
    /// What it is from now on.
    pub vm_state: VmState,
    /// What its host saw; `None`: what is recorded stands.
    pub power_state: Option<PowerState>,
    /// Why it failed: of the instance action, and the server's fault.
    pub failure: Option<Failure>,
}

impl Ending {
    /// What it makes of the server. What hosts saw before their last word is older than it; where
    /// nobody knows, what they saw still counts.
    pub fn patch(&self, server: &ServerState) -> ServerPatch {
        ServerPatch {
            vm_state: self.vm_state,
            task_state: None,
            power_state: self.power_state.unwrap_or(server.power_state),
            fault: match &self.failure {
                Some(failure) => FaultChange::Becomes(failure.message.clone()),
                None => FaultChange::Stays,
            },
            clears_progress: true,
            settles: self.power_state.is_some(),
            ..ServerPatch::unchanged(server)
        }
    }
}

/// How an action ends for a server that was `vm_state` until now.
pub fn end(action: PowerAction, vm_state: VmState, outcome: &Outcome) -> Ending {
    match outcome {
        Outcome::Done(seen) => Ending {
            vm_state: match action {
                PowerAction::Stop => VmState::Stopped,
                PowerAction::Start | PowerAction::SoftReboot | PowerAction::HardReboot => {
                    VmState::Active
                }
            },
            power_state: Some(*seen),
            failure: None,
        },
        Outcome::Failed(failure, seen) => Ending {
            vm_state: match (action, seen) {
                (PowerAction::Stop | PowerAction::Start, _) => vm_state,
                (PowerAction::SoftReboot | PowerAction::HardReboot, PowerState::Running) => {
                    VmState::Active
                }
                (
                    PowerAction::SoftReboot | PowerAction::HardReboot,
                    PowerState::NoState
                    | PowerState::Paused
                    | PowerState::Shutdown
                    | PowerState::Crashed
                    | PowerState::Suspended,
                ) => VmState::Error,
            },
            power_state: Some(*seen),
            failure: Some(failure.clone()),
        },
        Outcome::Unknown(failure) => Ending {
            vm_state,
            power_state: None,
            failure: Some(failure.clone()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Failure {
        Failure::new(FailureCode::BootFailed, "No.")
    }

    fn tasks() -> impl Iterator<Item = Option<TaskState>> {
        TaskState::ALL.iter().copied().map(Some).chain([None])
    }

    /// Nova's decorators, written out a second time.
    #[test]
    fn states_permit_what_they_permit_in_nova() {
        let soft = "active";
        let hard = "active stopped paused suspended error";
        let reboots = "rebooting reboot_pending reboot_started resuming rebooting_hard unpausing \
                       pausing suspending";
        for (action, states, busy) in [
            (PowerAction::Stop, "active error", ""),
            (PowerAction::Start, "stopped", ""),
            (PowerAction::SoftReboot, soft, ""),
            (PowerAction::HardReboot, hard, reboots),
        ] {
            for vm_state in VmState::ALL.iter().copied() {
                for task in tasks() {
                    let of = |list: &str, word: &str| list.split(' ').any(|it| it == word);
                    let expected = if !of(states, vm_state.as_str()) {
                        Err(Obstacle::VmState(vm_state))
                    } else if let Some(task) = task.filter(|task| !of(busy, task.as_str())) {
                        Err(Obstacle::Task(task))
                    } else {
                        Ok(())
                    };
                    let case = format!("{action} {vm_state} {task:?}");
                    assert_eq!(action.check(vm_state, task, true), expected, "{case}");
                    let never = expected.and(Err(Obstacle::NeverLaunched));
                    assert_eq!(action.check(vm_state, task, false), never, "{case}");
                }
            }
        }
    }

    #[test]
    fn nothing_begins_on_no_host_or_beside_a_migration_at_work() {
        let somewhere = ServerState {
            host: Some(crate::fixtures::host("a")),
            node: None,
            vm_state: VmState::Active,
            task_state: None,
            power_state: PowerState::Running,
        };
        let nowhere = ServerState {
            host: None,
            ..somewhere.clone()
        };
        for action in PowerAction::ALL.iter().copied() {
            assert_eq!(begin(action, &nowhere, None), Err(NotFree::NoHost));
            let begun = begin(action, &somewhere, None).unwrap();
            assert_eq!(begun.task_state, Some(action.task()));
            for status in MigrationStatus::ALL.iter().copied() {
                let waits = status.has_ended() || status == MigrationStatus::Finished;
                let expected = match waits {
                    true => Ok(begun.clone()),
                    false => Err(NotFree::Unfinished(status)),
                };
                assert_eq!(begin(action, &somewhere, Some(status)), expected);
            }
        }
    }

    #[test]
    fn a_task_belongs_to_one_action() {
        for task in tasks() {
            let wanting = PowerAction::ALL.iter().filter(|it| it.is_wanted(task));
            assert!(wanting.count() <= 1, "{task:?}");
        }
        for action in PowerAction::ALL {
            assert!(action.is_wanted(Some(action.task())));
            assert!(action.is_wanted(Some(action.task_at_host())));
            assert!(!action.is_wanted(None));
        }
    }

    /// A move needs no task, so none begins while an action is under way.
    #[test]
    fn nothing_but_a_hard_reboot_cuts_anything_short() {
        for action in PowerAction::ALL {
            for running in PowerAction::ALL {
                for task in [running.task(), running.task_at_host()] {
                    let permitted = action.check(VmState::Active, Some(task), true).is_ok();
                    let cut = *action == PowerAction::HardReboot
                        && (*running == PowerAction::SoftReboot
                            || task == TaskState::RebootingHard);
                    assert_eq!(permitted, cut, "{action} during {task}");
                }
            }
        }
    }

    #[test]
    fn what_is_done_shows() {
        for action in PowerAction::ALL {
            for vm_state in VmState::ALL.iter().copied() {
                for seen in PowerState::ALL.iter().copied() {
                    let ending = end(*action, vm_state, &Outcome::Done(seen));
                    let is = match action {
                        PowerAction::Stop => VmState::Stopped,
                        PowerAction::Start | PowerAction::SoftReboot | PowerAction::HardReboot => {
                            VmState::Active
                        }
                    };
                    assert_eq!(ending.vm_state, is);
                    assert_eq!(ending.power_state, Some(seen));
                    assert_eq!(ending.failure, None);
                }
            }
        }
    }

    #[test]
    fn a_failure_breaks_only_what_was_to_be_rebooted_and_does_not_run() {
        for action in PowerAction::ALL {
            for vm_state in VmState::ALL.iter().copied() {
                for seen in PowerState::ALL.iter().copied() {
                    let ending = end(*action, vm_state, &Outcome::Failed(failure(), seen));
                    let reboots = action.name() == "reboot";
                    let is = match seen {
                        PowerState::Running if reboots => VmState::Active,
                        _ if reboots => VmState::Error,
                        _ => vm_state,
                    };
                    assert_eq!(ending.vm_state, is, "{action} {vm_state} {seen}");
                    assert_eq!(ending.power_state, Some(seen));
                    assert_eq!(ending.failure, Some(failure()));
                }
                let ending = end(*action, vm_state, &Outcome::Unknown(failure()));
                assert_eq!((ending.vm_state, ending.power_state), (vm_state, None));
                assert_eq!(ending.failure, Some(failure()));
            }
        }
    }
}
