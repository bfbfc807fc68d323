//! Of two faults, the one that Nova finds first.

use serde_json::json;

use crate::seed::{NO_SERVER, SERVER, Server};
use crate::world::{LAB, Who, World};

const BAD_MIGRATE: &str = r#"{"os-migrateLive": {"host": 5}}"#;

#[tokio::test]
async fn size_before_token_before_route_before_version() {
    let world = World::new().await;
    let big = vec![b'x'; 114_689];
    let answer = world
        .ask("POST", "/v2.1/nowhere")
        .body(big.clone())
        .send()
        .await;
    assert_eq!(answer.status, 413);
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=UTF-8")
    );
    let fits = vec![b'x'; 114_688];
    let answer = world.ask("POST", "/v2.1/nowhere").body(fits).send().await;
    assert_eq!(answer.status, 401);
    let answer = world.get(Who::Admin, 999, "/v2.1/nowhere").await;
    assert_eq!(answer.status, 404);
    let ask = world
        .ask("GET", "/v2.1/servers")
        .by(Who::Admin)
        .version(999);
    assert_eq!(
        ask.header("Content-Type", "text/xml").send().await.status,
        406
    );
}

#[tokio::test]
async fn a_body_without_a_length_is_measured_as_it_comes() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = World::new().await;
    let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "POST /v2.1/servers/x/action HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {}\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        world.token(Who::Admin)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..2 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).await.unwrap();
    assert_eq!(&begin, b"HTTP/1.1 413");
}

