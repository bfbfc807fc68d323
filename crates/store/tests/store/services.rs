//! Services: found, changed and deleted, unless something needs them.

use godwit_core::event::Event;
use godwit_store::{
    ConductorBeat, Fencing, Service, ServiceBinary, ServiceChange, ServiceError, ServiceKey,
    ServiceStatus, ServiceUse,
};

use crate::bench::{Bench, asked, at, host, placed, server, uuid};

fn change(status: Option<ServiceStatus>, forced_down: Option<bool>, second: i64) -> ServiceChange {
    ServiceChange {
        status,
        forced_down,
        note: asked("req-1", at(second)),
    }
}

async fn update(bench: &Bench, name: &str, change: ServiceChange) -> Service {
    let fine = |_: &Service, _: &ServiceUse| Ok::<_, std::convert::Infallible>(());
    let updated = bench
        .store
        .service_update(uuid("service", name), change, fine)
        .await
        .unwrap();
    let found = bench
        .store
        .service_find(ServiceKey::Id(updated.id))
        .await
        .unwrap();
    assert_eq!(
        found.as_ref(),
        Some(&updated),
        "what is returned is what is stored"
    );
    updated
}

/// What needs the service of a host, as a refused deletion learns it.
async fn uses(bench: &Bench, name: &str) -> ServiceUse {
    let refused = bench
        .store
        .service_delete(uuid("service", name), asked("req-1", at(9)), |_, used| {
            Err(*used)
        })
        .await;
    match refused {
        Err(ServiceError::Refused(used)) => used,
        other => panic!("{other:?}"),
    }
}

