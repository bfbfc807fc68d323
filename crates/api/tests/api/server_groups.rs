//! `/os-server-groups`, and what a server shows of its group.

use godwit_test_support::postgres::TempPostgres;
use serde_json::{Value, json};

use crate::seed::{GROUP, SERVER, Server};
use crate::world::{DEMO, Wanted, Who, World};

const PATH: &str = "/v2.1/os-server-groups";

async fn grouped() -> World {
    let world = World::new().await;
    world.populate().await;
    world.group(&[SERVER]);
    world
}

async fn create(world: &World, version: u32, group: Value) -> (u16, Value) {
    let body = json!({ "server_group": group });
    let ask = world.ask("POST", PATH).by(Who::Member).version(version);
    let answer = ask.json(&body).send().await;
    (answer.status, answer.json())
}

/// The message of a 400.
async fn refusal(world: &World, version: u32, group: Value) -> String {
    let (status, body) = create(world, version, group).await;
    assert_eq!(status, 400, "{body}");
    body["badRequest"]["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_version_shows_what_it_should() {
    let world = grouped().await;
    for (version, expected) in [
        (
            1,
            json!({"id": GROUP, "name": "web", "policies": ["anti-affinity"], "metadata": {},
            "members": [SERVER]}),
        ),
        (
            13,
            json!({"id": GROUP, "name": "web", "policies": ["anti-affinity"], "metadata": {},
            "members": [SERVER], "project_id": DEMO, "user_id": "u-owner"}),
        ),
        (
            63,
            json!({"id": GROUP, "name": "web", "policies": ["anti-affinity"], "metadata": {},
            "members": [SERVER], "project_id": DEMO, "user_id": "u-owner"}),
        ),
        (
            64,
            json!({"id": GROUP, "name": "web", "policy": "anti-affinity",
            "rules": {"max_server_per_host": 2}, "members": [SERVER], "project_id": DEMO,
            "user_id": "u-owner"}),
        ),
    ] {
        let one = world
            .get(Who::Reader, version, &format!("{PATH}/{GROUP}"))
            .await;
        // Members in Nova's order, too.
        let text = json!({ "server_group": expected }).to_string();
        assert_eq!(one.text, text, "{version}");
        let list = world.get(Who::Reader, version, PATH).await.ok();
        assert_eq!(list["server_groups"], json!([expected]));
    }
    let server = format!("/v2.1/servers/{SERVER}");
    let shown = world.get(Who::Reader, 71, &server).await.ok();
    assert_eq!(shown["server"]["server_groups"], json!([GROUP]));
    let shown = world.get(Who::Reader, 70, &server).await.ok();
    assert_eq!(shown["server"].get("server_groups"), None);
}

#[tokio::test]
async fn members_that_are_deleted_or_not_here_yet_are_not_shown() {
    let world = World::new().await;
    let gone = "22222222-2222-4222-8222-222222222222";
    world.server(Server::default());
    world.server(Server {
        uuid: gone,
        deleted: true,
        ..Server::default()
    });
    world.group(&[gone, "33333333-2222-4222-8222-222222222222", SERVER]);
    let one = world
        .get(Who::Reader, 64, &format!("{PATH}/{GROUP}"))
        .await
        .ok();
    assert_eq!(one["server_group"]["members"], json!([SERVER]));
}

#[tokio::test]
async fn a_group_is_made_as_asked() {
    let world = World::new().await;
    for (version, group, policy, rules) in [
        (
            1,
            json!({"name": "a", "policies": ["affinity"]}),
            "affinity",
            json!({}),
        ),
        (
            15,
            json!({"name": "a", "policies": ["soft-affinity"]}),
            "soft-affinity",
            json!({}),
        ),
        (
            64,
            json!({"name": "a", "policy": "affinity", "rules": {}}),
            "affinity",
            json!({}),
        ),
        (
            64,
            json!({"name": "a", "policy": "anti-affinity", "rules": {"max_server_per_host": 3}}),
            "anti-affinity",
            json!({"max_server_per_host": 3}),
        ),
        (
            64,
            json!({"name": "a", "policy": "anti-affinity", "rules": {"max_server_per_host": "3"}}),
            "anti-affinity",
            json!({"max_server_per_host": 3}),
        ),
    ] {
        let (status, made) = create(&world, version, group).await;
        assert_eq!(status, 200, "{made}");
        let made = &made["server_group"];
        let path = format!("{PATH}/{}", made["id"].as_str().unwrap());
        let one = world.get(Who::Reader, 64, &path).await.ok();
        let one = &one["server_group"];
        assert_eq!((&one["policy"], &one["rules"]), (&json!(policy), &rules));
        assert_eq!(
            (&one["project_id"], &one["user_id"]),
            (&json!(DEMO), &json!("u-member"))
        );
        assert_eq!((&one["name"], &one["members"]), (&made["name"], &json!([])));
    }
    let limits = world.get(Who::Reader, 64, "/v2.1/limits").await.ok();
    assert_eq!(limits["limits"]["absolute"]["totalServerGroupsUsed"], 5);
    assert_eq!(world.woken(), 0);
}

#[tokio::test]
async fn what_a_group_must_be_like_is_said_in_novas_words() {
    let world = World::new().await;
    let name = "An invalid 'name' value was provided. The name must be: printable characters. \
                Can not start or end with whitespace.";
    for (version, group, text) in [
        (
            1,
            json!({"name": "a", "policies": ["soft-affinity"]}),
            "Invalid input for field/attribute 0. Value: soft-affinity. 'soft-affinity' is not \
             one of ['anti-affinity', 'affinity']",
        ),
        (
            15,
            json!({"name": "a", "policies": []}),
            "Invalid input for field/attribute policies. Value: []. [] should be non-empty",
        ),
        (
            15,
            json!({"name": "a", "policies": ["affinity", "anti-affinity"]}),
            "Invalid input for field/attribute policies. Value: ['affinity', 'anti-affinity']. \
             ['affinity', 'anti-affinity'] is too long",
        ),
        (
            15,
            json!({"name": "a", "policies": ["affinity", "affinity"]}),
            "Invalid input for field/attribute policies. Value: ['affinity', 'affinity']. \
             ['affinity', 'affinity'] has non-unique elements",
        ),
        (
            15,
            json!({"name": "a", "policies": "affinity"}),
            "Invalid input for field/attribute policies. Value: affinity. 'affinity' is not of \
             type 'array'",
        ),
        (
            63,
            json!({"name": "a", "policy": "affinity"}),
            "Invalid input for field/attribute server_group. Value: {'name': 'a', 'policy': \
             'affinity'}. 'policies' is a required property",
        ),
        (64, json!({"name": " a", "policy": "affinity"}), name),
        (64, json!({"name": "a\u{7}", "policy": "affinity"}), name),
        (
            64,
            json!({"name": "", "policy": "affinity"}),
            "Invalid input for field/attribute name. Value: . '' should be non-empty",
        ),
        (
            64,
            json!({"name": "a", "policy": "anti-affinity", "rules": {"max_server_per_host": 0}}),
            "Invalid input for field/attribute max_server_per_host. Value: 0. 0 is less than the \
             minimum of 1",
        ),
        (
            64,
            json!({"name": "a", "policy": "affinity", "rules": {"max_server_per_host": 3}}),
            "Only anti-affinity policy supports rules.",
        ),
    ] {
        assert_eq!(
            refusal(&world, version, group.clone()).await,
            text,
            "{group}"
        );
    }
}

#[tokio::test]
async fn lists_are_of_ones_own_project_and_have_windows() {
    let world = grouped().await;
    for name in ["b", "c"] {
        create(&world, 64, json!({"name": name, "policy": "affinity"})).await;
    }
    for (who, query, expected) in [
        (Who::Reader, "", &["web", "b", "c"][..]),
        (Who::Reader, "?all_projects=1", &["web", "b", "c"]),
        (Who::Stranger, "?all_projects=1", &[]),
        (Who::Admin, "", &[]),
        (Who::Admin, "?all_projects=False", &["web", "b", "c"]),
        (Who::Reader, "?limit=0&offset=1", &["b", "c"]),
        (Who::Reader, "?limit=1&offset=1", &["b"]),
        (Who::Reader, "?limit=1&limit=2", &["web", "b"]),
        (Who::Reader, "?offset=99999999999999999999999", &[]),
    ] {
        let list = world.get(who, 74, &format!("{PATH}{query}")).await.ok();
        let groups = list["server_groups"].as_array().unwrap().iter();
        let names: Vec<_> = groups
            .map(|group| group["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected, "{who:?} {query}");
    }
    assert_eq!(
        world
            .get(Who::Reader, 74, &format!("{PATH}?x=1"))
            .await
            .status,
        200
    );
    for query in ["x=1", "limit=-1", "offset=a"] {
        let answer = world.get(Who::Reader, 75, &format!("{PATH}?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
    }
}

#[tokio::test]
async fn what_is_deleted_or_anothers_is_not_found() {
    on(None).await;
}

#[tokio::test]
async fn on_postgres_as_well() {
    let server = TempPostgres::shared().unwrap();
    on(Some(server.create_database().unwrap())).await;
}

async fn on(postgres: Option<String>) {
    let wanted = Wanted {
        postgres,
        ..Wanted::default()
    };
    let world = World::with(wanted).await;
    let (_, made) = create(&world, 64, json!({"name": "a", "policy": "affinity"})).await;
    let id = made["server_group"]["id"].as_str().unwrap().to_owned();
    let path = format!("{PATH}/{id}");
    let unknown = async |method: &str, who: Who, path: &str| {
        let answer = world.ask(method, path).by(who).version(64).send().await;
        let id = path.rsplit('/').next().unwrap();
        let text = format!("Instance group {id} could not be found.");
        assert_eq!(answer.status, 404);
        assert_eq!(answer.json()["itemNotFound"]["message"], text);
    };
    for method in ["GET", "DELETE"] {
        unknown(method, Who::Stranger, &path).await;
        unknown(method, Who::Admin, &format!("{PATH}/1")).await;
    }
    let list = world.get(Who::Member, 64, PATH).await.ok();
    assert_eq!(list["server_groups"].as_array().unwrap().len(), 1);
    let gone = world
        .ask("DELETE", &path)
        .by(Who::Member)
        .version(64)
        .send()
        .await;
    assert_eq!((gone.status, gone.text.as_str()), (204, ""));
    unknown("GET", Who::Member, &path).await;
    unknown("DELETE", Who::Admin, &path).await;
}
