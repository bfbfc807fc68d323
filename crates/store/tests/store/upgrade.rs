//! Databases of earlier releases go on: whatever was under way in them comes to an end.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, SqliteConnection};
use godwit_core::effect::{Effect, Subject};
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::MigrationUuid;
use godwit_core::migration::{Intent, Migration};
use godwit_core::phase::Phase;
use godwit_core::resources::Resources;
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::transition::step;
use godwit_store::{
    CommitNote, ConductorBeat, EventQuery, LoggedEvent, MigrationKey, OpenError, Store,
    StoreOptions,
};

use crate::bench::{Bench, at, host, migration, note_for, placed, server, uuid};
use crate::released::{LAST, as_released, execute, upgrade};

/// The last change of the release before the last one.
const LAST_BUT_ONE: &str = "20261121000002";

/// The last change of a release whose processes go on beside this one's.
const BESIDE: &str = "20261128000025";

const LEASE: Duration = Duration::from_secs(5);

/// What tells the states of a migration apart.
type State = (Phase, Option<Intent>);

fn state(migration: &Migration) -> State {
    (migration.phase, migration.intent)
}

/// Everything that agents and users bring about.
fn events() -> Vec<Event> {
    let no = || Failure::new(FailureCode::HypervisorError, "It said no.");
    vec![
        placed("b"),
        Event::Admitted,
        Event::Prepared,
        Event::PostCopyStarted,
        Event::HandedOver,
        Event::Finished { clean: true },
        Event::RolledBack { clean: true },
        Event::SourceStopped,
        Event::Booted,
        Event::ConfirmRequested,
        Event::RevertRequested,
        Event::Withdrawn,
        Event::AbortRequested,
        Event::ForceCompleteRequested,
        Event::CancelledUnstarted,
        Event::MoveCancelled,
        Event::SourceReturned,
        Event::NotPlaced(no()),
        Event::NotPrepared(no()),
        Event::MoveFailed(no()),
        Event::NotBooted(no()),
        Event::GuestLost(no()),
    ]
}

/// The shortest way to every state that a migration can get into.
fn ways(from: &Migration) -> BTreeMap<State, Vec<Event>> {
    let mut ways = BTreeMap::from([(state(from), Vec::new())]);
    let mut ahead = VecDeque::from([from.clone()]);
    while let Some(migration) = ahead.pop_front() {
        let way = ways[&state(&migration)].clone();
        for event in events() {
            let Ok(transition) = step(&migration, &event, at(20)) else {
                continue;
            };
            let next = transition.next;
            if let Entry::Vacant(entry) = ways.entry(state(&next)) {
                let mut longer = way.clone();
                longer.push(event);
                entry.insert(longer);
                ahead.push_back(next);
            }
        }
    }
    ways
}

/// The shortest way to an end.
fn way_to_an_end(from: &Migration) -> Vec<Event> {
    let ends = ways(from)
        .into_iter()
        .filter(|((phase, _), _)| phase.status().is_terminal());
    let shortest = ends.map(|(_, way)| way).min_by_key(Vec::len);
    shortest.unwrap_or_else(|| panic!("{from:?} leads nowhere"))
}

/// A note with room for everybody.
fn note(event: &Event, second: i64) -> CommitNote {
    let mut note = note_for(event, at(second));
    if let Some(claim) = &mut note.claim {
        claim.capacity = Resources {
            vcpus: 1 << 20,
            memory_mb: 1 << 30,
            disk_gb: 1 << 20,
        };
    }
    note
}

async fn drive(store: &Store, uuid: MigrationUuid, way: Vec<Event>, second: i64) {
    for event in way {
        let note = note(&event, second);
        let stepped = store.migration_apply(uuid, event.clone(), note).await;
        stepped.unwrap_or_else(|error| panic!("{uuid} {event:?}: {error:?}"));
    }
}

const KINDS: [MigrationKind; 4] = [
    MigrationKind::LiveMigration,
    MigrationKind::Migration,
    MigrationKind::Resize,
    MigrationKind::Evacuation,
];

/// Begins a migration of this kind.
async fn begin(bench: &Bench, kind: MigrationKind, n: u128) -> Migration {
    match kind {
        MigrationKind::LiveMigration => bench.begin(n).await,
        MigrationKind::Migration => bench.begin_cold(n).await,
        MigrationKind::Evacuation => bench.evacuate(n).await,
        MigrationKind::Resize => {
            // What came from Nova under this name goes the way of cold ones.
            bench.begin_cold(n).await;
            bench.sql(&format!(
                "UPDATE migrations SET migration_type = 'resize' WHERE uuid = '{}'",
                migration(n)
            ));
            bench.record(n).await
        }
    };
    bench.record(n).await.migration
}

