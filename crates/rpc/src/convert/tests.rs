//! Everything is sent there and back.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::host::link::{Link, LinkRole};
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::migration::{BlockMigration, StorageMode};
use godwit_core::power::PowerAction;
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_core::server_group::{DeclaredGroup, Policy};
use godwit_core::time::Timestamp;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message;
use semver::Version;
use tonic::Status;
use uuid::Uuid;

use super::Native;
use super::refusal::refusal_of;
use super::words::{self, Word};
use crate::command::*;
use crate::domain::*;
use crate::enrolment::*;
use crate::facts::*;
use crate::progress::*;
use crate::proto;
use crate::refusal::Refusal;

fn text() -> impl Strategy<Value = String> {
    ".{0,12}"
}

fn host() -> impl Strategy<Value = HostName> {
    "[a-zA-Z0-9._-]{1,20}".prop_map(|name| HostName::new(name).unwrap())
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn migration() -> impl Strategy<Value = MigrationUuid> {
    uuid().prop_map(MigrationUuid)
}

fn server() -> impl Strategy<Value = ServerUuid> {
    uuid().prop_map(ServerUuid)
}

fn instant() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_000_000_i64).prop_map(|micros| Timestamp::from_micros(micros).unwrap())
}

fn span() -> impl Strategy<Value = Duration> {
    any::<u32>().prop_map(|millis| Duration::from_millis(millis.into()))
}

fn version() -> impl Strategy<Value = Version> {
    any::<(u8, u8, u8)>().prop_map(|(a, b, c)| Version::new(a.into(), b.into(), c.into()))
}

fn failure() -> impl Strategy<Value = Failure> {
    (select(FailureCode::ALL), text()).prop_map(|(code, message)| Failure { code, message })
}

fn kind() -> impl Strategy<Value = MoveKind> {
    select(vec![MoveKind::Live, MoveKind::Cold, MoveKind::Evacuation])
}

fn storage() -> impl Strategy<Value = StorageMode> {
    select(StorageMode::ALL)
}

prop_compose! {
    fn cpu()(
        arch in text(), model in text(), vendor in text(),
        features in vec(text(), 0..3), definition in of(text()),
    ) -> Cpu {
        Cpu { arch, model, vendor, features, definition }
    }
}

prop_compose! {
    fn pool()(id in text(), sizes: [u64; 2], kind in of(text()), local: bool) -> Pool {
        let [capacity_bytes, free_bytes] = sizes;
        Pool { id, capacity_bytes, free_bytes, kind, local }
    }
}

prop_compose! {
    fn link()(
        name in text(), role in select(LinkRole::ALL),
        bytes_per_second: Option<u64>, stream_bytes_per_second: Option<u64>,
    ) -> Link {
        Link { name, role, bytes_per_second, stream_bytes_per_second }
    }
}

prop_compose! {
    fn facts()(
        host in host(), node in text(), hypervisor_type in text(), hypervisor_version: u32,
        cpu in cpu(), (vcpus, memory_bytes, disk_bytes, disk_free_bytes) in any::<(u32, u64, u64, u64)>(),
        pools in vec(pool(), 0..3), address in of(any::<IpAddr>()), links in vec(link(), 0..3),
    ) -> HostFacts {
        let capacity = Capacity { vcpus, memory_bytes, disk_bytes, disk_free_bytes };
        HostFacts {
            host, node, hypervisor_type, hypervisor_version, cpu, capacity, pools, address, links,
        }
    }
}

prop_compose! {
    fn receiver()(target in text(), pools in vec(pool(), 0..3)) -> Receiver {
        Receiver { target, pools }
    }
}

prop_compose! {
    fn backing()(path in text(), format in text(), fingerprint in of(text())) -> Backing {
        Backing { path, format, fingerprint }
    }
}

prop_compose! {
    fn disk()(
        target in text(), path in text(), pool in of(text()), format in text(),
        virtual_bytes: u64, allocated_bytes: u64, backing in of(backing()), read_only: bool,
    ) -> Disk {
        Disk { target, path, pool, format, virtual_bytes, allocated_bytes, backing, read_only }
    }
}

prop_compose! {
    fn owner()(
        user_id in text(), project_id in text(),
        user_name in of(text()), project_name in of(text()),
    ) -> Owner {
        Owner { user_id, project_id, user_name, project_name }
    }
}

prop_compose! {
    fn flavor()(
        id in of(text()), name in text(), vcpus: u32,
        (memory_mb, root_gb, ephemeral_gb, swap_mb) in any::<(u64, u64, u64, u64)>(),
    ) -> Flavor {
        Flavor { id, name, vcpus, memory_mb, root_gb, ephemeral_gb, swap_mb }
    }
}

