//! Servers that are stopped, started and rebooted; and that this made of the outbox.

use std::time::Duration;

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::effect::Subject;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::power::{Outcome, PowerAction};
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_store::{BeginError, ClaimedOfServer, InstanceActionEvent, NewPower, Server};

use crate::bench::{Bench, anybody, asked, at, host, new_migration, running, server};

const LEASE: Duration = Duration::from_secs(5);

impl Bench {
    /// Asks it of server 1.
    async fn power(
        &self,
        action: PowerAction,
        second: i64,
    ) -> Result<(), BeginError<std::convert::Infallible>> {
        let new = NewPower {
            server: server(1),
            action,
            note: asked(&format!("req-{second}"), at(second)),
        };
        self.store.power_begin(new, anybody).await
    }

    async fn claim_power(&self, second: i64) -> ClaimedOfServer {
        let claimed = self.store.effects_claim("me", at(second), LEASE, 10);
        let mut claimed = claimed.await.unwrap();
        assert_eq!(claimed.len(), 1, "{claimed:?}");
        let claimed = claimed.remove(0);
        match claimed.subject {
            Subject::Server(uuid, action) => claimed.about((uuid, action)),
            Subject::Migration(..) | Subject::Plan(..) | Subject::Run(..) => panic!("{claimed:?}"),
        }
    }

    /// The one step of the action that was asked for then, and whether it failed.
    async fn step(&self, second: i64) -> (InstanceActionEvent, Option<String>) {
        let request = format!("req-{second}");
        let action = self.store.instance_action_find(server(1), &request).await;
        let action = action.unwrap().unwrap();
        let mut events = self.store.instance_action_events(action.id).await.unwrap();
        assert_eq!(events.len(), 1);
        (events.remove(0), action.message)
    }
}

fn states(server: &Server) -> (VmState, Option<TaskState>, PowerState) {
    (server.vm_state, server.task_state, server.power_state)
}

const RUNNING: (VmState, Option<TaskState>, PowerState) =
    (VmState::Active, None, PowerState::Running);