/// One migration of every kind in every state; how many there are.
async fn one_of_each(bench: &Bench) -> u128 {
    const SERVERS: usize = 200;
    bench.fleet(&[("a", SERVERS), ("b", 0)]).await;
    let mut n = 0;
    let mut statuses = BTreeSet::new();
    for kind in KINDS {
        n += 1;
        let first = begin(bench, kind, n).await;
        for ((phase, _), way) in ways(&first) {
            statuses.insert(phase.status());
            if !way.is_empty() {
                n += 1;
                begin(bench, kind, n).await;
                drive(&bench.store, migration(n), way, 20).await;
            }
        }
    }
    let all: BTreeSet<MigrationStatus> = MigrationStatus::ALL.iter().copied().collect();
    assert_eq!(statuses, all, "every status can be reached");
    n
}

/// A process that is connected, and does nothing at the moment.
fn connected(url: &str) -> Box<dyn std::any::Any> {
    match url.strip_prefix("sqlite://") {
        Some(path) => {
            let mut idle = SqliteConnection::establish(path).unwrap();
            idle.batch_execute("SELECT COUNT(*) FROM servers").unwrap();
            Box::new(idle)
        }
        None => {
            let mut idle = PgConnection::establish(url).unwrap();
            idle.batch_execute("SET application_name = 'godwit api'")
                .unwrap();
            Box::new(idle)
        }
    }
}

/// What the API of the release before writes when a migration begins, as it names columns: migration
/// `n` of server `n`, like migration 1 of server 1.
fn begun_as_before(n: u128) -> String {
    let (new, like) = (migration(n), migration(1));
    let id = |uuid| format!("(SELECT id FROM migrations WHERE uuid = '{uuid}')");
    let (new_id, old_id) = (id(new), id(like));
    format!(
        "INSERT INTO migrations (uuid, instance_uuid, migration_type, status, request, limits,
                                 source_compute, source_node, dest_compute, old_instance_type_id,
                                 new_instance_type_id, user_id, project_id, request_id, deadline,
                                 generation, effect_sequence, event_sequence, created_at,
                                 status_since)
         SELECT '{new}', '{server}', migration_type, status, request, limits, source_compute,
                source_node, dest_compute, old_instance_type_id, new_instance_type_id, user_id,
                project_id, request_id, deadline, generation, effect_sequence, event_sequence,
                created_at, status_since
         FROM migrations WHERE uuid = '{like}';
         INSERT INTO events (subject_kind, subject_id, sequence, at, name, from_status, to_status,
                             actor, request_id, detail)
         SELECT subject_kind, {new_id}, sequence, at, name, from_status, to_status, actor,
                request_id, detail
         FROM events WHERE subject_kind = 'migration' AND subject_id = {old_id};
         INSERT INTO effects (subject_kind, subject_id, sequence, effect, created_at, not_before)
         SELECT subject_kind, {new_id}, sequence, effect, created_at, not_before
         FROM effects WHERE subject_kind = 'migration' AND subject_id = {old_id};
         UPDATE servers SET task_state = 'migrating', generation = generation + 1
         WHERE uuid = '{server}';",
        server = server(n),
    )
}

/// The log of everything, in pages: of what each event is, and its number there.
async fn positions(store: &Store) -> Vec<(String, i64)> {
    let mut found = Vec::new();
    loop {
        let after = i64::try_from(found.len()).unwrap();
        let query = EventQuery::after(after, 100);
        let page = store.events_page(&query).await.unwrap().events;
        if page.is_empty() {
            return found;
        }
        for (expected, line) in (after + 1..).zip(page) {
            assert_eq!(line.position, expected);
            let subject = line.event.subject();
            let sequence = match line.event {
                LoggedEvent::Migration { line, .. } => line.sequence,
                LoggedEvent::Host { line, .. }
                | LoggedEvent::Scope { line, .. }
                | LoggedEvent::Discrepancy { line, .. }
                | LoggedEvent::Plan { line, .. }
                | LoggedEvent::Run { line, .. }
                | LoggedEvent::Maintenance { line, .. } => line.sequence,
            };
            found.push((subject, sequence));
        }
    }
}

