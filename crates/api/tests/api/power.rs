//! `os-stop`, `os-start` and `reboot`: bodies, checks in their order, and what begins.

use godwit_core::power::PowerAction;
use godwit_core::server::{TaskState, VmState};
use serde_json::{Value, json};

use crate::answers::Answer;
use crate::seed::{SERVER, Server};
use crate::world::{Who, World};

async fn act(world: &World, who: Who, body: Value) -> Answer {
    world.act(who, 1, body).await
}

fn stop() -> Value {
    json!({"os-stop": null})
}

fn start() -> Value {
    json!({"os-start": null})
}

fn reboot(kind: &str) -> Value {
    json!({"reboot": {"type": kind}})
}

async fn with(server: Server) -> World {
    let world = World::new().await;
    world.host("host-1").await;
    world.server(server);
    world
}

fn in_state(vm_state: &'static str, task_state: Option<&'static str>) -> Server {
    Server {
        vm_state,
        task_state,
        ..Server::default()
    }
}

#[tokio::test]
async fn a_reboot_has_a_type() {
    let world = with(in_state("building", None)).await;
    let words = "['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft']";
    for (wish, text) in [
        (
            json!(null),
            "reboot. Value: None. None is not of type 'object'".to_owned(),
        ),
        (
            json!({}),
            "reboot. Value: {}. 'type' is a required property".to_owned(),
        ),
        (
            json!({"type": "sOFT"}),
            format!("type. Value: sOFT. 'sOFT' is not one of {words}"),
        ),
        (
            json!({"type": "SOFT", "x": 1}),
            "reboot. Value: {'type': 'SOFT', 'x': 1}. Additional properties are not allowed ('x' was unexpected)".to_owned(),
        ),
    ] {
        let answer = act(&world, Who::Member, json!({ "reboot": wish })).await;
        assert_eq!(
            answer.bad_request(),
            format!("Invalid input for field/attribute {text}")
        );
    }
    for body in [json!(null), json!("x"), json!({"a": 1})] {
        for action in ["os-stop", "os-start"] {
            let answer = act(&world, Who::Member, json!({ action: body })).await;
            assert_eq!(answer.status, 409, "nobody looks at {body}");
        }
    }
}

#[tokio::test]
async fn members_may_and_readers_may_not() {
    let world = with(Server::default()).await;
    for (body, rule) in [
        (stop(), "servers:stop"),
        (start(), "servers:start"),
        (reboot("SOFT"), "servers:reboot"),
    ] {
        for who in [Who::Reader, Who::Nobody, Who::SystemAdmin] {
            let answer = act(&world, who, body.clone()).await;
            assert_eq!(answer.forbidden(), rule);
        }
        assert_eq!(act(&world, Who::Stranger, body).await.status, 404);
    }
    assert_eq!(world.woken(), 0);
}

/// Nova asks for the lock, for the host (but not of what is rebooted), and for the states.
#[tokio::test]
async fn states_that_do_not_allow_it() {
    let cannot =
        |action: &str, what| format!("Cannot '{action}' instance {SERVER} while it is in {what}");
    let homeless = |vm_state| Server {
        host: None,
        ..in_state(vm_state, None)
    };
    let locked = |server| Server {
        locked: true,
        ..server
    };
    let invalid = |action| format!("Instance {SERVER} is in an invalid state for '{action}'");
    let unlaunched = |vm_state| Server {
        launched: false,
        ..in_state(vm_state, None)
    };
    let not_ready = format!("Instance {SERVER} is not ready");
    for (server, body, text) in [
        (
            in_state("stopped", None),
            stop(),
            cannot("stop", "vm_state stopped"),
        ),
        (
            in_state("resized", None),
            stop(),
            cannot("stop", "vm_state resized"),
        ),
        (
            in_state("active", Some("migrating")),
            stop(),
            cannot("stop", "task_state migrating"),
        ),
        (unlaunched("active"), stop(), invalid("stop")),
        (homeless("active"), stop(), not_ready.clone()),
        (
            in_state("active", None),
            start(),
            cannot("start", "vm_state active"),
        ),
        (
            in_state("stopped", Some("powering-on")),
            start(),
            cannot("start", "task_state powering-on"),
        ),
        (homeless("active"), start(), not_ready),
        (
            in_state("stopped", None),
            reboot("soft"),
            cannot("reboot", "vm_state stopped"),
        ),
        (
            in_state("active", Some("rebooting")),
            reboot("Soft"),
            cannot("reboot", "task_state rebooting"),
        ),
        (
            in_state("active", Some("reboot_started_hard")),
            reboot("Hard"),
            cannot("reboot", "task_state reboot_started_hard"),
        ),
        (
            in_state("rescued", None),
            reboot("HARD"),
            cannot("reboot", "vm_state rescued"),
        ),
        (
            homeless("stopped"),
            reboot("soft"),
            cannot("reboot", "vm_state stopped"),
        ),
        (homeless("active"), reboot("soft"), invalid("reboot")),
        (
            locked(homeless("stopped")),
            stop(),
            format!("Instance {SERVER} is locked"),
        ),
    ] {
        let world = with(server.clone()).await;
        let answer = act(&world, Who::Member, body).await;
        assert_eq!(answer.conflict(), text, "{server:?}");
        assert_eq!(world.woken(), 0);
        assert_eq!(world.store.figures().await.unwrap().power, []);
    }
    let world = with(locked(in_state("active", None))).await;
    act(&world, Who::Admin, stop()).await.accepted();
}

#[tokio::test]
async fn what_begins_is_written_down() {
    for (server, body, action, name, task) in [
        (
            in_state("error", None),
            stop(),
            PowerAction::Stop,
            "stop",
            TaskState::PoweringOff,
        ),
        (
            in_state("stopped", None),
            start(),
            PowerAction::Start,
            "start",
            TaskState::PoweringOn,
        ),
        (
            in_state("active", None),
            reboot("SOFT"),
            PowerAction::SoftReboot,
            "reboot",
            TaskState::Rebooting,
        ),
        (
            in_state("paused", Some("unpausing")),
            reboot("hard"),
            PowerAction::HardReboot,
            "reboot",
            TaskState::RebootingHard,
        ),
    ] {
        let state: VmState = server.vm_state.parse().unwrap();
        let world = with(server).await;
        let answer = act(&world, Who::Member, body.clone()).await;
        answer.accepted();
        assert_eq!(world.woken(), 1);
        let shown = world.shown(Who::Member, 80).await;
        assert_eq!(shown["OS-EXT-STS:task_state"], task.as_str());
        assert_eq!(shown["OS-EXT-STS:vm_state"], state.as_str());
        let power = world.store.figures().await.unwrap().power;
        assert_eq!(power.len(), 1);
        assert_eq!((power[0].0, power[0].1), (action, 1));

        let history = world.shown_action(Who::Admin, 80, &answer).await;
        assert_eq!(history["action"], name);
        assert_eq!(history["events"], json!([]));
        assert_eq!(history["message"], Value::Null);
    }
}

#[tokio::test]
async fn a_status_that_was_reset_does_not_hide_a_move() {
    let world = World::new().await;
    world.moving("running").await;
    let reset = json!({"os-resetState": {"state": "active"}});
    act(&world, Who::Admin, reset).await.accepted();
    let answer = act(&world, Who::Member, stop()).await;
    let text = format!("Instance {SERVER} is in an invalid state for 'stop'");
    assert_eq!(answer.conflict(), text);
}
