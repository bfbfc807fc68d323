//! What follows from the testimony of two hosts when nobody followed a move to its end.
//!
//! The hosts are puppets here: they say what the case is about, and remember what they were
//! told. [`godwit_core::recovery::judge`] has its own tests; these show that its verdicts are
//! asked for, and obeyed.

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::MigrationUuid;
use godwit_core::recovery::Sighting;
use godwit_core::server::VmState;
use godwit_core::status::MigrationStatus as Status;
use godwit_core::time::Clock;
use godwit_rpc::conductor::ConductorClient;
use godwit_rpc::enrolment::{Heartbeat, Registration, Report};
use godwit_rpc::identity::{PeerIdentity, Role};
use godwit_rpc::progress::{Ended, Outcome, Progress, WatchEvent};
use godwit_rpc::refusal::{CallError, Refusal};
use godwit_rpc::transport::{Address, Transport};
use godwit_rpc::version::{RPC_VERSION, Speaks};
use godwit_test_support::wait_for;

use crate::cluster::*;
use crate::process::Process;
use crate::puppet::Puppet;

/// Two puppets with one guest, and a conductor.
struct Stage {
    cluster: Cluster,
    source: Puppet,
    destination: Puppet,
    source_served: Option<Process>,
    destination_served: Option<Process>,
}

impl Stage {
    async fn set(mut made: Made) -> Self {
        // Puppets register and say no more; nobody takes that for their death.
        made.config.service_down_time = PATIENCE;
        let cluster = made.start().await;
        let (source, destination) = (Puppet::new(host(1)), Puppet::new(host(2)));
        source.script().sees.insert(server(1), Sighting::Executing);
        source.script().tells = vec![WatchEvent::Unknown];
        let mut stage = Self {
            cluster,
            source,
            destination,
            source_served: None,
            destination_served: None,
        };
        stage.source_speaks().await;
        stage.destination_speaks().await;
        wait_for("the guest to be known", PATIENCE, async || {
            Ok(stage.cluster.store.server_find(server(1)).await?)
        })
        .await
        .unwrap();
        stage
    }

    async fn source_speaks(&mut self) {
        self.source_served = Some(self.source.serve(self.transport(&self.source)));
        self.register(&self.source).await;
    }

    async fn destination_speaks(&mut self) {
        self.destination_served = Some(self.destination.serve(self.transport(&self.destination)));
        self.register(&self.destination).await;
    }

    fn transport(&self, puppet: &Puppet) -> Transport {
        let identity = PeerIdentity::new(Role::Agent, puppet.host.as_str());
        Transport::Local(self.cluster.network.clone(), identity)
    }

    fn conductor(&self, puppet: &Puppet) -> ConductorClient {
        let address = Address::Local(PeerIdentity::new(Role::Conductor, "conductor-1"));
        let (transport, speaks) = (self.transport(puppet), Speaks::default());
        let deadlines = self.cluster.config.calls;
        ConductorClient::new(&transport, address, deadlines, speaks)
    }

    async fn register(&self, puppet: &Puppet) {
        let registration = Registration {
            agent_address: format!("local://agent/{}", puppet.host),
            boot_id: new_uuid(),
            inventory: puppet.inventory_now(),
            rpc_version: RPC_VERSION,
            capabilities: Vec::new(),
            unsettled: Vec::new(),
        };
        let conductor = self.conductor(puppet);
        wait_for("the registration", PATIENCE, async || {
            Ok(Some(conductor.register(registration.clone()).await?))
        })
        .await
        .unwrap();
    }

    /// Begins a move, of which the hosts then say this.
    async fn moves(
        &self,
        source: Option<Sighting>,
        destination: Option<Sighting>,
    ) -> MigrationUuid {
        // Nobody concludes anything before the hosts say what they have to say.
        let going_on = vec![WatchEvent::Progress(Progress::default())];
        let tells = std::mem::replace(&mut self.source.script().tells, going_on);
        let uuid = self.cluster.begin(1, anywhere()).await.unwrap();
        wait_for("the move to start", PATIENCE, async || {
            Ok(self.source.script().heard.contains(&"start").then_some(()))
        })
        .await
        .unwrap();
        self.cluster.reaches(uuid, Status::Running).await;
        self.now_sees(source, destination);
        self.source.script().tells = tells;
        uuid
    }