on_both! {
    async fn whatever_was_under_way_comes_to_an_end(bench: Bench) {
        let count = one_of_each(&bench).await;
        let url = as_released(&bench.url, LAST);
        let store = upgrade(&url).await;
        assert_eq!(store.check_invariants().await.unwrap(), []);
        for n in 1..=count {
            let found = store.migration_find(migration(n)).await.unwrap().unwrap();
            assert_eq!(found, bench.record(n).await, "nothing is lost");
            drive(&store, migration(n), way_to_an_end(&found.migration), 60).await;
            let ended = store.migration_find(migration(n)).await.unwrap().unwrap();
            assert!(ended.migration.status().is_terminal(), "{ended:?}");
        }
        assert_eq!(store.check_invariants().await.unwrap(), []);

        let mut last: BTreeMap<String, i64> = BTreeMap::new();
        for (subject, sequence) in positions(&store).await {
            assert_eq!(last.insert(subject, sequence).unwrap_or_default() + 1, sequence);
        }
        let migrations = last.keys().filter(|it| it.starts_with("migration/"));
        assert_eq!(migrations.count(), usize::try_from(count).unwrap());
        assert_eq!(store.check_invariants().await.unwrap(), []);
    }

    async fn events_of_before_are_in_the_order_of_their_time(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0)]).await;
        bench.begin(1).await;
        bench.begin(2).await;
        drive(&bench.store, migration(2), vec![placed("b")], 25).await;
        // Of a conductor whose clock is behind.
        drive(&bench.store, migration(2), vec![Event::Admitted], 15).await;
        drive(&bench.store, migration(1), vec![placed("b")], 20).await;
        let store = upgrade(&as_released(&bench.url, LAST)).await;
        let (first, second) = (migration(1), migration(2));
        let expected = [(first, 1), (second, 1), (first, 2), (second, 2), (second, 3)]
            .map(|(migration, sequence)| (format!("migration/{migration}"), sequence));
        assert_eq!(positions(&store).await, expected);
    }

    async fn leases_and_tries_survive(bench: Bench) {
        bench.fleet(&[("a", 2)]).await;
        bench.begin(1).await;
        let claimed = bench.store.effects_claim("old", at(10), LEASE, 1).await.unwrap();
        bench.store.effect_retry(claimed[0].lease, at(12), "busy").await.unwrap();
        let store = upgrade(&as_released(&bench.url, LAST_BUT_ONE)).await;
        let claimed = store.effects_claim("new", at(12), LEASE, 9).await.unwrap();
        assert_eq!(claimed.len(), 1);
        let (kept, schedule) = (claimed[0], Subject::Migration(migration(1), Effect::Schedule));
        assert_eq!((kept.subject, kept.sequence, kept.attempts), (schedule, 1, 1));
        assert_eq!(kept.lease.epoch, 2);
        assert!(store.effect_done(kept.lease, at(14)).await.unwrap());
    }

    async fn the_release_before_goes_on_beside_this_one(bench: Bench) {
        bench.fleet(&[("a", 3), ("b", 0)]).await;
        bench.begin(1).await;
        bench.begin(2).await;
        drive(&bench.store, migration(2), vec![placed("b"), Event::Admitted], 20).await;
        let url = as_released(&bench.url, BESIDE);
        let _at_work = connected(&url);
        let made = Store::upgrade(&url, &StoreOptions::default()).await.unwrap();
        assert!(made.len() > 3, "beside somebody at work: {made:?}");
        let store = Store::open(&url, StoreOptions::default()).await.unwrap();

        // The release before does not know of that, and begins another one.
        execute(&url, &begun_as_before(3));
        assert_eq!(store.check_invariants().await.unwrap(), []);
        let claimed = store.effects_claim("new", at(30), LEASE, 9).await.unwrap();
        let subjects: Vec<_> = claimed.iter().map(|it| it.subject).collect();
        for n in [1, 3] {
            let schedule = Subject::Migration(migration(n), Effect::Schedule);
            assert!(subjects.contains(&schedule), "{subjects:?}");
        }
        let key = MigrationKey::Uuid(migration(3));
        let detail = store.migration_detail(key, None).await.unwrap().unwrap();
        assert_eq!(detail.server_project_id.as_deref(), Some("demo"), "a trigger says it");
        for n in [1, 2, 3] {
            let found = store.migration_find(migration(n)).await.unwrap().unwrap();
            drive(&store, migration(n), way_to_an_end(&found.migration), 60).await;
        }
        assert_eq!(store.check_invariants().await.unwrap(), []);
    }

    async fn nobody_else_may_be_at_work(bench: Bench) {
        let beat = ConductorBeat {
            uuid: uuid("service", "c-1"),
            host: host("c-1"),
            version: "0.1.0".to_owned(),
            at: at(1),
        };
        bench.store.conductor_heartbeat(beat).await.unwrap();
        let url = as_released(&bench.url, LAST);
        // An idle process is at work, too.
        let idle = connected(&url);
        let refused = Store::upgrade(&url, &StoreOptions::default()).await.unwrap_err();
        let OpenError::InUse { by, .. } = &refused else { panic!("{refused:?}") };
        let connected = if url.starts_with("sqlite") { "has the file open" } else { "(godwit api)" };
        assert!(by.iter().any(|it| it.contains(connected)), "{by:?}");
        let told = refused.to_string();
        assert!(told.contains("conductor c-1, heard at 2023-11-14T22:13:21"), "{told}");
        assert!(told.contains("stop every api, conductor"), "{told}");
        let opened = Store::open(&url, StoreOptions::default()).await.unwrap_err();
        assert!(matches!(opened, OpenError::Older { .. }), "it is as it was: {opened:?}");

        drop(idle);
        let store = upgrade(&url).await;
        assert_eq!(store.check_invariants().await.unwrap(), []);
        let again = Store::upgrade(&url, &StoreOptions::default()).await.unwrap();
        assert_eq!(again, Vec::<String>::new(), "with somebody at work");
    }
}
