//! Hosts that are held: what they say they execute, and what follows from it. The runs that empty them
//! are stood in for, so that nothing but the evidence is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{bail, ensure};
use godwit_compute_agent::drivers::simulated::Power;
use godwit_core::host::maintenance::{Event, Holder, Left, Maintenance, State};
use godwit_core::ids::{HostName, RunUuid, ServerUuid};
use godwit_core::migration::LiveRequest;
use godwit_core::plan::options::{Immovable, ReturnHome};
use godwit_core::power::PowerAction;
use godwit_core::status::MigrationStatus as Status;
use godwit_core::time::{Clock, Timestamp};
use godwit_store::{Actor, BeginError, ChangeNote, FreshIds, Hold, NewPower};
use godwit_test_support::wait_for;

use crate::cluster::*;

fn fresh() -> FreshIds {
    FreshIds {
        plan: new_uuid().into(),
        run: new_uuid().into(),
    }
}

fn note(at: Timestamp) -> ChangeNote {
    ChangeNote::new(Actor::Conductor, at)
}

impl Cluster {
    /// Somebody holds a host, and a run that nobody drives is to empty it.
    async fn enters(&self, number: usize) -> RunUuid {
        let run = new_uuid().into();
        let wanted = Hold {
            holder: Holder {
                holder: "me".to_owned(),
                reason: Some("a new kernel".to_owned()),
                by: "anna".to_owned(),
                since: SystemClock.now(),
                deadline: None,
                immovable: Immovable::Wait,
                return_home: ReturnHome::Never,
            },
            run: Some(run),
        };
        let note = note(SystemClock.now());
        let held = self
            .store
            .maintenance_hold(host(number), wanted, fresh(), note);
        held.await.unwrap();
        run
    }

    /// That run has ended at such a time, and left these.
    async fn report_end(
        &self,
        number: usize,
        run: RunUuid,
        left: BTreeMap<ServerUuid, Left>,
        at: Timestamp,
    ) {
        let event = Event::RunEnded {
            run,
            left,
            cancelled_by: None,
        };
        let store = &self.store;
        store
            .maintenance_apply(host(number), event, fresh(), note(at))
            .await
            .unwrap();
    }

    async fn hold_and_empty(&self, number: usize) {
        let run = self.enters(number).await;
        self.report_end(number, run, BTreeMap::new(), SystemClock.now())
            .await;
    }

    async fn maintenance(&self, name: &HostName) -> anyhow::Result<Maintenance> {
        match self.store.maintenance_find(name).await? {
            Some(record) => Ok(record.maintenance),
            None => bail!("nobody has ever held {name}"),
        }
    }

    /// Waits until a host's maintenance is as it is asked for.
    async fn gets(&self, number: usize, what: &str, is: impl Fn(&Maintenance) -> bool) {
        wait_for(what, PATIENCE, async || {
            let it = self.maintenance(&host(number)).await?;
            ensure!(is(&it), "{it:?}");
            Ok(Some(()))
        })
        .await
        .unwrap();
    }

    async fn gets_safe(&self, number: usize) {
        self.gets(number, "a host to be safe", Maintenance::safe_to_reboot)
            .await;
    }

    async fn starts(&self, number: usize) -> Result<(), BeginError<()>> {
        let new = NewPower {
            server: server(number),
            action: PowerAction::Start,
            note: asked("req-start", SystemClock.now()),
        };
        self.store.power_begin(new, |_| Ok(())).await
    }
}