    async fn report(
        &self,
        puppet: &Puppet,
        migration: MigrationUuid,
        outcome: Outcome,
    ) -> Result<(), CallError> {
        let report = Report {
            host: puppet.host.clone(),
            migration,
            sequence: 1,
            ended: Ended {
                outcome,
                progress: None,
            },
            at: SystemClock.now(),
        };
        self.conductor(puppet).report(report).await
    }

    fn now_sees(&self, source: Option<Sighting>, destination: Option<Sighting>) {
        for (puppet, seen) in [(&self.source, source), (&self.destination, destination)] {
            let mut script = puppet.script();
            script.sees.remove(&server(1));
            script.sees.extend(seen.map(|seen| (server(1), seen)));
        }
    }

    async fn has_discrepancy(&self, kind: DiscrepancyKind) {
        wait_for("a discrepancy", PATIENCE, async || {
            let open = self.cluster.store.discrepancy_list_open().await?;
            anyhow::ensure!(open.iter().any(|it| it.subject.kind == kind), "{open:?}");
            Ok(Some(()))
        })
        .await
        .unwrap();
    }

    async fn has_no_discrepancy(&self) {
        wait_for("no discrepancy", PATIENCE, async || {
            let open = self.cluster.store.discrepancy_list_open().await?;
            anyhow::ensure!(open.is_empty(), "{open:?}");
            // What a host said before stands until it is heard again.
            let violations = self.cluster.store.check_invariants().await?;
            anyhow::ensure!(violations.is_empty(), "{violations:?}");
            Ok(Some(()))
        })
        .await
        .unwrap();
    }
}

use Sighting::{Executing, HandedOver, Incoming, Moving};

