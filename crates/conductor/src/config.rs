//! What an operator can set. Every field has a default that works; spans are seconds.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use godwit_core::ids::HostName;
use godwit_core::migration::{Limits, TimeoutAction};
use godwit_core::resources::AllocationRatios;
use godwit_core::retention::Retention;
use godwit_core::seconds;
use godwit_core::slots::SlotLimits;
use godwit_rpc::Deadlines;
use godwit_rpc::transport::TlsFiles;
use serde::{Deserialize, Serialize};

use crate::backoff::Backoff;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Its name, as `os-services` shows it; absent: what its certificate says, or else what the
    /// machine is called.
    pub name: Option<HostName>,
    /// Where agents call it. Default 0.0.0.0:8775.
    pub listen: SocketAddr,
    /// Where its metrics and health are served. Default 127.0.0.1:9775.
    pub metrics: SocketAddr,
    /// Certificates. Absent only with `insecure_loopback`.
    pub tls: Option<TlsFiles>,
    /// No certificates; loopback addresses only. For development.
    pub insecure_loopback: bool,
    /// How often the database is looked at for something to do when nobody wakes the
    /// conductor. Default 0.1.
    #[serde(with = "seconds")]
    pub poll_interval: Duration,
    /// How long an effect stays with a conductor that no longer renews its lease: the time
    /// until another takes over from one that died. Default 5.
    #[serde(with = "seconds")]
    pub lease: Duration,
    /// Most effects performed at one time, but for moves that are only followed. Default 32.
    pub effects_at_once: NonZeroUsize,
    /// Most moves followed at one time. Default 1000.
    pub watches_at_once: NonZeroUsize,
    /// Most runs driven at one time; where there are more, those that only wait let others have their
    /// turn. Default 1000.
    pub runs_at_once: NonZeroUsize,
    /// Most servers powered off or on, and plans being made or waiting for that, at one time.
    /// Default 1000.
    pub actions_at_once: NonZeroUsize,
    /// Who may move at one time, of hosts whose links are of unknown speed.
    pub slots: Slots,
    /// Who may move at one time, of the others.
    pub link_budgets: LinkBudgets,
    /// How many hosts may refuse after having been chosen before a request is given up;
    /// absent: all that fit are tried. Nova's `migrate_max_retries`, whose -1 is absent here.
    pub migrate_max_retries: Option<u32>,
    /// How much more than it has a host may be given.
    pub allocation_ratios: AllocationRatios,
    /// How long each state of a migration may last.
    pub time_limits: TimeLimits,
    /// How long agents may take to answer.
    pub calls: Deadlines,
    pub retries: Backoff,
    /// Attempts to reach an agent for what a move can do without: to choose or prepare a
    /// destination (the move then ends, the guest stays), or to clean its source (the move
    /// ends all the same). Everything else is tried for as long as the move lasts. Default 8.
    pub attempts: u32,
    /// The availability zone of hosts that register. Default `nova`.
    pub zone: String,
    /// How often agents send a sign of life, and this conductor renews its own. Default 10,
    /// as Nova's `report_interval`.
    #[serde(with = "seconds")]
    pub report_interval: Duration,
    /// After how long without a sign of life a service counts as down. Default 60.
    #[serde(with = "seconds")]
    pub service_down_time: Duration,
    /// Evacuate from hosts that are silent though nobody has forced their services down, as Nova
    /// does. A host behind a cut link goes on executing its guests: only locks on their disks,
    /// which not every storage has, then keep a guest from running twice. Default false: such an
    /// evacuation waits.
    pub evacuate_silent_hosts: bool,
    /// How long an evacuation waits for its silent source to be forced down or heard again,
    /// before it is dropped. Default 3600.
    #[serde(with = "seconds")]
    pub fencing_wait: Duration,
    /// How often every agent is asked for its inventory, whatever it sends of itself.
    /// Default 60.
    #[serde(with = "seconds")]
    pub reconcile_interval: Duration,
    /// How often progress is written, for all moves at once. Default 1.
    #[serde(with = "seconds")]
    pub progress_interval: Duration,
    /// How often the gauges of `/metrics` are brought up to date. Default 5.
    #[serde(with = "seconds")]
    pub metrics_interval: Duration,
    /// How long what is over is kept; set from the section `retention`, which the API has, too.
    #[serde(skip)]
    pub retention: Retention,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: None,
            listen: (Ipv4Addr::UNSPECIFIED, 8775).into(),
            metrics: (Ipv4Addr::LOCALHOST, 9775).into(),
            tls: None,
            insecure_loopback: false,
            poll_interval: Duration::from_millis(100),
            lease: Duration::from_secs(5),
            effects_at_once: const { NonZeroUsize::new(32).unwrap() },
            watches_at_once: const { NonZeroUsize::new(1_000).unwrap() },
            runs_at_once: const { NonZeroUsize::new(1_000).unwrap() },
            actions_at_once: const { NonZeroUsize::new(1_000).unwrap() },
            slots: Slots::default(),
            link_budgets: LinkBudgets::default(),
            migrate_max_retries: None,
            allocation_ratios: AllocationRatios::default(),
            time_limits: TimeLimits::default(),
            calls: Deadlines::default(),
            retries: Backoff::default(),
            attempts: 8,
            zone: "nova".to_owned(),
            report_interval: Duration::from_secs(10),
            service_down_time: Duration::from_secs(60),
            evacuate_silent_hosts: false,
            fencing_wait: Duration::from_secs(3_600),
            reconcile_interval: Duration::from_secs(60),
            progress_interval: Duration::from_secs(1),
            metrics_interval: Duration::from_secs(5),
            retention: Retention::default(),
        }
    }
}