on_both! {
    async fn a_stop_is_asked_for_performed_and_over(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.power(PowerAction::Stop, 10).await.unwrap();
        let task = Some(TaskState::PoweringOff);
        assert_eq!(states(&bench.server(1).await).1, task);
        let figures = bench.store.figures().await.unwrap();
        assert_eq!(figures.power, [(PowerAction::Stop, 1, at(10))]);
        assert_eq!(figures.effects, []);

        let claimed = bench.claim_power(11).await;
        assert_eq!(claimed.subject, (server(1), PowerAction::Stop));
        let start = bench.store.power_start(claimed, at(11)).await.unwrap().unwrap();
        assert_eq!((start.host, start.seen_elsewhere), (host("a"), false));
        assert_eq!(start.request_id.as_deref(), Some("req-10"));
        let (step, _) = bench.step(10).await;
        assert_eq!((step.event.as_str(), step.host.as_deref()), ("compute_stop_instance", Some("a")));
        assert_eq!((step.start_time, step.finish_time), (Some(at(11)), None));

        let done = Outcome::Done(PowerState::Shutdown);
        assert!(bench.store.power_conclude(claimed, done.clone(), at(12)).await.unwrap());
        let stopped = (VmState::Stopped, None, PowerState::Shutdown);
        assert_eq!(states(&bench.server(1).await), stopped);
        let (step, message) = bench.step(10).await;
        assert_eq!((step.result.as_deref(), message), (Some("Success"), None));
        assert!(!bench.store.power_conclude(claimed, done, at(13)).await.unwrap(), "once");
        assert_eq!(bench.store.effects_claim("me", at(99), LEASE, 9).await.unwrap(), []);

        // What a host saw before that is older than it.
        bench.hears("a", at(11), vec![running(1)]).await;
        assert_eq!(states(&bench.server(1).await), stopped);
        bench.hears("a", at(20), vec![running(1)]).await;
        assert_eq!(states(&bench.server(1).await), RUNNING, "somebody started it");
        bench.assert_sound().await;
    }

    async fn a_failure_is_told_and_changes_no_state(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        for (second, outcome) in [
            (10, Outcome::Failed(Failure::new(FailureCode::StopFailed, "No."), PowerState::Running)),
            (20, Outcome::Unknown(Failure::new(FailureCode::StopFailed, "No."))),
        ] {
            bench.power(PowerAction::Stop, second).await.unwrap();
            let claimed = bench.claim_power(second).await;
            bench.store.power_conclude(claimed, outcome, at(second + 1)).await.unwrap();
            assert_eq!(states(&bench.server(1).await), RUNNING);
            let (step, message) = bench.step(second).await;
            assert_eq!((step.result.as_deref(), step.details.as_deref()), (Some("Error"), Some("No.")));
            assert_eq!(message.as_deref(), Some("Error"));
        }
        bench.power(PowerAction::HardReboot, 30).await.unwrap();
        let claimed = bench.claim_power(30).await;
        bench.store.power_start(claimed, at(30)).await.unwrap();
        assert_eq!(states(&bench.server(1).await).1, Some(TaskState::RebootStartedHard));
        let failed = Outcome::Failed(Failure::new(FailureCode::BootFailed, "Broken."), PowerState::Shutdown);
        bench.store.power_conclude(claimed, failed, at(31)).await.unwrap();
        let server = bench.server(1).await;
        assert_eq!(states(&server), (VmState::Error, None, PowerState::Shutdown));
        assert_eq!(server.fault.unwrap().message, "Broken.");
    }

    async fn later_actions_have_greater_numbers_whatever_the_clock_says(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        let mut last = 0;
        for second in [10, 9, 8, 200] {
            bench.power(PowerAction::HardReboot, second).await.unwrap();
            let claimed = bench.claim_power(300).await;
            assert!(claimed.sequence > last, "{claimed:?}");
            assert!(claimed.sequence >= at(second).as_micros());
            last = claimed.sequence;
        }
        let (step, _) = bench.step(9).await;
        assert_eq!(step.details.as_deref(), Some("A reboot took over."));
    }

    async fn moves_and_power_keep_out_of_each_others_way(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.power(PowerAction::Stop, 10).await.unwrap();
        let move_it = bench.store.server_begin_live_migration(new_migration(1, at(11)), anybody);
        assert!(matches!(move_it.await, Err(BeginError::NotFree)));
        let claimed = bench.claim_power(12).await;
        let done = Outcome::Done(PowerState::Shutdown);
        bench.store.power_conclude(claimed, done, at(12)).await.unwrap();

        bench.begin(1).await;
        bench.sql("UPDATE servers SET task_state = NULL");
        let refused = bench.power(PowerAction::Start, 13).await;
        assert!(matches!(refused, Err(BeginError::NotFree)), "{refused:?}");
    }

    async fn an_evacuation_takes_over(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.power(PowerAction::SoftReboot, 5).await.unwrap();
        let claimed = bench.claim_power(6).await;
        bench.store.power_start(claimed, at(6)).await.unwrap();
        bench.evacuate(1).await;
        assert!(!bench.store.effect_renew(claimed.lease, at(90)).await.unwrap(), "superseded");
        let done = Outcome::Done(PowerState::Running);
        assert!(!bench.store.power_conclude(claimed, done, at(12)).await.unwrap());
        let task = bench.server(1).await.task_state;
        assert_eq!(task, Some(TaskState::Rebuilding));
        let (step, message) = bench.step(5).await;
        assert_eq!(step.details.as_deref(), Some("A migration took over."));
        assert_eq!(message.as_deref(), Some("Error"));
        bench.assert_sound().await;
    }

    async fn a_state_that_was_reset_waits_for_nothing(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.power(PowerAction::Stop, 10).await.unwrap();
        let reset = bench.store.server_reset_state(server(1), VmState::Active, asked("req", at(11)));
        assert!(reset.await.unwrap());
        let claimed = bench.claim_power(12).await;
        assert_eq!(bench.store.power_start(claimed, at(12)).await.unwrap(), None);
        assert_eq!(states(&bench.server(1).await), RUNNING);
        assert_eq!(bench.step(10).await.0.result.as_deref(), Some("Error"));
        assert_eq!(bench.store.effects_claim("me", at(99), LEASE, 9).await.unwrap(), []);
    }

    async fn who_holds_no_lease_concludes_nothing(bench: Bench) {
        bench.fleet(&[("a", 1)]).await;
        bench.power(PowerAction::Stop, 10).await.unwrap();
        let lost = bench.claim_power(10).await;
        let held = bench.claim_power(20).await;
        assert_eq!(bench.store.power_start(lost, at(21)).await.unwrap(), None);
        let done = Outcome::Done(PowerState::Shutdown);
        assert!(!bench.store.power_conclude(lost, done.clone(), at(21)).await.unwrap());
        assert!(bench.store.power_conclude(held, done, at(21)).await.unwrap());
    }

    async fn a_server_that_is_seen_twice_is_told_of(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        bench.hears("b", at(2), vec![running(1)]).await;
        let open = bench.store.discrepancy_list_open().await.unwrap();
        assert!(open.iter().any(|it| it.subject.kind == DiscrepancyKind::SeenTwice), "{open:?}");
        bench.power(PowerAction::Stop, 10).await.unwrap();
        let claimed = bench.claim_power(10).await;
        let start = bench.store.power_start(claimed, at(10)).await.unwrap().unwrap();
        assert!(start.seen_elsewhere);
    }
}