on_both! {
    async fn a_guest_at_its_source_stays_there_and_no_late_start_moves_it(made: Made) {
        let stage = Stage::set(made).await;
        let uuid = stage.moves(Some(Executing), Some(Incoming)).await;
        let record = stage.cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Failed);
        assert_eq!(record.migration.failure.unwrap().code, FailureCode::Interrupted);
        let heard = stage.source.script().heard.clone();
        assert!(heard.ends_with(&["abort", "roll_back"]), "{heard:?}");
        assert_eq!(stage.cluster.server(1).await.host, Some(host(1)));
        stage.has_no_discrepancy().await;
    }

    async fn a_guest_at_its_destination_has_arrived(made: Made) {
        let stage = Stage::set(made).await;
        let uuid = stage.moves(None, Some(Executing)).await;
        let record = stage.cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Completed);
        assert_eq!(stage.cluster.server(1).await.host, Some(host(2)));
        stage.has_no_discrepancy().await;
    }

    async fn a_stopped_guest_is_started_again_once_its_destination_denied_it(made: Made) {
        let mut stage = Stage::set(made).await;
        let uuid = stage.moves(Some(Moving), Some(Incoming)).await;
        stage.destination_served = None;
        stage.now_sees(Some(HandedOver), None);
        // Only the destination can say that it never executed the guest.
        stage.has_discrepancy(DiscrepancyKind::HostSilent).await;
        assert!(!stage.source.script().heard.contains(&"resume"));
        assert_eq!(stage.cluster.record(uuid).await.migration.status(), Status::Running);
        stage.destination_speaks().await;
        let record = stage.cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Failed);
        assert!(stage.source.script().heard.contains(&"resume"));
        assert_eq!(stage.source.script().sees[&server(1)], Executing);
        stage.has_no_discrepancy().await;
    }

    async fn a_stopped_guest_stays_stopped_while_its_destination_may_have_it(made: Made) {
        let stage = Stage::set(made).await;
        let uuid = stage.moves(Some(HandedOver), Some(HandedOver)).await;
        stage.has_discrepancy(DiscrepancyKind::Overdue).await;
        assert!(!stage.source.script().heard.contains(&"resume"));
        stage.now_sees(Some(HandedOver), Some(Executing));
        assert_eq!(stage.cluster.ends(uuid).await.migration.status(), Status::Completed);
        assert!(!stage.source.script().heard.contains(&"resume"));
        stage.now_sees(None, Some(Executing));
        stage.has_no_discrepancy().await;
    }

    async fn a_guest_on_neither_host_is_lost(made: Made) {
        let stage = Stage::set(made).await;
        let uuid = stage.moves(None, None).await;
        let record = stage.cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Error);
        assert_eq!(record.migration.failure.unwrap().code, FailureCode::GuestLost);
        assert_eq!(stage.cluster.server(1).await.vm_state, VmState::Error);
        stage.has_discrepancy(DiscrepancyKind::GuestNowhere).await;
    }

    async fn a_guest_on_both_hosts_is_left_alone(made: Made) {
        let stage = Stage::set(made).await;
        let uuid = stage.moves(Some(Executing), Some(Executing)).await;
        stage.has_discrepancy(DiscrepancyKind::SeenTwice).await;
        assert_eq!(stage.cluster.record(uuid).await.migration.status(), Status::Running);
        let heard = stage.source.script().heard.clone();
        assert!(!heard.iter().any(|it| ["abort", "roll_back", "resume"].contains(it)), "{heard:?}");
        stage.now_sees(None, Some(Executing));
        assert_eq!(stage.cluster.ends(uuid).await.migration.status(), Status::Completed);
        stage.has_no_discrepancy().await;
    }

    async fn past_post_copy_the_source_cannot_have_it(made: Made) {
        let stage = Stage::set(made).await;
        stage.source.script().tells = vec![WatchEvent::PostCopyStarted];
        let uuid = stage.moves(Some(HandedOver), Some(Executing)).await;
        stage.cluster.reaches(uuid, Status::RunningPostCopy).await;
        assert!(!stage.cluster.ask(uuid, Event::AbortRequested).await);

        // A source that says so all the same is not believed.
        let failure = Failure::new(FailureCode::HypervisorError, "It came back.");
        let ended = Ended { outcome: Outcome::Failed(failure), progress: None };
        stage.now_sees(Some(Executing), None);
        stage.source.script().tells = vec![WatchEvent::Ended(ended)];
        stage.has_discrepancy(DiscrepancyKind::Overdue).await;
        let status = stage.cluster.record(uuid).await.migration.status();
        assert_eq!(status, Status::RunningPostCopy);

        stage.now_sees(None, Some(Executing));
        assert_eq!(stage.cluster.ends(uuid).await.migration.status(), Status::Completed);
        stage.has_no_discrepancy().await;
    }

    async fn a_report_ends_a_move_and_may_come_again(made: Made) {
        let stage = Stage::set(made).await;
        let uuid = stage.moves(Some(Moving), Some(Incoming)).await;
        let failure = Failure::new(FailureCode::LinkLost, "The link is lost.");
        let report = stage.report(&stage.destination, uuid, Outcome::Failed(failure.clone())).await;
        assert!(
            matches!(report, Err(CallError::Refused(Refusal::Forbidden(_)))),
            "a destination cannot know: {report:?}"
        );
        stage.now_sees(Some(Executing), Some(Incoming));
        for _ in 0..2 {
            let outcome = Outcome::Failed(failure.clone());
            stage.report(&stage.source, uuid, outcome).await.unwrap();
        }
        let record = stage.cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Failed);
        assert_eq!(record.migration.failure, Some(failure));
        stage.report(&stage.source, uuid, Outcome::HandedOver).await.unwrap();
        assert_eq!(stage.cluster.record(uuid).await, record, "what has ended stays so");
        stage.has_no_discrepancy().await;
    }

    async fn a_report_on_an_unknown_migration_is_refused(made: Made) {
        let stage = Stage::set(made).await;
        let uuid = MigrationUuid(new_uuid());
        let report = stage.report(&stage.source, uuid, Outcome::HandedOver).await;
        assert!(matches!(report, Err(CallError::Refused(Refusal::UnknownMigration(_)))));
    }

    async fn a_source_that_dies_after_the_hand_over_is_not_waited_for(made: Made) {
        let mut stage = Stage::set(made).await;
        let uuid = stage.moves(Some(Moving), Some(Incoming)).await;
        stage.source_served = None;
        stage.now_sees(None, Some(Executing));
        stage.report(&stage.destination, uuid, Outcome::HandedOver).await.unwrap();
        let record = stage.cluster.ends(uuid).await;
        assert_eq!(record.migration.status(), Status::Completed);
        let log = stage.cluster.log(uuid).await;
        assert!(log.iter().any(|line| line.contains("source_not_clean")), "{log:?}");
        assert_eq!(stage.cluster.server(1).await.host, Some(host(2)));
    }

    async fn a_run_of_an_agent_that_is_not_known_has_to_register(made: Made) {
        let stage = Stage::set(made).await;
        let heartbeat = Heartbeat {
            host: host(1),
            boot_id: new_uuid(),
            inventory: None,
        };
        let heard = stage.conductor(&stage.source).heartbeat(heartbeat).await.unwrap();
        assert!(!heard.registered);
    }
}