prop_compose! {
    fn group()(
        uuid in uuid(), name in of(text()), policy in of(select(Policy::ALL)),
        max_server_per_host in of(any::<u32>()),
    ) -> DeclaredGroup {
        DeclaredGroup { uuid: uuid.into(), name, policy, max_server_per_host }
    }
}

prop_compose! {
    fn domain()(
        server in server(), domain_name in text(), display_name in text(),
        sighting in select(Sighting::ALL), power_state in select(PowerState::ALL),
        (vcpus, memory_bytes) in any::<(u32, u64)>(), cpu in cpu(), disks in vec(disk(), 0..3),
        owner in owner(), flavor in of(flavor()), image_ref in of(text()),
        (definition, group) in (of(text()), of(group().prop_map(Box::new))),
    ) -> Domain {
        Domain {
            server, domain_name, display_name, sighting, power_state, vcpus, memory_bytes, cpu,
            disks, owner, flavor, image_ref, definition, group,
        }
    }
}

prop_compose! {
    fn inventory()(
        facts in facts(), domains in vec(domain(), 0..3), observed_at in instant(),
    ) -> Inventory {
        Inventory { facts, domains, observed_at }
    }
}

prop_compose! {
    fn command()(
        migration in migration(), kind in kind(), server in server(), source in host(),
        destination in host(), storage in storage(), sequence: i64, epoch: i64, request_id in of(text()),
    ) -> Command {
        let what = Move { migration, kind, server, source, destination, storage };
        Command { what, rank: Rank { sequence, epoch }, request_id }
    }
}

prop_compose! {
    fn amounts()(total: u64, processed: u64, remaining: u64) -> Amounts {
        Amounts { total, processed, remaining }
    }
}

prop_compose! {
    fn progress()(
        memory in amounts(), disk in of(amounts()), dirty_rate: u64, throughput: u64,
        downtime in of(span()), iteration: u32,
    ) -> Progress {
        Progress { memory, disk, dirty_rate, throughput, downtime, iteration }
    }
}

fn ended() -> impl Strategy<Value = Ended> {
    let outcome = prop_oneof![
        Just(Outcome::HandedOver),
        Just(Outcome::Stopped),
        Just(Outcome::Cancelled),
        failure().prop_map(Outcome::Failed),
        failure().prop_map(Outcome::Lost),
    ];
    (outcome, of(progress())).prop_map(|(outcome, progress)| Ended { outcome, progress })
}

fn watch_event() -> impl Strategy<Value = WatchEvent> {
    prop_oneof![
        progress().prop_map(WatchEvent::Progress),
        Just(WatchEvent::PostCopyStarted),
        ended().prop_map(WatchEvent::Ended),
        Just(WatchEvent::Unknown),
    ]
}

fn refusal() -> impl Strategy<Value = Refusal> {
    let rank = any::<(i64, i64)>().prop_map(|(sequence, epoch)| Rank { sequence, epoch });
    prop_oneof![
        rank.prop_map(|newest| Refusal::Stale { newest }),
        Just(Refusal::NoJob),
        Just(Refusal::TooLate),
        server().prop_map(Refusal::UnknownServer),
        migration().prop_map(Refusal::UnknownMigration),
        failure().prop_map(Refusal::Failed),
        (version(), version()).prop_map(|(ours, theirs)| Refusal::Incompatible { ours, theirs }),
        text().prop_map(Refusal::Forbidden),
        text().prop_map(Refusal::Unavailable),
        (text(), text()).prop_map(|(field, problem)| Refusal::Malformed { field, problem }),
    ]
}

prop_compose! {
    fn registration()(
        agent_address in text(), boot_id in uuid(), inventory in inventory(),
        rpc_version in version(), capabilities in vec(text(), 0..3),
        unsettled in vec(migration(), 0..3),
    ) -> Registration {
        Registration { agent_address, boot_id, inventory, rpc_version, capabilities, unsettled }
    }
}

/// As bytes, because that is how it travels: a field that was forgotten is lost there.
fn travels<N: Native<Wire: Message + Default> + Clone>(native: &N) -> N {
    let bytes = native.clone().to_wire().encode_to_vec();
    N::from_wire(N::Wire::decode(bytes.as_slice()).unwrap()).unwrap()
}

macro_rules! there_and_back {
    ($($test:ident: $value:expr;)+) => {
        proptest! {$(
            #[test]
            fn $test(value in $value) {
                prop_assert_eq!(travels(&value), value);
            }
        )+}
    };
}