/// As few live migrations at one time as fill the links of hosts whose speed is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinkBudgets {
    /// Whether links are counted; if not, `slots` limit the moves of all hosts. Default true.
    pub enabled: bool,
    /// Most at one time away from one host, and as many towards it, however much its link carries; 0
    /// means no limit. Default 8.
    pub streams: u32,
}

impl Default for LinkBudgets {
    fn default() -> Self {
        Self {
            enabled: true,
            streams: 8,
        }
    }
}

impl LinkBudgets {
    /// Most moves by one link in one direction.
    pub fn most(self) -> Option<u32> {
        (self.streams > 0).then_some(self.streams)
    }
}

/// Most live migrations at one time; 0 means no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Slots {
    /// Away from one host. Default 1: Nova's `max_concurrent_live_migrations`.
    pub per_source: u32,
    /// Towards one host. Default 2; Nova has no such limit.
    pub per_destination: u32,
}

impl Default for Slots {
    fn default() -> Self {
        Self {
            per_source: 1,
            per_destination: 2,
        }
    }
}

impl Slots {
    /// As the planner takes them.
    pub fn limits(self) -> SlotLimits {
        let limit = |most| (most > 0).then_some(most);
        SlotLimits {
            per_source: limit(self.per_source),
            per_destination: limit(self.per_destination),
        }
    }
}

/// How long each state of a migration may last, and what is done to a server's power. A migration
/// takes the limits along when it is placed: what is changed here never moves the goal of a move
/// under way.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeLimits {
    /// To find a destination. Default 300.
    #[serde(with = "seconds")]
    pub accepted: Duration,
    /// To wait for slots. Default 86400.
    #[serde(with = "seconds")]
    pub queued: Duration,
    /// To make the destination ready. Default 300.
    #[serde(with = "seconds")]
    pub preparing: Duration,
    /// To move, for each GiB of memory (at least 2) and of each copied disk (at least 2).
    /// Default 800, Nova's `live_migration_completion_timeout`; 0 means no limit.
    #[serde(with = "seconds")]
    pub completion_per_gib: Duration,
    /// What happens then. Default `abort`, as Nova's `live_migration_timeout_action`.
    pub timeout_action: TimeoutAction,
    /// Between two looks at a move that ought to have ended. Default 60; more than 0.
    #[serde(
        serialize_with = "seconds::serialize",
        deserialize_with = "seconds::positive"
    )]
    pub grace: Duration,
    /// To clean the destination of a move that failed. Default 120.
    #[serde(with = "seconds")]
    pub rollback: Duration,
    /// Cold: to power the guest off at its source. Default 300.
    #[serde(with = "seconds")]
    pub stopping: Duration,
    /// To start the guest at its destination. Default 300.
    #[serde(with = "seconds")]
    pub booting: Duration,
    /// Cold: until a move that nobody confirmed is confirmed by itself. Default 0, Nova's
    /// `resize_confirm_window`: that waits for somebody.
    #[serde(with = "seconds")]
    pub confirm: Duration,
    /// To power a server off or on, or to reboot it. Default 300.
    #[serde(with = "seconds")]
    pub power: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        let core = Limits::default();
        Self {
            accepted: core.accepted,
            queued: core.queued,
            preparing: core.preparing,
            completion_per_gib: Duration::from_secs(800),
            timeout_action: core.timeout_action,
            grace: core.grace,
            rollback: core.rollback,
            stopping: core.stopping,
            booting: core.booting,
            confirm: core.confirm,
            power: Duration::from_secs(300),
        }
    }
}

impl TimeLimits {
    /// The limits of one migration, whose guest has `memory_mb` MiB of memory and whose copied
    /// disks have the given sizes in bytes.
    pub fn of(&self, memory_mb: u64, copied_disks: &[u64]) -> Limits {
        Limits {
            accepted: self.accepted,
            queued: self.queued,
            preparing: self.preparing,
            completion: godwit_planner::completion::limit(
                self.completion_per_gib,
                memory_mb,
                copied_disks,
            ),
            grace: self.grace,
            rollback: self.rollback,
            timeout_action: self.timeout_action,
            stopping: self.stopping,
            booting: self.booting,
            confirm: self.confirm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_is_the_default() {
        assert_eq!(
            serde_json::from_str::<Config>("{}").unwrap(),
            Config::default()
        );
    }

    #[test]
    fn what_is_written_reads_back() {
        let text = serde_json::to_string(&Config::default()).unwrap();
        assert_eq!(
            serde_json::from_str::<Config>(&text).unwrap(),
            Config::default()
        );
    }

    #[test]
    fn unknown_keys_and_impossible_spans_are_refused() {
        for text in [
            r#"{"lese": 5}"#,
            r#"{"slots": {"per_host": 1}}"#,
            r#"{"lease": -1}"#,
            r#"{"effects_at_once": 0}"#,
            r#"{"runs_at_once": 0}"#,
            r#"{"time_limits": {"timeout_action": "panic"}}"#,
            r#"{"time_limits": {"grace": 0}}"#,
        ] {
            assert!(serde_json::from_str::<Config>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn zero_slots_are_no_limit() {
        let slots: Slots = serde_json::from_str(r#"{"per_source": 0}"#).unwrap();
        assert_eq!(slots.limits().per_source, None);
        assert_eq!(slots.limits().per_destination, Some(2));
    }
}