on_both! {
    async fn operators_change_services(bench: Bench) {
        bench.host("a").await;
        let disabled = |reason: Option<&str>| {
            Some(ServiceStatus::Disabled { reason: reason.map(str::to_owned) })
        };
        let service = update(&bench, "a", change(disabled(Some("why")), None, 5)).await;
        assert_eq!((service.disabled, service.disabled_reason.as_deref()), (true, Some("why")));
        assert_eq!((service.forced_down, service.updated_at), (false, Some(at(5))));
        let service = update(&bench, "a", change(None, Some(true), 6)).await;
        assert_eq!((service.disabled, service.forced_down), (true, true));
        assert_eq!(service.disabled_reason.as_deref(), Some("why"));
        let service = update(&bench, "a", change(disabled(None), None, 7)).await;
        assert_eq!((service.disabled, service.disabled_reason), (true, None));
        let service = update(&bench, "a", change(Some(ServiceStatus::Enabled), Some(false), 8)).await;
        assert_eq!((service.disabled, service.forced_down), (false, false));

        let by_host = ServiceKey::On(host("a"), ServiceBinary::Compute);
        assert_eq!(bench.store.service_find(by_host).await.unwrap(), Some(service.clone()));
        let by_uuid = ServiceKey::Uuid(uuid("service", "a"));
        assert_eq!(bench.store.service_find(by_uuid).await.unwrap(), Some(service));
        let conductor = ServiceKey::On(host("a"), ServiceBinary::Conductor);
        assert_eq!(bench.store.service_find(conductor).await.unwrap(), None);
    }

    async fn refusals_change_nothing(bench: Bench) {
        bench.host("a").await;
        let before = bench.store.service_list().await.unwrap();
        let note = || asked("req-1", at(5));
        let down = || ServiceChange { status: None, forced_down: Some(true), note: note() };
        let refused = bench.store.service_update(uuid("service", "a"), down(), |_, _| Err(()));
        assert!(matches!(refused.await, Err(ServiceError::Refused(()))));
        let unknown = bench.store.service_update(uuid("service", "z"), down(), |_, _| Ok::<_, ()>(()));
        assert!(matches!(unknown.await, Err(ServiceError::NoSuchService)));
        assert_eq!(bench.store.service_list().await.unwrap(), before);
    }

    async fn who_declared_a_host_dead_is_known_until_it_is_taken_back(bench: Bench) {
        bench.host("a").await;
        let declare = async |dead, second| {
            update(&bench, "a", change(None, Some(dead), second)).await;
            let told = bench.store.host_declaration(&host("a")).await.unwrap().unwrap();
            (told.forced_down, told.forced_down_at, told.forced_down_by)
        };
        let by = Some(asked("req-1", at(5)).requester());
        let dead = (true, Some(at(5)), by.clone());
        assert_eq!(declare(true, 5).await, dead);
        assert_eq!(declare(true, 6).await, dead, "it is dead already");
        assert_eq!(declare(false, 7).await, (false, None, None));
        assert_eq!(declare(true, 8).await, (true, Some(at(8)), by));
        assert_eq!(bench.store.host_declaration(&host("z")).await.unwrap(), None);
    }

    async fn what_needs_a_service_is_counted(bench: Bench) {
        bench.fleet(&[("a", 2), ("b", 0), ("c", 0)]).await;
        let beat = ConductorBeat {
            uuid: uuid("service", "conductor"),
            host: host("a"),
            version: "0.1.0".to_owned(),
            at: at(1),
        };
        bench.store.conductor_heartbeat(beat).await.unwrap();
        bench.evacuate(1).await;
        bench.drive(1, [placed("b")]).await;
        let of = |servers, unfinished_migrations, done_evacuations| ServiceUse {
            servers,
            unfinished_migrations,
            done_evacuations,
        };
        assert_eq!(uses(&bench, "a").await, of(2, 1, 0));
        assert_eq!(uses(&bench, "b").await, of(0, 1, 0));
        assert_eq!(uses(&bench, "c").await, of(0, 0, 0));
        bench.drive(1, [Event::Booted]).await;
        assert_eq!(uses(&bench, "a").await, of(1, 0, 1));
        assert_eq!(uses(&bench, "b").await, of(1, 0, 0));
        assert_eq!(uses(&bench, "conductor").await, ServiceUse::default(), "it has no servers");
    }

    async fn a_deleted_host_can_come_back(bench: Bench) {
        bench.fleet(&[("a", 1), ("b", 0)]).await;
        let delete = |name| {
            let note = asked("req-1", at(8));
            bench.store.service_delete(uuid("service", name), note, |_, _| Ok::<_, ()>(()))
        };
        delete("b").await.unwrap();
        assert_eq!(bench.store.host_find(&host("b")).await.unwrap(), None);
        assert_eq!(bench.store.service_list().await.unwrap().len(), 1);
        assert!(matches!(delete("b").await, Err(ServiceError::NoSuchService)));
        bench.host("b").await;
        assert!(bench.store.host_find(&host("b")).await.unwrap().is_some());
        let note = asked("req-1", at(9));
        let state = godwit_core::server::VmState::Active;
        assert!(bench.store.server_reset_state(server(1), state, note).await.unwrap());
        bench.assert_sound().await;
    }

    async fn a_host_that_comes_back_keeps_what_its_operator_said(bench: Bench) {
        bench.host("a").await;
        bench.host("b").await;
        let away = ServiceStatus::Disabled { reason: Some("to be scrapped".to_owned()) };
        update(&bench, "a", change(Some(away), Some(true), 5)).await;
        for second in [6, 8] {
            for name in ["a", "b"] {
                let id = uuid("service", name);
                let note = asked("req-1", at(second));
                let deleted = bench.store.service_delete(id, note, |_, _| Ok::<_, ()>(()));
                deleted.await.unwrap();
            }
            assert_eq!(bench.store.service_list().await.unwrap(), []);
            bench.host("a").await;
            bench.host("b").await;
            let found = bench.store.service_list().await.unwrap();
            let [a, b] = found.as_slice() else { panic!("{found:?}") };
            assert_eq!((a.disabled, a.forced_down), (true, true));
            let said = Some(asked("req-1", at(5)).requester());
            assert_eq!((a.disabled_since, &a.disabled_by), (Some(at(5)), &said));
            assert_eq!((a.forced_down_at, &a.forced_down_by), (Some(at(5)), &said));
            assert_eq!(a.disabled_reason.as_deref(), Some("to be scrapped"));
            assert_eq!((a.report_count, a.updated_at), (1, None), "else it is a new one");
            assert_eq!((b.disabled, b.forced_down, b.disabled_reason.clone()), (false, false, None));
        }
        // What was said last counts, not what was said before it was deleted for the first time.
        update(&bench, "a", change(Some(ServiceStatus::Enabled), Some(false), 9)).await;
        bench.host("a").await;
        let found = bench.store.service_find(ServiceKey::Uuid(uuid("service", "a"))).await;
        let found = found.unwrap().unwrap();
        assert_eq!((found.disabled, found.forced_down), (false, false));
        let note = asked("req-1", at(10));
        let deleted = bench.store.service_delete(found.uuid, note, |_, _| Ok::<_, ()>(()));
        deleted.await.unwrap();
        bench.host("a").await;
        assert!(bench.store.service_list().await.unwrap().iter().all(|it| !it.disabled));
        bench.assert_sound().await;
    }

    async fn how_it_is_known_that_a_host_is_dead_is_kept_as_long_as_it_is(bench: Bench) {
        bench.host("a").await;
        let fence = async |reason: &str, request: &str, second| {
            let fencing = Fencing {
                reason: reason.to_owned(),
                note: asked(request, at(second)),
            };
            let fine = |_: &Service| Ok::<_, ()>(());
            bench.store.host_fence(&host("a"), fencing, fine).await.unwrap()
        };
        let declared = async || bench.store.host_declaration(&host("a")).await.unwrap().unwrap();
        let service = fence("its power was cut", "req-5", 5).await;
        assert_eq!((service.forced_down, service.forced_down_at), (true, Some(at(5))));
        let told = declared().await;
        assert_eq!(told.forced_down_reason.as_deref(), Some("its power was cut"));
        assert_eq!(told.forced_down_by, Some(asked("req-5", at(5)).requester()));
        assert_eq!(fence("its power was cut", "req-6", 6).await, service, "it is no news");
        let service = fence("it burns", "req-7", 7).await;
        let by = Some(asked("req-7", at(7)).requester());
        assert_eq!((service.forced_down_at, service.forced_down_by.clone()), (Some(at(5)), by));
        // Nova's word says nothing new.
        assert_eq!(update(&bench, "a", change(None, Some(true), 8)).await, service);
        let risen = update(&bench, "a", change(None, Some(false), 9)).await;
        assert_eq!((risen.forced_down, risen.forced_down_reason), (false, None));
        let dead = update(&bench, "a", change(None, Some(true), 10)).await;
        assert_eq!((dead.forced_down_reason, dead.forced_down_at), (None, Some(at(10))));
        let why = fence("its power was cut", "req-11", 11).await;
        assert_eq!(why.forced_down_at, Some(at(10)));
        let events = bench.texts("SELECT name AS text FROM events ORDER BY id");
        assert_eq!(events, ["forced_down", "forced_down", "forced_up", "forced_down", "forced_down"]);
        let no_such = Fencing { reason: "x".to_owned(), note: asked("req-1", at(12)) };
        let unknown = bench.store.host_fence(&host("z"), no_such.clone(), |_| Ok::<_, ()>(())).await;
        assert!(matches!(unknown, Err(ServiceError::NoSuchService)));
        let refused = bench.store.host_fence(&host("a"), no_such, |_| Err("alive")).await;
        assert!(matches!(refused, Err(ServiceError::Refused("alive"))));
        assert_eq!(declared().await.forced_down_reason.as_deref(), Some("its power was cut"));
    }
}