#[tokio::test]
async fn the_type_before_the_body_before_the_project_before_the_version_of_an_action() {
    let world = World::new().await;
    let action = format!("/v2.1/{LAB}/servers/{NO_SERVER}/action");
    let post = |path: &str, kind: &str, body: &str| {
        let ask = world.ask("POST", path).by(Who::Admin).version(80);
        ask.header("Content-Type", kind).body(body).send()
    };
    let answer = post(&action, "text/xml", "{").await;
    assert_eq!(
        answer.fault(415, "badMediaType"),
        "Unsupported Content-Type"
    );
    let answer = post(&action, "application/json", "{").await;
    assert_eq!(answer.bad_request(), "Malformed request body");
    let answer = post(&action, "application/json", r#"{"frobnicate": null}"#).await;
    assert_eq!(answer.bad_request(), "There is no such action: frobnicate");
    let answer = post(&action, "application/json", BAD_MIGRATE).await;
    assert!(
        answer.bad_request().starts_with("Malformed request URL"),
        "{answer:?}"
    );

    let force = format!("/v2.1/{LAB}/servers/{NO_SERVER}/migrations/1/action");
    let old = world.ask("POST", &force).by(Who::Admin).version(21);
    let old = old.json(&json!({"force_complete": {}})).send().await;
    assert!(
        old.bad_request().starts_with("Malformed request URL"),
        "{old:?}"
    );
    let own = force.replace(&format!("/{LAB}"), "");
    let old = world.ask("POST", &own).by(Who::Admin).version(21);
    let old = old.json(&json!({"force_complete": {}})).send().await;
    assert_eq!(old.not_found(), "The resource could not be found.");
    let new = world.ask("POST", &own).by(Who::Admin).version(22);
    let new = new.json(&json!({"force_complete": {}})).send().await;
    assert!(new.bad_request().starts_with("Invalid input"), "{new:?}");
    let get = world
        .ask("GET", "/v2.1/servers")
        .by(Who::Admin)
        .header("Content-Type", "text/xml");
    assert_eq!(
        get.send().await.status,
        415,
        "even where nobody reads a body"
    );
}

#[tokio::test]
async fn the_project_in_the_url_must_be_ones_own() {
    let world = World::new().await;
    for who in [Who::Admin, Who::Member] {
        let answer = world.get(who, 1, "/v2.1/deadbeef/servers").await;
        let own = who.claims()["project_id"].as_str().unwrap().to_owned();
        assert_eq!(
            answer.bad_request(),
            format!(
                "Malformed request URL: URL's project_id 'deadbeef' doesn't match Context's \
                 project_id '{own}'"
            )
        );
        assert_eq!(
            world
                .get(who, 1, &format!("/v2.1/{own}/servers"))
                .await
                .status,
            200
        );
    }
}

#[tokio::test]
async fn schema_before_visibility_before_policy_before_state() {
    let world = World::new().await;
    world.populate().await;
    let locked = "22222222-2222-4222-8222-222222222222";
    world.server(Server {
        uuid: locked,
        locked: true,
        vm_state: "stopped",
        ..Server::default()
    });
    let good = json!({"os-migrateLive": {"host": null, "block_migration": "auto"}});
    let bad = json!({"os-migrateLive": {"host": null}});
    let post = async |who, server: &str, body: &serde_json::Value| {
        world
            .post(
                who,
                80,
                &format!("/v2.1/servers/{server}/action"),
                body.clone(),
            )
            .await
    };
    assert_eq!(post(Who::Reader, NO_SERVER, &bad).await.status, 400);
    assert_eq!(post(Who::Reader, SERVER, &bad).await.status, 400);
    assert_eq!(post(Who::Reader, NO_SERVER, &good).await.status, 404);
    assert_eq!(post(Who::Stranger, locked, &good).await.status, 404);
    assert_eq!(
        post(Who::Reader, locked, &good).await.forbidden(),
        "os-migrate-server:migrate_live"
    );
    let answer = post(Who::Manager, locked, &good).await;
    assert_eq!(answer.conflict(), format!("Instance {locked} is locked"));
    let answer = post(Who::Admin, locked, &good).await;
    assert_eq!(
        answer.conflict(),
        format!("Cannot 'os-migrateLive' instance {locked} while it is in vm_state stopped")
    );
}

#[tokio::test]
async fn unknown_servers_and_others_servers_look_the_same() {
    let world = World::new().await;
    world.populate().await;
    let gone = "33333333-3333-4333-8333-333333333333";
    world.server(Server {
        uuid: gone,
        deleted: true,
        ..Server::default()
    });
    for (id, who) in [
        (SERVER, Who::Stranger),
        (NO_SERVER, Who::Admin),
        (NO_SERVER, Who::Stranger),
        (gone, Who::Admin),
        ("not-a-uuid", Who::Admin),
        ("24f55ce2268d50919bd617514ba6c04d", Who::Admin),
        ("%20", Who::Admin),
        ("%00", Who::Admin),
        ("%ff", Who::Admin),
        ("{24f55ce2-268d-5091-9bd6-17514ba6c04d}", Who::Admin),
    ] {
        let shown = match id {
            "%20" => " ",
            "%00" => "\0",
            "%ff" => "\u{ff}",
            id => id,
        };
        let expected = format!("Instance {shown} could not be found.");
        let base = format!("/v2.1/servers/{id}");
        for path in [
            base.clone(),
            format!("{base}/migrations"),
            format!("{base}/migrations/1"),
        ] {
            assert_eq!(world.get(who, 80, &path).await.not_found(), expected);
        }
        let force = json!({"force_complete": null});
        let answer = world
            .post(who, 80, &format!("{base}/migrations/1/action"), force)
            .await;
        assert_eq!(answer.not_found(), expected);
        let delete = world
            .ask("DELETE", &format!("{base}/migrations/1"))
            .by(who)
            .version(80);
        assert_eq!(delete.send().await.not_found(), expected);
        let migrate = json!({"os-migrateLive": {"host": null, "block_migration": "auto"}});
        assert_eq!(
            world
                .post(who, 80, &format!("{base}/action"), migrate)
                .await
                .not_found(),
            expected
        );
    }
    let upper = SERVER.to_uppercase();
    assert_eq!(
        world
            .get(Who::Admin, 80, &format!("/v2.1/servers/{upper}"))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn dots_are_an_id_like_another() {
    let world = World::new().await;
    // A well-behaved client would resolve these itself.
    let (status, body) = raw(&world, "/v2.1/servers/%2e%2e/migrations").await;
    assert_eq!(status, 404);
    assert!(body.contains("Instance .. could not be found."), "{body}");
    assert_eq!(raw(&world, "/v2.1/servers/%2F/migrations").await.0, 404);
}

/// Sends a path exactly as written.
async fn raw(world: &World, path: &str) -> (u16, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Auth-Token: {}\r\n\
         OpenStack-API-Version: compute 2.80\r\n\r\n",
        world.token(Who::Admin)
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

#[tokio::test]
async fn bodies_that_name_no_action() {
    let world = World::new().await;
    world.populate().await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let nested = format!(
        "{{\"os-migrateLive\": {}}}",
        "[".repeat(100) + &"]".repeat(100)
    );
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("{}", 400),
        ("[]", 400),
        ("\"lock\"", 400),
        (r#"{"os-migrateLive": {}, "x": 1}"#, 400),
        (&deep, 400),
        (&nested, 400),
        (r#"{"pause": null}"#, 400),
        (r#"["lock"]"#, 404),
        ("\"l\"", 404),
        ("null", 404),
        ("1", 404),
        ("true", 404),
    ] {
        for path in ["action", "migrations/1/action"] {
            let ask = world.ask("POST", &format!("/v2.1/servers/{SERVER}/{path}"));
            let answer = ask.by(Who::Admin).version(80).body(body).send().await;
            assert_eq!(answer.status, status, "{body:.80}");
        }
    }
}