on_both! {
    async fn a_host_is_safe_when_its_hypervisor_has_said_so_and_a_dead_agent_says_nothing(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        // Side by side they do no more than one alone.
        made.conductors = 2;
        let mut cluster = made.start().await;
        cluster.hold_and_empty(2).await;
        cluster.gets_safe(2).await;
        cluster.kill_agent(&host(2));
        cluster.gets(2, "what a dead agent said to prove nothing", |it| {
            !it.safe_to_reboot() && !it.evidence.counts()
        })
        .await;
        let dead = cluster.maintenance(&host(2)).await.unwrap();
        assert_eq!(dead.state, State::InMaintenance, "it may be being rebooted");
        cluster.start_agent(&host(2));
        cluster.gets_safe(2).await;
    }

    /// As radar's 1785 has it: "drained" when requests were accepted, not when the host was empty.
    async fn what_executes_keeps_a_host_from_being_empty_whoever_started_it(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.fabric.set_power(server(1), Power::Off);
        cluster.hold_and_empty(1).await;
        cluster.gets_safe(1).await;
        cluster.fabric.set_power(server(1), Power::Paused);
        cluster.gets(1, "a paused guest to be seen", |it| {
            it.evidence.guests_seen() == Some(1) && !it.safe_to_reboot()
        })
        .await;
        let seen = cluster.maintenance(&host(1)).await.unwrap();
        assert_eq!(seen.state, State::Entering);
        assert!(seen.work.is_some() || seen.retries > 0, "it is looked for");
    }

    async fn whoever_is_forced_to_a_held_host_is_told_why_it_does_not_go_there(made: Made) {
        let cluster = made.with_hosts(&[1, 0, 0]).start().await;
        cluster.enters(2).await;
        let forced = LiveRequest { forced: true, ..to(2) };
        let moving = cluster.begin(1, forced).await.unwrap();
        let ended = cluster.ends(moving).await.migration;
        let text = ended.failure.unwrap().message;
        assert!(text.contains("held for maintenance"), "{text}");
        let named = cluster.begin(1, to(2)).await.unwrap();
        assert_eq!(cluster.ends(named).await.migration.status(), Status::Error);
        let anywhere = cluster.begin(1, anywhere()).await.unwrap();
        assert_eq!(cluster.ends(anywhere).await.migration.status(), Status::Completed);
        assert_eq!(cluster.fabric.whereabouts(server(1)), Some(host(3)));
        cluster.is_sound().await;
    }

    async fn whom_its_user_starts_is_no_surprise_to_whoever_switches_the_host_off(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        cluster.fabric.set_power(server(1), Power::Off);
        let run = cluster.enters(1).await;
        // Its host is not said to be safe yet.
        cluster.gets(1, "a host to be seen empty", |it| it.state == State::Empty).await;
        cluster.starts(1).await.unwrap();
        let starting = cluster.maintenance(&host(1)).await.unwrap();
        assert!(!starting.evidence.counts());
        cluster.gets(1, "a started guest to be seen", |it| {
            it.evidence.guests_seen() == Some(1) && it.evidence.placements_in_flight == 0
        })
        .await;
        cluster.fabric.set_power(server(1), Power::Off);
        cluster.report_end(1, run, BTreeMap::new(), SystemClock.now()).await;
        cluster.gets_safe(1).await;
        let refused = cluster.starts(1).await;
        assert!(matches!(refused, Err(BeginError::InMaintenance)), "{refused:?}");
    }

    /// As harvester's 5306 has it: a host with one immovable server loops for ever.
    async fn a_blocker_is_tried_again_when_its_pause_is_over_and_once(made: Made) {
        let mut made = made.with_hosts(&[1, 0]);
        made.conductors = 2;
        let cluster = made.start().await;
        let run = cluster.enters(1).await;
        let left = BTreeMap::from([(server(1), Left::Blocked)]);
        // As long ago as the first pause lasts.
        let ended_at = SystemClock.now().minus(Duration::from_secs(61));
        cluster.report_end(1, run, left, ended_at).await;
        cluster.gets(1, "the blocker to be tried again", |it| it.retries == 1).await;
        let again = cluster.maintenance(&host(1)).await.unwrap();
        assert!(again.retry_at.is_none_or(|at| at > SystemClock.now()));
    }

    /// As ProxLB's 232 has it: the balancer moves servers back.
    async fn whom_somebody_moves_elsewhere_has_its_home_there(made: Made) {
        let cluster = made.with_hosts(&[2, 0]).start().await;
        cluster.enters(1).await;
        let held = cluster.maintenance(&host(1)).await.unwrap();
        assert_eq!(held.home, BTreeSet::from([server(1), server(2)]));
        let moving = cluster.begin(1, to(2)).await.unwrap();
        assert_eq!(cluster.ends(moving).await.migration.status(), Status::Completed);
        cluster.gets(1, "it to be at home elsewhere", |it| !it.home.contains(&server(1))).await;
    }

    /// It was off for its host's maintenance, and somebody has started it meanwhile.
    async fn whoever_runs_again_need_not_be_started_again(made: Made) {
        let cluster = made.with_hosts(&[1, 0]).start().await;
        let run = cluster.enters(1).await;
        let left = BTreeMap::from([(server(1), Left::ShutDown)]);
        cluster.report_end(1, run, left, SystemClock.now()).await;
        cluster.gets(1, "it to be seen running", |it| it.shut_down().next().is_none()).await;
    }

    async fn metrics_tell_who_is_held_and_what_is_in_the_way(made: Made) {
        let cluster = made.with_hosts(&[1, 0, 0]).start().await;
        let run = cluster.enters(1).await;
        cluster.hold_and_empty(2).await;
        cluster.gets_safe(2).await;
        crate::seen::shows(&cluster, &[
            ("godwit_maintenance_hosts{state=\"entering\"}", 1.0),
            ("godwit_maintenance_hosts{state=\"in_maintenance\"}", 1.0),
            ("godwit_maintenance_hosts{state=\"leaving\"}", 0.0),
        ])
        .await;
        let left = BTreeMap::from([(server(1), Left::Blocked)]);
        cluster.report_end(1, run, left, SystemClock.now()).await;
        crate::seen::shows(&cluster, &[("godwit_maintenance_blockers{code=\"none\"}", 1.0)]).await;
    }
}