there_and_back! {
    host_facts: facts();
    inventories: inventory();
    bare_commands: command();
    source_checks: (
        migration(), server(), kind(), select(BlockMigration::ALL), facts(),
    ).prop_map(
        |(migration, server, kind, block_migration, destination)| CheckSource {
            migration, server, kind, block_migration, destination,
        });
    movables: (domain(), storage()).prop_map(
        |(guest, storage)| Movable { guest, storage });
    destination_checks: (migration(), domain(), facts(), storage(), of(any::<bool>())).prop_map(
        |(migration, guest, source, storage, disk_over_commit)| CheckDestination {
            migration, guest, source, storage, disk_over_commit,
        });
    prepares: (command(), domain()).prop_map(
        |(command, guest)| Prepare { command, guest });
    receivers: receiver();
    starts: (command(), receiver()).prop_map(
        |(command, receiver)| Start { command, receiver });
    roll_backs: (command(), any::<bool>()).prop_map(
        |(command, resume)| RollBack { command, resume });
    boot_checks: (migration(), server(), text()).prop_map(
        |(migration, server, definition)| CheckBoot {
            migration, server, definition,
        });
    boots: (command(), of(text()), any::<bool>()).prop_map(
        |(command, definition, power_on)| Boot {
            command, definition, power_on,
        });
    withdrawals: (command(), instant()).prop_map(
        |(command, began_at)| Withdraw { command, began_at });
    powers: (server(), select(PowerAction::ALL), any::<i64>(), any::<i64>(), of(text())).prop_map(
        |(server, action, sequence, epoch, request_id)| Power {
            server, action, rank: Rank { sequence, epoch }, request_id,
        });
    powered: (select(PowerState::ALL), of(failure())).prop_map(
        |(power_state, failure)| Powered { power_state, failure });
    means: select(vec![ForceMeans::PostCopy, ForceMeans::Pause]);
    watch_events: watch_event();
    registrations: registration();
    registered: (vec(migration(), 0..4), vec(migration(), 0..4), span()).prop_map(
        |(unfinished, completed, heartbeat_interval)| Registered {
            unfinished, completed, heartbeat_interval,
        });
    heartbeats: (host(), uuid(), of(inventory())).prop_map(
        |(host, boot_id, inventory)| Heartbeat {
            host, boot_id, inventory,
        });
    heard: any::<bool>().prop_map(|registered| Heard { registered });
    reports: (host(), migration(), any::<i64>(), ended(), instant()).prop_map(
        |(host, migration, sequence, ended, at)| Report {
            host, migration, sequence, ended, at,
        });
}

proptest! {
    #[test]
    fn refusals_travel_in_a_status(refusal in refusal()) {
        prop_assert_eq!(refusal_of(&Status::from(refusal.clone())), Some(refusal));
    }

    #[test]
    fn bytes_of_anybody_are_understood_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        if let Ok(message) = proto::Inventory::decode(bytes.as_slice()) {
            drop(Inventory::from_wire(message));
        }
    }
}

#[test]
fn what_is_missing_is_named() {
    let refusal = Prepare::from_wire(proto::Prepare::default()).unwrap_err();
    assert_eq!(refusal.to_string(), "malformed command: missing");
}

#[test]
fn a_forgotten_or_unknown_word_is_refused() {
    for number in [0, 99] {
        assert!(words::read::<Sighting>("sighting", number).is_err());
    }
    assert_eq!(
        words::read("sighting", words::send(Sighting::Moving)),
        Ok(Sighting::Moving)
    );
    assert_eq!(Sighting::from_wire(proto::Sighting::Unspecified), None);
}

#[test]
fn a_definition_that_is_too_large_stays_at_home() {
    let large = |bytes| Domain::bounded("x".repeat(bytes)).is_some();
    assert!(large(Domain::LARGEST_DEFINITION));
    assert!(!large(Domain::LARGEST_DEFINITION + 1));
}

#[test]
fn a_code_that_a_newer_agent_invented_is_still_a_failure() {
    let failure = Failure::from_wire(proto::Failure {
        code: "moon-phase".to_owned(),
        message: "It waxes.".to_owned(),
    })
    .unwrap();
    assert_eq!(failure.code, FailureCode::HypervisorError);
    assert_eq!(failure.message, "moon-phase: It waxes.");
}

#[test]
fn greetings_travel() {
    let speaks = crate::version::Speaks {
        version: Version::new(3, 2, 1),
        capabilities: BTreeSet::from(["a".to_owned()]),
    };
    let reply = proto::HelloReply::from(speaks);
    assert_eq!(reply.rpc_version, "3.2.1");
    assert_eq!(reply.capabilities, ["a"]);
}
