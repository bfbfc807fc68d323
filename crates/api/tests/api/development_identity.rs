//! Logging in at the development identity, and using what one gets.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::answers::Answer;
use crate::seed::Server;
use crate::world::{Wanted, World};

async fn world() -> World {
    World::with(Wanted {
        identity: true,
        ..Wanted::default()
    })
    .await
}

fn domain() -> Value {
    json!({"name": "Default"})
}

async fn log_in(world: &World, user: &str, password: &str, scope: Value) -> Answer {
    let body = json!({"auth": {
        "identity": {"methods": ["password"], "password": {
            "user": {"name": user, "domain": domain(), "password": password}}},
        "scope": scope,
    }});
    world
        .ask("POST", "/identity/v3/auth/tokens")
        .json(&body)
        .send()
        .await
}

fn project(name: &str) -> Value {
    json!({"project": {"name": name, "domain": domain()}})
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.header("x-subject-token").unwrap().to_owned()
}

fn roles(answer: &Answer) -> Vec<String> {
    let roles = answer.json()["token"]["roles"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    roles
        .iter()
        .map(|role| role["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn everybody_gets_their_roles_in_their_project() {
    let world = world().await;
    for (user, place, expected) in [
        (
            "admin",
            "admin",
            &["admin", "manager", "member", "reader"][..],
        ),
        ("manager", "demo", &["manager", "member", "reader"]),
        ("member", "demo", &["member", "reader"]),
        ("reader", "demo", &["reader"]),
        ("stranger", "lab", &["member", "reader"]),
    ] {
        let answer = log_in(&world, user, user, project(place)).await;
        assert_eq!(roles(&answer), expected, "{user}");
        let document = answer.json()["token"].clone();
        assert_eq!(document["user"]["name"], user);
        assert_eq!(document["project"]["name"], place);
        assert_eq!(document["expires_at"], "2026-11-20T12:10:00.000000Z");
        let kinds: Vec<_> = document["catalog"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["type"])
            .collect();
        assert_eq!(
            json!(kinds),
            json!(["compute", "identity", "image", "relocation"])
        );
        let compute = &document["catalog"][0]["endpoints"][0]["url"];
        assert_eq!(*compute, format!("http://{}/v2.1", world.address));
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let world = world().await;
    for (user, password, scope) in [
        ("admin", "wrong", project("admin")),
        ("nobody", "nobody", project("demo")),
        ("member", "member", project("lab")),
        ("member", "member", project("nowhere")),
        ("member", "member", json!({"system": {"all": true}})),
        ("member", "member", json!({"domain": {"id": "default"}})),
        (
            "member",
            "member",
            json!({"project": {"name": "demo", "domain": {"name": "Other"}}}),
        ),
    ] {
        let answer = log_in(&world, user, password, scope.clone()).await;
        assert_eq!(answer.status, 401, "{user} {scope}");
        assert_eq!(answer.json()["error"]["title"], "Unauthorized");
    }
    for body in [
        "",
        "{",
        "{}",
        r#"{"auth": {}}"#,
        r#"{"auth": {"identity": {"methods": ["password"]}}}"#,
    ] {
        let answer = world
            .ask("POST", "/identity/v3/auth/tokens")
            .body(body)
            .send()
            .await;
        assert_eq!(answer.status, 400, "{body}");
    }
}

#[tokio::test]
async fn ids_tokens_and_scopes_serve_as_well_as_names() {
    let world = world().await;
    let first = log_in(&world, "member", "member", Value::Null).await;
    assert!(roles(&first).is_empty());
    let document = first.json()["token"].clone();
    assert!(document.get("project").is_none() && document.get("catalog").is_none());
    let user_id = document["user"]["id"].as_str().unwrap();

    let by_token = json!({"auth": {
        "identity": {"methods": ["token"], "token": {"id": token(&first)}},
        "scope": project("demo"),
    }});
    world.advance(100);
    let scoped = world
        .ask("POST", "/identity/v3/auth/tokens")
        .json(&by_token)
        .send()
        .await;
    assert_eq!(roles(&scoped), ["member", "reader"]);
    assert_eq!(
        scoped.json()["token"]["expires_at"],
        document["expires_at"],
        "no longer than the first"
    );
    let project_id = scoped.json()["token"]["project"]["id"].clone();

    let by_ids = json!({"auth": {
        "identity": {"methods": ["password"], "password": {
            "user": {"id": user_id, "password": "member"}}},
        "scope": {"project": {"id": project_id}},
    }});
    let again = world
        .ask("POST", "/identity/v3/auth/tokens")
        .json(&by_ids)
        .send()
        .await;
    assert_eq!(roles(&again), ["member", "reader"]);

    let system = log_in(&world, "admin", "admin", json!({"system": {"all": true}})).await;
    assert_eq!(system.json()["token"]["system"], json!({"all": true}));
    assert_eq!(roles(&system)[0], "admin");
}

#[tokio::test]
async fn its_tokens_open_the_api() {
    let world = world().await;
    let answer = log_in(&world, "member", "member", project("demo")).await;
    let project_id = answer.json()["token"]["project"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    world.server(Server {
        project: project_id.clone().leak(),
        ..Server::default()
    });
    let list = world.ask("GET", &format!("/v2.1/{project_id}/servers"));
    let list = list.header("X-Auth-Token", &token(&answer)).send().await;
    assert_eq!(list.ok()["servers"].as_array().unwrap().len(), 1);
    let foreign = log_in(&world, "stranger", "stranger", project("lab")).await;
    let list = world
        .ask("GET", "/v2.1/servers")
        .header("X-Auth-Token", &token(&foreign));
    assert!(
        list.send().await.ok()["servers"]
            .as_array()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_token_is_looked_at_and_taken_back() {
    let world = world().await;
    let admin = token(&log_in(&world, "admin", "admin", project("admin")).await);
    let member = token(&log_in(&world, "member", "member", project("demo")).await);
    let reader = token(&log_in(&world, "reader", "reader", project("demo")).await);
    let ask = async |method: &str, own: &str, subject: &str| {
        let ask = world
            .ask(method, "/identity/v3/auth/tokens")
            .header("X-Auth-Token", own);
        ask.header("X-Subject-Token", subject).send().await
    };
    let shown = ask("GET", &admin, &member).await;
    assert_eq!(shown.ok()["token"]["user"]["name"], "member");
    assert_eq!(shown.header("x-subject-token"), Some(&*member));
    let head = ask("HEAD", &member, &member).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(ask("GET", &reader, &member).await.status, 403);
    assert_eq!(ask("GET", "bogus", &member).await.status, 401);
    assert_eq!(ask("GET", &admin, "bogus").await.status, 404);
    assert_eq!(ask("DELETE", &reader, &member).await.status, 403);

    let servers = async |token: &str| {
        let ask = world
            .ask("GET", "/v2.1/servers")
            .header("X-Auth-Token", token);
        ask.send().await.status
    };
    assert_eq!(servers(&member).await, 200);
    assert_eq!(ask("DELETE", &admin, &member).await.status, 204);
    assert_eq!(servers(&member).await, 401);
    assert_eq!(ask("GET", &admin, &member).await.status, 404);
    assert_eq!(servers(&reader).await, 200);
    world.advance(600);
    assert_eq!(servers(&reader).await, 401, "its time is over");
}

#[tokio::test]
async fn clients_find_their_way() {
    let world = world().await;
    let base = format!("http://{}", world.address);
    for path in ["/identity", "/identity/"] {
        let answer = world.ask("GET", path).send().await;
        assert_eq!(answer.status, 300);
        let version = &answer.json()["versions"]["values"][0];
        assert_eq!(version["links"][0]["href"], format!("{base}/identity/v3/"));
    }
    for path in ["/identity/v3", "/identity/v3/"] {
        let version = world.ask("GET", path).send().await.ok();
        assert_eq!(version["version"]["id"], "v3.14");
    }
    let admin = token(&log_in(&world, "admin", "admin", project("admin")).await);
    let get = async |path: &str| {
        world
            .ask("GET", path)
            .header("X-Auth-Token", &admin)
            .send()
            .await
    };
    let found = get("/identity/v3/projects?name=demo").await.ok();
    let id = found["projects"][0]["id"].as_str().unwrap();
    assert_eq!(found["projects"].as_array().unwrap().len(), 1);
    assert_eq!(
        get(&format!("/identity/v3/projects/{id}")).await.ok()["project"]["name"],
        "demo"
    );
    assert_eq!(get("/identity/v3/projects/demo").await.status, 404);
    assert_eq!(
        get("/identity/v3/users?name=reader").await.ok()["users"][0]["name"],
        "reader"
    );
    assert_eq!(
        get("/identity/v3/domains/default").await.ok()["domain"]["name"],
        "Default"
    );
    assert_eq!(
        get("/identity/v3/auth/projects").await.ok()["projects"][0]["name"],
        "admin"
    );
    assert_eq!(
        get("/identity/v3/auth/catalog").await.ok()["catalog"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    assert_eq!(get("/identity/v3/nothing").await.status, 404);
    assert_eq!(
        world
            .ask("GET", "/identity/v3/projects")
            .send()
            .await
            .status,
        401
    );
    assert_eq!(get("/image").await.status, 300);
    assert_eq!(get("/image/v2/images").await.ok()["images"], json!([]));
    assert_eq!(get("/image/v2/images/x").await.status, 404);
}

#[tokio::test]
async fn a_dashboard_finds_projects_and_services() {
    let world = world().await;
    let unscoped = log_in(&world, "member", "member", json!("unscoped")).await;
    let id = unscoped.json()["token"]["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let admin = log_in(&world, "admin", "admin", project("admin")).await;
    let get = async |by: &Answer, path: &str| {
        let path = format!("/identity/v3/{path}");
        let ask = world.ask("GET", &path).header("X-Auth-Token", &token(by));
        ask.send().await
    };
    let own = format!("users/{id}/projects");
    for by in [&unscoped, &admin] {
        let projects = get(by, &own).await.ok()["projects"].clone();
        assert_eq!(
            (&projects[0]["name"], &projects[1]),
            (&json!("demo"), &Value::Null)
        );
    }
    let foreign = admin.json()["token"]["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let foreign = get(&unscoped, &format!("users/{foreign}/projects")).await;
    assert_eq!(foreign.status, 403);
    assert_eq!(get(&admin, "users/nobody/projects").await.status, 404);
    assert_eq!(
        get(&unscoped, "auth/domains").await.ok()["domains"],
        json!([])
    );
    assert_eq!(
        get(&unscoped, "auth/system").await.ok()["system"],
        json!([])
    );
    assert_eq!(
        get(&admin, "auth/system").await.ok()["system"],
        json!([{"all": true}])
    );

    let count =
        async |path: &str, kind: &str| get(&admin, path).await.ok()[kind].as_array().unwrap().len();
    assert_eq!(count("services", "services").await, 4);
    assert_eq!(count("services?type=compute", "services").await, 1);
    assert_eq!(count("endpoints?service_id=compute", "endpoints").await, 3);
    assert_eq!(count("endpoints?interface=public", "endpoints").await, 4);
    assert_eq!(count("regions", "regions").await, 1);
    assert_eq!(count("roles", "roles").await, 4);
    assert_eq!(count("groups", "groups").await, 0);
    let compute = get(&admin, "services/compute").await.ok();
    assert_eq!(compute["service"]["name"], "nova");
    assert_eq!(get(&admin, "services/x").await.status, 404);
    for path in ["services", "regions", "auth/system", &own] {
        let path = format!("/identity/v3/{path}");
        assert_eq!(world.ask("GET", &path).send().await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn without_it_its_paths_are_choices_like_others() {
    let world = World::new().await;
    assert_eq!(world.ask("GET", "/identity/v3").send().await.status, 300);
}

#[tokio::test]
async fn it_is_served_on_loopback_only_unless_somebody_says_otherwise() {
    let wanted = |beyond_loopback| Wanted {
        identity: true,
        beyond_loopback,
        listener: Some(TcpListener::bind("0.0.0.0:0").unwrap()),
        ..Wanted::default()
    };
    let refused = World::refusal(wanted(false)).await;
    assert!(refused.to_string().contains("loopback"), "{refused}");
    let world = World::with(wanted(true)).await;
    assert_eq!(world.ask("GET", "/identity/v3").send().await.status, 200);
}
